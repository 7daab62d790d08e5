"""Checkpoints: what main was, in few enough words to keep elsewhere, so that a rewritten history is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stagedoor.errors import BadInput

LAST_KEPT: Final = 64
MAX_BYTES: Final = 1024 * 1024

_Oid = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    place: Annotated[int, Field(ge=1, le=10**9)]
    commit: _Oid


class _File(BaseModel):
    # a newer release that needs to say more takes another version
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    branch: str
    root: _Oid
    tip: _Oid
    count: Annotated[int, Field(ge=1, le=10**9)]
    commits: Annotated[tuple[_Kept, ...], Field(min_length=1, max_length=1000)]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Main's first-parent chain as it was: how long, its ends, and some of its commits by their place, from 1."""

    branch: str
    count: int
    commits: tuple[tuple[int, str], ...]

    @property
    def root(self) -> str:
        """The first commit."""
        return self.commits[0][1]

    @property
    def tip(self) -> str:
        """The newest commit."""
        return self.commits[-1][1]


def places(count: int) -> tuple[int, ...]:
    """The places that a checkpoint of so many commits keeps, from 1: the last ones, then ever fewer, and the first."""
    return tuple(sorted({1, *range(max(1, count - LAST_KEPT + 1), count + 1), *_doubling(count)}))


def _doubling(count: int) -> Iterator[int]:
    back = LAST_KEPT * 2
    while back < count:
        yield count - back
        back *= 2


def checkpoint_of(branch: str, chain: Sequence[str]) -> Checkpoint:
    """The checkpoint of a first-parent chain, oldest first."""
    return Checkpoint(branch, len(chain), tuple((place, chain[place - 1]) for place in places(len(chain))))


def encode(one: Checkpoint) -> str:
    """The file of a checkpoint: JSON, a commit a line."""
    head = {"version": 1, "branch": one.branch, "root": one.root, "tip": one.tip, "count": one.count}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    kept = [f'  {{"place": {place}, "commit": "{commit}"}}' for place, commit in one.commits]
    return "\n".join(["{", *lines, ' "commits": [', ",\n".join(kept), " ]", "}", ""])


def decode(raw: bytes, where: str) -> Checkpoint:
    """The checkpoint that a file holds, or `BadInput`."""
    try:
        file = _File.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"])) or "its JSON"
        raise BadInput(
            f"this is no checkpoint: {at} is wrong", where=where, fix="stagedoor audit verify --write-checkpoint FILE"
        ) from None
    commits = tuple((kept.place, kept.commit) for kept in file.commits)
    numbers = [place for place, _ in commits]
    ends = commits[0] == (1, file.root) and commits[-1] == (file.count, file.tip)
    if not ends or numbers != sorted(set(numbers)):
        raise BadInput("this is no checkpoint: its commits do not go from its root to its tip", where=where)
    return Checkpoint(file.branch, file.count, commits)


def differences(one: Checkpoint, chain: Sequence[str]) -> tuple[str, ...]:
    """Where a chain is not what the checkpoint remembers, as closely as that can tell; nothing where it holds all.

    A chain may have grown. It holds the checkpoint when every commit kept stands in its old place.
    """
    held = [(place, commit) for place, commit in one.commits if place <= len(chain) and chain[place - 1] == commit]
    lost = [(place, commit) for place, commit in one.commits if (place, commit) not in set(held)]
    if not lost:
        return ()
    return tuple(_told(held, lost, one, chain))


def _told(
    held: Sequence[tuple[int, str]], lost: Sequence[tuple[int, str]], one: Checkpoint, chain: Sequence[str]
) -> Iterator[str]:
    first = lost[0]
    before = [kept for kept in held if kept[0] < first[0]]
    if not before:
        yield f"{one.branch} begins with {chain[0][:10]}, and began with {one.root[:10]}: it is another history"
    else:
        yield f"{one.branch} still holds {_named(before[-1])}, and not {_named(first)}"
        if (between := first[0] - before[-1][0] - 1) > 0:
            yield f"of the {between:,} commits between the two the checkpoint kept none: it may begin with one of them"
    if len(chain) < one.count:
        yield f"{one.branch} has {len(chain):,} commits, and had {one.count:,}"
    where = {commit: place for place, commit in enumerate(chain, start=1)}
    moved = [(place, commit) for place, commit in lost if commit in where]
    for place, commit in moved[:3]:
        yield f"{_named((place, commit))} stands in place {where[commit]:,} now"
    if len(lost) > 1:
        yield f"{len(lost):,} of {len(one.commits):,} commits that it kept are not in their place"


def _named(kept: tuple[int, str]) -> str:
    return f"commit {kept[0]:,} ({kept[1][:10]})"
