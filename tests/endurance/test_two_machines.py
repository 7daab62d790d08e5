"""Two machines that both work and come together now and then: whatever was said on either is there once in the end."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from judging import git, is_recorded, is_sound, numbers_are_unique
from stagedoor.core.requests import Commented, Request
from stagedoor.errors import Conflict, InvalidState
from stagedoor.gitstore import RefUpdate
from stagedoor.workflows import comments, registering, reviewing
from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.reconciling import reconcile
from stagedoor.workflows.registering import NewVersion
from stagedoor.workflows.syncing import sync
from stagedoor.workflows.world import World, world_at
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, CODEOWNERS, Town
from writer import SEED

SIDE = st.sampled_from(("one", "two"))
MODELS = ("fraud", "spam")
MODEL = st.sampled_from(MODELS)


class Machines(RuleBasedStateMachine):
    """Two clones of one plain host, and what was said on them."""

    def __init__(self, asked: Counter[str]) -> None:
        super().__init__()
        self.asked = asked
        self.folder = tempfile.TemporaryDirectory()
        self.host = Path(self.folder.name) / "host.git"
        town = Town(self.host)
        initialise(self.host, owner=CAROL, name="test", bare=True)
        town.commit({".github/CODEOWNERS": CODEOWNERS}, "owners: stage lines")
        for name in MODELS:
            town.register(name)
        town.close()
        for name in ("one", "two"):
            git(self.host.parent, "clone", "-q", "--bare", f"file://{self.host}", name)
        self.texts, self.numbers = set[str](), count(1)
        self.landed, self.closed = set[str](), set[str]()

    def at(self, side: str, who: str = CAROL) -> AbstractContextManager[World]:
        self.asked[side] += 1
        return world_at(self.host.parent / side, email=who)

    def text(self) -> str:
        return f"said {next(self.numbers)}"

    def open_ones(self, world: World) -> list[Request]:
        return list(reviewing.requests(world))

    @rule(side=SIDE)
    def come_together(self, side: str) -> None:
        """Main is the only ref that both may have taken somewhere; who was second brings theirs back."""
        with self.at(side) as world:
            for one in sync(world).refused:
                assert one.ref == "refs/heads/main" and "grown on both sides" in one.what
                there = git(self.host, "rev-parse", "main")
                git(self.host.parent / side, "fetch", "-q", "origin", "main")
                world.repository.publish((RefUpdate(one.ref, world.main(), there),), "as it is there")

    @rule(side=SIDE, name=MODEL)
    def ask(self, side: str, name: str) -> None:
        with self.at(side, ANN) as world:
            text = self.text()
            registering.tag(world, name, {f"key {text}": text}, lane=Lane(propose=True))
            self.texts.add(text)

    @rule(side=SIDE, name=MODEL)
    def say(self, side: str, name: str) -> None:
        with self.at(side, BOB) as world:
            text = self.text()
            comments.add(world, f"{name}/1", text)
            self.texts.add(text)

    @rule(side=SIDE, which=st.integers(0, 5))
    def answer(self, side: str, which: int) -> None:
        with self.at(side, BOB) as world:
            found = self.open_ones(world)
            if found:
                text = self.text()
                reviewing.comment(world, found[which % len(found)].number, text)
                self.texts.add(text)

    @rule(side=SIDE, which=st.integers(0, 5))
    def cancel(self, side: str, which: int) -> None:
        with self.at(side) as world:
            found = self.open_ones(world)
            if found:
                one = found[which % len(found)]
                reviewing.cancel(world, one.number)
                self.closed.add(one.head)

    @rule(side=SIDE, which=st.integers(0, 5))
    def land(self, side: str, which: int) -> None:
        """Approve and merge on the newest main, and publish it at once; or it is refused, for a reason."""
        self.come_together(side)
        with self.at(side) as world:
            found = self.open_ones(world)
            if found:
                one = found[which % len(found)]
                reviewing.approve(world, one.number)
                try:
                    reviewing.merge(world, one.number)
                except (Conflict, InvalidState) as refusal:
                    assert refusal.what
                else:
                    self.closed.add(one.head)
        self.come_together(side)

    @rule(side=SIDE, name=MODEL)
    def register(self, side: str, name: str) -> None:
        self.come_together(side)
        with self.at(side, ANN) as world:
            source = f"s3://{self.text()}"
            registering.register(world, NewVersion(name, {"source": source}))
            self.landed.add(source)
        self.come_together(side)

    @rule()
    def tell(self) -> None:
        """One of the machines is the one that reconciles."""
        with self.at("one") as world:
            reconcile(world)

    def teardown(self) -> None:
        try:
            for side in ("one", "two", "one", "two"):
                self.come_together(side)
            self.tell()
            self.come_together("one")
            self.come_together("two")
            self.is_whole()
        finally:
            self.folder.cleanup()

    def is_whole(self) -> None:
        told = [git(self.host.parent / at, "for-each-ref", "refs/heads", "refs/pull", "refs/stagedoor")
                for at in ("one", "two", "host.git")]  # fmt: skip
        assert told[0] == told[1] == told[2]
        with self.at("one") as world:
            requests = list(reviewing.requests(world, "all"))
            said = Counter(step.body for one in requests for step in one.steps if isinstance(step, Commented))
            said += Counter(one.body for _, one in comments.since(world, None))
            tags = Counter(_text_of(world, one) for one in requests)
            assert Counter(said) + tags == Counter(dict.fromkeys(self.texts, 1))
            assert sorted(one.number for one in requests) == list(range(1, len(requests) + 1))
            still_open = {one.head for one in requests if one.is_open}
            assert not still_open & self.closed
            sources = Counter(v.source for name in MODELS for v in world.snapshot().registry.model(name).versions)
            assert dict.fromkeys(self.landed, 1) == {s: n for s, n in sources.items() if "said" in s}
            numbers_are_unique(world)
            is_recorded(world)
        for at in ("one", "two", "host.git"):
            is_sound(self.host.parent / at)


def _text_of(world: World, request: Request) -> str:
    """The text that a request for a tag was opened with: the value of the tag that only it has."""
    base, head = (world.snapshot(commit).registry for commit in (request.base, request.head))
    found = [set(head.model(name).tags.values()) - set(base.model(name).tags.values()) for name in MODELS]
    return next(text for one in found for text in one)


def play(stories: int, calls: int) -> Counter[str]:
    """So many stories of so many steps; how much was done on each machine."""
    asked: Counter[str] = Counter()

    def machine() -> Machines:
        return Machines(asked)

    made: Any = machine
    seed(SEED)(made)
    run_state_machine_as_test(
        made,
        settings=settings(
            max_examples=stories, stateful_step_count=calls, deadline=None, database=None,
            phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
    print(f"two machines, seed {SEED}: {dict(asked)}")
    return asked


def test_nothing_that_two_machines_said_is_lost_or_doubled() -> None:
    assert play(3, 15).total() > 20


@pytest.mark.heavy
def test_nothing_that_two_machines_said_is_lost_or_doubled_in_many_stories() -> None:
    assert play(60, 50).total() > 1000
