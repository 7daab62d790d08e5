"""Turns of stagedoor's own writers, and the note by which the next one finds what a killed one left half done.

Whoever has the turn holds a lock of the system on one file, which ends with the process. While refs are being moved the
file says which; found there by the next one, it says that a process was killed in the middle of that.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from stagedoor.gitstore.refs import is_oid
from stagedoor.gitstore.values import Oid, RefUpdate

_END = "."
_NONE = "-"


class Turn:
    """One writer's turn, until it is ended or the process is."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    @classmethod
    def wait(cls, path: Path) -> Turn | None:
        """Wait for the turn; None where the file cannot be written. Nothing is lost by going without."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except BaseException:
            os.close(handle)
            raise
        return cls(handle)

    def end(self) -> None:
        """Let the next one have it."""
        os.close(self.handle)

    @property
    def left(self) -> tuple[RefUpdate, ...]:
        """What the one before was about to publish when it was killed; nothing where it came to an end."""
        return tuple(_read(os.pread(self.handle, os.fstat(self.handle).st_size, 0)))

    @property
    def since(self) -> float:
        """When the note was written."""
        return os.fstat(self.handle).st_mtime

    def note(self, updates: Sequence[RefUpdate]) -> None:
        """Say what is about to be published. A full disk refuses the refs themselves, and says so better."""
        lines = "".join(f"{one.ref} {one.old or _NONE} {one.new or _NONE}\n" for one in updates)
        with suppress(OSError):
            os.pwrite(self.handle, f"{lines}{_END}\n".encode("utf-8", "surrogatepass"), 0)

    def clear(self) -> None:
        """It is published, or nothing of it is."""
        with suppress(OSError):
            os.ftruncate(self.handle, 0)


def _read(raw: bytes) -> Iterator[RefUpdate]:
    lines = raw.decode("utf-8", "surrogatepass").splitlines()
    if not lines or lines[-1] != _END:
        return
    for line in lines[:-1]:
        ref, *oids = line.split(" ")
        if len(oids) == 2 and ref.startswith("refs/") and all(one == _NONE or is_oid(one) for one in oids):
            old, new = (None if one == _NONE else Oid(one) for one in oids)
            yield RefUpdate(ref, old, new)
