"""The list of registered models, and the page of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from stagedoor.apps.ui.links import with_query
from stagedoor.apps.ui.looks import Look, Story
from stagedoor.core.approval import Held
from stagedoor.core.owners import Level, owners_of
from stagedoor.core.search import Attribute, Filter, TextCondition, models_filter, models_order
from stagedoor.core.spec import ARCHIVED, NO_STAGE, PRODUCTION, STAGING, RegisteredModel, Version
from stagedoor.core.views.charts import Chart, chart, metric_names
from stagedoor.core.views.plain import number
from stagedoor.core.views.timelines import Stayed, Timeline, timeline
from stagedoor.errors import BadInput, RegistryError
from stagedoor.index import CannotKeep, ModelEntry, moment
from stagedoor.workflows import following, indexing, owning, rights
from stagedoor.workflows.reading import ModelRow, ModelsQuery, models
from stagedoor.workflows.snapshots import root_of

PAGE: Final = 50
# what MLflow's grammar is told by; anything else is a part of a name
_ASKED: Final = re.compile(r"\btags?\.|\bname\b|\battributes?\.", re.IGNORECASE)
_HOW: Final = re.compile(r"=|\bI?LIKE\b|\bIN\b", re.IGNORECASE)
_SORTS: Final = {"name": "name", "updated": "last_updated_timestamp"}
_TRAIL: Final = "~"


@dataclass(frozen=True, slots=True)
class Row:
    """One model as a line of the list."""

    name: str
    url: str
    latest: int | None
    staging: int | None
    production: int | None
    versions: int
    owners: tuple[str, ...]
    updated_at: datetime
    tags: tuple[tuple[str, str], ...]
    requests: tuple[int, ...]


# --- the list -------------------------------------------------------------------------------------------------------


def home(look: Look, said: Mapping[str, str]) -> dict[str, Any]:
    """The list of registered models that match, a page of it."""
    query, sort = said.get("q", "").strip(), said.get("sort", "name")
    sort = sort if sort in _SORTS else "name"
    descending = said.get("dir", "desc" if sort == "updated" else "asc") == "desc"
    fault: RegistryError | None = None
    rows: list[Row] = []
    after = total = None
    unreadable: tuple[str, ...] = ()
    try:
        rows, after, total, unreadable = _found(look, query, sort, descending, said.get("page", ""))
    except BadInput as error:
        fault = error
    here = {"q": query, "sort": sort if sort != "name" else "", "dir": "desc" if descending else ""}
    return {
        "rows": rows,
        "query": query,
        "sort": sort,
        "descending": descending,
        "fault": fault,
        "total": total,
        "unreadable": unreadable,
        "sorts": {name: _sort_url(look, query, name, sort, descending) for name in _SORTS},
        **_pages(look, here, said, after),
        "suggestions": _suggestions(rows),
        "can_create": look.is_live and bool(look.viewer),
        "is_empty": not rows and not query and not said.get("page"),
    }


def _found(
    look: Look, query: str, sort: str, descending: bool, page: str
) -> tuple[list[Row], str | None, int | None, tuple[str, ...]]:
    if look.is_live:
        wanted = _wanted(query)
        order = models_order([f"{_SORTS[sort]} {'DESC' if descending else 'ASC'}"])
        with indexing.opened(look.world) as index:
            if index is not None:
                try:
                    found = index.search_models(wanted, order, limit=PAGE, token=page or None, may_read=_may_read(look))
                    total = None if query else look.memory.shown("count", index.commit, "", index.model_count)
                    waiting = _waiting(look)
                    rows = [_row_of_entry(look, entry, waiting) for entry in found.items]
                    return rows, found.token, total, ()
                except CannotKeep:
                    pass
    return _in_files(look, query, descending, page)


def _may_read(look: Look) -> Any:
    """None where everybody may read everything: then the index counts by itself."""
    return None if look.everything else look.may_read


def _wanted(query: str) -> Filter:
    # one search behind the other: in one expression, each name would look through all that follows
    asked = _ASKED.search(query)
    if asked and _HOW.search(query, asked.end()):
        return models_filter(query)
    words = query.split()
    return Filter(tuple(TextCondition(Attribute("name"), "ILIKE", f"%{word}%") for word in words[:20]))


def _in_files(
    look: Look, query: str, descending: bool, page: str
) -> tuple[list[Row], str | None, int | None, tuple[str, ...]]:
    """The list as it was at a moment, or where no index can be kept: by name."""
    number_ = int(page) if page.isdecimal() and len(page) < 9 else 1
    asked = ModelsQuery(name=query, descending=descending, limit=PAGE, page=max(1, number_))
    found = models(look.world, asked, commit=look.snapshot.commit)
    waiting = _waiting(look)
    rows = [row_of(look, row, row.created_at, waiting) for row in found.models if look.may_read(row.path)]
    after = str(found.page + 1) if found.page < found.pages else None
    return rows, after, found.total, found.unreadable


def _waiting(look: Look) -> Mapping[str, tuple[int, ...]]:
    """The numbers of the open requests, by the file they touch."""
    found: dict[str, tuple[int, ...]] = {}
    for request in look.open_requests:
        for path in look.memory.touched(look.world, request):
            found[path] = (*found.get(path, ()), request.number)
    return found


def _row_of_entry(look: Look, entry: ModelEntry, waiting: Mapping[str, tuple[int, ...]]) -> Row:
    row = ModelRow(
        entry.name, entry.latest_number, entry.version_count, dict(entry.stages), {}, dict(entry.tags), "",
        moment(entry.created_at), entry.created_by, entry.path,
    )  # fmt: skip
    return row_of(look, row, moment(entry.updated_at), waiting)


def row_of(look: Look, row: ModelRow, updated_at: datetime, waiting: Mapping[str, tuple[int, ...]]) -> Row:
    """A model as a line of the list, with who owns it and what is asked for."""
    owners = owners_of(look.main.owners, root_of(look.world.repository) + row.path, Level.EDIT)
    return Row(
        row.name, look.links.model(row.name), row.latest, row.staging, row.production, row.versions, owners,
        updated_at, tuple(sorted(row.tags.items())), waiting.get(row.path, ()),
    )  # fmt: skip


def _sort_url(look: Look, query: str, name: str, sort: str, descending: bool) -> str:
    flips = name == sort and not descending
    return with_query(look.links.home(), q=query, sort=name, dir="desc" if flips else "asc", at=look.at)


def _pages(look: Look, here: Mapping[str, str], said: Mapping[str, str], after: str | None) -> dict[str, str | None]:
    """Where the page before and the page after are. The way back is remembered in the address."""
    page, trail = said.get("page", ""), [one for one in said.get("trail", "").split(_TRAIL) if one][-20:]
    home_ = look.links.home()
    before = None
    if page:
        back = {**here, "page": trail[-1] if trail else "", "trail": _TRAIL.join(trail[:-1]), "at": look.at}
        before = with_query(home_, **back)
    onward = {**here, "page": after, "trail": _TRAIL.join((*trail, page)) if page else "", "at": look.at}
    return {"before": before, "after": with_query(home_, **onward) if after else None}


def _suggestions(rows: Sequence[Row], most: int = 40) -> list[str]:
    """What a reader may want to type next: names, and tags as a filter says them."""
    tags = {f"tags.{_key(key)} = '{value}'": None for row in rows for key, value in row.tags if _is_easy(key, value)}
    return [*list(tags)[:most], *(row.name for row in rows[:most])]


def _key(key: str) -> str:
    return key if re.fullmatch(r"\w+", key) else f"`{key}`"


def _is_easy(key: str, value: str) -> bool:
    return len(key) + len(value) < 60 and not set("`'\"") & set(key + value)


# --- one model ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version as a line of a model's table."""

    number: int
    url: str
    stage: str
    created_at: datetime
    created_by: str
    description: str
    aliases: tuple[str, ...]
    tags: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, float], ...]
    asked: tuple[tuple[int, str], ...]
    is_followed: bool


