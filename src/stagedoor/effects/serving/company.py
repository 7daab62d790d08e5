"""All versions on duty: brought from one table of routes to the next without a call lost between the two."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from stagedoor.core.serving import Loadable, Route, Share, Table
from stagedoor.effects.serving.meters import Meters
from stagedoor.effects.serving.workers import Busy, Fetch, Limits, NotLoaded, Post, Say

# a version that could not be loaded is tried again: its files may come back
RETRIES: Final = (5.0, 15.0, 60.0, 300.0)
LOADED_AT_ONCE: Final = 2

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Live:
    """A route as calls take it now."""

    route: Route
    posts: tuple[tuple[Post, int], ...]

    def choose(self) -> Post:
        """Who answers the next call: by the shares, among those that are up."""
        up = [(post, percent) for post, percent in self.posts if post.state == "ready"]
        if not up:
            raise Busy(f"{self.route.path} is being started again")
        if len(up) == 1:
            return up[0][0]
        return random.choices([post for post, _ in up], [percent for _, percent in up])[0]  # noqa: S311


@dataclass
class Failure:
    """A version that could not be loaded, and when it is tried again."""

    reason: str
    stage: str
    tries: int
    again: float


@dataclass
class Company:
    """Everybody on duty. Lives on one event loop, and only there.

    `failed` is told once of each version that cannot be loaded, for each stage and reason; `loaded` of each that is.
    """

    scratch: Path
    fetch: Fetch
    limits: Limits
    environment: Mapping[str, str]
    say: Say
    failed: Callable[[Loadable, str, str], None]
    loaded: Callable[[Loadable, str], None]
    meters: Meters = field(default_factory=Meters)
    # why the registry cannot be read just now, or nothing
    trouble: str = ""
    commit: str = ""
    wanted: Table = field(default_factory=Table)
    live: dict[Key, Live] = field(default_factory=dict)
    posts: dict[Loadable, Post] = field(default_factory=dict)
    failures: dict[Loadable, Failure] = field(default_factory=dict)
    _opening: dict[Loadable, asyncio.Task[None]] = field(default_factory=dict)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)
    _numbers: Any = field(default_factory=lambda: count(1))
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOADED_AT_ONCE))
    _is_started: bool = False
    _is_closed: bool = False

    # --- from table to table ---

    def want(self, table: Table, commit: str = "") -> None:
        """Go to this table: load what is missing, move each route when it can be moved, let the rest go."""
        self.wanted, self.commit, self.trouble = table, commit or self.commit, ""
        self._is_started = True
        self._rename()
        needed = set(table.loadables)
        self.failures = {one: failure for one, failure in self.failures.items() if one in needed}
        for one, failure in self.failures.items():
            if failure.stage != self._address(one):
                # it is wanted for something else now: that is worth a try at once, and another word
                failure.again = 0.0
        self._load()
        self.settle()

    def _rename(self) -> None:
        """A model that has another name now keeps its processes."""
        names = {one: one for one in self.wanted.loadables}
        for post in self.posts.values():
            one = names.get(post.loadable, post.loadable)
            if one.model != post.loadable.model:
                with suppress(KeyError):
                    self.meters.is_gone(post.loadable)
                post.loadable = one

    def tick(self) -> None:
        """Try again what could not be loaded, when its time has come."""
        self._load()

    def _load(self) -> None:
        now = time.monotonic()
        for one in () if self._is_closed else self.wanted.loadables:
            failure = self.failures.get(one)
            is_due = failure is None or failure.again <= now
            if one not in self.posts and one not in self._opening and is_due:
                self._opening[one] = asyncio.create_task(self._open(one))

    async def _open(self, one: Loadable) -> None:
        post = Post(one, self.scratch / str(next(self._numbers)), self.limits, self.environment, self.say)
        began = time.monotonic()
        try:
            async with self._gate:
                if one in self.wanted.loadables:
                    self.say("loading", version=one.ref)
                    await post.open(self.fetch)
                    self.posts[one] = post
                    self.failures.pop(one, None)
                    self.say("loaded", version=one.ref, pid=post.pid, seconds=round(time.monotonic() - began, 3))
                    self.loaded(one, self._address(one))
        except NotLoaded as error:
            self._not_loaded(one, _without(str(error), post.room))
        except Exception as error:
            # one version's trouble, whatever it is, is no other's
            self._not_loaded(one, _without(f"{type(error).__name__}: {error}", post.room))
        finally:
            self._opening.pop(one, None)
        if not self._is_closed:
            self.settle()

    def _not_loaded(self, one: Loadable, reason: str) -> None:
        known = self.failures.get(one)
        tries = known.tries + 1 if known else 1
        again = time.monotonic() + RETRIES[min(tries, len(RETRIES)) - 1]
        stage = self._address(one)
        self.failures[one] = Failure(reason, stage, tries, again)
        self.meters.failed(one)
        self.say("failed", version=one.ref, reason=reason, tries=tries)
        if known is None or (known.stage, known.reason) != (stage, reason):
            self.failed(one, stage, reason)

    def _address(self, one: Loadable) -> str:
        """The stage that a version was to answer for, or nothing."""
        for route in self.wanted.routes:
            is_stage = not route.address.isdigit() and not route.address.startswith("@")
            if is_stage and one in [share.loadable for share in route.shares]:
                return route.address
        return ""

    def settle(self) -> None:
        """Move every route whose versions are all loaded, in one step; calls that have begun stay where they are."""
        before = {key: [post.loadable.ref for post, _ in live.posts] for key, live in self.live.items()}
        settled = {route.key: live for route in self.wanted.routes if (live := self._settled(route)) is not None}
        for held in list(settled.values()):
            # who answers for a stage still can be asked by number too
            for post, _ in held.posts:
                key = (held.route.model, str(post.loadable.version))
                settled.setdefault(key, Live(Route(*key, (Share(post.loadable),)), ((post, 100),)))
        self.live = settled
        for key, live in settled.items():
            now = [post.loadable.ref for post, _ in live.posts]
            if before.get(key) != now:
                self.say("moved", route=live.route.path, was=before.get(key, []), now=now)
        for key in before.keys() - settled.keys():
            self.say("moved", route=Route(*key, ()).path, was=before[key], now=[])
        self._let_go()

    def _settled(self, route: Route) -> Live | None:
        """The route as it is wanted, or, until all its versions are loaded, as it was."""
        posts = [(self.posts.get(share.loadable), share.percent) for share in route.shares]
        there = tuple((post, percent) for post, percent in posts if post is not None)
        return Live(route, there) if len(there) == len(posts) else self.live.get(route.key)

    def _let_go(self) -> None:
        needed = {post.loadable for live in self.live.values() for post, _ in live.posts}
        needed |= set(self.wanted.loadables)
        for one in [one for one in self.posts if one not in needed]:
            self._close(self.posts.pop(one))
        for one, task in list(self._opening.items()):
            if one not in needed:
                task.cancel()

    def _close(self, post: Post) -> None:
        task = asyncio.create_task(self._closed(post))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _closed(self, post: Post) -> None:
        self.say("draining", version=post.loadable.ref, in_flight=post.in_flight)
        await post.close()
        with suppress(KeyError):
            self.meters.is_gone(post.loadable)
        self.say("stopped", version=post.loadable.ref)

    async def close(self) -> None:
        """Drain everybody, and end."""
        self._is_closed = True
        self.live = {}
        opening = list(self._opening.values())
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for one in list(self.posts):
            self._close(self.posts.pop(one))
        await asyncio.gather(*self._closing, return_exceptions=True)

    # --- questions ---

    def find(self, model: str, address: str) -> Live | None:
        """The route that is asked for: a stage in any case of the letters, as Databricks takes it."""
        if address.isascii() and address.isdigit():
            address = address.lstrip("0") or "0"
        if (found := self.live.get((model, address))) is not None or address.startswith("@"):
            return found
        keys = (key for key in self.live if key[0] == model and not key[1].startswith("@"))
        return next((self.live[key] for key in keys if key[1].casefold() == address.casefold()), None)

    def pending(self, model: str, address: str) -> str:
        """Why a route that is wanted does not answer yet; nothing for one that nobody wants."""
        for route in self.wanted.routes:
            if route.model == model and route.address.casefold() == address.casefold():
                reasons = [self.failures[s.loadable].reason for s in route.shares if s.loadable in self.failures]
                return f"{route.path} is not served: {reasons[0]}" if reasons else f"{route.path} is being loaded"
        return ""

    @property
    def is_ready(self) -> bool:
        """Whether every version that is wanted has been loaded or has failed: the first table is in force."""
        return self._is_started and all(one in self.posts or one in self.failures for one in self.wanted.loadables)

    def faults(self) -> tuple[str, ...]:
        """What is not as it should be."""
        found = [self.trouble] if self.trouble else []
        found += [f"{one.ref} cannot be loaded: {failure.reason}" for one, failure in self.failures.items()]
        found += [f"{p.loadable.ref} is being started again: {p.reason}" for p in self.posts.values() if p.reason]
        return tuple(found)

    def health(self) -> dict[str, Any]:
        """Everything about everybody, for `/health`."""
        faults = self.faults()
        posts = sorted(self.posts.values(), key=lambda post: (post.loadable.model, post.loadable.version))
        status = "starting" if not self._is_started else "degraded" if faults else "ok" if self.is_ready else "loading"
        return {
            "status": status,
            "commit": self.commit,
            "faults": list(faults),
            "versions": [self._shown(post) for post in posts],
            "routes": {live.route.path: _who(live.posts) for live in self.live.values()},
        }

    def _shown(self, post: Post) -> dict[str, Any]:
        one = post.loadable
        return {
            "model": one.model, "version": one.version, "state": post.state, "pid": post.pid,
            "verified": post.is_verified, "in_flight": post.in_flight, "restarts": post.restarts,
        }  # fmt: skip

    def metrics(self) -> bytes:
        """Everything that is counted."""
        for post in self.posts.values():
            self.meters.is_up(post.loadable, post.state == "ready", post.in_flight, post.restarts)
        return self.meters.text()


def _who(posts: Sequence[tuple[Post, int]]) -> dict[str, int]:
    return {str(post.loadable.version): percent for post, percent in posts}


def _without(reason: str, room: Path) -> str:
    """A reason that is the same wherever the copy is: the next one has another number."""
    return reason.replace(f"{room}/", "")
