"""Calls about stages: moves, requests for them, and what happened to a version."""

from __future__ import annotations

from pydantic import BaseModel

from stagedoor.apps.api import answers, asked
from stagedoor.apps.api.calls import Calls, Visit
from stagedoor.core.owners import Level
from stagedoor.core.registry import Ref
from stagedoor.errors import NotFound
from stagedoor.workflows import activities, following, moving, rights
from stagedoor.workflows.activities import Activity
from stagedoor.workflows.moving import Wanted
from stagedoor.workflows.searching import Query, SeenVersion

calls = Calls("stages and requests")

_APPROVE, _REJECT, _CANCEL = (f"{verb}_TRANSITION_REQUEST" for verb in ("APPROVE", "REJECT", "CANCEL"))


class OneActivity(BaseModel):
    """An activity."""

    activity: answers.Activity


class Activities(BaseModel):
    """What happened to a version, newest first."""

    activities: list[answers.Activity]


class Requests(BaseModel):
    """The open requests for a version."""

    requests: list[answers.Activity]


class TransitionRequest(BaseModel):
    """A new request. It is addressed by name, version, stage and creator."""

    to_stage: str
    user_id: str
    comment: str
    creation_timestamp: int
    available_actions: list[str]


class OneRequest(BaseModel):
    """A new request."""

    request: TransitionRequest


class OneVersionDatabricks(BaseModel):
    """A version with what is asked for."""

    model_version_databricks: answers.VersionDatabricks


class VersionsDatabricks(BaseModel):
    """A page of versions; no token on the last one."""

    model_versions_databricks: list[answers.VersionDatabricks]
    next_page_token: str | None = None


def _activity(one: Activity, actions: list[str] | None = None) -> answers.Activity:
    at = answers.milliseconds(one.at)
    return answers.Activity(
        id=one.id, activity_type=one.kind, user_id=one.by, comment=one.comment, system_comment=one.system_comment,
        from_stage=one.from_stage, to_stage=one.to_stage, creation_timestamp=at, last_updated_timestamp=at,
        available_actions=actions or [],
    )  # fmt: skip


def _actions(visit: Visit, name: str, one: Wanted) -> list[str]:
    """What the caller may do with an open request."""
    snapshot, me = visit.world.snapshot(), visit.world.actor.email.lower()
    if snapshot.registry.find(name) is None:
        # it was taken away while this is answered
        return []
    path = snapshot.registry.path(name)
    may = rights.may_move(snapshot, me, path, one.from_stage, one.to_stage)
    is_mine = me in one.request.authors
    may_agree = may and (not is_mine or snapshot.spec.owners.author_may_approve)
    said = ((_APPROVE, may_agree), (_REJECT, may), (_CANCEL, is_mine or rights.has(snapshot, me, path, Level.MANAGE)))
    return [action for action, holds in said if holds]


def _open(visit: Visit, name: str, number: int) -> list[answers.Activity]:
    found = moving.wanted(visit.world, name, number)
    return [_activity(activities.asked(one), _actions(visit, name, one)) for one in found]


def _databricks(visit: Visit, name: str, number: int) -> answers.VersionDatabricks:
    snapshot, me = visit.world.snapshot(), visit.world.actor.email
    seen = visit.questions.version(visit.world, name, number)
    level = rights.level_of(snapshot, me, snapshot.registry.path(name))
    return answers.VersionDatabricks(
        **dict(answers.version(seen)),
        permission_level=level.databricks if level else None,
        open_requests=_open(visit, name, number),
        email_subscription_status=following.subscription(visit.world, f"{name}/{number}"),
    )


def _move(visit: Visit, said: asked.Move) -> SeenVersion:
    commit = moving.move(
        visit.world, Ref(said.name, said.version), said.stage,
        archive_existing=said.archive_existing_versions, comment=said.comment,
    )  # fmt: skip
    return visit.questions.written_version(visit.world, said.name, said.version, commit)


@calls("POST", "mlflow/databricks/model-versions/transition-stage")
def transition_stage(visit: Visit, said: asked.Move) -> answers.OneVersionDatabricks:
    """Move a version to a stage at once, as the stage's owner."""
    seen = answers.version(_move(visit, said))
    try:
        version = _databricks(visit, said.name, said.version)
    except NotFound:
        # it has moved, and is gone by now
        version = answers.VersionDatabricks(**dict(seen))
    return answers.OneVersionDatabricks(model_version=seen, model_version_databricks=version)


