"""Calls about versions and their tags."""

from __future__ import annotations

import re

from stagedoor.apps.api import answers, asked
from stagedoor.apps.api.calls import Calls, Done, Visit
from stagedoor.errors import BadInput
from stagedoor.workflows import registering, rights
from stagedoor.workflows.registering import NewVersion
from stagedoor.workflows.searching import Query
from stagedoor.workflows.world import World

calls = Calls("versions")


def _one(visit: Visit, name: str, number: int) -> answers.OneVersion:
    rights.require_readable(visit.world, name)
    return answers.OneVersion(model_version=answers.version(visit.questions.version(visit.world, name, number)))


def _written(visit: Visit, name: str, number: int, commit: str) -> answers.OneVersion:
    # who may write it may read it, and what has landed is told, whatever became of it
    seen = visit.questions.written_version(visit.world, name, number, commit)
    return answers.OneVersion(model_version=answers.version(seen))


def _ref(visit: Visit, said: asked.Versioned) -> str:
    """The version in the form that workflows take, once it is there and the caller may read it."""
    rights.require_readable(visit.world, said.name)
    visit.world.snapshot().registry.version(said.name, said.version)
    return f"{said.name}/{said.version}"


@calls("POST", "mlflow/model-versions/create")
def create_model_version(visit: Visit, said: asked.CreateVersion) -> answers.OneVersion:
    """Register the next version of a model."""
    rights.require_readable(visit.world, said.name)
    run = {"id": said.run_id, "link": said.run_link} if said.run_id or said.run_link else None
    content = {
        "source": _source(visit.world, said.source),
        "description": said.description,
        "run": run,
        "tags": {tag.key: tag.value for tag in said.tags},
    }
    outcome, ref = registering.register(visit.world, NewVersion(said.name, content, may_create=False))
    return _written(visit, ref.model, ref.version or 0, outcome.commit)


def _source(world: World, source: str) -> str:
    """Where the artifacts are: of a copy, where those of the version that it copies are."""
    if not source.strip():
        raise BadInput("a version says where its model is", where="source", fix="write s3://bucket/model")
    copied = re.fullmatch(r"models:/+([^/]+)/([0-9]{1,18})", source)
    if copied is None:
        return source
    rights.readable(world, copied[1])
    return world.snapshot().registry.version(copied[1], int(copied[2])).source


@calls("GET", "mlflow/model-versions/get")
def get_model_version(visit: Visit, said: asked.Versioned) -> answers.OneVersion:
    """Get a version."""
    return _one(visit, said.name, said.version)


@calls("PATCH", "mlflow/model-versions/update")
def update_model_version(visit: Visit, said: asked.UpdateVersion) -> answers.OneVersion:
    """Describe a version."""
    ref = _ref(visit, said)
    if said.description is None:
        return _one(visit, said.name, said.version)
    return _written(visit, said.name, said.version, registering.describe(visit.world, ref, said.description).commit)


@calls("DELETE", "mlflow/model-versions/delete")
def delete_model_version(visit: Visit, said: asked.Versioned) -> Done:
    """Delete a version; its number is never used again."""
    registering.delete(visit.world, _ref(visit, said))
    return Done()


@calls("GET", "mlflow/model-versions/get-download-uri")
def get_download_uri(visit: Visit, said: asked.Versioned) -> answers.DownloadUri:
    """Get where the artifacts of a version are."""
    rights.require_readable(visit.world, said.name)
    found = visit.questions.version(visit.world, said.name, said.version)
    return answers.DownloadUri(artifact_uri=found.source)


@calls("GET", "mlflow/model-versions/search")
def search_model_versions(visit: Visit, said: asked.SearchVersions) -> answers.Versions:
    """Search the versions of the models that the caller may read."""
    query = Query(said.filter, said.order_by, said.max_results, said.page_token)
    found = visit.questions.versions(visit.world, query)
    versions = [answers.version(seen) for seen in found.items]
    return answers.Versions(model_versions=versions, next_page_token=found.next_token or None)


@calls("POST", "mlflow/model-versions/set-tag")
def set_version_tag(visit: Visit, said: asked.SetVersionTag) -> Done:
    """Set a tag of a version."""
    registering.tag(visit.world, _ref(visit, said), {said.key: said.value})
    return Done()


@calls("DELETE", "mlflow/model-versions/delete-tag")
def delete_version_tag(visit: Visit, said: asked.DeleteVersionTag) -> Done:
    """Delete a tag of a version."""
    registering.tag(visit.world, _ref(visit, said), {}, [said.key])
    return Done()
