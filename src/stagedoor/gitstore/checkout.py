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
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from stagedoor.errors import BadRepository
from stagedoor.gitstore.paths import encode
from stagedoor.gitstore.process import Answer, Git
from stagedoor.gitstore.refs import is_oid
from stagedoor.gitstore.values import Oid

_PATIENCE = 1.0
_MARK = "stagedoor"
_GONE = "0"
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
    moves: Sequence[tuple[Checkout, Oid, Oid]],
    look: Callable[[], None],
    has_moved: Callable[[], bool],
    *,
    holding: tuple[int, ...] = (),
) -> Iterator[None]:
    """Check every checkout, bring its files and index from old to new, and let the caller move the refs.

    `look` raises Raced when somebody else moved them: against a branch that has moved, every checkout seems dirty.
    `has_moved` says whether the caller did, should it be interrupted. `holding` is the caller's turn, if it has one.
    """
    with ExitStack() as held:
        steps = [held.enter_context(_Step.locked(*move, holding)) for move in moves]
        look()
        for step in steps:
            step.check()
        done: list[_Step] = []
        try:
            for step in steps:
                done.append(step)
                step.bring()
            yield
        except BaseException:
            for step in [] if has_moved() else reversed(done):
                # on a full disk it has to wait for whoever comes next; what was wrong in the first place says more
                with suppress(BadRepository, OSError):
                    step.put_back()
            raise


def mend(checkout: Checkout, tip: Callable[[str], Oid | None]) -> bool:
    """Bring a checkout to where its branch is, if a process was killed that was moving it; whether one was.

    To be called by whoever has the turn: no living process has such a lock then.
    """
    for draft in checkout.git_dir.glob("index.stagedoor.*"):
        with suppress(OSError):
            draft.unlink()
    lock = checkout.git_dir / "index.lock"
    if (found := _marked(lock)) is None:
        return False
    old, new = found
    step = _Step(checkout, old, new)
    if tip(checkout.ref) != new:
        step.put_back()
    step.unlock()
    return True


def _marked(lock: Path) -> tuple[Oid, Oid] | None:
    """The commits that one of our locks says its holder goes from and to; None where it is git's, or there is none."""
    try:
        word, *oids = lock.read_text("ascii", "replace").split()
    except (OSError, ValueError):
        return None
    return (Oid(oids[0]), Oid(oids[1])) if word == _MARK and len(oids) == 2 and all(map(is_oid, oids)) else None


