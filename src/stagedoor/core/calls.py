"""Which webhook hears of which event under which name, and what it is sent: payloads, headers and signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from stagedoor.core.events import Event
from stagedoor.core.spec import ARCHIVED, NO_STAGE, PRODUCTION, STAGING, Created, RegisteredModel, Version, format_time
from stagedoor.core.webhooks import SecretName, Webhook

PREFIX: Final = "webhook:"
# after so many failures in a row a webhook is not called any more, until somebody updates it
MAX_FAILURES: Final = 20

_SUFFIX: Final = {STAGING: "STAGING", PRODUCTION: "PRODUCTION", ARCHIVED: "ARCHIVED"}
_IS_PROMPT: Final = "mlflow.prompt.is_prompt"
_PROMPT_TEXT: Final = "mlflow.prompt.text"

Secrets = Mapping[SecretName, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One event for one webhook, by one of the names that the webhook listens to."""

    hook: Webhook
    name: str
    event: Event

    @property
    def sink(self) -> str:
        """What the ledger calls it. One request may ask for several moves, and each is a call of its own."""
        about = f"/{self.event.model}/{self.event.version}" if self.event.versions or self.event.moves else ""
        return f"{PREFIX}{self.hook.id}/{self.name}{about}"

    @property
    def key(self) -> str:
        """`commit:event:subject>sink`: told once under this name."""
        return f"{self.event.key}>{self.sink}"


def calls(
    event: Event, hooks: Iterable[Webhook], id_of: Callable[[str], str], *, is_prompt: bool = False
) -> Iterator[Call]:
    """Every call that an event asks for. `id_of` gives the id of the model that is called so, or nothing.

    A hook that listens to the general and to the particular name of a transition gets both.
    """
    for hook in hooks:
        if hook.status == "ACTIVE":
            for name, one in _named(hook, event, is_prompt):
                if name in hook.events and _is_about(hook, one, id_of):
                    yield Call(hook, name, one)


def _is_about(hook: Webhook, event: Event, id_of: Callable[[str], str]) -> bool:
    if not hook.scope:
        return True
    if event.kind == "registered_model.created" and hook.style == "databricks":
        return False
    return id_of(event.model) == hook.model_id if hook.model_id else event.model == hook.model


def _named(hook: Webhook, event: Event, is_prompt: bool) -> Iterator[tuple[str, Event]]:
    if hook.style == "mlflow":
        yield mlflow_name(event.kind, is_prompt=is_prompt), event
        return
    for one in _by_version(event):
        for name in databricks_names(one):
            yield name, one


def _by_version(event: Event) -> Iterator[Event]:
    """Databricks' events are about one version: what is about several becomes one for each."""
    if event.kind == "transition_request.created":
        for model, version, was, now in event.moves:
            yield replace(event, model=model, version=version, from_stage=was, to_stage=now)
    elif event.kind == "comment.created" and event.versions:
        for model, version in event.versions:
            yield replace(event, model=model, version=version)
    else:
        yield event


def databricks_names(event: Event) -> tuple[str, ...]:
    """Databricks' names for an event about one version: the general one first.

    https://docs.databricks.com/aws/en/mlflow/model-registry-webhooks
    """
    to = _SUFFIX.get(event.to_stage)
    match event.kind:
        case "registered_model.created":
            return ("REGISTERED_MODEL_CREATED",)
        case "model_version.created":
            return ("MODEL_VERSION_CREATED",)
        case "model_version.transitioned":
            return ("MODEL_VERSION_TRANSITIONED_STAGE", *([f"MODEL_VERSION_TRANSITIONED_TO_{to}"] if to else []))
        case "model_version_tag.set":
            return ("MODEL_VERSION_TAG_SET",)
        case "transition_request.created":
            return ("TRANSITION_REQUEST_CREATED", *([f"TRANSITION_REQUEST_TO_{to}_CREATED"] if to else []))
        case "comment.created" if event.version is not None:
            return ("COMMENT_CREATED",)
        case _:
            return ()


