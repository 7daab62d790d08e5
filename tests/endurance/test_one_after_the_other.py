"""Every door against the simple model, call by call: each answer is known before it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.apps.conftest import Sd

from doors import CommandLine, Door, Plugin, Rest, Workflows
from judging import is_as_said, is_recorded, is_sound, numbers_are_unique, unreviewed
from oracle import Answer, Call, State, agrees, answer
from served import Served, serve
from stagedoor.core.registry import Ref
from stagedoor.errors import AlreadyExists, ChecksFailed, Conflict, Denied, InvalidState, NotFound
from stagedoor.workflows import moving
from stagedoor.workflows.reconciling import reconcile
from stagedoor.workflows.world import World, world_at
from town import ANN, BOB, CAROL, DAVE
from writer import SEED

WHO = st.sampled_from((ANN, BOB, BOB, CAROL, CAROL, CAROL, DAVE))
NUMBER = st.integers(1, 4)
KEY, VALUE = st.sampled_from(("team", "tier")), st.sampled_from(("a", "b", "ü c"))
STAGE = st.sampled_from(("None", "Staging", "Production", "Archived"))
DOORS = st.sampled_from(("workflows", "command line", "rest", "plugin"))

_prefixes = count()


class Machine(RuleBasedStateMachine):
    """Two names, models under them, and one registry for all the runs of a test."""

    def __init__(self, doors: dict[str, Door], served: Served, asked: Counter[str]) -> None:
        super().__init__()
        self.doors, self.served, self.asked = doors, served, asked
        prefix = f"m{next(_prefixes)}"
        self.names = (prefix, f"{prefix}-b")
        self.state: State = ()
        self.sources = count(1)

    def ask(self, door: str, call: Call) -> None:
        """One call by one door; the answer is the one that the model gives."""
        is_cli = door == "command line"
        if is_cli and call.op == "create":
            door, is_cli = "workflows", False
        call = Call(**{**call.plain(), "strict": is_cli})
        after, expected = answer(self.state, call)
        got = self.doors[door].ask(call)
        assert not got.lost, got
        assert agrees(self.state, call, expected, got), f"{door}: {call} was answered {got}, and not {expected}"
        if got.refused:
            assert got.what.strip(), f"{door}: {call} was refused without a word"
        self.state = after
        self.asked[door] += 1

    @initialize(door=DOORS, versions=st.integers(0, 3), stages=st.lists(STAGE, max_size=3))
    def found(self, door: str, versions: int, stages: list[str]) -> None:
        """Most stories begin with something: an empty registry refuses nearly everything."""
        self.create(door, ANN, False)
        for _ in range(versions):
            self.register(door, BOB, False)
        for version, stage in zip(range(1, versions + 1), stages, strict=False):
            self.move(door, CAROL, False, version, stage, False)

    @rule(door=DOORS, who=WHO, which=st.booleans())
    def create(self, door: str, who: str, which: bool) -> None:
        self.ask(door, Call("create", who, self.names[which]))

    @rule(door=DOORS, who=WHO, which=st.sampled_from((False, False, True)))
    def register(self, door: str, who: str, which: bool) -> None:
        self.ask(door, Call("register", who, self.names[which], text=f"s3://{self.names[0]}/{next(self.sources)}"))

    @rule(door=DOORS, who=WHO, which=st.booleans(), version=st.none() | NUMBER, value=VALUE)
    def describe(self, door: str, who: str, which: bool, version: int | None, value: str) -> None:
        self.ask(door, Call("describe", who, self.names[which], version, value=value))

    @rule(door=DOORS, who=WHO, which=st.booleans(), version=st.none() | NUMBER, key=KEY, value=VALUE | st.none())
    def tag(self, door: str, who: str, which: bool, version: int | None, key: str, value: str | None) -> None:
        op: Any = "untag" if value is None else "tag"
        self.ask(door, Call(op, who, self.names[which], version, key, value or ""))

    @rule(door=DOORS, who=WHO, which=st.booleans(), version=st.none() | NUMBER, key=KEY)
    def alias(self, door: str, who: str, which: bool, version: int | None, key: str) -> None:
        op: Any = "unalias" if version is None else "alias"
        self.ask(door, Call(op, who, self.names[which], version, key))

    @rule(door=DOORS, who=WHO, which=st.booleans(), version=NUMBER, stage=STAGE, archive=st.booleans())
    def move(self, door: str, who: str, which: bool, version: int, stage: str, archive: bool) -> None:
        archive = archive and stage in ("Staging", "Production")
        self.ask(door, Call("move", who, self.names[which], version, stage, archive=archive))

    @rule(door=DOORS, who=WHO, which=st.booleans())
    def rename(self, door: str, who: str, which: bool) -> None:
        self.ask(door, Call("rename", who, self.names[which], text=self.names[not which]))

    @rule(door=DOORS, who=WHO, which=st.booleans(), version=st.none() | NUMBER)
    def delete(self, door: str, who: str, which: bool, version: int | None) -> None:
        self.ask(door, Call("delete", who, self.names[which], version))

    @rule(door=DOORS, which=st.booleans())
    def look(self, door: str, which: bool) -> None:
        self.ask(door, Call("versions", ANN, self.names[which]))
        self.ask(door, Call("model", ANN, self.names[which]))

    @rule(who=WHO, which=st.booleans(), version=NUMBER, stage=STAGE)
    def request(self, who: str, which: bool, version: int, stage: str) -> None:
        with self.world(who) as world:
            self._request(world, which, version, stage)
        self.asked["requests"] += 1

    def _request(self, world: World, which: bool, version: int, stage: str) -> None:
        models = dict(self.state)
        there = dict(models[self.names[which]].versions) if self.names[which] in models else {}
        try:
            moving.ask(world, Ref(self.names[which], version), stage)
        except NotFound:
            assert version not in there
        except InvalidState:
            assert there[version].stage == stage
        except AlreadyExists:
            asked = moving.wanted(world, self.names[which], version, stage)
            assert any(one.request.author == world.actor.email for one in asked)
        else:
            assert there[version].stage != stage

    @rule(who=WHO, which=st.booleans(), version=NUMBER, stage=STAGE)
    def approve(self, who: str, which: bool, version: int, stage: str) -> None:
        """It lands as its owner's move, or is refused and changes nothing."""
        before = self.state
        try:
            with self.world(who) as world:
                moving.approve(world, Ref(self.names[which], version), stage)
        except (NotFound, Denied, Conflict, InvalidState, ChecksFailed) as refusal:
            assert refusal.what
        else:
            self.state, expected = answer(before, Call("move", who, self.names[which], version, stage))
            assert expected == Answer() and self.state != before
        self.asked["approvals"] += 1

    @invariant()
    def main_is_as_said(self) -> None:
        with self.world(CAROL) as world:
            is_as_said(world, self.state)

    def world(self, who: str) -> AbstractContextManager[World]:
        """The registry as somebody sees it now."""
        return world_at(self.served.town.path, email=who)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Served]:
    """A registry, and a server on it with two processes."""
    made = serve(tmp_path, "--workers", "2", "--interval", "0.5")
    yield made
    made.stop()
    made.town.close()


