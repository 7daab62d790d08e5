"""Who has to agree to a change, what counts as agreement, and who may do without."""

from __future__ import annotations

import pytest

from specs import ANN, BOB, CAROL, DAVE, FRAUD, NOW, OWNERS, PEOPLE, model, owners, registry, version
from stagedoor.core.approval import Ignored, Need, Verdict, describe, entitled, judge, needs, stage_rights
from stagedoor.core.diff import diff
from stagedoor.core.owners import Level
from stagedoor.core.policy import Owners, RegistrySpec, Stage
from stagedoor.core.registry import Registry
from stagedoor.core.requests import Reviewed
from stagedoor.core.spec import People

SPEC = RegistrySpec()
HEAD, OLD = "b" * 40, "a" * 40
BASE = registry(model("fraud", version(1), version(2, "Production"), tags={"team": "risk"}, aliases={"champion": 2}))


def changed(**more: object) -> Registry:
    return registry(BASE.model("fraud").model_copy(update=more))


def staged(stage: str) -> Registry:
    return changed(versions=(version(1, stage), version(2, "Production")))


def asked(
    after: Registry, *others: str, before: Registry = BASE, spec: RegistrySpec = SPEC, root: str = ""
) -> tuple[Need, ...]:
    return needs(diff(before, after), others, spec, root)


def titles(after: Registry, *others: str, before: Registry = BASE) -> list[str]:
    return [need.title.removeprefix(FRAUD) for need in asked(after, *others, before=before)]


# --- needs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "now", "rights"),
    [
        ("None", "Staging", (Level.STAGING,)),
        ("Staging", "Archived", (Level.STAGING,)),
        ("Archived", "None", (Level.STAGING,)),
        ("Staging", "Production", (Level.PRODUCTION,)),
        ("Production", "Archived", (Level.PRODUCTION,)),
        ("None", "Production", (Level.PRODUCTION,)),
        ("None", "Canary", ("Canary",)),
        ("Canary", "None", ("Canary",)),
        ("Canary", "Shadow", ("Canary", "Shadow")),
        ("Canary", "Production", ("Canary", Level.PRODUCTION)),
        ("Archived", "Canary", ("Canary", Level.STAGING)),
    ],
)
def test_leaving_a_stage_is_guarded_like_entering_it(was: str, now: str, rights: tuple[object, ...]) -> None:
    assert stage_rights(was, now) == rights


@pytest.mark.parametrize(
    ("after", "needed"),
    [
        (changed(description="New."), [""]),
        (changed(tags={}), [""]),
        (changed(versions=(*BASE.model("fraud").versions, version(3)), last_version=3), [""]),
        (changed(last_version=9), [""]),
        (staged("Staging"), ["/@Staging"]),
        (staged("Production"), ["/@Production"]),
        (changed(aliases={"champion": 1}), ["/@champion"]),
        (changed(aliases={}), ["/@champion"]),
        (changed(versions=(version(2, "Production"),)), ["/@Manage"]),
        (changed(versions=(version(1, source="s3://other"), version(2, "Production"))), ["/@Manage"]),
        (changed(id="0" * 32), ["/@Manage", "", "/@Production", "/@champion"]),
        (Registry(), ["/@Manage"]),
        (changed(name="scam"), ["/@Manage", "registry_spec/models/scam.yaml/@Manage"]),
    ],
)
def test_each_change_asks_for_its_right(after: Registry, needed: list[str]) -> None:
    assert sorted(titles(after)) == sorted(needed)


def test_a_new_model_asks_for_the_stages_and_aliases_it_comes_with() -> None:
    assert titles(BASE, before=Registry()) == ["", "/@Production", "/@champion"]


def test_a_new_version_asks_for_the_stage_it_comes_in() -> None:
    after = changed(versions=(*BASE.model("fraud").versions, version(3, "Staging")), last_version=3)
    assert titles(after) == ["", "/@Staging"]


def test_other_files_are_asked_about_as_they_are() -> None:
    assert titles(BASE, ".github/CODEOWNERS", "README.md") == [".github/CODEOWNERS", "README.md"]


def test_the_folder_of_the_registry_stands_before_the_path() -> None:
    (need,) = asked(staged("Staging"), root="ml/registry/")
    assert need.title == f"ml/registry/{FRAUD}/@Staging"


def test_a_need_says_why_and_takes_the_approvals_of_its_stage() -> None:
    strict = RegistrySpec(
        stages=(Stage(name="None"), Stage(name="Production", approvals=2, direct=False), Stage(name="Archived"))
    )
    (need,) = asked(staged("Production"), spec=strict)
    assert need.why == ("fraud/1: None → Production",)
    assert (need.approvals, need.direct, need.verbs) == (2, False, ("transition",))


def test_needs_do_not_depend_on_the_order_of_the_changes() -> None:
    changes = diff(BASE, changed(description="x", aliases={}, versions=(version(1, "Staging"), version(2, "Archived"))))
    assert needs(changes, ("b", "a"), SPEC)[0].path < needs(changes, ("b", "a"), SPEC)[-1].path
    assert [n.title for n in needs(changes, ("b", "a"), SPEC)] == [
        n.title for n in needs(changes[::-1], ("a", "b"), SPEC)
    ]


