"""Calls about webhooks: Databricks' registry webhooks, and MLflow's own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field

from stagedoor.apps.api.answers import milliseconds
from stagedoor.apps.api.calls import Asked, Calls, Done, Visit
from stagedoor.core.webhooks import (
    DATABRICKS_EVENTS,
    MLFLOW_EVENTS,
    HttpTarget,
    JobTarget,
    SecretName,
    Style,
    Webhook,
    url_fault,
)
from stagedoor.errors import BadInput, Denied, NotFound
from stagedoor.workflows import hooking, rights
from stagedoor.workflows.hooking import Changed, Draft, Listed, Tested

calls = Calls("webhooks")
T = TypeVar("T")

Secrets = dict[SecretName, str | None]


def _databricks_event(said: str) -> str:
    if said not in DATABRICKS_EVENTS:
        raise ValueError(f"is no event: choose among {', '.join(DATABRICKS_EVENTS)}")
    return said


EventName = Annotated[
    str, AfterValidator(_databricks_event), Field(json_schema_extra={"enum": list(DATABRICKS_EVENTS)})
]
Events = Annotated[tuple[EventName, ...], Field(min_length=1, max_length=50)]
StatusName = Literal["ACTIVE", "DISABLED", "TEST_MODE"]
HookLimit = Annotated[int, Field(ge=1, le=1000)]


# --- what is asked --------------------------------------------------------------------------------------------------


class HttpUrlSpec(Asked):
    """A URL to post to. An empty secret or authorization takes that away; one that is left out stays."""

    url: str
    enable_ssl_verification: bool = True
    secret: str | None = None
    authorization: str | None = None


class JobSpec(Asked):
    """A job of a Databricks workspace to run."""

    job_id: str | int
    workspace_url: str
    access_token: str | None = None


class OneHook(Asked):
    """A webhook."""

    id: str


class CreateHook(Asked):
    """A new webhook, of a model or of the whole registry."""

    events: Events
    model_name: str = ""
    description: str = ""
    status: StatusName = "ACTIVE"
    http_url_spec: HttpUrlSpec | None = None
    job_spec: JobSpec | None = None


class UpdateHook(OneHook):
    """What is to be different about a webhook; what is left out stays."""

    events: tuple[EventName, ...] | None = None
    description: str | None = None
    status: StatusName | None = None
    http_url_spec: HttpUrlSpec | None = None
    job_spec: JobSpec | None = None


class ListHooks(Asked):
    """The webhooks of a model, or those that hear of some events."""

    model_name: str = ""
    events: tuple[EventName, ...] = ()
    max_results: HookLimit = 1000
    page_token: str = ""


class TryHook(OneHook):
    """A webhook to try, with one of the events."""

    event: EventName | Literal[""] = ""


# --- what is answered -----------------------------------------------------------------------------------------------


class HttpUrl(BaseModel):
    """Where it posts to."""

    url: str
    enable_ssl_verification: bool


class Job(BaseModel):
    """Which job it runs."""

    job_id: str
    workspace_url: str


class RegistryWebhook(BaseModel):
    """A webhook. Nothing secret is in it."""

    id: str
    model_name: str | None = None
    events: list[str]
    description: str
    status: str
    creation_timestamp: int
    last_updated_timestamp: int
    http_url_spec: HttpUrl | None = None
    job_spec: Job | None = None


class OneWebhook(BaseModel):
    """A webhook."""

    webhook: RegistryWebhook


class RegistryWebhooks(BaseModel):
    """A page of webhooks; no token on the last one."""

    webhooks: list[RegistryWebhook]
    next_page_token: str | None = None


class Answered(BaseModel):
    """What the target answered."""

    status_code: int
    body: str


class TestedWebhook(Answered):
    """What the target answered, in both spellings: databricks-sdk up to 0.57 reads the inner one."""

    webhook: Answered


# --- Databricks: https://docs.databricks.com/api/workspace/modelregistry ---------------------------------------------


def _answer(hook: Webhook, model: str) -> RegistryWebhook:
    """A webhook; its model by the name of now."""
    created = milliseconds(hook.created.at)
    http = HttpUrl(url=hook.http.url, enable_ssl_verification=hook.http.verify) if hook.http else None
    job = Job(job_id=hook.job.job_id, workspace_url=hook.job.workspace_url) if hook.job else None
    return RegistryWebhook(
        id=hook.id, model_name=(model or hook.model) or None, events=list(hook.events), description=hook.description,
        status=hook.status, creation_timestamp=created, http_url_spec=http, job_spec=job,
        last_updated_timestamp=milliseconds(hook.updated) if hook.updated else created,
    )  # fmt: skip


def _target(visit: Visit, http: HttpUrlSpec | None, job: JobSpec | None) -> HttpTarget | JobTarget | None:
    if http and job:
        fix = "give http_url_spec or job_spec"
        raise BadInput("a webhook has one target, and two are given", where="http_url_spec, job_spec", fix=fix)
    if http:
        return _http(visit, http.url, verify=http.enable_ssl_verification)
    return hooking.job_target(job.job_id, job.workspace_url) if job else None


def _http(visit: Visit, url: str, *, verify: bool) -> HttpTarget:
    target = hooking.http_target(url, verify=verify)
    if fault := url_fault(url):
        raise BadInput(fault, where="url", fix="write https://example.com/hook")
    if not visit.allow_private and not url.startswith("https:"):
        raise BadInput("a webhook calls a URL that begins with https://", where="url", fix="write https://")
    return target


def _secrets(http: HttpUrlSpec | None, job: JobSpec | None) -> Secrets:
    said: Secrets = {"secret": http.secret, "authorization": http.authorization} if http else {}
    if job:
        said["access_token"] = job.access_token
    return {name: value or None for name, value in said.items() if value is not None}


def _given(secrets: Secrets) -> dict[SecretName, str]:
    return {name: value for name, value in secrets.items() if value}


def _hook(visit: Visit, id_: str, style: Style) -> Webhook:
    """The webhook of just this id, which the caller may use."""
    hook = visit.world.snapshot().webhooks.find(id_)
    if hook is None or hook.style != style:
        raise NotFound(f"there is no webhook {id_[:80]}", where="id", fix="list them")
    hooking.require_manages(visit.world, hook)
    return hook


def _name(visit: Visit, hook: Webhook) -> str:
    return next((one.model for one in hooking.listed(visit.world) if one.webhook.id == hook.id), "")


def _mine(visit: Visit, found: Sequence[Listed], style: Style) -> list[Listed]:
    """The webhooks of a style that the caller may use."""
    return [one for one in found if one.webhook.style == style and _may_use(visit, one.webhook)]


def _may_use(visit: Visit, hook: Webhook) -> bool:
    try:
        hooking.require_manages(visit.world, hook)
    except Denied:
        return False
    return True


@calls("POST", "mlflow/registry-webhooks/create")
def create_webhook(visit: Visit, said: CreateHook) -> OneWebhook:
    """Create a webhook of a model, as its manager, or of the whole registry."""
    if said.model_name:
        rights.readable(visit.world, said.model_name)
    target = _target(visit, said.http_url_spec, said.job_spec)
    if target is None:
        raise BadInput("a webhook needs a target", where="http_url_spec", fix="give http_url_spec or job_spec")
    if said.job_spec and not said.job_spec.access_token:
        raise BadInput("a job is run with a token", where="job_spec.access_token", fix="give access_token")
    draft = Draft(said.events, target, said.model_name, description=said.description, status=said.status)
    made = hooking.create(visit.world, draft, _given(_secrets(said.http_url_spec, said.job_spec)))
    return OneWebhook(webhook=_answer(made.webhook, said.model_name))


@calls("PATCH", "mlflow/registry-webhooks/update")
def update_webhook(visit: Visit, said: UpdateHook) -> OneWebhook:
    """Change a webhook. It gets a new chance by this, where it was given up."""
    hook = _hook(visit, said.id, "databricks")
    changed = Changed(
        said.events or None, _target(visit, said.http_url_spec, said.job_spec), None, said.description, said.status
    )
    made = hooking.update(visit.world, hook.id, changed, _secrets(said.http_url_spec, said.job_spec))
    return OneWebhook(webhook=_answer(made.webhook, _name(visit, made.webhook)))


@calls("GET", "mlflow/registry-webhooks/list")
def list_webhooks(visit: Visit, said: ListHooks) -> RegistryWebhooks:
    """List the webhooks that the caller may use."""
    if said.model_name:
        rights.readable(visit.world, said.model_name)
    found = _mine(visit, hooking.listed(visit.world, said.model_name, said.events), "databricks")
    page = _paged(found, said.max_results, said.page_token)
    hooks = [_answer(one.webhook, one.model) for one in page.items]
    return RegistryWebhooks(webhooks=hooks, next_page_token=page.token or None)


@calls("DELETE", "mlflow/registry-webhooks/delete")
def delete_webhook(visit: Visit, said: OneHook) -> Done:
    """Delete a webhook, and what it kept secret."""
    hooking.delete(visit.world, _hook(visit, said.id, "databricks").id)
    return Done()


@calls("POST", "mlflow/registry-webhooks/test")
def test_webhook(visit: Visit, said: TryHook) -> TestedWebhook:
    """Send a mock payload, and get what the target answered."""
    hook = _hook(visit, said.id, "databricks")
    found = _tested(visit, hook, said.event)
    if found.status is None:
        # not a 5xx: both clients would ask the same target again for minutes
        raise BadInput(f"the target gave no answer: {found.error}", where=hook.url, fix="mend the target, or the URL")
    answered = Answered(status_code=found.status, body=found.body)
    return TestedWebhook(**dict(answered), webhook=answered)


def _tested(visit: Visit, hook: Webhook, event: str) -> Tested:
    return hooking.test(visit.world, hook.id, event, allow_private=visit.allow_private)


# --- pages ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Page(Generic[T]):
    items: Sequence[T]
    token: str


def _paged(found: Sequence[Listed], limit: int, token: str) -> _Page[Listed]:
    """A page behind the webhook that the token names."""
    ids = [one.webhook.id for one in found]
    start = _place(ids, token) if token else 0
    page = found[start : start + limit]
    is_last = start + limit >= len(found)
    return _Page(page, "" if is_last else base64.urlsafe_b64encode(page[-1].webhook.id.encode()).decode())


def _place(ids: Sequence[str], token: str) -> int:
    try:
        return ids.index(base64.urlsafe_b64decode(token.encode()).decode()) + 1
    except (ValueError, binascii.Error):
        fix = "start again without a page token"
        raise BadInput("the page token is none of ours, or its webhook is gone", where="page_token", fix=fix) from None


# --- MLflow: https://mlflow.org/docs/latest/ml/webhooks/ --------------------------------------------------------------


class MlflowEvent(Asked):
    """What happens to what: `MODEL_VERSION` and `CREATED`."""

    entity: str
    action: str

    @property
    def name(self) -> str:
        """The event as it is written in webhooks.yaml; `BadInput` for one that there is not."""
        name = f"{self.entity}.{self.action}".lower()
        if name not in MLFLOW_EVENTS:
            raise BadInput(f"there is no event {name[:80]}", where="events", fix=f"use {', '.join(MLFLOW_EVENTS)}")
        return name


MlflowStatus = Literal["ACTIVE", "DISABLED"]


class CreateMlflowHook(Asked):
    """A new webhook for the whole registry."""

    name: str
    url: str
    events: Annotated[tuple[MlflowEvent, ...], Field(min_length=1, max_length=50)]
    description: str = ""
    secret: str = ""
    status: MlflowStatus = "ACTIVE"


class OneMlflowHook(Asked):
    """A webhook."""

    webhook_id: str


class UpdateMlflowHook(OneMlflowHook):
    """What is to be different about a webhook; what is left out stays."""

    name: str | None = None
    url: str | None = None
    events: tuple[MlflowEvent, ...] | None = None
    description: str | None = None
    secret: str | None = None
    status: MlflowStatus | None = None


class ListMlflowHooks(Asked):
    """A page of webhooks."""

    max_results: HookLimit = 100
    page_token: str = ""


class TryMlflowHook(OneMlflowHook):
    """A webhook to try, with one of the events."""

    event: MlflowEvent | None = None


class EntityAction(BaseModel):
    """What happens to what."""

    entity: str
    action: str


class MlflowWebhook(BaseModel):
    """A webhook. Nothing secret is in it."""

    webhook_id: str
    name: str
    description: str
    url: str
    events: list[EntityAction]
    status: str
    creation_timestamp: int
    last_updated_timestamp: int


class OneMlflowWebhook(BaseModel):
    """A webhook."""

    webhook: MlflowWebhook


class MlflowWebhooks(BaseModel):
    """A page of webhooks, newest first; no token on the last one."""

    webhooks: list[MlflowWebhook]
    next_page_token: str | None = None


class TestResult(BaseModel):
    """What the target answered, or why it was not reached."""

    success: bool
    response_status: int | None = None
    response_body: str | None = None
    error_message: str | None = None


class TestedMlflowWebhook(BaseModel):
    """How the test went."""

    result: TestResult


def _mlflow(hook: Webhook) -> MlflowWebhook:
    parts = [event.upper().split(".") for event in hook.events]
    created = milliseconds(hook.created.at)
    return MlflowWebhook(
        webhook_id=hook.id, name=hook.name, description=hook.description, url=hook.url, status=hook.status,
        events=[EntityAction(entity=entity, action=action) for entity, action in parts], creation_timestamp=created,
        last_updated_timestamp=milliseconds(hook.updated) if hook.updated else created,
    )  # fmt: skip


def _names(events: Sequence[MlflowEvent]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(event.name for event in events))


@calls("POST", "mlflow/webhooks")
def create_mlflow_webhook(visit: Visit, said: CreateMlflowHook) -> OneMlflowWebhook:
    """Create a webhook in MLflow's style for the whole registry."""
    draft = Draft(
        _names(said.events), _http(visit, said.url, verify=True), name=said.name, style="mlflow",
        description=said.description, status=said.status,
    )  # fmt: skip
    secrets: Mapping[SecretName, str] = {"secret": said.secret} if said.secret else {}
    return OneMlflowWebhook(webhook=_mlflow(hooking.create(visit.world, draft, secrets).webhook))


