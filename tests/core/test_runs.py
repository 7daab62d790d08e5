"""Runs of CI, as the events of GitHub and the variables of GitLab tell of them."""

from __future__ import annotations

from typing import Any

import pytest

from stagedoor.core.runs import Run, read_run
from stagedoor.errors import BadInput

A, B = "a" * 40, "b" * 40
HUB = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r"}


def test_a_pull_request_of_github() -> None:
    event = {"pull_request": {"number": 7, "base": {"sha": A, "ref": "main"}, "head": {"sha": B, "ref": "--evil"}}}
    run = read_run({**HUB, "GITHUB_RUN_ID": "9"}, event)
    assert run == Run("pull", 7, A, B, "https://github.com/o/r/actions/runs/9")


def test_a_group_of_the_merge_queue() -> None:
    group = {"head_ref": f"refs/heads/gh-readonly-queue/main/pr-7-{A}", "base_sha": A, "head_sha": B}
    assert read_run(HUB, {"merge_group": group}) == Run("queue", 7, A, B)


def test_a_run_that_another_started_is_found_by_its_head() -> None:
    event = {"workflow_run": {"head_sha": B, "pull_requests": []}}
    assert read_run(HUB, event) == Run("pull", None, "", B)


def test_a_merge_request_of_gitlab_and_one_in_a_train() -> None:
    lab = {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "3", "CI_COMMIT_SHA": A, "CI_JOB_URL": "https://lab/1"}
    assert read_run({**lab, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": B}, None) == Run("pull", 3, "", B, "https://lab/1")
    assert read_run({**lab, "CI_MERGE_REQUEST_EVENT_TYPE": "merge_train"}, None).kind == "queue"


def test_a_push_is_no_pull_request() -> None:
    assert read_run({**HUB, "GITHUB_EVENT_NAME": "push"}, {"before": A, "after": B}).kind == "push"
    assert read_run({"GITLAB_CI": "1", "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_SHA": B}, None).head == B


@pytest.mark.parametrize("number", [None, "7; touch pwned", -1, 0, 10**12, True, [7]])
def test_a_number_that_is_none_is_refused(number: Any) -> None:
    with pytest.raises(BadInput):
        read_run(HUB, {"pull_request": {"number": number}})


@pytest.mark.parametrize("sha", [None, "--upload-pack=x", "main", "A" * 40, "a" * 39, {"x": 1}])
def test_an_id_that_is_none_is_left_out(sha: Any) -> None:
    assert read_run(HUB, {"pull_request": {"number": 7, "head": {"sha": sha}}}).head == ""


@pytest.mark.parametrize("event", [[], "x", 7, {"pull_request": 7}, {"merge_group": []}])
def test_an_event_of_another_shape_is_about_nothing(event: Any) -> None:
    assert read_run(HUB, event).kind == "other"
