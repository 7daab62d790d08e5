"""Writes: an intent made on the newest main, checked, and published by compare-and-swap or put into a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from stagedoor.core.approval import Need, entitled, holders_of, needs, with_broken_glass
from stagedoor.core.diff import Change
from stagedoor.core.gates import Broken
from stagedoor.core.intents import Intent, perform
from stagedoor.core.plan import Plan
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.registry import Registry
from stagedoor.core.requests import Request
from stagedoor.core.trailers import Trailers, message
from stagedoor.errors import ChecksFailed, Denied, InvalidState
from stagedoor.gitstore import RefUpdate
from stagedoor.workflows.merges import changes_between, texts, webhooks_asked
from stagedoor.workflows.planning import Asked, needed, plan
from stagedoor.workflows.snapshots import Snapshot, root_of, with_files
from stagedoor.workflows.world import World


@dataclass(frozen=True, slots=True)
class Lane:
    """How a write reaches main: directly, as a new request (`propose`), or as more of an open one (`into`)."""

    propose: bool = False
    into: int | None = None
    dry_run: bool = False
    archive: bool = False


DIRECT = Lane()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write did. `commit` on main, `request` when it went that way, neither for a dry run or no change."""

    plan: Plan
    commit: str = ""
    request: Request | None = None


Subject = str | Callable[[Registry], str]
"""A commit's subject, or how to say it once the registry is as the intents want it."""


Files = Callable[[Snapshot], Mapping[str, bytes | None]]
"""Files that are no models and go along with a change, from the registry's root, as they have to be on this base."""


def no_files(base: Snapshot) -> Mapping[str, bytes | None]:
    """Nothing goes along."""
    return {}


def _said(subject: Subject, head: Snapshot) -> str:
    return subject if isinstance(subject, str) else subject(head.registry)


def write(
    world: World,
    intents: Sequence[Intent],
    subject: Subject,
    *,
    files: Files = no_files,
    comment: str = "",
    lane: Lane = DIRECT,
    instead: str = "the same command with --request",
) -> Outcome:
    """Make the intents real, and the files that go along.

    Directly they land on main as one commit, if the actor is entitled to every change and the checks hold; somebody
    faster makes us look again, and only what no longer makes sense is refused. `instead` is how to ask for it where
    the actor is not entitled. Raises `Denied` and `ChecksFailed`, and what `perform` raises.
    """
    if lane.propose:
        return propose(world, intents, subject, files=files, comment=comment, dry_run=lane.dry_run)
    if lane.into is not None:
        return amend(world, lane.into, intents, subject, files=files, dry_run=lane.dry_run)
    if lane.dry_run:
        base = world.snapshot()
        return Outcome(plan(world, base, proposed(base, intents, files)))

    def once() -> Outcome:
        return _write_once(world, intents, subject, files, comment, instead)

    return world.repository.in_turn(once, "main", world.sleep)


def _write_once(
    world: World, intents: Sequence[Intent], subject: Subject, files: Files, comment: str, instead: str
) -> Outcome:
    """Look at the newest main, decide, act. `Raced` when somebody was faster."""
    base = world.snapshot()
    head = proposed(base, intents, files)
    planned = plan(world, base, head)
    if planned.is_empty:
        return Outcome(planned)
    _require_entitled(world, base, head, planned, instead)
    require_checks(planned)
    return Outcome(planned, commit=_publish(world, base, head, _said(subject, head), comment))


def proposed(
    base: Snapshot, intents: Sequence[Intent], files: Files = no_files, policy: RegistrySpec | None = None
) -> Snapshot:
    """The registry as the intents want it; nothing is stored yet. `policy` is main's, where `base` is not main."""
    wanted = perform(intents, base.registry, policy or base.spec)
    root = root_of(base.repository)
    head = with_files(base, {**texts(base, wanted), **{root + path: raw for path, raw in files(base).items()}})
    for path, model in wanted.touched.items():
        if model is not None:
            head.settle(path, model)
    return head


