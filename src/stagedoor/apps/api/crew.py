"""Several worker processes on one listening socket: started, replaced when one dies, stopped together."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

Work = Callable[[int], None]
"""What a worker does; it is told its number, from 0."""

# a worker that dies at once is not started a thousand times a second
_PAUSE: Final = 1.0


class Crew:
    """The parent of some workers. It serves nothing itself."""

    def __init__(self, count: int, work: Work, log: Callable[[str], None]) -> None:
        self._work = work
        self._log = log
        self._count = count
        self._places: dict[int, int] = {}
        self._is_over = False
        # no byte is ever written here: that it is closed tells the workers that the parent is gone
        self._alive, self._held = os.pipe()

    def run(self) -> None:
        """Until SIGTERM or SIGINT; then until the last worker has finished."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        for place in range(self._count):
            self._start(place)
        while self._places:
            gone, status = os.wait()
            if gone not in self._places:
                continue
            place = self._places.pop(gone)
            if not self._is_over:
                self._log(f'{{"worker": {place}, "fault": "it ended with {os.waitstatus_to_exitcode(status)}"}}')
                time.sleep(_PAUSE)
                self._start(place)

    def _start(self, place: int) -> None:
        # a signal that comes meanwhile finds the new worker in the list, or no new worker
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        try:
            if self._is_over:
                return
            child = os.fork()
            if child:
                self._places[child] = place
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        if not child:
            self._be(place)

    def _be(self, place: int) -> None:
        """The worker's whole life."""
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, _leave)
            os.close(self._held)
            threading.Thread(target=self._follow_parent, name="parent", daemon=True).start()
            self._work(place)
            code = 0
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        finally:
            os._exit(code)

    def _follow_parent(self) -> None:
        os.read(self._alive, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _end(self, number: int, frame: object) -> None:
        self._is_over = True
        for child in self._places:
            os.kill(child, signal.SIGTERM)


def _leave(number: int, frame: object) -> None:
    raise SystemExit(0)
