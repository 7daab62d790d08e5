"""A policy in words."""

from __future__ import annotations

import pytest

from stagedoor.core.policy import RegistrySpec
from stagedoor.core.views.gates import guards


def says(**gate: object) -> list[str]:
    spec = RegistrySpec.model_validate({"gates": [{"name": "g", "stages": ["Production"], **gate}]})
    return [said for one in guards(spec, stage="Production")[0].gates for said in one.says]


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"from": ["Staging", "Archived"]}, "comes from Staging or Archived"),
        ({"from": []}, "comes from nowhere"),
        ({"require": ["run", "data"]}, "has run, data"),
        ({"soak": {"stage": "Staging", "for": "48h"}}, "was 48h in Staging"),
        ({"licenses": ["MIT"]}, "its tag license is one of MIT"),
        ({"evidence": [{"name": "a", "max_age": "30d"}]}, "has evidence a, not older than 30d"),
        ({"expressions": ["candidate.metrics.rmse < 4.0"]}, "candidate.metrics.rmse < 4.0"),
        ({"artifact": {}}, "the artifact has the digest that was registered"),
        (
            {"artifact": {"digest": False, "key": "registry_spec/k.pem"}},
            "the artifact is signed with registry_spec/k.pem",
        ),
        ({"approvals": {"count": 2, "teams": 2, "by": ["@risk"]}}, "2 approvals from 2 teams by @risk"),
    ],
)
def test_each_thing_that_a_gate_asks_for_is_one_sentence(gate: dict[str, object], said: str) -> None:
    assert says(**gate) == [said]


def test_a_stage_says_its_own_rules_and_what_guards_another_model_is_left_out() -> None:
    stages = [{"name": "None"}, {"name": "Production", "exclusive": True, "approvals": 2, "direct": False}]
    spec = RegistrySpec.model_validate(
        {
            "stages": [*stages, {"name": "Archived"}],
            "gates": [{"name": "g", "models": ["power-*"]}],
            "freezes": [{"name": "f", "models": ["fraud"], "days": ["Sat"]}],
        }
    )
    found = guards(spec, "fraud", "Production")[0]
    assert found.rules == ("one version at a time", "2 approvals", "by a request only")
    assert found.gates == () and [one.name for one in found.freezes] == ["f"]
    assert [one.name for one in guards(spec, "power-x", "Production")[0].gates] == ["g"]
