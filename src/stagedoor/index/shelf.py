"""Where the index stands on the disk: a folder with one SQLite file, a pointer to it, a lock and a key.

A file is never written over: a new one is built under a name of its own, and then the pointer is moved. So whoever has
the old one open goes on reading it, and a write-ahead log never meets another database than its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from stagedoor.core.search import folded
from stagedoor.gitstore import Repository
from stagedoor.index.schema import APPLICATION, VERSION

_POINTER: Final = "current"
_LOCK: Final = "lock"
_KEY: Final = "key"
_KEY_BYTES: Final = 32
_FILE_NAME: Final = re.compile(r"[0-9a-f]{16}\.sqlite")

# https://www.sqlite.org/rescode.html: the file is no database, or not the one that the statement was written for
_DAMAGE: Final = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_MISMATCH}
)


class CannotKeep(Exception):
    """The state folder cannot be written. Not a refusal: every question can be answered from git."""


class Damaged(Exception):
    """The file is not an index of ours. It is disposable: throw it away and build another."""


class Shelf:
    """The folder of one branch's index; `room` is the folder that it stands in, in the state folder."""

    def __init__(self, repository: Repository, room: str = "index") -> None:
        scope = f"{repository.ref}\0{repository.root}".encode("utf-8", "surrogateescape")
        self.scope = hashlib.sha256(scope).hexdigest()[:16]
        try:
            self.folder = (repository.state_dir() / room / self.scope).absolute()
            self.make()
        except OSError as error:
            raise CannotKeep(str(error)) from error

    def make(self) -> None:
        """Make the folder; it may have been deleted at any time."""
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(mode=0o700, exist_ok=True)

    def current(self) -> Path | None:
        """The file that the pointer names."""
        try:
            name = (self.folder / _POINTER).read_text("ascii", "replace")
        except OSError:
            return None
        path = self.folder / name
        return path if _FILE_NAME.fullmatch(name) and path.is_file() else None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One builder at a time. Those who only read never come here."""
        try:
            self.make()
            lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CannotKeep(str(error)) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            # said aloud, because a worker process that is still going has this file open too
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)

    def fresh(self) -> Path:
        """A path for a file that is to be built."""
        return self.folder / f"{secrets.token_hex(8)}.sqlite"

    def publish(self, path: Path) -> None:
        """Let the pointer name a finished file, and delete all others. Under the lock."""
        with path.open("rb") as finished:
            os.fsync(finished.fileno())
        draft = self.folder / f"{_POINTER}.new"
        with draft.open("w") as file:
            file.write(path.name)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / _POINTER)
        self.sweep(path.name)

    def sweep(self, kept: str) -> None:
        """Delete every database but one, its log last."""
        for name in sorted(name for name in os.listdir(self.folder) if _FILE_NAME.match(name)):  # noqa: PTH208
            if not name.startswith(kept):
                with suppress(OSError):
                    (self.folder / name).unlink()

    def key(self) -> bytes | None:
        """What page tokens are signed with, or None where nobody needed it yet."""
        try:
            known = (self.folder / _KEY).read_bytes()
        except OSError:
            return None
        return known if len(known) == _KEY_BYTES else None

    def make_key(self) -> bytes:
        """The key, made where there is none, for this user's eyes only. Under the lock."""
        if (known := self.key()) is not None:
            return known
        path = self.folder / _KEY
        path.unlink(missing_ok=True)
        made = secrets.token_bytes(_KEY_BYTES)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made)
        return made


def connect(path: Path, *, create: bool = False, version: int = VERSION) -> sqlite3.Connection:
    """Open a file. `Damaged` where it is not an index of this release, which `version` says of its kind."""
    try:
        db = sqlite3.connect(
            f"{path.as_uri()}?mode={'rwc' if create else 'rw'}",
            uri=True,
            isolation_level=None,
            timeout=60,
            # one thread at a time, and not always the same
            check_same_thread=False,
        )
    except sqlite3.OperationalError as error:
        raise Damaged(str(error)) from error
    try:
        db.execute("PRAGMA trusted_schema = OFF")
        db.create_function("folded", 1, folded, deterministic=True)
        db.create_function("fits", 2, fnmatchcase, deterministic=True)
        if not create:
            _require_ours(db, version)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA cache_size = -32768")
    except BaseException:
        db.close()
        raise
    return db


def _require_ours(db: sqlite3.Connection, version: int) -> None:
    numbers = tuple(db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if numbers != (APPLICATION, version):
        raise Damaged(f"the numbers {numbers} are not an index of this release")


@contextmanager
def honest() -> Iterator[None]:
    """Within: what SQLite says becomes `Damaged` or `CannotKeep`, where it is one of the two."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a fault of ours, such as a reader that two threads use
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _DAMAGE:
            raise Damaged(str(error)) from error
        raise CannotKeep(str(error)) from error
