"""The point in the past that a person names: a revision, the head of a request, or a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stagedoor.core.layout import REGISTRY_FILE
from stagedoor.core.timeline import Chain
from stagedoor.errors import BadInput, NotFound
from stagedoor.workflows.snapshots import root_of
from stagedoor.workflows.world import World

# https://www.rfc-editor.org/rfc/rfc3339#section-5.6, where seconds and offset may be left out
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
_DAY = len("2026-10-01")
HOW_TO_SAY = "name a branch, a tag, a commit, or a time such as 2026-10-01 or 2026-10-01T12:00Z"


@dataclass(frozen=True, slots=True)
class Moment:
    """The commit that was meant; `merged` is when it is believed to have come onto main, None if it never did."""

    commit: str
    merged: datetime | None


def commit_at(world: World, text: str) -> Moment:
    """The commit that `text` means: main as it was at a time, or any revision that holds a registry.

    A time without an offset is UTC. A day means its end, so that all of it counts; today means now. Where a tag is
    called like a time, the time is meant. Raises `BadInput` for a time that is still to come, `NotFound` for one
    before the registry, `BadRepository` on a shallow or partial clone that is asked about a time.
    """
    if _TIME.fullmatch(text):
        return _at_time(world, text)
    commit = _revision(world, text)
    if not _holds_a_registry(world, commit):
        raise NotFound(f"there is no registry in {text}", where=commit[:10], fix=_beginning(world))
    repository = world.repository
    if repository.is_shallow or repository.is_partial:
        return Moment(commit, None)
    return Moment(commit, _merged(world.chain(), commit))


def state_of_main(world: World, text: str | None) -> Moment:
    """As `commit_at`, for questions about main itself; None is main as it is now."""
    world.repository.require_history()
    chain = world.chain()
    moment = Moment(*chain.newest) if text is None else commit_at(world, text)
    if moment.merged is None:
        raise BadInput(
            f"{text} was never the state of {world.repository.branch}",
            where=moment.commit[:10],
            fix=f"name a commit of git log --first-parent {world.repository.branch}, or a time",
        )
    return moment


def _merged(chain: Chain, commit: str) -> datetime | None:
    return chain.time_of(commit) if commit in chain else None


def _revision(world: World, text: str) -> str:
    # what a reflog remembers is this clone's own story, and by this machine's clock
    if "@{" in text:
        raise BadInput(f"{text} asks this clone's reflog", fix=HOW_TO_SAY)
    try:
        return world.repository.resolve(text)
    except NotFound as error:
        fix = error.fix if world.repository.is_shallow else HOW_TO_SAY
        raise NotFound(error.what, fix=fix) from error


def _at_time(world: World, text: str) -> Moment:
    first, last = _span_of(text)
    if first > world.now():
        raise BadInput(f"{text} is still to come", fix=f"the newest state is {world.repository.branch}")
    chain = world.chain()
    commit = chain.commit_at(last)
    if commit is None or not _holds_a_registry(world, commit):
        raise NotFound(f"there was no registry yet at {text}", fix=_beginning(world))
    return Moment(commit, chain.time_of(commit))


def _span_of(text: str) -> tuple[datetime, datetime]:
    """The first and the last moment that are meant: of a day its ends, of a time of day itself."""
    try:
        start = datetime.fromisoformat(text.upper())
        start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
        length = timedelta(days=1, microseconds=-1) if len(text) == _DAY else timedelta()
        return start, start + length
    except (ValueError, OverflowError):
        raise BadInput(f"{text} is not in the calendar", fix=HOW_TO_SAY) from None


def _holds_a_registry(world: World, commit: str) -> bool:
    return world.repository.entry(commit, root_of(world.repository) + REGISTRY_FILE) is not None


def _beginning(world: World) -> str:
    """Where the registry begins, as a cure."""
    repository = world.repository
    world.main()
    if repository.is_shallow or repository.is_partial:
        return HOW_TO_SAY
    path = root_of(repository) + REGISTRY_FILE
    first = next(repository.first_parents(None, world.main(), paths=(path,)))
    return f"the registry begins with {first.oid[:10]}, merged {world.chain().time_of(first.oid):%Y-%m-%d %H:%M:%S} UTC"
