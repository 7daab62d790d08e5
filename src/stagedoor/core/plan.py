"""What a change would do, as one value that the terminal, the pull request and the page all show."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stagedoor.core.approval import Verdict
from stagedoor.core.checks import Problem
from stagedoor.core.diff import (
    Change,
    ModelCreated,
    ModelDeleted,
    ModelMoved,
    StageMoved,
    VersionCreated,
    VersionDeleted,
)
from stagedoor.core.gates import GateRuling
from stagedoor.core.registry import Registry
from stagedoor.core.spec import ARCHIVED, NO_STAGE, RegisteredModel


@dataclass(frozen=True, slots=True)
class MetricDelta:
    """A metric of the candidate beside the incumbent's; None where one of the two lacks it."""

    name: str
    was: float | None
    now: float | None

    @property
    def percent(self) -> float | None:
        """The change in percent of the incumbent's value, or None where there is nothing to compare with."""
        if self.was is None or self.now is None or self.was == 0:
            return None
        return (self.now - self.was) / abs(self.was) * 100


@dataclass(frozen=True, slots=True)
class Move:
    """A version that comes into a stage, and what happens to those that were there."""

    model: str
    version: int
    was: str
    now: str
    stays: tuple[int, ...]
    archived: tuple[int, ...]
    displaced: tuple[int, ...]
    metrics: tuple[MetricDelta, ...]
    compared_with: int | None
    digest: str


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Everything that happens to one model. `moves` are the stage changes, `changes` all the others."""

    model: str
    path: str
    action: str
    moves: tuple[Move, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What merging `head` into `base` would do. The same two commits give the same value on any clone."""

    base: str
    head: str
    hash: str
    request: int | None
    title: str
    models: tuple[ModelPlan, ...]
    files: tuple[str, ...]
    problems: tuple[Problem, ...]
    verdict: Verdict | None
    conflicts: tuple[str, ...] = ()
    gates: tuple[GateRuling, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return not self.models and not self.files

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stop a merge."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def counts(self) -> dict[str, int]:
        """How much happens, by kind: what the last line of a plan says."""
        moves = [move for model in self.models for move in model.moves]
        changes = [change for model in self.models for change in model.changes]
        created = sum(len(c.content.versions) for c in changes if isinstance(c, ModelCreated))
        return {
            "to register": created + sum(isinstance(c, VersionCreated) for c in changes),
            "to move": sum(move.now != ARCHIVED for move in moves),
            "to archive": sum(move.now == ARCHIVED for move in moves),
            "to delete": sum(isinstance(c, ModelDeleted | VersionDeleted) for c in changes),
            "to change otherwise": sum(_is_other(c) for c in changes) + len(self.files),
        }


def _is_other(change: Change) -> bool:
    if isinstance(change, ModelCreated):
        return not change.content.versions
    return not isinstance(change, VersionCreated | VersionDeleted | ModelDeleted)


def model_plans(changes: Sequence[Change], before: Registry, after: Registry) -> tuple[ModelPlan, ...]:
    """The changes by model, with what a stage change means to the versions that were there."""
    grouped: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        grouped.setdefault((change.path, change.model), []).append(change)
    return tuple(_model_plan(path, name, tuple(group), before, after) for (path, name), group in grouped.items())


def _model_plan(path: str, name: str, group: tuple[Change, ...], before: Registry, after: Registry) -> ModelPlan:
    old, new = _before(path, group, before), after.models.get(path)
    moves = tuple(_moves(group, old, new))
    # the counter follows the versions, and saying so would be noise
    rest = tuple(c for c in group if not isinstance(c, StageMoved) and getattr(c, "field", "") != "last_version")
    return ModelPlan(name, path, _action(group), moves, rest)


def _before(path: str, group: Sequence[Change], before: Registry) -> RegisteredModel | None:
    return before.models.get(next((c.was for c in group if isinstance(c, ModelMoved)), path))


def _action(group: Sequence[Change]) -> str:
    if any(isinstance(change, ModelCreated) for change in group):
        return "create"
    return "delete" if any(isinstance(change, ModelDeleted) for change in group) else "change"


def _moves(group: Iterable[Change], old: RegisteredModel | None, new: RegisteredModel | None) -> Iterable[Move]:
    if new is None:
        return
    entering: list[tuple[int, str, str]] = []
    for change in group:
        if isinstance(change, StageMoved):
            entering.append((change.version, change.was, change.now))
        elif isinstance(change, VersionCreated) and change.content.stage != NO_STAGE:
            entering.append((change.version, NO_STAGE, change.content.stage))
        elif isinstance(change, ModelCreated):
            entering += [(v.version, NO_STAGE, v.stage) for v in change.content.versions if v.stage != NO_STAGE]
    for number, was, now in entering:
        yield _move(number, was, now, old, new)


def _move(number: int, was: str, now: str, old: RegisteredModel | None, new: RegisteredModel) -> Move:
    there = [v.version for v in old.in_stage(now)] if old and now not in (NO_STAGE, ARCHIVED) else []
    others = [other for other in there if other != number]
    after = {version.version: version.stage for version in new.versions}
    stays = tuple(other for other in others if after.get(other) == now)
    archived = tuple(other for other in others if after.get(other) == ARCHIVED)
    displaced = tuple(other for other in others if other not in stays and other not in archived)
    incumbent = max(others, default=None)
    version = new.version(number)
    return Move(
        new.name, number, was, now, stays, archived, displaced,
        metrics=_deltas(old, incumbent, new, number), compared_with=incumbent,
        digest=version.digest if version else "",
    )  # fmt: skip


def _deltas(
    old: RegisteredModel | None, incumbent: int | None, new: RegisteredModel, number: int
) -> tuple[MetricDelta, ...]:
    candidate = new.version(number)
    compared = old.version(incumbent) if old and incumbent else None
    if candidate is None or compared is None:
        return ()
    names = sorted(candidate.metrics.keys() | compared.metrics.keys())
    return tuple(MetricDelta(name, compared.metrics.get(name), candidate.metrics.get(name)) for name in names)


def effects(models: Iterable[ModelPlan]) -> frozenset[object]:
    """What people agree to when they approve: the same on a newer base means that the plan still stands.

    Who else stays in a stage matters only to a move that replaces somebody there: a request that archives version 1
    for version 2 is another one once version 3 has come in, and two that bring one version each are not.
    """
    said: set[object] = set()
    for model in models:
        for m in model.moves:
            replaced = m.archived or m.displaced
            said.add((m.model, m.version, m.was, m.now, m.archived, m.displaced, m.stays if replaced else ()))
        said.update(repr(change) for change in model.changes)
    return frozenset(said)


def plan_hash(blobs: Iterable[tuple[str, str, str]], policy: Iterable[str]) -> str:
    """The hash of a plan: of (path, blob before, blob after) for each file it touches, and of the policy's blobs."""
    lines = [f"{path}\0{before}\0{after}" for path, before, after in sorted(blobs)]
    text = "\n".join([*lines, "", *policy])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
