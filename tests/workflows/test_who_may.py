"""Who may, on a real repository: `why` and `merge` agree, and nobody talks a request past its owners."""

from __future__ import annotations

import random

import pytest

from stagedoor.errors import BadInput, ChecksFailed, Denied, InvalidState, NotFound, RegistryError
from stagedoor.workflows import asking, owning, registering, reviewing
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Lane, open_revision
from town import ANN, BOB, CAROL, CODEOWNERS, DAVE, Town

PEOPLE = f"""\
apiVersion: stagedoor/v1
kind: People
people:
- email: {ANN}
  login: ann
- email: ann@home.example
  github: Ann
teams:
- name: risk
  members:
  - {CAROL}
  - {DAVE}
- name: wind
  members:
  - {BOB}
  - {CAROL}
"""
TEAMS = CODEOWNERS + "/registry_spec/models/*.yaml/@Production @risk @wind\n"
OWNERS_FILE = ".github/CODEOWNERS"
REGISTRY = "registry_spec/registry.yaml"


def ask(town: Town, stage: str, by: str = ANN, ref: str = "fraud/1") -> int:
    outcome = registering.transition(town.as_(by), [Wish(ref, stage)], lane=Lane(propose=True))
    assert outcome.request is not None
    return outcome.request.number


def refusal(town: Town, number: int, by: str = DAVE) -> str:
    """Why a merge is refused; `why` says the same."""
    with pytest.raises(RegistryError) as caught:
        reviewing.merge(town.as_(by), number)
    assert not asking.why(town.as_(by), number).can_merge
    return caught.value.what


def by_hand(town: Town, number: int, files: dict[str, str], author: str = ANN) -> int:
    """A request that opens what is in request `number`, and other files besides, made by hand."""
    world = town.as_(author)
    repository = world.repository
    head = world.forge.get(number).head
    tree = repository.write_tree(repository.commit_info(head).tree, {p: text.encode() for p, text in files.items()})
    who = world.signature()
    commit = repository.commit(tree, (head,), author=who, committer=who, message="more")
    outcome = open_revision(world, commit, "more", "")
    assert outcome.request is not None
    return outcome.request.number


@pytest.fixture
def fraud(town: Town) -> Town:
    """One version of fraud, and teams that own Production."""
    town.commit({"registry_spec/people.yaml": PEOPLE, OWNERS_FILE: TEAMS}, "teams")
    town.register("fraud")
    return town


# --- who can --------------------------------------------------------------------------------------------------------


def test_who_can_names_those_who_may_agree_and_those_who_may_just_do_it(fraud: Town) -> None:
    asked = asking.who_can_move(fraud.as_(ANN), "fraud/1", "production", author=BOB)
    (ruling,) = asked.found.rulings
    assert (asked.was, asked.now) == ("None", "Production")
    assert ruling.holders == (CAROL, DAVE)
    assert asked.found.directly == (BOB, CAROL, DAVE)


def test_who_can_refuses_a_move_to_where_the_version_is(fraud: Town) -> None:
    with pytest.raises(InvalidState, match="is in None already"):
        asking.who_can_move(fraud.as_(ANN), "fraud", "None")


def test_who_can_asks_for_the_stage_files_too(fraud: Town) -> None:
    fraud.commit({REGISTRY: fraud.text(REGISTRY) + "stage_files: true\n"}, "stage files")
    found = asking.who_can_move(fraud.as_(ANN), "fraud/1", "Production").found
    assert [(ruling.need.title, ruling.holders) for ruling in found.rulings] == [
        ("registry_spec/models/fraud.yaml/@Production", (BOB, CAROL, DAVE)),
        ("registry_spec/stages/Production/fraud.yaml", (CAROL,)),
    ]
    assert found.directly == (CAROL,)


# --- attacks --------------------------------------------------------------------------------------------------------


def test_the_review_of_an_owner_who_was_removed_meanwhile_does_not_count(fraud: Town) -> None:
    number = ask(fraud, "Production")
    reviewing.approve(fraud.as_(DAVE), number)
    assert asking.why(fraud.as_(ANN), number).can_merge
    fraud.commit({OWNERS_FILE: CODEOWNERS}, "dave leaves")
    assert refusal(fraud, number) == f"SD404 fraud/1: None → Production: approval by 1 of {CAROL}"
    (ruling,) = asking.why(fraud.as_(ANN), number).verdict.rulings
    assert [(one.by, one.reason) for one in ruling.ignored] == [(DAVE, "is not an owner")]


def test_nobody_becomes_an_owner_by_the_request_itself(fraud: Town) -> None:
    mine = CODEOWNERS + "/registry_spec/models/*.yaml/@Production eve@example.com\n/.github/ eve@example.com\n"
    number = by_hand(fraud, ask(fraud, "Production"), {OWNERS_FILE: mine})
    reviewing.approve(fraud.as_("eve@example.com"), number)
    said = refusal(fraud, number)
    assert f"SD404 .github/CODEOWNERS changes: approval by 1 of {CAROL}" in said
    assert "fraud/1: None → Production: approval by 1 of" in said
    ignored = {i.by for ruling in asking.why(fraud.as_(ANN), number).verdict.rulings for i in ruling.ignored}
    assert ignored == {"eve@example.com"}


