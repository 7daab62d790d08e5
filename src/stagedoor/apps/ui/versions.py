"""The page of one version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from stagedoor.apps.ui.looks import Look
from stagedoor.apps.ui.models import may_of
from stagedoor.apps.ui.requests import judged
from stagedoor.core.approval import Verdict
from stagedoor.core.gates import GateRuling, gates_for
from stagedoor.core.owners import Level
from stagedoor.core.plan import MetricDelta
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.registry import Ref
from stagedoor.core.requests import Request
from stagedoor.core.spec import ARCHIVED, NO_STAGE, PRODUCTION, RegisteredModel, Version
from stagedoor.core.views.gates import Guard, guards
from stagedoor.errors import RegistryError
from stagedoor.workflows import activities, attaching, comments, following, gating, rights
from stagedoor.workflows.activities import Activity
from stagedoor.workflows.attaching import Attached

_WORDS: Final = {
    "APPLIED_TRANSITION": "moved it",
    "REQUESTED_TRANSITION": "asked for a move",
    "CANCELLED_REQUEST": "cancelled the request for",
    "APPROVED_REQUEST": "merged the request for",
    "REJECTED_REQUEST": "rejected the request for",
    "SYSTEM_TRANSITION": "made way",
    "NEW_COMMENT": "commented",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One stage that the version could go to. `direct` says that the viewer may do it at once."""

    stage: str
    direct: bool
    may_archive: bool
    occupied: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """One move that an open request asks for, and what the viewer may do about it."""

    request: Request
    url: str
    from_stage: str
    to_stage: str
    may_approve: bool
    may_reject: bool
    may_cancel: bool
    verdict: Verdict | None = None
    # what is in the way besides agreement
    held_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """What guards one stage, and how it stands for this version; `rulings` is None where it was not tried."""

    stage: str
    guard: Guard
    rulings: tuple[GateRuling, ...] | None
    others: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing but agreement is missing."""
        return self.rulings is not None and not self.others and not any(ruling.stops for ruling in self.rulings)


@dataclass(frozen=True, slots=True)
class Deed:
    """One activity in words."""

    activity: Activity
    said: str


def version(look: Look, name: str, number: int, said: Mapping[str, str]) -> dict[str, Any]:
    """Everything about one version."""
    path = look.require_readable(name)
    found = look.snapshot.registry.models[path]
    one = look.snapshot.registry.version(name, number)
    ref = Ref(name, number)
    lineage = look.story(name).lineage(number)
    against, deltas = _beside(found, one)
    may = may_of(look, path)
    return {
        "model": found,
        "name": name,
        "ref": str(ref),
        "one": one,
        "path": path,
        "lineage": lineage,
        "aliases": found.aliases_of(number),
        "against": against,
        "deltas": deltas,
        "choices": list(_choices(look, found, one, path)) if look.is_live and look.viewer else [],
        "pending": list(_pending(look, path, number)),
        "gates": list(_gates(look, found, one, said.get("gates", ""))),
        "evidence": _evidence(look, ref),
        "deeds": [Deed(activity, _said(activity)) for activity in _activities(look, ref)],
        "comments": {comment.id: comment for comment in _comments(look, ref)},
        "may": may,
        "others": [other.version for other in found.versions if other.version != number][-50:],
        "subscription": _subscription(look, ref),
        "can_manage": may.manage,
    }


def _beside(found: RegisteredModel, one: Version) -> tuple[int | None, tuple[MetricDelta, ...]]:
    """The metrics beside those of the version in Production, or alone."""
    holders = [version for version in found.in_stage(PRODUCTION) if version.version != one.version]
    incumbent = max(holders, key=lambda version: version.version, default=None)
    was = incumbent.metrics if incumbent else {}
    names = sorted(one.metrics.keys() | was.keys())
    return (
        incumbent.version if incumbent else None,
        tuple(MetricDelta(name, was.get(name), one.metrics.get(name)) for name in names),
    )


def _choices(look: Look, found: RegisteredModel, one: Version, path: str) -> Iterator[Choice]:
    spec = look.main.spec
    for stage in spec.stages:
        if stage.name == one.stage:
            continue
        direct = _may_do(spec, one.stage, stage.name) and rights.may_move(
            look.main, look.viewer, path, one.stage, stage.name
        )
        there = tuple(version.version for version in found.in_stage(stage.name))
        yield Choice(stage.name, direct, stage.name not in (NO_STAGE, ARCHIVED), there)


def _may_do(spec: RegistrySpec, was: str, now: str) -> bool:
    """Whether the policy lets owners move at all without a request."""
    stages = [stage for stage in map(spec.stage, (was, now)) if stage]
    plain = all(stage.direct and stage.approvals == 1 and stage.teams == 1 and not stage.signed for stage in stages)
    return "transition" in spec.direct and plain


def _pending(look: Look, path: str, number: int) -> Iterator[Pending]:
    for request in look.asked_of(path):
        for one in look.moves(request, path):
            if one.version == number:
                yield pending(look, path, request, one.from_stage, one.to_stage)


def pending(look: Look, path: str, request: Request, was: str, now: str) -> Pending:
    """One move that is asked for, and what the viewer may do about it."""
    me = look.viewer.lower()
    acts = look.is_live and bool(me)
    may = acts and rights.may_move(look.main, me, path, was, now)
    is_mine = me in request.authors
    here = judged(look, request)
    held = (*here.outdated, *(one.what for one in here.plan.errors if one.code != "SD404")) if here else ()
    return Pending(
        request,
        look.links.request(request.number),
        was,
        now,
        may_approve=may and (not is_mine or look.main.spec.owners.author_may_approve),
        may_reject=may,
        may_cancel=acts and (is_mine or rights.has(look.main, me, path, Level.MANAGE)),
        verdict=here.plan.verdict if here else None,
        held_back=held,
    )


# --- gates ----------------------------------------------------------------------------------------------------------


def _gates(look: Look, found: RegisteredModel, one: Version, asked: str) -> Iterator[Tried]:
    """What guards each other stage. Looking at an artifact takes time, so that is done when somebody asks."""
    spec = look.snapshot.spec
    for guard in guards(spec, found.name):
        if guard.stage == one.stage or not (guard.rules or guard.gates or guard.freezes):
            continue
        is_slow = any(gate.artifact for gate in gates_for(spec.gates, found.name, guard.stage))
        if not look.is_live or (is_slow and asked != guard.stage):
            yield Tried(guard.stage, guard, None)
            continue
        yield _tried(look, found, one, guard)


def _tried(look: Look, found: RegisteredModel, one: Version, guard: Guard) -> Tried:
    archive = guard.stage not in (NO_STAGE, ARCHIVED)
    try:
        tried = gating.try_move(look.world, f"{found.name}/{one.version}", guard.stage, archive=archive)
    except RegistryError as error:
        return Tried(guard.stage, guard, (), (error.what,))
    mine = tuple(ruling for ruling in tried.plan.gates if ruling.version == one.version)
    return Tried(guard.stage, guard, mine, tuple(problem.what for problem in tried.others))


# --- what happened --------------------------------------------------------------------------------------------------


def _activities(look: Look, ref: Ref) -> tuple[Activity, ...]:
    path = look.snapshot.registry.path(ref.model)
    events = [event for event in look.story(ref.model).events if event.version == ref.version]
    asked = [(one, move) for one in look.requests for move in look.moves(one, path) if move.version == ref.version]
    said = comments.of(look.world, str(ref)) if look.moment is None else ()
    return activities.told(events, said, asked)


def _comments(look: Look, ref: Ref) -> tuple[comments.Comment, ...]:
    return comments.of(look.world, str(ref)) if look.is_live else ()


def _said(one: Activity) -> str:
    return _WORDS[one.kind]


def _evidence(look: Look, ref: Ref) -> tuple[Attached, ...]:
    return attaching.attached(look.world, str(ref)) if look.moment is None else ()


def _subscription(look: Look, ref: Ref) -> str:
    return following.subscription(look.world, str(ref)) if look.is_live and look.viewer else ""
