"""Where the repository is, which branch is its registry, and which folder holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stagedoor.errors import BadInput, BadRepository
from stagedoor.gitstore.process import Answer, Git, require_git
from stagedoor.gitstore.refs import check_ref
from stagedoor.gitstore.trees import Trees
from stagedoor.gitstore.values import Oid

SPEC = "registry_spec"
_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Place:
    """What git says about a folder."""

    git_dir: Path
    common_dir: Path
    work_tree: Path | None
    prefix: str
    is_bare: bool
    object_format: str


def locate(directory: Path) -> Place:
    """Like `git -C DIRECTORY`, from here upward."""
    require_git()
    if not directory.is_dir():
        raise BadRepository(f"{directory} is not a folder", fix="give a folder inside a git repository")
    answer = Git(directory).run(
        *("rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", "--is-bare-repository"),
        *("--show-object-format", "--show-prefix", "--show-toplevel"),
        ok=(),
    )
    lines = answer.text.split("\n")[:-1]
    if len(lines) not in (5, 6):  # the top level comes last, and a bare repository has none
        raise _no_repository(directory, answer)
    git_dir, common, bare, object_format, prefix = lines[:5]
    return Place(
        git_dir=Path(git_dir),
        common_dir=Path(common),
        work_tree=Path(lines[5]) if len(lines) == 6 else _beside(Path(git_dir), bare == "true"),
        prefix=prefix.rstrip("/"),
        is_bare=bare == "true",
        object_format=object_format,
    )


def _beside(git_dir: Path, is_bare: bool) -> Path | None:
    """Asked from inside `.git`, the work tree is the folder around it."""
    return git_dir.parent if not is_bare and git_dir.name == ".git" else None


def _no_repository(directory: Path, answer: Answer) -> BadRepository:
    if "dubious ownership" in answer.err:
        return BadRepository(
            f"git does not trust {directory}: it belongs to another user",
            where=str(directory),
            fix=f"git config --global --add safe.directory {directory.resolve()}",
        )
    if "not a git repository" in answer.err:
        return BadRepository(
            f"{directory} is not in a git repository",
            fix="change to one, name one with -C, or make one with stagedoor init",
        )
    return BadRepository(f"git cannot open {directory}: {answer.complaint}", where=str(directory))


def read_config(git: Git) -> dict[str, str]:
    """All settings that count here; of a key that is set twice, the last."""
    answer = git.run("config", "--list", "-z", "--includes")
    pairs = (item.partition("\n") for item in answer.text.split("\0") if item)
    return {key: value if newline else "true" for key, newline, value in pairs}


def clean_root(root: str) -> str:
    """A folder relative to the top of the repository; '' is the top."""
    path = PurePosixPath(root)
    if path.is_absolute() or ".." in path.parts or "\0" in root:
        raise BadInput(f"{root!r} is not a folder of the repository", fix="give it relative to the repository's top")
    return "" if str(path) == "." else str(path)


def find_root(trees: Trees, tip: Oid | None, place: Place) -> str:
    """The folder that holds registry_spec/: the nearest one upward from here, or the only one there is."""
    for folder in _upward(place.prefix):
        if _holds(trees, tip, place, folder):
            return folder
    found = _search(trees, tip) if tip else []
    if len(found) > 1:
        raise BadRepository(
            f"this repository holds several registries: {', '.join(found)}",
            fix=f"choose one: --registry {found[0]}, or git config stagedoor.root {found[0]}",
        )
    return found[0] if found else ""


def _upward(prefix: str) -> list[str]:
    parts = prefix.split("/") if prefix else []
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _holds(trees: Trees, tip: Oid | None, place: Place, folder: str) -> bool:
    entry = trees.entry(tip, f"{folder}/{SPEC}".lstrip("/")) if tip else None
    if entry is not None and entry.is_folder:
        return True
    return place.work_tree is not None and (place.work_tree / folder / SPEC).is_dir()


def _search(trees: Trees, tip: Oid) -> list[str]:
    """Folders with a registry_spec/registry.yaml, not too deep: a monorepo may be large."""
    found, level = [], [("", trees.of(tip))]
    for _ in range(_DEPTH):
        below = []
        for name, oid in level:
            for part, entry in trees.folder(oid).items():
                if part == SPEC.encode() and entry.is_folder and b"registry.yaml" in trees.folder(entry.oid):
                    found.append(name)
                elif entry.is_folder:
                    below.append((f"{name}/{part.decode('utf-8', 'surrogateescape')}".lstrip("/"), entry.oid))
        level = below
    return sorted(found)


def check_branch(branch: str) -> str:
    if branch.startswith("-"):
        raise BadInput(f"{branch!r} is not a branch", fix="give the name of a branch, like main")
    check_ref(f"refs/heads/{branch}")
    return branch
