"""Search and paging of models and versions. Answered from the files at a commit; what is inside may be replaced."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import translate
from functools import cache
from threading import Lock
from typing import Generic, TypeVar

from stagedoor.core.diff import Change, ModelCreated, ModelDeleted, ModelMoved, VersionCreated
from stagedoor.core.spec import RegisteredModel, Version
from stagedoor.errors import BadInput, BadRepository, BadSpec, RegistryError
from stagedoor.workflows.history import Landed, landings
from stagedoor.workflows.rights import reader
from stagedoor.workflows.world import World

T = TypeVar("T")
_TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class SeenVersion:
    """A version, and when anything about it changed last."""

    model: RegisteredModel
    version: Version
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SeenModel:
    """A model, and when anything about it or its versions changed last."""

    model: RegisteredModel
    path: str
    updated_at: datetime
    versions: tuple[SeenVersion, ...]

    def version(self, number: int) -> SeenVersion | None:
        """One version of it, or None."""
        return next((seen for seen in self.versions if seen.version.version == number), None)

    @property
    def latest(self) -> tuple[SeenVersion, ...]:
        """The newest version of each stage in use, by number."""
        newest = {seen.version.stage: seen for seen in sorted(self.versions, key=lambda seen: seen.version.version)}
        return tuple(sorted(newest.values(), key=lambda seen: seen.version.version))


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: a filter and an order in MLflow's words, and which page."""

    filter: str = ""
    order_by: tuple[str, ...] = ()
    limit: int = 100
    page_token: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page. `next_token` is empty on the last."""

    items: tuple[T, ...]
    next_token: str = ""


@dataclass
class _Times:
    """When each model file and each version in it changed last, in the order of main."""

    commit: str | None = None
    last: datetime | None = None
    models: dict[str, datetime] = field(default_factory=dict)
    versions: dict[tuple[str, int], datetime] = field(default_factory=dict)


class Questions:
    """Answers about models and versions, for a process that stays: what history said is kept, and gone on from."""

    def __init__(self) -> None:
        self._times = _Times()
        self._lock = Lock()

    def model(self, world: World, name: str) -> SeenModel:
        """One model as it is at main."""
        snapshot = world.snapshot()
        found = snapshot.registry.model(name)
        return _seen(found, snapshot.registry.path(name), self._times_at(world))

    def version(self, world: World, name: str, number: int) -> SeenVersion:
        """One version as it is at main. `NotFound` says which there are."""
        seen = self.model(world, name).version(number)
        if seen is None:
            world.snapshot().registry.version(name, number)
        assert seen is not None  # noqa: S101
        return seen

    def models(self, world: World, query: Query) -> Page[SeenModel]:
        """The models that the actor may read and that match."""
        conditions = parse_filter(query.filter, _MODEL_FIELDS)
        order = _order(query.order_by, _MODEL_ORDER)
        commit, offset = _position(world, query.page_token)
        found = [seen for seen in self._readable(world, commit, conditions) if all(c.holds(seen) for c in conditions)]
        found.sort(key=lambda seen: seen.model.name)
        return _page(_sorted(found, order), commit, offset, query.limit)

    def versions(self, world: World, query: Query) -> Page[SeenVersion]:
        """The versions of readable models that match."""
        conditions = parse_filter(query.filter, _VERSION_FIELDS)
        order = _order(query.order_by, _VERSION_ORDER)
        commit, offset = _position(world, query.page_token)
        models = self._readable(world, commit, conditions)
        found = [seen for model in models for seen in model.versions if all(c.holds(seen) for c in conditions)]
        found.sort(key=lambda seen: (-seen.updated_at.timestamp(), seen.model.name, -seen.version.version))
        return _page(_sorted(found, order), commit, offset, query.limit)

    def _readable(self, world: World, commit: str, conditions: Sequence[Condition]) -> Iterator[SeenModel]:
        snapshot, times = world.snapshot(commit), self._times_at(world)
        # who may read is always asked of the newest main, also for the second page of an old one
        may_read = reader(world.snapshot(), world.actor.email)
        wanted = next((c.value for c in conditions if c.attribute == "name" and c.operator == "="), None)
        names = snapshot.registry.names if wanted is None else [n for n in snapshot.registry.names if n == wanted]
        paths = [path for name in names if may_read(path := snapshot.registry.file_of(name))]
        snapshot.load(paths)
        for path in paths:
            with suppress(BadSpec):
                yield _seen(snapshot.registry.models[path], path, times)

    def _times_at(self, world: World) -> _Times:
        with self._lock, suppress(BadRepository):
            # a shallow clone has no times to tell, and `created` stands in for them
            main = world.main()
            if self._times.commit != main:
                try:
                    _extend(self._times, world, main)
                except BadRepository:
                    self._times = _Times()
                    _extend(self._times, world, main)
        return self._times


def _extend(times: _Times, world: World, main: str) -> None:
    for landed in landings(world, since=times.commit, until=main):
        at = times.last = _moment(landed, times.last)
        for change in landed.changes:
            if isinstance(change, ModelMoved):
                _move(times, change.was, change.path)
            if isinstance(change, ModelDeleted):
                _forget(times, change.path)
                continue
            times.models[change.path] = max(at, times.models.get(change.path, at))
            number = getattr(change, "version", None)
            if isinstance(number, int):
                times.versions[change.path, number] = max(at, times.versions.get((change.path, number), at))
    times.commit = main


def _moment(landed: Landed, last: datetime | None) -> datetime:
    """When a commit was made. Git keeps whole seconds: within one, what the files say and the order of main decide."""
    second = landed.commit.author.time
    end = second + timedelta(seconds=1)
    created = [at for change in landed.changes if (at := _created(change)) and second <= at < end]
    moment = max([second, *created])
    return max(moment, last + _TICK) if last is not None and second <= last < end else moment


def _created(change: Change) -> datetime | None:
    return change.content.created.at if isinstance(change, ModelCreated | VersionCreated) else None


def _move(times: _Times, was: str, now: str) -> None:
    if was in times.models:
        times.models[now] = times.models.pop(was)
    for path, number in [key for key in times.versions if key[0] == was]:
        times.versions[now, number] = times.versions.pop((path, number))


def _forget(times: _Times, path: str) -> None:
    times.models.pop(path, None)
    for key in [key for key in times.versions if key[0] == path]:
        del times.versions[key]


def _seen(model: RegisteredModel, path: str, times: _Times) -> SeenModel:
    def of(version: Version) -> SeenVersion:
        at = times.versions.get((path, version.version), version.created.at)
        return SeenVersion(model, version, max(at, version.created.at))

    versions = tuple(of(version) for version in model.versions)
    newest = [times.models.get(path, model.created.at), model.created.at, *(seen.updated_at for seen in versions)]
    return SeenModel(model, path, max(newest), versions)


# --- paging ---------------------------------------------------------------------------------------------------------


def _position(world: World, token: str) -> tuple[str, int]:
    """The commit that the first page was read at, and how many items came before."""
    if not token:
        return world.main(), 0
    try:
        said = json.loads(base64.urlsafe_b64decode(token.encode()))
        commit, offset = said["commit"], said["offset"]
        if not isinstance(offset, int) or offset < 0 or not re.fullmatch("[0-9a-f]{40}([0-9a-f]{24})?", commit):
            raise ValueError(token)
        if commit != world.main() and not world.repository.is_ancestor(commit, world.main()):
            raise ValueError(token)
    except (ValueError, KeyError, TypeError, binascii.Error, RegistryError):
        raise BadInput("the page token is none of ours", where="page_token", fix="begin with the first page") from None
    return commit, offset


def _page(found: Sequence[T], commit: str, offset: int, limit: int) -> Page[T]:
    end = offset + limit
    token = json.dumps({"commit": commit, "offset": end}) if end < len(found) else ""
    return Page(tuple(found[offset:end]), base64.urlsafe_b64encode(token.encode()).decode())


# --- the grammar: the common part of MLflow's ------------------------------------------------------------------------
# https://mlflow.org/docs/latest/ml/search/search-models/

_CLAUSE = re.compile(
    r"\s*(?P<key>(?:tags?|attributes?)\.(?:`[^`]+`|\"[^\"]+\"|[\w./:-]+)|`[^`]+`|\w+)\s*"
    r"(?P<operator>!=|>=|<=|=|>|<|NOT\s+IN\b|IN\b|I?LIKE\b)\s*"
    r"(?P<value>'[^']*'|\"[^\"]*\"|-?\d+|\((?:\s*(?:'[^']*'|\"[^\"]*\")\s*,?)+\s*\))\s*",
    re.IGNORECASE,
)
_AND = re.compile(r"AND\b", re.IGNORECASE)
_TEXT_OPERATORS = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
_NUMBER_OPERATORS = ("=", "!=", ">", ">=", "<", "<=")
_IS_PROMPT = "mlflow.prompt.is_prompt"

Seen = SeenModel | SeenVersion


def _tags(seen: Seen) -> dict[str, str]:
    return seen.model.tags if isinstance(seen, SeenModel) else seen.version.tags


_MODEL_FIELDS: dict[str, Callable[[Seen], str | int]] = {"name": lambda seen: seen.model.name}
_VERSION_FIELDS: dict[str, Callable[[Seen], str | int]] = {
    "name": lambda seen: seen.model.name,
    "run_id": lambda seen: (seen.version.run.id if seen.version.run else "") if isinstance(seen, SeenVersion) else "",
    "source_path": lambda seen: seen.version.source if isinstance(seen, SeenVersion) else "",
    "version_number": lambda seen: seen.version.version if isinstance(seen, SeenVersion) else 0,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One clause: an attribute or, where `tag` is set, a tag; an operator; what it is compared with."""

    attribute: str
    tag: str
    operator: str
    value: str | int | tuple[str, ...]
    read: Callable[[Seen], str | int | None]

    def holds(self, seen: Seen) -> bool:
        """Whether it holds. Without the tag no comparison does, but for MLflow's own question about prompts."""
        found = self.read(seen)
        if found is None:
            return self.tag == _IS_PROMPT and self.operator == "!="
        return _compare(found, self.operator, self.value)


