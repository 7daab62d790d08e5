"""The fields that a gate asks for."""

from __future__ import annotations

import time

import pytest

from specs import model, version
from stagedoor.core.gates import missing
from stagedoor.core.spec import Dataset, Run

FULL = version(
    1,
    description="ready",
    tags={"a.b": "c", "empty": ""},
    metrics={"rmse": 0.0, "val/mae.mean": 1.0},
    run=Run(id="7"),
    data=(Dataset(name="x"),),
)
OWNER = model("fraud", FULL, tags={"team": "risk"}, description="Fraud.")


@pytest.mark.parametrize(
    "field",
    [
        "description", "tags", "tags.a.b", "metrics.rmse", "metrics.val/mae.mean", "run", "run.id", "data", "source",
        "created.by", "model.description", "model.tags.team", "model.versions",
    ],
)  # fmt: skip
def test_what_is_there_is_found(field: str) -> None:
    assert missing((field,), OWNER, FULL) == ()


@pytest.mark.parametrize(
    "field",
    [
        "", ".", "model", "tags.empty", "tags.x", "metrics.mae", "run.link", "run.id.x", "code", "code.commit",
        "signature", "digest", "description.x", "data.x", "model.aliases", "model.tags.x", "__class__", "model.copy",
    ],
)  # fmt: skip
def test_what_says_nothing_is_missing(field: str) -> None:
    assert missing((field,), OWNER, FULL) == (field,)


def test_a_model_of_a_thousand_versions_is_not_looked_through_for_each_of_them() -> None:
    big = model("fraud", *(version(number) for number in range(1, 1_001)), description="Fraud.")
    require = ("model.description", "metrics.rmse")
    start = time.perf_counter()
    assert {missing(require, big, one) for one in big.versions} == {("metrics.rmse",)}
    assert time.perf_counter() - start < 1
