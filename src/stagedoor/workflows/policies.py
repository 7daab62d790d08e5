"""Writes to the files of policy that have verbs of their own: the quarantine, and waivers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count as count_from

from stagedoor.core.gates import shown_digest
from stagedoor.core.layout import QUARANTINE_FILE, REGISTRY_FILE, WAIVERS, file_name
from stagedoor.core.policy import Quarantine, Quarantined, Waiver
from stagedoor.core.quarantine import Holder, holders, is_digest, with_artifact, without_artifact
from stagedoor.core.reading import edited, text_of
from stagedoor.core.registry import resolve, resolve_version
from stagedoor.core.spec import ARCHIVED, NO_STAGE, RegisteredModel, time_span
from stagedoor.errors import BadInput, BadSpec, InvalidState, NotFound
from stagedoor.workflows.replaying import moment
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World, checked_email
from stagedoor.workflows.writing import Files, Lane, Outcome, write


@dataclass(frozen=True, slots=True)
class Isolated:
    """An artifact in quarantine, and every version that holds it now."""

    digest: str
    reason: str
    by: str
    at: datetime
    holders: tuple[Holder, ...]


def quarantine(world: World, text: str, reason: str, lane: Lane) -> tuple[Outcome, tuple[Holder, ...]]:
    """Put an artifact into quarantine, by its digest or by a version that has it. Also who holds it now."""
    _require_reason(reason)
    digest = _digest_of(world, text)
    artifact = Quarantined(digest=digest, reason=reason, by=world.actor.email, at=world.now())
    outcome = _write(
        world, lambda now: with_artifact(now, artifact), f"Put {shown_digest(digest)} into quarantine", reason, lane
    )
    return outcome, holders(_readable(world.snapshot()), digest)


def release(world: World, digest: str, lane: Lane, comment: str = "") -> Outcome:
    """Take an artifact out of quarantine again."""
    title = f"Take {shown_digest(digest)} out of quarantine"
    return _write(world, lambda now: without_artifact(now, digest), title, comment, lane)


def isolated(world: World) -> tuple[Isolated, ...]:
    """The list on main, and where each artifact is."""
    snapshot = world.snapshot()
    listed = snapshot.quarantine.artifacts
    models = tuple(_readable(snapshot)) if listed else ()
    return tuple(Isolated(one.digest, one.reason, one.by, one.at, holders(models, one.digest)) for one in listed)


def in_use(found: tuple[Holder, ...]) -> tuple[Holder, ...]:
    """Those in a stage that somebody loads from."""
    return tuple(one for one in found if one.stage not in (NO_STAGE, ARCHIVED))


def _require_reason(reason: str) -> None:
    if not reason.strip() or len(reason) > 10_000:
        raise BadInput("a reason has between 1 and 10,000 characters", where="--reason", fix="say why, in a sentence")


def _digest_of(world: World, text: str) -> str:
    if is_digest(text):
        if not text.strip() or len(text) > 200:
            raise BadInput("a digest has between 1 and 200 characters", fix="write sha256:, and 64 hex digits")
        return text.strip()
    registry = world.snapshot().registry
    ref = resolve_version(registry, text)
    digest = registry.version(ref.model, ref.version or 0).digest
    if not digest:
        fix = "move it to Archived: what has no digest comes into no stage while something is in quarantine"
        raise InvalidState(f"{ref} records no digest, and the quarantine knows artifacts by theirs", fix=fix)
    return digest


def _write(world: World, change: Callable[[Quarantine], Quarantine], title: str, comment: str, lane: Lane) -> Outcome:
    instead = "the same command without --direct"
    return write(world, (), title, files=_file(change), comment=comment, lane=lane, instead=instead)


def _file(change: Callable[[Quarantine], Quarantine]) -> Files:
    """The file with the change made in it, comments kept, on whatever it is by then."""

    def files(base: Snapshot) -> Mapping[str, bytes | None]:
        before = base.quarantine
        after = change(before)
        if QUARANTINE_FILE not in base.files:
            return {QUARANTINE_FILE: text_of(after, QUARANTINE_FILE).encode()}
        return {QUARANTINE_FILE: edited(base.text(QUARANTINE_FILE), before, after).encode()}

    return files


def _readable(snapshot: Snapshot) -> Iterator[RegisteredModel]:
    """Every model whose file reads; a broken one is `validate`'s to tell."""
    paths = tuple(snapshot.registry.models)
    snapshot.load(paths)
    for path in paths:
        try:
            yield snapshot.registry.models[path]
        except BadSpec:
            continue


