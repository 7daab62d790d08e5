"""From a filter, an order and a place to SQL with parameters: no word of a stranger ever becomes SQL."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from stagedoor.core.search import (
    Attribute,
    Condition,
    Filter,
    ListCondition,
    NumberCondition,
    OrderBy,
    Tag,
    TextCondition,
    folded,
)

Value = str | int


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and the values of its question marks."""

    text: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """How one kind of thing is asked for."""

    source: str
    wide: str
    columns: str
    row: str
    attributes: Mapping[str, str]
    keys: Mapping[str, str]
    is_prompt: str
    tags: str
    tag_row: str


MODELS: Final = Table(
    source="models m WHERE m.born <= ? AND m.died > ? AND m.fault IS NULL",
    wide="models m JOIN bodies b ON b.model = m.row",
    columns=(
        "m.name, m.title, m.id, m.path, m.blob, m.created_at, m.created_by, m.updated_at, m.last_version, m.latest,"
        " m.version_count, b.body"
    ),
    row="m.row",
    attributes={"name": "m.name"},
    keys={"name": "m.name", "created": "m.created_at", "last_updated": "m.updated_at"},
    is_prompt="m.is_prompt",
    tags="model_tags",
    tag_row="model",
)
VERSIONS: Final = Table(
    source="versions v WHERE v.born <= ? AND v.died > ?",
    wide="versions v JOIN contents c ON c.version = v.row",
    columns=(
        "v.name, v.version, v.stage, v.source, v.run_id, v.created_at, v.created_by, v.updated_at, c.shown, c.content"
    ),
    row="v.row",
    attributes={
        "name": "v.name",
        "run_id": "v.run_id",
        "source_path": "v.source",
        "version_number": "v.version",
        "current_stage": "v.stage",
    },
    keys={
        "name": "v.name",
        "version": "v.version",
        "created": "v.created_at",
        "last_updated": "v.updated_at",
        "stage": "v.stage",
    },
    is_prompt="v.is_prompt",
    tags="version_tags",
    tag_row="version",
)


def search(
    table: Table,
    wanted: Filter,
    order: Sequence[OrderBy],
    seq: int,
    after: Sequence[Value],
    common: Container[Condition] = (),
) -> Sql:
    """The numbers and names of the rows that match in one state, in order, behind a place.

    Very many meet each of the `common` conditions: those are soonest met by walking along the order. What is wide is
    fetched by the rows' numbers afterwards, and is not carried through the sorting.
    """
    parts = [Sql("", (seq, seq)), *(_condition(table, one, one in common) for one in wanted.conditions)]
    if not wanted.wants_prompts:
        parts.append(Sql(f"{table.is_prompt} = 0"))
    if after:
        parts += _behind(table, order, after)
    by = ", ".join(f"{table.keys[one.key]} {'DESC' if one.descending else 'ASC'}" for one in order)
    where = "".join(f" AND {part.text}" for part in parts if part.text)
    text = f"SELECT {table.row}, {table.keys['name']} FROM {table.source}{where} ORDER BY {by}"
    return Sql(text, tuple(value for part in parts for value in part.values))


def fetch(table: Table, rows: Sequence[int]) -> Sql:
    """Everything about these rows, each behind its number, in any order."""
    marks = ", ".join("?" * len(rows))
    return Sql(f"SELECT {table.row}, {table.columns} FROM {table.wide} WHERE {table.row} IN ({marks})", tuple(rows))


def probe(table: Table, condition: Condition) -> Sql | None:
    """What gives a row for each that meets a condition, where that can be told without a look at every row."""
    match condition:
        case TextCondition(field=Tag(key=key), operator="=", value=value, holds_without=False):
            return Sql(f"SELECT 1 FROM {table.tags} WHERE key = ? AND value = ?", (key, value))
        case TextCondition(field=Attribute(name="source_path"), operator="LIKE", value=value) if _can_be_found(value):
            return Sql("SELECT 1 FROM sources WHERE source GLOB ?", (_glob(value),))
        case _:
            return None


def place_of(order: Sequence[OrderBy], values: Mapping[str, Value]) -> tuple[Value, ...]:
    """What a token says of the last row of a page."""
    return tuple(values[one.key] for one in order)


