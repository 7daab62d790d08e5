"""When the commits of main were made, to the millisecond: the order of main counts, and no two are at one time.

Git keeps whole seconds and the files milliseconds. So a commit is at the newest time of its second that a file of its
speaks of, and behind the commit before it; the last millisecond of a second is for all that come then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from stagedoor.core.text import MAX_BYTES
from stagedoor.gitstore import Oid, Repository
from stagedoor.index.facts import milliseconds

# who touches more at once moves files about, and no file of those is new
MOST_FILES: Final = 20
_LAST: Final = 999


def moments(repository: Repository, touched: Sequence[tuple[Oid, Sequence[Oid]]], last: int) -> Iterator[int]:
    """The time of each commit, oldest first, in milliseconds since 1970.

    `touched` has the commits, each with the files it made; `last` is the time of the one before them, or 0.
    """
    looked = [blobs if len(blobs) <= MOST_FILES else () for _, blobs in touched]
    wanted = [oid for blobs in looked for oid in blobs]
    raw = repository.stream(wanted, max_bytes=MAX_BYTES) if wanted else iter(())
    for (commit, _), blobs in zip(touched, looked, strict=True):
        made = repository.commit_info(commit).author.time.astimezone(UTC)
        second = milliseconds(made)
        said = max((_said(next(raw)[1] or b"", made) for _ in blobs), default=0)
        step = last - second + 1 if second <= last <= second + _LAST else 0
        last = second + min(max(said, step), _LAST)
        yield last


def _said(raw: bytes, second: datetime) -> int:
    """The newest millisecond of a second that a file speaks of."""
    start = f"{second:%Y-%m-%dT%H:%M:%S}.".encode()
    if start not in raw:
        return 0
    return max((int(found) for found in re.findall(re.escape(start) + rb"([0-9]{3})Z", raw)), default=0)
