"""Signed tag objects: how git itself keeps a signature beside what it signs, and carries it into a merge.

A merge of a signed tag holds the whole tag object in a `mergetag` header, which `git log --show-signature` verifies:
https://git-scm.com/docs/signature-format
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from stagedoor.errors import BadInput, Unavailable
from stagedoor.gitstore.commits import parse_person, person
from stagedoor.gitstore.process import clean_environment
from stagedoor.gitstore.values import Oid, Signature

# git signs commits and tags in this namespace, so a signature for something else is none
NAMESPACE: Final = "git"
_BEGIN: Final = "-----BEGIN SSH SIGNATURE-----\n"
_END: Final = "-----END SSH SIGNATURE-----"
_HEAD = re.compile(r"object ([0-9a-f]{40}|[0-9a-f]{64})\ntype commit\ntag ([^\n]{1,200})\ntagger ([^\n]+)\n\n")


@dataclass(frozen=True, slots=True)
class Tag:
    """What a tag object says. `payload` is what is signed; `signature` is empty where nobody signed it."""

    target: Oid
    name: str
    tagger: Signature
    message: str
    payload: str
    signature: str


def encode_tag(target: Oid, name: str, tagger: Signature, message: str) -> str:
    """The payload of a tag of a commit, before it is signed."""
    if "\0" in message or _BEGIN in message or not re.fullmatch(r"[A-Za-z0-9/_.-]{1,200}", name):
        raise BadInput("this cannot stand in a tag", where=name)
    return f"object {target}\ntype commit\ntag {name}\ntagger {person(tagger)}\n\n{message.rstrip()}\n"


def read_tag(text: str) -> Tag | None:
    """A tag object of a commit, or None where the text is none."""
    head = _HEAD.match(text)
    if head is None:
        return None
    payload, begin, rest = text.partition(_BEGIN)
    signature = begin + rest if rest.rstrip().endswith(_END) else ""
    tagger = parse_person(head[3].encode(), b"utf-8")
    return Tag(head[1], head[2], tagger, payload[head.end() :], payload if signature else text, signature)


def sign(payload: str, key: str, program: str = "ssh-keygen") -> str:
    """The payload with its signature behind it, as git writes a signed tag.

    `key` is what git's `user.signingKey` may hold: the path of a key, or `key::` and a public key whose other half an
    agent holds. Raises `BadInput` where ssh-keygen does not sign with it.
    """
    with _key_file(key) as (path, in_agent):
        options = ["-U"] if in_agent else []
        done = _run([program, "-Y", "sign", "-n", NAMESPACE, *options, "-f", path], payload.encode())
    signature = done.stdout.decode("ascii", "replace")
    if done.returncode or not signature.startswith(_BEGIN):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise BadInput(
            f"ssh-keygen does not sign: {said[-1] if said else 'no reason given'}", where=path, fix="name another key"
        )
    return payload + signature


@contextmanager
def _key_file(key: str) -> Iterator[tuple[str, bool]]:
    literal = key.removeprefix("key::") if key.startswith(("key::", "ssh-", "ecdsa-", "sk-")) else ""
    if not literal:
        path = Path(key).expanduser()
        if not path.is_file():
            raise BadInput("there is no key to sign with", where=str(path), fix="git config user.signingKey PATH")
        yield str(path), False
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pub") as file:
        file.write(literal.strip() + "\n")
        file.flush()
        yield file.name, True


def fault_of(tag: Tag, signers: bytes, principal: str, at: datetime) -> str | None:
    """Why the signature is not one of `principal`'s, by an allowed-signers file and at a time; None when it is.

    The file: https://man.openbsd.org/ssh-keygen#ALLOWED_SIGNERS. It is only read, never obeyed otherwise.
    """
    if not tag.signature:
        return "is not signed"
    if not re.fullmatch(r"[^\s,*?!\"]+", principal):
        return f"{principal!r} cannot be the name of a signer"
    with tempfile.TemporaryDirectory() as folder:
        allowed, signature = Path(folder) / "signers", Path(folder) / "signature"
        allowed.write_bytes(signers)
        signature.write_text(tag.signature)
        when = at.astimezone(UTC).strftime("%Y%m%d%H%M%S")
        command = ["ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-f", str(allowed), "-I", principal]
        done = _run([*command, "-s", str(signature), f"-Overify-time={when}"], tag.payload.encode())
    if done.returncode == 0:
        return None
    return f"no key of {principal} that is allowed then made its signature"


def _run(command: list[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    # the time in verify-time is read in the local zone
    environment = {**clean_environment(), "TZ": "UTC", "SSH_ASKPASS_REQUIRE": os.environ.get("SSH_ASKPASS_REQUIRE", "")}
    try:
        return subprocess.run(command, input=stdin, capture_output=True, check=False, env=environment, timeout=120)
    except FileNotFoundError:
        raise Unavailable(f"{command[0]} is not installed", fix="install OpenSSH 8.2 or newer") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} did not answer", fix="see whether it waits for a passphrase") from None
