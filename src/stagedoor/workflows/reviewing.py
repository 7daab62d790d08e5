"""Requests from their opening to their end: plan, approve, reject, cancel, comment, update, merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stagedoor.core.checks import Problem
from stagedoor.core.intents import Intent
from stagedoor.core.layout import is_stage_path
from stagedoor.core.plan import Plan, effects
from stagedoor.core.replay import Renumbered, replay
from stagedoor.core.requests import Request, Reviewed
from stagedoor.core.trailers import Approval, Trailers, message
from stagedoor.errors import ChecksFailed, Conflict, Denied, InvalidState
from stagedoor.forges.base import Landing, NotReady, State
from stagedoor.gitstore import Raced
from stagedoor.workflows.merges import MergeResult, changes_between, merged_tree, texts
from stagedoor.workflows.planning import plan
from stagedoor.workflows.signing import signed_approval
from stagedoor.workflows.snapshots import root_of, with_files
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import asked_of, owns_some_of, proposed, require_may_push


@dataclass(frozen=True, slots=True)
class Standing:
    """A request and how it stands: its plan on today's main, and why it cannot merge yet, if so."""

    request: Request
    plan: Plan
    stale: str = ""
    merge: MergeResult | None = None

    @property
    def blockers(self) -> tuple[str, ...]:
        """Everything in the way of a merge, one sentence each."""
        if not self.request.is_open:
            return (f"request {self.request.number} is {self.request.closed_as or self.request.state}",)
        return (*self.outdated, *(f"{problem.code} {problem.what}" for problem in self.plan.errors))

    @property
    def outdated(self) -> tuple[str, ...]:
        """What keeps the request from landing on today's main, whoever agrees."""
        said = (*self.plan.conflicts, *([self.stale] if self.stale else []))
        return said or (("main has all of this already",) if self.plan.is_empty else ())


def requests(world: World, state: State = "open") -> Sequence[Request]:
    """The requests in a state, newest first."""
    return world.forge.requests(state)


def standing(world: World, number: int, also: Sequence[Intent] = ()) -> Standing:
    """A request planned on the newest main, never on an old plan; a merged one as it was when it landed.

    `also` is what whoever merges wants done in the same commit: it is planned, checked and judged with the rest.
    """
    request = world.forge.get(number)
    if request.state == "merged":
        landed = world.repository.commit_info(request.merged_as)
        base, head = world.snapshot(landed.parents[0]), world.snapshot(landed.oid)
        return Standing(request, plan(world, base, head, asked_of(request), at=landed.committer.time))
    main = world.main()
    result = merged_tree(world, main, request.head)
    conflicts = (*result.conflicts, *(_renumbered(one) for one in result.renumbered))
    now = plan(world, world.snapshot(main), world.snapshot(result.tree), asked_of(request), conflicts=conflicts)
    stale = "" if conflicts else _stale(world, request, main, now)
    if also and not conflicts and not stale:
        result = MergeResult(_with(world, result.tree, also))
        now = plan(world, world.snapshot(main), world.snapshot(result.tree), asked_of(request))
    return Standing(request, now, stale=stale, merge=result)


def _with(world: World, tree: str, also: Sequence[Intent]) -> str:
    return world.repository.write_tree(tree, dict(proposed(world.snapshot(tree), also).proposed))


def _renumbered(one: Renumbered) -> str:
    return f"{one.model}/{one.was} was registered on main meanwhile, so this one becomes {one.model}/{one.now}"


def _stale(world: World, request: Request, main: str, now: Plan) -> str:
    """Why the plan that people looked at is not what a merge would do, or nothing."""
    if request.base == main:
        return ""
    then = plan(world, world.snapshot(request.base), world.snapshot(request.head))
    if effects(then.models) == effects(now.models) and _by_hand(world, then) == _by_hand(world, now):
        return ""
    if now.is_empty:
        return "main has all of this already"
    return f"main has moved since {request.base[:10]}, and this request would now do something else"


@dataclass(frozen=True, slots=True)
class Signing:
    """How to sign: with a key, or with git's own."""

    key: str | None = None


def _by_hand(world: World, made: Plan) -> list[str]:
    """The files of a plan that follow from no model."""
    root = root_of(world.repository)
    return [path for path in made.files if not is_stage_path(path.removeprefix(root))]


def approve(
    world: World, number: int, body: str = "", *, head: str | None = None, signing: Signing | None = None
) -> Request:
    """Agree to the request's head. Anybody may say so; whether it counts is for CODEOWNERS to decide."""
    return _review(world, number, "approved", body, head, signing)


