"""Stage files: one for each stage of a model, made from the model file; every forge can guard them by its own means."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stagedoor.core.layout import stage_path
from stagedoor.core.spec import API_VERSION, NO_STAGE, RegisteredModel, Value, VersionNumber


class StageFile(Value):
    """`stages/STAGE/NAME.yaml`: the versions of a model that are in a stage. It says what the model file says."""

    apiVersion: Literal["stagedoor/v1"] = API_VERSION
    kind: Literal["StageFile"] = "StageFile"
    model: Annotated[str, Field(min_length=1)]
    stage: Annotated[str, Field(min_length=1)]
    versions: tuple[VersionNumber, ...]


def stage_files(path: str, model: RegisteredModel) -> dict[str, StageFile]:
    """The stage files of the model that stands at `path`, by their own paths; none for None."""
    stages = dict.fromkeys(version.stage for version in model.versions if version.stage != NO_STAGE)
    return {stage_path(stage, path): _file(model, stage) for stage in stages}


def _file(model: RegisteredModel, stage: str) -> StageFile:
    versions = sorted(version.version for version in model.in_stage(stage))
    return StageFile(model=model.name, stage=stage, versions=tuple(versions))
