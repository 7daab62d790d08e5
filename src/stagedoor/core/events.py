"""What happened, told in the past tense: the news that activities, notifications and webhooks are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, assert_never

from stagedoor.core.diff import (
    AliasMoved,
    Change,
    DescriptionChanged,
    EvidenceChanged,
    FactChanged,
    ModelCreated,
    ModelDeleted,
    ModelFactChanged,
    ModelMoved,
    ModelRenamed,
    StageMoved,
    TagDeleted,
    TagSet,
    VersionCreated,
    VersionDeleted,
)
from stagedoor.core.requests import BrokeGlass, Closed, Commented, MergedStep, Opened, Pushed, Request, Reviewed, Step
from stagedoor.core.spec import ARCHIVED, NO_STAGE, Version
from stagedoor.core.trailers import Trailers

KINDS: Final = (
    "registered_model.created",
    "registered_model.updated",
    "registered_model.renamed",
    "registered_model.deleted",
    "registered_model_tag.set",
    "registered_model_tag.deleted",
    "model_version.created",
    "model_version.updated",
    "model_version.transitioned",
    "model_version.deleted",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
    "transition_request.created",
    "transition_request.updated",
    "transition_request.approved",
    "transition_request.changes_requested",
    "transition_request.rejected",
    "transition_request.cancelled",
    "transition_request.broke_glass",
    "glass.broken",
    "comment.created",
    "policy.changed",
    "unreviewed_change",
    "webhook.disabled",
    "serving.failed",
    "serving.loaded",
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `commit` is where it is recorded; commit, kind and subject together name it for ever.

    `at` is what the commit claims and orders nothing: events come in the order of main.
    """

    kind: str
    subject: str
    text: str
    commit: str
    actor: str
    at: datetime
    model: str = ""
    version: int | None = None
    from_stage: str = ""
    to_stage: str = ""
    request: int | None = None
    requested_by: str = ""
    approved_by: tuple[str, ...] = ()
    comment: str = ""
    system_comment: str = ""
    models: tuple[str, ...] = ()
    versions: tuple[tuple[str, int], ...] = ()
    # model, version, from, to: what a request asks for
    moves: tuple[tuple[str, int, str, str], ...] = ()

    @property
    def key(self) -> str:
        """The event's name in a delivery's key."""
        return f"{self.commit}:{self.kind}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Happening:
    """The commit on main that changes came with."""

    commit: str
    actor: str
    at: datetime
    trailers: Trailers = field(default_factory=Trailers)


def events_of(changes: Sequence[Change], other_files: Sequence[str], happening: Happening) -> tuple[Event, ...]:
    """The events that one commit on main stands for, in the order of its changes."""
    entered = _entered(changes)
    told = [event for change in changes for event in _told(change, entered, happening)]
    if happening.trailers.break_glass:
        told.insert(0, _glass_told(changes, happening))
    if other_files:
        listed = ", ".join(other_files[:5]) + (f" and {len(other_files) - 5} more" if len(other_files) > 5 else "")
        told.append(_event("policy.changed", "policy", f"changed {listed}", happening))
    return tuple(told)


def _glass_told(changes: Sequence[Change], happening: Happening) -> Event:
    """Gates or a freeze were passed over: the first thing that anybody should hear of the commit."""
    models = tuple(dict.fromkeys(change.model for change in changes))
    done = f"merged past the gates: {happening.trailers.break_glass}"
    return _event("glass.broken", "main", done, happening, models=models, model=models[0] if len(models) == 1 else "")


def _entered(changes: Sequence[Change]) -> dict[tuple[str, str], int]:
    """The first version that came into each stage of each file."""
    moves = [change for change in changes if isinstance(change, StageMoved)]
    return {(move.path, move.now): move.version for move in reversed(moves)}


