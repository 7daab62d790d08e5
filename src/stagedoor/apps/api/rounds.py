"""What the server does by itself between calls: it reconciles."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from stagedoor.apps.api.desks import Desks
from stagedoor.apps.api.metrics import Meter
from stagedoor.errors import BadRepository, RegistryError
from stagedoor.forges.base import Actor
from stagedoor.workflows.reconciling import Report
from stagedoor.workflows.watching import Watch
from stagedoor.workflows.world import World

SERVER: Final = Actor("stagedoor@localhost", "stagedoor")
# a webhook may take its half minute before the server stops
_PATIENCE: Final = 40.0


@dataclass
class Rounds:
    """A thread that goes round every `pause` seconds; `works` are done in their order, each on its own."""

    desks: Desks
    meter: Meter
    works: Mapping[str, Callable[[World], None]]
    pause: float
    log: Callable[[str], None]
    faults: dict[str, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, where there is anything to do."""
        if self.works:
            self._thread = threading.Thread(target=self._go_round, name="rounds", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Finish what has begun, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _go_round(self) -> None:
        while not self._stop.is_set():
            for name, work in self.works.items():
                self._do(name, work)
            self._stop.wait(self.pause)

    def _do(self, name: str, work: Callable[[World], None]) -> None:
        try:
            with self.desks.desk(SERVER) as world:
                work(world)
        except RegistryError as error:
            self._failed(name, error.what, str(error))
        except Exception as error:
            # a fault of ours must not end the rounds: the next one may go well
            self._failed(name, f"a fault of the server: {type(error).__name__}", traceback.format_exc())
        else:
            self.faults.pop(name, None)
            self.meter.round(name, "ok")

    def _failed(self, name: str, what: str, all_of_it: str) -> None:
        self.meter.round(name, "failed")
        if self.faults.get(name) != what:
            # said once, however many rounds it lasts
            self.log(json.dumps({"work": name, "fault": all_of_it}))
        self.faults[name] = what


def reconciling(watch: Watch, meter: Meter) -> Callable[[World], None]:
    """The work of telling whoever wants to know."""

    def work(world: World) -> None:
        if report := watch.once(world):
            _count(meter, report)

    return work


def keep_up(world: World) -> None:
    """The work of following a remote."""
    found = world.repository.keep_up()
    if found.parted:
        raise BadRepository(
            f"{', '.join(found.parted)[:300]} holds commits here that the remote has not, and others there",
            where=str(world.repository.git_dir),
            fix="git fetch it, and put one on top of the other",
        )


def _count(meter: Meter, report: Report) -> None:
    meter.told(report.delivered, len(report.failed))
