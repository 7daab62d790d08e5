"""Refs: read in process where they are files, moved only by compare-and-swap in one transaction."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stagedoor.errors import BadInput, BadRepository
from stagedoor.gitstore.paths import encode
from stagedoor.gitstore.process import Answer, Git
from stagedoor.gitstore.values import Oid, Raced, RefUpdate

if TYPE_CHECKING:
    import pygit2

LAST_NUMBER = 999_999_999
_HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BAD_REF = re.compile(r"[\0-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|\.(/|$)|/$")
_SYMREF_DEPTH = 5
_TRIES = 500
_BLINK = 0.5


def is_oid(text: str) -> bool:
    return _HEX.fullmatch(text) is not None


def can_be_said(text: str) -> bool:
    """Whether it can be given to git at all: no NUL, no half of a surrogate pair."""
    try:
        return b"\0" not in text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False


def check_ref(ref: str) -> str:
    if not ref.startswith("refs/") or ref.count("/") < 2 or _BAD_REF.search(ref) or not can_be_said(ref):
        raise BadInput(f"{ref!r} is not the name of a ref", fix="write it in full, like refs/heads/main")
    return ref


class OneRef:
    """Moves one ref that is there, in process: libgit2 holds git's own lock and compares under it.

    https://libgit2.org/libgit2/#HEAD/group/reference/git_reference_set_target. Everything else is git's to do: new
    refs, several at once, hooks, and whatever libgit2 refuses.
    """

    def __init__(self, git_dir: Path, common_dir: Path) -> None:
        self._git_dir = git_dir
        self._hook = common_dir / "hooks/reference-transaction"
        self._repository: pygit2.Repository | None = None

    def move(self, update: RefUpdate, reason: str, who: tuple[str, str]) -> bool:
        """Whether it was moved. False leaves it to git, which says what is wrong; `Raced` when somebody was faster."""
        if update.old is None or update.new is None or self._hook.exists():
            return False
        import pygit2

        try:
            repository = self._repository or pygit2.Repository(str(self._git_dir))
            self._repository = repository
            repository.set_ident(*who)
            found = repository.references.get(update.ref)
            if found is None or found.type != pygit2.enums.ReferenceType.DIRECT or str(found.target) != update.old:
                return False
            found.set_target(pygit2.Oid(hex=update.new), " ".join(reason.split()))
        except (pygit2.GitError, OSError, KeyError, ValueError):
            return False
        return True


class Refs:
    """The refs of one repository."""

    def __init__(self, git: Git, common_dir: Path, *, are_files: bool, zero: Oid, fast: OneRef | None = None) -> None:
        self._git = git
        self._dir = common_dir
        self._are_files = are_files
        self._zero = zero
        self._fast = fast

    def value(self, ref: str) -> Oid | None:
        """What a full ref points at, or None. No process where refs are plain files."""
        check_ref(ref)
        return self._from_files(ref) if self._are_files else self._from_git(ref)

    def _from_files(self, ref: str, depth: int = 0) -> Oid | None:
        try:
            text = (self._dir / ref).read_text("utf-8", "replace").strip()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            # Git writes packed-refs before it removes the file, so looking in this order misses nothing.
            return self._packed(ref)
        if is_oid(text):
            return Oid(text)
        if text.startswith("ref: ") and depth < _SYMREF_DEPTH:
            return self._from_files(check_ref(text[5:].strip()), depth + 1)
        raise BadRepository(f"{ref} is damaged", where=str(self._dir / ref), fix="run git fsck")

    def _packed(self, ref: str) -> Oid | None:
        try:
            data = (self._dir / "packed-refs").read_bytes()
        except FileNotFoundError:
            return None
        found = re.search(rb"^([0-9a-f]{40,64}) " + re.escape(encode(ref)) + rb"$", data, re.MULTILINE)
        return Oid(found[1].decode("ascii")) if found else None

    def _from_git(self, ref: str) -> Oid | None:
        answer = self._git.run("rev-parse", "--verify", "--quiet", "--end-of-options", ref, ok=(0, 1))
        return Oid(answer.text.strip()) if answer.code == 0 else None

    def list(self, prefix: str) -> dict[str, Oid]:
        """Every ref whose name begins with `prefix`, by name."""
        folder = prefix[: prefix.rindex("/")] if "/" in prefix else prefix
        if folder != "refs":
            check_ref(folder + "/x")
        answer = self._git.run("for-each-ref", "--format=%(objectname) %(refname)", folder)
        pairs = (line.split(" ", 1) for line in answer.text.splitlines())
        return {ref: Oid(oid) for oid, ref in pairs if ref.startswith(prefix)}

    def move(self, updates: Sequence[RefUpdate], reason: str, who: tuple[str, str]) -> None:
        """All of `updates` or none. Raced when a ref is not what was expected."""
        since = time.time()
        if self._fast is not None and len(updates) == 1:
            [one] = updates
            is_locked = self._lock(one).exists()
            if self._fast.move(one, reason, who):
                return
            if one.new != one.old and self.value(one.ref) == one.new:
                # moved, and then something failed that comes after: to try again would be to do it twice
                self._confirm(one)
                return
            if not is_locked:
                self._unlock(self._lock(one), one, since)
        answer = self._transaction(updates, reason, who)
        # a git that was killed, or whose disk failed, has moved all, some or none of them
        if answer.code and (answer.code < 0 or self._has_moved_some(updates)) and self.settle(updates, since):
            return
        if answer.code:
            raise self._refused(updates, answer)

    def _transaction(self, updates: Sequence[RefUpdate], reason: str, who: tuple[str, str]) -> Answer:
        script = b"".join([b"start\0", *map(self._line, updates), b"prepare\0", b"commit\0"])
        person = {"GIT_COMMITTER_NAME": who[0], "GIT_COMMITTER_EMAIL": who[1]}
        return self._git.write(
            *("-c", "core.filesRefLockTimeout=3000", "-c", "core.packedRefsTimeout=5000"),
            *("update-ref", "-m", " ".join(reason.split()), "--stdin", "-z"),
            stdin=script,
            ok=(),
            env=person,
            holds=True,
        )

    def _has_moved_some(self, updates: Sequence[RefUpdate]) -> bool:
        return any(one.new != one.old and self.value(one.ref) == one.new for one in updates)

    def _confirm(self, update: RefUpdate) -> None:
        """Have the disk say that it has a ref."""
        path = self._dir / update.ref
        try:
            for one in (path, path.parent):
                handle = os.open(one, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        except OSError as error:
            raise BadRepository(
                f"{update.ref} is at {update.new}, and the disk does not confirm it: {error.strerror}",
                where=str(path),
                fix="look at the disk, and then at what is there, before you do it again",
            ) from error

    def settle(self, updates: Sequence[RefUpdate], since: float) -> bool:
        """After whoever moved these refs was killed: away with its locks, and where some were moved, move the others.

        Git moves several refs one by one after it has locked them all. Whether all are where they were to be.
        """
        if not self._are_files:
            return self.are_at_new(updates)
        for update in updates:
            self._unlock(self._lock(update), update, since)
        self._unlock((self._git.git_dir or self._dir) / "HEAD.lock", None, since)
        moved = [one for one in updates if one.new != one.old and self.value(one.ref) == one.new]
        rest = [one for one in updates if one not in moved and self.value(one.ref) == one.old]
        if moved and rest:
            self._transaction(rest, "stagedoor: what a killed process left", ("stagedoor", "stagedoor@localhost"))
        return bool(moved) and self.are_at_new(updates)

    def _lock(self, update: RefUpdate) -> Path:
        return self._dir / f"{update.ref}.lock"

    def _unlock(self, lock: Path, update: RefUpdate | None, since: float) -> None:
        """Take a lock away that a killed process has left. One that is somebody else's says another commit."""
        held = _held(lock)
        # file systems are coarser than the clock
        if held is None or held[0].st_mtime < since - 2 or held[1] not in ("", (update.new or "") if update else ""):
            return
        if not held[1]:
            # empty for the blink of an eye, in anybody's hands
            time.sleep(_BLINK)
            again = _held(lock)
            if again is None or again[1] or again[0].st_ino != held[0].st_ino:
                return
        lock.unlink(missing_ok=True)

    def expect(self, updates: Sequence[RefUpdate]) -> None:
        """Raced when a ref is not what an update expects. Git looks again, under its lock; this is only sooner."""
        if moved := self._moved(updates):
            raise Raced(moved)

    def are_at_new(self, updates: Sequence[RefUpdate]) -> bool:
        return all(self.value(update.ref) == update.new for update in updates)

    def _moved(self, updates: Sequence[RefUpdate]) -> tuple[str, ...]:
        return tuple(update.ref for update in updates if self.value(update.ref) != update.old)

    def _line(self, update: RefUpdate) -> bytes:
        ref = check_ref(update.ref)
        for oid in (update.old, update.new):
            if oid is not None and (not is_oid(oid) or len(oid) != len(self._zero)):
                raise BadInput(f"{oid!r} is not an object id of this repository")
        if update.new is None:
            verb = f"delete {ref}\0{update.old}" if update.old else f"verify {ref}\0{self._zero}"
        else:
            verb = f"update {ref}\0{update.new}\0{update.old or self._zero}"
        return encode(verb) + b"\0"

    def _refused(self, updates: Sequence[RefUpdate], answer: Answer) -> Exception:
        """Looking again says more than git's sentence: who lost a race, and what is simply refused."""
        if moved := self._moved(updates):
            return Raced(moved)
        if "but expected" in answer.err or "reference already exists" in answer.err:
            return Raced(tuple(u.ref for u in updates))
        if ".lock': File exists" in answer.err:
            lock = re.search(r"'([^']*\.lock)': File exists", answer.err)
            return BadRepository(
                "another git process holds a ref of this repository",
                where=lock[1] if lock else str(self._dir),
                fix="wait for it; if none is running, remove that file",
            )
        return self._git.failure(("update-ref",), answer)


