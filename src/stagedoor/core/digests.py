"""The digest of an artifact as text: `sha256:HEX` for a file, `sha256-tree:HEX` for a folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

FILE: Final = "sha256"
TREE: Final = "sha256-tree"

_KNOWN = re.compile(rf"({FILE}|{TREE}):([0-9a-f]{{64}})", re.IGNORECASE)
# sha256sum writes names that hold one of these in another way, and other systems read them in another way
_UNFIT = re.compile(rb"[\n\r\\]")


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest that can be recomputed."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@dataclass(frozen=True, slots=True)
class Foreign:
    """What somebody recorded in a form of their own. It is kept as it is and cannot be recomputed here."""

    text: str

    def __str__(self) -> str:
        return self.text


Recorded: TypeAlias = Digest | Foreign


def parse(text: str) -> Recorded:
    """`text` as a digest. Hex digits may be in either case; bare hex and other algorithms are `Foreign`."""
    found = _KNOWN.fullmatch(text.strip())
    return Digest(found[1].lower(), found[2].lower()) if found else Foreign(text.strip())


def is_fit(name: bytes) -> bool:
    """Whether a path can stand in a line of `tree`."""
    return not _UNFIT.search(name)


def tree(files: Iterable[tuple[bytes, str]]) -> Digest:
    """The digest of a folder, from each file's path below it and the SHA-256 of its bytes.

    It is the SHA-256 of what `sha256sum` prints for the files, sorted by the bytes of their paths:
    https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html
    """
    whole = hashlib.sha256()
    for path, digest in sorted(files):
        whole.update(b"%s  %s\n" % (digest.encode(), path))
    return Digest(TREE, whole.hexdigest())
