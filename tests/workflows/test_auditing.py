"""The audit: an honest story verifies, on the registry and on its bare clones, and every attack is found by name."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from stagedoor.core.audit import Audit, CommitVerdict
from stagedoor.core.layout import REGISTRY_FILE, SIGNERS_FILE, evidence_path
from stagedoor.core.reading import edited
from stagedoor.core.spec import Evidence
from stagedoor.core.trailers import Approval, Trailers, message
from stagedoor.errors import BadRepository
from stagedoor.forges.base import Landing, NotReady
from stagedoor.gitstore import RefUpdate, Repository, Signature
from stagedoor.workflows import registering, reviewing
from stagedoor.workflows.auditing import Terms, audit, verdicts
from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.reviewing import Signing
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Lane, open_revision
from town import ANN, BOB, CAROL, CODEOWNERS, DAVE, Town

OWNERS_FILE = ".github/CODEOWNERS"
FRAUD = "registry_spec/models/fraud.yaml"
EVE = "eve@example.com"
USUAL = Terms()


def git(at: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=at, capture_output=True, text=True, check=True)
    return done.stdout.strip()


# --- what people do -------------------------------------------------------------------------------------------------


def ask(town: Town, stage: str, ref: str = "fraud/1", by: str = ANN) -> int:
    outcome = registering.transition(town.as_(by), [Wish(ref, stage)], lane=Lane(propose=True))
    assert outcome.request is not None
    return outcome.request.number


def move(town: Town, stage: str, ref: str = "fraud/1", *approvers: str) -> str:
    """A request that lands: the merge commit."""
    number = ask(town, stage, ref)
    for who in approvers or (CAROL,):
        reviewing.approve(town.as_(who), number, "so be it")
    return reviewing.merge(town.as_(CAROL), number).merged_as


def propose(town: Town, files: dict[str, str], by: str = ANN, onto: str | None = None) -> int:
    """A request made by hand."""
    world = town.as_(by)
    repository = world.repository
    parent = onto or world.main()
    tree = repository.write_tree(repository.commit_info(parent).tree, {p: t.encode() for p, t in files.items()})
    who = world.signature()
    commit = repository.commit(tree, (parent,), author=who, committer=who, message="by hand")
    outcome = open_revision(world, commit, "by hand", "")
    assert outcome.request is not None
    return outcome.request.number


def agree(town: Town, files: dict[str, str], *approvers: str) -> str:
    """A change of the policy that carol agrees to."""
    number = propose(town, files, by=DAVE)
    for who in approvers or (CAROL,):
        reviewing.approve(town.as_(who), number)
    return reviewing.merge(town.as_(CAROL), number).merged_as


def key(tmp_path: Path, name: str) -> tuple[str, str]:
    """A key and its line of the allowed signers, without the name."""
    path = tmp_path / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
    return str(path), " ".join(path.with_name(f"{name}.pub").read_text().split()[:2])


# --- what attackers do ----------------------------------------------------------------------------------------------


def push(town: Town, files: dict[str, str | None], trailers: Trailers, by: str = CAROL, head: str = "") -> str:
    """A commit on main by somebody's own hand, with whatever trailers and parents they like."""
    world = town.as_(by)
    repository, tip = world.repository, world.main()
    raw = {path: None if text is None else text.encode() for path, text in files.items()}
    tree = repository.write_tree(repository.commit_info(tip).tree, raw)
    who = Signature("x", by, town.clock())
    parents = (tip, head) if head else (tip,)
    text = message("Merge request 7: forged", "", trailers)
    commit = repository.commit(tree, parents, author=who, committer=who, message=text)
    repository.publish((RefUpdate(repository.ref, tip, commit),), "test")
    return commit


def head_with(town: Town, files: dict[str, str], by: str = EVE) -> str:
    world = town.as_(by)
    tree = world.repository.write_tree(
        world.repository.commit_info(world.main()).tree, {path: text.encode() for path, text in files.items()}
    )
    who = Signature("eve", by, town.clock())
    return world.repository.commit(tree, (world.main(),), author=who, committer=who, message="mine")


