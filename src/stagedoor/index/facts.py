"""What the index keeps of one model file: plain values, made from its bytes and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from stagedoor.core.reading import oversized, read_as
from stagedoor.core.search.values import IS_PROMPT
from stagedoor.core.spec import RegisteredModel, Run, Version
from stagedoor.core.text import MAX_BYTES
from stagedoor.errors import BadSpec

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file does not read."""

    what: str
    where: str
    fix: str

    def error(self) -> BadSpec:
        """The refusal as it was raised, without the file's other faults."""
        return BadSpec(self.what, where=self.where, fix=self.fix or None)


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One version: what is searched, what is shown in lists, and its whole `content` as JSON."""

    number: int
    stage: str
    source: str
    run_id: str
    created_at: int
    created_by: str
    description: str
    run_link: str
    digest: str
    tags: Tags
    content: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model, with `name` as the file says it. Times are milliseconds since 1970."""

    name: str
    id: str
    description: str
    tags: Tags
    aliases: tuple[tuple[str, int], ...]
    created_at: int
    created_by: str
    last_version: int
    versions: tuple[VersionFacts, ...]

    @property
    def is_prompt(self) -> bool:
        """Whether MLflow would take it for a prompt."""
        return is_prompt(self.tags)


def is_prompt(tags: Tags) -> bool:
    """Whether these are a prompt's tags."""
    return (IS_PROMPT, "true") in tags


def facts_of(raw: bytes | None, size: int, path: str) -> ModelFacts | Fault:
    """The facts of a file, or why there are none. `raw` is None where the file is too large to be loaded."""
    try:
        if raw is None:
            raise oversized(path, size, MAX_BYTES)
        return facts_of_model(read_as(RegisteredModel, raw, path))
    except BadSpec as error:
        return Fault(error.what, error.where or path, error.fix or "")


def facts_of_model(model: RegisteredModel) -> ModelFacts:
    """The facts of a file that has been read."""
    return ModelFacts(
        name=model.name, id=model.id, description=model.description, tags=tuple(model.tags.items()),
        aliases=tuple(model.aliases.items()), created_at=milliseconds(model.created.at), created_by=model.created.by,
        last_version=model.last_version, versions=tuple(map(_version, model.versions)),
    )  # fmt: skip


def _version(version: Version) -> VersionFacts:
    run = version.run or Run()
    return VersionFacts(
        number=version.version, stage=version.stage, source=version.source, run_id=run.id, run_link=run.link,
        description=version.description, digest=version.digest, created_at=milliseconds(version.created.at),
        created_by=version.created.by, tags=tuple(version.tags.items()),
        content=version.model_dump_json(exclude_defaults=True),
    )  # fmt: skip


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def moment(milliseconds: int) -> datetime:
    """The time that so many milliseconds since 1970 are."""
    return _EPOCH + milliseconds * _MILLISECOND
