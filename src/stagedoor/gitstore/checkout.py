"""Checkouts of a branch follow it when it is published, or keep it from being published.

As in `git merge`, files and index change first and the ref last: whoever commits in that moment has either read the
old HEAD, and loses git's own compare-and-swap, or finds the new index. (The other way round `git commit FILE`, which
reads the index before it locks it, could write an old index over the new one.) The index.lock is held all the while,
so what was found clean stays clean, and everything is put back if the ref does not move.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stagedoor.errors import BadRepository
from stagedoor.gitstore.process import Answer, Git
from stagedoor.gitstore.values import Oid

_PATIENCE = 1.0
_CURE = "commit or stash them, then run the command again"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A work tree, and the branch that its HEAD is."""

    path: Path
    git_dir: Path
    ref: str


def checkouts(git: Git) -> list[Checkout]:
    """The main work tree and the linked ones. A detached HEAD follows nothing, so it is not among them."""
    found = []
    for block in git.run("worktree", "list", "--porcelain", "-z").text.split("\0\0"):
        facts = dict(_fact(line) for line in block.split("\0") if line)
        path = Path(facts.get("worktree", ""))
        if "branch" in facts and "bare" not in facts and path.is_dir():
            answer = Git(path).run("rev-parse", "--absolute-git-dir")
            found.append(Checkout(path, Path(answer.text.rstrip("\n")), facts["branch"]))
    return found


def _fact(line: str) -> tuple[str, str]:
    key, _, value = line.partition(" ")
    return key, value


@contextmanager
def following(
    moves: Sequence[tuple[Checkout, Oid, Oid]], look: Callable[[], None], has_moved: Callable[[], bool]
) -> Iterator[None]:
    """Check every checkout, bring its files and index from old to new, and let the caller move the refs.

    `look` raises Raced when somebody else moved them: against a branch that has moved, every checkout seems dirty.
    `has_moved` says whether the caller did, should it be interrupted.
    """
    with ExitStack() as held:
        steps = [(held.enter_context(_Step.locked(checkout)), old, new) for checkout, old, new in moves]
        look()
        for step, old, new in steps:
            step.check(old, new)
        done: list[tuple[_Step, Oid, Oid]] = []
        try:
            for step, old, new in steps:
                step.bring(old, new)
                done.append((step, old, new))
            yield
        except BaseException:
            for step, old, new in [] if has_moved() else reversed(done):
                step.bring(new, old)
            raise


class _Step:
    """One checkout, its index.lock held and a copy of its index to work on."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._index = checkout.git_dir / "index"
        self._draft = checkout.git_dir / "index.stagedoor"
        self._git = Git(checkout.path)
        self._git.environment |= {"GIT_INDEX_FILE": str(self._draft)}

    @classmethod
    @contextmanager
    def locked(cls, checkout: Checkout) -> Iterator[_Step]:
        lock = checkout.git_dir / "index.lock"
        _take(lock, checkout)
        step = cls(checkout)
        try:
            step._copy()
            yield step
        finally:
            step._draft.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)

    def _copy(self) -> None:
        self._draft.unlink(missing_ok=True)
        if self._index.exists():
            shutil.copy2(self._index, self._draft)

    def check(self, old: Oid, new: Oid) -> None:
        """Refresh, so that a file that was only touched counts as clean; then try, without doing it."""
        self._git.run("update-index", "-q", "--refresh", ok=(0, 1))
        answer = self._git.run("read-tree", "-m", "-u", "-n", old, new, ok=())
        if answer.code:
            raise self._in_the_way(answer)

    def bring(self, old: Oid, new: Oid) -> None:
        try:
            if not self._draft.exists():
                self._copy()
            self._git.run("read-tree", "-m", "-u", old, new)
            self._draft.replace(self._index)
        except (BadRepository, OSError) as error:
            raise BadRepository(
                f"{self._checkout.path} could not be brought to {new[:12]}: {error}",
                where=str(self._checkout.path),
                fix="look at it with git status; the branch itself has not moved",
            ) from error

    def _in_the_way(self, answer: Answer) -> BadRepository:
        untracked = re.search(r"untracked working tree file", answer.err, re.IGNORECASE)
        what = "an untracked file in the way" if untracked else "uncommitted changes in the way"
        return BadRepository(
            f"{self._checkout.path} has {what}: {answer.complaint}",
            where=str(self._checkout.path),
            fix="move it away, then run the command again" if untracked else _CURE,
        )


def _take(lock: Path, checkout: Checkout) -> None:
    """Editors run `git status` all the time and hold the lock for a moment, so wait a little."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            return
        except FileExistsError as error:
            if time.monotonic() > give_up:
                raise BadRepository(
                    f"another git process is at work in {checkout.path}",
                    where=str(lock),
                    fix="wait for it; if none is running, remove that file",
                ) from error
        time.sleep(0.02)
