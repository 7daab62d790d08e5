"""From git to rows: everything at a commit, or what changed since the state that the index holds.

A build walks the whole history of `models/` once, with one `git log --raw`, to know when each file changed last; of a
file that several commits touched it reads every version there was, to know the same of each model version. That is
0.1 ms a commit and a touched file. An update does the same for the commits that are new.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stagedoor.core.layout import MODELS, is_model_path, name_of
from stagedoor.core.spec import RegisteredModel
from stagedoor.core.text import MAX_BYTES
from stagedoor.gitstore import Entry, FileChange, Oid, Repository
from stagedoor.index.ages import Age, touched, version_lines
from stagedoor.index.clocks import moments
from stagedoor.index.facts import Fault, ModelFacts, VersionFacts, facts_of_model, is_prompt
from stagedoor.index.parsing import chunks, counted, facts_of_all
from stagedoor.index.schema import (
    ADD_ALIAS,
    ADD_BODY,
    ADD_CONTENT,
    ADD_FILE,
    ADD_MODEL,
    ADD_MODEL_TAG,
    ADD_SOURCE,
    ADD_STATE,
    ADD_VERSION,
    ADD_VERSION_TAG,
    APPLICATION,
    INDEXES,
    LIVE,
    PRUNE,
    TABLES,
    VERSION,
)

# how long the pages of a search agree with each other, and for how many states of main at most
KEPT_FOR: Final = 60 * 60 * 1000
KEPT_STATES: Final = 1_000

Progress = Callable[[str, int, int | None], None]
_WHAT: Final = "Indexing models"


@dataclass(frozen=True, slots=True)
class _File:
    """A model file at the newest state: what it holds, and when it changed."""

    blob: Oid
    age: Age


# --- history --------------------------------------------------------------------------------------------------------

# what the commits made of each path, oldest first: the commit's time, and the file or none
_Steps = Mapping[str, Sequence[tuple[int, Oid | None]]]


def _steps(repository: Repository, since: Oid | None, last: int, tip: Oid, progress: Progress) -> tuple[_Steps, int]:
    """The steps, and the time of the newest commit there is; `last` is that of the newest one up to `since`."""
    root = f"{repository.root}/" if repository.root else ""
    touches = repository.touches(since, tip, root + MODELS.rstrip("/"))
    told = counted(touches, lambda done: progress("Reading history", done, None), 1000)
    seen = [(one.commit, made) for one in told if (made := dict(_made(one.changes, root)))][::-1]
    found: defaultdict[str, list[tuple[int, Oid | None]]] = defaultdict(list)
    times = moments(repository, [(commit, [oid for oid in made.values() if oid]) for commit, made in seen], last)
    for (_, made), at in zip(seen, times, strict=True):
        last = at
        for path, blob in made.items():
            found[path].append((at, blob))
    return found, last


def _made(changes: Iterable[FileChange], root: str) -> Iterator[tuple[str, Oid | None]]:
    """The model files that a commit changed, by their path from the registry's root."""
    for change in changes:
        if is_model_path(path := change.path.removeprefix(root)):
            yield path, _blob(change.after)


def _blob(entry: Entry | None) -> Oid | None:
    return entry.oid if entry is not None and entry.is_file else None


def _walked(repository: Repository, steps: _Steps, known: Mapping[str, _File]) -> Iterator[tuple[str, _File | None]]:
    """Each path with the file that its steps make of the one that is known; None where it is gone."""
    wanted = [oid for path, taken in steps.items() for oid in _to_compare(taken, known.get(path))]
    raw = (data or b"" for _, data in repository.stream(wanted, max_bytes=MAX_BYTES)) if wanted else iter(())
    for path, taken in steps.items():
        yield path, _walk(taken, known.get(path), raw)


def _to_compare(taken: Sequence[tuple[int, Oid | None]], start: _File | None) -> Iterator[Oid]:
    """The blobs that `_walk` reads, in its order. A file that one commit made has nothing to be compared with."""
    before, is_held = start.blob if start else None, False
    for _, after in taken:
        if before is not None and after is not None:
            yield from (after,) if is_held else (before, after)
        is_held = before is not None and after is not None
        before = after


