"""Calls about comments on versions."""

from __future__ import annotations

from pydantic import BaseModel

from stagedoor.apps.api import asked
from stagedoor.apps.api.answers import milliseconds
from stagedoor.apps.api.calls import Asked, Calls, Done, Visit
from stagedoor.core.owners import Level
from stagedoor.workflows import comments, rights

calls = Calls("comments")


class CreateComment(asked.Versioned):
    """A comment on a version."""

    comment: str


class UpdateComment(Asked):
    """Another text in place of a comment's."""

    id: str
    comment: str


class DeleteComment(Asked):
    """A comment to delete."""

    id: str


class Comment(BaseModel):
    """A comment, and what the caller may do with it."""

    id: str
    comment: str
    user_id: str
    creation_timestamp: int
    last_updated_timestamp: int
    available_actions: list[str]


class OneComment(BaseModel):
    """A comment."""

    comment: Comment


class Comments(BaseModel):
    """The comments on a version, oldest first."""

    comments: list[Comment]


def _comment(visit: Visit, one: comments.Comment) -> Comment:
    return Comment(
        id=one.id,
        comment=one.body,
        user_id=one.by,
        creation_timestamp=milliseconds(one.at),
        last_updated_timestamp=milliseconds(one.edited_at or one.at),
        available_actions=_actions(visit, one),
    )


def _actions(visit: Visit, one: comments.Comment) -> list[str]:
    snapshot, me = visit.world.snapshot(), visit.world.actor.email
    if one.by.lower() == me.lower():
        return ["EDIT_COMMENT", "DELETE_COMMENT"]
    manages = rights.has(snapshot, me, snapshot.registry.path(one.model), Level.MANAGE)
    return ["DELETE_COMMENT"] if manages else []


@calls("POST", "mlflow/comments/create")
def create_comment(visit: Visit, said: CreateComment) -> OneComment:
    """Comment on a version."""
    rights.readable(visit.world, said.name)
    return OneComment(comment=_comment(visit, comments.add(visit.world, f"{said.name}/{said.version}", said.comment)))


@calls("PATCH", "mlflow/comments/update")
def update_comment(visit: Visit, said: UpdateComment) -> OneComment:
    """Edit a comment of one's own."""
    return OneComment(comment=_comment(visit, comments.edit(visit.world, said.id, said.comment)))


@calls("DELETE", "mlflow/comments/delete")
def delete_comment(visit: Visit, said: DeleteComment) -> Done:
    """Delete a comment of one's own, or as the model's manager."""
    comments.remove(visit.world, said.id)
    return Done()


@calls("GET", "mlflow/comments/list")
def list_comments(visit: Visit, said: asked.Versioned) -> Comments:
    """List the comments on a version, oldest first."""
    model = rights.readable(visit.world, said.name)
    found = comments.of(visit.world, f"{said.name}/{said.version}")
    named = (one.model_copy(update={"model": model.name}) for one in found)
    return Comments(comments=[_comment(visit, one) for one in named])
