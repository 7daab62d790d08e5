"""The bench on which forges are tested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import Bench, bench_of


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """The forge that a test asks for, by its kind."""
    with bench_of(request.param, tmp_path) as made:
        yield made