def test_every_change_is_said_in_one_line() -> None:
    after = registry(
        model("scam", version(1, "Staging", description="x", source="s3://other"), version(3),
              tags={"a": "b"}, aliases={"champion": 1}, last_version=3, id=model("fraud").id),
        model("wind"),
    )  # fmt: skip
    assert [describe(change) for change in diff(registry(BASE.model("fraud"), model("sun")), after)] == [
        "scam moves from registry_spec/models/fraud.yaml to registry_spec/models/scam.yaml",
        "fraud is renamed to scam",
        "scam: last_version changes",
        "scam: tag a changes",
        "scam: tag team changes",
        "scam/1: None → Staging",
        "scam/1: the fact source changes",
        "scam/1: description changes",
        "scam/2 is deleted",
        "scam/3 is registered",
        "scam@champion: 2 → 1",
        "sun is deleted",
        "wind is created",
    ]


# --- judge ----------------------------------------------------------------------------------------------------------


def review(by: str, verdict: str = "approved", head: str = HEAD) -> Reviewed:
    return Reviewed(at=NOW, by=by, verdict=verdict, head=head)


def verdict(
    after: Registry, *reviews: Reviewed, author: str = ANN, spec: RegistrySpec = SPEC, text: str = OWNERS
) -> Verdict:
    given = asked(after, spec=spec)
    return judge(given, reviews, head=HEAD, author=author, owners=owners(text), people=PEOPLE, spec=spec)


def test_the_owner_of_the_stage_agrees() -> None:
    made = verdict(staged("Production"), review(CAROL))
    (ruling,) = made.rulings
    assert made.holds and ruling.unblock == ""
    assert (ruling.line, ruling.owners, ruling.approved_by) == (5, (CAROL, DAVE), (CAROL,))


def test_without_a_review_it_says_who_could_agree() -> None:
    made = verdict(staged("Production"))
    assert not made.holds
    assert made.rulings[0].unblock == "approval by 1 of carol@example.com, dave@example.com"
    assert made.waiting_for == (CAROL, DAVE)


@pytest.mark.parametrize(
    ("given", "author", "reason"),
    [
        (review(BOB), ANN, "is not an owner"),
        (review(CAROL, head=OLD), ANN, "saw aaaaaaaaaa, and the head is bbbbbbbbbb by now"),
        (review(CAROL), CAROL, "is an author of the request"),
        (review("Carol@Example.com"), CAROL, "is an author of the request"),
    ],
)
def test_a_review_that_does_not_count_says_why(given: Reviewed, author: str, reason: str) -> None:
    made = verdict(staged("Production"), given, author=author)
    assert not made.holds
    assert made.rulings[0].ignored == (Ignored(given.by.lower(), reason),)


def test_the_case_of_an_address_does_not_matter() -> None:
    assert verdict(staged("Production"), review("CAROL@example.COM")).holds


def test_whoever_put_changes_into_the_request_does_not_approve_them() -> None:
    given = asked(staged("Production"))
    base = {"head": HEAD, "author": ANN, "owners": owners(), "people": PEOPLE, "spec": SPEC}
    made = judge(given, (review(CAROL),), pushers=frozenset({"Carol@example.com"}), **base)  # type: ignore[arg-type]
    assert made.rulings[0].ignored == (Ignored(CAROL, "is an author of the request"),)
    assert made.waiting_for == (DAVE,)


def test_an_author_may_approve_where_the_registry_lets_them() -> None:
    lenient = RegistrySpec(owners=Owners(author_may_approve=True))
    assert verdict(staged("Production"), review(CAROL), author=CAROL, spec=lenient).holds


def test_an_only_owner_cannot_agree_with_themselves() -> None:
    made = verdict(changed(description="x"), author=ANN, text=f"/registry_spec/models/ {ANN}\n")
    assert made.rulings[0].unblock == f"none of {ANN} may approve this: add an owner, or let an author approve"


def test_changes_requested_by_an_owner_block_whoever_else_agreed() -> None:
    made = verdict(staged("Production"), review(DAVE), review(CAROL, "changes_requested"))
    assert not made.holds
    assert made.rulings[0].unblock == (f"{CAROL} asked for changes: push a new head, or let them approve")


@pytest.mark.parametrize("given", [review(BOB, "changes_requested"), review(CAROL, "changes_requested", OLD)])
def test_changes_requested_by_a_stranger_or_of_an_old_head_block_nothing(given: Reviewed) -> None:
    assert verdict(staged("Production"), review(DAVE), given).holds


def test_what_nobody_owns_is_refused_whoever_agrees() -> None:
    made = verdict(staged("Production"), review(CAROL), text="/docs/ carol@example.com\n")
    assert made.rulings[0].unblock == f"nobody owns {FRAUD}/@Production: add a line for it to CODEOWNERS"


