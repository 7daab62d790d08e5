"""Calls about permissions, as databricks-sdk and Terraform make them."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, Field

from stagedoor.apps.api.calls import Asked, Calls, Nothing, Visit
from stagedoor.core.owners import Level
from stagedoor.core.spec import People
from stagedoor.errors import BadInput
from stagedoor.workflows import permissions, rights
from stagedoor.workflows.permissions import ROOT, Permission, Permissions, Principal

calls = Calls("permissions")

_PATH: Final = "permissions/registered-models/{id}"
_ROOT: Final = "/registered-models/"
_LEVELS: Final = {level.databricks: level for level in Level}
LevelName = Literal[
    "CAN_READ", "CAN_EDIT", "CAN_MANAGE_STAGING_VERSIONS", "CAN_MANAGE_PRODUCTION_VERSIONS", "CAN_MANAGE"
]
_MEANING: Final = {
    Level.READ: "See the model and its versions, use them, comment, and ask for a stage.",
    Level.EDIT: "Also describe and tag the model, and register versions. Nothing about stages.",
    Level.STAGING: "Also move versions among None, Staging and Archived.",
    Level.PRODUCTION: "Also move versions into and out of Production.",
    Level.MANAGE: "Also rename, delete, and change who may do what.",
}


class OfModel(Asked):
    """A model by its id, or `root` for all of them."""

    id: str


class Entry(Asked):
    """One principal, and what it may do."""

    user_name: str = ""
    group_name: str = ""
    service_principal_name: str = ""
    permission_level: LevelName


class ChangePermissions(OfModel):
    """Permissions to grant directly."""

    access_control_list: tuple[Entry, ...] = Field(default=(), max_length=1000)


class PermissionOf(BaseModel):
    """A level, and where it comes from."""

    permission_level: LevelName
    inherited: bool
    inherited_from_object: list[str] = []


class Control(BaseModel):
    """What one principal may do."""

    user_name: str | None = None
    group_name: str | None = None
    display_name: str
    all_permissions: list[PermissionOf]


class AccessControl(BaseModel):
    """Who may do what with a model."""

    object_id: str
    object_type: str = "registered-model"
    access_control_list: list[Control]


class LevelMeaning(BaseModel):
    """A level in words."""

    permission_level: LevelName
    description: str


class LevelMeanings(BaseModel):
    """The levels that can be granted."""

    permission_levels: list[LevelMeaning]


def _answer(visit: Visit, found: Permissions) -> AccessControl:
    people = visit.world.snapshot().people
    by_who: dict[Principal, list[Permission]] = {}
    for one in found.permissions:
        by_who.setdefault(one.who, []).append(one)
    return AccessControl(
        object_id=f"{_ROOT}{found.id}",
        access_control_list=[_control(people, who, said) for who, said in by_who.items()],
    )


def _control(people: People, who: Principal, said: list[Permission]) -> Control:
    person = people.person(who.name) if who.kind == "user" else None
    return Control(
        user_name=who.name if who.kind == "user" else None,
        group_name=who.name if who.kind == "group" else None,
        display_name=(person.name if person else "") or who.name,
        all_permissions=[
            PermissionOf(
                permission_level=one.level.databricks,
                inherited=one.is_inherited,
                inherited_from_object=[_ROOT] if one.is_inherited else [],
            )
            for one in said
        ],
    )


def _wanted(said: ChangePermissions) -> dict[Principal, Level]:
    """Each principal's level; the highest, where it is there twice."""
    found: dict[Principal, Level] = {}
    for entry in said.access_control_list:
        who, level = _principal(entry), _LEVELS[entry.permission_level]
        found[who] = max(level, found.get(who, level))
    return found


def _principal(entry: Entry) -> Principal:
    named = [name for name in (entry.user_name, entry.group_name, entry.service_principal_name) if name]
    if len(named) != 1:
        raise BadInput(
            "an entry names one principal",
            where="access_control_list",
            fix="give user_name, group_name or service_principal_name",
        )
    return Principal("group", named[0]) if entry.group_name else Principal("user", named[0].lower())


@calls("GET", _PATH)
def get_permissions(visit: Visit, said: OfModel) -> AccessControl:
    """Get who may do what with a model."""
    return _answer(visit, permissions.get(visit.world, said.id))


@calls("PUT", _PATH)
def set_permissions(visit: Visit, said: ChangePermissions) -> AccessControl:
    """Replace all direct permissions."""
    return _answer(visit, permissions.change(visit.world, said.id, _wanted(said), replace=True))


@calls("PATCH", _PATH)
def update_permissions(visit: Visit, said: ChangePermissions) -> AccessControl:
    """Grant permissions beside the direct ones there are."""
    return _answer(visit, permissions.change(visit.world, said.id, _wanted(said), replace=False))


@calls("GET", f"{_PATH}/permissionLevels")
def get_permission_levels(visit: Visit, said: OfModel) -> LevelMeanings:
    """List the levels that can be granted."""
    permissions.get(visit.world, said.id)
    meanings = [LevelMeaning(permission_level=level.databricks, description=_MEANING[level]) for level in Level]
    return LevelMeanings(permission_levels=meanings)


class RegistryWide(BaseModel):
    """What the caller may do with every model."""

    permission_level: str | None = None
    is_admin: bool


@calls("GET", "mlflow/registered-models/get-registry-wide-permissions")
def get_registry_wide_permissions(visit: Visit, said: Nothing) -> RegistryWide:
    """Get what the caller may do with every model."""
    me = Principal("user", visit.world.actor.email.lower())
    mine = [one.level for one in permissions.get(visit.world, ROOT).permissions if one.who == me]
    is_admin = rights.is_admin(visit.world.snapshot(), visit.world.actor.email)
    return RegistryWide(permission_level=max(mine).databricks if mine else None, is_admin=is_admin)