@dataclass(frozen=True, slots=True)
class Owned:
    """One right on the model: who has it, and by which lines of CODEOWNERS."""

    right: str
    people: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class May:
    """What the viewer may do with a model at once; `asks` says that they may ask for it."""

    edit: bool = False
    tag: bool = False
    alias: bool = False
    manage: bool = False
    rename: bool = False
    delete: bool = False
    attach: bool = False
    asks: bool = False


def may_of(look: Look, path: str) -> May:
    """What the viewer may do with a model."""
    if not look.is_live or not look.viewer:
        return May()
    spec = look.main.spec

    def has(level: Level) -> bool:
        return rights.has(look.main, look.viewer, path, level)

    edits = has(Level.EDIT)
    return May(
        edit=edits and "describe" in spec.direct,
        tag=edits and "tag" in spec.direct,
        alias="alias" in spec.direct and has(Level.PRODUCTION),
        manage=(manages := has(Level.MANAGE)),
        rename=manages and "rename" in spec.direct,
        delete=manages and "delete" in spec.direct,
        attach=edits and "attach" in spec.direct,
        asks=True,
    )


def model(look: Look, name: str, said: Mapping[str, str]) -> dict[str, Any]:
    """Everything about one model."""
    path = look.require_readable(name)
    found = look.snapshot.registry.models[path]
    story = look.story(name)
    shows_all = said.get("show", "all") != "active"
    asked = _asked(look, path)
    versions = sorted(found.versions, key=lambda version: -version.version)
    active = [version for version in versions if version.stage not in (NO_STAGE, ARCHIVED)]
    return {
        "model": found,
        "name": found.name,
        "path": path,
        "story": story,
        "updated_at": story.updated_at or found.created.at,
        "rows": [_version_row(look, found, version, asked) for version in (versions if shows_all else active)],
        "shows_all": shows_all,
        "has_asked": bool(asked),
        "has_tags": any(version.tags for version in versions),
        "counts": (len(versions), len(active)),
        "requests": look.asked_of(path),
        "owned": _owned(look, path),
        "may": may_of(look, path),
        "is_in_use": any(version.stage not in (NO_STAGE, ARCHIVED) for version in versions),
        "aliases": sorted(found.aliases.items()),
        "timeline": _timeline(look, story),
        **_chart(found, story, said.get("metric", "")),
        "events": story.events[:15],
        "subscription": _subscription(look, found),
        "stages": look.snapshot.spec.stage_names,
    }


