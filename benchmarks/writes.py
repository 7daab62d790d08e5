"""How fast a durable write is, beside MLflow's own SQL store on SQLite: the same models, in turns, in one process.

    python benchmarks/writes.py [--models N] [--versions N] [--rounds N]

Needs mlflow. Ours plans, checks and asks CODEOWNERS before it writes, and every object is on the disk before main
names it; SQLite commits with its usual `synchronous=FULL`. Each figure is the median of many calls, each side's in
turns; the ratios are what to look at.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from read_index import NOW, mlflow_store, models

from stagedoor.core.layout import model_path
from stagedoor.core.reading import text_of
from stagedoor.core.spec import RegisteredModel
from stagedoor.gitstore import RefUpdate, Repository, Signature
from stagedoor.workflows import registering
from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.registering import NewVersion, Wish
from stagedoor.workflows.world import World

ANN = "ann@example.com"
GOAL = 0.8
FOLDERS = 100
Pair = tuple[Callable[[int], Any], Callable[[int], Any]]


def fill_git(place: Path, made: list[RegisteredModel]) -> None:
    """A bare registry with these models in folders, as a large one should be, committed at once and packed."""
    initialise(place, owner=ANN, name="bench", bare=True)
    with Repository.open(place) as repository:
        tip = repository.tip()
        assert tip is not None
        files = {}
        for number, one in enumerate(made):
            path = model_path(one.name, "flat", f"team-{number % FOLDERS}")
            files[path] = text_of(one, path).encode()
        tree = repository.write_tree(repository.commit_info(tip).tree, dict(files))
        who = Signature("bench", ANN, NOW)
        commit = repository.commit(tree, (tip,), author=who, committer=who, message="many models\n")
        repository.publish((RefUpdate(repository.ref, tip, commit),), "bench")
    subprocess.run(["git", "-C", str(place), "repack", "-adq"], check=True)


def verbs(world: World, store: Any, names: list[str]) -> dict[str, Pair]:
    """Each write as both are asked for it; the number says which model it is about."""
    from mlflow.entities.model_registry import ModelVersionTag

    def of(number: int) -> str:
        return names[number % len(names)]

    def stage(number: int) -> str:
        return "Archived" if number // len(names) % 2 else "Staging"

    return {
        "create a version": (
            lambda n: registering.register(world, NewVersion(of(n), {"source": f"s3://new/{n}"})),
            lambda n: store.create_model_version(of(n), f"s3://new/{n}"),
        ),
        "move it to another stage": (
            lambda n: registering.transition(world, [Wish(f"{of(n)}/5", stage(n))]),
            lambda n: store.transition_model_version_stage(of(n), 5, stage(n), False),
        ),
        "set a tag": (
            lambda n: registering.tag(world, f"{of(n)}/3", {"seen": str(n)}),
            lambda n: store.set_model_version_tag(of(n), 3, ModelVersionTag("seen", str(n))),
        ),
    }


def median(act: Callable[[int], object], numbers: list[int]) -> float:
    """The median seconds of some calls."""
    times = []
    for number in numbers:
        start = time.perf_counter()
        act(number)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Durable writes beside MLflow's SQL store.")
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    made = list(models(asked.models, asked.versions))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "registry.git"
        fill_git(place, made)
        store = mlflow_store(Path(folder) / "mlflow.db", made)
        with Repository.open(place) as repository:
            world = World(repository, claimed_email=ANN)
            numbers = count()
            print(f"{asked.models} models x {asked.versions} versions")
            print(f"{'':28} {'ours':>10} {'mlflow':>10} {'ratio':>7}")
            for name, (ours, theirs) in verbs(world, store, [one.name for one in made]).items():
                halves = []
                for _ in range(asked.rounds + 1):
                    some = [next(numbers) for _ in range(20)]
                    halves.append((median(ours, some), median(theirs, some)))
                mine, other = (statistics.median(half[side] for half in halves[1:]) for side in (0, 1))
                mark = "" if mine / other <= GOAL else " !"
                print(f"{name:28} {mine * 1000:7.2f} ms {other * 1000:7.2f} ms {mine / other:7.3f}{mark}", flush=True)


if __name__ == "__main__":
    main()