def _compare(found: str | int, operator: str, value: str | int | tuple[str, ...]) -> bool:
    match operator:
        case "=":
            return found == value
        case "!=":
            return found != value
        case "IN" | "NOT IN":
            return (isinstance(value, tuple) and found in value) == (operator == "IN")
        case "LIKE" | "ILIKE":
            return _like(str(value), operator == "ILIKE").fullmatch(str(found)) is not None
    if not isinstance(found, int) or not isinstance(value, int):
        return False
    return {">": found > value, ">=": found >= value, "<": found < value, "<=": found <= value}[operator]


@cache
def _like_of(pattern: str, folds: bool) -> re.Pattern[str]:
    # Databricks reads `LIKE 'x'` as `'%x%'`
    wild = re.sub("%+", "%", pattern if "%" in pattern else f"%{pattern}%")
    signs = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    # a glob's regular expression does not backtrack beyond its stars
    return re.compile(translate("".join(signs.get(char, char) for char in wild)), re.IGNORECASE if folds else 0)


def _like(pattern: str, folds: bool) -> re.Pattern[str]:
    if len(pattern) > 500:
        raise BadInput("the pattern is too long", where="filter", fix="at most 500 characters")
    return _like_of(pattern, folds)


def parse_filter(text: str, fields: dict[str, Callable[[Seen], str | int]]) -> tuple[Condition, ...]:
    """The conditions that a filter joins by AND. `BadInput` where it is none of the grammar."""
    found: list[Condition] = []
    at, end = 0, len(text)
    if end > 10_000:
        raise BadInput("the filter is too long", where="filter", fix="at most 10,000 characters")
    while at < end and text[at:].strip():
        if found:
            joined = _AND.match(text, at)
            if joined is None:
                raise _bad(text[at:])
            at = joined.end()
        clause = _CLAUSE.match(text, at)
        if clause is None:
            raise _bad(text[at:])
        found.append(_condition(clause["key"], " ".join(clause["operator"].upper().split()), clause["value"], fields))
        at = clause.end()
    return tuple(found)


