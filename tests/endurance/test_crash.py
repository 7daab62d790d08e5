"""Whatever is stopped, and wherever: nothing is lost or doubled, and the next run brings it to its end.

The whole of it, with every call of each command: pytest -m heavy tests/endurance
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crashes import Scene, Trial, git, sampled
from receiver import Receiver
from stopping import How
from town import ANN, BOB, CAROL

SEED = int(os.environ.get("ENDURANCE_SEED", "20261124"))
MOST = int(os.environ.get("ENDURANCE_MOST", "1000"))

KILLS = (How.EVERYTHING, How.ITSELF, How.LEADER)
FAULTS = (How.FULL, How.FAULTY)
REGISTER = ("--as", ANN, "register", "fraud", "--source", "s3://models/new")
MERGE = ("--as", BOB, "merge", "1")
REQUEST = ("--as", ANN, "request", "fraud/2", "Staging", "-m", "good too")
RECONCILE = ("--as", CAROL, "reconcile")
INDEX = ("--as", CAROL, "index", "--rebuild")

both = pytest.mark.parametrize("is_bare", [True, False], ids=["bare", "checkout"])


def registers(trial: Trial, how: How, stops: list[int]) -> None:
    """Stop a registration at each of these calls."""
    for stop in stops:
        ended = trial.stopped(stop, how)
        trial.holds(ended)
        before = trial.versions()
        assert before in ([1, 2, 3], [1, 2, 3, 4]), (stop, before)
        if ended.code == 0:
            assert before == [1, 2, 3, 4], (stop, "it said that it was registered")
        trial.finishes()
        assert trial.versions() == [*before, len(before) + 1], stop


@both
def test_a_registration_that_is_killed_is_whole_or_not_at_all(scene: Scene, here: Path, is_bare: bool) -> None:
    trial = Trial(scene, here, is_bare, REGISTER)
    # at the latest writes, where the refs and the files move, more often than at the others
    calls = trial.calls()
    registers(trial, How.EVERYTHING, sorted({*sampled(calls, 3, SEED), *range(max(1, calls - 8), calls, 4)}))


@pytest.mark.heavy
@both
@pytest.mark.parametrize("how", [*KILLS, *FAULTS], ids=lambda how: how.name.lower())
def test_a_registration_that_is_stopped_at_any_call_is_whole_or_not_at_all(
    scene: Scene, here: Path, is_bare: bool, how: How
) -> None:
    trial = Trial(scene, here, is_bare, REGISTER)
    registers(trial, how, [*sampled(trial.calls(), MOST, SEED)])


@pytest.mark.heavy
@both
@pytest.mark.parametrize("how", [*KILLS, *FAULTS], ids=lambda how: how.name.lower())
def test_a_merge_that_is_stopped_is_done_once(scene: Scene, here: Path, is_bare: bool, how: How) -> None:
    trial = Trial(scene, here, is_bare, MERGE, done="request 1 is merged already")
    for stop in sampled(trial.calls(), MOST, SEED):
        trial.holds(trial.stopped(stop, how))
        trial.finishes()
        assert trial.versions() == [1, 2, 3], stop
        merges = git(here, "log", "--first-parent", "--merges", "--format=%s", "main").splitlines()
        assert len(merges) == 1, (stop, merges)


@pytest.mark.heavy
@both
@pytest.mark.parametrize("how", [*KILLS, *FAULTS], ids=lambda how: how.name.lower())
def test_a_request_that_is_stopped_is_opened_whole(scene: Scene, here: Path, is_bare: bool, how: How) -> None:
    trial = Trial(scene, here, is_bare, REQUEST)
    for stop in sampled(trial.calls(), MOST, SEED):
        ended = trial.stopped(stop, how)
        trial.holds(ended)
        trial.finishes()
        refs = git(here, "for-each-ref", "--format=%(refname)", "refs/pull").split()
        numbers = sorted({int(ref.split("/")[2]) for ref in refs})
        # the first one, what was stopped if it got so far, and the second run's
        assert numbers in ([1, 2], [1, 2, 3]) and len(refs) == 2 * len(numbers), (stop, ended, refs)
        assert ended.code != 0 or numbers == [1, 2, 3], (stop, "it said that it was opened")


def reconciles(trial: Trial, receiver: Receiver, how: How, stops: list[int]) -> None:
    """Stop a reconciliation at each of these calls: each activity once, each note at least once and by one key."""
    for stop in stops:
        receiver.taken.clear()
        trial.holds(trial.stopped(stop, how))
        trial.finishes()
        files = git(trial.at, "ls-tree", "-r", "--name-only", "refs/stagedoor/ledger", "activities").split()
        assert len(files) == int(git(trial.at, "rev-list", "--count", "--first-parent", "main")), stop
        keys = {one.headers["x-stagedoor-delivery"] for one in receiver.taken}
        assert len(keys) == 1, (stop, keys)
        assert 1 <= len(receiver.taken) <= 2, (stop, receiver.taken)
        count = len(receiver.taken)
        assert trial.sd(*RECONCILE).code == 0
        assert len(receiver.taken) == count, "told again although nothing was new"


def test_a_reconciliation_that_is_killed_tells_everybody(scene: Scene, receiver: Receiver, here: Path) -> None:
    trial = Trial(scene, here, True, RECONCILE)
    reconciles(trial, receiver, How.EVERYTHING, [*sampled(trial.calls(), 3, SEED)])


@pytest.mark.heavy
@pytest.mark.parametrize("how", [*KILLS, How.FULL], ids=lambda how: how.name.lower())
def test_a_reconciliation_that_is_stopped_at_any_call_tells_everybody(
    scene: Scene, receiver: Receiver, here: Path, how: How
) -> None:
    trial = Trial(scene, here, True, RECONCILE)
    reconciles(trial, receiver, how, [*sampled(trial.calls(), MOST, SEED)])


@pytest.mark.heavy
@pytest.mark.parametrize("how", [*KILLS, *FAULTS], ids=lambda how: how.name.lower())
def test_an_index_whose_build_is_stopped_is_built_by_whoever_comes_next(scene: Scene, here: Path, how: How) -> None:
    trial = Trial(scene, here, True, INDEX)
    for stop in sampled(trial.calls(), MOST, SEED):
        trial.holds(trial.stopped(stop, how))
        found = trial.sd("models", "--json")
        assert found.code == 0 and '"fraud"' in found.out, found
        trial.finishes()
        files = [path.name for path in (here / "stagedoor/index").rglob("*.sqlite")]
        assert len(files) == 1, (stop, files)
