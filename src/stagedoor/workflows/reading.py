"""Questions to the registry: models, one model, its lineage, the difference of two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TypeVar

from stagedoor.core.diff import Change, ModelCreated, ModelDeleted, StageMoved, VersionCreated, VersionDeleted
from stagedoor.core.layout import name_of
from stagedoor.core.plan import MetricDelta
from stagedoor.core.registry import Ref, Registry, resolve, resolve_version
from stagedoor.core.spec import PRODUCTION, STAGING, RegisteredModel, Version, dump
from stagedoor.core.timeline import Chain
from stagedoor.errors import BadInput, BadSpec
from stagedoor.index import CannotKeep, Index, ModelEntry, Wanted, moment
from stagedoor.workflows import indexing
from stagedoor.workflows.history import Landed, landings_of
from stagedoor.workflows.merges import changes_between
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of the list of models. `stages` holds the newest version of each stage in use."""

    name: str
    latest: int | None
    versions: int
    stages: dict[str, int]
    aliases: dict[str, int]
    tags: dict[str, str]
    description: str
    created_at: datetime
    created_by: str
    path: str

    @property
    def staging(self) -> int | None:
        """The newest version in Staging."""
        return self.stages.get(STAGING)

    @property
    def production(self) -> int | None:
        """The newest version in Production."""
        return self.stages.get(PRODUCTION)


@dataclass(frozen=True, slots=True)
class ModelsPage:
    """A page of models as they are at `commit`; `total` counts all that match, `unreadable` names what is left out."""

    models: tuple[ModelRow, ...]
    total: int
    page: int
    pages: int
    unreadable: tuple[str, ...] = ()
    commit: str = ""


@dataclass(frozen=True, slots=True)
class ModelsQuery:
    """What to list. Every condition has to hold."""

    name: str = ""
    tags: tuple[tuple[str, str | None], ...] = ()
    stage: str = ""
    sort: str = "name"
    descending: bool = False
    limit: int = 100
    page: int = 1


def _by_name(name: str) -> tuple[str, str]:
    return name.casefold(), name


_SORTS: dict[str, Callable[[ModelRow], tuple[object, ...]]] = {
    "name": lambda row: _by_name(row.name),
    "created": lambda row: (row.created_at, row.name),
    "versions": lambda row: (row.versions, row.name),
    "latest": lambda row: (row.latest or 0, row.name),
}
SORTS = tuple(_SORTS)


def models(world: World, query: ModelsQuery, *, commit: str | None = None) -> ModelsPage:
    """The models of main, or of a commit, that match; sorted, one page. A file that does not read is left out.

    For main the index answers. By name, and with no condition but on the name, only the files of the page are needed,
    so there an index that is not there yet is not built.
    """
    if query.limit < 1 or query.page < 1:
        raise BadInput("pages and their size count from 1", fix="--page 1 --limit 100")
    if commit is None:
        with indexing.opened(world, build=not _is_by_name(query)) as index:
            if index is not None:
                with suppress(CannotKeep):
                    return _models_in_index(index, query)
    return _models_in_files(world.snapshot(commit), query)


def _is_by_name(query: ModelsQuery) -> bool:
    return query.sort == "name" and not query.tags and not query.stage


def _models_in_index(index: Index, query: ModelsQuery) -> ModelsPage:
    start = (query.page - 1) * query.limit
    wanted = Wanted(query.name, query.tags, query.stage, query.sort, query.descending, query.limit, start)
    found = index.listing(wanted)
    rows = tuple(map(_row_of, found.models))
    pages = _pages(found.total, query)
    return ModelsPage(rows, found.total, query.page, pages, found.unreadable, index.commit)


def _row_of(entry: ModelEntry) -> ModelRow:
    return ModelRow(
        entry.title, entry.latest_number, entry.version_count, dict(entry.stages), dict(entry.aliases),
        dict(entry.tags), entry.description, moment(entry.created_at), entry.created_by, entry.path,
    )  # fmt: skip


def _models_in_files(snapshot: Snapshot, query: ModelsQuery) -> ModelsPage:
    registry = snapshot.registry
    paths = [path for name in registry.names if name_matches(name, query.name) for path in (registry.file_of(name),)]
    if _is_by_name(query):
        paths.sort(key=lambda path: _by_name(name_of(path)), reverse=query.descending)
        rows, unreadable = _rows(snapshot, _page_of(paths, query))
        pages = _pages(len(paths), query)
        return ModelsPage(tuple(rows), len(paths), query.page, pages, unreadable, snapshot.commit)
    rows, unreadable = _rows(snapshot, paths)
    matching = sorted((r for r in rows if _matches(r, query)), key=_SORTS[query.sort], reverse=query.descending)
    found = tuple(_page_of(matching, query))
    pages = _pages(len(matching), query)
    return ModelsPage(found, len(matching), query.page, pages, unreadable, snapshot.commit)


