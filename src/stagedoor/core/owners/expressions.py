"""Gitea's regular expressions, in the subset that every Gitea reads alike, matched in linear time.

Older releases compile a line with Go's `regexp`, newer ones with `regexp2`, which backtracks and was made to run for
minutes (https://github.com/go-gitea/gitea/pull/38011). Here an expression becomes an automaton that never goes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_LENGTH: Final = 1_000
_MAX_REPEAT: Final = 1_000  # Go's own limit: https://pkg.go.dev/regexp/syntax
_MAX_STEPS: Final = 5_000
_MAX_DEPTH: Final = 50
_MAX_STATES: Final = 2_000

# What an expression begins with before anything in it is special: most lines are about another folder.
_PLAIN: Final = re.compile(r"(?:[A-Za-z0-9_/ -](?![*+?{]))*")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_LAST: Final = "\U0010ffff"
_CLASSES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "d": (("0", "9"),),
    "w": (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")),
    "s": (("\t", "\n"), ("\f", "\r"), (" ", " ")),
}


class NotAnExpression(ValueError):
    """The text is no expression that every Gitea reads alike; the message says why."""


@dataclass(frozen=True, slots=True)
class _Chars:
    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def has(self, char: str) -> bool:
        return any(low <= char <= high for low, high in self.ranges) != self.negated


@dataclass(frozen=True, slots=True)
class _Row:
    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    branches: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    body: _Node
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class _Edge:
    is_end: bool


_Node = _Chars | _Row | _Choice | _Repeat | _Edge


class _Reader:
    """A recursive descent through one expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def take(self) -> str:
        if self.at >= len(self.text):
            raise NotAnExpression("the expression breaks off")
        self.at += 1
        return self.text[self.at - 1]

    def skip(self, text: str) -> bool:
        found = self.text.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def whole(self) -> _Node:
        node = self.choice()
        if self.at < len(self.text):
            raise NotAnExpression("a bracket closes that was never opened")
        return node

    def choice(self) -> _Node:
        branches = [self.row()]
        while self.skip("|"):
            branches.append(self.row())
        return branches[0] if len(branches) == 1 else _Choice(tuple(branches))

    def row(self) -> _Node:
        parts: list[_Node] = []
        while self.peek() not in {"", "|", ")"}:
            parts.append(self.repeated(self.atom()))
        return _Row(tuple(parts))

    def repeated(self, node: _Node) -> _Node:
        times = self.times()
        if times is None:
            return node
        if isinstance(node, _Edge):
            raise NotAnExpression("there is nothing to repeat: this is a regular expression, not a path pattern")
        self.skip("?")  # a lazy repetition matches the same paths
        if self.times() is not None:
            raise NotAnExpression("a repetition of a repetition")
        return _Repeat(node, *times)

    def times(self) -> tuple[int, int | None] | None:
        for sign, times in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.skip(sign):
                return times
        return self.counted() if self.peek() == "{" else None

    def counted(self) -> tuple[int, int | None] | None:
        end = self.text.find("}", self.at)
        least, comma, most = self.text[self.at + 1 : max(end, self.at)].partition(",")
        if not _is_number(least) or not (_is_number(most) or not most):
            return None  # a brace that counts nothing is a brace
        self.at = end + 1
        low, high = int(least), (int(most) if most else None) if comma else int(least)
        if max(low, high or 0) > _MAX_REPEAT or (high is not None and high < low):
            raise NotAnExpression("a repetition count that Go refuses")
        return low, high

    def atom(self) -> _Node:
        char = self.take()
        match char:
            case "(":
                return self.group()
            case "[":
                return self.char_class()
            case ".":
                return _Chars((("\n", "\n"),), negated=True)
            case "^" | "$":
                return _Edge(char == "$")
            case "\\":
                return self.escape()
            case "*" | "+" | "?":
                raise NotAnExpression("there is nothing to repeat: this is a regular expression, not a path pattern")
        return _Chars(((char, char),))

    def group(self) -> _Node:
        if self.skip("?") and not self.skip(":"):
            raise NotAnExpression("only plain groups and `(?:` are read alike by every Gitea")
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise NotAnExpression("the groups are nested too deep")
        node = self.choice()
        self.depth -= 1
        if not self.skip(")"):
            raise NotAnExpression("a bracket never closes")
        return node

    def escape(self) -> _Chars | _Edge:
        char = self.take()
        if char in "Az":
            return _Edge(char == "z")
        if char.lower() in _CLASSES:
            return _Chars(_CLASSES[char.lower()], negated=char.isupper())
        plain = self.escaped(char)
        return _Chars(((plain, plain),))

    def escaped(self, char: str) -> str:
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char.isalnum() or char == "_" or not char.isascii():
            raise NotAnExpression(f"`\\{char}` is not read alike by every Gitea")
        return char

    def char_class(self) -> _Chars:
        negated = self.skip("^")
        ranges: list[tuple[str, str]] = []
        while not self.skip("]") or not ranges:
            ranges.extend(self.members() if ranges or self.text[self.at - 1] != "]" else [("]", "]")])
        return _Chars(tuple(ranges), negated)

    def members(self) -> Iterable[tuple[str, str]]:
        char = self.take()
        if char == "[" and self.peek() in {":", ".", "="}:
            raise NotAnExpression("named character classes are not read alike by every Gitea")
        if char == "\\":
            char = self.take()
            if char in _CLASSES:
                return _CLASSES[char]
            char = self.escaped(char)
        if self.peek() != "-" or self.peek(2) in {"-", "-]"}:
            return ((char, char),)
        self.take()
        high = self.take()
        high = self.escaped(self.take()) if high == "\\" else high
        if high < char:
            raise NotAnExpression(f"the range {char}-{high} runs backwards")
        return ((char, high),)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4


