"""The process behind one version: started, warmed, asked, started again when it dies, drained."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import httpx

from stagedoor.core.serving import Loadable

# what a model's process gets of the environment besides what is named: never the secrets of who serves
PLAIN: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
)  # fmt: skip
PAUSES: Final = (0.2, 1.0, 3.0, 10.0, 30.0)
# a process that held out so long starts again as if it were the first time
SETTLED: Final = 60.0
# the client lets a connection go before the worker does
IDLE: Final = 30.0

State = Literal["loading", "ready", "restarting", "failed", "draining", "gone"]


class NotLoaded(Exception):
    """A version cannot be served, and why."""


class Busy(Exception):
    """There is nobody to answer just now: too many are waiting, or the process is being started again."""


class TooSlow(Exception):
    """The model did not answer in time."""


class Say(Protocol):
    """Takes one line for the log."""

    def __call__(self, what: str, **facts: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds, and how much is taken at once."""

    load: float = 300.0
    answer: float = 60.0
    drain: float = 60.0
    threads: int = 4
    waiting: int = 64
    body: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker answered."""

    status: int
    body: bytes
    media: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """A version's files in a folder of our own, and whether they are byte for byte what was registered."""

    folder: Path
    is_verified: bool


Fetch = Callable[[Loadable, Path], Awaitable[Fetched]]


@dataclass
class Post:
    """One version on duty."""

    loadable: Loadable
    room: Path
    limits: Limits
    environment: Mapping[str, str]
    say: Say
    state: State = "loading"
    restarts: int = 0
    in_flight: int = 0
    is_verified: bool = False
    reason: str = ""
    pid: int = 0
    _folder: Path | None = None
    _client: httpx.AsyncClient | None = None
    _process: asyncio.subprocess.Process | None = None
    _keeper: asyncio.Task[None] | None = None
    _turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.limits.threads)

    # --- coming ---

    async def open(self, fetch: Fetch) -> None:
        """Fetch, start and warm. `NotLoaded` says why not, and leaves nothing behind."""
        try:
            self.room.mkdir(mode=0o700, parents=True)
            found = await fetch(self.loadable, self.room)
            self._folder, self.is_verified = found.folder, found.is_verified
            await self._start()
        except NotLoaded as error:
            self.state, self.reason = "failed", str(error)
            self._clear()
            raise
        except asyncio.CancelledError:
            self._kill()
            self._clear()
            raise
        self.state = "ready"
        self._keeper = asyncio.create_task(self._keep())

    async def _start(self) -> None:
        socket = self.room / "socket"
        socket.unlink(missing_ok=True)
        work = self.room / "work"
        work.mkdir(exist_ok=True)
        command = (sys.executable, "-P", "-m", "stagedoor.effects.serving.worker")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command, str(self._folder), str(socket), str(self.limits.threads),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                cwd=work, env={**self.environment, "TMPDIR": str(work)}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise NotLoaded(f"no process could be started: {error}") from error
        self.pid = self._process.pid
        try:
            await self._ready(self._process)
        except BaseException:
            self._kill()
            raise
        transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=httpx.Limits(keepalive_expiry=IDLE))
        # how long an answer may take is measured around the whole of it
        self._client = httpx.AsyncClient(transport=transport, timeout=None, base_url="http://worker")  # noqa: S113

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101
        try:
            line = await asyncio.wait_for(process.stdout.readline(), self.limits.load)
        except TimeoutError:
            raise NotLoaded(f"it was not loaded within {self.limits.load:g} seconds") from None
        said = json.loads(line) if line else {}
        if "ready" not in said:
            raise NotLoaded(str(said.get("failed") or f"its process ended with {await process.wait()}"))

    # --- on duty ---

    async def ask(self, body: bytes, content_type: str) -> Reply:
        """One call. `Busy` when it cannot be answered now, `TooSlow` when it takes too long, which ends the process."""
        if self.in_flight >= self.limits.waiting:
            raise Busy(f"{self.in_flight} calls of {self.loadable.ref} are waiting")
        self.in_flight += 1
        try:
            return await self._asked(body, content_type)
        finally:
            self.in_flight -= 1

    async def _asked(self, body: bytes, content_type: str) -> Reply:
        try:
            await asyncio.wait_for(self._turns.acquire(), self.limits.answer)
        except TimeoutError:
            raise Busy(f"{self.in_flight} calls of {self.loadable.ref} are waiting") from None
        try:
            return await self._sent(body, content_type)
        finally:
            self._turns.release()

    async def _sent(self, body: bytes, content_type: str) -> Reply:
        process, client = self._process, self._client
        if client is None or self.state not in ("ready", "draining"):
            raise Busy(f"{self.loadable.ref} is being started again")
        headers = {"content-type": content_type} if content_type else {}
        try:
            async with asyncio.timeout(self.limits.answer):
                got = await client.post("/invocations", content=body, headers=headers)
        except TimeoutError:
            # the model's thread cannot be stopped, and would keep others waiting for ever
            if self._process is process:
                self._kill()
            raise TooSlow(f"{self.loadable.ref} did not answer within {self.limits.answer:g} seconds") from None
        except httpx.TransportError as error:
            raise Busy(f"{self.loadable.ref} ended while it was asked") from error
        return Reply(got.status_code, got.content, got.headers.get("content-type", "application/json"))

    async def _keep(self) -> None:
        """Start the process again whenever it ends."""
        tries = 0
        while True:
            began = time.monotonic()
            process = self._process
            assert process is not None  # noqa: S101
            code = await process.wait()
            await self._lost(code)
            tries = 0 if time.monotonic() - began > SETTLED else tries
            while self.state == "restarting":
                await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1
                with suppress(NotLoaded):
                    await self._start()
                    self.state, self.reason = "ready", ""
                    self.say("restarted", version=self.loadable.ref, pid=self.pid, restarts=self.restarts)

    async def _lost(self, code: int) -> None:
        self.state, self.reason = "restarting", f"its process ended with {code}"
        self.restarts += 1
        self.say("died", version=self.loadable.ref, code=code, restarts=self.restarts)
        self._kill()
        await self._hang_up()

    # --- going ---

    async def close(self) -> None:
        """Answer what has been asked, then end."""
        if self.state == "ready":
            self.state = "draining"
        deadline = time.monotonic() + self.limits.drain
        while self.in_flight and self.state == "draining" and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        await self._hang_up()
        self._kill()
        if self._process is not None:
            await self._process.wait()
        self.state = "gone"
        self._clear()

    async def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _kill(self) -> None:
        """End the process and whatever it started: they are a group of their own."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _clear(self) -> None:
        shutil.rmtree(self.room, ignore_errors=True)


def plain_environment(environment: Mapping[str, str], names: tuple[str, ...] = ()) -> dict[str, str]:
    """What a model's process may know of an environment: what every process needs, and the variables named."""
    kept: dict[str, Any] = {name: environment[name] for name in (*PLAIN, *names) if name in environment}
    return {"PYTHONUNBUFFERED": "1", **kept}
