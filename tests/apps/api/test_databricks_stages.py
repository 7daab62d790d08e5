"""databricks-sdk as it is installed: moves, requests, and what the command line sees of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    InvalidState,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.service.ml import ModelRegistryAPI

from served import Served
from stagedoor.core.registry import Ref
from stagedoor.workflows import reviewing
from stagedoor.workflows.moving import ask, wanted
from town import ANN, BOB, CAROL, DAVE

Sdk = Callable[[str], ModelRegistryAPI]


@pytest.fixture
def three(sdk: Sdk, name: str) -> str:
    """A model with three versions in no stage."""
    sdk(ANN).create_model(name)
    for _ in range(3):
        sdk(ANN).create_model_version(name, "s3://x")
    return name


def stages(sdk: Sdk, name: str) -> dict[str, str]:
    """The stage of each version."""
    found = sdk(ANN).search_model_versions(filter=f"name = '{name}'")
    return {v.version or "": v.current_stage or "" for v in found}


def activities(served: Served, name: str, version: int = 1) -> list[tuple[str, str, str]]:
    """Kind, actor and comment of each activity, newest first."""
    found = served.ok("GET", "mlflow/model-versions/get-activities", params={"name": name, "version": version})
    return [(one["activity_type"], one["user_id"], one["comment"]) for one in found["activities"]]


def test_an_owner_of_a_stage_moves_a_version_at_once(sdk: Sdk, served: Served, three: str) -> None:
    moved = sdk(BOB).transition_stage(three, "1", "staging", False, comment="try it").model_version_databricks
    assert moved is not None
    assert (moved.current_stage, moved.version) == ("Staging", "1")
    assert moved.permission_level is not None and moved.permission_level.value == "CAN_MANAGE_STAGING_VERSIONS"
    assert activities(served, three) == [("APPLIED_TRANSITION", BOB, "try it")]
    main = served.town.as_(CAROL)
    assert main.repository.commit_info(main.main()).author.email == BOB


def test_who_does_not_own_the_stage_is_refused(sdk: Sdk, three: str) -> None:
    for who, stage in ((ANN, "Staging"), (BOB, "Production"), (DAVE, "Staging")):
        with pytest.raises(PermissionDenied):
            sdk(who).transition_stage(three, "1", stage, archive_existing_versions=False)
    sdk(CAROL).transition_stage(three, "1", "Production", archive_existing_versions=False)
    with pytest.raises(PermissionDenied):
        sdk(BOB).transition_stage(three, "1", "Staging", archive_existing_versions=False)
    assert stages(sdk, three)["1"] == "Production"


def test_archive_existing_versions_makes_way_in_one_commit_and_says_why(sdk: Sdk, served: Served, three: str) -> None:
    carol = sdk(CAROL)
    carol.transition_stage(three, "1", "Production", archive_existing_versions=False)
    before = served.town.as_(CAROL).main()
    carol.transition_stage(three, "2", "Production", archive_existing_versions=True)
    world = served.town.as_(CAROL)
    assert world.repository.commit_info(world.main()).parents == (before,)
    assert stages(sdk, three) == {"1": "Archived", "2": "Production", "3": "None"}
    found = served.ok("GET", "mlflow/model-versions/get-activities", params={"name": three, "version": 1})["activities"]
    assert found[0]["activity_type"] == "SYSTEM_TRANSITION"
    assert "version 2 came into Production" in found[0]["system_comment"]
    for stage in ("Archived", "None"):
        with pytest.raises(InvalidParameterValue, match="archive_existing_versions"):
            carol.transition_stage(three, "3", stage, archive_existing_versions=True)


def test_a_move_to_where_the_version_is_already_succeeds_and_is_no_activity(
    sdk: Sdk, served: Served, three: str
) -> None:
    sdk(BOB).transition_stage(three, "1", "Staging", archive_existing_versions=False)
    main = served.town.as_(CAROL).main()
    again = sdk(BOB).transition_stage(three, "1", "Staging", archive_existing_versions=False)
    assert again.model_version_databricks is not None
    assert again.model_version_databricks.current_stage == "Staging"
    assert served.town.as_(CAROL).main() == main


def test_a_stage_or_version_that_is_not_there_is_refused(sdk: Sdk, three: str) -> None:
    with pytest.raises(InvalidParameterValue, match="there is no stage"):
        sdk(CAROL).transition_stage(three, "1", "Nowhere", archive_existing_versions=False)
    with pytest.raises(ResourceDoesNotExist):
        sdk(CAROL).transition_stage(three, "9", "Staging", archive_existing_versions=False)
    for bad in ("one", "-1", "1.5", "99999999999999999999"):
        with pytest.raises(InvalidParameterValue):
            sdk(CAROL).get_model_version(three, bad)


def test_a_request_is_the_pull_request_that_the_command_line_lists(sdk: Sdk, served: Served, three: str) -> None:
    made = sdk(DAVE).create_transition_request(three, "1", "Staging", comment="beats the baseline").request
    assert made is not None and (made.to_stage, made.user_id, made.comment) == ("Staging", DAVE, "beats the baseline")
    listed = list(sdk(BOB).list_transition_requests(three, "1"))
    assert len(listed) == 1
    assert (listed[0].user_id, listed[0].from_stage, listed[0].to_stage) == (DAVE, "None", "Staging")
    assert listed[0].activity_type is not None and listed[0].activity_type.value == "REQUESTED_TRANSITION"
    seen = next(r for r in reviewing.requests(served.town.as_(CAROL)) if three in r.title)
    assert (seen.title, seen.body, seen.author) == (f"Move {three}/1 to Staging", "beats the baseline", DAVE)
    assert {step.identity for step in seen.steps} == {"token"}
    with pytest.raises(ResourceAlreadyExists):
        sdk(DAVE).create_transition_request(three, "1", "Staging")


def test_approving_reviews_and_merges_as_the_caller(sdk: Sdk, served: Served, three: str) -> None:
    sdk(ANN).create_transition_request(three, "1", "Staging", comment="please")
    done = sdk(BOB).approve_transition_request(three, "1", "Staging", False, comment="looks good").activity
    assert done is not None and done.activity_type is not None and done.activity_type.value == "APPROVED_REQUEST"
    assert (done.user_id, done.from_stage, done.to_stage) == (BOB, "None", "Staging")
    assert stages(sdk, three)["1"] == "Staging"
    assert list(sdk(BOB).list_transition_requests(three, "1")) == []
    world = served.town.as_(CAROL)
    commit = world.repository.commit_info(world.main())
    assert len(commit.parents) == 2 and commit.author.email == BOB
    assert f"Requested-by: {ANN}" in commit.message and f"Approved-by: {BOB}" in commit.message
    assert activities(served, three) == [
        ("APPROVED_REQUEST", BOB, "looks good"),
        ("REQUESTED_TRANSITION", ANN, "please"),
    ]


def test_approving_with_archive_makes_way_in_the_merge_itself(sdk: Sdk, served: Served, three: str) -> None:
    sdk(CAROL).transition_stage(three, "1", "Production", archive_existing_versions=False)
    sdk(ANN).create_transition_request(three, "2", "Production")
    before = served.town.as_(CAROL).main()
    sdk(CAROL).approve_transition_request(three, "2", "Production", archive_existing_versions=True)
    world = served.town.as_(CAROL)
    assert world.repository.commit_info(world.main()).parents[0] == before
    assert stages(sdk, three) == {"1": "Archived", "2": "Production", "3": "None"}


def test_who_may_not_move_may_not_approve_and_nothing_is_recorded(sdk: Sdk, served: Served, three: str) -> None:
    sdk(DAVE).create_transition_request(three, "1", "Production")
    for who in (ANN, BOB):
        with pytest.raises(PermissionDenied):
            sdk(who).approve_transition_request(three, "1", "Production", False)
        with pytest.raises((PermissionDenied, BadRequest)):
            sdk(ANN).reject_transition_request(three, "1", "Production")
    one = wanted(served.town.as_(CAROL), three)[0]
    assert one.request.reviews == ()


def test_who_asked_may_not_approve_it_alone(sdk: Sdk, three: str) -> None:
    sdk(BOB).create_transition_request(three, "1", "Staging")
    with pytest.raises(PermissionDenied, match="cannot approve"):
        sdk(BOB).approve_transition_request(three, "1", "Staging", False)
    assert stages(sdk, three)["1"] == "None"


def test_approving_answers_everybody_who_asked_for_the_same(sdk: Sdk, served: Served, three: str) -> None:
    for who in (ANN, DAVE, BOB):
        sdk(who).create_transition_request(three, "1", "Staging")
    sdk(BOB).approve_transition_request(three, "1", "Staging", archive_existing_versions=False)
    assert stages(sdk, three)["1"] == "Staging"
    assert wanted(served.town.as_(CAROL), three) == ()


def test_requests_for_other_stages_stay_open(sdk: Sdk, three: str) -> None:
    sdk(ANN).create_transition_request(three, "1", "Archived")
    sdk(ANN).create_transition_request(three, "1", "Staging")
    sdk(BOB).reject_transition_request(three, "1", "Staging", comment="not yet")
    assert [one.to_stage for one in sdk(ANN).list_transition_requests(three, "1")] == ["Archived"]


def test_a_rejected_and_a_cancelled_request_are_closed_and_told(sdk: Sdk, served: Served, three: str) -> None:
    sdk(ANN).create_transition_request(three, "1", "Staging", comment="please")
    done = sdk(BOB).reject_transition_request(three, "1", "Staging", comment="not yet").activity
    assert done is not None and done.activity_type is not None and done.activity_type.value == "REJECTED_REQUEST"
    sdk(ANN).create_transition_request(three, "1", "Staging")
    with pytest.raises(PermissionDenied):
        sdk(DAVE).delete_transition_request(three, "1", "Staging", creator=ANN)
    with pytest.raises(ResourceDoesNotExist):
        sdk(ANN).delete_transition_request(three, "1", "Staging", creator=DAVE)
    gone = sdk(ANN).delete_transition_request(three, "1", "Staging", creator=ANN, comment="found a bug").activity
    assert gone is not None and gone.activity_type is not None and gone.activity_type.value == "CANCELLED_REQUEST"
    assert list(sdk(ANN).list_transition_requests(three, "1")) == []
    assert activities(served, three) == [
        ("CANCELLED_REQUEST", ANN, "found a bug"),
        ("REQUESTED_TRANSITION", ANN, ""),
        ("REJECTED_REQUEST", BOB, "not yet"),
        ("REQUESTED_TRANSITION", ANN, "please"),
    ]


def test_nothing_open_is_nothing_to_answer(sdk: Sdk, three: str) -> None:
    bob = sdk(BOB)
    for act in (
        lambda: bob.approve_transition_request(three, "1", "Staging", False),
        lambda: bob.reject_transition_request(three, "1", "Staging"),
        lambda: bob.delete_transition_request(three, "1", "Staging", creator=BOB),
    ):
        with pytest.raises(ResourceDoesNotExist):
            act()


def test_a_direct_move_closes_the_requests_that_it_answers(sdk: Sdk, three: str) -> None:
    sdk(ANN).create_transition_request(three, "1", "Staging")
    sdk(BOB).transition_stage(three, "1", "Staging", archive_existing_versions=False)
    assert list(sdk(ANN).list_transition_requests(three, "1")) == []


def test_a_request_for_the_stage_the_version_is_in_is_refused(sdk: Sdk, three: str) -> None:
    with pytest.raises(InvalidState, match="already"):
        sdk(ANN).create_transition_request(three, "1", "None")


def test_what_the_command_line_merges_is_there_at_once(sdk: Sdk, served: Served, three: str) -> None:
    request = ask(served.town.as_(ANN), Ref(three, 2), "Staging").request
    assert [one.user_id for one in sdk(ANN).list_transition_requests(three, "2")] == [ANN]
    reviewing.approve(served.town.as_(BOB), request.number)
    reviewing.merge(served.town.as_(BOB), request.number)
    assert stages(sdk, three)["2"] == "Staging"


def test_a_request_that_does_more_is_not_approved_by_its_stage(sdk: Sdk, served: Served, three: str) -> None:
    from stagedoor.workflows import registering
    from stagedoor.workflows.registering import Wish
    from stagedoor.workflows.writing import Lane

    wishes = [Wish(f"{three}/1", "Staging"), Wish(f"{three}/2", "Staging")]
    registering.transition(served.town.as_(ANN), wishes, lane=Lane(propose=True))
    assert len(list(sdk(ANN).list_transition_requests(three, "1"))) == 1
    with pytest.raises(InvalidState, match="does more than"):
        sdk(BOB).approve_transition_request(three, "1", "Staging", False)
    assert stages(sdk, three)["1"] == "None"
