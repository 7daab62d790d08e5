"""Stops `stagedoor` at its N-th write, sync, rename, unlink or send: the whole of it, or one process of it.

`stopping.c` is preloaded into the commands and into every git that they start. It counts their calls on a page that it
shares with the test: a test first lets a command run through, and then stops it at each of the calls that there were.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

HERE = Path(__file__).parent
COMPILER = shutil.which("cc") or shutil.which("gcc")


class How(IntEnum):
    """What happens at the call, in the words of `stopping.c`."""

    NOTHING = 0
    # the machine goes: the command and all that it started
    EVERYTHING = 1
    # one process goes: the command itself, or a git that it started
    ITSELF = 2
    # the command goes, and what it started goes on
    LEADER = 3
    # from this call on there is no room on the disk
    FULL = 4
    # this one call fails
    FAULTY = 5


@dataclass(frozen=True)
class Ended:
    """How a command ended. A negative code is the signal that ended it."""

    code: int
    out: str
    err: str
    calls: int

    @property
    def is_killed(self) -> bool:
        return self.code == -9


class Stopper:
    """Runs commands, and stops them."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._page = folder / "page"
        self._page.write_bytes(bytes(4096))
        self._handle = self._page.open("r+b")
        self._shared = mmap.mmap(self._handle.fileno(), 4096)
        library = folder / "stopping.so"
        assert COMPILER
        subprocess.run([COMPILER, "-O1", "-shared", "-fPIC", "-o", library, HERE / "stopping.c", "-ldl"], check=True)
        for name in ("out", "err"):
            (folder / name).touch()
        self._process = subprocess.Popen(
            [sys.executable, HERE / "zygote.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **env, "LD_PRELOAD": str(library), "STOPPING_PAGE": str(self._page)},
        )
        self._line()

    def _line(self) -> dict[str, int]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the process that forks is gone"
        answer: dict[str, int] = json.loads(line)
        return answer

    def run(self, at: Path, *args: str | int | Path, stop: int = 0, how: How = How.EVERYTHING, **env: str) -> Ended:
        """Run a command in a folder, and stop it at a call; 0 lets it run through, and counts."""
        for name in ("out", "err"):
            (self._folder / name).write_bytes(b"")
        self._shared[:24] = struct.pack("QQQ", 0, stop, how)
        job = {
            "args": [str(arg) for arg in args], "at": str(at), "env": env,
            "out": str(self._folder / "out"), "err": str(self._folder / "err"),
        }  # fmt: skip
        assert self._process.stdin
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        code = self._line()["code"]
        (calls,) = struct.unpack("Q", self._shared[:8])
        self._shared[:24] = bytes(24)
        out, err = ((self._folder / name).read_text(errors="replace") for name in ("out", "err"))
        return Ended(code, out, err, calls)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        self._shared.close()
        self._handle.close()


@contextmanager
def stopper(folder: Path, **env: str) -> Iterator[Stopper]:
    """A stopper that works until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Stopper(folder, env)
    try:
        yield made
    finally:
        made.close()
