"""Many clients that write at once: every write that was answered is in main, and none is answered with a fault."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from served import Served, serve
from town import ANN, BOB, CAROL

CLIENTS = 8
CREATE = "mlflow/model-versions/create"
TAG = "mlflow/model-versions/set-tag"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Served]:
    made = serve(tmp_path, "--workers", "2", "--interval", "0.5")
    yield made
    made.stop()
    made.town.close()


def hammer(served: Served, enough: Callable[[], bool]) -> tuple[list[int], dict[str, str]]:
    """Eight clients: versions of one model and tags of another, until it is enough. What was answered with 200."""
    for name in ("busy", "quiet"):
        served.ok("POST", "mlflow/registered-models/create", {"name": name})
    served.ok("POST", CREATE, {"name": "quiet", "source": "s3://x"})
    numbers, tags, faults = list[int](), dict[str, str](), list[object]()
    people = [ANN, BOB, CAROL]
    for who in people:
        served.token(who)

    def write(client: int) -> None:
        who, step = people[client % 3], 0
        try:
            while not enough() or not step:
                step += 1
                made = served.ok("POST", CREATE, {"name": "busy", "source": f"s3://{client}/{step}"}, as_=who)
                numbers.append(int(made["model_version"]["version"]))
                key = f"client-{client}"
                served.ok("POST", TAG, {"name": "quiet", "version": "1", "key": key, "value": str(step)}, as_=who)
                tags[key] = str(step)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults
    return numbers, tags


def nothing_is_lost(served: Served, numbers: list[int], tags: dict[str, str]) -> None:
    registry = served.town.as_(ANN).snapshot().registry
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert [one.version for one in registry.model("busy").versions] == sorted(numbers)
    assert registry.version("quiet", 1).tags == tags
    assert not [line for line in served.lines() if line.get("status", 0) >= 500 or "fault" in line]
    assert served.stop() == 0
    found = subprocess.run(
        ["git", "-C", str(served.town.path), "fsck", "--strict"], capture_output=True, text=True, check=True
    )
    assert "missing" not in found.stdout + found.stderr


def test_eight_clients_write_for_some_seconds_and_nothing_is_lost(one: Served) -> None:
    until = time.monotonic() + 8
    nothing_is_lost(one, *hammer(one, lambda: time.monotonic() > until))


@pytest.mark.heavy
def test_eight_clients_write_for_a_minute_and_nothing_is_lost(one: Served) -> None:
    until = time.monotonic() + 60
    nothing_is_lost(one, *hammer(one, lambda: time.monotonic() > until))
