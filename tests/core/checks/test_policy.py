"""SD4: owners and gates."""

from __future__ import annotations

import pytest

from specs import ANN, CAROL, OWNERS, PEOPLE, facts, found, model, owners, registry, version
from stagedoor.core.approval import judge, needs
from stagedoor.core.checks import Check, policy
from stagedoor.core.diff import diff
from stagedoor.core.policy import Approvals, Gate, RegistrySpec
from stagedoor.core.registry import Registry
from stagedoor.core.requests import Reviewed

ONE = registry(model("fraud", version(1)))
AT = ".github/CODEOWNERS"


def lines(check: Check, text: str) -> list[str]:
    return found(check, ONE, owners=owners(text))


def test_sd401_refuses_a_line_that_the_forge_passes_over() -> None:
    assert lines(policy.codeowners_parses, OWNERS + "!docs/ @ann\n") == [
        f"`!` does not work on GitHub, so the line is skipped | {AT}:8:1",
    ]
    assert lines(policy.codeowners_parses, OWNERS) == []


def test_sd401_reads_the_proposed_file_and_not_the_bases() -> None:
    proposed = owners(OWNERS + "/docs/ nobody\n")
    said = found(policy.codeowners_parses, ONE, owners=owners(), proposed_owners=proposed)
    assert [line.partition(" | ")[2] for line in said] == [f"{AT}:8:1"]


def test_sd402_refuses_an_owner_whom_people_yaml_does_not_know() -> None:
    assert lines(policy.owners_exist, OWNERS + "/docs/ @ghost\n") == [
        f"nobody knows @ghost, so the line gives it no rights | {AT}:8:1",
    ]


def test_sd402_knows_logins_teams_and_addresses() -> None:
    assert lines(policy.owners_exist, OWNERS + "/docs/ @ann @BOB-hub @ML/energy x@example.com\n") == []


def test_sd402_refuses_a_gate_that_asks_somebody_whom_people_yaml_does_not_know() -> None:
    by = ("@ml/energy", "@ghosts", "energy", CAROL)
    spec = RegistrySpec(gates=(Gate(name="g", approvals=Approvals(by=by)),))
    assert found(policy.owners_exist, ONE, spec=spec) == [
        "nobody knows @ghosts, whom gate g asks | registry.yaml gates 0 approvals by 1",
        "nobody knows energy, whom gate g asks | registry.yaml gates 0 approvals by 2",
    ]


GATED = RegistrySpec(
    gates=(
        Gate(
            name="evidence",
            models=("fraud*",),
            stages=("Production",),
            require=("description", "metrics.rmse", "model.tags.team"),
            reason="the auditors ask for it",
        ),
    )
)


def test_sd403_refuses_a_version_without_the_evidence_that_a_gate_asks_for() -> None:
    after = registry(model("fraud", version(1, "Production", description="ready")))
    assert found(policy.gates_are_met, after, ONE, spec=GATED) == [
        "gate evidence: fraud/1 has no metrics.rmse, model.tags.team; the auditors ask for it | fraud.yaml versions 0",
    ]


def test_sd403_takes_a_version_that_has_it_a_zero_included() -> None:
    ready = version(1, "Production", description="ready", metrics={"rmse": 0.0})
    assert found(policy.gates_are_met, registry(model("fraud", ready, tags={"team": "energy"})), ONE, spec=GATED) == []


@pytest.mark.parametrize(("name", "stage"), [("wind", "Production"), ("fraud", "Staging")])
def test_sd403_leaves_other_models_and_stages_alone(name: str, stage: str) -> None:
    assert found(policy.gates_are_met, registry(model(name, version(1, stage))), spec=GATED) == []


@pytest.mark.parametrize(
    ("require", "cure"),
    [
        ("description", "stagedoor describe fraud/1 TEXT"),
        ("tags.a.b", "stagedoor tag fraud/1 a.b=VALUE"),
        ("model.tags.team", "stagedoor tag fraud team=VALUE"),
        ("digest", "digest is a fact of the version: register one that has it"),
    ],
)
def test_sd403_names_the_command_that_mends_it(require: str, cure: str) -> None:

    spec = RegistrySpec(gates=(Gate(name="g", require=(require,)),))
    (finding,) = policy.gates_are_met.find(facts(Registry(), ONE, spec=spec))
    assert finding.fix == cure


def test_sd404_refuses_while_an_owner_has_to_agree() -> None:
    after = registry(model("fraud", version(1, "Production")))
    asked = needs(diff(ONE, after), (), RegistrySpec())
    given = {"author": ANN, "head": "a" * 40, "owners": owners(), "people": PEOPLE, "spec": RegistrySpec()}
    waiting = judge(asked, (), **given)  # type: ignore[arg-type]
    agreed = judge(asked, (Reviewed(at="2026-11-24T10:15:00Z", by=CAROL, verdict="approved", head="a" * 40),), **given)  # type: ignore[arg-type]
    assert found(policy.owners_have_agreed, after, ONE, verdict=waiting) == [
        "fraud/1: None → Production: approval by 1 of carol@example.com, dave@example.com | fraud.yaml",
    ]
    assert found(policy.owners_have_agreed, after, ONE, verdict=agreed) == []
    assert found(policy.owners_have_agreed, after, ONE, verdict=None) == []


def test_sd405_refuses_a_stage_line_that_a_later_line_swallows() -> None:
    assert lines(policy.stage_lines_count, OWNERS + "/registry_spec/models/fraud.yaml @ann\n") == [
        f"line 8 (/registry_spec/models/fraud.yaml) comes later and swallows this line, "
        f"which therefore guards nothing there | {AT}:{number}:1"
        for number in (4, 5, 6, 7)
    ]
    assert lines(policy.stage_lines_count, OWNERS) == []


def test_sd406_warns_of_a_policy_without_owners() -> None:
    said = lines(policy.policy_is_owned, "/registry_spec/ carol@example.com\n")
    assert said == [
        f"nobody owns {path}, so anybody who can write may change who may | {AT}"
        for path in (".github/CODEOWNERS", ".github/workflows/registry.yaml")
    ]
    assert lines(policy.policy_is_owned, OWNERS) == []


def test_sd407_warns_of_a_suffix_that_reads_like_a_stage() -> None:
    assert lines(policy.stage_lines_name_something, OWNERS + "/registry_spec/models/*.yaml/@production @ann\n") == [
        f"@production is no stage, and reads like @Production | {AT}:8:1",
    ]
    assert lines(policy.stage_lines_name_something, OWNERS) == []


def test_sd408_warns_when_staging_is_guarded_and_production_is_not() -> None:
    open_ = "".join(line for line in OWNERS.splitlines(keepends=True) if "@Production" not in line)
    assert lines(policy.production_is_guarded, open_) == [
        "Staging of registry_spec/models/fraud.yaml is guarded and Production is not: "
        f"it is open to the owners of the file | {AT}:4:1",
    ]
    assert lines(policy.production_is_guarded, OWNERS) == []
