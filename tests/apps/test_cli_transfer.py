"""Registries beside ours: import, export, drift and copy, against MLflow's own registry and GTO's tags."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tests.apps.conftest import ANN, BOB, CAROL, DAVE, Home, Sd, make_home

from registries import fill, other_registry

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """MLflow's tables, which take seconds to make."""
    file = tmp_path_factory.mktemp("mlflow") / "empty.db"
    other_registry(f"sqlite:///{file}").search_registered_models()
    return file.read_bytes()


@pytest.fixture
def uri(empty_database: bytes, tmp_path: Path) -> str:
    """The address of an empty MLflow registry."""
    file = tmp_path / f"mlflow{next(_NUMBERS)}.db"
    file.write_bytes(empty_database)
    return f"sqlite:///{file}"


@pytest.fixture
def other(uri: str) -> MlflowClient:
    """An MLflow registry with two models."""
    client = other_registry(uri)
    fill(client)
    return client


RENAME = ("--rename", "fraud.v2=fraud-v2")


def take_over(sd: Sd, uri: str, *options: str) -> Any:
    return sd("import", "mlflow", uri, *RENAME, *options, "--json", as_=CAROL).json


def test_everything_comes_with_its_numbers_and_times(sd: Sd, registry: Home, uri: str, other: MlflowClient) -> None:
    took = take_over(sd, uri)
    assert [(row["here"], row["what"], row["versions"]) for row in took["rows"]] == [
        ("fraud-v2", "new", [1]),
        ("power", "new", [1, 3]),
    ]
    found = sd("show", "power", "--json").json["model"]
    assert (found["description"], found["tags"], found["aliases"]) == (
        "Forecasts power.", {"team": "energy"}, {"champion": 3},
    )  # fmt: skip
    assert [(v["version"], v["stage"]) for v in found["versions"]] == [(1, "Archived"), (3, "Production")]
    assert found["last_version"] == 3
    made = other.get_model_version("power", "1").creation_timestamp
    text = sd("show", "power/1", "--json").json["version"]["created"]["at"]
    assert text.startswith("20")
    assert int(text[20:23]) == made % 1000
    assert sd("validate").code == 0


def test_what_the_other_registry_said_is_evidence(sd: Sd, registry: Home, uri: str, other: MlflowClient) -> None:
    take_over(sd, uri)
    digest = sd("show", "power/1", "--json").json["version"]["evidence"][0]["digest"].removeprefix("sha256:")
    said = json.loads(registry.text(f"registry_spec/evidence/{digest[:2]}/{digest}"))
    assert said["registry"] == uri
    assert [version["source"] for version in said["model"]["versions"]] == [
        "s3://models/power/1",
        "s3://models/power/3",
    ]


def test_a_second_run_adds_news_alone(sd: Sd, registry: Home, uri: str, other: MlflowClient) -> None:
    take_over(sd, uri)
    before = registry.refs()
    assert {row["what"] for row in take_over(sd, uri)["rows"]} == {"same"}
    assert registry.refs() == before
    other.create_model_version("power", "s3://models/power/4")
    other.transition_model_version_stage("power", "1", "Staging")
    took = take_over(sd, uri)
    assert [row["versions"] for row in took["rows"] if row["what"] == "news"] == [[4]]
    assert registry.stage_of("power/1") == "Archived"


def test_a_number_that_stands_for_another_version_here_is_said(
    sd: Sd, registry: Home, uri: str, other: MlflowClient
) -> None:
    registry.register("power", times=2)
    took = take_over(sd, uri)
    row = next(row for row in took["rows"] if row["name"] == "power")
    assert (row["versions"], row["lost"]) == ([3], [1])


def test_a_name_that_cannot_be_is_reported_and_the_rest_comes(
    sd: Sd, registry: Home, uri: str, other: MlflowClient
) -> None:
    done = sd("import", "mlflow", uri, as_=CAROL)
    assert done.code == 8
    assert "--rename 'fraud.v2=NEW NAME'" in done.out
    assert "1 came, 0 are here already, 1 refused." in done.out
    sd("show", "power/3").ok()


def test_an_alias_that_cannot_be_is_left_out_and_the_model_comes(sd: Sd, registry: Home, uri: str) -> None:
    other = other_registry(uri)
    other.create_registered_model("power")
    other.create_model_version("power", "s3://models/power/1")
    other.set_registered_model_alias("power", "production", "1")
    other.set_registered_model_alias("power", "champion", "1")
    why = "left out: the alias production is called like a stage or a right"
    sd("import", "mlflow", uri, "--dry-run", as_=CAROL).ok("power", why, "1 would come")
    sd("import", "mlflow", uri, as_=CAROL).ok("power", why, "1 came, 0 are here already, 0 refused.")
    assert sd("show", "power", "--json").json["model"]["aliases"] == {"champion": 1}
    sd("import", "mlflow", uri, as_=CAROL).ok(why, "0 came, 1 is here already")


