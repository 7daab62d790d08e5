"""The entries of a text: where each pair of a mapping and each item of a list begins, stands and ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stagedoor.core.text.read import Marks

_ANCHOR: Final = re.compile(r"&[\w-]+(?:[ \t\n]|#[^\n]*)*", re.ASCII)
_DASH: Final = re.compile(r"^ *-(?=[ \t\n]|\Z)", re.MULTILINE)
SCALARS: Final = frozenset({"", "'", '"', "|", ">"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A pair of a mapping or an item of a list. `opened` is where its key or dash ends, `node` its value's row."""

    key: str | int
    start: int
    opened: int
    column: int
    node: int
    end: int


def entries(text: str, marks: Marks, node: int) -> list[Entry]:
    """The entries directly inside a mapping or list; none inside a scalar."""
    style = marks.style(node)
    if style in ("map", "{}"):
        return list(_pairs(text, marks, node))
    return list(_items(text, marks, node)) if style in ("seq", "[]") else []


def _pairs(text: str, marks: Marks, node: int) -> Iterator[Entry]:
    key = node + 1
    while key < marks.skip(node):
        value = key + 1
        start = marks.start(key)
        yield Entry(str(marks.value(key)), start, marks.end(key), column_of(text, start), value, marks.end(value))
        key = marks.skip(value)


def _items(text: str, marks: Marks, node: int) -> Iterator[Entry]:
    item, index, flow = node + 1, 0, marks.style(node) == "[]"
    start = value_start(text, marks, node)
    while item < marks.skip(node):
        end = marks.end(item)
        if flow:
            start = marks.start(item)
        yield Entry(index, start, start if flow else start + 1, column_of(text, start), item, end)
        item, index = marks.skip(item), index + 1
        if not flow and item < marks.skip(node):
            start = _next_dash(text, end)


def _next_dash(text: str, end: int) -> int:
    """Where the dash of the item stands that follows one which ends here: the parser does not say."""
    found = _DASH.search(text, line_start(text, end))
    while found and found.end() <= end:
        found = _DASH.search(text, found.end())
    return found.end() - 1 if found else end


def value_start(text: str, marks: Marks, node: int) -> int:
    """Where the value itself begins, after its anchor."""
    anchor = _ANCHOR.match(text, marks.start(node)) if node in marks.anchored else None
    return min(anchor.end(), marks.end(node)) if anchor else marks.start(node)


def line_start(text: str, index: int) -> int:
    """Where the line around an index begins."""
    return text.rfind("\n", 0, index) + 1


def line_end(text: str, index: int) -> int:
    """Where the line around an index ends, before its line feed."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end


def column_of(text: str, index: int) -> int:
    """The column of an index, counted from zero."""
    return index - line_start(text, index)


def begins_its_line(text: str, index: int) -> bool:
    """Nothing but spaces stands before it."""
    return not text[line_start(text, index) : index].strip(" ")
