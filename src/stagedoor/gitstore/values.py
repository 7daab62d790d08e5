"""The frozen values that pass between gitstore and the rooms above it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

Oid = str
"""A full object id in hex: 40 digits, or 64 in a SHA-256 repository."""

FILE = 0o100644
EXECUTABLE = 0o100755
SYMLINK = 0o120000
SUBMODULE = 0o160000
FOLDER = 0o040000


class Raced(Exception):
    """Somebody moved a ref first. Not a refusal: read the new state, decide again, publish again."""

    def __init__(self, refs: tuple[str, ...]) -> None:
        super().__init__(", ".join(refs))
        self.refs = refs


class TooBig(Exception):
    """A blob is larger than the reader is ready to load."""

    def __init__(self, oid: Oid, size: int, limit: int) -> None:
        super().__init__(f"{oid} has {size} bytes, more than {limit}")
        self.oid = oid
        self.size = size
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What killed processes had left: what was brought to an end, files that were removed, and locks that remain."""

    mended: tuple[str, ...]
    swept: tuple[Path, ...]
    locks: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tree says about one name: its mode and its object."""

    mode: int
    oid: Oid

    @property
    def is_file(self) -> bool:
        return self.mode & 0o170000 == 0o100000

    @property
    def is_symlink(self) -> bool:
        return self.mode == SYMLINK

    @property
    def is_submodule(self) -> bool:
        return self.mode == SUBMODULE

    @property
    def is_folder(self) -> bool:
        return self.mode == FOLDER


@dataclass(frozen=True, slots=True)
class FileChange:
    """One path that differs between two trees; None on the side where it does not exist."""

    path: str
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True, slots=True)
class Touched:
    """A commit, and the files that differ from its first parent's."""

    commit: Oid
    changes: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """Who and when. The time is aware, and git keeps whole seconds of it."""

    name: str
    email: str
    time: datetime


@dataclass(frozen=True, slots=True)
class CommitInfo:
    oid: Oid
    tree: Oid
    parents: tuple[Oid, ...]
    author: Signature
    committer: Signature
    message: str
    mergetags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """Move `ref` from `old` (None: it must not exist) to `new` (None: delete it)."""

    ref: str
    old: Oid | None
    new: Oid | None


@dataclass(frozen=True, slots=True)
class Merged:
    """The two sides go together as text. Whether they do by meaning is for the validator to say."""

    tree: Oid


@dataclass(frozen=True, slots=True)
class ConflictedFile:
    path: str
    base: Entry | None
    ours: Entry | None
    theirs: Entry | None


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """`tree` is the merge with conflict markers, to show; it is never to be committed."""

    paths: tuple[ConflictedFile, ...]
    tree: Oid
