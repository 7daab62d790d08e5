"""`--at`, `when` and `in` at the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.apps.conftest import BOB, CAROL, Home, Sd


@pytest.fixture
def storied(registry: Home, sd: Sd) -> Home:
    """fraud/1 in Production; then a description, and the archive."""
    registry.register("fraud", "--digest", "sha256:" + "ab" * 32, as_=BOB)
    sd("transition", "fraud/1", "Production", as_=CAROL).ok()
    registry.git("tag", "audit")
    sd("describe", "fraud", "Finds fraud.", as_=BOB).ok()
    sd("transition", "fraud/1", "Archived", as_=CAROL).ok()
    return registry


def test_show_at_a_revision_says_which_commit_was_meant(storied: Home, sd: Sd) -> None:
    shown = sd("show", "fraud/1", "--at", "audit").ok("stage        Production")
    assert shown.err.startswith(f"as of {storied.git('rev-parse', 'audit')[:10]}, merged ")
    assert sd("show", "fraud", "--at", "audit", "--json").json["model"].get("description") is None
    assert sd("show", "fraud", "--at", "audit", "--json").json["commit"] == storied.git("rev-parse", "audit")


def test_every_reading_verb_takes_at(storied: Home, sd: Sd) -> None:
    sd("rename", "fraud", "scam", as_=CAROL).ok()
    for verb in (["models"], ["show", "fraud#Production"], ["history", "fraud"], ["activity", "fraud/1"], ["validate"]):
        told = sd(*verb, "--at", "audit").ok()
        assert told.err.startswith("as of "), verb
    assert "fraud" in sd("models", "--at", "audit").out
    assert sd("models", "--at", "audit", "--json").json["commit"] == storied.git("rev-parse", "audit")
    early = sd("show", "scam", "--at", "audit")
    assert early.code == 4 and "error: there is no model scam" in early.err
    assert "– then" in sd("history", "fraud", "--at", "audit").out


def test_validate_at_a_time_goes_with_nothing_else(storied: Home, sd: Sd) -> None:
    sd("validate", "--at", "audit", "--head", "main").refused(2, "--at checks a whole registry of the past")


def test_when_and_in_tell_of_stays(storied: Home, sd: Sd) -> None:
    (stay,) = sd("when", "fraud/1", "--stage", "production", "--json").json["stays"]
    assert (stay["stage"], stay["since_commit"], stay["by"]) == (
        "Production",
        storied.git("rev-parse", "audit"),
        CAROL,
    )
    assert stay["until_commit"] == storied.git("rev-parse", "main")
    sd("when", "fraud").ok("fraud/1", "Archived", "now")
    sd("in", "production").ok("No version is in Production.")
    sd("in", "production", "--at", "audit").ok("fraud/1", "s3://models/fraud", "sha256:abab")
    sd("in", "Production", "--at", "audit", "--model", "x").ok("No version was in Production.")


def test_when_and_in_find_no_such_model_or_stage(storied: Home, sd: Sd) -> None:
    sd("when", "froud").refused(4, "there is no model froud", "fraud")
    sd("when", "fraud/7").refused(4, "fraud has no version 7")
    sd("when", "fraud", "--stage", "Prod").refused(4, "there is no stage Prod")
    sd("in", "Prod").refused(4, "there is no stage Prod")


@pytest.mark.parametrize("said", ["--output=/tmp/x", "-1", "--all"])
def test_at_never_becomes_an_option_of_git(storied: Home, sd: Sd, said: str) -> None:
    sd("models", f"--at={said}").refused(4, "there is no revision")


def test_at_a_time_to_come_or_before_the_registry_is_refused(storied: Home, sd: Sd) -> None:
    sd("models", "--at", "9000-01-01").refused(2, "still to come")
    sd("models", "--at", "1999-01-01").refused(4, "no registry yet", "the registry begins with")
    sd("models", "--at", "2026-02-31").refused(2, "not in the calendar")


@pytest.mark.parametrize(
    ("option", "said"), [("--depth=1", "this clone is shallow"), ("--filter=blob:none", "this clone is partial")]
)
def test_an_incomplete_clone_refuses_the_past(
    storied: Home, clone: Callable[..., Home], option: str, said: str
) -> None:
    storied.git("config", "uploadpack.allowFilter", "true")
    part = clone("part", option)
    for line in (["when", "fraud"], ["in", "Production"], ["show", "fraud", "--at", "2020-01-01"]):
        part.sd(*line).refused(10, said)
    part.sd("show", "fraud", "--at", "main").ok("Finds fraud.")


def test_a_bare_clone_answers(storied: Home, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", "--bare", storied.path, tmp_path / "bare.git"], check=True)
    sd = Sd(tmp_path / "bare.git")
    sd("in", "Production", "--at", "audit").ok("fraud/1")
    sd("when", "fraud/1").ok("Production")


def test_hand_made_commits_with_odd_dates_move_nothing_else(
    storied: Home, sd: Sd, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sd("when", "fraud/1", "--json").json["stays"]
    for date in ("1999-01-01T00:00:00Z", "2099-01-01T00:00:00Z"):
        monkeypatch.setenv("GIT_AUTHOR_DATE", date)
        monkeypatch.setenv("GIT_COMMITTER_DATE", date)
        storied.commit({f"notes-{date[:4]}.txt": date})
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    monkeypatch.delenv("GIT_AUTHOR_DATE")
    assert sd("when", "fraud/1", "--json").json["stays"] == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [("stagedoor when fr", "fraud/1"), ("stagedoor in Pr", "Production"), ("stagedoor when x --stage St", "Staging")],
)
def test_the_shell_completes_models_and_stages(storied: Home, words: str, expected: str) -> None:
    environment = {
        **os.environ,
        "_STAGEDOOR_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    code = "import sys; sys.argv = ['stagedoor']; from stagedoor.apps.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=storied.path, env=environment, capture_output=True, text=True, check=False
    )
    assert f"plain,{expected}" in done.stdout.splitlines()
