"""Open repositories, each for one call at a time: MLflow's server calls a store from many threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, LifoQueue

from stagedoor.apps.mlflow_plugin.places import RegistryPlace
from stagedoor.forges.base import Actor
from stagedoor.gitstore import Repository
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World

# where nobody says who is asking, they may read what is open to all
NOBODY = Actor("nobody@localhost", "nobody")


@dataclass
class _Desk:
    repository: Repository
    snapshots: dict[str, Snapshot] = field(default_factory=dict)


class Desks:
    """A world for each call, on a repository that no other call uses meanwhile."""

    def __init__(self, place: RegistryPlace) -> None:
        self._place = place
        self._free: LifoQueue[_Desk] = LifoQueue()
        self._process = os.getpid()

    @contextmanager
    def world(self, *, reads: bool) -> Iterator[World]:
        """The registry as whoever runs this process sees it. What was read stays for the next call."""
        desk = self._take()
        try:
            world = World(desk.repository, claimed_email=self._place.email, _snapshots=desk.snapshots)
            if reads and world.actor_email is None:
                world.actor_override = NOBODY
            yield world
        finally:
            self._free.put(desk)

    def _take(self) -> _Desk:
        if self._process != os.getpid():
            # a fork may not use its parent's open files and child processes
            self._process, self._free = os.getpid(), LifoQueue()
        try:
            return self._free.get_nowait()
        except Empty:
            place = self._place
            return _Desk(Repository.open(place.directory, registry=place.registry, branch=place.branch))

    def close(self) -> None:
        """Close every repository that no call uses."""
        while True:
            try:
                self._free.get_nowait().repository.close()
            except Empty:
                return
