"""Reading many model files: in several processes where there are many, and never more in memory than a few batches."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from stagedoor.index.facts import Fault, ModelFacts, facts_of

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

T = TypeVar("T")

# below this, starting processes costs more than it brings
MANY: Final = 500
_BATCH: Final = 100
_BATCH_BYTES: Final = 4_000_000
_MOST_WORKERS: Final = 8

File = tuple[str, bytes | None, int]
Facts = ModelFacts | Fault


def facts_of_all(files: Iterable[File], count: int) -> Iterator[tuple[str, Facts]]:
    """The facts of each file, by path, in the order of the files; `count` says about how many there are.

    A process with other threads in it does all by itself: it cannot be forked safely.
    """
    workers = min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
    if count < MANY or workers < 2 or threading.active_count() > 1:
        yield from ((path, facts_of(raw, size, path)) for path, raw, size in files)
        return
    with _pool(workers) as pool:
        for batch, found in _in_turn(pool, _batches(files), workers * 2):
            yield from zip((path for path, _, _ in batch), found, strict=True)


def _of_batch(batch: list[File]) -> list[Facts]:
    return [facts_of(raw, size, path) for path, raw, size in batch]


@contextmanager
def _pool(workers: int) -> Iterator[Executor]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(workers, mp_context=get_context("fork"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _in_turn(pool: Executor, batches: Iterator[list[File]], ahead: int) -> Iterator[tuple[list[File], list[Facts]]]:
    """Each batch with its facts, a few batches ahead of whoever asks."""
    waiting: deque[tuple[list[File], Future[list[Facts]]]] = deque()
    for batch in batches:
        waiting.append((batch, pool.submit(_of_batch, batch)))
        if len(waiting) >= ahead:
            yield _finished(*waiting.popleft())
    while waiting:
        yield _finished(*waiting.popleft())


def _finished(batch: list[File], future: Future[list[Facts]]) -> tuple[list[File], list[Facts]]:
    from concurrent.futures.process import BrokenProcessPool

    try:
        return batch, future.result()
    except BrokenProcessPool:  # somebody ended a worker, or memory did: slower, and the same
        return batch, _of_batch(batch)


def _batches(files: Iterable[File]) -> Iterator[list[File]]:
    batch, size = list[File](), 0
    for file in files:
        batch.append(file)
        size += len(file[1] or b"")
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    walk = iter(items)
    while chunk := list(islice(walk, size)):
        yield chunk


def counted(items: Iterable[T], tell: Callable[[int], None], every: int) -> Iterator[T]:
    """The items, and word of how many have passed."""
    for number, item in enumerate(items, 1):
        yield item
        if number % every == 0:
            tell(number)
