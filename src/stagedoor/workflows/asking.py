"""Asking who may: who could bring a version into a stage, and why a request can merge or cannot."""

from __future__ import annotations

from dataclasses import dataclass

from stagedoor.core.approval import Verdict, WhoCan, needs, who_can
from stagedoor.core.checks import Problem
from stagedoor.core.diff import StageMoved
from stagedoor.core.intents import checked_stage
from stagedoor.core.layout import stage_path
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.registry import resolve
from stagedoor.core.requests import Request
from stagedoor.core.spec import NO_STAGE
from stagedoor.errors import InvalidState
from stagedoor.workflows.reviewing import standing
from stagedoor.workflows.snapshots import root_of
from stagedoor.workflows.world import World


@dataclass(frozen=True, slots=True)
class MoveAsked:
    """A move of a version, and who can make it happen."""

    model: str
    version: int | None
    was: str
    now: str
    author: str | None
    found: WhoCan


def who_can_move(world: World, text: str, stage: str, author: str | None = None) -> MoveAsked:
    """Who could approve a move to a stage, by today's policy, if `author` asked for it; and who may just do it.

    Without a version it is about one that is in no stage yet.
    """
    base = world.snapshot()
    ref = resolve(base.registry, text)
    now = checked_stage(base.spec, stage).name
    was = NO_STAGE if ref.version is None else base.registry.version(ref.model, ref.version).stage
    if was == now:
        raise InvalidState(f"{ref} is in {now} already", fix=f"stagedoor show {ref}")
    change = StageMoved(base.registry.path(ref.model), ref.model, ref.version or 0, was, now)
    root = root_of(world.repository)
    asked = needs((change,), _stage_files(base.spec, root, change), base.spec, root)
    found = who_can(asked, owners=base.owners, people=base.people, spec=base.spec, author=author)
    return MoveAsked(ref.model, ref.version, was, now, author, found)


def _stage_files(spec: RegistrySpec, root: str, change: StageMoved) -> tuple[str, ...]:
    """The stage files that a move changes too, where the registry has them."""
    stages = [stage for stage in (change.was, change.now) if stage != NO_STAGE] if spec.stage_files else []
    return tuple(root + stage_path(stage, change.path) for stage in stages)


@dataclass(frozen=True, slots=True)
class Why:
    """Whether a request can merge now, and everything that says so: people, checks, and what main did meanwhile."""

    request: Request
    verdict: Verdict
    problems: tuple[Problem, ...]
    outdated: tuple[str, ...]
    blockers: tuple[str, ...]

    @property
    def can_merge(self) -> bool:
        """Whether a merge would succeed."""
        return not self.blockers


def why(world: World, number: int) -> Why:
    """Why a request can merge or cannot, on the newest main: what `merge` itself looks at."""
    here = standing(world, number)
    # what people have to agree to is in the verdict, with more than the check says
    problems = tuple(problem for problem in here.plan.problems if problem.code != "SD404")
    outdated = here.outdated if here.request.is_open else ()
    return Why(here.request, here.plan.verdict or Verdict(()), problems, outdated, here.blockers)
