"""A policy in words: what guards a stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stagedoor.core.gates import gates_for
from stagedoor.core.gates.freezes import described
from stagedoor.core.policy import Approvals, Artifact, Freeze, Gate, RegistrySpec, Stage
from stagedoor.core.views.plain import counted


@dataclass(frozen=True, slots=True)
class Guard:
    """One stage, and what guards it, each with the sentences that say so."""

    stage: str
    rules: tuple[str, ...]
    gates: tuple[Spoken, ...]
    freezes: tuple[Spoken, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A gate or a freeze in words."""

    name: str
    models: tuple[str, ...]
    says: tuple[str, ...]
    reason: str


def guards(spec: RegistrySpec, model: str = "", stage: str = "") -> tuple[Guard, ...]:
    """What guards the stages, or one, for every model or for one."""
    return tuple(_guard(spec, one, model) for one in spec.stages if stage in ("", one.name))


def _guard(spec: RegistrySpec, stage: Stage, model: str) -> Guard:
    found = gates_for(spec.gates, model, stage.name) if model else _of_stage(spec.gates, stage.name)
    freezes = (one for one in spec.freezes if stage.name in one.stages and (not model or _concerns(one, model)))
    return Guard(stage.name, tuple(_rules(stage)), tuple(map(spoken, found)), tuple(map(_spoken_freeze, freezes)))


def _of_stage(gates: Iterable[Gate], stage: str) -> Iterator[Gate]:
    return (gate for gate in gates if not gate.stages or stage in gate.stages)


def _concerns(freeze: Freeze, model: str) -> bool:
    return any(gates_for((Gate(name=freeze.name, models=freeze.models),), model, ""))


def _rules(stage: Stage) -> Iterator[str]:
    if stage.exclusive:
        yield "one version at a time"
    if stage.sources is not None:
        yield f"from {' or '.join(stage.sources) or 'nowhere'}"
    if stage.approvals > 1 or stage.teams > 1 or stage.signed:
        yield _agreement(Approvals(count=stage.approvals, teams=stage.teams, signed=stage.signed))
    if not stage.direct:
        yield "by a request only"


def spoken(gate: Gate) -> Spoken:
    """One gate, a sentence for each thing that it asks for."""
    return Spoken(gate.name, gate.models, tuple(_says(gate)), gate.reason)


def _says(gate: Gate) -> Iterator[str]:
    if gate.sources is not None:
        yield f"comes from {' or '.join(gate.sources) or 'nowhere'}"
    if gate.require:
        yield f"has {', '.join(gate.require)}"
    if gate.soak:
        yield f"was {gate.soak.at_least} in {gate.soak.stage}"
    if gate.licenses:
        yield f"its tag license is one of {', '.join(gate.licenses)}"
    for proof in gate.evidence:
        yield f"has evidence {proof.name}" + (f", not older than {proof.max_age}" if proof.max_age else "")
    yield from gate.expressions
    if gate.artifact:
        yield "the artifact " + " and ".join(_proven(gate.artifact))
    if gate.approvals:
        yield _agreement(gate.approvals)


def _proven(asked: Artifact) -> Iterator[str]:
    if asked.digest:
        yield "has the digest that was registered"
    if asked.key:
        yield f"is signed with {asked.key}"
    if not (asked.digest or asked.key):
        yield "can be read"


def _agreement(asked: Approvals) -> str:
    teams = f" from {asked.teams} teams" if asked.teams > 1 else ""
    by = f" by {', '.join(asked.by)}" if asked.by else ""
    return f"{counted(asked.count, 'signed approval' if asked.signed else 'approval')}{teams}{by}"


def _spoken_freeze(freeze: Freeze) -> Spoken:
    return Spoken(freeze.name, freeze.models, (f"nothing moves {described(freeze)}",), freeze.reason)
