"""Which files each commit touched, newest first, read from git in one pass."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from stagedoor.errors import BadRepository
from stagedoor.gitstore import paths
from stagedoor.gitstore.objects import end
from stagedoor.gitstore.process import Git
from stagedoor.gitstore.values import Entry, FileChange, Oid, Touched

_CHUNK = 1 << 16


def touches(git: Git, since: Oid | None, until: Oid, under: str) -> Iterator[Touched]:
    """What the first-parent commits of `(since, until]` changed below a folder, each seen from its first parent.

    The form of the lines: https://git-scm.com/docs/git-diff-tree, "Raw output format".
    """
    # whoever set these for their own eyes did not mean them for us
    plain = ("-c", "log.showRoot=true", "-c", "log.follow=false")
    form = ("--raw", "-z", "--no-abbrev", "--no-renames", "--diff-merges=first-parent", "--ignore-submodules=none")
    span = (until,) if since is None else (until, f"^{since}")
    where = ("--", under) if under else ("--",)
    process = git.start("--literal-pathspecs", *plain, "log", "--first-parent", *form, "--format=%H", *span, *where)
    try:
        assert process.stdout  # noqa: S101 - it is a pipe
        yield from _read(process.stdout)
        if process.wait():
            raise BadRepository("git could not read the history", where=str(git.git_dir), fix="run git fsck")
    finally:
        with suppress(subprocess.SubprocessError):
            end(process)


def _read(out: IO[bytes]) -> Iterator[Touched]:
    commit, found = "", list[FileChange]()
    words = _words(out)
    for word in words:
        word = word.removeprefix(b"\n")
        if word.startswith(b":"):
            found.append(_change(word, next(words)))
            continue
        if commit:
            yield Touched(commit, tuple(found))
        commit, found = word.decode("ascii"), []
    if commit:
        yield Touched(commit, tuple(found))


def _words(out: IO[bytes]) -> Iterator[bytes]:
    """What stands between the zero bytes."""
    rest = b""
    while chunk := out.read(_CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole


def _change(line: bytes, path: bytes) -> FileChange:
    old_mode, new_mode, old, new, _ = line[1:].decode("ascii").split(" ")
    return FileChange(paths.decode(path), _entry(old_mode, old), _entry(new_mode, new))


def _entry(mode: str, oid: str) -> Entry | None:
    return Entry(int(mode, 8), Oid(oid)) if int(mode, 8) else None
