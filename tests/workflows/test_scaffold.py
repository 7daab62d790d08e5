"""What `init --forge` writes for a host: workflows that hold by the hosts' own schemas, and that owners guard."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stagedoor.core.owners import Level, owners_of
from stagedoor.workflows.initialise import initialise, scaffold
from town import CAROL, Town

SCAFFOLD = Path(__file__).parents[2] / "src/stagedoor/workflows/scaffold"
TOP = Path(__file__).parents[2]
WORKFLOWS = sorted(p for p in (SCAFFOLD / "github").glob("*.yml") if p.name != "transition.yml")


@pytest.mark.parametrize("forge", ["github", "gitlab", "gitea"])
def test_a_registry_for_a_host_says_so_and_is_in_order(tmp_path: Path, forge: str) -> None:
    made = initialise(tmp_path / "r.git", owner=CAROL, bare=True, forge=forge)  # type: ignore[arg-type]
    town = Town(tmp_path / "r.git")
    snapshot = town.as_(CAROL).snapshot()
    assert snapshot.spec.forge.kind == forge
    for path in made.files:
        assert owners_of(snapshot.owners, path, Level.EDIT) == (CAROL,), path
        if path.endswith(".yml"):
            assert "STAGEDOOR_VERSION" not in town.text(path)
    town.close()


def test_a_workflow_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "main", "r"], cwd=tmp_path, check=True)
    (tmp_path / "r/.gitlab-ci.yml").write_text("mine: {script: true}\n")
    here = {"cwd": tmp_path / "r", "check": True}
    subprocess.run(["git", "add", "-A"], **here)  # type: ignore[call-overload]
    person = ["-c", "user.name=c", "-c", "user.email=c@example.com"]
    subprocess.run(["git", *person, "commit", "-qm", "mine"], **here)  # type: ignore[call-overload]
    made = initialise(tmp_path / "r", owner=CAROL, forge="gitlab")
    assert ".gitlab-ci.yml" not in made.files
    assert (tmp_path / "r/.gitlab-ci.yml").read_text() == "mine: {script: true}\n"


@pytest.mark.parametrize("path", scaffold("github"))
def test_this_repository_uses_what_init_writes_on_its_own_registry(path: str) -> None:
    assert (TOP / path).read_bytes() == scaffold("github")[path]


def test_the_component_runs_what_the_pipeline_runs() -> None:
    _, component = yaml.safe_load_all((TOP / "templates/stagedoor.yml").read_text())
    pipeline = yaml.safe_load((SCAFFOLD / "gitlab/gitlab-ci.yml").read_text())
    assert {name for name in component if "stages" not in name} == {name for name in pipeline if name != "stages"}
    for name in component:
        said = yaml.safe_dump(component[name].get("script", "")).replace('"$[[ inputs.branch ]]"', "main")
        assert said == yaml.safe_dump(pipeline[name].get("script", "")), name


def linted(tool: str, *args: str) -> None:
    found = Path(sys.executable).with_name(tool)
    if not found.exists():
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([found, *args], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_has_nothing_to_say() -> None:
    # without --strict-collection a file that does not read is passed over
    linted("zizmor", "--offline", "--strict-collection", ".github", *map(str, WORKFLOWS))


def test_actionlint_has_nothing_to_say() -> None:
    ours = sorted((TOP / ".github/workflows").glob("*.yml"))
    linted("jactionlint", "--shellcheck=", "--pyflakes=", *map(str, (*ours, *WORKFLOWS)))


def checked(schema: str, *files: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_files_hold_by_the_schemas_of_the_hosts() -> None:
    checked("vendor.github-workflows", *WORKFLOWS)
    checked("custom.github-workflows-require-timeout", *WORKFLOWS)
    checked("vendor.gitlab-ci", SCAFFOLD / "gitlab/gitlab-ci.yml")
    checked("vendor.github-issue-forms", SCAFFOLD / "github/transition.yml")
    checked("vendor.github-actions", TOP / ".github/actions/stagedoor/action.yml")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_hash_and_no_job_has_more_than_it_says(path: Path) -> None:
    text = path.read_text()
    for used in re.findall(r"- uses: (.+)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used
    assert yaml.safe_load(text)["permissions"] == {}
    assert "persist-credentials: true" not in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_of_an_event_reaches_a_shell_and_no_run_is_lost(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), step
    assert workflow["concurrency"]["cancel-in-progress"] is False


def test_where_a_strangers_code_is_read_nothing_can_be_written() -> None:
    workflow = yaml.safe_load((SCAFFOLD / "github/validate.yml").read_text())
    [job] = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "read"}
    assert "secrets." not in (SCAFFOLD / "github/validate.yml").read_text()


def test_the_gate_checks_out_the_default_branch_and_never_the_pull_request() -> None:
    workflow = yaml.safe_load((SCAFFOLD / "github/gate.yml").read_text())
    [checkout] = [step for step in workflow["jobs"]["gate"]["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"
