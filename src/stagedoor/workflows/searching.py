"""Questions about models and versions as clients ask them: one by name, or a page of those that match.

The read index answers, brought up to main before each question, so that whoever wrote reads what they wrote. Where
there can be none the files answer, with the time of making in the place of the time of the last change.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from stagedoor.core.search import (
    Filter,
    Row,
    holds,
    is_prompt,
    models_filter,
    models_order,
    ordered,
    versions_filter,
    versions_order,
)
from stagedoor.core.spec import RegisteredModel, Version
from stagedoor.errors import BadInput, BadSpec, NotFound, RegistryError
from stagedoor.index import MOST_MODELS, MOST_VERSIONS, CannotKeep, Index, ModelEntry, VersionEntry, milliseconds
from stagedoor.index import Page as Found
from stagedoor.workflows import indexing
from stagedoor.workflows.rights import reader
from stagedoor.workflows.world import World

T = TypeVar("T")
Entry = TypeVar("Entry", ModelEntry, VersionEntry)
SeenModel = ModelEntry
SeenVersion = VersionEntry


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: a filter and an order in MLflow's words, and which page."""

    filter: str = ""
    order_by: tuple[str, ...] = ()
    limit: int = 100
    page_token: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page. `next_token` is empty on the last."""

    items: tuple[T, ...]
    next_token: str = ""


class Questions:
    """Answers about models and versions, each for main as it is when the question comes."""

    def model(self, world: World, name: str) -> SeenModel:
        """One model. `NotFound`, or `BadSpec` where its file does not read."""
        return _answered(world, lambda index: index.model(name), lambda: _model(world, name))

    def version(self, world: World, name: str, number: int) -> SeenVersion:
        """One version. `NotFound` says which there are."""
        return _answered(world, lambda index: index.version(name, number), lambda: _version(world, name, number))

    def written_model(self, world: World, name: str, commit: str) -> SeenModel:
        """A model that a commit of the caller's wrote: as it is, or as it was then if somebody took it away since."""
        try:
            return self.model(world, name)
        except NotFound:
            if not commit:
                raise
            return _model(world, name, commit)

    def written_version(self, world: World, name: str, number: int, commit: str) -> SeenVersion:
        """A version that a commit of the caller's wrote: as `written_model`."""
        try:
            return self.version(world, name, number)
        except NotFound:
            if not commit:
                raise
            return _version(world, name, number, commit)

    def models(self, world: World, query: Query) -> Page[SeenModel]:
        """The models that the actor may read and that match."""
        wanted, order = models_filter(query.filter), models_order(query.order_by)
        may_read = reader(world.snapshot(), world.actor.email)

        def search(index: Index, limit: int, token: str | None) -> Found[ModelEntry]:
            return index.search_models(wanted, order, limit=min(limit, MOST_MODELS), token=token, may_read=may_read)

        def files() -> Page[SeenModel]:
            place = _Place.of(world, query)
            found = [one for one in _read(world, place.commit) if holds(wanted, _model_row(one))]
            return place.page(ordered(found, order, _model_key), query.limit)

        return _answered(world, lambda index: _gathered(query, lambda *at: search(index, *at)), files)

    def versions(self, world: World, query: Query) -> Page[SeenVersion]:
        """The versions of readable models that match."""
        wanted, order = versions_filter(query.filter), versions_order(query.order_by)
        may_read = reader(world.snapshot(), world.actor.email)

        def search(index: Index, limit: int, token: str | None) -> Found[VersionEntry]:
            return index.search_versions(wanted, order, limit=min(limit, MOST_VERSIONS), token=token, may_read=may_read)

        def files() -> Page[SeenVersion]:
            place = _Place.of(world, query)
            return place.page(ordered(_matching(world, place.commit, wanted), order, _version_key), query.limit)

        return _answered(world, lambda index: _gathered(query, lambda *at: search(index, *at)), files)


def _answered(world: World, ask: Callable[[Index], T], files: Callable[[], T]) -> T:
    """What the index says; where it cannot be kept, also when that turns out on the way, what the files say."""
    with suppress(CannotKeep), indexing.opened(world) as index:
        if index is not None:
            return ask(index)
    return files()


def _gathered(query: Query, search: Callable[[int, str | None], Found[T]]) -> Page[T]:
    """As many pages of the index as the caller's one takes: the index has a longest one."""
    items: list[T] = []
    token: str | None = query.page_token or None
    while True:
        found = search(query.limit - len(items), token)
        items += found.items
        token = found.token
        if token is None or len(items) >= query.limit:
            return Page(tuple(items), token or "")


# --- from the files -------------------------------------------------------------------------------------------------


