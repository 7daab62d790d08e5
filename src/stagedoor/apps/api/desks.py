"""Desks to work at: open repositories, each for one call at a time, the warmest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, LifoQueue
from typing import Any

from stagedoor.forges.base import Actor
from stagedoor.gitstore import Repository
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World


@dataclass
class _Desk:
    repository: Repository
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    stays_open: dict[str, Any] = field(default_factory=dict)

    def close(self) -> None:
        """Close what stayed open, and the repository."""
        for one in self.stays_open.values():
            one.close()
        self.stays_open.clear()
        self.repository.close()


class Desks:
    """A repository is not for two threads at once, and opening one takes longer than most calls."""

    def __init__(self, opened: Callable[[], Repository]) -> None:
        self._opened = opened
        self._free: LifoQueue[_Desk] = LifoQueue()

    @contextmanager
    def desk(self, actor: Actor | None) -> Iterator[World]:
        """The registry as one caller sees it. What was read stays on the desk for the next."""
        desk = self._take()
        try:
            yield World(desk.repository, actor_override=actor, _snapshots=desk.snapshots, stays_open=desk.stays_open)
        finally:
            self._free.put(desk)

    def _take(self) -> _Desk:
        try:
            return self._free.get_nowait()
        except Empty:
            return _Desk(self._opened())

    def close(self) -> None:
        """Close every repository that nobody works with."""
        while True:
            try:
                self._free.get_nowait().close()
            except Empty:
                return
