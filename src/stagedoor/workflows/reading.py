"""Questions to the registry: models, one model, its lineage, the difference of two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TypeVar

from stagedoor.core.diff import Change, ModelCreated, StageMoved, VersionCreated, VersionDeleted
from stagedoor.core.layout import name_of
from stagedoor.core.plan import MetricDelta
from stagedoor.core.registry import Ref, Registry, resolve, resolve_version
from stagedoor.core.spec import PRODUCTION, STAGING, RegisteredModel, Version, dump
from stagedoor.errors import BadInput, BadSpec
from stagedoor.workflows.history import Landed, landings_of
from stagedoor.workflows.merges import changes_between
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
    """A page of models; `total` counts all that match, `unreadable` says which files could not be read."""

    models: tuple[ModelRow, ...]
    total: int
    page: int
    pages: int
    unreadable: tuple[str, ...] = ()


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


def models(world: World, query: ModelsQuery) -> ModelsPage:
    """The models that match, sorted, one page of them. A file that does not read is named and left out.

    By name, and with no condition but on the name, only the files of the page are read.
    """
    if query.limit < 1 or query.page < 1:
        raise BadInput("pages and their size count from 1", fix="--page 1 --limit 100")
    registry = world.snapshot().registry
    paths = [path for name in registry.names if _name_matches(name, query.name) for path in (registry.file_of(name),)]
    if query.sort == "name" and not query.tags and not query.stage:
        paths.sort(key=lambda path: _by_name(name_of(path)), reverse=query.descending)
        rows, unreadable = _rows(world, _page_of(paths, query))
        return ModelsPage(tuple(rows), len(paths), query.page, _pages(len(paths), query), unreadable)
    rows, unreadable = _rows(world, paths)
    matching = sorted((r for r in rows if _matches(r, query)), key=_SORTS[query.sort], reverse=query.descending)
    found = tuple(_page_of(matching, query))
    return ModelsPage(found, len(matching), query.page, _pages(len(matching), query), unreadable)


def _page_of(items: Sequence[T], query: ModelsQuery) -> Sequence[T]:
    start = (query.page - 1) * query.limit
    return items[start : start + query.limit]


def _pages(count: int, query: ModelsQuery) -> int:
    return max(1, -(-count // query.limit))


def _rows(world: World, paths: Sequence[str]) -> tuple[list[ModelRow], tuple[str, ...]]:
    """The lines of these files, and what is wrong with those that do not read."""
    snapshot = world.snapshot()
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


def _name_matches(name: str, wanted: str) -> bool:
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


def show(world: World, text: str) -> Shown:
    """One model or version as it is on main."""
    snapshot = world.snapshot()
    ref = resolve(snapshot.registry, text)
    model = snapshot.registry.model(ref.model)
    version = None if ref.version is None else snapshot.registry.version(ref.model, ref.version)
    path = snapshot.registry.path(ref.model)
    return Shown(model, version, path, snapshot.commit, _open_requests(world, ref, path))


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
    """Where one version comes from, and where it has been."""

    model: str
    version: int
    content: Version
    spans: tuple[Span, ...]
    deleted_in: str = ""


def history(world: World, text: str) -> tuple[Lineage, ...]:
    """The chronological lineage of a model's versions, or of one: oldest version first, deleted ones included."""
    ref = resolve(world.snapshot().registry, text)
    spans: dict[int, list[Span]] = {}
    content: dict[int, Version] = {}
    deleted: dict[int, str] = {}
    for one in landings_of(world, ref.model):
        for number, version, stage in _stage_news(one):
            if version is not None:
                content[number] = version
            _close(spans.setdefault(number, []), one)
            if stage is None:
                deleted[number] = one.commit.oid
            else:
                spans[number].append(_span(one, stage))
    for version in world.snapshot().registry.model(ref.model).versions:
        content[version.version] = version
    wanted = [number for number in sorted(content) if ref.version in (None, number)]
    return tuple(Lineage(ref.model, n, content[n], tuple(spans.get(n, ())), deleted.get(n, "")) for n in wanted)


def _stage_news(one: Landed) -> Iterable[tuple[int, Version | None, str | None]]:
    """Per version of the commit: its number, its content when new, the stage it is in afterwards (None: deleted)."""
    for change in one.changes:
        if isinstance(change, VersionCreated):
            yield change.version, change.content, change.content.stage
        elif isinstance(change, StageMoved):
            yield change.version, None, change.now
        elif isinstance(change, VersionDeleted):
            yield change.version, change.content, None
        elif isinstance(change, ModelCreated):
            yield from ((v.version, v, v.stage) for v in change.content.versions)


def _span(one: Landed, stage: str) -> Span:
    return Span(stage, one.commit.author.time, one.commit.oid, one.commit.author.email, one.happening.trailers.request)


def _close(spans: list[Span], one: Landed) -> None:
    if spans and spans[-1].until is None:
        last = spans[-1]
        spans[-1] = Span(
            last.stage, last.since, last.since_commit, last.by, last.request, one.commit.author.time, one.commit.oid
        )


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
