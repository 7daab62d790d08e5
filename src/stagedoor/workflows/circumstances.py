"""What gates need to know besides the two states of the registry: the time, waivers, history, files of evidence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from stagedoor.core.diff import ModelCreated, StageMoved, VersionCreated, VersionDeleted
from stagedoor.core.gates import Ask, Broken, Circumstances, Entry
from stagedoor.core.layout import evidence_path
from stagedoor.core.timeline import Chain
from stagedoor.errors import BadSpec, NotFound
from stagedoor.gitstore import TooBig
from stagedoor.workflows.history import Landed, landings_of
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World

MAX_EVIDENCE = 1024 * 1024


def circumstances(
    world: World, base: Snapshot, head: Snapshot, *, ask: Ask, broken: Broken | None, at: datetime | None = None
) -> Circumstances:
    """The circumstances of a change of `base`, whose policy they are, at a time (default: now)."""
    now = at or world.now()
    return Circumstances(
        now=now,
        waivers=base.waivers,
        quarantine=base.quarantine,
        ask=ask,
        broken=broken,
        time_in=_time_in(world, base, now),
        file_of=_file_of(head),
    )


def _file_of(head: Snapshot) -> Callable[[str], bytes | None]:
    def file_of(digest: str) -> bytes | None:
        path = evidence_path(digest)
        if path not in head.files:
            return None
        try:
            return head.raw(path)
        except (BadSpec, TooBig):
            return None

    return file_of


def _time_in(world: World, base: Snapshot, now: datetime) -> Callable[[Entry, str], timedelta | None]:
    """How long a version has been in a stage, in all, by the commits of main and never by what a spec says."""
    known: dict[str, tuple[Landed, ...]] = {}

    def time_in(entry: Entry, stage: str) -> timedelta | None:
        name = base.registry.models[entry.path].name if entry.path in base.registry.models else entry.model.name
        if name not in known:
            known[name] = _landings(world, base, name)
        return _spent(known[name], entry.version.version, stage, now, world.chain())

    return time_in


def _landings(world: World, base: Snapshot, name: str) -> tuple[Landed, ...]:
    try:
        return landings_of(world, name, base.commit)
    except NotFound:
        # the model comes with this very change
        return ()


def _spent(story: tuple[Landed, ...], number: int, stage: str, now: datetime, chain: Chain) -> timedelta | None:
    spent, since, was_there = timedelta(), None, False
    for one in story:
        moved = _stage_after(one, number)
        if moved is None:
            continue
        when = chain.time_of(one.commit.oid) if one.commit.oid in chain else one.commit.committer.time
        if since is not None:
            spent += max(when - since, timedelta())
        since = when if moved == stage else None
        was_there = was_there or moved == stage
    if since is not None:
        spent += max(now - since, timedelta())
    return spent if was_there else None


def _stage_after(one: Landed, number: int) -> str | None:
    """The stage that a commit put a version into, nothing where it deleted it; None where it left it alone."""
    for change in one.changes:
        match change:
            case StageMoved(version=version, now=now) if version == number:
                return now
            case VersionCreated(version=version, content=content) if version == number:
                return content.stage
            case VersionDeleted(version=version) if version == number:
                return ""
            case ModelCreated(content=model) if (found := model.version(number)) is not None:
                return found.stage
            case _:
                pass
    return None
