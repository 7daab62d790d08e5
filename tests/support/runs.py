"""Runs of MLflow for tests, as a training job leaves them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput

MLMODEL = """\
flavors:
  sklearn: {sklearn_version: 1.5.0}
  python_function: {loader_module: mlflow.sklearn}
signature:
  inputs: '[{"type": "double", "name": "wind_speed", "required": true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
"""


@dataclass(frozen=True)
class Trained:
    """A run that logged a model below `model`."""

    id: str
    experiment_id: str
    uri: str


def train(tracking: str, folder: Path, *, experiment: str = "wind farm", name: str = "winter") -> Trained:
    """One finished run with code, data, a parameter, metrics (one is NaN) and a model."""
    client = MlflowClient(tracking_uri=tracking)
    known = client.get_experiment_by_name(experiment)
    # without a place of its own MLflow would keep the artifacts where the tests were started; a server has one
    place = None if tracking.startswith("http") else (folder / "artifacts").as_uri()
    experiment_id = known.experiment_id if known else client.create_experiment(experiment, artifact_location=place)
    tags = {
        "mlflow.user": "ann",
        "mlflow.source.name": "train.py",
        "mlflow.source.git.commit": "1f0e3dad99908345f7439f8ffabdffc4",
        "mlflow.source.git.repoURL": "https://token:secret@git.example.com/wind",
    }
    run = client.create_run(experiment_id, run_name=name, tags=tags, start_time=1_764_000_000_123)
    id_ = run.info.run_id
    client.log_param(id_, "trees", "200")
    client.log_metric(id_, "rmse", 412.7)
    client.log_metric(id_, "broken", float("nan"))
    dataset = Dataset(name="windfarm", digest="ab12", source_type="local", source="{}")
    client.log_inputs(id_, [DatasetInput(dataset)])
    model = folder / f"made-{id_}" / "model"
    model.mkdir(parents=True)
    (model / "MLmodel").write_text(MLMODEL)
    (model / "weights.txt").write_text("42")
    client.log_artifacts(id_, str(model), "model")
    client.set_terminated(id_)
    return Trained(id_, experiment_id, f"runs:/{id_}/model")
