"""The workflows that `init --forge github` writes, run step by step as GitHub runs them, from a fork to the ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from hosted_town import HostedTown, town_on
from hosts import Pr
from stagedoor.core.reading import edited
from stagedoor.gitstore import Repository, Signature
from stagedoor.workflows import registering
from stagedoor.workflows.ci import CONTEXT
from stagedoor.workflows.initialise import scaffold
from stagedoor.workflows.registering import NewVersion
from town import ANN, CAROL

FRAUD = "registry_spec/models/fraud.yaml"
BOT = "github-actions[bot]"


@dataclass(frozen=True)
class Done:
    """What a run left: its exit code, what it printed, its summary and its outputs."""

    code: int
    out: str
    summary: str
    outputs: str


@dataclass
class Runner:
    """A machine of GitHub's: a fresh checkout for every run, and the steps of the workflow's own file."""

    town: HostedTown
    folder: Path
    runs: int = 0
    programs: Path = field(init=False)

    def __post_init__(self) -> None:
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        self._program("pip", "import sys; assert sys.argv[1] == 'install' and '==' in sys.argv[2]")
        run = f"import sys; sys.path[:0] = {sys.path!r}; from stagedoor.apps.cli.main import main; main()"
        self._program("stagedoor", run)

    def _program(self, name: str, code: str) -> None:
        made = self.programs / name
        made.write_text(f"#!{sys.executable} -P\n{code}\n")
        made.chmod(0o755)

    def run(self, name: str, event_name: str, event: dict[str, Any]) -> Done:
        """One run of a workflow for one event, if it listens to it."""
        workflow = yaml.safe_load(scaffold("github")[f".github/workflows/stagedoor-{name}.yml"])
        assert event_name in workflow[True]
        [job] = workflow["jobs"].values()
        self.runs += 1
        at = self.folder / f"run-{self.runs}"
        at.mkdir()
        environment = self._environment(at, event_name, event)
        done = subprocess.CompletedProcess[str]([], 0, "", "")
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                self._checkout(at / "work", event_name, event, step["with"].get("ref"))
            elif "run" in step and done.returncode == 0:
                more = {key: self._value(value) for key, value in step.get("env", {}).items()}
                where = at / "work" if (at / "work").exists() else at
                # https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
                shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
                done = subprocess.run(
                    shell, cwd=where, env={**environment, **more}, capture_output=True, text=True, check=False
                )
        files = [Path(environment[name]).read_text() for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")]
        return Done(done.returncode, done.stdout + done.stderr, *files)

    def _value(self, text: str) -> str:
        assert text == "${{ github.token }}"
        return self.town.environment(BOT)["GITHUB_TOKEN"]

    def _environment(self, at: Path, event_name: str, event: dict[str, Any]) -> dict[str, str]:
        files = {name: at / name.lower() for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_ENV")}
        for file in files.values():
            file.touch()
        (at / "event.json").write_text(json.dumps(event))
        return {
            **{name: str(file) for name, file in files.items()},
            "PATH": f"{self.programs}:{os.environ['PATH']}", "HOME": str(at), "RUNNER_TEMP": str(at), "CI": "true",
            "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": event_name, "GITHUB_EVENT_PATH": str(at / "event.json"),
            "GITHUB_REPOSITORY": "ml/models", "GITHUB_RUN_ID": str(self.runs), "GITHUB_SERVER_URL": self.town.host.url,
            "GITHUB_API_URL": self.town.host.root,
        }  # fmt: skip

    def _checkout(self, at: Path, event_name: str, event: dict[str, Any], ref: str | None) -> None:
        """What actions/checkout does: the ref that it is told, else what the event is about, on no branch."""
        git = ("git", "-C", str(at))
        subprocess.run(["git", "init", "-q", "-b", "nothing", str(at)], check=True)
        subprocess.run([*git, "remote", "add", "origin", f"file://{self.town.host.git_dir}"], check=True)
        subprocess.run([*git, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*"], check=True)
        if ref is not None:
            assert ref in ("main", "${{ github.event.repository.default_branch }}")
            subprocess.run([*git, "checkout", "-q", "-B", "main", "refs/remotes/origin/main"], check=True)
        else:
            assert event_name == "pull_request"
            head = event["pull_request"]["head"]["sha"]
            subprocess.run([*git, "fetch", "-q", "origin", f"refs/pull/{event['number']}/head"], check=True)
            subprocess.run([*git, "checkout", "-q", "--detach", head], check=True)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[HostedTown]:
    with town_on("github", tmp_path) as made:
        registering.register(made.as_(ANN), NewVersion("fraud", {"source": "s3://models/fraud"}))
        made.host.required = [CONTEXT]
        yield made


@pytest.fixture
def runner(town: HostedTown, tmp_path: Path) -> Runner:
    (tmp_path / "runner").mkdir()
    return Runner(town, tmp_path / "runner")


def proposed(town: HostedTown, stage: str, description: str = "") -> str:
    """A commit of a stranger's, in their fork: on top of main, and in no branch of ours."""
    world = town.as_(CAROL)
    with Repository.open(town.host.git_dir) as there:
        snapshot = world.snapshot()
        path = snapshot.registry.path("fraud")
        model = snapshot.registry.models[path]
        version = model.versions[0].model_copy(update={"stage": stage, "description": description})
        text = edited(snapshot.text(path), model, model.model_copy(update={"versions": (version,)}))
        tip = there.tip()
        assert tip is not None
        tree = there.write_tree(there.commit_info(tip).tree, {FRAUD: text.encode()})
        who = Signature("eve", "eve@example.com", town.clock())
        return there.commit(tree, (tip,), author=who, committer=who, message="move fraud\n")


