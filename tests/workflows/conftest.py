"""Registries to work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stagedoor.workflows.initialise import initialise
from town import CAROL, CODEOWNERS, Town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A bare registry with stage lines."""
    made = Town(tmp_path / "registry.git")
    initialise(made.path, owner=CAROL, name="test", bare=True)
    made.commit({".github/CODEOWNERS": CODEOWNERS}, "owners: stage lines")
    yield made
    made.close()


@pytest.fixture
def configured(town: Town) -> Callable[[str], Town]:
    """The town with more lines in its registry.yaml."""

    def configure(more: str) -> Town:
        town.commit({"registry_spec/registry.yaml": town.text("registry_spec/registry.yaml") + more}, "registry: more")
        return town

    return configure
