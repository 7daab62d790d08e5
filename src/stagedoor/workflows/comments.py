"""Comments on versions: an append-only chain on `refs/stagedoor/comments`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stagedoor.core.owners import Level
from stagedoor.core.registry import resolve_version
from stagedoor.core.spec import Email, Time
from stagedoor.core.views.plain import visible
from stagedoor.errors import BadInput, Denied, NotFound
from stagedoor.workflows.appending import append
from stagedoor.workflows.rights import readable, require
from stagedoor.workflows.snapshots import path_of_id
from stagedoor.workflows.world import World

REF = "refs/stagedoor/comments"
_EDIT: Final = re.compile(r"\.[0-9]{4,}-[0-9a-f]{10}\.json$")


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
    edited_at: Time | None = None


class Edit(BaseModel):
    """What became of a comment: another body, or none. The chain keeps what was said before, as git does."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    what: Literal["edited", "deleted"]
    comment: str
    at: Time
    by: Email
    body: Annotated[str, Field(max_length=65_536)] = ""


def add(world: World, text: str, body: str) -> Comment:
    """Say something about a version."""
    ref = resolve_version(world.snapshot().registry, text)
    model = world.snapshot().registry.model(ref.model)
    _checked(body, f"stagedoor comment {text} TEXT")
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
    return tuple(one for _, one in _folded(world, tip, f"{id_}/{ref.version}"))


def _folded(world: World, tip: str, under: str) -> Iterator[tuple[str, Comment]]:
    """The comments below a folder as they read today, oldest first, each with where it stands; no deleted ones."""
    files = world.repository.files(tip, under)
    blobs = world.repository.blobs(entry.oid for entry in files.values())
    edits: dict[str, list[Edit]] = {}
    for path in sorted(path for path in files if _EDIT.search(path)):
        if edit := _read_edit(blobs[files[path].oid]):
            edits.setdefault(edit.comment, []).append(edit)
    for path in sorted(path for path in files if not _EDIT.search(path)):
        comment = _read(blobs[files[path].oid])
        now = _now(comment, edits.get(comment.id, [])) if comment else None
        if now is not None:
            yield path, now


def _now(comment: Comment, edits: Sequence[Edit]) -> Comment | None:
    last = edits[-1] if edits else None
    if last is None:
        return comment
    if last.what == "deleted":
        return None
    return comment.model_copy(update={"body": last.body, "edited_at": last.at})


def find(world: World, id_: str) -> Comment:
    """One comment by its id, on a version that is there and that the actor may read."""
    return _place(world, id_)[1]


def _place(world: World, id_: str) -> tuple[str, Comment]:
    tip = world.repository.tip(REF)
    if tip is not None and re.fullmatch("[0-9a-f]{32}", id_):
        for path in world.repository.files(tip):
            # a folder for each version, and the name of the file begins the id
            if path.endswith(f"-{id_[:10]}.json"):
                found = next((one for _, one in _folded(world, tip, path.rpartition("/")[0]) if one.id == id_), None)
                if found is not None and (named := _with_name(world, found)) is not None:
                    return path, named
    raise NotFound(f"there is no comment {id_[:80]!r}", fix="it may be deleted, or its version is")


def _with_name(world: World, comment: Comment) -> Comment | None:
    """The comment with the name that its model has today, or None where the version is gone."""
    path = path_of_id(world.snapshot(), comment.model_id)
    model = world.snapshot().registry.models[path] if path else None
    if model is None or model.version(comment.version) is None:
        return None
    readable(world, model.name)
    return comment.model_copy(update={"model": model.name})


def edit(world: World, id_: str, body: str) -> Comment:
    """Another text in place of a comment's: for who wrote it."""
    path, comment = _place(world, id_)
    if comment.by.lower() != world.actor.email.lower():
        raise Denied(f"the comment is {comment.by}'s to edit", fix="write one of your own")
    _checked(body, "say something, or delete the comment")
    made = Edit(what="edited", comment=comment.id, at=world.now(), by=world.actor.email, body=body)
    _append_edit(world, path, made)
    return find(world, id_)


def remove(world: World, id_: str) -> None:
    """Take a comment away: for who wrote it, and for who manages the model."""
    path, comment = _place(world, id_)
    if comment.by.lower() != world.actor.email.lower():
        require(world, comment.model, Level.MANAGE)
    made = Edit(what="deleted", comment=comment.id, at=world.now(), by=world.actor.email)
    _append_edit(world, path, made)


def _append_edit(world: World, path: str, made: Edit) -> None:
    raw = made.model_dump_json(indent=1).encode() + b"\n"
    stem = path.removesuffix(".json")
    digest = hashlib.sha256(raw).hexdigest()[:10]

    def files(tip: str | None) -> dict[str, bytes]:
        there = world.repository.files(tip, path.rpartition("/")[0]) if tip else {}
        number = 1 + sum(1 for one in there if one.startswith(f"{stem}.") and _EDIT.search(one))
        return {f"{stem}.{number:04d}-{digest}.json": raw}

    append(world, REF, f"comment {made.what}", files)


def _checked(body: str, fix: str) -> None:
    if not body.strip() or len(body) > 65_536:
        raise BadInput("a comment has between 1 and 65,536 characters", fix=fix)


def _read_edit(raw: bytes) -> Edit | None:
    try:
        return Edit.model_validate_json(raw)
    except ValidationError:
        return None


def since(world: World, last: str | None) -> Iterator[tuple[str, Comment]]:
    """The comments that came after `last`, a commit of the chain, each with the commit that added it; oldest first."""
    tip = world.repository.tip(REF)
    if tip is None or tip == last:
        return
    repository = world.repository
    for commit in repository.first_parents(last or None, tip):
        parent = commit.parents[0] if commit.parents else None
        for change in repository.changes(parent, commit.oid):
            if change.before is None and change.after is not None and not _EDIT.search(change.path):
                comment = _read(repository.blob(change.after.oid))
                if comment is not None:
                    yield commit.oid, comment


def _read(raw: bytes) -> Comment | None:
    try:
        return Comment.model_validate_json(raw)
    except ValidationError:
        # somebody wrote the ref by hand; the others are still worth reading
        return None
