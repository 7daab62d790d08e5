"""Servers of models, each with a registry of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scorer import Scorer, make_scorer


@pytest.fixture
def scorer(tmp_path: Path) -> Iterator[Scorer]:
    """A registry whose server a test starts by itself."""
    with _made(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scorer]:
    """One running server for a module: fraud/2 is in Production, 3 in Staging, and `champion` is 2."""
    with _quiet(), _made(tmp_path_factory.mktemp("served")) as made:
        for _ in range(3):
            made.register()
        made.move(Production=2, Staging=3)
        path = "registry_spec/models/fraud.yaml"
        made.town.commit({path: made.town.text(path).replace("created:", "aliases:\n  champion: 2\ncreated:", 1)})
        made.start("--max-body", "100000")
        yield made


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scorer]:
    """One running server for tests that do its worker harm: fraud/1 answers within five seconds or not at all."""
    with _quiet(), _made(tmp_path_factory.mktemp("standing")) as made:
        made.environment = {"DATABASE_PASSWORD": "hunter2", "MODEL_REGION": "north"}
        made.register()
        made.move(Production=1)
        made.start("--timeout", "5", "--env", "MODEL_REGION")
        yield made


@contextmanager
def _quiet() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield


@contextmanager
def _made(folder: Path) -> Iterator[Scorer]:
    made = make_scorer(folder)
    try:
        yield made
    finally:
        if made.process is not None:
            made.stop()
        made.town.close()