def in_stage(town: Town, stage: str, was: str = "None") -> str:
    text = town.text(FRAUD)
    assert f"  stage: {was}\n" in text
    return text.replace(f"  stage: {was}\n", f"  stage: {stage}\n", 1)


def rewritten(town: Town, commit: str, path: str, old: str, new: str) -> None:
    """History made anew from a commit on: a file says something else in it and in all that follow."""
    world = town.as_(CAROL)
    repository, tip = world.repository, world.main()
    made: dict[str, str] = {}
    for one in list(repository.first_parents(None, tip)):
        if one.oid != commit and not made:
            continue
        entry = repository.entry(one.oid, path)
        tree = one.tree
        if entry is not None:
            text = repository.blob(entry.oid).decode().replace(old, new)
            tree = repository.write_tree(one.tree, {path: text.encode()})
        parents = tuple(made.get(parent, parent) for parent in one.parents)
        made[one.oid] = repository.commit(
            tree, parents, author=one.author, committer=one.committer, message=one.message, mergetags=one.mergetags
        )
    repository.publish((RefUpdate(repository.ref, tip, made[tip]),), "rewritten")


# --- what auditors do -----------------------------------------------------------------------------------------------


@contextmanager
def bare_clone(town: Town, *options: str) -> Iterator[World]:
    """A plain bare clone, without the requests."""
    path = town.path.parent / f"clone-{len(list(town.path.parent.iterdir()))}.git"
    git(town.path.parent, "clone", "-q", *(options or ("--bare",)), f"file://{town.path}", str(path))
    with Repository.open(path) as repository:
        yield World(repository, claimed_email=DAVE, now=town.clock)


def first(town: Town, terms: Terms = USUAL) -> CommitVerdict:
    """The first commit at fault, as the registry itself and its mirror tell."""
    found = audit(town.as_(DAVE), terms)
    assert found.first is not None, found
    with bare_clone(town, "--mirror") as world:
        assert audit(world, terms) == found
    return found.first


def said(one: CommitVerdict) -> list[str]:
    return [f"{fault.code} {fault.what}" for fault in one.faults]


def attested(town: Town, terms: Terms = USUAL) -> Audit:
    """What a plain bare clone tells."""
    with bare_clone(town) as world:
        return audit(world, terms)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A bare registry that was founded with its stage lines: whatever comes later has to be agreed to."""
    made = Town(tmp_path / "registry.git")
    initialise(made.path, owner=CAROL, name="test", bare=True)
    world = made.as_(CAROL)
    repository, tip = world.repository, world.main()
    tree = repository.write_tree(repository.commit_info(tip).tree, {OWNERS_FILE: CODEOWNERS.encode()})
    who = world.signature()
    commit = repository.commit(tree, (), author=who, committer=who, message="found the registry")
    repository.publish((RefUpdate(repository.ref, tip, commit),), "test")
    yield made
    made.close()


@pytest.fixture
def fraud(town: Town) -> Town:
    town.register("fraud", description="scores payments")
    return town


# --- an honest story ------------------------------------------------------------------------------------------------

POLICY = """\
stages:
- name: None
- name: Staging
- name: Production
  from:
  - Staging
  approvals: 2
- name: Archived
gates:
- name: described
  stages:
  - Production
  require:
  - description
- name: soaked
  stages:
  - Production
  soak:
    stage: Staging
    for: 30s
"""
FREEZE = """\
freezes:
- name: holidays
  since: 2026-12-20T00:00:00.000Z
  until: 2027-01-02T00:00:00.000Z
