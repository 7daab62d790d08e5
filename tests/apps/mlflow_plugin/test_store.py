"""MLflow's own client on a repository: every call, MLflow's codes, and a commit for every write."""

from __future__ import annotations

import inspect
import pickle
import subprocess
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from mlflow_clients import ClientOf, code_of
from stagedoor.apps.mlflow_plugin.remote import ServerStore
from stagedoor.apps.mlflow_plugin.store import RegistryStore
from town import ANN, BOB, CAROL, DAVE, Town

NAME = "power-forecasting-model"


def registered(client: MlflowClient, name: str = NAME, versions: int = 1) -> None:
    """A model with some versions."""
    client.create_registered_model(name)
    for number in range(1, versions + 1):
        client.create_model_version(name, f"s3://models/{name}/{number}")


def test_every_method_that_mlflow_asks_for_is_there() -> None:
    asked = [name for name, what in inspect.getmembers(AbstractStore) if getattr(what, "__isabstractmethod__", False)]
    assert len(asked) >= 21
    webhooks = [name for name in dir(AbstractStore) if "webhook" in name]
    missing = [name for name in (*asked, *webhooks) if getattr(RegistryStore, name) is getattr(AbstractStore, name)]
    assert missing == []


def test_a_model_goes_from_nothing_to_production(town: Town, client_of: ClientOf) -> None:
    ann, carol = client_of(ANN), client_of(CAROL)
    ann.create_registered_model(NAME, tags={"team": "energy"}, description="Forecasts power.")
    made = ann.create_model_version(NAME, "s3://models/1", run_link="https://mlflow.example.com/1", tags={"a": "b"})
    assert (made.version, made.current_stage, made.status, made.user_id) == (1, "None", "READY", ANN)
    assert made.run_link == "https://mlflow.example.com/1"
    moved = carol.transition_model_version_stage(NAME, "1", "production")
    assert moved.current_stage == "Production"
    assert [v.version for v in ann.get_latest_versions(NAME, ["Production"])] == [1]
    model = ann.get_registered_model(NAME)
    assert (model.tags, model.description) == ({"team": "energy"}, "Forecasts power.")
    assert model.last_updated_timestamp >= moved.last_updated_timestamp >= made.creation_timestamp > 10**12


def test_every_write_is_a_commit_of_whoever_made_it(town: Town, client_of: ClientOf) -> None:
    before = town.as_(CAROL).main()
    registered(client_of(ANN))
    client_of(BOB).transition_model_version_stage(NAME, 1, "Staging")
    world = town.as_(CAROL)
    landed = world.repository.first_parents(before, world.main())
    told = [(one.author.email, one.message.splitlines()[0]) for one in landed]
    assert told == [
        (ANN, f"Create {NAME}"),
        (ANN, f"Register {NAME}/1"),
        (BOB, f"Move {NAME}/1 to Staging"),
    ]


def test_existing_versions_are_archived_in_the_same_commit(town: Town, client_of: ClientOf) -> None:
    carol = client_of(CAROL)
    registered(carol, versions=2)
    carol.transition_model_version_stage(NAME, 1, "Production")
    carol.transition_model_version_stage(NAME, 2, "Production", archive_existing_versions=True)
    assert [carol.get_model_version(NAME, n).current_stage for n in (1, 2)] == ["Archived", "Production"]


def test_what_owners_forbid_is_denied_with_the_way_out(town: Town, client_of: ClientOf) -> None:
    ann = client_of(ANN)
    registered(ann)
    before = town.as_(CAROL).main()
    with pytest.raises(MlflowException, match=f"stagedoor request {NAME}/1 Production") as caught:
        ann.transition_model_version_stage(NAME, 1, "Production")
    assert (caught.value.error_code, caught.value.get_http_status_code()) == ("PERMISSION_DENIED", 403)
    assert town.as_(CAROL).main() == before
    assert town.as_(CAROL).forge.requests("all") == ()


def test_what_a_gate_forbids_is_no_fault_of_the_server(town: Town, client_of: ClientOf) -> None:
    registry = town.text("registry_spec/registry.yaml")
    gate = "stages:\n- name: None\n- name: Staging\n- name: Production\n  direct: false\n- name: Archived\n"
    town.commit({"registry_spec/registry.yaml": registry + gate}, "registry: production by request")
    carol = client_of(CAROL)
    registered(carol)
    code, status = code_of(carol.transition_model_version_stage, NAME, 1, "Production")
    assert code in ("PERMISSION_DENIED", "INVALID_STATE")
    assert status in (400, 403)


