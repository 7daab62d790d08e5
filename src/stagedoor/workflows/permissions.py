"""Permissions by level, as Databricks' API and Terraform speak of them: lines of CODEOWNERS, and nothing beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from stagedoor.core.layout import MODELS
from stagedoor.core.owners import EVERYONE, LOCATIONS, Level, is_owner
from stagedoor.core.owners.grants import (
    Grant,
    all_granted,
    file_granted,
    grants,
    registry_grants,
    with_grants,
    with_registry_grants,
)
from stagedoor.core.spec import People
from stagedoor.core.trailers import Trailers, message
from stagedoor.errors import BadInput, Denied, InvalidState, NotFound
from stagedoor.gitstore import RefUpdate
from stagedoor.workflows.planning import plan
from stagedoor.workflows.rights import has, is_admin, owns, readable, require
from stagedoor.workflows.snapshots import Snapshot, path_of_id, root_of, with_files
from stagedoor.workflows.world import World, checked_email
from stagedoor.workflows.writing import require_checks

ROOT: Final = "root"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person by address, or a group by name."""

    kind: Literal["user", "group"]
    name: str


@dataclass(frozen=True, slots=True)
class Permission:
    """What one principal may do."""

    who: Principal
    level: Level
    is_inherited: bool


@dataclass(frozen=True, slots=True)
class Permissions:
    """Who may do what with one model, or, where `id` is `root`, with every model."""

    id: str
    permissions: tuple[Permission, ...]


def get(world: World, id_: str) -> Permissions:
    """The permissions of a model by its id. Whoever may read the model may see them."""
    name = _model(world, id_)
    if name is not None:
        readable(world, name)
    snapshot = world.snapshot()
    said = _grants(snapshot, name)
    found = {Permission(principal_of(snapshot.people, one.owner), one.level, one.is_inherited) for one in said}
    kept = sorted(found, key=lambda one: (-one.level, one.is_inherited, one.who.kind, one.who.name))
    return Permissions(id_, tuple(kept))


def change(world: World, id_: str, wanted: Mapping[Principal, Level], *, replace: bool) -> Permissions:
    """Grant these levels directly: in place of the direct ones there are, or beside them. One commit on CODEOWNERS.

    For who manages the model, or owns the policy; for `root` for the latter alone, and they cannot lose it by this.
    """
    name = _model(world, id_)

    def once() -> None:
        _require_may(world, name)
        _change_once(world, name, wanted, replace=replace)

    world.repository.in_turn(once, "main", world.sleep)
    return get(world, id_)


def _model(world: World, id_: str) -> str | None:
    """The model of an id; None stands for all models."""
    if id_ == ROOT:
        return None
    snapshot = world.snapshot()
    path = path_of_id(snapshot, id_)
    if path is None:
        raise NotFound(f"no model has the id {id_[:80]}", fix="databricks/registered-models/get tells a model's id")
    return snapshot.registry.models[path].name


def _require_may(world: World, name: str | None) -> None:
    if name is not None:
        require(world, name, Level.MANAGE)
    elif not is_admin(world.snapshot(), world.actor.email):
        raise Denied(
            f"{world.actor.email} does not own the policy of the registry", fix="ask an owner of registry.yaml"
        )


def _text(snapshot: Snapshot) -> tuple[str, str]:
    """Where CODEOWNERS stands, and what it says. Only GitHub's dialect can be changed by a program."""
    if snapshot.spec.owners.dialect != "github":
        raise InvalidState(
            f"CODEOWNERS is in {snapshot.spec.owners.dialect}'s dialect, which is not written here",
            where=snapshot.owners.path,
            fix="change it by hand, in a request: stagedoor open BRANCH",
        )
    if snapshot.owners_entry is None:
        return LOCATIONS["github"][0], ""
    path, entry = snapshot.owners_entry
    raw = snapshot.proposed.get(path) or snapshot.repository.blob(entry.oid)
    return path, raw.decode("utf-8", "surrogateescape")


def _grants(snapshot: Snapshot, name: str | None) -> tuple[Grant, ...]:
    _, text = _text(snapshot)
    root = root_of(snapshot.repository)
    return registry_grants(text, root + MODELS) if name is None else grants(text, root + snapshot.registry.path(name))


