"""Webhooks from end to end: written to the registry, called by the reconciler, signed, retried, given up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from receiver import Receiver, receiving
from stagedoor.core.calls import MAX_FAILURES
from stagedoor.core.webhooks import HttpTarget, JobTarget, SecretName
from stagedoor.errors import BadInput, ChecksFailed, Denied, InvalidState, NotFound, RegistryError
from stagedoor.workflows import comments, hooking, registering, reviewing
from stagedoor.workflows.calling import MAX_UNANSWERED
from stagedoor.workflows.hooking import Changed, Draft
from stagedoor.workflows.reconciling import Options, Report, open_ledger, reconcile
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, DAVE, Town

SECRET = "hunter2-very-secret"
TRANSITIONED = "MODEL_VERSION_TRANSITIONED_STAGE"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def created(town: Town, receiver: Receiver, *events: str, who: str = CAROL, **more: Any) -> str:
    secrets: dict[SecretName, str] = more.pop("secrets", {})
    draft = Draft(events or (TRANSITIONED,), HttpTarget(url=receiver.url), **more)
    return hooking.create(town.as_(who), draft, secrets).webhook.id


def reconciled(town: Town, **options: Any) -> Report:
    return reconcile(town.as_(CAROL), Options(allow_private_webhooks=True, **options))


def moved(town: Town, stage: str = "Staging", ref: str = "fraud/1") -> None:
    registering.transition(town.as_(CAROL), [Wish(ref, stage)])


def test_a_merge_is_posted_and_signed(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    id_ = created(town, receiver, secrets={"secret": SECRET, "authorization": "Bearer t0ken"})
    made = registering.transition(town.as_(ANN), [Wish("fraud/1", "Staging")], lane=Lane(propose=True))
    assert made.request is not None
    reviewing.approve(town.as_(BOB), made.request.number, "fine")
    reviewing.merge(town.as_(BOB), made.request.number)
    reconciled(town)
    [taken] = receiver.taken
    assert taken.headers["x-databricks-signature"] == hmac.new(SECRET.encode(), taken.body, hashlib.sha256).hexdigest()
    assert taken.headers["authorization"] == "Bearer t0ken"
    assert taken.headers["content-type"] == "application/json"
    data = taken.json
    assert (data["event"], data["webhook_id"], data["model_name"], data["version"]) == (
        TRANSITIONED, id_, "fraud", "1",
    )  # fmt: skip
    assert (data["from_stage"], data["to_stage"]) == ("None", "Staging")
    assert data["text"] == f"{BOB} moved fraud/1 from None to Staging (request 1 by {ANN})"


def test_reconciling_twice_calls_once(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    created(town, receiver)
    moved(town)
    assert reconciled(town).delivered == 1
    assert reconciled(town).delivered == 0
    assert len(receiver.taken) == 1


def test_a_commit_by_hand_is_called_for_too(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    created(town, receiver, "MODEL_VERSION_TAG_SET")
    path = "registry_spec/models/fraud.yaml"
    town.commit({path: town.text(path).replace("  source:", "  tags:\n    note: new\n  source:")})
    reconciled(town)
    assert [one["tags"] for one in receiver.bodies()] == [[{"key": "note", "value": "new"}]]


def test_requests_and_comments_are_called_for(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    created(town, receiver, "TRANSITION_REQUEST_TO_STAGING_CREATED", "COMMENT_CREATED", model="fraud")
    registering.transition(town.as_(ANN), [Wish("fraud/1", "Staging")], comment="please", lane=Lane(propose=True))
    comments.add(town.as_(BOB), "fraud/1", "looks good")
    reconciled(town)
    asked, said = receiver.bodies()
    assert (asked["event"], asked["version"], asked["to_stage"]) == (
        "TRANSITION_REQUEST_TO_STAGING_CREATED", "1", "Staging",
    )  # fmt: skip
    assert (said["event"], said["version"], said["comment"]) == ("COMMENT_CREATED", "1", "looks good")


def test_mlflows_style_signs_id_time_and_body(town: Town, receiver: Receiver) -> None:
    created(town, receiver, "model_version.created", style="mlflow", name="builds", secrets={"secret": SECRET})
    town.register("fraud", run={"id": "9f2c"})
    reconciled(town)
    [taken] = receiver.taken
    delivery, sent = taken.headers["x-mlflow-delivery-id"], taken.headers["x-mlflow-timestamp"]
    signed = hmac.new(SECRET.encode(), f"{delivery}.{sent}.".encode() + taken.body, hashlib.sha256).digest()
    assert taken.headers["x-mlflow-signature"] == "v1," + base64.b64encode(signed).decode()
    assert (taken.json["entity"], taken.json["action"]) == ("MODEL_VERSION", "CREATED")
    assert (taken.json["data"]["name"], taken.json["data"]["version"], taken.json["data"]["run_id"]) == (
        "fraud", "1", "9f2c",
    )  # fmt: skip


def test_a_job_is_looked_up_and_run_with_the_payload(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    receiver.by_path = {
        "/api/2.1/jobs/get": b'{"settings": {"tasks": [{"notebook_task": {}}]}}',
        "/api/2.1/jobs/run-now": b'{"run_id": 5}',
    }
    target = JobTarget(job_id="7", workspace_url=f"http://127.0.0.1:{receiver.port}/")
    hooking.create(town.as_(CAROL), Draft((TRANSITIONED,), target), {"access_token": SECRET})
    moved(town)
    assert reconciled(town).delivered == 1
    looked, ran = receiver.taken
    assert looked.path == "/api/2.1/jobs/get?job_id=7"
    assert ran.path == "/api/2.1/jobs/run-now"
    assert {one.headers["authorization"] for one in receiver.taken} == {f"Bearer {SECRET}"}
    assert ran.json["job_id"] == 7
    assert '"event":"MODEL_VERSION_TRANSITIONED_STAGE"' in ran.json["notebook_params"]["event_message"]
    assert ran.json["idempotency_token"] == hooking.deliveries(town.as_(CAROL))[0].delivery


def test_without_the_switch_a_private_target_is_not_called(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    created(town, receiver)
    moved(town)
    [failed] = reconcile(town.as_(CAROL)).failed
    assert "own network" in failed.error
    assert receiver.taken == []
    town.environment["STAGEDOOR_ALLOW_PRIVATE_WEBHOOKS"] = "1"
    assert reconcile(town.as_(CAROL), Options(redeliver=True)).delivered == 1


# --- failing --------------------------------------------------------------------------------------------------------


def test_a_failure_is_tried_again_with_the_same_id_and_logged(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    created(town, receiver)
    moved(town)
    receiver.status = 503
    assert [one.error for one in reconciled(town).failed] == ["the target answered 503"]
    receiver.status = 200
    assert reconciled(town).delivered == 0, "it is not due yet"
    town.clock.now += timedelta(minutes=2)
    assert reconciled(town).delivered == 1
    assert len({one.headers["x-stagedoor-delivery"] for one in receiver.taken}) == 1
    log = hooking.deliveries(town.as_(CAROL))
    assert [(one.state, one.status, one.attempt, one.error) for one in log] == [
        ("delivered", 200, 2, ""),
        ("retrying", 503, 1, "the target answered 503"),
    ]


def test_a_redirect_is_a_failure_and_is_not_followed(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    created(town, receiver)
    moved(town)
    receiver.status, receiver.more = 307, {"Location": f"{receiver.url}/elsewhere"}
    [failed] = reconciled(town).failed
    assert failed.error == "the target answered 307, and redirects are not followed"
    assert [one.path for one in receiver.taken] == ["/hook"]


def fail_often(town: Town, receiver: Receiver) -> Report:
    receiver.status = 500
    for number in range(MAX_FAILURES):
        moved(town, ("Staging", "None")[number % 2])
    return reconciled(town)


def test_after_many_failures_in_a_row_it_is_given_up_and_that_is_told(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    id_ = created(town, receiver)
    report = fail_often(town, receiver)
    [news] = [event for event in report.events if event.kind == "webhook.disabled"]
    assert f"failed {MAX_FAILURES} times in a row" in news.text
    [listed] = hooking.listed(town.as_(CAROL))
    assert (listed.is_given_up, listed.failures, listed.webhook.status) == (True, MAX_FAILURES, "ACTIVE")
    moved(town, "Production")
    town.clock.now += timedelta(days=1)
    reconciled(town)
    assert len(receiver.taken) == MAX_FAILURES
    receiver.status = 200
    hooking.update(town.as_(CAROL), id_, Changed(description="mended"))
    moved(town, "None")
    assert reconciled(town).delivered == 1
    assert not hooking.listed(town.as_(CAROL))[0].is_given_up


def test_a_success_between_starts_the_count_again(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    created(town, receiver)
    receiver.status = 500
    moved(town)
    reconciled(town)
    assert hooking.listed(town.as_(CAROL))[0].failures == 1
    receiver.status = 200
    moved(town, "None")
    reconciled(town)
    assert hooking.listed(town.as_(CAROL))[0].failures == 0


def test_a_delivery_can_be_sent_again_with_its_id(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    id_ = created(town, receiver)
    moved(town)
    reconciled(town)
    [logged] = hooking.deliveries(town.as_(CAROL), id_)
    again = hooking.redeliver(town.as_(CAROL), logged.delivery[:8], allow_private=True)
    assert (again.state, again.status, again.attempts) == ("delivered", 200, 2)
    first, second = receiver.taken
    assert first.body == second.body
    assert first.headers["x-stagedoor-delivery"] == second.headers["x-stagedoor-delivery"]
    with pytest.raises(NotFound, match="there is no delivery"):
        hooking.redeliver(town.as_(CAROL), "nothing")
    with pytest.raises(Denied):
        hooking.redeliver(town.as_(ANN), logged.delivery)
    hooking.update(town.as_(CAROL), id_, Changed(status="DISABLED"))
    with pytest.raises(InvalidState, match="is DISABLED"):
        hooking.redeliver(town.as_(CAROL), logged.delivery)


def test_what_waits_for_a_webhook_that_is_gone_is_let_go(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    id_ = created(town, receiver)
    moved(town)
    receiver.status = 500
    reconciled(town)
    hooking.delete(town.as_(CAROL), id_)
    reconciled(town, redeliver=True)
    assert open_ledger(town.as_(CAROL)).status().counts == {"skipped": 1}


def test_a_dry_run_calls_nobody(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    id_ = created(town, receiver)
    moved(town)
    assert [call.sink for call in reconciled(town, dry_run=True).planned] == [f"webhook:{id_}/{TRANSITIONED}"]
    assert receiver.taken == []


def test_a_target_that_gives_no_answer_is_left_alone_for_the_rest_of_the_run(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    id_ = created(town, receiver)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    hooking.update(town.as_(CAROL), id_, Changed(target=HttpTarget(url=nobody)))
    for stage in ("Staging", "None", "Staging", "None", "Staging"):
        moved(town, stage)
    assert len(reconciled(town).failed) == MAX_UNANSWERED
    waiting = open_ledger(town.as_(CAROL)).status().waiting
    assert sorted(one.attempts for one in waiting) == [0, 0, 1, 1, 1]
    hooking.update(town.as_(CAROL), id_, Changed(target=HttpTarget(url=receiver.url)))
    town.clock.now += timedelta(minutes=2)
    assert reconciled(town).delivered == 5


def test_the_log_and_what_it_can_send_again_are_bounded(
    town: Town, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("stagedoor.effects.ledger", "stagedoor.workflows.calling"):
        monkeypatch.setattr(f"{module}.MAX_ATTEMPTS", 2)
    town.register("fraud")
    created(town, receiver)
    for stage in ("Staging", "None", "Staging", "None"):
        moved(town, stage)
    reconciled(town)
    assert len(hooking.deliveries(town.as_(CAROL))) == 2
    kept = [bool(one.event) for one in open_ledger(town.as_(CAROL)).deliveries()]
    assert sorted(kept) == [False, False, True, True]


def test_a_webhook_follows_its_model_through_a_rename(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    created(town, receiver, "MODEL_VERSION_CREATED", model="fraud")
    registering.rename(town.as_(CAROL), "fraud", "scam")
    town.register("fraud")
    town.register("scam")
    reconciled(town)
    assert [(one["model_name"], one["version"]) for one in receiver.bodies()] == [("scam", "2")]
    assert hooking.listed(town.as_(CAROL), "scam")[0].model == "scam"


# --- who may --------------------------------------------------------------------------------------------------------


def test_a_models_manager_has_a_say_in_its_webhooks_and_nobody_elses(town: Town, receiver: Receiver) -> None:
    owners = town.text(".github/CODEOWNERS")
    town.commit({".github/CODEOWNERS": f"{owners}/registry_spec/models/fraud.yaml/@Manage {DAVE}\n"})
    town.register("fraud")
    town.register("scam")
    id_ = created(town, receiver, who=DAVE, model="fraud")
    hooking.update(town.as_(DAVE), id_, Changed(status="DISABLED"))
    for model in ("scam", ""):
        with pytest.raises(Denied):
            created(town, receiver, who=DAVE, model=model)
    with pytest.raises(Denied):
        hooking.update(town.as_(ANN), id_, Changed(status="ACTIVE"))
    with pytest.raises(Denied):
        hooking.test(town.as_(ANN), id_)
    hooking.delete(town.as_(CAROL), id_)


def test_a_change_by_somebody_entitled_is_no_unreviewed_change(town: Town, receiver: Receiver) -> None:
    owners = town.text(".github/CODEOWNERS")
    town.commit({".github/CODEOWNERS": f"{owners}/registry_spec/models/fraud.yaml/@Manage {DAVE}\n"})
    town.register("fraud")
    reconciled(town)
    created(town, receiver, who=DAVE, model="fraud")
    assert [event.kind for event in reconciled(town).events] == ["policy.changed"]
    path = "registry_spec/webhooks.yaml"
    town.commit({path: town.text(path).replace("127.0.0.1", "evil.example")}, author=ANN)
    assert "unreviewed_change" in [event.kind for event in reconciled(town).events]


def test_who_may_not_write_asks_by_a_request_that_the_manager_approves(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    draft = Draft((TRANSITIONED,), HttpTarget(url=receiver.url), model="fraud")
    made = hooking.create(town.as_(ANN), draft, {"secret": SECRET}, lane=Lane(propose=True))
    assert made.outcome.request is not None
    reviewing.approve(town.as_(CAROL), made.outcome.request.number)
    reviewing.merge(town.as_(CAROL), made.outcome.request.number)
    moved(town)
    reconciled(town)
    assert "x-databricks-signature" in receiver.taken[0].headers
    with pytest.raises(Denied):
        hooking.update(town.as_(ANN), made.webhook.id, Changed(), {"secret": "mine"}, lane=Lane(propose=True))


# --- writing --------------------------------------------------------------------------------------------------------


def test_what_cannot_be_is_refused_and_keeps_no_secret(town: Town, receiver: Receiver) -> None:
    world = town.as_(CAROL)
    with pytest.raises(ChecksFailed, match="SD511"):
        created(town, receiver, "MODEL_VERSION_PROMOTED", secrets={"secret": SECRET})
    with pytest.raises(ChecksFailed, match="SD512"):
        target = HttpTarget(url="https://ann:pw@example.com")
        hooking.create(town.as_(CAROL), Draft(("COMMENT_CREATED",), target), {"secret": SECRET})
    with pytest.raises(NotFound, match="no model scam"):
        created(town, receiver, model="scam", secrets={"secret": SECRET})
    with pytest.raises(BadInput, match="1 to 63 letters"):
        created(town, receiver, "model_version.created", style="mlflow")
    folder = world.repository.state_dir() / "webhooks"
    assert not folder.exists() or list(folder.iterdir()) == []
    assert hooking.listed(world) == ()


def test_an_update_keeps_what_it_does_not_speak_of(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    id_ = created(town, receiver, model="fraud", description="for the desk", secrets={"secret": SECRET})
    made = hooking.update(town.as_(CAROL), id_[:8], Changed(events=("COMMENT_CREATED",))).webhook
    assert (made.events, made.description, made.secrets) == (("COMMENT_CREATED",), "for the desk", ("secret",))
    made = hooking.update(town.as_(CAROL), id_, Changed(), {"secret": None, "authorization": "Bearer x"}).webhook
    assert made.secrets == ("authorization",)
    assert hooking.listed(town.as_(CAROL), "fraud", ["COMMENT_CREATED"])[0].webhook == made
    assert hooking.listed(town.as_(CAROL), "fraud", [TRANSITIONED]) == ()


def test_two_who_write_at_once_lose_nothing(town: Town, receiver: Receiver) -> None:
    worlds = [town.as_(CAROL) for _ in range(3)]
    for world in worlds:
        world.snapshot()
    for world in worlds:
        hooking.create(world, Draft((TRANSITIONED,), HttpTarget(url=receiver.url)))
    assert len(hooking.listed(town.as_(CAROL))) == 3


def test_two_requests_that_each_add_or_change_a_webhook_go_together(town: Town, receiver: Receiver) -> None:
    first = created(town, receiver)
    ask, target = Lane(propose=True), HttpTarget(url=receiver.url)
    made = [
        hooking.create(town.as_(ANN), Draft((name,), target), lane=ask) for name in ("COMMENT_CREATED", TRANSITIONED)
    ]
    made.append(hooking.update(town.as_(ANN), first, Changed(description="one"), lane=ask))
    last = hooking.update(town.as_(ANN), first, Changed(description="another"), lane=ask)
    for request in [one.outcome.request for one in made]:
        assert request is not None
        reviewing.approve(town.as_(CAROL), request.number)
        reviewing.merge(town.as_(CAROL), request.number)
    now = [one.webhook for one in hooking.listed(town.as_(CAROL))]
    assert [(one.events[0], one.description) for one in now] == [
        (TRANSITIONED, "one"), ("COMMENT_CREATED", ""), (TRANSITIONED, ""),
    ]  # fmt: skip
    assert last.outcome.request is not None
    reviewing.approve(town.as_(CAROL), last.outcome.request.number)
    with pytest.raises(RegistryError, match="both sides changed webhook"):
        reviewing.merge(town.as_(CAROL), last.outcome.request.number)


def test_a_rehearsal_changes_nothing(town: Town, receiver: Receiver) -> None:
    draft = Draft((TRANSITIONED,), HttpTarget(url=receiver.url))
    world = town.as_(CAROL)
    before = world.main()
    hooking.create(world, draft, {"secret": SECRET}, lane=Lane(dry_run=True))
    assert town.as_(CAROL).main() == before
    assert not (world.repository.state_dir() / "webhooks").exists()


# --- testing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["ACTIVE", "DISABLED", "TEST_MODE"])
def test_a_test_answers_what_the_target_says_on_any_status(town: Town, receiver: Receiver, status: Any) -> None:
    id_ = created(town, receiver, status=status, secrets={"secret": SECRET})
    receiver.status, receiver.answer = 418, b"I am a teapot"
    found = hooking.test(town.as_(CAROL), id_, "COMMENT_CREATED", allow_private=True)
    assert (found.event, found.status, found.body) == ("COMMENT_CREATED", 418, "I am a teapot")
    [taken] = receiver.taken
    assert taken.json["event"] == "COMMENT_CREATED"
    assert taken.headers["x-databricks-signature"] == hmac.new(SECRET.encode(), taken.body, hashlib.sha256).hexdigest()
    assert hooking.deliveries(town.as_(CAROL)) == ()


def test_a_test_of_a_private_target_says_why_it_was_not_called(town: Town, receiver: Receiver) -> None:
    found = hooking.test(town.as_(CAROL), created(town, receiver))
    assert found.status is None and "own network" in found.error
    assert receiver.taken == []


# --- secrets --------------------------------------------------------------------------------------------------------


def test_a_secret_is_in_no_object_log_or_error(
    town: Town, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    town.register("fraud")
    id_ = created(town, receiver, secrets={"secret": SECRET, "authorization": f"Bearer {SECRET}"})
    moved(town)
    # a target that gives back what it was sent
    receiver.status, receiver.answer = 500, f"bad token Bearer {SECRET}".encode()
    report = reconciled(town)
    assert report.failed
    assert SECRET not in repr(report)
    assert SECRET not in hooking.test(town.as_(CAROL), id_, allow_private=True).body
    hooking.update(town.as_(CAROL), id_, Changed(), {"secret": SECRET + "2"})
    assert SECRET not in caplog.text
    git = ["git", "-C", str(town.path), "cat-file", "--batch-all-objects", "--batch"]
    objects = subprocess.run(git, capture_output=True, check=True).stdout
    assert b"webhooks.yaml" in objects
    assert SECRET.encode() not in objects


def test_a_hook_whose_secret_is_not_here_is_not_called_unsigned(town: Town, receiver: Receiver) -> None:
    town.register("fraud")
    id_ = created(town, receiver, secrets={"secret": SECRET})
    world = town.as_(CAROL)
    # a fresh runner has no state folder
    (world.repository.state_dir() / "webhooks" / f"{id_}.json").unlink()
    moved(town)
    [failed] = reconciled(town).failed
    assert failed.error == f"its secret is not here: set STAGEDOOR_WEBHOOK_SECRET_{id_.upper()}"
    assert receiver.taken == []
    town.environment[f"STAGEDOOR_WEBHOOK_SECRET_{id_.upper()}"] = SECRET
    assert reconciled(town, redeliver=True).delivered == 1
    assert "x-databricks-signature" in receiver.taken[0].headers
