"""The embedded forge: what every forge has to do, on real git."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stagedoor.core.requests import Commented, Opened, Reviewed
from stagedoor.errors import BadInput, BadRepository, Conflict, InvalidState, NotFound
from stagedoor.forges.base import Actor, Forge, Landing, NotReady
from stagedoor.forges.embedded import EmbeddedForge
from stagedoor.gitstore import Oid, RefUpdate, Repository, Signature

ANN, BOB = Actor("ann@example.com", "Ann"), Actor("bob@example.com", "Bob")
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
WHO = Signature("Ann", ANN.email, NOW)


@pytest.fixture(params=["sha1", "sha256"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    with Repository.init(tmp_path / "r.git", bare=True, object_format=request.param) as made:
        commit(made, {"a": b"1"}, publish=True)
        yield made


@pytest.fixture
def forge(repository: Repository) -> EmbeddedForge:
    return EmbeddedForge(repository)


def commit(repository: Repository, files: dict[str, bytes], *, publish: bool = False) -> str:
    tip = repository.tip()
    base = repository.commit_info(tip).tree if tip else None
    tree = repository.write_tree(base, dict(files))
    made = repository.commit(tree, (tip,) if tip else (), author=WHO, committer=WHO, message="change\n")
    if publish:
        repository.publish((RefUpdate(repository.ref, tip, made),), "test")
    return made


def opened(forge: EmbeddedForge, repository: Repository, text: bytes = b"2") -> tuple[int, str]:
    tip = repository.tip()
    assert tip is not None
    head = commit(repository, {"a": text})
    return forge.open("a title", "why", base=tip, head=head, by=ANN, at=NOW).number, head


def landing(repository: Repository, head: str) -> Landing:
    tip = repository.tip()
    assert tip is not None
    return Landing(repository.commit_info(head).tree, tip, "Merge request\n")


def test_a_request_reads_back_as_it_was_opened(forge: EmbeddedForge, repository: Repository) -> None:
    number, head = opened(forge, repository)
    request = forge.get(number)
    assert (request.number, request.title, request.body, request.author) == (1, "a title", "why", ANN.email)
    assert (request.head, request.state, request.opened_at) == (head, "open", NOW)
    assert repository.refs("refs/pull/") == {"refs/pull/1/head": head, "refs/pull/1/meta": forge.tips()[1]}


def test_numbers_go_up_and_listing_is_newest_first(forge: EmbeddedForge, repository: Repository) -> None:
    numbers = [opened(forge, repository, str(n).encode())[0] for n in range(3)]
    forge.close(2, "cancelled", "", by=ANN, at=NOW)
    assert numbers == [1, 2, 3]
    assert [request.number for request in forge.requests()] == [3, 1]
    assert [request.number for request in forge.requests("all")] == [3, 2, 1]
    assert [request.closed_as for request in forge.requests("closed")] == ["cancelled"]


def test_the_newest_review_of_each_person_counts(forge: EmbeddedForge, repository: Repository) -> None:
    number, head = opened(forge, repository)
    forge.review(number, "approved", "", head=head, by=BOB, at=NOW)
    forge.review(number, "changes_requested", "wait", head=head, by=BOB, at=NOW)
    assert [(r.by, r.verdict, r.head) for r in forge.get(number).reviews] == [(BOB.email, "changes_requested", head)]


def test_a_review_of_a_head_that_has_moved_is_refused(forge: EmbeddedForge, repository: Repository) -> None:
    number, head = opened(forge, repository)
    request = forge.get(number)
    newer = commit(repository, {"a": b"3"})
    forge.push(number, base=request.base, head=newer, why="", expected=head, by=ANN, at=NOW)
    with pytest.raises(Conflict, match="request 1 is at"):
        forge.review(number, "approved", "", head=head, by=BOB, at=NOW)
    with pytest.raises(Conflict):
        forge.push(number, base=request.base, head=newer, why="", expected=head, by=ANN, at=NOW)
    assert repository.tip("refs/pull/1/head") == newer


def test_order_is_the_chain_and_not_the_clock(forge: EmbeddedForge, repository: Repository) -> None:
    number, _ = opened(forge, repository)
    for index in range(12):
        forge.comment(number, f"c{index}", by=BOB, at=NOW - timedelta(days=index))
    assert [comment.body for comment in forge.get(number).comments] == [f"c{index}" for index in range(12)]
    steps = [step for _, step in forge.steps(number)]
    assert isinstance(steps[0], Opened)
    assert all(isinstance(step, Commented) for step in steps[1:])


def test_a_merge_has_two_parents_and_ends_the_request(forge: EmbeddedForge, repository: Repository) -> None:
    number, head = opened(forge, repository)
    before = repository.tip()
    made = forge.merge(number, landing(repository, head), head=head, by=BOB, at=NOW)
    assert not isinstance(made, NotReady)
    tip = repository.tip()
    assert tip == made.merged_as
    assert tip is not None
    assert repository.commit_info(tip).parents == (before, head)
    with pytest.raises(InvalidState, match="request 1 is merged already"):
        forge.close(number, "cancelled", "", by=ANN, at=NOW)
    forge.comment(number, "well done", by=ANN, at=NOW)


def test_merging_what_is_merged_at_that_head_is_a_success(forge: EmbeddedForge, repository: Repository) -> None:
    number, head = opened(forge, repository)
    plan = landing(repository, head)
    first = forge.merge(number, plan, head=head, by=BOB, at=NOW)
    assert forge.merge(number, plan, head=head, by=BOB, at=NOW) == first


def test_a_merge_planned_on_an_old_main_is_not_ready(forge: EmbeddedForge, repository: Repository) -> None:
    number, head = opened(forge, repository)
    plan = landing(repository, head)
    commit(repository, {"b": b"1"}, publish=True)
    before = repository.refs("refs/")
    assert isinstance(forge.merge(number, plan, head=head, by=BOB, at=NOW), NotReady)
    assert repository.refs("refs/") == before
    assert forge.get(number).is_open


def test_what_nobody_opened_is_not_found(forge: EmbeddedForge) -> None:
    with pytest.raises(NotFound, match="there is no request 7"):
        forge.comment(7, "hello", by=ANN, at=NOW)


def test_a_text_that_says_nothing_or_too_much_is_refused(forge: EmbeddedForge, repository: Repository) -> None:
    number, _ = opened(forge, repository)
    for text in ("  \n", "x" * 70_000):
        with pytest.raises(BadInput):
            forge.comment(number, text, by=ANN, at=NOW)
    assert forge.get(number).comments == ()


@pytest.mark.parametrize(
    "files",
    [
        {"events/00000001-x.json": b"not json"},
        {"events/00000001-x.json": b'{"step": "merged"}'},
        {"events/00000001-x.json": b'{"step": "commented", "at": "2026-11-24T10:00:00.000Z", "by": "a@b", "body": ""}'},
        {"events/what-is-this.json": b"{}"},
        {"other": b""},
    ],
)
def test_a_chain_written_by_hand_is_refused_and_the_others_go_on(
    forge: EmbeddedForge, repository: Repository, files: dict[str, bytes]
) -> None:
    number, head = opened(forge, repository)
    tree = repository.write_tree(None, dict(files))
    forged = repository.commit(tree, (), author=WHO, committer=WHO, message="forged\n")
    updates = (RefUpdate("refs/pull/9/meta", None, forged), RefUpdate("refs/pull/9/head", None, head))
    repository.publish(updates, "forged")
    with pytest.raises(BadRepository):
        forge.get(9)
    with pytest.raises(BadRepository):
        forge.comment(9, "hello", by=ANN, at=NOW)
    assert forge.get(number).is_open
    assert [request.number for request in forge.requests()] == [number]


def test_a_step_under_a_name_that_is_no_place_in_the_chain_is_refused(
    forge: EmbeddedForge, repository: Repository
) -> None:
    number, _ = opened(forge, repository)
    tip = forge.tips()[number]
    raw = next(iter(repository.blobs(e.oid for e in repository.files(tip, "events").values()).values()))
    tree = repository.write_tree(repository.commit_info(tip).tree, {"events/first.json": raw})
    forged = repository.commit(tree, (tip,), author=WHO, committer=WHO, message="forged\n")
    repository.publish((RefUpdate("refs/pull/1/meta", tip, forged),), "forged")
    with pytest.raises(BadRepository, match=r"events/first\.json"):
        forge.comment(number, "hello", by=ANN, at=NOW)


def test_the_embedded_forge_is_a_forge(forge: EmbeddedForge) -> None:
    as_every_workflow_sees_it: Forge = forge
    assert as_every_workflow_sees_it.requests() == ()


def test_a_step_is_kept_with_whom_it_rests_on(forge: EmbeddedForge, repository: Repository) -> None:
    number, head = opened(forge, repository)
    forge.review(number, "approved", "", head=head, by=Actor("eve@example.com", "Eve", "token"), at=NOW)
    review = forge.get(number).steps[-1]
    assert isinstance(review, Reviewed)
    assert review.identity == "token"


def read_for_open(forge: EmbeddedForge, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the open requests, and last how many chains were read to find them."""
    reads: list[int] = []
    whole = repository.blobs

    def counting(oids: Iterable[Oid]) -> dict[Oid, bytes]:
        reads.append(1)
        return whole(oids)

    with monkeypatch.context() as patched:
        patched.setattr(repository, "blobs", counting)
        return [*(request.number for request in forge.requests("open")), len(reads)]


def test_the_open_requests_are_found_without_reading_what_ended_again(
    forge: EmbeddedForge, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 6):
        opened(forge, repository)
        if number != 3:
            forge.close(number, "cancelled", "", by=ANN, at=NOW)
    assert read_for_open(forge, repository, monkeypatch) == [3, 5]
    assert read_for_open(forge, repository, monkeypatch) == [3, 1]
    assert read_for_open(EmbeddedForge(repository), repository, monkeypatch) == [3, 1]
    forge.comment(5, "a word more", by=ANN, at=NOW)
    assert read_for_open(forge, repository, monkeypatch) == [3, 2]
    assert read_for_open(forge, repository, monkeypatch) == [3, 1]
    assert [request.number for request in forge.requests("all")] == [5, 4, 3, 2, 1]


def test_a_memory_of_ended_requests_that_does_not_read_costs_nothing_but_time(
    forge: EmbeddedForge, repository: Repository
) -> None:
    opened(forge, repository)
    opened(forge, repository)
    forge.close(2, "cancelled", "", by=ANN, at=NOW)
    (repository.state_dir() / "ended-requests").write_bytes(b"\xff\n0123")
    assert [request.number for request in forge.requests("open")] == [1]
