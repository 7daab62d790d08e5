"""`mlflow server` on a registry of ours: REST, what its web page asks for, and the refusals that clients see."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_servers import MlflowServer, mlflow_server
from stagedoor.workflows.initialise import initialise
from town import ANN, CAROL, CODEOWNERS, Town

NAME = "power-forecasting-model"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A registry with a model that ann brought: version 1 in Production, version 2 in none."""
    folder = tmp_path_factory.mktemp("house")
    made = Town(folder / "registry.git")
    initialise(made.path, owner=CAROL, name="test", bare=True)
    made.commit({".github/CODEOWNERS": CODEOWNERS}, "owners: stage lines")
    made.register(NAME)
    made.register(NAME)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(house: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """MLflow's server, run by ann."""
    folder = tmp_path_factory.mktemp("server")
    with mlflow_server(folder, registry=f"stagedoor://{house.path}", as_=ANN) as running:
        yield running


@pytest.fixture
def client(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """An ordinary client of that server."""
    return MlflowClient(tracking_uri=server.url, registry_uri=server.url)


def test_a_client_of_the_server_writes_commits(client: MlflowClient, house: Town) -> None:
    client.create_registered_model("by rest", {"team": "energy"}, "A model.")
    made = client.create_model_version("by rest", "s3://models/1", tags={"k": "v"})
    client.set_registered_model_alias("by rest", "champion", made.version)
    assert client.get_model_version_by_alias("by rest", "champion").source == "s3://models/1"
    assert [model.name for model in client.search_registered_models("tags.team = 'energy'")] == ["by rest"]
    world = house.as_(CAROL)
    assert world.repository.commit_info(world.main()).author.email == ANN


def test_a_refusal_comes_at_once_with_its_code(client: MlflowClient) -> None:
    with pytest.raises(MlflowException, match="stagedoor request") as denied:
        client.transition_model_version_stage(NAME, "1", "Production")
    assert denied.value.error_code == "PERMISSION_DENIED"
    with pytest.raises(MlflowException) as missing:
        client.get_model_version(NAME, "99")
    assert missing.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_transition_by_somebody_else_is_seen(client: MlflowClient, house: Town) -> None:
    from stagedoor.workflows.registering import Wish, transition

    transition(house.as_(CAROL), [Wish(f"{NAME}/2", "Production")])
    assert [version.version for version in client.get_latest_versions(NAME, ["Production"])] == ["2"]


def test_what_the_web_page_asks_for_is_answered(server: MlflowServer, client: MlflowClient) -> None:
    page = httpx.get(server.url, timeout=60)
    assert page.status_code == 200
    for path in (
        "registered-models/search?max_results=25&order_by=name",
        f"registered-models/get?name={NAME}",
        f"model-versions/search?filter=name%3D'{NAME}'",
        f"model-versions/get?name={NAME}&version=1",
        f"model-versions/get-download-uri?name={NAME}&version=1",
    ):
        got = httpx.get(f"{server.url}/ajax-api/2.0/mlflow/{path}", timeout=60)
        assert got.status_code == 200, got.text
    hooks = httpx.get(f"{server.url}/api/2.0/mlflow/webhooks", timeout=60)
    assert hooks.status_code == 200, hooks.text


def test_no_call_left_a_traceback_in_the_log(server: MlflowServer, client: MlflowClient) -> None:
    client.create_registered_model("quiet")
    assert "Traceback" not in server.log.read_text()


def life(client: MlflowClient, name: str) -> tuple[str, int, list[str]]:
    """A model from nothing to Production, and what its client reads back."""
    client.create_registered_model(name)
    made = client.create_model_version(name, "s3://models/1")
    client.set_registered_model_alias(name, "champion", made.version)
    client.transition_model_version_stage(name, made.version, "Production")
    seen = client.get_model_version_by_alias(name, "champion")
    found = client.search_model_versions(f"name = '{name}'")
    return seen.current_stage, len(client.get_latest_versions(name, ["Production"])), found[0].aliases


def another(client: MlflowClient) -> int:
    """The number of one more version of a model that all share."""
    return int(client.create_model_version("shared", "s3://models/1").version)


@pytest.mark.heavy
def test_four_workers_see_each_others_writes(house: Town, tmp_path: Path) -> None:
    with mlflow_server(tmp_path, registry=f"stagedoor://{house.path}", as_=CAROL, workers=4) as busy:
        clients = [MlflowClient(tracking_uri=busy.url, registry_uri=busy.url) for _ in range(24)]
        clients[0].create_registered_model("shared")
        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(another, clients)) == list(range(1, 25))
            lives = pool.map(life, clients, [f"busy{number}" for number in range(24)])
            assert list(lives) == [("Production", 1, ["champion"])] * 24
        assert "Traceback" not in busy.log.read_text()
