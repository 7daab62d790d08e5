"""The pages as a static site: plain files without the actions, made anew only where something is different."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from stagedoor.apps.ui import models, requests, stories, versions
from stagedoor.apps.ui.links import SiteLinks, model_file, slug, version_file
from stagedoor.apps.ui.looks import Look, Memory, Story, story_of
from stagedoor.apps.ui.rendering import ASSETS, asset, look_and_feel, render
from stagedoor.core.diff import ModelMoved
from stagedoor.core.layout import MODELS
from stagedoor.core.spec import RegisteredModel
from stagedoor.errors import BadInput, BadSpec
from stagedoor.workflows.comments import REF as COMMENTS
from stagedoor.workflows.history import Landed, landings
from stagedoor.workflows.reading import model_row
from stagedoor.workflows.snapshots import root_of
from stagedoor.workflows.world import World

MANIFEST: Final = ".stagedoor-site.json"
ROWS: Final = 200
EVENTS: Final = 200
# fewer models than this are asked for one by one, more in one walk along main
_FEW: Final = 20


@dataclass(frozen=True, slots=True)
class Built:
    """What was done: pages written, left as they were, and taken away."""

    written: int
    kept: int
    removed: int
    models: int


@dataclass
class _Site:
    """A site that is being made. `before` is what the manifest says, `now` what it will say."""

    world: World
    folder: Path
    everything: bool
    before: dict[str, str]
    now: dict[str, str] = field(default_factory=dict)
    written: int = 0
    memory: Memory = field(default_factory=Memory)
    known: frozenset[int] = frozenset()

    def look(self, depth: int) -> Look:
        """The registry as a page sees it that is so many folders down."""
        return Look(self.world, SiteLinks(depth, self.known), self.memory, everything=self.everything)

    def is_fresh(self, path: str, key: str) -> bool:
        """Whether a page is there already; from here on it is part of the site."""
        self.now[path] = key
        return self.before.get(path) == key and (self.folder / path).is_file()

    def are_fresh(self, paths: Iterable[str], key: str) -> bool:
        """As `is_fresh`, for pages that are made together."""
        fresh = [self.is_fresh(path, key) for path in paths]
        return all(fresh)

    def write(self, path: str, content: bytes) -> None:
        """Write a file, where it differs."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_bytes() != content:
            file.write_bytes(content)
        self.written += 1

    def page(self, path: str, template: str, look: Look, said: Mapping[str, Any], part: str) -> None:
        """Write one page."""
        shared = {
            "look": look, "links": look.links, "registry": look.main.spec.name, "here": f"/{part}", "notice": "",
            "fault": None,
        }  # fmt: skip
        self.write(path, render(template, {**shared, **said}))


def build(world: World, folder: Path, *, everything: bool = False) -> Built:
    """Make the site of main in a folder, or bring it up to date. Models that are not open to all are left out.

    The folder has to be new, empty or a site: nothing else is ever overwritten or removed. Raises `BadInput`.
    """
    site = _Site(world, folder, everything, _manifest(folder))
    look = site.look(0)
    site.known = frozenset(request.number for request in look.requests)
    shown = list(_readable(look))
    for name in ASSETS:
        _asset(site, name)
    _models(site, shown)
    _requests(site)
    _lists(site, shown)
    removed = _remove_stale(site)
    kept = len(site.now) - site.written
    text = json.dumps({"look": look_and_feel(), "commit": world.main(), "pages": site.now}, indent=0, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n")
    return Built(site.written, kept, removed, len(shown))


def _manifest(folder: Path) -> dict[str, str]:
    file = folder / MANIFEST
    try:
        if not file.exists():
            if folder.exists() and any(folder.iterdir()):
                raise BadInput(f"{folder} has files that are no site", where=str(folder), fix="name a new folder")
            folder.mkdir(parents=True, exist_ok=True)
            return {}
        said = json.loads(file.read_text())
        pages = said["pages"] if said["look"] == look_and_feel() else dict.fromkeys(said["pages"], "")
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise BadInput(f"the site cannot be read: {error}", where=str(file), fix="name a new folder") from None
    return {path: key for path, key in pages.items() if _is_inside(path)}


def _is_inside(path: object) -> bool:
    return isinstance(path, str) and not path.startswith("/") and ".." not in path.split("/")


def _readable(look: Look) -> Iterator[tuple[str, RegisteredModel]]:
    """The models that the site shows, by name, each with its file."""
    registry = look.main.registry
    paths = [path for name in registry.names if look.may_read(path := registry.file_of(name))]
    look.main.load(paths)
    for path in paths:
        try:
            yield path, registry.models[path]
        except BadSpec:
            continue


def _asset(site: _Site, name: str) -> None:
    content = asset(name)
    if not site.is_fresh(f"static/{name}", _digest(content)):
        site.write(f"static/{name}", content)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:24]