def _walk(taken: Sequence[tuple[int, Oid | None]], start: _File | None, raw: Iterator[bytes]) -> _File | None:
    now, held = start, None
    for at, after in taken:
        if after is None:
            now, held = None, None
        elif now is None:
            now, held = _File(after, Age(at)), None
        else:
            before = version_lines(next(raw)) if held is None else held
            held = version_lines(next(raw))
            now = _File(after, touched(now.age, before, held, at))
    return now


# --- building -------------------------------------------------------------------------------------------------------


def build(db: sqlite3.Connection, repository: Repository, tip: Oid, now: int, progress: Progress) -> None:
    """Fill an empty database with everything at a commit."""
    for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -65536"):
        db.execute(f"PRAGMA {setting}")
    db.execute("BEGIN")
    for statement in TABLES.split(";"):
        db.execute(statement)
    steps, last = _steps(repository, None, 0, tip, progress)
    found = _walked(repository, steps, {})
    files = {path: file for path, file in found if file is not None}
    db.executemany(ADD_FILE, (_file_row(path, file) for path, file in files.items()))
    chosen = _chosen(files)
    rows = _Rows(db, 1, 1, 1, fills_sources=False)
    facts = facts_of_all(_files(repository, chosen.values(), files), len(chosen))
    told = counted(facts, lambda done: progress(_WHAT, done, len(chosen)), 500)
    for batch in chunks(told, 500):
        rows.add([_Named(name_of(path), path, files[path], one) for path, one in batch])
    for statement in INDEXES.split(";"):
        db.execute(statement)
    db.execute(ADD_STATE, (1, tip, now, last))
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")
    progress(_WHAT, len(chosen), len(chosen))


def _chosen(paths: Iterable[str]) -> dict[str, str]:
    """The path that counts for each name: of files that are called alike the first, as `core.registry` has it."""
    return {name_of(path): path for path in sorted(paths, reverse=True)}


def _files(
    repository: Repository, paths: Iterable[str], files: Mapping[str, _File]
) -> Iterator[tuple[str, bytes | None, int]]:
    """The bytes of each file, streamed."""
    wanted = list(paths)
    found = repository.stream([files[path].blob for path in wanted], max_bytes=MAX_BYTES)
    for path, (oid, raw) in zip(wanted, found, strict=True):
        yield path, raw, repository.blob_size(oid) if raw is None else len(raw)


# --- updating -------------------------------------------------------------------------------------------------------


Known = Callable[[str, str], RegisteredModel | None]
"""What a file reads to, by its path and blob, where somebody has read it already."""


def knows_nothing(path: str, blob: str) -> RegisteredModel | None:
    """Nobody has."""
    return None


def update(
    db: sqlite3.Connection,
    repository: Repository,
    seq: int,
    since: Oid,
    tip: Oid,
    now: int,
    progress: Progress,
    read_before: Known = knows_nothing,
) -> None:
    """Bring a database from one commit of main to a later one, in one transaction.

    `BadRepository` where the earlier one is not on the way to the later one; then nothing is changed.
    """
    [(last,)] = db.execute("SELECT moment FROM states WHERE seq = ?", (seq,))
    steps, last = _steps(repository, since, last, tip, progress)
    db.execute("BEGIN IMMEDIATE")
    try:
        known = {path: file for path in steps if (file := _known(db, path))}
        after = dict(_walked(repository, steps, known))
        for path, file in after.items():
            _keep_file(db, path, file)
        _renew(db, repository, seq + 1, {name_of(path) for path in after}, progress, read_before)
        db.execute(ADD_STATE, (seq + 1, tip, now, last))
        prune(db, now)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _known(db: sqlite3.Connection, path: str) -> _File | None:
    row = db.execute("SELECT blob, touched, versions FROM files WHERE path = ?", (said(path),)).fetchone()
    if row is None:
        return None
    return _File(row[0], Age(row[1], {int(number): at for number, at in json.loads(row[2]).items()}))


def _keep_file(db: sqlite3.Connection, path: str, file: _File | None) -> None:
    if file is None:
        db.execute("DELETE FROM files WHERE path = ?", (said(path),))
    else:
        db.execute(ADD_FILE, _file_row(path, file))


