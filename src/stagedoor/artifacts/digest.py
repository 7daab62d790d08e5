"""The digest of what a source points at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from stagedoor.artifacts.answers import Found, Unreachable, Watch, unwatched
from stagedoor.artifacts.disk import digest_on_disk
from stagedoor.artifacts.places import InStore, Nowhere, OnDisk, OnWeb, place_of
from stagedoor.artifacts.stores import digest_in_store


@dataclass(frozen=True, slots=True)
class Reach:
    """How far we go for an artifact: where relative paths start, and whether http may lead into the own network.

    `but` is a file that is passed over in a folder of this machine.
    """

    base: Path = Path()
    private: bool = False
    but: bytes = b""


def is_on_disk(source: str, base: Path) -> bool:
    """Whether something of this machine stands where a source says."""
    place = place_of(source, base)
    try:
        return isinstance(place, OnDisk) and place.path.exists()
    except (OSError, ValueError):
        return False


def digest_of(source: str, reach: Reach, watch: Watch = unwatched) -> Found:
    """Read what a source points at, all of it, and give its digest, or why there is none."""
    match place_of(source, reach.base):
        case OnDisk(path):
            return digest_on_disk(path, watch, reach.but)
        case OnWeb(url):
            # ssl and its like take time to load, and most commands read no artifact
            from stagedoor.artifacts.web import digest_on_web

            return digest_on_web(url, watch, private=reach.private)
        case InStore(url, protocol):
            return digest_in_store(url, protocol, watch)
        case Nowhere(reason):
            return Unreachable(reason)
        case never:
            assert_never(never)
