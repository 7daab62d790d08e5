"""Loose objects, many at once: all are on the disk when it returns, for about the price of one.

A file system writes its journal for all who wait for it together, so what is asked for at once costs little more than
one, and one after the other costs as many.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

from stagedoor.gitstore.values import Oid

T = TypeVar("T")
_AT_ONCE: Final = 8


def write_loose(folder: Path, objects: Sequence[tuple[Oid, bytes]], *, durable: bool) -> None:
    """Write objects, each as its header and data, below the folder `objects`.

    As git does it: under a name of their own, to the disk, then renamed. https://git-scm.com/docs/gitrepository-layout
    """
    drafts = [(_draft(folder, oid, data), folder / oid[:2] / oid[2:]) for oid, data in objects]
    try:
        if durable:
            _at_once(_sync, [draft for draft, _ in drafts])
        for draft, final in drafts:
            draft.replace(final)
    except BaseException:
        for draft, _ in drafts:
            draft.unlink(missing_ok=True)
        raise
    if durable:
        _at_once(_sync, [folder, *{final.parent for _, final in drafts}])


def _draft(folder: Path, oid: Oid, data: bytes) -> Path:
    place = folder / oid[:2]
    with suppress(FileExistsError):
        place.mkdir()
    # `git gc` sweeps what begins like this, should nobody come back for it
    path = place / f"tmp_obj_{os.getpid()}_{oid[2:]}"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as file:
        file.write(zlib.compress(data, 1))
    return path


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _at_once(act: Callable[[T], None], things: Iterable[T]) -> None:
    for done in [_threads(os.getpid()).submit(act, thing) for thing in things]:
        done.result()


@lru_cache(maxsize=1)
def _threads(process: int) -> ThreadPoolExecutor:
    """Threads that only wait for the disk. Starting one costs more than a quick disk does, so they stay.

    A process that was forked from this one has none of them, and gets its own.
    """
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="disk")
