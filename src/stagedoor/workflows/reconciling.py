"""Reconcile: from the cursor to main, merge by merge, record what happened and tell whoever wants to know."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from stagedoor.core.approval import describe, entitled, judge, needs
from stagedoor.core.delivery import Audience, Telling, follows, readers, tellings
from stagedoor.core.events import Event, request_event, unreviewed, version_comment
from stagedoor.core.layout import REGISTRY_FILE, TEMPLATES
from stagedoor.core.requests import MergedStep, Step, fold
from stagedoor.core.spec import RegisteredModel
from stagedoor.core.views.plain import jsonable
from stagedoor.effects.ledger import Cursor, Delivery, Ledger, Status
from stagedoor.effects.notify import HTML, SUBJECT, TEXT, Failed, Notifier, Sent, Templates
from stagedoor.errors import BadRepository, BadSpec, NotFound
from stagedoor.workflows import comments
from stagedoor.workflows.following import wishes
from stagedoor.workflows.history import Landed, landings
from stagedoor.workflows.merges import changes_between
from stagedoor.workflows.snapshots import Snapshot, root_of
from stagedoor.workflows.world import World

LEASE = timedelta(minutes=2)
BATCH = 200
_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


@dataclass
class Report:
    """What one run did, or would do."""

    merges: int = 0
    events: list[Event] = field(default_factory=list)
    delivered: int = 0
    failed: list[Delivery] = field(default_factory=list)
    planned: list[Telling] = field(default_factory=list)
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How to reconcile. `start` is a revision to go on from without telling of what came before."""

    dry_run: bool = False
    start: str | None = None
    redeliver: bool = False


