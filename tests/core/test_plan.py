"""A plan as a value: what happens to each model, its counts, its hash, what people agree to."""

from __future__ import annotations

import pytest

from specs import FRAUD, model, registry, version
from stagedoor.core.diff import StageMoved, diff
from stagedoor.core.plan import MetricDelta, ModelPlan, Plan, effects, model_plans, plan_hash
from stagedoor.core.registry import Registry
from stagedoor.core.spec import RegisteredModel

FIRST = version(1, "Production", metrics={"rmse": 400.0, "mae": 2.0})
BASE = registry(model("fraud", FIRST, version(2, "Staging", metrics={"rmse": 380.0}, digest="sha256:ab")))


def plans(after: Registry, before: Registry = BASE) -> tuple[ModelPlan, ...]:
    return model_plans(diff(before, after), before, after)


def staged(*stages: str) -> Registry:
    versions = BASE.model("fraud").versions
    moved = tuple(one.model_copy(update={"stage": stage}) for one, stage in zip(versions, stages, strict=True))
    return registry(BASE.model("fraud").model_copy(update={"versions": moved}))


def whole(models: tuple[ModelPlan, ...], files: tuple[str, ...] = ()) -> Plan:
    return Plan("a" * 40, "b" * 40, "c" * 64, 7, "Move", models, files, (), None)


def test_a_move_says_who_stays_beside_it() -> None:
    (move,) = plans(staged("Production", "Production"))[0].moves
    assert (move.was, move.now, move.stays, move.archived, move.displaced) == ("Staging", "Production", (1,), (), ())


def test_a_move_says_whom_it_archives() -> None:
    moves = plans(staged("Archived", "Production"))[0].moves
    assert [(move.version, move.archived) for move in moves] == [(1, ()), (2, (1,))]


def test_a_move_says_whom_it_displaces() -> None:
    moves = plans(staged("None", "Production"))[0].moves
    assert [(move.version, move.displaced) for move in moves] == [(1, ()), (2, (1,))]


def test_a_candidate_is_compared_with_the_newest_that_is_there() -> None:
    (move,) = plans(staged("Production", "Production"))[0].moves
    assert (move.compared_with, move.digest) == (1, "sha256:ab")
    assert move.metrics == (MetricDelta("mae", 2.0, None), MetricDelta("rmse", 400.0, 380.0))
    assert [delta.percent for delta in move.metrics] == [None, pytest.approx(-5.0)]


def test_there_is_no_percentage_of_nothing() -> None:
    assert MetricDelta("loss", 0.0, 1.0).percent is None
    assert MetricDelta("gain", -2.0, -1.0).percent == 50.0


def test_nobody_is_compared_in_none_and_archived() -> None:
    before = registry(model("fraud", version(1, "Archived"), version(2, "Staging")))
    after = registry(model("fraud", version(1, "Archived"), version(2, "Archived")))
    (move,) = plans(after, before)[0].moves
    assert (move.compared_with, move.stays) == (None, ())


def test_a_new_model_brings_its_versions_into_their_stages() -> None:
    (made,) = plans(BASE, Registry())
    assert made.action == "create"
    assert [(move.version, move.was, move.now) for move in made.moves] == [
        (1, "None", "Production"),
        (2, "None", "Staging"),
    ]


def test_a_moved_file_is_compared_with_where_it_was() -> None:
    after = registry(staged("Archived", "Production").model("fraud"), folder="risk")
    (made,) = plans(after)
    assert [(move.version, move.archived) for move in made.moves] == [(1, ()), (2, (1,))]


def test_the_counter_is_no_change_worth_a_word() -> None:
    grown = BASE.model("fraud").model_copy(
        update={"versions": (*BASE.model("fraud").versions, version(3)), "last_version": 3}
    )
    (made,) = plans(registry(grown))
    assert [type(change).__name__ for change in made.changes] == ["VersionCreated"]


def test_everything_is_counted_once() -> None:
    models = plans(
        registry(
            model(
                "fraud",
                version(2, "Production", metrics={"rmse": 380.0}, digest="sha256:ab"),
                version(3),
                tags={"a": "b"},
            ),
            model("wind", version(1), version(2, "Staging")),
        ),
        registry(*BASE.models.values(), model("sun", version(1, "Archived"))),
    )
    assert whole(models, ("README.md",)).counts == {
        "to register": 3,
        "to move": 2,
        "to archive": 0,
        "to delete": 2,
        "to change otherwise": 2,
    }


def test_a_plan_of_nothing_is_empty() -> None:
    assert whole(plans(BASE)).is_empty
    assert not whole((), ("README.md",)).is_empty


# --- the hash -------------------------------------------------------------------------------------------------------

BLOBS = [("a.yaml", "1", "2"), ("b.yaml", "", "3"), ("c.yaml", "4", "")]
POLICY = ("5", "6", "7")


def test_the_hash_does_not_depend_on_the_order_of_the_files() -> None:
    assert plan_hash(BLOBS, POLICY) == plan_hash(reversed(BLOBS), POLICY)


@pytest.mark.parametrize(
    ("blobs", "policy"),
    [
        ([("a.yaml", "9", "2"), *BLOBS[1:]], POLICY),
        ([("a.yaml", "1", "9"), *BLOBS[1:]], POLICY),
        ([("x.yaml", "1", "2"), *BLOBS[1:]], POLICY),
        (BLOBS[1:], POLICY),
        (BLOBS, ("9", "6", "7")),
        (BLOBS, ("5", "6", "9")),
        (BLOBS, ("6", "5", "7")),
    ],
)
def test_the_hash_is_another_for_another_base_head_file_or_policy(
    blobs: list[tuple[str, str, str]], policy: tuple[str, ...]
) -> None:
    assert plan_hash(blobs, policy) != plan_hash(BLOBS, POLICY)


def test_a_path_that_is_not_utf_8_can_be_hashed() -> None:
    assert len(plan_hash([("caf\udce9", "1", "2")], POLICY)) == 64


# --- what people agree to -------------------------------------------------------------------------------------------


def with_third(stage: str, base: Registry) -> RegisteredModel:
    made = base.model("fraud")
    return made.model_copy(update={"versions": (*made.versions, version(3, stage)), "last_version": 3})


def test_who_else_stays_does_not_matter_to_a_move_that_replaces_nobody() -> None:
    newer = registry(with_third("Production", BASE))
    wanted = registry(with_third("Production", staged("Production", "Production")))
    assert effects(plans(wanted, newer)) == effects(plans(staged("Production", "Production")))


def test_who_else_stays_matters_to_a_move_that_archives_somebody() -> None:
    newer = registry(with_third("Production", BASE))
    wanted = registry(with_third("Production", staged("Archived", "Production")))
    assert effects(plans(wanted, newer)) != effects(plans(staged("Archived", "Production")))


def test_another_stage_is_another_effect() -> None:
    assert effects(plans(staged("Archived", "Staging"))) != effects(plans(staged("None", "Staging")))


def test_a_thousand_moves_of_one_model_are_planned_in_a_moment() -> None:
    before = registry(model("fraud", *(version(number) for number in range(1, 1_001))))
    after = registry(model("fraud", *(version(number, "Staging") for number in range(1, 1_001))))
    (made,) = plans(after, before)
    assert len(made.moves) == 1_000
    assert all(isinstance(change, StageMoved) and change.path == FRAUD for change in diff(before, after))
