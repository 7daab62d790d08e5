"""How long versions have been in their stages, as the commits of main tell it, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stagedoor.core.diff import (
    Change,
    ModelCreated,
    ModelDeleted,
    ModelMoved,
    StageMoved,
    VersionCreated,
    VersionDeleted,
)
from stagedoor.core.spec import NO_STAGE


@dataclass(frozen=True, slots=True)
class Coming:
    """How a version came into the stage it is in: from where, with which commit, and in which file it stood before."""

    was: str
    commit: str
    path: str


@dataclass(slots=True)
class _Stay:
    """One version: the stage it is in and since when, and what it spent in each before."""

    stage: str = ""
    since: datetime | None = None
    spent: dict[str, timedelta] = field(default_factory=dict)
    coming: Coming | None = None


@dataclass(slots=True)
class Stays:
    """The stays of all versions, by the file their model stands in. A rename takes them along; a deletion ends them.

    Who makes a model anew under an old name gets nothing of the old one's time.
    """

    _files: dict[str, dict[int, _Stay]] = field(default_factory=dict)

    def tell(self, changes: Iterable[Change], when: datetime, commit: str = "") -> None:
        """What the next commit of main did, and when it was made."""
        changes = tuple(changes)
        for change in changes:
            if isinstance(change, ModelDeleted):
                self._files.pop(change.path, None)
        moved = {change.path: change.was for change in changes if isinstance(change, ModelMoved)}
        taken = {path: self._files.pop(was, {}) for path, was in moved.items()}
        self._files.update(taken)
        for change in changes:
            for number, was, now in stages_after(change):
                self._enter(change.path, number, now, when, Coming(was, commit, moved.get(change.path, change.path)))

    def _enter(self, path: str, number: int, stage: str, when: datetime, coming: Coming) -> None:
        stay = self._files.setdefault(path, {}).setdefault(number, _Stay())
        if stay.since is not None:
            more = max(when - stay.since, timedelta())
            stay.spent[stay.stage] = stay.spent.get(stay.stage, timedelta()) + more
        stay.stage, stay.since, stay.coming = stage, when, coming

    def time_in(self, path: str, number: int, stage: str, now: datetime) -> timedelta | None:
        """The time a version has spent in a stage, all its stays together; None where it never was there."""
        stay = self._files.get(path, {}).get(number)
        if stay is None or (stage not in stay.spent and stay.stage != stage):
            return None
        running = max(now - stay.since, timedelta()) if stay.stage == stage and stay.since else timedelta()
        return stay.spent.get(stage, timedelta()) + running

    def coming(self, path: str, number: int) -> Coming | None:
        """How a version came to where it is."""
        stay = self._files.get(path, {}).get(number)
        return stay.coming if stay else None


def stages_after(change: Change) -> Iterator[tuple[int, str, str]]:
    """The versions whose stage a change sets: number, the stage before and after; nothing after a deletion."""
    match change:
        case StageMoved(version=number, was=was, now=now):
            yield number, was, now
        case VersionCreated(version=number, content=content):
            yield number, NO_STAGE, content.stage
        case VersionDeleted(version=number, content=content):
            yield number, content.stage, ""
        case ModelCreated(content=model):
            yield from ((version.version, NO_STAGE, version.stage) for version in model.versions)
        case _:
            pass
