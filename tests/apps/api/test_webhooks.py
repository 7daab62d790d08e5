"""Webhooks over REST by databricks-sdk and MLflow's client, and a receiver that checks what it is sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from receiver import Receiver, receiving
from served import Served, serve
from stagedoor.workflows.reconciling import Options, reconcile
from town import ANN, BOB, CAROL, DAVE

if TYPE_CHECKING:
    from databricks.sdk.service.ml import ModelRegistryAPI
    from mlflow import MlflowClient

SECRET = "hunter2-very-secret"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose webhooks may call this machine, and which leaves the calling to the tests."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    made = serve(tmp_path_factory.mktemp("served"), "--allow-private-webhooks", "--no-reconcile")
    yield made
    made.stop()
    made.town.close()
    patch.undo()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def told(served: Served) -> None:
    """Call whoever is to be called."""
    reconcile(served.town.as_(CAROL), Options(allow_private_webhooks=True))


def sources(served: Served, name: str) -> None:
    served.ok("POST", "mlflow/registered-models/create", {"name": name})
    served.ok("POST", "mlflow/model-versions/create", {"name": name, "source": "s3://x"})


def test_the_sdk_makes_changes_lists_tests_and_deletes_a_webhook(
    served: Served, sdk: Callable[[str], ModelRegistryAPI], receiver: Receiver, name: str
) -> None:
    from databricks.sdk.service.ml import HttpUrlSpec, RegistryWebhookEvent, RegistryWebhookStatus

    sources(served, name)
    carol = sdk(CAROL)
    spec = HttpUrlSpec(url=receiver.url, secret=SECRET, authorization="Bearer t0ken")
    event = RegistryWebhookEvent.MODEL_VERSION_TRANSITIONED_STAGE
    made = carol.create_webhook([event], model_name=name, http_url_spec=spec, description="first").webhook
    assert made is not None and made.id and made.http_url_spec
    assert (made.model_name, made.events, made.status) == (name, [event], RegistryWebhookStatus.ACTIVE)
    assert (made.description, made.http_url_spec.enable_ssl_verification) == ("first", True)

    tried = carol.test_registry_webhook(made.id)
    assert (tried.status_code, tried.body) == (200, "thanks")
    more = [event, RegistryWebhookEvent.COMMENT_CREATED]
    carol.update_webhook(made.id, events=more, status=RegistryWebhookStatus.TEST_MODE)
    [found] = carol.list_webhooks(model_name=name)
    assert (found.events, found.status, found.description) == (more, RegistryWebhookStatus.TEST_MODE, "first")
    assert [one.id for one in carol.list_webhooks(model_name=name, events=[RegistryWebhookEvent.COMMENT_CREATED])]
    [taken] = receiver.taken
    signed = hmac.new(SECRET.encode(), taken.body, hashlib.sha256).hexdigest()
    assert taken.headers["x-databricks-signature"] == signed
    assert taken.headers["authorization"] == "Bearer t0ken"

    carol.delete_webhook(made.id)
    assert list(carol.list_webhooks(model_name=name)) == []


def test_a_write_over_rest_is_told_and_signed(
    served: Served, sdk: Callable[[str], ModelRegistryAPI], receiver: Receiver, name: str
) -> None:
    sources(served, name)
    said = {"events": ["MODEL_VERSION_TRANSITIONED_TO_STAGING"], "model_name": name}
    served.ok(
        "POST", "mlflow/registry-webhooks/create", {**said, "http_url_spec": {"url": receiver.url, "secret": SECRET}},
        as_=CAROL,
    )  # fmt: skip
    sdk(BOB).transition_stage(name, "1", "Staging", False, comment="go")
    told(served)
    [taken] = receiver.taken
    assert (taken.json["event"], taken.json["version"], taken.json["to_stage"]) == (
        "MODEL_VERSION_TRANSITIONED_TO_STAGING", "1", "Staging",
    )  # fmt: skip
    assert taken.headers["x-databricks-signature"] == hmac.new(SECRET.encode(), taken.body, hashlib.sha256).hexdigest()


def test_mlflows_client_makes_changes_lists_tests_and_deletes_a_webhook(
    served: Served, mlflow_of: Callable[[str], MlflowClient], receiver: Receiver, name: str
) -> None:
    told(served)
    carol = mlflow_of(CAROL)
    made = carol.create_webhook("builds", receiver.url, ["model_version.created"], secret=SECRET)
    assert (made.name, made.url, str(made.status)) == ("builds", receiver.url, "ACTIVE")
    other = carol.create_webhook("second", receiver.url, ["registered_model.created"], status="DISABLED")
    assert [one.webhook_id for one in carol.list_webhooks(1)] == [other.webhook_id]
    assert {one.webhook_id for one in carol.list_webhooks()} == {made.webhook_id, other.webhook_id}
    assert carol.test_webhook(made.webhook_id).success
    receiver.taken.clear()

    sources(served, name)
    told(served)
    [taken] = receiver.taken
    delivery, sent = taken.headers["x-mlflow-delivery-id"], taken.headers["x-mlflow-timestamp"]
    signed = hmac.new(SECRET.encode(), f"{delivery}.{sent}.".encode() + taken.body, hashlib.sha256).digest()
    assert taken.headers["x-mlflow-signature"] == "v1," + base64.b64encode(signed).decode()
    assert taken.json["data"]["name"] == name

    changed = carol.update_webhook(made.webhook_id, description="why", events=["model_version_tag.set"])
    assert (changed.description, [str(one) for one in changed.events]) == ("why", ["model_version_tag.set"])
    assert carol.get_webhook(made.webhook_id).description == "why"
    for one in (made, other):
        carol.delete_webhook(one.webhook_id)
    assert list(carol.list_webhooks()) == []


def http(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"events": ["COMMENT_CREATED"], "http_url_spec": {"url": receiver.url}, **more}


def test_a_models_webhook_is_its_managers_and_the_registrys_is_the_admins(
    served: Served, receiver: Receiver, name: str
) -> None:
    sources(served, name)
    create = "mlflow/registry-webhooks/create"
    for who in (ANN, BOB, DAVE):
        served.refused(403, "PERMISSION_DENIED", "POST", create, http(receiver, model_name=name), as_=who)
        served.refused(403, "PERMISSION_DENIED", "POST", create, http(receiver), as_=who)
    made = served.ok("POST", create, http(receiver, model_name=name), as_=CAROL)["webhook"]
    for verb, path in (("PATCH", "update"), ("DELETE", "delete"), ("POST", "test")):
        said = {"id": made["id"], "description": "x"}
        served.refused(403, "PERMISSION_DENIED", verb, f"mlflow/registry-webhooks/{path}", said, as_=BOB)
    assert served.ok("GET", "mlflow/registry-webhooks/list", as_=BOB)["webhooks"] == []
    assert receiver.taken == []


def test_what_cannot_be_a_webhook_is_refused(served: Served, receiver: Receiver, name: str) -> None:
    sources(served, name)
    create = "mlflow/registry-webhooks/create"
    wrongs: tuple[dict[str, Any], ...] = (
        {"events": []},
        {"events": ["NOPE"]},
        {"http_url_spec": {"url": "ftp://x"}},
        {"http_url_spec": {"url": "https://" + "x" * 5000}},
        {"http_url_spec": None},
        {"http_url_spec": {"url": receiver.url}, "job_spec": {"job_id": "1", "workspace_url": "https://x.test"}},
        {"http_url_spec": None, "job_spec": {"job_id": "1", "workspace_url": "https://x.test"}},
        {"events": ["REGISTERED_MODEL_CREATED"], "model_name": name},
        {"status": "ASLEEP"},
    )
    for wrong in wrongs:
        served.refused(400, "INVALID_PARAMETER_VALUE", "POST", create, {**http(receiver), **wrong}, as_=CAROL)
    gone = {"id": "0" * 32}
    for verb, path in (("PATCH", "update"), ("DELETE", "delete"), ("POST", "test")):
        served.refused(404, "RESOURCE_DOES_NOT_EXIST", verb, f"mlflow/registry-webhooks/{path}", gone, as_=CAROL)
    events = [{"entity": "MODEL_VERSION", "action": "EATEN"}]
    mlflow = {"name": "x", "url": receiver.url, "events": events}
    served.refused(400, "INVALID_PARAMETER_VALUE", "POST", "mlflow/webhooks", mlflow, as_=CAROL)


def test_a_test_that_reaches_nobody_says_why(served: Served, receiver: Receiver) -> None:
    said = http(receiver, http_url_spec={"url": "http://127.0.0.1:9/hook"})
    made = served.ok("POST", "mlflow/registry-webhooks/create", said, as_=CAROL)["webhook"]
    why = served.refused(
        400, "INVALID_PARAMETER_VALUE", "POST", "mlflow/registry-webhooks/test", {"id": made["id"]}, as_=CAROL
    )
    assert "no answer" in why
    served.ok("DELETE", "mlflow/registry-webhooks/delete", {"id": made["id"]}, as_=CAROL)


def test_no_secret_comes_back_or_is_committed(served: Served, receiver: Receiver) -> None:
    spec = {"url": receiver.url, "secret": SECRET, "authorization": "Basic c2VjcmV0"}
    made = served.call("POST", "mlflow/registry-webhooks/create", http(receiver, http_url_spec=spec), as_=CAROL)
    listed = served.call("GET", "mlflow/registry-webhooks/list", as_=CAROL)
    for text in (made.text, listed.text, served.town.text("registry_spec/webhooks.yaml"), served.log.read_text()):
        assert SECRET not in text and "c2VjcmV0" not in text
    served.ok("DELETE", "mlflow/registry-webhooks/delete", {"id": made.json()["webhook"]["id"]}, as_=CAROL)


def test_webhooks_come_page_by_page(served: Served, receiver: Receiver, name: str) -> None:
    sources(served, name)
    made = [
        served.ok("POST", "mlflow/registry-webhooks/create", http(receiver, model_name=name), as_=CAROL)
        for _ in range(3)
    ]
    found, token = [], ""
    while True:
        params = {"model_name": name, "max_results": 2, "page_token": token}
        page = served.ok("GET", "mlflow/registry-webhooks/list", as_=CAROL, params=params)
        found += [one["id"] for one in page["webhooks"]]
        token = page.get("next_page_token", "")
        if not token:
            break
    assert found == [one["webhook"]["id"] for one in made]
    served.refused(
        400, "INVALID_PARAMETER_VALUE", "GET", "mlflow/registry-webhooks/list", as_=CAROL, params={"page_token": "x"}
    )
