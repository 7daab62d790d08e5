"""MLflow's own client as it is installed, over http."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from served import Served
from town import ANN, BOB, CAROL, DAVE

Client = Callable[[str], MlflowClient]

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture
def model(mlflow_of: Client, name: str) -> str:
    """A model with two versions."""
    ann = mlflow_of(ANN)
    ann.create_registered_model(name, tags={"team": "wind"}, description="forecasts")
    for number in (1, 2):
        ann.create_model_version(name, f"s3://x/{number}", run_id=f"run{number}", tags={"n": str(number)})
    return name


def test_a_model_and_its_versions_are_read_back(mlflow_of: Client, model: str) -> None:
    ann = mlflow_of(ANN)
    found = ann.get_registered_model(model)
    assert (found.name, found.description, found.tags) == (model, "forecasts", {"team": "wind"})
    assert [(v.version, v.current_stage) for v in found.latest_versions] == [("2", "None")]
    version = ann.get_model_version(model, "1")
    assert (version.source, version.run_id, version.status, version.tags) == ("s3://x/1", "run1", "READY", {"n": "1"})
    assert ann.get_model_version_download_uri(model, "1") == "s3://x/1"
    assert version.user_id == ANN


def test_models_and_versions_are_described_tagged_renamed_and_deleted(mlflow_of: Client, model: str) -> None:
    carol = mlflow_of(CAROL)
    carol.update_registered_model(model, "other words")
    carol.update_model_version(model, "1", "the first")
    carol.set_registered_model_tag(model, "a", "1")
    carol.set_model_version_tag(model, "1", "b", "2")
    carol.delete_registered_model_tag(model, "team")
    carol.delete_model_version_tag(model, "1", "n")
    assert carol.get_registered_model(model).tags == {"a": "1"}
    assert carol.get_model_version(model, "1").tags == {"b": "2"}
    assert carol.get_model_version(model, "1").description == "the first"
    carol.rename_registered_model(model, f"{model} x")
    assert carol.get_registered_model(f"{model} x").description == "other words"
    carol.delete_model_version(f"{model} x", "1")
    carol.delete_registered_model(f"{model} x")
    with pytest.raises(MlflowException, match="there is no model") as caught:
        carol.get_registered_model(f"{model} x")
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_aliases_point_at_versions(mlflow_of: Client, model: str) -> None:
    ann = mlflow_of(ANN)
    ann.set_registered_model_alias(model, "champion", "1")
    assert ann.get_model_version_by_alias(model, "champion").version == "1"
    assert ann.get_registered_model(model).aliases == {"champion": "1"}
    assert ann.get_model_version(model, "1").aliases == ["champion"]
    ann.set_registered_model_alias(model, "champion", "2")
    assert ann.get_model_version_by_alias(model, "champion").version == "2"
    assert ann.get_model_version_by_alias(model, "latest").version == "2"
    ann.delete_registered_model_alias(model, "champion")
    ann.delete_registered_model_alias(model, "champion")
    with pytest.raises(MlflowException) as caught:
        ann.get_model_version_by_alias(model, "champion")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(MlflowException) as caught:
        ann.set_registered_model_alias(model, "champion", "9")
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    for bad in ("Production", "read", "a b"):
        with pytest.raises(MlflowException) as caught:
            ann.set_registered_model_alias(model, bad, "1")
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_stages_move_over_mlflows_own_route(mlflow_of: Client, model: str) -> None:
    carol = mlflow_of(CAROL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        moved = carol.transition_model_version_stage(model, "1", "Production")
        assert moved.current_stage == "Production"
        carol.transition_model_version_stage(model, "2", "Production", archive_existing_versions=True)
        found = {v.version: v.current_stage for v in carol.get_latest_versions(model)}
        assert found == {"1": "Archived", "2": "Production"}
        only = carol.get_latest_versions(model, stages=["Production"])
        assert [v.version for v in only] == ["2"]
        with pytest.raises(MlflowException) as caught:
            carol.delete_registered_model(model)
        assert caught.value.error_code == "INVALID_STATE"
        with pytest.raises(MlflowException) as caught:
            mlflow_of(ANN).transition_model_version_stage(model, "1", "Staging")
        assert caught.value.error_code == "PERMISSION_DENIED"


def test_searches_find_models_and_not_prompts(mlflow_of: Client, model: str) -> None:
    ann = mlflow_of(ANN)
    assert [one.name for one in ann.search_registered_models(f"name = '{model}'")] == [model]
    assert [one.name for one in ann.search_registered_models(f"name LIKE '{model}%' AND tags.team = 'wind'")] == [model]
    assert ann.search_registered_models("tags.team != 'wind' AND name = 'nobody'") == []
    assert [v.version for v in ann.search_model_versions(f"name='{model}'")] == ["2", "1"]
    assert [v.version for v in ann.search_model_versions("run_id='run2' and " + f"name='{model}'")] == ["2"]
    page = ann.search_registered_models(max_results=1)
    assert len(page) == 1
    assert page.token
    assert ann.search_registered_models(max_results=1, page_token=page.token)[0].name != page[0].name


def test_a_version_can_be_copied_into_another_model(mlflow_of: Client, model: str) -> None:
    ann = mlflow_of(ANN)
    copy = ann.copy_model_version(f"models:/{model}/1", f"{model} copy")
    assert (copy.name, copy.version, copy.source) == (f"{model} copy", "1", "s3://x/1")


def test_prompts_live_in_the_same_registry(mlflow_of: Client, name: str) -> None:
    ann = mlflow_of(ANN)
    prompt = name.replace(" ", "-")
    ann.register_prompt(name=prompt, template="Forecast for {{place}}", commit_message="first")
    ann.register_prompt(name=prompt, template="Forecast the power for {{place}}")
    ann.set_prompt_alias(prompt, alias="live", version=1)
    assert ann.load_prompt(f"prompts:/{prompt}@live").template == "Forecast for {{place}}"
    assert ann.load_prompt(f"prompts:/{prompt}/2").template == "Forecast the power for {{place}}"
    assert prompt in [one.name for one in ann.search_prompts()]
    assert prompt not in [one.name for one in ann.search_registered_models()]


def test_refusals_are_not_tried_again(mlflow_of: Client, served: Served, model: str) -> None:
    before = len(served.lines())
    with pytest.raises(MlflowException) as caught:
        mlflow_of(DAVE).set_registered_model_tag(model, "a", "b")
    assert caught.value.error_code == "PERMISSION_DENIED"
    assert [line["path"] for line in served.lines()[before:]].count("/api/2.0/mlflow/registered-models/set-tag") == 1


def test_a_wrong_token_is_unauthenticated(mlflow_of: Client, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = mlflow_of(BOB)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "stagedoor_000000000000_" + "x" * 43)
    with pytest.raises(MlflowException, match=r"401|token"):
        client.get_registered_model(model)


def test_a_token_goes_as_the_password_of_basic_too(
    mlflow_of: Client, served: Served, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow_of(BOB)
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "whoever")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", served.token(BOB))
    assert client.get_registered_model(model).name == model


def test_the_databricks_uri_reaches_the_same_registry(
    served: Served, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", served.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", served.token(ANN))
    client = MlflowClient(tracking_uri="databricks", registry_uri="databricks")
    assert client.get_registered_model(model).description == "forecasts"
    assert [v.version for v in client.search_model_versions(f"name='{model}'")] == ["2", "1"]
