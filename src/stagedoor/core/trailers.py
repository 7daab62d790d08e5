"""Trailers: what a commit on main says about who asked, who approved and why."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_TRAILER = re.compile(r"([A-Za-z][A-Za-z-]*): (.*)")
_APPROVAL = re.compile(r"(\S+) \(([0-9a-f]{7,64})\)")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_REORDERS = re.compile("[\u202a-\u202e\u2066-\u2069]")


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
    break_glass: str = ""


def message(subject: str, body: str, trailers: Trailers) -> str:
    """A commit message. Text from people is kept from looking like a trailer or a second paragraph."""
    # git takes empty lines at the top away, and the next line would become the subject
    lines = [_one_line(subject)[:200].rstrip() or "Change the registry", ""]
    if said := _plain(body).strip():
        # an indented line is never a trailer, for git and for us
        lines += [f"    {line}".rstrip() for line in said.splitlines()] + [""]
    lines += _trailer_lines(trailers)
    return "\n".join(lines).rstrip() + "\n"


def _trailer_lines(trailers: Trailers) -> Iterable[str]:
    if trailers.request is not None:
        yield f"Request: {trailers.request}"
    if trailers.requested_by:
        yield f"Requested-by: {_one_line(trailers.requested_by)}"
    for approval in trailers.approved_by:
        yield f"Approved-by: {_one_line(approval.by)} ({approval.head})"
    if reason := _one_line(trailers.break_glass):
        yield f"Break-glass: {reason}"
    if comment := _one_line(trailers.comment):
        yield f"Comment: {comment}"


def parse(text: str) -> Trailers:
    """The trailers in the last paragraph of a message; anything that is not of our form is passed over."""
    _, gap, last = text.rstrip().rpartition("\n\n")
    if not gap:
        return Trailers()
    # for git only a line feed ends a line, and so a comment cannot smuggle one in
    paragraph = last.split("\n")
    found = [match.groups() for line in paragraph if (match := _TRAILER.fullmatch(line))]
    if len(found) != len(paragraph):
        return Trailers()
    number = next(iter(_values(found, "Request")), "")
    approvals = map(_APPROVAL.fullmatch, _values(found, "Approved-by"))
    return Trailers(
        request=int(number) if _NUMBER.fullmatch(number) else None,
        requested_by=next(iter(_values(found, "Requested-by")), ""),
        approved_by=tuple(Approval(*match.groups()) for match in approvals if match),
        comment=next(iter(_values(found, "Comment")), ""),
        break_glass=next(iter(_values(found, "Break-glass")), ""),
    )


def _values(found: Sequence[tuple[str | None, ...]], key: str) -> list[str]:
    return [str(value) for name, value in found if name == key]


def _plain(text: str) -> str:
    """Without what moves a terminal's cursor, turns text around or cannot be written as UTF-8; lines stay."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    shown = (c for c in lines if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})
    return _REORDERS.sub("", "".join(shown))


def _one_line(text: str) -> str:
    return " ".join(_plain(text).split())