def _bad(rest: str) -> BadInput:
    return BadInput(
        f"the filter does not read from {rest.strip()[:40]!r} on",
        where="filter",
        fix="write name = 'x' AND tags.k = 'v'",
    )


def _condition(key: str, operator: str, value: str, fields: dict[str, Callable[[Seen], str | int]]) -> Condition:
    kind, dot, rest = key.partition(".")
    if dot and kind.lower() in ("tag", "tags"):
        tag = rest.strip('`"')
        return Condition("", tag, _operator(operator, _TEXT_OPERATORS), _value(operator, value), _tag_reader(tag))
    name = (rest if dot else key).strip('`"')
    if name not in fields:
        raise BadInput(f"{name[:80]!r} cannot be searched", where="filter", fix=f"use {', '.join(fields)} or tags.KEY")
    if name == "version_number":
        if not re.fullmatch(r"-?\d{1,18}", value):
            raise BadInput("version_number is compared with a number", where="filter", fix="version_number > 3")
        return Condition(name, "", _operator(operator, _NUMBER_OPERATORS), int(value), fields[name])
    return Condition(name, "", _operator(operator, _TEXT_OPERATORS), _value(operator, value), fields[name])


def _tag_reader(tag: str) -> Callable[[Seen], str | int | None]:
    return lambda seen: _tags(seen).get(tag)