STRICT = (
    "gates:\n- name: four-eyes\n  stages:\n  - Production\n  approvals:\n    count: 2\n"
    "stages:\n- name: None\n- name: Staging\n- name: Production\n  approvals: 2\n- name: Archived\n"
)


def test_a_policy_that_the_request_weakens_still_counts(fraud: Town) -> None:
    loose = fraud.text(REGISTRY)
    fraud.commit({REGISTRY: loose + STRICT}, "registry: two have to agree")
    number = by_hand(fraud, ask(fraud, "Production"), {REGISTRY: loose})
    reviewing.approve(fraud.as_(CAROL), number)
    assert refusal(fraud, number) == f"SD404 fraud/1: None → Production: approval by 1 of {BOB}, {DAVE}"
    found = asking.why(fraud.as_(ANN), number).verdict.rulings
    assert [count.ask.source for ruling in found for count in ruling.counts] == ["stage Production", "gate four-eyes"]
    reviewing.approve(fraud.as_(DAVE), number)
    assert asking.why(fraud.as_(ANN), number).can_merge


def test_an_author_with_a_second_address_does_not_agree_with_themselves(fraud: Town) -> None:
    fraud.commit({OWNERS_FILE: CODEOWNERS + "/registry_spec/models/*.yaml/@Production @ann @risk\n"}, "ann owns it")
    number = ask(fraud, "Production", by=ANN)
    reviewing.approve(fraud.as_("ann@home.example"), number)
    refusal(fraud, number)
    (ruling,) = asking.why(fraud.as_(ANN), number).verdict.rulings
    assert [(one.by, one.reason) for one in ruling.ignored] == [("ann@home.example", "is an author of the request")]


def test_a_person_in_two_teams_is_one_person(fraud: Town) -> None:
    fraud.commit({REGISTRY: fraud.text(REGISTRY) + STRICT.replace("approvals: 2\n", "teams: 2\n")}, "two teams")
    number = ask(fraud, "Production")
    reviewing.approve(fraud.as_(CAROL), number)
    assert refusal(fraud, number).endswith(
        f"from a team other than @risk, @wind, {CAROL}: {BOB}, {DAVE}; approval by 1 of {BOB}, {DAVE}"
    )
    reviewing.approve(fraud.as_(DAVE), number)
    assert asking.why(fraud.as_(ANN), number).can_merge


def test_an_address_in_capitals_is_the_same_person(fraud: Town) -> None:
    number = ask(fraud, "Production", by=DAVE)
    with pytest.raises(Denied, match="cannot approve it"):
        reviewing.approve(fraud.as_(DAVE.upper()), number)
    reviewing.approve(fraud.as_(CAROL.upper()), number)
    assert asking.why(fraud.as_(ANN), number).can_merge


def test_a_request_that_changes_nothing_cannot_merge_and_says_so(fraud: Town) -> None:
    world = fraud.as_(ANN)
    main, who = world.main(), world.signature()
    tree = world.repository.commit_info(main).tree
    commit = world.repository.commit(tree, (main,), author=who, committer=who, message="nothing")
    request = open_revision(world, commit, "nothing", "").request
    assert request is not None
    assert asking.why(world, request.number).outdated == ("main has all of this already",)
    assert refusal(fraud, request.number) == f"main has all of request {request.number} already"


# --- CODEOWNERS as a verb -------------------------------------------------------------------------------------------


def test_owners_are_set_by_a_request_that_its_own_owners_agree_to(fraud: Town) -> None:
    change = owning.set_line(fraud.as_(ANN), "fraud@Production", [DAVE])
    request = change.outcome.request
    assert request is not None and change.pattern == "/registry_spec/models/fraud.yaml/@Production"
    assert f"+/registry_spec/models/fraud.yaml/@Production {DAVE}" in change.diff
    lost = {effect.suffix: effect.lost for effect in change.effects}
    assert lost == {"Production": (BOB,)}
    reviewing.approve(fraud.as_(DAVE), request.number)
    assert refusal(fraud, request.number) == f"SD404 .github/CODEOWNERS changes: approval by 1 of {CAROL}"
    reviewing.approve(fraud.as_(CAROL), request.number)
    reviewing.merge(fraud.as_(ANN), request.number)
    held = {one.suffix: one for one in owning.show(fraud.as_(ANN), "fraud")}
    assert held["Production"].people == (CAROL, DAVE)
    assert held["Production"].explicit and held["Production"].above == (CAROL,)


