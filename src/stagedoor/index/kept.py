"""The index's file kept up to date with main, by whoever asks first.

The SQLite file is disposable. Whatever is wrong with it, it is thrown away and built again from git.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Concatenate, ParamSpec, Self, TypeVar

from stagedoor.errors import BadRepository
from stagedoor.gitstore import Oid, Repository
from stagedoor.index.build import Known, Progress, build, knows_nothing, update
from stagedoor.index.facts import milliseconds
from stagedoor.index.schema import VERSION
from stagedoor.index.shelf import CannotKeep, Damaged, Shelf, connect, honest
from stagedoor.index.values import State

T = TypeVar("T")
K = TypeVar("K", bound="Kept")
P = ParamSpec("P")


def no_progress(what: str, done: int, total: int | None) -> None:
    """Nobody watches."""


def mended(ask: Callable[Concatenate[K, P], T]) -> Callable[Concatenate[K, P], T]:
    """A question that is asked once more, of a new file, where this one turns out to be damaged."""

    @wraps(ask)
    def asked(self: K, /, *args: P.args, **options: P.kwargs) -> T:
        try:
            with honest():
                return ask(self, *args, **options)
        except Damaged:
            self.replace()
        with honest():
            return ask(self, *args, **options)

    return asked


class Kept:
    """One reader of a file that is made from git, for one thread, as a `Repository` is. Every answer is for `commit`.

    This one is of the read index; another kind says what it is by the class's values and the methods under "its kind".
    """

    room: ClassVar[str] = "index"
    release: ClassVar[int] = VERSION
    signs: ClassVar[bool] = True

    def __init__(
        self,
        repository: Repository,
        now: Callable[[], datetime],
        progress: Progress = no_progress,
        read_before: Known = knows_nothing,
    ) -> None:
        """Open the index and bring it up to main, or build it. `read_before` saves reading what was just written.

        `BadRepository` where the history is not all here, `CannotKeep` where the state folder cannot be written.
        """
        self._db: sqlite3.Connection | None = None
        repository.require_history()
        self._repository = repository
        self._now = now
        self._progress = progress
        self._read_before = read_before
        self.shelf = Shelf(repository, self.room)
        self.path: Path | None = None
        self.state = State(0, "")
        self.key = b""
        try:
            self.catch_up()
        except BaseException:
            self.close()
            raise

    @classmethod
    def is_there(cls, repository: Repository) -> bool:
        """Whether one was built before."""
        return Shelf(repository, cls.room).current() is not None

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def commit(self) -> Oid:
        """The commit that the answers are for."""
        return self.state.commit

    # --- keeping up

    def catch_up(self) -> None:
        """Bring the index up to main. Costs reading one ref when nothing is new, and never waits for a reader."""
        if self._db is None:
            with suppress(Damaged):
                self._open()
        if self.state.commit != self._tip():
            with self.shelf.lock():
                self._advance()
        if self.signs and not self.key:
            self.key = self.shelf.key() or self._made_key()

    def _made_key(self) -> bytes:
        with self.shelf.lock():
            return self._written(self.shelf.make_key)

    def rebuild(self) -> None:
        """Throw the index away and build it again."""
        with self.shelf.lock():
            self._build()

    def replace(self) -> None:
        """The file is damaged: use the one that another process has built meanwhile, or build one."""
        with self.shelf.lock():
            if self.path is not None and self.path == self.shelf.current():
                self._build()
            else:
                self._advance()

    def _tip(self) -> Oid:
        tip = self._repository.tip()
        if tip is None:
            raise BadRepository(
                "there is no registry here", where=str(self._repository.git_dir), fix="stagedoor init makes one"
            )
        return tip

    def _open(self) -> None:
        """Open the file that the pointer names, whatever was open before."""
        self.close()
        self.path, self.state = self.shelf.current(), State(0, "")
        if self.path is None:
            raise Damaged("there is none")
        with honest():
            self._db = connect(self.path, version=self.release)
            self.state = self._newest()

    # --- its kind

    def _newest(self) -> State:
        row = self.db.execute("SELECT seq, commit_id FROM states ORDER BY seq DESC LIMIT 1").fetchone()
        if row is None:
            raise Damaged("it holds no state")
        return State(*row)

    def _update(self, tip: Oid) -> None:
        now = milliseconds(self._now())
        since = self.state
        update(self.db, self._repository, since.seq, since.commit, tip, now, self._progress, self._read_before)

    def _make(self, db: sqlite3.Connection, tip: Oid) -> None:
        build(db, self._repository, tip, milliseconds(self._now()), self._progress)

    # --- under the lock

    def _advance(self) -> None:
        """Under the lock: whatever another process did is there already, and nobody else does anything now."""
        try:
            if self._db is None or self.path != self.shelf.current():
                self._open()
            with honest():
                self.state = self._newest()
                if self.state.commit != (tip := self._tip()):
                    self._update(tip)
                    self.state = self._newest()
        except (Damaged, BadRepository):
            # no index, a damaged one, or one of a history that main has left
            self._build()

    def _build(self) -> None:
        """Under the lock: a new file, and the old ones away."""
        self.close()
        path = self._written(self.shelf.fresh)
        try:
            with honest():
                self._fill(path)
        except BaseException:
            for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                name.unlink(missing_ok=True)
            raise
        self._written(lambda: self.shelf.publish(path))
        self._open()

    def _fill(self, path: Path) -> None:
        try:
            db = connect(path, create=True, version=self.release)
        except Damaged as error:
            raise CannotKeep(str(error)) from error
        try:
            self._make(db, self._tip())
        finally:
            db.close()
        # the journal is a property of the file, and the next one who opens it finds it so
        db = connect(path, version=self.release)
        db.execute("PRAGMA journal_mode = WAL")
        db.close()

    @staticmethod
    def _written(act: Callable[[], T]) -> T:
        try:
            return act()
        except OSError as error:
            raise CannotKeep(str(error)) from error

    @property
    def db(self) -> sqlite3.Connection:
        """The open file."""
        if self._db is None:  # the last build failed, and now there may be room for one
            raise Damaged("none is open")
        return self._db
