"""Adding files to a ref of our own, whoever else does the same at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stagedoor.gitstore import Oid, RefUpdate
from stagedoor.workflows.world import World


def append(world: World, ref: str, subject: str, files: Callable[[Oid | None], Mapping[str, bytes]]) -> Oid:
    """A commit on `ref` with more files; `files` is asked again for the newest tip when somebody was faster.

    In a rehearsal the commit is made and nothing points at it.
    """
    repository = world.repository

    def once() -> Oid:
        tip = repository.tip(ref)
        base = repository.commit_info(tip).tree if tip else None
        tree = repository.write_tree(base, dict(files(tip)))
        who = world.signature()
        parents = (tip,) if tip else ()
        commit = repository.commit(tree, parents, author=who, committer=who, message=f"{subject}\n")
        if not world.is_rehearsal:
            repository.publish((RefUpdate(ref, tip, commit),), f"stagedoor: {subject}")
        return commit

    return repository.in_turn(once, ref, world.sleep)