# --- models ---------------------------------------------------------------------------------------------------------


def _models(site: _Site, shown: list[tuple[str, RegisteredModel]]) -> None:
    look = site.look(2)
    keys = dict(_keys(site, look, [path for path, _ in shown]))
    stale = [(path, model) for path, model in shown if not _is_fresh(site, model, keys[path])]
    stories_ = _stories(site, stale) if len(stale) > _FEW else {}
    for done, (path, model) in enumerate(stale):
        site.world.progress("models", done, len(stale))
        if path in stories_:
            site.memory.remember(model.name, look.snapshot.commit, stories_[path])
        _model(site, look, model)
    if stale:
        site.world.progress("models", len(stale), len(stale))


def _keys(site: _Site, look: Look, paths: list[str]) -> Iterator[tuple[str, str]]:
    """A key for each model: everything that its pages are made of."""
    world, root = site.world, root_of(site.world.repository)
    last: dict[str, str] = {}
    for touched in world.repository.touches(None, world.main(), root + MODELS.rstrip("/")):
        for change in touched.changes:
            last.setdefault(change.path, touched.commit)
    asked: dict[str, list[object]] = {}
    for request in look.requests:
        for path in look.memory.touched(world, request):
            asked.setdefault(path, []).append((request.number, request.updated_at, request.head))
    tip = world.repository.tip(COMMENTS)
    said = _folders(world.repository.files(tip)) if tip else {}
    shared = (look.main.policy_blobs, site.everything)
    for path in paths:
        id_ = look.main.registry.models[path].id
        yield path, _digest(shared, look.main.files[path].oid, last.get(root + path), asked.get(path), said.get(id_))


