"""Telling of events: who hears of what, each once, and again when a sink failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from pydantic import TypeAdapter

from stagedoor.core.calls import PREFIX, Call
from stagedoor.core.delivery import Audience, Telling, activity_type, follows, last_of_the_day, readers, tellings
from stagedoor.core.events import Event
from stagedoor.core.layout import TEMPLATES
from stagedoor.core.views.plain import jsonable
from stagedoor.effects.ledger import Delivery, Ledger
from stagedoor.effects.notify import HTML, SUBJECT, TEXT, Failed, Notifier, Sent, Templates
from stagedoor.errors import BadSpec
from stagedoor.workflows.calling import Hooks
from stagedoor.workflows.following import silenced, wishes
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World

LEASE: Final = timedelta(minutes=2)
_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


class Teller:
    """Tells events to routes and followers, and remembers in the ledger what it told."""

    def __init__(
        self, world: World, ledger: Ledger, policy: Snapshot, *, dry_run: bool, allow_private: bool = False
    ) -> None:
        self.world = world
        self.ledger = ledger
        self.policy = policy
        self.dry_run = dry_run
        self.notifier = Notifier(world.environment)
        self.templates = Templates(_own_templates(policy))
        self.hooks = Hooks(world, ledger, policy, allow_private=allow_private)
        # models that only a request knows so far
        self.ids: dict[str, str] = {}
        self.events: list[Event] = []
        self.delivered = 0
        self.failed: list[Delivery] = []
        self.planned: list[Telling | Call] = []

    def tell(self, events: Iterable[Event]) -> None:
        """Tell of each event once to each sink, and let who took part follow it."""
        for event in events:
            self.events.append(event)
            self._remember_followers(event)
            for telling in tellings(event, self.policy.spec.notifications, self._readers(event)):
                self._deliver(telling)
            for call in self.hooks.calls(event, self.ids):
                self._deliver(call)

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
        return tuple(sorted(found - silenced(self.world.repository))) if found else ()

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

    def _deliver(self, telling: Telling | Call) -> None:
        known = self.ledger.delivery(telling.key)
        if known is not None or (isinstance(telling, Call) and self.hooks.is_given_up(telling.hook)):
            return
        if self.dry_run:
            self.planned.append(telling)
            return
        wanted = self._within_limit(telling) if isinstance(telling, Telling) and telling.to else telling
        first = Delivery(
            key=telling.key, sink=telling.sink, state="retrying", at=self.world.now(), event=_stored(wanted or telling)
        )
        if wanted is None:
            over = {"state": "skipped", "error": "the day's limit of mails is reached", "event": {}}
            self.ledger.put_delivery(first.model_copy(update=over))
        elif isinstance(wanted, Call) and self.hooks.is_silent(wanted.hook):
            later = {"next_at": self.world.now() + timedelta(minutes=1), "error": "its target gives no answer"}
            self.ledger.put_delivery(first.model_copy(update=later))
        else:
            self._attempt(first, wanted)

    def _within_limit(self, mail: Telling) -> Telling | None:
        """The mail, if it is one of the first of its kind today; the last of them says so."""
        most = self.policy.spec.notifications.mails_a_day
        day = self.ledger.mail_day(self.world.now().astimezone(UTC).date().isoformat())
        kind = activity_type(mail.event)
        counts = day.sent.get(mail.to, {})
        count = counts.get(kind, 0) + 1
        if count > most:
            return None
        self.ledger.put_mail_day(day.model_copy(update={"sent": {**day.sent, mail.to: {**counts, kind: count}}}))
        return last_of_the_day(mail, most) if count == most else mail

    def _attempt(self, delivery: Delivery, telling: Telling | Call) -> None:
        answer, status = self.hooks.send(telling) if isinstance(telling, Call) else (self._send(telling), None)
        # slow sinks must not let the lease run out: another run would tell the rest once more
        self.ledger.keep_lease(self.world.now() + LEASE)
        made = _after(delivery, answer, self.world.now(), self.policy.spec.notifications.attempts)
        if isinstance(telling, Call):
            # its event stays, so that it can be delivered again
            made = made.model_copy(update={"status": status, "event": delivery.event})
        self.ledger.put_delivery(made)
        news = self.hooks.remember(telling, made) if isinstance(telling, Call) else None
        self.ledger.flush(f"{made.state}: {made.key[:120]}")
        if isinstance(answer, Sent):
            self.delivered += 1
        else:
            self.failed.append(made)
        if news is not None:
            self.tell([news])

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
            self.again(delivery, even_given_up=parked_too)

    def again(self, delivery: Delivery, *, even_given_up: bool = True) -> None:
        """One more attempt at a delivery that is on record."""
        telling = self._restored(delivery)
        if telling is None:
            self.ledger.put_delivery(delivery.model_copy(update={"state": "skipped", "error": "its sink is gone"}))
        elif isinstance(telling, Call) and not even_given_up and self.hooks.is_given_up(telling.hook):
            over = {"state": "parked", "next_at": None, "error": "its webhook is given up"}
            self.ledger.put_delivery(delivery.model_copy(update=over))
        elif not (isinstance(telling, Call) and self.hooks.is_silent(telling.hook)):
            self._attempt(delivery, telling)

    def _restored(self, delivery: Delivery) -> Telling | Call | None:
        event = _EVENTS.validate_python(delivery.event["event"])
        if delivery.sink.startswith(PREFIX):
            return self.hooks.restored(delivery, event)
        return _restored(delivery, event, self.policy)


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


def _stored(telling: Telling | Call) -> dict[str, Any]:
    event = jsonable(telling.event)
    event.pop("type", None)
    if isinstance(telling, Call):
        return {"event": event}
    return {"event": event, "to": telling.to, "why": telling.why}


def _restored(delivery: Delivery, event: Event, policy: Snapshot) -> Telling | None:
    """The telling behind a delivery that failed, with today's URL: a wrong one may have been mended."""
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
