"""What happened to a version, in Databricks' words: moves, requests and comments, newest first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from stagedoor.core.events import Event
from stagedoor.core.registry import Ref
from stagedoor.core.requests import Closed, MergedStep, Opened, Request
from stagedoor.workflows import comments, history
from stagedoor.workflows.moving import Wanted, moves_of
from stagedoor.workflows.world import World

# https://docs.databricks.com/api/workspace/modelregistry: ActivityType
Kind = Literal[
    "APPLIED_TRANSITION",
    "REQUESTED_TRANSITION",
    "CANCELLED_REQUEST",
    "APPROVED_REQUEST",
    "REJECTED_REQUEST",
    "SYSTEM_TRANSITION",
    "NEW_COMMENT",
]
_TRANSITIONED: Final = "model_version.transitioned"


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that happened to a version, or is asked for."""

    id: str
    kind: Kind
    by: str
    at: datetime
    comment: str = ""
    system_comment: str = ""
    from_stage: str | None = None
    to_stage: str | None = None


def asked(one: Wanted) -> Activity:
    """An open request as the activity of asking."""
    request = one.request
    return Activity(
        f"request-{request.number}", "REQUESTED_TRANSITION", request.author, request.opened_at, request.body,
        from_stage=one.from_stage, to_stage=one.to_stage,
    )  # fmt: skip


def ended(one: Wanted, kind: Kind, by: str, at: datetime, comment: str) -> Activity:
    """The end of a request as an activity."""
    id_ = f"request-{one.request.number}-{kind.partition('_')[0].lower()}"
    return Activity(id_, kind, by, at, comment, from_stage=one.from_stage, to_stage=one.to_stage)


def of_version(world: World, ref: Ref) -> tuple[Activity, ...]:
    """Everything that happened to a version, newest first. What came at the same time stays in the order of main."""
    path = world.snapshot().registry.path(ref.model)
    moves = ((request, one) for request in world.forge.requests("all") for one in moves_of(world, request, path))
    asked = [(request, one) for request, one in moves if one.version == ref.version]
    return told(history.activity(world, ref.model, ref.version), comments.of(world, str(ref)), asked)


def told(
    events: Sequence[Event], said: Sequence[comments.Comment], asked: Sequence[tuple[Request, Wanted]]
) -> tuple[Activity, ...]:
    """As `of_version`, from what is known of it: its events, its comments, and the moves that requests ask for."""
    # a commit has whole seconds, and the step of the merge knows better
    merged = {one.number: step.at for one, _ in asked for step in one.steps if isinstance(step, MergedStep)}
    moves = [_moved(one, merged.get(one.request or 0, one.at)) for one in events if one.kind == _TRANSITIONED]
    found = [*moves, *map(_commented, reversed(said)), *_of_requests(asked)]
    return tuple(sorted(found, key=lambda one: one.at, reverse=True))


def _moved(event: Event, at: datetime) -> Activity:
    kind: Kind = "APPLIED_TRANSITION" if event.request is None else "APPROVED_REQUEST"
    return Activity(
        hashlib.sha256(event.key.encode()).hexdigest()[:32],
        "SYSTEM_TRANSITION" if event.system_comment else kind,
        event.actor, at, event.comment, event.system_comment, event.from_stage, event.to_stage,
    )  # fmt: skip


def _commented(comment: comments.Comment) -> Activity:
    return Activity(comment.id, "NEW_COMMENT", comment.by, comment.at, comment.body)


def _of_requests(asked_: Sequence[tuple[Request, Wanted]]) -> Iterator[Activity]:
    for request, one in asked_:
        for step in request.steps:
            if isinstance(step, Opened):
                yield asked(one)
            elif isinstance(step, Closed):
                kind: Kind = "REJECTED_REQUEST" if step.how == "rejected" else "CANCELLED_REQUEST"
                yield ended(one, kind, step.by, step.at, step.body)