def changes_of(base: Snapshot, head: Snapshot) -> tuple[Change, ...]:
    """The changes to models that a proposed snapshot makes."""
    root = root_of(base.repository)
    return changes_between(base, head, {path.removeprefix(root) for path in head.proposed})


def _require_entitled(world: World, base: Snapshot, head: Snapshot, planned: Plan, instead: str) -> None:
    asked = needs(
        changes_of(base, head), planned.files, base.spec, root_of(base.repository), webhooks_asked(base, head)
    )
    reason = entitled(asked, world.actor.email, owners=base.owners, people=base.people, spec=base.spec)
    if reason:
        raise Denied(
            f"{world.actor.email} may not do this directly: {reason}",
            where=base.owners.path,
            fix=f"ask for it: {instead}",
        )


def require_checks(planned: Plan) -> None:
    """Refuse a plan with errors, naming each."""
    if planned.errors:
        first = planned.errors[0]
        rest = "".join(f"\n       {p.code} {p.where}: {p.what}" for p in planned.errors[1:10])
        raise ChecksFailed(f"{first.code} {first.what}{rest}", where=first.where or None, fix=first.fix or None)


def _publish(world: World, base: Snapshot, head: Snapshot, subject: str, comment: str) -> str:
    repository = world.repository
    tree = repository.write_tree(repository.commit_info(base.commit).tree, dict(head.proposed))
    who = world.signature()
    trailers = Trailers(requested_by=world.actor.email, comment=comment)
    commit = repository.commit(tree, (base.commit,), author=who, committer=who, message=message(subject, "", trailers))
    world.forge.publish(RefUpdate(repository.ref, base.commit, commit), f"stagedoor: {subject}")
    return commit


# --- requests -------------------------------------------------------------------------------------------------------


def propose(
    world: World,
    intents: Sequence[Intent],
    subject: Subject,
    *,
    files: Files = no_files,
    comment: str = "",
    dry_run: bool = False,
) -> Outcome:
    """Open a request with the change. It may be one that the checks refuse yet: it is mended while it is open."""
    base = world.snapshot()
    head = proposed(base, intents, files)
    return open_proposed(world, base, head, _said(subject, head), comment=comment, dry_run=dry_run)


def open_proposed(
    world: World, base: Snapshot, head: Snapshot, title: str, *, comment: str = "", dry_run: bool = False
) -> Outcome:
    """Open a request for what a proposed snapshot has, models or other files."""
    planned = plan(world, base, head, Asked(None, title, world.actor.email, ""))
    if planned.is_empty:
        raise InvalidState("nothing would change", fix="look at what is there: stagedoor show")
    if dry_run:
        return Outcome(planned)
    commit = _head_commit(world, base, head, title)
    request = world.forge.open(title, comment, base=base.commit, head=commit, by=world.actor, at=world.now())
    return Outcome(_planned(world, request), request=request)


def asked_of(request: Request) -> Asked:
    """A request, as a plan wants to know it. With broken glass, only what was said since counts."""
    broken = request.broken
    return Asked(
        request.number, request.title, request.author, request.head, request.counted_reviews, request.authors,
        broken=Broken(broken.by, broken.reason) if broken else None,
    )  # fmt: skip


def _planned(world: World, request: Request) -> Plan:
    """A request, planned on the base that it was made for."""
    return plan(world, world.snapshot(request.base), world.snapshot(request.head), asked_of(request))


def _head_commit(world: World, base: Snapshot, head: Snapshot, subject: str, above: tuple[str, ...] = ()) -> str:
    repository = world.repository
    tree = repository.write_tree(repository.commit_info(base.commit).tree, dict(head.proposed))
    who = world.signature()
    parents = above or (base.commit,)
    return repository.commit(tree, parents, author=who, committer=who, message=message(subject, "", Trailers()))


def owns_some_of(world: World, request: Request) -> bool:
    """Whether the actor owns anything that the request needs an agreement for."""
    return owns_one_of(world, needs_of(world, request))


