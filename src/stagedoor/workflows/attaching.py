"""Evidence for versions: attached, listed, read back, taken off."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from stagedoor.core.evidence import MAX_EVIDENCE, is_evidence_name, name_from
from stagedoor.core.intents import AttachEvidence, DetachEvidence
from stagedoor.core.layout import evidence_path
from stagedoor.core.registry import resolve_version
from stagedoor.core.spec import Evidence
from stagedoor.errors import BadInput, NotFound
from stagedoor.workflows.registering import find_version
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import DIRECT, Lane, Outcome, write


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody wants to attach: a file, or where a file is and what its digest is."""

    file: Path | None = None
    name: str = ""
    uri: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Attached:
    """One piece of evidence as it stands on main, with its age and where its file is."""

    name: str
    digest: str
    uri: str
    at: datetime
    by: str
    age: str
    path: str


def attach(world: World, text: str, proof: Proof, *, comment: str = "", lane: Lane = DIRECT) -> Outcome:
    """Put evidence on a version, in place of what it had under that name.

    The file goes into the registry in the same commit, under its digest; with a `uri` it stays there and only its
    digest is kept.
    """
    ref = find_version(world, text, lane)
    raw, digest = _looked_at(proof)
    evidence = _evidence(world, proof, digest)
    kept: Mapping[str, bytes | None] = {} if raw is None or proof.uri else {evidence_path(digest): raw}
    intent = AttachEvidence(ref.model, ref.version or 0, evidence)

    def files(base: Snapshot) -> Mapping[str, bytes | None]:
        return kept

    return write(world, [intent], f"Attach {evidence.name} to {ref}", files=files, comment=comment, lane=lane)


def name_of(proof: Proof) -> str:
    """What the evidence is called; `BadInput` where its file does not say and nobody else did."""
    name = proof.name or (name_from(proof.file.name) if proof.file else "")
    if not name:
        at = proof.file.name if proof.file else "--name"
        raise BadInput("the evidence has no name", where=at, fix="give one: --name evaluation")
    if not is_evidence_name(name):
        raise BadInput(f"{name[:80]!r} is no name for evidence", fix="use up to 100 letters, digits and _ . -")
    return name


def _looked_at(proof: Proof) -> tuple[bytes | None, str]:
    """The bytes to keep, if any, and the digest."""
    if proof.file is None:
        if not (proof.uri and proof.digest):
            raise BadInput("evidence is a file, or a URI with its digest", fix="give FILE, or --uri and --digest")
        return None, proof.digest.lower()
    if proof.uri:
        raw, digest = None, _digest_of(proof.file)
    else:
        raw = _read(proof.file)
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if proof.digest and proof.digest.lower() != digest:
        raise BadInput(f"the file has {digest}, and not {proof.digest[:80]}", where=str(proof.file), fix="look again")
    return raw, digest


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_EVIDENCE + 1)
    except OSError as error:
        raise BadInput(f"the file cannot be read: {error.strerror}", where=str(file), fix="name another") from error
    if len(raw) > MAX_EVIDENCE:
        fix = "keep it elsewhere, and attach it with --uri URI; its digest is computed"
        raise BadInput(f"evidence has at most {MAX_EVIDENCE:,} bytes", where=str(file), fix=fix)
    return raw


def _digest_of(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
    except OSError as error:
        raise BadInput(f"the file cannot be read: {error.strerror}", where=str(file), fix="name another") from error


def _evidence(world: World, proof: Proof, digest: str) -> Evidence:
    name = name_of(proof)
    try:
        return Evidence(name=name, digest=digest, uri=proof.uri, at=world.now(), by=world.actor.email)
    except ValidationError as error:
        field = error.errors(include_url=False)[0]["loc"][0]
        fix = "write --digest sha256:, and 64 hex digits" if field == "digest" else "write less"
        raise BadInput(f"the {field} cannot be recorded", where=f"--{field}", fix=fix) from None


def detach(world: World, text: str, name: str, *, comment: str = "", lane: Lane = DIRECT) -> Outcome:
    """Take evidence off a version. Its file stays where it is: history speaks of it."""
    ref = find_version(world, text, lane)
    intents = [DetachEvidence(ref.model, ref.version or 0, name)]
    return write(world, intents, f"Take {name} off {ref}", comment=comment, lane=lane)


def attached(world: World, text: str) -> tuple[Attached, ...]:
    """The evidence of a version on main, by name."""
    now = world.now()
    return tuple(
        Attached(
            one.name, one.digest, one.uri, one.at, one.by, aged(now - one.at),
            "" if one.uri else evidence_path(one.digest),
        )
        for one in _of(world.snapshot(), text)
    )  # fmt: skip


def aged(span: timedelta) -> str:
    """`3d`, `5h`, `12m`: an age as people say it."""
    seconds = max(0, int(span.total_seconds()))
    size, unit = next(((s, u) for s, u in ((86_400, "d"), (3_600, "h"), (60, "m")) if seconds >= s), (1, "s"))
    return f"{seconds // size}{unit}"


def _of(snapshot: Snapshot, text: str) -> tuple[Evidence, ...]:
    ref = resolve_version(snapshot.registry, text)
    return snapshot.registry.version(ref.model, ref.version or 0).evidence


def content(world: World, text: str, name: str) -> bytes:
    """What a file of evidence says. `NotFound` where there is none of that name, or its file is kept elsewhere."""
    snapshot = world.snapshot()
    found = {one.name: one for one in _of(snapshot, text)}
    if name not in found:
        raise NotFound(
            f"{text} has no evidence {name}", fix=f"choose one of: {', '.join(found)}" if found else "attach it first"
        )
    path = evidence_path(found[name].digest)
    if path not in snapshot.files or not snapshot.files[path].is_file:
        where = found[name].uri
        raise NotFound(f"the file of {name} is not in the registry", where=where or path, fix="look for it there")
    return snapshot.raw(path)
