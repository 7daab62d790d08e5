"""Packs: objects of a repository as one file that any git reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stagedoor.gitstore.process import Git
from stagedoor.gitstore.values import Oid

# the same objects make the same bytes: nothing is taken over from how this repository happens to keep them
_ALIKE = ("--window=0", "--no-reuse-delta", "--no-reuse-object", "--threads=1", "--compression=9", "--max-pack-size=0")


def pack(git: Git, oids: Iterable[Oid]) -> bytes:
    """A pack of these objects, without those that they lead to: https://git-scm.com/docs/git-pack-objects."""
    listed = "".join(f"{oid}\n" for oid in dict.fromkeys(oids))
    return git.run("pack-objects", "--stdout", "-q", *_ALIKE, stdin=listed.encode()).out


def verifier() -> bytes:
    """The script that verifies an archive of evidence, which stands on its own."""
    return Path(__file__).with_name("verify.py").read_bytes()
