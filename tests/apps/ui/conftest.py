"""One server for a module; every test makes models of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from served import Served, serve
from visiting import Visitor

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A registry with its server. ann and bob edit, bob moves to Staging, carol to Production and manages."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    made = serve(tmp_path_factory.mktemp("served"))
    yield made
    made.stop()
    made.town.close()
    patch.undo()


@pytest.fixture
def visit(served: Served) -> Iterator[Callable[[str | None], Visitor]]:
    """Somebody who has signed in; None is a stranger."""
    made: list[Visitor] = []

    def of(email: str | None) -> Visitor:
        made.append(Visitor(served, email))
        return made[-1]

    yield of
    for one in made:
        one.client.close()


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"model {next(_NUMBERS)}"
