"""Stages by model, version and stage, as Databricks' API speaks of them: moves, and the requests for moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from stagedoor.core.approval import holders_of
from stagedoor.core.diff import StageMoved
from stagedoor.core.intents import Transition, checked_stage
from stagedoor.core.registry import Ref
from stagedoor.core.requests import Request
from stagedoor.core.spec import ARCHIVED, NO_STAGE
from stagedoor.errors import AlreadyExists, BadInput, BadSpec, ChecksFailed, Denied, InvalidState, NotFound
from stagedoor.workflows import reviewing
from stagedoor.workflows.merges import changes_between
from stagedoor.workflows.rights import readable
from stagedoor.workflows.snapshots import root_of
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import propose, write


@dataclass(frozen=True, slots=True)
class Wanted:
    """An open request, and one move in it. `is_all` says that it does nothing else, so that it may go by its stage."""

    request: Request
    version: int
    from_stage: str
    to_stage: str
    is_all: bool


def wanted(world: World, name: str, version: int | None = None, stage: str | None = None) -> tuple[Wanted, ...]:
    """The moves of a model's versions that open requests ask for, oldest request first."""
    return _wanted(world, world.snapshot().registry.path(name), version, stage)


def _wanted(world: World, path: str, version: int | None, stage: str | None) -> tuple[Wanted, ...]:
    found = [one for request in reversed(world.forge.requests("open")) for one in moves_of(world, request, path)]
    return tuple(one for one in found if version in (None, one.version) and stage in (None, one.to_stage))


def moves_of(world: World, request: Request, path: str) -> Iterator[Wanted]:
    """The moves in one request of the versions in a file, without those that make way for another."""
    touched = {change.path for change in world.repository.changes(request.base, request.head)}
    top = root_of(world.repository) + path
    if top not in touched:
        return
    try:
        changes = changes_between(world.snapshot(request.base), world.snapshot(request.head), {path})
    except BadSpec:
        return
    moves = [change for change in changes if isinstance(change, StageMoved)]
    for move in moves:
        makes_way = any(other.now == move.was and move.now == ARCHIVED for other in moves if other is not move)
        if not makes_way:
            is_all = touched == {top} and len(moves) == len(changes) and _goes_with(move, moves)
            yield Wanted(request, move.version, move.was, move.now, is_all)


def _goes_with(move: StageMoved, moves: Sequence[StageMoved]) -> bool:
    """Whether the other moves only make way for this one."""
    return all(other is move or (other.was == move.now and other.now == ARCHIVED) for other in moves)


def _stage(world: World, name: str, archive_existing: bool) -> str:
    stage = checked_stage(world.snapshot().spec, name).name
    if archive_existing and stage in (NO_STAGE, ARCHIVED):
        raise BadInput(
            f"archive_existing_versions means nothing for {stage}",
            where="archive_existing_versions",
            fix="use it with Staging or Production",
        )
    return stage


# --- directly -------------------------------------------------------------------------------------------------------


def move(world: World, ref: Ref, stage: str, *, archive_existing: bool = False, comment: str = "") -> str:
    """Move a version at once, as the stage's owner; the commit. Where it is already, nothing happens, and it is empty.

    Requests for the same move lose their meaning and are closed.
    """
    readable(world, ref.model)
    to_stage = _stage(world, stage, archive_existing)
    number = ref.version or 0
    before = world.snapshot().registry.version(ref.model, number).stage
    others = [v for v in world.snapshot().registry.model(ref.model).in_stage(to_stage) if v.version != number]
    if before == to_stage and not (archive_existing and others):
        return ""
    intent = Transition(ref.model, number, to_stage, archive_existing, expected=before)
    instead = f"transition-requests/create, or stagedoor request {ref} {to_stage}"
    commit = write(world, [intent], f"Move {ref} to {to_stage}", comment=comment, instead=instead).commit
    # the model's file of then: by now it may be renamed, or gone
    for one in _wanted(world, world.snapshot(commit or None).registry.path(ref.model), number, to_stage):
        if one.is_all:
            _close(world, one, f"{ref} was moved to {to_stage} directly")
    return commit


def _close(world: World, one: Wanted, why: str) -> None:
    with suppress(InvalidState):
        # somebody else has closed it meanwhile; what was asked for has landed all the same
        world.forge.close(one.request.number, "cancelled", why, by=world.actor, at=world.now())


# --- by request -----------------------------------------------------------------------------------------------------


def ask(world: World, ref: Ref, stage: str, comment: str = "") -> Wanted:
    """Open a request for a move: one a version, stage and person. Whoever may read the model may ask."""
    # in turn, so that who asks twice at once is seen to have asked
    return world.repository.in_turn(lambda: _ask_once(world, ref, stage, comment), "requests", world.sleep)


