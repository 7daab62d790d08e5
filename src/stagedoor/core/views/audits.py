"""An audit as text and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stagedoor.core.audit import PROOFS, Audit, CommitVerdict
from stagedoor.core.views.plain import counted, jsonable, shortened, visible

_SHOWN = 20


def text(found: Audit) -> str:
    """The first commit at fault and why, the others, and what was looked at, in words."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Audit) -> Iterator[str]:
    for line in found.checkpoint:
        yield f"x checkpoint: {visible(line)}"
    if found.bad:
        yield from _bad(found)
    if found.notes:
        yield from (f"! {visible(note)}" for note in found.notes[:_SHOWN])
        if more := len(found.notes) - len(found.notes[:_SHOWN]) + found.notes_left_out:
            yield f"! … and {counted(more, 'note')} more: --json names {len(found.notes)}"
    if found.checkpoint or found.bad or found.notes:
        yield ""
    yield _summary(found)
    yield from _proofs(found)
    if found.compared and not found.checkpoint:
        yield "Main holds every commit of the checkpoint in its place."


def _bad(found: Audit) -> Iterator[str]:
    first, *others = found.bad
    yield f"x the first commit at fault is {_named(first)}"
    yield from (f"    {fault.code} {visible(fault.what)}" for fault in first.faults[:_SHOWN])
    for one in others[:_SHOWN]:
        yield f"x {_named(one)}"
        yield from (f"    {fault.code} {visible(fault.what)}" for fault in one.faults[:3])
    if more := len(others) - len(others[:_SHOWN]) + found.left_out:
        yield f"x … and {counted(more, 'commit')} more"


def _named(one: CommitVerdict) -> str:
    return f"{one.commit[:10]} of {one.at:%Y-%m-%d %H:%M} by {visible(one.author)}: {shortened(one.subject, 72)}"


def _summary(found: Audit) -> str:
    lanes = found.lanes
    ways = [
        counted(lanes.get("request", 0), "request"),
        f"{lanes.get('direct', 0):,} direct",
        f"{lanes.get('untouched', 0) + lanes.get('before', 0):,} that left the registry alone",
    ]
    count = len(found.bad) + found.left_out
    verdict = f"{count:,} at fault" if count else "every one of them holds"
    since = found.since[:10] or "the beginning"
    return (
        f"{counted(found.commits, 'commit')} from {since} to {found.until[:10]} ({', '.join(ways)}), "
        f"{counted(found.transitions, 'transition')}: {verdict}."
    )


def _proofs(found: Audit) -> Iterator[str]:
    signed, compared, host, alone = (found.approvals.get(proof, 0) for proof in PROOFS)
    attested = f" {host:,} attested by the host," if host else ""
    yield (
        f"{counted(signed + compared + host + alone, 'approval')}: {signed:,} signed and verified, {compared:,} "
        f"compared with the request,{attested} {alone:,} attested by the merge alone."
    )
    if host:
        yield "What the host said stands in the ledger, on a reconciler's word: it is attested, and not proven."
    elif not found.requests_are_here and compared + alone:
        yield "No request is here to compare with: git fetch origin '+refs/pull/*:refs/pull/*' brings them."


def data(found: Audit) -> dict[str, Any]:
    """For `--json`."""
    first = found.first
    return {
        "ok": found.holds,
        "from": found.since or None,
        "to": found.until,
        "commits": found.commits,
        "lanes": dict(found.lanes),
        "transitions": found.transitions,
        "approvals": {proof: found.approvals.get(proof, 0) for proof in PROOFS},
        "requests_are_here": found.requests_are_here,
        "checkpoint": {"compared": found.compared, "differences": list(found.checkpoint)},
        "first_bad": first.commit if first else None,
        "bad": [jsonable(one) for one in found.bad],
        "bad_left_out": found.left_out,
        "notes": list(found.notes),
        "notes_left_out": found.notes_left_out,
    }
