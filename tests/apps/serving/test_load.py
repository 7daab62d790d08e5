"""A minute of calls from several processes while Production moves five times, by merged requests and rollbacks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.apps.conftest import Sd

import caller
from caller import Call
from scorer import Scorer
from town import BOB, CAROL

PROCESSES, CALLERS, A_SECOND = 2, 4, 240.0
SECONDS, MOVES = 60.0, ("request", "request", "rollback", "request", "rollback")


@dataclass
class Term:
    """A version's time in Production: from just before the merge until its successor is seen to answer."""

    version: int
    since: float
    until: float = float("inf")

    def meets(self, call: Call) -> bool:
        """Whether it was in Production at some moment between asking and answering."""
        return self.since <= call.answered and call.asked <= self.until


@dataclass
class Mover:
    """Moves Production as people do: bob asks, carol approves and merges."""

    scorer: Scorer
    sd: Sd
    terms: list[Term] = field(default_factory=list)

    def move(self, how: str) -> None:
        """To the next version that was never there, or back to the one before."""
        was = self.terms[-1]
        now = max(one.version for one in self.terms) + 1 if how == "request" else self.terms[-2].version
        asked = ("request", f"fraud/{now}", "Production", "--archive-existing") if how == "request" else (
            "rollback", "fraud", "Production"
        )  # fmt: skip
        number = self.sd(*asked, "--json", as_=BOB).json["request"]
        self.sd("approve", number, as_=CAROL).ok()
        self.terms.append(Term(now, time.monotonic()))
        self.sd("merge", number, as_=CAROL).ok()
        self.scorer.until_answered_by(now)
        was.until = time.monotonic()


@contextmanager
def asking(scorer: Scorer) -> Iterator[list[Call]]:
    """Callers at work; how their calls went is there afterwards."""
    where, calls = urlsplit(scorer.url), list[Call]()
    pace = PROCESSES * CALLERS / A_SECOND
    command = [sys.executable, caller.__file__, str(where.hostname), str(where.port)]
    command += ["/model/fraud/Production/invocations", str(CALLERS), str(pace)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    try:
        yield calls
    finally:
        said = [one.communicate()[0] for one in started]
    calls += [caller.read(line) for lines in said for line in lines.splitlines()]


@pytest.mark.heavy
def test_no_call_fails_and_each_is_answered_by_a_version_that_was_in_production(
    scorer: Scorer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for _ in range(4):
        scorer.register()
    scorer.move(Production=1)
    scorer.start()
    mover = Mover(scorer, Sd(scorer.town.path), [Term(1, 0.0)])
    began = time.monotonic()
    with asking(scorer) as calls:
        for at, how in enumerate(MOVES, start=1):
            time.sleep(max(0.0, began + at * SECONDS / (len(MOVES) + 1) - time.monotonic()))
            mover.move(how)
        time.sleep(max(0.0, began + SECONDS - time.monotonic()))
    took = time.monotonic() - began
    assert [one.version for one in mover.terms] == [1, 2, 3, 2, 4, 2]
    assert [call for call in calls if call.status != 200] == []
    wrong = [call for call in calls if not any(t.version == call.version and t.meets(call) for t in mover.terms)]
    assert wrong == []
    assert set(Counter(call.version for call in calls)) == {1, 2, 3, 4}
    with capsys.disabled():
        print(f"\n{_figures(calls, took)}")


def _figures(calls: list[Call], took: float) -> str:
    """What a person wants to know of the run; nothing depends on it."""
    times = sorted(call.answered - call.asked for call in calls)
    half, most, worst = (times[min(int(len(times) * part), len(times) - 1)] * 1000 for part in (0.5, 0.99, 1.0))
    by = dict(sorted(Counter(call.version for call in calls).items()))
    rate = len(calls) / took
    return f"{len(calls)} calls in {took:.0f} s ({rate:.0f}/s), by version {by}; ms: {half:.1f} {most:.1f} {worst:.1f}"