@calls("GET", "mlflow/webhooks")
def list_mlflow_webhooks(visit: Visit, said: ListMlflowHooks) -> MlflowWebhooks:
    """List the webhooks in MLflow's style that the caller may use, newest first."""
    found = _mine(visit, hooking.listed(visit.world)[::-1], "mlflow")
    page = _paged(found, said.max_results, said.page_token)
    return MlflowWebhooks(webhooks=[_mlflow(one.webhook) for one in page.items], next_page_token=page.token or None)


@calls("GET", "mlflow/webhooks/{webhook_id}")
def get_mlflow_webhook(visit: Visit, said: OneMlflowHook) -> OneMlflowWebhook:
    """Get a webhook in MLflow's style."""
    return OneMlflowWebhook(webhook=_mlflow(_hook(visit, said.webhook_id, "mlflow")))


@calls("PATCH", "mlflow/webhooks/{webhook_id}")
def update_mlflow_webhook(visit: Visit, said: UpdateMlflowHook) -> OneMlflowWebhook:
    """Change a webhook in MLflow's style. It gets a new chance by this, where it was given up."""
    hook = _hook(visit, said.webhook_id, "mlflow")
    verify = hook.http is None or hook.http.verify
    target = _http(visit, said.url, verify=verify) if said.url else None
    changed = Changed(_names(said.events or ()) or None, target, said.name, said.description, said.status)
    secrets: Secrets = {} if said.secret is None else {"secret": said.secret or None}
    return OneMlflowWebhook(webhook=_mlflow(hooking.update(visit.world, hook.id, changed, secrets).webhook))


@calls("DELETE", "mlflow/webhooks/{webhook_id}")
def delete_mlflow_webhook(visit: Visit, said: OneMlflowHook) -> Done:
    """Delete a webhook in MLflow's style, and what it kept secret."""
    hooking.delete(visit.world, _hook(visit, said.webhook_id, "mlflow").id)
    return Done()


@calls("POST", "mlflow/webhooks/{webhook_id}/test")
def test_mlflow_webhook(visit: Visit, said: TryMlflowHook) -> TestedMlflowWebhook:
    """Send a mock payload, and get what the target answered."""
    hook = _hook(visit, said.webhook_id, "mlflow")
    found = _tested(visit, hook, said.event.name if said.event else "")
    good = TestResult(
        success=found.is_good, response_status=found.status, response_body=found.body, error_message=found.error
    )
    return TestedMlflowWebhook(result=good)
