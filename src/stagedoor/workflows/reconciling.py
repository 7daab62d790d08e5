"""Reconcile: from the cursor to main, merge by merge, record what happened and tell whoever wants to know."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from stagedoor.core.approval import describe, entitled, judge, needs, with_broken_glass
from stagedoor.core.calls import Call
from stagedoor.core.delivery import Telling
from stagedoor.core.events import (
    Event,
    moves_of,
    request_event,
    serving_failed,
    serving_loaded,
    unreviewed,
    version_comment,
)
from stagedoor.core.layout import REGISTRY_FILE
from stagedoor.core.requests import Request
from stagedoor.core.spec import RegisteredModel
from stagedoor.core.views.plain import jsonable
from stagedoor.effects.ledger import Attestation, Cursor, Delivery, Ledger, Status
from stagedoor.errors import BadRepository, BadSpec, Denied, NotFound, RegistryError
from stagedoor.gitstore import Oid
from stagedoor.workflows import comments, faults
from stagedoor.workflows.history import Landed, landings
from stagedoor.workflows.manifests import Written, deploy
from stagedoor.workflows.merges import changes_between, webhooks_asked
from stagedoor.workflows.permissions import are_granted_by
from stagedoor.workflows.rights import is_admin
from stagedoor.workflows.signing import signed_by
from stagedoor.workflows.snapshots import Snapshot, root_of
from stagedoor.workflows.telling import LEASE, Teller
from stagedoor.workflows.world import World

BATCH = 200


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did, or would do."""

    merges: int
    events: tuple[Event, ...]
    delivered: int
    failed: tuple[Delivery, ...]
    planned: tuple[Telling | Call, ...]
    cursor: str
    # what was written to the branch of manifests, or would be, and why that did not go
    manifests: Written | None = None
    undeployed: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How to reconcile. `start` is a revision to go on from without telling of what came before.

    `allow_private_webhooks` lets webhooks call receivers in the own network, as STAGEDOOR_ALLOW_PRIVATE_WEBHOOKS does.
    """

    dry_run: bool = False
    start: str | None = None
    redeliver: bool = False
    allow_private_webhooks: bool = False


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
        run.deploy()
        return run.report()
    run.ledger.take_lease(world.now() + LEASE, world.now())
    try:
        run.teller.retry(parked_too=options.redeliver)
        run.catch_up()
        run.deploy()
    finally:
        run.ledger.give_lease_back()
        run.ledger.flush("give the lease back")
    return run.report()


def redeliver(world: World, key: str, *, allow_private: bool = False) -> Delivery:
    """Try one delivery again now that failed or was given up: a mail, a message, a call. For owners of the policy."""
    if not is_admin(world.snapshot(), world.actor.email):
        raise Denied(f"{world.actor.email} does not own the policy", fix="ask one of its owners: stagedoor owners list")
    ledger = open_ledger(world)
    known = ledger.delivery(key)
    if known is None or known.state not in ("retrying", "parked"):
        raise NotFound("there is no such delivery that waits", fix="stagedoor reconcile --status lists those that do")
    ledger.take_lease(world.now() + LEASE, world.now())
    try:
        Teller(world, ledger, world.snapshot(), dry_run=False, allow_private=allow_private).again(known)
    finally:
        ledger.give_lease_back()
        ledger.flush("give the lease back")
    return ledger.delivery(key) or known


class _Run:
    """One run of the reconciler: from the cursor to what is newest, event by event."""

    def __init__(self, world: World, options: Options) -> None:
        self.world = world
        self.options = options
        self.ledger = open_ledger(world)
        self.policy = world.snapshot()
        self.teller = Teller(
            world, self.ledger, self.policy, dry_run=options.dry_run, allow_private=options.allow_private_webhooks
        )
        self.merges = 0
        self.cursor = ""
        self.manifests: Written | None = None
        self.undeployed = ""
        self._since_flush = 0

    def report(self) -> Report:
        """What was done so far."""
        told = self.teller
        return Report(
            self.merges, tuple(told.events), told.delivered, tuple(told.failed), tuple(told.planned), self.cursor,
            self.manifests, self.undeployed,
        )  # fmt: skip

    # --- catching up ---

    def catch_up(self) -> None:
        cursor = self._start()
        cursor = self._servers(self._comments(self._requests(cursor)))
        total, commits = self._new_commits(cursor.main or None)
        for count, one in enumerate(commits, start=1):
            cursor = cursor.model_copy(update={"main": one.commit.oid})
            self._landed(one)
            self.ledger.put("cursor.json", cursor)
            self._maybe_flush(f"reconcile {one.commit.oid[:10]}")
            self.world.progress("reconciled", count, total)
        self.cursor = cursor.main
        if not self.options.dry_run:
            self.ledger.put("cursor.json", cursor)
            self.ledger.flush(f"reconciled up to {cursor.main[:10]}")

    def deploy(self) -> None:
        """Bring the branch of manifests up to main. What is in the way there keeps no news from anybody."""
        try:
            self.manifests = deploy(self.world, check=self.options.dry_run)
        except RegistryError as error:
            self.undeployed = error.what

    def _start(self) -> Cursor:
        if self.options.start is None:
            return self.ledger.cursor()
        tips = {str(number): tip for number, tip in self.world.forge.tips().items()}
        said = self.world.repository.tip(comments.REF) or ""
        served = self.world.repository.tip(faults.REF) or ""
        start = self.world.repository.resolve(self.options.start)
        return Cursor(main=start, requests=tips, comments=said, serving=served)

    def _new_commits(self, since: str | None) -> tuple[int, Iterator[Landed]]:
        """How many commits are new, and each of them, read when it is its turn."""
        main = self.world.main()
        try:
            total = len(self.world.repository.clock(main, Oid(since) if since else None))
            return total, landings(self.world, since=since, until=main)
        except (BadRepository, NotFound) as error:
            if since is None or self.world.repository.is_shallow:
                raise
            raise BadRepository(
                f"the ledger stands at {since[:10]}, which is not on main: history was rewritten",
                where="refs/stagedoor/ledger",
                fix="find out why; then go on, without telling of what came before: stagedoor reconcile --from main",
            ) from error

    def _landed(self, one: Landed) -> None:
        self.merges += 1
        events = list(one.events)
        if reason := self._not_agreed(one):
            what = [describe(change) for change in one.changes] + [f"{path} changes" for path in one.files]
            events.append(unreviewed(one.happening, what, reason))
        if events:
            self.ledger.put_activities(one.commit.oid, jsonable(tuple(events)))
        self.teller.tell(events)

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
            called = webhooks_asked(base, self.world.snapshot(one.commit.oid))
            root = root_of(self.world.repository)
            asked = needs(one.changes, self._to_agree(one, base), base.spec, root, called)
            if (number := self._request_of(one)) is not None:
                return self._request_faults(number, one, base, asked)
            return entitled(asked, one.commit.author.email, owners=base.owners, people=base.people, spec=base.spec)
        except BadSpec as error:
            return f"the policy before it does not read: {error.what}"

    def _to_agree(self, one: Landed, base: Snapshot) -> tuple[str, ...]:
        """The files that owners have to agree to. Who manages a model may grant levels on it in CODEOWNERS alone."""
        path = base.owners.path
        if path not in one.files or one.happening.trailers.request is not None:
            return one.files
        granted = are_granted_by(base, self.world.snapshot(one.commit.oid), one.commit.author.email)
        return tuple(file for file in one.files if file != path) if granted else one.files

    def _request_of(self, one: Landed) -> int | None:
        """The request a commit came by: what its host says, before what its trailer says."""
        return self.world.forge.landed(one.commit.oid) or one.happening.trailers.request

    def _request_faults(self, number: int, one: Landed, base: Snapshot, asked: Any) -> str | None:
        """Check the trailer against the request it speaks of: a trailer alone is anybody's word."""
        try:
            request = self.world.forge.get(number)
        except (NotFound, BadRepository):
            return f"it says request {number}, and there is no such request"
        if request.merged_as != one.commit.oid:
            return f"it says request {number}, which did not land as this commit"
        self._attest(one.commit.oid, request, base)
        verdict = judge(
            with_broken_glass(asked) if request.broken else asked, request.counted_reviews,
            head=request.head, author=request.author, pushers=request.authors,
            owners=base.owners, people=base.people, spec=base.spec,
            signed=signed_by(base, number, request.counted_reviews, one.commit.committer.time),
        )  # fmt: skip
        unmet = next((ruling.unblock for ruling in verdict.rulings if not ruling.holds), None)
        return f"request {number} lacked agreement: {unmet}" if unmet else None

    def _attest(self, commit: str, request: Request, base: Snapshot) -> None:
        """Keep what the host says of it now, so that an audit can go without the host later."""
        if (host := self.world.host) is not None:
            said = Attestation(
                host=host.host, number=request.number, at=self.world.now(), steps=request.steps,
                owners=_owners_of_host(base),
            )  # fmt: skip
            self.ledger.put_attestation(commit, said)

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
                self.teller.tell([version_comment(name, said.version, said.by, said.at, said.body, commit)])
        cursor = cursor.model_copy(update={"comments": tip})
        self.ledger.put("cursor.json", cursor)
        return cursor

    def _servers(self, cursor: Cursor) -> Cursor:
        """What servers could not load, and what they load after all."""
        tip = self.world.repository.tip(faults.REF)
        if tip is None or tip == cursor.serving:
            return cursor
        for commit, one in faults.since(self.world, cursor.serving or None):
            if name := self._name(one):
                self.teller.tell([_of_server(name, one, commit)])
        cursor = cursor.model_copy(update={"serving": tip})
        self.ledger.put("cursor.json", cursor)
        return cursor

    def _name(self, said: comments.Comment | faults.Fault) -> str:
        """What the model is called now: nearly always what it was called then."""
        if said.model and self.teller.id_of(said.model) == said.model_id:
            return said.model
        return next((model.name for model in self.policy.registry if model.id == said.model_id), "")

    def _steps(self, number: int, last: str | None) -> None:
        request = self.world.forge.get(number)
        versions, models, moves = self._about(request)
        for commit, step in self.world.forge.steps_after(number, last):
            event = request_event(request, step, commit, versions, models, moves)
            if event is not None:
                self.teller.tell([event])

    def _about(
        self, request: Request
    ) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...], tuple[tuple[str, int, str, str], ...]]:
        """The versions and models that a request speaks of, and the moves it asks for, at its head of now."""
        changes = changes_between(self.world.snapshot(request.base), self.world.snapshot(request.head))
        for change in changes:
            content = getattr(change, "content", None)
            if isinstance(content, RegisteredModel):
                self.teller.ids[change.model] = content.id
        numbered = [(c.model, v) for c in changes if (v := getattr(c, "version", None)) is not None]
        models = tuple(dict.fromkeys(change.model for change in changes))
        return tuple(dict.fromkeys(numbered)), models, moves_of(changes)

    def _maybe_flush(self, subject: str) -> None:
        self._since_flush += 1
        if self.options.dry_run or self._since_flush < BATCH:
            return
        self._since_flush = 0
        self.ledger.take_lease(self.world.now() + LEASE, self.world.now())
        self.ledger.flush(subject)


def _of_server(name: str, one: faults.Fault, commit: str) -> Event:
    if one.is_mended:
        return serving_loaded(name, one.version, one.stage, one.by, one.at, commit, host=one.host)
    return serving_failed(name, one.version, one.stage, one.by, one.at, one.reason, commit, host=one.host)


def _owners_of_host(base: Snapshot) -> dict[str, tuple[str, ...]]:
    """The owners that CODEOWNERS names and people.yaml does not know, with the addresses that the host told."""
    named = dict.fromkeys(owner for line in base.owners.lines for owner in line.owners)
    unknown = [owner for owner in named if base.written_people.emails_of(owner) is None]
    return {owner: tuple(sorted(found)) for owner in unknown if (found := base.people.emails_of(owner))}
