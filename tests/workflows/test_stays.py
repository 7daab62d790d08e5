"""When a version was in a stage, and what a stage held at a moment."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from stagedoor.errors import NotFound
from stagedoor.workflows import registering, reviewing
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.stays import held, when
from stagedoor.workflows.writing import Lane
from town import ANN, CAROL, Town

PATH = "registry_spec/models/fraud.yaml"


def day(number: int) -> datetime:
    return datetime(2026, 12, number, 10, tzinfo=UTC)


def move(town: Town, number: int, ref: str, stage: str) -> None:
    town.clock.now = day(number)
    registering.transition(town.as_(CAROL), [Wish(ref, stage)])


@pytest.fixture
def story(town: Town) -> Town:
    """fraud/1 in Production from the 2nd to the 5th, fraud/2 from the 4th on, and back comes 1 on the 6th."""
    town.clock.now = day(1)
    town.register("fraud", digest="sha256:" + "ab" * 32)
    town.register("fraud")
    for number, ref, stage in (
        (2, "fraud/1", "Production"),
        (4, "fraud/2", "Production"),
        (5, "fraud/1", "Archived"),
        (6, "fraud/1", "Production"),
    ):
        move(town, number, ref, stage)
    town.clock.now = day(20)
    return town


def dates(town: Town, ref: str, stage: str = "", at: str | None = None) -> list[tuple[int, str, int, int | None]]:
    found = when(town.as_(ANN), ref, stage, at=at).stays
    return [(s.version, s.stage, s.since.day, s.until.day if s.until else None) for s in found]


def holders(town: Town, stage: str, at: str | None = None, model: str = "") -> list[str]:
    return [f"{one.model}/{one.version}" for one in held(town.as_(ANN), stage, at=at, model=model).versions]


def test_when_lists_every_stay_of_a_version_in_a_stage(story: Town) -> None:
    assert dates(story, "fraud/1", "production") == [(1, "Production", 2, 5), (1, "Production", 6, None)]


def test_when_lists_each_stage_of_each_version_of_a_model(story: Town) -> None:
    assert dates(story, "fraud") == [
        (1, "None", 1, 2),
        (1, "Production", 2, 5),
        (1, "Archived", 5, 6),
        (1, "Production", 6, None),
        (2, "None", 1, 4),
        (2, "Production", 4, None),
    ]


def test_when_tells_what_could_be_told_at_a_time(story: Town) -> None:
    assert dates(story, "fraud", "Production", at="2026-12-04") == [
        (1, "Production", 2, None),
        (2, "Production", 4, None),
    ]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-12-01", []),
        ("2026-12-02", ["fraud/1"]),
        ("2026-12-04T09:00", ["fraud/1"]),
        ("2026-12-04T12:00", ["fraud/1", "fraud/2"]),
        ("2026-12-05", ["fraud/2"]),
        (None, ["fraud/1", "fraud/2"]),
    ],
)
def test_in_lists_what_a_stage_held_at_a_time(story: Town, at: str | None, expected: list[str]) -> None:
    assert holders(story, "PRODUCTION", at) == expected


def test_in_says_since_when_and_which_commit_and_request_brought_a_version(story: Town) -> None:
    story.clock.now = day(8)
    registering.transition(story.as_(ANN), [Wish("fraud/2", "Staging")], lane=Lane(propose=True))
    reviewing.approve(story.as_(CAROL), 1)
    reviewing.merge(story.as_(CAROL), 1)
    world = story.as_(ANN)
    (first,) = held(world, "Production").versions
    assert (first.version, first.since.day if first.since else None, first.by) == (1, 6, CAROL)
    assert first.digest == "sha256:" + "ab" * 32
    (second,) = held(world, "Staging").versions
    assert (second.version, second.request, second.since_commit) == (2, 1, world.main())
    assert when(world, "fraud/2", "Staging").stays[0].request == 1


def test_when_and_in_tell_the_same_at_every_commit(story: Town) -> None:
    world = story.as_(ANN)
    for commit in world.chain().commits[3:]:
        stays = [stay for stay in when(world, "fraud", "Production", at=commit).stays if stay.until is None]
        found = held(world, "Production", at=commit).versions
        assert [(s.version, s.since, s.since_commit) for s in stays] == [
            (one.version, one.since, one.since_commit) for one in found
        ]


def test_in_follows_a_model_through_renames(story: Town) -> None:
    move(story, 9, "fraud/1", "Archived")
    move(story, 9, "fraud/2", "Archived")
    registering.rename(story.as_(CAROL), "fraud", "scam")
    registering.rename(story.as_(CAROL), "scam", "swindle")
    found = held(story.as_(ANN), "Archived", model="swin*").versions
    assert [(one.model, one.version, one.since and one.since.day) for one in found] == [
        ("swindle", 1, 9),
        ("swindle", 2, 9),
    ]
    assert holders(story, "Production", "2026-12-07") == ["fraud/1", "fraud/2"]


def test_in_takes_a_part_of_a_name_or_a_pattern(story: Town) -> None:
    story.register("other")
    registering.transition(story.as_(CAROL), [Wish("other/1", "Production")])
    assert holders(story, "Production", model="oth") == ["other/1"]
    assert holders(story, "Production", model="f*d") == ["fraud/1", "fraud/2"]
    assert holders(story, "Production", model="x*") == []


def test_ten_moves_in_one_second_keep_their_order(town: Town) -> None:
    town.register("fraud")
    stages = (["Staging", "Production", "Archived", "None"] * 3)[:10]
    for stage in stages:
        town.clock.now = day(2) - timedelta(seconds=1)
        registering.transition(town.as_(CAROL), [Wish("fraud/1", stage)])
    stays = when(town.as_(ANN), "fraud/1").stays
    assert [stay.stage for stay in stays] == ["None", *stages]
    (second,) = {stay.since for stay in stays[1:]}
    assert [a.until_commit for a in stays[:-1]] == [b.since_commit for b in stays[1:]]
    assert second is not None
    assert holders(town, stages[-1], second.isoformat()) == ["fraud/1"]


def test_dates_that_lie_move_no_other_stay(town: Town) -> None:
    town.clock.now = day(1)
    town.register("fraud")
    move(town, 2, "fraud/1", "Staging")
    for number, lie, stage in ((3, 1999, "Production"), (4, 2031, "Archived")):
        town.clock.now = datetime(lie, 1, 1, tzinfo=UTC)
        registering.transition(town.as_(CAROL), [Wish("fraud/1", stage)])
        move(town, number, "fraud/1", "None")
    town.clock.now = day(20)
    assert [(s.stage, s.since.day, s.until and s.until.day) for s in when(town.as_(ANN), "fraud/1").stays] == [
        ("None", 1, 2),
        ("Staging", 2, 2),
        ("Production", 2, 3),
        ("None", 3, 3),
        ("Archived", 3, 4),
        ("None", 4, None),
    ]


# --- what is gone ---------------------------------------------------------------------------------------------------


def test_a_deleted_version_has_its_stays(story: Town) -> None:
    move(story, 9, "fraud/1", "Archived")
    story.clock.now = day(10)
    registering.delete(story.as_(CAROL), "fraud/1")
    stays = when(story.as_(ANN), "fraud/1").stays
    assert [(s.stage, s.until and s.until.day, s.deleted) for s in stays][-2:] == [
        ("Production", 9, False),
        ("Archived", 10, True),
    ]


@pytest.mark.parametrize("ref", ["fraud", "fraud/1"])
def test_a_deleted_model_has_its_stays(story: Town, ref: str) -> None:
    _delete(story)
    assert dates(story, ref, "Production")[:2] == [(1, "Production", 2, 5), (1, "Production", 6, 9)]


def _delete(story: Town) -> None:
    move(story, 9, "fraud/1", "Archived")
    move(story, 9, "fraud/2", "Archived")
    registering.delete(story.as_(CAROL), "fraud")


def test_a_model_that_was_made_again_has_the_stays_of_both_lives(story: Town) -> None:
    _delete(story)
    story.clock.now = day(12)
    story.register("fraud")
    assert [row for row in dates(story, "fraud/1") if row[1] in ("Archived", "None")] == [
        (1, "None", 1, 2),
        (1, "Archived", 5, 6),
        (1, "Archived", 9, 9),
        (1, "None", 12, None),
    ]
    assert holders(story, "None") == ["fraud/1"]


def test_a_renamed_model_is_named_where_the_old_name_is_asked_for(story: Town) -> None:
    move(story, 9, "fraud/1", "Archived")
    move(story, 9, "fraud/2", "Archived")
    registering.rename(story.as_(CAROL), "fraud", "scam")
    with pytest.raises(NotFound, match="renamed to scam"):
        when(story.as_(ANN), "fraud/1")


@pytest.mark.parametrize("ref", ["nobody", "nobody/1", "fraud/9", "*", "../x/1", "fr?ud", "-x", "\\", "[f]raud/1"])
def test_what_never_was_is_not_found(story: Town, ref: str) -> None:
    with pytest.raises(NotFound):
        when(story.as_(ANN), ref)


def test_a_version_that_a_deleted_model_never_had_is_not_found(story: Town) -> None:
    _delete(story)
    with pytest.raises(NotFound, match="fraud never had a version 9"):
        when(story.as_(ANN), "fraud/9")


def test_a_stage_that_is_not_there_is_not_found(story: Town) -> None:
    for ask in (lambda: when(story.as_(ANN), "fraud", "Produktion"), lambda: held(story.as_(ANN), "Produktion")):
        with pytest.raises(NotFound, match="no stage Produktion") as refused:
            ask()
        assert "Production" in str(refused.value.fix)


def test_a_stage_that_the_registry_had_once_still_has_its_stays(configured: Callable[[str], Town]) -> None:
    more = "stages:\n- name: None\n- name: Staging\n- name: Canary\n- name: Production\n- name: Archived\n"
    town = configured(more)
    town.register("fraud")
    registering.transition(town.as_(CAROL), [Wish("fraud/1", "Canary")])
    registering.transition(town.as_(CAROL), [Wish("fraud/1", "Archived")])
    spec = "registry_spec/registry.yaml"
    town.commit({spec: town.text(spec).replace("- name: Canary\n", "")})
    assert [stay.stage for stay in when(town.as_(ANN), "fraud/1", "canary").stays] == ["Canary"]
    assert holders(town, "Canary", "main~2") == ["fraud/1"]


def test_a_malformed_commit_in_between_takes_nothing_away(story: Town) -> None:
    good = story.text(PATH)
    story.commit({PATH: "name: [unclosed\n"}, "oops")
    assert held(story.as_(ANN), "Production").unreadable != ()
    story.commit({PATH: good}, "mend it")
    found = held(story.as_(ANN), "Production").versions
    assert [(one.version, one.since and one.since.day) for one in found] == [(1, 6), (2, 4)]


def test_git_tells_the_same_commits(story: Town) -> None:
    log = subprocess.run(
        ["git", "-C", str(story.path), "log", "--first-parent", "--reverse", "--format=%H", "main", "--", PATH],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert sorted({stay.since_commit for stay in when(story.as_(ANN), "fraud").stays}) == sorted(log)
