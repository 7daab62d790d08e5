"""Who looks at what: the registry at a moment, as one person may see it, and what is kept between two looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from threading import Lock
from typing import Final, TypeVar, cast

from stagedoor.apps.ui.links import Links
from stagedoor.core.approval import Need
from stagedoor.core.events import Event
from stagedoor.core.requests import Request
from stagedoor.errors import BadRepository, BadSpec, Denied
from stagedoor.forges.hosted import HostedForge
from stagedoor.gitstore import Oid
from stagedoor.workflows.history import Landed, landed, landings_of
from stagedoor.workflows.moments import Moment
from stagedoor.workflows.moving import Wanted, moves_of
from stagedoor.workflows.reading import Lineage, lineages
from stagedoor.workflows.reviewing import Standing, standing
from stagedoor.workflows.rights import reader
from stagedoor.workflows.snapshots import Snapshot, root_of
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import needs_of

T = TypeVar("T")
_MOST_STORIES: Final = 500
_MOST_REQUESTS: Final = 5_000
_MOST_COMMITS: Final = 20_000
_MOST_STANDINGS: Final = 500
_MOST_SHOWN: Final = 200
_MANY_FILES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Story:
    """What history tells of one model: where each version was, what happened, newest first, and when last."""

    lineages: tuple[Lineage, ...] = ()
    events: tuple[Event, ...] = ()
    is_known: bool = True

    @property
    def updated_at(self) -> datetime | None:
        """When main last touched it."""
        return self.events[0].at if self.events else None

    def lineage(self, number: int) -> Lineage | None:
        """The living lineage of a version."""
        return next((one for one in reversed(self.lineages) if one.version == number), None)


def story_of(world: World, name: str, landed: tuple[Landed, ...], commit: str) -> Story:
    """The story that these commits of a model's file make."""
    events = tuple(event for one in reversed(landed) for event in reversed(one.events))
    return Story(tuple(lineages(world, landed, name, commit)), events)


class Memory:
    """What never changes for a commit, kept for the next look: stories of models, what requests touch."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stories: dict[tuple[str, str], Story] = {}
        self._touched: dict[tuple[str, str], frozenset[str]] = {}
        self._events: dict[tuple[str, str], tuple[Event, ...]] = {}
        self._requests: dict[tuple[str, str], Request] = {}
        self._moves: dict[tuple[str, str], tuple[Wanted, ...]] = {}
        self._standings: dict[tuple[str, str], Standing] = {}
        self._needs: dict[tuple[str, str], tuple[Need, ...]] = {}
        self._shown: dict[tuple[str, str], object] = {}

    def story(self, world: World, name: str, commit: str) -> Story:
        """The story of a model up to a commit."""
        return self._kept(self._stories, (commit, name), lambda: _story(world, name, commit), _MOST_STORIES)

    def touched(self, world: World, request: Request) -> frozenset[str]:
        """The files that a request touches, from the registry's root."""

        def look() -> frozenset[str]:
            root = root_of(world.repository)
            return frozenset(c.path.removeprefix(root) for c in world.repository.changes(request.base, request.head))

        return self._kept(self._touched, (request.base, request.head), look, _MOST_REQUESTS)

    def remember(self, name: str, commit: str, story: Story) -> None:
        """Put a story in that somebody has read already."""
        self._kept(self._stories, (commit, name), lambda: story, _MOST_STORIES)

    def requests(self, world: World, refs: Mapping[str, Oid] | None = None) -> tuple[Request, ...]:
        """Every request, newest first. Each is read again only when something was added to it.

        `refs` are all refs as they are now, where somebody has listed them: that is the dearest part of it.
        """
        forge = world.forge
        tips = forge.tips() if refs is None or isinstance(forge, HostedForge) else forge.tips_among(refs)
        found = []
        for number, tip in sorted(tips.items(), reverse=True):
            with suppress(BadRepository):
                # a chain that somebody broke by hand hides no other request
                found.append(self._kept(self._requests, (str(number), tip), partial(world.forge.get, number), 20_000))
        return tuple(found)

    def moves(self, world: World, request: Request, path: str) -> tuple[Wanted, ...]:
        """The moves of a file's versions that a request asks for."""
        if path not in self.touched(world, request):
            return ()
        key = (f"{request.base}:{request.head}:{request.updated_at}", path)
        return self._kept(self._moves, key, lambda: tuple(moves_of(world, request, path)), _MOST_REQUESTS)

    def standing(self, world: World, request: Request) -> Standing:
        """How a request stands on main. The time of day counts, to the minute, only where the policy asks for it."""
        if world.host is not None:
            return standing(world, request.number)
        minute = "" if _is_timeless(world.snapshot()) else f"{world.now():%Y-%m-%dT%H:%M}"
        said = f"{world.main()}:{request.base}:{request.head}:{len(request.steps)}:{request.updated_at}:{minute}"
        return self._kept(
            self._standings, (str(request.number), said), lambda: standing(world, request.number), _MOST_STANDINGS
        )

    def needs(self, world: World, request: Request) -> tuple[Need, ...]:
        """The agreements that a request takes."""
        key = (request.base, f"{request.head}:{request.broken is not None}")
        return self._kept(self._needs, key, lambda: needs_of(world, request), _MOST_STANDINGS)

    def shown(self, what: str, left: str, right: str, find: Callable[[], T]) -> T:
        """Something that two commits make, and nothing else."""
        return cast("T", self._kept(self._shown, (what, f"{left}:{right}"), find, _MOST_SHOWN))

    def events(self, world: World, commit: str) -> tuple[Event, ...]:
        """What one commit of main stands for."""
        return self._kept(self._events, (commit, ""), lambda: _events(world, commit), _MOST_COMMITS)

    def _kept(self, known: dict[tuple[str, str], T], key: tuple[str, str], find: Callable[[], T], most: int) -> T:
        with self._lock:
            if key in known:
                return known[key]
        found = find()
        with self._lock:
            if len(known) >= most:
                known.clear()
            known[key] = found
        return found