def test_somebody_who_owns_nothing_may_only_read(town: Town, client_of: ClientOf) -> None:
    registered(client_of(ANN))
    dave = client_of(DAVE)
    assert dave.get_registered_model(NAME).name == NAME
    assert code_of(dave.update_registered_model, NAME, "x")[0] == "PERMISSION_DENIED"


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", "a.b", "../x", "x\n"])
def test_a_name_that_cannot_be_is_refused(name: str, client_of: ClientOf) -> None:
    assert code_of(client_of(ANN).create_registered_model, name) == ("INVALID_PARAMETER_VALUE", 400)


def test_refusals_have_the_codes_of_mlflows_own_stores(town: Town, client_of: ClientOf) -> None:
    carol = client_of(CAROL)
    registered(carol)
    store = RegistryStore(f"stagedoor://{town.path}?as={CAROL}")
    assert code_of(carol.create_registered_model, NAME)[0] == "RESOURCE_ALREADY_EXISTS"
    assert code_of(carol.get_registered_model, "nothing")[0] == "RESOURCE_DOES_NOT_EXIST"
    assert code_of(carol.get_model_version, NAME, "9")[0] == "RESOURCE_DOES_NOT_EXIST"
    assert code_of(store.get_model_version, NAME, "one")[0] == "INVALID_PARAMETER_VALUE"
    assert code_of(carol.transition_model_version_stage, NAME, "1", "Shelf")[0] == "INVALID_PARAMETER_VALUE"
    assert code_of(carol.transition_model_version_stage, NAME, "1", "Archived", True)[0] == "INVALID_PARAMETER_VALUE"
    assert code_of(carol.get_model_version_by_alias, NAME, "gone")[0] == "INVALID_PARAMETER_VALUE"
    assert code_of(carol.set_registered_model_alias, NAME, "champion", "9")[0] == "RESOURCE_DOES_NOT_EXIST"
    assert code_of(store.set_registered_model_alias, NAME, "latest", "1")[0] == "INVALID_PARAMETER_VALUE"
    assert code_of(store.set_registered_model_alias, NAME, "v1", "1")[0] == "INVALID_PARAMETER_VALUE"
    assert code_of(carol.search_registered_models, max_results=100_000)[0] == "INVALID_PARAMETER_VALUE"
    assert code_of(carol.search_registered_models, page_token="xx")[0] == "INVALID_PARAMETER_VALUE"
    assert code_of(carol.search_model_versions, "nonsense = 'x'")[0] == "INVALID_PARAMETER_VALUE"
    carol.transition_model_version_stage(NAME, "1", "Production")
    assert code_of(carol.delete_registered_model, NAME) == ("INVALID_STATE", 400)
    assert code_of(carol.rename_registered_model, NAME, "other") == ("INVALID_STATE", 400)


def test_a_value_that_is_missing_is_refused_whatever_the_call(town: Town, client_of: ClientOf) -> None:
    registered(client_of(CAROL))
    store = RegistryStore(f"stagedoor://{town.path}?as={CAROL}")
    for call, args in (
        (store.create_registered_model, (None,)),
        (store.rename_registered_model, (NAME, "")),
        (store.delete_registered_model_tag, (NAME, None)),
        (store.delete_model_version_tag, (NAME, 1, "")),
        (store.create_model_version, (NAME, "")),
        (store.transition_model_version_stage, (NAME, 1, None)),
        (store.set_registered_model_alias, (NAME, None, 1)),
        (store.get_model_version_by_alias, (NAME, None)),
    ):
        assert code_of(call, *args) == ("INVALID_PARAMETER_VALUE", 400)


def test_a_pattern_full_of_wildcards_is_answered(town: Town, client_of: ClientOf) -> None:
    carol = client_of(CAROL)
    carol.create_registered_model("a" * 100, tags={"k": "a" * 1000})
    assert list(carol.search_registered_models(f"name LIKE '{'%a' * 40}b'")) == []
    assert len(carol.search_registered_models(f"tags.k LIKE '{'%a' * 40}'")) == 1


def test_git_tidies_up_under_a_store_that_stays(town: Town) -> None:
    town.register(NAME)
    store = RegistryStore(f"stagedoor://{town.path}?as={ANN}")
    for number in (2, 4):
        assert store.create_model_version(NAME, "s3://models/x").version == number
        subprocess.run(["git", "-C", town.path, "gc", "-q", "--prune=now"], check=True)
        assert town.register(NAME) == number + 1
        subprocess.run(["git", "-C", town.path, "repack", "-adq"], check=True)
        assert len(store.search_model_versions(f"name = '{NAME}'")) == number + 1


