"""MLflow 3's webhooks are entries of webhooks.yaml, which the reconciler calls."""

from __future__ import annotations

import pytest
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


@pytest.mark.parametrize("url", ["", "not a url", "ftp://example.com/x", "https://ann:pw@example.com/x", "https://"])
def test_a_url_that_cannot_be_called_is_a_bad_parameter(town: Town, client_of: ClientOf, url: str) -> None:
    carol = client_of(CAROL)
    assert code_of(carol.create_webhook, "chat", url, ["model_version.created"]) == ("INVALID_PARAMETER_VALUE", 400)
    made = carol.create_webhook("chat", "https://hooks.example.com/x", ["model_version.created"])
    assert code_of(carol.update_webhook, made.webhook_id, url=url) == ("INVALID_PARAMETER_VALUE", 400)
