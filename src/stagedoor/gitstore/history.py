"""First-parent history: the order of events, streamed, and never by a clock."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from stagedoor.errors import BadRepository
from stagedoor.gitstore.commits import parse_commit, seconds_as_time
from stagedoor.gitstore.objects import end, missing, parse_header, read_exactly
from stagedoor.gitstore.process import Git
from stagedoor.gitstore.values import CommitInfo, Oid


def first_parents(
    git: Git, since: Oid | None, until: Oid, paths: Sequence[str], read: Callable[[Oid], CommitInfo]
) -> Iterator[CommitInfo]:
    """Oldest first, `(since, until]`. Along a single chain rev-list cannot but keep the chain's order."""
    if since == until:
        return iter(())
    if since is not None:
        require_chain(git, since, until, read)
    wanted = () if "" in paths else paths
    return _stream(git, ["rev-list", "--first-parent", "--reverse", *_range(since, until), "--", *wanted])


def clock(git: Git, since: Oid | None, until: Oid) -> list[tuple[Oid, datetime]]:
    """The chain `(since, until]`, oldest first, with the committer's dates: one process, and no commit is opened."""
    listed = git.run("rev-list", "--timestamp", "--first-parent", "--reverse", *_range(since, until), "--").text
    pairs = (line.split() for line in listed.splitlines())
    return [(Oid(oid), seconds_as_time(int(seconds))) for seconds, oid in pairs]


def newest_first(git: Git, until: Oid, paths: Sequence[str]) -> Iterator[Oid]:
    """The chain from its newest end, streamed: whoever has seen enough stops."""
    process = git.start("--literal-pathspecs", "rev-list", "--first-parent", until, "--", *paths)
    assert process.stdout  # noqa: S101 - it is a pipe
    try:
        yield from (Oid(line.decode("ascii").strip()) for line in process.stdout)
        if process.wait():
            raise BadRepository("git could not read the history", where=str(git.git_dir), fix="run git fsck")
    finally:
        end(process)


def last_touch(git: Git, until: Oid, under: str, name: str) -> Oid | None:
    """The newest commit of the chain that changed `under/**/name`, where neither is a pattern."""
    pattern = f"{_literal(under)}/**/{_literal(name)}"
    options = ("--glob-pathspecs", "rev-list", "--first-parent", "-1", until, "--", pattern)
    return Oid(git.run(*options).text.strip()) or None


def _literal(path: str) -> str:
    # what a glob would read as more than itself: https://git-scm.com/docs/gitglossary, pathspec
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)


def _range(since: Oid | None, until: Oid) -> list[str]:
    return [until] if since is None else [until, f"^{since}"]


def require_chain(git: Git, since: Oid, until: Oid, read: Callable[[Oid], CommitInfo]) -> None:
    """BadRepository where `since` is not on the first-parent chain.

    What rev-list leaves out is all that `since` reaches; only on the chain is that a prefix of it.
    """
    listed = git.run("rev-list", "--first-parent", *_range(since, until)).text.split()
    oldest = read(Oid(listed[-1])) if listed else None
    if oldest is None or oldest.parents[:1] != (since,):
        raise BadRepository(
            f"{since[:12]} is not on the first-parent history of {until[:12]}",
            fix="the branch was rewritten or this clone is shallow: fetch it in full, or start anew from the beginning",
        )


def _stream(git: Git, listing: list[str]) -> Iterator[CommitInfo]:
    ids = git.start("--literal-pathspecs", *listing)
    assert ids.stdout  # noqa: S101 - it is a pipe
    bodies = git.start("cat-file", "--batch", "--buffer", stdin=ids.stdout.fileno())
    ids.stdout.close()
    try:
        yield from _commits(bodies)
        if ids.wait() or bodies.wait():
            raise BadRepository("git could not read the history", where=str(git.git_dir), fix="run git fsck")
    finally:
        end(bodies)
        end(ids)


def _commits(bodies: subprocess.Popen[bytes]) -> Iterator[CommitInfo]:
    assert bodies.stdout  # noqa: S101 - it is a pipe
    while line := bodies.stdout.readline():
        oid = Oid(line.split(b" ", 1)[0].decode("ascii"))
        head = parse_header(line)
        if head is None:
            raise missing(oid)
        yield parse_commit(oid, read_exactly(bodies.stdout, head[1] + 1)[:-1])
