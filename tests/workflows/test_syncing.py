"""Sync over a plain git host: two machines that both worked, and nothing is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stagedoor.errors import Denied
from stagedoor.gitstore import Repository
from stagedoor.workflows import comments, following, registering, reviewing
from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.reconciling import Options, open_ledger, reconcile
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.syncing import SyncReport, sync
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, CODEOWNERS, Town


@dataclass
class Pair:
    """Two machines and the plain host between them."""

    host: Town
    one: Town
    two: Town


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    host = Town(tmp_path / "host.git")
    initialise(host.path, owner=CAROL, name="test", bare=True)
    host.commit({".github/CODEOWNERS": CODEOWNERS}, "owners: stage lines")
    host.register("fraud")
    host.register("fraud")
    towns = [host]
    for name in ("one", "two"):
        subprocess.run(["git", "clone", "-q", "--bare", f"file://{host.path}", name], cwd=tmp_path, check=True)
        towns.append(Town(tmp_path / name, clock=host.clock))
    yield Pair(*towns)
    for town in towns:
        town.close()


def run(town: Town) -> SyncReport:
    return sync(town.as_(CAROL))


def asked(town: Town, version: int = 1, stage: str = "Staging") -> int:
    made = registering.transition(town.as_(ANN), [Wish(f"fraud/{version}", stage)], lane=Lane(propose=True)).request
    assert made is not None
    return made.number


def ways(report: SyncReport) -> dict[str, str]:
    return {one.ref: one.way for one in report.refs}


def refs(town: Town) -> dict[str, str]:
    with Repository.open(town.path) as repository:
        kept = ("refs/heads/", "refs/pull/", "refs/stagedoor/")
        return {ref: oid for ref, oid in repository.refs("refs/").items() if ref.startswith(kept)}


def test_a_request_goes_to_the_other_machine_and_its_approval_comes_back(pair: Pair) -> None:
    number = asked(pair.one)
    run(pair.one)
    run(pair.two)
    reviewing.approve(pair.two.as_(BOB), number)
    run(pair.two)
    run(pair.one)
    assert [review.by for review in reviewing.requests(pair.one.as_(ANN))[0].reviews] == [BOB]
    reviewing.merge(pair.one.as_(ANN), number)
    run(pair.one)
    run(pair.two)
    assert refs(pair.one) == refs(pair.two) == refs(pair.host)


def test_running_it_twice_does_nothing(pair: Pair) -> None:
    asked(pair.one)
    run(pair.one)
    assert run(pair.one).refs == ()


def test_chains_that_grew_on_both_sides_are_put_one_after_the_other(pair: Pair) -> None:
    number = asked(pair.one)
    run(pair.one)
    run(pair.two)
    reviewing.comment(pair.one.as_(ANN), number, "from one")
    reviewing.comment(pair.one.as_(ANN), number, "one more from one")
    reviewing.approve(pair.two.as_(BOB), number)
    run(pair.one)
    assert ways(run(pair.two)) == {"refs/pull/1/meta": "united"}
    run(pair.one)
    request = reviewing.requests(pair.one.as_(ANN))[0]
    assert [comment.body for comment in request.comments] == ["from one", "one more from one"]
    assert [review.by for review in request.reviews] == [BOB]
    assert len({commit for commit, _ in pair.one.as_(ANN)._embedded.steps(number)}) == 4
    assert refs(pair.one) == refs(pair.two) == refs(pair.host)


def test_two_requests_that_took_one_number_are_both_kept(pair: Pair) -> None:
    asked(pair.one, 1)
    asked(pair.two, 2)
    run(pair.one)
    report = run(pair.two)
    assert "renumbered" in ways(report).values()
    run(pair.one)
    for town in (pair.one, pair.two):
        found = {request.number: request.title for request in reviewing.requests(town.as_(ANN))}
        assert sorted(found) == [1, 2]
        assert "fraud/1" in found[1] and "fraud/2" in found[2]


def test_a_push_here_and_a_close_there_leave_it_closed(pair: Pair) -> None:
    number = asked(pair.one)
    run(pair.one)
    run(pair.two)
    reviewing.cancel(pair.one.as_(ANN), number)
    registering.transition(pair.two.as_(ANN), [Wish("fraud/2", "Staging")], lane=Lane(into=number))
    run(pair.one)
    run(pair.two)
    run(pair.one)
    found = reviewing.requests(pair.two.as_(ANN), "all")[0]
    assert (found.state, found.head) == ("closed", refs(pair.two)["refs/pull/1/head"])
    assert refs(pair.one) == refs(pair.two)


def test_comments_of_both_sides_are_there(pair: Pair) -> None:
    comments.add(pair.one.as_(ANN), "fraud/1", "from one")
    comments.add(pair.two.as_(BOB), "fraud/1", "from two")
    run(pair.one)
    run(pair.two)
    run(pair.one)
    assert sorted(said.body for said in comments.of(pair.one.as_(ANN), "fraud/1")) == ["from one", "from two"]


def test_followers_of_both_sides_follow(pair: Pair) -> None:
    following.follow(pair.one.as_(ANN), "fraud")
    run(pair.one)
    run(pair.two)
    following.follow(pair.one.as_(BOB), "fraud")
    following.follow(pair.two.as_(CAROL), "fraud")
    run(pair.one)
    run(pair.two)
    stands = [following.subscription(pair.two.as_(who), "fraud/1") for who in (ANN, BOB, CAROL)]
    assert stands == ["ALL_EVENTS"] * 3


def test_the_ledgers_of_both_sides_are_one(pair: Pair) -> None:
    reconcile(pair.one.as_(CAROL), Options())
    run(pair.one)
    run(pair.two)
    asked(pair.one)
    pair.two.register("ham", CAROL)
    for town in (pair.one, pair.two):
        reconcile(town.as_(CAROL), Options())
    run(pair.one)
    report = run(pair.two)
    assert ways(report)["refs/stagedoor/ledger"] == "united"
    ledger = open_ledger(pair.two.as_(CAROL))
    assert ledger.cursor().main == pair.two.as_(CAROL).main()
    assert "1" in ledger.cursor().requests
    assert reconcile(pair.two.as_(CAROL), Options()).events == ()


def test_a_ledger_that_came_further_wins(pair: Pair) -> None:
    reconcile(pair.one.as_(CAROL), Options())
    following.follow(pair.two.as_(CAROL), "fraud")
    run(pair.one)
    run(pair.two)
    assert reconcile(pair.two.as_(CAROL), Options()).merges == 0


def test_a_main_that_grew_on_both_sides_is_told_and_left_alone(pair: Pair) -> None:
    pair.one.register("spam")
    pair.two.register("ham")
    run(pair.one)
    before = refs(pair.two)["refs/heads/main"]
    report = run(pair.two)
    assert [one.ref for one in report.refused] == ["refs/heads/main"]
    assert refs(pair.two)["refs/heads/main"] == before
    assert refs(pair.host)["refs/heads/main"] == refs(pair.one)["refs/heads/main"]


def test_a_host_that_keeps_the_refs_for_itself_is_told_how_to_go_on(pair: Pair) -> None:
    subprocess.run(["git", "config", "transfer.hideRefs", "refs/pull"], cwd=pair.host.path, check=True)
    asked(pair.one)
    with pytest.raises(Denied, match="keeps refs/pull/ for itself") as refused:
        run(pair.one)
    assert "refs/stagedoor/pull/" in str(refused.value.fix)


def test_a_rehearsal_moves_nothing(pair: Pair) -> None:
    asked(pair.one)
    world = pair.one.as_(CAROL)
    world.is_rehearsal = True
    before = refs(pair.host), refs(pair.one)
    assert len(sync(world).refs) >= 1
    assert (refs(pair.host), refs(pair.one)) == before
