"""Canonical text from plain data: block style, two spaces, never a folded line."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from stagedoor.core.text.plain import Plain, Settled
from stagedoor.core.text.scalars import literal, spelled, text_spelled

# a key that is longer cannot stand before a colon on one line (YAML 1.2, 7.4.2: 1024 characters)
_LONGEST_KEY: Final = 1000


@dataclass(slots=True)
class Spot:
    """Where an entry came to stand: its lines, and the column at which the entries inside it stand."""

    line: int
    last: int = 0
    inner_column: int = 0
    inner: dict[Hashable, Spot] = field(default_factory=dict)


def render(data: Plain, *, header: str | None = None) -> str:
    """The canonical text of plain data; keys stand in the order given."""
    lines = [header] if header else []
    lines += lines_of(data)
    return "\n".join(lines) + "\n"


def lines_of(data: Plain, spot: Spot | None = None) -> list[str]:
    """The canonical lines; `spot` is filled with where everything stands."""
    out: list[str] = []
    if isinstance(data, dict) and data:
        _mapping(data, 0, "", out, spot)
    elif isinstance(data, list) and data:
        _sequence(data, 0, "", out, spot)
    else:
        out.append(spelled(data))
    if spot:
        spot.last = len(out) - 1
    return out


def _mapping(data: dict[str, Plain], column: int, lead: str, out: list[str], around: Spot | None) -> None:
    margin = " " * column
    if around:
        around.inner_column = column
    for key, value in data.items():
        spot = _open(around, key, out)
        name = text_spelled(key)
        if len(name) > _LONGEST_KEY:
            out.append(f"{lead or margin}? {name}")
            head = f"{margin}:"
        else:
            head = f"{lead or margin}{name}:"
        lead = ""
        if isinstance(value, dict) and value:
            out.append(head)
            _mapping(value, column + 2, "", out, spot)
        elif isinstance(value, list) and value:
            out.append(head)
            _sequence(value, column, "", out, spot)
        else:
            _scalar(head, value, column, out)
        _close(spot, out)


def _sequence(items: list[Plain], column: int, lead: str, out: list[str], around: Spot | None) -> None:
    margin = " " * column
    if around:
        around.inner_column = column
    for index, item in enumerate(items):
        if type(item) is Settled and item and not (column or lead or around):
            out += _lines_of_item(item)
            continue
        spot = _open(around, index, out)
        head = f"{lead or margin}-"
        lead = ""
        if isinstance(item, dict) and item:
            _mapping(item, column + 2, f"{head} ", out, spot)
        elif isinstance(item, list) and item:
            _sequence(item, column + 2, f"{head} ", out, spot)
        else:
            _scalar(head, item, column, out)
        _close(spot, out)


def _lines_of_item(item: Settled) -> list[str]:
    """The lines of an item of a list at the margin, made once."""
    try:
        return item.lines
    except AttributeError:
        item.lines = []
        _mapping(item, 2, "- ", item.lines, None)
        return item.lines


def _scalar(head: str, value: Plain, column: int, out: list[str]) -> None:
    block = literal(value) if isinstance(value, str) else None
    if block is None:
        out.append(f"{head} {spelled(value)}")
        return
    header, lines = block
    out.append(f"{head} {header}")
    out += literal_lines(lines, column)


def literal_lines(lines: list[str], column: int) -> list[str]:
    """The lines of a literal block below an entry at `column`."""
    margin = " " * (column + 2)
    return [margin + line if line else "" for line in lines]


def _open(around: Spot | None, key: Hashable, out: list[str]) -> Spot | None:
    if around is None:
        return None
    spot = around.inner[key] = Spot(len(out))
    return spot


def _close(spot: Spot | None, out: list[str]) -> None:
    if spot:
        spot.last = len(out) - 1