def mlflow_name(kind: str, *, is_prompt: bool) -> str:
    """MLflow's name for an event. A prompt is a registered model with a tag, and has names of its own."""
    if not is_prompt:
        return "" if kind.startswith("registered_model_tag.") else kind
    entity, _, action = kind.partition(".")
    prompt = entity.replace("registered_model", "prompt").replace("model_version", "prompt_version")
    return f"{prompt.replace('prompt_version_alias', 'prompt_alias')}.{action}"


def is_prompt(model: RegisteredModel | None) -> bool:
    """Whether MLflow takes a registered model for a prompt."""
    return model is not None and model.tags.get(_IS_PROMPT, "").lower() == "true"


# --- payloads -------------------------------------------------------------------------------------------------------


def payload(call: Call, model: RegisteredModel | None) -> dict[str, Any]:
    """What is posted. `model` is the model as it was when the event happened, where that is known."""
    return _mlflow(call, model) if call.hook.style == "mlflow" else _databricks(call, model)


def encoded(data: Mapping[str, Any]) -> bytes:
    """The raw body: these bytes are signed, and sent."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _databricks(call: Call, model: RegisteredModel | None) -> dict[str, Any]:
    event = call.event
    found: dict[str, Any] = {
        "event": call.name,
        "webhook_id": call.hook.id,
        "event_timestamp": int(event.at.timestamp() * 1000),
        "model_name": event.model,
    }
    if event.version is not None and call.name != "REGISTERED_MODEL_CREATED":
        found["version"] = str(event.version)
    if event.to_stage:
        found |= {"from_stage": event.from_stage, "to_stage": event.to_stage}
    return found | _databricks_more(call, model) | {"text": event.text}


def _databricks_more(call: Call, model: RegisteredModel | None) -> dict[str, Any]:
    version = _version(call.event, model)
    match call.name:
        case "MODEL_VERSION_TAG_SET":
            key = tag_key(call.event)
            return {"tags": [{"key": key, "value": version.tags.get(key, "") if version else ""}]}
        case "COMMENT_CREATED":
            return {"comment": call.event.comment}
        case "MODEL_VERSION_CREATED" if version and version.run and version.run.id:
            return {"run_id": version.run.id}
        case _:
            return {}


def _mlflow(call: Call, model: RegisteredModel | None) -> dict[str, Any]:
    """https://mlflow.org/docs/latest/ml/webhooks/events/"""
    entity, _, action = call.name.partition(".")
    return {
        "entity": entity.upper(),
        "action": action.upper(),
        "timestamp": format_time(call.event.at),
        "data": _mlflow_data(call, model),
    }


def _mlflow_data(call: Call, model: RegisteredModel | None) -> dict[str, Any]:
    event, (entity, _, action) = call.event, call.name.partition(".")
    version = _version(event, model)
    numbered = {"name": event.model, **({"version": str(event.version)} if event.version is not None else {})}
    match entity:
        case "registered_model" | "prompt":
            return {
                "name": event.model,
                "tags": dict(model.tags) if model else {},
                "description": model.description if model else "",
            }
        case "model_version" | "prompt_version":
            return {**numbered, **_mlflow_version(version, is_prompt=entity == "prompt_version")}
        case "budget_policy":
            # of MLflow's gateway: a registry has none
            return {}
        case "model_version_alias" | "prompt_alias":
            alias = event.subject.removeprefix(f"{event.model}@")
            found = {"name": event.model, "alias": alias}
            return found if action == "deleted" else found | {"version": str(event.version)}
        case _:
            key = tag_key(event)
            tags = version.tags if version else model.tags if model and event.version is None else {}
            return numbered | {"key": key} | ({"value": tags.get(key, "")} if action == "set" else {})


def _mlflow_version(version: Version | None, *, is_prompt: bool) -> dict[str, Any]:
    tags = dict(version.tags) if version else {}
    described = {"tags": tags, "description": version.description if version else ""}
    if is_prompt:
        return {"template": tags.get(_PROMPT_TEXT, ""), **described}
    run = version.run.id if version and version.run else ""
    return {"source": version.source if version else "", "run_id": run or None, **described}


def _version(event: Event, model: RegisteredModel | None) -> Version | None:
    return model.version(event.version) if model and event.version is not None else None


