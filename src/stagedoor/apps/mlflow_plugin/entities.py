"""Models, versions and webhooks as MLflow's entities. Times are milliseconds since 1970, versions whole numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)

from stagedoor.core.webhooks import Webhook
from stagedoor.workflows.searching import SeenModel, SeenVersion


def milliseconds(moment: datetime) -> int:
    """A time as MLflow writes it."""
    return round(moment.timestamp() * 1000)


def registered_model(seen: SeenModel) -> RegisteredModel:
    """A model with the newest version of each stage."""
    model = seen.model
    return RegisteredModel(
        name=model.name,
        creation_timestamp=milliseconds(model.created.at),
        last_updated_timestamp=milliseconds(seen.updated_at),
        description=model.description or None,
        latest_versions=[model_version(one) for one in seen.latest],
        tags=[RegisteredModelTag(key, value) for key, value in sorted(model.tags.items())],
        aliases=[RegisteredModelAlias(alias, number) for alias, number in sorted(model.aliases.items())],
    )


def model_version(seen: SeenVersion) -> ModelVersion:
    """A version as it is at main."""
    version, run = seen.version, seen.version.run
    return ModelVersion(
        name=seen.model.name,
        version=version.version,
        creation_timestamp=milliseconds(version.created.at),
        last_updated_timestamp=milliseconds(seen.updated_at),
        description=version.description or None,
        user_id=version.created.by,
        current_stage=version.stage,
        source=version.source,
        run_id=(run.id if run else "") or None,
        run_link=(run.link if run else "") or None,
        tags=[ModelVersionTag(key, value) for key, value in sorted(version.tags.items())],
        aliases=list(seen.model.aliases_of(version.version)),
    )


def webhook(hook: Webhook) -> Any:
    """A webhook of MLflow's style."""
    from mlflow.entities.webhook import Webhook as MlflowWebhook
    from mlflow.entities.webhook import WebhookEvent, WebhookStatus

    created = milliseconds(hook.created.at)
    return MlflowWebhook(
        webhook_id=hook.id,
        name=hook.name,
        url=hook.url,
        events=[WebhookEvent.from_str(event) for event in hook.events],
        creation_timestamp=created,
        last_updated_timestamp=milliseconds(hook.updated) if hook.updated else created,
        description=hook.description or None,
        status=WebhookStatus(hook.status),
    )