def needs_of(world: World, request: Request) -> tuple[Need, ...]:
    """The agreements that a request takes, by the base that it was made for."""
    asks = needed(world.snapshot(request.base), world.snapshot(request.head))
    return with_broken_glass(asks) if request.broken else asks


def owns_one_of(world: World, asks: Iterable[Need]) -> bool:
    """Whether the actor is asked for one of these agreements, by CODEOWNERS as it is on main."""
    policy = world.snapshot()
    who = world.actor.email.lower()
    return any(who in holders_of(need, policy.owners, policy.people) for need in asks)


def require_may_push(world: World, request: Request) -> None:
    """A push voids every approval, so it is for those whose request it is, and for owners of what it touches."""
    if world.actor.email.lower() not in request.authors and not owns_some_of(world, request):
        raise Denied(
            f"{world.actor.email} neither opened request {request.number} nor owns anything that it touches",
            fix=f"comment on it: stagedoor comment {request.number} TEXT, or open a request of your own",
        )


def amend(
    world: World,
    number: int,
    intents: Sequence[Intent],
    subject: Subject,
    *,
    files: Files = no_files,
    dry_run: bool = False,
) -> Outcome:
    """More changes in an open request: a commit on top of its head. Reviews of the old head do not count any more."""
    request = world.forge.get(number)
    if not request.is_open:
        raise InvalidState(f"request {number} is {request.closed_as or request.state} already", fix="open a new one")
    require_may_push(world, request)
    policy = world.snapshot()
    base = world.snapshot(request.head)
    head = proposed(base, intents, files, policy.spec)
    if not head.proposed or plan(world, base, head).is_empty:
        raise InvalidState(f"nothing would change in request {number}")
    if dry_run:
        return Outcome(plan(world, base, head))
    title = _said(subject, head)
    commit = _head_commit(world, base, head, title)
    updated = world.forge.push(
        number, base=request.base, head=commit, why=title, expected=request.head, by=world.actor, at=world.now()
    )
    return Outcome(_planned(world, updated), request=updated)


def asks_for(world: World, request: Request, intents: Sequence[Intent]) -> Outcome | None:
    """An open request that makes exactly these changes to models, as it is; None where it makes others."""
    base = world.snapshot()
    wanted = changes_of(base, proposed(base, intents))
    has = changes_between(world.snapshot(request.base), world.snapshot(request.head))
    return Outcome(_planned(world, request), request=request) if wanted == has else None


def renew(world: World, request: Request, intents: Sequence[Intent], why: str) -> Outcome:
    """These changes to the newest main in place of what an open request has. Reviews of the old head do not count."""
    require_may_push(world, request)
    base = world.snapshot()
    commit = _head_commit(world, base, proposed(base, intents), request.title, (base.commit, request.head))
    updated = world.forge.push(
        request.number, base=base.commit, head=commit, why=why, expected=request.head, by=world.actor, at=world.now()
    )
    return Outcome(_planned(world, updated), request=updated)


def open_revision(world: World, rev: str, title: str, body: str, *, dry_run: bool = False) -> Outcome:
    """Open a request for a commit that somebody made by hand: a branch, a policy change."""
    repository = world.repository
    head, main = repository.resolve(rev), world.main()
    base = repository.merge_base(main, head)
    if base is None:
        raise InvalidState(f"{rev} has no history in common with {repository.branch}")
    if base == head:
        raise InvalidState(f"{rev} is in {repository.branch} already", fix="commit the change to a branch first")
    subject = title or repository.commit_info(head).message.partition("\n")[0]
    planned = plan(world, world.snapshot(base), world.snapshot(head), Asked(None, subject, world.actor.email, head))
    if dry_run:
        return Outcome(planned)
    request = world.forge.open(subject, body, base=base, head=head, by=world.actor, at=world.now())
    return Outcome(_planned(world, request), request=request)
