"""What the index answers with: models, versions, pages of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from stagedoor.gitstore import Oid

T = TypeVar("T")


# tuples below, and not dataclasses, because a page of thousands is made of them


class _VersionRow(NamedTuple):
    name: str
    number: int
    stage: str
    source: str
    run_id: str
    created_at: int
    created_by: str
    updated_at: int
    description: str
    run_link: str
    digest: str
    tags: Mapping[str, str]
    json: str
    aliases: tuple[str, ...]


class VersionEntry(_VersionRow):
    """One version as it is at the index's commit. Times are milliseconds since 1970.

    `updated_at` is when main last changed the lines of the version; `json` is the whole version.
    """

    @cached_property
    def content(self) -> Mapping[str, Any]:
        """The version as plain data, without what is at its default."""
        found: dict[str, Any] = json.loads(self.json)
        return found


class ModelEntry(NamedTuple):
    """One registered model as it is at the index's commit. Times are milliseconds since 1970.

    `name` is what the registry knows it by, `title` the name inside the file: a check holds the two equal.
    `updated_at` is when main last touched the file, `latest` the newest version of each stage in use.
    """

    name: str
    title: str
    id: str
    path: str
    blob: Oid
    created_at: int
    created_by: str
    updated_at: int
    last_version: int
    latest_number: int | None
    version_count: int
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    latest: tuple[VersionEntry, ...]

    @property
    def stages(self) -> Mapping[str, int]:
        """The newest version of each stage in use."""
        return {one.stage: one.number for one in self.latest}


def model_entry(row: tuple[Any, ...]) -> ModelEntry:
    """The model of a row, whose last field is its body: see `index.build`."""
    *fields, body = row
    first, *contents = body.split("\n")
    description, tags, aliases, latest = json.loads(first)
    pointing = inverted(aliases)
    name = fields[0]
    versions = tuple(
        [
            VersionEntry._make((name, *version, content, pointing.get(version[0], ())))
            for version, content in zip(latest, contents, strict=True)
        ]
    )
    return ModelEntry._make((*fields, description, tags, aliases, versions))


def inverted(aliases: Mapping[str, int]) -> Mapping[int, tuple[str, ...]]:
    """The aliases of each version that has any, sorted."""
    found: dict[int, tuple[str, ...]] = {}
    for alias in sorted(aliases):
        found[aliases[alias]] = (*found.get(aliases[alias], ()), alias)
    return found


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of what was found, all as it was at one commit; `token` asks for what follows, and is None at the end."""

    items: tuple[T, ...]
    token: str | None
    commit: Oid


@dataclass(frozen=True, slots=True)
class State:
    """A commit that the index knows, and the number it has there."""

    seq: int
    commit: Oid


@dataclass(frozen=True, slots=True)
class Status:
    """What the index holds."""

    commit: Oid
    models: int
    versions: int
    unreadable: int
    states: int
    bytes: int
    file: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One numbered page of a list: the models on it, how many there are in all, and what does not read."""

    models: tuple[ModelEntry, ...]
    total: int
    unreadable: tuple[str, ...]
