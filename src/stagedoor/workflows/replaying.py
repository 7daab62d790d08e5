"""A policy held against the past: which moves it would have refused, and which versions it would not let in today."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stagedoor.core.diff import ModelMoved
from stagedoor.core.gates import Ask, Broken, Circumstances, Entry, entries, gates_for
from stagedoor.core.gates.expressions import fault_of
from stagedoor.core.gates.hindsight import Misfit, PastMove, Scope, hindsight
from stagedoor.core.gates.moves import incumbents_of
from stagedoor.core.gates.stays import Coming, Stays, stages_after
from stagedoor.core.layout import REGISTRY_FILE
from stagedoor.core.policy import Gate, Quarantine, RegistrySpec
from stagedoor.core.reading import read_as, value_of
from stagedoor.core.registry import Registry
from stagedoor.core.spec import ARCHIVED, NO_STAGE, RegisteredModel, Version, time_span
from stagedoor.core.text import read
from stagedoor.errors import BadInput, BadSpec, NotFound
from stagedoor.gitstore import TooBig
from stagedoor.workflows.circumstances import file_of
from stagedoor.workflows.history import Landed, landings
from stagedoor.workflows.snapshots import MAX_FILE, Snapshot, root_of
from stagedoor.workflows.world import World

EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it. `moves` and `versions` say how many were asked about, `unread` which commits do not read."""

    since: str
    moves: int
    refused: tuple[PastMove, ...]
    versions: int
    misfits: tuple[Misfit, ...]
    unread: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing would have been refused, then or now."""
        return not self.refused and not self.misfits


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy to try: its bytes and what they say."""

    raw: bytes
    spec: RegistrySpec


