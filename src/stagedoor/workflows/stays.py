"""Who was in a stage, and when: every stay of a version, and the versions that a stage held at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from stagedoor.core.diff import ModelMoved
from stagedoor.core.layout import MODELS, SPEC_FOLDER, file_name, name_fault
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.registry import Registry
from stagedoor.core.spec import RegisteredModel, Version
from stagedoor.errors import BadSpec, NotFound
from stagedoor.workflows.history import Landed, landed, landings_from
from stagedoor.workflows.moments import state_of_main
from stagedoor.workflows.reading import Lineage, history, lineages, name_matches, stage_news
from stagedoor.workflows.snapshots import Snapshot, root_of
from stagedoor.workflows.world import World

# above this many files git is asked for every commit below models/
_MANY = 200


@dataclass(frozen=True, slots=True)
class Stay:
    """A stretch of time that a version was in a stage; `until` is None where it is there still."""

    model: str
    version: int
    stage: str
    since: datetime
    since_commit: str
    by: str
    request: int | None
    until: datetime | None
    until_commit: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Stays:
    """Every stay that was asked for, as it can be told at `commit`."""

    commit: str
    stays: tuple[Stay, ...]


def when(world: World, text: str, stage: str = "", *, at: str | None = None) -> Stays:
    """When a version, or each version of a model, was in a stage, or in each: by version, then in the order of main.

    Deleted versions and models are part of the answer. Raises `NotFound` for a model, version or stage that never was.
    """
    moment = state_of_main(world, at)
    stays = tuple(stay for lineage in told(world, text, moment.commit) for stay in _stays(lineage))
    if not stage:
        return Stays(moment.commit, stays)
    wanted = _stage(world.snapshot(moment.commit).spec, stage, {stay.stage for stay in stays})
    return Stays(moment.commit, tuple(stay for stay in stays if stay.stage == wanted))


def _stays(lineage: Lineage) -> Iterator[Stay]:
    for span in lineage.spans:
        yield Stay(
            lineage.model, lineage.version, span.stage, span.since, span.since_commit, span.by, span.request,
            span.until, span.until_commit, bool(lineage.deleted_in) and span is lineage.spans[-1],
        )  # fmt: skip


def _stage(spec: RegistrySpec, name: str, used: Iterable[str]) -> str:
    """The stage as it is written: one of the registry, or one that it had and a version was in."""
    known = dict.fromkeys((*spec.stage_names, *sorted(used)))
    found = next((stage for stage in known if stage.casefold() == name.casefold()), None)
    if found is None:
        raise NotFound(f"there is no stage {name}", fix=f"choose one of: {', '.join(known)}")
    return found


# --- models that are gone -------------------------------------------------------------------------------------------


def told(world: World, text: str, commit: str) -> tuple[Lineage, ...]:
    """The lineages of a model's versions, or of one, by a commit; of a model that is gone, as they were to its end."""
    try:
        return history(world, text, commit=commit)
    except NotFound as error:
        for name, number in _meant(text):
            if (gone := _when_it_was_there(world, name, number, commit)) is not None:
                return gone
        raise error


def _meant(text: str) -> Iterator[tuple[str, int | None]]:
    name, slash, number = text.rpartition("/")
    if not slash:
        yield text, None
    elif number.isascii() and number.isdigit():
        yield name, int(number[:18])


def _when_it_was_there(world: World, name: str, number: int | None, commit: str) -> tuple[Lineage, ...] | None:
    """The lineage of a model that was deleted, up to the commit that did it; None if there never was one."""
    last = _last_commit_of(world, name, commit)
    before = world.repository.commit_info(last).parents[:1] if last else ()
    if last is None or not before or (path := _path_in(world.snapshot(before[0]).registry, name)) is None:
        return None
    _refuse_renamed(landed(world, last, ()), name, path)
    found = lineages(world, landings_from(world, path, last), name, commit)
    if number is not None and all(one.version != number for one in found):
        raise NotFound(f"{name} never had a version {number}", where=last[:10], fix=f"stagedoor when {name} lists them")
    return tuple(one for one in found if number in (None, one.version))


def _last_commit_of(world: World, name: str, commit: str) -> str | None:
    if name_fault(name) is not None or world.snapshot(commit).registry.find(name) is not None:
        return None
    past = world.past()
    found = past.last_touch(file_name(name), commit) if past is not None else None
    if found is None:
        return world.repository.last_touch(commit, root_of(world.repository) + SPEC_FOLDER, file_name(name))
    return next(iter(found), None)


def _path_in(registry: Registry, name: str) -> str | None:
    return registry.file_of(name) if name in registry.names else None


