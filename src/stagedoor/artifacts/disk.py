"""The files of an artifact on this machine, and their digests."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stagedoor.artifacts.answers import Absent, Digested, Found, Unfit, Unreachable, Watch
from stagedoor.artifacts.streams import MAX_FILES, Counted, sha256_of
from stagedoor.core.digests import FILE, Digest, is_fit, tree


class _NotFit(Exception):
    """What keeps a folder from having a digest."""


@dataclass(frozen=True, slots=True)
class _File:
    name: bytes
    path: Path
    size: int


def digest_on_disk(path: Path, watch: Watch, but: bytes = b"") -> Found:
    """The digest of a file, or of a folder, where one file, `but`, can be passed over."""
    try:
        root = path.resolve(strict=True)
        kind = root.stat().st_mode
        if stat.S_ISREG(kind):
            return _of_file(root, watch)
        return _of_folder(root, watch, but) if stat.S_ISDIR(kind) else Unfit(f"{path} is neither a file nor a folder")
    except _NotFit as error:
        return Unfit(str(error))
    except (FileNotFoundError, NotADirectoryError):
        return Absent(f"{path} is not there")
    except (OSError, RuntimeError, UnicodeError) as error:
        # a loop of links is a RuntimeError up to Python 3.12
        return Unreachable(f"{path} does not open: {getattr(error, 'strerror', None) or error}")


def _of_file(path: Path, watch: Watch) -> Digested:
    counted = Counted(watch, path.stat().st_size)
    return Digested(Digest(FILE, _hash(path, counted)), 1, counted.done)


def _of_folder(root: Path, watch: Watch, but: bytes) -> Digested:
    files = sorted((file for file in _files(root) if file.name != but), key=lambda file: file.name)
    if not files:
        raise _NotFit(f"{root} holds no file")
    counted = Counted(watch, sum(file.size for file in files))
    whole = tree([(file.name, _hash(file.path, counted)) for file in files])
    return Digested(whole, len(files), counted.done)


def _files(root: Path) -> Iterator[_File]:
    """Every file below a folder. A link to another file of the folder counts as a file, as for `find -L`."""
    folders, count = [root], 0
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                    continue
                count += 1
                if count > MAX_FILES:
                    raise _NotFit(f"{root} holds more than {MAX_FILES:,} files")
                yield _file(root, entry)


def _file(root: Path, entry: os.DirEntry[str]) -> _File:
    path = Path(entry.path)
    name = os.fsencode(path.relative_to(root))
    if not is_fit(name):
        raise _NotFit(f"{path} has a line break or a backslash in its name")
    if entry.is_symlink():
        _look_where_it_leads(root, path)
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise _NotFit(f"{path} is neither a file nor a folder")
    return _File(name, path, found.st_size)


def _look_where_it_leads(root: Path, path: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise _NotFit(f"the link {path} leads nowhere") from None
    if not target.is_relative_to(root):
        raise _NotFit(f"the link {path} leads out of the folder")
    if target.is_dir():
        raise _NotFit(f"the link {path} leads to a folder")


def _hash(path: Path, counted: Counted) -> str:
    # a pipe that took a file's place would be waited for
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _NotFit(f"{path} is neither a file nor a folder")
        return sha256_of(file, counted)
