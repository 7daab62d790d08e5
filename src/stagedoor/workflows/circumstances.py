"""What gates need to know besides the two states of the registry: the time, waivers, history, files of evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from stagedoor.core.diff import ModelMoved
from stagedoor.core.gates import Ask, Broken, Circumstances, Condition, Entry
from stagedoor.core.gates.stays import Stays
from stagedoor.core.layout import evidence_path
from stagedoor.core.policy import Gate
from stagedoor.core.timeline import Chain
from stagedoor.errors import BadSpec, NotFound
from stagedoor.gitstore import TooBig
from stagedoor.workflows.history import Landed, landings_of
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World


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
        file_of=file_of(head),
        proofs_of=_proofs_of(world, base, head),
    )


def _proofs_of(world: World, base: Snapshot, head: Snapshot) -> Callable[[Entry, Gate], tuple[Condition, ...]]:
    def look(entry: Entry, gate: Gate) -> tuple[Condition, ...]:
        # what opens artifacts takes time to load, and few registries ask for it
        from stagedoor.workflows.proofs import proofs_of

        return proofs_of(world, base, head, entry, gate.artifact) if gate.artifact else ()

    return look


def file_of(head: Snapshot) -> Callable[[str], bytes | None]:
    """The files of evidence of a snapshot, by their digests; None for one that is not there."""

    def read(digest: str) -> bytes | None:
        path = evidence_path(digest)
        if path not in head.files:
            return None
        try:
            return head.raw(path)
        except (BadSpec, TooBig):
            return None

    return read


def _time_in(world: World, base: Snapshot, now: datetime) -> Callable[[Entry, str], timedelta | None]:
    """How long a version has been in a stage, in all, by the commits of main and never by what a spec says."""
    known: dict[str, Stays] = {}

    def time_in(entry: Entry, stage: str) -> timedelta | None:
        name = _name_before(base, entry)
        if name not in known:
            known[name] = _stays(world, base, name, now)
        return known[name].time_in(_PLACE, entry.version.version, stage, now)

    return time_in


_PLACE = ""


def _name_before(base: Snapshot, entry: Entry) -> str:
    """What the model is called before the change, which may rename it."""
    if entry.path in base.registry.models:
        return base.registry.models[entry.path].name
    return next((model.name for model in base.registry if model.id == entry.model.id), entry.model.name)


def _stays(world: World, base: Snapshot, name: str, now: datetime) -> Stays:
    try:
        return _told(landings_of(world, name, base.commit), now, world.chain())
    except NotFound:
        # the model comes with this very change
        return Stays()


def _told(story: Iterable[Landed], now: datetime, chain: Chain) -> Stays:
    """The stays of one model's versions. Whatever file it stood in, here it is one place."""
    stays = Stays()
    for one in story:
        changes = (replace(change, path=_PLACE) for change in one.changes if not isinstance(change, ModelMoved))
        oid = one.commit.oid
        when = chain.time_of(oid) if oid in chain else one.commit.committer.time
        stays.tell(changes, min(when, now))
    return stays


def spent(story: Iterable[Landed], number: int, stage: str, now: datetime, chain: Chain) -> timedelta | None:
    """How long a version was in a stage in all, by what happened to its model; None where it never was there."""
    return _told(story, now, chain).time_in(_PLACE, number, stage, now)
