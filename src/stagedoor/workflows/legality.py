"""Whether a commit of the past was legal, by the policy that stood before it and at the time it came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from stagedoor.core.audit import Fault, checks_of_the_past
from stagedoor.core.checks import Facts, run
from stagedoor.core.diff import (
    Change,
    ModelCreated,
    ModelDeleted,
    ModelMoved,
    StageMoved,
    VersionCreated,
    VersionDeleted,
)
from stagedoor.core.evidence import pinned_files
from stagedoor.core.gates import Ask, Broken, Entry, entries, kept, regressions, rulings
from stagedoor.core.layout import (
    EVIDENCE,
    MODELS,
    PEOPLE_FILE,
    QUARANTINE_FILE,
    REGISTRY_FILE,
    evidence_path,
    is_waiver_path,
)
from stagedoor.core.policy import Waiver
from stagedoor.core.reading import read_as
from stagedoor.core.timeline import Chain
from stagedoor.errors import BadSpec, NotFound
from stagedoor.gitstore import TooBig
from stagedoor.workflows.circumstances import circumstances, spent
from stagedoor.workflows.history import Landed, Step, landings_from
from stagedoor.workflows.snapshots import Snapshot, odd_entries, root_of
from stagedoor.workflows.world import World

# git keeps whole seconds of a time, so a commit came at some moment of its second
_REST = timedelta(milliseconds=999)
_CHECKS = checks_of_the_past()
# what says in which stage a version is
_STAGED = ModelCreated | ModelDeleted | VersionCreated | VersionDeleted | StageMoved


@dataclass
class Stories:
    """What happened to each model so far, as an audit goes along main: how long a version was in a stage.

    An audit that does not begin with main reads what came before, for the models whose gates ask.
    """

    world: World
    chain: Chain
    start: str | None
    _told: dict[str, list[Landed]] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)

    def add(self, one: Landed) -> None:
        """One more commit. A file that moves takes its story along."""
        for change in one.changes:
            if isinstance(change, ModelMoved):
                self._told[change.path] = self._story(change.was)
                self._read.add(change.path)
        for path in {change.path for change in one.changes}:
            mine = tuple(change for change in one.changes if change.path == path and isinstance(change, _STAGED))
            self._told.setdefault(path, []).append(Landed(one.commit, mine, ()))

    def time_in(self, moved: Iterable[Change]) -> Callable[[Entry, str, datetime], timedelta | None]:
        """How long a version has been in a stage by a moment."""
        origins = {change.path: change.was for change in moved if isinstance(change, ModelMoved)}

        def ask(entry: Entry, stage: str, now: datetime) -> timedelta | None:
            story = self._story(origins.get(entry.path, entry.path))
            return spent(tuple(story), entry.version.version, stage, now, self.chain)

        return ask

    def _story(self, path: str) -> list[Landed]:
        if self.start is not None and path not in self._read:
            self._read.add(path)
            self._told[path] = [*self._earlier(path, self.start), *self._told.get(path, [])]
        return self._told.get(path, [])

    def _earlier(self, path: str, start: str) -> tuple[Landed, ...]:
        try:
            return landings_from(self.world, path, start)
        except NotFound:
            return ()


@dataclass(frozen=True)
class Case:
    """One commit with what it is judged by: the snapshots before and after it, its request, when it came."""

    step: Step
    base: Snapshot
    head: Snapshot
    ask: Ask
    broken: Broken | None
    moments: tuple[datetime, ...]


def moments(chain: Chain, commit: str, claimed: datetime, now: datetime) -> tuple[datetime, ...]:
    """When a commit may have come. One whose date is not believed came between its neighbours in main's order."""
    at = chain.time_of(commit)
    if at == claimed:
        return at, at + _REST
    return at, chain.next_after(at) or now


def illegal(world: World, case: Case, stories: Stories) -> tuple[Fault, ...]:
    """What the checks of the past hold against a commit: at every moment at which it may have come."""
    found: tuple[Fault, ...] = ()
    for at in case.moments:
        found = tuple(_faults(world, case, stories, at))
        if not found:
            return ()
    return found


