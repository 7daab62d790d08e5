"""Several approvals: sections, different teams, one of each, signatures; and what would unblock each, in one line."""

from __future__ import annotations

import pytest

from specs import ANN, BOB, CAROL, DAVE, FRAUD, NOW, model, owners, registry, version
from stagedoor.core.approval import Ignored, Need, Ruling, entitled, judge, needs, who_can
from stagedoor.core.approval.counting import matched
from stagedoor.core.diff import diff
from stagedoor.core.owners import Dialect, parse
from stagedoor.core.policy import Approvals, Gate, RegistrySpec, Stage
from stagedoor.core.requests import Reviewed
from stagedoor.core.spec import People, Person, Team

EVE = "eve@example.com"
HEAD = "b" * 40
PEOPLE = People(
    people=(Person(email=ANN, login="ann"), Person(email="ann@home.example", login="Ann")),
    teams=(
        Team(name="ml/risk", members=(ANN, CAROL, DAVE)),
        Team(name="ml/wind", members=(BOB, CAROL)),
        Team(name="legal", members=(EVE,)),
    ),
)
TEAMS = "/registry_spec/models/ @ml/risk @ml/wind\n"


def policy(gate: Approvals | None = None, **stage: object) -> RegistrySpec:
    stages = (Stage(name="None"), Stage(name="Production", **stage), Stage(name="Archived"))
    return RegistrySpec(stages=stages, gates=(Gate(name="four-eyes", approvals=gate),) if gate else ())


def moved(spec: RegistrySpec) -> tuple[Need, ...]:
    before, after = (registry(model("fraud", version(1, stage))) for stage in ("None", "Production"))
    return needs(diff(before, after), (), spec)


def ruled(
    spec: RegistrySpec,
    *by: str,
    text: str = TEAMS,
    dialect: Dialect = "github",
    author: str = "zoe@example.com",
    signed: frozenset[str] = frozenset(),
) -> Ruling:
    asked = needs(
        diff(registry(model("fraud", version(1))), registry(model("fraud", version(1, "Production")))), (), spec
    )
    reviews = tuple(Reviewed(at=NOW, by=who, verdict="approved", head=HEAD) for who in by)
    file = parse(text, dialect=dialect)
    verdict = judge(asked, reviews, head=HEAD, author=author, owners=file, people=PEOPLE, spec=spec, signed=signed)
    return verdict.rulings[0]


# --- teams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "unblock"),
    [
        ((), f"approval by 2 of {ANN}, {BOB}, {CAROL}, {DAVE}, for 2 different teams"),
        ((ANN,), f"one more, from a team other than @ml/risk: {BOB}, {CAROL}"),
        ((ANN, DAVE), f"one more, from a team other than @ml/risk: {BOB}, {CAROL}"),
        ((ANN, BOB), ""),
        ((ANN, CAROL), ""),
        # she is in both teams, and is still one person
        ((CAROL,), f"one more, from a team other than @ml/risk, @ml/wind: {ANN}, {BOB}, {DAVE}"),
    ],
)
def test_two_teams_are_two_people_of_different_teams(by: tuple[str, ...], unblock: str) -> None:
    assert ruled(policy(teams=2), *by).unblock == unblock


def test_whoever_owns_by_an_own_name_is_a_team_of_their_own() -> None:
    text = f"/registry_spec/models/ @ml/risk {EVE} {DAVE}\n"
    assert ruled(policy(teams=2), ANN, EVE, text=text).holds
    assert ruled(policy(teams=2), ANN, DAVE, text=text).holds
    assert not ruled(policy(teams=2), ANN, CAROL, text=text).holds


def test_more_teams_than_there_are_is_said() -> None:
    found = ruled(policy(teams=2), ANN, DAVE, text="/registry_spec/models/ @ml/risk\n")
    assert found.unblock == "2 teams have to approve, and fewer may: let CODEOWNERS name another team"


def test_a_matching_gives_each_name_to_another_one_and_finds_the_most() -> None:
    chain = [frozenset({"a"}), frozenset({"a", "b"}), frozenset({"b", "c"}), frozenset({"c", "d"})]
    assert len(matched(chain[::-1], 20)) == len(matched(chain, 20)) == 4
    assert len(matched([frozenset({"a", "b"})] * 5, 20)) == 2
    assert len(matched(chain, 2)) == 2


