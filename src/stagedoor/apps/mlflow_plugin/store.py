"""The registry as MLflow's model registry store, on a repository of this machine. Every write is a commit."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from mlflow.entities.model_registry import ModelVersion, ModelVersionTag, RegisteredModel, RegisteredModelTag
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils.search_utils import SearchUtils

from stagedoor.apps.mlflow_plugin import entities
from stagedoor.apps.mlflow_plugin.desks import Desks
from stagedoor.apps.mlflow_plugin.places import place_of
from stagedoor.apps.mlflow_plugin.refusals import refusing
from stagedoor.core.intents import checked_stage
from stagedoor.core.registry import Ref
from stagedoor.core.spec import MAX_NUMBER
from stagedoor.core.webhooks import HttpTarget, url_fault
from stagedoor.errors import BadInput, NotFound, Unavailable
from stagedoor.workflows import hooking, moving, registering, rights
from stagedoor.workflows.lineage import Origin, lineage_of, with_lineage
from stagedoor.workflows.registering import NewVersion
from stagedoor.workflows.searching import Query, Questions
from stagedoor.workflows.world import World

_logger = logging.getLogger(__name__)
# https://mlflow.org/docs/latest/api_reference/rest-api.html#search-registeredmodels
MAX_MODELS: Final = 1_000
MAX_VERSIONS: Final = 200_000
_BACKEND: Final = "_MLFLOW_SERVER_FILE_STORE"
_COPY: Final = re.compile(r"models:/+([^/@]+)/([0-9]{1,18})")


class RegistryStore(AbstractStore):  # type: ignore[misc]
    """What MLflow calls, https://mlflow.org/docs/latest/ml/plugins/.

    Each method says what its namesake of `AbstractStore` does; what differs is said here. Refusals are MLflow's
    exceptions with the codes of its own stores, and PERMISSION_DENIED or INVALID_STATE where the registry's owners,
    gates or checks say no; the message then names the command that asks for it.
    """

    def __init__(self, store_uri: str, tracking_uri: str | None = None) -> None:
        super().__init__(store_uri, tracking_uri)
        self._uris = (store_uri, tracking_uri)
        # in MLflow's server the runs are in its own backend, which only its environment names
        self._tracking_uri = os.environ.get(_BACKEND) or tracking_uri or ""
        self._questions = Questions()
        with refusing():
            self._desks = Desks(place_of(store_uri, os.environ))

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the registry for itself."""
        return type(self), self._uris

    @contextmanager
    def _reading(self) -> Iterator[World]:
        with refusing(), self._desks.world(reads=True) as world:
            yield world

    @contextmanager
    def _writing(self) -> Iterator[World]:
        with refusing(), self._desks.world(reads=False) as world:
            yield world

    def _model(self, world: World, name: str) -> RegisteredModel:
        rights.readable(world, _text(name, "name"))
        return entities.registered_model(self._questions.model(world, name))

    def _version(self, world: World, name: str, number: int) -> ModelVersion:
        rights.readable(world, _text(name, "name"))
        return entities.model_version(self._questions.version(world, name, number))

    # what has landed is told, whatever became of it before the answer is made

    def _written_model(self, world: World, name: str, commit: str) -> RegisteredModel:
        return entities.registered_model(self._questions.written_model(world, name, commit))

    def _written_version(self, world: World, name: str, number: int, commit: str) -> ModelVersion:
        return entities.model_version(self._questions.written_version(world, name, number, commit))

    # --- models -----------------------------------------------------------------------------------------------------

    def create_registered_model(
        self,
        name: str,
        tags: Iterable[RegisteredModelTag] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> RegisteredModel:
        """Create a model without a version."""
        with self._writing() as world:
            outcome = registering.create(world, _text(name, "name"), description or "", _tags(tags))
            return self._written_model(world, name, outcome.commit)

    def update_registered_model(
        self, name: str, description: str | None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Describe a model."""
        with self._writing() as world:
            rights.readable(world, _text(name, "name"))
            outcome = registering.describe(world, name, description or "")
            return self._written_model(world, name, outcome.commit)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give a model another name. Refused while a version is in use, as Databricks refuses it."""
        with self._writing() as world:
            rights.readable(world, _text(name, "name"))
            outcome = registering.rename(world, name, _text(new_name, "new_name"))
            return self._written_model(world, new_name, outcome.commit)

    def delete_registered_model(self, name: str) -> None:
        """Delete a model and its versions. Refused while a version is in use."""
        with self._writing() as world:
            rights.readable(world, _text(name, "name"))
            registering.delete(world, name)

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        """Models by MLflow's search grammar, by name where no order is asked for."""
        with self._reading() as world:
            limit = _limit(max_results, 100, MAX_MODELS)
            query = Query(filter_string or "", tuple(_order(order_by)), limit, page_token or "")
            found = self._questions.models(world, query)
            return PagedList([entities.registered_model(one) for one in found.items], found.next_token or None)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """One model."""
        with self._reading() as world:
            return self._model(world, name)

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """The newest version of each stage in use, or of the stages named."""
        with self._reading() as world:
            rights.readable(world, _text(name, "name"))
            wanted = {checked_stage(world.snapshot().spec, stage).name for stage in stages or ()}
            latest = self._questions.model(world, name).latest
            return [entities.model_version(one) for one in latest if not wanted or one.stage in wanted]

    def set_registered_model_tag(self, name: str, tag: RegisteredModelTag) -> None:
        """Set a tag of a model."""
        self._tag(name, None, {tag.key: _value(tag)})

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Take a tag off a model; one that is not there is no fault."""
        self._tag(name, None, {}, [key])

    def _tag(self, name: str, version: object, tags: dict[str, str], removed: Sequence[str] = ()) -> None:
        with self._writing() as world:
            rights.readable(world, _text(name, "name"))
            text = name if version is None else f"{name}/{_number(version)}"
            registering.tag(world, text, tags, [_text(key, "key") for key in removed])

    # --- versions ---------------------------------------------------------------------------------------------------

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Iterable[ModelVersionTag] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Register the next version of a model that is there. A copy of a version has that one's source and lineage."""
        with self._writing() as world:
            rights.readable(world, _text(name, "name"))
            content = {
                **self._facts(world, Origin(_text(source, "source"), run_id or "", model_id or ""), run_link or ""),
                "description": description or "",
                "tags": _tags(tags),
            }
            outcome, ref = registering.register(world, NewVersion(name, content, may_create=False))
            return self._written_version(world, name, ref.version or 0, outcome.commit)

    def _facts(self, world: World, origin: Origin, run_link: str) -> dict[str, object]:
        """Source and lineage. A run that nobody can be asked about is recorded by what MLflow said of it."""
        if (copied := _COPY.fullmatch(origin.source)) is not None:
            return _copied(world, copied[1], int(copied[2]))
        run = {"id": origin.run_id, "link": run_link, "model": origin.model_id}
        said: dict[str, object] = {"source": origin.source, "run": run if any(run.values()) else None}
        if not self._tracking_uri or not origin.is_tracked:
            return said
        try:
            return with_lineage(said, lineage_of(world, origin, self._tracking_uri, patient=True))
        except (NotFound, Unavailable, BadInput) as error:
            _logger.warning("%s is registered without its lineage: %s", origin.source, error.what)
            return said

    def update_model_version(self, name: str, version: object, description: str | None) -> ModelVersion:
        """Describe a version."""
        with self._writing() as world:
            rights.readable(world, _text(name, "name"))
            outcome = registering.describe(world, f"{name}/{_number(version)}", description or "")
            return self._written_version(world, name, _number(version), outcome.commit)

    def transition_model_version_stage(
        self, name: str, version: object, stage: str, archive_existing_versions: bool = False
    ) -> ModelVersion:
        """Move a version at once, as the stage's owner. Where a request is wanted, the refusal says how to open it."""
        with self._writing() as world:
            ref = Ref(_text(name, "name"), _number(version))
            archive = bool(archive_existing_versions)
            commit = moving.move(world, ref, _text(stage, "stage"), archive_existing=archive)
            return self._written_version(world, name, _number(version), commit)

    def delete_model_version(self, name: str, version: object) -> None:
        """Delete a version that is not in use; its number is never given again."""
        with self._writing() as world:
            rights.readable(world, _text(name, "name"))
            registering.delete(world, f"{name}/{_number(version)}")

    def get_model_version(self, name: str, version: object) -> ModelVersion:
        """One version."""
        with self._reading() as world:
            return self._version(world, name, _number(version))

    def get_model_version_download_uri(self, name: str, version: object) -> str:
        """Where the artifacts of a version are: the source that was registered."""
        with self._reading() as world:
            rights.readable(world, _text(name, "name"))
            return world.snapshot().registry.version(name, _number(version)).source

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        """Versions by MLflow's search grammar, those changed last first where no order is asked for."""
        with self._reading() as world:
            limit = _limit(max_results, 10_000, MAX_VERSIONS)
            order = tuple(_order(order_by) or ["last_updated_timestamp DESC"])
            found = self._questions.versions(world, Query(filter_string or "", order, limit, page_token or ""))
            return PagedList([entities.model_version(one) for one in found.items], found.next_token or None)

    def set_model_version_tag(self, name: str, version: object, tag: ModelVersionTag) -> None:
        """Set a tag of a version."""
        self._tag(name, _number_or_refuse(version), {tag.key: _value(tag)})

    def delete_model_version_tag(self, name: str, version: object, key: str) -> None:
        """Take a tag off a version; one that is not there is no fault."""
        self._tag(name, _number_or_refuse(version), {}, [key])

    # --- aliases ----------------------------------------------------------------------------------------------------

    def set_registered_model_alias(self, name: str, alias: str, version: object) -> None:
        """Point an alias at a version that is there."""
        with self._writing() as world:
            rights.readable(world, _text(name, "name"))
            registering.alias(world, f"{name}/{_number(version)}", _text(alias, "alias"))

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Take an alias off a model; one that is not there is no fault."""
        with self._writing() as world:
            rights.readable(world, _text(name, "name"))
            registering.unalias(world, name, _text(alias, "alias"))

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias points at; `latest` is the newest one."""
        with self._reading() as world:
            model = rights.readable(world, _text(name, "name"))
            newest = max((version.version for version in model.versions), default=None)
            number = newest if _text(alias, "alias").lower() == "latest" else model.aliases.get(alias)
            if number is None:
                # MLflow's own stores answer so, and not with RESOURCE_DOES_NOT_EXIST
                raise BadInput(f"{name} has no alias {alias}", fix=f"stagedoor alias {name}/3 {alias} sets it")
            return self._version(world, name, number)

    # --- webhooks: entries of webhooks.yaml, called by the reconciler -------------------------------------------------

    def create_webhook(
        self,
        name: str,
        url: str,
        events: Sequence[Any],
        description: str | None = None,
        secret: str | None = None,
        status: Any = None,
    ) -> Any:
        """A webhook of the whole registry, of MLflow's style."""
        with self._writing() as world:
            draft = hooking.Draft(
                events=tuple(map(str, events)),
                target=_target(url),
                name=name,
                style="mlflow",
                description=description or "",
                status="DISABLED" if str(status or "ACTIVE") == "DISABLED" else "ACTIVE",
            )
            return entities.webhook(hooking.create(world, draft, {"secret": secret} if secret else {}).webhook)

    def get_webhook(self, webhook_id: str) -> Any:
        """One webhook, without its secret."""
        with self._reading() as world:
            return entities.webhook(hooking.find(world, webhook_id))

    def list_webhooks(self, max_results: int | None = None, page_token: str | None = None) -> PagedList:
        """The webhooks of MLflow's style, newest first."""
        with self._reading() as world:
            limit = _limit(max_results, 100, MAX_MODELS)
            hooks = [one for one in reversed(world.snapshot().webhooks.webhooks) if one.style == "mlflow"]
            return _page([entities.webhook(one) for one in hooks], page_token, limit)

    def list_webhooks_by_event(
        self, event: Any, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList:
        """None: MLflow's server asks this to call webhooks itself, and the reconciler calls ours once for a merge."""
        return PagedList([], None)

    def update_webhook(
        self,
        webhook_id: str,
        name: str | None = None,
        description: str | None = None,
        url: str | None = None,
        events: Sequence[Any] | None = None,
        secret: str | None = None,
        status: Any = None,
    ) -> Any:
        """Change what is given of a webhook."""
        with self._writing() as world:
            changed = hooking.Changed(
                events=None if events is None else tuple(map(str, events)),
                target=None if url is None else _target(url),
                name=name,
                description=description,
                status=None if status is None else "DISABLED" if str(status) == "DISABLED" else "ACTIVE",
            )
            secrets = None if secret is None else {"secret": secret}
            return entities.webhook(hooking.update(world, webhook_id, changed, secrets).webhook)  # type: ignore[arg-type]

    def delete_webhook(self, webhook_id: str) -> None:
        """Take a webhook away."""
        with self._writing() as world:
            hooking.delete(world, webhook_id)

    def test_webhook(self, webhook_id: str, event: Any = None) -> Any:
        """Send a mock payload and say what the target answered."""
        from mlflow.entities.webhook import WebhookTestResult

        with self._writing() as world:
            tested = hooking.test(world, webhook_id, str(event) if event else "")
            return WebhookTestResult(tested.is_good, tested.status, tested.body, tested.error or None)


# --- what MLflow hands over -------------------------------------------------------------------------------------------


def _text(said: object, what: str) -> str:
    if not isinstance(said, str) or not said.strip():
        raise BadInput(f"missing value for {what}", where=what, fix=f"give the {what}")
    return said


def _target(url: object) -> HttpTarget:
    said = _text(url, "url")
    if fault := url_fault(said):
        raise BadInput(fault, where="url", fix="write one such as https://hooks.example.com/x")
    return hooking.http_target(said)


def _number(said: object) -> int:
    text = str(said)
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:18]) <= MAX_NUMBER:
        raise BadInput(f"{text[:80]!r} is not a version number", where="version", fix="write a whole number, such as 3")
    return int(text)


def _number_or_refuse(said: object) -> int:
    with refusing():
        return _number(said)


def _value(tag: Any) -> str:
    return "" if tag.value is None else str(tag.value)


def _tags(tags: Iterable[Any] | None) -> dict[str, str]:
    return {tag.key: _value(tag) for tag in tags or ()}


def _limit(said: int | None, usual: int, most: int) -> int:
    limit = usual if said is None else said
    if not isinstance(limit, int) or not 1 <= limit <= most:
        raise BadInput(f"max_results is {said!r}", where="max_results", fix=f"ask for 1 to {most:,}")
    return limit


def _order(said: Sequence[str] | None) -> list[str]:
    # MLflow's SQL store knows `timestamp` too: https://mlflow.org/docs/latest/ml/search/search-models/
    return [re.sub(r"^\s*timestamp\b", "last_updated_timestamp", clause) for clause in said or ()]


def _page(found: Sequence[Any], token: str | None, limit: int) -> PagedList:
    items, after = SearchUtils.paginate(found, token, limit)
    return PagedList(items, after.decode() if isinstance(after, bytes) else after)


def _copied(world: World, name: str, number: int) -> dict[str, object]:
    rights.readable(world, name)
    version = world.snapshot().registry.version(name, number)
    return {fact: getattr(version, fact) for fact in type(version).FACTS if fact != "created"}
