"""A process that writes to a registry by one door, as fast as it is answered, and logs what it asked and heard.

`python tests/support/writer.py PLAN` reads a plan in JSON: door, where, tokens, seed, names, calls, seconds, log.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from doors import CommandLine, Door, Plugin, Rest, Workflows
from linear import Logged
from oracle import Call
from town import ANN, BOB, CAROL, DAVE

SUPPORT = Path(__file__).parent
# the seed of the endurance tests: ENDURANCE_SEED=9 pytest -m heavy tests/endurance
SEED = int(os.environ.get("ENDURANCE_SEED", "8"))
_OPS = {
    "create": 2, "register": 20, "describe": 6, "tag": 14, "untag": 4, "alias": 6, "unalias": 2, "move": 24,
    "rename": 1, "delete": 4, "versions": 12, "model": 5,
}  # fmt: skip
_WHO = (ANN, BOB, BOB, CAROL, CAROL, CAROL, CAROL, DAVE)
_STAGES = ("None", "Staging", "Production", "Archived")


@dataclass(frozen=True)
class Plan:
    """What one writer does."""

    door: str
    where: str
    seed: int
    names: tuple[tuple[str, str], ...]
    log: str
    calls: int = 0
    seconds: float = 0.0
    # a server that follows another copy may read what is not the newest
    reads: bool = True
    tokens: dict[str, str] = field(default_factory=dict)
    # mean seconds between two calls
    pause: float = 0.0


def calls_of(plan: Plan) -> Iterator[Call]:
    """Calls without end: mostly ones that make sense, on few models, so that many meet."""
    chance, numbers = random.Random(plan.seed), count(1)
    ops = [op for op, weight in _OPS.items() for _ in range(weight) if plan.reads or op not in ("versions", "model")]
    known: dict[str, int] = {}
    while True:
        pair = chance.choice(plan.names)
        name = pair[chance.random() < 0.1]
        op: Any = chance.choice(ops)
        version = max(1, known.get(name, 1) + chance.choice((0, 0, 0, -1, -2, 1)))
        known[name] = known.get(name, 0) + (op == "register")
        text, value, number = "", f"{plan.seed}.{next(numbers)}", version if chance.random() < 0.7 else None
        if op == "register":
            text, number = f"s3://{plan.seed}/{value}", None
        elif op == "move":
            text, number = chance.choice(_STAGES), version
        elif op == "rename":
            text, number = pair[name == pair[0]], None
        elif op in ("tag", "untag", "alias", "unalias"):
            text = chance.choice(("team", "tier"))
            number = version if op == "alias" else None if op == "unalias" else number
        elif op in ("create", "versions", "model"):
            number = None
        elif op == "delete" and chance.random() < 0.9:
            # else all would be gone most of the time
            number = version
        archive = op == "move" and text in ("Staging", "Production") and chance.random() < 0.5
        strict = plan.door == "command line"
        if not (strict and op == "create"):
            yield Call(op, chance.choice(_WHO), name, number, text, value, archive, strict)


def opened(plan: Plan) -> Door:
    """The door that a plan names."""
    match plan.door:
        case "workflows":
            return Workflows(Path(plan.where))
        case "command line":
            return CommandLine(Path(plan.where))
        case "plugin":
            return Plugin(Path(plan.where))
    return Rest(plan.where, plan.tokens)


def write(plan: Plan) -> None:
    """Ask and log, until the calls or the seconds are over."""
    door, end, pace = opened(plan), time.monotonic() + plan.seconds, random.Random(plan.seed)
    with Path(plan.log).open("a", buffering=1) as log:
        for number, call in enumerate(calls_of(plan)):
            if number >= plan.calls > 0 or time.monotonic() >= end > plan.seconds > 0:
                return
            log.write(json.dumps({"id": number, "at": time.monotonic(), "call": call.plain()}) + "\n")
            got = door.ask(call)
            log.write(json.dumps({"id": number, "at": time.monotonic(), "answer": asdict(got)}) + "\n")
            # whoever was not answered waits a little, as a client does
            time.sleep(pace.uniform(0, 2 * plan.pause) + (0.2 if got.lost else 0))


def founded(at: Path, names: Sequence[tuple[str, str]]) -> list[Logged]:
    """A model with two versions under each first name: else most calls would be about nothing."""
    made, door = [], Workflows(at)
    for name, _ in names:
        for number in (1, 2):
            call, begin = Call("register", ANN, name, text=f"s3://{name}/{number}", strict=True), time.monotonic()
            made.append(Logged(call, begin, time.monotonic(), door.ask(call)))
    return made


def started(plans: Sequence[Plan]) -> list[subprocess.Popen[bytes]]:
    """A process for each plan."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), str(SUPPORT.parents[1] / "src")])}
    found = []
    for plan in plans:
        Path(plan.log).parent.mkdir(parents=True, exist_ok=True)
        place = Path(plan.log).with_suffix(".plan")
        place.write_text(json.dumps(asdict(plan)))
        found.append(subprocess.Popen([sys.executable, __file__, str(place)], env=environment))
    return found


def main() -> None:
    said = json.loads(Path(sys.argv[1]).read_text())
    said["names"] = tuple(tuple(pair) for pair in said["names"])
    write(Plan(**said))


if __name__ == "__main__":
    main()
