"""History: the order of main, derived from trees, whatever clocks and hands do."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from stagedoor.errors import InvalidState
from stagedoor.workflows import registering, reviewing
from stagedoor.workflows.history import activity, landings_of
from stagedoor.workflows.reading import difference, history, show
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, Town

PATH = "registry_spec/models/fraud.yaml"


def move(town: Town, ref: str, stage: str, who: str = CAROL) -> None:
    registering.transition(town.as_(who), [Wish(ref, stage)])


def test_activity_tells_the_same_story_as_git_log(town: Town) -> None:
    town.register("fraud")
    made = registering.transition(town.as_(ANN), [Wish("fraud/1", "Production")], lane=Lane(propose=True))
    assert made.request is not None
    reviewing.approve(town.as_(CAROL), 1)
    reviewing.merge(town.as_(CAROL), 1)
    town.commit({PATH: town.text(PATH).replace("stage: Production", "stage: Archived")}, "retire it by hand")
    log = subprocess.run(
        ["git", "-C", str(town.path), "log", "--first-parent", "--format=%H", "main", "--", PATH],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    told = [event.commit for event in activity(town.as_(CAROL), "fraud")]
    assert list(dict.fromkeys(told)) == log


def test_order_is_merge_order_whatever_dates_commits_carry(town: Town) -> None:
    town.register("fraud")
    for stage, year in (("Staging", 2030), ("Production", 1999), ("Archived", 2012)):
        town.clock.now = datetime(year, 1, 1, tzinfo=UTC)
        move(town, "fraud/1", stage)
    stages = [event.to_stage for event in activity(town.as_(CAROL), "fraud") if event.to_stage]
    assert stages == ["Archived", "Production", "Staging"]


def test_ten_moves_in_one_second_keep_their_order(town: Town) -> None:
    town.register("fraud")
    stages = ["Staging", "Production", "Archived", "None"] * 3
    for stage in stages[:10]:
        town.clock.now = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=1)
        move(town, "fraud/1", stage)
    told = [event.to_stage for event in activity(town.as_(CAROL), "fraud") if event.to_stage]
    assert told == stages[9::-1]


def test_a_commit_by_hand_yields_the_same_events_as_the_tool(town: Town) -> None:
    town.register("fraud")
    before = town.as_(CAROL).main()
    move(town, "fraud/1", "Staging")
    by_tool = activity(town.as_(CAROL), "fraud")[0]
    town.commit({PATH: town.text(PATH).replace("stage: Staging", "stage: None")})
    town.commit({PATH: town.text(PATH).replace("stage: None", "stage: Staging")})
    by_hand = activity(town.as_(CAROL), "fraud")[0]
    assert before != by_hand.commit
    assert (by_tool.kind, by_tool.subject, by_tool.from_stage, by_tool.to_stage) == (
        by_hand.kind, by_hand.subject, by_hand.from_stage, by_hand.to_stage,
    )  # fmt: skip


def test_a_malformed_file_in_an_old_commit_neither_stops_nor_forges_the_story(town: Town) -> None:
    town.register("fraud")
    good = town.text(PATH)
    town.commit({PATH: "name: [unclosed\n"}, "oops")
    assert activity(town.as_(CAROL))[0].kind == "model_version.created"
    town.commit({PATH: good.replace("stage: None", "stage: Staging")}, "mend it")
    kinds = [event.kind for event in activity(town.as_(CAROL), "fraud")]
    assert kinds == ["model_version.transitioned", "model_version.created", "registered_model.created"]


def test_lineage_is_chronological_with_the_spans_of_each_stage(town: Town) -> None:
    town.register("fraud", run={"id": "r1", "experiment": "tuning"}, metrics={"auc": 0.9})
    town.register("fraud")
    move(town, "fraud/1", "Production")
    move(town, "fraud/1", "Archived")
    first, second = history(town.as_(ANN), "fraud")
    assert [span.stage for span in first.spans] == ["None", "Production", "Archived"]
    assert all(a.until_commit == b.since_commit for a, b in zip(first.spans, first.spans[1:], strict=False))
    assert first.content.run is not None
    assert (first.content.run.experiment, first.content.metrics) == ("tuning", {"auc": 0.9})
    assert first.spans[-1].until is None
    assert [span.stage for span in second.spans] == ["None"]


def test_a_deleted_version_stays_in_the_lineage(town: Town) -> None:
    town.register("fraud")
    registering.delete(town.as_(CAROL), "fraud/1")
    town.register("fraud")
    first, second = history(town.as_(ANN), "fraud")
    assert (first.version, bool(first.deleted_in), second.version) == (1, True, 2)


def test_history_follows_a_rename(town: Town) -> None:
    town.register("fraud")
    registering.tag(town.as_(BOB), "fraud", {"team": "risk"})
    registering.rename(town.as_(CAROL), "fraud", "fraud detection")
    registering.tag(town.as_(BOB), "fraud detection", {"team": "safety"})
    kinds = [event.kind for event in activity(town.as_(CAROL), "fraud detection")]
    assert kinds == [
        "registered_model_tag.set",
        "registered_model.renamed",
        "registered_model.updated",
        "registered_model_tag.set",
        "model_version.created",
        "registered_model.created",
    ]


def test_a_comment_written_by_hand_survives_every_verb(town: Town) -> None:
    town.register("fraud")
    text = town.text(PATH).replace("- version: 1\n", "# the one the desk trusts\n- version: 1  # first\n")
    town.commit({PATH: text})
    move(town, "fraud/1", "Staging")
    registering.describe(town.as_(BOB), "fraud", "Finds fraud.")
    town.register("fraud")
    assert "# the one the desk trusts\n- version: 1  # first\n" in town.text(PATH)


def test_rollback_brings_the_previous_holder_back(town: Town) -> None:
    town.register("fraud")
    town.register("fraud")
    move(town, "fraud/1", "Production")
    registering.transition(town.as_(CAROL), [Wish("fraud/2", "Production")], archive_existing=True)
    registering.rollback(town.as_(CAROL), "fraud", "Production")
    model = show(town.as_(CAROL), "fraud").model
    assert {v.version: v.stage for v in model.versions} == {1: "Production", 2: "Archived"}


def test_rollback_says_when_there_is_nothing_to_go_back_to(town: Town) -> None:
    town.register("fraud")
    move(town, "fraud/1", "Production")
    with pytest.raises(InvalidState, match="no other version of fraud was ever in Production"):
        registering.rollback(town.as_(CAROL), "fraud", "Production")


def test_a_difference_of_two_revisions_names_the_changes(town: Town) -> None:
    town.register("fraud")
    move(town, "fraud/1", "Staging")
    found = difference(town.as_(ANN), "main~1", "main")
    assert [type(change).__name__ for change in found.changes] == ["StageMoved"]  # type: ignore[union-attr]


def test_a_models_story_is_the_same_with_the_history_kept_and_without(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.register("fraud")
    town.register("other")
    move(town, "fraud/1", "Staging")
    move(town, "fraud/1", "Archived")
    registering.delete(town.as_(CAROL), "other")
    registering.rename(town.as_(CAROL), "fraud", "scam")
    town.register("other")
    then = town.as_(CAROL).main()
    town.register("scam")
    town.register("other")

    def told() -> list[object]:
        world = town.as_(CAROL)
        asked = [("scam", None), ("scam", then), ("other", None), ("other", then)]
        return [[(one.commit.oid, one.changes) for one in landings_of(world, *ask)] for ask in asked]

    kept = told()
    monkeypatch.setattr(World, "past", lambda self: None)
    assert told() == kept
