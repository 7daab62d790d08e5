"""What would make a host guard main as it should: calls that only ever tighten a setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from stagedoor.forges.http import Call
from stagedoor.forges.settings import CONTEXT, Ask, github_rules

RULESET: Final = "stagedoor"
_PULLS: Final[Mapping[str, bool]] = {
    "dismiss_stale_reviews_on_push": True,
    "require_code_owner_review": True,
    "require_last_push_approval": True,
}


@dataclass(frozen=True, slots=True)
class Repair:
    """One setting that would change, in words, and the call that changes it."""

    what: str
    call: Call


def repairs(kind: str, project: str, branch: str, ask: Ask) -> tuple[Repair, ...]:
    """What would have to change, as things are now; nothing where all holds, or where the token may not see it."""
    found = {"github": _github, "gitlab": _gitlab, "gitea": _gitea}[kind](project, branch, ask)
    return tuple(found)


# --- GitHub ---------------------------------------------------------------------------------------------------------


def _github(project: str, branch: str, ask: Ask) -> Iterator[Repair]:
    """A ruleset of our own. Rules add up, so that a new one never loosens what is there.

    https://docs.github.com/en/rest/repos/rules#create-a-repository-ruleset
    """
    at = f"/repos/{project}"
    rules = github_rules(at, quote(branch, safe=""), ask)
    lacking = tuple(_lacking(rules.kinds, rules.pulls, rules.checks, rules.no_force))
    if lacking:
        yield _ruleset(at, branch, lacking, ask)
    answer = ask(Call("GET", f"{at}/actions/permissions/workflow"))
    said = answer.data if answer.is_good and isinstance(answer.data, dict) else None
    calm = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False}
    if said is not None and any(said.get(name) != value for name, value in calm.items()):
        yield Repair(
            "workflows may only read by default, and cannot approve",
            Call("PUT", f"{at}/actions/permissions/workflow", body=calm),
        )


def _lacking(
    kinds: Mapping[str, Any], pulls: Mapping[str, Any], checks: frozenset[str], no_force: bool
) -> Iterator[dict[str, Any]]:
    if not pulls or any(pulls.get(name) is not True for name in _PULLS):
        more = {"required_approving_review_count": 0, "required_review_thread_resolution": False}
        yield {"type": "pull_request", "parameters": {**_PULLS, **more}}
    if CONTEXT not in checks:
        wanted = {"required_status_checks": [{"context": CONTEXT}], "strict_required_status_checks_policy": False}
        yield {"type": "required_status_checks", "parameters": wanted}
    if not no_force:
        yield {"type": "non_fast_forward"}
    if not kinds and not pulls:
        yield {"type": "deletion"}


def _ruleset(at: str, branch: str, lacking: Sequence[dict[str, Any]], ask: Ask) -> Repair:
    named = ", ".join(_WORDS[rule["type"]] for rule in lacking)
    known = _ours(at, ask)
    if known is None:
        body = {
            "name": RULESET, "target": "branch", "enforcement": "active",
            "conditions": {"ref_name": {"include": [f"refs/heads/{branch}"], "exclude": []}},
            "rules": list(lacking),
        }  # fmt: skip
        return Repair(f"a ruleset {RULESET} for {branch}: {named}", Call("POST", f"{at}/rulesets", body=body))
    rules = _tightened(known.get("rules") or (), lacking)
    call = Call("PUT", f"{at}/rulesets/{known['id']}", body={"enforcement": "active", "rules": rules})
    return Repair(f"the ruleset {RULESET} for {branch}, besides what it says: {named}", call)


_WORDS: Final = {
    "pull_request": "a pull request with code owners, whose approvals end with a push",
    "required_status_checks": f"{CONTEXT} is required",
    "non_fast_forward": "no force push",
    "deletion": "it cannot be deleted",
}


def _ours(at: str, ask: Ask) -> dict[str, Any] | None:
    answer = ask(Call("GET", f"{at}/rulesets", (("per_page", 100),)))
    listed = answer.data if answer.is_good and isinstance(answer.data, list) else []
    found = next((one for one in listed if _is_ours(one)), None)
    if found is None:
        return None
    whole = ask(Call("GET", f"{at}/rulesets/{found['id']}"))
    return whole.data if whole.is_good and isinstance(whole.data, dict) else None


def _is_ours(one: Any) -> bool:
    # one of the organisation may bear the name too, and is not the repository's to change
    named = isinstance(one, dict) and one.get("name") == RULESET and isinstance(one.get("id"), int)
    return named and one.get("source_type", "Repository") == "Repository"


def _tightened(there: Sequence[Any], more: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rules of both. Where both have one, whichever asks for more counts, switch by switch."""
    made = {one["type"]: dict(one) for one in there if isinstance(one, dict) and "type" in one}
    for rule in more:
        old = made.get(rule["type"], {})
        parameters = _stricter(old.get("parameters") or {}, rule.get("parameters") or {})
        made[rule["type"]] = {**old, "type": rule["type"], **({"parameters": parameters} if parameters else {})}
    return list(made.values())


