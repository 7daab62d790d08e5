"""A point in the past: what people write, and the commit that it means."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stagedoor.errors import BadInput, BadRepository, NotFound
from stagedoor.gitstore import RefUpdate
from stagedoor.workflows import registering
from stagedoor.workflows.history import activity
from stagedoor.workflows.moments import commit_at, state_of_main
from stagedoor.workflows.reading import ModelsQuery, history, models, show
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, Town

DAY = datetime(2026, 12, 1, 10, tzinfo=UTC)


def git(town: Town, *args: str) -> str:
    done = subprocess.run(["git", "-C", str(town.path), *args], capture_output=True, text=True, check=True, input="")
    return done.stdout.strip()


def at(town: Town, when: datetime) -> None:
    town.clock.now = when


def tip(town: Town) -> str:
    return town.as_(CAROL).main()


@pytest.fixture
def days(town: Town) -> Callable[[int], str]:
    """Main at the end of four days in December: a model, a version in Staging, in Production, in the archive."""
    tips = []
    for number, stage in enumerate(("", "Staging", "Production", "Archived")):
        at(town, DAY + timedelta(days=number))
        if stage:
            registering.transition(town.as_(CAROL), [Wish("fraud/1", stage)])
        else:
            town.register("fraud")
        tips.append(tip(town))
    at(town, DAY + timedelta(days=30))
    return lambda day: tips[day - 1]


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("2026-12-02", 2),
        ("2026-12-02T00:00", 1),
        ("2026-12-02T23:59:59", 2),
        ("2026-12-02 12:00", 2),
        ("2026-12-02t12:00:00z", 2),
        ("2026-12-03T09:00+02:00", 2),
        ("2026-12-03T09:00-02:00", 3),
        ("2026-12-03T10:00:30.5Z", 3),
        ("2026-12-20", 4),
    ],
)
def test_a_time_means_main_as_it_was_then(town: Town, days: Callable[[int], str], said: str, day: int) -> None:
    assert commit_at(town.as_(ANN), said).commit == days(day)


def test_today_means_now(town: Town, days: Callable[[int], str]) -> None:
    at(town, DAY + timedelta(days=3, hours=1))
    assert commit_at(town.as_(ANN), "2026-12-04").commit == days(4)


def test_a_revision_means_itself_and_says_when_it_was_merged(town: Town, days: Callable[[int], str]) -> None:
    git(town, "tag", "before", days(2))
    for said in ("main~2", "before", "refs/tags/before", days(2), days(2)[:9]):
        moment = commit_at(town.as_(ANN), said)
        assert moment.commit == days(2)
        assert moment.merged is not None
        assert moment.merged.date() == (DAY + timedelta(days=1)).date()


def test_a_tag_cannot_pass_for_a_time_or_for_main(town: Town, days: Callable[[int], str]) -> None:
    git(town, "tag", "2026-12-03", days(1))
    git(town, "tag", "main", days(1))
    assert commit_at(town.as_(ANN), "2026-12-03").commit == days(3)
    assert commit_at(town.as_(ANN), "main").commit == days(4)
    assert commit_at(town.as_(ANN), "main~1").commit == days(3)
    assert commit_at(town.as_(ANN), "refs/tags/2026-12-03").commit == days(1)


@pytest.mark.parametrize("said", ["--all", "-1", "--output=x", "yesterday", "", ":/fraud", "a\0b", "2026-12", "main:x"])
def test_what_is_neither_a_time_nor_a_revision_is_not_found(town: Town, said: str) -> None:
    with pytest.raises(NotFound, match="no revision") as refused:
        commit_at(town.as_(ANN), said)
    assert "2026-10-01T12:00Z" in str(refused.value.fix)


@pytest.mark.parametrize(
    "said", ["2026-13-01", "2026-02-30T10:00", "2026-12-01T25:00", "0001-01-01T00:00+14:00", "0000-01-01"]
)
def test_a_time_that_no_calendar_has_is_refused(town: Town, said: str) -> None:
    with pytest.raises(BadInput, match="not in the calendar"):
        commit_at(town.as_(ANN), said)


@pytest.mark.parametrize("said", ["2027-06-01", "9999-12-31", "9999-12-31T23:59-14:00", "2027-06-01T00:00:01Z"])
def test_a_time_to_come_is_refused(town: Town, said: str) -> None:
    with pytest.raises(BadInput, match=r"still to come|not in the calendar"):
        commit_at(town.as_(ANN), said)


def test_a_reflog_is_no_record(town: Town) -> None:
    with pytest.raises(BadInput, match="reflog"):
        commit_at(town.as_(ANN), "main@{yesterday}")


def test_before_the_registry_there_is_nothing_and_the_cure_says_when_it_began(town: Town) -> None:
    first = git(town, "rev-list", "--reverse", "main").split()[0]
    with pytest.raises(NotFound, match="no registry yet") as refused:
        commit_at(town.as_(ANN), "2020-01-01")
    assert first[:10] in str(refused.value.fix)


def test_before_the_registry_came_into_an_older_repository_there_is_none(town: Town) -> None:
    who = town.as_(CAROL).signature()
    tree = town.as_(CAROL).repository.write_tree(None, {"README": b"code"})
    git(town, "tag", "older", town.as_(CAROL).repository.commit(tree, (), author=who, committer=who, message="older"))
    with pytest.raises(NotFound, match="no registry in older"):
        commit_at(town.as_(ANN), "older")


# --- dates lie ------------------------------------------------------------------------------------------------------


def test_dates_that_lie_shift_nobody_else(town: Town) -> None:
    for number in range(1, 7):
        at(town, {3: datetime(1999, 1, 1, tzinfo=UTC), 5: datetime(2031, 1, 1, tzinfo=UTC)}.get(number, _day(number)))
        town.register("fraud")
    at(town, _day(20))
    world = town.as_(ANN)
    counts = [len(show(world, "fraud", commit=commit_at(world, f"2026-12-0{d}").commit).model.versions) for d in _DAYS]
    # 3 and 5 take the time of the commit before them, and everything else stands where it did
    assert counts == [1, 3, 3, 5, 5, 6]


_DAYS = range(1, 7)


def _day(number: int) -> datetime:
    return datetime(2026, 12, number, 10, tzinfo=UTC)


def test_a_date_in_the_future_is_no_way_to_stay_out_of_the_past(town: Town) -> None:
    at(town, _day(1))
    town.register("fraud")
    at(town, datetime(2031, 1, 1, tzinfo=UTC))
    registering.transition(town.as_(CAROL), [Wish("fraud/1", "Production")])
    at(town, _day(3))
    world = town.as_(ANN)
    assert show(world, "fraud/1", commit=commit_at(world, "2026-12-01").commit).version.stage == "Production"  # type: ignore[union-attr]


def test_an_author_date_counts_for_nothing(town: Town, days: Callable[[int], str]) -> None:
    world = town.as_(CAROL)
    info = world.repository.commit_info(days(4))
    odd = world.repository.commit(
        info.tree, (days(4),), message="odd",
        author=replace(info.author, time=datetime(1999, 1, 1, tzinfo=UTC)),
        committer=replace(info.committer, time=DAY + timedelta(days=6)),
    )  # fmt: skip
    world.repository.publish((RefUpdate("refs/heads/main", days(4), odd),), "test")
    assert commit_at(town.as_(ANN), "2026-12-06").commit == days(4)
    assert commit_at(town.as_(ANN), "2026-12-07").commit == odd


# --- the verbs ------------------------------------------------------------------------------------------------------


def test_reading_verbs_answer_for_a_commit(town: Town, days: Callable[[int], str]) -> None:
    world = town.as_(ANN)
    listed = models(world, ModelsQuery(), commit=days(3))
    assert (listed.models[0].production, listed.commit) == (1, days(3))
    assert models(world, ModelsQuery(stage="Production")).models == ()
    assert [span.stage for span in history(world, "fraud/1", commit=days(2))[0].spans] == ["None", "Staging"]
    assert history(world, "fraud/1", commit=days(2))[0].spans[-1].until is None
    assert [event.to_stage for event in activity(world, "fraud", commit=days(2)) if event.to_stage] == ["Staging"]
    assert len(activity(world, commit=days(2))) == len(activity(world)) - 2


def test_a_renamed_model_has_its_old_name_in_the_past(town: Town, days: Callable[[int], str]) -> None:
    registering.rename(town.as_(CAROL), "fraud", "scam")
    world = town.as_(ANN)
    assert show(world, "fraud/1", commit=days(3)).model.name == "fraud"
    assert history(world, "fraud/1", commit=days(3))[0].model == "fraud"
    with pytest.raises(NotFound):
        show(world, "scam/1", commit=days(3))


def test_a_deleted_model_is_there_in_the_past(town: Town, days: Callable[[int], str]) -> None:
    registering.delete(town.as_(CAROL), "fraud")
    world = town.as_(ANN)
    assert models(world, ModelsQuery()).models == ()
    assert show(world, "fraud@latest", commit=days(3)).version is not None
    assert len(activity(world, "fraud", commit=days(3))) == 4


def test_the_head_of_a_request_can_be_looked_at_and_was_never_main(town: Town, days: Callable[[int], str]) -> None:
    registering.transition(town.as_(BOB), [Wish("fraud/1", "Staging")], lane=Lane(propose=True))
    world = town.as_(ANN)
    moment = commit_at(world, "refs/pull/1/head")
    assert moment.merged is None
    assert show(world, "fraud/1", commit=moment.commit).version.stage == "Staging"  # type: ignore[union-attr]
    assert [span.stage for span in history(world, "fraud/1", commit=moment.commit)[0].spans][-1] == "Staging"
    with pytest.raises(BadInput, match="never the state of main"):
        state_of_main(world, "refs/pull/1/head")


@pytest.mark.parametrize("option", ["--depth=1", "--filter=blob:none"])
def test_an_incomplete_clone_refuses_times_and_knows_its_own_tip(
    town: Town, days: Callable[[int], str], tmp_path: Path, option: str
) -> None:
    git(town, "config", "uploadpack.allowFilter", "true")
    subprocess.run(["git", "clone", "-q", "--bare", option, f"file://{town.path}", tmp_path / "part.git"], check=True)
    part = Town(tmp_path / "part.git", clock=town.clock)
    with pytest.raises(BadRepository, match=r"shallow|partial"):
        commit_at(part.as_(ANN), "2026-12-03")
    with pytest.raises(BadRepository, match=r"shallow|partial"):
        state_of_main(part.as_(ANN), None)
    moment = commit_at(part.as_(ANN), "main")
    assert (moment.commit, moment.merged) == (days(4), None)
    part.close()
