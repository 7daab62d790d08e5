"""Doctor on a host: what its settings let through, each with the setting to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from calls import faults
from hosted_town import HostedTown, town_on
from stagedoor.workflows.doctoring import examine
from town import CAROL

GUARDED = [
    {"type": "non_fast_forward"},
    {
        "type": "pull_request",
        "parameters": {
            "dismiss_stale_reviews_on_push": True,
            "require_code_owner_review": True,
            "require_last_push_approval": True,
        },
    },
    {
        "type": "required_status_checks",
        "parameters": {"required_status_checks": [{"context": "stagedoor/approvals"}]},
    },
]
CALM = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False}


def told(town: HostedTown) -> dict[str, tuple[str, str]]:
    return {one.what: (one.grade, one.fix) for one in examine(town.as_(CAROL))}


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
def test_a_branch_that_nothing_guards_is_an_error(tmp_path: Path, kind: str) -> None:
    with town_on(kind, tmp_path) as town:
        assert told(town)["nothing guards main on the host"][0] == "error"


def test_a_ruleset_that_holds_is_fine_and_every_call_is_documented(tmp_path: Path) -> None:
    with town_on("github", tmp_path) as town:
        town.host.settings |= {"rules": GUARDED, "actions": CALM}
        found = told(town)
        assert found["stagedoor/approvals is required"][0] == "ok"
        assert found["workflows cannot approve"][0] == "ok"
        assert [fault for sent in town.host.sent for fault in faults(sent)] == []


def test_each_hole_names_its_setting(tmp_path: Path) -> None:
    with town_on("github", tmp_path) as town:
        town.host.settings |= {
            "rules": [{"type": "deletion"}],
            "codeowners_errors": [{"line": 3, "kind": "Unknown owner"}],
        }
        found = told(town)
        assert found["stagedoor/approvals is not required"] == (
            "error",
            "Settings, Rules, Rulesets: a ruleset for the default branch: required status checks",
        )
        assert found["main can be rewritten"][0] == "error"
        assert found["a workflow may approve pull requests"][0] == "error"
        assert found["GitHub passes over line 3 of CODEOWNERS: Unknown owner"][0] == "error"


def test_gitlab_and_gitea_are_graded_too(tmp_path: Path) -> None:
    with town_on("gitlab", tmp_path / "lab") as town:
        town.host.settings["protection"] = {"push_access_levels": [{"access_level": 40}], "allow_force_push": True}
        assert told(town)["some push to main directly"][0] == "warning"
        assert told(town)["main can be rewritten"][0] == "error"
    with town_on("gitea", tmp_path / "tea") as town:
        town.host.settings["protection"] = {"enable_push": True, "enable_status_check": False}
        assert told(town)["stagedoor/approvals is not required"][0] == "error"
