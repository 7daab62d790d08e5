"""The read index of a world: opened, brought up to main, and done without where it cannot be kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stagedoor.errors import Unavailable
from stagedoor.index import CannotKeep, Index, Status
from stagedoor.workflows.world import World


@contextmanager
def opened(world: World, *, build: bool = True) -> Iterator[Index | None]:
    """The index at main, closed afterwards.

    None where there can be none: in a shallow or partial clone, whose history is not all here, and where the state
    folder cannot be written. Without `build` None too where there is none yet.
    """
    if world.stays_open is not None:
        yield _kept(world, world.stays_open, build=build)
        return
    index = _index(world, build=build)
    try:
        yield index
    finally:
        if index is not None:
            index.close()


def _kept(world: World, stays_open: dict[str, Any], *, build: bool) -> Index | None:
    """The index that the last one left open, brought up to main."""
    index: Index | None = stays_open.pop("index", None)
    if index is not None:
        try:
            index.catch_up()
        except CannotKeep:
            index.close()
            return None
        except BaseException:
            index.close()
            raise
    else:
        index = _index(world, build=build)
    if index is not None:
        stays_open["index"] = index
    return index


def _index(world: World, *, build: bool) -> Index | None:
    world.main()
    if world.repository.is_shallow or world.repository.is_partial:
        return None
    try:
        if not build and not Index.is_there(world.repository):
            return None
        return Index(world.repository, world.now, world.progress, world.read_before)
    except CannotKeep:
        return None


def status(world: World, *, rebuild: bool = False) -> Status:
    """What the index holds, after it was brought up to main, or built anew.

    `BadRepository` where the history is not all here, `Unavailable` where the state folder cannot be written.
    """
    world.main()
    try:
        with Index(world.repository, world.now, world.progress) as index:
            if rebuild:
                index.rebuild()
            return index.status()
    except CannotKeep as error:
        raise Unavailable(
            f"the index cannot be kept: {error}",
            where=str(world.repository.common_dir / "stagedoor"),
            fix="make the folder writable; until then questions are answered from git",
        ) from error
