"""The process behind one version: started, warmed, asked, started again when it dies, drained."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import httpx

from stagedoor.core.serving import Loadable

# what a model's process gets of the environment besides what is named: never the secrets of who serves
PLAIN: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
)  # fmt: skip
# and what it is told whatever the environment says: a model's process reports to nobody what is done with it
# https://mlflow.org/docs/latest/community/usage-tracking/
SILENT: Final = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
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


@dataclass(eq=False)
class Worker:
    """One process of a version, asked over a socket of its own."""

    ref: str
    folder: Path
    room: Path
    number: int
    limits: Limits
    environment: Mapping[str, str]
    in_flight: int = 0
    # calls that it was given up on: their threads go on, and answer nobody else
    stuck: int = 0
    is_worn: asyncio.Event = field(default_factory=asyncio.Event)
    _process: asyncio.subprocess.Process | None = None
    _client: httpx.AsyncClient | None = None

    @property
    def pid(self) -> int:
        """Its number for the system, or 0 before there is one."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start and warm it. `NotLoaded` says why that did not go, and then nothing of it is left."""
        try:
            await self._start()
        except BaseException:
            self.kill()
            self._clear()
            raise

    async def _start(self) -> None:
        socket, work = self.room / f"{self.number}.socket", self._work
        work.mkdir()
        command = (sys.executable, "-P", "-m", "stagedoor.effects.serving.worker")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command, str(self.folder), str(socket), str(self.limits.threads),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                cwd=work, env={**self.environment, "TMPDIR": str(work)}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise NotLoaded(f"no process could be started: {error}") from error
        await self._ready(self._process)
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

    async def ask(self, body: bytes, content_type: str) -> Reply:
        """One call. `TooSlow` leaves its thread at work, for it cannot be stopped: the process is worn from then on."""
        self.in_flight += 1
        try:
            return await self._asked(body, {"content-type": content_type} if content_type else {})
        except TimeoutError:
            self.stuck += 1
            self.is_worn.set()
            raise TooSlow(f"{self.ref} did not answer within {self.limits.answer:g} seconds") from None
        except httpx.TransportError as error:
            raise Busy(f"{self.ref} ended while it was asked") from error
        finally:
            self.in_flight -= 1

    async def _asked(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        if self._client is None:
            raise Busy(f"{self.ref} is being started again")
        async with asyncio.timeout(self.limits.answer):
            got = await self._client.post("/invocations", content=body, headers=headers)
        return Reply(got.status_code, got.content, got.headers.get("content-type", "application/json"))

    @property
    def code(self) -> int | None:
        """What it ended with, or None while it runs."""
        return self._process.returncode if self._process else None

    async def ended(self) -> None:
        """Wait until it ends, by itself or because it is killed."""
        if self._process is not None:
            await self._process.wait()

    async def is_worn_before_it_ends(self) -> bool:
        """Wait until either is so."""
        ends = [asyncio.ensure_future(self.ended()), asyncio.ensure_future(self.is_worn.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ends:
                one.cancel()
        return self.code is None

    async def drain(self) -> None:
        """Wait until nothing is under way, which is as long as an answer may take, then end it."""
        while self.in_flight:
            await asyncio.sleep(0.02)
        await self.end()

    async def end(self) -> None:
        """End it now, with whatever is under way, and leave nothing behind."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        self.kill()
        await self.ended()
        self._clear()

    def kill(self) -> None:
        """End the process and whatever it started: they are a group of their own."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def _work(self) -> Path:
        return self.room / f"{self.number}.work"

    def _clear(self) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        (self.room / f"{self.number}.socket").unlink(missing_ok=True)


@dataclass
class Post:
    """One version on duty: a process, and another one whenever that dies or a call gets stuck in it."""

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
    _folder: Path = Path()
    _worker: Worker | None = None
    _keeper: asyncio.Task[None] | None = None
    # those that finish what they have begun while another one has taken over
    _draining: dict[Worker, asyncio.Task[None]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.limits.threads)

    @property
    def pid(self) -> int:
        """The process that new calls go to, or 0 where there is none."""
        return self._worker.pid if self._worker else 0

    # --- coming ---

    async def open(self, fetch: Fetch) -> None:
        """Fetch, start and warm. `NotLoaded` says why not, and leaves nothing behind."""
        try:
            self.room.mkdir(mode=0o700, parents=True)
            found = await fetch(self.loadable, self.room)
            self._folder, self.is_verified = found.folder, found.is_verified
            self._worker = await self._started()
        except BaseException as error:
            self.state, self.reason = "failed", str(error)
            self._clear()
            raise
        self.state = "ready"
        self._keeper = asyncio.create_task(self._keep())

    async def _started(self) -> Worker:
        number = next(self._numbers)
        worker = Worker(self.loadable.ref, self._folder, self.room, number, self.limits, self.environment)
        await worker.start()
        return worker

    # --- on duty ---

    async def ask(self, body: bytes, content_type: str) -> Reply:
        """One call. `Busy` when it cannot be answered now, `TooSlow` when it takes too long."""
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
        worker, is_stuck = self._worker, False
        try:
            if worker is None or self.state not in ("ready", "draining"):
                raise Busy(f"{self.loadable.ref} is being started again")
            return await worker.ask(body, content_type)
        except TooSlow:
            # its thread stays taken: this turn comes back with the next process
            is_stuck = worker is self._worker
            raise
        finally:
            if not is_stuck:
                self._turns.release()

    async def _keep(self) -> None:
        """Another process whenever this one ends, or is worn."""
        tries = 0
        while (worker := self._worker) is not None:
            began = time.monotonic()
            if await worker.is_worn_before_it_ends():
                self.restarts += 1
                self.say("worn", version=self.loadable.ref, pid=worker.pid, in_flight=worker.in_flight)
            tries = 0 if time.monotonic() - began > SETTLED else tries
            while worker is self._worker:
                await self._lost(worker)
                await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1
                with suppress(NotLoaded):
                    self._take_over(worker, await self._started())

    async def _lost(self, worker: Worker) -> None:
        """Say so when it has ended, once."""
        if worker.code is None or self.state == "restarting":
            return
        self.state, self.reason = "restarting", f"its process ended with {worker.code}"
        self.restarts += 0 if worker.is_worn.is_set() else 1
        self.say("died", version=self.loadable.ref, code=worker.code, restarts=self.restarts)
        await worker.end()

    def _take_over(self, old: Worker, new: Worker) -> None:
        """New calls go to the new process; one that is worn finishes what it has begun."""
        self._worker = new
        for _ in range(old.stuck):
            self._turns.release()
        if self.state == "restarting":
            self.state, self.reason = "ready", ""
        else:
            self._draining[old] = asyncio.create_task(self._drained(old))
        self.say("restarted", version=self.loadable.ref, pid=new.pid, restarts=self.restarts)

    async def _drained(self, worker: Worker) -> None:
        await worker.drain()
        self._draining.pop(worker, None)

    # --- going ---

    async def close(self) -> None:
        """Answer what has been asked, then end."""
        if self.state == "ready":
            self.state = "draining"
        deadline = time.monotonic() + self.limits.drain
        while self.in_flight and self.state == "draining" and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await self._cancelled(self._keeper, *self._draining.values())
        workers = [worker for worker in (self._worker, *self._draining) if worker is not None]
        await asyncio.gather(*(worker.end() for worker in workers))
        self.state = "gone"
        self._clear()

    async def _cancelled(self, *tasks: asyncio.Task[None] | None) -> None:
        there = [task for task in tasks if task is not None]
        for task in there:
            task.cancel()
        await asyncio.gather(*there, return_exceptions=True)

    def _clear(self) -> None:
        shutil.rmtree(self.room, ignore_errors=True)


def plain_environment(environment: Mapping[str, str], names: tuple[str, ...] = ()) -> dict[str, str]:
    """What a model's process may know of an environment: what every process needs, and the variables named."""
    kept: dict[str, Any] = {name: environment[name] for name in (*PLAIN, *names) if name in environment}
    return {"PYTHONUNBUFFERED": "1", **kept, **SILENT}
