"""Checks of files in a checkout, and of what a merge would clash on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stagedoor.core.checks import Problem
from stagedoor.core.layout import SPEC_FOLDER
from stagedoor.core.plan import Plan
from stagedoor.errors import BadInput, BadRepository, NotFound
from stagedoor.workflows.planning import plan
from stagedoor.workflows.snapshots import MAX_FILE, root_of, with_files
from stagedoor.workflows.world import World


def conflicts_as_problems(made: Plan) -> tuple[Problem, ...]:
    """The clashes of a merge, said like problems."""
    return tuple(
        Problem("conflict", "error", text, fix="stagedoor update N, or merge main by hand") for text in made.conflicts
    )


def validate_files(world: World, paths: Sequence[Path]) -> tuple[Problem, ...]:
    """Check files of the checkout as if they were committed on main: what an editor or a pre-commit hook asks."""
    top = world.repository.work_tree
    if top is None:
        raise BadRepository("a bare repository has no files to check", fix="stagedoor validate --head REV")
    base = world.snapshot()
    root = root_of(world.repository)
    spec = top / root / SPEC_FOLDER
    files: dict[str, bytes | None] = {}
    for path in paths:
        for file in _files_in(path):
            files[_inside(file, top)] = _bytes(file)
    if any(path.resolve() == spec.resolve() for path in paths):
        files |= {root + path: None for path in base.files if not (top / root / path).exists()}
    made = plan(world, base, with_files(base, files))
    return tuple(problem for problem in made.problems if not problem.path or problem.path in files)


def _files_in(path: Path) -> list[Path]:
    if path.is_dir() and not path.is_symlink():
        return sorted(found for found in path.rglob("*") if found.is_symlink() or found.is_file())
    if not path.exists() and not path.is_symlink():
        raise NotFound(f"there is no file {path}", fix="name files of this checkout, or the number of a request")
    return [path]


def _inside(file: Path, top: Path) -> str:
    # the link itself is what git would store, so it is not followed
    whole = file.parent.resolve() / file.name
    if not whole.is_relative_to(top.resolve()):
        raise BadInput(f"{file} is outside the repository", where=str(top))
    return whole.relative_to(top.resolve()).as_posix()


def _bytes(file: Path) -> bytes:
    if file.is_symlink():
        raise BadInput(
            "a symbolic link stands where a plain file should", where=str(file), fix="replace it by a plain file"
        )
    if file.stat().st_size > MAX_FILE:
        raise BadInput(f"the file has more than {MAX_FILE:,} bytes", where=str(file), fix="keep artifacts elsewhere")
    return file.read_bytes()
