"""What a policy would have said of a move that was made, or says of a version that is in a stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from stagedoor.core.gates.asking import content, gates_for, rulings
from stagedoor.core.gates.values import Circumstances, Condition, Entry
from stagedoor.core.policy import Gate, RegistrySpec
from stagedoor.core.registry import Registry
from stagedoor.core.spec import ARCHIVED, NO_STAGE


@dataclass(frozen=True, slots=True)
class Hindsight:
    """Why a move would be refused, and what would be waived; neither says that it would pass."""

    reasons: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastMove:
    """A move on main that the policy would have refused, and why."""

    commit: str
    at: datetime
    by: str
    request: int | None
    model: str
    version: int
    was: str
    now: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A version that is in a stage now, and why the policy would not let it in."""

    model: str
    version: int
    stage: str
    reasons: tuple[str, ...]

    @property
    def ref(self) -> str:
        """`NAME/3`."""
        return f"{self.model}/{self.version}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which models and stages are asked about; an empty stage is every one."""

    model: str = "*"
    stage: str = ""

    def holds(self, model: str, stage: str) -> bool:
        """Whether a move into a stage is asked about."""
        return fnmatchcase(model, self.model) and self.stage in ("", stage)


def hindsight(entry: Entry, spec: RegistrySpec, here: Circumstances) -> Hindsight:
    """What a policy says of one move: its gates, freezes and quarantine, and the rules of the stage itself."""
    said = rulings((entry,), spec, here)
    stopped = (f"{r.title}: {c.said}" for r in said if r.stops for c in r.conditions if not c.holds)
    waived = (f"{r.title}: {r.waived}" for r in said if r.waived)
    return Hindsight((*_stage_reasons(entry, spec), *stopped), tuple(waived))


def _stage_reasons(entry: Entry, spec: RegistrySpec) -> Iterator[str]:
    stage = spec.stage(entry.now)
    if stage is None:
        yield f"{entry.now} is not a stage"
        return
    if stage.sources is not None and entry.was not in (entry.now, *stage.sources):
        yield f"{stage.name} is entered from {' or '.join(stage.sources) or 'nowhere'}, and not from {entry.was}"
    others = [v.version for v in entry.model.in_stage(stage.name) if v.version != entry.version.version]
    if stage.exclusive and others:
        yield f"{stage.name} holds one version, and {', '.join(map(str, others))} is there too"


def misfits(models: Registry, gates: Iterable[Gate], here: Circumstances) -> Iterator[Misfit]:
    """The versions in a stage that do not have what these gates ask of a version itself.

    Where it came from, how long it soaked and the artifact are not asked about: that is for a move.
    """
    gates = tuple(gates)
    if not gates:
        return
    for path, model in models.models.items():
        for version in model.versions:
            if version.stage in (NO_STAGE, ARCHIVED):
                continue
            others = tuple(one for one in model.in_stage(version.stage) if one.version != version.version)
            entry = Entry(path, model, version, version.stage, version.stage, others)
            if reasons := tuple(_lacking(entry, gates, here)):
                yield Misfit(model.name, version.version, version.stage, reasons)


def _lacking(entry: Entry, gates: Iterable[Gate], here: Circumstances) -> Iterator[str]:
    for gate in gates_for(gates, entry.model.name, entry.now):
        failing: Iterable[Condition] = (one for one in content(gate, entry, here) if not one.holds)
        yield from (f"gate {gate.name}: {one.said}" for one in failing)
