"""SD2: versions and lineage."""

from __future__ import annotations

import pytest

from specs import FRAUD, facts, found, model, registry, version
from stagedoor.core.checks import versions
from stagedoor.core.checks.base import Finding
from stagedoor.core.registry import Registry
from stagedoor.core.spec import Created

BEFORE = registry(model("fraud", version(1, metrics={"rmse": 412.7}), version(2, "Production")))


def test_sd201_refuses_another_metric_of_a_merged_version() -> None:
    after = registry(model("fraud", version(1, metrics={"rmse": 1.0}), version(2, "Production")))
    assert found(versions.facts_never_change, after, BEFORE) == [
        "fraud/1: metrics was recorded and cannot change | fraud.yaml versions 0 metrics",
    ]


def test_sd201_refuses_another_creator_of_a_model() -> None:
    by = Created(at="2026-11-24T10:15:00.123Z", by="eve@example.com")
    after = registry(BEFORE.model("fraud").model_copy(update={"created": by}))
    assert found(versions.facts_never_change, after, BEFORE) == [
        "fraud: created was recorded and cannot change | fraud.yaml created",
    ]


def test_sd201_takes_another_stage_description_and_tag() -> None:
    changed = version(1, "Staging", metrics={"rmse": 412.7}, description="better", tags={"team": "energy"})
    after = registry(model("fraud", changed, version(2, "Production")))
    assert found(versions.facts_never_change, after, BEFORE) == []


def test_sd202_refuses_versions_out_of_order() -> None:
    after = registry(model("fraud", version(2), version(1)))
    assert found(versions.versions_ascend, after) == [
        "fraud: version 1 stands after version 2 | fraud.yaml versions 1 version",
    ]


def test_sd202_refuses_a_number_twice() -> None:
    after = registry(model("fraud", version(1), version(2), version(2)))
    assert found(versions.versions_ascend, after) == [
        "fraud: version 2 is there twice | fraud.yaml versions 2 version",
    ]


def test_sd202_takes_gaps() -> None:
    assert found(versions.versions_ascend, registry(model("fraud", version(1), version(5)))) == []


def test_sd203_refuses_a_counter_that_falls() -> None:
    after = registry(model("fraud", version(1, metrics={"rmse": 412.7}), last_version=1))
    assert found(versions.numbers_go_up, after, BEFORE) == [
        "fraud: last_version is 1, and 2 was given already | fraud.yaml last_version",
    ]


def test_sd203_refuses_a_deleted_versions_number() -> None:
    before = registry(model("fraud", version(1), last_version=3))
    after = registry(model("fraud", version(1), version(2), last_version=3))
    assert found(versions.numbers_go_up, after, before) == [
        "fraud: the number 2 was given already; the last was 3 | fraud.yaml versions 1 version",
    ]


def test_sd203_remembers_the_counter_of_a_model_that_is_renamed() -> None:
    id_ = "0" * 32
    before = registry(model("fraud", version(1), last_version=3, id=id_))
    after = registry(model("scam", version(1), version(2), id=id_))
    assert found(versions.numbers_go_up, after, before) == [
        "scam: last_version is 2, and 3 was given already | scam.yaml last_version",
        "scam: the number 2 was given already; the last was 3 | scam.yaml versions 1 version",
    ]


def test_sd203_takes_the_next_number_and_a_model_made_anew() -> None:
    after = registry(model("fraud", version(1), version(2), version(3)))
    assert found(versions.numbers_go_up, after, BEFORE) == []
    anew = registry(model("fraud", version(1), id="0" * 32))
    assert found(versions.numbers_go_up, anew, BEFORE) == []


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            registry(model("fraud", version(1, metrics={"rmse": 412.7}), last_version=2)),
            "fraud/2 is deleted while it is in Production | fraud.yaml versions",
        ),
        (Registry(), "fraud is deleted while version 2 is in Production | fraud.yaml"),
        (
            registry(BEFORE.model("fraud").model_copy(update={"name": "scam"})),
            "fraud is renamed while version 2 is in Production | scam.yaml name",
        ),
    ],
)
def test_sd204_refuses_to_take_away_what_is_in_use(after: Registry, said: str) -> None:
    assert found(versions.in_use_stays, after, BEFORE) == [said]


def test_sd204_takes_away_what_is_archived() -> None:
    before = registry(model("fraud", version(1), version(2, "Archived")))
    assert found(versions.in_use_stays, Registry(), before) == []
    assert (
        found(versions.in_use_stays, registry(before.model("fraud").model_copy(update={"name": "scam"})), before) == []
    )


def test_sd205_refuses_a_copied_id() -> None:
    after = registry(model("fraud"), model("scam", id=model("fraud").id))
    assert found(versions.ids_are_unique, after) == ["scam has the id of fraud | scam.yaml id"]
    assert found(versions.ids_are_unique, registry(model("fraud"), model("scam"))) == []


def test_sd206_warns_of_a_new_model_that_is_in_use() -> None:
    assert [one.severity for one in _new_in_use()] == ["warning"]
    assert found(versions.new_models_start_empty, registry(model("fraud", version(1), version(2, "Staging")))) == [
        "fraud/2 is new and in Staging already | fraud.yaml versions 1 stage",
    ]
    assert found(versions.new_models_start_empty, registry(model("fraud", version(1), version(2, "Archived")))) == []


def _new_in_use() -> list[Finding]:
    after = registry(model("fraud", version(1, "Staging")))
    return list(versions.new_models_start_empty.find(facts(Registry(), after)))


def test_the_place_of_a_version_that_is_gone_is_the_list() -> None:
    assert versions.version_place(BEFORE, FRAUD, 7, "stage").keys == ("versions",)
