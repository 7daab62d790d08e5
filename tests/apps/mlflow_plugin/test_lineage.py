"""Registering from a run through MLflow's client records where the version comes from."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy
import pytest

from mlflow_clients import ClientOf
from runs import train
from stagedoor.core.spec import Version
from town import ANN, CAROL, Town


def version(town: Town, name: str, number: int = 1) -> Version:
    return town.as_(CAROL).snapshot().registry.version(name, number)


def test_the_clients_call_with_a_run_records_its_lineage(
    town: Town, client_of: ClientOf, tracking: str, tmp_path: Path
) -> None:
    run = train(tracking, tmp_path, experiment=f"wind {tmp_path.name}")
    ann = client_of(ANN)
    ann.create_registered_model("power")
    ann.create_model_version("power", run.uri, run.id)
    found = version(town, "power")
    assert found.run is not None
    assert (found.run.id, found.run.name) == (run.id, "winter")
    assert (found.metrics, found.params) == ({"rmse": 412.7}, {"trees": "200"})
    assert found.digest.startswith("sha256-tree:")


def test_a_run_that_nobody_knows_is_recorded_by_its_id(town: Town, client_of: ClientOf) -> None:
    ann = client_of(ANN)
    ann.create_registered_model("power")
    ann.create_model_version("power", "s3://models/1", "0123456789abcdef0123456789abcdef")
    found = version(town, "power")
    assert found.run is not None
    assert found.run.id == "0123456789abcdef0123456789abcdef"


def test_training_logging_and_registering_in_one_go(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import LinearRegression

    monkeypatch.setenv("STAGEDOOR_AS", ANN)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(f"stagedoor://{town.path}")
    try:
        mlflow.create_experiment("wind farm", artifact_location=(tmp_path / "artifacts").as_uri())
        mlflow.set_experiment("wind farm")
        with mlflow.start_run(run_name="winter") as run:
            mlflow.log_metric("rmse", 1.5)
            model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
            mlflow.sklearn.log_model(
                model,
                name="model",
                registered_model_name="power",
                input_example=numpy.array([[0.5]]),
                pip_requirements=[],
            )
        loaded = mlflow.sklearn.load_model("models:/power/1")
    finally:
        mlflow.set_tracking_uri("")
        mlflow.set_registry_uri("")
    assert loaded.predict([[2.0]])[0] == pytest.approx(2.0)
    found = version(town, "power")
    assert found.run is not None
    assert (found.run.id, found.run.experiment) == (run.info.run_id, "wind farm")
    assert found.run.model.startswith("m-")
    assert "sklearn" in found.flavors
    assert found.signature is not None
    assert found.digest.startswith("sha256-tree:")
    assert found.metrics == {"rmse": 1.5}
