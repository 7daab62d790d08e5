"""What a check is: facts in, problems out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from stagedoor.core.approval import Verdict
from stagedoor.core.diff import Change
from stagedoor.core.gates import GateRuling
from stagedoor.core.gates.hindsight import Misfit
from stagedoor.core.owners import OwnersFile
from stagedoor.core.policy import RegistrySpec, Waiver
from stagedoor.core.registry import Registry
from stagedoor.core.spec import People
from stagedoor.core.webhooks import Webhooks
from stagedoor.errors import BadSpec

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a problem stands: a file from the registry's root, and the keys that lead to it."""

    path: str
    keys: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `path` is from the repository's top; `line` and `column` count from 1, 0 is unknown."""

    code: str
    severity: Severity
    what: str
    path: str = ""
    line: int = 0
    column: int = 0
    fix: str = ""

    @property
    def where(self) -> str:
        """`path:line:column`, as much as is known."""
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, before anybody looked up the line it stands in."""

    what: str
    place: Place | None = None
    fix: str = ""
    severity: Severity | None = None
    at: str = ""


@dataclass(frozen=True, slots=True)
class StageText:
    """A stage file as it is and as its model wants it; None where there is none, or should be none."""

    path: str
    model: str
    found: str | None
    wanted: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Everything a check may look at. `before` and `after` hold the models the change touches, or all of them.

    `spec`, `people` and `owners` are the base's. The `proposed_` ones are those of the head, to be checked, not obeyed.
    """

    before: Registry
    after: Registry
    changes: tuple[Change, ...] = ()
    paths: tuple[str, ...] = ()
    spec: RegistrySpec = field(default_factory=RegistrySpec)
    people: People = field(default_factory=People)
    owners: OwnersFile | None = None
    proposed_spec: RegistrySpec | None = None
    proposed_people: People | None = None
    proposed_owners: OwnersFile | None = None
    proposed_webhooks: Webhooks | None = None
    unreadable: tuple[BadSpec, ...] = ()
    odd: Mapping[str, str] = field(default_factory=dict)
    uncanonical: tuple[str, ...] = ()
    stage_files: tuple[StageText, ...] = ()
    verdict: Verdict | None = None
    rulings: tuple[GateRuling, ...] = ()
    misfits: tuple[Misfit, ...] = ()
    waivers: Mapping[str, Waiver] = field(default_factory=dict)
    files_of_evidence: Mapping[str, str | None] = field(default_factory=dict)
    now: datetime | None = None
    # whether a file of allowed signers is there; None where nobody looked
    has_signers: bool | None = None
    root: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check and what it promises: the code is never reused and never means something else."""

    code: str
    title: str
    reason: str
    severity: Severity
    find: Callable[[Facts], Iterable[Finding]]


def check(
    code: str, title: str, severity: Severity = "error"
) -> Callable[[Callable[[Facts], Iterator[Finding]]], Check]:
    """Make a check of a function; its docstring is the reason, which the docs and `stagedoor explain` show."""

    def decorate(find: Callable[[Facts], Iterator[Finding]]) -> Check:
        return Check(code, title, inspect.cleandoc(find.__doc__ or ""), severity, find)

    return decorate


def run(checks: Iterable[Check], facts: Facts, locate: Callable[[Place], tuple[int, int]]) -> tuple[Problem, ...]:
    """Every problem, errors first, then by file and line. `locate` looks up line and column, (0, 0) if unknown."""
    problems = [_problem(one, finding, locate, facts.root) for one in checks for finding in one.find(facts)]
    return tuple(sorted(set(problems), key=lambda p: (p.severity != "error", p.path, p.line, p.column, p.code, p.what)))


def _problem(one: Check, finding: Finding, locate: Callable[[Place], tuple[int, int]], root: str) -> Problem:
    severity = finding.severity or one.severity
    if finding.at:
        path, line, column = _split(finding.at)
    else:
        path = root + finding.place.path if finding.place else ""
        line, column = locate(finding.place) if finding.place else (0, 0)
    return Problem(one.code, severity, finding.what, path, line, column, finding.fix)


def _split(where: str) -> tuple[str, int, int]:
    """`path:line:column` taken apart; a path may hold colons itself."""
    parts = where.rsplit(":", 2)
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        return parts[0], int(parts[1]), int(parts[2])
    return where, 0, 0