def test_two_approvals_are_two_people() -> None:
    two = RegistrySpec(stages=(Stage(name="None"), Stage(name="Production", approvals=2), Stage(name="Archived")))
    assert (
        verdict(staged("Production"), review(CAROL), spec=two).rulings[0].unblock == "approval by 1 of dave@example.com"
    )
    assert verdict(staged("Production"), review(CAROL), review(DAVE), spec=two).holds


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "2 have to approve and only carol@example.com still may: add an owner"),
        ((review(CAROL),), "2 have to approve and nobody else may: add an owner"),
    ],
)
def test_more_approvals_than_there_are_owners_is_said(given: tuple[Reviewed, ...], said: str) -> None:
    two = RegistrySpec(stages=(Stage(name="None"), Stage(name="Production", approvals=2), Stage(name="Archived")))
    made = verdict(staged("Production"), *given, spec=two, text=f"/registry_spec/ {CAROL}\n")
    assert (made.holds, made.rulings[0].unblock) == (False, said)


def test_one_person_who_is_listed_twice_counts_once() -> None:
    two = RegistrySpec(stages=(Stage(name="None"), Stage(name="Production", approvals=2), Stage(name="Archived")))
    assert not verdict(staged("Production"), review(CAROL), review("Carol@example.com"), spec=two).holds


def test_a_team_and_a_login_stand_for_their_people() -> None:
    assert verdict(changed(description="x"), review(BOB)).holds
    assert verdict(changed(description="x"), review(BOB), text="/registry_spec/models/ @BOB-hub\n").holds


def test_a_team_that_nobody_knows_has_nobody() -> None:
    made = verdict(changed(description="x"), review(BOB), text="/registry_spec/models/ @ghosts\n")
    assert made.rulings[0].unblock == "none of @ghosts may approve this: add an owner, or let an author approve"


def test_every_need_has_to_be_met() -> None:
    both = changed(versions=(version(1, "Production"), version(2, "Production")), description="x")
    assert not verdict(both, review(BOB)).holds
    assert not verdict(both, review(BOB)).rulings[1].holds
    assert verdict(both, review(CAROL)).holds


# --- the direct lane ------------------------------------------------------------------------------------------------


def refused(after: Registry, actor: str, spec: RegistrySpec = SPEC, *others: str) -> str | None:
    given = asked(after, *others, spec=spec)
    return entitled(given, actor, owners=owners(), people=PEOPLE, spec=spec)


def test_an_owner_may_write_straight_away() -> None:
    assert refused(staged("Production"), "Carol@example.com") is None
    assert refused(changed(description="x"), BOB) is None


def test_whoever_does_not_own_it_is_told_who_does() -> None:
    assert refused(staged("Production"), ANN) == (
        f"fraud/1: None → Production: {FRAUD}/@Production is owned by {CAROL}, {DAVE}"
    )


def test_a_stage_may_ask_for_a_request() -> None:
    closed = RegistrySpec(stages=(Stage(name="None"), Stage(name="Production", direct=False), Stage(name="Archived")))
    two = RegistrySpec(stages=(Stage(name="None"), Stage(name="Production", approvals=2), Stage(name="Archived")))
    said = "fraud/1: None → Production: this stage is entered and left by a request"
    assert refused(staged("Production"), CAROL, closed) == said
    assert refused(staged("Production"), CAROL, two) == said


def test_leaving_such_a_stage_asks_for_a_request_too() -> None:
    closed = RegistrySpec(stages=(Stage(name="None"), Stage(name="Production", direct=False), Stage(name="Archived")))
    after = changed(versions=(version(1), version(2, "Archived")))
    assert (
        refused(after, CAROL, closed) == "fraud/2: Production → Archived: this stage is entered and left by a request"
    )


def test_a_registry_may_take_a_verb_by_request_only() -> None:
    spec = RegistrySpec(direct=("register", "describe"))
    assert refused(changed(tags={}), BOB, spec) == "fraud: tag team changes: this registry takes it by a request only"
    assert refused(changed(description="x"), BOB, spec) is None


def test_facts_and_other_files_are_never_written_straight_away() -> None:
    fact = changed(versions=(version(1, source="s3://other"), version(2, "Production")))
    assert refused(fact, DAVE) == "fraud/1: the fact source changes: this registry takes it by a request only"
    assert refused(BASE, CAROL, SPEC, ".github/CODEOWNERS") == (
        ".github/CODEOWNERS changes: this registry takes it by a request only"
    )


def test_thousands_of_needs_are_judged_in_a_moment() -> None:
    crowd = People(people=tuple({"email": f"p{n}@example.com", "login": f"p{n}"} for n in range(1_000)))
    many = registry(*(model(f"model-{number}") for number in range(2_000)))
    given = needs(diff(Registry(), many), (), SPEC)
    lines = owners("/registry_spec/models/ @p1 @p2 @p3\n")
    made = judge(given, (), head=HEAD, author=ANN, owners=lines, people=crowd, spec=SPEC)
    assert made.waiting_for == ("p1@example.com", "p2@example.com", "p3@example.com")
