"""Who is told what: routes for channels, follow rules for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from stagedoor.core.events import Event
from stagedoor.core.policy import Notifications, Route

Preference = Literal["all", "following", "mute"]

# Databricks mails on a new version, a transition request, a transition and a new comment; a change without a review
# and a version that does not load are ours: https://docs.databricks.com/aws/en/machine-learning/manage-model-lifecycle/workspace-model-registry
MAILED = frozenset(
    {
        "model_version.created",
        "model_version.transitioned",
        "transition_request.created",
        "transition_request.updated",
        "transition_request.approved",
        "transition_request.changes_requested",
        "transition_request.rejected",
        "transition_request.cancelled",
        "comment.created",
        "unreviewed_change",
        "serving.failed",
        "serving.loaded",
    }
)


@dataclass(frozen=True, slots=True)
class Telling:
    """One event for one sink. `sink` names it in the ledger, `url` is the template, `to` the recipient of a mail."""

    event: Event
    sink: str
    url: str
    to: str = ""
    why: str = ""

    @property
    def key(self) -> str:
        """`commit:event:subject>sink`: told once under this name."""
        return f"{self.event.key}>{self.sink}"


def tellings(event: Event, notifications: Notifications, readers: Iterable[str]) -> Iterator[Telling]:
    """Everything that has to be told of one event: to each route it matches, and to each reader by mail."""
    for route in notifications.routes:
        if _matches(route, event):
            for index, url in enumerate(route.to, start=1):
                sink = f"{route.name}/{index}" if len(route.to) > 1 else route.name
                yield Telling(event, sink, url, why=f"Sent by the route {route.name} of registry.yaml.")
    if notifications.mail and event.kind in MAILED:
        for email in readers:
            why = "You hear of this because you follow it: stagedoor mute NAME ends that."
            yield Telling(event, f"mail:{email}", notifications.mail, to=email, why=why)


def activity_type(event: Event) -> str:
    """The kind of activity that the daily limit of mails counts by: steps of a request are one kind."""
    return "transition_request" if event.kind.startswith("transition_request.") else event.kind


def last_of_the_day(mail: Telling, most: int) -> Telling:
    """The mail that reaches the limit of a day, and says so.

    https://docs.databricks.com/aws/en/machine-learning/manage-model-lifecycle/workspace-model-registry
    """
    said = f"This is the last mail about such activity today: the limit of {most} a day is reached."
    return replace(mail, why=f"{mail.why} {said}")


def _matches(route: Route, event: Event) -> bool:
    if not any(fnmatchcase(event.kind, glob) for glob in route.events):
        return False
    names = event.models or ((event.model,) if event.model else ())
    if names and not any(fnmatchcase(name, glob) for name in names for glob in route.models):
        return False
    if not names and route.models != ("*",):
        return False
    return not route.stages or event.to_stage in route.stages or event.from_stage in route.stages


@dataclass(frozen=True, slots=True)
class Audience:
    """What is known of the people around one model."""

    creator: str
    preferences: Mapping[str, Preference]
    followers: Mapping[int, frozenset[str]]


def readers(event: Event, versions: Iterable[int], audience: Audience) -> frozenset[str]:
    """Who hears of an event about some versions of a model.

    The three choices of Databricks' *Notify me about*: all new activity (the creator's default), activity on versions I
    follow (everybody else's), nothing. Nobody hears of what they did themselves.
    """
    following = {who for group in audience.followers.values() for who in group}
    everybody = {audience.creator, *audience.preferences, *following}
    wanted = {who for who in everybody if _wants(who, versions, audience)}
    return frozenset(wanted - {event.actor.lower(), ""})


def _wants(who: str, versions: Iterable[int], audience: Audience) -> bool:
    choice = audience.preferences.get(who, "all" if who == audience.creator else "following")
    if choice == "following":
        return any(who in audience.followers.get(version, ()) for version in versions)
    return choice == "all"


def follows(event: Event) -> tuple[str, ...]:
    """Who follows the event's versions from now on: whoever comments, moves, or asks for a move."""
    if event.kind in ("model_version.transitioned", "transition_request.created", "comment.created"):
        return tuple(dict.fromkeys(who.lower() for who in (event.actor, event.requested_by) if who))
    return ()
