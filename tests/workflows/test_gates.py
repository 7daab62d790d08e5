"""Gates on real requests, at a time that the test sets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from stagedoor.core.gates.hindsight import Scope
from stagedoor.core.policy import RegistrySpec
from stagedoor.errors import ChecksFailed
from stagedoor.workflows import attaching, registering, reviewing
from stagedoor.workflows.history import activity, landings
from stagedoor.workflows.reconciling import reconcile
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.replaying import replay
from stagedoor.workflows.writing import Lane, Outcome
from town import ANN, BOB, CAROL, DAVE, Town

REGISTRY = "registry_spec/registry.yaml"
FRAUD = "registry_spec/models/fraud.yaml"
HEAD = "apiVersion: stagedoor/v1\nkind: Registry\nname: town\n"
DAY = timedelta(days=1)


def policy(town: Town, more: str) -> None:
    town.commit({REGISTRY: HEAD + more})


def gate(town: Town, asks: str, stage: str = "Production") -> None:
    policy(town, f"gates:\n- name: g\n  stages:\n  - {stage}\n{asks}")


def wait(town: Town, span: timedelta) -> None:
    town.clock.now += span


def asked(town: Town, ref: str = "fraud/1", stage: str = "Production") -> int:
    """A request for a move, approved by carol."""
    made = registering.transition(town.as_(ANN), [Wish(ref, stage)], lane=Lane(propose=True))
    assert made.request is not None
    reviewing.approve(town.as_(CAROL), made.request.number)
    return made.request.number


def merge(town: Town, number: int) -> None:
    reviewing.merge(town.as_(CAROL), number)


def move(town: Town, stage: str, ref: str = "fraud/1") -> Outcome:
    return registering.transition(town.as_(CAROL), [Wish(ref, stage)])


def stage(town: Town, ref: str = "fraud/1") -> str:
    name, _, number = ref.partition("/")
    return town.as_(ANN).snapshot().registry.version(name, int(number)).stage


def refused(town: Town, number: int, said: str) -> None:
    with pytest.raises(ChecksFailed, match=said):
        merge(town, number)


# --- each kind ------------------------------------------------------------------------------------------------------


def _described(town: Town) -> None:
    registering.describe(town.as_(ANN), "fraud/1", "what it is")


def _licensed(town: Town) -> None:
    registering.tag(town.as_(ANN), "fraud/1", {"license": "MIT"})


def _attached(town: Town) -> None:
    file = town.path.parent / "report.json"
    file.write_text('{"bias": 0.01}')
    attaching.attach(town.as_(ANN), "fraud/1", attaching.Proof(file))


def _staged(town: Town) -> None:
    move(town, "Staging")


def _soaked(town: Town) -> None:
    move(town, "Staging")
    wait(town, 3 * DAY)


@pytest.mark.parametrize(
    ("asks", "cure", "said"),
    [
        ("  require:\n  - description\n", _described, "has no description"),
        ("  licenses:\n  - MIT\n", _licensed, "has no tag license"),
        ("  evidence:\n  - name: report\n", _attached, "has no evidence report"),
        ("  expressions:\n  - candidate.evidence.report.data.bias < 0.05\n", _attached, "has no evidence.report"),
        ("  from:\n  - Staging\n", _staged, r"it comes from Staging \(from None\)"),
        ("  soak:\n    stage: Staging\n    for: 2d\n", _soaked, "has to be 2d in Staging, and was never there"),
    ],
    ids=["require", "licenses", "evidence", "expression", "from", "soak"],
)
def test_a_gate_refuses_a_request_until_what_it_asks_for_is_there(
    town: Town, asks: str, cure: Callable[[Town], None], said: str
) -> None:
    gate(town, asks)
    town.register("fraud")
    number = asked(town)
    refused(town, number, said)
    reviewing.cancel(town.as_(ANN), number)
    cure(town)
    merge(town, asked(town))
    assert stage(town) == "Production"


def test_evidence_is_too_old_one_day_and_fresh_again_the_next(town: Town) -> None:
    gate(town, "  evidence:\n  - name: report\n    max_age: 30d\n")
    town.register("fraud")
    _attached(town)
    number = asked(town)
    wait(town, 31 * DAY)
    refused(town, number, "the evidence report is 31d old, more than 30d")
    reviewing.cancel(town.as_(ANN), number)
    (town.path.parent / "report.json").write_text("{}")
    attaching.attach(town.as_(ANN), "fraud/1", attaching.Proof(town.path.parent / "report.json"))
    merge(town, asked(town))


# --- soak -----------------------------------------------------------------------------------------------------------

SOAK = "  soak:\n    stage: Staging\n    for: 2d\n"


def test_a_soak_is_over_to_the_second(town: Town) -> None:
    gate(town, SOAK)
    town.register("fraud")
    move(town, "Staging")
    began = next(one.commit.committer.time for one in reversed(tuple(landings(town.as_(ANN)))))
    number = asked(town)
    # the clock goes on by a second whenever somebody looks
    town.clock.now = began + 2 * DAY - timedelta(seconds=30)
    refused(town, number, "of 2d")
    town.clock.now = began + 2 * DAY
    merge(town, number)


def test_a_soak_adds_up_what_the_version_spent_there_and_nothing_else(town: Town) -> None:
    gate(town, SOAK)
    town.register("fraud")
    for _ in range(2):
        move(town, "Staging")
        wait(town, DAY - timedelta(minutes=1))
        move(town, "None")
        wait(town, 10 * DAY)
    number = asked(town)
    refused(town, number, r"was 48h|was 47\.9h|was 2d|was 1\.9d|of 2d")
    reviewing.cancel(town.as_(ANN), number)
    move(town, "Staging")
    wait(town, timedelta(minutes=3))
    merge(town, asked(town))


def test_what_a_spec_says_of_its_own_age_does_not_soak(town: Town) -> None:
    gate(town, SOAK)
    town.register("fraud")
    move(town, "Staging")
    assert "2026-11-24" in town.text(FRAUD)
    town.commit({FRAUD: town.text(FRAUD).replace("2026-11-24", "2016-11-24")})
    refused(town, asked(town), "of 2d")


def test_a_rename_does_not_lose_the_soak(town: Town) -> None:
    gate(town, SOAK)
    town.register("fraud")
    move(town, "Staging")
    wait(town, 3 * DAY)
    move(town, "None")
    registering.rename(town.as_(CAROL), "fraud", "scam")
    merge(town, asked(town, "scam/1"))
    assert stage(town, "scam/1") == "Production"


def test_a_model_that_was_deleted_leaves_no_soak_to_the_next_of_its_name(town: Town) -> None:
    gate(town, SOAK)
    town.register("fraud")
    move(town, "Staging")
    wait(town, 30 * DAY)
    move(town, "None")
    registering.delete(town.as_(CAROL), "fraud")
    town.register("fraud")
    refused(town, asked(town), "was never there")


# --- freezes --------------------------------------------------------------------------------------------------------

FREEZE = (
    "freezes:\n- name: holidays\n  since: '2026-12-20T00:00:00Z'\n  until: '2027-01-02T00:00:00Z'\n  reason: away\n"
)


def at(town: Town, *moment: int) -> None:
    town.clock.now = datetime(*moment, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_nothing_moves_from_midnight_to_midnight(town: Town) -> None:
    policy(town, FREEZE)
    for _ in range(4):
        town.register("fraud")
    numbers = [asked(town, f"fraud/{number}") for number in (1, 2, 3)]
    at(town, 2026, 12, 19, 23, 59)
    merge(town, numbers[0])
    at(town, 2026, 12, 20, 0, 1)
    refused(town, numbers[1], "SD409 freeze holidays: nothing moves from 2026-12-20 00:00.*away")
    with pytest.raises(ChecksFailed, match="SD409"):
        registering.transition(town.as_(CAROL), [Wish("fraud/1", "Archived")])
    at(town, 2027, 1, 1, 23, 59)
    refused(town, numbers[1], "SD409")
    at(town, 2027, 1, 2, 0, 1)
    merge(town, numbers[1])


def test_staging_goes_on_in_a_freeze_of_production(town: Town) -> None:
    policy(town, FREEZE)
    at(town, 2026, 12, 24, 12, 0)
    town.register("fraud")
    move(town, "Staging")
    registering.describe(town.as_(ANN), "fraud/1", "words may change at any time")


# --- waivers --------------------------------------------------------------------------------------------------------


def waiver(version: str = "version: 1\n", expires: str = "2026-12-01T00:00:00Z") -> dict[str, str | None]:
    text = (
        f"apiVersion: stagedoor/v1\nkind: Waiver\ngate: g\nmodel: fraud\n{version}owner: {DAVE}\nreason: Monday\n"
        f"expires: '{expires}'\n"
    )
    return {"registry_spec/waivers/w.yaml": text}


def test_a_waiver_ends_on_its_day(town: Town) -> None:
    gate(town, "  require:\n  - description\n")
    town.commit(waiver())
    for _ in range(2):
        town.register("fraud")
    first, second = asked(town, "fraud/1"), asked(town, "fraud/1")
    at(town, 2026, 11, 30, 23, 59)
    plan = reviewing.standing(town.as_(CAROL), first).plan
    assert [ruling.waived for ruling in plan.gates] == [f"waived by {DAVE} until 2026-12-01 00:00: Monday"]
    at(town, 2026, 12, 1, 0, 0)
    refused(town, second, f"the waiver of {DAVE} ended on 2026-12-01 00:00")
    at(town, 2026, 11, 30, 23, 59)
    merge(town, first)


def test_a_waiver_in_the_request_itself_waives_nothing(town: Town) -> None:
    gate(town, "  require:\n  - description\n")
    town.register("fraud")
    moved = town.text(FRAUD).replace("stage: None", "stage: Production")
    world = town.as_(CAROL)
    base = world.main()
    tree = world.repository.write_tree(
        world.repository.commit_info(base).tree,
        {path: (text or "").encode() for path, text in {FRAUD: moved, **waiver()}.items()},
    )
    from stagedoor.workflows.planning import plan_between

    who = world.signature()
    head = world.repository.commit(tree, (base,), author=who, committer=who, message="both at once")
    assert [problem.code for problem in plan_between(world, base, head).errors] == ["SD403"]


# --- broken glass ---------------------------------------------------------------------------------------------------


def broken(town: Town) -> int:
    """A request for Production that a gate and a freeze refuse, with its glass broken by ann."""
    owners = town.text(".github/CODEOWNERS")
    line = f"/@Production {CAROL}"
    town.commit({".github/CODEOWNERS": owners.replace(line, f"{line} {BOB} {DAVE}")})
    policy(town, FREEZE + "gates:\n- name: g\n  stages:\n  - Production\n  require:\n  - description\n")
    town.register("fraud")
    at(town, 2026, 12, 24, 12, 0)
    number = asked(town)
    refused(town, number, "SD403")
    reviewing.break_glass(town.as_(ANN), number, "it answers with NaN")
    return number


def test_broken_glass_takes_two_owners_who_approved_after_it_broke(town: Town) -> None:
    number = broken(town)
    refused(town, number, "SD404.*approval by 2 of")
    reviewing.approve(town.as_(BOB), number)
    refused(town, number, "SD404.*approval by 1 of")
    reviewing.approve(town.as_(CAROL), number)
    merge(town, number)
    assert stage(town) == "Production"


def test_broken_glass_stands_in_the_merge_in_the_activity_and_in_what_is_told(town: Town) -> None:
    reconcile(town.as_(CAROL))
    number = broken(town)
    for who in (BOB, CAROL):
        reviewing.approve(town.as_(who), number)
    merge(town, number)
    world = town.as_(CAROL)
    assert "\nBreak-glass: it answers with NaN\n" in world.repository.commit_info(world.main()).message
    said = f"{CAROL} merged past the gates: it answers with NaN (request {number} by {ANN})"
    assert said in [event.text for event in activity(world) if event.kind == "glass.broken"]
    told = reconcile(town.as_(CAROL)).events
    kinds = [event.kind for event in told]
    assert kinds.count("glass.broken") == 1 and "transition_request.broke_glass" in kinds
    assert [event for event in told if event.kind == "unreviewed_change" and event.commit == world.main()] == []


def test_a_push_puts_the_glass_back(town: Town) -> None:
    number = broken(town)
    registering.tag(town.as_(ANN), "fraud/1", {"a": "b"}, lane=Lane(into=number))
    for who in (BOB, CAROL):
        reviewing.approve(town.as_(who), number)
    refused(town, number, "SD403")


def test_broken_glass_lets_no_other_check_pass(town: Town) -> None:
    number = broken(town)
    policy(town, "stages:\n- name: None\n- name: Production\n  from: []\n- name: Archived\n")
    for who in (BOB, CAROL):
        reviewing.approve(town.as_(who), number)
    refused(town, number, "SD303")


# --- replay ---------------------------------------------------------------------------------------------------------


def spec(**gate: object) -> RegistrySpec:
    return RegistrySpec.model_validate({"gates": [{"name": "g", "stages": ["Production"], **gate}]})


def test_a_replayed_soak_counts_what_was_before_the_move_and_not_after(town: Town) -> None:
    town.register("fraud")
    move(town, "Staging")
    wait(town, DAY)
    move(town, "Production")
    wait(town, 30 * DAY)
    soak = spec(soak={"stage": "Staging", "for": "2d"})
    found = replay(town.as_(ANN), soak)
    assert [(one.version, one.reasons) for one in found.refused] == [
        (1, ("gate g: fraud/1 was 24h in Staging (of 2d)",))
    ]
    assert len(found.misfits) == 1
    move(town, "Staging")
    wait(town, DAY)
    move(town, "Production")
    found = replay(town.as_(ANN), soak)
    assert len(found.refused) == 1 and not found.misfits


def test_replay_follows_a_rename_and_passes_over_what_does_not_read(town: Town) -> None:
    town.register("fraud")
    move(town, "Staging")
    wait(town, 3 * DAY)
    move(town, "None")
    registering.rename(town.as_(CAROL), "fraud", "scam")
    move(town, "Production", "scam/1")
    path = "registry_spec/models/scam.yaml"
    good = town.text(path)
    town.commit({path: "name: [unclosed\n"})
    town.commit({path: good})
    found = replay(town.as_(ANN), spec(soak={"stage": "Staging", "for": "2d"}))
    assert found.is_clean and (found.moves, found.versions) == (2, 1)
    assert replay(town.as_(ANN), spec(require=["run"]), scope=Scope("fraud")).versions == 0


def test_a_replayed_freeze_refuses_what_moved_in_it_and_nothing_that_is_there_now(town: Town) -> None:
    for _ in range(2):
        town.register("fraud")
    at(town, 2026, 12, 19, 23, 0)
    move(town, "Production", "fraud/1")
    at(town, 2026, 12, 20, 1, 0)
    move(town, "Production", "fraud/2")
    frozen = {"name": "f", "since": "2026-12-20T00:00:00Z", "until": "2027-01-02T00:00:00Z"}
    found = replay(town.as_(ANN), RegistrySpec.model_validate({"freezes": [frozen]}))
    assert [one.version for one in found.refused] == [2] and not found.misfits


def test_replay_holds_the_rules_of_the_stages_too(town: Town) -> None:
    for _ in range(2):
        town.register("fraud")
        move(town, "Production", f"fraud/{town.as_(ANN).snapshot().registry.model('fraud').last_version}")
    stages = [{"name": "None"}, {"name": "Staging"}, {"name": "Production", "exclusive": True, "from": ["Staging"]}]
    found = replay(town.as_(ANN), RegistrySpec.model_validate({"stages": [*stages, {"name": "Archived"}]}))
    assert [one.reasons for one in found.refused] == [
        ("Production is entered from Staging, and not from None",),
        ("Production is entered from Staging, and not from None", "Production holds one version, and 1 is there too"),
    ]
    assert len(found.misfits) == 2