def _read(world: World, commit: str) -> Iterator[ModelEntry]:
    """The readable models at a commit. Who may read is asked of the newest main, also for the page of an old one."""
    snapshot, may_read = world.snapshot(commit), reader(world.snapshot(), world.actor.email)
    paths = [path for name in snapshot.registry.names if may_read(path := snapshot.registry.file_of(name))]
    snapshot.load(paths)
    for path in paths:
        with suppress(BadSpec):
            yield _entry(snapshot.registry.models[path], path, snapshot.blob_of(path))


def _model(world: World, name: str, commit: str | None = None) -> ModelEntry:
    snapshot = world.snapshot(commit)
    path = snapshot.registry.path(name)
    return _entry(snapshot.registry.model(name), path, snapshot.blob_of(path))


def _version(world: World, name: str, number: int, commit: str | None = None) -> VersionEntry:
    registry = world.snapshot(commit).registry
    return _version_entry(registry.model(name), registry.version(name, number))


def _matching(world: World, commit: str, wanted: Filter) -> Iterator[VersionEntry]:
    registry = world.snapshot(commit).registry
    for seen in _read(world, commit):
        model = registry.model(seen.name)
        hidden = is_prompt(model.tags)
        entries = (_version_entry(model, version) for version in model.versions)
        yield from (one for one in entries if holds(wanted, _version_row(one, hidden=hidden)))


def _entry(model: RegisteredModel, path: str, blob: str) -> ModelEntry:
    newest = {version.stage: version for version in sorted(model.versions, key=lambda version: version.version)}
    latest = sorted(newest.values(), key=lambda version: version.version)
    made = [milliseconds(version.created.at) for version in model.versions]
    numbers = [version.version for version in model.versions]
    at = milliseconds(model.created.at)
    return ModelEntry(
        model.name, model.name, model.id, path, blob, at, model.created.by, max(at, *made, 0), model.last_version,
        max(numbers, default=None), len(numbers), model.description, model.tags, model.aliases,
        tuple(_version_entry(model, version) for version in latest),
    )  # fmt: skip


def _version_entry(model: RegisteredModel, one: Version) -> VersionEntry:
    at, run = milliseconds(one.created.at), one.run
    return VersionEntry(
        model.name, one.version, one.stage, one.source, run.id if run else "", at, one.created.by, at, one.description,
        run.link if run else "", one.digest, one.tags, one.model_dump_json(exclude_defaults=True),
        tuple(model.aliases_of(one.version)),
    )  # fmt: skip


def _model_row(one: ModelEntry) -> Row:
    return Row({"name": one.name}, one.tags, is_prompt(one.tags))


def _version_row(one: VersionEntry, *, hidden: bool) -> Row:
    said: dict[str, str | int] = {"name": one.name, "run_id": one.run_id, "source_path": one.source}
    said |= {"version_number": one.number, "current_stage": one.stage}
    return Row(said, one.tags, hidden or is_prompt(one.tags))


def _model_key(one: ModelEntry, key: str) -> str | int:
    said: dict[str, str | int] = {"name": one.name, "created": one.created_at, "last_updated": one.updated_at}
    return said[key]


def _version_key(one: VersionEntry, key: str) -> str | int:
    said: dict[str, str | int] = {"name": one.name, "version": one.number, "stage": one.stage}
    return (said | {"created": one.created_at, "last_updated": one.updated_at})[key]


@dataclass(frozen=True, slots=True)
class _Place:
    """The commit that the first page was read at, and how many items came before."""

    commit: str
    offset: int = 0

    @classmethod
    def of(cls, world: World, query: Query) -> _Place:
        """The place that a page token says; `BadInput` for one that is none of ours."""
        if not query.page_token:
            return cls(world.main())
        try:
            commit, offset = json.loads(base64.urlsafe_b64decode(query.page_token.encode()))
            if type(offset) is not int or offset < 0 or not _OID.fullmatch(commit):
                raise ValueError(query.page_token)
            if commit != world.main() and not world.repository.is_ancestor(commit, world.main()):
                raise ValueError(query.page_token)
        except (ValueError, TypeError, binascii.Error, RegistryError):
            fix = "start again without a page token"
            raise BadInput("the page token is not one that this registry gave", where="page_token", fix=fix) from None
        return cls(commit, offset)

    def page(self, found: list[Entry], limit: int) -> Page[Entry]:
        """One page of all that was found."""
        end = self.offset + limit
        token = base64.urlsafe_b64encode(json.dumps([self.commit, end]).encode()).decode() if end < len(found) else ""
        return Page(tuple(found[self.offset : end]), token)


_OID: Final = re.compile("[0-9a-f]{40}([0-9a-f]{24})?")
