"""The quick edit of a text that is in canonical layout already: nothing has to be parsed to know what stands where."""

from __future__ import annotations

from typing import Final

from stagedoor.core.text.plain import Plain
from stagedoor.core.text.write import lines_of

_BLOCK_HEADERS: Final = (" |", " |-", " |2", " |2-")


def edit_formatted(text: str, before: Plain, after: Plain) -> str | None:
    """The edited text, or None if the text is not laid out canonically or the change is not a simple one.

    Text that is the canonical text of `before` but for its comments says `before`. Without comments among its lines
    the canonical text of `after` takes its place; with comments, one changed line does.
    """
    old = lines_of(before)
    lines = text.split("\n")
    for opening in (1, 0):
        if lines[opening:-1] == old and not lines[-1] and all(_is_comment(line, None) for line in lines[:opening]):
            return "\n".join([*lines[:opening], *lines_of(after), ""])
    places = _places(lines, old)
    if places is None:
        return None
    new = lines_of(after)
    opening = places[0]
    if len(lines) == opening + len(old) + 1 and lines[opening:-1] == old:
        return "\n".join([*lines[:opening], *new, ""])
    first = next((at for at, (was, now) in enumerate(zip(old, new, strict=False)) if was != now), -1)
    if first < 0 or len(old) != len(new) or old[first + 1 :] != new[first + 1 :]:
        return None
    if old[first].endswith(_BLOCK_HEADERS) or new[first].endswith(_BLOCK_HEADERS):
        return None  # what stands below would become text, or would have been it
    lines[places[first]] = new[first] + lines[places[first]][len(old[first]) :]
    return "\n".join(lines)


def _places(lines: list[str], old: list[str]) -> list[int] | None:
    """The number of each canonical line in the text; None unless all that stands between them is comments."""
    places: list[int] = []
    blocks = _blocks(old)
    above: int | None = None
    for number, line in enumerate(lines):
        at = len(places)
        inside = blocks[at]
        if at < len(old) and (line == old[at] or (inside is None and line.startswith(f"{old[at]}  #"))):
            places.append(number)
            above = inside
        elif inside is not None or (line and not _is_comment(line, above)):
            return None
    return places if len(places) == len(old) and not lines[-1] else None


def _blocks(old: list[str]) -> list[int | None]:
    """For each line, the margin of the block of text that it stands in; rather a line too many than one too few."""
    blocks: list[int | None] = []
    margin: int | None = None
    for line in old:
        if margin is not None and line and _margin(line) <= margin:
            margin = None
        blocks.append(margin)
        if margin is None and line.endswith(_BLOCK_HEADERS):
            margin = _margin(line)
    return [*blocks, None]


def _is_comment(line: str, block: int | None) -> bool:
    """What stands further in than the header of a block of text may be content of it."""
    return line.lstrip(" ").startswith("#") and (block is None or _margin(line) <= block)


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
