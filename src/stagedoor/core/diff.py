"""What changed between two registries: small named changes, and the way to apply them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from stagedoor.core.registry import Registry
from stagedoor.core.spec import Evidence, RegisteredModel, Version


@dataclass(frozen=True, slots=True)
class ModelCreated:
    """A file appeared with a model that was not there before."""

    path: str
    model: str
    content: RegisteredModel


@dataclass(frozen=True, slots=True)
class ModelDeleted:
    """A model's file is gone."""

    path: str
    model: str
    content: RegisteredModel


@dataclass(frozen=True, slots=True)
class ModelMoved:
    """The same model (by its id) stands in another file; `path` is the new one."""

    path: str
    model: str
    was: str


@dataclass(frozen=True, slots=True)
class ModelRenamed:
    """The model has another name; `model` is the new one."""

    path: str
    model: str
    was: str


@dataclass(frozen=True, slots=True)
class ModelFactChanged:
    """A fact of the model (id, created, last_version) is another. Never legal but for the counter going up."""

    path: str
    model: str
    field: str
    was: Any
    now: Any


@dataclass(frozen=True, slots=True)
class DescriptionChanged:
    """The description of a model (version None) or of a version."""

    path: str
    model: str
    version: int | None
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class TagSet:
    """A tag of a model (version None) or of a version has a new value; `was` is None for a new tag."""

    path: str
    model: str
    version: int | None
    key: str
    was: str | None
    now: str


@dataclass(frozen=True, slots=True)
class TagDeleted:
    """A tag of a model (version None) or of a version is gone."""

    path: str
    model: str
    version: int | None
    key: str
    was: str


@dataclass(frozen=True, slots=True)
class EvidenceChanged:
    """A version's evidence of one name is another; None stands for no evidence."""

    path: str
    model: str
    version: int
    name: str
    was: Evidence | None
    now: Evidence | None


@dataclass(frozen=True, slots=True)
class AliasMoved:
    """An alias points at another version; None stands for no alias."""

    path: str
    model: str
    alias: str
    was: int | None
    now: int | None


@dataclass(frozen=True, slots=True)
class VersionCreated:
    """A version came in."""

    path: str
    model: str
    version: int
    content: Version


@dataclass(frozen=True, slots=True)
class VersionDeleted:
    """A version is gone."""

    path: str
    model: str
    version: int
    content: Version


@dataclass(frozen=True, slots=True)
class StageMoved:
    """A version moved from one stage to another."""

    path: str
    model: str
    version: int
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class FactChanged:
    """A fact about what was built is another. Never legal."""

    path: str
    model: str
    version: int
    field: str
    was: Any
    now: Any


Change = (
    ModelCreated
    | ModelDeleted
    | ModelMoved
    | ModelRenamed
    | ModelFactChanged
    | DescriptionChanged
    | TagSet
    | TagDeleted
    | EvidenceChanged
    | AliasMoved
    | VersionCreated
    | VersionDeleted
    | StageMoved
    | FactChanged
)


# --- diff -----------------------------------------------------------------------------------------------------------


def diff(before: Registry, after: Registry) -> tuple[Change, ...]:
    """Every change, in a stable order: by the path the model has afterwards. `diff(a, a)` is always empty."""
    pairs = _pairs(before.models, after.models)
    changes: list[Change] = []
    for old, new in sorted(pairs, key=lambda pair: pair[1] or pair[0] or ""):
        if old is None and new is not None:
            changes.append(ModelCreated(new, after.models[new].name, after.models[new]))
        elif new is None and old is not None:
            changes.append(ModelDeleted(old, before.models[old].name, before.models[old]))
        elif old is not None and new is not None:
            changes.extend(_model_changes(old, before.models[old], new, after.models[new]))
    return tuple(changes)


def _pairs(
    before: Mapping[str, RegisteredModel], after: Mapping[str, RegisteredModel]
) -> Iterator[tuple[str | None, str | None]]:
    """Which file became which: by path where the id is the same, else by an id that each side has once."""
    same = {path for path, model in before.items() if path in after and after[path].id == model.id}
    old = _once((path, model.id) for path, model in before.items() if path not in same)
    new = _once((path, model.id) for path, model in after.items() if path not in same)
    moved = {old[id_]: new[id_] for id_ in old.keys() & new.keys()}
    yield from ((path, path) for path in same)
    yield from moved.items()
    yield from ((path, None) for path in before if path not in same and path not in moved)
    arrived = set(moved.values())
    yield from ((None, path) for path in after if path not in same and path not in arrived)


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    twice: set[str] = set()
    for path, id_ in pairs:
        if id_ in found:
            twice.add(id_)
        found[id_] = path
    return {id_: path for id_, path in found.items() if id_ not in twice}


def _model_changes(old: str, before: RegisteredModel, path: str, after: RegisteredModel) -> Iterator[Change]:
    name = after.name
    if old != path:
        yield ModelMoved(path, name, old)
    if before == after:
        return
    if before.name != name:
        yield ModelRenamed(path, name, before.name)
    for field in (*RegisteredModel.FACTS, "last_version"):
        if getattr(before, field) != getattr(after, field):
            yield ModelFactChanged(path, name, field, getattr(before, field), getattr(after, field))
    if before.description != after.description:
        yield DescriptionChanged(path, name, None, before.description, after.description)
    yield from _tag_changes(path, name, None, before.tags, after.tags)
    yield from _version_changes(path, name, before, after)
    for alias in sorted(before.aliases.keys() | after.aliases.keys()):
        was, now = before.aliases.get(alias), after.aliases.get(alias)
        if was != now:
            yield AliasMoved(path, name, alias, was, now)


