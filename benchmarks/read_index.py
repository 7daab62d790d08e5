"""How fast the read index answers, beside MLflow's own SQL store on SQLite: the same models, in turns, in one process.

    python benchmarks/read_index.py [--models N] [--versions N]

Needs mlflow. Each figure is the median of several calls; the ratios are what to look at. Both sides give whole
entities: where MLflow's page of models holds their latest versions, so does ours.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stagedoor.core.layout import model_path
from stagedoor.core.reading import text_of
from stagedoor.core.search import models_filter, models_order, versions_filter, versions_order
from stagedoor.core.spec import Created, RegisteredModel, Run, Version
from stagedoor.gitstore import RefUpdate, Repository, Signature
from stagedoor.index import Index
from stagedoor.workflows.initialise import initialise

NOW = datetime(2026, 11, 24, tzinfo=UTC)
STAGES = ("Archived", "Archived", "Production", "Staging", "None")
TEAMS = 40
GOAL = 0.05


def models(count: int, versions: int) -> Iterator[RegisteredModel]:
    """Models of forty teams; each has a champion, and every fourth version is of the year's."""
    by = Created(at=NOW, by="ann@example.com")
    for number in range(count):
        made = tuple(
            Version(
                version=n, stage=STAGES[n % 5], source=f"s3://models/{number}/{n}", created=by,
                run=Run(id=f"{number * 1000 + n:032x}"), metrics={"rmse": 400.0 - n, "mae": 300.0 - n},
                tags={"quarter": f"q{n % 4}", "team": f"t{number % TEAMS}"},
            )
            for n in range(1, versions + 1)
        )  # fmt: skip
        yield RegisteredModel(
            name=f"model-{number:05d}", id=f"{number:032x}", created=by, last_version=versions, versions=made,
            tags={"team": f"t{number % TEAMS}", "tier": str(number % 3)}, aliases={"champion": versions},
        )  # fmt: skip


def fill_git(place: Path, made: list[RegisteredModel]) -> None:
    """A bare registry with these models, committed at once and packed."""
    initialise(place, owner="ann@example.com", name="bench", bare=True)
    with Repository.open(place) as repository:
        tip = repository.tip()
        assert tip is not None
        files = {path: text_of(one, path).encode() for one in made for path in (model_path(one.name, "flat"),)}
        tree = repository.write_tree(repository.commit_info(tip).tree, dict(files))
        who = Signature("bench", "bench@example.com", NOW)
        commit = repository.commit(tree, (tip,), author=who, committer=who, message="many models\n")
        repository.publish((RefUpdate(repository.ref, tip, commit),), "bench")
    subprocess.run(["git", "-C", str(place), "repack", "-adq"], check=True)


def commit_one(repository: Repository, one: RegisteredModel) -> None:
    """One commit that changes one model."""
    tip = repository.tip()
    assert tip is not None
    path = model_path(one.name, "flat")
    tree = repository.write_tree(repository.commit_info(tip).tree, {path: text_of(one, path).encode()})
    who = Signature("bench", "bench@example.com", NOW)
    commit = repository.commit(tree, (tip,), author=who, committer=who, message="a change\n")
    repository.publish((RefUpdate(repository.ref, tip, commit),), "bench")


def mlflow_store(file: Path, made: list[RegisteredModel]) -> Any:
    """MLflow's store with the same models, put into its tables directly, as it would itself."""
    from mlflow.store.model_registry.dbmodels import models as tables
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{file}")
    at = int(NOW.timestamp() * 1000)
    with store.ManagedSessionMaker() as session:
        for one in made:
            name = {"workspace": "default", "name": one.name}
            session.add(tables.SqlRegisteredModel(**name, creation_time=at, last_updated_time=at))
            session.flush()
            tags = [tables.SqlRegisteredModelTag(**name, key=key, value=value) for key, value in one.tags.items()]
            rows: list[Any] = [
                tables.SqlModelVersion(
                    **name, version=v.version, creation_time=at, last_updated_time=at, current_stage=v.stage,
                    source=v.source, run_id=v.run.id if v.run else None,
                )
                for v in one.versions
            ]  # fmt: skip
            session.add_all(tags + rows)
            session.flush()
            session.add_all(
                tables.SqlModelVersionTag(**name, version=v.version, key=key, value=value)
                for v in one.versions
                for key, value in v.tags.items()
            )
            session.add_all(
                tables.SqlRegisteredModelAlias(**name, alias=alias, version=v) for alias, v in one.aliases.items()
            )
    return store