def _is_timeless(snapshot: Snapshot) -> bool:
    """Whether no rule of the policy looks at the clock: gates may, freezes and keys that end do."""
    return not (snapshot.spec.gates or snapshot.spec.freezes or snapshot.signers)


def _events(world: World, commit: str) -> tuple[Event, ...]:
    info = world.repository.commit_info(commit)
    touched = len(world.repository.changes(info.parents[0] if info.parents else None, commit))
    if touched <= _MANY_FILES:
        return landed(world, commit, ()).events
    # an import of a whole registry: reading all of it takes a while, and nobody reads the list
    who = info.author.email
    return (Event("", commit, f"{who} changed {touched:,} files in one commit", commit, who, info.author.time),)


def _story(world: World, name: str, commit: str) -> Story:
    try:
        return story_of(world, name, landings_of(world, name, commit), commit)
    except BadRepository:
        # a shallow clone has no history to tell, and the rest of the page stands without it
        return Story(is_known=False)


@dataclass
class Look:
    """One look at the registry. `viewer` is empty where nobody in particular looks: on a static site."""

    world: World
    links: Links
    memory: Memory
    viewer: str = ""
    at: str = ""
    moment: Moment | None = None
    # what a form has to say so that we know that it is ours
    form_key: str = ""
    can_sign_out: bool = False
    notice: str = ""
    everything: bool = False
    # all refs, where they are listed already
    refs: Mapping[str, Oid] | None = None
    _open: tuple[Request, ...] | None = field(default=None)

    @property
    def is_live(self) -> bool:
        """Whether it is main as it is now, with people who can do something."""
        return self.moment is None and not self.links.is_static

    @cached_property
    def main(self) -> Snapshot:
        """Main as it is now: who may what is always asked of it."""
        return self.world.snapshot()

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all models of main."""
        return frozenset(self.main.registry.names)

    @cached_property
    def snapshot(self) -> Snapshot:
        """The registry as it is looked at."""
        return self.world.snapshot(self.moment.commit) if self.moment else self.main

    @cached_property
    def may_read(self) -> Callable[[str], bool]:
        """Whether the viewer may read the model file at a path."""
        return (lambda _: True) if self.everything else reader(self.main, self.viewer)

    def require_readable(self, name: str) -> str:
        """The path of a model that the viewer may read. `NotFound`, or `Denied`."""
        path = self.snapshot.registry.path(name)
        if not self.may_read(path):
            raise Denied(f"{self.viewer or 'nobody in particular'} may not read {name}", fix="ask one of its owners")
        return path

    def story(self, name: str) -> Story:
        """The story of a model up to the moment that is looked at."""
        return self.memory.story(self.world, name, self.snapshot.commit)

    @property
    def open_requests(self) -> tuple[Request, ...]:
        """The requests that are open now, newest first, as far as the viewer may read all they touch."""
        if self._open is None:
            self._open = tuple(request for request in self.requests if request.is_open)
        return self._open

    @cached_property
    def requests(self) -> tuple[Request, ...]:
        """Every request that the viewer may read, newest first; none where it is about the past."""
        found = self.memory.requests(self.world, self.refs) if self.moment is None else ()
        return tuple(request for request in found if self.may_read_request(request))

    def may_read_request(self, request: Request) -> bool:
        """Whether the viewer may read every model that a request touches."""
        return all(map(self.may_read, self.memory.touched(self.world, request)))

    def asked_of(self, path: str) -> tuple[Request, ...]:
        """The open requests that touch a file."""
        return tuple(one for one in self.open_requests if path in self.memory.touched(self.world, one))

    def url_of(self, event: Event) -> str:
        """The page that an event is about; empty where there is none any more."""
        if event.request is not None and any(one.number == event.request for one in self.requests):
            return self.links.request(event.request)
        path = self.main.registry.file_of(event.model) if event.model in self.names else ""
        if not path or not self.may_read(path):
            return ""
        with suppress(BadSpec):
            if event.version is not None and self.main.registry.models[path].version(event.version) is not None:
                return self.links.version(event.model, event.version)
            return self.links.model(event.model)
        return ""

    def moves(self, request: Request, path: str) -> tuple[Wanted, ...]:
        """The moves of a file's versions that a request asks for."""
        return self.memory.moves(self.world, request, path)
