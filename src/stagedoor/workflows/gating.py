"""Questions to the gates: what guards a stage, and whether a move would pass."""

from __future__ import annotations

from dataclasses import dataclass

from stagedoor.core.checks import Problem
from stagedoor.core.intents import Transition, checked_stage
from stagedoor.core.layout import REGISTRY_FILE
from stagedoor.core.plan import Plan
from stagedoor.core.registry import resolve, resolve_version
from stagedoor.core.spec import ARCHIVED, NO_STAGE
from stagedoor.core.views.gates import Guard, guards
from stagedoor.errors import InvalidState
from stagedoor.workflows.planning import Asked, plan
from stagedoor.workflows.replaying import Policy
from stagedoor.workflows.snapshots import Snapshot, root_of, with_files
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import proposed

# what a gate, a freeze or the quarantine says stands with the gates already, and SD404 is what approvals are for
_SAID_ELSEWHERE = frozenset({"SD403", "SD404", "SD409", "SD410"})


def guarding(world: World, name: str = "", stage: str = "") -> tuple[Guard, ...]:
    """What guards the stages of every model, or of one; all stages, or one."""
    snapshot = world.snapshot()
    model = resolve(snapshot.registry, name).model if name else ""
    return guards(snapshot.spec, model, checked_stage(snapshot.spec, stage).name if stage else "")


@dataclass(frozen=True, slots=True)
class Tried:
    """A move that was tried and not made."""

    ref: str
    was: str
    stage: str
    plan: Plan

    @property
    def others(self) -> tuple[Problem, ...]:
        """What the other checks say against it."""
        return tuple(problem for problem in self.plan.errors if problem.code not in _SAID_ELSEWHERE)

    @property
    def holds(self) -> bool:
        """Whether nothing but agreement is missing."""
        return not self.others and not any(ruling.stops for ruling in self.plan.gates)


def try_move(world: World, text: str, stage: str, *, archive: bool = False, policy: Policy | None = None) -> Tried:
    """Plan a move as if the actor asked for it now, under main's policy or under another one."""
    base = world.snapshot() if policy is None else _under(world.snapshot(), policy)
    ref = resolve_version(base.registry, text)
    wanted = checked_stage(base.spec, stage).name
    now = base.registry.version(ref.model, ref.version or 0).stage
    if now == wanted:
        fix = f"stagedoor gates replay --model {ref.model!r} asks about what is in a stage"
        raise InvalidState(f"{ref} is in {wanted} already", fix=fix)
    intent = Transition(ref.model, ref.version or 0, wanted, archive and wanted not in (NO_STAGE, ARCHIVED))
    head = proposed(base, [intent])
    asked = Asked(None, f"Move {ref} to {wanted}", world.actor.email, "")
    return Tried(str(ref), now, wanted, plan(world, base, head, asked))


def _under(base: Snapshot, policy: Policy) -> Snapshot:
    """The registry as it is, with another policy."""
    return with_files(base, {root_of(base.repository) + REGISTRY_FILE: policy.raw})
