"""Plans: gather the facts of a change once, and ask the core what it would do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from stagedoor.core.approval import Verdict, judge, needs
from stagedoor.core.checks import Facts, Place, Problem, run
from stagedoor.core.checks.catalogue import ALL_CHECKS
from stagedoor.core.diff import Change, diff
from stagedoor.core.layout import PEOPLE_FILE, REGISTRY_FILE, is_model_path
from stagedoor.core.plan import Plan, model_plans, plan_hash
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.reading import formatted, text_of
from stagedoor.core.registry import Registry
from stagedoor.core.requests import Reviewed
from stagedoor.core.spec import People, RegisteredModel
from stagedoor.core.text import Document, read
from stagedoor.errors import BadSpec
from stagedoor.gitstore import FileChange
from stagedoor.workflows.merges import merged_tree
from stagedoor.workflows.snapshots import Snapshot, odd_entries, root_of
from stagedoor.workflows.world import World


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose agreement a plan is about: the request's author, its head and the reviews there are."""

    number: int | None
    title: str
    author: str
    head: str
    reviews: tuple[Reviewed, ...] = ()
    pushers: frozenset[str] = frozenset()


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
    base: Snapshot,
    head: Snapshot,
    asked: Asked | None = None,
    *,
    all_models: bool = False,
    conflicts: tuple[str, ...] = (),
) -> Plan:
    """What `head` would do to `base`, judged by the policy of `base`.

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
    others = tuple(change.path for change in files if not _is_model_of(root, change.path))
    verdict = _verdict(base, changes, others, asked, root)
    facts = _facts(base, head, before, after, faults, touched, verdict, all_models=all_models)
    return Plan(
        base=base.commit,
        head=asked.head if asked else ("" if head.proposed else head.commit),
        hash=plan_hash(((c.path, _oid(c.before), _oid(c.after)) for c in files), base.policy_blobs),
        request=asked.number if asked else None,
        title=asked.title if asked else "",
        models=model_plans(changes, before, after),
        files=others,
        problems=run(ALL_CHECKS, facts, _locator(head)),
        verdict=verdict,
        conflicts=conflicts,
    )


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


def _verdict(
    base: Snapshot, changes: Sequence[Change], others: tuple[str, ...], asked: Asked | None, root: str
) -> Verdict | None:
    if asked is None:
        return None
    return judge(
        needs(changes, others, base.spec, root),
        asked.reviews,
        head=asked.head,
        author=asked.author,
        pushers=asked.pushers,
        owners=base.owners,
        people=base.people,
        spec=base.spec,
    )


def _facts(
    base: Snapshot,
    head: Snapshot,
    before: Registry,
    after: Registry,
    faults: tuple[BadSpec, ...],
    touched: tuple[str, ...],
    verdict: Verdict | None,
    *,
    all_models: bool,
) -> Facts:
    changes = diff(before, after)
    policy_faults, spec, people = _proposed(head)
    looked_at = tuple(p for p in (head.registry.models if all_models else touched) if is_model_path(p))
    if all_models:
        faults = head.unreadable()
        after = _models(head, looked_at)[0]
        before = _models(base, [path for path in looked_at if path in base.registry.models] + list(before.models))[0]
    odd = odd_entries(head)

    def looks_at(path: str) -> bool:
        return all_models or path in touched

    return Facts(
        before=before,
        after=after,
        changes=changes,
        paths=tuple(head.registry.models),
        spec=base.spec if base.commit else head.spec,
        people=base.people if base.commit else head.people,
        owners=base.owners if base.commit else head.owners,
        proposed_spec=spec,
        proposed_people=people,
        proposed_owners=head.owners if not policy_faults else None,
        unreadable=(*faults, *policy_faults),
        odd={path: what for path, what in odd.items() if looks_at(path)},
        uncanonical=_uncanonical(head, (*after.models, *(p for p in (REGISTRY_FILE, PEOPLE_FILE) if looks_at(p)))),
        verdict=verdict,
        root=root_of(base.repository),
    )


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


def _uncanonical(head: Snapshot, paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(path for path in paths if path in head.files and not _is_canonical(head, path))


def _is_canonical(head: Snapshot, path: str) -> bool:
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
    return plan(head, head, all_models=True).problems


def plan_between(world: World, base: str, head: str) -> Plan:
    """What merging `head` into `base` would do: two revisions, as in CI."""
    repository = world.repository
    old, new = repository.resolve(base), repository.resolve(head)
    if repository.is_ancestor(old, new):
        return plan(world.snapshot(old), world.snapshot(new))
    result = merged_tree(world, old, new)
    return plan(world.snapshot(old), world.snapshot(result.tree), conflicts=result.conflicts)