def test_prompts_are_said_to_be_left_out(sd: Sd, registry: Home, uri: str, other: MlflowClient) -> None:
    other.register_prompt("greeting", "Hello {{name}}")
    sd("import", "mlflow", uri, *RENAME, "--dry-run", as_=CAROL).ok("1 prompt is left out: greeting")
    assert take_over(sd, uri)["prompts"] == ["greeting"]
    assert "greeting" not in sd("models", "--json").out


def test_a_name_that_differs_by_case_can_come_under_another(sd: Sd, registry: Home, uri: str) -> None:
    other = other_registry(uri)
    for name in ("power", "Power"):
        other.create_registered_model(name)
    done = sd("import", "mlflow", uri, as_=CAROL)
    assert done.code == 8
    assert "differs from Power only by case or form: --rename 'power=NEW NAME'" in " ".join(done.out.split())
    sd("import", "mlflow", uri, "--rename", "power=power-2", as_=CAROL).ok("1 came, 1 is here already")


def test_a_dry_run_shows_the_plan_and_changes_nothing(sd: Sd, registry: Home, uri: str, other: MlflowClient) -> None:
    before = registry.refs()
    sd("import", "mlflow", uri, *RENAME, "--dry-run", as_=CAROL).ok("power", "1, 3", "2 would come")
    assert registry.refs() == before


def test_whoever_may_not_do_it_directly_asks_for_it(sd: Sd, registry: Home, uri: str, other: MlflowClient) -> None:
    sd("import", "mlflow", uri, *RENAME, as_=ANN).refused(6, "--request")
    took = sd("import", "mlflow", uri, *RENAME, "--request", "--json", as_=ANN).json
    assert took["request"] == 1
    sd("approve", 1, as_=CAROL).ok()
    sd("merge", 1, as_=CAROL).ok()
    assert registry.stage_of("power/3") == "Production"


def test_a_registry_that_does_not_answer_is_named(sd: Sd, registry: Home) -> None:
    refusal = sd("import", "mlflow", "http://127.0.0.1:9", as_=CAROL).refused(11, "127.0.0.1:9")
    assert "--no-lineage" not in refusal.err


def fill_many(uri: str, many: int) -> None:
    client = other_registry(uri)
    for number in range(many):
        client.create_registered_model(f"model-{number:03}")
        client.create_model_version(f"model-{number:03}", f"s3://models/{number}")


