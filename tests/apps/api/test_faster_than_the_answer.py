"""A write that landed is answered as done, whatever somebody else does to it before the answer is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meanwhile import meanwhile
from served import Served, serve
from stagedoor.apps.mlflow_plugin.store import RegistryStore
from town import BOB, CAROL

MODELS, VERSIONS = "mlflow/registered-models/", "mlflow/model-versions/"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Served]:
    """A server on a registry with fraud/1."""
    made = serve(tmp_path, "--no-reconcile")
    made.town.register("fraud")
    yield made
    made.stop()
    made.town.close()


@pytest.mark.parametrize(
    "act", ["registering.delete(world, 'fraud/2')", "registering.delete(world, 'fraud')"], ids=["version", "model"]
)
def test_a_version_that_is_deleted_at_once_was_created(one: Served, act: str) -> None:
    flag = meanwhile(one.town.path, act)
    made = one.ok("POST", VERSIONS + "create", {"name": "fraud", "source": "s3://x"})["model_version"]
    assert (made["version"], made["source"]) == ("2", "s3://x")
    assert not flag.exists()
    one.refused(404, "RESOURCE_DOES_NOT_EXIST", "GET", VERSIONS + "get", params={"name": "fraud", "version": "2"})


def test_a_model_that_is_renamed_at_once_was_created(one: Served) -> None:
    meanwhile(one.town.path, "registering.rename(world, 'spam', 'eggs')")
    made = one.ok("POST", MODELS + "create", {"name": "spam"})["registered_model"]
    assert made["name"] == "spam"
    one.refused(404, "RESOURCE_DOES_NOT_EXIST", "GET", MODELS + "get", params={"name": "spam"})


def test_a_model_that_is_renamed_twice_was_renamed(one: Served) -> None:
    meanwhile(one.town.path, "registering.rename(world, 'spam', 'eggs')")
    said = {"name": "fraud", "new_name": "spam"}
    assert one.ok("POST", MODELS + "rename", said, as_=CAROL)["registered_model"]["name"] == "spam"


def test_what_is_deleted_at_once_was_described(one: Served) -> None:
    meanwhile(one.town.path, "registering.delete(world, 'fraud')")
    said = {"name": "fraud", "version": "1", "description": "good"}
    assert one.ok("PATCH", VERSIONS + "update", said)["model_version"]["description"] == "good"


def test_a_version_that_is_deleted_at_once_was_moved(one: Served) -> None:
    meanwhile(one.town.path, "registering.delete(world, 'fraud')")
    said = {"name": "fraud", "version": "1", "stage": "Archived", "archive_existing_versions": False}
    made = one.ok("POST", VERSIONS + "transition-stage", said, as_=CAROL)["model_version"]
    assert made["current_stage"] == "Archived"


@pytest.mark.parametrize("act", ["reviewing.cancel(world, 1)", "reviewing.reject(world, 1)"])
def test_a_move_is_done_where_somebody_else_closes_what_asked_for_it(one: Served, act: str) -> None:
    said = {"name": "fraud", "version": "1", "stage": "Staging"}
    one.ok("POST", "mlflow/transition-requests/create", said)
    meanwhile(one.town.path, act)
    one.ok("POST", VERSIONS + "transition-stage", {**said, "archive_existing_versions": False}, as_=BOB)


def test_a_request_that_is_cancelled_at_once_was_opened(one: Served) -> None:
    meanwhile(one.town.path, "reviewing.cancel(world, 1)", "refs/pull/1/meta")
    said = {"name": "fraud", "version": "1", "stage": "Staging", "comment": "please"}
    assert one.ok("POST", "mlflow/transition-requests/create", said)["request"]["to_stage"] == "Staging"
    assert one.ok("GET", "mlflow/transition-requests/list", params={"name": "fraud", "version": "1"})["requests"] == []


def test_the_plugin_answers_so_too(one: Served) -> None:
    store = RegistryStore(f"stagedoor://{one.town.path}?as={CAROL}")
    meanwhile(one.town.path, "registering.delete(world, 'fraud/2')")
    assert store.create_model_version("fraud", "s3://x").version == 2
    meanwhile(one.town.path, "registering.delete(world, 'fraud')")
    assert store.transition_model_version_stage("fraud", 1, "Archived").current_stage == "Archived"
    meanwhile(one.town.path, "registering.rename(world, 'spam', 'eggs')")
    assert store.create_registered_model("spam").name == "spam"
    meanwhile(one.town.path, "registering.delete(world, 'ham')")
    assert store.rename_registered_model("eggs", "ham").name == "ham"