def _operator(operator: str, allowed: Iterable[str]) -> str:
    if operator not in allowed:
        raise BadInput(f"{operator} does not go here", where="filter", fix=f"use one of: {', '.join(allowed)}")
    return operator


def _value(operator: str, value: str) -> str | tuple[str, ...]:
    if operator in ("IN", "NOT IN") and value.startswith("("):
        return tuple(one or other for one, other in re.findall(r"'([^']*)'|\"([^\"]*)\"", value))
    if value[0] not in "'\"" or operator in ("IN", "NOT IN"):
        raise BadInput(f"{value[:40]} does not go with {operator}", where="filter", fix="write text in single quotes")
    return value[1:-1]


Key = Callable[[Seen], str | float]
_MODEL_ORDER: dict[str, Key] = {
    "name": lambda seen: seen.model.name,
    "last_updated_timestamp": lambda seen: seen.updated_at.timestamp(),
    "timestamp": lambda seen: seen.updated_at.timestamp(),
    "creation_timestamp": lambda seen: seen.model.created.at.timestamp(),
}
_VERSION_ORDER: dict[str, Key] = {
    "name": lambda seen: seen.model.name,
    "version_number": lambda seen: _VERSION_FIELDS["version_number"](seen),
    "version": lambda seen: _VERSION_FIELDS["version_number"](seen),
    "stage": lambda seen: seen.version.stage if isinstance(seen, SeenVersion) else "",
    "last_updated_timestamp": lambda seen: seen.updated_at.timestamp(),
    "creation_timestamp": lambda seen: seen.version.created.at.timestamp() if isinstance(seen, SeenVersion) else 0,
}


def _order(said: Sequence[str], keys: dict[str, Key]) -> tuple[tuple[Key, bool], ...]:
    found = []
    for clause in said:
        match = re.fullmatch(r"\s*[`\"]?(\w+)[`\"]?(?:\s+(ASC|DESC))?\s*", clause, re.IGNORECASE)
        if match is None or match[1] not in keys:
            raise BadInput(f"{clause[:80]!r} is no order", where="order_by", fix=f"use {', '.join(keys)}, ASC or DESC")
        found.append((keys[match[1]], (match[2] or "").upper() == "DESC"))
    return tuple(found)


S = TypeVar("S", SeenModel, SeenVersion)


def _sorted(found: list[S], order: Sequence[tuple[Key, bool]]) -> list[S]:
    for key, descending in reversed(order):
        # a stable sort, so what came before decides between equals
        found.sort(key=key, reverse=descending)
    return found
