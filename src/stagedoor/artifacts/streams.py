"""Bytes read in chunks, hashed and counted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Protocol

from stagedoor.artifacts.answers import Watch

CHUNK: Final = 1024 * 1024
# more than any model has, and a bound on what a source that a stranger wrote can make us do
MAX_FILES: Final = 200_000


class Readable(Protocol):
    """Anything that gives its next bytes, and none at its end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class Counted:
    """How many bytes were read so far; whoever watches is told."""

    watch: Watch
    total: int | None
    done: int = 0

    def add(self, count: int) -> None:
        """Some more were read."""
        self.done += count
        self.watch(self.done, self.total)


def sha256_of(stream: Readable, counted: Counted) -> str:
    """The SHA-256 of what a stream holds, as hex; never more than a chunk in memory."""
    whole = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        whole.update(chunk)
        counted.add(len(chunk))
    return whole.hexdigest()
