"""Registries to be stopped in the middle of whatever they do: a checkout and a bare one, with a receiver of notes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crashes import Scene, make_scene
from receiver import Receiver, receiving
from stopping import COMPILER, Stopper, stopper

_CLEAN = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1", "TZ": "UTC"}


@pytest.fixture(scope="module")
def stop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopper]:
    """What runs commands and stops them."""
    if COMPILER is None or sys.platform != "linux":
        pytest.skip("there is no C compiler, or this is not Linux")
    folder = tmp_path_factory.mktemp("stop")
    with stopper(folder, HOME=str(folder), **_CLEAN) as made:
        yield made


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Whoever is told."""
    with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def scene(stop: Stopper, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The two registries as they are before each trial."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("GIT_", "STAGEDOOR_"))]:
            patch.delenv(name)
        for name, value in _CLEAN.items():
            patch.setenv(name, value)
        yield make_scene(stop, receiver, tmp_path_factory.mktemp("scene"))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Where a trial works."""
    return tmp_path / "here"
