"""MLflow's client on a registry of this machine; ann and bob edit, bob moves to Staging, carol to Production."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlflow_clients import ClientOf
from plugged import plug_in
from stagedoor.workflows.initialise import initialise
from town import CAROL, CODEOWNERS, Town


@pytest.fixture(autouse=True)
def plugged(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow finds the plugin by its entry points, and makes its stores anew."""
    from mlflow.tracking._model_registry import utils

    folder = tmp_path_factory.mktemp("plugged")
    plug_in(folder)
    # MLflow keeps what it has no other place for where it is started
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setattr(utils, "_model_registry_store_registry", None)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A bare registry without models."""
    made = Town(tmp_path / "registry.git")
    initialise(made.path, owner=CAROL, name="test", bare=True)
    made.commit({".github/CODEOWNERS": CODEOWNERS}, "owners: stage lines")
    yield made
    made.close()


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tracking store of MLflow's own, in one database: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('tracking')}/mlflow.db"


@pytest.fixture
def client_of(town: Town, tracking: str) -> ClientOf:
    """MLflow's client, as somebody."""

    def of(email: str) -> MlflowClient:
        return MlflowClient(tracking_uri=tracking, registry_uri=f"stagedoor://{town.path}?as={email}")

    return of