def test_a_thousand_links_of_a_chain_do_not_exhaust_the_stack() -> None:
    chain = [frozenset({f"{n}", f"{n + 1}"}) for n in range(1_500, 0, -1)]
    assert len(matched([*chain, frozenset({"1"})], 2_000)) == 1_501


# --- gates ----------------------------------------------------------------------------------------------------------


def test_a_gate_asks_for_one_of_each_besides_the_owners() -> None:
    spec = policy(Approvals(by=("@legal", "@ml/wind")))
    assert ruled(spec, ANN).unblock == f"one of @legal: {EVE}; one of @ml/wind: {BOB}, {CAROL}"
    assert ruled(spec, EVE, BOB).holds
    # those whom the gate names own nothing here, so an owner has to agree as well
    assert ruled(spec, EVE, text="/registry_spec/models/ @ml/risk\n").unblock == (
        f"approval by 1 of {ANN}, {CAROL}, {DAVE}; one of @ml/wind: {BOB}, {CAROL}"
    )


def test_one_person_speaks_for_one_of_those_a_gate_names() -> None:
    spec = policy(Approvals(by=("@ml/risk", "@ml/wind")))
    assert not ruled(spec, CAROL).holds
    assert ruled(spec, CAROL, DAVE).holds


def test_a_gate_that_names_nobody_says_so() -> None:
    assert ruled(policy(Approvals(by=("@ghosts",))), ANN).unblock == (
        "nobody of @ghosts may approve this: add somebody"
    )


def test_a_gate_is_met_by_those_it_names_and_by_them_alone_the_owners_are_not() -> None:
    spec = policy(Approvals(count=2, by=("@legal",)))
    assert ruled(spec, EVE).unblock.startswith(f"approval by 1 of {ANN}")
    assert ruled(spec, EVE, ANN).holds


def test_a_gate_asks_of_the_models_and_stages_it_guards_only() -> None:
    asked = Approvals(count=2)
    for gate in (
        Gate(name="g", models=("wind",), approvals=asked),
        Gate(name="g", stages=("Staging",), approvals=asked),
    ):
        assert ruled(RegistrySpec(gates=(gate,)), ANN).holds


def test_a_rename_in_the_same_request_does_not_leave_the_gate_behind() -> None:
    spec = RegistrySpec(gates=(Gate(name="g", models=("fraud",), approvals=Approvals(count=2)),))
    before = model("fraud", version(1))
    after = before.model_copy(update={"name": "scam", "versions": (version(1, "Production"),)})
    found = needs(diff(registry(before), registry(after)), (), spec)
    assert [need.approvals for need in found if need.title.endswith("@Production")] == [2]


# --- signatures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [policy(signed=True), policy(Approvals(signed=True))])
def test_an_approval_that_is_not_signed_does_not_count_where_signatures_are_asked_for(spec: RegistrySpec) -> None:
    found = ruled(spec, ANN)
    assert (found.holds, found.ignored) == (False, (Ignored(ANN, "is not signed"),))
    assert ruled(spec, ANN, signed=frozenset({"Ann@Example.com"})).holds


# --- GitLab's sections ----------------------------------------------------------------------------------------------

SECTIONS = f"""\
/registry_spec/models/*.yaml @ml/wind
[Risk][2] @ml/risk
/registry_spec/models/*.yaml
^[Advice]
/registry_spec/models/*.yaml {EVE}
"""


def test_each_section_asks_for_owners_of_its_own() -> None:
    spec = policy()
    found = ruled(spec, dialect="gitlab", text=SECTIONS)
    assert [(rule.lines, rule.section, rule.required) for rule in found.rules] == [((1,), None, 1), ((3,), "Risk", 2)]
    assert found.unblock == f"approval by 1 of {BOB}, {CAROL}; approval by 2 of {ANN}, {CAROL}, {DAVE} for section Risk"
    assert not ruled(spec, BOB, ANN, dialect="gitlab", text=SECTIONS).holds
    assert ruled(spec, BOB, ANN, DAVE, dialect="gitlab", text=SECTIONS).holds
    assert ruled(spec, CAROL, ANN, dialect="gitlab", text=SECTIONS).holds


