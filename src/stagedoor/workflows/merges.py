"""What a merge of two commits gives: by text where that is clean, by meaning where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from stagedoor.core.approval import WebhookAsked
from stagedoor.core.diff import Change, diff
from stagedoor.core.layout import is_model_path, is_stage_path
from stagedoor.core.reading import edited, text_of
from stagedoor.core.registry import Registry
from stagedoor.core.replay import Renumbered, replay
from stagedoor.core.spec import RegisteredModel
from stagedoor.core.webhooks import WEBHOOKS_FILE, Webhooks, merged, webhook_changes
from stagedoor.errors import BadSpec
from stagedoor.gitstore import Merged
from stagedoor.workflows.snapshots import Snapshot, root_of
from stagedoor.workflows.stagefiles import concerned, derived, everything, mended
from stagedoor.workflows.world import World


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The merged tree. With `conflicts` it is main's own tree, and nothing may land."""

    tree: str
    conflicts: tuple[str, ...] = ()
    renumbered: tuple[Renumbered, ...] = ()


def texts(base: Snapshot, registry: Registry) -> dict[str, bytes | None]:
    """The files that make `base` the registry that is wanted, by their path from the repository's top.

    A file that exists is edited, so that what people wrote into it by hand stays.
    """
    root = root_of(base.repository)
    gone = {model.id: path for path, now in registry.touched.items() if now is None and (model := _read(base, path))}
    found: dict[str, bytes | None] = {}
    for path, model in registry.touched.items():
        if model is None:
            found[root + path] = None
            continue
        source = path if base.is_model(path) else gone.get(model.id)
        if source is None:
            found[root + path] = text_of(model, path).encode()
        elif (before := base.registry.models[source]) != model or source != path:
            found[root + path] = edited(base.text(source), before, model).encode()
    return found | (derived(base, registry.touched) if base.spec.stage_files else {})


def _read(snapshot: Snapshot, path: str) -> RegisteredModel | None:
    return snapshot.registry.models[path] if snapshot.is_model(path) else None


def merged_tree(world: World, ours: str, theirs: str) -> MergeResult:
    """Merge `theirs` into `ours`, both commits.

    Where lines clash in model files only, the changes of `theirs` are made again on `ours` by their meaning: two moves
    of neighbouring versions go together, two new versions with one number are renumbered. Anything else that clashes
    is a conflict.
    """
    result = _merged(world, ours, theirs)
    return result if result.conflicts else replace(result, tree=_followed(world, ours, theirs, result.tree))


def _merged(world: World, ours: str, theirs: str) -> MergeResult:
    repository = world.repository
    result = repository.merge(ours, theirs)
    if isinstance(result, Merged):
        return MergeResult(result.tree)
    root = root_of(repository)
    clashing = {file.path.removeprefix(root) for file in result.paths if file.path.startswith(root)}
    follows = world.snapshot(ours).spec.stage_files
    strangers = sorted(file.path for file in result.paths if not _is_ours(file.path.removeprefix(root), follows))
    own_tree = repository.commit_info(ours).tree
    if strangers:
        return MergeResult(own_tree, tuple(f"both sides changed {path}" for path in strangers))
    base = repository.merge_base(ours, theirs)
    if base is None:
        return MergeResult(own_tree, ("the two have no common history",))
    return _by_meaning(world, base, ours, theirs, result.tree, clashing)


def _is_ours(path: str, follows: bool) -> bool:
    """Whether a clash in a file is for us to resolve. A stage file is made again, so it never clashes."""
    return is_model_path(path) or path == WEBHOOKS_FILE or (follows and is_stage_path(path))


def _followed(world: World, ours: str, theirs: str, tree: str) -> str:
    """The merged tree with stage files that say what its models say; all of them where they are new."""
    head = world.snapshot(tree)
    try:
        asks, asked = head.spec.stage_files, world.snapshot(ours).spec.stage_files
    except BadSpec:
        return tree
    if not asks:
        return tree
    if not asked:
        return mended(world.repository, head, everything(head), tree)
    root = root_of(world.repository)
    base = world.repository.merge_base(ours, theirs)
    changed = world.repository.changes(base, theirs, root) if base else ()
    return mended(world.repository, head, concerned(c.path.removeprefix(root) for c in changed), tree)


