"""What the calls answer: models, versions and activities in the words that both clients read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from stagedoor.core.owners import Level
from stagedoor.workflows.searching import SeenModel, SeenVersion


class Tag(BaseModel):
    """A key and its value."""

    key: str
    value: str


class Alias(BaseModel):
    """An alias and the version that it points at."""

    alias: str
    version: str


class Activity(BaseModel):
    """Something that happened to a version, or an open request for it."""

    id: str
    activity_type: str
    user_id: str
    comment: str = ""
    system_comment: str = ""
    from_stage: str | None = None
    to_stage: str | None = None
    creation_timestamp: int
    last_updated_timestamp: int
    available_actions: list[str] = []


class Version(BaseModel):
    """A version; `version` is text, as both clients want it."""

    name: str
    version: str
    user_id: str
    creation_timestamp: int
    last_updated_timestamp: int
    current_stage: str
    description: str
    source: str
    run_id: str
    run_link: str
    status: str = "READY"
    status_message: str = ""
    tags: list[Tag]
    aliases: list[str]


class VersionDatabricks(Version):
    """A version with what the caller may do, and what is asked for."""

    permission_level: str | None = None
    open_requests: list[Activity] = []
    email_subscription_status: str = "DEFAULT"


class Model(BaseModel):
    """A model with the newest version of each stage."""

    name: str
    description: str
    user_id: str
    creation_timestamp: int
    last_updated_timestamp: int
    tags: list[Tag]
    latest_versions: list[Version]
    aliases: list[Alias]


class ModelDatabricks(Model):
    """A model with its id, which permissions go by, and what the caller may do."""

    id: str
    permission_level: str | None = None


class OneModel(BaseModel):
    """A model."""

    registered_model: Model


class OneModelDatabricks(BaseModel):
    """A model with its id."""

    registered_model_databricks: ModelDatabricks


class Models(BaseModel):
    """A page of models; no token on the last one."""

    registered_models: list[Model]
    next_page_token: str | None = None


class OneVersion(BaseModel):
    """A version."""

    model_version: Version


class OneVersionDatabricks(BaseModel):
    """A version in both spellings: databricks-sdk up to 0.57 reads the first."""

    model_version: Version
    model_version_databricks: VersionDatabricks


class Versions(BaseModel):
    """A page of versions; no token on the last one."""

    model_versions: list[Version]
    next_page_token: str | None = None


class DownloadUri(BaseModel):
    """Where the artifacts are."""

    artifact_uri: str


def milliseconds(moment: datetime) -> int:
    """A time as both clients write it."""
    return round(moment.timestamp() * 1000)


def tags(said: Mapping[str, str]) -> list[Tag]:
    """Tags as a list of pairs."""
    return [Tag(key=key, value=value) for key, value in sorted(said.items())]


def version(seen: SeenVersion) -> Version:
    """A version as both clients read it."""
    return Version(
        name=seen.name,
        version=str(seen.number),
        user_id=seen.created_by,
        creation_timestamp=seen.created_at,
        last_updated_timestamp=seen.updated_at,
        current_stage=seen.stage,
        description=seen.description,
        source=seen.source,
        run_id=seen.run_id,
        run_link=seen.run_link,
        tags=tags(seen.tags),
        aliases=list(seen.aliases),
    )


def model(seen: SeenModel) -> Model:
    """A model as both clients read it."""
    return Model(
        name=seen.name,
        description=seen.description,
        user_id=seen.created_by,
        creation_timestamp=seen.created_at,
        last_updated_timestamp=seen.updated_at,
        tags=tags(seen.tags),
        latest_versions=[version(one) for one in seen.latest],
        aliases=[Alias(alias=alias, version=str(number)) for alias, number in sorted(seen.aliases.items())],
    )


def model_databricks(seen: SeenModel, level: Level | None) -> ModelDatabricks:
    """A model with its id and the caller's level."""
    permission = level.databricks if level else None
    return ModelDatabricks(**dict(model(seen)), id=seen.id, permission_level=permission)
