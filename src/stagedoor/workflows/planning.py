"""Plans: gather the facts of a change once, and ask the core what it would do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from hashlib import sha256
from itertools import islice

from stagedoor.core.approval import Need, Verdict, judge, needs, with_broken_glass
from stagedoor.core.checks import Facts, Place, Problem, run
from stagedoor.core.checks.catalogue import ALL_CHECKS
from stagedoor.core.checks.policy import MOST_MISFITS
from stagedoor.core.diff import Change, ModelCreated, ModelMoved, diff
from stagedoor.core.evidence import pinned_files
from stagedoor.core.gates import Ask, Broken, Circumstances, GateRuling, entries, kept, regressions, rulings
from stagedoor.core.gates.expressions import fault_of
from stagedoor.core.gates.hindsight import misfits
from stagedoor.core.layout import PEOPLE_FILE, QUARANTINE_FILE, REGISTRY_FILE, evidence_path, is_model_path
from stagedoor.core.owners import LOCATIONS
from stagedoor.core.plan import Plan, model_plans, plan_hash
from stagedoor.core.policy import RegistrySpec, Waiver
from stagedoor.core.reading import formatted, read_as, text_of
from stagedoor.core.registry import Registry
from stagedoor.core.requests import Reviewed
from stagedoor.core.spec import People, RegisteredModel
from stagedoor.core.text import Document, read
from stagedoor.core.webhooks import WEBHOOKS_FILE, Webhooks
from stagedoor.errors import BadSpec
from stagedoor.gitstore import FileChange
from stagedoor.workflows.circumstances import circumstances
from stagedoor.workflows.merges import merged_tree, webhooks_asked
from stagedoor.workflows.signing import signed_by
from stagedoor.workflows.snapshots import Snapshot, odd_entries, root_of
from stagedoor.workflows.stagefiles import concerned, everything, stage_texts
from stagedoor.workflows.world import World

_OTHERS = (REGISTRY_FILE, PEOPLE_FILE, QUARANTINE_FILE, WEBHOOKS_FILE)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose agreement a plan is about: the request's author, its head and the reviews there are."""

    number: int | None
    title: str
    author: str
    head: str
    reviews: tuple[Reviewed, ...] = ()
    pushers: frozenset[str] = frozenset()
    broken: Broken | None = None


def file_changes(base: Snapshot, head: Snapshot) -> tuple[FileChange, ...]:
    """Every file that differs, by its path from the repository's top."""
    root = root_of(base.repository)
    if head.proposed:
        return tuple(
            FileChange(path, base.entry(path), head.entry(path))
            for path in sorted(head.proposed)
            if base.entry(path) != head.entry(path)
        )
    if not base.commit:
        return tuple(FileChange(root + path, None, entry) for path, entry in sorted(head.files.items()))
    return tuple(base.repository.changes(base.commit, head.commit))


def plan(
    world: World,
    base: Snapshot,
    head: Snapshot,
    asked: Asked | None = None,
    *,
    all_models: bool = False,
    conflicts: tuple[str, ...] = (),
    at: datetime | None = None,
) -> Plan:
    """What `head` would do to `base`, judged by the policy of `base`, at a time (default: now).

    With `all_models` every file of the head is checked, not only what the change touches.
    """
    files = file_changes(base, head)
    root = root_of(base.repository)
    touched = tuple(change.path.removeprefix(root) for change in files if change.path.startswith(root))
    # a stage that goes, or a gate that comes, concerns models that the change does not touch
    all_models = all_models or REGISTRY_FILE in touched
    models = tuple(path for path in touched if is_model_path(path))
    before, _ = _models(base, models)
    after, faults = _models(head, models)
    changes = diff(before, after)
    others = _others(root, files, changes)
    here = circumstances(world, base, head, ask=_ask(world, asked), broken=asked.broken if asked else None, at=at)
    verdict = _verdict(base, head, changes, others, asked, here.now)
    policy = base.spec if base.commit else head.spec
    said = (
        *rulings(entries(changes, before, after), policy, here),
        *regressions(kept(changes, before, after), policy, here),
    )
    facts = _facts(base, head, before, after, faults, touched, others, verdict, all_models=all_models)
    return Plan(
        base=base.commit,
        head=asked.head if asked else ("" if head.proposed else head.commit),
        hash=plan_hash(((c.path, _oid(c.before), _oid(c.after)) for c in files), base.policy_blobs),
        request=asked.number if asked else None,
        title=asked.title if asked else "",
        models=model_plans(changes, before, after),
        files=others,
        problems=run(ALL_CHECKS, _judged(facts, said, here), _locator(head)),
        verdict=verdict,
        conflicts=conflicts,
        gates=said,
    )


