"""Manifests of what is served: rendered from HEAD, compared with a folder or a branch, and written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from stagedoor.core.manifests import Rendered, Rewrite, Unrendered, render_kserve, rewrite
from stagedoor.errors import BadInput, BadRepository
from stagedoor.gitstore import RefUpdate
from stagedoor.workflows.world import World

# a manifest has a few hundred bytes; what is larger is none of ours
MAX_FILE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Written:
    """What was written and removed, or would be; the commit, where it went to a branch."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    unrendered: tuple[Unrendered, ...]
    commit: str = ""

    @property
    def changes(self) -> bool:
        """Whether anything differs."""
        return bool(self.written or self.removed)


def to_folder(world: World, folder: Path, *, namespace: str = "", check: bool = False) -> Written:
    """Make a folder hold the manifests; only what differs is written. With `check` nothing is."""
    wanted = rendered(world, namespace)
    plan = rewrite(wanted, _files(folder))
    if not check:
        _apply(folder, plan)
    return _written(plan, wanted)


def rendered(world: World, namespace: str = "") -> Rendered:
    """The manifests of main."""
    snapshot = world.snapshot()
    if broken := snapshot.unreadable():
        # a model that is left out would be taken out of service
        raise broken[0]
    return render_kserve(snapshot.registry, snapshot.spec.serving, namespace)


def _written(plan: Rewrite, wanted: Rendered, commit: str = "") -> Written:
    return Written(tuple(one.path for one in plan.write), plan.remove, wanted.unrendered, commit)


def _files(folder: Path) -> Mapping[str, bytes]:
    """The files of a folder that may be ours. Links are nobody's: what they lead to is not in the folder."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is no folder", fix="name one, or one that is to be made")
    found = {}
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        if path.is_symlink() or not path.is_file():
            found[path.name] = b""
        elif path.stat().st_size <= MAX_FILE:
            found[path.name] = path.read_bytes()
        else:
            found[path.name] = b""
    return found


def _apply(folder: Path, plan: Rewrite) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in plan.write:
            # whoever reads meanwhile sees the old file or the new one
            new = folder / f".{one.name}.new"
            new.write_text(one.text, encoding="utf-8")
            os.replace(new, folder / one.path)  # noqa: PTH105
        for path in plan.remove:
            (folder / path).unlink(missing_ok=True)
    except OSError as error:
        raise BadRepository(f"the manifests cannot be written: {error}", where=str(folder)) from error


# --- to a branch ----------------------------------------------------------------------------------------------------


def to_branch(world: World, branch: str, folder: str, *, namespace: str = "", check: bool = False) -> Written:
    """Make a folder of a branch hold the manifests, in one commit that names what it was rendered from."""
    repository, wanted, main = world.repository, rendered(world, namespace), world.main()
    ref, under = _ref(world, branch), _folder(folder)

    def once() -> Written:
        tip = repository.tip(ref)
        plan = rewrite(wanted, _files_of(world, tip, under))
        if check or plan.is_empty:
            return _written(plan, wanted)
        files: dict[str, bytes | None] = {f"{under}{one.path}": one.text.encode() for one in plan.write}
        files |= {f"{under}{path}": None for path in plan.remove}
        tree = repository.write_tree(repository.commit_info(tip).tree if tip else None, files)
        who = world.signature()
        commit = repository.commit(tree, (tip,) if tip else (), author=who, committer=who, message=_message(plan, main))
        repository.publish((RefUpdate(ref, tip, commit),), "stagedoor: manifests")
        return _written(plan, wanted, commit)

    return repository.in_turn(once, ref, world.sleep)


def deploy(world: World, *, check: bool = False) -> Written | None:
    """Bring the branch that registry.yaml names up to main. None where it names none."""
    asked = world.snapshot().spec.serving.manifests
    if asked is None:
        return None
    return to_branch(world, asked.branch, asked.folder, namespace=asked.namespace, check=check)


def deployed_refs(world: World) -> tuple[str, ...]:
    """The refs that belong to the registry because registry.yaml has manifests written there."""
    asked = world.snapshot().spec.serving.manifests if world.repository.tip() else None
    ref = f"refs/heads/{asked.branch}" if asked else ""
    return (ref,) if ref and ref != world.repository.ref else ()


def _message(plan: Rewrite, main: str) -> str:
    lines = [f"serve {one.ref}" for one in plan.write] + [f"remove {path}" for path in plan.remove]
    subject = lines[0] if len(lines) == 1 else f"change {len(lines)} manifests"
    body = "\n".join(lines[:200])
    return f"{subject}\n\n{body}\n\nRendered-from: {main}\n"


def _ref(world: World, branch: str) -> str:
    ref = branch if branch.startswith("refs/heads/") else f"refs/heads/{branch}"
    if ref == world.repository.ref:
        fix = "choose a branch of its own, such as deploy"
        raise BadInput(f"{branch} is the registry itself", where="--commit", fix=fix)
    return ref


def _folder(folder: str) -> str:
    path = PurePosixPath(folder)
    if path.is_absolute() or ".." in path.parts or ".git" in path.parts:
        raise BadInput(f"{folder!r} is no folder of a branch", fix="write one such as serving, or . for the top")
    return "".join(f"{part}/" for part in path.parts)


def _files_of(world: World, tip: str | None, under: str) -> Mapping[str, bytes]:
    if tip is None:
        return {}
    files = world.repository.files(tip, under.rstrip("/"))
    inside = {path.removeprefix(under): entry for path, entry in files.items()}
    named = {path: entry for path, entry in inside.items() if "/" not in path and path.endswith(".yaml")}
    blobs = world.repository.blobs([one.oid for one in named.values() if one.is_file], max_bytes=MAX_FILE)
    return {path: (blobs.get(entry.oid) if entry.is_file else None) or b"" for path, entry in named.items()}
