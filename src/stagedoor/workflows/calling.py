"""Calling the webhooks of the registry: what they are sent, with which secrets, and how they fare."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from stagedoor.core.calls import (
    MAX_FAILURES,
    PREFIX,
    Call,
    Secrets,
    encoded,
    headers,
    is_prompt,
    job_parameters,
    payload,
)
from stagedoor.core.calls import calls as calls_of
from stagedoor.core.events import Event, webhook_disabled
from stagedoor.core.spec import RegisteredModel, dump
from stagedoor.core.webhooks import JobTarget, Webhook
from stagedoor.effects.keyring import Keyring, variable
from stagedoor.effects.ledger import MAX_ATTEMPTS, Attempt, Delivery, Health, Ledger
from stagedoor.effects.notify import Failed, Sent
from stagedoor.effects.webhooks import Answer, Caller, NoAnswer
from stagedoor.errors import BadSpec
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World

ALLOW_PRIVATE: Final = "STAGEDOOR_ALLOW_PRIVATE_WEBHOOKS"
# calls that a target may leave unanswered in one run
MAX_UNANSWERED: Final = 3
_ASIDE: Final = ("transition_request.", "comment.")


def delivery_id(key: str) -> str:
    """The id that a target is given for a delivery: the same whenever it is tried, so that it can tell."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"stagedoor:{key}"))


def fingerprint(hook: Webhook) -> str:
    """A webhook as it is written now; any change makes another one."""
    return hashlib.sha256(json.dumps(dump(hook), sort_keys=True).encode()).hexdigest()[:16]


def is_given_up(hook: Webhook, health: Health) -> bool:
    """Whether it failed so often that it is not called any more. Who updates it gives it another chance."""
    return health.disabled_as == fingerprint(hook)


class Post:
    """Sends one call to its target, signed."""

    def __init__(self, world: World, *, allow_private: bool) -> None:
        allowed = allow_private or world.environment.get(ALLOW_PRIVATE, "") in ("1", "true")
        self._caller = Caller(allow_private=allowed)
        self._keyring = Keyring(world.repository.state_dir(), world.environment)

    def send(self, call: Call, model: RegisteredModel | None, delivery: str, now: datetime) -> Answer | NoAnswer:
        """What the target answered; nothing secret comes back."""
        secrets = self._keyring.secrets(call.hook.id)
        for name in call.hook.secrets:
            if name not in secrets:
                return NoAnswer(f"its {name} is not here: set {variable(name, call.hook.id)}", is_refused=True)
        body = encoded(payload(call, model))
        if call.hook.job is not None:
            return _redacted(self._run(call.hook.job, secrets, body.decode(), delivery), secrets)
        sent = headers(call.hook, secrets, body, delivery, now)
        verify = call.hook.http is None or call.hook.http.verify
        return _redacted(self._caller.post(call.hook.url, sent, body, verify=verify), secrets)

    def _run(self, job: JobTarget, secrets: Secrets, message: str, delivery: str) -> Answer | NoAnswer:
        """Look what tasks the job has, then run it. https://docs.databricks.com/api/workspace/jobs/runnow"""
        url = job.workspace_url.rstrip("/") + "/api/2.1/jobs"
        sent = {"Authorization": f"Bearer {secrets.get('access_token', '')}", "Content-Type": "application/json"}
        known = self._caller.get(f"{url}/get?job_id={job.job_id}", sent)
        if isinstance(known, NoAnswer) or not known.is_good:
            return known
        asked = {"job_id": int(job.job_id), "idempotency_token": delivery, **job_parameters(_tasks(known), message)}
        return self._caller.post(f"{url}/run-now", sent, encoded(asked))


def _tasks(answer: Answer) -> list[Mapping[str, Any]]:
    try:
        settings = json.loads(answer.body).get("settings", {})
        # a job of the old form has its one task in the settings themselves
        found = settings.get("tasks") or [settings]
        return [task for task in found if isinstance(task, dict)]
    except (ValueError, AttributeError):
        return []


def _redacted(answer: Answer | NoAnswer, secrets: Secrets) -> Answer | NoAnswer:
    if isinstance(answer, NoAnswer):
        return NoAnswer(_without(answer.reason, secrets), answer.is_refused)
    return Answer(answer.status, _without(answer.text, secrets).encode())


def _without(text: str, secrets: Secrets) -> str:
    for value in secrets.values():
        text = text.replace(value, "***")
    return text


