"""Many processes at every door at once: what each was answered could have happened one after the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from judging import git, is_as_said, is_recorded, is_sound, numbers_are_unique, unreviewed
from linear import Logged, linearize, read_log
from oracle import BUSY, DENIED, MISSING, STATE, TAKEN, State
from served import PEOPLE, Served, serve
from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.reconciling import reconcile
from town import ANN, BOB, CAROL, CODEOWNERS, DAVE, Town
from writer import SEED, Plan, founded, started

EXPLAINED = {MISSING, TAKEN, DENIED, STATE, BUSY, "RESOURCE_CONFLICT"}


def pairs(models: int, prefix: str = "m") -> tuple[tuple[str, str], ...]:
    return tuple((f"{prefix}{n}", f"{prefix}{n}-b") for n in range(models))


def finished(plans: Sequence[Plan]) -> list[Logged]:
    """Let the writers write, and give back all that they logged."""
    running = started(plans)
    assert [process.wait(3600) for process in running] == [0] * len(running)
    return read_log(Path(plan.log) for plan in plans)


def in_one_order(logged: Sequence[Logged], names: Sequence[tuple[str, str]]) -> State:
    """The state that each model has to be in at the end, if all of its calls can be put into one order."""
    state: State = ()
    for pair in names:
        order = linearize([one for one in logged if one.call.name in pair])
        stuck = "\n".join(map(str, (*order.calls[-5:], "-- stuck:", *order.stuck[:12])))
        assert not order.stuck, f"{pair} in state {order.state}:\n{stuck}"
        state = tuple(sorted((*state, *order.state)))
    return state


def every_refusal_is_explained(logged: Sequence[Logged]) -> Counter[str]:
    refusals = Counter(one.answer.refused for one in logged if one.answer.refused)
    faults = [
        str(one) + one.answer.what for one in logged if one.answer.refused and one.answer.refused not in EXPLAINED
    ]
    assert faults == []
    assert all(one.answer.what.strip() for one in logged if one.answer.refused)
    return refusals


def told(title: str, logged: Sequence[Logged], began: float, world_figures: str) -> None:
    refusals = every_refusal_is_explained(logged)
    lost = sum(bool(one.answer.lost) for one in logged)
    seconds = time.monotonic() - began
    print(
        f"{title}, seed {SEED}: {len(logged)} calls in {seconds:.0f} s, {lost} lost, {dict(refusals)}; {world_figures}"
    )


# --- one repository -------------------------------------------------------------------------------------------------


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Served]:
    """A registry, and a server on it with two processes."""
    made = serve(tmp_path, "--workers", "2", "--interval", "0.5")
    yield made
    made.stop()
    made.town.close()


def on_one_repository(one: Served, folder: Path, models: int, calls: int) -> None:
    """Two writers at REST and at the workflows, one at the plugin and one at the command line."""
    began, names = time.monotonic(), pairs(models)
    tokens = {who: one.token(who) for who in (ANN, BOB, CAROL, DAVE)}
    at = str(one.town.path)
    doors = [("rest", one.url), ("rest", one.url), ("workflows", at), ("workflows", at), ("plugin", at),
             ("command line", at)]  # fmt: skip
    plans = [
        # a command is a process of its own, and takes many times as long
        Plan(door, where, SEED * 100 + n, names, str(folder / f"{n}.jsonl"),
             calls=calls // 8 if door == "command line" else calls, tokens=tokens)
        for n, (door, where) in enumerate(doors)
    ]  # fmt: skip
    logged = founded(one.town.path, names) + finished(plans)
    state = in_one_order(logged, names)
    one.stop()
    world = one.town.as_(CAROL)
    reconcile(world)
    is_as_said(world, state)
    told("one repository", logged, began, f"{numbers_are_unique(world)} versions, {is_recorded(world)} events")
    assert len(list(unreviewed(world))) == 1  # the town's own first commit
    is_sound(one.town.path)


def test_six_writers_at_four_doors_could_have_written_one_after_the_other(one: Served, tmp_path: Path) -> None:
    on_one_repository(one, tmp_path / "logs", models=4, calls=40)


@pytest.mark.heavy
def test_six_writers_at_four_doors_could_have_written_ten_thousand_times(one: Served, tmp_path: Path) -> None:
    on_one_repository(one, tmp_path / "logs", models=20, calls=2000)


# --- two servers that follow one remote -----------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Town]:
    """The bare repository that everybody pushes to."""
    town = Town(tmp_path / "hub.git")
    initialise(town.path, owner=CAROL, name="test", bare=True)
    town.commit({".github/CODEOWNERS": CODEOWNERS, "registry_spec/people.yaml": PEOPLE}, "owners: stage lines")
    yield town
    town.close()


@pytest.fixture
def replicas(hub: Town, tmp_path: Path) -> Iterator[tuple[Served, Served]]:
    """Two servers, each with a clone of its own."""
    found = []
    for name in ("a", "b"):
        git(tmp_path, "clone", "-q", "--bare", str(hub.path), f"{name}.git")
        made = Served(
            Town(tmp_path / f"{name}.git"), tmp_path / f"{name}.log", ("--remote", "origin", "--interval", "0.2")
        )
        made.start()
        found.append(made)
    yield found[0], found[1]
    for one in found:
        one.stop()
        one.town.close()


def by_two_servers(hub: Town, replicas: tuple[Served, Served], folder: Path, models: int, calls: int) -> None:
    """What was written is in one order; a server that has not heard of it yet may refuse, and may read what was."""
    began, names = time.monotonic(), pairs(models)
    plans = [
        Plan("rest", one.url, SEED * 100 + n, names, str(folder / f"{n}.jsonl"), calls=calls, reads=False,
             tokens={who: one.token(who) for who in (ANN, BOB, CAROL, DAVE)})
        for n, one in enumerate((*replicas, *replicas))
    ]  # fmt: skip
    logged = founded(hub.path, names)
    for one in replicas:
        until(lambda one=one: git(one.town.path, "rev-parse", "main") == git(hub.path, "rev-parse", "main"))  # type: ignore[misc]
    logged += finished(plans)
    every_refusal_is_explained(logged)
    state = in_one_order([one for one in logged if not one.answer.refused], names)
    for one in replicas:
        until(lambda one=one: git(one.town.path, "rev-parse", "main") == git(hub.path, "rev-parse", "main"))  # type: ignore[misc]
        one.stop()
    is_as_said(hub.as_(CAROL), state)
    for one in replicas:
        git(one.town.path, "fetch", "-q", "origin", "refs/stagedoor/ledger:refs/stagedoor/ledger")
        is_sound(one.town.path)
    is_sound(hub.path)
    reconcile(hub.as_(CAROL))
    world = hub.as_(CAROL)
    told("two servers", logged, began, f"{numbers_are_unique(world)} versions, {is_recorded(world)} events")


def until(holds: Callable[[], object]) -> None:
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never came to be")


def test_two_servers_on_one_remote_write_in_one_order(
    hub: Town, replicas: tuple[Served, Served], tmp_path: Path
) -> None:
    by_two_servers(hub, replicas, tmp_path / "logs", models=4, calls=12)


@pytest.mark.heavy
def test_two_servers_on_one_remote_write_thousands_of_times_in_one_order(
    hub: Town, replicas: tuple[Served, Served], tmp_path: Path
) -> None:
    by_two_servers(hub, replicas, tmp_path / "logs", models=12, calls=600)
