"""Telling of events: who hears of what, each once, and again when a sink failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from pydantic import TypeAdapter

from stagedoor.core.delivery import Audience, Telling, follows, readers, tellings
from stagedoor.core.events import Event
from stagedoor.core.layout import TEMPLATES
from stagedoor.core.views.plain import jsonable
from stagedoor.effects.ledger import Delivery, Ledger
from stagedoor.effects.notify import HTML, SUBJECT, TEXT, Failed, Notifier, Sent, Templates
from stagedoor.errors import BadSpec
from stagedoor.workflows.following import wishes
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World

LEASE: Final = timedelta(minutes=2)
_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


class Teller:
    """Tells events to routes and followers, and remembers in the ledger what it told."""

    def __init__(self, world: World, ledger: Ledger, policy: Snapshot, *, dry_run: bool) -> None:
        self.world = world
        self.ledger = ledger
        self.policy = policy
        self.dry_run = dry_run
        self.notifier = Notifier(world.environment)
        self.templates = Templates(_own_templates(policy))
        # models that only a request knows so far
        self.ids: dict[str, str] = {}
        self.events: list[Event] = []
        self.delivered = 0
        self.failed: list[Delivery] = []
        self.planned: list[Telling] = []

    def tell(self, events: Iterable[Event]) -> None:
        """Tell of each event once to each sink, and let who took part follow it."""
        for event in events:
            self.events.append(event)
            self._remember_followers(event)
            for telling in tellings(event, self.policy.spec.notifications, self._readers(event)):
                self._deliver(telling)

    def _versions_of(self, event: Event) -> Iterator[tuple[str, int]]:
        if event.versions:
            yield from event.versions
        elif event.version is not None:
            yield event.model, event.version

    def _remember_followers(self, event: Event) -> None:
        who = follows(event)
        for model, version in self._versions_of(event) if who else ():
            id_ = self.id_of(model)
            if id_:
                known = self.ledger.followers(id_)
                there = known.get(str(version), [])
                if new := [one for one in who if one not in there]:
                    self.ledger.put(f"followers/{id_}.json", {**known, str(version): [*there, *new]})

    def _readers(self, event: Event) -> tuple[str, ...]:
        names = dict.fromkeys([*event.models, *([event.model] if event.model else [])])
        found: set[str] = set()
        for name in names:
            audience = self._audience(name)
            if audience is not None:
                found |= readers(event, [v for m, v in self._versions_of(event) if m == name], audience)
        return tuple(sorted(found))

    def _audience(self, name: str) -> Audience | None:
        id_ = self.id_of(name)
        if not id_:
            return None
        model = self.policy.registry.find(name)
        said = wishes(self.world.repository, id_)
        followers = {int(version): frozenset(who) for version, who in self.ledger.followers(id_).items()}
        for one in said.values():
            for version in one.versions:
                followers[version] = followers.get(version, frozenset()) | {one.email}
        choices = {email: one.choice for email, one in said.items() if one.choice is not None}
        return Audience(model.created.by.lower() if model else "", choices, followers)

    def id_of(self, name: str) -> str:
        """The id of the model that is called so now, or was proposed under that name; nothing if there is none."""
        try:
            model = self.policy.registry.find(name)
        except BadSpec:
            model = None
        return model.id if model else self.ids.get(name, "")

    def _deliver(self, telling: Telling) -> None:
        known = self.ledger.delivery(telling.key)
        if known is not None:
            return
        if self.dry_run:
            self.planned.append(telling)
            return
        first = Delivery(
            key=telling.key, sink=telling.sink, state="retrying", at=self.world.now(), event=_stored(telling)
        )
        self._attempt(first, telling)

    def _attempt(self, delivery: Delivery, telling: Telling) -> None:
        answer = self._send(telling)
        # slow sinks must not let the lease run out: another run would tell the rest once more
        self.ledger.keep_lease(self.world.now() + LEASE)
        made = _after(delivery, answer, self.world.now(), self.policy.spec.notifications.attempts)
        self.ledger.put_delivery(made)
        self.ledger.flush(f"{made.state}: {made.key[:120]}")
        if isinstance(answer, Sent):
            self.delivered += 1
        else:
            self.failed.append(made)

    def _send(self, telling: Telling) -> Sent | Failed:
        spec = self.policy.spec
        values = {
            "event": telling.event,
            "registry": spec.name,
            "why": telling.why,
            "link": _link(telling.event, spec.notifications.link),
        }
        note = self.templates.note(telling.key, values)
        return note if isinstance(note, Failed) else self.notifier.send(telling.url, note, telling.to)

    def retry(self, *, parked_too: bool) -> None:
        """Try again what failed before and is due; with `parked_too` everything that failed, now."""
        for delivery in self.ledger.status().waiting:
            is_due = delivery.next_at is not None and delivery.next_at <= self.world.now()
            if not (is_due or parked_too):
                continue
            telling = _restored(delivery, self.policy)
            if telling is None:
                self.ledger.put_delivery(delivery.model_copy(update={"state": "skipped", "error": "its sink is gone"}))
            else:
                self._attempt(delivery, telling)


def _after(delivery: Delivery, answer: Sent | Failed, now: datetime, most: int) -> Delivery:
    """What is known of a delivery after one more attempt. The pauses double: a minute, two, four, at most a day."""
    attempts = delivery.attempts + 1
    if isinstance(answer, Sent):
        return delivery.model_copy(
            update={"state": "delivered", "attempts": attempts, "at": now, "error": "", "next_at": None, "event": {}}
        )
    over = attempts >= most
    pause = timedelta(minutes=min(2 ** (attempts - 1), 24 * 60))
    return delivery.model_copy(
        update={
            "state": "parked" if over else "retrying", "attempts": attempts, "at": now, "error": answer.reason,
            "next_at": None if over else now + pause,
        }
    )  # fmt: skip


def _stored(telling: Telling) -> dict[str, Any]:
    event = jsonable(telling.event)
    event.pop("type", None)
    return {"event": event, "to": telling.to, "why": telling.why}


def _restored(delivery: Delivery, policy: Snapshot) -> Telling | None:
    """The telling behind a delivery that failed, with today's URL: a wrong one may have been mended."""
    event = _EVENTS.validate_python(delivery.event["event"])
    notifications = policy.spec.notifications
    to = str(delivery.event.get("to", ""))
    if to:
        return (
            Telling(event, delivery.sink, notifications.mail, to, str(delivery.event["why"]))
            if notifications.mail
            else None
        )
    return next((one for one in tellings(event, notifications, ()) if one.sink == delivery.sink), None)


def _link(event: Event, template: str) -> str:
    """`notifications.link` with `{model}`, `{version}`, `{request}` and `{commit}` filled in, each quoted."""
    values = {
        "model": event.model,
        "version": event.version or "",
        "request": event.request or "",
        "commit": event.commit,
    }
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", quote(str(value), safe=""))
    return template


def _own_templates(policy: Snapshot) -> dict[str, str]:
    found = {}
    for name in (SUBJECT, TEXT, HTML):
        path = TEMPLATES + name
        if path in policy.files and policy.files[path].is_file:
            found[name] = policy.raw(path).decode("utf-8", "replace")
    return found
