"""Files of a checkout in their canonical form."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stagedoor.core.layout import SPEC_FOLDER
from stagedoor.core.reading import formatted
from stagedoor.errors import BadRepository, BadSpec, NotFound
from stagedoor.workflows.snapshots import MAX_FILE, root_of
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
