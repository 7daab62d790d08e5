"""Every check, side by side: facts that it refuses, and facts close to them that it lets pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from specs import ANN, BY, CAROL, FRAUD, NOW, OWNERS, PEOPLE, facts, model, owners, registry, version
from stagedoor.core.approval import Verdict, judge, needs
from stagedoor.core.checks import Check, Facts, Place, run
from stagedoor.core.checks.base import StageText
from stagedoor.core.checks.catalogue import ALL_CHECKS, FAMILIES
from stagedoor.core.diff import diff
from stagedoor.core.gates import Circumstances
from stagedoor.core.gates.hindsight import misfits
from stagedoor.core.policy import (
    Freeze,
    Gate,
    Notifications,
    Quarantine,
    Quarantined,
    RegistrySpec,
    Route,
    Serving,
    Stage,
    Waiver,
)
from stagedoor.core.registry import Registry
from stagedoor.core.requests import Reviewed
from stagedoor.core.spec import Evidence, Version
from stagedoor.core.webhooks import HttpTarget, Webhook, Webhooks
from stagedoor.errors import BadSpec

NOTHING = Registry()
ONE = registry(model("fraud", version(1)))
SERVED = registry(model("fraud", version(1, "Production")))
POLICY = "registry_spec/registry.yaml"
LISTED = "registry_spec/stages/Production/fraud.yaml"
AT = ".github/CODEOWNERS"
HEAD = "b" * 40
DOCS = Path(__file__).parents[2] / "docs/checks.md"


@dataclass(frozen=True)
class Case:
    """What is refused, with which sentence and where, and what is close to it and passes."""

    refused: Facts
    said: str
    where: str
    passes: Facts


def fraud(*versions: Version, before: Registry = NOTHING, spec: RegistrySpec | None = None, **more: object) -> Facts:
    return facts(before, registry(model("fraud", *versions, **more)), spec=spec or RegistrySpec())


def strict(*versions: Version) -> Facts:
    """A request that brings the gate."""
    there = registry(model("fraud", *versions))
    return facts(there, there, misfits=tuple(misfits(there, GATED.gates, Circumstances(now=NOW))))


def lines(text: str) -> Facts:
    return facts(ONE, ONE, owners=owners(text))


def serving(**more: object) -> Facts:
    return facts(SERVED, SERVED, proposed_spec=RegistrySpec(serving=Serving.model_validate(more)))


def told(to: str, event: str = "*") -> Facts:
    route = Route(name="ops", events=(event,), to=(to,))
    return facts(ONE, ONE, spec=RegistrySpec(notifications=Notifications(routes=(route,))))


def production(**more: object) -> RegistrySpec:
    """A registry whose Production asks for more than the default one."""
    stages = (stage for stage in RegistrySpec().stages if stage.name != "Production")
    return RegistrySpec(stages=(*stages, Stage(name="Production", **more)))


def verdict(*reviews: Reviewed, text: str = OWNERS) -> Verdict:
    spec = RegistrySpec()
    asked = needs(diff(ONE, SERVED), (), spec)
    return judge(asked, reviews, head=HEAD, author=ANN, owners=owners(text), people=PEOPLE, spec=spec)


def reviewed(head: str, said: str = "approved") -> Reviewed:
    return Reviewed(at=NOW, by=CAROL, verdict=said, head=head)


GATED = RegistrySpec(gates=(Gate(name="evidence", stages=("Production",), require=("metrics.rmse",)),))
MEASURED = version(1, "Production", metrics={"rmse": 0.0})
TWO = (version(1, "Production"), version(2, "Production"))
PINNED = f"sha256:{'0' * 64}"
SHOWN = version(1, evidence=(Evidence(name="report", digest=PINNED, at=NOW, by=ANN),))
HOLIDAYS = RegistrySpec(freezes=(Freeze(name="holidays", since=NOW),))
BAD = Quarantine(artifacts=(Quarantined(digest="sha256:ab", reason="leaks names", by=CAROL, at=NOW),))
WAIVER = Waiver(gate="evidence", model="fraud", owner=CAROL, reason="the data is late", expires=NOW + timedelta(days=1))

QUARANTINED = Circumstances(now=NOW, quarantine=BAD)
WAIVED = "registry_spec/waivers/late.yaml"


def asking(expression: str) -> RegistrySpec:
    return RegistrySpec(gates=(Gate(name="g", stages=("Production",), expressions=(expression,)),))


HOOKS = "registry_spec/webhooks.yaml"


def hooked(**more: object) -> Facts:
    known = {"id": "0" * 32, "name": "chat", "events": ("COMMENT_CREATED",), "created": BY}
    hook = Webhook.model_validate({"http": HttpTarget(url="https://example.com/"), **known, **more})
    return facts(ONE, ONE, proposed_webhooks=Webhooks(webhooks=(hook,)))


CASES: dict[str, Case] = {
    "SD101": Case(
        facts(NOTHING, NOTHING, unreadable=(BadSpec("created is missing", where=f"{FRAUD}:1:1"),)),
        "created is missing",
        f"{FRAUD}:1:1",
        facts(NOTHING, ONE),
    ),
    "SD102": Case(
        facts(NOTHING, registry(model("a.b"))),
        "'a.b': a name may not have '.' in it",
        "registry_spec/models/a%2Eb.yaml",
        facts(NOTHING, registry(model("a b"))),
    ),
    "SD103": Case(
        facts(NOTHING, registry(model("fraud"), model("Fraud"))),
        "fraud and Fraud differ only by case or form",
        FRAUD,
        facts(NOTHING, registry(model("fraud"), model("Frauds"))),
    ),
    "SD104": Case(
        facts(NOTHING, Registry({FRAUD: model("scam")})),
        "the file of scam should be called scam.yaml",
        FRAUD,
        facts(NOTHING, registry(model("scam"), folder="risk")),
    ),
    "SD105": Case(
        facts(NOTHING, NOTHING, odd={FRAUD: "a submodule stands where a plain file should"}),
        "a submodule stands where a plain file should",
        FRAUD,
        facts(NOTHING, ONE),
    ),
    "SD106": Case(
        facts(ONE, ONE, uncanonical=(FRAUD,)),
        "the file is not in canonical form",
        FRAUD,
        facts(ONE, ONE),
    ),
    "SD201": Case(
        fraud(version(1, digest="sha256:ab"), before=ONE),
        "fraud/1: digest was recorded and cannot change",
        FRAUD,
        fraud(version(1, description="sha256:ab"), before=ONE),
    ),
    "SD202": Case(
        fraud(version(2), version(1)),
        "fraud: version 1 stands after version 2",
        FRAUD,
        fraud(version(1), version(3)),
    ),
    "SD203": Case(
        fraud(version(2), before=registry(model("fraud", version(1), last_version=2))),
        "fraud: the number 2 was given already; the last was 2",
        FRAUD,
        fraud(version(3), before=registry(model("fraud", version(1), last_version=2))),
    ),
    "SD204": Case(
        facts(SERVED, NOTHING),
        "fraud is deleted while version 1 is in Production",
        FRAUD,
        facts(registry(model("fraud", version(1, "Archived"))), NOTHING),
    ),
    "SD205": Case(
        facts(NOTHING, registry(model("fraud", id="0" * 32), model("scam", id="0" * 32))),
        "scam has the id of fraud",
        "registry_spec/models/scam.yaml",
        facts(NOTHING, registry(model("fraud", id="0" * 32), model("scam", id="1" * 32))),
    ),
    "SD206": Case(
        fraud(version(1, "Staging")),
        "fraud/1 is new and in Staging already",
        FRAUD,
        fraud(version(1, "Staging"), before=ONE),
    ),
    "SD207": Case(
        facts(ONE, registry(model("fraud", SHOWN)), files_of_evidence={PINNED: None}),
        "fraud/1: the file of the evidence report is missing",
        FRAUD,
        facts(ONE, registry(model("fraud", SHOWN)), files_of_evidence={PINNED: PINNED}),
    ),
    "SD301": Case(
        fraud(version(1), aliases={"champion": 2}),
        "fraud@champion points at version 2, which does not exist",
        FRAUD,
        fraud(version(1), aliases={"champion": 1}),
    ),
    "SD302": Case(
        fraud(version(1, "production")),
        "fraud/1 is in production, which is not a stage",
        FRAUD,
        fraud(version(1, "Production")),
    ),
    "SD303": Case(
        fraud(version(1, "Production"), before=ONE, spec=production(sources=("Staging",))),
        "fraud/1 goes from None to Production, and Production is entered from Staging",
        FRAUD,
        fraud(version(1, "Production"), before=ONE, spec=production(sources=("Staging", "None"))),
    ),
    "SD304": Case(
        fraud(*TWO, spec=production(exclusive=True)),
        "fraud: versions 1 and 2 would both be in Production, which holds one",
        FRAUD,
        fraud(*TWO, spec=production()),
    ),
    "SD305": Case(
        fraud(version(1), aliases={"v1": 1}),
        "fraud: the alias v1 is reserved",
        FRAUD,
        fraud(version(1), aliases={"v1-best": 1}),
    ),
    "SD306": Case(
        fraud(version(1, "Archived"), before=SERVED, aliases={"champion": 1}),
        "fraud@champion points at version 1, which is in Archived",
        FRAUD,
        fraud(version(1, "Staging"), before=SERVED, aliases={"champion": 1}),
    ),
    "SD307": Case(
        facts(SERVED, SERVED, stage_files=(StageText(LISTED, FRAUD, "versions: [2]\n", "versions: [1]\n"),)),
        f"{LISTED} does not say what {FRAUD} says",
        LISTED,
        facts(SERVED, SERVED, stage_files=(StageText(LISTED, FRAUD, "versions: [1]\n", "versions: [1]\n"),)),
    ),
    "SD401": Case(
        lines(OWNERS + "!docs/ @ann\n"),
        "`!` does not work on GitHub, so the line is skipped",
        f"{AT}:8:1",
        lines(OWNERS + "docs/ @ann\n"),
    ),
    "SD402": Case(
        lines(OWNERS + "docs/ @anne\n"),
        "nobody knows @anne, so the line gives it no rights",
        f"{AT}:8:1",
        lines(OWNERS + "docs/ @ann\n"),
    ),
    "SD403": Case(
        fraud(version(1, "Production"), before=ONE, spec=GATED),
        "gate evidence: fraud/1 has no metrics.rmse",
        FRAUD,
        fraud(MEASURED, before=ONE, spec=GATED),
    ),
    "SD404": Case(
        facts(ONE, SERVED, verdict=verdict(reviewed("a" * 40))),
        "fraud/1: None → Production: approval by 1 of carol@example.com, dave@example.com",
        FRAUD,
        facts(ONE, SERVED, verdict=verdict(reviewed(HEAD))),
    ),
    "SD405": Case(
        lines(f"{FRAUD}/@Production @ann\n{FRAUD} @ann\n"),
        f"line 2 ({FRAUD}) comes later and swallows this line, which therefore guards nothing there",
        f"{AT}:1:1",
        lines(f"{FRAUD} @ann\n{FRAUD}/@Production @ann\n"),
    ),
    "SD406": Case(
        lines("/registry_spec/ @ann\n/.github/workflows/ @ann\n"),
        "nobody owns .github/CODEOWNERS, so anybody who can write may change who may",
        AT,
        lines("/registry_spec/ @ann\n/.github/ @ann\n"),
    ),
    "SD407": Case(
        lines(f"{FRAUD} @ann\n{FRAUD}/@production @ann\n"),
        "@production is no stage, and reads like @Production",
        f"{AT}:2:1",
        lines(f"{FRAUD} @ann\n{FRAUD}/@Production @ann\n"),
    ),
    "SD408": Case(
        lines(f"{FRAUD} @ann\n{FRAUD}/@Staging @ann\n"),
        f"Staging of {FRAUD} is guarded and Production is not: it is open to the owners of the file",
        f"{AT}:2:1",
        lines(f"{FRAUD} @ann\n{FRAUD}/@Staging @ann\n{FRAUD}/@Production @ann\n"),
    ),
    "SD409": Case(
        fraud(version(1, "Production"), before=ONE, spec=HOLIDAYS),
        "freeze holidays: nothing moves from 2026-11-24 10:15",
        FRAUD,
        fraud(version(1, "Staging"), before=ONE, spec=HOLIDAYS),
    ),
    "SD410": Case(
        facts(ONE, registry(model("fraud", version(1), version(2, digest="SHA256:AB"))), QUARANTINED),
        "quarantine: SHA256:AB is in quarantine since 2026-11-24, by carol@example.com; leaks names",
        FRAUD,
        facts(ONE, registry(model("fraud", version(1), version(2, digest="sha256:ac"))), QUARANTINED),
    ),
    "SD411": Case(
        facts(ONE, ONE, waivers={WAIVED: WAIVER}),
        "the waiver is for the gate evidence, which is not there",
        WAIVED,
        facts(ONE, ONE, waivers={WAIVED: WAIVER}, spec=GATED),
    ),
    "SD412": Case(
        facts(ONE, ONE, spec=asking("1 +")),
        "gate g: 1 +: it does not parse: mismatched input '<EOF>' at column 4",
        POLICY,
        facts(ONE, ONE, spec=asking("1 < 2")),
    ),
    "SD413": Case(
        strict(version(1, "Production")),
        "fraud/1 is in Production and would not be let in: gate evidence: fraud/1 has no metrics.rmse",
        POLICY,
        strict(MEASURED, version(2)),
    ),
    "SD414": Case(
        facts(ONE, ONE, spec=production(signed=True), has_signers=False),
        "stage Production takes signed approvals, and there is no registry_spec/allowed_signers",
        POLICY,
        facts(ONE, ONE, spec=production(signed=True), has_signers=True),
    ),
    "SD501": Case(
        told("json://x", "model_version.promoted"),
        "route ops: no event is called model_version.promoted",
        POLICY,
        told("json://x", "model_version.*"),
    ),
    "SD502": Case(
        told("mailtos://ann:hunter2@example.com"),
        "a password stands in the URL",
        POLICY,
        told("mailtos://ann:${PASSWORD}@example.com"),
    ),
    "SD503": Case(
        told("example.com/hook"),
        "'example.com/hook' is no URL",
        POLICY,
        told("json://example.com/hook"),
    ),
    "SD511": Case(
        hooked(events=("MODEL_VERSION_PROMOTED",)),
        "webhook chat (00000000): no event of the style databricks is called MODEL_VERSION_PROMOTED",
        HOOKS,
        hooked(events=("MODEL_VERSION_CREATED",)),
    ),
    "SD512": Case(
        hooked(http=HttpTarget(url="https://2130706433/")),
        "webhook chat (00000000): 2130706433 is a number that some programs read as an address: write the name of the"
        " host",
        HOOKS,
        hooked(http=HttpTarget(url="https://example.com:8443/a?b=c")),
    ),
    "SD513": Case(
        hooked(http=HttpTarget(url="https://example.com/?token=hunter2")),
        "webhook chat (00000000): a password stands in the URL",
        HOOKS,
        hooked(http=HttpTarget(url="https://example.com/?tokens=2")),
    ),
    "SD514": Case(
        hooked(model="scam"),
        "webhook chat (00000000): there is no model scam",
        HOOKS,
        hooked(model="fraud"),
    ),
    "SD521": Case(
        serving(stages=("Staging", "Archived")),
        "serving names Archived, which is no stage that is served",
        POLICY,
        serving(stages=("Staging",)),
    ),
    "SD522": Case(
        serving(models={"scam": {"enabled": False}}),
        "serving: there is no model scam",
        POLICY,
        serving(models={"fraud": {"enabled": False}}),
    ),
    "SD523": Case(
        serving(models={"fraud": {"traffic": {"Production": {"1": 90}}}}),
        "traffic of fraud in Production makes 90 percent",
        POLICY,
        serving(models={"fraud": {"traffic": {"Production": {"1": 100}}}}),
    ),
    "SD524": Case(
        serving(models={"fraud": {"traffic": {"Production": {"1": 90, "2": 10}}}}),
        "traffic of fraud: version 2 is not in Production",
        POLICY,
        serving(models={"fraud": {"traffic": {"Production": {"1": 100}}}}),
    ),
}


def said(check: Check, seen: Facts) -> list[tuple[str, str]]:
    return [(problem.what, problem.where) for problem in run([check], seen, lambda place: (0, 0))]


def test_no_check_is_left_out() -> None:
    assert [check.code for check in ALL_CHECKS] == list(CASES)


@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: check.code)
def test_a_check_refuses_one_case_and_lets_a_close_one_pass(check: Check) -> None:
    case = CASES[check.code]
    assert said(check, case.refused) == [(case.said, case.where)]
    assert said(check, case.passes) == []


@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: check.code)
def test_a_problem_of_a_check_has_one_line_and_a_cure(check: Check) -> None:
    (problem,) = run([check], CASES[check.code].refused, lambda place: (0, 0))
    assert "\n" not in problem.what and not problem.what.endswith(".")
    assert problem.fix or check.code == "SD101"  # how a file fails to read is its own cure, or has none


def test_the_page_of_checks_has_every_family_code_and_reason() -> None:
    page = DOCS.read_text()
    headings = [line.split(":")[0].lstrip("# ") for line in page.splitlines() if line.startswith(("## ", "### "))]
    codes = [check.code for check in ALL_CHECKS]
    assert headings == sorted([*FAMILIES, *codes])
    assert all(" ".join(check.reason.split()) in page for check in ALL_CHECKS)


# --- a policy that changes together with what it speaks of ----------------------------------------------------------


def test_sd304_refuses_a_stage_that_becomes_exclusive_while_it_holds_two() -> None:
    both = registry(model("fraud", *TWO))
    (exclusive,) = (check for check in ALL_CHECKS if check.code == "SD304")
    assert said(exclusive, facts(both, both, proposed_spec=production(exclusive=True))) == [
        ("fraud: versions 1 and 2 would both be in Production, which holds one", FRAUD),
    ]
    assert said(exclusive, facts(SERVED, SERVED, proposed_spec=production(exclusive=True))) == []


def test_sd304_still_holds_a_change_that_would_lift_it() -> None:
    both = registry(model("fraud", *TWO))
    (exclusive,) = (check for check in ALL_CHECKS if check.code == "SD304")
    seen = facts(ONE, both, spec=production(exclusive=True), proposed_spec=production())
    assert said(exclusive, seen) == [("fraud: versions 1 and 2 would both be in Production, which holds one", FRAUD)]


def test_sd305_refuses_a_new_stage_that_is_called_like_an_alias_there_is() -> None:
    there = registry(model("fraud", version(1), aliases={"canary": 1}))
    proposed = RegistrySpec(stages=(*RegistrySpec().stages, Stage(name="Canary")))
    (legal,) = (check for check in ALL_CHECKS if check.code == "SD305")
    assert said(legal, facts(there, there, proposed_spec=proposed)) == [
        ("fraud: the alias canary is called like a stage or a right", FRAUD),
    ]
    assert said(legal, facts(there, there, proposed_spec=RegistrySpec())) == []


@pytest.mark.parametrize(
    ("made", "cure"),
    [
        (verdict(), "stagedoor approve, by one of them"),
        (verdict(text="/docs/ @ann\n"), "change CODEOWNERS first: stagedoor open"),
        (verdict(text="/registry_spec/ @ghosts\n"), "change CODEOWNERS first: stagedoor open"),
        (verdict(text=f"/registry_spec/ {ANN}\n"), "change CODEOWNERS first: stagedoor open"),
    ],
)
def test_sd404_asks_for_an_approval_only_of_somebody_who_may_give_it(made: Verdict, cure: str) -> None:
    (agreed,) = (check for check in ALL_CHECKS if check.code == "SD404")
    (problem,) = run([agreed], facts(ONE, SERVED, verdict=made), _nowhere)
    assert problem.fix == cure


def _nowhere(place: Place) -> tuple[int, int]:
    return 0, 0


def test_sd512_wants_a_workspace_without_a_path() -> None:
    (plain,) = (check for check in ALL_CHECKS if check.code == "SD512")

    def job(url: str) -> Facts:
        return hooked(http=None, job={"job_id": 7, "workspace_url": url})

    assert said(plain, job("https://example.com/?x=")) == [
        ("webhook chat (00000000): a workspace's URL ends with its host", HOOKS)
    ]
    assert said(plain, job("https://example.com/")) == []