def test_a_rehearsal_of_new_owners_asks_for_nothing(fraud: Town) -> None:
    change = owning.unset_line(fraud.as_(ANN), "/registry_spec/models/*.yaml/@Staging", dry_run=True)
    assert change.outcome.request is None
    assert [(effect.suffix, effect.gained) for effect in change.effects] == [("Staging", (ANN,))]
    assert not reviewing.requests(fraud.as_(ANN))


@pytest.mark.parametrize(
    ("target", "owners", "error"),
    [
        ("frud", [ANN], NotFound),
        ("frud@Production", [ANN], NotFound),
        ("/registry_spec/[a]", [ANN], BadInput),
        ("fraud@a/b#c", [ANN], BadInput),
        ("fraud", ["not an owner"], BadInput),
        ("/.github/", [CAROL], InvalidState),
    ],
)
def test_what_cannot_be_said_in_codeowners_is_refused(
    fraud: Town, target: str, owners: list[str], error: type[RegistryError]
) -> None:
    with pytest.raises(error):
        owning.set_line(fraud.as_(ANN), target, owners)


def test_another_dialect_is_edited_by_hand(fraud: Town) -> None:
    fraud.commit({REGISTRY: fraud.text(REGISTRY) + "owners:\n  dialect: gitlab\n", "CODEOWNERS": "* @ann\n"}, "gitlab")
    with pytest.raises(BadInput, match="gitlab's dialect"):
        owning.set_line(fraud.as_(ANN), "fraud", [ANN])


def test_the_file_of_owners_is_shown_with_the_people_behind_it(fraud: Town) -> None:
    last = owning.lines(fraud.as_(ANN))[-1]
    assert (last.number, last.owners, last.people) == (7, ("@risk", "@wind"), (BOB, CAROL, DAVE))
    (policy,) = owning.show(fraud.as_(ANN), "registry_spec/registry.yaml")
    assert policy.people == (CAROL,)
    with pytest.raises(NotFound, match="no model frud"):
        owning.show(fraud.as_(ANN), "frud")


# --- many requests --------------------------------------------------------------------------------------------------

FIVE = (ANN, BOB, CAROL, DAVE, "ann@home.example")


def _strict(dice: random.Random) -> str:
    stage = f"  approvals: {dice.choice((1, 2))}\n  teams: {dice.choice((1, 2))}\n"
    by = dice.choice(("@risk", "@wind"))
    gate = f"- name: g\n  stages:\n  - Staging\n  approvals:\n    count: 2\n    by:\n    - '{by}'\n"
    return f"stages:\n- name: None\n- name: Staging\n- name: Production\n{stage}- name: Archived\ngates:\n{gate}"


def _agree_on(world: World, number: int) -> bool:
    """Whether the request merged; `why` has to have said so."""
    said = asking.why(world, number)
    try:
        reviewing.merge(world, number)
    except RegistryError as error:
        assert not said.can_merge, (said, error)
        assert isinstance(error, ChecksFailed) == (not said.outdated), (said, error)
        return False
    assert said.can_merge, said.blockers
    return True


def _play(town: Town, dice: random.Random, versions: int) -> bool:
    """One request by somebody, some reviews, and a try to merge; then the people named agree, and it merges."""
    number = dice.randint(1, versions)
    ref = f"fraud/{number}"
    was = town.as_(ANN).snapshot().registry.version("fraud", number).stage
    now = dice.choice([stage for stage in ("None", "Staging", "Production", "Archived") if stage != was])
    asked = ask(town, now, by=dice.choice(FIVE), ref=ref)
    for who in dice.sample(FIVE, dice.randint(0, 3)):
        if who.lower() not in town.as_(who).forge.get(asked).authors:
            verdict = reviewing.approve if dice.random() < 0.8 else reviewing.request_changes
            verdict(town.as_(who), asked, "so I say")
    if _agree_on(town.as_(dice.choice(FIVE)), asked):
        return True
    for _ in range(3):
        for who in asking.why(town.as_(ANN), asked).verdict.waiting_for:
            reviewing.approve(town.as_(who), asked)
    found = asking.why(town.as_(ANN), asked)
    assert _agree_on(town.as_(ANN), asked) or not found.verdict.waiting_for, found
    return found.can_merge


def _run(town: Town, requests: int, seed: int) -> None:
    dice = random.Random(seed)
    town.commit({REGISTRY: town.text(REGISTRY) + _strict(dice)}, "strict")
    for _ in range(5):
        town.register("fraud")
    merged = sum(_play(town, dice, 6) for _ in range(requests))
    assert merged > 0


@pytest.mark.parametrize("seed", range(4))
def test_why_and_merge_agree_on_one_request_after_the_other(fraud: Town, seed: int) -> None:
    _run(fraud, 15, seed)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(100, 120))
def test_why_and_merge_agree_on_a_thousand_requests(fraud: Town, seed: int) -> None:
    _run(fraud, 50, seed)
