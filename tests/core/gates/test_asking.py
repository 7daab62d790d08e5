"""What gates say of a move: sources, soak, licences, evidence, waivers, broken glass, freezes, the quarantine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from specs import ANN, CAROL, NOW, model, registry, version
from stagedoor.core.diff import diff
from stagedoor.core.gates import (
    Broken,
    Circumstances,
    Entry,
    GateRuling,
    entries,
    gates_for,
    kept,
    regressions,
    rulings,
)
from stagedoor.core.policy import (
    Approvals,
    Freeze,
    Gate,
    Proof,
    Quarantine,
    Quarantined,
    RegistrySpec,
    Soak,
    Waiver,
)
from stagedoor.core.registry import Registry
from stagedoor.core.spec import Evidence, RegisteredModel

HERE = Circumstances(now=NOW)
DAY = timedelta(days=1)


def spec(**gate: object) -> RegistrySpec:
    return RegistrySpec(gates=(Gate(**{"name": "g", "stages": ("Production",), **gate}),))


def asked(
    policy: RegistrySpec, after: RegisteredModel, here: Circumstances = HERE, before: RegisteredModel | None = None
) -> tuple[GateRuling, ...]:
    old = Registry() if before is None else registry(before)
    return rulings(entries(diff(old, registry(after)), old, registry(after)), policy, here)


def failing(found: tuple[GateRuling, ...]) -> list[str]:
    return [
        condition.said for ruling in found if ruling.stops for condition in ruling.conditions if not condition.holds
    ]


STAGED = model("fraud", version(1, "Staging"))
LIVE = model("fraud", version(1, "Production"))


def test_a_gate_guards_the_models_and_stages_it_names() -> None:
    gates = (
        Gate(name="all"),
        Gate(name="fraud", models=("fraud*", "scam")),
        Gate(name="live", stages=("Production",)),
    )
    assert [gate.name for gate in gates_for(gates, "fraud-2", "Production")] == ["all", "fraud", "live"]
    assert [gate.name for gate in gates_for(gates, "Fraud", "None")] == ["all"]


def test_a_gate_that_asks_for_nothing_but_approvals_says_nothing_here() -> None:
    assert asked(spec(approvals=Approvals(count=2)), LIVE, before=STAGED) == ()


def test_a_gate_takes_versions_from_some_stages_only() -> None:
    policy = spec(sources=("Staging",))
    assert failing(asked(policy, LIVE, before=STAGED)) == []
    assert failing(asked(policy, LIVE, before=model("fraud", version(1)))) == ["it comes from Staging (from None)"]


@pytest.mark.parametrize(
    ("spent", "said"),
    [
        (None, ["fraud/1 has to be 48h in Staging, and was never there"]),
        (timedelta(hours=47, minutes=59), ["fraud/1 was 48h in Staging (of 48h)"]),
        (timedelta(hours=48), []),
    ],
)
def test_a_version_soaks_in_staging(spent: timedelta | None, said: list[str]) -> None:
    def time_in(entry: Entry, stage: str) -> timedelta | None:
        assert (entry.ref, stage) == ("fraud/1", "Staging")
        return spent

    policy = spec(soak=Soak(stage="Staging", at_least="48h"))
    assert failing(asked(policy, LIVE, replace(HERE, time_in=time_in), STAGED)) == said


def test_a_soak_names_the_second_at_which_it_is_over() -> None:
    policy = spec(soak=Soak(stage="Staging", at_least="48h"))
    here = replace(HERE, time_in=lambda entry, stage: timedelta(hours=47, minutes=59))
    (ruling,) = asked(policy, LIVE, here, STAGED)
    assert ruling.conditions[0].cure == "wait until 2026-11-24 10:16:00 UTC"


@pytest.mark.parametrize(
    ("tags", "own", "said"),
    [
        ({}, {}, ["fraud/1 has no tag license"]),
        ({"license": "GPL-3.0-only"}, {}, ["its license GPL-3.0-only is not one of Apache-2.0, MIT"]),
        ({"license": "mit"}, {}, []),
        ({"license": "MIT"}, {"license": "GPL-3.0-only"}, ["its license GPL-3.0-only is not one of Apache-2.0, MIT"]),
    ],
)
def test_a_licence_is_one_of_the_list_and_the_versions_own_counts_first(
    tags: dict[str, str], own: dict[str, str], said: list[str]
) -> None:
    after = model("fraud", version(1, "Production", tags=own), tags=tags)
    assert failing(asked(spec(licenses=("Apache-2.0", "MIT")), after)) == said


def shown(at: datetime) -> RegisteredModel:
    evidence = Evidence(name="fairness", digest=f"sha256:{'0' * 64}", at=at, by=ANN)
    return model("fraud", version(1, "Production", evidence=(evidence,)))


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (LIVE, ["fraud/1 has no evidence fairness"]),
        (shown(NOW - 30 * DAY), []),
        (shown(NOW - 30 * DAY - timedelta(minutes=1)), ["the evidence fairness is 30d old, more than 30d"]),
        (shown(NOW + DAY), ["the evidence fairness is of 2026-11-25 10:15, which is to come"]),
    ],
)
def test_evidence_has_an_age(after: RegisteredModel, said: list[str]) -> None:
    assert failing(asked(spec(evidence=(Proof(name="fairness", max_age="30d"),)), after)) == said


def waiver(**more: object) -> Waiver:
    said = {"gate": "g", "model": "fraud", "owner": CAROL, "reason": "late data", "expires": NOW + DAY}
    return Waiver(**{**said, **more})


NEEDY = spec(require=("metrics.rmse",))


@pytest.mark.parametrize("one", [waiver(), waiver(version=1)])
def test_a_waiver_lets_the_move_pass_and_is_shown(one: Waiver) -> None:
    (ruling,) = asked(NEEDY, LIVE, replace(HERE, waivers={"w": one}))
    assert (ruling.holds, ruling.stops) == (False, False)
    assert ruling.waived == "waived by carol@example.com until 2026-11-25 10:15: late data"


@pytest.mark.parametrize("one", [waiver(gate="other"), waiver(model="scam"), waiver(version=2)])
def test_a_waiver_of_something_else_waives_nothing(one: Waiver) -> None:
    assert failing(asked(NEEDY, LIVE, replace(HERE, waivers={"w": one}))) == ["fraud/1 has no metrics.rmse"]


def test_a_waiver_ends_on_its_day() -> None:
    here = replace(HERE, waivers={"w": waiver(expires=NOW)})
    ended = "the waiver of carol@example.com ended on 2026-11-24 10:15"
    assert failing(asked(NEEDY, LIVE, here)) == ["fraud/1 has no metrics.rmse", ended]


def test_broken_glass_passes_gates_and_freezes_and_no_quarantine() -> None:
    policy = RegistrySpec(gates=NEEDY.gates, freezes=(Freeze(name="f", since=NOW),))
    bad = Quarantine(artifacts=(Quarantined(digest="ab", reason="poisoned", by=CAROL, at=NOW),))
    here = replace(HERE, broken=Broken(ANN, "Production is down"), quarantine=bad)
    after = model("fraud", version(1, "Production", digest="sha256:ab"))
    found = asked(policy, after, here)
    assert [(ruling.title, ruling.stops) for ruling in found] == [
        ("quarantine", True),
        ("freeze f", False),
        ("gate g", False),
    ]
    assert found[1].waived == "ann@example.com broke the glass: Production is down"


# --- the quarantine -------------------------------------------------------------------------------------------------

BAD = replace(
    HERE,
    quarantine=Quarantine(artifacts=(Quarantined(digest="sha256:ABCD", reason="poisoned", by=CAROL, at=NOW),)),
)


@pytest.mark.parametrize("digest", ["sha256:abcd", "SHA256:ABCD", "abcd", " sha256:abcd "])
@pytest.mark.parametrize(("name", "number", "stage"), [("fraud", 9, "None"), ("innocent", 1, "Production")])
def test_no_name_version_or_spelling_gets_around_the_quarantine(
    digest: str, name: str, number: int, stage: str
) -> None:
    found = asked(RegistrySpec(), model(name, version(number, stage, digest=digest)), BAD)
    assert [ruling.title for ruling in found if ruling.stops] == ["quarantine"]


def test_what_is_in_quarantine_may_leave_its_stage() -> None:
    before = model("fraud", version(1, "Production", digest="sha256:abcd"))
    for stage in ("Archived", "None"):
        assert asked(RegistrySpec(), model("fraud", version(1, stage, digest="sha256:abcd")), BAD, before) == ()


def test_a_version_without_a_digest_comes_into_no_stage_while_something_is_in_quarantine() -> None:
    assert failing(asked(RegistrySpec(), LIVE, BAD)) == [
        "fraud/1 records no digest, so nobody can tell it from an artifact in quarantine"
    ]
    assert asked(RegistrySpec(), model("fraud", version(1)), BAD) == ()


# --- what stays in a stage ------------------------------------------------------------------------------------------


def test_what_a_gate_asks_for_may_not_be_taken_away_while_the_version_is_in_the_stage() -> None:
    policy = spec(require=("description", "tags.owner"))
    before = registry(model("fraud", version(1, "Production", description="ready")))
    after = registry(model("fraud", version(1, "Production")))
    found = regressions(kept(diff(before, after), before, after), policy, HERE)
    # the tag was missing before: whoever takes the description away is held to that, and not to the tag
    assert failing(found) == []
    whole = registry(model("fraud", version(1, "Production", description="ready", tags={"owner": "ann"})))
    found = regressions(kept(diff(whole, before), whole, before), policy, HERE)
    assert failing(found) == ["fraud/1 has no tags.owner"]


# --- freezes on fixed clocks ----------------------------------------------------------------------------------------


def at(day: int, clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 12, day, hour, minute, tzinfo=UTC)


XMAS = Freeze(name="f", since=at(24, "00:00"), until=at(27, "00:00"))
NIGHT = Freeze(name="f", days=("Fri",), after="18:00", before="08:00")
BERLIN = Freeze(name="f", days=("Fri",), after="18:00", before="08:00", timezone="Europe/Berlin")
WEEKEND = Freeze(name="f", days=("Sat", "Sun"))


@pytest.mark.parametrize(
    ("freeze", "now", "holds"),
    [
        (XMAS, at(23, "23:59"), False),
        (XMAS, at(24, "00:01"), True),
        (XMAS, at(26, "23:59"), True),
        (XMAS, at(27, "00:01"), False),
        # 2026-12-18 is a Friday
        (NIGHT, at(18, "17:59"), False),
        (NIGHT, at(18, "18:00"), True),
        (NIGHT, at(18, "23:59"), True),
        (NIGHT, at(19, "00:01"), True),
        (NIGHT, at(19, "07:59"), True),
        (NIGHT, at(19, "08:00"), False),
        (NIGHT, at(18, "00:01"), False),
        (BERLIN, at(18, "16:59"), False),
        (BERLIN, at(18, "17:00"), True),
        (BERLIN, at(19, "06:59"), True),
        (BERLIN, at(19, "07:00"), False),
        (WEEKEND, at(18, "23:59"), False),
        (WEEKEND, at(19, "00:01"), True),
        (WEEKEND, at(20, "23:59"), True),
        (WEEKEND, at(21, "00:01"), False),
    ],
)
def test_a_freeze_holds_from_its_first_minute_to_its_last(freeze: Freeze, now: datetime, holds: bool) -> None:
    found = asked(RegistrySpec(freezes=(freeze,)), LIVE, replace(HERE, now=now), STAGED)
    assert [ruling.title for ruling in found if ruling.stops] == (["freeze f"] if holds else [])


def test_a_freeze_holds_what_leaves_the_stage_too_and_leaves_other_models_alone() -> None:
    policy = RegistrySpec(freezes=(Freeze(name="f", models=("fraud",), since=NOW),))
    assert asked(policy, STAGED, before=LIVE) != ()
    assert asked(policy, model("wind", version(1, "Production"))) == ()
    assert asked(policy, model("fraud", version(1, "Staging"))) == ()
