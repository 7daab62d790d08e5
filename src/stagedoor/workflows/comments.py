"""Comments on versions: an append-only chain on `refs/stagedoor/comments`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stagedoor.core.registry import resolve_version
from stagedoor.core.spec import Email, Time
from stagedoor.core.views.plain import visible
from stagedoor.errors import BadInput
from stagedoor.workflows.appending import append
from stagedoor.workflows.world import World

REF = "refs/stagedoor/comments"


class Comment(BaseModel):
    """One comment. It belongs to the model's id, so it follows a rename."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    model: str = ""
    model_id: str
    version: int
    at: Time
    by: Email
    body: Annotated[str, Field(max_length=65_536)]


def add(world: World, text: str, body: str) -> Comment:
    """Say something about a version."""
    ref = resolve_version(world.snapshot().registry, text)
    model = world.snapshot().registry.model(ref.model)
    if not body.strip() or len(body) > 65_536:
        raise BadInput("a comment has between 1 and 65,536 characters", fix=f"stagedoor comment {text} TEXT")
    made = Comment(
        id=world.new_id(),
        model=model.name,
        model_id=model.id,
        version=ref.version or 0,
        at=world.now(),
        by=world.actor.email,
        body=body,
    )
    path = _path(model.id, made.version, made.at, made.id)
    raw = made.model_dump_json(indent=1).encode() + b"\n"
    append(world, REF, f"comment on {visible(str(ref))}", lambda _: {path: raw})
    return made


def _path(model_id: str, version: int, at: datetime, id_: str) -> str:
    return f"{model_id}/{version}/{int(at.timestamp() * 1000):014d}-{id_[:10]}.json"


def of(world: World, text: str) -> tuple[Comment, ...]:
    """The comments on a version, oldest first."""
    ref = resolve_version(world.snapshot().registry, text)
    id_ = world.snapshot().registry.model(ref.model).id
    tip = world.repository.tip(REF)
    if tip is None:
        return ()
    files = world.repository.files(tip, f"{id_}/{ref.version}")
    found = (_read(world.repository.blob(files[path].oid)) for path in sorted(files))
    return tuple(comment for comment in found if comment is not None)


def since(world: World, last: str | None) -> Iterator[tuple[str, Comment]]:
    """The comments that came after `last`, a commit of the chain, each with the commit that added it; oldest first."""
    tip = world.repository.tip(REF)
    if tip is None or tip == last:
        return
    repository = world.repository
    for commit in repository.first_parents(last or None, tip):
        parent = commit.parents[0] if commit.parents else None
        for change in repository.changes(parent, commit.oid):
            if change.before is None and change.after is not None:
                comment = _read(repository.blob(change.after.oid))
                if comment is not None:
                    yield commit.oid, comment


def _read(raw: bytes) -> Comment | None:
    try:
        return Comment.model_validate_json(raw)
    except ValidationError:
        # somebody wrote the ref by hand; the others are still worth reading
        return None