def _folders(files: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, entry in sorted(files.items()):
        found.setdefault(path.partition("/")[0], []).append(entry.oid)
    return found


def _is_fresh(site: _Site, model: RegisteredModel, key: str) -> bool:
    files = (model_file(model.name), *(version_file(model.name, version.version) for version in model.versions))
    return site.are_fresh(files, key)


def _stories(site: _Site, stale: Iterable[tuple[str, RegisteredModel]]) -> dict[str, Story]:
    """The stories of many models, in one walk along main."""
    wanted = {path: model.name for path, model in stale}
    found: dict[str, list[Landed]] = {}
    chain = site.world.chain()
    total = len(chain.commits)
    for done, one in enumerate(landings(site.world)):
        if done % 200 == 0:
            site.world.progress("history", done, total)
        for change in one.changes:
            if isinstance(change, ModelMoved) and change.was in found:
                found[change.path] = [*found.pop(change.was), *found.get(change.path, [])]
        for path in dict.fromkeys(change.path for change in one.changes):
            mine = tuple(change for change in one.changes if change.path == path)
            found.setdefault(path, []).append(Landed(one.commit, mine, ()))
    commit = site.world.main()
    return {path: story_of(site.world, name, tuple(found.get(path, ())), commit) for path, name in wanted.items()}


def _model(site: _Site, look: Look, model: RegisteredModel) -> None:
    part = f"models/{slug(model.name)}"
    site.page(model_file(model.name), "model.html", look, models.model(look, model.name, {}), part)
    for version in model.versions:
        shown = versions.version(look, model.name, version.version, {})
        site.page(version_file(model.name, version.version), "version.html", look, shown, part)


# --- requests -------------------------------------------------------------------------------------------------------


def _requests(site: _Site) -> None:
    look = site.look(1)
    main = site.world.main()
    for done, request in enumerate(look.requests):
        path = f"requests/{request.number}.html"
        # how an open request stands depends on main, and what became of another one never changes
        if not site.is_fresh(path, _digest(request, main if request.is_open else "")):
            site.world.progress("requests", done, len(look.requests))
            site.page(path, "request.html", look, requests.request(look, request.number), "requests")


# --- lists ----------------------------------------------------------------------------------------------------------


def _lists(site: _Site, shown: list[tuple[str, RegisteredModel]]) -> None:
    look = site.look(0)
    key = _digest(site.world.main(), [(one.number, one.updated_at) for one in look.requests], site.everything)
    _index(site, look, shown, key)
    pages: dict[str, tuple[str, Callable[[], Mapping[str, Any]], str]] = {
        "requests.html": ("requests.html", lambda: requests.inbox(look, {"state": "all"}), "requests"),
        "activity.html": ("activity.html", lambda: _activity(look), "activity"),
        "activity.atom": ("activity.atom", lambda: {**_activity(look), "origin": ""}, "activity"),
        "policy.html": ("policy.html", lambda: stories.policy(look), "policy"),
    }
    for path, (template, show, part) in pages.items():
        if not site.is_fresh(path, key):
            site.page(path, template, look, show(), part)


def _activity(look: Look) -> dict[str, Any]:
    events, _ = stories.events_of(look, most=EVENTS)
    return {**stories.activity(look, {}), "events": events, "updated": events[0].at if events else None}


def _index(site: _Site, look: Look, shown: list[tuple[str, RegisteredModel]], key: str) -> None:
    count = max(1, -(-len(shown) // ROWS))
    names = ["index.html", *(f"index-{number}.html" for number in range(2, count + 1))]
    if site.are_fresh((*names, "static/search.js"), key):
        return
    waiting: dict[str, tuple[int, ...]] = {}
    for request in look.open_requests:
        for path in look.memory.touched(look.world, request):
            waiting[path] = (*waiting.get(path, ()), request.number)
    last = _last_touched(site)
    rows = [
        models.row_of(look, model_row(model, path), last.get(path, model.created.at), waiting) for path, model in shown
    ]
    for number, name in enumerate(names):
        said = {
            "rows": rows[number * ROWS : (number + 1) * ROWS], "total": len(rows), "query": "", "sort": "name",
            "descending": False, "unreadable": (), "sorts": {}, "suggestions": (), "can_create": False,
            "is_empty": not rows, "before": names[number - 1] if number else None,
            "after": names[number + 1] if number + 1 < count else None,
        }  # fmt: skip
        site.page(name, "models.html", look, said, "")
    site.write("static/search.js", _search(rows))


def _last_touched(site: _Site) -> dict[str, Any]:
    world, root = site.world, root_of(site.world.repository)
    chain, found = world.chain(), dict[str, Any]()
    for touched in world.repository.touches(None, world.main(), root + MODELS.rstrip("/")):
        for change in touched.changes:
            found.setdefault(change.path.removeprefix(root), chain.time_of(touched.commit))
    return found


def _search(rows: Iterable[models.Row]) -> bytes:
    """What the search of a static site looks through: a script, as a page that is opened as a file may load no JSON."""
    said = [
        {
            "name": row.name, "url": row.url, "latest": row.latest and f"Version {row.latest}",
            "staging": row.staging and f"Version {row.staging}",
            "production": row.production and f"Version {row.production}", "owners": ", ".join(row.owners[:3]),
            "updated": f"{row.updated_at:%Y-%m-%d %H:%M}", "tags": [f"{key} {value}"[:100] for key, value in row.tags],
        }
        for row in rows
    ]  # fmt: skip
    return f"window.stagedoorModels = {json.dumps(said)};\n".encode()


def _remove_stale(site: _Site) -> int:
    """Take away the pages of what is there no more: those that we made, and no other file."""
    gone = sorted(site.before.keys() - site.now.keys())
    for path in gone:
        (site.folder / path).unlink(missing_ok=True)
        parent = (site.folder / path).parent
        if parent != site.folder and parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
    return len(gone)