class _Step:
    """One checkout on its way between two commits, its index.lock held and a copy of its index to work on."""

    def __init__(self, checkout: Checkout, old: Oid, new: Oid, holding: tuple[int, ...] = ()) -> None:
        self._checkout = checkout
        self._old = old
        self._new = new
        self._is_torn = False
        self._lock = checkout.git_dir / "index.lock"
        self._index = checkout.git_dir / "index"
        self._draft = checkout.git_dir / "index.stagedoor"
        self._git = Git(checkout.path)
        self._git.holding = holding
        self._git.environment |= {"GIT_INDEX_FILE": str(self._draft)}

    @classmethod
    @contextmanager
    def locked(cls, checkout: Checkout, old: Oid, new: Oid, holding: tuple[int, ...]) -> Iterator[_Step]:
        step = cls(checkout, old, new, holding)
        step._take()
        try:
            step._copy()
            yield step
        finally:
            # what cannot be put back now, on a full disk, the lock names to whoever comes next
            if not step._is_torn:
                step.unlock()

    def unlock(self) -> None:
        """Away with the copy and with what a killed git left beside it, and others may come."""
        for path in (self._draft, self._draft.with_name(f"{self._draft.name}.lock"), self._lock):
            # one that stays is ours to anybody who looks
            with suppress(OSError):
                path.unlink()

    def _take(self) -> None:
        """Editors run `git status` all the time and hold the lock for a moment, so wait a little.

        It is there with all it says or not at all, so that nobody takes it for git's.
        """
        draft = self._lock.with_name(f"{self._draft.name}.{token_hex(8)}")
        give_up = time.monotonic() + _PATIENCE
        try:
            draft.write_text(f"{_MARK} {self._old} {self._new}\n")
            while True:
                try:
                    os.link(draft, self._lock)
                    return
                except FileExistsError as error:
                    if time.monotonic() > give_up:
                        raise self._busy() from error
                time.sleep(0.02)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            with suppress(OSError):
                draft.unlink()

    def _unwritable(self, error: OSError) -> BadRepository:
        return BadRepository(
            f"{self._checkout.path} cannot be written: {error.strerror}",
            where=str(self._lock),
            fix="see to the free space and to who may write there",
        )

    def _busy(self) -> BadRepository:
        return BadRepository(
            f"another git process is at work in {self._checkout.path}",
            where=str(self._lock),
            fix="wait for it; if none is running, remove that file",
        )

    def _copy(self) -> None:
        try:
            self._draft.unlink(missing_ok=True)
            self._draft.with_name(f"{self._draft.name}.lock").unlink(missing_ok=True)
            if self._index.exists():
                shutil.copy2(self._index, self._draft)
        except OSError as error:
            raise self._unwritable(error) from error

    def check(self) -> None:
        """Refresh, so that a file that was only touched counts as clean; then try, without doing it."""
        self._git.run("update-index", "-q", "--refresh", ok=(0, 1))
        answer = self._git.run("read-tree", "-m", "-u", "-n", self._old, self._new, ok=())
        if answer.code:
            raise self._in_the_way(answer)

    def bring(self) -> None:
        """Files and index from old to new."""
        try:
            if not self._draft.exists():
                self._copy()
            self._git.run("read-tree", "-m", "-u", self._old, self._new, holds=True)
            self._draft.replace(self._index)
        except (BadRepository, OSError) as error:
            raise BadRepository(
                f"{self._checkout.path} could not be brought to {self._new[:12]}: {error}",
                where=str(self._checkout.path),
                fix="look at it with git status; the branch itself has not moved",
            ) from error

    def put_back(self) -> None:
        """Files and index to old again, from wherever between old and new they are. What somebody edited stays."""
        self._is_torn = True
        changed = tuple(_changed(self._git, self._old, self._new))
        mine = [one for one in changed if self._is_ours(one)]
        self._copy()
        lines = "".join(f"{one.mode} {one.old}\t{one.path}\0" for one in changed)
        self._git.run("update-index", "-z", "--index-info", stdin=encode(lines))
        back = "".join(f"{one.path}\0" for one in mine if one.was_there)
        self._git.run("checkout-index", "-f", "-q", "-z", "--stdin", stdin=encode(back), holds=True)
        for one in mine:
            if not one.was_there:
                self._remove(self._checkout.path / one.path)
        self._git.run("update-index", "-q", "--refresh", ok=(0, 1))
        if self._draft.exists():
            self._draft.replace(self._index)
        self._is_torn = False

    def _remove(self, path: Path) -> None:
        """Remove a file, and the folders that it leaves empty."""
        path.unlink(missing_ok=True)
        for folder in path.relative_to(self._checkout.path).parents:
            with suppress(OSError):
                if folder != Path():
                    (self._checkout.path / folder).rmdir()

    def _is_ours(self, one: _Changed) -> bool:
        """Whether a file is missing, as it was, as it was to be, or torn on the way there: not what somebody wrote."""
        path = self._checkout.path / one.path
        if not os.path.lexists(path):
            return True
        if path.is_symlink() or not path.is_file():
            return False
        raw = path.read_bytes()
        same = self._git.run("hash-object", f"--path={one.path}", "--stdin", stdin=raw).text.strip()
        return same in (one.old, one.new) or (
            one.is_there and self._git.run("cat-file", "blob", one.new).out.startswith(raw)
        )

    def _in_the_way(self, answer: Answer) -> BadRepository:
        untracked = re.search(r"untracked working tree file", answer.err, re.IGNORECASE)
        what = "an untracked file in the way" if untracked else "uncommitted changes in the way"
        return BadRepository(
            f"{self._checkout.path} has {what}: {answer.complaint}",
            where=str(self._checkout.path),
            fix="move it away, then run the command again" if untracked else _CURE,
        )


@dataclass(frozen=True, slots=True)
class _Changed:
    """A path that differs between two commits: how it was, and what it was to be."""

    mode: str
    old: str
    new: str
    path: str

    @property
    def was_there(self) -> bool:
        return self.mode != _GONE

    @property
    def is_there(self) -> bool:
        return bool(self.new.strip("0"))


def _changed(git: Git, old: Oid, new: Oid) -> Iterator[_Changed]:
    """As in https://git-scm.com/docs/git-diff-tree#_raw_output_format; submodules stay where they are."""
    fields = git.run("diff-tree", "-r", "-z", "--no-renames", old, new).text.split("\0")
    for facts, path in zip(fields[0::2], fields[1::2], strict=False):
        before, after, old_oid, new_oid, _ = facts.removeprefix(":").split(" ")
        if "160000" not in (before, after):
            yield _Changed(before if old_oid.strip("0") else _GONE, old_oid, new_oid, path)
