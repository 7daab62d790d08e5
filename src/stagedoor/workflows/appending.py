"""Adding files to a ref of our own, whoever else does the same at the same time."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from stagedoor.errors import Unavailable
from stagedoor.gitstore import Oid, Raced, RefUpdate
from stagedoor.workflows.world import World

_TRIES = 200


def append(world: World, ref: str, subject: str, files: Callable[[Oid | None], Mapping[str, bytes]]) -> Oid:
    """A commit on `ref` with more files; `files` is asked again for the newest tip when somebody was faster.

    In a rehearsal the commit is made and nothing points at it.
    """
    repository = world.repository
    for attempt in range(_TRIES):
        try:
            with repository.turn():
                tip = repository.tip(ref)
                base = repository.commit_info(tip).tree if tip else None
                tree = repository.write_tree(base, dict(files(tip)))
                who = world.signature()
                parents = (tip,) if tip else ()
                commit = repository.commit(tree, parents, author=who, committer=who, message=f"{subject}\n")
                if world.is_rehearsal:
                    return commit
                repository.publish((RefUpdate(ref, tip, commit),), f"stagedoor: {subject}")
                return commit
        except Raced:
            world.sleep(random.uniform(0, min(0.2, 0.002 * 2 ** min(attempt, 8))))  # noqa: S311
    raise Unavailable(f"{ref} is being written by many at once", fix="try again")
