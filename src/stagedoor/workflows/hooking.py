"""The verbs about webhooks: create, update, list, delete, test, and deliver again.

A webhook is an entry of webhooks.yaml, and each change of it one commit by somebody who owns that file, or manages the
model it is about. Its secrets are kept in the state folder and go no further.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from stagedoor.core.approval import WebhookAsked, holders_of, needs
from stagedoor.core.calls import Secrets, mock
from stagedoor.core.layout import name_of
from stagedoor.core.spec import Created, Unfit
from stagedoor.core.webhooks import (
    EVENTS,
    WEBHOOKS_FILE,
    HttpTarget,
    JobTarget,
    SecretName,
    Status,
    Style,
    Webhook,
    Webhooks,
)
from stagedoor.effects.keyring import Keyring, checked_secret
from stagedoor.effects.ledger import Attempt, Delivery, Health
from stagedoor.effects.webhooks import NoAnswer
from stagedoor.errors import BadInput, Denied, InvalidState, NotFound
from stagedoor.workflows.calling import Post, is_given_up
from stagedoor.workflows.merges import model_file, webhooks_text
from stagedoor.workflows.reconciling import open_ledger
from stagedoor.workflows.snapshots import Snapshot, root_of
from stagedoor.workflows.telling import LEASE, Teller
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import DIRECT, Lane, Outcome, write

Target = HttpTarget | JobTarget
K = TypeVar("K", HttpTarget, JobTarget)
NO_SECRETS: Final[Secrets] = {}


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody says about a new webhook. Without a model it is the whole registry's."""

    events: tuple[str, ...]
    target: Target
    model: str = ""
    name: str = ""
    style: Style = "databricks"
    description: str = ""
    status: Status = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Changed:
    """What is to be different about a webhook; None stays as it is."""

    events: tuple[str, ...] | None = None
    target: Target | None = None
    name: str | None = None
    description: str | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a change of a webhook did, and the webhook as it is then."""

    outcome: Outcome
    webhook: Webhook


@dataclass(frozen=True, slots=True)
class Listed:
    """A webhook and how it fares. `model` is what its model is called now, empty where it is gone or there is none."""

    webhook: Webhook
    model: str
    failures: int
    is_given_up: bool


@dataclass(frozen=True, slots=True)
class Tested:
    """What the target answered to a mock payload; no status where it could not be called."""

    event: str
    status: int | None
    body: str
    error: str

    @property
    def is_good(self) -> bool:
        """Whether the target took it."""
        return self.status is not None and 200 <= self.status < 300


# --- changing -------------------------------------------------------------------------------------------------------


def create(
    world: World, draft: Draft, secrets: Secrets = NO_SECRETS, *, comment: str = "", lane: Lane = DIRECT
) -> Made:
    """A new webhook. Raises `Denied`, `ChecksFailed`, and `BadInput` for one that cannot be."""
    kept = _checked(secrets)
    model_id = world.snapshot().registry.model(draft.model).id if draft.model else ""
    made = _valid(
        {
            "id": world.new_id(), "name": draft.name, "style": draft.style, "model": draft.model, "model_id": model_id,
            "events": draft.events, "description": draft.description, "status": draft.status,
            **_target(draft.target), "secrets": _names(kept, draft.target),
            "created": Created(at=world.now(), by=world.actor.email),
        }
    )  # fmt: skip
    with_secrets = bool(kept) and not _is_tried(world, lane)
    if with_secrets:
        _keyring(world).keep(made.id, kept)
    try:
        outcome = _write(world, lambda now: now.put(made), f"Create webhook {made.title}", comment, lane)
    except BaseException:
        if with_secrets:
            _keyring(world).forget(made.id)
        raise
    return Made(outcome, made)


def update(
    world: World,
    text: str,
    changed: Changed,
    secrets: Mapping[SecretName, str | None] | None = None,
    *,
    comment: str = "",
    lane: Lane = DIRECT,
) -> Made:
    """Change a webhook: what is given replaces, a secret that is None is taken away. It gets a new chance by this."""
    kept = _checked(secrets or {})
    known = find(world, text)
    if secrets:
        # also by a request: who may only ask may not change what is kept
        require_manages(world, known)
    now = world.now()

    def wanted(before: Webhook) -> Webhook:
        target = changed.target or before.http or before.job
        assert target is not None  # noqa: S101
        names = {*before.secrets, *(n for n, value in kept.items() if value)} - {n for n, v in kept.items() if not v}
        said = {name: value for name in _PLAIN if (value := getattr(changed, name)) is not None}
        update = {**said, **_target(target), "secrets": _names(dict.fromkeys(names, "x"), target), "updated": now}
        return _valid({**_plain(before), **update})

    made = wanted(known)

    def change(webhooks: Webhooks) -> Webhooks:
        nonlocal made
        made = wanted(_found(webhooks, known.id))
        return webhooks.put(made)

    outcome = _write(world, change, f"Update webhook {known.title}", comment, lane)
    if kept and not _is_tried(world, lane):
        _keyring(world).keep(known.id, kept)
    return Made(outcome, made)


_PLAIN: Final = ("events", "name", "description", "status")


def delete(world: World, text: str, *, comment: str = "", lane: Lane = DIRECT) -> Made:
    """Take a webhook away, and what it kept secret."""
    known = find(world, text)
    outcome = _write(world, lambda now: now.without(known.id), f"Delete webhook {known.title}", comment, lane)
    if outcome.commit:
        _keyring(world).forget(known.id)
    return Made(outcome, known)


def _plain(hook: Webhook) -> dict[str, Any]:
    return {name: getattr(hook, name) for name in type(hook).model_fields}


def http_target(url: str, *, verify: bool = True) -> HttpTarget:
    """A URL to post to; `BadInput` for one that cannot be."""
    return _made(HttpTarget, {"url": url, "verify": verify})


def job_target(job_id: str | int, workspace_url: str) -> JobTarget:
    """A job to run; `BadInput` for one that cannot be."""
    return _made(JobTarget, {"job_id": job_id, "workspace_url": workspace_url})


def _made(kind: type[K], said: Mapping[str, Any]) -> K:
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise BadInput(f"{where}: {fault['msg'].lower()}", where=where, fix=_FIX) from None


def _target(target: Target) -> dict[str, Any]:
    return {"http": target, "job": None} if isinstance(target, HttpTarget) else {"http": None, "job": target}


def _names(kept: Mapping[SecretName, Any], target: Target) -> tuple[SecretName, ...]:
    """The secrets that a target of this kind is called with."""
    if isinstance(target, JobTarget):
        return ("access_token",)
    wanted: tuple[SecretName, ...] = ("secret", "authorization")
    return tuple(name for name in wanted if kept.get(name))


def _checked(secrets: Mapping[SecretName, str | None]) -> dict[SecretName, str | None]:
    return {name: checked_secret(name, value) if value else None for name, value in secrets.items()}


def _valid(said: Mapping[str, Any]) -> Webhook:
    """The webhook, or `BadInput`: also where its parts do not go together."""
    try:
        hook = Webhook.model_validate(said)
        Webhooks(webhooks=(hook,))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        unfit = fault.get("ctx", {}).get("error")
        if isinstance(unfit, Unfit):
            raise BadInput(unfit.faults[0][1], fix=_FIX) from None
        where = ".".join(str(part) for part in fault["loc"])
        raise BadInput(f"{where}: {fault['msg'].lower()}", where=where, fix=_FIX) from None
    return hook


_FIX: Final = "stagedoor webhooks create --help"


def _write(world: World, change: Callable[[Webhooks], Webhooks], subject: str, comment: str, lane: Lane) -> Outcome:
    def files(base: Snapshot) -> Mapping[str, bytes | None]:
        text = webhooks_text(base, change(base.webhooks))
        return {WEBHOOKS_FILE: text.encode()}

    return write(world, (), subject, files=files, comment=comment, lane=lane)


def _is_tried(world: World, lane: Lane) -> bool:
    return world.is_rehearsal or lane.dry_run


def _keyring(world: World) -> Keyring:
    return Keyring(world.repository.state_dir(), world.environment)


# --- reading --------------------------------------------------------------------------------------------------------


def listed(world: World, model: str = "", events: Iterable[str] = ()) -> tuple[Listed, ...]:
    """The webhooks, newest last: all of them, or a model's, and of those the ones that listen to one of `events`."""
    ledger, wanted = open_ledger(world), set(events)
    id_ = world.snapshot().registry.model(model).id if model else ""
    return tuple(
        _listed(world.snapshot(), hook, ledger.health(hook.id))
        for hook in world.snapshot().webhooks.webhooks
        if (not model or hook.scope in (id_, model)) and (not wanted or wanted & set(hook.events))
    )