def holder() -> str:
    """This process, as the lease names it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def open_ledger(world: World) -> Ledger:
    """The ledger of this registry, in the name of whoever runs the reconciler."""
    return Ledger(world.repository, world.signature(), holder())


def status(world: World) -> Status:
    """How far the reconciler came, and what waits to be delivered."""
    return open_ledger(world).status()


def reconcile(world: World, options: Options = Options()) -> Report:
    """Catch up with main.

    Steps of requests are told first, then the merges, in the order of main. Each event is recorded once and told once
    to each sink: a delivery is recorded right after it was made, and the cursor moves last. A sink that fails is tried
    again by later runs, after growing pauses, and parked in the end; it keeps nobody else waiting.
    """
    world.repository.require_history()
    run = _Run(world, options)
    if options.dry_run:
        run.catch_up()
        return run.report
    run.ledger.take_lease(world.now() + LEASE, world.now())
    try:
        run.retry()
        run.catch_up()
    finally:
        run.ledger.give_lease_back()
        run.ledger.flush("give the lease back")
    return run.report


class _Run:
    """One run of the reconciler: the state that goes from event to event."""

    def __init__(self, world: World, options: Options) -> None:
        self.world = world
        self.options = options
        self.ledger = open_ledger(world)
        self.report = Report()
        self.notifier = Notifier(world.environment)
        self.policy = world.snapshot()
        self.templates = Templates(_own_templates(self.policy))
        self._since_flush = 0
        self._ids: dict[str, str] = {}

    # --- catching up ---

    def catch_up(self) -> None:
        cursor = self._start()
        cursor = self._comments(self._requests(cursor))
        commits = self._new_commits(cursor.main or None)
        for count, one in enumerate(commits, start=1):
            cursor = cursor.model_copy(update={"main": one.commit.oid})
            self._landed(one)
            self.ledger.put("cursor.json", cursor)
            self._maybe_flush(f"reconcile {one.commit.oid[:10]}")
            self.world.progress("reconciled", count, len(commits))
        self.report.cursor = cursor.main
        if not self.options.dry_run:
            self.ledger.put("cursor.json", cursor)
            self.ledger.flush(f"reconciled up to {cursor.main[:10]}")

    def _start(self) -> Cursor:
        if self.options.start is None:
            return self.ledger.cursor()
        tips = {str(number): tip for number, tip in self.world.forge.tips().items()}
        said = self.world.repository.tip(comments.REF) or ""
        return Cursor(main=self.world.repository.resolve(self.options.start), requests=tips, comments=said)

    def _new_commits(self, since: str | None) -> Sequence[Landed]:
        try:
            return tuple(landings(self.world, since=since))
        except (BadRepository, NotFound) as error:
            if since is None or self.world.repository.is_shallow:
                raise
            raise BadRepository(
                f"the ledger stands at {since[:10]}, which is not on main: history was rewritten",
                where="refs/stagedoor/ledger",
                fix="find out why; then go on, without telling of what came before: stagedoor reconcile --from main",
            ) from error

    def _landed(self, one: Landed) -> None:
        self.report.merges += 1
        events = list(one.events)
        if reason := self._not_agreed(one):
            what = [describe(change) for change in one.changes] + [f"{path} changes" for path in one.files]
            events.append(unreviewed(one.happening, what, reason))
        if events:
            self.ledger.put_activities(one.commit.oid, jsonable(tuple(events)))
        self._tell(events)

    def _not_agreed(self, one: Landed) -> str | None:
        """Why nobody agreed to a commit, or None: it came by an approved request, or from somebody entitled to it."""
        if one.is_empty or not one.commit.parents:
            return None
        parent = one.commit.parents[0]
        try:
            base = self.world.snapshot(parent)
            if REGISTRY_FILE not in base.files:
                # the commit that founds the registry: there was nobody to ask yet
                return None
            asked = needs(one.changes, one.files, base.spec, root_of(self.world.repository))
            if one.happening.trailers.request is not None:
                return self._request_faults(one, base, asked)
            return entitled(asked, one.commit.author.email, owners=base.owners, people=base.people, spec=base.spec)
        except BadSpec as error:
            return f"the policy before it does not read: {error.what}"

    def _request_faults(self, one: Landed, base: Snapshot, asked: Any) -> str | None:
        """Check the trailer against the request it speaks of: a trailer alone is anybody's word."""
        number = one.happening.trailers.request or 0
        try:
            request = self.world.forge.get(number)
        except (NotFound, BadRepository):
            return f"it says request {number}, and there is no such request"
        if request.merged_as != one.commit.oid:
            return f"it says request {number}, which did not land as this commit"
        verdict = judge(
            asked, request.reviews, head=request.head, author=request.author, pushers=request.authors,
            owners=base.owners, people=base.people, spec=base.spec,
        )  # fmt: skip
        unmet = next((ruling.unblock for ruling in verdict.rulings if not ruling.holds), None)
        return f"request {number} lacked agreement: {unmet}" if unmet else None

    # --- steps of requests ---

    def _requests(self, cursor: Cursor) -> Cursor:
        seen = dict(cursor.requests)
        for number, tip in sorted(self.world.forge.tips().items()):
            if seen.get(str(number)) != tip:
                # one chain that somebody broke by hand takes no other request's news away; doctor names it
                with suppress(BadRepository):
                    self._steps(number, seen.get(str(number)))
                seen[str(number)] = tip
                cursor = cursor.model_copy(update={"requests": dict(seen)})
                self.ledger.put("cursor.json", cursor)
                self._maybe_flush(f"request {number}")
        return cursor

    def _comments(self, cursor: Cursor) -> Cursor:
        tip = self.world.repository.tip(comments.REF)
        if tip is None or tip == cursor.comments:
            return cursor
        for commit, said in comments.since(self.world, cursor.comments or None):
            # who deleted the model has deleted what there was to say about it
            if name := self._name(said):
                self._tell([version_comment(name, said.version, said.by, said.at, said.body, commit)])
        cursor = cursor.model_copy(update={"comments": tip})
        self.ledger.put("cursor.json", cursor)
        return cursor

    def _name(self, said: comments.Comment) -> str:
        """What the model is called now: nearly always what it was called then."""
        if said.model and self._id(said.model) == said.model_id:
            return said.model
        return next((model.name for model in self.policy.registry if model.id == said.model_id), "")

    def _steps(self, number: int, last: str | None) -> None:
        steps = self.world.forge.steps(number)
        commits = [commit for commit, _ in steps]
        start = len(commits) - commits[::-1].index(last) if last in commits else 0
        request = fold(number, [step for _, step in steps])
        for commit, step in steps[start:]:
            versions, models = self._about(step, steps)
            event = request_event(request, step, commit, versions, models)
            if event is not None:
                self._tell([event])

    def _about(
        self, step: Step, steps: Sequence[tuple[str, Step]]
    ) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
        """The versions and models that a request speaks of, at its head of now."""
        if isinstance(step, MergedStep):
            return (), ()
        request = fold(0, [one for _, one in steps])
        changes = changes_between(self.world.snapshot(request.base), self.world.snapshot(request.head))
        for change in changes:
            content = getattr(change, "content", None)
            if isinstance(content, RegisteredModel):
                self._ids[change.model] = content.id
        numbered = [(c.model, v) for c in changes if (v := getattr(c, "version", None)) is not None]
        return tuple(dict.fromkeys(numbered)), tuple(dict.fromkeys(change.model for change in changes))

    # --- telling ---

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self.report.events.append(event)
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
            id_ = self._id(model)
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
        id_ = self._id(name)
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

    def _id(self, name: str) -> str:
        try:
            model = self.policy.registry.find(name)
        except BadSpec:
            model = None
        return model.id if model else self._ids.get(name, "")

    def _deliver(self, telling: Telling) -> None:
        known = self.ledger.delivery(telling.key)
        if known is not None:
            return
        if self.options.dry_run:
            self.report.planned.append(telling)
            return
        first = Delivery(
            key=telling.key, sink=telling.sink, state="retrying", at=self.world.now(), event=_stored(telling)
        )
        self._attempt(first, telling)

    def _attempt(self, delivery: Delivery, telling: Telling) -> None:
        answer = self._send(telling)
        made = _after(delivery, answer, self.world.now(), self.policy.spec.notifications.attempts)
        self.ledger.put_delivery(made)
        self.ledger.flush(f"{made.state}: {made.key[:120]}")
        self._since_flush = 0
        if isinstance(answer, Sent):
            self.report.delivered += 1
        else:
            self.report.failed.append(made)

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

    def retry(self) -> None:
        """Try again what failed before and is due; with `redeliver` what was parked too."""
        for delivery in self.ledger.status().waiting:
            parked = delivery.state == "parked"
            if parked and not self.options.redeliver:
                continue
            if delivery.next_at is not None and delivery.next_at > self.world.now() and not self.options.redeliver:
                continue
            telling = _restored(delivery, self.policy)
            if telling is None:
                self.ledger.put_delivery(delivery.model_copy(update={"state": "skipped", "error": "its sink is gone"}))
            else:
                self._attempt(delivery, telling)

    def _maybe_flush(self, subject: str) -> None:
        self._since_flush += 1
        if self.options.dry_run or self._since_flush < BATCH:
            return
        self._since_flush = 0
        self.ledger.take_lease(self.world.now() + LEASE, self.world.now())
        self.ledger.flush(subject)


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