def read_policy(file: Path) -> Policy:
    """The policy of a file. `BadSpec` with line and column where it, or an expression in it, does not read."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_FILE + 1)
    except OSError as error:
        raise BadInput(f"the policy cannot be read: {error.strerror}", where=str(file), fix="name another") from error
    if len(raw) > MAX_FILE:
        raise BadInput(f"a policy has at most {MAX_FILE:,} bytes", where=str(file), fix="name another")
    document = read(raw, str(file))
    spec = value_of(RegistrySpec, document)
    for index, gate in enumerate(spec.gates):
        for at, expression in enumerate(gate.expressions):
            if fault := fault_of(expression):
                where = document.at(("gates", index, "expressions", at))
                raise BadSpec(f"gate {gate.name}: {fault}", where=where, fix="mend the expression")
    return Policy(raw, spec)


@dataclass(frozen=True, slots=True)
class _Start:
    """From where on moves are judged: a time, or a commit that is not judged itself any more."""

    said: str = ""
    time: datetime | None = None
    commit: str = ""


def _start(world: World, text: str) -> _Start:
    if not text:
        return _Start("the beginning")
    if re.fullmatch(r"[1-9][0-9]{0,5}[smhdw]", text, re.ASCII):
        try:
            time = world.now() - time_span(text)
        except OverflowError:
            return _Start("the beginning")
        return _Start(f"{time:%Y-%m-%d %H:%M}", time)
    if found := moment(text):
        return _Start(f"{found:%Y-%m-%d %H:%M}", found)
    oid = world.repository.resolve(text)
    return _Start(oid[:10], None, oid)


def moment(text: str) -> datetime | None:
    """`2026-08-01`, or a time of it, in UTC unless it says another zone; None for what is neither."""
    if not re.match(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def replay(world: World, policy: RegistrySpec | None = None, since: str = "", scope: Scope = EVERYTHING) -> Replay:
    """Walk main from its first commit, and hold a policy (default: main's own) against each move.

    A move is judged at its commit's own time, with the registry, waivers and quarantine of its parent. Moves before
    `since` (90d, a date or a revision) only count as history. Artifacts are not read.
    """
    start = _start(world, since)
    walk = _Walk(world, policy or world.snapshot().spec, start, scope)
    for count, one in enumerate(landings(world), start=1):
        walk.landed(one)
        world.progress("commits replayed", count, None)
    if start.commit and not walk.is_judging:
        what = f"{since} is not on the first-parent history of {world.repository.branch}"
        raise BadInput(what, where="--since", fix="give a commit of it, a date, or a span such as 90d")
    return walk.report()


def _no_proofs(entry: Entry, gate: Gate) -> tuple[()]:
    return ()


class _Walk:
    """One walk along main: what it saw so far."""

    def __init__(self, world: World, policy: RegistrySpec, start: _Start, scope: Scope) -> None:
        self.world = world
        self.policy = policy
        self.start = start
        self.scope = scope
        self.stays = Stays()
        self.is_judging = not start.commit
        self._moves = 0
        self._refused: list[PastMove] = []
        self._unread: list[str] = []

    def landed(self, one: Landed) -> None:
        """The next commit: judged by what was before it, and remembered."""
        time = one.commit.committer.time
        if self.is_judging and (self.start.time is None or time >= self.start.time) and self._is_of_interest(one):
            try:
                self._judge(one)
            except (BadSpec, TooBig):
                self._unread.append(one.commit.oid)
        self.stays.tell(one.changes, time, one.commit.oid)
        self.is_judging = self.is_judging or one.commit.oid == self.start.commit

    def _is_of_interest(self, one: Landed) -> bool:
        return bool(one.commit.parents) and any(
            self._asks(change.model, now) for change in one.changes for _, _, now in stages_after(change)
        )

    def _asks(self, model: str, stage: str) -> bool:
        """Whether the policy has something to say about moves there; registering and retiring are mostly free."""
        if not stage or not self.scope.holds(model, stage):
            return False
        return stage not in (NO_STAGE, ARCHIVED) or any(gates_for(self.policy.gates, model, stage))

    def _judge(self, one: Landed) -> None:
        base, head = self.world.snapshot(one.commit.parents[0]), self.world.snapshot(one.commit.oid)
        if REGISTRY_FILE not in base.files:
            # the commit that founds the registry: there was no policy yet
            return
        moved = {change.path: change.was for change in one.changes if isinstance(change, ModelMoved)}
        before = _only(base, {moved.get(change.path, change.path) for change in one.changes})
        after = _only(head, {change.path for change in one.changes})
        here = self._circumstances(one, base, head, moved)
        for entry in entries(one.changes, before, after):
            if self._asks(entry.model.name, entry.now):
                self._moves += 1
                self._keep(one, entry, hindsight(entry, self.policy, here).reasons)

    def _keep(self, one: Landed, entry: Entry, reasons: tuple[str, ...]) -> None:
        if reasons:
            commit, trailers = one.commit, one.happening.trailers
            self._refused.append(
                PastMove(
                    commit.oid, commit.committer.time, trailers.requested_by or commit.author.email, trailers.request,
                    entry.model.name, entry.version.version, entry.was, entry.now, reasons,
                )
            )  # fmt: skip

    def _circumstances(self, one: Landed, base: Snapshot, head: Snapshot, moved: dict[str, str]) -> Circumstances:
        time, trailers = one.commit.committer.time, one.happening.trailers
        title = one.commit.message.partition("\n")[0].partition(": ")[2] if trailers.request else ""
        author = trailers.requested_by or one.commit.author.email
        glass = trailers.break_glass

        def time_in(entry: Entry, stage: str) -> timedelta | None:
            return self.stays.time_in(moved.get(entry.path, entry.path), entry.version.version, stage, time)

        return Circumstances(
            now=time,
            waivers=base.waivers,
            quarantine=_quarantine(base),
            ask=Ask(trailers.request or 0, title, author),
            broken=Broken(one.commit.author.email, glass) if glass else None,
            time_in=time_in,
            file_of=file_of(head),
            proofs_of=_no_proofs,
        )

    # --- today ---

    def report(self) -> Replay:
        """What was found, and how the policy likes what is there now."""
        here = tuple(self._present())
        # a freeze stops a move, and nothing moves here
        policy = self.policy.model_copy(update={"freezes": ()})
        now = self._today()
        unfit = ((entry, hindsight(entry, policy, now).reasons) for entry in here)
        return Replay(
            self.start.said,
            self._moves,
            tuple(self._refused),
            len(here),
            tuple(Misfit(e.model.name, e.version.version, e.now, reasons) for e, reasons in unfit if reasons),
            tuple(self._unread),
        )

    def _today(self) -> Circumstances:
        main = self.world.snapshot()
        now = self.world.now()

        def time_in(entry: Entry, stage: str) -> timedelta | None:
            return self.stays.time_in(entry.path, entry.version.version, stage, now)

        return Circumstances(
            now=now, waivers=main.waivers, quarantine=_quarantine(main), time_in=time_in, file_of=file_of(main),
            proofs_of=_no_proofs,
        )  # fmt: skip

    def _present(self) -> Iterator[Entry]:
        """The versions that are in a stage, each as if it came in again as it did."""
        snapshot = self.world.snapshot()
        snapshot.load(snapshot.registry.models)
        for path in sorted(snapshot.registry.models):
            try:
                model = snapshot.registry.models[path]
            except BadSpec:
                continue
            for version in model.versions:
                if version.stage not in (NO_STAGE, ARCHIVED) and self._asks(model.name, version.stage):
                    yield self._entry(path, model, version)

    def _entry(self, path: str, model: RegisteredModel, version: Version) -> Entry:
        coming = self.stays.coming(path, version.version)
        if coming is None or not coming.commit:
            return Entry(path, model, version, version.stage, version.stage)
        incumbents = incumbents_of(self._model_before(coming), version.version, version.stage)
        # a stage that holds several would count each as the others' rival
        return Entry(path, model, version, coming.was, version.stage, incumbents)

    def _model_before(self, coming: Coming) -> RegisteredModel | None:
        """The model as it was before a version came to where it is: whom it took the place of."""
        repository = self.world.repository
        parents = repository.commit_info(coming.commit).parents
        entry = repository.entry(parents[0], root_of(repository) + coming.path) if parents else None
        if entry is None or not entry.is_file:
            return None
        try:
            return read_as(RegisteredModel, repository.blob(entry.oid, max_bytes=MAX_FILE), coming.path)
        except (BadSpec, TooBig, NotFound):
            return None


def _only(snapshot: Snapshot, paths: set[str]) -> Registry:
    return Registry({path: snapshot.registry.models[path] for path in paths if snapshot.is_model(path)})


def _quarantine(snapshot: Snapshot) -> Quarantine:
    try:
        return snapshot.quarantine
    except BadSpec:
        return Quarantine()
