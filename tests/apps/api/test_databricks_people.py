"""databricks-sdk as it is installed: comments, permissions, who is calling, notifications."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, PermissionDenied, ResourceDoesNotExist
from databricks.sdk.service.ml import (
    ModelRegistryAPI,
    RegisteredModelAccessControlRequest,
    RegisteredModelPermissionLevel,
)

from served import Served
from stagedoor.workflows import comments
from town import ANN, BOB, CAROL, DAVE

Sdk = Callable[[str], ModelRegistryAPI]
Entry = RegisteredModelAccessControlRequest
EDIT, READ = RegisteredModelPermissionLevel.CAN_EDIT, RegisteredModelPermissionLevel.CAN_READ
STAGING = RegisteredModelPermissionLevel.CAN_MANAGE_STAGING_VERSIONS
PRODUCTION = RegisteredModelPermissionLevel.CAN_MANAGE_PRODUCTION_VERSIONS
MANAGE = RegisteredModelPermissionLevel.CAN_MANAGE


@pytest.fixture
def model(sdk: Sdk, name: str) -> str:
    """A model with a version."""
    sdk(ANN).create_model(name)
    sdk(ANN).create_model_version(name, "s3://x")
    return name


def id_of(sdk: Sdk, model: str) -> str:
    """What permissions go by."""
    found = sdk(CAROL).get_model(model).registered_model_databricks
    assert found is not None and found.id is not None
    return found.id


def held(sdk: Sdk, id_: str, *, inherited: bool = False) -> dict[str, str]:
    """Direct, or inherited, levels by principal."""
    said = sdk(CAROL).get_permissions(id_)
    return {
        one.user_name or f"@{one.group_name}": level.permission_level.value
        for one in said.access_control_list or []
        for level in one.all_permissions or []
        if level.permission_level is not None and bool(level.inherited) is inherited
    }


def test_a_comment_is_made_edited_and_deleted_by_its_author(sdk: Sdk, served: Served, model: str) -> None:
    made = sdk(DAVE).create_comment(model, "1", "is this **calibrated**?").comment
    assert made is not None and made.id is not None
    assert (made.comment, made.user_id) == ("is this **calibrated**?", DAVE)
    assert [a.value for a in made.available_actions or []] == ["EDIT_COMMENT", "DELETE_COMMENT"]
    with pytest.raises(PermissionDenied):
        sdk(ANN).update_comment(made.id, "no")
    edited = sdk(DAVE).update_comment(made.id, "it is").comment
    assert edited is not None and (edited.id, edited.comment) == (made.id, "it is")
    assert edited.creation_timestamp == made.creation_timestamp
    assert (edited.last_updated_timestamp or 0) > (made.last_updated_timestamp or 0)
    assert [c.body for c in comments.of(served.town.as_(CAROL), f"{model}/1")] == ["it is"]
    told = served.ok("GET", "mlflow/model-versions/get-activities", params={"name": model, "version": "1"})
    assert [(a["activity_type"], a["comment"]) for a in told["activities"]] == [("NEW_COMMENT", "it is")]
    with pytest.raises(PermissionDenied):
        sdk(ANN).delete_comment(made.id)
    sdk(DAVE).delete_comment(made.id)
    assert comments.of(served.town.as_(CAROL), f"{model}/1") == ()
    for gone in (lambda: sdk(DAVE).delete_comment(str(made.id)), lambda: sdk(DAVE).update_comment(str(made.id), "x")):
        with pytest.raises(ResourceDoesNotExist):
            gone()


def test_who_manages_a_model_may_delete_a_comment_and_not_edit_it(sdk: Sdk, model: str) -> None:
    made = sdk(ANN).create_comment(model, "1", "rude").comment
    assert made is not None and made.id is not None
    with pytest.raises(PermissionDenied):
        sdk(CAROL).update_comment(made.id, "polite")
    sdk(CAROL).delete_comment(made.id)


def test_an_edit_of_a_comment_is_no_news(sdk: Sdk, served: Served, model: str) -> None:
    made = sdk(ANN).create_comment(model, "1", "first").comment
    assert made is not None and made.id is not None
    sdk(ANN).update_comment(made.id, "second")
    told = [comment.body for _, comment in comments.since(served.town.as_(CAROL), None) if comment.id == made.id]
    assert told == ["first"]


def test_a_comment_on_what_is_not_there_or_that_says_nothing_is_refused(sdk: Sdk, model: str) -> None:
    with pytest.raises(ResourceDoesNotExist):
        sdk(ANN).create_comment(model, "7", "hello")
    for bad in ("", "   ", "x" * 70_000):
        with pytest.raises(InvalidParameterValue):
            sdk(ANN).create_comment(model, "1", bad)
    for bad in ("../../x", "f" * 32, ""):
        with pytest.raises(ResourceDoesNotExist):
            sdk(ANN).delete_comment(bad)


def test_permissions_are_read_from_codeowners_as_inherited(sdk: Sdk, model: str) -> None:
    said = sdk(ANN).get_permissions(id_of(sdk, model))
    assert said.object_id == f"/registered-models/{id_of(sdk, model)}"
    assert said.object_type == "registered-model"
    assert held(sdk, id_of(sdk, model), inherited=True) == {
        ANN: "CAN_EDIT",
        BOB: "CAN_MANAGE_STAGING_VERSIONS",
        CAROL: "CAN_MANAGE",
        "@users": "CAN_READ",
    }
    assert held(sdk, id_of(sdk, model)) == {}


def test_a_level_that_is_granted_counts_at_once_and_takes_nothing_from_others(
    sdk: Sdk, served: Served, model: str
) -> None:
    id_ = id_of(sdk, model)
    before = served.town.text(".github/CODEOWNERS")
    sdk(CAROL).update_permissions(id_, access_control_list=[Entry(user_name=DAVE, permission_level=STAGING)])
    assert held(sdk, id_) == {DAVE: "CAN_MANAGE_STAGING_VERSIONS"}
    sdk(DAVE).transition_stage(model, "1", "Staging", archive_existing_versions=False)
    sdk(DAVE).update_model(model, description="dave may edit too")
    with pytest.raises(PermissionDenied):
        sdk(DAVE).transition_stage(model, "1", "Production", archive_existing_versions=False)
    sdk(BOB).transition_stage(model, "1", "Archived", archive_existing_versions=False)
    assert held(sdk, id_, inherited=True)[BOB] == "CAN_MANAGE_STAGING_VERSIONS"
    assert [line for line in before.splitlines() if line not in served.town.text(".github/CODEOWNERS")] == []
    sdk(CAROL).set_permissions(id_, access_control_list=[])
    assert served.town.text(".github/CODEOWNERS") == before
    with pytest.raises(PermissionDenied):
        sdk(DAVE).update_model(model, description="and now no more")


@pytest.mark.parametrize("level", [EDIT, STAGING, PRODUCTION, MANAGE])
def test_each_level_is_given_just_so(sdk: Sdk, model: str, level: RegisteredModelPermissionLevel) -> None:
    id_ = id_of(sdk, model)
    inherited = held(sdk, id_, inherited=True)
    sdk(CAROL).set_permissions(id_, access_control_list=[Entry(user_name=DAVE, permission_level=level)])
    assert held(sdk, id_) == {DAVE: level.value}
    mine = sdk(DAVE).get_model(model).registered_model_databricks
    assert mine is not None and mine.permission_level is not None and mine.permission_level.value == level.value
    assert held(sdk, id_, inherited=True) == inherited


def test_put_replaces_and_patch_adds(sdk: Sdk, model: str) -> None:
    id_ = id_of(sdk, model)
    sdk(CAROL).set_permissions(id_, access_control_list=[Entry(user_name=DAVE, permission_level=EDIT)])
    sdk(CAROL).update_permissions(id_, access_control_list=[Entry(group_name="wind", permission_level=MANAGE)])
    assert held(sdk, id_) == {DAVE: "CAN_EDIT", "@wind": "CAN_MANAGE"}
    sdk(CAROL).set_permissions(id_, access_control_list=[Entry(user_name=ANN, permission_level=PRODUCTION)])
    assert held(sdk, id_) == {ANN: "CAN_MANAGE_PRODUCTION_VERSIONS"}


def test_can_read_closes_a_model_and_each_row_of_a_search(sdk: Sdk, served: Served, model: str) -> None:
    id_ = id_of(sdk, model)
    entry = Entry(user_name="erin@example.com", permission_level=READ)
    sdk(CAROL).set_permissions(id_, access_control_list=[entry])
    for refused in (
        lambda: sdk(DAVE).get_model(model),
        lambda: sdk(DAVE).get_model_version(model, "1"),
        lambda: sdk(DAVE).get_model_version_download_uri(model, "1"),
        lambda: list(sdk(DAVE).get_latest_versions(model)),
        lambda: list(sdk(DAVE).list_transition_requests(model, "1")),
        lambda: sdk(DAVE).create_transition_request(model, "1", "Staging"),
        lambda: sdk(DAVE).create_comment(model, "1", "hello"),
        lambda: sdk(DAVE).get_permissions(id_),
        lambda: sdk(DAVE).set_model_tag(model, "k", "v"),
        lambda: sdk(DAVE).create_model_version(model, "s3://x"),
    ):
        with pytest.raises(PermissionDenied):
            refused()
    assert list(sdk(DAVE).search_models(filter=f"name = '{model}'")) == []
    assert list(sdk(DAVE).search_model_versions(filter=f"name = '{model}'")) == []
    assert model not in [one.name for one in sdk(DAVE).list_models()]
    for reader in ("erin@example.com", ANN, BOB, CAROL):
        assert [one.name for one in sdk(reader).search_models(filter=f"name = '{model}'")] == [model]
    with pytest.raises(PermissionDenied):
        sdk(DAVE).create_model_version(model, "s3://x")


def test_who_does_not_manage_grants_nothing(sdk: Sdk, served: Served, model: str) -> None:
    id_ = id_of(sdk, model)
    before = served.town.text(".github/CODEOWNERS")
    entry = Entry(user_name=BOB, permission_level=MANAGE)
    for who in (ANN, BOB, DAVE):
        with pytest.raises(PermissionDenied):
            sdk(who).update_permissions(id_, access_control_list=[entry])
        with pytest.raises(PermissionDenied):
            sdk(who).set_permissions("root", access_control_list=[entry])
    assert served.town.text(".github/CODEOWNERS") == before


def test_an_entry_that_names_nobody_or_two_is_refused(sdk: Sdk, served: Served, model: str) -> None:
    id_ = id_of(sdk, model)
    for bad in (
        Entry(permission_level=EDIT),
        Entry(user_name=DAVE, group_name="wind", permission_level=EDIT),
        Entry(group_name="nobody", permission_level=EDIT),
        Entry(user_name="not an address", permission_level=EDIT),
        Entry(user_name="x@example.com\n* @evil", permission_level=EDIT),
        Entry(user_name="#@x.y", permission_level=EDIT),
    ):
        with pytest.raises(InvalidParameterValue):
            sdk(CAROL).update_permissions(id_, access_control_list=[bad])
    with pytest.raises(ResourceDoesNotExist):
        sdk(CAROL).get_permissions("0" * 32)
    served.refused(
        400,
        "INVALID_PARAMETER_VALUE",
        "PATCH",
        f"permissions/registered-models/{id_}",
        {"access_control_list": [{"user_name": DAVE, "permission_level": "CAN_FLY"}]},
        as_=CAROL,
    )


def test_permissions_of_root_are_lines_for_all_models(sdk: Sdk, served: Served, model: str) -> None:
    before = served.town.text(".github/CODEOWNERS")
    there = held(sdk, "root")
    assert there == {ANN: "CAN_EDIT", BOB: "CAN_MANAGE_STAGING_VERSIONS", CAROL: "CAN_MANAGE", "@users": "CAN_READ"}
    sdk(CAROL).update_permissions("root", access_control_list=[Entry(user_name=DAVE, permission_level=STAGING)])
    assert held(sdk, id_of(sdk, model), inherited=True)[DAVE] == "CAN_MANAGE_STAGING_VERSIONS"
    with pytest.raises(InvalidParameterValue, match="admins keep CAN_MANAGE"):
        sdk(CAROL).set_permissions("root", access_control_list=[Entry(user_name=DAVE, permission_level=MANAGE)])
    sdk(CAROL).set_permissions(
        "root",
        access_control_list=[
            Entry(group_name="admins", permission_level=MANAGE),
            Entry(user_name=ANN, permission_level=EDIT),
            Entry(user_name=BOB, permission_level=STAGING),
        ],
    )
    assert held(sdk, "root") == {
        "@admins": "CAN_MANAGE",
        ANN: "CAN_EDIT",
        BOB: "CAN_MANAGE_STAGING_VERSIONS",
        "@users": "CAN_READ",
    }
    sdk(CAROL).transition_stage(model, "1", "Production", archive_existing_versions=False)
    served.town.commit({".github/CODEOWNERS": before}, "owners: as they were")


def test_the_levels_are_told_with_their_meaning(sdk: Sdk, model: str) -> None:
    said = sdk(ANN).get_permission_levels(id_of(sdk, model)).permission_levels or []
    assert [one.permission_level for one in said] == [READ, EDIT, STAGING, PRODUCTION, MANAGE]
    assert all(one.description for one in said)


def test_the_general_permissions_api_reaches_the_same(served: Served, sdk: Sdk, model: str) -> None:
    client = WorkspaceClient(host=served.url, token=served.token(CAROL))
    said = client.permissions.get("registered-models", id_of(sdk, model))
    assert {one.user_name for one in said.access_control_list or []} >= {ANN, BOB, CAROL}


def test_the_caller_is_told_who_they_are(served: Served) -> None:
    me = WorkspaceClient(host=served.url, token=served.token(ANN)).current_user.me()
    assert (me.user_name, me.display_name, me.active) == (ANN, "Ann", True)
    assert {group.display for group in me.groups or []} == {"users", "wind"}
    admin = WorkspaceClient(host=served.url, token=served.token(CAROL)).current_user.me()
    assert {group.display for group in admin.groups or []} == {"users", "admins"}


def test_somebody_chooses_what_they_hear_of(served: Served, model: str) -> None:
    base = "mlflow/email-notifications/registry"
    assert served.ok("GET", f"{base}/get-subscription-status", params={"name": model}) == {
        "subscription_status": "DEFAULT"
    }
    said = {"name": model, "subscription_type": "ALL_EVENTS"}
    assert served.ok("POST", f"{base}/set-subscription-status", said) == {"subscription_status": "ALL_EVENTS"}
    moved = served.ok("GET", "mlflow/databricks/model-versions/get", params={"name": model, "version": "1"})
    assert moved["model_version_databricks"]["email_subscription_status"] == "ALL_EVENTS"
    served.refused(
        400, "INVALID_PARAMETER_VALUE", "POST", f"{base}/set-subscription-status", {**said, "subscription_type": "LOUD"}
    )
