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
    return RegisteredModel(
        name=seen.name,
        creation_timestamp=seen.created_at,
        last_updated_timestamp=seen.updated_at,
        description=seen.description or None,
        latest_versions=[model_version(one) for one in seen.latest],
        tags=[RegisteredModelTag(key, value) for key, value in sorted(seen.tags.items())],
        aliases=[RegisteredModelAlias(alias, number) for alias, number in sorted(seen.aliases.items())],
    )


def model_version(seen: SeenVersion) -> ModelVersion:
    """A version as it is at main."""
    return ModelVersion(
        name=seen.name,
        version=seen.number,
        creation_timestamp=seen.created_at,
        last_updated_timestamp=seen.updated_at,
        description=seen.description or None,
        user_id=seen.created_by,
        current_stage=seen.stage,
        source=seen.source,
        run_id=seen.run_id or None,
        run_link=seen.run_link or None,
        tags=[ModelVersionTag(key, value) for key, value in sorted(seen.tags.items())],
        aliases=list(seen.aliases),
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
