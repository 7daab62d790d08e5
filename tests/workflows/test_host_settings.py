"""Doctor on a host: what its settings let through, each with the setting to change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from calls import faults
from hosted_town import HostedTown, town_on
from stagedoor.apps.cli.main import cli as main
from stagedoor.workflows.doctoring import examine, mend, repairs
from town import ANN, CAROL

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


LOOSE: dict[str, dict[str, Any]] = {
    "github": {},
    "gitlab": {
        "protection": {
            "push_access_levels": [{"id": 7, "access_level": 40}],
            "allow_force_push": True,
            "code_owner_approval_required": False,
        },
        "approvals": {"reset_approvals_on_push": False},
    },
    "gitea": {"protection": {"enable_push": True, "enable_status_check": True, "status_check_contexts": ["tests"]}},
}


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
@pytest.mark.parametrize("loose", [False, True], ids=["nothing", "loose"])
def test_what_may_be_mended_is_and_then_there_is_nothing_more(tmp_path: Path, kind: str, loose: bool) -> None:
    with town_on(kind, tmp_path) as town:
        town.host.settings |= LOOSE[kind] if loose else {}
        world = town.as_(CAROL)
        wanted = repairs(world)
        assert wanted
        assert [one.refused for one in mend(world, wanted)] == [""] * len(wanted)
        left = {what: said for what, said in told(town).items() if said[0] == "error"}
        assert left == {}
        more = repairs(town.as_(CAROL))
        # what a new protection has of GitLab Premium comes with a second look
        assert [one.what for one in more] in ([], ["code owners have to approve (Premium)"])
        if kind == "github":
            assert [fault for sent in town.host.sent for fault in faults(sent)] == []
        if kind == "gitea" and loose:
            assert town.host.settings["protection"]["status_check_contexts"] == ["tests", "stagedoor/approvals"]


def test_what_is_there_is_tightened_and_never_loosened(tmp_path: Path) -> None:
    ours: dict[str, Any] = {
        "id": 5, "name": "stagedoor", "target": "branch", "enforcement": "disabled", "bypass_actors": [],
        "rules": [
            {"type": "required_signatures"},
            {
                "type": "pull_request",
                "parameters": {
                    "required_approving_review_count": 2, "allowed_merge_methods": ["merge"],
                    "dismiss_stale_reviews_on_push": False,
                },
            },
            {
                "type": "required_status_checks",
                "parameters": {
                    "strict_required_status_checks_policy": True, "required_status_checks": [{"context": "tests"}],
                },
            },
        ],
    }  # fmt: skip
    with town_on("github", tmp_path) as town:
        town.host.settings |= {"rulesets": [ours], "actions": CALM}
        world = town.as_(CAROL)
        mend(world, repairs(world))
        [now] = town.host.settings["rulesets"]
        rules = {rule["type"]: rule.get("parameters", {}) for rule in now["rules"]}
        assert now["enforcement"] == "active"
        assert "required_signatures" in rules
        pulls, checks = rules["pull_request"], rules["required_status_checks"]
        assert (pulls["required_approving_review_count"], pulls["allowed_merge_methods"]) == (2, ["merge"])
        assert pulls["dismiss_stale_reviews_on_push"] is True
        assert checks["strict_required_status_checks_policy"] is True
        assert [one["context"] for one in checks["required_status_checks"]] == ["tests", "stagedoor/approvals"]


def test_whoever_may_not_change_settings_is_told_which(tmp_path: Path) -> None:
    with town_on("github", tmp_path) as town:
        world = town.as_(ANN)
        made = mend(world, repairs(world))
        assert ["does not allow this" in one.refused for one in made] == [True, True]
        assert told(town)["nothing guards main on the host"][0] == "error"


def test_doctor_fix_shows_what_it_would_do_and_asks(tmp_path: Path) -> None:
    with town_on("gitea", tmp_path) as town:

        def doctor(*args: str, answer: str = "") -> Result:
            words = ["-C", str(town.path), "--as", CAROL, "doctor", "--fix", *args]
            return CliRunner().invoke(main, words, input=answer, env=town.environment("carol"))

        tried = doctor("--dry-run")
        assert (tried.exit_code, "protection" in town.host.settings) == (0, False)
        assert "would set  main is protected: nobody pushes, stagedoor/approvals is required" in tried.stdout
        assert "POST /repos/ml/models/branch_protections" in tried.stdout
        assert doctor(answer="n\n").exit_code != 0
        assert "protection" not in town.host.settings
        said = json.loads(doctor("--yes", "--json").stdout)
        assert [(one["what"], one["refused"]) for one in said["done"]] == [(said["wanted"][0]["what"], "")]
        assert town.host.settings["protection"]["enable_push"] is False
        assert "There is nothing to mend on the host." in doctor().stdout


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
