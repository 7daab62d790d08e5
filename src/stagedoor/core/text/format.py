"""The canonical layout of data, with the comments of a text set around it again.

Comments keep their text, stay with the entry they were about, and stand at its column; two spaces come before one that
ends a line. Of blank lines, only one above a comment that had one stays.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from stagedoor.core.text.comments import Above, Beside, Comment, Head, Outline, Tail, comments_in, outline, subjects
from stagedoor.core.text.outline import Entry
from stagedoor.core.text.plain import Plain, identifying_key, identities, stringified
from stagedoor.core.text.read import Marks, marked
from stagedoor.core.text.write import Spot, lines_of, render


def format_text(text: str, canonical: Plain) -> str:
    """The canonical text of the data, with every comment of `text` beside or above what it was about."""
    text = text if text.endswith("\n") else text + "\n"
    marks = marked(text)
    comments = comments_in(text, marks)
    if not comments:
        return render(canonical)
    spot = Spot(0)
    lines = lines_of(canonical, spot)
    seen = outline(text, marks)
    places = _Places(seen)
    places.match(0, stringified(canonical), spot)
    notes = _Notes()
    for comment, subject in subjects(seen, comments):
        notes.put(comment, places.of(subject))
    return "\n".join(notes.around(lines)) + "\n"


@dataclass(frozen=True, slots=True)
class _Place:
    """A line of the canonical text, and the side of it: above (-1), beside (0), below (1) at a column."""

    line: int
    side: int
    column: int = 0


@dataclass(slots=True)
class _Places:
    """Where in the canonical text the entries of the old one stand, or would stand."""

    seen: Outline
    entries: dict[int, _Place] = field(default_factory=dict)  # by the node of the entry's value
    tails: dict[int, _Place] = field(default_factory=dict)

    def of(self, subject: Above | Beside | Tail | Head) -> _Place:
        match subject:
            case Head():
                return _Place(0, -1)
            case Tail(node):
                return self.tails[node]
            case Beside(entry):
                return self.entries[entry.node]
            case Above(entry):
                place = self.entries[entry.node]
                return place if place.side else _Place(place.line, -1)

    def match(self, node: int, value: Plain, spot: Spot) -> None:
        """Find the entries of a node in the spot where its value now stands."""
        inner = self.seen.inside[node]
        if not spot.inner or not isinstance(value, list | dict) or isinstance(value, list) != self._is_list(node):
            self._settle(node, _Place(spot.line, -1), _Place(spot.line, -1 if node else 1))
            return
        below = self.tails[node] = _Place(spot.last, 1, spot.inner_column)
        following = below
        found = _matches(inner, self.seen.marks, value)
        for entry in reversed(inner):
            key = found.get(entry.key)
            if key is None:
                self._vanish(entry, following)
            else:
                here = spot.inner[key]
                self.entries[entry.node] = _Place(here.line, 0)
                following = _Place(here.line, -1)
                self.match(entry.node, value[key], here)  # type: ignore[index]

    def _is_list(self, node: int) -> bool:
        return self.seen.marks.style(node) in ("seq", "[]")

    def _vanish(self, entry: Entry, place: _Place) -> None:
        self.entries[entry.node] = place
        self._settle(entry.node, place, place)

    def _settle(self, node: int, place: _Place, tail: _Place) -> None:
        self.tails[node] = tail
        for entry in self.seen.inside[node]:
            self._vanish(entry, place)


def _matches(inner: list[Entry], marks: Marks, value: Plain) -> dict[str | int, str | int]:
    """Which entry of the new value each old entry has become."""
    if isinstance(value, dict):
        return {entry.key: entry.key for entry in inner if entry.key in value}
    if not isinstance(value, list):
        return {}
    old = [marks.value(entry.node) for entry in inner]
    key = identifying_key(old, value)
    if key:
        new = {name: index for index, name in enumerate(identities(value, key))}
        return {at: new[name] for at, name in enumerate(identities(old, key)) if name in new}
    return _equal_items(old, value)


def _equal_items(old: list[Plain], new: list[Plain]) -> dict[str | int, str | int]:
    """Equal items are the same item; of the others, those at the same place."""
    places: dict[str, list[int]] = defaultdict(list)
    for index in reversed(range(len(new))):
        places[repr(new[index])].append(index)
    found: dict[str | int, str | int] = {
        at: places[repr(item)].pop() for at, item in enumerate(old) if places[repr(item)]
    }
    taken = set(found.values())
    return found | {at: at for at in range(min(len(old), len(new))) if at not in found and at not in taken}


@dataclass(slots=True)
class _Notes:
    """The comments by line of the canonical text."""

    above: dict[int, list[Comment]] = field(default_factory=lambda: defaultdict(list))
    beside: dict[int, list[Comment]] = field(default_factory=lambda: defaultdict(list))
    below: dict[int, list[tuple[int, Comment]]] = field(default_factory=lambda: defaultdict(list))

    def put(self, comment: Comment, place: _Place) -> None:
        if place.side > 0:
            self.below[place.line].append((-place.column, comment))
        elif place.side == 0 and not comment.alone:
            self.beside[place.line].append(comment)
        else:
            self.above[place.line].append(comment)

    def around(self, lines: list[str]) -> list[str]:
        """The lines with their comments."""
        out: list[str] = []
        for number, line in enumerate(lines):
            beside = self.beside.get(number, [])
            margin = " " * (len(line) - len(line.lstrip(" ")))
            for comment in self.above.get(number, []) + beside[:-1]:
                _stand_alone(comment, margin, out)
            out.append(f"{line}  {beside[-1].text}" if beside else line)
            for column, comment in sorted(self.below.get(number, []), key=lambda note: note[0]):
                _stand_alone(comment, " " * -column, out)
        return out


def _stand_alone(comment: Comment, margin: str, out: list[str]) -> None:
    if comment.spaced and out:
        out.append("")
    out.append(margin + comment.text)
