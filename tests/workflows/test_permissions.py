"""Permissions are lines of CODEOWNERS, and the reconciler knows who may write them."""

from __future__ import annotations

import pytest

from stagedoor.core.owners import Level
from stagedoor.core.registry import Ref
from stagedoor.errors import Denied, InvalidState
from stagedoor.workflows import moving, permissions, registering
from stagedoor.workflows.permissions import Principal
from stagedoor.workflows.reconciling import reconcile
from stagedoor.workflows.registering import Wish
from town import ANN, BOB, CAROL, CODEOWNERS, DAVE, Town

OWNERS = ".github/CODEOWNERS"
USER = Principal("user", DAVE)


def unreviewed(town: Town) -> list[str]:
    """What the reconciler finds that nobody agreed to."""
    return [event.text for event in reconcile(town.as_(CAROL)).events if event.kind == "unreviewed_change"]


def model_id(town: Town, name: str = "fraud") -> str:
    """What permissions go by."""
    return town.as_(CAROL).snapshot().registry.model(name).id


def test_a_manager_grants_levels_without_owning_codeowners_and_it_is_no_unreviewed_change(town: Town) -> None:
    town.register("fraud")
    town.commit({OWNERS: CODEOWNERS + f"/registry_spec/models/*.yaml/@Manage {BOB} {CAROL}\n"}, "bob manages")
    reconcile(town.as_(CAROL))
    permissions.change(town.as_(BOB), model_id(town), {USER: Level.STAGING}, replace=False)
    assert unreviewed(town) == []
    assert f"/registry_spec/models/fraud.yaml/@Staging {BOB} {CAROL} {DAVE}\n" in town.text(OWNERS)


def test_a_line_for_more_than_one_model_by_a_manager_is_told_as_unreviewed(town: Town) -> None:
    town.register("fraud")
    reconcile(town.as_(CAROL))
    town.commit({OWNERS: town.text(OWNERS) + f"/registry_spec/models/f*.yaml/@Staging {DAVE}\n"}, author=BOB)
    town.commit({OWNERS: town.text(OWNERS) + f"/registry_spec/models/fraud.yaml/@Production {BOB}\n"}, author=BOB)
    assert len(unreviewed(town)) == 2


def test_who_owns_the_policy_grants_levels_on_all_models(town: Town) -> None:
    town.register("fraud")
    reconcile(town.as_(CAROL))
    permissions.change(town.as_(CAROL), "root", {USER: Level.STAGING}, replace=False)
    assert unreviewed(town) == []
    with pytest.raises(Denied):
        permissions.change(town.as_(BOB), "root", {USER: Level.STAGING}, replace=False)


def test_granting_what_is_granted_makes_no_commit(town: Town) -> None:
    town.register("fraud")
    permissions.change(town.as_(CAROL), model_id(town), {USER: Level.EDIT}, replace=True)
    main = town.as_(CAROL).main()
    permissions.change(town.as_(CAROL), model_id(town), {USER: Level.EDIT}, replace=True)
    assert town.as_(CAROL).main() == main


def test_the_groups_users_and_admins_are_there_without_being_declared(town: Town) -> None:
    people = town.as_(CAROL).snapshot().people
    assert people.emails_of("@admins") == frozenset({CAROL})
    assert people.emails_of("@users") == frozenset({CAROL})
    town.register("fraud")
    group = Principal("group", "admins")
    permissions.change(town.as_(CAROL), model_id(town), {group: Level.MANAGE}, replace=True)
    assert f"/registry_spec/models/fraud.yaml/@Manage {CAROL} @admins\n" in town.text(OWNERS)


def test_a_file_in_another_forges_dialect_is_left_to_people(town: Town) -> None:
    town.register("fraud")
    spec = town.text("registry_spec/registry.yaml") + "owners:\n  dialect: gitlab\n"
    town.commit({"registry_spec/registry.yaml": spec, "CODEOWNERS": CODEOWNERS})
    with pytest.raises(InvalidState, match="gitlab"):
        permissions.change(town.as_(CAROL), model_id(town), {USER: Level.EDIT}, replace=True)


def test_an_approval_that_archives_others_is_reviewed_in_all_it_does(town: Town) -> None:
    town.register("fraud"), town.register("fraud")
    registering.transition(town.as_(CAROL), [Wish("fraud/1", "Production")])
    reconcile(town.as_(CAROL))
    moving.ask(town.as_(ANN), Ref("fraud", 2), "Production")
    moving.approve(town.as_(CAROL), Ref("fraud", 2), "Production", archive_existing=True)
    model = town.as_(CAROL).snapshot().registry.model("fraud")
    assert [version.stage for version in model.versions] == ["Archived", "Production"]
    assert unreviewed(town) == []


def test_where_two_have_to_approve_the_first_is_kept(town: Town) -> None:
    town.register("fraud")
    stages = "stages:\n- name: None\n- name: Staging\n  approvals: 2\n- name: Production\n- name: Archived\n"
    town.commit({"registry_spec/registry.yaml": town.text("registry_spec/registry.yaml") + stages})
    moving.ask(town.as_(ANN), Ref("fraud", 1), "Staging")
    with pytest.raises(InvalidState, match="is kept, and it cannot merge yet"):
        moving.approve(town.as_(BOB), Ref("fraud", 1), "Staging")
    moving.approve(town.as_(CAROL), Ref("fraud", 1), "Staging")
    assert town.as_(CAROL).snapshot().registry.version("fraud", 1).stage == "Staging"


def test_a_gate_refuses_before_an_approval_is_recorded(town: Town) -> None:
    from stagedoor.errors import ChecksFailed

    town.register("fraud")
    gates = "gates:\n- name: described\n  stages: [Staging]\n  require: [description]\n"
    town.commit({"registry_spec/registry.yaml": town.text("registry_spec/registry.yaml") + gates})
    moving.ask(town.as_(ANN), Ref("fraud", 1), "Staging")
    with pytest.raises(ChecksFailed, match="gate described"):
        moving.approve(town.as_(BOB), Ref("fraud", 1), "Staging")
    assert moving.wanted(town.as_(CAROL), "fraud")[0].request.reviews == ()
