"""`register` asks the run of a model where it comes from."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.apps.conftest import ANN, Home, Sd

from mlflow_servers import MlflowServer, mlflow_server
from runs import MLMODEL, Trained, train

FOLDER = "sha256-tree"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """MLflow's own server, with artifacts that its clients have to fetch."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), local=False) as running:
        yield running


@pytest.fixture
def run(server: MlflowServer, tmp_path: Path) -> Trained:
    """A run on that server."""
    return train(server.url, tmp_path)


def test_the_run_tells_where_a_version_comes_from(sd: Sd, registry: Home, server: MlflowServer, run: Trained) -> None:
    sd("register", "power", "--source", run.uri, "--tracking-uri", server.url, as_=ANN).ok()
    found = sd("show", "power/1", "--json").json["version"]
    page = f"{server.url}/#/experiments/{run.experiment_id}"
    assert found["run"] == {
        "id": run.id,
        "name": "winter",
        "experiment": "wind farm",
        "link": f"{page}/runs/{run.id}",
        "experiment_link": page,
        "user": "ann",
        "started": "2025-11-24T16:00:00.123Z",
    }
    assert found["code"] == {
        "repository": "https://git.example.com/wind",
        "commit": "1f0e3dad99908345f7439f8ffabdffc4",
        "path": "train.py",
    }
    assert found["data"] == [{"name": "windfarm", "digest": "ab12"}]
    assert (found["params"], found["metrics"]) == ({"trees": "200"}, {"rmse": 412.7})
    assert found["flavors"] == ["python_function", "sklearn"]
    assert found["signature"]["inputs"] == [{"name": "wind_speed", "type": "double"}]
    assert found["signature"]["outputs"] == [{"type": "tensor(float64, -1)"}]
    assert "secret" not in str(found)


def test_history_tells_it_in_order(sd: Sd, registry: Home, server: MlflowServer, run: Trained) -> None:
    sd("register", "power", "--source", run.uri, "--tracking-uri", server.url, as_=ANN).ok()
    told = sd("history", "power").ok(
        "wind farm", "winter", "started      2025-11-24 16:00 by ann", "wind_speed: double"
    )
    assert told.out.index("experiment") < told.out.index("code") < told.out.index("data") < told.out.index("None  ")


def test_artifacts_are_fetched_for_their_digest_where_that_is_asked(
    sd: Sd, registry: Home, server: MlflowServer, run: Trained
) -> None:
    options = ("--source", run.uri, "--tracking-uri", server.url)
    sd("register", "power", *options, as_=ANN).ok()
    sd("register", "power", *options, "--digest", "auto", as_=ANN).ok()
    digests = [version.get("digest", "") for version in sd("show", "power", "--json").json["model"]["versions"]]
    assert digests[0] == ""
    assert digests[1].startswith(f"{FOLDER}:")


def test_artifacts_on_this_machine_have_their_digest_at_once(sd: Sd, registry: Home, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    run = train(uri, tmp_path)
    sd("register", "power", "--source", run.uri, "--tracking-uri", uri, as_=ANN).ok()
    assert sd("show", "power/1", "--json").json["version"]["digest"].startswith(f"{FOLDER}:")


def test_what_a_person_says_counts_more_than_the_run(
    sd: Sd, registry: Home, server: MlflowServer, run: Trained
) -> None:
    more = ("--metric", "rmse=1", "--metric", "mae=2", "--run-name", "mine", "--digest", "sha256:abc")
    sd("register", "power", "--source", run.uri, "--tracking-uri", server.url, *more, as_=ANN).ok()
    found = sd("show", "power/1", "--json").json["version"]
    assert (found["metrics"], found["digest"]) == ({"rmse": 1, "mae": 2}, "sha256:abc")
    assert (found["run"]["name"], found["run"]["experiment"]) == ("mine", "wind farm")


def test_the_variable_of_mlflow_names_the_server_too(
    sd: Sd, registry: Home, server: MlflowServer, run: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    sd("register", "power", "--source", "s3://models/1", "--run-id", run.id, as_=ANN).ok()
    assert sd("show", "power/1", "--json").json["version"]["run"]["experiment"] == "wind farm"


def test_a_run_that_is_not_there_is_refused(sd: Sd, registry: Home, server: MlflowServer) -> None:
    options = ("--source", "runs:/0123456789abcdef0123456789abcdef/model", "--tracking-uri", server.url)
    sd("register", "power", *options, as_=ANN).refused(4, "--no-lineage")


def test_a_server_that_is_down_is_named_and_can_be_done_without(sd: Sd, registry: Home) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        down = f"http://ann:secret@127.0.0.1:{one.getsockname()[1]}"
        options = ("--source", "runs:/9f2c/model", "--tracking-uri", down)
        refusal = sd("register", "power", *options, as_=ANN).refused(11, "--no-lineage")
    assert "ann:secret@" not in refusal.err
    sd("register", "power", *options, "--no-lineage", as_=ANN).ok()
    assert sd("show", "power/1", "--json").json["version"]["source"] == "runs:/9f2c/model"


def test_a_signature_is_read_from_a_file(sd: Sd, registry: Home, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    options = ("--source", "s3://models/1", "--signature", tmp_path / "MLmodel")
    sd("register", "power", *options, as_=ANN).ok()
    sd("show", "power/1").ok("wind_speed: double", "python_function sklearn")


@pytest.mark.parametrize("text", ["", "[]", "flavors: {}", "a: b", "signature: {inputs: '['}", "{{{", "inputs: 3"])
def test_a_file_without_a_signature_is_refused(text: str, sd: Sd, registry: Home, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(text)
    options = ("--source", "s3://models/1", "--signature", tmp_path / "MLmodel")
    sd("register", "power", *options, as_=ANN).refused(2)
