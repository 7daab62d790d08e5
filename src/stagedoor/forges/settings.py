"""What a host's own settings let through: read, graded, each with the setting to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from stagedoor.forges.http import Answer, Call

Grade = Literal["ok", "warning", "error"]
CONTEXT = "stagedoor/approvals"
Ask = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the host, and what to change where it is not as it should be."""

    grade: Grade
    what: str
    fix: str = ""


def settings(kind: str, project: str, branch: str, ask: Ask) -> Iterator[Setting]:
    """How well a host guards a branch. What the token may not see is a warning, and not a reassurance."""
    readers = {"github": _github, "gitlab": _gitlab, "gitea": _gitea}
    yield from readers[kind](project, quote(branch, safe=""), ask)


def _held(is_so: bool, what: str, otherwise: str, fix: str, grade: Grade = "error") -> Setting:
    return Setting("ok", what) if is_so else Setting(grade, otherwise, fix)


# --- GitHub ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rules:
    """What guards a branch on GitHub: the rules by their type, and what they and the older protection come to."""

    kinds: Mapping[str, Any]
    pulls: Mapping[str, Any]
    checks: frozenset[str]
    no_force: bool
    is_protected: bool


def github_rules(at: str, branch: str, ask: Ask) -> Rules:
    """https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch needs no admin; the older protection does.

    Several rulesets may have a rule of one type, and then the stricter one counts, switch by switch.
    """
    rules = ask(Call("GET", f"{at}/rules/branches/{branch}", (("per_page", 100),)))
    old = ask(Call("GET", f"{at}/branches/{branch}/protection"))
    listed = rules.data if rules.is_good and isinstance(rules.data, list) else []
    kinds: dict[str, Any] = {}
    checks: set[str] = set()
    for one in listed:
        if isinstance(one, dict):
            parameters = one.get("parameters") or {}
            checks |= _contexts(parameters)
            kinds[str(one.get("type"))] = _both(kinds.get(str(one.get("type")), {}), parameters)
    found = _of_protection(old.data if old.is_good and isinstance(old.data, dict) else {})
    pulls = _both(found.get("pull_request", {}), kinds.get("pull_request", {}))
    checks |= _contexts(found.get("required_status_checks", {}))
    no_force = "non_fast_forward" in kinds or found.get("no_force") is True
    return Rules(kinds, pulls, frozenset(checks), no_force, bool(found))


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, **{name: value or one.get(name, value) for name, value in other.items()}}


def _contexts(parameters: Mapping[str, Any]) -> set[str]:
    return {str(one.get("context")) for one in parameters.get("required_status_checks") or ()}


def _github(project: str, branch: str, ask: Ask) -> Iterator[Setting]:
    at = f"/repos/{project}"
    rules = github_rules(at, branch, ask)
    pulls, checks = rules.pulls, rules.checks
    place = "Settings, Rules, Rulesets: a ruleset for the default branch"
    if not rules.kinds and not rules.is_protected:
        fix = f"{place} (a private repository on Free has none)"
        yield Setting("error", f"nothing guards {branch} on the host", fix)
        return
    yield _held(
        bool(pulls), "a pull request is required", "anybody who can write pushes to main", f"{place}: require one"
    )
    yield _held(
        CONTEXT in checks, f"{CONTEXT} is required", f"{CONTEXT} is not required", f"{place}: required status checks"
    )
    yield _held(
        pulls.get("dismiss_stale_reviews_on_push") is True, "a push dismisses approvals",
        "an approval outlives a push", f"{place}: dismiss stale approvals", "warning",
    )  # fmt: skip
    yield _held(
        pulls.get("require_code_owner_review") is True, "code owners have to review",
        "code owners are not asked", f"{place}: require review from Code Owners", "warning",
    )  # fmt: skip
    yield _held(
        pulls.get("require_last_push_approval") is True, "whoever pushed last cannot approve",
        "whoever pushed last may approve", f"{place}: require approval of the most recent push", "warning",
    )  # fmt: skip
    yield _held(rules.no_force, "force pushes are blocked",
                "main can be rewritten", f"{place}: block force pushes")  # fmt: skip
    yield from _owner_errors(at, ask)
    yield from _actions(at, ask)


def _of_protection(data: Any) -> dict[str, Any]:
    """The older branch protection, in the words of rulesets."""
    if not data:
        return {}
    reviews = data.get("required_pull_request_reviews")
    contexts = (data.get("required_status_checks") or {}).get("contexts") or ()
    pulls = {
        "dismiss_stale_reviews_on_push": reviews.get("dismiss_stale_reviews"),
        "require_code_owner_review": reviews.get("require_code_owner_reviews"),
        "require_last_push_approval": reviews.get("require_last_push_approval"),
    } if isinstance(reviews, dict) else {}  # fmt: skip
    return {
        "pull_request": pulls,
        "required_status_checks": {"required_status_checks": [{"context": one} for one in contexts]},
        "no_force": (data.get("allow_force_pushes") or {}).get("enabled") is False,
    }


