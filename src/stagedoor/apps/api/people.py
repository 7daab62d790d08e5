"""Calls about the caller: who they are, and what they want to hear of."""

from __future__ import annotations

import hashlib
from typing import Final, Literal

from pydantic import BaseModel

from stagedoor.apps.api import asked
from stagedoor.apps.api.calls import Calls, Nothing, Visit
from stagedoor.core.delivery import Preference
from stagedoor.workflows import following, rights

calls = Calls("people")

Subscription = Literal["ALL_EVENTS", "DEFAULT", "SUBSCRIBED", "UNSUBSCRIBED"]
_CHOICES: Final[dict[Subscription, Preference]] = {
    "ALL_EVENTS": "all",
    "DEFAULT": "following",
    "SUBSCRIBED": "following",
    "UNSUBSCRIBED": "mute",
}
SUBSCRIPTIONS: Final[dict[Preference | None, Subscription]] = {
    "all": "ALL_EVENTS",
    "following": "SUBSCRIBED",
    "mute": "UNSUBSCRIBED",
    None: "DEFAULT",
}


class Email(BaseModel):
    """An address of the caller."""

    value: str
    primary: bool = True


class Group(BaseModel):
    """A group that the caller is in."""

    display: str


class Me(BaseModel):
    """The caller, in SCIM's names."""

    id: str
    userName: str
    displayName: str
    active: bool = True
    emails: list[Email]
    groups: list[Group]


# https://datatracker.ietf.org/doc/html/rfc7643#section-4.1
@calls("GET", "scim/v2/Me", "preview/scim/v2/Me")
def me(visit: Visit, said: Nothing) -> Me:
    """Say who is calling."""
    actor, people = visit.world.actor, visit.world.snapshot().people
    teams = [team.name for team in people.teams if actor.email.lower() in map(str.lower, team.members)]
    groups = [Group(display=name) for name in dict.fromkeys(["users", *teams])]
    number = int.from_bytes(hashlib.sha256(actor.email.lower().encode()).digest()[:6])
    return Me(
        id=str(number),
        userName=actor.email,
        displayName=actor.name,
        emails=[Email(value=actor.email)],
        groups=groups,
    )


class SetSubscription(asked.Named):
    """What the caller wants to hear of a model."""

    subscription_type: Subscription


class Subscribed(BaseModel):
    """What the caller hears of."""

    subscription_status: Subscription


def status(visit: Visit, model_id: str) -> Subscription:
    """What the caller hears of a model."""
    wishes = following.wishes(visit.world.repository, model_id).get(visit.world.actor.email.lower())
    return SUBSCRIPTIONS[wishes.choice if wishes else None]


@calls("POST", "mlflow/email-notifications/registry/set-subscription-status")
def set_subscription_status(visit: Visit, said: SetSubscription) -> Subscribed:
    """Choose what to hear of a model."""
    model = rights.readable(visit.world, said.name)
    following.choose(visit.world, model.name, _CHOICES[said.subscription_type])
    return Subscribed(subscription_status=status(visit, model.id))


@calls("GET", "mlflow/email-notifications/registry/get-subscription-status")
def get_subscription_status(visit: Visit, said: asked.Named) -> Subscribed:
    """Get what the caller hears of a model."""
    return Subscribed(subscription_status=status(visit, rights.readable(visit.world, said.name).id))


@calls("GET", "mlflow/email-notifications/registry/get-user-level-subscription-status")
def get_user_level_subscription_status(visit: Visit, said: Nothing) -> Subscribed:
    """Get what the caller hears of where they chose nothing."""
    return Subscribed(subscription_status="DEFAULT")
