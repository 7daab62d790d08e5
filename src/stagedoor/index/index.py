"""What can be asked of the index. Every answer is for one commit."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Final

from stagedoor.core.search import Condition, Filter, OrderBy, models_order, versions_order
from stagedoor.errors import BadInput, NotFound
from stagedoor.gitstore import Oid
from stagedoor.index import queries, tokens
from stagedoor.index.build import said, stage_mark
from stagedoor.index.facts import Fault
from stagedoor.index.kept import Kept, mended
from stagedoor.index.parsing import chunks
from stagedoor.index.queries import MODELS, VERSIONS, Sql, Table
from stagedoor.index.schema import LIVE
from stagedoor.index.values import Listing, ModelEntry, Page, State, Status, VersionEntry, model_entry

Row = tuple[Any, ...]
MayRead = Callable[[str], bool]

MOST_MODELS: Final = 1_000
MOST_VERSIONS: Final = 200_000

# how many steps of SQLite's machine a search may take: some seconds, whatever the clock says
MOST_STEPS: Final = 100_000_000
_STEPS: Final = 10_000

# how many of one tag are many
_COMMON: Final = 1_000

# how many rows one statement fetches
_FETCHED: Final = 1_000

_EVERYTHING: Final = Filter()
_BY_NAME: Final = models_order()
_NEWEST_FIRST: Final = versions_order()
_SORTS: Final = {
    "name": ("m.folded", "m.name"),
    "created": ("m.created_at", "m.name"),
    "versions": ("m.version_count", "m.name"),
    "latest": ("coalesce(m.latest, 0)", "m.name"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A list by numbered pages. `name` is a part of the name, or a pattern with `*` and `?`; a tag may lack a value."""

    name: str = ""
    tags: tuple[tuple[str, str | None], ...] = ()
    stage: str = ""
    sort: str = "name"
    descending: bool = False
    limit: int = 100
    offset: int = 0

    @property
    def is_by_name(self) -> bool:
        """Whether no more than the names decides; then a file that does not read has its place on a page too."""
        return self.sort == "name" and not self.tags and not self.stage


@dataclass(frozen=True, slots=True)
class _Search:
    """One search, whatever page of it."""

    table: Table
    wanted: Filter
    order: tuple[OrderBy, ...]

    @property
    def query(self) -> str:
        """What a page token of it says of it."""
        return tokens.query_of(self.table.tags, self.wanted, self.order)