def _page_of(items: Sequence[T], query: ModelsQuery) -> Sequence[T]:
    start = (query.page - 1) * query.limit
    return items[start : start + query.limit]


def _pages(count: int, query: ModelsQuery) -> int:
    return max(1, -(-count // query.limit))


def _rows(snapshot: Snapshot, paths: Sequence[str]) -> tuple[list[ModelRow], tuple[str, ...]]:
    """The lines of these files, and what is wrong with those that do not read."""
    snapshot.load(paths)
    rows, unreadable = [], []
    for path in paths:
        try:
            rows.append(model_row(snapshot.registry.models[path], path))
        except BadSpec as error:
            unreadable.append(f"{error.where}: {error.what}")
    return rows, tuple(sorted(unreadable))


def model_row(model: RegisteredModel, path: str) -> ModelRow:
    """One model as a line of the list."""
    newest = {version.stage: version.version for version in sorted(model.versions, key=lambda v: v.version)}
    latest = max((version.version for version in model.versions), default=None)
    return ModelRow(
        model.name, latest, len(model.versions), newest, dict(model.aliases), dict(model.tags), model.description,
        model.created.at, model.created.by, path,
    )  # fmt: skip


def name_matches(name: str, wanted: str) -> bool:
    """Whether a name is meant by a part of it, or by a pattern with `*`, `?` and `[…]`, in any case."""
    folded, pattern = name.casefold(), wanted.casefold()
    return fnmatchcase(folded, pattern) if any(char in pattern for char in "*?[") else pattern in folded


def _matches(row: ModelRow, query: ModelsQuery) -> bool:
    if query.stage and query.stage.casefold() not in {stage.casefold() for stage in row.stages}:
        return False
    return all(row.tags.get(key) == value if value is not None else key in row.tags for key, value in query.tags)


@dataclass(frozen=True, slots=True)
class Shown:
    """A model, or one version of it, with the requests that are open for it."""

    model: RegisteredModel
    version: Version | None
    path: str
    commit: str
    open_requests: tuple[tuple[int, str, str], ...]


def show(world: World, text: str, *, commit: str | None = None) -> Shown:
    """One model or version as it is on main; or as it was at a commit, and then without what is open today."""
    snapshot = world.snapshot(commit)
    ref = resolve(snapshot.registry, text)
    model = snapshot.registry.model(ref.model)
    version = None if ref.version is None else snapshot.registry.version(ref.model, ref.version)
    path = snapshot.registry.path(ref.model)
    waiting = () if commit else _open_requests(world, ref, path)
    return Shown(model, version, path, snapshot.commit, waiting)


def _open_requests(world: World, ref: Ref, path: str) -> tuple[tuple[int, str, str], ...]:
    found = []
    for request in world.forge.requests("open"):
        changes = changes_between(world.snapshot(request.base), world.snapshot(request.head))
        mine = [change for change in changes if change.path == path]
        if any(ref.version is None or getattr(change, "version", None) in (None, ref.version) for change in mine):
            found.append((request.number, request.title, request.author))
    return tuple(found)


# --- lineage --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in a stage, from one commit of main to another; open-ended if it is there still."""

    stage: str
    since: datetime
    since_commit: str
    by: str
    request: int | None
    until: datetime | None = None
    until_commit: str = ""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where one version comes from, and where it has been, as it can be told at `commit`."""

    model: str
    version: int
    content: Version
    spans: tuple[Span, ...]
    deleted_in: str = ""
    commit: str = ""


def history(world: World, text: str, *, commit: str | None = None) -> tuple[Lineage, ...]:
    """The chronological lineage of a model's versions, or of one: oldest version first, deleted ones included.

    With `commit`, as it could be told then. Times are those that are believed, see `core.timeline`.
    """
    snapshot = world.snapshot(commit)
    model, number = model_and_number(snapshot.registry, text)
    told = list(lineages(world, landings_of(world, model.name, commit), model.name, snapshot.commit))
    there = {version.version: version for version in model.versions}
    found = tuple(one if one.deleted_in else replace(one, content=there.get(one.version, one.content)) for one in told)
    if number is not None and all(one.version != number for one in found):
        snapshot.registry.version(model.name, number)
    return tuple(one for one in found if number in (None, one.version))


def model_and_number(registry: Registry, text: str) -> tuple[RegisteredModel, int | None]:
    """As `resolve`, but the number may be one that is there no more."""
    name, slash, number = text.rpartition("/")
    if slash and number.isascii() and number.isdigit():
        return registry.model(name), int(number[:18])
    ref = resolve(registry, text)
    return registry.model(ref.model), ref.version


def lineages(world: World, landed: Iterable[Landed], model: str, commit: str) -> tuple[Lineage, ...]:
    """The lineage of each version that these commits of one model's file tell of, by number.

    A model that is deleted and made again gives the same numbers to other versions: each life is a lineage of its own.
    """
    chain = chain_with(world, commit)
    living: dict[int, Lineage] = {}
    ended: list[Lineage] = []
    for one in landed:
        at = chain.time_of(one.commit.oid)
        for number, version, stage in (news for change in one.changes for news in stage_news(change)):
            known = living.pop(number, None) or (
                Lineage(model, number, version, (), commit=commit) if version else None
            )
            if known is not None and stage is None:
                ended.append(replace(known, spans=_closed(known.spans, one, at), deleted_in=one.commit.oid))
            elif known is not None:
                living[number] = replace(known, spans=(*_closed(known.spans, one, at), _span(one, at, stage or "")))
    return tuple(sorted((*ended, *living.values()), key=lambda one: one.version))


def chain_with(world: World, commit: str) -> Chain:
    """Main's chain where a commit is on it, else its own."""
    main = world.chain()
    return main if commit in main else world.chain(commit)


def stage_news(change: Change) -> Iterable[tuple[int, Version | None, str | None]]:
    """Per version: its number, its content when it comes or goes, the stage it is in afterwards (None: deleted)."""
    if isinstance(change, VersionCreated):
        yield change.version, change.content, change.content.stage
    elif isinstance(change, StageMoved):
        yield change.version, None, change.now
    elif isinstance(change, VersionDeleted):
        yield change.version, change.content, None
    elif isinstance(change, ModelCreated):
        yield from ((v.version, v, v.stage) for v in change.content.versions)
    elif isinstance(change, ModelDeleted):
        yield from ((v.version, v, None) for v in change.content.versions)


def _span(one: Landed, at: datetime, stage: str) -> Span:
    return Span(stage, at, one.commit.oid, one.commit.author.email, one.happening.trailers.request)


def _closed(spans: tuple[Span, ...], one: Landed, at: datetime) -> tuple[Span, ...]:
    if not spans or spans[-1].until is not None:
        return spans
    return (*spans[:-1], replace(spans[-1], until=at, until_commit=one.commit.oid))


# --- differences ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """Two versions side by side: each field that differs, and each metric with its delta."""

    left: str
    right: str
    fields: tuple[tuple[str, str, str], ...]
    metrics: tuple[MetricDelta, ...]


@dataclass(frozen=True, slots=True)
class RegistryDiff:
    """What changed in the registry from one revision to another."""

    left: str
    right: str
    changes: tuple[Change, ...]


def difference(world: World, left: str, right: str) -> VersionDiff | RegistryDiff:
    """Two versions side by side, or, where both names are revisions of the repository, two states of the registry."""
    registry = world.snapshot().registry
    one, other = _is_version(registry, left), _is_version(registry, right)
    if one and other:
        return _version_diff(registry, left, right)
    if one or other:
        raise BadInput(f"{left} and {right} are not of one kind", fix="give two versions, or two revisions")
    old, new = (world.snapshot(world.repository.resolve(rev)) for rev in (left, right))
    return RegistryDiff(old.commit, new.commit, changes_between(old, new))


def _is_version(registry: Registry, text: str) -> bool:
    name = text.rpartition("/")[0] if "/" in text else text.rpartition("@")[0] or text.rpartition("#")[0]
    return any(registry.find(candidate) is not None for candidate in (name, text.rpartition("#")[0]) if candidate)


def _version_diff(registry: Registry, left: str, right: str) -> VersionDiff:
    refs = [resolve_version(registry, text) for text in (left, right)]
    old, new = (registry.version(ref.model, ref.version or 0) for ref in refs)
    was, now = _flat(old), _flat(new)
    fields = tuple(
        (key, was.get(key, ""), now.get(key, "")) for key in dict.fromkeys((*was, *now)) if was.get(key) != now.get(key)
    )
    names = sorted(old.metrics.keys() | new.metrics.keys())
    deltas = tuple(MetricDelta(name, old.metrics.get(name), new.metrics.get(name)) for name in names)
    return VersionDiff(str(refs[0]), str(refs[1]), fields, deltas)


def _flat(version: Version) -> dict[str, str]:
    """A version's fields as text, by their dotted names, without its metrics and number."""
    found: dict[str, str] = {}

    def walk(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), item)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                walk(f"{prefix}.{index + 1}", item)
        else:
            found[prefix] = str(value)

    walk("", {key: value for key, value in dump(version).items() if key not in ("version", "metrics")})
    return found
