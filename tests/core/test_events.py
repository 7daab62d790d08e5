"""Events: what one commit on main, or one step of a request, is told as."""

# ruff: noqa: E501 - a step and what is told of it stand on one line

from __future__ import annotations

import time

import pytest

from specs import ANN, CAROL, NOW, model, registry, version
from stagedoor.core.diff import diff
from stagedoor.core.events import KINDS, Event, Happening, events_of, request_event, unreviewed
from stagedoor.core.registry import Registry
from stagedoor.core.requests import Closed, Commented, MergedStep, Opened, Pushed, Reviewed, Step, fold
from stagedoor.core.trailers import Approval, Trailers

COMMIT, HEAD = "c" * 40, "b" * 40
AGREED = Trailers(7, ANN, (Approval(CAROL, HEAD), Approval(CAROL, "a" * 40)), "ready")
HAPPENING = Happening(COMMIT, CAROL, NOW)
BASE = registry(model("fraud", version(1, "Production"), version(2, "Staging"), tags={"team": "risk"}))


def told(after: Registry, *files: str, before: Registry = BASE, happening: Happening = HAPPENING) -> tuple[Event, ...]:
    return events_of(diff(before, after), files, happening)


def changed(**more: object) -> Registry:
    return registry(BASE.model("fraud").model_copy(update=more))


@pytest.mark.parametrize(
    ("after", "events"),
    [
        (changed(description="x"), [("registered_model.updated", "fraud", "described fraud")]),
        (changed(tags={"a": "b"}), [
            ("registered_model_tag.set", "fraud tags.a", "set the tag a of fraud to b"),
            ("registered_model_tag.deleted", "fraud tags.team", "took the tag team off fraud"),
        ]),
        (changed(aliases={"best": 1}), [
            ("model_version_alias.created", "fraud@best", "pointed fraud@best at version 1"),
        ]),
        (changed(versions=(version(1, "Production"),)), [("model_version.deleted", "fraud/2", "deleted fraud/2")]),
        (changed(last_version=9), []),
        (changed(name="scam"), [
            ("registered_model.updated", "scam path",
             "moved scam from registry_spec/models/fraud.yaml to registry_spec/models/scam.yaml"),
            ("registered_model.renamed", "scam", "renamed fraud to scam"),
        ]),
        (Registry(), [("registered_model.deleted", "fraud", "deleted fraud")]),
        (registry(*BASE.models.values(), model("wind", version(1), version(2, "Staging"), aliases={"best": 2})), [
            ("registered_model.created", "wind", "created wind"),
            ("model_version.created", "wind/1", "registered wind/1"),
            ("model_version.created", "wind/2", "registered wind/2"),
            ("model_version.transitioned", "wind/2", "moved wind/2 from None to Staging"),
            ("model_version_alias.created", "wind@best", "pointed wind@best at version 2"),
        ]),
    ],
)  # fmt: skip
def test_each_change_is_told_in_the_past_tense(after: Registry, events: list[tuple[str, str, str]]) -> None:
    assert [(e.kind, e.subject, e.text) for e in told(after)] == [(k, s, f"{CAROL} {t}") for k, s, t in events]


def test_a_version_that_made_room_says_for_which() -> None:
    out, came = told(changed(versions=(version(1, "Archived"), version(2, "Production"))))
    assert (out.from_stage, out.to_stage, out.system_comment) == (
        "Production",
        "Archived",
        "archived because version 2 came into Production",
    )
    assert (came.from_stage, came.to_stage, came.system_comment) == ("Staging", "Production", "")


def test_an_event_of_a_request_says_who_asked_who_agreed_and_why() -> None:
    (event,) = told(changed(description="x"), happening=Happening(COMMIT, CAROL, NOW, AGREED))
    assert event.text == f"{CAROL} described fraud (request 7 by {ANN})"
    assert (event.request, event.requested_by, event.approved_by, event.comment) == (7, ANN, (CAROL,), "ready")
    assert event.key == f"{COMMIT}:registered_model.updated:fraud"


def test_other_files_are_told_as_one_event() -> None:
    (event,) = told(BASE, *"abcdefg")
    assert (event.kind, event.text) == ("policy.changed", f"{CAROL} changed a, b, c, d, e and 2 more")


def test_the_keys_of_one_commit_are_different() -> None:
    after = changed(description="x", tags={"a": "b"}, versions=(version(1, "Archived", description="y"), version(3)))
    keys = [event.key for event in told(after, "README.md")]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("step", "kind", "text"),
    [
        (Opened(at=NOW, by=ANN, title="Move it", base=HEAD, head=HEAD), "transition_request.created", "opened request 7: Move it"),
        (Pushed(at=NOW, by=ANN, base=HEAD, head=HEAD), "transition_request.updated", "pushed a new head to request 7"),
        (Reviewed(at=NOW, by=ANN, verdict="approved", head=HEAD), "transition_request.approved", "approved request 7: Move it"),
        (Reviewed(at=NOW, by=ANN, verdict="changes_requested", head=HEAD), "transition_request.changes_requested",
         "asked for changes in request 7: Move it"),
        (Commented(at=NOW, by=ANN, body="hm"), "comment.created", "commented on request 7: Move it"),
        (Closed(at=NOW, by=ANN, how="rejected"), "transition_request.rejected", "rejected request 7: Move it"),
        (Closed(at=NOW, by=ANN, how="cancelled"), "transition_request.cancelled", "cancelled request 7: Move it"),
    ],
)  # fmt: skip
def test_each_step_of_a_request_is_told(step: Step, kind: str, text: str) -> None:
    request = fold(7, [Opened(at=NOW, by=ANN, title="Move it", base=HEAD, head=HEAD)])
    event = request_event(request, step, COMMIT, (("fraud", 2),), ("fraud",))
    assert event is not None and kind in KINDS
    assert (event.kind, event.text, event.model, event.version) == (kind, f"{ANN} {text}", "fraud", 2)


def test_a_merge_is_told_by_main_itself() -> None:
    step = MergedStep(at=NOW, by=ANN, head=HEAD, base=HEAD, commit=COMMIT)
    request = fold(7, [Opened(at=NOW, by=ANN, title="Move it", base=HEAD, head=HEAD), step])
    assert request_event(request, step, COMMIT, (), ()) is None


def test_a_change_without_agreement_is_told_with_the_reason() -> None:
    event = unreviewed(HAPPENING, [f"change {n}" for n in range(7)], "nobody approved")
    assert event.kind in KINDS and event.system_comment == "nobody approved"
    assert event.text.endswith(": change 0; change 1; change 2; change 3; change 4; and 2 more")


def test_ten_thousand_moves_in_one_commit_are_told_in_a_moment() -> None:
    before = registry(model("fraud", *(version(number, "Staging") for number in range(1, 10_001))))
    after = registry(model("fraud", *(version(number, "Archived") for number in range(1, 10_001))))
    changes = diff(before, after)
    start = time.perf_counter()
    assert len(events_of(changes, (), HAPPENING)) == 10_000
    assert time.perf_counter() - start < 2
