"""How fast the pages of `stagedoor server` answer, beside what gives the same facts elsewhere, in turns, in one run.

    python benchmarks/pages.py [--models N] [--versions N] [--rounds N] [--only WORDS] [--folder FOLDER]

Needs mlflow. For models and versions the other side is `mlflow server` on SQLite, asked the calls that give what our
page shows; for requests, activity and the policy, which it does not have, plain `git` that prints the same commits or
files. Each page is a whole one, as a browser gets it, over a connection of its own, and none is asked twice, so that no
ETag answers; a walk asks for another model each time. Both sides take turns: the ratios are what to look at. `--folder`
keeps what was filled for the next run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from read_index import commit_one, fill_git, mlflow_store, models
from rest import ANN, API, free_port, served

from stagedoor.core.spec import RegisteredModel
from stagedoor.gitstore import Repository
from stagedoor.workflows import registering
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.tokens import tokens_of
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Lane

GOAL = 0.05
COMMITS = 300
REQUESTS = 20
MANY = 500
ASKED = Lane(propose=True)
Step = Callable[[int], object]
Said = Callable[[int], dict[str, str | int]]


def fill(folder: Path, made: list[RegisteredModel]) -> None:
    """Both stores with the same models; ours with a history, small requests and, last, one that moves many models."""
    place = folder / "registry.git"
    fill_git(place, made)
    with Repository.open(place) as repository:
        for step in range(COMMITS):
            commit_one(repository, made[step * 13 % len(made)].model_copy(update={"description": f"change {step}"}))
        world = World(repository, claimed_email=ANN, now=lambda: datetime.now(UTC))
        for step in range(REQUESTS):
            registering.transition(world, [Wish(f"{made[step * 17 % len(made)].name}/2", "Staging")], lane=ASKED)
        registering.transition(world, [Wish(f"{one.name}/1", "Staging") for one in made[-MANY:]], lane=ASKED)
    mlflow_store(folder / "mlflow.db", made).engine.dispose()


def timed(act: Step, steps: Iterator[int], times: int) -> list[float]:
    """The seconds of some calls."""
    found = []
    for _ in range(times):
        step = next(steps)
        start = time.perf_counter()
        act(step)
        found.append(time.perf_counter() - start)
    return found


def page(client: httpx.Client, path: Callable[[int], str]) -> Step:
    """A page as a browser gets it."""

    def ask(step: int) -> None:
        answer = client.get(path(step))
        assert answer.status_code == 200, answer.text

    return ask


def calls(client: httpx.Client, *asked: tuple[str, Said]) -> Step:
    """Calls of MLflow's API, one after the other."""

    def ask(step: int) -> None:
        for path, said in asked:
            answer = client.get(f"{API}/{path}", params=said(step))
            assert answer.status_code == 200, answer.text

    return ask


def git(place: Path, *words: str) -> Step:
    """Plain git that prints something."""
    return lambda step: subprocess.run(["git", "-C", place, *words], capture_output=True, check=True)


Pair = tuple[Step, Step]


def of_models(ours: httpx.Client, theirs: httpx.Client, names: list[str]) -> dict[str, Pair]:
    """The pages of models and versions."""

    def name(step: int) -> str:
        return names[step * 7919 % len(names)]

    def list_(query: str, **said: Any) -> Pair:
        def url(step: int) -> str:
            return f"/?{query.format(part=part(step), team=step % 40)}&n={step}"

        def wanted(step: int) -> dict[str, str | int]:
            return {"max_results": 50, **{key: value(step) for key, value in said.items()}}

        return page(ours, url), calls(theirs, ("registered-models/search", wanted))

    def part(step: int) -> int:
        return step % 900 + 100

    versions = ("model-versions/search", lambda step: {"filter": f"name = '{name(step)}'", "max_results": 50})
    model = ("registered-models/get", lambda step: {"name": name(step)})
    version = ("model-versions/get", lambda step: {"name": name(step), "version": "5"})
    return {
        "models": list_(""),
        "models, newest first": list_("sort=updated", order_by=lambda step: "last_updated_timestamp DESC"),
        "models by a part of the name": list_("q={part}", filter=lambda step: f"name LIKE '%{part(step)}%'"),
        "models by a tag": list_("q=tags.team+%3D+'t{team}'", filter=lambda step: f"tags.team = 't{step % 40}'"),
        "a walk over models": (page(ours, lambda step: f"/models/{name(step)}"), calls(theirs, model, versions)),
        "a walk over versions": (
            page(ours, lambda step: f"/models/{name(step)}/versions/5"),
            calls(theirs, model, version, versions),
        ),
        "one model again and again": (
            page(ours, lambda step: f"/models/{names[0]}?n={step}"),
            calls(theirs, model, versions),
        ),
        "two versions compared": (
            page(ours, lambda step: f"/models/{name(step)}/compare?v=1&v=5"),
            calls(theirs, version, version),
        ),
    }  # fmt: skip