def killed_and_run_again(sd: Sd, registry: Home, uri: str, many: int) -> None:
    """Stop an import once it has made a commit, and begin it again."""
    fill_many(uri, many)
    before = registry.git("rev-parse", "main")
    command = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(registry.path), "--as", CAROL]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    running = subprocess.Popen(
        [*command, "import", "mlflow", uri, "--batch", "1"],
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    while running.poll() is None and registry.git("rev-parse", "main") == before:
        time.sleep(0.05)
    # its git may go on for a moment; the lock that stays tells the next one what to bring to an end
    running.kill()
    running.wait()
    took = take_over(sd, uri)
    assert {row["what"] for row in took["rows"]} <= {"new", "same"}
    assert len(sd("models", "--limit", "1000", "--json").json["models"]) == many
    written = registry.git("log", "--format=", "--name-only", f"{before}..main", "--", "registry_spec/models")
    # each was written once, whichever of the two runs did it
    assert len(written.split()) == many


def test_an_import_that_was_killed_goes_on(sd: Sd, registry: Home, uri: str) -> None:
    killed_and_run_again(sd, registry, uri, 12)


@pytest.mark.heavy
def test_an_import_of_200_models_that_was_killed_goes_on(sd: Sd, registry: Home, uri: str) -> None:
    killed_and_run_again(sd, registry, uri, 200)


# --- the other way ----------------------------------------------------------------------------------------------------


def test_an_mlflow_registry_is_made_alike_and_stays_so(sd: Sd, registry: Home, uri: str) -> None:
    registry.register("power", "--tag", "n=1", "--description", "the first", times=3)
    sd("delete", "power/2", "--yes", as_=CAROL).ok()
    sd("transition", "power/3", "Production", as_=CAROL).ok()
    sd("alias", "power/3", "champion", as_=ANN).ok()
    sd("describe", "power", "Forecasts power.", as_=ANN).ok()
    sd("export", "mlflow", uri, as_=ANN).ok("1 model: are there as they are here")
    there = other_registry(uri)
    versions = sorted((int(v.version), v.current_stage) for v in there.search_model_versions("name = 'power'"))
    assert versions == [(1, "None"), (3, "Production")]
    assert there.get_model_version("power", "1").tags == {"n": "1"}
    assert there.get_model_version_by_alias("power", "champion").source == "s3://models/power"
    sd("drift", "mlflow", uri, as_=ANN).ok("Nothing differs.")
    sd("export", "mlflow", uri, as_=ANN).ok()


@pytest.fixture
def drifted(sd: Sd, registry: Home, uri: str, other: MlflowClient) -> MlflowClient:
    """Both registries alike, and then changed over there by hand."""
    take_over(sd, uri)
    other.delete_registered_model("fraud.v2")
    sd("delete", "fraud-v2", "--yes", as_=CAROL).ok()
    sd("drift", "mlflow", uri).ok("Nothing differs.")
    other.transition_model_version_stage("power", "1", "Staging")
    other.set_registered_model_tag("power", "team", "wind")
    other.update_model_version("power", "3", "by hand")
    other.delete_registered_model_alias("power", "champion")
    other.create_registered_model("new")
    return other


def test_drift_is_told_field_by_field(sd: Sd, uri: str, drifted: MlflowClient) -> None:
    done = sd("drift", "mlflow", uri)
    assert done.code == 2
    rows = [" ".join(line.split()) for line in done.out.splitlines()[1:]]
    assert rows == [
        "new not there 0 versions",
        "power tag team energy wind",
        "power alias champion 3 not there",
        "power/1 stage Archived Staging",
        "power/3 description d by hand",
    ]


def test_drift_of_one_model_is_asked_for_by_name(sd: Sd, uri: str, drifted: MlflowClient) -> None:
    assert sd("drift", "mlflow", uri, "new").out.splitlines()[1].split() == ["new", "not", "there", "0", "versions"]
    sd("drift", "mlflow", uri, "nothing").refused(4)


def test_drift_is_adopted_by_a_request(sd: Sd, registry: Home, uri: str, drifted: MlflowClient) -> None:
    number = sd("drift", "mlflow", uri, "--adopt", "--json", as_=ANN).json["request"]
    sd("approve", number, as_=CAROL).ok()
    sd("merge", number, as_=CAROL).ok()
    sd("drift", "mlflow", uri).ok("Nothing differs.")
    assert registry.stage_of("power/1") == "Staging"


def test_drift_that_is_asked_for_already_opens_no_second_request(
    sd: Sd, registry: Home, uri: str, drifted: MlflowClient
) -> None:
    first = sd("drift", "mlflow", uri, "--adopt", "--json", as_=ANN).json
    before = registry.refs()
    again = sd("drift", "mlflow", uri, "--adopt", as_=BOB).ok(f"Request {first['request']} asks for it already.")
    assert f"Next: stagedoor request show {first['request']}" in again.out
    assert registry.refs() == before


def test_drift_that_went_on_goes_into_the_open_request(sd: Sd, registry: Home, uri: str, drifted: MlflowClient) -> None:
    number = sd("drift", "mlflow", uri, "--adopt", "--json", as_=ANN).json["request"]
    sd("approve", number, as_=CAROL).ok()
    drifted.set_registered_model_tag("power", "team", "sun")
    sd("drift", "mlflow", uri, "--adopt", as_=ANN).ok(f"Request {number} has what differs now.")
    assert len(sd("requests", "--json").json) == 1
    sd("merge", number, as_=CAROL).refused(8, "approval")
    sd("approve", number, as_=CAROL).ok()
    sd("merge", number, as_=CAROL).ok()
    sd("drift", "mlflow", uri).ok("Nothing differs.")


def test_whoever_may_not_push_to_the_open_request_opens_their_own(
    sd: Sd, registry: Home, uri: str, drifted: MlflowClient
) -> None:
    first = sd("drift", "mlflow", uri, "--adopt", "--json", as_=ANN).json["request"]
    drifted.set_registered_model_tag("power", "team", "sun")
    assert sd("drift", "mlflow", uri, "--adopt", "--json", as_=DAVE).json["request"] == first + 1


def test_an_alias_that_cannot_be_keeps_nothing_else_from_being_adopted(
    sd: Sd, registry: Home, uri: str, drifted: MlflowClient
) -> None:
    drifted.set_registered_model_alias("power", "production", "3")
    done = sd("drift", "mlflow", uri, "--adopt", "--json", as_=ANN).json
    assert "power: the alias production is called like a stage or a right" in done["left"]
    assert done["request"] == 1


def test_prompts_are_no_drift_and_stay_here(sd: Sd, registry: Home, uri: str) -> None:
    registry.register("power")
    registry.register("greeting", "--tag", "mlflow.prompt.is_prompt=true")
    sd("tag", "greeting", "mlflow.prompt.is_prompt=true", as_=ANN).ok()
    sd("export", "mlflow", uri, as_=ANN).ok("1 prompt is left out: greeting")
    sd("drift", "mlflow", uri, as_=ANN).ok("Nothing differs.")


def test_drift_is_put_back(sd: Sd, registry: Home, uri: str, drifted: MlflowClient) -> None:
    done = sd("drift", "mlflow", uri, "--restore", as_=ANN)
    assert "new is there alone, and is not deleted" in done.out
    sd("drift", "mlflow", uri, "power").ok("Nothing differs.")
    assert drifted.get_model_version("power", "1").current_stage == "Archived"


def test_a_model_with_another_name_there_is_compared_by_it(
    sd: Sd, registry: Home, uri: str, other: MlflowClient
) -> None:
    take_over(sd, uri)
    sd("drift", "mlflow", uri, *RENAME).ok("Nothing differs.")
    sd("tag", "fraud-v2", "k=v", as_=ANN).ok()
    sd("drift", "mlflow", uri, *RENAME, "--restore", as_=ANN).ok()
    assert other.get_registered_model("fraud.v2").tags == {"k": "v"}


# --- GTO --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gto(tmp_path: Path) -> Path:
    """A repository with two versions of an artifact; the first was in production, the second is."""
    at = tmp_path / "gto"
    at.mkdir()
    person = ("-c", "user.name=Ann", "-c", f"user.email={ANN}")
    for command in (["init", "-q", "-b", "main"], [*person, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], cwd=at, check=True)
    tags = ("power@v1.0.0", "power#prod#1", "power@v1.1.0", "power#prod#2", "power@v2.0.0", "power#staging#3")
    for second, tag in enumerate(tags):
        when = {"GIT_COMMITTER_DATE": f"2026-01-02T03:04:{second:02}Z"}
        commit = [*person, "commit", "-q", "--allow-empty", "-m", f"for {tag}"]
        if "@" in tag:
            subprocess.run(["git", *commit], cwd=at, check=True, env=os.environ | when)
        subprocess.run(
            ["git", *person, "tag", "-a", "-m", f"about {tag}", tag], cwd=at, check=True, env=os.environ | when
        )
    return at


def test_gtos_tags_become_versions_and_stages(sd: Sd, registry: Home, gto: Path) -> None:
    sd("import", "gto", gto, as_=CAROL).ok("power", "1, 2, 3", "1 came")
    found = sd("show", "power", "--json").json["model"]["versions"]
    assert [(v["stage"], v["tags"]["gto.version"]) for v in found] == [
        ("None", "v1.0.0"),
        ("Production", "v1.1.0"),
        ("Staging", "v2.0.0"),
    ]
    assert (found[0]["created"]["by"], found[0]["description"]) == (ANN, "about power@v1.0.0")
    sd("import", "gto", gto, as_=CAROL).ok("0 came, 1 is here already")


def test_a_folder_without_gtos_tags_is_refused(sd: Sd, registry: Home, tmp_path: Path) -> None:
    sd("import", "gto", tmp_path / "nothing", as_=CAROL).refused(2)


# --- copies -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def target(sd: Sd, registry: Home, tmp_path: Path) -> Home:
    """A second registry beside the first."""
    made = make_home(Sd(tmp_path), tmp_path / "target")
    made.sd.dir = made.path
    return made


def test_a_version_is_asked_for_in_another_registry_with_its_lineage(sd: Sd, registry: Home, target: Home) -> None:
    registry.register("power", "--run-id", "9f2c", "--metric", "rmse=4.5", "--digest", "sha256:abc")
    number = sd("copy", "power/1", f"{target.path}:wind", "--json", as_=ANN).json["request"]
    target.sd("approve", number, as_=CAROL).ok()
    target.sd("merge", number, as_=CAROL).ok()
    found = target.sd("show", "wind/1", "--json").json["version"]
    assert (found["run"]["id"], found["metrics"], found["digest"]) == ("9f2c", {"rmse": 4.5}, "sha256:abc")
    assert found["tags"]["copied.from"] == "power/1"
    assert found["created"]["by"] == ANN


def test_a_copy_goes_to_a_registry_alone(sd: Sd, registry: Home, tmp_path: Path) -> None:
    registry.register("power")
    sd("copy", "power/1", tmp_path / "nothing", as_=ANN).refused(10)
    sd("copy", "power/1", ":name", as_=ANN).refused(2)
    sd("copy", "power/9", tmp_path, as_=ANN).refused(10)