def request_changes(world: World, number: int, body: str, *, head: str | None = None) -> Request:
    """Ask for something else; the request cannot merge while an owner's wish stands."""
    return _review(world, number, "changes_requested", body, head)


def _review(
    world: World, number: int, verdict: str, body: str, head: str | None, signing: Signing | None = None
) -> Request:
    request = world.forge.get(number)
    if world.actor.email.lower() in request.authors and verdict == "approved":
        _require_author_may(world, request)
    seen = world.repository.resolve(head) if head else request.head
    tag = signed_approval(world, request, seen, body, signing.key) if signing else ""
    return world.forge.review(number, verdict, body, head=seen, by=world.actor, at=world.now(), tag=tag)  # type: ignore[arg-type]


def _require_author_may(world: World, request: Request) -> None:
    if not world.snapshot().spec.owners.author_may_approve:
        who = world.actor.email
        did = "opened" if who.lower() == request.author.lower() else "put changes into"
        raise Denied(
            f"{who} {did} request {request.number} and cannot approve it",
            fix="ask another owner: stagedoor request show " + str(request.number),
        )


def break_glass(world: World, number: int, reason: str) -> Request:
    """Say that a request is an emergency: gates and freezes do not hold it back, if two owners vouch for it.

    For its authors, and for owners of what it touches. CODEOWNERS, the quarantine and every other check stay as they
    are. A push puts the glass back.
    """
    request = world.forge.get(number)
    if world.actor.email.lower() not in request.authors and not owns_some_of(world, request):
        raise Denied(f"{world.actor.email} owns nothing that request {number} touches", fix="ask one of its owners")
    return world.forge.break_glass(number, reason, head=request.head, by=world.actor, at=world.now())


def comment(world: World, number: int, body: str) -> Request:
    """Say something on the request."""
    return world.forge.comment(number, body, by=world.actor, at=world.now())


def cancel(world: World, number: int, body: str = "") -> Request:
    """Take a request back: its author, or whoever manages what it touches."""
    request = world.forge.get(number)
    if world.actor.email.lower() != request.author.lower() and not owns_some_of(world, request):
        raise Denied(f"request {number} is {request.author}'s to cancel", fix=f"stagedoor reject {number}, by an owner")
    return world.forge.close(number, "cancelled", body, by=world.actor, at=world.now())


def reject(world: World, number: int, body: str = "") -> Request:
    """Refuse a request: somebody who could have approved it."""
    request = world.forge.get(number)
    if request.is_open and not owns_some_of(world, request):
        raise Denied(f"{world.actor.email} owns nothing that request {number} touches", fix="ask one of its owners")
    return world.forge.close(number, "rejected", body, by=world.actor, at=world.now())


# --- merge ----------------------------------------------------------------------------------------------------------


def merge(world: World, number: int, comment: str = "", also: Sequence[Intent] = ()) -> Request:
    """Land a request on main as a merge commit, with what `also` asks for in the same one.

    The result of the merge is planned and checked on the newest main, by main's own policy, and the approvals are
    judged again. Raises `Conflict` when main has moved so that it would do something else, `ChecksFailed` when a check
    or an approval is missing, `InvalidState` when the request is not open.
    """
    return world.repository.in_turn(lambda: _merge_once(world, number, comment, also), "main", world.sleep)


def _merge_once(world: World, number: int, comment: str, also: Sequence[Intent]) -> Request:
    """Look at the request on the newest main, decide, land it. `Raced` when main has moved meanwhile."""
    here = standing(world, number, also)
    if not here.request.is_open:
        raise InvalidState(f"request {number} is {here.request.closed_as or here.request.state} already")
    _require_current(here)
    _require_agreed(here)
    landing = Landing(_tree(here), here.plan.base, _message(here, comment), _tags(here))
    result = world.forge.merge(number, landing, head=here.request.head, by=world.actor, at=world.now())
    if isinstance(result, NotReady):
        if not result.is_raced:
            raise InvalidState(
                f"request {number} cannot be merged yet: {result.reason}",
                fix="wait for it, or mend it; then merge again",
            )
        raise Raced((world.repository.ref,))
    return result


def _tree(here: Standing) -> str:
    if here.merge is None:
        raise InvalidState(f"request {here.request.number} is merged already")
    return here.merge.tree


def _require_current(here: Standing) -> None:
    number = here.request.number
    said = [*here.plan.conflicts, *([here.stale] if here.stale else [])]
    if here.plan.is_empty and not said:
        raise InvalidState(f"main has all of request {number} already", fix=f"stagedoor cancel {number}")
    if said:
        raise Conflict(
            "\n       ".join(said), where=f"request {number}", fix=f"stagedoor update {number}, then have it approved"
        )