def _owner_errors(at: str, ask: Ask) -> Iterator[Setting]:
    answer = ask(Call("GET", f"{at}/codeowners/errors"))
    errors = answer.data.get("errors") if answer.is_good and isinstance(answer.data, dict) else None
    for one in (errors or ())[:10]:
        line, kind = one.get("line"), one.get("kind")
        yield Setting("error", f"GitHub passes over line {line} of CODEOWNERS: {kind}", "mend the line")


def _actions(at: str, ask: Ask) -> Iterator[Setting]:
    answer = ask(Call("GET", f"{at}/actions/permissions/workflow"))
    if not answer.is_good or not isinstance(answer.data, dict):
        yield Setting("warning", "the token may not see the settings of Actions", "look at Settings, Actions, General")
        return
    place = "Settings, Actions, General"
    yield _held(answer.data.get("default_workflow_permissions") == "read", "workflows may only read by default",
                "workflows may write by default", f"{place}: read repository contents", "warning")  # fmt: skip
    yield _held(answer.data.get("can_approve_pull_request_reviews") is False, "workflows cannot approve",
                "a workflow may approve pull requests", f"{place}: leave approving off")  # fmt: skip


# --- GitLab and Gitea -----------------------------------------------------------------------------------------------


def _gitlab(project: str, branch: str, ask: Ask) -> Iterator[Setting]:
    """https://docs.gitlab.com/api/protected_branches/ and https://docs.gitlab.com/api/merge_request_approvals/."""
    at = f"/projects/{quote(project, safe='')}"
    answer = ask(Call("GET", f"{at}/protected_branches/{branch}"))
    place = "Settings, Repository, Protected branches"
    if not answer.is_good or not isinstance(answer.data, dict):
        yield Setting("error", f"nothing guards {branch} on the host", f"{place}: protect it, allow nobody to push")
        return
    levels = [one.get("access_level") for one in answer.data.get("push_access_levels") or ()]
    yield _held(all(level == 0 for level in levels), "nobody pushes to main", "some push to main directly",
                f"{place}: allowed to push: no one", "warning")  # fmt: skip
    yield _held(answer.data.get("allow_force_push") is False, "force pushes are blocked", "main can be rewritten",
                f"{place}: allowed to force push: off")  # fmt: skip
    yield _held(answer.data.get("code_owner_approval_required") is True, "code owners have to approve",
                "code owners are not asked", f"{place}: code owner approval (Premium)", "warning")  # fmt: skip
    about = ask(Call("GET", at))
    if about.is_good and isinstance(about.data, dict):
        # a red light is a failed job of the pipeline, and stops nothing by itself
        fix = "Settings, Merge requests: pipelines must succeed"
        yield _held(about.data.get("only_allow_merge_if_pipeline_succeeds") is True,
                    "pipelines must succeed before a merge", f"a merge goes past {CONTEXT}", fix)  # fmt: skip
    said = ask(Call("GET", f"{at}/approvals"))
    if said.is_good and isinstance(said.data, dict):
        fix = "Settings, Merge requests: remove all approvals on push"
        yield _held(said.data.get("reset_approvals_on_push") is True, "a push takes approvals back",
                    "an approval outlives a push", fix, "warning")  # fmt: skip


def _gitea(project: str, branch: str, ask: Ask) -> Iterator[Setting]:
    answer = ask(Call("GET", f"/repos/{project}/branch_protections/{branch}"))
    place = "Settings, Branches"
    if not answer.is_good or not isinstance(answer.data, dict):
        yield Setting("error", f"nothing guards {branch} on the host", f"{place}: protect it")
        return
    data = answer.data
    contexts = data.get("status_check_contexts") or ()
    required = data.get("enable_status_check") is True and CONTEXT in contexts
    yield _held(data.get("enable_push") is False, "nobody pushes to main", "some push to main directly",
                f"{place}: disable push", "warning")  # fmt: skip
    yield _held(required, f"{CONTEXT} is required", f"{CONTEXT} is not required", f"{place}: status checks")
    yield _held(data.get("dismiss_stale_approvals") is True, "a push dismisses approvals",
                "an approval outlives a push", f"{place}: dismiss stale approvals", "warning")  # fmt: skip
    yield _held(data.get("block_on_official_review_requests") is True, "reviews that were asked for have to come",
                "reviews that were asked for may be left out",
                f"{place}: block on official review requests", "warning")  # fmt: skip
