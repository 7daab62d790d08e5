"""What a server loads: a copy of its own, proven to be what was registered, from places that it may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorer import save_model
from stagedoor.core.serving import Loadable
from stagedoor.effects.serving.workers import Fetched, NotLoaded
from stagedoor.workflows.fetching import fetch
from stagedoor.workflows.verifying import digest_to_record
from town import ANN, Town


def one(source: str | Path, digest: str = "") -> Loadable:
    return Loadable("0" * 32, 1, str(source), digest, "fraud")


def fetched(town: Town, tmp_path: Path, what: Loadable) -> Fetched:
    room = tmp_path / "room"
    room.mkdir()
    return fetch(town.as_(ANN), what, room)


def refused(town: Town, tmp_path: Path, what: Loadable) -> str:
    with pytest.raises(NotLoaded) as caught:
        fetched(town, tmp_path, what)
    return str(caught.value)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path / "saved", 1)


@pytest.mark.parametrize("prefix", ["", "file://", "file:"])
def test_a_path_and_a_file_uri_are_copied_and_proven(town: Town, tmp_path: Path, model: Path, prefix: str) -> None:
    digest = digest_to_record(town.as_(ANN), str(model), "", Path())
    found = fetched(town, tmp_path, one(f"{prefix}{model}", digest))
    assert found.is_verified
    assert found.folder.parent == tmp_path / "room"
    assert (found.folder / "MLmodel").read_bytes() == (model / "MLmodel").read_bytes()


def test_a_version_without_a_digest_is_fetched_and_not_called_proven(town: Town, tmp_path: Path, model: Path) -> None:
    assert not fetched(town, tmp_path, one(model)).is_verified


def test_a_flipped_byte_is_refused(town: Town, tmp_path: Path, model: Path) -> None:
    digest = digest_to_record(town.as_(ANN), str(model), "", Path())
    raw = bytearray((model / "MLmodel").read_bytes())
    raw[0] ^= 1
    (model / "MLmodel").write_bytes(raw)
    assert "was recorded, and" in refused(town, tmp_path, one(model, digest))


def test_a_link_that_leads_out_is_refused(town: Town, tmp_path: Path, model: Path) -> None:
    digest = digest_to_record(town.as_(ANN), str(model), "", Path())
    (model / "secrets").symlink_to("/etc/passwd")
    assert refused(town, tmp_path, one(model, digest))
    assert not (tmp_path / "room" / "model" / "secrets").is_file() or (tmp_path / "room/model/secrets").is_symlink()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("/nowhere/at/all", "no folder that is there"),
        ("/etc/passwd", "no folder that is there"),
        ("s3://bucket/model", "is not opened"),
        ("https://example.com/model", "is not opened"),
        ("ssh://host/model", "not among the protocols"),
        ("a\0b", "NUL"),
        ("runs:/9f2c/model", "set MLFLOW_TRACKING_URI"),
        ("models:/fraud/1", "set MLFLOW_TRACKING_URI"),
        ("runs://evil@host/x", "MLflow alone knows"),
    ],
)
def test_what_cannot_be_opened_says_why(town: Town, tmp_path: Path, source: str, why: str) -> None:
    assert why in refused(town, tmp_path, one(source))


def test_a_folder_that_is_no_model_is_refused(town: Town, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "notes.txt").write_text("x")
    assert "no folder with an MLmodel file" in refused(town, tmp_path, one(folder))


def test_only_the_places_that_are_allowed_are_read(town: Town, tmp_path: Path, model: Path) -> None:
    town.environment["STAGEDOOR_ARTIFACTS"] = str(tmp_path / "elsewhere")
    assert "outside of the places that are served" in refused(town, tmp_path, one(model))


def test_a_run_of_mlflow_is_fetched_where_a_tracking_uri_is_set(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    # MLflow warns of its file store, and a test needs no database
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "tracking").as_uri()
    client = mlflow.MlflowClient(tracking_uri=uri)
    run = client.create_run(client.create_experiment("wind")).info.run_id
    client.log_artifacts(run, str(save_model(tmp_path / "saved", 7)), "model")
    town.environment["MLFLOW_TRACKING_URI"] = uri
    found = fetched(town, tmp_path, one(f"runs:/{run}/model"))
    assert (found.folder / "MLmodel").is_file() and not found.is_verified


def test_a_logged_model_of_mlflow_is_fetched_and_proven(
    town: Town, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "tracking").as_uri()
    client = mlflow.MlflowClient(tracking_uri=uri)
    logged = client.create_logged_model(client.create_experiment("wind"), name="model")
    client.log_model_artifacts(logged.model_id, str(model))
    client.finalize_logged_model(logged.model_id, "READY")
    town.environment["MLFLOW_TRACKING_URI"] = uri
    # MLflow asks its own variable for a logged model, whatever it is told
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    digest = digest_to_record(town.as_(ANN), str(model), "", Path())
    assert fetched(town, tmp_path, one(f"models:/{logged.model_id}", digest)).is_verified
