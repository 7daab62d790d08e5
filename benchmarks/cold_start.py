"""How long a person waits: `stagedoor --help` and `stagedoor models`, cold, beside plain Python and plain git.

    python benchmarks/cold_start.py [MODELS] [VERSIONS]

Each figure is the median of several whole processes, taken in turns in one run; the ratios are what to look at.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from stagedoor.core.layout import model_path
from stagedoor.core.reading import text_of
from stagedoor.core.spec import Created, Dataset, RegisteredModel, Run, Version
from stagedoor.gitstore import RefUpdate, Repository, Signature
from stagedoor.workflows.initialise import initialise

NOW = datetime(2026, 11, 24, tzinfo=UTC)
STAGES = ("Archived", "Archived", "Production", "Staging", "None")


def model(name: str, versions: int) -> RegisteredModel:
    """A model as a busy team would have it."""
    by = Created(at=NOW, by="ann@example.com")
    made = tuple(
        Version(
            version=number, stage=STAGES[number % 5], source=f"runs:/{number:032x}/model",
            run=Run(id=f"{number:032x}", experiment="tuning"), data=(Dataset(name="wind", digest="sha256:ab"),),
            metrics={"rmse": 400.0 - number, "mae": 300.0 - number}, params={"depth": str(number)}, created=by,
        )
        for number in range(1, versions + 1)
    )  # fmt: skip
    tags = {"team": name[-1]}
    return RegisteredModel(
        name=name, id=f"{abs(hash(name)):032x}"[-32:], created=by, tags=tags, last_version=versions, versions=made
    )


def build(place: Path, models: int, versions: int) -> None:
    """A bare registry with that many models, committed at once and packed."""
    initialise(place, owner="ann@example.com", name="bench", bare=True)
    with Repository.open(place) as repository:
        tip = repository.tip()
        assert tip is not None
        made = (model(f"model-{number:05d}", versions) for number in range(models))
        files = {model_path(one.name, "flat"): text_of(one, model_path(one.name, "flat")).encode() for one in made}
        tree = repository.write_tree(repository.commit_info(tip).tree, dict(files))
        who = Signature("bench", "bench@example.com", NOW)
        commit = repository.commit(tree, (tip,), author=who, committer=who, message="many models\n")
        repository.publish((RefUpdate(repository.ref, tip, commit),), "bench")
    subprocess.run(["git", "-C", str(place), "repack", "-adq"], check=True)


def median(commands: dict[str, list[str]], rounds: int = 7) -> dict[str, float]:
    """The median seconds of each command, measured in turns."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    models, versions = (int(text) for text in (*sys.argv[1:3], "1000", "5")[:2]) if len(sys.argv) != 2 else (1000, 5)
    tool = str(Path(sys.executable).parent / "stagedoor")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "registry.git"
        build(place, models, versions)
        found = median(
            {
                "python -c 'import click, yaml'": [sys.executable, "-c", "import click, yaml"],
                "stagedoor --help": [tool, "--help"],
                "git grep stage:": ["git", "-C", str(place), "grep", "-c", "stage:", "main"],
                "stagedoor models": [tool, "-C", str(place), "models", "--json"],
            }
        )
    base = found["python -c 'import click, yaml'"]
    print(f"{models} models x {versions} versions")
    for name, seconds in found.items():
        print(f"{name:34} {seconds * 1000:8.1f} ms   {seconds / base:6.2f} x importing click and yaml")


if __name__ == "__main__":
    main()
