"""Which webhook hears of what, and what exactly it is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from specs import ANN, BY, NOW, model, registry, version
from stagedoor.core.calls import (
    Call,
    calls,
    databricks_signature,
    encoded,
    headers,
    job_parameters,
    mlflow_signature,
    mock,
    payload,
)
from stagedoor.core.diff import diff
from stagedoor.core.events import Event, Happening, events_of, moves_of
from stagedoor.core.registry import Registry
from stagedoor.core.spec import RegisteredModel, Run
from stagedoor.core.webhooks import EVENTS, HttpTarget, Webhook

FRAUD = model("fraud", version(1))
ID = "abcdef0123456789" * 2


def hook(*events: str, **more: Any) -> Webhook:
    known = {"id": ID, "events": events, "http": HttpTarget(url="https://example.com/"), "created": BY}
    return Webhook.model_validate({**known, **more})


def everything(style: str = "databricks", **more: Any) -> Webhook:
    return hook(*EVENTS[style], style=style, name="all", **more)


def happened(before: Registry | RegisteredModel, after: RegisteredModel) -> tuple[Event, ...]:
    base = registry(before) if isinstance(before, RegisteredModel) else before
    return events_of(diff(base, registry(after)), (), Happening("c" * 40, ANN, NOW))


def sent(one: Webhook, events: tuple[Event, ...], content: RegisteredModel | None, **more: Any) -> list[dict[str, Any]]:
    found = [call for event in events for call in calls(event, [one], lambda name: f"id of {name}", **more)]
    return [payload(call, content) for call in found]


TOLD = {"webhook_id": ID, "event_timestamp": 1795515300123, "model_name": "fraud"}


def test_a_transition_matches_the_general_and_the_particular_event() -> None:
    after = model("fraud", version(1, "Production"))
    moved = {**TOLD, "version": "1", "from_stage": "None", "to_stage": "Production"}
    text = f"{ANN} moved fraud/1 from None to Production"
    assert sent(everything(), happened(FRAUD, after), after) == [
        {"event": "MODEL_VERSION_TRANSITIONED_STAGE", **moved, "text": text},
        {"event": "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION", **moved, "text": text},
    ]


def test_a_move_back_to_none_has_the_general_event_only() -> None:
    found = sent(everything(), happened(model("fraud", version(1, "Staging")), FRAUD), FRAUD)
    assert [one["event"] for one in found] == ["MODEL_VERSION_TRANSITIONED_STAGE"]


def test_a_new_model_with_a_version() -> None:
    after = model("fraud", version(1, run=Run(id="9f2c")))
    first, second = f"{ANN} created fraud", f"{ANN} registered fraud/1"
    assert sent(everything(), happened(Registry(), after), after) == [
        {"event": "REGISTERED_MODEL_CREATED", **TOLD, "text": first},
        {"event": "MODEL_VERSION_CREATED", **TOLD, "version": "1", "run_id": "9f2c", "text": second},
    ]


def test_a_tag_of_a_version_is_sent_whole() -> None:
    after = model("fraud", version(1, tags={"note": "x" * 500}))
    [found] = sent(everything(), happened(FRAUD, after), after)
    assert found["event"] == "MODEL_VERSION_TAG_SET"
    assert found["tags"] == [{"key": "note", "value": "x" * 500}]


def test_a_comment_is_sent_as_it_was_written() -> None:
    event = Event("comment.created", "fraud/1", "said", "c" * 40, ANN, NOW, model="fraud", version=1, comment="a\nb")
    assert sent(everything(), (event,), None) == [
        {"event": "COMMENT_CREATED", **TOLD, "version": "1", "comment": "a\nb", "text": "said"}
    ]


def test_a_request_is_one_call_for_each_version_that_it_moves_and_has_keys_of_their_own() -> None:
    moves = (("fraud", 1, "None", "Staging"), ("scam", 2, "Staging", "Canary"))
    event = Event("transition_request.created", "request 7", "opened", "c" * 40, ANN, NOW, request=7, moves=moves)
    found = tuple(calls(event, [everything()], str))
    assert [(c.name, c.event.model, c.event.version, c.event.from_stage, c.event.to_stage) for c in found] == [
        ("TRANSITION_REQUEST_CREATED", "fraud", 1, "None", "Staging"),
        ("TRANSITION_REQUEST_TO_STAGING_CREATED", "fraud", 1, "None", "Staging"),
        ("TRANSITION_REQUEST_CREATED", "scam", 2, "Staging", "Canary"),
    ]
    assert len({c.key for c in found}) == 3
    assert payload(found[1], None) == {
        "event": "TRANSITION_REQUEST_TO_STAGING_CREATED", **TOLD, "version": "1", "from_stage": "None",
        "to_stage": "Staging", "text": "opened",
    }  # fmt: skip


def test_who_only_makes_room_is_not_asked_for() -> None:
    before = model("fraud", version(1, "Production"), version(2, "Staging"))
    after = model("fraud", version(1, "Archived"), version(2, "Production"))
    assert moves_of(diff(registry(before), registry(after))) == (("fraud", 2, "Staging", "Production"),)


def test_a_models_hook_hears_of_that_model_alone_also_after_a_rename() -> None:
    events = happened(FRAUD, model("fraud", version(1, "Staging")))
    name = "MODEL_VERSION_TRANSITIONED_STAGE"
    assert sent(hook(name, model="old name", model_id="id of fraud"), events, None)
    assert not sent(hook(name, model="fraud", model_id="id of another"), events, None)
    assert sent(hook(name, model="fraud"), events, None)
    assert not sent(hook(name, model="scam"), events, None)


@pytest.mark.parametrize("status", ["DISABLED", "TEST_MODE"])
def test_only_an_active_hook_is_called(status: str) -> None:
    events = happened(FRAUD, model("fraud", version(1, "Staging")))
    assert sent(hook("MODEL_VERSION_TRANSITIONED_STAGE", status=status), events, None) == []


# --- MLflow ---------------------------------------------------------------------------------------------------------


def test_mlflow_hears_of_models_versions_tags_and_aliases_and_of_no_stage() -> None:
    before = model("fraud", version(1, tags={"old": "1"}), aliases={"was": 1})
    after = model(
        "fraud",
        version(1, "Staging", tags={"note": "x"}),
        version(2, run=Run(id="9f2c"), description="better", tags={"a": "b"}),
        aliases={"champion": 2},
        tags={"team": "risk"},
    )
    found = sent(everything("mlflow"), happened(before, after), after)
    assert {(one["entity"], one["action"], json.dumps(one["data"])) for one in found} == {
        (entity, action, json.dumps(data))
        for entity, action, data in [
            ("MODEL_VERSION_TAG", "SET", {"name": "fraud", "version": "1", "key": "note", "value": "x"}),
            ("MODEL_VERSION_TAG", "DELETED", {"name": "fraud", "version": "1", "key": "old"}),
            ("MODEL_VERSION", "CREATED", {
                "name": "fraud", "version": "2", "source": "s3://models/2", "run_id": "9f2c", "tags": {"a": "b"},
                "description": "better",
            }),
            ("MODEL_VERSION_ALIAS", "CREATED", {"name": "fraud", "alias": "champion", "version": "2"}),
            ("MODEL_VERSION_ALIAS", "DELETED", {"name": "fraud", "alias": "was"}),
        ]
    }  # fmt: skip
    assert {one["timestamp"] for one in found} == {"2026-11-24T10:15:00.123Z"}


def test_mlflow_hears_of_a_new_model() -> None:
    after = model("fraud", tags={"team": "risk"}, description="finds fraud")
    assert sent(everything("mlflow"), happened(Registry(), after), after) == [
        {
            "entity": "REGISTERED_MODEL", "action": "CREATED", "timestamp": "2026-11-24T10:15:00.123Z",
            "data": {"name": "fraud", "tags": {"team": "risk"}, "description": "finds fraud"},
        }
    ]  # fmt: skip


def test_a_prompt_has_names_of_its_own() -> None:
    after = model("hello", version(1, tags={"mlflow.prompt.text": "Hi {{name}}"}), aliases={"live": 1}, tags={"a": "b"})
    found = sent(everything("mlflow"), happened(Registry(), after), after, is_prompt=True)
    assert [(one["entity"], one["data"].get("template")) for one in found] == [
        ("PROMPT", None), ("PROMPT_VERSION", "Hi {{name}}"), ("PROMPT_ALIAS", None),
    ]  # fmt: skip


@pytest.mark.parametrize(("style", "name"), [(style, name) for style, names in EVENTS.items() for name in names])
def test_a_mock_has_the_shape_of_the_real_thing(style: str, name: str) -> None:
    call, content = mock(everything(style), name, NOW)
    data = payload(call, content)
    assert (data.get("event") or f"{data['entity']}.{data['action']}".lower()) == name
    if name.startswith("prompt_tag"):
        assert "version" not in data["data"]
    if name.endswith(("TAG_SET", "tag.set")):
        assert "value" in json.dumps(data)
    if "TRANSITION" in name:
        assert data["to_stage"] in ("Staging", "Production", "Archived")


# --- signatures -----------------------------------------------------------------------------------------------------


def test_signatures_are_as_the_vendors_say() -> None:
    # checked with: printf BODY | openssl dgst -sha256 -hmac KEY
    assert databricks_signature("key", b"The quick brown fox jumps over the lazy dog") == (
        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    )
    # MLflow 3.17 signs these words like this
    assert mlflow_signature("key", "id", "5", b"{}") == "v1,S02Cn+36VWM2ldFPlylyXX9N5CutggNKkGBY7xZfKi0="


def test_headers_carry_what_the_style_asks_for_and_no_signature_without_a_secret() -> None:
    secrets = {"secret": "s", "authorization": "Bearer t"}
    mine = headers(hook("COMMENT_CREATED"), secrets, b"{}", "d", NOW)  # type: ignore[arg-type]
    assert mine["X-Databricks-Signature"] == databricks_signature("s", b"{}")
    assert (mine["Authorization"], mine["X-Stagedoor-Delivery"]) == ("Bearer t", "d")
    theirs = headers(everything("mlflow"), secrets, b"{}", "d", NOW)  # type: ignore[arg-type]
    assert theirs["X-MLflow-Signature"] == mlflow_signature("s", "d", "1795515300", b"{}")
    assert (theirs["X-MLflow-Delivery-Id"], theirs["X-MLflow-Timestamp"]) == ("d", "1795515300")
    plain = headers(hook("COMMENT_CREATED"), {}, b"{}", "d", NOW)
    assert set(plain) == {"Content-Type", "User-Agent", "X-Stagedoor-Delivery"}


def test_a_body_keeps_every_character() -> None:
    call = Call(hook("COMMENT_CREATED"), "COMMENT_CREATED", Event("x", "s", "t", "c", ANN, NOW, comment='ü\u2028"\n'))
    assert json.loads(encoded(payload(call, None)))["comment"] == 'ü\u2028"\n'


@pytest.mark.parametrize(
    ("tasks", "wanted"),
    [
        ([{"notebook_task": {}}], {"notebook_params": {"event_message": "m"}}),
        ([{"python_wheel_task": {}}], {"notebook_params": {"event_message": "m"}}),
        ([{"spark_python_task": {}}], {"python_params": ["m"]}),
        ([{"spark_jar_task": {}}], {"python_params": ["m"]}),
        ([{"spark_submit_task": {}}], {"python_params": ["m"]}),
        ([{"sql_task": {}}], {}),
        ([], {}),
        (
            [{"notebook_task": {}}, {"sql_task": {}}],
            {
                "notebook_params": {"event_message": "m"}, "python_named_params": {"event_message": "m"},
                "jar_params": ["m"], "python_params": ["m"], "spark_submit_params": ["m"],
            },
        ),
    ],
)  # fmt: skip
def test_a_job_gets_the_payload_as_its_tasks_take_it(tasks: list[dict[str, Any]], wanted: dict[str, Any]) -> None:
    assert job_parameters(tasks, "m") == wanted