@pytest.fixture
def run(one: Served) -> Callable[[int, int], Counter[str]]:
    """Play so many stories of so many calls; how many calls were made at each door."""
    path: Path = one.town.path
    tokens = {who: one.token(who) for who in (ANN, BOB, CAROL, DAVE)}

    def in_here(directory: Path, said: tuple[str, ...], who: str) -> tuple[int, str, str]:
        done = Sd(directory)(*said, as_=who)
        return done.code, done.out, done.err

    doors: dict[str, Door] = {
        "workflows": Workflows(path), "command line": CommandLine(path, in_here),
        "rest": Rest(one.url, tokens), "plugin": Plugin(path),
    }  # fmt: skip

    def play(stories: int, calls: int) -> Counter[str]:
        asked: Counter[str] = Counter()

        def machine() -> Machine:
            return Machine(doors, one, asked)

        # any callable that makes one will do, whatever its types say
        made: Any = machine

        phases = (Phase.generate, Phase.shrink)
        seed(SEED)(machine)
        run_state_machine_as_test(
            made,
            settings=settings(
                max_examples=stories, stateful_step_count=calls, deadline=None, database=None, phases=phases,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
        one.stop()
        world = one.town.as_(CAROL)
        reconcile(world)
        print(f"seed {SEED}: {dict(asked)}, {numbers_are_unique(world)} versions, {is_recorded(world)} events")
        # the town's own first commit
        assert len(list(unreviewed(world))) == 1
        is_sound(path)
        return asked

    return play


def test_all_doors_answer_as_the_model_does(run: Callable[[int, int], Counter[str]]) -> None:
    assert run(8, 20).total() > 100


@pytest.mark.heavy
def test_all_doors_answer_as_the_model_does_ten_thousand_times(run: Callable[[int, int], Counter[str]]) -> None:
    assert run(300, 50).total() > 10_000
