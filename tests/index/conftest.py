"""Registries whose history is a few commits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from landings import Landings


@pytest.fixture(autouse=True)
def _not_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    # hundreds of repositories that nobody needs after a power cut
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsync")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "none")


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Landings]:
    """A bare registry without models."""
    made = Landings.at(tmp_path / "registry.git")
    yield made
    made.close()