def _behind(table: Table, order: Sequence[OrderBy], after: Sequence[Value]) -> Iterator[Sql]:
    """Keyset paging: page 9,900 costs what page 1 does. https://use-the-index-luke.com/no-offset"""
    columns = [table.keys[one.key] for one in order]
    # said again in a form that an index can begin with
    yield Sql(f"{columns[0]} {'<=' if order[0].descending else '>='} ?", (after[0],))
    either, values = [], list[Value]()
    for at, one in enumerate(order):
        equal = [f"{column} = ?" for column in columns[:at]]
        either.append(" AND ".join([*equal, f"{columns[at]} {'<' if one.descending else '>'} ?"]))
        values += after[: at + 1]
    yield Sql(f"({' OR '.join(either)})", tuple(values))


# --- conditions -----------------------------------------------------------------------------------------------------


def _condition(table: Table, condition: Condition, is_common: bool) -> Sql:
    match condition:
        case TextCondition(field=field):
            return (
                _tag(table, condition, field.key, is_common)
                if isinstance(field, Tag)
                else _field(table, field, condition, is_common)
            )
        case NumberCondition():
            return Sql(f"{table.attributes[condition.field.name]} {condition.operator} ?", (condition.value,))
        case ListCondition():
            marks = ", ".join("?" * len(condition.values))
            word = "IN" if condition.is_in else "NOT IN"
            return Sql(f"{table.attributes[condition.field.name]} {word} ({marks})", condition.values)
        case _:
            assert_never(condition)


def _field(table: Table, field: Attribute, condition: TextCondition, is_common: bool) -> Sql:
    if (
        field.name == "source_path"
        and not is_common
        and condition.operator == "LIKE"
        and _can_be_found(condition.value)
    ):
        return Sql(f"{table.row} IN (SELECT rowid FROM sources WHERE source GLOB ?)", (_glob(condition.value),))
    has_start = condition.operator == "LIKE" and not condition.value.startswith(("%", "_"))
    if table is VERSIONS and field.name == "name" and condition.operator in ("LIKE", "ILIKE") and not has_start:
        # a model has many versions, and its name is looked at once
        name = _text("n.name", condition)
        return Sql(f"v.name IN (SELECT n.name FROM models n WHERE {name.text})", name.values)
    return _text(table.attributes[field.name], condition)


def _text(column: str, condition: TextCondition) -> Sql:
    match condition.operator:
        case "=" | "!=":
            return Sql(f"{column} {condition.operator} ?", (condition.value,))
        case "LIKE":
            return _like(column, condition.value)
        case "ILIKE":
            return Sql(f"folded({column}) GLOB ?", (_glob(folded(condition.value)),))
        case _:
            assert_never(condition.operator)


def _like(column: str, pattern: str) -> Sql:
    start = _WILD.split(pattern, maxsplit=1)[0]
    if not start:
        return Sql(f"{column} GLOB ?", (_glob(pattern),))
    # said again in a form that an index can begin with
    return Sql(f"{column} GLOB ? AND {column} >= ? AND {column} < ?", (_glob(pattern), start, start + _LAST))


def _tag(table: Table, condition: TextCondition, key: str, is_common: bool) -> Sql:
    value = _text("t.value", condition)
    if condition.operator == "=" and not condition.holds_without and not is_common:
        # few have it, as a rule: begin with those
        found = f"SELECT t.{table.tag_row} FROM {table.tags} t WHERE t.key = ? AND {value.text}"
        return Sql(f"{table.row} IN ({found})", (key, *value.values))
    there = f"SELECT 1 FROM {table.tags} t WHERE t.{table.tag_row} = {table.row} AND t.key = ?"
    holds = f"EXISTS ({there} AND {value.text})"
    if not condition.holds_without:
        return Sql(holds, (key, *value.values))
    return Sql(f"({holds} OR NOT EXISTS ({there}))", (key, *value.values, key))


def _can_be_found(pattern: str) -> bool:
    """Whether a pattern has a piece that the index of all pieces of three characters knows."""
    return any(len(piece) >= _PIECE for piece in _BREAKS.split(pattern))


_PIECE: Final = 3
_BREAKS: Final = re.compile(r"[%_*?\[\]]")
_WILD: Final = re.compile("[%_]")
_LAST: Final = "\U0010ffff"
_GLOB: Final = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})


def _glob(pattern: str) -> str:
    """A `LIKE` pattern as one of GLOB, which tells capital from small letters: https://www.sqlite.org/lang_expr.html"""
    return pattern.translate(_GLOB)
