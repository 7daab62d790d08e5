"""The same change on another base: what a merge does when main has moved, by meaning instead of by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from stagedoor.core.diff import (
    AliasMoved,
    Change,
    DescriptionChanged,
    EvidenceChanged,
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
from stagedoor.core.spec import RegisteredModel, Version


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
    leaving = frozenset(_leaving(changes))
    conflicts: list[str] = []
    kept: list[Change] = []
    renumbered: list[Renumbered] = []
    for group in _groups(changes):
        model, said = _target(group, onto, leaving)
        if said:
            conflicts.append(said)
            continue
        mapping = _numbers(group, model)
        renumbered += [Renumbered(group[-1].model, was, now) for was, now in mapping.items()]
        moved = [_renumber(change, mapping) for change in group]
        clashes = [said for change in moved if (said := _clash(change, model))]
        conflicts += clashes
        kept += [change for change in moved if not clashes and not _is_done(change, model, onto)]
    registry = apply(kept, onto)
    return Replayed(_counters_right(registry, kept), tuple(renumbered), tuple(conflicts))


def _leaving(changes: Sequence[Change]) -> Iterator[str]:
    """The paths that are free once the changes are made."""
    for change in changes:
        if isinstance(change, ModelMoved):
            yield change.was
        elif isinstance(change, ModelDeleted):
            yield change.path


def _groups(changes: Sequence[Change]) -> list[list[Change]]:
    """The changes by model: what is deleted at a path is another model than the one that comes there."""
    groups: dict[tuple[str, bool], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.path, isinstance(change, ModelDeleted)), []).append(change)
    return list(groups.values())


def _target(
    group: Sequence[Change], onto: Registry, leaving: frozenset[str]
) -> tuple[RegisteredModel | None, str | None]:
    """The model on `onto` that the changes of one group are about, or why there is none for them."""
    first = group[0]
    there = onto.models.get(first.path)
    match first:
        case ModelDeleted():
            return there, None
        case ModelCreated(content=content):
            if there == content:
                return there, None
            held = there is not None and first.path not in leaving
            namesake = onto.find(first.model) is not None and onto.path(first.model) not in leaving
            return None, f"the model {first.model} exists by now" if held or namesake else None
        case ModelMoved(was=was) if was in onto.models:
            taken = there is not None and first.path not in leaving
            return onto.models[was], f"the file {first.path} is taken by now" if taken else None
        case ModelMoved(was=was):
            done = there is not None and there.name == first.model
            return there, None if done else f"{first.model} is not at {was} any more"
        case _:
            return there, None if there else f"{first.model} is not at {first.path} any more"


def _counters_right(registry: Registry, changes: Sequence[Change]) -> Registry:
    """`last_version` follows the versions, and never falls; it is no decision of anybody's."""
    said = {c.path: c.now for c in changes if isinstance(c, ModelFactChanged) and c.field == "last_version"}
    right: dict[str, RegisteredModel | None] = {}
    for path in dict.fromkeys(change.path for change in changes):
        model = registry.models.get(path)
        if model is not None and model.last_version != (last := max(next_number(model) - 1, said.get(path, 0))):
            right[path] = model.model_copy(update={"last_version": last})
    return registry.with_models(right) if right else registry


def _numbers(group: Sequence[Change], model: RegisteredModel | None) -> dict[int, int]:
    """The new numbers of the versions whose own is taken."""
    if model is None:
        return {}
    mapping: dict[int, int] = {}
    free = next_number(model)
    for change in group:
        if isinstance(change, VersionCreated) and model.version(change.version) != change.content:
            if change.version < free:
                mapping[change.version] = free
            free = mapping.get(change.version, change.version) + 1
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


def _clash(change: Change, model: RegisteredModel | None) -> str | None:
    """Why the change makes no sense on this model, or None."""
    if model is None:
        return None
    match change:
        case ModelDeleted() if model != change.content:
            return f"{change.model} has changed since its deletion was asked for"
        case VersionDeleted() if model.version(change.version) not in (change.content, None):
            return f"{change.model}/{change.version} has changed since its deletion was asked for"
        case ModelCreated() | ModelMoved() | ModelDeleted() | VersionCreated() | VersionDeleted():
            return None
        case ModelFactChanged(field="last_version"):
            return None
        case _:
            what, has, (was, now) = _field(change, model)
            if has is _GONE:
                return f"{what} is gone by now"
            return None if has in (was, now) else f"{what} is {_said(has)} by now, not {_said(was)}"


def _said(value: object) -> str:
    text = "nothing" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


_GONE = object()

_OfVersion = StageMoved | FactChanged | DescriptionChanged | TagSet | TagDeleted | EvidenceChanged
_OfAField = AliasMoved | ModelRenamed | ModelFactChanged | _OfVersion


def _field(change: _OfAField, model: RegisteredModel) -> tuple[str, object, tuple[object, object]]:
    """What a change is about in words, what is there now, and the values that are no surprise."""
    match change:
        case AliasMoved():
            return f"{change.model}@{change.alias}", model.aliases.get(change.alias), (change.was, change.now)
        case ModelRenamed():
            return f"the name of {change.was}", model.name, (change.was, change.model)
        case ModelFactChanged():
            return f"{change.field} of {change.model}", getattr(model, change.field), (change.was, change.now)
        case _:
            return _field_below(change, model)


def _field_below(change: _OfVersion, model: RegisteredModel) -> tuple[str, object, tuple[object, object]]:
    place = model if change.version is None else model.version(change.version)
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
        case EvidenceChanged():
            held = place.evidence if isinstance(place, Version) else ()
            found = next((one for one in held if one.name == change.name), None)
            return f"the evidence {change.name} of {name}", found, (change.was, change.now)
        case _:
            assert_never(change)


def _is_done(change: Change, model: RegisteredModel | None, onto: Registry) -> bool:
    match change:
        case ModelDeleted():
            return model is None
        case ModelCreated():
            return model == change.content
        case ModelMoved():
            return change.was not in onto.models
        case ModelFactChanged(field="last_version"):
            return model is not None and change.now <= model.last_version
        case VersionCreated():
            return model is not None and model.version(change.version) == change.content
        case VersionDeleted():
            return model is not None and model.version(change.version) is None
        case _:
            return False