def _listed(now: Snapshot, hook: Webhook, health: Health) -> Listed:
    path = model_file(now, hook.model_id, hook.model)
    return Listed(hook, name_of(path) if path else "", health.failures, is_given_up(hook, health))


def find(world: World, text: str) -> Webhook:
    """The webhook of an id, of the beginning of one, or of a name; `NotFound`, or `BadInput` for one of several."""
    return _found(world.snapshot().webhooks, text)


def _found(webhooks: Webhooks, text: str) -> Webhook:
    exact = webhooks.find(text)
    if exact is not None:
        return exact
    found = [hook for hook in webhooks.webhooks if hook.name == text]
    found = found or [hook for hook in webhooks.webhooks if len(text) >= 4 and hook.id.startswith(text)]
    if not found:
        raise NotFound(f"there is no webhook {text}", where=WEBHOOKS_FILE, fix="stagedoor webhooks list")
    if len(found) > 1:
        raise BadInput(f"{text} may be one of {len(found)} webhooks", fix=f"write its id, such as {found[0].id}")
    return found[0]


def require_manages(world: World, hook: Webhook) -> None:
    """`Denied` for somebody who neither owns webhooks.yaml nor manages the hook's model."""
    base, root = world.snapshot(), root_of(world.repository)
    path = model_file(base, hook.model_id, hook.model)
    asked = WebhookAsked(f"webhook {hook.id[:8]}", path)
    [need] = needs((), (root + WEBHOOKS_FILE,), base.spec, root, (asked,))
    holders = holders_of(need, base.owners, base.people)
    if world.actor.email.lower() not in holders:
        whom = ", ".join(holders) or f"nobody: add a line for {need.title} to CODEOWNERS"
        raise Denied(
            f"{world.actor.email} may not use the webhook {hook.title}", where=base.owners.path, fix=f"ask {whom}"
        )


