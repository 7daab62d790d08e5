"""MLflow 3's webhooks are entries of webhooks.yaml, which the reconciler calls."""

from __future__ import annotations

from mlflow.entities.webhook import WebhookEvent

from mlflow_clients import ClientOf, code_of
from stagedoor.apps.mlflow_plugin.store import RegistryStore
from town import CAROL, Town


def test_webhooks_of_mlflows_kind(town: Town, client_of: ClientOf) -> None:
    carol = client_of(CAROL)
    made = carol.create_webhook("chat", "https://hooks.example.com/x", ["model_version.created"], secret="s" * 20)
    assert [hook.webhook_id for hook in carol.list_webhooks()] == [made.webhook_id]
    changed = carol.update_webhook(made.webhook_id, status="DISABLED", events=["registered_model.created"])
    assert (str(changed.status), [str(event) for event in changed.events]) == ("DISABLED", ["registered_model.created"])
    assert carol.get_webhook(made.webhook_id).url == "https://hooks.example.com/x"
    store = RegistryStore(f"stagedoor://{town.path}?as={CAROL}")
    # MLflow's server would call them a second time
    assert list(store.list_webhooks_by_event(WebhookEvent.from_str("model_version.created"))) == []
    carol.delete_webhook(made.webhook_id)
    assert list(carol.list_webhooks()) == []
    assert code_of(carol.get_webhook, made.webhook_id)[0] == "RESOURCE_DOES_NOT_EXIST"
