"""Servers that follow one remote: git is all they share."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from served import PEOPLE, Served
from stagedoor.workflows.initialise import initialise
from town import ANN, BOB, CAROL, CODEOWNERS, Town

CREATE = "mlflow/model-versions/create"
GET = "mlflow/model-versions/get"


def git(at: Path, *args: str) -> str:
    return subprocess.run(["git", "-C", str(at), *args], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Town]:
    """The bare repository that both servers follow."""
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
        options = ("--remote", "origin", "--interval", "0.2")
        found.append(Served(Town(tmp_path / f"{name}.git"), tmp_path / f"{name}.log", options))
        found[-1].start()
    yield found[0], found[1]
    for one in found:
        one.stop()
        one.town.close()


def until(holds: Callable[[], object], what: str) -> None:
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what} never came")


def test_what_one_writes_the_other_serves(replicas: tuple[Served, Served], hub: Town) -> None:
    a, b = replicas
    a.ok("POST", "mlflow/registered-models/create", {"name": "fraud"})
    a.ok("POST", CREATE, {"name": "fraud", "source": "s3://x"})
    assert git(hub.path, "rev-parse", "main") == a.ok("GET", "/ready", as_=None)["commit"]
    asked = {"name": "fraud", "version": "1"}
    until(lambda: b.call("GET", GET, params=asked).status_code == 200, "the version")
    wanted = {"name": "fraud", "version": "1", "stage": "Staging"}
    b.ok("POST", "mlflow/transition-requests/create", {**wanted, "comment": "please"})
    until(lambda: a.ok("GET", "mlflow/transition-requests/list", params=asked)["requests"], "the request")
    a.ok("POST", "mlflow/transition-requests/approve", {**wanted, "archive_existing_versions": False}, as_=BOB)
    until(lambda: b.ok("GET", GET, params=asked)["model_version"]["current_stage"] == "Staging", "the stage")
    b.ok("POST", "mlflow/comments/create", {"name": "fraud", "version": "1", "comment": "seen"})
    until(lambda: a.ok("GET", "mlflow/comments/list", params=asked)["comments"], "the comment")


def test_versions_created_at_both_at_once_take_numbers_of_their_own(replicas: tuple[Served, Served], hub: Town) -> None:
    replicas[0].ok("POST", "mlflow/registered-models/create", {"name": "fraud"})
    until(lambda: replicas[1].call("GET", GET, params={
        "name": "fraud", "version": "1"}).json()["message"].startswith("fraud has"), "the model")  # fmt: skip
    numbers: list[int] = []

    def write(served: Served) -> None:
        for _ in range(5):
            made = served.ok("POST", CREATE, {"name": "fraud", "source": "s3://x"})["model_version"]
            numbers.append(int(made["version"]))

    threads = [threading.Thread(target=write, args=(one,)) for one in replicas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 11))
    snapshot = hub.as_(ANN).snapshot()
    assert [one.version for one in snapshot.registry.model("fraud").versions] == list(range(1, 11))


def test_without_the_remote_reads_go_on_and_writes_are_refused(replicas: tuple[Served, Served], hub: Town) -> None:
    a, _ = replicas
    a.ok("POST", "mlflow/registered-models/create", {"name": "fraud"})
    away = hub.path.with_name("away")
    hub.path.rename(away)
    a.refused(503, "TEMPORARILY_UNAVAILABLE", "POST", CREATE, {"name": "fraud", "source": "s3://x"})
    assert a.ok("GET", "mlflow/registered-models/get", params={"name": "fraud"})
    until(lambda: "remote" in a.ok("GET", "/ready", as_=None).get("problems", {}), "the problem")
    away.rename(hub.path)
    until(lambda: "problems" not in a.ok("GET", "/ready", as_=None), "the mending")
    assert a.ok("POST", CREATE, {"name": "fraud", "source": "s3://x"})["model_version"]["version"] == "1"