def _judged(facts: Facts, said: tuple[GateRuling, ...], here: Circumstances) -> Facts:
    """The facts, with what the gates say of the moves, and what new ones would say of the versions there are."""
    known = facts.spec.gates
    new = [gate for gate in (facts.proposed_spec or facts.spec).gates if gate not in known]
    found = misfits(facts.after, (gate for gate in new if not any(map(fault_of, gate.expressions))), here)
    return replace(facts, rulings=said, now=here.now, misfits=tuple(islice(found, MOST_MISFITS + 1)))


def _ask(world: World, asked: Asked | None) -> Ask:
    if asked is None:
        return Ask(author=world.actor_email or "")
    return Ask(asked.number or 0, asked.title, asked.author)


def _oid(entry: object) -> str:
    return str(getattr(entry, "oid", ""))


def _is_model_of(root: str, path: str) -> bool:
    return path.startswith(root) and is_model_path(path.removeprefix(root))


def _models(snapshot: Snapshot, paths: Iterable[str]) -> tuple[Registry, tuple[BadSpec, ...]]:
    found: dict[str, RegisteredModel] = {}
    faults: list[BadSpec] = []
    for path in paths:
        try:
            if path in snapshot.registry.models:
                found[path] = snapshot.registry.models[path]
        except BadSpec as error:
            faults.append(error)
    return Registry(found), tuple(faults)


def needed(base: Snapshot, head: Snapshot) -> tuple[Need, ...]:
    """The agreements that a change takes, and no more of a plan: who may speak for it."""
    root = root_of(base.repository)
    files = file_changes(base, head)
    paths = [change.path.removeprefix(root) for change in files if _is_model_of(root, change.path)]
    changes = diff(_models(base, paths)[0], _models(head, paths)[0])
    return needs(changes, _others(root, files, changes), base.spec, root, webhooks_asked(base, head))


def _others(root: str, files: Iterable[FileChange], changes: Sequence[Change]) -> tuple[str, ...]:
    """The files that change by themselves: they are no model's, and no model pins them."""
    pinned = {root + path for path in pinned_files(changes)}
    return tuple(one.path for one in files if not _is_model_of(root, one.path) and one.path not in pinned)


def _verdict(
    base: Snapshot,
    head: Snapshot,
    changes: Sequence[Change],
    others: tuple[str, ...],
    asked: Asked | None,
    now: datetime,
) -> Verdict | None:
    if asked is None:
        return None
    asks = needs(changes, others, base.spec, root_of(base.repository), webhooks_asked(base, head))
    return judge(
        with_broken_glass(asks) if asked.broken else asks,
        asked.reviews,
        head=asked.head,
        author=asked.author,
        pushers=asked.pushers,
        owners=base.owners,
        people=base.people,
        spec=base.spec,
        signed=signed_by(base, asked.number, asked.reviews, now),
    )


def _facts(
    base: Snapshot,
    head: Snapshot,
    before: Registry,
    after: Registry,
    faults: tuple[BadSpec, ...],
    touched: tuple[str, ...],
    others: tuple[str, ...],
    verdict: Verdict | None,
    *,
    all_models: bool,
) -> Facts:
    changes = diff(before, after)
    root = root_of(base.repository)
    policy_faults, spec, people = _proposed(head)
    waivers, more_faults = _waivers(head, None if all_models else touched)
    webhooks, webhook_faults = _proposed_webhooks(head) if all_models or WEBHOOKS_FILE in touched else (None, ())
    looked_at = tuple(p for p in (head.registry.models if all_models else touched) if is_model_path(p))
    if all_models:
        faults = head.unreadable()
        after = _models(head, looked_at)[0]
        before = _models(base, [path for path in looked_at if path in base.registry.models] + list(before.models))[0]
    odd = odd_entries(head, None if all_models else touched)

    def looks_at(path: str) -> bool:
        return all_models or path in touched

    return Facts(
        before=before,
        after=after,
        changes=changes,
        paths=tuple(head.registry.models) if all_models or _concerns_all(changes, others, root) else (),
        spec=base.spec if base.commit else head.spec,
        people=base.people if base.commit else head.people,
        owners=base.owners if base.commit else head.owners,
        proposed_spec=spec,
        proposed_people=people,
        proposed_owners=head.owners if not policy_faults else None,
        proposed_webhooks=webhooks,
        unreadable=(*faults, *policy_faults, *more_faults, *webhook_faults),
        odd=odd,
        uncanonical=_uncanonical(
            head,
            (*after.models, *waivers, *(path for path in _OTHERS if looks_at(path))),
        ),
        stage_files=stage_texts(head, everything(head) if all_models else concerned(touched))
        if spec and spec.stage_files
        else (),
        verdict=verdict,
        waivers=waivers,
        has_signers=head.signers is not None,
        files_of_evidence=_evidence_of(head, after),
        root=root,
    )


