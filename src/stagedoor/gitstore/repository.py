"""A git repository as the registry's database: read at a commit, write by compare-and-swap."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar, overload

from stagedoor.errors import AlreadyExists, BadInput, BadRepository, NotFound, Unavailable
from stagedoor.gitstore import checkout, discovery, history
from stagedoor.gitstore import touches as touching
from stagedoor.gitstore.commits import encode_commit, parse_commit
from stagedoor.gitstore.discovery import Place
from stagedoor.gitstore.following import Followed, Upstream, news
from stagedoor.gitstore.merges import Merger
from stagedoor.gitstore.objects import InProcess, missing, oid_of, open_store
from stagedoor.gitstore.packs import pack
from stagedoor.gitstore.process import Git, require_git
from stagedoor.gitstore.refs import OneRef, Refs, can_be_said, create_numbered, is_oid
from stagedoor.gitstore.remotes import Login, Remote
from stagedoor.gitstore.smallpacks import Kind, sweep
from stagedoor.gitstore.trees import Trees
from stagedoor.gitstore.turns import Turn
from stagedoor.gitstore.values import (
    Aftermath,
    CommitInfo,
    Entry,
    FileChange,
    MergeConflict,
    Merged,
    Oid,
    Raced,
    RefUpdate,
    Signature,
    TooBig,
    Touched,
)

T = TypeVar("T")
_TRIES = 500
_NEAR = 50
# seconds
_LOCKED = 60


class Repository:
    """One repository. Not for two threads at a time: open one for each, and close it."""

    def __init__(self, place: Place, *, registry: str | None = None, branch: str | None = None) -> None:
        self._place = place
        self._git = Git(place.git_dir, place.git_dir)
        self._config = discovery.read_config(self._git)
        if "core.fsync" in self._config:
            self._git.durably = ()
        self._store = open_store(self._git, place.common_dir, self._config)
        self._git.before = self._store.flush
        self._trees = Trees(self._store)
        self._turn: Turn | None = None
        # what this one found half done and brought to an end
        self.mended: list[str] = []
        self._upstream: Upstream | None = None
        self._refs = Refs(
            self._git,
            place.common_dir,
            are_files="extensions.refstorage" not in self._config,
            zero=Oid("0" * (40 if place.object_format == "sha1" else 64)),
            fast=self._one_ref(),
        )
        try:
            chosen = branch or self._config.get("stagedoor.branch") or self._usual_branch()
            self.branch: str = discovery.check_branch(chosen)
            self.root: str = self._choose_root(registry)
        except BaseException:
            self.close()
            raise

    def _one_ref(self) -> OneRef | None:
        """The quick way to move one ref, where libgit2 does all that git would do."""
        is_usual = isinstance(self._store, InProcess) and "core.hookspath" not in self._config
        refs = "extensions.refstorage" not in self._config
        return OneRef(self._place.git_dir, self._place.common_dir) if is_usual and refs else None

    @classmethod
    def open(cls, directory: Path, *, registry: str | None = None, branch: str | None = None) -> Self:
        return cls(discovery.locate(directory), registry=registry, branch=branch)

    @classmethod
    def init(cls, directory: Path, *, bare: bool, branch: str = "main", object_format: str = "sha1") -> Self:
        require_git()
        discovery.check_branch(branch)
        if (directory / ".git").exists() or (directory / "objects").is_dir():
            raise AlreadyExists(f"{directory} is a git repository already", fix="use it as it is")
        directory.mkdir(parents=True, exist_ok=True)
        kind = ["--bare"] if bare else []
        Git(directory).run("init", "-q", *kind, f"--initial-branch={branch}", f"--object-format={object_format}")
        return cls.open(directory, branch=branch)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # The place

    @property
    def git_dir(self) -> Path:
        return self._place.git_dir

    @property
    def common_dir(self) -> Path:
        return self._place.common_dir

    @property
    def work_tree(self) -> Path | None:
        return self._place.work_tree

    @property
    def is_bare(self) -> bool:
        return self._place.is_bare

    @property
    def object_format(self) -> str:
        return self._place.object_format

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"

    def state_dir(self) -> Path:
        """For secrets, the index and locks: beside the objects, never committed, for this user's eyes only."""
        state = self.common_dir / "stagedoor"
        state.mkdir(mode=0o700, exist_ok=True)
        return state

    def config(self, key: str) -> str | None:
        """A git setting as it was when the repository was opened."""
        section, _, name = key.rpartition(".")
        head, dot, subsection = section.partition(".")
        return self._config.get(f"{head.lower()}{dot}{subsection}.{name.lower()}")

    def identity(self) -> tuple[str, str] | None:
        """Who git thinks is here. A claim, not a proof; None where git would have to guess."""
        env = self._git.environment
        name = env.get("GIT_AUTHOR_NAME") or self.config("author.name") or self.config("user.name")
        email = env.get("GIT_AUTHOR_EMAIL") or self.config("author.email") or self.config("user.email")
        email = email or env.get("EMAIL")
        return (name, email) if name and email else None

    def _usual_branch(self) -> str:
        for name in ("main", "master"):
            if self._refs.value(f"refs/heads/{name}"):
                return name
        head = self._git.run("symbolic-ref", "--quiet", "--short", "HEAD", ok=(0, 1))
        return head.text.strip() or "main"

    def _choose_root(self, registry: str | None) -> str:
        chosen = registry if registry is not None else self.config("stagedoor.root")
        if chosen is not None:
            return discovery.clean_root(chosen)
        return discovery.find_root(self._trees, self.tip(), self._place)

    # Revisions

    def tip(self, ref: str | None = None) -> Oid | None:
        return self._refs.value(ref or self.ref)

    def resolve(self, rev: str) -> Oid:
        """The commit a person means. The registry's branch wins over a tag that borrows its name."""
        if rev in (self.branch, self.ref) and (tip := self.tip()):
            return tip
        if self._is_commit(rev):
            # a whole id is never anything else for git, so it need not be asked
            return Oid(rev)
        if not rev or rev.startswith(("-", ":")) or not can_be_said(rev):
            raise self._unknown(rev)
        said = f"refs/heads/{rev}" if rev.startswith((f"{self.branch}~", f"{self.branch}^")) else rev
        answer = self._git.run(*("rev-parse", "--verify", "--quiet", "--end-of-options", said + "^{commit}"), ok=())
        found = answer.text.strip()
        if answer.code or not is_oid(found):
            raise self._unknown(rev)
        return Oid(found)

    def _is_commit(self, text: str) -> bool:
        whole = is_oid(text) and len(text) == len(self._trees.empty)
        known = self._store.info(Oid(text)) if whole else None
        return known is not None and known[0] == "commit"

    def _unknown(self, rev: str) -> NotFound:
        fix = "name a branch, a tag or a commit of this repository"
        if self.is_shallow:
            fix += "; this clone is shallow: git fetch --unshallow brings the rest"
        return NotFound(f"there is no revision {rev!r}", fix=fix)

    @property
    def is_shallow(self) -> bool:
        return (self.common_dir / "shallow").exists()

    @property
    def is_partial(self) -> bool:
        return self._promisor() is not None

    def _promisor(self) -> str | None:
        """The remote that keeps what a partial clone left out."""
        for key in self._config:
            if key.startswith("remote.") and key.endswith((".promisor", ".partialclonefilter")):
                return key.removeprefix("remote.").rpartition(".")[0]
        return self._config.get("extensions.partialclone")

    def require_history(self) -> None:
        """Refuse rather than answer wrongly about a past that is not here."""
        if self.is_shallow:
            raise BadRepository(
                "this clone is shallow: its history is cut off",
                where=str(self.git_dir),
                fix="git fetch --unshallow (in CI: check out with fetch-depth: 0)",
            )
        if remote := self._promisor():
            raise BadRepository(
                "this clone is partial: some of its files are only on the remote",
                where=str(self.git_dir),
                fix=f"clone it without --filter, or: git fetch --refetch --no-filter {remote} && "
                f"git config --unset remote.{remote}.promisor; "
                f"git config --unset remote.{remote}.partialclonefilter; git config --unset extensions.partialclone",
            )

    def merge_base(self, a: Oid, b: Oid) -> Oid | None:
        bases = self._bases(a, b)
        return bases[0] if bases else None

    def _bases(self, a: Oid, b: Oid) -> tuple[Oid, ...]:
        answer = self._git.run("merge-base", "--all", "--end-of-options", a, b, ok=(0, 1))
        bases = tuple(Oid(line) for line in answer.text.split())
        if not bases and self.is_shallow:
            self.require_history()
        return bases

    def is_ancestor(self, a: Oid, b: Oid) -> bool:
        if not self.is_shallow and self._near(a, b) is not None:
            return True
        found = self._git.run("merge-base", "--is-ancestor", "--end-of-options", a, b, ok=(0, 1)).code == 0
        if not found and self.is_shallow:
            self.require_history()
        return found

    def remote(self, name: str, login: Login | None = None) -> Remote:
        """Another copy: a remote of this repository by its name, or any address."""
        return Remote(self._git, self.remote_url(name) or name, login)

    def remote_url(self, name: str) -> str | None:
        """The address of a configured remote, or None."""
        return self.config(f"remote.{name}.url")

    # Reading: never a work tree

    def files(self, commit: Oid, under: str = "") -> dict[str, Entry]:
        """Every file, symlink and submodule below a folder, by its path from the repository's top."""
        return self._trees.files(commit, under)

    def entry(self, commit: Oid, path: str) -> Entry | None:
        return self._trees.entry(commit, path)

    def blob(self, oid: Oid, *, max_bytes: int | None = None) -> bytes:
        if max_bytes is not None and (size := self.blob_size(oid)) > max_bytes:
            raise TooBig(oid, size, max_bytes)
        return self._store.read(oid)[1]

    def blob_size(self, oid: Oid) -> int:
        if (found := self._store.info(oid)) is None:
            raise missing(oid, self._git)
        return found[1]

    @overload
    def blobs(self, oids: Iterable[Oid]) -> dict[Oid, bytes]: ...
    @overload
    def blobs(self, oids: Iterable[Oid], *, max_bytes: int) -> dict[Oid, bytes | None]: ...
    def blobs(self, oids: Iterable[Oid], *, max_bytes: int | None = None) -> Mapping[Oid, bytes | None]:
        """Many at once. With `max_bytes` a larger one is None, and is never loaded."""
        wanted = list(dict.fromkeys(oids))
        if max_bytes is None:
            return dict(self._store.read_many(wanted))
        small = [oid for oid, size in self._store.info_many(wanted) if size <= max_bytes]
        return dict.fromkeys(wanted) | dict(self._store.read_many(small))

    def stream(self, oids: Sequence[Oid], *, max_bytes: int) -> Iterator[tuple[Oid, bytes | None]]:
        """As `blobs`, in the order that was asked for and one at a time: for more than memory holds."""
        small = {oid for oid, size in self._store.info_many(oids) if size <= max_bytes}
        found = self._store.read_many([oid for oid in oids if oid in small])
        for oid in oids:
            yield (oid, next(found)[1]) if oid in small else (oid, None)

    def changes(self, old: Oid | None, new: Oid, under: str = "") -> list[FileChange]:
        """What differs between two commits' trees, in path order. Renames are not guessed."""
        return self._trees.changes(old, new, under)

    def gone(self, old: Oid | None, new: Oid, under: str = "") -> list[FileChange]:
        """The files of one commit that are not in another, in path order."""
        return [change for change in self._trees.changes(old, new, under, only_gone=True) if change.after is None]

    def commit_info(self, oid: Oid) -> CommitInfo:
        kind, data = self._store.read(oid)
        if kind != "commit":
            raise NotFound(f"{oid} is a {kind}, not a commit")
        return parse_commit(oid, data)

    def first_parents(self, since: Oid | None, until: Oid, *, paths: Sequence[str] = ()) -> Iterator[CommitInfo]:
        """The commits after `since` up to `until`, oldest first, by first parents and never by date.

        With `paths`, only those that changed one of them. BadRepository when `since` is not on the chain.
        """
        if since is None or (self.is_shallow and not self.is_ancestor(since, until)):
            self.require_history()
        return history.first_parents(self._git, since, until, paths, self.commit_info)

    def clock(self, until: Oid, since: Oid | None = None) -> list[tuple[Oid, datetime]]:
        """The first-parent chain after `since` up to `until`, oldest first, with the dates its committers claim.

        A few commits are opened in process, more listed by git. BadRepository when `since` is not on the chain.
        """
        self.require_history()
        if since is not None and (near := self._near(since, until)) is not None:
            return [(one, self.commit_info(one).committer.time.astimezone(UTC)) for _, one in reversed(near)]
        if since is not None:
            history.require_chain(self._git, since, until, self.commit_info)
        return history.clock(self._git, since, until)

    def newest_first(self, until: Oid, paths: Sequence[str]) -> Iterator[Oid]:
        """The commits of the first-parent chain that changed one of these files or folders, as many as are taken."""
        self.require_history()
        return history.newest_first(self._git, until, paths)

    def last_touch(self, until: Oid, under: str, name: str) -> Oid | None:
        """The newest commit of the first-parent chain that changed a file of that name, somewhere below a folder."""
        self.require_history()
        return history.last_touch(self._git, until, under, name)

    def touches(self, since: Oid | None, until: Oid, under: str = "") -> Iterator[Touched]:
        """What the commits after `since` up to `until` touched below a folder, by first parents, newest first.

        A few commits are compared in process, more by git. BadRepository when `since` is not on the chain, or when the
        history is not all here.
        """
        if since is None:
            self.require_history()
        elif (near := self._near(since, until)) is not None:
            seen = (Touched(one, tuple(self.changes(parent, one, under))) for parent, one in near)
            return (one for one in seen if one.changes)
        else:
            history.require_chain(self._git, since, until, self.commit_info)
        return touching.touches(self._git, since, until, under)

    def _near(self, since: Oid, until: Oid) -> list[tuple[Oid, Oid]] | None:
        """The commits between, newest first, each behind its first parent; None when they are many, or no chain."""
        found: list[tuple[Oid, Oid]] = []
        while until != since:
            parents = self.commit_info(until).parents
            if not parents or len(found) >= _NEAR:
                return None
            found.append((parents[0], until))
            until = parents[0]
        return found

    def pack(self, oids: Iterable[Oid]) -> bytes:
        """A pack of these objects and no others: the same bytes whenever it is asked for."""
        return pack(self._git, oids)

    # Writing: no index, no work tree

    def write_blob(self, data: bytes) -> Oid:
        return self._write("blob", data)

    def write_tree(self, base: Oid | None, changes: Mapping[str, bytes | Entry | None]) -> Oid:
        """The tree that `changes` make of `base`: bytes write a file, None deletes one, an Entry is put as it is."""
        with self._store.gathering():
            return self._trees.rewrite(base, changes)

    def commit(
        self,
        tree: Oid,
        parents: Sequence[Oid],
        *,
        author: Signature,
        committer: Signature,
        message: str,
        mergetags: Sequence[str] = (),
    ) -> Oid:
        """A commit object; `mergetags` are signed tags of its parents, which it carries along."""
        for oid in (tree, *parents):
            if not is_oid(oid) or len(oid) != len(self._trees.empty):
                raise BadInput(f"{oid!r} is not an object id of this repository")
        return self._write("commit", encode_commit(tree, parents, author, committer, message, mergetags))

    def _write(self, kind: Kind, data: bytes) -> Oid:
        self._store.write_many([(kind, data)])
        return oid_of(kind, data, self.object_format)

    def merge(self, ours: Oid, theirs: Oid, *, base: Oid | None = None) -> Merged | MergeConflict:
        """Two commits against their merge base, or against `base`."""
        return Merger(self._git, self._store, self._trees, self._bases).merge(ours, theirs, base)

    # Publishing

    def refs(self, prefix: str) -> dict[str, Oid]:
        return self._refs.list(prefix)

    def publish(self, updates: Sequence[RefUpdate], reason: str) -> None:
        """All refs in one transaction; Raced when one is not what was expected, and then none is moved.

        Checkouts of a branch that moves follow it, or are in the way and nothing is published.
        """
        if not updates:
            return
        with self.turn():
            try:
                self._publish(updates, reason)
            except Raced:
                if self._upstream is not None:
                    # whoever was faster may have been so elsewhere: the next try has to know
                    self.keep_up()
                raise

    def _publish(self, updates: Sequence[RefUpdate], reason: str, *, there: bool = True) -> None:
        self._store.flush()
        with self._noted(updates), self._following(updates):
            if self._upstream is not None and there:
                # there first: what the remote refuses has never been here, and nobody has read it
                self._upstream.push(updates)
            self._refs.move(updates, reason, self.identity() or ("stagedoor", "stagedoor@localhost"))

    @contextmanager
    def _noted(self, updates: Sequence[RefUpdate]) -> Iterator[None]:
        """Within: whoever comes after us, should we be killed, knows what we were at."""
        if self._turn is None:
            yield
            return
        self._turn.note(updates)
        try:
            yield
        finally:
            self._turn.clear()

    # After a crash

    def mend(self) -> Aftermath:
        """Bring to an end what killed processes left, and name the locks that may be left, or somebody's.

        Every write does the same for what it meets; this looks at everything.
        """
        with self.turn():
            if self._turn is not None:
                self._mend_checkouts()
        mended, self.mended = tuple(self.mended), []
        swept: tuple[Path, ...] = ()
        with suppress(OSError):
            swept = sweep(self.common_dir / "objects" / "pack")
        return Aftermath(mended, swept, tuple(self._old_locks()))

    def _old_locks(self) -> Iterator[Path]:
        """Locks of git's that have been there for longer than git holds one."""
        folders = {self.git_dir, self.common_dir, *(place.git_dir for place in checkout.checkouts(self._git))}
        found = {path for folder in folders for path in folder.glob("*.lock")}
        for path in sorted(found | set((self.common_dir / "refs").rglob("*.lock"))):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _LOCKED:
                    yield path

    # Following a remote

    def follow(self, remote: str, prefixes: Sequence[str], login: Login | None = None) -> None:
        """From now on whatever is published is pushed first, and `keep_up` brings what others pushed.

        `prefixes` are those of the refs that go along with the branch, such as `refs/pull/`.
        """
        if self.remote_url(remote) is None:
            raise BadInput(f"there is no remote {remote!r}", where="--remote", fix="git remote add NAME URL")
        self._upstream = Upstream(remote, self.remote(remote, login), self.ref, tuple(prefixes))

    def keep_up(self) -> Followed:
        """Bring what the remote has that is new, and push what only we have.

        A ref that has grown differently on both sides stays as it is here; of a request's head the remote's counts.
        """
        upstream = self._upstream
        assert upstream is not None  # noqa: S101 - follow comes first
        there = upstream.refs()
        with self.turn():
            here = self._followed(upstream.prefixes)
            different = news(there, here)
            upstream.fetch([one.ref for one in different])
            ways = {one: self._way(one) for one in different}
            moved = tuple(one for one, way in ways.items() if way == "here")
            if moved:
                self._publish(moved, f"stagedoor: from {upstream.name}", there=False)
            upstream.push(
                [RefUpdate(one.ref, one.new, one.old) for one, way in ways.items() if way == "there"]
                + [RefUpdate(ref, None, oid) for ref, oid in here.items() if ref not in there]
            )
        parted = tuple(one.ref for one, way in ways.items() if way == "parted")
        return Followed(tuple(one.ref for one in moved), parted)

    def _followed(self, prefixes: Sequence[str]) -> dict[str, Oid]:
        mine = {self.ref: tip} if (tip := self.tip()) else {}
        return mine | {ref: oid for prefix in prefixes for ref, oid in self.refs(prefix).items()}

    def _way(self, one: RefUpdate) -> Literal["here", "there", "parted"]:
        """Which side is behind, where `new` is the remote's."""
        assert one.new is not None  # noqa: S101 - it is what the remote has
        if one.old is None or one.ref.endswith("/head") or self.is_ancestor(one.old, one.new):
            return "here"
        return "there" if self.is_ancestor(one.new, one.old) else "parted"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn among stagedoor's own writers.

        Held around reading the tip, deciding and publishing, it saves the retries; publish takes it by itself
        otherwise. It protects nothing: that is for compare-and-swap, which also holds against `git push`.
        """
        if self._turn is not None or (turn := self._wait()) is None:
            yield
            return
        try:
            self._turn, self._git.holding = turn, (turn.handle,)
            if left := turn.left:
                self._mend(left, turn)
            with self._store.gathering():
                yield
        finally:
            self._turn, self._git.holding = None, ()
            turn.end()

    def _wait(self) -> Turn | None:
        try:
            return Turn.wait(self.state_dir() / "queue.lock")
        except OSError:  # a disk that is full or cannot be written; who writes will be told by what
            return None

    def _mend(self, left: Sequence[RefUpdate], turn: Turn) -> None:
        """Bring to an end, or back, what a process was about to publish when it was killed."""
        names = ", ".join(one.ref for one in left)
        is_done = self._refs.settle(left, turn.since)
        self.mended.append(f"{names}: {'moved' if is_done else 'not moved'} by a process that was killed")
        self._mend_checkouts()
        turn.clear()

    def _mend_checkouts(self) -> None:
        if self.is_bare and not (self.common_dir / "worktrees").is_dir():
            return
        for place in checkout.checkouts(self._git):
            self._mend_checkout(place)

    def _mend_checkout(self, place: checkout.Checkout) -> None:
        if checkout.mend(place, self.tip):
            self.mended.append(f"{place.path}: its files are as {place.ref} has them again")

    def in_turn(self, act: Callable[[], T], what: str, sleep: Callable[[float], None] = time.sleep) -> T:
        """What `act` gives: it reads the newest state, decides and publishes, again when it was `Raced`.

        Between two tries there is a random pause that grows with the crowd. `Unavailable` names `what` in the end.
        """
        for attempt in range(_TRIES):
            try:
                with self.turn():
                    return act()
            except Raced:
                sleep(random.uniform(0, min(0.25, 0.002 * 2 ** min(attempt, 8))))  # noqa: S311
        raise Unavailable(f"{what} is being written by many at once", fix="try again")

    @contextmanager
    def _following(self, updates: Sequence[RefUpdate]) -> Iterator[None]:
        branches = {u.ref: u for u in updates if u.ref.startswith("refs/heads/") and u.new != u.old}
        if not branches or (self.is_bare and not (self.common_dir / "worktrees").is_dir()):
            self._refs.expect(updates)
            yield
            return
        moves = []
        for place in checkout.checkouts(self._git):
            if update := branches.get(place.ref):
                if self._turn is not None:
                    self._mend_checkout(place)
                if update.new is None:
                    raise BadInput(f"{place.ref} is checked out and cannot be deleted", where=str(place.path))
                moves.append((place, update.old or self._trees.empty, update.new))
        look, has_moved = partial(self._refs.expect, updates), partial(self._refs.are_at_new, updates)
        holding = self._git.holding
        with checkout.following(moves, look, has_moved, holding=holding):
            yield

    def create_numbered(self, make: Callable[[int], Sequence[RefUpdate]], prefix: str) -> int:
        """Take the next number below `prefix`, without gaps or twins, by creating the refs that `make(N)` gives."""
        return create_numbered(
            make, prefix, existing=self.refs, publish=lambda updates: self.publish(updates, "stagedoor: new number")
        )
