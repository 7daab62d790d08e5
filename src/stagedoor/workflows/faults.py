"""What servers could not load, and load after all: an append-only chain, which the reconciler tells of."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stagedoor.core.serving import Loadable
from stagedoor.core.spec import Email, Time
from stagedoor.core.views.plain import shortened, visible
from stagedoor.workflows.appending import append
from stagedoor.workflows.world import World

REF: Final = "refs/stagedoor/serving"


class Fault(BaseModel):
    """One version that one server could not load, or loads after all. It belongs to the model's id, so it follows a
    rename."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    model_id: str
    version: int
    stage: str = ""
    host: str = ""
    at: Time
    by: Email
    reason: Annotated[str, Field(max_length=2_000)] = ""
    is_mended: bool = False


def record(world: World, one: Loadable, stage: str, reason: str) -> Fault | None:
    """Remember that a version could not be loaded here, for the reconciler to tell.

    None where that is the last that is known of it: a server that starts again has no news by that.
    """
    reason = shortened(reason, 2_000)
    last = _last(world, one)
    if last is not None and not last.is_mended and (last.stage, last.reason) == (stage, reason):
        return None
    return _added(world, one, f"cannot serve {visible(one.ref)}", stage=stage, reason=reason)


def mended(world: World, one: Loadable, stage: str) -> Fault | None:
    """Remember that a version was loaded here, where the last that is known is that it was not."""
    last = _last(world, one)
    if last is None or last.is_mended:
        return None
    return _added(world, one, f"serves {visible(one.ref)} after all", stage=stage, is_mended=True)


def _added(world: World, one: Loadable, subject: str, **more: object) -> Fault:
    said = {"model": one.model, "model_id": one.model_id, "version": one.version, "host": socket.gethostname(), **more}
    made = Fault.model_validate({**said, "at": world.now(), "by": world.actor.email})
    path = f"{_folder(one)}/{int(made.at.timestamp() * 1000):014d}-{world.new_id()[:10]}.json"
    raw = made.model_dump_json(indent=1).encode() + b"\n"
    append(world, REF, subject, lambda _: {path: raw})
    return made


def _folder(one: Loadable) -> str:
    return f"{one.model_id}/{one.version}"


def _last(world: World, one: Loadable) -> Fault | None:
    """The last that this machine said of a version."""
    tip, host = world.repository.tip(REF), socket.gethostname()
    files = world.repository.files(tip, _folder(one)) if tip else {}
    read = (_read(world.repository.blob(files[path].oid)) for path in sorted(files, reverse=True))
    return next((found for found in read if found is not None and found.host == host), None)


def since(world: World, last: str | None) -> Iterator[tuple[str, Fault]]:
    """The faults that came after `last`, a commit of the chain, each with the commit that added it; oldest first."""
    tip = world.repository.tip(REF)
    if tip is None or tip == last:
        return
    for commit in world.repository.first_parents(last or None, tip):
        parent = commit.parents[0] if commit.parents else None
        for change in world.repository.changes(parent, commit.oid):
            if change.before is None and change.after is not None:
                found = _read(world.repository.blob(change.after.oid))
                if found is not None:
                    yield commit.oid, found


def _read(raw: bytes) -> Fault | None:
    try:
        return Fault.model_validate_json(raw)
    except ValidationError:
        # somebody wrote the ref by hand; the others are still worth reading
        return None
