"""SD3: stages and aliases."""

from __future__ import annotations

import pytest

from specs import found, model, registry, version
from stagedoor.core.checks import stages
from stagedoor.core.policy import RegistrySpec, Stage

STRICT = RegistrySpec(
    stages=(
        Stage(name="None"),
        Stage(name="Staging"),
        Stage(name="Production", exclusive=True, sources=("Staging",)),
        Stage(name="Archived"),
    )
)


def test_sd301_refuses_an_alias_without_a_version() -> None:
    after = registry(model("fraud", version(1), aliases={"champion": 2}))
    assert found(stages.alias_has_a_version, after) == [
        "fraud@champion points at version 2, which does not exist | fraud.yaml aliases champion",
    ]


def test_sd301_takes_an_alias_with_one() -> None:
    assert found(stages.alias_has_a_version, registry(model("fraud", version(1), aliases={"champion": 1}))) == []


def test_sd302_refuses_a_stage_that_is_not_in_the_list() -> None:
    after = registry(model("fraud", version(1), version(2, "Prod")))
    assert found(stages.stages_exist, after) == [
        "fraud/2 is in Prod, which is not a stage | fraud.yaml versions 1 stage",
    ]


def test_sd302_takes_a_stage_that_the_same_change_adds() -> None:
    proposed = RegistrySpec(stages=(*RegistrySpec().stages, Stage(name="Prod")))
    assert found(stages.stages_exist, registry(model("fraud", version(1, "Prod"))), proposed_spec=proposed) == []


def test_sd303_refuses_production_straight_from_none() -> None:
    before = registry(model("fraud", version(1)))
    after = registry(model("fraud", version(1, "Production")))
    assert found(stages.moves_are_legal, after, before, spec=STRICT) == [
        "fraud/1 goes from None to Production, and Production is entered from Staging | fraud.yaml versions 0 stage",
    ]


def test_sd303_looks_at_new_versions_and_new_models_too() -> None:
    said = "goes from None to Production, and Production is entered from Staging"
    one, two = version(1), version(2, "Production")
    grown = found(
        stages.moves_are_legal, registry(model("fraud", one, two)), registry(model("fraud", one)), spec=STRICT
    )
    new = found(stages.moves_are_legal, registry(model("fraud", two)), spec=STRICT)
    assert (grown, new) == (
        [f"fraud/2 {said} | fraud.yaml versions 1 stage"],
        [f"fraud/2 {said} | fraud.yaml versions 0 stage"],
    )


def test_sd303_takes_production_from_staging() -> None:
    before = registry(model("fraud", version(1, "Staging")))
    after = registry(model("fraud", version(1, "Production")))
    assert found(stages.moves_are_legal, after, before, spec=STRICT) == []


def test_sd304_refuses_two_versions_in_an_exclusive_stage() -> None:
    after = registry(model("fraud", version(1, "Production"), version(2, "Production")))
    assert found(stages.exclusive_holds_one, after, spec=STRICT) == [
        "fraud: versions 1 and 2 would both be in Production, which holds one | fraud.yaml versions 1 stage",
    ]


def test_sd304_counts_more_than_two() -> None:
    after = registry(model("fraud", *(version(number, "Production") for number in (1, 2, 3))))
    assert found(stages.exclusive_holds_one, after, spec=STRICT) == [
        "fraud: versions 1, 2 and 3 would all be in Production, which holds one | fraud.yaml versions 2 stage",
    ]


def test_sd304_takes_two_where_the_stage_is_not_exclusive() -> None:
    after = registry(model("fraud", version(1, "Production"), version(2, "Production")))
    assert found(stages.exclusive_holds_one, after) == []
    assert found(stages.exclusive_holds_one, registry(model("fraud", version(1, "Production"))), spec=STRICT) == []


@pytest.mark.parametrize(
    ("alias", "said"),
    [
        ("latest", "the alias latest is reserved"),
        ("v3", "the alias v3 is reserved"),
        ("production", "the alias production is called like a stage or a right"),
        ("Manage", "the alias Manage is called like a stage or a right"),
        ("a b", "'a b' is no alias"),
    ],
)
def test_sd305_refuses_an_alias_that_mlflow_or_the_owners_would_misread(alias: str, said: str) -> None:
    after = registry(model("fraud", version(1), aliases={alias: 1}))
    assert found(stages.aliases_are_legal, after) == [f"fraud: {said} | fraud.yaml aliases {alias}"]


def test_sd305_takes_a_plain_alias() -> None:
    assert found(stages.aliases_are_legal, registry(model("fraud", version(1), aliases={"champion-2": 1}))) == []


def test_sd306_warns_when_the_version_behind_an_alias_is_archived() -> None:
    before = registry(model("fraud", version(1, "Production"), aliases={"champion": 1}))
    after = registry(model("fraud", version(1, "Archived"), aliases={"champion": 1}))
    assert stages.alias_is_not_archived.severity == "warning"
    assert found(stages.alias_is_not_archived, after, before) == [
        "fraud@champion points at version 1, which is in Archived | fraud.yaml aliases champion",
    ]


def test_sd306_does_not_repeat_old_news() -> None:
    before = registry(model("fraud", version(1, "Archived"), aliases={"champion": 1}))
    after = registry(model("fraud", version(1, "Archived"), aliases={"champion": 1}, description="more"))
    assert found(stages.alias_is_not_archived, after, before) == []