def deliveries(world: World, text: str = "", limit: int = 50) -> tuple[Attempt, ...]:
    """The last calls, newest first: of all webhooks, or of one. A log keeps the newest hundred of each."""
    ledger = open_ledger(world)
    hooks = (find(world, text),) if text else world.snapshot().webhooks.webhooks
    found = [attempt for hook in hooks for attempt in reversed(ledger.health(hook.id).attempts)]
    newest = sorted(found, key=lambda attempt: attempt.at, reverse=True)
    return tuple(newest[:limit] if limit else newest)


# --- calling --------------------------------------------------------------------------------------------------------


def test(world: World, text: str, event: str = "", *, allow_private: bool = False) -> Tested:
    """Send a mock payload of one of the hook's events and say what the target answered, whatever the hook's status."""
    hook = find(world, text)
    require_manages(world, hook)
    name = event or hook.events[0]
    if name not in EVENTS[hook.style]:
        raise BadInput(f"there is no event {name}", fix=f"choose among: {', '.join(EVENTS[hook.style])}")
    call, content = mock(hook, name, world.now())
    delivery = str(uuid.UUID(hex=world.new_id()))
    answer = Post(world, allow_private=allow_private).send(call, content, delivery, world.now())
    if isinstance(answer, NoAnswer):
        return Tested(name, None, "", answer.reason)
    return Tested(name, answer.status, answer.text, "")


def redeliver(world: World, delivery: str, *, allow_private: bool = False) -> Delivery:
    """Send a delivery of the log once more, now. The target is given the same id as before."""
    ledger = open_ledger(world)
    hooks = world.snapshot().webhooks.webhooks
    logged = [attempt for hook in hooks for attempt in ledger.health(hook.id).attempts]
    keys = {attempt.delivery: attempt for attempt in logged if len(delivery) >= 4}
    found = [one for id_, one in keys.items() if id_ == delivery or id_.startswith(delivery)]
    known = ledger.delivery(found[0].key) if len(found) == 1 else None
    if known is None:
        raise NotFound(f"there is no delivery {delivery}", fix="stagedoor webhooks deliveries lists the last ones")
    hook = find(world, found[0].webhook)
    require_manages(world, hook)
    if hook.status != "ACTIVE":
        fix = f"stagedoor webhooks update {hook.id[:8]} --status ACTIVE"
        raise InvalidState(f"the webhook {hook.title} is {hook.status}", fix=fix)
    ledger.take_lease(world.now() + LEASE, world.now())
    try:
        Teller(world, ledger, world.snapshot(), dry_run=False, allow_private=allow_private).again(known)
    finally:
        ledger.give_lease_back()
        ledger.flush("give the lease back")
    return ledger.delivery(known.key) or known