def _renew(
    db: sqlite3.Connection, repository: Repository, seq: int, names: set[str], progress: Progress, read_before: Known
) -> None:
    """Write the rows of these names anew, from the files that are there now."""
    counts = [db.execute(f"SELECT coalesce(max(row), 0) + 1 FROM {table}").fetchone()[0]
              for table in ("models", "versions")]  # fmt: skip
    rows = _Rows(db, seq, *counts)
    files: dict[str, _File] = {}
    for name in sorted(names):
        path = db.execute("SELECT path FROM files WHERE name = ? ORDER BY path LIMIT 1", (said(name),)).fetchone()
        if path is None:
            rows.end(name)
        elif (file := _known(db, path[0])) is not None:
            files[path[0]] = file
    read = {path: model for path, file in files.items() if (model := read_before(path, file.blob))}
    for path, model in read.items():
        rows.replace(_Named(name_of(path), path, files[path], facts_of_model(model)))
    unread = files.keys() - read.keys()
    facts = facts_of_all(_files(repository, sorted(unread), files), len(unread))
    for path, one in counted(facts, lambda done: progress(_WHAT, done, len(files)), 500):
        rows.replace(_Named(name_of(path), path, files[path], one))


def prune(db: sqlite3.Connection, now: int) -> None:
    """Delete what only states saw that nobody turns pages in any more: those that were over long ago."""
    newest, first = db.execute("SELECT max(seq), min(seq) FROM states").fetchone()
    over = db.execute("SELECT max(seq) FROM states WHERE at <= ?", (now - KEPT_FOR,)).fetchone()[0]
    oldest = max(over or first, newest - KEPT_STATES + 1)
    if oldest > first:
        for statement in PRUNE:
            db.execute(statement, (oldest,))


# --- rows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Named:
    """A file and its facts, under the name that the registry knows it by."""

    name: str
    path: str
    file: _File
    facts: ModelFacts | Fault


class _Rows:
    """Writes rows that are born in one state."""

    def __init__(
        self, db: sqlite3.Connection, seq: int, next_model: int, next_version: int, *, fills_sources: bool = True
    ) -> None:
        self.db = db
        self.fills_sources = fills_sources
        self.seq = seq
        self.next_model = next_model
        self.next_version = next_version

    def add(self, batch: Sequence[_Named]) -> None:
        """Models that were not there before."""
        for one in batch:
            self.add_model(one)
        self.add_versions([(one, version) for one in batch for version in _versions(one)])

    def replace(self, one: _Named) -> None:
        """A model that may have been there before; the versions that did not change keep their rows."""
        self.db.execute("UPDATE models SET died = ? WHERE name = ? AND died = ?", (self.seq, said(one.name), LIVE))
        self.add_model(one)
        known = self.live_versions(one.name)
        wanted = {version.number: version for version in _versions(one)}
        same = {number for number, version in wanted.items() if known.get(number) == _seen(one, version)}
        self.end_versions(one.name, known.keys() - same)
        self.add_versions([(one, version) for number, version in wanted.items() if number not in same])

    def end(self, name: str) -> None:
        """A model that is gone."""
        for table in ("models", "versions"):
            sql = f"UPDATE {table} SET died = ? WHERE name = ? AND died = ?"
            self.db.execute(sql, (self.seq, said(name), LIVE))

    def live_versions(self, name: str) -> dict[int, tuple[object, ...]]:
        found = self.db.execute(
            "SELECT v.version, v.updated_at, v.is_prompt, c.content"
            " FROM versions v JOIN contents c ON c.version = v.row WHERE v.name = ? AND v.died = ?",
            (said(name), LIVE),
        )
        return {row[0]: row[1:] for row in found}

    def end_versions(self, name: str, numbers: Iterable[int]) -> None:
        sql = "UPDATE versions SET died = ? WHERE name = ? AND version = ? AND died = ?"
        self.db.executemany(sql, [(self.seq, said(name), number, LIVE) for number in numbers])

    def add_model(self, one: _Named) -> None:
        row, self.next_model = self.next_model, self.next_model + 1
        self.db.execute(ADD_MODEL, (row, self.seq, *_model_row(one)))
        if isinstance(one.facts, ModelFacts):
            self.db.execute(ADD_BODY, (row, _body(one, one.facts)))
            self.db.executemany(ADD_MODEL_TAG, [(row, *tag) for tag in one.facts.tags])
            self.db.executemany(ADD_ALIAS, [(row, number, alias) for alias, number in one.facts.aliases])

    def add_versions(self, versions: Sequence[tuple[_Named, VersionFacts]]) -> None:
        first = self.next_version
        self.next_version += len(versions)
        numbered = list(enumerate(versions, first))
        self.db.executemany(ADD_VERSION, [(row, self.seq, *_version_row(*pair)) for row, pair in numbered])
        wide = [(row, json.dumps(_shown(version)), version.content) for row, (_, version) in numbered]
        self.db.executemany(ADD_CONTENT, wide)
        if self.fills_sources:
            self.db.executemany(ADD_SOURCE, [(row, version.source) for row, (_, version) in numbered])
        tags = [(row, *tag) for row, (_, version) in numbered for tag in version.tags]
        self.db.executemany(ADD_VERSION_TAG, tags)


