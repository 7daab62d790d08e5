"""Trailers: what a commit on main says about who asked, who approved and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_TRAILER = re.compile(r"([A-Za-z][A-Za-z-]*): (.*)")
_APPROVAL = re.compile(r"(\S+) \(([0-9a-f]{7,64})\)")


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved, and the head they saw."""

    by: str
    head: str


@dataclass(frozen=True, slots=True)
class Trailers:
    """The trailers that Stagedoor writes. They are attestations: whoever can commit can write them."""

    request: int | None = None
    requested_by: str = ""
    approved_by: tuple[Approval, ...] = ()
    comment: str = ""


def message(subject: str, body: str, trailers: Trailers) -> str:
    """A commit message. Text from people is kept from looking like a trailer or a second paragraph."""
    lines = [_one_line(subject)[:200], ""]
    if body.strip():
        # an indented line is never a trailer, for git and for us
        lines += [f"    {line}".rstrip() for line in _plain(body).strip().splitlines()] + [""]
    lines += _trailer_lines(trailers)
    return "\n".join(lines).rstrip() + "\n"


def _trailer_lines(trailers: Trailers) -> Iterable[str]:
    if trailers.request is not None:
        yield f"Request: {trailers.request}"
    if trailers.requested_by:
        yield f"Requested-by: {trailers.requested_by}"
    for approval in trailers.approved_by:
        yield f"Approved-by: {approval.by} ({approval.head})"
    if trailers.comment.strip():
        yield f"Comment: {_one_line(trailers.comment)}"


def parse(text: str) -> Trailers:
    """The trailers in the last paragraph of a message; anything that is not of our form is passed over."""
    _, gap, last = text.rstrip().rpartition("\n\n")
    if not gap:
        return Trailers()
    paragraph = last.splitlines()
    found = [match.groups() for line in paragraph if (match := _TRAILER.fullmatch(line))]
    if len(found) != len(paragraph):
        return Trailers()
    number = _values(found, "Request")
    return Trailers(
        request=int(number[0]) if number and number[0].isascii() and number[0].isdigit() else None,
        requested_by=next(iter(_values(found, "Requested-by")), ""),
        approved_by=tuple(Approval(*m.groups()) for v in _values(found, "Approved-by") if (m := _APPROVAL.fullmatch(v))),
        comment=next(iter(_values(found, "Comment")), ""),
    )


def _values(found: Sequence[tuple[str | None, ...]], key: str) -> list[str]:
    return [str(value) for name, value in found if name == key]


def _plain(text: str) -> str:
    return "".join(char for char in text if char == "\n" or char == "\t" or ord(char) >= 32)


def _one_line(text: str) -> str:
    return " ".join(_plain(text).split())