class Index(Kept):
    """One reader of the index, for one thread, as a `Repository` is. Every answer is for `commit`."""

    def _rows(self, sql: Sql) -> list[Row]:
        return self.db.execute(sql.text, sql.values).fetchall()

    @mended
    def model(self, name: str) -> ModelEntry:
        """One model; `NotFound`, or `BadSpec` where its file does not read."""
        sql = "SELECT row, fault FROM models WHERE name = ? AND born <= ? AND died > ?"
        found = self._rows(Sql(sql, (said(name), self.state.seq, self.state.seq)))
        if not found:
            raise NotFound(f"there is no model {name}", fix="stagedoor models lists them")
        [(row, fault)] = found
        if fault is not None:
            raise _fault(fault).error()
        return model_entry(self._wide(MODELS, [row])[0])

    @mended
    def version(self, name: str, number: int) -> VersionEntry:
        """One version; `NotFound` where there is no such model or version."""
        found = self._of_model(name, "v.version = ?", number)
        if not found:
            self.model(name)
            raise NotFound(f"{name} has no version {number}", fix=f"stagedoor show {name} lists its versions")
        return found[0]

    @mended
    def by_alias(self, name: str, alias: str) -> VersionEntry:
        """The version that an alias points at; `latest` is the newest one.

        A missing alias is `BadInput`, and not `NotFound`: MLflow answers INVALID_PARAMETER_VALUE there.
        """
        model = self.model(name)
        number = model.latest_number if alias == "latest" else model.aliases.get(alias)
        if number is None:
            known = ", ".join(sorted(model.aliases)) or "none at all"
            raise BadInput(f"{name} has no alias {alias}", where=name, fix=f"aliases there are: {known}")
        return self.version(name, number)

    @mended
    def versions(self, name: str) -> tuple[VersionEntry, ...]:
        """All versions of a model, oldest first."""
        found = self._of_model(name, "?", 1)
        return found or (self.model(name), ())[1]

    @mended
    def latest(self, name: str, stages: Iterable[str] = ()) -> tuple[VersionEntry, ...]:
        """The newest version of each stage in use, or of these stages, whatever the case of their letters."""
        wanted = {stage.casefold() for stage in stages}
        found = self.model(name).latest
        return tuple(one for one in found if not wanted or one.stage.casefold() in wanted)

    def _of_model(self, name: str, condition: str, value: int) -> tuple[VersionEntry, ...]:
        seq = self.state.seq
        sql = (
            f"SELECT {VERSIONS.columns} FROM {VERSIONS.wide} WHERE v.born <= ? AND v.died > ?"
            f" AND v.name = ? AND {condition} ORDER BY v.version"
        )
        if not -(1 << 63) <= value < 1 << 63:
            return ()
        return self._entries(self._rows(Sql(sql, (seq, seq, said(name), value))), seq)

    # --- searching

    @mended
    def search_models(
        self,
        wanted: Filter = _EVERYTHING,
        order: Sequence[OrderBy] = _BY_NAME,
        *,
        limit: int = 100,
        token: str | None = None,
        may_read: MayRead | None = None,
    ) -> Page[ModelEntry]:
        """A page of the models that match. `may_read` is asked about the path of each model's file."""
        _require_limit(limit, MOST_MODELS)
        place = _Search(MODELS, wanted, tuple(order))
        state, rows, more = self._page(place, limit, token, may_read)
        items = tuple(map(model_entry, rows))
        last = {"name": rows[-1][0], "created": rows[-1][5], "last_updated": rows[-1][7]} if more else {}
        return Page(items, self._token(place, state, last), state.commit)

    @mended
    def search_versions(
        self,
        wanted: Filter = _EVERYTHING,
        order: Sequence[OrderBy] = _NEWEST_FIRST,
        *,
        limit: int = 10_000,
        token: str | None = None,
        may_read: MayRead | None = None,
    ) -> Page[VersionEntry]:
        """A page of the versions that match. `may_read` is asked about the path of each model's file."""
        _require_limit(limit, MOST_VERSIONS)
        place = _Search(VERSIONS, wanted, tuple(order))
        state, rows, more = self._page(place, limit, token, may_read)
        keys = ("name", "version", "stage", "source", "run_id", "created", "created_by", "last_updated")
        last = dict(zip(keys, rows[-1], strict=False)) if more else {}
        return Page(self._entries(rows, state.seq), self._token(place, state, last), state.commit)

    def _page(
        self, search: _Search, limit: int, token: str | None, may_read: MayRead | None
    ) -> tuple[State, list[Row], bool]:
        """The rows of a page, the state that they are of, and whether more follow."""
        state, after = self.state, tuple[str | int, ...]()
        if token:
            place = tokens.read(token, search.query, self.key)
            state, after = self._state_of(place.commit), place.after
        with self._patience():
            sql = queries.search(search.table, search.wanted, search.order, state.seq, after, self._common(search))
            rows = self.db.execute(f"{sql.text} LIMIT ?", (*sql.values, limit + 1 if may_read is None else -1))
            readable = (row for row, name in rows if may_read is None or may_read(self._file_of(name, state.seq)))
            found = list(islice(readable, limit + 1))
        return state, self._wide(search.table, found[:limit]), len(found) > limit

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Within: a statement that a stranger made too laborious is given up."""
        steps = count(1)
        self.db.set_progress_handler(lambda: next(steps) > MOST_STEPS // _STEPS, _STEPS)
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            fix = "write fewer conditions, and begin with a name or a tag that few have"
            raise BadInput("the search looks at too much", where="filter", fix=fix) from None
        finally:
            self.db.set_progress_handler(None, 0)

    def _common(self, search: _Search) -> tuple[Condition, ...]:
        """The conditions that very many meet, as far as that can be told at once."""
        probes = ((one, queries.probe(search.table, one)) for one in search.wanted.conditions)
        many = f" LIMIT 1 OFFSET {_COMMON}"
        return tuple(one for one, sql in probes if sql and self._rows(Sql(sql.text + many, sql.values)))

    def _wide(self, table: Table, rows: Sequence[int]) -> list[Row]:
        """Everything about these rows, in their order."""
        found: dict[int, Row] = {}
        for start in range(0, len(rows), _FETCHED):
            found.update((row[0], row[1:]) for row in self._rows(queries.fetch(table, rows[start : start + _FETCHED])))
        return [found[row] for row in rows]

    def _state_of(self, commit: Oid) -> State:
        sql = "SELECT seq, commit_id FROM states WHERE commit_id = ? ORDER BY seq DESC LIMIT 1"
        found = self._rows(Sql(sql, (commit,)))
        if not found:
            raise tokens.too_old()
        return State(*found[0])

    def _token(self, search: _Search, state: State, last: dict[str, str | int]) -> str | None:
        if not last:
            return None
        return tokens.write(tokens.Place(state.commit, queries.place_of(search.order, last)), search.query, self.key)

    def _file_of(self, name: str, seq: int) -> str:
        sql = "SELECT path FROM models WHERE name = ? AND born <= ? AND died > ?"
        found = self.db.execute(sql, (name, seq, seq)).fetchone()
        return str(found[0]) if found else ""

    def _entries(self, rows: Sequence[Row], seq: int) -> tuple[VersionEntry, ...]:
        aliases = self._aliases({row[0] for row in rows}, seq)
        return tuple(
            VersionEntry._make((*row, *json.loads(shown), content, tuple(aliases.get((row[0], row[1]), ()))))
            for *row, shown, content in rows
        )

    def _aliases(self, names: Iterable[str], seq: int) -> dict[tuple[str, int], list[str]]:
        """The aliases of each version of some models, sorted."""
        found: dict[tuple[str, int], list[str]] = {}
        for some in chunks(names, _FETCHED):
            sql = (
                "SELECT m.name, a.version, a.alias FROM models m JOIN aliases a ON a.model = m.row WHERE m.name IN"
                f" ({', '.join('?' * len(some))}) AND m.born <= ? AND m.died > ? ORDER BY a.alias"
            )
            for name, number, alias in self._rows(Sql(sql, (*some, seq, seq))):
                found.setdefault((name, number), []).append(alias)
        return found

    # --- listing

    @mended
    def listing(self, wanted: Wanted) -> Listing:
        """A numbered page of models, and the unreadable files that would be on it."""
        where, values = self._listed(wanted)
        way = "DESC" if wanted.descending else "ASC"
        by = ", ".join(f"{column} {way}" for column in _SORTS[wanted.sort])
        [(total,)] = self._rows(Sql(f"SELECT count(*) FROM models m WHERE {where}", values))
        window = (min(wanted.limit, LIVE), min(wanted.offset, LIVE))
        text = f"SELECT m.row, m.fault FROM models m WHERE {where} ORDER BY {by} LIMIT ? OFFSET ?"
        found = self._rows(Sql(text, (*values, *window)))
        rows = self._wide(MODELS, [row for row, fault in found if fault is None])
        models = tuple(map(model_entry, rows))
        faults = [fault for _, fault in found if fault is not None] if wanted.is_by_name else self._faults(wanted)
        shown = sorted(f"{fault.where}: {fault.what}" for fault in map(_fault, faults))
        return Listing(models, int(total), tuple(shown))

    def _listed(self, wanted: Wanted) -> tuple[str, tuple[str | int, ...]]:
        parts = [Sql("m.born <= ? AND m.died > ?", (self.state.seq, self.state.seq)), *_named(wanted.name)]
        if not wanted.is_by_name:
            parts.append(Sql("m.fault IS NULL"))
        parts += [_tagged(key, value) for key, value in wanted.tags]
        if wanted.stage:
            parts.append(Sql("instr(m.stages, ?) > 0", (stage_mark(said(wanted.stage)),)))
        return " AND ".join(part.text for part in parts), tuple(value for part in parts for value in part.values)

    def _faults(self, wanted: Wanted) -> list[str | int]:
        parts = [Sql("m.born <= ? AND m.died > ?", (self.state.seq, self.state.seq)), *_named(wanted.name)]
        where = " AND ".join(part.text for part in parts)
        values = tuple(value for part in parts for value in part.values)
        sql = f"SELECT m.fault FROM models m WHERE {where} AND m.fault IS NOT NULL"
        return [row[0] for row in self._rows(Sql(sql, values))]

    # --- itself

    @mended
    def model_count(self) -> int:
        """How many models there are that read."""
        sql = "SELECT count(*) - count(fault) FROM models WHERE born <= ? AND died > ?"
        [(count,)] = self._rows(Sql(sql, (self.state.seq, self.state.seq)))
        return int(count)

    @mended
    def status(self) -> Status:
        """What the index holds, and where."""
        seq = (self.state.seq, self.state.seq)
        live = "born <= ? AND died > ?"
        [(models, unreadable)] = self._rows(Sql(f"SELECT count(*), count(fault) FROM models WHERE {live}", seq))
        [(versions,)] = self._rows(Sql(f"SELECT count(*) FROM versions WHERE {live}", seq))
        [(states,)] = self._rows(Sql("SELECT count(*) FROM states"))
        size = sum(self._sizes())
        return Status(
            self.commit, int(models) - int(unreadable), int(versions), int(unreadable), int(states), size,
            str(self.path or ""),
        )  # fmt: skip

    def _sizes(self) -> Iterator[int]:
        for name in os.listdir(self.shelf.folder):  # noqa: PTH208
            if self.path is not None and name.startswith(self.path.name):
                with suppress(OSError):
                    yield (self.shelf.folder / name).stat().st_size


def _fault(text: str | int) -> Fault:
    return Fault(*json.loads(str(text)))


def _require_limit(limit: int, most: int) -> None:
    if not 1 <= limit <= most:
        raise BadInput(f"a page of {limit} is not possible", where="max_results", fix=f"ask for 1 to {most:,}")


def _named(wanted: str) -> Iterator[Sql]:
    pattern = said(wanted.casefold())
    if any(char in pattern for char in "*?["):
        yield Sql("fits(m.folded, ?)", (pattern,))
    elif pattern:
        yield Sql("instr(m.folded, ?) > 0", (pattern,))


def _tagged(key: str, value: str | None) -> Sql:
    found = "SELECT t.model FROM model_tags t WHERE t.key = ?"
    if value is None:
        return Sql(f"m.row IN ({found})", (said(key),))
    return Sql(f"m.row IN ({found} AND t.value = ?)", (said(key), said(value)))