def _refuse_renamed(one: Landed, name: str, path: str) -> None:
    for change in one.changes:
        if isinstance(change, ModelMoved) and change.was == path:
            raise NotFound(
                f"there is no model {name}: it was renamed to {change.model}",
                where=one.commit.oid[:10],
                fix=f"ask for {change.model}, or say --at {one.commit.oid[:10]}~1",
            )


# --- what a stage held ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Holder:
    """A version that was in the stage, and what brought it there: when, by which commit, whom and which request."""

    model: str
    version: int
    since: datetime | None
    since_commit: str
    by: str
    request: int | None
    source: str
    digest: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a stage held when `commit` was main, which it became at `merged`."""

    stage: str
    commit: str
    merged: datetime | None
    versions: tuple[Holder, ...]
    unreadable: tuple[str, ...] = ()


@dataclass
class _Search:
    """The versions whose coming is looked for, by the path that their file had at the commit that is looked at."""

    sought: dict[str, dict[int, tuple[str, int]]] = field(default_factory=dict)
    found: dict[tuple[str, int], Landed] = field(default_factory=dict)

    def look(self, one: Landed, root: str) -> bool:
        """See what a commit brought, and follow files to where they were before it; true where one had moved."""
        for change in one.changes:
            numbers = self.sought.get(root + change.path, {})
            for number, _, stage in stage_news(change):
                if stage is not None and number in numbers:
                    self.found[numbers.pop(number)] = one
        moves = [change for change in one.changes if isinstance(change, ModelMoved)]
        moved = {root + move.was: self.sought.pop(root + move.path, {}) for move in moves}
        self.sought.update(moved)
        for path in {root + change.path for change in one.changes} | moved.keys():
            if not self.sought.get(path, True):
                del self.sought[path]
        return bool(moved)


def held(world: World, stage: str, *, at: str | None = None, model: str = "") -> Held:
    """The versions that a stage held at a moment, by model and version. `model` is a part of its name or a pattern.

    Main is read backwards only until the coming of each of them is found.
    """
    moment = state_of_main(world, at)
    snapshot = world.snapshot(moment.commit)
    models, unreadable = _models(snapshot, model)
    used = {version.stage for one, _ in models for version in one.versions}
    wanted = _stage(snapshot.spec, stage, used)
    there = [(one, path, version) for one, path in models for version in one.in_stage(wanted)]
    came = _comings(world, moment.commit, there)
    chain = world.chain()
    holders = []
    for one, _, version in there:
        landing = came.get((one.name, version.version))
        since = chain.time_of(landing.commit.oid) if landing else None
        holders.append(_holder(one.name, version, landing, since))
    return Held(wanted, moment.commit, moment.merged, tuple(holders), unreadable)


def _models(snapshot: Snapshot, wanted: str) -> tuple[list[tuple[RegisteredModel, str]], tuple[str, ...]]:
    registry = snapshot.registry
    paths = [registry.file_of(name) for name in registry.names if name_matches(name, wanted)]
    snapshot.load(paths)
    models, unreadable = [], []
    for path in paths:
        try:
            models.append((registry.models[path], path))
        except BadSpec as error:
            unreadable.append(f"{error.where}: {error.what}")
    return models, tuple(unreadable)


def _comings(
    world: World, commit: str, there: Iterable[tuple[RegisteredModel, str, Version]]
) -> dict[tuple[str, int], Landed]:
    root = root_of(world.repository)
    search = _Search()
    for model, path, version in there:
        key = (model.name, version.version)
        search.sought.setdefault(root + path, {})[version.version] = key
    until: str | None = commit
    while until is not None and search.sought:
        until = _look_back(world, search, until)
    return search.found


def _look_back(world: World, search: _Search, until: str) -> str | None:
    """Go back until all is found, or a file had another path before: then the commit from where to look for that."""
    root = root_of(world.repository)
    paths = tuple(search.sought) if len(search.sought) <= _MANY else (root + MODELS.rstrip("/"),)
    for oid in _newest_first(world, until, paths):
        one = landed(world, oid, search.sought.keys())
        if search.look(one, root):
            return one.commit.parents[0]
        if not search.sought:
            break
    return None


def _newest_first(world: World, until: str, paths: tuple[str, ...]) -> Iterable[str]:
    """The commits of some files from the newest one back: looked up, where their history is kept."""
    past = world.past() if all(path.endswith(".yaml") for path in paths) else None
    found = past.touching(paths, until) if past is not None else None
    return world.repository.newest_first(until, paths) if found is None else reversed(found)


def _holder(model: str, version: Version, landing: Landed | None, since: datetime | None) -> Holder:
    return Holder(
        model, version.version, since,
        landing.commit.oid if landing else "",
        landing.commit.author.email if landing else "",
        landing.happening.trailers.request if landing else None,
        version.source, version.digest,
    )  # fmt: skip