def _held(lock: Path) -> tuple[os.stat_result, str] | None:
    """A lock's file and what it says; None where there is none."""
    try:
        return lock.stat(), lock.read_text("ascii", "replace").strip()
    except OSError:
        return None


def create_numbered(
    make: Callable[[int], Sequence[RefUpdate]],
    prefix: str,
    *,
    existing: Callable[[str], dict[str, Oid]],
    publish: Callable[[Sequence[RefUpdate]], None],
) -> int:
    """Take the next number under `prefix` by creating its refs: whoever creates them first has it."""
    taken = 0
    for _ in range(_TRIES):
        number = 1 + max((_number(ref, prefix) for ref in existing(prefix)), default=0)
        if number > LAST_NUMBER:
            raise BadInput(f"no number follows {prefix}{LAST_NUMBER}", fix=f"take refs of {prefix}{LAST_NUMBER} away")
        if number == taken:  # nobody took it, so it was another of the refs that was there already
            break
        updates = make(number)
        if any(u.old is not None for u in updates) or not any(_number(u.ref, prefix) == number for u in updates):
            raise BadInput(f"number {number} under {prefix} is taken by creating its refs, and nothing else")
        try:
            publish(updates)
        except Raced:
            taken = number
            time.sleep(random.uniform(0, 0.01))  # noqa: S311 - only to fall out of step
        else:
            return number
    raise Raced((prefix,))


def _number(ref: str, prefix: str) -> int:
    # a ref with more digits is a stranger's: what follows it would be nobody's number
    found = re.match(r"([1-9][0-9]{0,8})(?=/|$)", ref.removeprefix(prefix)) if ref.startswith(prefix) else None
    return int(found[1]) if found else 0
