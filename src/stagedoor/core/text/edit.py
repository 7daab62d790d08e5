"""Change a text as little as it takes to say something else; every comment stays.

The text is spliced where the data differ, the result is read again, and if it does not say exactly what it should, the
whole text is laid out anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from stagedoor.core.text.comments import comments_in
from stagedoor.core.text.format import format_text
from stagedoor.core.text.formatted import edit_formatted
from stagedoor.core.text.outline import SCALARS, Entry, begins_its_line, entries, line_end, line_start
from stagedoor.core.text.plain import Plain, identifying_key, identities, same, stringified
from stagedoor.core.text.read import Marks, marked, read
from stagedoor.core.text.scalars import literal, spelled
from stagedoor.core.text.write import lines_of, literal_lines
from stagedoor.errors import BadSpec

Splice: TypeAlias = tuple[int, int, str]

_MISSING: Final[Any] = object()
_BLOCK_HEADER: Final = re.compile(r"[|>][0-9+-]*")


class _NeedsLayout(Exception):
    """This place cannot be spliced; what is around it is laid out again."""


def edit(text: str, before: Plain, after: Plain) -> str:
    """`text`, which says `before`, changed to say `after`: lines that need not change stay as they are."""
    if same(before, after):
        return text
    quick = edit_formatted(text, before, after)
    if quick is not None:
        return quick
    body = text if text.endswith("\n") else text + "\n"
    marks = marked(body)
    try:
        result = _spliced(body, _Edit(body, marks).value(0, before, after))
    except _NeedsLayout:
        return format_text(text, after)
    return result if _says(result, marks.data, before, after) else format_text(text, after)


def _spliced(text: str, splices: Iterator[Splice]) -> str:
    parts: list[str] = []
    done = 0
    for start, end, new in sorted(splices, key=lambda splice: splice[:2]):
        if start < done:
            raise _NeedsLayout
        parts += (text[done:start], new)
        done = end
    return "".join(parts) + text[done:]


@dataclass(frozen=True, slots=True)
class _Edit:
    """The splices that turn one value of the text into another."""

    text: str
    marks: Marks

    def value(self, node: int, before: Plain, after: Plain) -> Iterator[Splice]:
        style = self.marks.style(node)
        if style == "map" and isinstance(before, dict) and isinstance(after, dict) and after:
            yield from self._mapping(node, before, after)
        elif style == "seq" and isinstance(before, list) and isinstance(after, list) and after:
            yield from self._sequence(node, before, after)
        else:
            raise _NeedsLayout

    # --- mappings

    def _mapping(self, node: int, before: dict[str, Plain], after: dict[str, Plain]) -> Iterator[Splice]:
        standing = {str(entry.key): entry for entry in entries(self.text, self.marks, node)}
        first = next(iter(standing.values()))
        previous: Entry | None = None
        for key, value in after.items():
            entry = standing.get(key)
            if key not in before or not same(before[key], value):
                if entry:
                    yield from self._entry(entry, before.get(key, _MISSING), value)
                else:
                    yield self._insert(lines_of({key: value}), previous, first)
            previous = entry or previous
        for key in before.keys() - after.keys():
            if key in standing:
                yield self._remove(standing[key])

    def _entry(self, entry: Entry, before: Plain, after: Plain) -> Iterator[Splice]:
        node = entry.node
        try:
            if node in self.marks.anchored:
                raise _NeedsLayout
            if not (isinstance(after, dict | list) and after) and self.marks.style(node) in SCALARS:
                splices = list(self._scalar(entry, after))
            else:
                splices = list(self.value(node, before, after))
        except _NeedsLayout:
            splices = [self._lay_out(entry, after)]
        yield from splices

    # --- lists

    def _sequence(self, node: int, before: list[Plain], after: list[Plain]) -> Iterator[Splice]:
        standing = entries(self.text, self.marks, node)
        key = identifying_key(before, after)
        old = self.marks.value(node)
        if key is None or not isinstance(old, list) or identities(old, key) != identities(before, key):
            raise _NeedsLayout
        names, wanted = identities(before, key), identities(after, key)
        if [name for name in names if name in set(wanted)] != [name for name in wanted if name in set(names)]:
            raise _NeedsLayout
        at = {name: index for index, name in enumerate(names)}
        previous: Entry | None = None
        for name, value in zip(wanted, after, strict=True):
            index = at.pop(name, None)
            if index is None:
                yield self._insert(lines_of([value]), previous, standing[0])
                continue
            previous = standing[index]
            if not same(before[index], value):
                yield from self._entry(previous, before[index], value)
        for index in at.values():
            yield self._remove(standing[index])

    # --- single splices

    def _scalar(self, entry: Entry, after: Plain) -> Iterator[Splice]:
        start, end = self.marks.start(entry.node), self.marks.end(entry.node)
        block = literal(after) if isinstance(after, str) else None
        head, lines = block or (spelled(after), [])
        below = "".join(line + "\n" for line in literal_lines(lines, entry.column))
        if self.marks.style(entry.node) in ("|", ">"):
            header = _BLOCK_HEADER.match(self.text, start)
            yield start, header.end() if header else start, head
            yield min(line_end(self.text, start) + 1, end), end, below
        else:
            yield start, end, head if end > start else f" {head}"
            if below:
                yield self._after(entry), self._after(entry), below

    def _insert(self, lines: list[str], previous: Entry | None, first: Entry) -> Splice:
        if not previous and not begins_its_line(self.text, first.start):
            raise _NeedsLayout
        index = self._behind(previous) if previous else line_start(self.text, first.start)
        return index, index, self._indented(lines, first.column)

    def _remove(self, entry: Entry) -> Splice:
        start, end = self._lines(entry)
        kept = [comment.text for comment in comments_in(self.text, self.marks, start, end)]
        return start, end, self._indented(kept, entry.column)

    def _lay_out(self, entry: Entry, after: Plain) -> Splice:
        """The lines of one entry, formatted as a text of their own."""
        start, end = self._lines(entry)
        margin = entry.column
        old = [line[min(margin, len(line) - len(line.lstrip(" "))) :] for line in self.text[start:end].split("\n")]
        is_item = isinstance(entry.key, int)
        alone = "items:\n" + "\n".join(old) if is_item else "\n".join(old)
        try:
            new = format_text(alone, {"items": [after]} if is_item else {str(entry.key): after})
        except BadSpec:
            raise _NeedsLayout from None
        lines = new.removesuffix("\n").split("\n")
        if is_item:
            if lines[0] != "items:":
                raise _NeedsLayout
            del lines[0]
        return start, end, self._indented(lines, margin)

    def _lines(self, entry: Entry) -> tuple[int, int]:
        if not begins_its_line(self.text, entry.start):
            raise _NeedsLayout
        return line_start(self.text, entry.start), self._after(entry)

    def _after(self, entry: Entry) -> int:
        """Where the line after an entry begins."""
        # a block scalar ends where the next line begins
        if self.text[entry.end - 1] == "\n":
            return entry.end
        return line_end(self.text, entry.end) + 1

    def _behind(self, entry: Entry) -> int:
        """Where something new may follow an entry: after the comments that close what is inside it."""
        inner = re.compile(rf"(?: *\n)* {{{entry.column + 1},}}#[^\n]*\n")
        index = self._after(entry)
        while closing := inner.match(self.text, index):
            index = closing.end()
        return index

    def _indented(self, lines: list[str], column: int) -> str:
        margin = " " * column
        return "".join(f"{margin}{line}\n" if line else "\n" for line in lines)


# --- the proof ------------------------------------------------------------------------------------------------------


def _says(result: str, old: Plain, before: Plain, after: Plain) -> bool:
    """The result reads, and says what it should.

    That also proves the comments: every splice writes down those it takes away, and one that had become content, or
    swallowed any, would change the data.
    """
    try:
        found = read(result.encode(), "the edited file")
    except BadSpec:
        return False
    return _agrees(old, before, found.data, after)


def _agrees(old: Plain, before: Plain, new: Plain, after: Plain) -> bool:
    """Where `before` and `after` are the same the text may say what it said, in its own spelling."""
    if before == after and new == old:
        return True
    if isinstance(before, dict) and isinstance(after, dict) and isinstance(old, dict) and isinstance(new, dict):
        return _mappings_agree(old, before, new, after)
    if isinstance(before, list) and isinstance(after, list) and isinstance(old, list) and isinstance(new, list):
        return _lists_agree(old, before, new, after)
    return bool(new == stringified(after))


def _mappings_agree(
    old: dict[str, Plain], before: dict[str, Plain], new: dict[str, Plain], after: dict[str, Plain]
) -> bool:
    for key in old.keys() | new.keys() | before.keys() | after.keys():
        if key in before and key not in after:
            if key in new:
                return False
        elif key not in after:
            # a default that somebody wrote out: it stays, or goes when what is around it is laid out again
            if key in new and new[key] != old.get(key, _MISSING):
                return False
        elif not _agrees(old.get(key, _MISSING), before.get(key, _MISSING), new.get(key, _MISSING), after[key]):
            return False
    return True


def _lists_agree(old: list[Plain], before: list[Plain], new: list[Plain], after: list[Plain]) -> bool:
    key = identifying_key(before, after)
    if key is None or len(new) != len(after) or identities(old, key) != identities(before, key):
        return bool(new == stringified(after))
    at = {name: index for index, name in enumerate(identities(before, key))}
    for name, found, wanted in zip(identities(after, key), new, after, strict=True):
        index = at.get(name)
        was, said = (_MISSING, _MISSING) if index is None else (before[index], old[index])
        if not _agrees(said, was, found, wanted):
            return False
    return True
