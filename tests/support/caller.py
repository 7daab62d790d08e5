"""`python caller.py HOST PORT PATH CALLERS PACE`: ask at a steady pace until stdin ends, then say how each call went.

A process of its own, so that asking costs the server nothing of Python's one lock; http.client, so that it costs little
at all. Each line is `asked answered status version`, in seconds of the clock that all processes of a machine share.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from dataclasses import dataclass
from threading import Event, Thread

BODY = json.dumps({"dataframe_records": [{"x": 1.0}]})
HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when it was asked and answered, and by which version; 0 for one that failed."""

    asked: float
    answered: float
    status: int
    version: int

    def __str__(self) -> str:
        return f"{self.asked!r} {self.answered!r} {self.status} {self.version}"


def read(line: str) -> Call:
    """A call from its line."""
    asked, answered, status, version = line.split()
    return Call(float(asked), float(answered), int(status), int(version))


def _asked(connection: http.client.HTTPConnection, path: str) -> tuple[int, int]:
    try:
        connection.request("POST", path, BODY, HEADERS)
        got = connection.getresponse()
        raw = got.read()
        return got.status, int(json.loads(raw)["predictions"][0] // 1000) if got.status == 200 else 0
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0, 0


def _ask(host: str, port: int, path: str, pace: float, over: Event, calls: list[Call]) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=300)
    due = time.monotonic()
    while not over.is_set():
        asked = time.monotonic()
        status, version = _asked(connection, path)
        calls.append(Call(asked, time.monotonic(), status, version))
        # who is late asks at once, and does not make up for more than one call
        due = max(due + pace, time.monotonic() - pace)
        over.wait(due - time.monotonic())
    connection.close()


def main() -> None:
    """Ask, and say."""
    host, port, path, callers, pace = sys.argv[1:]
    over, calls = Event(), list[Call]()
    threads = [Thread(target=_ask, args=(host, int(port), path, float(pace), over, calls)) for _ in range(int(callers))]
    for one in threads:
        one.start()
    sys.stdin.read()
    over.set()
    for one in threads:
        one.join()
    for call in calls:
        print(call)


if __name__ == "__main__":
    main()
