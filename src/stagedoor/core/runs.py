"""What a run of CI is about, from the variables and the event file that its host gives it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stagedoor.errors import BadInput

Kind = Literal["pull", "queue", "push", "other"]
# https://docs.github.com/en/webhooks/webhook-events-and-payloads#merge_group: gh-readonly-queue/main/pr-7-<sha>
_QUEUED = re.compile(r"gh-readonly-queue/.+/pr-([1-9][0-9]{0,8})-[0-9a-f]{40,64}")
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Run:
    """One run: a pull request, a group of the merge queue, a push to main, or something else."""

    kind: Kind
    # of a pull request; of a group, that of its last one
    number: int | None = None
    base: str = ""
    head: str = ""
    url: str = ""


def read_run(environment: Mapping[str, str], event: Any) -> Run:
    """The run that the environment of GitHub Actions, Gitea Actions or GitLab CI tells of.

    https://docs.github.com/en/actions/reference/variables-reference and
    https://docs.gitlab.com/ci/variables/predefined_variables/. Only numbers and ids are taken from the event: names and
    texts in it are a stranger's.
    """
    if environment.get("GITLAB_CI"):
        return _gitlab(environment)
    if environment.get("GITHUB_ACTIONS") or environment.get("GITEA_ACTIONS") or event is not None:
        return _github(environment, event)
    raise BadInput("this is no run of CI that we know", fix="set GITHUB_EVENT_PATH, or run it on GitLab")


def _github(environment: Mapping[str, str], event: Any) -> Run:
    url = _url(environment)
    pull = _at(event, "pull_request")
    if isinstance(pull, dict):
        number = _number(pull.get("number"))
        return Run("pull", number, _oid(_at(pull, "base", "sha")), _oid(_at(pull, "head", "sha")), url)
    group = _at(event, "merge_group")
    if isinstance(group, dict):
        found = _QUEUED.search(str(group.get("head_ref", "")))
        last = int(found[1]) if found else None
        return Run("queue", last, _oid(group.get("base_sha")), _oid(group.get("head_sha")), url)
    # a run that another one has started names the head of that one; its list of pull requests leaves out those of forks
    if started := _oid(_at(event, "workflow_run", "head_sha")):
        return Run("pull", None, "", started, url)
    issue = _at(event, "issue")
    if isinstance(issue, dict) and isinstance(issue.get("pull_request"), dict):
        return Run("pull", _number(issue.get("number")), url=url)
    if environment.get("GITHUB_EVENT_NAME") == "push":
        return Run("push", None, _oid(_at(event, "before")), _oid(_at(event, "after")), url)
    return Run("other", url=url)


def _gitlab(environment: Mapping[str, str]) -> Run:
    url = environment.get("CI_JOB_URL", "")
    if iid := environment.get("CI_MERGE_REQUEST_IID"):
        # the pipeline of a merged result runs on a commit of GitLab's own, and the source's is named beside it
        head = environment.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or environment.get("CI_COMMIT_SHA", "")
        kind: Kind = "queue" if environment.get("CI_MERGE_REQUEST_EVENT_TYPE") == "merge_train" else "pull"
        if kind == "queue":
            head = environment.get("CI_COMMIT_SHA", "")
        return Run(kind, _number(iid), _oid(environment.get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA")), _oid(head), url)
    if environment.get("CI_PIPELINE_SOURCE") == "push":
        return Run("push", None, "", _oid(environment.get("CI_COMMIT_SHA")), url)
    return Run("other", url=url)


def _url(environment: Mapping[str, str]) -> str:
    parts = [environment.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    return f"{parts[0]}/{parts[1]}/actions/runs/{parts[2]}" if all(parts) else ""


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _number(value: Any) -> int:
    text = str(value)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise BadInput("the event has no number of a pull request", fix="run it for pull_request or merge_group")
    return int(text)


def _oid(value: Any) -> str:
    return value if isinstance(value, str) and _OID.fullmatch(value) else ""
