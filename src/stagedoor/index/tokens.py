"""Page tokens: opaque to whoever holds one, and worthless once a byte of it is changed.

A token says which search it goes on with, at which commit, and behind which row. It is signed with a key that never
leaves the state folder, so it is of no use in another registry, and nobody can make one that reads a place of the
index of their own choosing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Final

from stagedoor.errors import BadInput
from stagedoor.gitstore import Oid

_LONGEST: Final = 16_000
_SIGNATURE: Final = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search goes on: behind the row with these values, at this commit."""

    commit: Oid
    after: tuple[str | int, ...]


def query_of(*parts: object) -> str:
    """What makes a search another search, as a digest."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def write(place: Place, query: str, key: bytes) -> str:
    """The token of a place in a search."""
    said = json.dumps([query, place.commit, place.after], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_signed(said, key) + said).decode("ascii").rstrip("=")


def read(token: str, query: str, key: bytes) -> Place:
    """The place that a token of ours says. `BadInput` for any other, and for one of another search."""
    raw = _decoded(token)
    signature, said = raw[:_SIGNATURE], raw[_SIGNATURE:]
    if not hmac.compare_digest(signature, _signed(said, key)):
        raise _refused("the page token is not one that this registry gave")
    its, commit, after = json.loads(said)
    if its != query:
        raise _refused("the page token belongs to another search")
    return Place(commit, tuple(after))


def too_old() -> BadInput:
    """The refusal of a token whose commit the index no longer knows."""
    return _refused("the page token is too old: the registry has moved on since")


def _refused(what: str) -> BadInput:
    return BadInput(what, where="page_token", fix="start again without a page token")


def _decoded(token: str) -> bytes:
    if len(token) <= _LONGEST and token.isascii():
        try:
            return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            pass
    raise _refused("the page token is not one that this registry gave")


def _signed(said: bytes, key: bytes) -> bytes:
    return hmac.new(key, said, hashlib.sha256).digest()
