"""`stagedoor serve` speaks MLflow's scoring protocol, and says what is wrong with what it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from scorer import Scorer

RECORDS = {"dataframe_records": [{"x": 1.5}]}


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("fraud/2", 2),
        ("fraud/Production", 2),
        ("fraud/production", 2),
        ("fraud@champion", 2),
        ("fraud/3", 3),
        ("fraud/Staging", 3),
    ],
)
def test_a_version_is_asked_by_number_stage_or_alias(served: Scorer, path: str, version: int) -> None:
    got = served.post(path, RECORDS)
    assert got.json() == {"predictions": [version * 1000 + 1.5]}
    assert got.headers["x-stagedoor-version"] == str(version)


@pytest.mark.parametrize(
    "said",
    [
        {"dataframe_split": {"columns": ["x"], "data": [[1], [2]]}},
        {"dataframe_records": [{"x": 1}, {"x": 2}]},
        {"inputs": {"x": [1.0, 2.0]}},
        {"instances": [{"x": 1.0}, {"x": 2.0}]},
    ],
)
def test_every_form_of_the_protocol_is_taken(served: Scorer, said: dict[str, Any]) -> None:
    assert served.post("fraud/2", said).json() == {"predictions": [2001.0, 2002.0]}


def test_csv_is_taken(served: Scorer) -> None:
    got = served.post("fraud/2", content="x\n1\n2\n", headers={"Content-Type": "text/csv"})
    assert got.json() == {"predictions": [2001.0, 2002.0]}


def test_params_reach_the_model(served: Scorer) -> None:
    assert served.post("fraud/2", {**RECORDS, "params": {"plus": 0.25}}).json() == {"predictions": [2001.75]}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"dataframe_records": [{"x": "high"}]}, "column x"),
        ({"dataframe_split": {"columns": ["y"], "data": [[1]]}}, "missing inputs ['x']"),
        ({"inputs": {"x": ["high"]}}, "the column x does not hold float64"),
        ({**RECORDS, "params": {"plus": "much"}}, "plus"),
        ({"rows": []}, "dataframe_records"),
        ({"dataframe_records": 5}, "must be a list of records"),
    ],
)
def test_a_bad_payload_is_told_what_is_wrong_with_it(served: Scorer, said: dict[str, Any], why: str) -> None:
    assert why in served.refused(400, "fraud/2", said)


@pytest.mark.parametrize("raw", [b"{", b"", b"[1]", b"7", b"\xff\xfe", b"[" * 50_000])
def test_what_is_no_json_object_is_refused(served: Scorer, raw: bytes) -> None:
    assert served.refused(400, "fraud/2", content=raw, headers={"Content-Type": "application/json"})


def test_csv_is_told_its_wrong_column(served: Scorer) -> None:
    said = served.refused(400, "fraud/2", content="x,who\nhigh,ann\n", headers={"Content-Type": "text/csv"})
    assert "the column x does not hold float64" in said


def test_another_content_type_is_refused(served: Scorer) -> None:
    said = served.refused(415, "fraud/2", content=b"x", headers={"Content-Type": "image/png"})
    assert "text/csv" in said


def test_a_model_that_raises_is_named_without_its_traceback(served: Scorer) -> None:
    said = served.refused(400, "fraud/2", {"dataframe_records": [{"x": -2}]})
    assert said == "the model failed on this payload: ZeroDivisionError: two is one too many"


def test_what_is_not_served_is_told_what_is(served: Scorer) -> None:
    assert served.refused(404, "fraud/1", RECORDS) == (
        "fraud/1 is not served; served are: fraud/2, fraud/3, fraud/Staging, fraud/Production, fraud@champion"
    )
    for path in ("scam/1", "fraud@challenger", "fraud/Archived", "fraud/../3", "fraud//", "%2e%2e/fraud/2", "@"):
        assert "served are" in served.refused(404, path, RECORDS)


def test_a_large_payload_is_refused_before_and_while_it_comes(served: Scorer) -> None:
    assert "100,000 bytes" in served.refused(413, "fraud/2", content=b"x" * 200_000)
    assert "100,000 bytes" in served.refused(413, "fraud/2", content=(b"x" * 20_000 for _ in range(10)))


def test_mlflow_s_own_pages_are_there_for_the_server_and_for_each_model(served: Scorer) -> None:
    import mlflow

    for where in ("", "/model/fraud/2", "/model/fraud@champion"):
        assert served.get(f"{where}/ping").status_code == 200
        assert served.get(f"{where}/health").status_code == 200
        assert served.get(f"{where}/version").text == mlflow.__version__
    assert served.get("/model/fraud/1/ping").status_code == 404
    assert served.get("/model/fraud/2/invocations").status_code == 405


def test_health_says_who_answers_and_that_the_bytes_were_proven(served: Scorer) -> None:
    found = served.health()
    assert (found["status"], found["faults"]) == ("ok", [])
    assert [(one["model"], one["version"], one["state"], one["verified"]) for one in found["versions"]] == [
        ("fraud", 2, "ready", True),
        ("fraud", 3, "ready", True),
    ]
    assert found["routes"]["fraud@champion"] == {"2": 100}


def test_metrics_count_by_model_and_version(served: Scorer) -> None:
    served.ask("fraud/3")
    served.refused(400, "fraud/3", {"rows": []})
    text = served.get("/metrics").text
    for line in (
        'stagedoor_serving_requests_total{code="200",model="fraud",version="3"}',
        'stagedoor_serving_requests_total{code="400",model="fraud",version="3"}',
        'stagedoor_serving_seconds_count{model="fraud",version="3"}',
        'stagedoor_serving_up{model="fraud",version="3"} 1.0',
    ):
        assert line in text