def _ask_once(world: World, ref: Ref, stage: str, comment: str) -> Wanted:
    readable(world, ref.model)
    to_stage, number = _stage(world, stage, archive_existing=False), ref.version or 0
    now = world.snapshot().registry.version(ref.model, number).stage
    if now == to_stage:
        raise InvalidState(f"{ref} is in {to_stage} already", fix="ask for another stage")
    for one in wanted(world, ref.model, number, to_stage):
        if one.request.author.lower() == world.actor.email.lower():
            raise AlreadyExists(
                f"{world.actor.email} asks for {ref} in {to_stage} already, by request {one.request.number}",
                fix="wait for its owners, or cancel it first",
            )
    intent = Transition(ref.model, number, to_stage, expected=now)
    outcome = propose(world, [intent], f"Move {ref} to {to_stage}", comment=comment)
    assert outcome.request is not None  # noqa: S101
    return Wanted(outcome.request, number, now, to_stage, is_all=True)


def _open(world: World, ref: Ref, stage: str) -> tuple[Wanted, ...]:
    """The open requests for a move. `NotFound` where there is none; a request that does more is not for this door."""
    readable(world, ref.model)
    world.snapshot().registry.version(ref.model, ref.version or 0)
    found = wanted(world, ref.model, ref.version, _stage(world, stage, archive_existing=False))
    if not found:
        raise NotFound(f"nobody asks for {ref} in {stage}", fix="transition-requests/list shows the open requests")
    for one in found:
        if not one.is_all:
            number = one.request.number
            raise InvalidState(
                f"request {number} does more than move {ref} to {one.to_stage}",
                fix=f"look at all of it: stagedoor request show {number}",
            )
    return found


def approve(world: World, ref: Ref, stage: str, *, archive_existing: bool = False, comment: str = "") -> Wanted:
    """Approve what is asked for and merge it, with the others in the stage archived where wanted.

    The oldest request that the actor did not open lands; those of others for the same move have nothing left to do.
    Where the stage asks for more approvals, this one is kept and `InvalidState` says what is missing.
    """
    to_stage = _stage(world, stage, archive_existing)
    found = _open(world, ref, to_stage)
    me = world.actor.email.lower()
    chosen = next((one for one in found if me not in one.request.authors), found[0])
    also = [Transition(ref.model, ref.version or 0, to_stage, archive_existing=True)] if archive_existing else []
    _require_may_agree(world, chosen, also)
    reviewing.approve(world, chosen.request.number, comment)
    _merge(world, chosen, comment, also)
    for one in found:
        if one is not chosen:
            _close(world, one, f"request {chosen.request.number} moved {ref} to {to_stage}")
    return chosen


def _require_may_agree(world: World, one: Wanted, also: Sequence[Transition]) -> None:
    """Before anything is recorded: the actor may agree to all of it, and nothing but agreement is missing."""
    here = reviewing.standing(world, one.request.number, also)
    policy, me = world.snapshot(), world.actor.email
    for ruling in here.plan.verdict.rulings if here.plan.verdict else ():
        if me.lower() not in holders_of(ruling.need, policy.owners, policy.people):
            raise Denied(
                f"{me} may not approve this: {ruling.need.why[0]}: {ruling.need.title} is owned by "
                f"{', '.join(ruling.owners) or 'nobody'}",
                where=policy.owners.path,
            )
    errors = [problem for problem in here.plan.errors if problem.code != "SD404"]
    if errors and not here.stale:
        first = errors[0]
        said = "; ".join(f"{problem.code} {problem.what}" for problem in errors[:10])
        raise ChecksFailed(said, where=first.where or None, fix=first.fix or None)


def _merge(world: World, one: Wanted, comment: str, also: Sequence[Transition]) -> None:
    try:
        reviewing.merge(world, one.request.number, comment, also)
    except ChecksFailed as error:
        _kept(one.request.number, error)


def _kept(number: int, error: ChecksFailed) -> NoReturn:
    raise InvalidState(
        f"the approval of request {number} is kept, and it cannot merge yet: {error.what}",
        where=error.where,
        fix=error.fix,
    ) from error


def reject(world: World, ref: Ref, stage: str, comment: str = "") -> Wanted:
    """Refuse what is asked for, as somebody who could approve it: all open requests for the move."""
    found = _open(world, ref, stage)
    reviewing.reject(world, found[0].request.number, comment)
    for one in found[1:]:
        with suppress(InvalidState):
            # somebody else has closed it meanwhile; the first is refused all the same
            reviewing.reject(world, one.request.number, comment)
    return found[0]


def cancel(world: World, ref: Ref, stage: str, creator: str, comment: str = "") -> Wanted:
    """Take one person's request for a move back."""
    mine = [one for one in _open(world, ref, stage) if one.request.author.lower() == creator.lower()]
    if not mine:
        raise NotFound(f"{creator} does not ask for {ref} in {stage}", fix="creator is who opened the request")
    reviewing.cancel(world, mine[0].request.number, comment)
    return mine[0]
