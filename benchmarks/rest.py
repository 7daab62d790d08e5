"""How fast the server answers, beside `mlflow server` on SQLite: the same models, one caller, in turns, in one run.

    python benchmarks/rest.py [--models N] [--versions N] [--rounds N]

Needs mlflow. Plain HTTP, so that no client's own cost is in the figures, and a connection for each call: on one that
stays open `mlflow server` lets each answer wait 40 ms for the kernel. Each figure is the median of many calls; the
ratios are what to look at.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from read_index import fill_git, mlflow_store, models

from stagedoor.gitstore import Repository
from stagedoor.workflows.tokens import tokens_of

ANN = "ann@example.com"
API = "/api/2.0/mlflow"
Ask = Callable[[httpx.Client, int], httpx.Response]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(command: list[str], url: str, headers: dict[str, str]) -> Iterator[httpx.Client]:
    """A client of a server that runs as long as it is used."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with httpx.Client(base_url=url, headers={"Connection": "close", **headers}, timeout=120) as client:
                wait_for(client)
                yield client
        finally:
            process.terminate()


def wait_for(client: httpx.Client) -> None:
    for _ in range(600):
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise SystemExit("a server did not start")


def wait_until_reconciled(client: httpx.Client) -> None:
    """The first round tells of all the history there is; the figures are of what comes then."""
    while not re.search(r"^stagedoor_rounds_total\{.*reconcile.*\} [1-9]", client.get("/metrics").text, re.MULTILINE):
        time.sleep(0.2)


def questions(names: list[str], steps: Iterator[int]) -> dict[str, Ask]:
    """Each call as both servers are asked it."""

    def name(step: int) -> str:
        return names[step * 7 % len(names)]

    def get(path: str, **said: Any) -> Ask:
        return lambda client, step: client.get(
            f"{API}/{path}", params={key: value(step) if callable(value) else value for key, value in said.items()}
        )

    def post(path: str, **said: Any) -> Ask:
        return lambda client, step: client.post(
            f"{API}/{path}", json={key: value(step) if callable(value) else value for key, value in said.items()}
        )

    return {
        "get a version": get("model-versions/get", name=name, version="5"),
        "get a model": get("registered-models/get", name=name),
        "a page of 100 models": get("registered-models/search", max_results=100),
        "models by a tag": get("registered-models/search", filter="tags.team = 't3'", max_results=100),
        "versions of a model": get("model-versions/search", filter=lambda step: f"name = '{name(step)}'"),
        "create a version": post("model-versions/create", name=name, source=lambda step: f"s3://new/{step}"),
        "move it to another stage": post(
            "model-versions/transition-stage", name=name, version="5", archive_existing_versions=False,
            stage=lambda step: "Production" if step // len(names) % 2 else "Staging",
        ),
        "set a tag": post("model-versions/set-tag", name=name, version="3", key="seen", value=str),
    }  # fmt: skip


def median(client: httpx.Client, ask: Ask, steps: list[int]) -> float:
    """The median seconds of some calls."""
    times = []
    for step in steps:
        start = time.perf_counter()
        answer = ask(client, step)
        times.append(time.perf_counter() - start)
        assert answer.status_code == 200, answer.text
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="The server beside `mlflow server`.")
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    made = list(models(asked.models, asked.versions))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as held:
        place, store = Path(folder) / "registry.git", Path(folder) / "mlflow.db"
        fill_git(place, made)
        mlflow_store(store, made).engine.dispose()
        with Repository.open(place) as repository:
            token = tokens_of(repository).create(ANN).secret
        python, one, other = sys.executable, free_port(), free_port()
        ours = [python, "-m", "stagedoor.apps.cli.main", "-C", str(place), "server", "--port", str(one)]
        theirs = [python, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store}", "--port", str(other)]
        os.environ["MLFLOW_TRACKING_URI"] = ""
        sides = (
            held.enter_context(served(ours, f"http://127.0.0.1:{one}", {"Authorization": f"Bearer {token}"})),
            held.enter_context(served(theirs, f"http://127.0.0.1:{other}", {})),
        )
        wait_until_reconciled(sides[0])
        for client in sides * 100:
            # every worker of either side has started, and read what it keeps
            client.get(f"{API}/registered-models/search", params={"max_results": 5})
        steps = count()
        print(f"{asked.models} models x {asked.versions} versions")
        print(f"{'':28} {'ours':>10} {'mlflow':>10} {'ratio':>7}")
        for title, ask in questions([model.name for model in made], steps).items():
            halves = []
            for _ in range(asked.rounds + 1):
                some = [next(steps) for _ in range(20)]
                halves.append(tuple(median(client, ask, some) for client in sides))
            mine, other_time = (statistics.median(half[side] for half in halves[1:]) for side in (0, 1))
            print(f"{title:28} {mine * 1000:7.2f} ms {other_time * 1000:7.2f} ms {mine / other_time:7.3f}", flush=True)


if __name__ == "__main__":
    main()
