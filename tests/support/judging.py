"""What must hold of a registry at the end, whatever was done to it: git, the files and the ledger agree."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from doors import told_model, told_versions
from oracle import State, seen_model, seen_versions
from stagedoor.core.views.plain import jsonable
from stagedoor.effects.ledger import Ledger
from stagedoor.workflows import reconciling
from stagedoor.workflows.history import landings
from stagedoor.workflows.world import World


def git(at: Path, *said: str) -> str:
    """Plain git."""
    return subprocess.run(["git", "-C", str(at), *said], check=True, capture_output=True, text=True).stdout.strip()


def is_sound(at: Path) -> None:
    """Git finds nothing broken, and a checkout has what main has."""
    done = subprocess.run(["git", "-C", str(at), "fsck", "--strict"], capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("dangling ")]
    assert (done.returncode, said) == (0, []), said[:20]
    if git(at, "rev-parse", "--is-bare-repository") == "false":
        assert git(at, "status", "--porcelain") == ""


def is_as_said(world: World, state: State) -> None:
    """The registry is in this state, and in no other."""
    registry = world.snapshot().registry
    for name, one in state:
        model = registry.model(name)
        assert told_versions(model) == seen_versions(one), name
        assert told_model(model) == seen_model(one), name
        assert model.last_version == one.last, name


def numbers_are_unique(world: World) -> int:
    """No number of a model is given twice in all of history, whatever was deleted; how many were given."""
    given: Counter[tuple[str, int]] = Counter()
    for one in landings(world):
        for event in one.events:
            if event.kind == "model_version.created" and event.version is not None:
                given[(world.snapshot(one.commit.oid).registry.model(event.model).id, event.version)] += 1
    twice = [key for key, count in given.items() if count > 1]
    assert twice == []
    return len(given)


def is_recorded(world: World) -> int:
    """Each commit of main is in the ledger with its own events, once; how many events there are."""
    ledger: Ledger = reconciling.open_ledger(world)
    assert ledger.cursor().main == world.main()
    count = 0
    for one in landings(world):
        told = ledger.activities(one.commit.oid) or []
        expected = [event["kind"] for event in jsonable(one.events)]
        recorded = [event["kind"] for event in told if event["kind"] != "unreviewed_change"]
        assert recorded == expected, one.commit.oid
        count += len(expected)
    return count


def unreviewed(world: World) -> Iterator[str]:
    """What the reconciler says that nobody agreed to."""
    ledger = reconciling.open_ledger(world)
    for one in landings(world):
        for event in ledger.activities(one.commit.oid) or []:
            if event["kind"] == "unreviewed_change":
                yield f"{one.commit.oid}: {event['text']}"
