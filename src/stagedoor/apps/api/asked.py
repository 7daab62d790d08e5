"""What the calls about models, versions and stages ask, in MLflow's and Databricks' words."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from stagedoor.apps.api.calls import Asked
from stagedoor.core.spec import MAX_NUMBER


def _number(value: object) -> object:
    """Clients send a version as `1` and as `"1"`."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("has to be a version number such as 1")
    return value


VersionNumber = Annotated[
    int, BeforeValidator(_number, json_schema_input_type=int | str), Field(ge=0, le=MAX_NUMBER, examples=["1"])
]
Limit = Annotated[int, Field(ge=1, le=1000)]
VersionLimit = Annotated[int, Field(ge=1, le=200_000)]


class Tag(Asked):
    """A key and its value."""

    key: str
    value: str = ""


class Named(Asked):
    """A model."""

    name: str


class CreateModel(Named):
    """A new model."""

    description: str = ""
    tags: tuple[Tag, ...] = ()


class UpdateModel(Named):
    """Another description of a model."""

    description: str | None = None


class RenameModel(Named):
    """Another name for a model."""

    new_name: str


class ListModels(Asked):
    """A page of all models."""

    max_results: Limit = 100
    page_token: str = ""


class SearchModels(ListModels):
    """A page of the models that match."""

    filter: str = ""
    order_by: tuple[str, ...] = ()


class SearchVersions(Asked):
    """A page of the versions that match."""

    filter: str = ""
    max_results: VersionLimit = 10_000
    order_by: tuple[str, ...] = ()
    page_token: str = ""


class LatestVersions(Named):
    """The newest version of each stage, or of some."""

    stages: tuple[str, ...] = ()


class SetModelTag(Named):
    """A tag of a model."""

    key: str
    value: str


class DeleteModelTag(Named):
    """A tag off a model."""

    key: str


class Alias(Named):
    """An alias of a model."""

    alias: str


class SetAlias(Alias):
    """An alias and the version that it points at."""

    version: VersionNumber


class Versioned(Named):
    """A version."""

    version: VersionNumber


class CreateVersion(Named):
    """The next version of a model."""

    source: str
    run_id: str = ""
    run_link: str = ""
    description: str = ""
    tags: tuple[Tag, ...] = ()


class UpdateVersion(Versioned):
    """Another description of a version."""

    description: str | None = None


class SetVersionTag(Versioned):
    """A tag of a version."""

    key: str
    value: str


class DeleteVersionTag(Versioned):
    """A tag off a version."""

    key: str


class Move(Versioned):
    """A version to a stage; `archive_existing_versions` makes way there."""

    stage: str
    archive_existing_versions: bool = False
    comment: str = ""


class RequestMove(Versioned):
    """A request for a move, or a word on one."""

    stage: str
    comment: str = ""


class CancelRequest(RequestMove):
    """A request of one person for a move."""

    creator: str
