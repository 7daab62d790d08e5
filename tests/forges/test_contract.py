"""What every forge has to do: the embedded one on real git, GitHub, GitLab and Gitea on a host of their kind."""

from __future__ import annotations

import pytest

from bench import ANN, BOB, CAROL, NOW, Bench
from stagedoor.core.requests import BrokeGlass, Opened
from stagedoor.errors import BadInput, Conflict, Denied, InvalidState, NotFound
from stagedoor.forges.base import NotReady
from stagedoor.gitstore import Raced, RefUpdate

ALL = pytest.mark.parametrize("bench", ["embedded", "github", "gitlab", "gitea"], indirect=True)
HOSTS = pytest.mark.parametrize("bench", ["github", "gitlab", "gitea"], indirect=True)


@ALL
def test_a_request_reads_back_as_it_was_opened(bench: Bench) -> None:
    made = bench.opened()
    request = bench.as_(BOB).get(made.number)
    assert (request.number, request.title, request.body, request.author) == (1, "a title", "why", ANN.email)
    assert (request.base, request.head, request.state) == (bench.tip(), made.head, "open")
    assert isinstance(request.steps[0], Opened)


@ALL
def test_numbers_go_up_and_listing_is_newest_first(bench: Bench) -> None:
    numbers = [bench.opened(str(n).encode()).number for n in range(3)]
    bench.as_(ANN).close(2, "cancelled", "", by=ANN, at=NOW)
    assert numbers == [1, 2, 3]
    assert [request.number for request in bench.as_(BOB).requests()] == [3, 1]
    assert [request.number for request in bench.as_(BOB).requests("all")] == [3, 2, 1]
    assert [request.number for request in bench.as_(BOB).requests("closed")] == [2]


@ALL
def test_an_approval_is_of_the_head_that_was_seen(bench: Bench) -> None:
    request = bench.opened()
    bench.as_(BOB).review(1, "approved", "fine", head=request.head, by=BOB, at=NOW)
    reviews = bench.as_(ANN).get(1).reviews
    assert [(r.by, r.verdict, r.head) for r in reviews] == [(BOB.email, "approved", request.head)]


@ALL
def test_the_newest_review_of_each_person_counts(bench: Bench) -> None:
    request = bench.opened()
    bench.as_(BOB).review(1, "approved", "", head=request.head, by=BOB, at=NOW)
    bench.as_(CAROL).review(1, "approved", "", head=request.head, by=CAROL, at=NOW)
    bench.as_(BOB).review(1, "changes_requested", "wait", head=request.head, by=BOB, at=NOW)
    found = {r.by: (r.verdict, r.body, r.head) for r in bench.as_(ANN).get(1).reviews}
    assert found[BOB.email] == ("changes_requested", "wait", request.head)
    assert found[CAROL.email][0] == "approved"


@ALL
def test_a_push_leaves_older_reviews_on_the_older_head(bench: Bench) -> None:
    request = bench.opened()
    bench.as_(BOB).review(1, "approved", "", head=request.head, by=BOB, at=NOW)
    newer = bench.commit({"a": b"3"}, on=request.head)
    pushed = bench.as_(ANN).push(1, base=request.base, head=newer, why="", expected=request.head, by=ANN, at=NOW)
    assert pushed.head == newer
    assert all(review.head != newer for review in pushed.reviews)


@ALL
def test_a_review_or_a_push_for_a_head_that_has_moved_is_refused(bench: Bench) -> None:
    request = bench.opened()
    newer = bench.commit({"a": b"3"}, on=request.head)
    bench.as_(ANN).push(1, base=request.base, head=newer, why="", expected=request.head, by=ANN, at=NOW)
    with pytest.raises(Conflict, match="request 1 is at"):
        bench.as_(BOB).review(1, "approved", "", head=request.head, by=BOB, at=NOW)
    with pytest.raises(Conflict):
        bench.as_(ANN).push(1, base=request.base, head=newer, why="", expected=request.head, by=ANN, at=NOW)


@ALL
def test_a_comment_is_told_with_who_said_it(bench: Bench) -> None:
    bench.opened()
    bench.as_(BOB).comment(1, "which data?", by=BOB, at=NOW)
    assert [(c.by, c.body) for c in bench.as_(ANN).get(1).comments] == [(BOB.email, "which data?")]