def test_an_optional_section_asks_nobody_and_its_owners_agree_to_nothing() -> None:
    found = ruled(policy(), EVE, dialect="gitlab", text=SECTIONS)
    assert found.ignored == (Ignored(EVE, "is not an owner"),)


def test_an_explicit_higher_right_counts_for_every_section() -> None:
    text = f"{SECTIONS}[Chief]\n/registry_spec/models/*.yaml/@Manage {EVE}\n"
    (_, risk) = ruled(policy(), EVE, DAVE, dialect="gitlab", text=text).rules
    assert risk.approved_by == (EVE, DAVE)
    assert ruled(policy(), EVE, DAVE, dialect="gitlab", text=text).holds


def test_all_lines_that_match_add_up_on_gitea() -> None:
    text = "registry_spec/models/.*yaml @ml/wind\nregistry_spec/.*yaml @legal\n"
    found = ruled(policy(), EVE, dialect="gitea", text=text)
    assert found.holds
    assert [rule.lines for rule in found.rules] == [(1, 2)]


# --- one person with two addresses ----------------------------------------------------------------------------------


def test_an_author_does_not_agree_by_a_second_address() -> None:
    text = "/registry_spec/models/ @ann\n"
    found = ruled(policy(), "ann@home.example", author=ANN, text=text)
    assert found.ignored == (Ignored("ann@home.example", "is an author of the request"),)
    assert found.holders == ()


def test_two_addresses_of_one_person_count_once() -> None:
    text = f"/registry_spec/models/ @ann {BOB}\n"
    assert not ruled(policy(approvals=2), ANN, "ann@home.example", text=text).holds
    assert ruled(policy(approvals=2), "ann@home.example", BOB, text=text).holds


# --- the direct lane, and who can -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (policy(), None),
        (policy(teams=2), "fraud/1: None → Production: this stage is entered and left by a request"),
        (policy(signed=True), "fraud/1: None → Production: this stage is entered and left by a request"),
        (
            policy(Approvals(by=("@legal",))),
            "fraud/1: None → Production: gate four-eyes asks for approvals, so it goes by a request",
        ),
        (policy(Approvals()), None),
    ],
)
def test_what_several_have_to_agree_to_is_not_written_directly(spec: RegistrySpec, reason: str | None) -> None:
    asked = needs(
        diff(registry(model("fraud", version(1))), registry(model("fraud", version(1, "Production")))), (), spec
    )
    assert entitled(asked, CAROL, owners=owners(TEAMS), people=PEOPLE, spec=spec) == reason
    found = who_can(asked, owners=owners(TEAMS), people=PEOPLE, spec=spec, author=DAVE)
    assert (found.directly == ()) == (reason is not None)
    assert found.not_directly == (reason or "")
    assert DAVE not in found.rulings[0].holders


def test_a_section_that_asks_for_two_is_not_written_by_one() -> None:
    asked = needs(
        diff(registry(model("fraud", version(1))), registry(model("fraud", version(1, "Production")))), (), policy()
    )
    said = entitled(asked, CAROL, owners=parse(SECTIONS, dialect="gitlab"), people=PEOPLE, spec=policy())
    assert said == "fraud/1: None → Production: CODEOWNERS asks for 2 approvals, so it goes by a request"
    one = entitled(asked, BOB, owners=parse(SECTIONS, dialect="gitlab"), people=PEOPLE, spec=policy())
    assert one == f"fraud/1: None → Production: {FRAUD}/@Production is owned by @ml/risk for section Risk"


def test_a_thousand_moves_that_the_same_lines_decide_are_judged_as_one() -> None:
    spec = policy(teams=2)
    before, after = (registry(*(model(f"m{n}", version(1, s)) for n in range(1_000))) for s in ("None", "Production"))
    asked = needs(diff(before, after), (), spec)
    file = owners(TEAMS)
    review = (Reviewed(at=NOW, by=ANN, verdict="approved", head=HEAD),)
    found = judge(asked, review, head=HEAD, author=EVE, owners=file, people=PEOPLE, spec=spec)
    assert len({id(ruling.counts) for ruling in found.rulings}) == 1
    assert found.waiting_for == (BOB, CAROL)