def _asked(look: Look, path: str) -> Mapping[int, tuple[tuple[int, str], ...]]:
    """The moves that open requests ask for, by version."""
    found: dict[int, tuple[tuple[int, str], ...]] = {}
    for request in look.asked_of(path):
        for one in look.moves(request, path):
            found[one.version] = (*found.get(one.version, ()), (request.number, one.to_stage))
    return found


def _version_row(
    look: Look, found: RegisteredModel, version: Version, asked: Mapping[int, tuple[tuple[int, str], ...]]
) -> VersionRow:
    return VersionRow(
        version.version,
        look.links.version(found.name, version.version),
        version.stage,
        version.created.at,
        version.created.by,
        version.description,
        found.aliases_of(version.version),
        tuple(sorted(version.tags.items())),
        tuple(sorted(version.metrics.items())),
        asked.get(version.version, ()),
        False,
    )


def _owned(look: Look, path: str) -> tuple[Owned, ...]:
    held = owning.show(look.world, root_of(look.world.repository) + path) if path in look.main.files else ()
    return tuple(map(_right, held))


def _right(held: Held) -> Owned:
    right = held.suffix or "Edit"
    if held.everyone:
        return Owned(right, ("everyone",), "no line closes it")
    lines = ", ".join(map(str, held.lines))
    by = f"line {lines}" if lines else "no line"
    why = by if held.explicit or held.suffix is None else f"{by}, as the file"
    return Owned(right, held.people, f"{why}; {', '.join(held.above)} by a higher right" if held.above else why)


def ever_in(story: Story, stage: str) -> frozenset[int]:
    """The versions that were ever in a stage."""
    return frozenset(one.version for one in story.lineages if any(span.stage == stage for span in one.spans))