def _faults(world: World, case: Case, stories: Stories, at: datetime) -> Iterator[Fault]:
    problems = run(_CHECKS, _facts(world, case, stories, at), lambda place: (0, 0))
    yield from (Fault(one.code, one.what) for one in problems if one.severity == "error")
    yield from (Fault("SD207", what) for what in _evidence(case))


def _facts(world: World, case: Case, stories: Stories, at: datetime) -> Facts:
    step, base, head = case.step, case.base, case.head
    changes, root = step.landed.changes, root_of(base.repository)
    ask = stories.time_in(changes)
    here = replace(
        circumstances(world, base, head, ask=case.ask, broken=case.broken, at=at),
        time_in=lambda entry, stage: ask(entry, stage, at),
        # the artifact itself is not in the repository, so whether it was looked at cannot be seen there
        proofs_of=lambda entry, gate: (),
    )
    said = (
        *rulings(entries(changes, step.before, step.after), base.spec, here),
        *regressions(kept(changes, step.before, step.after), base.spec, here),
    )
    files = tuple(path.removeprefix(root) for path in step.files if path.startswith(root))
    touched = (*files, *step.after.models, *step.unread)
    unreadable = tuple(_unreadable(head, files, step.unread))
    return Facts(
        step.before,
        step.after,
        changes,
        paths=_paths(head, changes),
        spec=base.spec,
        people=base.people,
        proposed_spec=head.spec if REGISTRY_FILE in files and not unreadable else None,
        unreadable=unreadable,
        odd=odd_entries(head, touched),
        rulings=said,
        files_of_evidence=dict(_pinned(head, changes)),
        now=at,
        root=root,
    )


def _paths(head: Snapshot, changes: Iterable[Change]) -> tuple[str, ...]:
    """All model files, where one came: only then can a name be there twice."""
    came = any(isinstance(change, ModelCreated | ModelMoved) for change in changes)
    return tuple(path for path in head.files if path.startswith(MODELS)) if came else ()


def _unreadable(head: Snapshot, files: Iterable[str], models: Iterable[str]) -> Iterator[BadSpec]:
    readers: dict[str, Callable[[], object]] = {
        REGISTRY_FILE: lambda: head.spec,
        PEOPLE_FILE: lambda: head.people,
        QUARANTINE_FILE: lambda: head.quarantine,
    }
    for path in files:
        if path in head.files and is_waiver_path(path):
            readers[path] = lambda path=path: read_as(Waiver, head.raw(path), path)  # type: ignore[misc]
        if path in readers:
            yield from _refusal(readers[path])
    for path in models:
        if head.is_model(path):
            yield from _refusal(lambda path=path: head.registry.models[path])  # type: ignore[misc]


def _refusal(read: Callable[[], object]) -> Iterator[BadSpec]:
    try:
        read()
    except BadSpec as error:
        yield error


# --- evidence -------------------------------------------------------------------------------------------------------


def _pinned(head: Snapshot, changes: Iterable[Change]) -> Iterator[tuple[str, str | None]]:
    """The digests that a commit pins, each with the digest of the file that stands there."""
    for path in pinned_files(changes):
        yield f"sha256:{path.rpartition('/')[2]}", _digest(head, path)


def _digest(head: Snapshot, path: str) -> str | None:
    if path not in head.files or not head.files[path].is_file:
        return None
    try:
        return f"sha256:{sha256(head.raw(path)).hexdigest()}"
    except (BadSpec, TooBig):
        return "too large to read"


def _evidence(case: Case) -> Iterator[str]:
    """What happened to files of evidence: one is what its name says, and stays while a version pins it."""
    root = root_of(case.base.repository)
    for top in case.step.files:
        path = top.removeprefix(root)
        if not top.startswith(root + EVIDENCE):
            continue
        digest = path.rpartition("/")[2]
        found = _digest(case.head, path)
        if found is None and _is_pinned(case.head, digest):
            yield f"the evidence {digest[:12]} is taken away, and a version pins it"
        elif found is not None and (found != f"sha256:{digest}" or path != evidence_path(digest)):
            yield f"the evidence {digest[:12]} is not what was pinned: it has {found[:23]}…"


def _is_pinned(head: Snapshot, digest: str) -> bool:
    # evidence is hardly ever taken away, so looking at every model is no matter
    paths = list(head.registry.models)
    head.load(paths)
    return any(digest.encode() in head.raw(path) for path in paths)