@ALL
def test_a_comment_without_words_is_refused(bench: Bench) -> None:
    bench.opened()
    with pytest.raises(BadInput):
        bench.as_(BOB).comment(1, "  \n", by=BOB, at=NOW)


@ALL
def test_a_merge_has_two_parents_and_ends_the_request(bench: Bench) -> None:
    request, before = bench.opened(), bench.tip()
    made = bench.as_(BOB).merge(1, bench.landing(request.head), head=request.head, by=BOB, at=NOW)
    assert not isinstance(made, NotReady)
    commit = bench.repository.commit_info(made.merged_as)
    assert (bench.tip(), commit.parents) == (made.merged_as, (before, request.head))
    assert commit.message.startswith("Merge request\n\nRequest: 1")
    with pytest.raises(InvalidState):
        bench.as_(ANN).close(1, "cancelled", "", by=ANN, at=NOW)


@ALL
def test_merging_what_is_merged_at_that_head_is_a_success(bench: Bench) -> None:
    request = bench.opened()
    landing = bench.landing(request.head)
    first = bench.as_(BOB).merge(1, landing, head=request.head, by=BOB, at=NOW)
    again = bench.as_(BOB).merge(1, landing, head=request.head, by=BOB, at=NOW)
    assert not isinstance(first, NotReady) and not isinstance(again, NotReady)
    assert again.merged_as == first.merged_as


@ALL
def test_a_merge_planned_on_an_old_main_is_not_ready(bench: Bench) -> None:
    request = bench.opened()
    landing = bench.landing(request.head)
    newest = bench.advance({"b": b"9\n"})
    found = bench.as_(BOB).merge(1, landing, head=request.head, by=BOB, at=NOW)
    assert isinstance(found, NotReady) and found.is_raced
    assert bench.as_(ANN).get(1).is_open
    assert bench.tip() == newest


@ALL
def test_a_request_that_its_author_closes_is_cancelled(bench: Bench) -> None:
    bench.opened()
    closed = bench.as_(ANN).close(1, "cancelled", "not needed", by=ANN, at=NOW)
    assert (closed.state, closed.closed_as) == ("closed", "cancelled")


@ALL
def test_broken_glass_is_for_one_head(bench: Bench) -> None:
    request = bench.opened()
    broken = bench.as_(ANN).break_glass(1, "Production is down", head=request.head, by=ANN, at=NOW).broken
    assert isinstance(broken, BrokeGlass)
    assert (broken.reason, broken.by) == ("Production is down", ANN.email)
    newer = bench.commit({"a": b"3"}, on=request.head)
    pushed = bench.as_(ANN).push(1, base=request.base, head=newer, why="", expected=request.head, by=ANN, at=NOW)
    assert pushed.broken is None


@ALL
def test_what_nobody_opened_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound, match="there is no request 7"):
        bench.as_(ANN).comment(7, "hello", by=ANN, at=NOW)


@ALL
def test_steps_after_a_tip_are_those_that_are_new(bench: Bench) -> None:
    bench.opened()
    forge = bench.as_(BOB)
    before = forge.tips()
    names = {name for name, _ in forge.steps_after(1, None)}
    forge.comment(1, "hello", by=BOB, at=NOW)
    assert forge.tips()[1] != before[1]
    new = {name for name, _ in forge.steps_after(1, before[1])} - names
    assert len(new) == 1


@ALL
def test_main_moves_by_compare_and_swap(bench: Bench) -> None:
    tip = bench.tip()
    one, two = bench.commit({"a": b"5"}), bench.commit({"a": b"6"})
    bench.as_(ANN).publish(RefUpdate("refs/heads/main", tip, one), "test")
    with pytest.raises(Raced):
        bench.as_(BOB).publish(RefUpdate("refs/heads/main", tip, two), "test")
    assert bench.tip() == one


@HOSTS
def test_an_author_cannot_approve_on_a_host(bench: Bench) -> None:
    request = bench.opened()
    with pytest.raises(Denied, match="ann opened request 1"):
        bench.as_(ANN).review(1, "approved", "", head=request.head, by=ANN, at=NOW)


@HOSTS
def test_the_host_says_which_request_a_commit_came_by(bench: Bench) -> None:
    request = bench.opened()
    forge = bench.as_(BOB)
    made = forge.merge(1, bench.landing(request.head), head=request.head, by=BOB, at=NOW)
    assert not isinstance(made, NotReady)
    assert forge.landed(made.merged_as) == 1
    assert forge.landed(request.head) is None
