"""Serve: watch main, and keep in service what it says is in a served stage."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from stagedoor.core.serving import Loadable, Table, table
from stagedoor.effects.serving.scratch import scratch_folder
from stagedoor.effects.serving.workers import Fetched, Limits, Say, plain_environment
from stagedoor.errors import BadInput, InvalidState, RegistryError
from stagedoor.forges.base import Actor
from stagedoor.workflows import faults
from stagedoor.workflows.fetching import fetch
from stagedoor.workflows.tokens import tokens_of
from stagedoor.workflows.world import World

NOTHING: Final = Table()
NOBODY: Final = Actor("server@localhost", "a model server")


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve. `interval` is how often main is looked at, in seconds; `variables` are passed on to the models."""

    names: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 5001
    interval: float = 1.0
    limits: Limits = field(default_factory=Limits)
    variables: tuple[str, ...] = ()
    needs_token: bool = False
    scratch: Path | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What main says at one commit."""

    commit: str
    table: Table


def look(world: World, names: tuple[str, ...], before: Table = NOTHING) -> Look:
    """What is to be served by main as it is now. Raises `RegistryError` where the policy itself does not read."""
    commit = world.main()
    # what another commit had in the very same file is not read again
    snapshot = world.snapshot(commit)
    if not names:
        snapshot.load(snapshot.registry.models)
    return Look(commit, table(snapshot.registry, snapshot.spec.serving, names, before))


def first_look(world: World, names: tuple[str, ...]) -> Look:
    """As `look`, and refused where there is nothing that could ever be meant."""
    snapshot = world.snapshot()
    for name in names:
        snapshot.registry.model(name)
    off = [name for name in names or snapshot.registry.names if not snapshot.spec.serving.serves(name)]
    if off and len(off) == len(names or snapshot.registry.names):
        fix = "set enabled: true under serving in registry.yaml"
        raise InvalidState(f"serving is switched off for {', '.join(off[:5])}", where="registry.yaml", fix=fix)
    return look(world, names)


def serve(opened: Callable[[], AbstractContextManager[World]], options: Options, say: Say) -> None:
    """Serve until SIGTERM or SIGINT; what has begun by then is finished. SIGHUP looks at main at once.

    `opened` opens the registry; it is called in the one thread that reads git from then on.
    """
    git = ThreadPoolExecutor(1, "git")
    with ExitStack() as stack:
        world = git.submit(lambda: stack.enter_context(opened())).result()
        stack.callback(git.shutdown)
        first = git.submit(_first, world, options).result()
        listening = _listen(options.host, options.port)
        stack.callback(listening.close)
        scratch = stack.enter_context(scratch_folder(options.scratch))
        asyncio.run(_Server(world, options, say, git, scratch).run(listening, first))


def _first(world: World, options: Options) -> Look:
    if world.actor_email is None:
        # a machine that serves may be nobody in particular; what it cannot load is told all the same
        world.actor_override = NOBODY
    return first_look(world, options.names)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol named, asyncio sends each answer at once; else every call waits 40 ms for the kernel
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(512)
    except (OSError, OverflowError) as error:
        listening.close()
        what = f"cannot listen on {host}:{port}: {error}"
        raise BadInput(what, where="--port", fix="choose another port") from None
    return listening


class _Server:
    """One running server: a door, a company behind it, and somebody who watches main."""

    def __init__(self, world: World, options: Options, say: Say, git: ThreadPoolExecutor, scratch: Path) -> None:
        from stagedoor.effects.serving.company import Company

        self.world = world
        self.options = options
        self.say = say
        self.git = git
        self.company = Company(
            scratch, self._fetch, options.limits, plain_environment(world.environment, options.variables),
            say, self._failed, self._loaded,
        )  # fmt: skip
        self.seen = Look("", Table())

    async def run(self, listening: socket.socket, first: Look) -> None:
        """Until told to stop."""
        import uvicorn

        from stagedoor.effects.serving.router import make_app

        admits = self._admits() if self.options.needs_token else None
        config = uvicorn.Config(
            make_app(self.company, admits), log_config=None, access_log=False, lifespan="off", proxy_headers=False,
            server_header=False, timeout_graceful_shutdown=int(self.options.limits.drain) + 1, limit_concurrency=1_000,
        )  # fmt: skip
        server, nudge = uvicorn.Server(config), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn takes these while it runs, and raises them again in the end, when all is done
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, nudge.set)
        self._take(first)
        watching = asyncio.create_task(self._watch(nudge))
        self.say("serving", address=f"http://{_shown(self.options.host)}:{listening.getsockname()[1]}")
        try:
            await server.serve(sockets=[listening])
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await self.company.close()
            self.say("ended")

    def _take(self, seen: Look) -> None:
        self.seen = seen
        self.company.want(seen.table, seen.commit)

    async def _watch(self, nudge: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(nudge.wait(), self.options.interval)
            is_nudged = nudge.is_set()
            nudge.clear()
            await self._glance(is_nudged)
            self.company.tick()

    async def _glance(self, is_nudged: bool) -> None:
        try:
            seen = await asyncio.get_running_loop().run_in_executor(self.git, self._new_look, is_nudged)
        except Exception as error:
            # whatever is wrong with the repository just now, what is served goes on being served
            self._in_trouble(error)
            return
        if seen is None:
            return
        if seen.table != self.seen.table or self.company.trouble:
            self._take(seen)
        else:
            self.seen, self.company.commit = seen, seen.commit

    def _new_look(self, is_nudged: bool) -> Look | None:
        tip = self.world.repository.tip()
        if tip == self.seen.commit and not is_nudged and not self.company.trouble:
            return None
        return look(self.world, self.options.names, self.seen.table)

    def _in_trouble(self, error: Exception) -> None:
        what = error.what if isinstance(error, RegistryError) else f"{type(error).__name__}: {error}"
        if self.company.trouble != what:
            self.say("trouble", reason=what)
        self.company.trouble = what

    async def _fetch(self, one: Loadable, room: Path) -> Fetched:
        return await asyncio.to_thread(fetch, self.world, one, room)

    def _failed(self, one: Loadable, stage: str, reason: str) -> None:
        self._record(one, partial(faults.record, self.world, one, stage, reason))

    def _loaded(self, one: Loadable, stage: str) -> None:
        self._record(one, partial(faults.mended, self.world, one, stage))

    def _record(self, one: Loadable, said: Callable[[], object]) -> None:
        asyncio.get_running_loop().run_in_executor(self.git, self._recorded, one, said)

    def _recorded(self, one: Loadable, said: Callable[[], object]) -> None:
        try:
            said()
        except (RegistryError, OSError) as error:
            # a clone that cannot be written to: the log and /health say it
            self.say("unrecorded", version=one.ref, reason=str(error))

    def _admits(self) -> Callable[[str], bool]:
        return partial(_counts, tokens_of(self.world.repository))


def _counts(tokens: Any, secret: str) -> bool:
    try:
        return bool(tokens.who(secret))
    except RegistryError:
        return False


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