class Hooks:
    """The webhooks of the registry, as the reconciler calls them."""

    def __init__(self, world: World, ledger: Ledger, policy: Snapshot, *, allow_private: bool = False) -> None:
        self._world = world
        self._ledger = ledger
        self._policy = policy
        self._post = Post(world, allow_private=allow_private)
        self._unanswered: Counter[str] = Counter()

    def calls(self, event: Event, ids: Mapping[str, str]) -> tuple[Call, ...]:
        """The calls that an event asks for; `ids` knows the models that only a request knows."""
        hooks = [hook for hook in self._policy.webhooks.webhooks if hook.status == "ACTIVE"]
        if not hooks:
            return ()
        prompt = is_prompt(_found(self._policy, event.model))
        found = calls_of(event, hooks, lambda name: self._id_of(name, ids), is_prompt=prompt)
        return tuple(call for call in found if not self.is_given_up(call.hook))

    def is_given_up(self, hook: Webhook) -> bool:
        """Whether it failed too often."""
        return is_given_up(hook, self._ledger.health(hook.id))

    def is_silent(self, hook: Webhook) -> bool:
        """Whether it gave no answer again and again in this run: one dead target has kept the others waiting enough."""
        return self._unanswered[hook.id] >= MAX_UNANSWERED

    def restored(self, delivery: Delivery, event: Event) -> Call | None:
        """The call behind a delivery, to the target of today; None where the webhook is gone or switched off."""
        id_, name = delivery.sink.removeprefix(PREFIX).split("/")[:2]
        hook = self._policy.webhooks.find(id_)
        return Call(hook, name, event) if hook is not None and hook.status == "ACTIVE" else None

    def send(self, call: Call) -> tuple[Sent | Failed, int | None]:
        """Whether the target took it, and the status it answered."""
        answer = self._post.send(call, self._content(call.event), delivery_id(call.key), self._world.now())
        if isinstance(answer, NoAnswer):
            self._unanswered[call.hook.id] += not answer.is_refused
            return Failed(answer.reason), None
        if answer.is_good:
            return Sent(), answer.status
        more = ", and redirects are not followed" if 300 <= answer.status < 400 else ""
        return Failed(f"the target answered {answer.status}{more}"), answer.status

    def remember(self, call: Call, made: Delivery) -> Event | None:
        """Log an attempt; the news that the webhook is given up, when it failed once too often."""
        health = self._ledger.health(call.hook.id)
        failures = 0 if made.state == "delivered" else health.failures + 1
        attempt = Attempt(
            delivery=delivery_id(call.key), key=made.key, webhook=call.hook.id, event=call.name, at=made.at,
            attempt=made.attempts, state=made.state, status=made.status, error=made.error,
        )  # fmt: skip
        changed: dict[str, Any] = {"failures": failures, "attempts": (*health.attempts, attempt)}
        is_over = failures >= MAX_FAILURES and not is_given_up(call.hook, health)
        if is_over:
            changed |= {"disabled_at": made.at, "disabled_as": fingerprint(call.hook)}
        elif not failures:
            changed |= {"disabled_at": None, "disabled_as": ""}
        self._ledger.put_health(call.hook.id, health.model_copy(update=changed))
        self._let_go(health.attempts[: len(health.attempts) + 1 - MAX_ATTEMPTS], made.key)
        if not is_over:
            return None
        return webhook_disabled(call.event, call.hook.id, call.hook.title, failures, made.error, made.at)

    def _let_go(self, dropped: Sequence[Attempt], newest: str) -> None:
        """What left the log cannot be delivered again, so its event need not be kept."""
        for key in {attempt.key for attempt in dropped} - {newest}:
            known = self._ledger.delivery(key)
            if known is not None and known.state == "delivered":
                self._ledger.put_delivery(known.model_copy(update={"event": {}}))

    def _content(self, event: Event) -> RegisteredModel | None:
        """The model as it was when the event happened. A step of a request, or a comment, is no commit of main."""
        is_aside = event.kind.startswith(_ASIDE)
        return _found(self._policy if is_aside else self._world.snapshot(event.commit), event.model)

    def _id_of(self, name: str, ids: Mapping[str, str]) -> str:
        model = _found(self._policy, name)
        return model.id if model else ids.get(name, "")


def _found(at: Snapshot, name: str) -> RegisteredModel | None:
    try:
        return at.registry.find(name) if name else None
    except BadSpec:
        return None