def _by_meaning(world: World, base: str, ours: str, theirs: str, tree: str, clashing: set[str]) -> MergeResult:
    mine = world.snapshot(ours)
    own_tree = world.repository.commit_info(ours).tree
    try:
        changes = changes_between(world.snapshot(base), world.snapshot(theirs), set(concerned(clashing)))
        replayed = replay(changes, mine.registry)
        called, clashes = _webhooks(world.snapshot(base), mine, world.snapshot(theirs), clashing)
    except BadSpec as error:
        return MergeResult(own_tree, (f"{error.where}: {error.what}",))
    if replayed.conflicts or clashes:
        return MergeResult(own_tree, (*replayed.conflicts, *clashes))
    files: Mapping[str, bytes | None] = {**texts(mine, replayed.registry), **called}
    root = root_of(world.repository)
    kept = {root + path: mine.files.get(path) for path in clashing}
    made = world.repository.write_tree(tree, {**kept, **files})
    return MergeResult(made, renumbered=replayed.renumbered)


def _webhooks(
    base: Snapshot, mine: Snapshot, theirs: Snapshot, clashing: set[str]
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """webhooks.yaml by its meaning, where its lines clash: each webhook by its id."""
    if WEBHOOKS_FILE not in clashing:
        return {}, ()
    made, clashes = merged(base.webhooks, mine.webhooks, theirs.webhooks)
    return {root_of(mine.repository) + WEBHOOKS_FILE: webhooks_text(mine, made).encode()}, clashes


def webhooks_text(base: Snapshot, after: Webhooks) -> str:
    """The text of webhooks.yaml that says `after`; what people wrote into it by hand stays."""
    if WEBHOOKS_FILE not in base.files:
        return text_of(after, WEBHOOKS_FILE)
    return edited(base.text(WEBHOOKS_FILE), base.webhooks, after)


def changes_between(base: Snapshot, head: Snapshot, paths: set[str] | None = None) -> tuple[Change, ...]:
    """The changes to the model files that differ, or to those of `paths`."""
    root = root_of(base.repository)
    if paths is None:
        listed = base.repository.changes(base.commit, head.commit, root)
        paths = {change.path.removeprefix(root) for change in listed if is_model_path(change.path.removeprefix(root))}
    old = {path: base.registry.models[path] for path in paths if base.is_model(path)}
    new = {path: head.registry.models[path] for path in paths if head.is_model(path)}
    return diff(Registry(old), Registry(new))


def webhooks_asked(base: Snapshot, head: Snapshot) -> tuple[WebhookAsked, ...]:
    """What a change does to webhooks.yaml; nothing where it does not touch it, or where one side does not read."""
    if base.blob_of(WEBHOOKS_FILE) == head.blob_of(WEBHOOKS_FILE):
        return ()
    try:
        found = webhook_changes(base.webhooks, head.webhooks)
        return tuple(WebhookAsked(change.text, model_file(base, *scope)) for change in found for scope in change.scopes)
    except BadSpec:
        return ()


def model_file(base: Snapshot, id_: str, name: str) -> str:
    """The file of the model a webhook is about, by its id, or by its name where it says no id; empty for none."""
    if not id_:
        return base.registry.path(name) if name in base.registry.names else ""
    if name in base.registry.names and base.registry.model(name).id == id_:
        return base.registry.path(name)
    return next((path for path, model in _readable(base) if model.id == id_), "")


def _readable(base: Snapshot) -> Iterator[tuple[str, RegisteredModel]]:
    base.load(base.registry.models)
    for path in base.registry.models:
        with suppress(BadSpec):
            yield path, base.registry.models[path]
