"""What an audit says of main: a verdict on each commit, and the sum of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from stagedoor.core.checks.base import Check
from stagedoor.core.checks.catalogue import check_called

# A promise about the past is kept by the codes it was made with. A newer check is not held against old commits until
# somebody adds it here, and says so in the changelog.
HELD_AGAINST_THE_PAST: Final = (
    "SD101", "SD103", "SD104", "SD105",
    "SD201", "SD202", "SD203", "SD204", "SD205", "SD207",
    "SD301", "SD302", "SD303", "SD304",
    "SD403", "SD409", "SD410",
)  # fmt: skip

MOST_NAMED: Final = 100

Lane = Literal["before", "founding", "untouched", "direct", "request"]
"""How a commit came: before there was a registry, as its beginning, without touching it, written by somebody, or asked
for in a request."""

Proof = Literal["signed", "compared", "host", "attested"]
"""What an approval rests on: a signature, the request that holds it, what a host said of it when a reconciler asked,
or the word of the merge alone. Only the first two can be checked by whoever audits."""

PROOFS: Final[tuple[Proof, ...]] = ("signed", "compared", "host", "attested")


def checks_of_the_past() -> tuple[Check, ...]:
    """The checks that are held against commits of the past, in the order of their codes."""
    return tuple(found for code in HELD_AGAINST_THE_PAST if (found := check_called(code)))


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that should not have happened. `code` is a check's, or a word of the audit's own."""

    code: str
    what: str


@dataclass(frozen=True, slots=True)
class Seen:
    """An approval that a merge rests on, and what it rests on itself."""

    by: str
    head: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class CommitVerdict:
    """One commit of main, judged by the policy of its parent. `at` is when it is believed to have come."""

    commit: str
    at: datetime
    author: str
    subject: str
    lane: Lane
    request: int | None = None
    moves: int = 0
    approvals: tuple[Seen, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.faults


@dataclass(frozen=True, slots=True)
class Audit:
    """Main from one commit (not included; empty for its beginning) to another, and everything that speaks against it.

    `bad` are the commits at fault, oldest first, and `left_out` counts those that are too many to name. `checkpoint`
    says where main is not what a checkpoint remembers, `compared` whether there was one.
    """

    since: str
    until: str
    commits: int = 0
    lanes: dict[Lane, int] = field(default_factory=dict)
    transitions: int = 0
    approvals: dict[Proof, int] = field(default_factory=dict)
    bad: tuple[CommitVerdict, ...] = ()
    left_out: int = 0
    notes: tuple[str, ...] = ()
    notes_left_out: int = 0
    compared: bool = False
    checkpoint: tuple[str, ...] = ()
    requests_are_here: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against main."""
        return not self.bad and not self.checkpoint

    @property
    def first(self) -> CommitVerdict | None:
        """The oldest commit at fault."""
        return self.bad[0] if self.bad else None


@dataclass
class Tally:
    """An audit while it goes on: verdicts are counted and forgotten, but for those that say something."""

    commits: int = 0
    transitions: int = 0
    lanes: dict[Lane, int] = field(default_factory=dict)
    approvals: dict[Proof, int] = field(default_factory=dict)
    bad: list[CommitVerdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _left_out: int = 0
    _notes_left_out: int = 0

    def add(self, one: CommitVerdict) -> None:
        """Count one verdict."""
        self.commits += 1
        self.transitions += one.moves
        self.lanes[one.lane] = self.lanes.get(one.lane, 0) + 1
        for seen in one.approvals:
            self.approvals[seen.proof] = self.approvals.get(seen.proof, 0) + 1
        if not one.holds and len(self.bad) < MOST_NAMED:
            self.bad.append(one)
        elif not one.holds:
            self._left_out += 1
        room = max(0, MOST_NAMED - len(self.notes))
        self.notes += [f"{one.commit[:10]} {note}" for note in one.notes[:room]]
        self._notes_left_out += len(one.notes[room:])

    def audit(self, since: str, until: str, *, requests_are_here: bool) -> Audit:
        """What it came to."""
        return Audit(
            since, until, self.commits, dict(self.lanes), self.transitions, dict(self.approvals), tuple(self.bad),
            self._left_out, tuple(self.notes), self._notes_left_out, requests_are_here=requests_are_here,
        )  # fmt: skip