def _concerns_all(changes: Sequence[Change], others: tuple[str, ...], root: str) -> bool:
    """Whether the names of all model files matter: one comes or moves, or who owns, who is called changes."""
    if any(isinstance(change, ModelCreated | ModelMoved) for change in changes):
        return True
    owners = {path for places in LOCATIONS.values() for path in places}
    return any(path in owners or path in (root + PEOPLE_FILE, root + WEBHOOKS_FILE) for path in others)


def _evidence_of(head: Snapshot, models: Registry) -> dict[str, str | None]:
    """For every piece of evidence in these models, the digest of the file that stands in its place."""
    found: dict[str, str | None] = {}
    for model in models.models.values():
        for version in model.versions:
            for one in version.evidence:
                path = evidence_path(one.digest)
                is_there = path in head.files and head.files[path].is_file
                found[one.digest] = f"sha256:{sha256(head.raw(path)).hexdigest()}" if is_there else None
    return found


def _proposed(head: Snapshot) -> tuple[tuple[BadSpec, ...], RegistrySpec | None, People | None]:
    """The head's own policy files: to be checked, and never to be obeyed."""
    faults: list[BadSpec] = []
    spec, people = None, None
    try:
        spec = head.spec
    except BadSpec as error:
        faults.append(error)
    try:
        people = head.people
    except BadSpec as error:
        faults.append(error)
    return tuple(faults), spec, people


def _waivers(head: Snapshot, only: tuple[str, ...] | None) -> tuple[dict[str, Waiver], tuple[BadSpec, ...]]:
    """The proposed waivers, all or those of the files named, and what does not read among them and the quarantine."""
    found: dict[str, Waiver] = {}
    faults: list[BadSpec] = []
    for path in head.waiver_paths:
        if only is not None and path not in only:
            continue
        try:
            found[path] = read_as(Waiver, head.raw(path), path)
        except BadSpec as error:
            faults.append(error)
    try:
        _ = head.quarantine
    except BadSpec as error:
        faults.append(error)
    return found, tuple(faults)


def _proposed_webhooks(head: Snapshot) -> tuple[Webhooks | None, tuple[BadSpec, ...]]:
    try:
        return head.webhooks, ()
    except BadSpec as error:
        return None, (error,)


def _uncanonical(head: Snapshot, paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(path for path in paths if path in head.files and not _is_canonical(head, path))


_canonical: dict[tuple[str, str], bool] = {}
_MOST_CANONICAL = 20_000


def _is_canonical(head: Snapshot, path: str) -> bool:
    """Whether a file is as the tool would write it. The same bytes at the same path always are, or never."""
    key = (path, head.files[path].oid)
    if key not in _canonical:
        if len(_canonical) >= _MOST_CANONICAL:
            _canonical.clear()
        _canonical[key] = _reads_canonical(head, path)
    return _canonical[key]


def _reads_canonical(head: Snapshot, path: str) -> bool:
    try:
        if path in head.registry.models and head.text(path) == text_of(head.registry.models[path], path):
            # nearly every file is as the tool wrote it, and this costs a tenth of the real question
            return True
        return formatted(head.raw(path), path) == head.text(path)
    except BadSpec:
        return True


def _locator(head: Snapshot) -> Callable[[Place], tuple[int, int]]:
    """Line and column of a place, by reading the file again with the reader that knows them; each file once."""

    @cache
    def document(path: str) -> Document | None:
        try:
            return read(head.raw(path), path)
        except BadSpec:
            return None

    def locate(place: Place) -> tuple[int, int]:
        if place.path not in head.files or not place.keys:
            return 0, 0
        found = document(place.path)
        if found is None:
            return 0, 0
        line, column = found.at(place.keys).rsplit(":", 2)[1:]
        return int(line), int(column)

    return locate


def validate_all(world: World, rev: str | None = None) -> tuple[Problem, ...]:
    """Every check on every file of a commit, or of main: is the registry in order as it stands?"""
    head = world.snapshot(world.repository.resolve(rev) if rev else None)
    return plan(world, head, head, all_models=True).problems


def plan_between(world: World, base: str, head: str) -> Plan:
    """What merging `head` into `base` would do: two revisions, as in CI."""
    repository = world.repository
    old, new = repository.resolve(base), repository.resolve(head)
    if repository.is_ancestor(old, new):
        return plan(world, world.snapshot(old), world.snapshot(new))
    result = merged_tree(world, old, new)
    return plan(world, world.snapshot(old), world.snapshot(result.tree), conflicts=result.conflicts)
