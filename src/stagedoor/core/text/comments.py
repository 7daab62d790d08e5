"""Where the comments of a text are, and what each of them is about."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from stagedoor.core.text.outline import (
    SCALARS,
    Entry,
    column_of,
    entries,
    line_end,
    line_start,
    value_start,
)
from stagedoor.core.text.read import Marks

_DOCUMENT_LINES: Final = frozenset({"---", "..."})


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment, from its # to the end of the line. `spaced` if a blank line stands above it."""

    index: int
    text: str
    alone: bool
    spaced: bool


def comments_in(text: str, marks: Marks, low: int = 0, high: int | None = None) -> list[Comment]:
    """The comments that begin in a stretch of the text, in order."""
    high = len(text) if high is None else high
    found: list[Comment] = []
    index = text.find("#", low, high)
    spans = _scalar_spans(text, marks) if index >= 0 else ([], [])
    while index >= 0:
        after = _content_end(text, spans, index)
        if after is None:
            found.append(_comment(text, index))
            after = line_end(text, index)
        index = text.find("#", after, high)
    return found


def _scalar_spans(text: str, marks: Marks) -> tuple[list[int], list[int]]:
    anchored = marks.anchored
    starts: list[int] = []
    ends: list[int] = []
    for node, (start, end, style, _) in enumerate(marks.rows):
        if end > start and style in SCALARS:
            starts.append(value_start(text, marks, node) if node in anchored else start)
            ends.append(end)
    return starts, ends


def _content_end(text: str, spans: tuple[list[int], list[int]], index: int) -> int | None:
    """Where the scalar around this # ends; None if it begins a comment."""
    starts, ends = spans
    found = bisect_right(starts, index) - 1
    if found < 0 or index >= ends[found]:
        return None
    start = starts[found]
    if text[start] in "|>" and index < line_end(text, start):
        return None
    return ends[found]


def _comment(text: str, index: int) -> Comment:
    start = line_start(text, index)
    before = text[start:index].strip()
    alone = not before or before in _DOCUMENT_LINES
    spaced = alone and start > 0 and not text[line_start(text, start - 1) : start].strip()
    return Comment(index, text[index : line_end(text, index)].rstrip(), alone, spaced)


# --- what a comment is about ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Above:
    """It stands on lines of its own before an entry."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Beside:
    """It ends the line on which an entry begins."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Tail:
    """It stands after the last entry of a mapping or list."""

    node: int


@dataclass(frozen=True, slots=True)
class Head:
    """It opens the file."""


Subject: TypeAlias = Above | Beside | Tail | Head


@dataclass(slots=True)
class Outline:
    """Every entry in the order of the text, and what a comment has to know of its surroundings."""

    text: str
    marks: Marks
    entries: list[Entry] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    chains: list[tuple[int, ...]] = field(default_factory=list)  # of each entry: the nodes around it, outermost first
    columns: dict[int, int] = field(default_factory=dict)  # of each node: the column of the entries in it
    inside: dict[int, list[Entry]] = field(default_factory=dict)
    stops: list[tuple[int, Entry]] = field(default_factory=list)  # where an entry opens or ends, for what stands beside


def outline(text: str, marks: Marks) -> Outline:
    """Everything that stands in a text."""
    found = Outline(text, marks)
    _walk(found, 0, ())
    found.stops.sort(key=lambda stop: stop[0])
    return found


def _walk(found: Outline, node: int, chain: tuple[int, ...]) -> None:
    inner = entries(found.text, found.marks, node)
    found.inside[node] = inner
    chain = (*chain, node)
    for entry in inner:
        found.columns.setdefault(node, entry.column)
        found.entries.append(entry)
        found.starts.append(entry.start)
        found.chains.append(chain)
        found.stops.append((entry.opened, entry))
        _walk(found, entry.node, chain)
        # the sort is stable: of those that end at one place the innermost comes first
        found.stops.append((entry.end, entry))


def subjects(seen: Outline, comments: list[Comment]) -> Iterator[tuple[Comment, Subject]]:
    """What each comment is about."""
    gap, deepest = -1, 0
    head = _head(seen, comments)
    stops = [index for index, _ in seen.stops]
    for comment in comments:
        if comment.index < head:
            yield comment, Head()
        elif not comment.alone:
            yield comment, _beside(seen, stops, comment)
        else:
            following = bisect_right(seen.starts, comment.index)
            column = column_of(seen.text, comment.index)
            # in one gap, what stands further out is not followed by what stands further in
            deepest = column if following != gap else min(column, deepest)
            gap = following
            yield comment, _alone(seen, comment, following, deepest)


def _head(seen: Outline, comments: list[Comment]) -> int:
    """Where the opening comments of the file end: the last block before the first key belongs to it, if set off."""
    first = seen.starts[0] if seen.starts else seen.marks.start(0)
    opening = [comment for comment in comments if comment.index < min(first, seen.marks.start(0))]
    if not opening:
        return 0
    blocks = [comment.index for comment in opening if comment.spaced]
    touches = line_end(seen.text, opening[-1].index) + 1 == line_start(seen.text, first)
    return blocks[-1] if blocks and touches and blocks[-1] > opening[0].index and seen.starts else first


def _beside(seen: Outline, stops: list[int], comment: Comment) -> Subject:
    found = bisect_right(stops, comment.index) - 1
    if found < 0:
        return Head()
    return Beside(seen.stops[bisect_left(stops, stops[found])][1])


def _alone(seen: Outline, comment: Comment, following: int, column: int) -> Subject:
    marks, index = seen.marks, comment.index
    if following == 0:
        return Above(seen.entries[0]) if seen.entries else Tail(0)
    before = seen.entries[following - 1]
    after = seen.entries[following] if following < len(seen.entries) else None
    for node in reversed(seen.chains[following - 1] + (before.node,)):
        if marks.style(node) in ("{}", "[]") and marks.start(node) < index < marks.end(node):
            return Above(after) if after and after.start < marks.end(node) else Tail(node)
    if before.end > index:
        return Above(after) if after and after.start < before.end else Above(before)
    return _between(seen, following, column, after)


def _between(seen: Outline, following: int, column: int, after: Entry | None) -> Subject:
    """After one entry, before the next: the column says whether it closes what ends here or opens what follows."""
    if after and column <= after.column:
        return Above(after)
    around = seen.chains[following] if after else ()
    ended = [node for node in seen.chains[following - 1] if node not in around and seen.columns[node] <= column]
    if not ended:
        return Above(after) if after else Tail(0)
    deepest = max(seen.columns[node] for node in ended)
    return Tail(next(node for node in ended if seen.columns[node] == deepest))