def _stricter(there: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(there)
    for name, value in more.items():
        old = there.get(name)
        if isinstance(value, list) and isinstance(old, list):
            made[name] = [*old, *(one for one in value if one not in old)]
        elif old is None or isinstance(value, list):
            made[name] = value
        else:
            made[name] = max(old, value)
    return made


# --- GitLab ---------------------------------------------------------------------------------------------------------


def _gitlab(project: str, branch: str, ask: Ask) -> Iterator[Repair]:
    """https://docs.gitlab.com/api/protected_branches/, projects/#edit-a-project and merge_request_approvals/."""
    at = f"/projects/{quote(project, safe='')}"
    name = quote(branch, safe="")
    answer = ask(Call("GET", f"{at}/protected_branches/{name}"))
    if answer.status == 404:
        # 0 is nobody, 40 is maintainers: https://docs.gitlab.com/api/protected_branches/
        body = {"name": branch, "push_access_level": 0, "merge_access_level": 40, "allow_force_push": False}
        what = f"{branch} is protected: nobody pushes, maintainers merge"
        yield Repair(what, Call("POST", f"{at}/protected_branches", body=body))
    elif answer.is_good and isinstance(answer.data, dict):
        yield from _gitlab_branch(f"{at}/protected_branches/{name}", answer.data)
    yield from _gitlab_project(at, ask)


def _gitlab_branch(at: str, there: Mapping[str, Any]) -> Iterator[Repair]:
    if there.get("allow_force_push") is not False:
        yield Repair("force pushes are blocked", Call("PATCH", at, body={"allow_force_push": False}))
    if there.get("code_owner_approval_required") is False:
        what = "code owners have to approve (Premium)"
        yield Repair(what, Call("PATCH", at, body={"code_owner_approval_required": True}))
    pushers = [one for one in there.get("push_access_levels") or () if one.get("access_level") != 0]
    if pushers and all(isinstance(one.get("id"), int) for one in pushers):
        gone = [{"id": one["id"], "_destroy": True} for one in pushers]
        body = {"allowed_to_push": [*gone, {"access_level": 0}]}
        yield Repair("nobody pushes to main (Premium)", Call("PATCH", at, body=body))


def _gitlab_project(at: str, ask: Ask) -> Iterator[Repair]:
    project, said = ask(Call("GET", at)), ask(Call("GET", f"{at}/approvals"))
    if project.is_good and project.data.get("only_allow_merge_if_pipeline_succeeds") is not True:
        body = {"only_allow_merge_if_pipeline_succeeds": True}
        yield Repair("pipelines must succeed before a merge", Call("PUT", at, body=body))
    if said.is_good and isinstance(said.data, dict) and said.data.get("reset_approvals_on_push") is False:
        body = {"reset_approvals_on_push": True}
        yield Repair("a push takes approvals back (Premium)", Call("POST", f"{at}/approvals", body=body))


# --- Gitea ----------------------------------------------------------------------------------------------------------


def _gitea(project: str, branch: str, ask: Ask) -> Iterator[Repair]:
    """The API of branch protection; what a PATCH leaves out stays as it is."""
    at = f"/repos/{project}/branch_protections"
    answer = ask(Call("GET", f"{at}/{quote(branch, safe='')}"))
    there = answer.data if answer.is_good and isinstance(answer.data, dict) else {}
    if not there and answer.status != 404:
        return
    contexts = [*(there.get("status_check_contexts") or ())]
    wanted = {
        "enable_push": False,
        "enable_status_check": True,
        "status_check_contexts": contexts if CONTEXT in contexts else [*contexts, CONTEXT],
        "dismiss_stale_approvals": True,
        "block_on_rejected_reviews": True,
        "block_on_official_review_requests": True,
    }
    lacking = {name: value for name, value in wanted.items() if there.get(name) != value}
    if not there:
        body = {"rule_name": branch, "branch_name": branch, **wanted}
        yield Repair(f"{branch} is protected: nobody pushes, {CONTEXT} is required", Call("POST", at, body=body))
    elif lacking:
        named = ", ".join(f"{name} {str(value).lower()}" for name, value in lacking.items())
        call = Call("PATCH", f"{at}/{quote(branch, safe='')}", body=lacking)
        yield Repair(f"the protection of {branch}: {named}", call)
