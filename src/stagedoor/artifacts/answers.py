"""What came of looking at an artifact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from stagedoor.core.digests import Digest

# told the bytes that were read, and of how many, where that is known
Watch: TypeAlias = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Digested:
    """The digest, of how many files, and their bytes."""

    digest: Digest
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Absent:
    """We could look, and nothing is there."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """We could not look."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """Something is there that has no digest: it is empty, or leads out of itself."""

    reason: str


Found: TypeAlias = Digested | Absent | Unreachable | Unfit


def unwatched(done: int, total: int | None) -> None:
    """Nobody watches."""
