"""Calls about registered models, their tags and aliases."""

from __future__ import annotations

from stagedoor.apps.api import answers, asked
from stagedoor.apps.api.calls import Calls, Done, Visit
from stagedoor.core.intents import checked_stage
from stagedoor.errors import BadInput
from stagedoor.workflows import registering, rights
from stagedoor.workflows.searching import Query

calls = Calls("models")


def _one(visit: Visit, name: str) -> answers.OneModel:
    rights.require_readable(visit.world, name)
    return answers.OneModel(registered_model=answers.model(visit.questions.model(visit.world, name)))


def _written(visit: Visit, name: str, commit: str) -> answers.OneModel:
    # who may write it may read it, and what has landed is told, whatever became of it
    seen = visit.questions.written_model(visit.world, name, commit)
    return answers.OneModel(registered_model=answers.model(seen))


@calls("POST", "mlflow/registered-models/create")
def create_model(visit: Visit, said: asked.CreateModel) -> answers.OneModel:
    """Create a model without a version."""
    tags = {tag.key: tag.value for tag in said.tags}
    return _written(visit, said.name, registering.create(visit.world, said.name, said.description, tags).commit)


@calls("GET", "mlflow/registered-models/get")
def get_model(visit: Visit, said: asked.Named) -> answers.OneModel:
    """Get a model."""
    return _one(visit, said.name)


@calls("GET", "mlflow/databricks/registered-models/get")
def get_model_databricks(visit: Visit, said: asked.Named) -> answers.OneModelDatabricks:
    """Get a model with its id and the caller's permission."""
    rights.require_readable(visit.world, said.name)
    seen = visit.questions.model(visit.world, said.name)
    level = rights.level_of(visit.world.snapshot(), visit.world.actor.email, seen.path)
    return answers.OneModelDatabricks(registered_model_databricks=answers.model_databricks(seen, level))


@calls("PATCH", "mlflow/registered-models/update")
def update_model(visit: Visit, said: asked.UpdateModel) -> answers.OneModel:
    """Describe a model."""
    rights.require_readable(visit.world, said.name)
    if said.description is None:
        return _one(visit, said.name)
    return _written(visit, said.name, registering.describe(visit.world, said.name, said.description).commit)


@calls("POST", "mlflow/registered-models/rename")
def rename_model(visit: Visit, said: asked.RenameModel) -> answers.OneModel:
    """Give a model another name."""
    rights.require_readable(visit.world, said.name)
    return _written(visit, said.new_name, registering.rename(visit.world, said.name, said.new_name).commit)


@calls("DELETE", "mlflow/registered-models/delete")
def delete_model(visit: Visit, said: asked.Named) -> Done:
    """Delete a model and its versions."""
    rights.require_readable(visit.world, said.name)
    registering.delete(visit.world, said.name)
    return Done()


@calls("GET", "mlflow/registered-models/list")
def list_models(visit: Visit, said: asked.ListModels) -> answers.Models:
    """List the models that the caller may read."""
    return _page(visit, Query(limit=said.max_results, page_token=said.page_token))


@calls("GET", "mlflow/registered-models/search", "mlflow/databricks/registered-models/search")
def search_models(visit: Visit, said: asked.SearchModels) -> answers.Models:
    """Search the models that the caller may read."""
    return _page(visit, Query(said.filter, said.order_by, said.max_results, said.page_token))


def _page(visit: Visit, query: Query) -> answers.Models:
    found = visit.questions.models(visit.world, query)
    models = [answers.model(seen) for seen in found.items]
    return answers.Models(registered_models=models, next_page_token=found.next_token or None)


@calls("POST", "mlflow/registered-models/get-latest-versions")
@calls("GET", "mlflow/registered-models/get-latest-versions")
def get_latest_versions(visit: Visit, said: asked.LatestVersions) -> answers.Versions:
    """Get the newest version of each stage in use, or of the stages named."""
    rights.require_readable(visit.world, said.name)
    stages = {checked_stage(visit.world.snapshot().spec, stage).name for stage in said.stages}
    latest = visit.questions.model(visit.world, said.name).latest
    found = [answers.version(seen) for seen in latest if not stages or seen.stage in stages]
    return answers.Versions(model_versions=found)


@calls("POST", "mlflow/registered-models/set-tag")
def set_model_tag(visit: Visit, said: asked.SetModelTag) -> Done:
    """Set a tag of a model."""
    rights.require_readable(visit.world, said.name)
    registering.tag(visit.world, said.name, {said.key: said.value})
    return Done()


@calls("DELETE", "mlflow/registered-models/delete-tag")
def delete_model_tag(visit: Visit, said: asked.DeleteModelTag) -> Done:
    """Delete a tag of a model."""
    rights.require_readable(visit.world, said.name)
    registering.tag(visit.world, said.name, {}, [said.key])
    return Done()


@calls("POST", "mlflow/registered-models/alias")
def set_alias(visit: Visit, said: asked.SetAlias) -> Done:
    """Point an alias at a version."""
    rights.require_readable(visit.world, said.name)
    registering.alias(visit.world, f"{said.name}/{said.version}", said.alias)
    return Done()


@calls("DELETE", "mlflow/registered-models/alias")
def delete_alias(visit: Visit, said: asked.Alias) -> Done:
    """Take an alias off a model."""
    rights.require_readable(visit.world, said.name)
    registering.unalias(visit.world, said.name, said.alias)
    return Done()


@calls("GET", "mlflow/registered-models/alias")
def get_version_by_alias(visit: Visit, said: asked.Alias) -> answers.OneVersion:
    """Get the version that an alias points at; `latest` is the newest."""
    model = rights.readable(visit.world, said.name)
    newest = max((version.version for version in model.versions), default=None)
    number = newest if said.alias.lower() == "latest" else model.aliases.get(said.alias)
    if number is None:
        # MLflow answers so, and not with RESOURCE_DOES_NOT_EXIST
        raise BadInput(f"{said.name} has no alias {said.alias}", where="alias", fix="set it first")
    return answers.OneVersion(model_version=answers.version(visit.questions.version(visit.world, said.name, number)))