@calls("POST", "mlflow/model-versions/transition-stage")
def transition_model_version_stage(visit: Visit, said: asked.Move) -> answers.OneVersion:
    """Move a version to a stage at once, as MLflow asks for it."""
    return answers.OneVersion(model_version=answers.version(_move(visit, said)))


@calls("GET", "mlflow/databricks/model-versions/get")
def get_model_version_databricks(visit: Visit, said: asked.Versioned) -> OneVersionDatabricks:
    """Get a version with its open requests and the caller's permission."""
    rights.readable(visit.world, said.name)
    return OneVersionDatabricks(model_version_databricks=_databricks(visit, said.name, said.version))


@calls("GET", "mlflow/databricks/model-versions/search")
def search_model_versions_databricks(visit: Visit, said: asked.SearchVersions) -> VersionsDatabricks:
    """Search versions, with their open requests and the caller's permission."""
    query = Query(said.filter, said.order_by, min(said.max_results, 1000), said.page_token)
    found = visit.questions.versions(visit.world, query)
    versions = [_databricks(visit, seen.name, seen.number) for seen in found.items]
    return VersionsDatabricks(model_versions_databricks=versions, next_page_token=found.next_token or None)


@calls("POST", "mlflow/transition-requests/create")
def create_transition_request(visit: Visit, said: asked.RequestMove) -> OneRequest:
    """Ask for a move: it is a pull request, and `stagedoor requests` lists it."""
    mine = moving.ask(visit.world, Ref(said.name, said.version), said.stage, said.comment)
    return OneRequest(
        request=TransitionRequest(
            to_stage=mine.to_stage,
            user_id=mine.request.author,
            comment=mine.request.body,
            creation_timestamp=answers.milliseconds(mine.request.opened_at),
            available_actions=_actions(visit, said.name, mine),
        )
    )


@calls("GET", "mlflow/transition-requests/list")
def list_transition_requests(visit: Visit, said: asked.Versioned) -> Requests:
    """List the open requests for a version."""
    rights.readable(visit.world, said.name)
    visit.world.snapshot().registry.version(said.name, said.version)
    return Requests(requests=_open(visit, said.name, said.version))


@calls("POST", "mlflow/transition-requests/approve")
def approve_transition_request(visit: Visit, said: asked.Move) -> OneActivity:
    """Approve what is asked for, and merge it."""
    ref = Ref(said.name, said.version)
    done = moving.approve(
        visit.world, ref, said.stage, archive_existing=said.archive_existing_versions, comment=said.comment
    )
    return _ended(visit, done, "APPROVED_REQUEST", said.comment)


@calls("POST", "mlflow/transition-requests/reject")
def reject_transition_request(visit: Visit, said: asked.RequestMove) -> OneActivity:
    """Refuse what is asked for."""
    done = moving.reject(visit.world, Ref(said.name, said.version), said.stage, said.comment)
    return _ended(visit, done, "REJECTED_REQUEST", said.comment)


@calls("DELETE", "mlflow/transition-requests/delete")
def delete_transition_request(visit: Visit, said: asked.CancelRequest) -> OneActivity:
    """Take a request back."""
    done = moving.cancel(visit.world, Ref(said.name, said.version), said.stage, said.creator, said.comment)
    return _ended(visit, done, "CANCELLED_REQUEST", said.comment)


def _ended(visit: Visit, one: Wanted, kind: activities.Kind, comment: str) -> OneActivity:
    world = visit.world
    return OneActivity(activity=_activity(activities.ended(one, kind, world.actor.email, world.now(), comment)))


@calls("GET", "mlflow/model-versions/get-activities")
def get_activities(visit: Visit, said: asked.Versioned) -> Activities:
    """Get what happened to a version, newest first."""
    rights.readable(visit.world, said.name)
    visit.world.snapshot().registry.version(said.name, said.version)
    found = activities.of_version(visit.world, Ref(said.name, said.version))
    return Activities(activities=[_activity(one) for one in found])