def _event(kind: str, subject: str, done: str, happening: Happening, **more: object) -> Event:
    trailers = happening.trailers
    said = f" (request {trailers.request} by {trailers.requested_by})" if trailers.request is not None else ""
    return Event(
        kind, subject, f"{happening.actor} {done}{said}", happening.commit, happening.actor, happening.at,
        request=trailers.request, requested_by=trailers.requested_by, comment=trailers.comment,
        approved_by=tuple(dict.fromkeys(approval.by for approval in trailers.approved_by)), **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _told(change: Change, entered: Mapping[tuple[str, str], int], h: Happening) -> Iterator[Event]:
    name = change.model
    match change:
        case ModelCreated(content=content):
            yield _event("registered_model.created", name, f"created {name}", h, model=name)
            for version in content.versions:
                yield from _version_told(name, version, h)
            for alias, number in sorted(content.aliases.items()):
                yield _alias_told(name, alias, None, number, h)
        case ModelDeleted():
            yield _event("registered_model.deleted", name, f"deleted {name}", h, model=name)
        case ModelRenamed(was=was):
            yield _event("registered_model.renamed", name, f"renamed {was} to {name}", h, model=name)
        case ModelMoved(was=was):
            done = f"moved {name} from {was} to {change.path}"
            yield _event("registered_model.updated", f"{name} path", done, h, model=name)
        case ModelFactChanged(field="last_version"):
            return
        case ModelFactChanged(field=field):
            yield _event("registered_model.updated", f"{name} {field}", f"changed {field} of {name}", h, model=name)
        case VersionCreated(content=content):
            yield from _version_told(name, content, h)
        case VersionDeleted(version=number):
            ref = f"{name}/{number}"
            yield _event("model_version.deleted", ref, f"deleted {ref}", h, model=name, version=number)
        case StageMoved():
            yield _stage_told(change, entered, h)
        case AliasMoved(alias=alias, was=was_number, now=now_number):
            yield _alias_told(name, alias, was_number, now_number, h)
        case EvidenceChanged(version=number, name=what, now=now):
            ref = f"{name}/{number}"
            done = f"attached evidence {what} to {ref}" if now else f"took evidence {what} off {ref}"
            kind = "model_version.updated"
            yield _event(kind, f"{ref} evidence.{what}", done, h, model=name, version=number)
        case FactChanged() | DescriptionChanged() | TagSet() | TagDeleted():
            yield _field_told(change, h)
        case _:
            assert_never(change)


def _version_told(name: str, version: Version, h: Happening) -> Iterator[Event]:
    ref, number = f"{name}/{version.version}", version.version
    yield _event("model_version.created", ref, f"registered {ref}", h, model=name, version=number)
    if version.stage != NO_STAGE:
        done = f"moved {ref} from {NO_STAGE} to {version.stage}"
        yield _event(
            "model_version.transitioned", ref, done, h,
            model=name, version=number, from_stage=NO_STAGE, to_stage=version.stage,
        )  # fmt: skip


def _stage_told(change: StageMoved, entered: Mapping[tuple[str, str], int], h: Happening) -> Event:
    ref = f"{change.model}/{change.version}"
    newcomer = entered.get((change.path, change.was))
    why = ""
    if newcomer is not None and change.now == ARCHIVED:
        why = f"archived because version {newcomer} came into {change.was}"
    return _event(
        "model_version.transitioned", ref, f"moved {ref} from {change.was} to {change.now}", h,
        model=change.model, version=change.version, from_stage=change.was, to_stage=change.now, system_comment=why,
    )  # fmt: skip


def _alias_told(name: str, alias: str, was: int | None, now: int | None, h: Happening) -> Event:
    if now is None:
        done = f"took the alias {alias} off {name}/{was}"
        return _event("model_version_alias.deleted", f"{name}@{alias}", done, h, model=name, version=was)
    done = f"pointed {name}@{alias} at version {now}" + (f", before at {was}" if was is not None else "")
    return _event("model_version_alias.created", f"{name}@{alias}", done, h, model=name, version=now)


def _field_told(change: FactChanged | DescriptionChanged | TagSet | TagDeleted, h: Happening) -> Event:
    ref = change.model if change.version is None else f"{change.model}/{change.version}"
    entity = "registered_model" if change.version is None else "model_version"
    match change:
        case FactChanged(field=field):
            kind, subject, done = f"{entity}.updated", f"{ref} {field}", f"changed the fact {field} of {ref}"
        case DescriptionChanged():
            kind, subject, done = f"{entity}.updated", ref, f"described {ref}"
        case TagSet(key=key, now=now):
            shown = now if len(now) <= 60 else f"{now[:57]}..."
            kind, subject, done = f"{entity}_tag.set", f"{ref} tags.{key}", f"set the tag {key} of {ref} to {shown}"
        case TagDeleted(key=key):
            kind, subject, done = f"{entity}_tag.deleted", f"{ref} tags.{key}", f"took the tag {key} off {ref}"
    return _event(kind, subject, done, h, model=change.model, version=change.version)


# --- requests -------------------------------------------------------------------------------------------------------


def moves_of(changes: Sequence[Change]) -> tuple[tuple[str, int, str, str], ...]:
    """The stage moves that a request is for: model, version, from, to.

    A version that only makes room for another one is moved by the registry, and nobody asks for that by itself.
    """
    entered = _entered(changes)
    moves = (change for change in changes if isinstance(change, StageMoved))
    return tuple(
        (move.model, move.version, move.was, move.now)
        for move in moves
        if move.now != ARCHIVED or (move.path, move.was) not in entered
    )


def request_event(
    request: Request,
    step: Step,
    commit: str,
    versions: tuple[tuple[str, int], ...],
    models: tuple[str, ...],
    moves: tuple[tuple[str, int, str, str], ...] = (),
) -> Event | None:
    """The event that one step of a request stands for; None for a merge, which main tells itself.

    `versions` and `models` are those that the request is about: who follows one of them hears of it. `moves` is what
    it asks for.
    """
    ref = f"request {request.number}"
    match step:
        case Opened():
            kind, done, said = "transition_request.created", f"opened {ref}: {request.title}", step.body
        case Pushed():
            kind, done, said = "transition_request.updated", f"pushed a new head to {ref}", step.why
        case Reviewed(verdict="approved"):
            kind, done, said = "transition_request.approved", f"approved {ref}: {request.title}", step.body
        case Reviewed():
            kind, done = "transition_request.changes_requested", f"asked for changes in {ref}: {request.title}"
            said = step.body
        case BrokeGlass():
            kind, said = "transition_request.broke_glass", step.reason
            done = f"broke the glass of {ref}: {request.title}"
        case Commented():
            kind, done, said = "comment.created", f"commented on {ref}: {request.title}", step.body
        case Closed():
            kind, done = f"transition_request.{step.how}", f"{step.how} {ref}: {request.title}"
            said = step.body
        case MergedStep():
            return None
        case _:
            assert_never(step)
    return Event(
        kind, ref, f"{step.by} {done}", commit, step.by, step.at, request=request.number, requested_by=request.author,
        comment=said, models=models, versions=versions, moves=moves, model=models[0] if len(models) == 1 else "",
        version=versions[0][1] if len(versions) == 1 and len(models) == 1 else None,
    )  # fmt: skip


def version_comment(model: str, version: int, by: str, at: datetime, body: str, commit: str) -> Event:
    """Somebody said something about a version."""
    ref = f"{model}/{version}"
    return Event(
        "comment.created", ref, f"{by} commented on {ref}", commit, by, at, model=model, version=version, comment=body
    )


def unreviewed(happening: Happening, what: Iterable[str], reason: str) -> Event:
    """A commit that came to main without the agreement it needed."""
    listed = list(what)
    shown = "; ".join(listed[:5]) + (f"; and {len(listed) - 5} more" if len(listed) > 5 else "")
    text = f"{happening.actor} changed main without an approved request: {shown or 'nothing in the registry'}"
    return Event(
        "unreviewed_change", "main", text, happening.commit, happening.actor, happening.at,
        request=happening.trailers.request, requested_by=happening.trailers.requested_by, system_comment=reason,
    )  # fmt: skip


def webhook_disabled(cause: Event, webhook: str, title: str, failures: int, reason: str, at: datetime) -> Event:
    """A webhook that failed too often is not called any more; `cause` is the event it failed at last."""
    text = f"the webhook {title} is not called any more: it failed {failures} times in a row"
    return Event(
        "webhook.disabled", f"webhook {webhook}", text, cause.commit, "the reconciler", at, system_comment=reason
    )


def serving_failed(
    model: str, version: int, stage: str, by: str, at: datetime, reason: str, commit: str, *, host: str = ""
) -> Event:
    """A version that should be served could not be loaded; whatever was served before still is."""
    ref = f"{model}/{version}"
    text = f"{ref} could not be loaded{f' on {host}' if host else ''}{f' for {stage}' if stage else ''}: {reason}"
    return Event("serving.failed", ref, text, commit, by, at, model=model, version=version, to_stage=stage)


def serving_loaded(
    model: str, version: int, stage: str, by: str, at: datetime, commit: str, *, host: str = ""
) -> Event:
    """A version that could not be loaded is served after all."""
    ref = f"{model}/{version}"
    text = f"{ref} is served{f' on {host}' if host else ''}{f' for {stage}' if stage else ''} after all"
    return Event("serving.loaded", ref, text, commit, by, at, model=model, version=version, to_stage=stage)
