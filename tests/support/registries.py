"""MLflow registries for tests, in a database of their own."""

from __future__ import annotations

from mlflow import MlflowClient


def other_registry(uri: str) -> MlflowClient:
    """A client of the registry at a URI."""
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def fill(client: MlflowClient) -> None:
    """Two models: one with three versions of which one is deleted, one with a name that we refuse."""
    client.create_registered_model("power", {"team": "energy"}, "Forecasts power.")
    for number in (1, 2, 3):
        client.create_model_version("power", f"s3://models/power/{number}", tags={"n": str(number)}, description="d")
    client.delete_model_version("power", "2")
    client.transition_model_version_stage("power", "1", "Archived")
    client.transition_model_version_stage("power", "3", "Production")
    client.set_registered_model_alias("power", "champion", "3")
    client.create_registered_model("fraud.v2")
    client.create_model_version("fraud.v2", "s3://models/fraud/1")