def test_aliases_tags_descriptions_rename_and_delete(town: Town, client_of: ClientOf) -> None:
    carol = client_of(CAROL)
    registered(carol, versions=2)
    carol.set_registered_model_alias(NAME, "champion", "1")
    assert carol.get_model_version_by_alias(NAME, "champion").version == 1
    assert carol.get_model_version(NAME, "1").aliases == ["champion"]
    store = RegistryStore(f"stagedoor://{town.path}")
    assert store.get_model_version_by_alias(NAME, "latest").version == 2
    carol.delete_registered_model_alias(NAME, "champion")
    carol.delete_registered_model_alias(NAME, "champion")
    carol.set_model_version_tag(NAME, "1", "k", "v")
    carol.delete_model_version_tag(NAME, "1", "none")
    assert carol.get_model_version(NAME, "1").tags == {"k": "v"}
    carol.delete_model_version_tag(NAME, "1", "k")
    carol.set_registered_model_tag(NAME, "k", 5)
    carol.delete_registered_model_tag(NAME, "k")
    carol.update_model_version(NAME, "1", "the first")
    assert carol.get_model_version(NAME, "1").description == "the first"
    carol.rename_registered_model(NAME, "renamed")
    carol.delete_model_version("renamed", "2")
    assert carol.create_model_version("renamed", "s3://models/3").version == 3
    carol.delete_registered_model("renamed")
    assert list(carol.search_registered_models()) == []


def test_a_copy_has_the_source_and_the_lineage_of_its_original(town: Town, client_of: ClientOf) -> None:
    town.register("origin", run={"id": "9f2c", "experiment": "wind"}, metrics={"rmse": 4.5}, source="s3://models/7")
    ann = client_of(ANN)
    made = ann.copy_model_version("models:/origin/1", "copied")
    assert (made.name, made.version, made.source, made.run_id) == ("copied", 1, "s3://models/7", "9f2c")
    assert town.as_(ANN).snapshot().registry.version("copied", 1).metrics == {"rmse": 4.5}


def test_prompts_are_models_of_their_own_kind(town: Town, client_of: ClientOf) -> None:
    ann = client_of(ANN)
    registered(ann)
    made = ann.register_prompt("greeting", "Hello {{name}}\nand welcome", commit_message="first", tags={"k": "v"})
    assert (made.version, made.template) == (1, "Hello {{name}}\nand welcome")
    ann.set_prompt_alias("greeting", "live", 1)
    assert ann.load_prompt("prompts:/greeting@live").template == made.template
    store = RegistryStore(f"stagedoor://{town.path}")
    prompts = store.search_registered_models("tags.`mlflow.prompt.is_prompt` = 'true'")
    assert [prompt.name for prompt in prompts] == ["greeting"]
    assert [model.name for model in ann.search_registered_models()] == [NAME]


def test_another_process_is_seen_at_once(town: Town, client_of: ClientOf) -> None:
    ann = client_of(ANN)
    registered(ann)
    town.register(NAME, BOB)
    assert sorted(v.version for v in ann.search_model_versions(f"name = '{NAME}'")) == [1, 2]


def test_a_store_can_be_sent_to_another_process(town: Town) -> None:
    town.register("fraud")
    store = pickle.loads(pickle.dumps(RegistryStore(f"stagedoor://{town.path}")))
    assert store.get_registered_model("fraud").name == "fraud"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("stagedoor://host/path", "names no registry on this machine"),
        ("stagedoor:", "names no registry on this machine"),
        ("stagedoor:///x?branches=y", "no option branches"),
        ("stagedoor:///x?as=nobody", "no e-mail address"),
        ("stagedoor:///x?%", "does not read"),
    ],
)
def test_a_uri_that_does_not_read_is_refused(uri: str, said: str) -> None:
    with pytest.raises(MlflowException, match=said) as caught:
        RegistryStore(uri)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_folder_that_holds_no_registry_is_refused_by_each_call(tmp_path: Any) -> None:
    store = RegistryStore(f"stagedoor://{tmp_path}/nothing")
    assert code_of(store.get_registered_model, "x") == ("INVALID_STATE", 400)


def test_the_address_of_a_server_is_looked_at() -> None:
    assert code_of(ServerStore, "stagedoor+ftp://host")[0] == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("which", ["Production", "1", "@champion", "@latest", "latest"])
