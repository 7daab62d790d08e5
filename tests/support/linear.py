"""Whether what many saw at once could have happened one after the other: a search in the manner of Wing and Gong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oracle import READS, Answer, Call, State, agrees, answer


@dataclass(frozen=True, slots=True)
class Logged:
    """A call, what was answered, and when it began and ended on the machine's one clock. A lost one has no end."""

    call: Call
    begin: float
    end: float
    answer: Answer

    def __str__(self) -> str:
        said = {key: value for key, value in self.call.plain().items() if value not in (None, "", False)}
        got = self.answer.lost or self.answer.refused or self.answer.value
        return f"{self.begin:.4f}..{self.end:.4f} {said} -> {got}"


@dataclass(frozen=True, slots=True)
class Order:
    """An order that explains everything, and the state at its end; or where the longest try got stuck."""

    calls: tuple[Logged, ...]
    state: State
    stuck: tuple[Logged, ...] = ()


def read_log(paths: Iterable[Path]) -> list[Logged]:
    """The calls that writers logged, one JSON document a line. A line without an answer is a call that was lost."""
    begun: dict[tuple[str, int], Logged] = {}
    for path in paths:
        for line in path.read_text().splitlines():
            said = json.loads(line)
            key = (str(path), said["id"])
            if "call" in said:
                begun[key] = Logged(Call(**said["call"]), said["at"], math.inf, Answer(lost="no answer"))
            else:
                got = Answer(**said["answer"])
                end = math.inf if got.lost else said["at"]
                begun[key] = Logged(begun[key].call, begun[key].begin, end, got)
    return sorted(begun.values(), key=lambda one: one.begin)


def linearize(logged: Sequence[Logged], start: State = ()) -> Order:
    """An order in which each call could have been answered so, and comes after those that ended before it began.

    A look or a refusal that fits now is taken at once: it changes nothing, so it stands in nobody's way. Only the
    others are tried in turns, and no state is looked at twice with the same calls left.
    """
    calls = sorted(logged, key=lambda one: one.begin)
    left = frozenset(range(len(calls)))
    best = Order((), start, tuple(calls))
    seen: set[tuple[frozenset[int], State]] = set()
    todo: list[tuple[frozenset[int], State, tuple[int, ...]]] = [(left, start, ())]
    while todo:
        left, state, path = todo.pop()
        left, path = _settled(calls, left, state, path)
        if (left, state) in seen:
            continue
        seen.add((left, state))
        stuck = tuple(calls[i] for i in sorted(left) if not calls[i].answer.lost)
        if len(stuck) < len(best.stuck) or not stuck:
            best = Order(tuple(calls[i] for i in path), state, stuck)
        if not stuck:
            return best
        # what ended first was most likely first: it is tried first, so pushed last
        for i in sorted(_ready(calls, left), key=lambda i: -calls[i].end):
            after, expected = answer(state, calls[i].call)
            if _fits(state, calls[i], expected) and not (calls[i].answer.lost and after == state):
                todo.append((left - {i}, after, (*path, i)))
    return best


def _fits(state: State, one: Logged, expected: Answer) -> bool:
    if one.answer.lost:
        return not expected.refused
    return one.call.op not in READS and not one.answer.refused and agrees(state, one.call, expected, one.answer)


def _settled(
    calls: Sequence[Logged], left: frozenset[int], state: State, path: tuple[int, ...]
) -> tuple[frozenset[int], tuple[int, ...]]:
    """Without the looks and refusals that fit in this state."""
    while True:
        idle = [i for i in _ready(calls, left) if not calls[i].answer.lost and _is_idle(state, calls[i])]
        if not idle:
            return left, path
        left, path = left.difference(idle), (*path, *idle)


def _is_idle(state: State, one: Logged) -> bool:
    """A write that changes nothing now is no such thing: it may be the one that is missed later."""
    is_look = one.call.op in READS
    return (is_look or bool(one.answer.refused)) and agrees(state, one.call, answer(state, one.call)[1], one.answer)


def _ready(calls: Sequence[Logged], left: frozenset[int]) -> Iterator[int]:
    """The calls that may be next: those that began before any other that is left had ended."""
    first, ready = math.inf, []
    for i in sorted(left):
        if calls[i].begin > first:
            break
        ready.append(i)
        first = min(first, calls[i].end)
    return (i for i in ready if calls[i].begin <= first)
