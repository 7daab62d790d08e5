"""What servers could not load: an append-only chain on `refs/stagedoor/serving`, which the reconciler tells of."""

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
    """One version that one server could not load. It belongs to the model's id, so it follows a rename."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    model_id: str
    version: int
    stage: str = ""
    host: str = ""
    at: Time
    by: Email
    reason: Annotated[str, Field(max_length=2_000)]


def record(world: World, one: Loadable, stage: str, reason: str) -> Fault:
    """Remember that a version could not be loaded here, for the reconciler to tell."""
    made = Fault(
        model=one.model, model_id=one.model_id, version=one.version, stage=stage, host=socket.gethostname(),
        at=world.now(), by=world.actor.email, reason=shortened(reason, 2_000),
    )  # fmt: skip
    path = f"{one.model_id}/{one.version}/{int(made.at.timestamp() * 1000):014d}-{world.new_id()[:10]}.json"
    raw = made.model_dump_json(indent=1).encode() + b"\n"
    append(world, REF, f"cannot serve {visible(one.ref)}", lambda _: {path: raw})
    return made


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