def test_models_uris_lead_to_the_artifacts(
    which: str, town: Town, client_of: ClientOf, tracking: str, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.txt").write_text("42")
    carol = client_of(CAROL)
    carol.create_registered_model(NAME)
    carol.create_model_version(NAME, str(tmp_path / "model"))
    carol.transition_model_version_stage(NAME, "1", "Production")
    carol.set_registered_model_alias(NAME, "champion", "1")
    uri = f"models:/{NAME}{which}" if which.startswith("@") else f"models:/{NAME}/{which}"
    mlflow.set_tracking_uri(tracking)
    mlflow.set_registry_uri(f"stagedoor://{town.path}")
    try:
        found = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "down"))
    finally:
        mlflow.set_registry_uri("")
        mlflow.set_tracking_uri("")
    assert (Path(found) / "weights.txt").read_text() == "42"


# --- the same questions to MLflow's own store -------------------------------------------------------------------------


def fill(store: Any) -> None:
    """The same models in any store."""
    for name, team in (("wind", "energy"), ("Wind-2", "energy"), ("solar", "sun"), ("fraud", "bank")):
        said = {"team": team, "a.b": team, **({"hot": "yes"} if name == "solar" else {})}
        store.create_registered_model(name, [RegisteredModelTag(key, value) for key, value in said.items()])
        for number in (1, 2, 3):
            tags = [ModelVersionTag("n", str(number))]
            store.create_model_version(name, f"s3://models/{name}/{number}", f"run{number}", tags)


MODEL_FILTERS = (
    "", "name = 'wind'", "name != 'wind'", "name LIKE 'wi%'", "name ILIKE 'wi%'", "name LIKE '%a%'", "name LIKE 'w_nd'",
    "tags.team = 'energy'", "tag.team != 'energy'", "tags.hot = 'yes'", "tags.hot != 'yes'", "tags.`a.b` = 'sun'",
    "name ILIKE '%wind%' AND tags.team = 'energy'", "tags.`mlflow.prompt.is_prompt` != 'true'",
)  # fmt: skip
VERSION_FILTERS = (
    "", "name = 'wind'", "run_id = 'run2'", "run_id IN ('run1','run3')", "source_path LIKE '%solar%'",
    "version_number > 1", "version_number <= 2 AND name = 'fraud'", "tags.n = '3'", "name ILIKE 'WIND%'",
)  # fmt: skip


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store of ours and one of MLflow's with the same models."""
    from stagedoor.workflows.initialise import initialise

    folder = tmp_path_factory.mktemp("both")
    initialise(folder / "registry.git", owner=CAROL, name="test", bare=True)
    ours = RegistryStore(f"stagedoor://{folder}/registry.git?as={CAROL}")
    theirs = SqlAlchemyStore(f"sqlite:///{folder}/registry.db")
    fill(ours)
    fill(theirs)
    return ours, theirs


@pytest.mark.parametrize("asked", MODEL_FILTERS)
@pytest.mark.parametrize("order", [None, ["name DESC"], ["last_updated_timestamp DESC"], ["timestamp ASC"]])
def test_models_are_found_as_mlflows_own_store_finds_them(asked: str, order: Any, both: Any) -> None:
    found = [[one.name for one in store.search_registered_models(asked, 100, order)] for store in both]
    assert found[0] == found[1]


@pytest.mark.parametrize("asked", VERSION_FILTERS)
@pytest.mark.parametrize("order", [None, ["version_number DESC", "name"], ["creation_timestamp ASC"]])
def test_versions_are_found_as_mlflows_own_store_finds_them(asked: str, order: Any, both: Any) -> None:
    found = [[(one.name, int(one.version)) for one in store.search_model_versions(asked, 100, order)] for store in both]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "asked", ["name", "name = wind", "what = 'x'", "name > 'x'", "name = 'x' OR name = 'y'", "tags.a > 'x'", "1"]
)
def test_a_filter_that_mlflow_refuses_is_refused(asked: str, both: Any) -> None:
    for store in both:
        assert code_of(store.search_registered_models, asked, 10)[0] == "INVALID_PARAMETER_VALUE"
        assert code_of(store.search_model_versions, asked, 10)[0] == "INVALID_PARAMETER_VALUE"


def test_pages_hold_everything_once(both: Any) -> None:
    ours, _ = both
    found, token = [], None
    while True:
        page = ours.search_model_versions("", 5, None, token)
        found += [(one.name, one.version) for one in page]
        token = page.token
        if not token:
            break
    assert len(found) == len(set(found)) == 12
