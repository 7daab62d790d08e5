"""The policy of a registry as frozen values: `registry.yaml`, the waivers and the quarantine list."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from stagedoor.core.spec import (
    API_VERSION,
    ARCHIVED,
    NO_STAGE,
    PRODUCTION,
    STAGING,
    Email,
    Span,
    Switch,
    Text,
    Time,
    Unfit,
    Value,
    VersionNumber,
    repeated,
    whole,
)

# --- scalars --------------------------------------------------------------------------------------------------------


def _clock(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value, re.ASCII):
        raise ValueError("a time of day such as 18:00 is wanted")
    return value


def _zone(value: str) -> str:
    # a key with a slash at an end or dots in it would be a path; ZoneInfo refuses those by itself, with ValueError
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        raise ValueError("a time zone such as UTC or Europe/Berlin is wanted") from None
    return value


ClockTime = Annotated[str, BeforeValidator(_clock)]
Zone = Annotated[str, AfterValidator(_zone), Field(max_length=64)]
Few = Annotated[int, BeforeValidator(whole), Field(ge=1, le=20)]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
DAYS: Final[tuple[Day, ...]] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

# --- registry.yaml --------------------------------------------------------------------------------------------------

Verb = Literal[
    "register", "describe", "tag", "alias", "attach", "transition", "delete", "rename", "webhook", "quarantine"
]


class Stage(Value):
    """One stage, and what moving into it takes."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^/:.@#\x00-\x1f]+$")]
    description: Text = ""
    exclusive: Switch = False
    sources: Annotated[tuple[str, ...] | None, Field(alias="from")] = None
    approvals: Few = 1
    # the approvals come from at least this many different teams
    teams: Few = 1
    # only approvals count that are signed with a key of the allowed signers
    signed: Switch = False
    direct: Switch = True


class Soak(Value):
    """How long a version has to have been in a stage."""

    stage: str
    at_least: Annotated[Span, Field(alias="for")]


class Approvals(Value):
    """Agreement that a gate asks for, besides what the stage asks for."""

    count: Few = 1
    teams: Few = 1
    by: tuple[Annotated[str, Field(min_length=1, max_length=254)], ...] = ()
    signed: Switch = False


class Proof(Value):
    """A file of evidence that a version must have: pinned by its digest, and not older than `max_age`."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    max_age: Span | None = None


class Artifact(Value):
    """What has to be proven of the artifact itself: its digest is computed again, its signature verified."""

    digest: Switch = True
    # a public key in the repository, by its path from the registry's root; the signature is evidence of this name
    key: Text = ""
    signature: Text = "signature"


class Gate(Value):
    """What must hold before a version may come into a stage."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    models: tuple[str, ...] = ("*",)
    stages: tuple[str, ...] = ()
    sources: Annotated[tuple[str, ...] | None, Field(alias="from")] = None
    require: tuple[str, ...] = ()
    soak: Soak | None = None
    approvals: Approvals | None = None
    expressions: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=2_000)], ...], Field(max_length=50)] = ()
    evidence: tuple[Proof, ...] = ()
    licenses: tuple[str, ...] = ()
    artifact: Artifact | None = None
    reason: Text = ""


class Freeze(Value):
    """A time in which versions do not move into or out of some stages.

    From `since` until `until`, and within that on `days` and between `after` and `before`, where those are given;
    `after: 18:00, before: "08:00"` goes through midnight and belongs to the day it begins on.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    models: tuple[str, ...] = ("*",)
    stages: tuple[str, ...] = (PRODUCTION,)
    since: Time | None = None
    until: Time | None = None
    days: tuple[Day, ...] = ()
    after: ClockTime | None = None
    before: ClockTime | None = None
    timezone: Zone = "UTC"
    reason: Text = ""


class Owners(Value):
    """How CODEOWNERS is read and what counts as an approval."""

    dialect: Literal["github", "gitlab", "gitea"] = "github"
    author_may_approve: Switch = False


class Route(Value):
    """Where news of some kind goes: apprise URLs, with `${NAME}` for what the environment keeps secret."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    events: tuple[str, ...] = ("*",)
    models: tuple[str, ...] = ("*",)
    stages: tuple[str, ...] = ()
    to: Annotated[tuple[str, ...], Field(min_length=1)]


