"""Stage files of a registry: which are there, which should be, and how to make the two equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stagedoor.core.checks.base import StageText
from stagedoor.core.layout import is_model_path, is_stage_path, model_path_of
from stagedoor.core.reading import text_of
from stagedoor.core.spec import RegisteredModel
from stagedoor.core.stagefiles import stage_files
from stagedoor.errors import BadSpec
from stagedoor.gitstore import Repository
from stagedoor.workflows.snapshots import Snapshot, root_of


def concerned(paths: Iterable[str]) -> tuple[str, ...]:
    """The model files that some paths of the registry speak of: themselves, and those of stage files."""
    found = (model_path_of(p) if is_stage_path(p) else p for p in paths if is_stage_path(p) or is_model_path(p))
    return tuple(dict.fromkeys(found))


def everything(snapshot: Snapshot) -> tuple[str, ...]:
    """Every model file there is, and every one that a stage file speaks of."""
    return concerned(sorted(snapshot.files))


def stage_texts(snapshot: Snapshot, paths: Iterable[str]) -> tuple[StageText, ...]:
    """The stage files of some models, as they are and as they should be. A model that does not read is left out."""
    return tuple(_texts(snapshot, models_at(snapshot, paths)))


def derived(snapshot: Snapshot, models: Mapping[str, RegisteredModel | None]) -> dict[str, bytes | None]:
    """The stage files to write, or to delete, once these models stand there, by path from the repository's top."""
    root = root_of(snapshot.repository)
    return {
        root + one.path: None if one.wanted is None else one.wanted.encode()
        for one in _texts(snapshot, models)
        if one.found != one.wanted
    }


def mended(repository: Repository, snapshot: Snapshot, paths: Iterable[str], tree: str) -> str:
    """A tree, of which `snapshot` is the registry, with the stage files of some models as they should be."""
    models = models_at(snapshot, paths)
    files = derived(snapshot, models)
    return repository.write_tree(tree, files) if files else tree


def models_at(snapshot: Snapshot, paths: Iterable[str]) -> dict[str, RegisteredModel | None]:
    """The models at some paths; None where there is none. One that does not read is left out."""
    found: dict[str, RegisteredModel | None] = {}
    for path in paths:
        try:
            found[path] = snapshot.registry.models[path] if snapshot.is_model(path) else None
        except BadSpec:
            continue
    return found


def _texts(snapshot: Snapshot, models: Mapping[str, RegisteredModel | None]) -> list[StageText]:
    there: dict[str, list[str]] = {}
    for path in snapshot.files:
        if is_stage_path(path):
            there.setdefault(model_path_of(path), []).append(path)
    found: list[StageText] = []
    for path, model in models.items():
        wanted = {p: text_of(file, p) for p, file in stage_files(path, model).items()} if model else {}
        for one in sorted({*wanted, *there.get(path, ())}):
            found.append(StageText(one, path, _text(snapshot, one), wanted.get(one)))
    return found


def _text(snapshot: Snapshot, path: str) -> str | None:
    if path not in snapshot.files:
        return None
    if not snapshot.files[path].is_file:
        return ""
    try:
        return snapshot.raw(path).decode("utf-8", "replace")
    except BadSpec:
        return ""