"""
WAIVER = f"""\
apiVersion: stagedoor/v1
kind: Waiver
gate: described
model: churn
owner: {CAROL}
reason: the description is being written
expires: 2027-03-01T00:00:00.000Z
"""
PRODUCTION_OWNERS = CODEOWNERS + f"/registry_spec/models/*.yaml/@Production {BOB} {CAROL} {DAVE}\n"


@pytest.fixture
def story(fraud: Town, tmp_path: Path) -> Town:
    """Requests and direct writes, a policy that changes, signatures, a waiver, a freeze and broken glass."""
    town = fraud
    path, public = key(tmp_path, "carol")
    policy = {
        REGISTRY_FILE: town.text(REGISTRY_FILE) + POLICY + FREEZE,
        OWNERS_FILE: PRODUCTION_OWNERS,
        SIGNERS_FILE: f'{CAROL} namespaces="git" {public}\n',
    }
    agree(town, policy)
    move(town, "Staging")
    town.clock.now += timedelta(minutes=1)
    number = ask(town, "Production")
    reviewing.approve(town.as_(CAROL), number, "good", signing=Signing(path))
    reviewing.approve(town.as_(DAVE), number)
    reviewing.merge(town.as_(BOB), number)
    town.register("churn")
    agree(town, {"registry_spec/waivers/churn.yaml": WAIVER})
    move(town, "Staging", "churn/1")
    town.clock.now = datetime(2026, 12, 24, 12, tzinfo=UTC)
    urgent = ask(town, "Production", "churn/1")
    reviewing.break_glass(town.as_(ANN), urgent, "the old one lets everything through")
    for who in (BOB, CAROL):
        reviewing.approve(town.as_(who), urgent)
    reviewing.merge(town.as_(CAROL), urgent)
    town.clock.now = datetime(2027, 1, 10, 12, tzinfo=UTC)
    town.register("fraud")
    # two at once, of which the second lands on a newer main
    one, other = ask(town, "Staging", "fraud/2"), ask(town, "Archived", "churn/1")
    for number, who in ((one, BOB), (other, BOB), (other, CAROL)):
        reviewing.approve(town.as_(who), number)
    reviewing.merge(town.as_(BOB), one)
    reviewing.merge(town.as_(BOB), other)
    town.commit({"README.md": "hello\n"}, "readme", author=EVE)
    return town


def test_an_honest_story_verifies(story: Town) -> None:
    found = audit(story.as_(DAVE), Terms(strict=True))
    assert (found.bad, found.notes) == ((), ())
    assert found.lanes == {"founding": 1, "request": 8, "direct": 3, "untouched": 1}
    assert (found.transitions, found.approvals) == (6, {"signed": 1, "compared": 10})
    assert found.until == story.as_(DAVE).main()


def test_a_plain_bare_clone_says_what_is_attested_only(story: Town) -> None:
    found = attested(story)
    assert (found.holds, found.requests_are_here) == (True, False)
    assert found.approvals == {"signed": 1, "attested": 10}
    strict = attested(story, Terms(strict=True))
    assert strict.first is not None
    assert said(strict.first) == [f"attested the approval of {CAROL} rests on the word of the merge alone"]


def test_an_audit_may_begin_where_another_one_ended(story: Town) -> None:
    world = story.as_(DAVE)
    whole = list(verdicts(world))
    for place in range(1, len(whole), 3):
        since = whole[place].commit
        assert list(verdicts(world, Terms(since=since))) == whole[place + 1 :]
    with pytest.raises(BadRepository, match="is not on the first-parent history"):
        audit(world, Terms(since="refs/pull/1/head"))


def test_part_of_a_history_is_not_audited(story: Town) -> None:
    for options in (("--bare", "--depth=3"), ("--bare", "--filter=blob:none")):
        git(story.path, "config", "uploadpack.allowFilter", "true")
        with bare_clone(story, *options) as world, pytest.raises(BadRepository, match="this clone is"):
            audit(world)


# --- rewritten history ----------------------------------------------------------------------------------------------


def test_a_stage_line_that_was_rewritten_is_found(fraud: Town) -> None:
    move(fraud, "Staging")
    bad = move(fraud, "Archived")
    fraud.register("churn")
    rewritten(fraud, bad, FRAUD, "stage: Archived", "stage: Production")
    one = first(fraud)
    assert "Merge request 2" in one.subject
    assert said(one) == [
        "trailer it says request 2, which did not land as this commit",
        "merge the merge does something else than request 2 asked for",
    ]
    found = attested(fraud)
    assert found.first is not None
    assert said(found.first) == ["merge the merge does something else than request 2 asked for"]


def test_a_fact_that_was_rewritten_is_found(fraud: Town) -> None:
    bad = fraud.commit({FRAUD: fraud.text(FRAUD).replace("s3://models/fraud", "s3://models/other")})
    one = first(fraud)
    assert (one.commit, said(one)[0]) == (bad, "SD201 fraud/1: source was recorded and cannot change")


# --- forged words ---------------------------------------------------------------------------------------------------


def forged(town: Town) -> str:
    head = head_with(town, {FRAUD: in_stage(town, "Production")})
    trailers = Trailers(request=7, requested_by=EVE, approved_by=(Approval(CAROL, head),))
    return push(town, {FRAUD: in_stage(town, "Production")}, trailers, by=EVE, head=head)


def test_a_forged_trailer_is_found_where_the_requests_are(fraud: Town) -> None:
    move(fraud, "Staging")
    move(fraud, "None")
    bad = forged(fraud)
    one = first(fraud)
    assert (one.commit, said(one)) == (bad, ["trailer it says request 7, and there is no such request"])


def test_without_the_requests_a_forged_trailer_is_the_word_of_the_merge_and_said_to_be(fraud: Town) -> None:
    bad = forged(fraud)
    found = attested(fraud)
    assert (found.holds, found.approvals) == (True, {"attested": 1})
    strict = attested(fraud, Terms(strict=True))
    assert strict.first is not None and strict.first.commit == bad


def test_a_forged_trailer_on_a_commit_that_merges_nothing_is_found_anywhere(fraud: Town) -> None:
    tip = fraud.as_(ANN).main()
    trailers = Trailers(request=7, requested_by=EVE, approved_by=(Approval(CAROL, tip),))
    bad = push(fraud, {FRAUD: in_stage(fraud, "Production")}, trailers, by=EVE)
    found = attested(fraud)
    assert found.first is not None and found.first.commit == bad
    assert "trailer it says request 7, and is no merge of it" in said(found.first)


def test_an_approval_of_another_head_is_found(fraud: Town) -> None:
    head = head_with(fraud, {FRAUD: in_stage(fraud, "Production")})
    trailers = Trailers(request=7, requested_by=EVE, approved_by=(Approval(CAROL, fraud.as_(ANN).main()),))
    push(fraud, {FRAUD: in_stage(fraud, "Production")}, trailers, by=EVE, head=head)
    found = attested(fraud)
    assert found.first is not None
    assert f"trailer {CAROL} approved" in said(found.first)[0]
    assert "SD404" in said(found.first)[1] and "saw" in said(found.first)[1]


def test_an_approval_that_the_request_does_not_hold_is_found(fraud: Town) -> None:
    number = ask(fraud, "Production")
    head = fraud.as_(ANN).forge.get(number).head
    trailers = Trailers(request=number, requested_by=ANN, approved_by=(Approval(CAROL, head),))
    push(fraud, {FRAUD: in_stage(fraud, "Production")}, trailers, by=EVE, head=head)
    told = said(first(fraud))
    assert told[0] == f"trailer it says request {number}, which did not land as this commit"
    assert told[1] == f"trailer it says that {CAROL} approved {head[:10]}, and request {number} holds no such approval"
    assert told[2].startswith(f"SD404 request {number} lacked agreement: fraud/1: None → Production: approval by 1 of")


def test_words_that_are_no_addresses_own_nothing(fraud: Town) -> None:
    head = head_with(fraud, {FRAUD: in_stage(fraud, "Production")})
    trailers = Trailers(request=7, requested_by="\x1b[2J", approved_by=(Approval("<><>", head), Approval("@@", head)))
    push(fraud, {FRAUD: in_stage(fraud, "Production")}, trailers, by=EVE, head=head)
    found = attested(fraud)
    assert found.first is not None
    assert "lacked agreement" in said(found.first)[-1]


# --- who had to agree -----------------------------------------------------------------------------------------------


def landed(town: Town, number: int, *approvers: str, files: dict[str, str] | None = None) -> str:
    """A merge that no stagedoor made: the request says that it landed, and nobody judged."""
    world = town.as_(CAROL)
    request = world.forge.get(number)
    tree = world.repository.commit_info(request.head).tree
    if files:
        tree = world.repository.write_tree(tree, {path: text.encode() for path, text in files.items()})
    approvals = tuple(Approval(who, request.head) for who in approvers)
    glass = request.broken.reason if request.broken else ""
    text = message(f"Merge request {number}: x", "", Trailers(number, request.author, approvals, "", glass))
    tags = tuple(review.tag for review in request.reviews if review.tag)
    done = world.forge.merge(
        number, Landing(tree, world.main(), text, tags), head=request.head, by=world.actor, at=world.now()
    )
    assert not isinstance(done, NotReady)
    return done.merged_as


def test_a_review_by_an_owner_who_was_removed_before_the_merge_is_found(fraud: Town) -> None:
    agree(fraud, {OWNERS_FILE: CODEOWNERS + f"/registry_spec/models/*.yaml/@Production {CAROL} {DAVE}\n"})
    number = ask(fraud, "Production")
    reviewing.approve(fraud.as_(DAVE), number)
    agree(fraud, {OWNERS_FILE: CODEOWNERS})
    bad = landed(fraud, number, DAVE, files={OWNERS_FILE: CODEOWNERS})
    one = first(fraud)
    assert one.commit == bad
    assert said(one) == [
        f"SD404 request {number} lacked agreement: fraud/1: None → Production: approval by 1 of {CAROL} "
        f"(the approval of {DAVE} does not count, it is by one who is not an owner)"
    ]
    alone = attested(fraud)
    assert alone.first is not None and said(alone.first) == said(one)


def test_an_approval_of_ones_own_request_by_an_edited_codeowners_is_found(fraud: Town) -> None:
    mine = CODEOWNERS + f"/registry_spec/models/*.yaml/@Production {ANN}\n/.github/ {ANN}\n"
    number = propose(fraud, {OWNERS_FILE: mine, FRAUD: in_stage(fraud, "Production")})
    fraud.as_(ANN).forge.review(
        number, "approved", "", head=fraud.as_(ANN).forge.get(number).head, by=fraud.as_(ANN).actor, at=fraud.clock()
    )
    bad = landed(fraud, number, ANN)
    one = first(fraud)
    assert one.commit == bad
    told = said(one)
    assert f"SD404 request {number} lacked agreement: .github/CODEOWNERS changes: approval by 1 of {CAROL}" in told[0]
    assert f"the approval of {ANN} does not count, it is by one who is not an owner" in told[1]


def test_an_approval_by_the_author_is_found(fraud: Town) -> None:
    number = ask(fraud, "Production", by=CAROL)
    world = fraud.as_(CAROL)
    world.forge.review(number, "approved", "", head=world.forge.get(number).head, by=world.actor, at=fraud.clock())
    landed(fraud, number, CAROL)
    for one in (first(fraud), attested(fraud).first):
        assert one is not None
        assert f"the approval of {CAROL} does not count, it is by one who is an author of the request" in said(one)[0]


def test_a_policy_weakened_in_the_same_request_still_counts(fraud: Town) -> None:
    loose = fraud.text(REGISTRY_FILE)
    agree(fraud, {REGISTRY_FILE: loose + POLICY})
    number = propose(fraud, {REGISTRY_FILE: loose, FRAUD: in_stage(fraud, "Production")})
    reviewing.approve(fraud.as_(CAROL), number)
    bad = landed(fraud, number, CAROL)
    one = first(fraud)
    assert one.commit == bad
    codes = [fault.code for fault in one.faults]
    assert codes == ["SD303", "SD403", "SD404"]


def test_a_direct_push_by_somebody_who_may_not_is_found(fraud: Town) -> None:
    bad = fraud.commit({FRAUD: in_stage(fraud, "Production")}, "sneak", author=ANN)
    one = first(fraud)
    assert one.commit == bad
    assert said(one) == [
        f"unreviewed {ANN} wrote it without a request: fraud/1: None → Production: "
        f"{FRAUD}/@Production is owned by {CAROL}"
    ]


def test_a_merge_that_does_more_than_was_asked_for_is_found(fraud: Town) -> None:
    fraud.register("churn")
    other = fraud.text("registry_spec/models/churn.yaml").replace("  stage: None\n", "  stage: Production\n")
    number = ask(fraud, "Production")
    reviewing.approve(fraud.as_(CAROL), number)
    bad = landed(fraud, number, CAROL, files={"registry_spec/models/churn.yaml": other})
    for one in (first(fraud), attested(fraud).first):
        assert one is not None and one.commit == bad
        assert said(one) == [f"merge the merge does something else than request {number} asked for"]


def test_a_merge_that_writes_other_owners_than_were_asked_for_is_found(fraud: Town) -> None:
    number = propose(fraud, {OWNERS_FILE: CODEOWNERS + f"/README.md {ANN}\n"})
    reviewing.approve(fraud.as_(CAROL), number)
    bad = landed(fraud, number, CAROL, files={OWNERS_FILE: CODEOWNERS + f"/registry_spec/ {ANN}\n"})
    one = first(fraud)
    assert (one.commit, [fault.code for fault in one.faults]) == (bad, ["merge"])


# --- signatures -----------------------------------------------------------------------------------------------------

SIGNED = "stages:\n- name: None\n- name: Staging\n- name: Production\n  signed: true\n- name: Archived\n"


def sign_by(town: Town, path: str, signers: str) -> int:
    agree(town, {REGISTRY_FILE: town.text(REGISTRY_FILE) + SIGNED, SIGNERS_FILE: signers})
    number = ask(town, "Production")
    reviewing.approve(town.as_(CAROL), number, "good", signing=Signing(path))
    return number


def test_a_signature_by_a_key_that_was_revoked_before_is_found(fraud: Town, tmp_path: Path) -> None:
    path, public = key(tmp_path, "carol")
    line = f'{CAROL} namespaces="git",valid-before="20260101" {public}\n'
    number = sign_by(fraud, path, line)
    bad = landed(fraud, number, CAROL)
    one = first(fraud)
    assert one.commit == bad
    assert f"the approval of {CAROL} does not count, it is not signed" in said(one)[0]
    reason = f"carries a signature that is not good: no key of {CAROL} that is allowed then made its signature"
    assert one.notes == (reason,)


def test_a_key_that_is_revoked_later_was_good_then(fraud: Town, tmp_path: Path) -> None:
    path, public = key(tmp_path, "carol")
    number = sign_by(fraud, path, f'{CAROL} namespaces="git" {public}\n')
    reviewing.merge(fraud.as_(CAROL), number)
    agree(fraud, {SIGNERS_FILE: f'{CAROL} namespaces="git",valid-before="20260101" {public}\n'})
    assert audit(fraud.as_(DAVE), Terms(strict=True)).approvals == {"signed": 1, "compared": 2}
    revoked = Terms(signers=f'{CAROL} namespaces="git",valid-before="20260101" {public}\n'.encode())
    assert "is not signed" in said(first(fraud, revoked))[0]


def test_an_approval_without_signature_is_found_where_one_is_asked_for(fraud: Town) -> None:
    signers = f"{DAVE} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKSDPYFwGh6QxqTrTVcRcBTSgWZl8KrAGJ8T0HHPUmRv\n"
    agree(fraud, {REGISTRY_FILE: fraud.text(REGISTRY_FILE) + SIGNED, SIGNERS_FILE: signers})
    number = ask(fraud, "Production")
    reviewing.approve(fraud.as_(CAROL), number)
    landed(fraud, number, CAROL)
    assert f"the approval of {CAROL} does not count, it is not signed" in said(first(fraud))[0]


def test_a_signed_approval_of_one_request_is_none_of_another(fraud: Town, tmp_path: Path) -> None:
    path, public = key(tmp_path, "carol")
    number = sign_by(fraud, path, f'{CAROL} namespaces="git" {public}\n')
    request = fraud.as_(ANN).forge.get(number)
    world = fraud.as_(EVE)
    text = message("Merge request 9: x", "", Trailers(9, EVE, (Approval(CAROL, request.head),)))
    who, tip = world.signature(), world.main()
    bad = world.repository.commit(
        world.repository.commit_info(request.head).tree, (tip, request.head), author=who, committer=who,
        message=text, mergetags=tuple(review.tag for review in request.reviews),
    )  # fmt: skip
    world.repository.publish((RefUpdate(world.repository.ref, tip, bad),), "test")
    one = attested(fraud).first
    assert one is not None and "is not signed" in said(one)[0]
    assert one.notes == (f"carries a signature that is not good: is approve/{number}, and not of request 9",)


# --- gates, freezes, glass ------------------------------------------------------------------------------------------


def test_glass_that_one_alone_broke_is_found(story: Town) -> None:
    agree(story, {REGISTRY_FILE: story.text(REGISTRY_FILE).replace("2027-01-02", "2027-02-02")})
    story.clock.now = datetime(2027, 1, 11, 12, tzinfo=UTC)
    number = ask(story, "Archived", "fraud/1")
    reviewing.break_glass(story.as_(ANN), number, "quick")
    reviewing.approve(story.as_(CAROL), number)
    bad = landed(story, number, CAROL)
    one = first(story)
    assert one.commit == bad
    assert said(one) == [
        f"SD404 request {number} lacked agreement: fraud/1: Production → Archived: approval by 1 of {BOB}, {DAVE}"
    ]


def test_glass_that_only_the_merge_says_was_broken_is_found(story: Town) -> None:
    agree(story, {REGISTRY_FILE: story.text(REGISTRY_FILE).replace("2027-01-02", "2027-02-02")})
    story.clock.now = datetime(2027, 1, 11, 12, tzinfo=UTC)
    number = ask(story, "Archived", "fraud/1")
    head = story.as_(ANN).forge.get(number).head
    for who in (BOB, CAROL):
        reviewing.approve(story.as_(who), number)
    trailers = Trailers(number, ANN, (Approval(BOB, head), Approval(CAROL, head)), break_glass="trust me")
    push(story, {FRAUD: in_stage(story, "Archived", "Production")}, trailers, head=head)
    assert f"trailer it says that the glass was broken, and request {number} does not" in said(first(story))


def test_a_move_in_a_freeze_is_found(fraud: Town) -> None:
    agree(fraud, {REGISTRY_FILE: fraud.text(REGISTRY_FILE) + FREEZE})
    fraud.clock.now = datetime(2026, 12, 24, 12, tzinfo=UTC)
    bad = fraud.commit({FRAUD: in_stage(fraud, "Production")}, "now", author=CAROL)
    one = first(fraud)
    assert one.commit == bad
    assert said(one)[0].startswith("SD409 freeze holidays: nothing moves from 2026-12-20 00:00 until 2027-01-02 00:00")


def test_a_date_that_is_not_believed_is_judged_between_its_neighbours_and_noted(fraud: Town) -> None:
    world = fraud.as_(CAROL)
    repository, tip = world.repository, world.main()
    tree = repository.write_tree(repository.commit_info(tip).tree, {FRAUD: in_stage(fraud, "Production").encode()})
    odd = Signature("carol", CAROL, datetime(1999, 1, 1, tzinfo=UTC))
    commit = repository.commit(tree, (tip,), author=odd, committer=odd, message="old")
    repository.publish((RefUpdate(repository.ref, tip, commit),), "test")
    found = audit(fraud.as_(DAVE))
    assert found.holds
    assert len(found.notes) == 1 and "says it is of 1999-01-01 00:00:00, and is believed to be of" in found.notes[0]


def test_evidence_that_was_exchanged_is_found(fraud: Town) -> None:
    report = b"all is well\n"
    pinned = Evidence(name="report", digest=f"sha256:{sha256(report).hexdigest()}", at=fraud.clock(), by=ANN)
    model = fraud.as_(ANN).snapshot().registry.model("fraud")
    (version,) = model.versions
    now = model.model_copy(update={"versions": (version.model_copy(update={"evidence": (pinned,)}),)})
    path = evidence_path(pinned.digest)
    fraud.commit({FRAUD: edited(fraud.text(FRAUD), model, now), path: report.decode()}, "attach", author=ANN)
    assert audit(fraud.as_(ANN)).bad == ()
    bad = fraud.commit({path: "all is lost\n"}, "better")
    one = first(fraud)
    assert one.commit == bad
    assert said(one)[0].startswith("SD207 the evidence")


# --- broken policies ------------------------------------------------------------------------------------------------


def test_a_policy_that_does_not_read_is_found_and_what_follows_cannot_be_judged(fraud: Town) -> None:
    good = fraud.text(REGISTRY_FILE)
    bad = fraud.commit({REGISTRY_FILE: good + "nonsense: 1\n"}, "broken")
    after = fraud.commit({REGISTRY_FILE: good}, "mended")
    found = audit(fraud.as_(DAVE))
    assert [(one.commit, one.faults[0].code) for one in found.bad] == [(bad, "SD101"), (after, "unjudged")]
    assert "the policy before it does not read" in found.bad[1].faults[0].what


def test_a_model_that_does_not_read_hides_nothing(fraud: Town) -> None:
    good = fraud.text(FRAUD)
    bad = fraud.commit({FRAUD: "\t{"}, "broken", author=ANN)
    after = fraud.commit({FRAUD: good.replace("  stage: None\n", "  stage: Production\n")}, "mended", author=ANN)
    found = audit(fraud.as_(DAVE))
    assert [(one.commit, one.faults[0].code) for one in found.bad] == [(bad, "SD101"), (after, "unreviewed")]


def test_a_registry_that_is_taken_away_is_not_founded_anew(fraud: Town) -> None:
    good = fraud.text(REGISTRY_FILE)
    forged = in_stage(fraud, "Production")
    world = fraud.as_(EVE)
    repository, tip, who = world.repository, world.main(), Signature("eve", EVE, fraud.clock())
    made = [tip]
    for files in ({REGISTRY_FILE: None}, {REGISTRY_FILE: good.encode(), FRAUD: forged.encode()}):
        tree = repository.write_tree(repository.commit_info(made[-1]).tree, files)
        made.append(repository.commit(tree, (made[-1],), author=who, committer=who, message="x"))
    repository.publish((RefUpdate(repository.ref, tip, made[-1]),), "test")
    found = audit(fraud.as_(DAVE))
    assert [(one.commit, one.faults[0].code) for one in found.bad] == [(made[1], "unreviewed"), (made[2], "unjudged")]


def test_bad_commits_are_named_up_to_a_bound_and_counted(fraud: Town) -> None:
    for number in range(105):
        fraud.commit({"registry_spec/people.yaml": f"# {number}\n"}, "again", author=EVE)
    found = audit(fraud.as_(DAVE))
    assert (len(found.bad), found.left_out) == (100, 5)
