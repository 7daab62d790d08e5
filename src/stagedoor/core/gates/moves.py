"""The moves of a change, as gates look at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stagedoor.core.diff import (
    Change,
    DescriptionChanged,
    EvidenceChanged,
    ModelCreated,
    ModelMoved,
    StageMoved,
    TagDeleted,
    TagSet,
    VersionCreated,
)
from stagedoor.core.gates.values import Entry
from stagedoor.core.registry import Registry
from stagedoor.core.spec import ARCHIVED, NO_STAGE, RegisteredModel, Version


def entries(changes: Iterable[Change], before: Registry, after: Registry) -> tuple[Entry, ...]:
    """Every version that comes into a stage, registering included."""
    changes = tuple(changes)
    moved = {change.path: change.was for change in changes if isinstance(change, ModelMoved)}
    return tuple(
        _entry(after.models[path], before.models.get(moved.get(path, path)), path, number, was, now)
        for path, number, was, now in _entered(changes)
        if path in after.models and after.models[path].version(number) is not None
    )


def _entered(changes: Iterable[Change]) -> Iterator[tuple[str, int, str, str]]:
    for change in changes:
        match change:
            case StageMoved():
                yield change.path, change.version, change.was, change.now
            case VersionCreated(content=content):
                yield change.path, change.version, NO_STAGE, content.stage
            case ModelCreated(content=model):
                yield from ((change.path, v.version, NO_STAGE, v.stage) for v in model.versions)
            case _:
                pass


def _entry(model: RegisteredModel, old: RegisteredModel | None, path: str, number: int, was: str, now: str) -> Entry:
    version = model.version(number)
    assert version is not None  # noqa: S101 - seen by the caller
    return Entry(path, model, version, was, now, incumbents_of(old, number, now))


def incumbents_of(model: RegisteredModel | None, number: int, stage: str) -> tuple[Version, ...]:
    """The other versions that are in a stage before the change."""
    if model is None or stage in (NO_STAGE, ARCHIVED):
        return ()
    return tuple(version for version in model.in_stage(stage) if version.version != number)


def kept(changes: Iterable[Change], before: Registry, after: Registry) -> tuple[tuple[Entry, Entry], ...]:
    """Versions that stay in their stage while something about them changes: as they were, and as they would be."""
    found: dict[tuple[str, int], tuple[Entry, Entry]] = {}
    for change in changes:
        if not isinstance(change, DescriptionChanged | TagSet | TagDeleted | EvidenceChanged):
            continue
        old, new = before.models.get(change.path), after.models.get(change.path)
        if old is None or new is None:
            continue
        for version in new.versions:
            was = old.version(version.version)
            if change.version in (None, version.version) and was is not None and was.stage == version.stage:
                stage = version.stage
                pair = (Entry(change.path, old, was, stage, stage), Entry(change.path, new, version, stage, stage))
                found[change.path, version.version] = pair
    return tuple(found.values())
