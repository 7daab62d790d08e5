"""Models as any registry lists them: what to take over from another one, and where two differ."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from stagedoor.core.spec import NO_STAGE, Code, Created, Evidence, RegisteredModel, Run, Version, format_time

Field = Literal["model", "version", "description", "stage", "source", "run", "tag", "alias"]
FACTS: Final[tuple[Field, ...]] = ("source", "run")


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A version as a registry lists it. `user` is whatever it calls people by."""

    number: int
    source: str
    at: datetime
    stage: str = NO_STAGE
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""
    run_link: str = ""
    user: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as a registry lists it, its versions by number."""

    name: str
    at: datetime
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    user: str = ""
    versions: tuple[ListedVersion, ...] = ()

    def version(self, number: int) -> ListedVersion | None:
        """The version with this number, or None."""
        return next((version for version in self.versions if version.number == number), None)


def listed(model: RegisteredModel) -> ListedModel:
    """A model of ours as any registry would list it."""
    return ListedModel(
        model.name, model.created.at, model.description, model.tags, model.aliases, model.created.by,
        tuple(_listed_version(version) for version in model.versions),
    )  # fmt: skip


def _listed_version(version: Version) -> ListedVersion:
    run = version.run or Run()
    return ListedVersion(
        version.version, version.source, version.created.at, version.stage, version.description, version.tags,
        run.id, run.link, version.created.by,
    )  # fmt: skip


# --- taking over ------------------------------------------------------------------------------------------------------

EmailOf = Callable[[str], str]


def taken(model: ListedModel, id_: str, email_of: EmailOf, evidence: tuple[Evidence, ...] = ()) -> RegisteredModel:
    """The model as a file of ours, with the numbers, the times and the people of where it comes from."""
    versions = tuple(_taken_version(version, email_of, evidence) for version in model.versions)
    there = {version.version for version in versions}
    return RegisteredModel(
        name=model.name,
        description=model.description,
        tags=dict(model.tags),
        id=id_,
        aliases={alias: number for alias, number in model.aliases.items() if number in there},
        created=Created(at=model.at, by=email_of(model.user)),
        last_version=max(there, default=0),
        versions=versions,
    )


def _taken_version(version: ListedVersion, email_of: EmailOf, evidence: tuple[Evidence, ...]) -> Version:
    by = email_of(version.user)
    user = "" if by == version.user else version.user
    known = version.run_id or version.run_link or user
    return Version(
        version=version.number,
        stage=version.stage,
        source=version.source,
        description=version.description,
        run=Run(id=version.run_id, link=version.run_link, user=user) if known else None,
        code=Code(commit=version.commit) if version.commit else None,
        evidence=evidence,
        tags=dict(version.tags),
        created=Created(at=version.at, by=by),
    )


@dataclass(frozen=True, slots=True)
class News:
    """What another registry has of a model that we have not, by number; `lost` are numbers that stand for others."""

    versions: tuple[Version, ...]
    aliases: Mapping[str, int]
    lost: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to take over."""
        return not self.versions and not self.aliases


def news(known: RegisteredModel, other: RegisteredModel) -> News:
    """The versions and aliases to add to a model of ours. A number that was given here already is never given again."""
    here = {version.version: version for version in known.versions}
    new = tuple(version for version in other.versions if version.version > known.last_version)
    old = [version for version in other.versions if version.version <= known.last_version]
    lost = tuple(
        v.version for v in old if v.version not in here or not _is_same(here[v.version], v)
    )  # fmt: skip
    there = {*(set(here) - set(lost)), *(version.version for version in new)}
    aliases = {a: n for a, n in other.aliases.items() if a not in known.aliases and n in there}
    return News(new, aliases, lost)


def _is_same(mine: Version, other: Version) -> bool:
    return mine.source == other.source


def as_evidence(model: ListedModel, origin: str) -> bytes:
    """What the other registry said, word for word: JSON in one order, so that the same words have one digest."""
    said = {"registry": origin, "model": _plain(model)}
    return json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, ListedModel | ListedVersion):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return format_time(value)
    return dict(value) if isinstance(value, Mapping) else value


def with_stages(model: ListedModel, stage_of: Callable[[str], str]) -> ListedModel:
    """The model with its stages called as they are called elsewhere."""
    return replace(model, versions=tuple(replace(one, stage=stage_of(one.stage)) for one in model.versions))


# --- comparing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is another here than there; None where it is not there at all."""

    model: str
    version: int | None
    field: Field
    key: str
    here: str | None
    there: str | None

    @property
    def subject(self) -> str:
        """What it is about: `power/3 tag team`."""
        ref = self.model if self.version is None else f"{self.model}/{self.version}"
        what = "" if self.field in ("model", "version") else f" {self.field}"
        return f"{ref}{what}{f' {self.key}' if self.key else ''}"


def compare(here: ListedModel | None, there: ListedModel | None) -> Iterator[Difference]:
    """Where two listings of a model differ, field by field, in a stable order. Times and users are not compared."""
    model = here or there
    if model is None:
        return
    if here is None or there is None:
        yield Difference(model.name, None, "model", "", _count(here), _count(there))
        return
    name = here.name
    yield from _fields(name, None, here, there)
    for alias in sorted({*here.aliases, *there.aliases}):
        yield from _one(name, None, "alias", alias, _number(here, alias), _number(there, alias))
    for number in sorted({v.number for v in (*here.versions, *there.versions)}):
        yield from _versions(name, here.version(number), there.version(number))


def _count(model: ListedModel | None) -> str | None:
    return None if model is None else f"{len(model.versions)} versions"


def _number(model: ListedModel, alias: str) -> str | None:
    return str(model.aliases[alias]) if alias in model.aliases else None


def _versions(name: str, here: ListedVersion | None, there: ListedVersion | None) -> Iterator[Difference]:
    if here is None or there is None:
        number = (here or there).number  # type: ignore[union-attr]
        sources = (one.source if one else None for one in (here, there))
        yield Difference(name, number, "version", "", *sources)
        return
    yield from _one(name, here.number, "stage", "", here.stage, there.stage)
    yield from _one(name, here.number, "source", "", here.source, there.source)
    yield from _one(name, here.number, "run", "", here.run_id, there.run_id)
    yield from _fields(name, here.number, here, there)


def _fields(
    name: str, number: int | None, here: ListedModel | ListedVersion, there: ListedModel | ListedVersion
) -> Iterator[Difference]:
    yield from _one(name, number, "description", "", here.description, there.description)
    for key in sorted({*here.tags, *there.tags}):
        yield from _one(name, number, "tag", key, here.tags.get(key), there.tags.get(key))


def _one(
    name: str, number: int | None, what: Field, key: str, here: str | None, there: str | None
) -> Iterator[Difference]:
    if here != there:
        yield Difference(name, number, what, key, here, there)
