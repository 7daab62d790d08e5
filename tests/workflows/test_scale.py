"""What a question costs is what it asks about: counted in processes and objects, and never by a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stagedoor.workflows import planning, registering, stays
from stagedoor.workflows.history import activity
from stagedoor.workflows.reading import history
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.world import World
from town import ANN, BOB, Town


class Count:
    """How often git was started, and an object read, by one world."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.processes = self.objects = 0
        git, store = world.repository._git, world.repository._store
        monkeypatch.setattr(git, "start", self._counted(git.start, "processes"))
        monkeypatch.setattr(git, "run", self._counted(git.run, "processes"))
        monkeypatch.setattr(store, "read", self._counted(store.read, "objects"))

    def _counted(self, act: Callable[..., Any], what: str) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            setattr(self, what, getattr(self, what) + 1)
            return act(*args, **options)

        return counted


def asked(town: Town, ask: Callable[[World], object], monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The processes and objects that a question takes, where the history is kept already."""
    town.as_(ANN).past()
    world = town.as_(ANN)
    count = Count(world, monkeypatch)
    assert ask(world)
    return count.processes, count.objects


@pytest.mark.parametrize(
    "ask",
    [
        lambda world: activity(world, "fraud"),
        lambda world: history(world, "fraud"),
        lambda world: stays.when(world, "fraud"),
        lambda world: stays.when(world, "gone"),
        lambda world: stays.held(world, "Staging", model="fraud"),
    ],
    ids=["activity", "history", "when", "when of a deleted model", "held"],
)
def test_a_question_about_one_model_costs_the_same_however_long_main_is(
    town: Town, monkeypatch: pytest.MonkeyPatch, ask: Callable[[World], object]
) -> None:
    for name in ("fraud", "busy", "gone"):
        town.register(name, source="s3://a/1")
    registering.transition(town.as_(BOB), [Wish("fraud/1", "Staging")])
    town.commit({"registry_spec/models/gone.yaml": None})
    registering.tag(town.as_(BOB), "busy/1", {"seen": "once"})
    before = asked(town, ask, monkeypatch)
    for number in range(30):
        registering.tag(town.as_(BOB), "busy/1", {"seen": str(number)})
    processes, objects = asked(town, ask, monkeypatch)
    assert (processes, objects) == before
    assert processes == 0


def test_a_plan_between_two_commits_asks_git_for_requests_alone(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    base = town.as_(ANN).main()
    town.register("fraud", source="s3://a/1")
    head = town.as_(ANN).main()
    processes, _ = asked(town, lambda world: planning.plan_between(world, base, head), monkeypatch)
    assert processes == 1