def of_main(ours: httpx.Client, place: Path) -> dict[str, Pair]:
    """The pages that MLflow does not have."""
    many = REQUESTS + 1
    return {
        "requests": (
            page(ours, lambda step: f"/requests?n={step}"),
            git(place, "for-each-ref", "--format=%(contents)", "refs/pull"),
        ),
        "a request": (
            page(ours, lambda step: f"/requests/{step % REQUESTS + 1}?n={step}"),
            git(place, "diff", "main...refs/pull/1/head"),
        ),
        f"a request of {MANY} models": (
            page(ours, lambda step: f"/requests/{many}?n={step}"),
            git(place, "diff", f"main...refs/pull/{many}/head"),
        ),
        "activity": (page(ours, lambda step: f"/activity?n={step}"), git(place, "log", "-50", "-p", "main")),
        "policy": (
            page(ours, lambda step: f"/policy?n={step}"),
            git(place, "show", "main:.github/CODEOWNERS", "main:registry_spec/registry.yaml"),
        ),
    }


def compare(pairs: dict[str, Pair], rounds: int) -> bool:
    """A line for each page; whether the median of each is within the goal."""
    good, steps = True, count()
    print(f"{'':30} {'median':>10} {'p99':>10} {'other side':>12} {'ratio':>7}")
    for title, (ours, theirs) in pairs.items():
        mine, other = list[float](), list[float]()
        timed(ours, steps, 5), timed(theirs, steps, 5)
        for _ in range(rounds):
            mine += timed(ours, steps, 40)
            other += timed(theirs, steps, 10)
        middle, theirs_middle = statistics.median(mine), statistics.median(other)
        slow = sorted(mine)[int(len(mine) * 0.99)]
        good &= middle <= GOAL
        print(
            f"{title:30} {middle * 1000:7.1f} ms {slow * 1000:7.1f} ms {theirs_middle * 1000:9.1f} ms"
            f" {middle / theirs_middle:7.2f}{'' if middle <= GOAL else ' !'}",
            flush=True,
        )
    return good


def measure(folder: Path, names: list[str], rounds: int, only: str) -> bool:
    """Start both servers, and compare."""
    place = folder / "registry.git"
    with Repository.open(place) as repository:
        token = tokens_of(repository).create(ANN).secret
    python, one, other = sys.executable, free_port(), free_port()
    ours = [python, "-m", "stagedoor.apps.cli.main", "-C", str(place), "server", "--port", str(one), "--no-reconcile"]
    store = f"sqlite:///{folder / 'mlflow.db'}"
    theirs = [python, "-m", "mlflow", "server", "--backend-store-uri", store, "--port", str(other)]
    os.environ["MLFLOW_TRACKING_URI"] = ""
    with ExitStack() as held:
        sides = (
            held.enter_context(served(ours, f"http://127.0.0.1:{one}", {"Authorization": f"Bearer {token}"})),
            held.enter_context(served(theirs, f"http://127.0.0.1:{other}", {})),
        )
        for client in sides * 50:
            # every worker of either side has started, and read what it keeps
            client.get(f"{API}/registered-models/search", params={"max_results": 5})
        pairs = {**of_models(*sides, names), **of_main(sides[0], place)}
        return compare({title: pair for title, pair in pairs.items() if only in title}, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description="The pages beside `mlflow server` and plain git.")
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only the pages with these words in their title")
    parser.add_argument("--folder", type=Path, help="where the filled registry stays for the next run")
    asked = parser.parse_args()
    made = list(models(asked.models, asked.versions))
    with tempfile.TemporaryDirectory() as passing:
        folder: Path = asked.folder or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "mlflow.db").exists():
            fill(folder, made)
        print(f"{asked.models} models x {asked.versions} versions")
        good = measure(folder, [one.name for one in made], asked.rounds, asked.only)
    print(f"every page in {GOAL * 1000:.0f} ms" if good else f"some page takes more than {GOAL * 1000:.0f} ms")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