def _tag_changes(
    path: str, name: str, version: int | None, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[Change]:
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was != now:
            if now is None:
                yield TagDeleted(path, name, version, key, str(was))
            else:
                yield TagSet(path, name, version, key, was, now)


def _version_changes(path: str, name: str, before: RegisteredModel, after: RegisteredModel) -> Iterator[Change]:
    # a hand-made file may say a number twice; the first counts here, and a check refuses the file
    old = {version.version: version for version in reversed(before.versions)}
    new = {version.version: version for version in reversed(after.versions)}
    for number in sorted(old.keys() | new.keys()):
        was, now = old.get(number), new.get(number)
        if was is None and now is not None:
            yield VersionCreated(path, name, number, now)
        elif now is None and was is not None:
            yield VersionDeleted(path, name, number, was)
        elif was is not None and now is not None and was != now:
            yield from _one_version(path, name, was, now)


def _one_version(path: str, name: str, was: Version, now: Version) -> Iterator[Change]:
    if was.stage != now.stage:
        yield StageMoved(path, name, now.version, was.stage, now.stage)
    for field in Version.FACTS:
        if getattr(was, field) != getattr(now, field):
            yield FactChanged(path, name, now.version, field, getattr(was, field), getattr(now, field))
    if was.description != now.description:
        yield DescriptionChanged(path, name, now.version, was.description, now.description)
    yield from _tag_changes(path, name, now.version, was.tags, now.tags)
    yield from _evidence_changes(path, name, was, now)


def _evidence_changes(path: str, name: str, was: Version, now: Version) -> Iterator[Change]:
    old = {one.name: one for one in was.evidence}
    new = {one.name: one for one in now.evidence}
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            yield EvidenceChanged(path, name, now.version, key, old.get(key), new.get(key))


# --- apply ----------------------------------------------------------------------------------------------------------


def apply(changes: Iterable[Change], before: Registry) -> Registry:
    """The registry after the changes. `apply(diff(a, b), a) == b` for registries that the checks accept.

    Only the files that the changes speak of are read.
    """
    changes = tuple(changes)
    moved = {c.path: before.models[c.was] for c in changes if isinstance(c, ModelMoved)}
    over: dict[str, RegisteredModel | None] = {c.was: None for c in changes if isinstance(c, ModelMoved)}
    over |= {c.path: None for c in changes if isinstance(c, ModelDeleted)}
    over |= moved
    for change in changes:
        if isinstance(change, ModelCreated):
            over[change.path] = change.content
        elif not isinstance(change, ModelMoved | ModelDeleted):
            over[change.path] = applied(change, over.get(change.path) or before.models[change.path])
    return before.with_models(over)


def applied(change: Change, model: RegisteredModel) -> RegisteredModel:
    """One change made to the model it speaks of."""
    match change:
        case ModelCreated(content=content):
            return content
        case ModelMoved() | ModelDeleted():
            return model
        case ModelRenamed():
            return model.model_copy(update={"name": change.model})
        case ModelFactChanged():
            return model.model_copy(update={change.field: change.now})
        case DescriptionChanged(version=None):
            return model.model_copy(update={"description": change.now})
        case TagSet(version=None):
            return model.model_copy(update={"tags": {**model.tags, change.key: change.now}})
        case TagDeleted(version=None):
            return model.model_copy(update={"tags": _without(model.tags, change.key)})
        case AliasMoved(now=None):
            return model.model_copy(update={"aliases": _without(model.aliases, change.alias)})
        case AliasMoved():
            return model.model_copy(update={"aliases": {**model.aliases, change.alias: change.now}})
        case VersionCreated():
            versions = (*model.versions, change.content)
            return model.model_copy(update={"versions": tuple(sorted(versions, key=lambda v: v.version))})
        case VersionDeleted():
            kept = tuple(version for version in model.versions if version.version != change.version)
            return model.model_copy(update={"versions": kept})
        case StageMoved() | FactChanged() | DescriptionChanged() | TagSet() | TagDeleted() | EvidenceChanged():
            versions = tuple(_on_version(change, v) if v.version == change.version else v for v in model.versions)
            return model.model_copy(update={"versions": versions})
        case _:
            assert_never(change)


def _on_version(
    change: StageMoved | FactChanged | DescriptionChanged | TagSet | TagDeleted | EvidenceChanged, version: Version
) -> Version:
    match change:
        case StageMoved():
            update: dict[str, Any] = {"stage": change.now}
        case FactChanged():
            update = {change.field: change.now}
        case DescriptionChanged():
            update = {"description": change.now}
        case TagSet():
            update = {"tags": {**version.tags, change.key: change.now}}
        case TagDeleted():
            update = {"tags": _without(version.tags, change.key)}
        case EvidenceChanged():
            kept = tuple(one for one in version.evidence if one.name != change.name)
            update = {"evidence": in_order((*kept, change.now) if change.now else kept)}
        case _:
            assert_never(change)
    return version.model_copy(update=update)


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in mapping.items() if k != key}


def in_order(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Evidence as a version holds it: by name."""
    return tuple(sorted(evidence, key=lambda one: one.name))