def _change_once(world: World, name: str | None, wanted: Mapping[Principal, Level], *, replace: bool) -> None:
    base = world.snapshot()
    path, text = _text(base)
    spelt = _speller(base, name)
    direct = {spelt(who): level for who, level in wanted.items()}
    if not replace:
        there = {one.owner: one.level for one in _grants(base, name) if not one.is_inherited and one.owner != EVERYONE}
        direct = {**there, **direct}
    root = root_of(base.repository)
    if name is None:
        made = with_registry_grants(text, root + MODELS, direct)
    else:
        made = with_grants(text, root + base.registry.path(name), direct)
    if made != text:
        head = with_files(base, {path: made.encode("utf-8", "surrogateescape")})
        _require_admins_manage(base, head, name)
        require_checks(plan(world, base, head))
        _land(world, base, head, f"Permissions of {name or 'all models'}")


def _require_admins_manage(base: Snapshot, head: Snapshot, name: str | None) -> None:
    if name is not None:
        return
    now = registry_grants(_text(head)[1], root_of(base.repository) + MODELS)
    managers = {who for one in now if one.level is Level.MANAGE for who in head.people.emails_of(one.owner) or ()}
    lost = sorted((base.people.emails_of("@admins") or frozenset()) - managers)
    if lost:
        raise BadInput(
            f"the admins keep CAN_MANAGE on root, and {', '.join(lost)} would lose it",
            where="access_control_list",
            fix='add {"group_name": "admins", "permission_level": "CAN_MANAGE"}',
        )


def _land(world: World, base: Snapshot, head: Snapshot, subject: str) -> None:
    repository = world.repository
    tree = repository.write_tree(repository.commit_info(base.commit).tree, dict(head.proposed))
    who = world.signature()
    text = message(subject, "", Trailers(requested_by=world.actor.email))
    commit = repository.commit(tree, (base.commit,), author=who, committer=who, message=text)
    repository.publish((RefUpdate(repository.ref, base.commit, commit),), "stagedoor: permissions")


def are_granted_by(base: Snapshot, after: Snapshot, email: str) -> bool:
    """Whether all that a commit did to CODEOWNERS is to grant levels, by who may: on one model, or on all."""
    if base.spec.owners.dialect != "github":
        return False
    root, (path, before), (_, now) = root_of(base.repository), _text(base), _text(after)
    file = file_granted(before, now, (root + path for path in base.registry.models))
    if file is not None:
        return has(base, email, file.removeprefix(root), Level.MANAGE) or is_admin(base, email)
    return all_granted(before, now, root + MODELS) and is_admin(base, email) and owns(base, email, path)


# --- who is who -----------------------------------------------------------------------------------------------------


def principal_of(people: People, owner: str) -> Principal:
    """A line's owner as a person, by address, or as a group."""
    if owner == EVERYONE:
        return Principal("group", "users")
    if not owner.startswith("@"):
        return Principal("user", owner)
    name = owner[1:]
    behind = people.emails_of(owner) or frozenset()
    is_team = any(team.name.lower() == name.lower() for team in people.teams)
    return Principal("user", next(iter(behind))) if len(behind) == 1 and not is_team else Principal("group", name)


def _speller(snapshot: Snapshot, name: str | None) -> Callable[[Principal], str]:
    """How CODEOWNERS writes a principal: as it does already, else by address or by the team's name."""
    owners: Sequence[str] = [owner for line in snapshot.owners.lines for owner in line.owners]
    spelt = {_folded(principal_of(snapshot.people, owner)): owner for owner in reversed(owners)}

    def spell(who: Principal) -> str:
        return spelt.get(_folded(who)) or _new(snapshot.people, who)

    return spell


def _folded(who: Principal) -> tuple[str, str]:
    return who.kind, who.name.lower()


def _new(people: People, who: Principal) -> str:
    if who.kind == "group":
        team = next((team.name for team in people.teams if team.name.lower() == who.name.lower()), None)
        if team is None:
            known = ", ".join(team.name for team in people.teams)
            raise BadInput(f"there is no group {who.name[:80]!r}", where="group_name", fix=f"choose one of: {known}")
        return f"@{team}"
    if not is_owner(checked_email(who.name)) or who.name[0] in "@#":
        raise BadInput(f"{who.name} cannot stand in CODEOWNERS", where="user_name", fix="use an address in ASCII")
    return who.name
