"""One server for a module; every test makes models of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING

import pytest

from served import Served, serve

if TYPE_CHECKING:
    from databricks.sdk.service.ml import ModelRegistryAPI
    from mlflow import MlflowClient

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A registry with its server. ann and bob edit, bob moves to Staging, carol to Production and manages."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    made = serve(tmp_path_factory.mktemp("served"))
    yield made
    made.stop()
    made.town.close()
    patch.undo()


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"model {next(_NUMBERS)}"


@pytest.fixture
def sdk(served: Served) -> Callable[[str], ModelRegistryAPI]:
    """The model registry of databricks-sdk, as somebody."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import Config

    def of(email: str) -> ModelRegistryAPI:
        config = Config(host=served.url, token=served.token(email), retry_timeout_seconds=5)
        return WorkspaceClient(config=config).model_registry

    return of


@pytest.fixture
def mlflow_of(served: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], MlflowClient]:
    """MLflow's client, as somebody: only the newest one made counts, as its token comes from the environment."""
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")

    def of(email: str) -> MlflowClient:
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", served.token(email))
        return MlflowClient(tracking_uri=served.url, registry_uri=served.url)

    return of
