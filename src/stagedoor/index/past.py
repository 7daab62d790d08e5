"""The history of main in SQLite: which commits touched which file, and when each is believed to have come.

With it a question about one model costs what happened to that model, however long the history is. It stands beside the
read index and is disposable like it. It is made of one `git log --first-parent --raw`, and goes on with what is new.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import ClassVar, Final

from stagedoor.core.layout import SPEC_FOLDER
from stagedoor.core.timeline import Chain, believed
from stagedoor.gitstore import Oid, Touched
from stagedoor.index.build import said
from stagedoor.index.kept import Kept, mended
from stagedoor.index.schema import APPLICATION
from stagedoor.index.shelf import Damaged
from stagedoor.index.values import State

# with "past" in front of it, as no version of the read index ever will be
_VERSION: Final = 0x7061_0001
_BATCH: Final = 5_000
_MANY: Final = 500

# times are whole seconds since 1970; `merged` is NULL where no commit has a date that can be believed
_TABLES: Final = """
CREATE TABLE chain (place INTEGER PRIMARY KEY, oid TEXT NOT NULL UNIQUE, claimed INTEGER NOT NULL, merged INTEGER);
CREATE TABLE files (file INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
CREATE TABLE touches (file INTEGER NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (file, place)) WITHOUT ROWID;
CREATE TABLE clock (newest INTEGER, soonest INTEGER);
CREATE INDEX files_by_name ON files (name);
CREATE INDEX chain_by_time ON chain (merged, place);
"""

Clock = Sequence[tuple[Oid, datetime]]


class Past(Kept):
    """One reader of the history of main, for one thread at a time, as a `Repository` is."""

    room: ClassVar[str] = "past"
    release: ClassVar[int] = _VERSION
    signs: ClassVar[bool] = False

    def __del__(self) -> None:
        self.close()

    # --- what is asked

    @mended
    def touching(self, paths: Sequence[str], until: Oid) -> tuple[Oid, ...] | None:
        """The commits up to `until` that changed one of these files, oldest first; None where it is not on main.

        Paths are from the repository's top, below registry_spec/.
        """
        if (last := self._place(until)) is None:
            return None
        found: set[int] = set()
        for start in range(0, len(paths), _MANY):
            some = [said(path) for path in paths[start : start + _MANY]]
            marks = ", ".join("?" * len(some))
            sql = f"SELECT t.place FROM files f JOIN touches t USING (file) WHERE f.path IN ({marks}) AND t.place <= ?"
            found.update(place for (place,) in self.db.execute(sql, (*some, last)))
        return tuple(self._oid(place) for place in sorted(found))

    @mended
    def last_touch(self, name: str, until: Oid) -> tuple[Oid, ...] | None:
        """The newest commit up to `until` that changed a file of this name, if any; None where it is not on main."""
        if (last := self._place(until)) is None:
            return None
        sql = "SELECT max(t.place) FROM files f JOIN touches t USING (file) WHERE f.name = ? AND t.place <= ?"
        [(place,)] = self.db.execute(sql, (said(name), last))
        return () if place is None else (self._oid(place),)

    @mended
    def chain(self, until: Oid, now: datetime) -> Chain | None:
        """The chain up to a commit of main with the times that are believed at `now`; None where they are others."""
        [(newest, soonest)] = self.db.execute("SELECT newest, soonest FROM clock")
        if soonest is not None and soonest <= now.timestamp():
            with self.shelf.lock():
                self._write(lambda: self._believe(now))
            [(newest, soonest)] = self.db.execute("SELECT newest, soonest FROM clock")
        if until != self.commit or newest is None or newest > now.timestamp():
            # an earlier commit may have been believed otherwise when it was the newest one
            return None
        return _KeptChain(self, self.state)

    @mended
    def time_of(self, oid: Oid) -> datetime:
        """When a commit is believed to have come; KeyError for one that is not on main."""
        found = self.db.execute("SELECT merged FROM chain WHERE oid = ?", (oid,)).fetchone()
        if found is None:
            raise KeyError(oid)
        return _time(found[0])

    @mended
    def commit_at(self, moment: datetime, last: int) -> Oid | None:
        """The last commit that was there at a moment, of those up to a place in the chain."""
        sql = "SELECT oid FROM chain WHERE merged <= ? AND place <= ? ORDER BY merged DESC, place DESC LIMIT 1"
        found = self.db.execute(sql, (moment.timestamp(), last)).fetchone()
        return None if found is None else Oid(found[0])

    @mended
    def next_after(self, moment: datetime, last: int) -> datetime | None:
        """When the first commit behind a moment came, of those up to a place in the chain."""
        sql = "SELECT merged FROM chain WHERE merged > ? AND place <= ? ORDER BY merged, place LIMIT 1"
        found = self.db.execute(sql, (moment.timestamp(), last)).fetchone()
        return None if found is None else _time(found[0])

    @mended
    def commits(self, last: int) -> tuple[Oid, ...]:
        """The chain up to a place in it."""
        sql = "SELECT oid FROM chain WHERE place <= ? ORDER BY place"
        return tuple(Oid(oid) for (oid,) in self.db.execute(sql, (last,)))

    @mended
    def holds(self, oid: Oid, last: int) -> bool:
        """Whether a commit is in the chain up to a place."""
        place = self._place(oid)
        return place is not None and place <= last

    def _place(self, oid: Oid) -> int | None:
        found = self.db.execute("SELECT place FROM chain WHERE oid = ?", (oid,)).fetchone()
        return None if found is None else int(found[0])

    def _oid(self, place: int) -> Oid:
        return Oid(self.db.execute("SELECT oid FROM chain WHERE place = ?", (place,)).fetchone()[0])

    # --- its kind

    def _newest(self) -> State:
        row = self.db.execute("SELECT place, oid FROM chain ORDER BY place DESC LIMIT 1").fetchone()
        if row is None:
            raise Damaged("it holds no commit")
        return State(*row)

    def _make(self, db: sqlite3.Connection, tip: Oid) -> None:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -65536"):
            db.execute(f"PRAGMA {setting}")
        db.execute("BEGIN")
        for statement in _TABLES.split(";"):
            db.execute(statement)
        clock = self._repository.clock(tip)
        _add_commits(db, 0, clock)
        newest, soonest = _judge(db, self._now())
        db.execute("INSERT INTO clock (newest, soonest) VALUES (?, ?)", (newest, soonest))
        self._add_touches(db, None, tip)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")

    def _update(self, tip: Oid) -> None:
        since, place = self.state.commit, self.state.seq
        clock = self._repository.clock(tip, since)

        def add() -> None:
            _add_commits(self.db, place + 1, clock)
            self._add_touches(self.db, since, tip)
            if not self._goes_on(place + 1, clock):
                self._believe(self._now())

        self._write(add)

    def _add_touches(self, db: sqlite3.Connection, since: Oid | None, tip: Oid) -> None:
        root = f"{self._repository.root}/" if self._repository.root else ""
        touches = self._repository.touches(since, tip, root + SPEC_FOLDER)
        done = 0
        while some := list(islice(touches, _BATCH)):
            _add_files(db, some)
            done += len(some)
            if done > _BATCH or len(some) == _BATCH:
                self._progress("Reading history", done, None)

    def _goes_on(self, place: int, clock: Clock) -> bool:
        """Believe new commits whose dates agree with all that came before: then nothing that was believed changes.

        False where one does not: then all have to be judged together.
        """
        [(newest, soonest)] = self.db.execute("SELECT newest, soonest FROM clock")
        now = int(self._now().timestamp())
        times = [int(time.timestamp()) for _, time in clock]
        agree = newest is not None and all(one <= other for one, other in zip((newest, *times), times, strict=False))
        if not agree or not times or times[-1] > now or (soonest is not None and soonest <= now):
            return False
        self.db.execute("UPDATE chain SET merged = claimed WHERE place >= ?", (place,))
        self.db.execute("UPDATE clock SET newest = ?", (times[-1],))
        return True

    def _believe(self, now: datetime) -> None:
        self.db.execute("UPDATE clock SET newest = ?, soonest = ?", _judge(self.db, now))

    def _write(self, act: Callable[[], None]) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            act()
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise


def _add_commits(db: sqlite3.Connection, first: int, clock: Clock) -> None:
    rows = ((first + n, oid, int(time.timestamp())) for n, (oid, time) in enumerate(clock))
    db.executemany("INSERT INTO chain (place, oid, claimed) VALUES (?, ?, ?)", rows)


def _add_files(db: sqlite3.Connection, some: Sequence[Touched]) -> None:
    pairs = [(one.commit, said(change.path)) for one in some for change in one.changes]
    paths = {path: path.rsplit("/", 1)[-1] for _, path in pairs}
    db.executemany("INSERT OR IGNORE INTO files (path, name) VALUES (?, ?)", paths.items())
    sql = (
        "INSERT OR IGNORE INTO touches (file, place)"
        " SELECT f.file, c.place FROM chain c, files f WHERE c.oid = ? AND f.path = ?"
    )
    db.executemany(sql, pairs)


def _judge(db: sqlite3.Connection, now: datetime) -> tuple[int | None, int | None]:
    """Write down when each commit is believed to have come; what is given back is for how long that holds.

    It is the newest date that was believed possible, and the next one that was not yet.
    """
    second = int(now.timestamp())
    claimed = [row[0] for row in db.execute("SELECT claimed FROM chain ORDER BY place")]
    possible = [time for time in claimed if time <= second]
    newest, soonest = max(possible, default=None), min((time for time in claimed if time > second), default=None)
    if newest is None:
        db.execute("UPDATE chain SET merged = NULL")
        return None, soonest
    times = believed([_time(time) for time in claimed], now)
    rows = ((int(time.timestamp()), place) for place, time in enumerate(times))
    db.executemany("UPDATE chain SET merged = ?1 WHERE place = ?2 AND merged IS NOT ?1", rows)
    return newest, soonest


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class _KeptChain:
    """A chain that is asked of the file, up to the commit that was the newest one when it was asked for."""

    def __init__(self, past: Past, until: State) -> None:
        self._past = past
        self._until = until

    @cached_property
    def commits(self) -> tuple[str, ...]:
        return self._past.commits(self._until.seq)

    @property
    def newest(self) -> tuple[str, datetime]:
        return self._until.commit, self.time_of(self._until.commit)

    def __contains__(self, commit: str) -> bool:
        return self._past.holds(commit, self._until.seq)

    def time_of(self, commit: str) -> datetime:
        return self._past.time_of(commit)

    def commit_at(self, moment: datetime) -> str | None:
        return self._past.commit_at(moment, self._until.seq)

    def next_after(self, moment: datetime) -> datetime | None:
        return self._past.next_after(moment, self._until.seq)