class Notifications(Value):
    """Who is told: routes for everybody on a channel, `mail` for those who follow a model."""

    mail: Text = ""
    link: Text = ""
    attempts: Few = 5
    mails_a_day: Annotated[int, BeforeValidator(whole), Field(ge=1, le=10_000)] = 20
    routes: tuple[Route, ...] = ()


DEFAULT_SERVED: Final = (STAGING, PRODUCTION)
Percent = Annotated[int, BeforeValidator(whole), Field(ge=0, le=100)]


_Split = dict[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,9}$")], Percent]


class ServedModel(Value):
    """How one model is served: whether at all, and how a stage's traffic is split among versions, in percent."""

    enabled: Switch | None = None
    traffic: dict[str, _Split] = {}  # noqa: RUF012 - pydantic copies it


def _branch(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*", value) is None or (
        ".." in value or value.endswith((".lock", ".")) or value.startswith("refs/")
    ):
        raise ValueError("a branch such as deploy is wanted")
    return value


def _folder(value: str) -> str:
    if value != "." and any(part in ("", ".", "..") or part.casefold() == ".git" for part in value.split("/")):
        raise ValueError("a folder such as serving is wanted, or . for the top")
    return value


class Deployment(Value):
    """The branch, and the folder there, that the reconciler keeps the manifests of what is served in."""

    branch: Annotated[str, AfterValidator(_branch), Field(max_length=100)]
    folder: Annotated[str, AfterValidator(_folder), Field(min_length=1, max_length=200)] = "."
    target: Literal["kserve"] = "kserve"
    namespace: Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")] = ""


class Serving(Value):
    """What `stagedoor serve` loads and `stagedoor manifests` renders: the versions in these stages."""

    enabled: Switch = True
    stages: tuple[str, ...] = DEFAULT_SERVED
    models: dict[str, ServedModel] = {}  # noqa: RUF012 - as above
    manifests: Deployment | None = None

    def serves(self, name: str) -> bool:
        """Whether the model of that name is served; what the model says itself comes first."""
        own = self.models.get(name)
        return self.enabled if own is None or own.enabled is None else own.enabled


class Requests(Value):
    """How the embedded forge keeps its requests."""

    prefix: Annotated[str, Field(pattern=r"^refs/(pull|stagedoor/pull)/$")] = "refs/pull/"


class Host(Value):
    """Where requests are pull requests: a host's kind, its address and the project there.

    What is left out is taken from the remote; so is the kind, where its host is one that everybody knows.
    """

    kind: Literal["", "embedded", "github", "gitlab", "gitea"] = ""
    url: Text = ""
    project: Text = ""
    remote: Text = "origin"


DEFAULT_STAGES: Final = tuple(Stage(name=name) for name in (NO_STAGE, STAGING, PRODUCTION, ARCHIVED))
Fault = tuple[tuple[str | int, ...], str]


