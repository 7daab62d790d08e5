"""Who may look, and what somebody may do with a model: asked of CODEOWNERS at main."""

from __future__ import annotations

from collections.abc import Callable

from stagedoor.core.approval import Right, stage_rights
from stagedoor.core.layout import REGISTRY_FILE
from stagedoor.core.owners import EVERYONE, Level, OwnersFile, owners_of
from stagedoor.core.owners.values import split_stage
from stagedoor.core.spec import RegisteredModel
from stagedoor.errors import Denied
from stagedoor.workflows.snapshots import Snapshot, root_of
from stagedoor.workflows.world import World


def has(snapshot: Snapshot, email: str, path: str, right: Right) -> bool:
    """Whether somebody has a right on the model file at a path from the registry's root."""
    named = owners_of(snapshot.owners, root_of(snapshot.repository) + path, right)
    return EVERYONE in named or any(email.lower() in (snapshot.people.emails_of(owner) or ()) for owner in named)


def owns(snapshot: Snapshot, email: str, top: str) -> bool:
    """Whether somebody owns the file at a path from the repository's top."""
    named = owners_of(snapshot.owners, top, None)
    return any(email.lower() in (snapshot.people.emails_of(owner) or ()) for owner in named)


def level_of(snapshot: Snapshot, email: str, path: str) -> Level | None:
    """The highest level that somebody has on a model file, or None."""
    return next((level for level in reversed(Level) if has(snapshot, email, path, level)), None)


def may_move(snapshot: Snapshot, email: str, path: str, was: str, now: str) -> bool:
    """Whether somebody may agree to a move from one stage to another."""
    return all(has(snapshot, email, path, right) for right in stage_rights(was, now))


def is_admin(snapshot: Snapshot, email: str) -> bool:
    """Whether somebody owns the policy itself."""
    return has(snapshot, email, REGISTRY_FILE, Level.EDIT)


def reader(snapshot: Snapshot, email: str) -> Callable[[str], bool]:
    """What tells whether somebody may read the model file at a path. Cheap where no line closes anything."""
    if not _may_close(snapshot.owners) or is_admin(snapshot, email):
        return lambda _: True
    return lambda path: has(snapshot, email, path, Level.READ)


def _may_close(owners: OwnersFile) -> bool:
    suffixes = (stage[1] for line in owners.lines if (stage := split_stage(line.pattern)))
    return any(suffix == Level.READ.suffix or set(suffix) & set("*?[\\^(.") for suffix in suffixes)


def readable(world: World, name: str) -> RegisteredModel:
    """The model of just this name, which the actor may read. `NotFound`, or `Denied`."""
    model = world.snapshot().registry.model(name)
    require_readable(world, name)
    return model


def require_readable(world: World, name: str) -> None:
    """As `readable`, for who does not want the model itself: reading its file takes longer than all else."""
    snapshot = world.snapshot()
    try:
        path = snapshot.registry.file_of(name)
    except KeyError:
        # it says which names are near
        path = snapshot.registry.path(name)
    if not reader(snapshot, world.actor.email)(path):
        raise Denied(f"{world.actor.email} may not read {name}", fix="ask one of its owners for CAN_READ")


def require(world: World, name: str, level: Level) -> RegisteredModel:
    """The model, on which the actor has at least this level. Who owns the policy has every level here."""
    model = readable(world, name)
    snapshot, email = world.snapshot(), world.actor.email
    if not has(snapshot, email, snapshot.registry.path(name), level) and not is_admin(snapshot, email):
        raise Denied(
            f"{email} has not {level.databricks} on {name}",
            where=snapshot.owners.path,
            fix="ask one of its owners for that permission",
        )
    return model
