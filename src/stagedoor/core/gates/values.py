"""What gates look at, and what they say, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from stagedoor.core.policy import Gate, Quarantine, Waiver
from stagedoor.core.spec import RegisteredModel, Version

Kind = Literal["gate", "freeze", "quarantine"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A version that comes into a stage, with its model as it would be, and the versions that are there now."""

    path: str
    model: RegisteredModel
    version: Version
    was: str
    now: str
    incumbents: tuple[Version, ...] = ()

    @property
    def ref(self) -> str:
        """`NAME/3`."""
        return f"{self.model.name}/{self.version.version}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a gate asks for: whether it holds, in words, and what would bring it."""

    holds: bool
    said: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class GateRuling:
    """One gate, freeze or quarantine and how it stands for one move."""

    kind: Kind
    name: str
    model: str
    version: int
    path: str
    stage: str
    conditions: tuple[Condition, ...]
    reason: str = ""
    # why it does not stop the move although it does not hold
    waived: str = ""

    @property
    def holds(self) -> bool:
        """Whether everything that it asks for is there."""
        return all(condition.holds for condition in self.conditions)

    @property
    def stops(self) -> bool:
        """Whether the move may not happen because of it."""
        return not self.holds and not self.waived

    @property
    def title(self) -> str:
        """`gate measured`."""
        return "quarantine" if self.kind == "quarantine" else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Broken:
    """The glass is broken: an emergency that two owners vouch for, who, and why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The request that a move is part of, as an expression sees it."""

    number: int = 0
    title: str = ""
    author: str = ""


def _unknown_span(entry: Entry, stage: str) -> timedelta | None:
    return None


def _no_proof(entry: Entry, gate: Gate) -> tuple[Condition, ...]:
    return (Condition(False, "the artifact can be looked at only where it is", "stagedoor validate"),)


def _no_file(digest: str) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """What gates need to know besides the two states of the registry. Everything slow is asked only where it counts.

    `time_in` is how long a version has been in a stage in all, None where that cannot be known; `file_of` the content
    of a file of evidence; `proofs_of` looks at the artifact itself.
    """

    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    waivers: Mapping[str, Waiver] = field(default_factory=dict)
    quarantine: Quarantine = field(default_factory=Quarantine)
    ask: Ask = field(default_factory=Ask)
    broken: Broken | None = None
    time_in: Callable[[Entry, str], timedelta | None] = _unknown_span
    file_of: Callable[[str], bytes | None] = _no_file
    proofs_of: Callable[[Entry, Gate], tuple[Condition, ...]] = _no_proof