class RegistrySpec(Value):
    """`registry.yaml`: the policy of the whole registry. It is always read from the base of a change."""

    apiVersion: Literal["stagedoor/v1"] = API_VERSION
    kind: Literal["Registry"] = "Registry"
    name: Annotated[str, Field(min_length=1, max_length=200)] = "models"
    description: Text = ""
    layout: Literal["flat", "letter"] = "flat"
    # a file for each stage of a model, which every forge guards by its own means
    stage_files: Switch = False
    stages: tuple[Stage, ...] = DEFAULT_STAGES
    gates: tuple[Gate, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    direct: tuple[Verb, ...] = get_args(Verb)
    owners: Owners = Owners()
    requests: Requests = Requests()
    forge: Host = Host()
    notifications: Notifications = Notifications()
    serving: Serving = Serving()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        faults = (*self._stage_faults(), *self._gate_faults(), *self._freeze_faults(), *self._route_faults())
        if faults:
            raise Unfit(faults)
        return self

    def _stage_faults(self) -> Iterator[Fault]:
        names = self.stage_names
        for index in repeated(name.casefold() for name in names):
            yield ("stages", index, "name"), f"the stage {names[index]} is there twice, or differs only by case"
        for needed in (NO_STAGE, ARCHIVED):
            if needed not in names:
                yield ("stages",), f"the stage {needed} is missing, and every registry has it"
        for index, stage in enumerate(self.stages):
            if fault := _stage_name_fault(stage.name):
                yield ("stages", index, "name"), fault
            said = f"stage {stage.name} may be entered from"
            yield from self._not_stages(stage.sources or (), ("stages", index, "from"), said)

    def _gate_faults(self) -> Iterator[Fault]:
        for index in repeated(gate.name for gate in self.gates):
            yield ("gates", index, "name"), f"the gate {self.gates[index].name} is there twice"
        for index, gate in enumerate(self.gates):
            yield from self._not_stages(gate.stages, ("gates", index, "stages"), f"gate {gate.name} names")
            yield from self._not_stages(gate.sources or (), ("gates", index, "from"), f"gate {gate.name} names")
            if gate.soak and gate.soak.stage not in self.stage_names:
                said = f"gate {gate.name} names {gate.soak.stage}, which is not a stage"
                yield ("gates", index, "soak", "stage"), said

    def _freeze_faults(self) -> Iterator[Fault]:
        for index in repeated(freeze.name for freeze in self.freezes):
            yield ("freezes", index, "name"), f"the freeze {self.freezes[index].name} is there twice"
        for index, freeze in enumerate(self.freezes):
            yield from self._not_stages(freeze.stages, ("freezes", index, "stages"), f"freeze {freeze.name} names")
            if (freeze.after is None) != (freeze.before is None):
                yield ("freezes", index), f"freeze {freeze.name} has one of after and before, and needs both"
            if freeze.since and freeze.until and freeze.since >= freeze.until:
                yield ("freezes", index, "until"), f"freeze {freeze.name} ends before it begins"
            if not (freeze.since or freeze.until or freeze.days or freeze.after):
                yield (
                    ("freezes", index),
                    f"freeze {freeze.name} has no time: add since, until, days, or after and before",
                )

    def _not_stages(self, names: Iterable[str], place: tuple[str | int, ...], said: str) -> Iterator[Fault]:
        for at, name in enumerate(names):
            if name not in self.stage_names:
                yield (*place, at), f"{said} {name}, which is not a stage"

    def _route_faults(self) -> Iterator[Fault]:
        routes = self.notifications.routes
        for index in repeated(route.name for route in routes):
            place = ("notifications", "routes", index, "name")
            yield place, f"the notification route {routes[index].name} is there twice"

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The stages in the order of the file."""
        return tuple(stage.name for stage in self.stages)

    def stage(self, name: str) -> Stage | None:
        """The stage of that name, whatever the case of the letters, or None. Databricks' API takes any case too."""
        return next((stage for stage in self.stages if stage.name.casefold() == name.casefold()), None)


def _stage_name_fault(name: str) -> str | None:
    if name.casefold() in {"read", "manage"}:
        return f"the stage {name} is called like a right, and CODEOWNERS could not tell the two apart"
    if name != name.strip() or any(unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} for char in name):
        return f"the stage {name!r} has space at an end, or a character that does not show"
    return None


# --- waivers and the quarantine -------------------------------------------------------------------------------------


class Waiver(Value):
    """`waivers/NAME.yaml`: one gate does not hold one model, or one version, back until a day.

    Somebody answers for it by name, says why, and it ends by itself.
    """

    apiVersion: Literal["stagedoor/v1"] = API_VERSION
    kind: Literal["Waiver"] = "Waiver"
    gate: Annotated[str, Field(min_length=1, max_length=100)]
    model: Annotated[str, Field(min_length=1)]
    version: VersionNumber | None = None
    owner: Email
    reason: Annotated[str, Field(min_length=1, max_length=10_000)]
    expires: Time


class Quarantined(Value):
    """An artifact that nobody may bring into a stage again, under any name or version."""

    digest: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Annotated[str, Field(min_length=1, max_length=10_000)]
    by: Email
    at: Time


class Quarantine(Value):
    """`quarantine.yaml`: the digests that are bad for good."""

    apiVersion: Literal["stagedoor/v1"] = API_VERSION
    kind: Literal["Quarantine"] = "Quarantine"
    artifacts: tuple[Quarantined, ...] = ()
