"""SD2: versions and lineage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from stagedoor.core.checks.base import Facts, Finding, Place, check
from stagedoor.core.diff import (
    FactChanged,
    ModelCreated,
    ModelDeleted,
    ModelFactChanged,
    ModelMoved,
    ModelRenamed,
    VersionCreated,
    VersionDeleted,
)
from stagedoor.core.registry import Registry
from stagedoor.core.spec import ARCHIVED, NO_STAGE, Evidence, Version


def version_place(after: Registry, path: str, number: int, *keys: str) -> Place:
    """Where a version stands in its file."""
    model = after.models.get(path)
    index = next((i for i, v in enumerate(model.versions) if v.version == number), None) if model else None
    return Place(path, ("versions",) if index is None else ("versions", index, *keys))


@check("SD201", "what was built never changes")
def facts_never_change(facts: Facts) -> Iterator[Finding]:
    """Source, run, code, data, parameters, metrics, signature, digest and the time a version came in are the evidence
    its approval rests on. Once merged they stay; something else is another version."""
    for change in facts.changes:
        if isinstance(change, FactChanged):
            yield Finding(
                f"{change.model}/{change.version}: {change.field} was recorded and cannot change",
                version_place(facts.after, change.path, change.version, change.field),
                "put the old value back, and register a new version",
            )
        elif isinstance(change, ModelFactChanged) and change.field != "last_version":
            place = Place(change.path, (change.field,))
            what = f"{change.model}: {change.field} was recorded and cannot change"
            yield Finding(what, place, "put the old value back")


@check("SD202", "version numbers are unique and ascend")
def versions_ascend(facts: Facts) -> Iterator[Finding]:
    """The newest version stands last, so that two appended versions conflict instead of merging into one list."""
    for path, model in facts.after.models.items():
        numbers = [version.version for version in model.versions]
        for index, (before, here) in enumerate(pairwise(numbers), start=1):
            if here <= before:
                again = "is there twice" if here in numbers[:index] else f"stands after version {before}"
                place = Place(path, ("versions", index, "version"))
                yield Finding(f"{model.name}: version {here} {again}", place, "order the versions by number")


@check("SD203", "version numbers are never reused")
def numbers_go_up(facts: Facts) -> Iterator[Finding]:
    """`fraud/3` means one thing for ever: a deleted version's number is not given again. `last_version` remembers."""
    origins = {change.path: change.was for change in facts.changes if isinstance(change, ModelMoved)}
    for path, model in facts.after.models.items():
        highest = max((version.version for version in model.versions), default=0)
        old = facts.before.models.get(origins.get(path, path))
        floor = old.last_version if old and old.id == model.id else 0
        if model.last_version < max(highest, floor):
            place = Place(path, ("last_version",))
            what = f"{model.name}: last_version is {model.last_version}, and {max(highest, floor)} was given already"
            yield Finding(what, place, f"write last_version: {max(highest, floor)}")
    for change in facts.changes:
        if isinstance(change, VersionCreated):
            yield from _number_is_new(facts, change, origins.get(change.path, change.path))


def _number_is_new(facts: Facts, change: VersionCreated, origin: str) -> Iterator[Finding]:
    old = facts.before.models.get(origin)
    if old and old.id == facts.after.models[change.path].id and change.version <= old.last_version:
        place = version_place(facts.after, change.path, change.version, "version")
        what = f"{change.model}: the number {change.version} was given already; the last was {old.last_version}"
        yield Finding(what, place, f"number it {old.last_version + 1}")


def _serves(version: Version) -> bool:
    return version.stage not in (NO_STAGE, ARCHIVED)


@check("SD204", "what is in use is neither deleted nor renamed")
def in_use_stays(facts: Facts) -> Iterator[Finding]:
    """People and servers load a model by its name and stage; taking it away breaks them at once. Databricks refuses it
    too."""
    for change in facts.changes:
        match change:
            case VersionDeleted(content=version) if _serves(version):
                place = Place(change.path, ("versions",))
                yield _in_use(f"{change.model}/{change.version} is deleted while it is in {version.stage}", place)
            case ModelDeleted(content=model):
                for version in filter(_serves, model.versions):
                    what = f"{change.model} is deleted while version {version.version} is in {version.stage}"
                    yield _in_use(what, Place(change.path))
            case ModelRenamed():
                for version in filter(_serves, facts.after.models[change.path].versions):
                    what = f"{change.was} is renamed while version {version.version} is in {version.stage}"
                    yield _in_use(what, Place(change.path, ("name",)))
            case _:
                pass


def _in_use(what: str, place: Place) -> Finding:
    return Finding(what, place, "move it to Archived first, in a request of its own")


@check("SD205", "an id belongs to one model")
def ids_are_unique(facts: Facts) -> Iterator[Finding]:
    """The id is what survives a rename. A file copied with its id would make two models one history."""
    seen: dict[str, str] = {}
    for path, model in facts.after.models.items():
        first = seen.setdefault(model.id, path)
        if first != path:
            what = f"{model.name} has the id of {facts.after.models[first].name}"
            cure = "let stagedoor register make the model, or write another 32 hex digits"
            yield Finding(what, Place(path, ("id",)), cure)


@check("SD206", "a new model starts at nothing")
def new_models_start_empty(facts: Facts) -> Iterator[Finding]:
    """A model that comes in with versions in use would pass by the stages' owners and gates. An import says so by a
    request that its owners read."""
    for change in facts.changes:
        if isinstance(change, ModelCreated):
            for version in filter(_serves, change.content.versions):
                what = f"{change.model}/{version.version} is new and in {version.stage} already"
                place = version_place(facts.after, change.path, version.version, "stage")
                yield Finding(what, place, "register it in None, then request the stage", severity="warning")


@check("SD207", "evidence is what was pinned")
def evidence_is_there(facts: Facts) -> Iterator[Finding]:
    """A file of evidence is kept under its digest. One that is missing or says something else proves nothing, and two
    of one name could be told apart by nobody."""
    for path, model in facts.after.models.items():
        for version in model.versions:
            names = [one.name for one in version.evidence]
            place = version_place(facts.after, path, version.version, "evidence")
            if names != sorted(set(names)):
                ref = f"{model.name}/{version.version}"
                yield Finding(f"the evidence of {ref} is not in the order of its names, each once", place, "sort it")
            for one in version.evidence:
                yield from _pinned(facts, place, f"{model.name}/{version.version}", one)


def _pinned(facts: Facts, place: Place, ref: str, one: Evidence) -> Iterator[Finding]:
    if one.uri or one.digest not in facts.files_of_evidence:
        return
    found = facts.files_of_evidence[one.digest]
    if found is None:
        fix = f"stagedoor attach {ref} FILE --name {one.name}"
        yield Finding(f"{ref}: the file of the evidence {one.name} is missing", place, fix)
    elif found != one.digest:
        said = f"{ref}: the file of the evidence {one.name} is not what was pinned: it has {found[:23]}…"
        yield Finding(said, place, "put the file back as it was")
