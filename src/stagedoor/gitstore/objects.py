"""Git objects in and out: in process where that is safe, through git's plumbing everywhere else."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Final, Protocol

from stagedoor.errors import BadRepository
from stagedoor.gitstore.process import Git
from stagedoor.gitstore.smallpacks import KINDS, Kind, gather, pack_stream, packed, write_pack
from stagedoor.gitstore.values import Oid

if TYPE_CHECKING:
    import pygit2

_NAMES: dict[int, Kind] = {number: kind for kind, number in KINDS.items()}
_KIND_OF: dict[bytes, Kind] = {kind.encode(): kind for kind in KINDS}

# libgit2 unpacks deltas far more slowly than git does, so many objects are read by git.
_MANY = 100

# beyond these, what is written does not wait in memory, and git makes the pack
_MOST_WAITING = 64_000_000
_FEW = 200

# packs come and go, and libgit2 keeps in mind each that it ever saw
_SECONDS_OPEN: Final = 60.0


def oid_of(kind: Kind, data: bytes, object_format: str) -> Oid:
    digest = hashlib.new(object_format, f"{kind} {len(data)}\0".encode(), usedforsecurity=False)
    digest.update(data)
    return Oid(digest.hexdigest())


class ObjectStore(Protocol):
    """What the rest of gitstore asks of an object database."""

    object_format: str

    def read(self, oid: Oid) -> tuple[Kind, bytes]: ...
    def info(self, oid: Oid) -> tuple[Kind, int] | None: ...
    def read_many(self, oids: Sequence[Oid]) -> Iterator[tuple[Oid, bytes]]: ...
    def info_many(self, oids: Sequence[Oid]) -> Iterator[tuple[Oid, int]]: ...
    def write_many(self, objects: Sequence[tuple[Kind, bytes]]) -> None: ...
    def flush(self) -> None: ...
    def gathering(self) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


class Plumbing:
    """Works in every repository git itself can read. A process a write, one standing process for reads."""

    def __init__(self, git: Git, object_format: str) -> None:
        self.object_format = object_format
        self.git = git
        self._batch: subprocess.Popen[bytes] | None = None

    def read(self, oid: Oid) -> tuple[Kind, bytes]:
        out = self._ask("contents", oid)
        line = out.readline()
        head = parse_header(line)
        if head is None:
            # git says `missing`, or it dies of what it reads
            raise missing(oid, self.git) if line else damaged(oid, self.git)
        kind, size = head
        data = read_exactly(out, size + 1)[:-1]
        return kind, data

    def info(self, oid: Oid) -> tuple[Kind, int] | None:
        return parse_header(self._ask("info", oid).readline())

    def read_many(self, oids: Sequence[Oid]) -> Iterator[tuple[Oid, bytes]]:
        with _Bulk(self.git, "--batch", oids) as out:
            for oid in oids:
                head = parse_header(out.readline())
                if head is None:
                    raise missing(oid, self.git)
                yield oid, read_exactly(out, head[1] + 1)[:-1]

    def info_many(self, oids: Sequence[Oid]) -> Iterator[tuple[Oid, int]]:
        with _Bulk(self.git, "--batch-check", oids) as out:
            for oid in oids:
                head = parse_header(out.readline())
                if head is None:
                    raise missing(oid, self.git)
                yield oid, head[1]

    def write_many(self, objects: Sequence[tuple[Kind, bytes]]) -> None:
        if len(objects) == 1:
            [(kind, data)] = objects
            self.git.write("hash-object", "-t", kind, "-w", "--stdin", stdin=data)
        elif objects:
            self.git.write("unpack-objects", "-q", stdin=pack_stream(objects, self.object_format))

    def keep(self, objects: Sequence[tuple[Kind, bytes]]) -> None:
        """Very many objects, as one pack."""
        self.git.write("index-pack", "--stdin", stdin=pack_stream(objects, self.object_format))

    def flush(self) -> None:
        """What was written is there already."""

    def gathering(self) -> AbstractContextManager[None]:
        """Git writes at once."""
        return nullcontext()

    def close(self) -> None:
        if self._batch is not None:
            end(self._batch)
            self._batch = None

    def _ask(self, verb: str, oid: Oid) -> IO[bytes]:
        if self._batch is None or self._batch.poll() is not None:
            self.close()
            self._batch = self.git.start("cat-file", "--batch-command", stdin=subprocess.PIPE)
        assert self._batch.stdin and self._batch.stdout  # noqa: S101 - both are pipes
        self._batch.stdin.write(f"{verb} {oid}\n".encode())
        self._batch.stdin.flush()
        return self._batch.stdout


class InProcess:
    """libgit2's object database, for ordinary SHA-1 repositories; what it cannot find, git is asked for.

    While it is `gathering`, what is written waits until somebody else could look for it, so that the objects of a whole
    commit go to the disk together. `Git` sees to that before it starts a process, the repository before it moves a ref.
    """

    object_format = "sha1"

    def __init__(self, objects: Path, fallback: Plumbing, *, durable: bool, quarantine: str | None = None) -> None:
        import pygit2

        if durable:  # process-wide in libgit2, so it is never turned off again for somebody else's repository
            pygit2.settings.enable_fsync_gitdir(True)
        self._objects = objects
        self._durable = durable
        self._waiting: dict[Oid, tuple[Kind, bytes]] = {}
        self._bytes = 0
        self._depth = 0
        self._quarantine = quarantine
        self._fallback = fallback
        self._opened = self._open()
        self._open_until = monotonic() + _SECONDS_OPEN

    def _open(self) -> pygit2.Odb:
        import pygit2

        odb = pygit2.Odb(str(self._objects))
        if self._quarantine:
            odb.add_disk_alternate(self._quarantine)
        return odb

    @property
    def _odb(self) -> pygit2.Odb:
        if (now := monotonic()) > self._open_until:
            self._opened, self._open_until = self._open(), now + _SECONDS_OPEN
        return self._opened

    def read(self, oid: Oid) -> tuple[Kind, bytes]:
        if (waiting := self._waiting.get(oid)) is not None:
            return waiting
        import pygit2

        found: Exception | None = None
        for _ in range(2):
            try:
                number, data = self._odb.read(oid)
                return _NAMES[int(number)], data
            except (KeyError, pygit2.GitError) as error:
                # packs that were put together meanwhile are another folder's worth of files
                found, self._opened = error, self._open()
        if not isinstance(found, KeyError):
            # git would look less closely: it does not compute the id again
            raise damaged(oid, self._fallback.git) from found
        return self._fallback.read(oid)

    def info(self, oid: Oid) -> tuple[Kind, int] | None:
        if (waiting := self._waiting.get(oid)) is not None:
            return waiting[0], len(waiting[1])
        import pygit2

        try:
            number, size = self._odb.read_header(oid)
        except (KeyError, pygit2.GitError):
            return self._fallback.info(oid)
        return _NAMES[int(number)], size

    def read_many(self, oids: Sequence[Oid]) -> Iterator[tuple[Oid, bytes]]:
        if len(oids) >= _MANY:
            yield from self._fallback.read_many(oids)
        else:
            yield from ((oid, self.read(oid)[1]) for oid in oids)

    def info_many(self, oids: Sequence[Oid]) -> Iterator[tuple[Oid, int]]:
        if len(oids) >= _MANY:
            yield from self._fallback.info_many(oids)
            return
        for oid in oids:
            if (found := self.info(oid)) is None:
                raise missing(oid)
            yield oid, found[1]

    def write_many(self, objects: Sequence[tuple[Kind, bytes]]) -> None:
        for kind, data in objects:
            oid = oid_of(kind, data, self.object_format)
            # to ask whether it is there already costs more than to write it again: libgit2 lists the packs at each miss
            if oid not in self._waiting:
                self._waiting[oid] = kind, data
                self._bytes += len(data)
        if not self._depth or self._bytes > _MOST_WAITING:
            self.flush()

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Within: what is written may wait until the end."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self.flush()

    def flush(self) -> None:
        """Have what was written on the disk."""
        waiting, self._waiting, self._bytes = self._waiting, {}, 0
        if not waiting:
            return
        if len(waiting) > _FEW:
            self._fallback.keep(tuple(waiting.values()))
            return
        folder = self._objects / "pack"
        try:
            made = write_pack(
                folder, (packed(oid, kind, data) for oid, (kind, data) in waiting.items()), durable=self._durable
            )
            # one write in four looks; which one, its own name says
            if int(made.stem[-1], 16) % 4 == 0:
                # what was written is there, whether there is room to put packs together or not
                with suppress(OSError):
                    gather(folder, durable=self._durable)
        except OSError as error:
            raise BadRepository(
                f"objects cannot be written: {error.strerror}",
                where=str(self._objects),
                fix="see to the free space and to who may write there",
            ) from error

    def close(self) -> None:
        self.flush()
        self._fallback.close()


def open_store(git: Git, common_dir: Path, config: dict[str, str]) -> ObjectStore:
    """The fast store where libgit2 does all that git would do, otherwise git."""
    plumbing = Plumbing(git, config.get("extensions.objectformat", "sha1"))
    if not _is_ordinary(config):
        return plumbing
    import pygit2

    try:
        return InProcess(
            common_dir / "objects",
            plumbing,
            durable=config.get("core.fsync") != "none",
            quarantine=git.environment.get("GIT_QUARANTINE_PATH"),
        )
    except pygit2.GitError:  # what libgit2 refuses, git may still read
        return plumbing


def _is_ordinary(config: dict[str, str]) -> bool:
    known = {"extensions.objectformat", "extensions.worktreeconfig", "extensions.noop"}
    extensions = {key for key in config if key.startswith("extensions.")}
    shared = config.get("core.sharedrepository", "false").lower()
    return (
        config.get("extensions.objectformat", "sha1") == "sha1"
        and extensions <= known
        and not any(key.startswith("remote.") and key.endswith(".promisor") for key in config)
        # libgit2 does not give a shared repository's folders to the group.
        and shared in {"false", "umask", "no", "off", "0", "0600"}
    )


def missing(oid: Oid, git: Git | None = None) -> BadRepository:
    return BadRepository(
        f"object {oid} is missing",
        where=str(git.git_dir) if git else None,
        fix="run git fsck, and fetch it again from a healthy clone",
    )


def damaged(oid: Oid, git: Git | None = None) -> BadRepository:
    return BadRepository(
        f"object {oid} is damaged",
        where=str(git.git_dir) if git else None,
        fix="run git fsck, and fetch it again from a healthy clone",
    )


def end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.terminate()
    process.wait()


class _Bulk:
    """`git cat-file` over many ids. The ids come from a file, so that neither side waits for the other."""

    def __init__(self, git: Git, mode: str, oids: Iterable[Oid]) -> None:
        self._ids = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._ids.write("".join(f"{oid}\n" for oid in oids).encode())
        self._ids.seek(0)
        self._process = git.start("cat-file", mode, "--buffer", stdin=self._ids.fileno())

    def __enter__(self) -> IO[bytes]:
        assert self._process.stdout  # noqa: S101 - it is a pipe
        return self._process.stdout

    def __exit__(self, *_: object) -> None:
        end(self._process)
        self._ids.close()


def parse_header(line: bytes) -> tuple[Kind, int] | None:
    """`<oid> <kind> <size>`, or None for `<oid> missing`."""
    parts = line.split()
    if len(parts) != 3 or parts[1] not in _KIND_OF:
        return None
    return _KIND_OF[parts[1]], int(parts[2])


def read_exactly(out: IO[bytes], size: int) -> bytes:
    data = out.read(size)
    if len(data) != size:
        raise BadRepository("git cat-file ended early", fix="run git fsck")
    return data