def _require_agreed(here: Standing) -> None:
    number = here.request.number
    errors = here.plan.errors
    if errors:
        listed = "\n       ".join(f"{p.code} {p.what}" for p in errors[:10])
        raise ChecksFailed(listed, where=errors[0].where or f"request {number}", fix=errors[0].fix or None)


def _counted(here: Standing) -> tuple[Reviewed, ...]:
    """The approvals that the merge rests on."""
    verdict = here.plan.verdict
    counted = {who for ruling in verdict.rulings for who in ruling.approved_by} if verdict else set()
    return tuple(r for r in here.request.reviews if r.verdict == "approved" and r.by.lower() in counted)


def _tags(here: Standing) -> tuple[str, ...]:
    return tuple(review.tag for review in _counted(here) if review.tag)


def _message(here: Standing, comment: str) -> str:
    request = here.request
    counted = {review.by.lower() for review in _counted(here)}
    approvals = tuple(Approval(review.by, review.head) for review in _counted(here))
    said = comment or next((r.body for r in reversed(request.reviews) if r.body and r.by.lower() in counted), "")
    overridden = any(not gate.holds and gate.kind != "quarantine" for gate in here.plan.gates)
    glass = request.broken.reason if request.broken and overridden else ""
    trailers = Trailers(request.number, request.author, approvals, said, glass)
    return message(f"Merge request {request.number}: {request.title}", request.body, trailers)


# --- update ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Updated:
    """A request brought onto the newest main, and the versions that had to take another number."""

    request: Request
    renumbered: tuple[Renumbered, ...]
    changed: bool


def update(world: World, number: int) -> Updated:
    """Make the request's changes again on the newest main. New versions take the next free numbers.

    The head changes, so people have to approve again. Raises `Conflict` with what clashes.
    """
    request = world.forge.get(number)
    if not request.is_open:
        raise InvalidState(f"request {number} is {request.closed_as or request.state} already")
    require_may_push(world, request)
    main = world.main()
    if request.base == main:
        return Updated(request, (), changed=False)
    ours = world.snapshot(main)
    changes = changes_between(world.snapshot(request.base), world.snapshot(request.head))
    replayed = replay(changes, ours.registry)
    if replayed.conflicts:
        raise Conflict("\n       ".join(replayed.conflicts), where=f"request {number}", fix="cancel it, and ask again")
    files = {**_other_files(world, request, main), **texts(ours, replayed.registry)}
    head = with_files(ours, files)
    if plan(world, ours, head).is_empty:
        raise InvalidState(f"main has all of request {number} already", fix=f"stagedoor cancel {number}")
    tree = world.repository.write_tree(world.repository.commit_info(main).tree, files)
    who = world.signature()
    title = message(request.title, "", Trailers())
    commit = world.repository.commit(tree, (main, request.head), author=who, committer=who, message=title)
    pushed = world.forge.push(
        number, base=main, head=commit, why=f"onto {main[:10]}", expected=request.head,
        by=world.actor, at=world.now(), update=True,
    )  # fmt: skip
    return Updated(pushed, replayed.renumbered, changed=True)


def _other_files(world: World, request: Request, main: str) -> dict[str, bytes | None]:
    """What the request does to files that are no models, where main left those alone."""
    repository = world.repository
    root = root_of(repository)
    models = f"{root}registry_spec/models/"
    theirs = {c.path: c for c in repository.changes(request.base, request.head) if not c.path.startswith(models)}
    if world.snapshot(main).spec.stage_files:
        theirs = {path: c for path, c in theirs.items() if not is_stage_path(path.removeprefix(root))}
    ours = {c.path: c.after for c in repository.changes(request.base, main)}
    clashing = sorted(path for path, c in theirs.items() if path in ours and ours[path] != c.after)
    if clashing:
        raise Conflict(
            "\n       ".join(f"both sides changed {path}" for path in clashing),
            where=f"request {request.number}",
            fix="merge main into the branch by hand, and open a new request",
        )
    return {path: None if c.after is None else repository.blob(c.after.oid) for path, c in theirs.items()}


def checked(world: World, number: int) -> tuple[Problem, ...]:
    """Every problem of a request on today's main: clashes, checks, missing approvals."""
    here = standing(world, number)
    said = [*here.plan.conflicts, *([here.stale] if here.stale else [])]
    clashes = tuple(Problem("conflict", "error", text, fix=f"stagedoor update {number}") for text in said)
    return (*clashes, *here.plan.problems)
