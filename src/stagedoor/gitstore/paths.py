"""Which paths may be written: none that some machine's git would take for its own folder."""

from __future__ import annotations

import re

from stagedoor.errors import BadInput

_PART_BYTES = 255
_PATH_BYTES = 4000
_PARTS = 100

# Characters that HFS+ leaves out when it compares names, so that `.g\u200cit` is `.git` there.
_IGNORED_ON_MACS = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF],
)
# NTFS drops trailing dots and spaces, reads `:` as a stream of the file, and has a short name for .git.
_GIT_ON_WINDOWS = re.compile(r"(\.git|git~1)[. ]*(:.*)?", re.IGNORECASE | re.DOTALL)


def decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def encode(name: str) -> bytes:
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise BadInput(f"{name!r} is not a file name", fix="use Unicode without lone surrogates") from error


def split(path: str) -> tuple[bytes, ...]:
    """The parts of a path to be written; BadInput for one that must never be in a tree."""
    parts = path.split("/")
    for part in parts:
        if reason := _refusal(part):
            raise BadInput(f"{path!r} cannot be written: {reason}", fix="choose another file name")
    encoded = tuple(encode(part) for part in parts)
    if len(path) > _PATH_BYTES or len(parts) > _PARTS or any(len(part) > _PART_BYTES for part in encoded):
        raise BadInput(f"{path[:60]!r}… is too long for a file name", fix="choose a shorter name")
    return encoded


def _refusal(part: str) -> str | None:
    if part in {"", ".", ".."}:
        return "a part of it is empty, '.' or '..'"
    if "\0" in part:
        return "it holds a NUL"
    if "\\" in part:
        return "a backslash is a folder separator on Windows"
    if _GIT_ON_WINDOWS.fullmatch(part.translate(_IGNORED_ON_MACS)):
        return f"{part!r} is git's own folder on some machine"
    return None