def searched_models(index: Index, text: str, *order: str, limit: int = 100) -> list[object]:
    """A page as the API would show it: from the text of the filter to every field."""
    page = index.search_models(models_filter(text), models_order(order), limit=limit)
    return [
        (one.tags, one.aliases, one.description, [(v.tags, v.description) for v in one.latest]) for one in page.items
    ]


def searched_versions(index: Index, text: str, *order: str, limit: int = 100) -> list[object]:
    """As `searched_models`, for versions."""
    page = index.search_versions(versions_filter(text), versions_order(order), limit=limit)
    return [(one.tags, one.aliases, one.description) for one in page.items]


Pair = tuple[Callable[[], Any], Callable[[], Any]]


def questions(index: Index, store: Any, middle: str) -> dict[str, Pair]:
    """Each question as both are asked it."""
    run = f"{int(middle[-5:]) * 1000 + 3:032x}"
    found: dict[str, Pair] = {
        "get a model": (lambda: index.model(middle).latest, lambda: store.get_registered_model(middle)),
        "get a version": (lambda: index.version(middle, 5).tags, lambda: store.get_model_version(middle, 5)),
        "a version by its alias": (
            lambda: index.by_alias(middle, "champion").tags,
            lambda: store.get_model_version_by_alias(middle, "champion"),
        ),
        "latest versions of a model": (lambda: index.latest(middle), lambda: store.get_latest_versions(middle)),
    }
    for text, order in (
        ("", ()), ("", ("last_updated_timestamp DESC",)), (f"name = '{middle}'", ()), ("name LIKE '%99%'", ()),
        ("name ILIKE '%MODEL-00%'", ()), ("tags.team = 't3'", ()), ("tags.tier != '1'", ()),
        ("name LIKE '%7%' AND tags.team = 't7' AND tags.tier = '1'", ()),
    ):  # fmt: skip
        found[f"models: {text or 'all'}{', newest first' if order else ''}"] = (
            lambda text=text, order=order: searched_models(index, text, *order),
            lambda text=text, order=order: store.search_registered_models(text, 100, list(order)),
        )
    of_versions = (
        f"name = '{middle}'",
        f"run_id = '{run}'",
        "tags.team = 't3'",
        "tags.quarter = 'q1'",
        "version_number > 8",
        "tags.quarter = 'q1' AND name LIKE 'model-00%'",
        "source_path LIKE '%/77/%'",
    )
    for text in of_versions:
        found[f"versions: {text}"] = (
            lambda text=text: searched_versions(index, text),
            lambda text=text: store.search_model_versions(text, 100),
        )
    return found


def median(act: Callable[[], object], rounds: int) -> float:
    """The median seconds of some calls."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def compare(pairs: dict[str, Pair]) -> bool:
    """Print a line for each question; whether every ratio is within the goal."""
    good = True
    print(f"{'':64} {'ours':>10} {'mlflow':>10} {'ratio':>7}")
    for name, (ours, theirs) in pairs.items():
        ours(), theirs()
        halves = [(median(ours, 9), median(theirs, 3)) for _ in range(7)]
        mine, other = (statistics.median(half[side] for half in halves) for side in (0, 1))
        good &= mine / other <= GOAL
        mark = "" if mine / other <= GOAL else " !"
        print(f"{name:64} {mine * 1000:7.3f} ms {other * 1000:7.1f} ms {mine / other:7.4f}{mark}")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description="The read index beside MLflow's SQL store.")
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=10)
    asked = parser.parse_args()
    made = list(models(asked.models, asked.versions))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "registry.git"
        fill_git(place, made)
        with Repository.open(place) as repository:
            start = time.perf_counter()
            with Index(repository, lambda: datetime.now(UTC)) as index:
                print(f"{asked.models} models x {asked.versions} versions")
                print(f"cold build {time.perf_counter() - start:.2f} s, {index.status().bytes / 1e6:.0f} MB")
                print(f"nothing new {median(index.catch_up, 200) * 1000:.3f} ms")
                commit_one(repository, made[0].model_copy(update={"description": "x"}))
                start = time.perf_counter()
                index.catch_up()
                print(f"one commit new {(time.perf_counter() - start) * 1000:.1f} ms")
                store = mlflow_store(Path(folder) / "mlflow.db", made)
                good = compare(questions(index, store, made[len(made) // 2].name))
    print(f"every ratio is at most {GOAL}" if good else f"some ratio is above {GOAL}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