# --- waivers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiving:
    """A waiver on main: its file, what it says, and the seconds that are left of its time; 0 once it has ended."""

    path: str
    gate: str
    model: str
    version: int | None
    owner: str
    reason: str
    expires: datetime
    left: int

    @property
    def name(self) -> str:
        """The file's name, as people say it."""
        return _short(self.path)

    @property
    def has_ended(self) -> bool:
        """Whether it waives nothing any more."""
        return not self.left


@dataclass(frozen=True, slots=True)
class WaiverAsked:
    """What somebody asks to have waived: a gate for a model or a version, until when, why, and who answers for it."""

    ref: str
    gate: str
    until: str
    reason: str
    owner: str = ""


def waive(world: World, asked: WaiverAsked, lane: Lane) -> tuple[Outcome, str]:
    """Ask that a model or a version may pass a gate until a day. The outcome, and the waiver's file.

    One for the same gate and version takes the place of the old one.
    """
    _require_reason(asked.reason)
    snapshot = world.snapshot()
    ref = resolve(snapshot.registry, asked.ref)
    _require_gate(snapshot, asked.gate)
    expires = _end(world, asked.until)
    owner = checked_email(asked.owner or world.actor.email)
    waiver = Waiver(
        gate=asked.gate, model=ref.model, version=ref.version, owner=owner, reason=asked.reason, expires=expires
    )
    path = _waiver_file(snapshot, waiver)
    title = f"Waive {asked.gate} for {ref} until {expires:%Y-%m-%d}"

    def files(base: Snapshot) -> Mapping[str, bytes | None]:
        return {path: text_of(waiver, path).encode()}

    return write(world, (), title, files=files, comment=asked.reason, lane=lane), path


def waivers(world: World) -> tuple[Waiving, ...]:
    """The waivers on main, those that end first at the top."""
    now = world.now()
    found = (
        Waiving(path, one.gate, one.model, one.version, one.owner, one.reason, one.expires, _left(one.expires, now))
        for path, one in world.snapshot().waivers.items()
    )
    return tuple(sorted(found, key=lambda one: (one.expires, one.path)))


def _left(end: datetime, now: datetime) -> int:
    """Whole seconds, and 1 for the last part of one: what has not ended has something left."""
    return max(0, -((now - end) // timedelta(seconds=1)))


def unwaive(world: World, name: str, lane: Lane, comment: str = "") -> tuple[Outcome, str]:
    """Ask that a waiver is taken away, by its file or the file's name."""
    known = {_short(path): path for path in world.snapshot().waiver_paths}
    path = known.get(_short(name))
    if path is None:
        fix = f"choose one of: {', '.join(known)}" if known else "none is there"
        raise NotFound(f"there is no waiver {name}", fix=fix)
    gone: Mapping[str, bytes | None] = {path: None}
    return write(world, (), f"End the waiver {_short(path)}", files=lambda _: gone, comment=comment, lane=lane), path


def _short(path: str) -> str:
    return path.removeprefix(WAIVERS).removesuffix(".yaml")


def _require_gate(snapshot: Snapshot, name: str) -> None:
    names = [gate.name for gate in snapshot.spec.gates]
    if name not in names:
        fix = f"gates there are: {', '.join(names) or 'none'}"
        raise NotFound(f"there is no gate {name}", where=REGISTRY_FILE, fix=fix)


def _end(world: World, until: str) -> datetime:
    """When a waiver ends: a span from now, a time, or a day, on which it has ended already."""
    if re.fullmatch(r"[1-9][0-9]{0,5}[smhdw]", until, re.ASCII):
        try:
            return world.now() + time_span(until)
        except OverflowError:
            raise BadInput(f"{until} is too long", where="--until", fix="a waiver is for weeks") from None
    found = moment(until)
    if found is None:
        raise BadInput(f"{until[:40]!r} is no time", where="--until", fix="write a day such as 2026-12-24, or 14d")
    if found <= world.now():
        raise BadInput(f"{until} is past", where="--until", fix="write a day that is to come")
    return found


def _waiver_file(snapshot: Snapshot, waiver: Waiver) -> str:
    """A file name that people can read; one that is taken by another waiver gets a number."""
    stem = _stem(waiver.model, str(waiver.version or ""), waiver.gate)
    numbered = (f"{WAIVERS}{file_name(stem if count == 1 else f'{stem}-{count}')}" for count in count_from(1))
    return next(path for path in numbered if path not in snapshot.files or _is_for(snapshot.waivers.get(path), waiver))


def _stem(*words: str) -> str:
    parts = (re.sub(r"[^\w]+", "-", word).strip("-") for word in words)
    return "-".join(filter(None, parts)).encode()[:80].decode(errors="ignore")


def _is_for(there: Waiver | None, waiver: Waiver) -> bool:
    return there is not None and (there.gate, there.model, there.version) == (waiver.gate, waiver.model, waiver.version)
