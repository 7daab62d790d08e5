"""Which gates a move meets, and what they say of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from stagedoor.core.gates.expressions import held, seen_by
from stagedoor.core.gates.fields import cure, missing
from stagedoor.core.gates.freezes import described, in_force
from stagedoor.core.gates.values import Circumstances, Condition, Entry, GateRuling
from stagedoor.core.policy import Freeze, Gate, Proof, RegistrySpec, Waiver
from stagedoor.core.spec import ARCHIVED, NO_STAGE, time_span


def gates_for(gates: Iterable[Gate], model: str, stage: str) -> Iterator[Gate]:
    """The gates that guard a stage of a model. A gate without stages guards every one, None included."""
    for gate in gates:
        if (not gate.stages or stage in gate.stages) and _speaks_of(gate.models, model):
            yield gate


def _speaks_of(globs: Iterable[str], model: str) -> bool:
    return any(fnmatchcase(model, glob) for glob in globs)


def rulings(entries: Iterable[Entry], spec: RegistrySpec, circumstances: Circumstances) -> tuple[GateRuling, ...]:
    """Every gate, freeze and quarantine that has something to say about these moves, holding or not."""
    return tuple(ruling for entry in entries for ruling in _rulings(entry, spec, circumstances))


def _rulings(entry: Entry, spec: RegistrySpec, here: Circumstances) -> Iterator[GateRuling]:
    if refused := _quarantined(entry, here):
        yield refused
    for freeze in spec.freezes:
        if entry.was != entry.now and _freezes(freeze, entry, here):
            yield _frozen(freeze, entry, here)
    for gate in gates_for(spec.gates, entry.model.name, entry.now):
        conditions = tuple(_conditions(gate, entry, here))
        if conditions:
            yield _waivable(gate, entry, conditions, here)


# --- quarantine and freezes -----------------------------------------------------------------------------------------


def _quarantined(entry: Entry, here: Circumstances) -> GateRuling | None:
    """Whether the artifact is bad for good. What leaves a stage may go, and nothing of it comes in."""
    if entry.now == ARCHIVED or (entry.now == NO_STAGE and entry.was != NO_STAGE) or not here.quarantine.artifacts:
        return None
    digest = entry.version.digest
    if not digest:
        if entry.now == NO_STAGE:
            return None
        said = f"{entry.ref} records no digest, so nobody can tell it from an artifact in quarantine"
        return _ruling("quarantine", "", entry, (Condition(False, said, "register a version with a digest"),), "")
    bad = next((one for one in here.quarantine.artifacts if digest_key(one.digest) == digest_key(digest)), None)
    if bad is None:
        return None
    said = f"{shown_digest(digest)} is in quarantine since {bad.at:%Y-%m-%d}, by {bad.by}"
    condition = Condition(False, said, "register a version with another artifact")
    return _ruling("quarantine", "", entry, (condition,), bad.reason)


def digest_key(digest: str) -> str:
    """What two spellings of one digest have in common: `SHA256:AB…`, `sha256:ab…` and the bare hex are the same."""
    return digest.strip().lower().removeprefix("sha256:")


def shown_digest(digest: str) -> str:
    """Enough of a digest to know it by."""
    return digest if len(digest) <= 24 else f"{digest[:23]}…"


def _freezes(freeze: Freeze, entry: Entry, here: Circumstances) -> bool:
    touched = entry.was in freeze.stages or entry.now in freeze.stages
    return touched and _speaks_of(freeze.models, entry.model.name) and in_force(freeze, here.now)


def _frozen(freeze: Freeze, entry: Entry, here: Circumstances) -> GateRuling:
    condition = Condition(False, f"nothing moves {described(freeze)}", "wait until it ends, or break the glass")
    ruling = _ruling("freeze", freeze.name, entry, (condition,), freeze.reason)
    return _overridden(ruling, here)


def _ruling(kind: str, name: str, entry: Entry, conditions: tuple[Condition, ...], reason: str) -> GateRuling:
    return GateRuling(
        kind, name, entry.model.name, entry.version.version, entry.path, entry.now, conditions, reason  # type: ignore[arg-type]
    )  # fmt: skip


def _overridden(ruling: GateRuling, here: Circumstances) -> GateRuling:
    if ruling.holds or here.broken is None:
        return ruling
    return _with_waiver(ruling, f"{here.broken.by} broke the glass: {here.broken.reason}")


def _with_waiver(ruling: GateRuling, waived: str) -> GateRuling:
    return GateRuling(
        ruling.kind, ruling.name, ruling.model, ruling.version, ruling.path, ruling.stage, ruling.conditions,
        ruling.reason, waived,
    )  # fmt: skip


# --- gates ----------------------------------------------------------------------------------------------------------


def _waivable(gate: Gate, entry: Entry, conditions: tuple[Condition, ...], here: Circumstances) -> GateRuling:
    ruling = _ruling("gate", gate.name, entry, conditions, gate.reason)
    if ruling.holds:
        return ruling
    mine = [waiver for waiver in here.waivers.values() if waives(waiver, gate.name, entry)]
    for waiver in mine:
        if here.now < waiver.expires:
            until = f"{waiver.expires:%Y-%m-%d %H:%M}"
            return _with_waiver(ruling, f"waived by {waiver.owner} until {until}: {waiver.reason}")
    if mine:
        gone = f"the waiver of {mine[0].owner} ended on {mine[0].expires:%Y-%m-%d %H:%M}"
        ruling = _ruling("gate", gate.name, entry, (*conditions, Condition(False, gone)), gate.reason)
    return _overridden(ruling, here)


def waives(waiver: Waiver, gate: str, entry: Entry) -> bool:
    """Whether a waiver speaks of this gate and this version."""
    named = waiver.gate == gate and waiver.model == entry.model.name
    return named and waiver.version in (None, entry.version.version)


def _conditions(gate: Gate, entry: Entry, here: Circumstances) -> Iterator[Condition]:
    if gate.sources is not None and entry.was != entry.now:
        allowed = " or ".join(gate.sources) or "nowhere"
        yield Condition(entry.was in gate.sources, f"it comes from {allowed} (from {entry.was})")
    if gate.soak and entry.was != entry.now:
        yield _soaked(gate, entry, here)
    yield from content(gate, entry, here)
    if gate.artifact and entry.now not in (NO_STAGE, ARCHIVED):
        yield from here.proofs_of(entry, gate)


def content(gate: Gate, entry: Entry, here: Circumstances) -> Iterator[Condition]:
    """What a gate asks of the version itself: it has to stay so while the version is in the stage."""
    if gate.require:
        yield _complete(gate, entry)
    if gate.licenses:
        yield _licensed(gate, entry)
    for proof in gate.evidence:
        yield _proven(proof, entry, here)
    if gate.expressions:
        seen = seen_by(entry, here)
        yield from (held(expression, seen) for expression in gate.expressions)


def _complete(gate: Gate, entry: Entry) -> Condition:
    lacking = missing(gate.require, entry.model, entry.version)
    if not lacking:
        return Condition(True, f"{entry.ref} has {', '.join(gate.require)}")
    return Condition(False, f"{entry.ref} has no {', '.join(lacking)}", cure(entry.ref, entry.model.name, lacking[0]))


def regressions(
    pairs: Iterable[tuple[Entry, Entry]], spec: RegistrySpec, here: Circumstances
) -> tuple[GateRuling, ...]:
    """What a change takes away from versions that stay in a guarded stage: it held before, and would not any more."""
    return tuple(ruling for was, now in pairs for ruling in _regressions(was, now, spec, here))


def _regressions(was: Entry, now: Entry, spec: RegistrySpec, here: Circumstances) -> Iterator[GateRuling]:
    for gate in gates_for(spec.gates, now.model.name, now.now):
        both = zip(content(gate, was, here), content(gate, now, here), strict=True)
        if lost := tuple(after for before, after in both if before.holds and not after.holds):
            yield _waivable(gate, now, lost, here)


def _soaked(gate: Gate, entry: Entry, here: Circumstances) -> Condition:
    assert gate.soak is not None  # noqa: S101 - asked by the caller
    stage, wanted = gate.soak.stage, gate.soak.at_least
    spent = here.time_in(entry, stage)
    if spent is None:
        said = f"{entry.ref} has to be {wanted} in {stage}, and was never there"
        return Condition(False, said, f"request {stage} first")
    left = time_span(wanted) - spent
    holds = left.total_seconds() <= 0
    until = "" if holds else f"wait until {here.now + left:%Y-%m-%d %H:%M:%S} UTC"
    return Condition(holds, f"{entry.ref} was {_rough(spent.total_seconds())} in {stage} (of {wanted})", until)


def _rough(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size * (2 if unit == "d" else 1):
            return f"{seconds / size:.1f}{unit}".replace(".0", "")
    return f"{seconds:.0f}s"


def _licensed(gate: Gate, entry: Entry) -> Condition:
    """The licence is the tag `license` of the version, else of the model: an identifier of https://spdx.org/licenses/."""
    found = entry.version.tags.get("license") or entry.model.tags.get("license") or ""
    if not found:
        return Condition(False, f"{entry.ref} has no tag license", f"stagedoor tag {entry.ref} license=SPDX-ID")
    holds = found.casefold() in {name.casefold() for name in gate.licenses}
    return Condition(holds, f"its license {found} is {'' if holds else 'not '}one of {', '.join(gate.licenses)}")


def _proven(proof: Proof, entry: Entry, here: Circumstances) -> Condition:
    found = next((one for one in entry.version.evidence if one.name == proof.name), None)
    attach = f"stagedoor attach {entry.ref} FILE --name {proof.name}"
    if found is None:
        return Condition(False, f"{entry.ref} has no evidence {proof.name}", attach)
    age = here.now - found.at
    if age.total_seconds() < 0:
        return Condition(False, f"the evidence {proof.name} is of {found.at:%Y-%m-%d %H:%M}, which is to come", attach)
    if proof.max_age is not None and age > time_span(proof.max_age):
        said = f"the evidence {proof.name} is {_rough(age.total_seconds())} old, more than {proof.max_age}"
        return Condition(False, said, attach)
    return Condition(True, f"has evidence {proof.name} of {found.at:%Y-%m-%d %H:%M}")
