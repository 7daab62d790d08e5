"""Expressions in CEL: what they see, how they refuse, and what they may cost."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specs import NOW, model, version
from stagedoor.core.gates import Circumstances, Condition, Entry
from stagedoor.core.gates.expressions import MAX_STEPS, fault_of, held, seen_by, slices_of
from stagedoor.core.spec import Evidence, Run

DIGEST = f"sha256:{'0' * 64}"
REPORT = json.dumps({"auc": 0.91, "groups": {"over_60": 1, "under_60": 0.9}}).encode()
OLD = version(1, "Production", metrics={"rmse": 412.7, "north/rmse": 400.0})
NEW = version(
    2,
    "Staging",
    metrics={"rmse": 398.1, "north/rmse": 500.0},
    tags={"owner": "ann"},
    run=Run(id="9f2c"),
    evidence=(Evidence(name="fairness", digest=DIGEST, at=NOW, by="ann@example.com"),),
)
HERE = Circumstances(now=NOW, file_of={DIGEST: REPORT}.get)


def seen(*incumbents: object) -> dict[str, object]:
    return seen_by(Entry("p", model("fraud", OLD, NEW), NEW, "Staging", "Production", incumbents), HERE)  # type: ignore[arg-type]


def ask(source: str) -> Condition:
    return held(source, seen(OLD))


@pytest.mark.parametrize(
    "source",
    [
        "candidate.metrics.rmse <= incumbent.metrics.rmse * 1.02",
        "candidate.version > incumbent.version",
        "candidate.tags.owner == 'ann' && candidate.run.id.startsWith('9f')",
        "!has(candidate.metrics.mae) || candidate.metrics.mae < 3.0",
        "candidate.evidence.fairness.data.auc >= 0.9",
        "candidate.evidence.fairness.data.groups.over_60 - candidate.evidence.fairness.data.groups.under_60 < 0.2",
        "move.from == 'Staging' && move.to == 'Production'",
        "now - candidate.registered < duration('24h')",
        "candidate.slices.all(s, candidate.slices[s].rmse <= incumbent.slices[s].rmse * 1.3)",
        "size(incumbents) == 1",
    ],
)
def test_an_expression_holds(source: str) -> None:
    assert ask(source).holds, ask(source).said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            'candidate.slices["north"].rmse <= incumbent.slices.north.rmse * 1.05',
            "   (candidate.slices.north.rmse = 500, incumbent.slices.north.rmse = 400)",
        ),
        ("candidate.metrics.mae < 3.0", ": fraud/2 has no metrics.mae"),
        ("incumbent.evidence.fairness.data.auc > 0.5", ": fraud/1 has no evidence.fairness"),
        ("candidate.tags['reviewer'] == 'x'", ": fraud/2 has no tags.reviewer"),
        ("candidate.metrics.rmse", ": it gives 398.1, and true or false is wanted"),
        ("candidate.metrics.rmse * 2 > 3.0", ": the kinds of its values do not go together; numbers are double, so "
         "write 2.0 and not 2"),
        ("candidate.version / 0 == 1", ": division by zero in CEL expression"),
        ("1 +", ": it does not parse: mismatched input '<EOF>' at column 4"),
    ],
)  # fmt: skip
def test_an_expression_that_does_not_hold_says_why_in_one_line(source: str, said: str) -> None:
    found = ask(source)
    assert not found.holds
    assert found.said == source + said


def test_without_an_incumbent_it_says_how_to_write_that() -> None:
    found = held("candidate.metrics.rmse < incumbent.metrics.rmse", seen())
    assert not found.holds
    assert "there is no incumbent; write incumbent == null || …" in found.said
    assert held("incumbent == null || candidate.metrics.rmse < incumbent.metrics.rmse", seen()).holds


def test_of_several_in_the_stage_the_newest_is_the_incumbent() -> None:
    third = version(3, "Production", metrics={"rmse": 1.0})
    assert held("incumbent.version == 3", seen(OLD, third)).holds


def test_metrics_with_a_slash_are_slices() -> None:
    metrics = {"rmse": 1.0, "north/rmse": 2.0, "site/a/rmse": 3.0}
    assert slices_of(metrics) == {"north": {"rmse": 2.0}, "site/a": {"rmse": 3.0}}


def test_evidence_that_is_no_json_is_not_read() -> None:
    there = replace(HERE, file_of=lambda digest: b"\x00 not json")
    entry = Entry("p", model("fraud", OLD, NEW), NEW, "Staging", "Production", (OLD,))
    assert held("candidate.evidence.fairness.data == null", seen_by(entry, there)).holds


def test_what_it_may_cost_is_bounded_before_it_runs() -> None:
    many = {f"p{number}": "x" for number in range(500)}
    entry = Entry("p", model("fraud", NEW), NEW.model_copy(update={"params": many}), "None", "Staging")
    said = held("candidate.params.all(a, candidate.params.all(b, a != b || true))", seen_by(entry, HERE)).said
    assert "it could take 250,000 steps" in said
    assert MAX_STEPS == 200_000
    four = "[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))"
    assert fault_of(four) == "it has more than three of all, exists, exists_one, map and filter"


@given(st.text(max_size=80))
def test_no_text_makes_it_fail(source: str) -> None:
    assert isinstance(held(source, seen(OLD)).holds, bool)


@given(st.text(alphabet="candidte.mrsu[]()\"'<>=*!&|?:, 0123456789+-", max_size=60))
def test_nothing_that_looks_like_an_expression_makes_it_fail(source: str) -> None:
    assert isinstance(held(source, seen(OLD)).holds, bool)
