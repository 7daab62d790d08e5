"""The same change on another base: what a merge does when main has moved, by meaning instead of by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stagedoor.core.diff import (
    AliasMoved,
    Change,
    DescriptionChanged,
    FactChanged,
    ModelCreated,
    ModelDeleted,
    ModelFactChanged,
    ModelMoved,
    ModelRenamed,
    StageMoved,
    TagDeleted,
    TagSet,
    VersionCreated,
    VersionDeleted,
    apply,
)
from stagedoor.core.intents import next_number
from stagedoor.core.registry import Registry
from stagedoor.core.spec import RegisteredModel


@dataclass(frozen=True, slots=True)
class Renumbered:
    """A version that had to take another number, because its own was taken on main."""

    model: str
    was: int
    now: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the changes give on the other base. With `conflicts`, `registry` is without the changes that clash."""

    registry: Registry
    renumbered: tuple[Renumbered, ...]
    conflicts: tuple[str, ...]


def replay(changes: Sequence[Change], onto: Registry) -> Replayed:
    """Make changes on a base that is not the one they were made for.

    A change whose effect is there already is passed over. One that expects something else than `onto` holds is a
    conflict, said in one sentence. A new version whose number is taken gets the next one, and what the same changes
    say of that number follows it.
    """
    conflicts: list[str] = []
    kept: list[Change] = []
    renumbered: list[Renumbered] = []
    by_path: dict[str, list[Change]] = {}
    for change in changes:
        by_path.setdefault(change.path, []).append(change)
    for path, group in by_path.items():
        if not isinstance(group[0], ModelCreated | ModelMoved) and path not in onto.models:
            conflicts.append(f"{group[0].model} is not at {path} any more")
            continue
        mapping = _numbers(group, onto.models.get(path))
        renumbered += [Renumbered(group[0].model, was, now) for was, now in mapping.items()]
        for change in group:
            moved = _renumber(change, mapping)
            said = _clash(moved, onto)
            if said:
                conflicts.append(said)
            elif not _is_done(moved, onto):
                kept.append(moved)
    registry = apply(kept, onto)
    return Replayed(_counters_right(registry, by_path), tuple(renumbered), tuple(conflicts))


def _counters_right(registry: Registry, paths: dict[str, list[Change]]) -> Registry:
    """`last_version` follows the versions; it is no decision of anybody's."""
    right: dict[str, RegisteredModel | None] = {}
    for path in paths:
        model = registry.models.get(path)
        if model is not None and model.last_version != (last := next_number(model) - 1):
            right[path] = model.model_copy(update={"last_version": last})
    return registry.with_models(right) if right else registry


def _numbers(group: Sequence[Change], model: RegisteredModel | None) -> dict[int, int]:
    if model is None:
        return {}
    mapping: dict[int, int] = {}
    free = next_number(model)
    for change in group:
        if isinstance(change, VersionCreated) and model.version(change.version) != change.content:
            if change.version != free:
                mapping[change.version] = free
            free += 1
    return mapping


def _renumber(change: Change, mapping: dict[int, int]) -> Change:
    match change:
        case VersionCreated(version=number) if number in mapping:
            content = change.content.model_copy(update={"version": mapping[number]})
            return replace(change, version=mapping[number], content=content)
        case AliasMoved(now=int(number)) if number in mapping:
            return replace(change, now=mapping[number])
        case _:
            return change


def _clash(change: Change, onto: Registry) -> str | None:
    """Why the change makes no sense on `onto`, or None."""
    model = onto.models.get(change.path)
    match change:
        case ModelCreated():
            if onto.find(change.model) is not None and model != change.content:
                return f"the model {change.model} exists by now"
        case ModelMoved():
            if change.was not in onto.models:
                return f"{change.model} is not at {change.was} any more"
            if model is not None:
                return f"the file {change.path} is taken by now"
        case ModelDeleted():
            if model != change.content:
                return f"{change.model} has changed since its deletion was asked for"
        case ModelFactChanged() | ModelRenamed():
            return None
        case AliasMoved():
            has = model.aliases.get(change.alias) if model else None
            if has not in (change.was, change.now):
                return f"{change.model}@{change.alias} points at {has or 'nothing'} by now, not at {change.was or 'nothing'}"
        case VersionCreated():
            return None
        case VersionDeleted():
            if model is None or model.version(change.version) not in (change.content, None):
                return f"{change.model}/{change.version} has changed since its deletion was asked for"
        case StageMoved() | FactChanged() | DescriptionChanged() | TagSet() | TagDeleted():
            return _clash_in_fields(change, model)
    return None


def _clash_in_fields(
    change: StageMoved | FactChanged | DescriptionChanged | TagSet | TagDeleted, model: RegisteredModel | None
) -> str | None:
    what, has, wanted = _field(change, model)
    if has is _GONE:
        return f"{change.model}/{change.version} is gone by now"
    if has not in wanted:
        return f"{what} is {has!r} by now, not {wanted[0]!r}"
    return None


_GONE = object()


def _field(
    change: StageMoved | FactChanged | DescriptionChanged | TagSet | TagDeleted, model: RegisteredModel | None
) -> tuple[str, object, tuple[object, object]]:
    """What a change is about in words, what is there now, and the values that are no surprise."""
    place = model if change.version is None else model.version(change.version) if model else None
    name = change.model if change.version is None else f"{change.model}/{change.version}"
    if place is None:
        return name, _GONE, (None, None)
    match change:
        case StageMoved():
            return f"the stage of {name}", getattr(place, "stage", None), (change.was, change.now)
        case FactChanged():
            return f"{change.field} of {name}", getattr(place, change.field), (change.was, change.now)
        case DescriptionChanged():
            return f"the description of {name}", place.description, (change.was, change.now)
        case TagSet():
            return f"the tag {change.key} of {name}", place.tags.get(change.key), (change.was, change.now)
        case TagDeleted():
            return f"the tag {change.key} of {name}", place.tags.get(change.key), (change.was, None)


def _is_done(change: Change, onto: Registry) -> bool:
    model = onto.models.get(change.path)
    if model is None:
        return isinstance(change, ModelDeleted)
    match change:
        case ModelCreated():
            return model == change.content
        case VersionCreated():
            return model.version(change.version) == change.content
        case VersionDeleted():
            return model.version(change.version) is None
        case ModelFactChanged(field="last_version"):
            return True
        case _:
            return False
