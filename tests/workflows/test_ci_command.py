"""`stagedoor ci` as a job runs it: event file in, annotations, summary and outputs out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosted_town import HostedTown, town_on
from stagedoor.workflows import registering, reviewing
from stagedoor.workflows.registering import NewVersion, Wish
from stagedoor.workflows.writing import Lane
from town import ANN, CAROL

EVIL = "::error::x <script> @everyone [x](http://evil.example) ::set-output name=light::success"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[HostedTown]:
    with town_on("github", tmp_path) as made:
        yield made


def job(town: HostedTown, tmp_path: Path, *args: str) -> tuple[int, str, dict[str, str]]:
    """A job on a fresh checkout: its exit code, what it printed, and the files that it left."""
    checkout = tmp_path / "checkout"
    pr = town.host.pull(1)
    if not checkout.exists():
        subprocess.run(["git", "clone", "-q", f"file://{town.host.git_dir}", checkout], check=True)
        subprocess.run(["git", "checkout", "-q", "--detach"], cwd=checkout, check=True)
        subprocess.run(["git", "branch", "-q", "-D", "main"], cwd=checkout, check=True)
    event = {"pull_request": {"number": 1, "base": {"sha": "0" * 40}, "head": {"sha": town.host.head(pr)}}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.unlink(missing_ok=True)
    environment = {
        **town.environment("github-actions[bot]"), **{name: str(file) for name, file in files.items()},
        "GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REPOSITORY": "ml/models", "GITHUB_RUN_ID": "9", "PATH": "/usr/bin:/bin",
        "PYTHONPATH": ":".join(sys.path), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
    }  # fmt: skip
    command = [sys.executable, "-P", "-m", "stagedoor.apps.cli.main", "-C", str(checkout), "--as", "ci@example.com"]
    done = subprocess.run([*command, *args], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, {name: file.read_text() for name, file in files.items()}


def asked(town: HostedTown, name: str = "fraud", **content: object) -> None:
    registering.register(town.as_(ANN), NewVersion(name, {"source": "s3://models/fraud", **content}))
    registering.transition(town.as_(ANN), [Wish(f"{name}/1", "Production")], lane=Lane(propose=True))


def test_a_job_says_that_it_waits_and_then_that_it_is_agreed(town: HostedTown, tmp_path: Path) -> None:
    asked(town)
    code, out, files = job(town, tmp_path, "ci", "validate", "--publish")
    assert code == 0, out
    assert "light=pending" in files["GITHUB_OUTPUT"]
    assert "### Plan: 0 to register, 1 to move" in files["GITHUB_STEP_SUMMARY"]
    assert "::warning" in out and "SD404" in out and "::error" not in out
    reviewing.approve(town.as_(CAROL), 1)
    code, out, files = job(town, tmp_path, "ci", "validate", "--publish")
    assert (code, "light=success" in files["GITHUB_OUTPUT"]) == (0, True), out


def test_text_of_a_stranger_gives_the_runner_no_order_and_mentions_nobody(town: HostedTown, tmp_path: Path) -> None:
    asked(town)
    registering.register(town.as_(ANN), NewVersion("spam", {"source": "s3://x", "description": f"{EVIL}\n{EVIL}"}))
    registering.describe(town.as_(ANN), "fraud", f"x\n{EVIL}", lane=Lane(into=1))
    _, out, files = job(town, tmp_path, "ci", "validate", "--publish")
    orders = [line for line in out.splitlines() if line.startswith("::") and "SD4" not in line]
    assert orders == []
    comment = town.host.pulls[0].said[-1].body
    for text in (comment, files["GITHUB_STEP_SUMMARY"]):
        assert "<script>" not in text
        assert "@everyone" not in text
        assert "](http://evil" not in text
    assert "set-output" not in files["GITHUB_OUTPUT"]