def tag_key(event: Event) -> str:
    """The key of the tag that an event is about."""
    ref = event.model if event.version is None else f"{event.model}/{event.version}"
    return event.subject.removeprefix(f"{ref} tags.")


# --- a mock, for a test ---------------------------------------------------------------------------------------------


def mock(hook: Webhook, name: str, at: datetime) -> tuple[Call, RegisteredModel]:
    """A call that looks like a real one, about something that did not happen."""
    model = hook.model or "example-model"
    by = Created(at=at, by="tester@example.com")
    version = Version(version=1, source="s3://example/model", tags={"example": "value"}, created=by)
    content = RegisteredModel(name=model, id="0" * 32, tags={"example": "value"}, created=by, versions=(version,))
    subject, to = _mock_subject(name, model), _mock_stage(name)
    event = Event(
        "test", subject, f"this is a test of the webhook {hook.title} for {name}", "0" * 40, by.by, at,
        model=model, version=None if name in _UNNUMBERED else 1,
        from_stage=NO_STAGE if to else "", to_stage=to, comment="a comment" if name == "COMMENT_CREATED" else "",
    )  # fmt: skip
    return Call(hook, name, event), content


_UNNUMBERED: Final = (
    "REGISTERED_MODEL_CREATED",
    "registered_model.created",
    "prompt.created",
    "prompt_tag.set",
    "prompt_tag.deleted",
)


def _mock_subject(name: str, model: str) -> str:
    if "alias" in name:
        return f"{model}@champion"
    ref = model if name in _UNNUMBERED else f"{model}/1"
    return f"{ref} tags.example" if "tag." in name or name.endswith("TAG_SET") else ref


def _mock_stage(name: str) -> str:
    if not name.startswith(("MODEL_VERSION_TRANSITIONED", "TRANSITION_REQUEST")):
        return ""
    return next((stage for stage, word in _SUFFIX.items() if f"_{word}" in name), STAGING)


# --- headers --------------------------------------------------------------------------------------------------------


def headers(hook: Webhook, secrets: Secrets, body: bytes, delivery: str, at: datetime) -> dict[str, str]:
    """The headers of one post: the signature over the raw body, the authorization, the delivery's id."""
    found = {"Content-Type": "application/json", "User-Agent": "stagedoor", "X-Stagedoor-Delivery": delivery}
    secret = secrets.get("secret", "")
    if hook.style == "mlflow":
        sent = str(int(at.timestamp()))
        found |= {"X-MLflow-Delivery-Id": delivery, "X-MLflow-Timestamp": sent}
        if secret:
            found["X-MLflow-Signature"] = mlflow_signature(secret, delivery, sent, body)
    elif secret:
        found["X-Databricks-Signature"] = databricks_signature(secret, body)
    if authorization := secrets.get("authorization"):
        found["Authorization"] = authorization
    return found


def databricks_signature(secret: str, body: bytes) -> str:
    """Lower-case hex HMAC-SHA256 of the raw body.

    https://docs.databricks.com/aws/en/mlflow/model-registry-webhooks#client-verification
    """
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def mlflow_signature(secret: str, delivery: str, sent: str, body: bytes) -> str:
    """`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`. https://mlflow.org/docs/latest/ml/webhooks/"""
    signed = f"{delivery}.{sent}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


# --- jobs -----------------------------------------------------------------------------------------------------------

_PYTHON_TASKS: Final = ("spark_python_task", "spark_jar_task", "spark_submit_task")


def job_parameters(tasks: Sequence[Mapping[str, Any]], message: str) -> dict[str, Any]:
    """The parameters of `jobs/run-now` for a job with these tasks; `message` is the payload as JSON.

    https://docs.databricks.com/aws/en/mlflow/model-registry-webhooks#job-registry-webhooks
    """
    named, listed = {"event_message": message}, [message]
    if len(tasks) > 1:
        return {
            "notebook_params": named, "python_named_params": named,
            "jar_params": listed, "python_params": listed, "spark_submit_params": listed,
        }  # fmt: skip
    task = tasks[0] if tasks else {}
    if "notebook_task" in task or "python_wheel_task" in task:
        return {"notebook_params": named}
    return {"python_params": listed} if any(kind in task for kind in _PYTHON_TASKS) else {}
