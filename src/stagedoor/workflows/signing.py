"""Approvals that are signed with an SSH key, as tag objects of the head that was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from stagedoor.core.requests import Request, Reviewed
from stagedoor.errors import BadInput
from stagedoor.gitstore.tags import Tag, encode_tag, fault_of, read_tag, sign
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World


def wants_signature(world: World) -> bool:
    """Whether this clone signs approvals without being told: `git config stagedoor.sign true`."""
    return (world.repository.config("stagedoor.sign") or "").lower() in {"true", "yes", "on", "1"}


def signed_approval(world: World, request: Request, head: str, body: str, key: str | None) -> str:
    """The actor's approval of a head as a signed tag object; `key` instead of git's `user.signingKey`."""
    chosen = key or world.repository.config("user.signingKey")
    if not chosen:
        raise BadInput(
            "there is no key to sign with", fix="--key PATH, or git config user.signingKey ~/.ssh/id_ed25519.pub"
        )
    said = "\n".join(f"    {line}" for line in body.splitlines())
    text = f"Approve request {request.number}: {request.title.splitlines()[0]}\n\n{said}"
    payload = encode_tag(head, tag_name(request.number), world.signature(), text)
    return sign(payload, chosen, world.repository.config("gpg.ssh.program") or "ssh-keygen")


def tag_name(number: int) -> str:
    """What the tag of an approval is called: it is good for one request."""
    return f"approve/{number}"


def signed_by(policy: Snapshot, number: int | None, reviews: Iterable[Reviewed], at: datetime) -> frozenset[str]:
    """Those whose approval is signed with a key that the policy allows them at a time, in lower case."""
    signers = policy.signers
    if signers is None or number is None:
        return frozenset()
    return frozenset(
        review.by.lower()
        for review in reviews
        if review.tag and not fault(review.tag, number, review.by, review.head, signers, at)
    )


def fault(text: str, number: int, by: str, head: str, signers: bytes, at: datetime) -> str | None:
    """Why a signed approval is none of `by` for this head of this request; None when it is."""
    tag = read_tag(text)
    if tag is None:
        return "is no tag object"
    return _misfit(tag, number, by, head) or fault_of(tag, signers, by, at)


def _misfit(tag: Tag, number: int, by: str, head: str) -> str | None:
    if tag.target != head:
        return f"speaks of {tag.target[:10]}, and not of {head[:10]}"
    if tag.name != tag_name(number):
        return f"is {tag.name}, and not of request {number}"
    return None if tag.tagger.email.lower() == by.lower() else f"is by {tag.tagger.email}, and not by {by}"
