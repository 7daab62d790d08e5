"""Files of a checkout in their canonical form."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stagedoor.core.layout import SPEC_FOLDER
from stagedoor.core.reading import formatted
from stagedoor.errors import BadRepository, BadSpec, NotFound
from stagedoor.workflows.snapshots import MAX_FILE, root_of, with_files
from stagedoor.workflows.stagefiles import derived, everything, models_at
from stagedoor.workflows.world import World


def format_files(world: World, paths: Sequence[Path], *, check: bool) -> tuple[list[Path], list[BadSpec]]:
    """Write files in canonical form; the paths that changed (or would), and the refusals of those that do not read.

    Without paths every YAML file of the registry in the checkout. A file is replaced as a whole or not at all.
    """
    changed: list[Path] = []
    faults: list[BadSpec] = []
    for path in paths or _all(world):
        try:
            if _format(path, check=check):
                changed.append(path)
        except BadSpec as error:
            faults.append(error)
    return changed, faults


def write_stage_files(world: World, *, check: bool) -> tuple[list[Path], list[BadSpec]]:
    """Make the stage files of the checkout say what its model files say; the paths that changed (or would), and the
    refusals of models that do not read."""
    top = world.repository.work_tree
    if top is None:
        raise BadRepository("a bare repository has no files to write", fix="run it in a checkout")
    root = root_of(world.repository)
    here = with_files(world.snapshot(), _checkout(world, top, root))
    files = derived(here, models_at(here, everything(here)))
    for path, data in files.items() if not check else ():
        _put(top / path, top / root / SPEC_FOLDER, data)
    return [top / path for path in sorted(files)], list(here.unreadable())


def _checkout(world: World, top: Path, root: str) -> dict[str, bytes | None]:
    """The registry's files as they are on the disk, in the place of what main has."""
    gone: dict[str, bytes | None] = {root + path: None for path in world.snapshot().files}
    files = {path for path in _all(world) if path.stat().st_size <= MAX_FILE}
    return gone | {path.relative_to(top).as_posix(): path.read_bytes() for path in sorted(files)}


def _put(path: Path, folder: Path, data: bytes | None) -> None:
    if not path.parent.resolve().is_relative_to(folder.resolve()) or path.is_symlink():
        raise BadRepository(f"{path} leads out of the registry by a link", fix="replace the link by a plain folder")
    if data is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    _replace(path, data)


def _all(world: World) -> list[Path]:
    top = world.repository.work_tree
    if top is None:
        raise BadRepository("a bare repository has no files to format", fix="run it in a checkout")
    folder = top / root_of(world.repository) / SPEC_FOLDER
    return sorted(path for path in folder.rglob("*.yaml") if path.is_file() and not path.is_symlink())


def _format(path: Path, *, check: bool) -> bool:
    if path.is_symlink() or not path.is_file():
        raise NotFound(f"there is no plain file {path}", fix="name a file of registry_spec/")
    if path.stat().st_size > MAX_FILE:
        raise BadSpec(f"the file has more than {MAX_FILE:,} bytes", where=str(path), fix="keep artifacts elsewhere")
    raw = path.read_bytes()
    made = formatted(raw, str(path)).encode()
    if made == raw:
        return False
    if not check:
        _replace(path, made)
    return True


def _replace(path: Path, data: bytes) -> None:
    """A whole new file under the old name: a reader sees the old bytes or the new ones."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".stagedoor-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