def _timeline(look: Look, story: Story) -> Timeline | None:
    spans = [(one.version, span) for one in story.lineages for span in one.spans]
    own = [stage for stage in look.snapshot.spec.stage_names if stage not in (NO_STAGE, ARCHIVED, PRODUCTION, STAGING)]
    stays = [Stayed(number_, span.stage, span.since, span.until) for number_, span in spans]
    now = (look.moment.merged if look.moment else None) or _latest(look, stays)
    return timeline(stays, (PRODUCTION, STAGING, *reversed(own)), now)


def _latest(look: Look, stays: Sequence[Stayed]) -> datetime:
    """Now; on a static site a little after the last move, so that the same file gives the same page."""
    times = [time for stay in stays for time in (stay.since, stay.until) if time]
    if not look.links.is_static or not times:
        return look.world.now()
    return max(times) + max((max(times) - min(times)) / 8, timedelta(days=1))


def _chart(found: RegisteredModel, story: Story, metric: str) -> dict[str, Any]:
    names = metric_names(found.versions)
    in_production = {name for version in found.in_stage(PRODUCTION) for name in version.metrics}
    chosen = metric if metric in names else next((name for name in names if name in in_production), "")
    chosen = chosen or (names[0] if names else "")
    drawn: Chart | None = chart(chosen, found.versions, ever_in(story, PRODUCTION)) if chosen else None
    return {"metrics": names, "metric": chosen, "chart": drawn}


def _subscription(look: Look, found: RegisteredModel) -> str:
    if not look.is_live or not look.viewer:
        return ""
    said = following.wishes(look.world.repository, found.id).get(look.viewer.lower())
    default = "all" if look.viewer.lower() == found.created.by.lower() else "following"
    return (said.choice if said else None) or default


# --- comparing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One field of the compared versions; `differs` where they do not all say the same."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the versions disagree."""
        return len(set(self.values)) > 1


MOST_COMPARED: Final = 8


def compare(look: Look, name: str, chosen: Sequence[str]) -> dict[str, Any]:
    """Two or more versions side by side, group by group."""
    path = look.require_readable(name)
    found = look.snapshot.registry.models[path]
    numbers = sorted({int(text[:9]) for text in chosen if text.isascii() and text.isdigit()})
    if not 2 <= len(numbers) <= MOST_COMPARED:
        raise BadInput(
            f"{len(numbers)} versions were chosen", where=name, fix=f"choose 2 to {MOST_COMPARED} of the versions"
        )
    versions = [look.snapshot.registry.version(name, number_) for number_ in numbers]
    groups = [
        ("Version", list(_facts(versions))),
        ("Metrics", list(_mapped(versions, "metrics"))),
        ("Parameters", list(_mapped(versions, "params"))),
        ("Tags", list(_mapped(versions, "tags"))),
        ("Signature", list(_columns(versions))),
    ]
    return {"model": found, "name": name, "versions": versions, "groups": [group for group in groups if group[1]]}


def _facts(versions: Sequence[Version]) -> Iterable[Line]:
    yield Line("stage", tuple(version.stage for version in versions))
    yield Line("registered", tuple(f"{v.created.at:%Y-%m-%d %H:%M} by {v.created.by}" for v in versions))
    yield Line("source", tuple(version.source for version in versions))
    yield Line("run", tuple(version.run.id if version.run else "" for version in versions))
    yield Line("code", tuple(version.code.commit if version.code else "" for version in versions))
    yield Line("data", tuple(", ".join(f"{d.name} {d.digest}".strip() for d in v.data) for v in versions))
    yield Line("digest", tuple(version.digest for version in versions))


def _mapped(versions: Sequence[Version], field: str) -> Iterable[Line]:
    maps: list[Mapping[str, object]] = [getattr(version, field) for version in versions]
    for key in sorted({key for one in maps for key in one}):
        yield Line(key, tuple(_text(one.get(key)) for one in maps))


def _text(value: object) -> str:
    return "" if value is None else number(value) if isinstance(value, float) else str(value)


def _columns(versions: Sequence[Version]) -> Iterable[Line]:
    for side in ("inputs", "outputs"):
        said = [
            {column.name or str(index): column.type for index, column in enumerate(getattr(v.signature, side, ()))}
            for v in versions
        ]
        for key in dict.fromkeys(key for one in said for key in one):
            yield Line(f"{side[:-1]} {key}", tuple(one.get(key, "") for one in said))