class _Step(NamedTuple):
    """One instruction: eat a character, go both ways, pass at an edge, or be done."""

    chars: _Chars | None = None
    ways: tuple[int, ...] = ()
    edge: _Edge | None = None


@dataclass(slots=True)
class _State:
    eats: tuple[int, ...]
    is_done: bool
    ends_done: bool
    after: dict[str, _State] = field(default_factory=dict)


def check(text: str) -> None:
    """Raise `NotAnExpression` unless every Gitea reads the text alike."""
    _Automaton(text)


class Expression:
    """A checked expression. Its automaton is built when a path first needs it."""

    __slots__ = ("_automaton", "_prefix", "_text")

    def __init__(self, text: str) -> None:
        plain = _PLAIN.match(text) if "|" not in text else None
        self._prefix = plain.group() if plain else ""
        self._text = text
        self._automaton: _Automaton | None = None

    def matches(self, path: str) -> bool:
        if not path.startswith(self._prefix):
            return False
        if self._automaton is None:
            self._automaton = _Automaton(self._text)
        return self._automaton.matches(path)


class _Automaton:
    """Its states are found as paths need them, and forgotten when they grow too many."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise NotAnExpression(f"the expression is longer than {MAX_LENGTH} characters")
        # Gitea puts the anchors around the text as it stands, so `a|b` means `^a` or `b$`.
        self._steps: list[_Step] = []
        self._add(_Reader(f"^{text}$").whole())
        self._done = len(self._steps)
        self._states: dict[frozenset[int], _State] = {}
        self._first = self._state(frozenset({0}), at_start=True)

    def matches(self, path: str) -> bool:
        state = self._first
        for char in path:
            if state.is_done:
                return True
            found = state.after.get(char)
            state = found if found is not None else self._follow(state, char)
        return state.is_done or state.ends_done

    def _follow(self, state: _State, char: str) -> _State:
        now = frozenset(at + 1 for at in state.eats if (chars := self._steps[at].chars) and chars.has(char))
        found = self._states.get(now)
        if found is None:
            if len(self._states) >= _MAX_STATES:
                self._states.clear()
                self._first.after.clear()
            # the search may begin anywhere: `a|b` needs no anchor in its second branch
            found = self._states[now] = self._state(now | {0}, at_start=False)
        if len(self._states) < _MAX_STATES:
            state.after[char] = found
        return found

    def _state(self, begin: frozenset[int], *, at_start: bool) -> _State:
        inside = set(self._reach(begin, at_start=at_start, at_end=False))
        at_end = self._done in set(self._reach(begin, at_start=at_start, at_end=True))
        eats = tuple(sorted(at for at in inside if at < self._done and self._steps[at].chars))
        return _State(eats, self._done in inside, at_end)

    def _reach(self, begin: frozenset[int], *, at_start: bool, at_end: bool) -> Iterator[int]:
        seen, todo = set(begin), list(begin)
        while todo:
            at = todo.pop()
            yield at
            step = self._steps[at] if at < self._done else _Step()
            if step.edge and not (at_end if step.edge.is_end else at_start):
                continue
            fresh = [way for way in step.ways if way not in seen]
            seen.update(fresh)
            todo.extend(fresh)

    def _add(self, node: _Node) -> None:
        if len(self._steps) > _MAX_STEPS:
            raise NotAnExpression("the expression is too big")
        match node:
            case _Chars():
                self._steps.append(_Step(chars=node))
            case _Edge():
                self._steps.append(_Step(edge=node, ways=(len(self._steps) + 1,)))
            case _Row():
                for part in node.parts:
                    self._add(part)
            case _Choice():
                self._add_choice(node)
            case _Repeat():
                self._add_repeat(node)

    def _add_choice(self, node: _Choice) -> None:
        fork = self._room()
        starts: list[int] = []
        exits: list[int] = []
        for branch in node.branches:
            starts.append(len(self._steps))
            self._add(branch)
            exits.append(self._room())
        self._steps[fork] = _Step(ways=tuple(starts))
        for leave in exits:
            self._steps[leave] = _Step(ways=(len(self._steps),))

    def _add_repeat(self, node: _Repeat) -> None:
        for _ in range(node.least):
            self._add(node.body)
        if node.most is None:
            fork = self._room()
            self._add(node.body)
            self._steps.append(_Step(ways=(fork,)))
            self._steps[fork] = _Step(ways=(fork + 1, len(self._steps)))
            return
        for _ in range(node.most - node.least):
            fork = self._room()
            self._add(node.body)
            self._steps[fork] = _Step(ways=(fork + 1, len(self._steps)))

    def _room(self) -> int:
        self._steps.append(_Step())
        if len(self._steps) > _MAX_STEPS:
            raise NotAnExpression("the expression is too big")
        return len(self._steps) - 1
