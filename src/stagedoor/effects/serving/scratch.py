"""The folder that a server keeps its copies in: gone when it ends, and when it was killed, with the next start."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from stagedoor.errors import BadInput

PREFIX: Final = "stagedoor-serve-"
# a socket's path has at most 103 bytes (unix(7), and less on macOS), and some 45 of them are ours
LONGEST: Final = 58


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder below `parent`, or where the system keeps such things; what dead servers left there is cleared.

    A server holds a lock on its folder, which the system lets go when the process ends, however it ends. So a number
    that another process has by now is never taken for the server's.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    if len(os.fsencode(place.absolute())) > LONGEST:
        what = f"the path of {place} is too long: the sockets of the models would not fit below it"
        raise BadInput(what, where="--scratch", fix=f"choose one of at most {LONGEST} bytes, such as /var/tmp")
    clear_left(place)
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=place))
    held = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        # it gets the name that others look for once it is locked: nobody takes a new one for one that was left
        folder = made.rename(made.with_name(made.name.removeprefix(".")))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)


def clear_left(place: Path) -> None:
    """Remove the folders in `place` whose servers have ended: those of this user only, and no links."""
    for path in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                _clear(path)


def _clear(path: Path) -> None:
    held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        # BlockingIOError where its server is alive
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(held)