def _versions(one: _Named) -> Sequence[VersionFacts]:
    """The versions of a model. Where a number stands twice, which no check lets pass, the first counts."""
    if isinstance(one.facts, Fault):
        return ()
    return tuple({version.number: version for version in reversed(one.facts.versions)}.values())[::-1]


def _file_row(path: str, file: _File) -> tuple[object, ...]:
    return said(path), said(name_of(path)), file.blob, file.age.touched, json.dumps(file.age.versions)


def _model_row(one: _Named) -> tuple[object, ...]:
    name, path, facts = said(one.name), said(one.path), one.facts
    start = (name, name.casefold())
    if isinstance(facts, Fault):
        fault = json.dumps([said(facts.what), said(facts.where), said(facts.fix)])
        return (*start, name, path, one.file.blob, "", 0, "", one.file.age.touched, 0, None, 0, "", 0, fault)
    numbers = [version.number for version in facts.versions]
    stages = sorted({version.stage for version in facts.versions})
    return (
        *start, facts.name, path, one.file.blob, facts.id, facts.created_at, facts.created_by,
        max(one.file.age.touched, facts.created_at), facts.last_version, max(numbers, default=None), len(numbers),
        "".join(map(stage_mark, stages)), facts.is_prompt, None,
    )  # fmt: skip


def stage_mark(stage: str) -> str:
    """What stands in the column `stages` for a stage in use."""
    return f"\n{stage.casefold().replace(chr(10), ' ')}\n"


def _body(one: _Named, facts: ModelFacts) -> str:
    """What the pages show of a model and nothing is searched by, a JSON document a line.

    The first is the model's own and the newest version of each stage, by number; the whole contents of those follow,
    and are read only when somebody asks for them.
    """
    newest = {version.stage: version for version in sorted(facts.versions, key=lambda version: version.number)}
    latest = sorted(newest.values(), key=lambda version: version.number)
    rows = [
        (v.number, v.stage, v.source, v.run_id, v.created_at, v.created_by, _updated(one, v), *_shown(v))
        for v in latest
    ]
    own = json.dumps((facts.description, dict(facts.tags), dict(facts.aliases), rows))
    return "\n".join((own, *(version.content for version in latest)))


def _shown(version: VersionFacts) -> tuple[str, str, str, dict[str, str]]:
    """What lists show of a version and nothing is searched by."""
    return version.description, version.run_link, version.digest, dict(version.tags)


def _version_row(one: _Named, version: VersionFacts) -> tuple[object, ...]:
    return (
        said(one.name), version.number, version.stage, version.source, version.run_id, version.created_at,
        version.created_by, *_seen(one, version)[:2],
    )  # fmt: skip


def _seen(one: _Named, version: VersionFacts) -> tuple[object, ...]:
    """What makes a row another row."""
    prompt = is_prompt(version.tags) or (isinstance(one.facts, ModelFacts) and one.facts.is_prompt)
    return _updated(one, version), int(prompt), version.content


def _updated(one: _Named, version: VersionFacts) -> int:
    # nothing changed before it was there
    return max(one.file.age.of(version.number), version.created_at)


def said(text: str) -> str:
    """Text as SQLite keeps it; what is not UTF-8 in a path is spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()