def event_of(town: HostedTown, pr: Pr, action: str) -> dict[str, Any]:
    """What GitHub writes into the event file for a pull request."""
    base = {"ref": "main", "sha": town.host.git("rev-parse", "main"), "repo": {"full_name": "ml/models"}}
    head = {"ref": pr.branch, "sha": town.host.head(pr), "repo": {"full_name": "eve/models"}}
    pull = {"number": pr.number, "title": pr.title, "base": base, "head": head}
    repository = {"full_name": "ml/models", "default_branch": "main"}
    return {"action": action, "number": pr.number, "pull_request": pull, "repository": repository}


def reviewed(town: HostedTown, runner: Runner, pr: Pr, by: str) -> Done:
    """Somebody approves in the browser: the run that may do nothing, and the gate that its end starts."""
    town.host.think(pr, by, "approved")
    assert runner.run("reviewed", "pull_request_review", event_of(town, pr, "submitted")).code == 0
    started = {"head_sha": town.host.head(pr), "pull_requests": [], "event": "pull_request_review"}
    event = {"action": "completed", "workflow_run": started, "repository": {"default_branch": "main"}}
    return runner.run("gate", "workflow_run", event)


def light(town: HostedTown, pr: Pr) -> str:
    return town.host.statuses.get(town.host.head(pr), {}).get(CONTEXT, "")


def pushed(town: HostedTown) -> dict[str, Any]:
    return {"ref": "refs/heads/main", "after": town.host.git("rev-parse", "main"), "repository": {}}


def test_a_request_of_a_fork_from_its_opening_to_the_ledger(town: HostedTown, runner: Runner) -> None:
    since = town.host.git("rev-parse", "main")
    pr = town.host.open("eve", "$(touch pwned)", "main", "move fraud", pinned=proposed(town, "Production"))

    first = runner.run("validate", "pull_request", event_of(town, pr, "opened"))
    assert first.code == 0, first.out
    assert "### Plan: 0 to register, 1 to move" in first.summary
    assert light(town, pr) == "" and pr.said == []

    gate = runner.run("gate", "pull_request_target", event_of(town, pr, "opened"))
    assert (gate.code, light(town, pr)) == (0, "pending"), gate.out
    assert "light=pending" in gate.outputs

    assert reviewed(town, runner, pr, "carol").code == 0
    assert light(town, pr) == "success"

    pr.pinned = proposed(town, "Production", "and a word more")
    pushed_again = runner.run("gate", "pull_request_target", event_of(town, pr, "synchronize"))
    assert (pushed_again.code, light(town, pr)) == (0, "pending"), pushed_again.out

    reviewed(town, runner, pr, "bob")
    assert light(town, pr) == "pending"
    with pytest.raises(Exception, match="required status check"):
        town.host.merge(pr, "bob", "Merge pull request #1")
    reviewed(town, runner, pr, "carol")
    assert light(town, pr) == "success"
    assert [CAROL in one.body or "[x]" in one.body for one in pr.said] == [True]

    town.host.merge(pr, "bob", "Merge pull request #1")
    hook = town.host.git_dir / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    cancelled = runner.run("reconcile", "push", pushed(town))
    assert cancelled.code != 0
    assert town.host.git("for-each-ref", "refs/stagedoor/ledger") == ""
    hook.unlink()
    late = runner.run("reconcile", "push", pushed(town))
    assert late.code == 0, late.out
    assert town.host.git("for-each-ref", "refs/stagedoor/ledger") != ""
    again = runner.run("reconcile", "workflow_dispatch", {})
    assert "0 merges, 0 events" in again.out, again.out

    mirror = runner.folder / "mirror.git"
    subprocess.run(["git", "clone", "-q", "--mirror", f"file://{town.host.git_dir}", mirror], check=True)
    verify = ["stagedoor", "-C", str(mirror), "audit", "verify", "--since", since]
    clean = {"PATH": f"{runner.programs}:/usr/bin:/bin", "HOME": "/nonexistent"}
    found = subprocess.run(verify, env=clean, capture_output=True, text=True, check=False)
    assert "2 attested by the host" in found.stdout, found.stdout + found.stderr
    assert found.returncode == 0
    assert not list(runner.folder.rglob("pwned"))


def test_a_fork_that_breaks_a_rule_is_red_in_both_and_drift_is_quiet_before_and_loud_after(
    town: HostedTown, runner: Runner
) -> None:
    runner.run("reconcile", "push", pushed(town))
    pr = town.host.open("eve", "main", "main", "x", pinned=proposed(town, "Nowhere"))
    found = runner.run("validate", "pull_request", event_of(town, pr, "opened"))
    assert found.code == 8
    assert "::error file=registry_spec/models/fraud.yaml,line=" in found.out
    gate = runner.run("gate", "pull_request_target", event_of(town, pr, "opened"))
    assert (gate.code, light(town, pr)) == (8, "failure")
    town.host.required = []
    pr.pinned = proposed(town, "Production")
    town.host.look(pr)
    town.host.merge(pr, "mallory", "Merge pull request #1\n\nRequest: 1\nRequested-by: carol@example.com")
    assert runner.run("reconcile", "push", pushed(town)).code == 0
    drift = runner.run("drift", "schedule", {})
    assert drift.code == 8
    assert "fraud/1: None → Production" in drift.out
