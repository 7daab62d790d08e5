"""The files of a registry as frozen values: the model file, `registry.yaml`, `people.yaml`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

API_VERSION: Final = "stagedoor/v1"
NO_STAGE: Final = "None"
STAGING: Final = "Staging"
PRODUCTION: Final = "Production"
ARCHIVED: Final = "Archived"

# one text of a file, and a version number: what every reader of the file can hold
MAX_TEXT: Final = 1_000_000
MAX_NUMBER: Final = 2**31 - 1


# --- scalars: the reader hands over text, the schema gives it a type ------------------------------------------------


def _text(value: object) -> object:
    return "" if value is None else value


def _whole(value: object) -> object:
    # int("1_0"), int(" 1") and int("1.0") are no numbers to a person who reads YAML
    if isinstance(value, str) and not re.fullmatch(r"-?(0|[1-9][0-9]*)", value):
        raise ValueError("a whole number in decimal digits is wanted")
    if isinstance(value, str) and len(value) > 18:
        raise ValueError("a number of at most 18 digits is wanted")
    return value


def _number(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", value):
        raise ValueError("a number such as 412.7 or 1e-3 is wanted")
    return value


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _time(value: object) -> object:
    if isinstance(value, str):
        if not _TIME.fullmatch(value):
            raise ValueError("a time such as 2026-11-24T10:15:00.123Z is wanted")
        try:
            value = to_milliseconds(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            raise ValueError("there is no such time in the calendar") from None
    return to_milliseconds(value) if isinstance(value, datetime) else value


def _switch(value: object) -> object:
    if isinstance(value, str) and value not in {"true", "false"}:
        raise ValueError("true or false is wanted")
    return value


def to_milliseconds(moment: datetime) -> datetime:
    """The same moment in UTC, cut to the milliseconds that a spec can say."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def format_time(moment: datetime) -> str:
    """`2026-11-24T10:15:00.123Z`."""
    return to_milliseconds(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _email(value: object) -> object:
    # an address becomes a git author, so what would end the ident line may not be in it
    if isinstance(value, str) and not re.fullmatch(r"[^\s<>@,;:\"()\\\x00-\x20]+@[^\s<>@,;:\"()\\\x00-\x20]+", value):
        raise ValueError("an e-mail address such as ann@example.com is wanted")
    return value


Text = Annotated[str, BeforeValidator(_text)]
VersionNumber = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MAX_NUMBER)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Email = Annotated[str, BeforeValidator(_email), Field(max_length=254)]
Time = Annotated[
    datetime,
    BeforeValidator(_time),
    PlainSerializer(format_time, return_type=str),
    Field(json_schema_extra={"examples": ["2026-11-24T10:15:00.123Z"]}),
]


class Unfit(ValueError):
    """Parts of a file that are right one by one and do not go together: where each stands, and what is wrong."""

    def __init__(self, faults: Iterable[tuple[tuple[str | int, ...], str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(said for _, said in self.faults))


class Value(BaseModel):
    """A frozen part of a file; a key it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, str_max_length=MAX_TEXT)


# --- the model file -------------------------------------------------------------------------------------------------


class Created(Value):
    """When something came into the registry, and who brought it."""

    at: Time
    by: Email


class Run(Value):
    """The tracked run that made a version."""

    id: Text = ""
    name: Text = ""
    experiment: Text = ""
    link: Text = ""


class Code(Value):
    """The commit that the run was started from."""

    repository: Text = ""
    commit: Text = ""


class Dataset(Value):
    """One data set that went in: a name and, where it is known, its digest."""

    name: str
    digest: Text = ""


class Column(Value):
    """One input or output of a model's signature."""

    name: Text = ""
    type: str
    required: Switch = True


class Signature(Value):
    """What a model takes and gives."""

    inputs: tuple[Column, ...] = ()
    outputs: tuple[Column, ...] = ()


class Version(Value):
    """One version of a registered model.

    The order of the fields is the order in the file, and it is chosen so that unrelated changes merge as plain text:
    `stage` stands near the top, a field that never changes stands between `stage` and `description`, and `created`,
    which never changes either, closes the entry.
    """

    FACTS: ClassVar[tuple[str, ...]] = (
        "source", "run", "code", "data", "params", "metrics", "signature", "flavors", "digest", "created",
    )  # fmt: skip

    version: VersionNumber
    stage: str = NO_STAGE
    source: str
    description: Text = ""
    run: Run | None = None
    code: Code | None = None
    data: tuple[Dataset, ...] = ()
    params: dict[str, Text] = {}
    metrics: dict[str, Number] = {}
    signature: Signature | None = None
    flavors: tuple[str, ...] = ()
    digest: Text = ""
    tags: dict[str, Text] = {}
    created: Created


class RegisteredModel(Value):
    """One registered model, one file."""

    FACTS: ClassVar[tuple[str, ...]] = ("id", "created")

    apiVersion: Literal["stagedoor/v1"] = API_VERSION
    kind: Literal["RegisteredModel"] = "RegisteredModel"
    name: str
    description: Text = ""
    tags: dict[str, Text] = {}
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    aliases: dict[str, VersionNumber] = {}
    created: Created
    last_version: Annotated[int, BeforeValidator(_whole), Field(ge=0, le=MAX_NUMBER)] = 0
    versions: tuple[Version, ...] = ()

    def version(self, number: int) -> Version | None:
        """The version with this number, or None."""
        return next((version for version in self.versions if version.version == number), None)

    def in_stage(self, stage: str) -> tuple[Version, ...]:
        """The versions now in a stage, in the order of the file."""
        return tuple(version for version in self.versions if version.stage == stage)

    def aliases_of(self, number: int) -> tuple[str, ...]:
        """The aliases that point at a version, sorted."""
        return tuple(sorted(alias for alias, target in self.aliases.items() if target == number))


# --- registry.yaml --------------------------------------------------------------------------------------------------

Verb = Literal["register", "describe", "tag", "alias", "transition", "delete", "rename"]


class Stage(Value):
    """One stage, and what moving into it takes."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^/:.@#\x00-\x1f]+$")]
    description: Text = ""
    exclusive: Switch = False
    sources: Annotated[tuple[str, ...] | None, Field(alias="from")] = None
    approvals: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=20)] = 1
    direct: Switch = True


class Gate(Value):
    """What a version must have before it may be in a stage."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    models: tuple[str, ...] = ("*",)
    stages: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
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
    attempts: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=20)] = 5
    routes: tuple[Route, ...] = ()


class Requests(Value):
    """How the embedded forge keeps its requests."""

    prefix: Annotated[str, Field(pattern=r"^refs/(pull|stagedoor/pull)/$")] = "refs/pull/"


def _repeated(names: Iterable[str]) -> list[int]:
    """The places of those that were there before."""
    seen: set[str] = set()
    return [index for index, name in enumerate(names) if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def _stage_name_fault(name: str) -> str | None:
    if name.casefold() in {"read", "manage"}:
        return f"the stage {name} is called like a right, and CODEOWNERS could not tell the two apart"
    if name != name.strip() or any(unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} for char in name):
        return f"the stage {name!r} has space at an end, or a character that does not show"
    return None


DEFAULT_STAGES: Final = tuple(Stage(name=name) for name in (NO_STAGE, STAGING, PRODUCTION, ARCHIVED))


class RegistrySpec(Value):
    """`registry.yaml`: the policy of the whole registry. It is always read from the base of a change."""

    apiVersion: Literal["stagedoor/v1"] = API_VERSION
    kind: Literal["Registry"] = "Registry"
    name: Annotated[str, Field(min_length=1, max_length=200)] = "models"
    description: Text = ""
    layout: Literal["flat", "letter"] = "flat"
    stages: tuple[Stage, ...] = DEFAULT_STAGES
    gates: tuple[Gate, ...] = ()
    direct: tuple[Verb, ...] = ("register", "describe", "tag", "alias", "transition", "delete", "rename")
    owners: Owners = Owners()
    requests: Requests = Requests()
    notifications: Notifications = Notifications()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if faults := (*self._stage_faults(), *self._gate_faults(), *self._route_faults()):
            raise Unfit(faults)
        return self

    def _stage_faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        names = self.stage_names
        for index in _repeated(name.casefold() for name in names):
            yield ("stages", index, "name"), f"the stage {names[index]} is there twice, or differs only by case"
        for needed in (NO_STAGE, ARCHIVED):
            if needed not in names:
                yield ("stages",), f"the stage {needed} is missing, and every registry has it"
        for index, stage in enumerate(self.stages):
            if fault := _stage_name_fault(stage.name):
                yield ("stages", index, "name"), fault
            for at, source in enumerate(stage.sources or ()):
                if source not in names:
                    said = f"stage {stage.name} may be entered from {source}, which is not a stage"
                    yield ("stages", index, "from", at), said

    def _gate_faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for index in _repeated(gate.name for gate in self.gates):
            yield ("gates", index, "name"), f"the gate {self.gates[index].name} is there twice"
        for index, gate in enumerate(self.gates):
            for at, name in enumerate(gate.stages):
                if name not in self.stage_names:
                    yield ("gates", index, "stages", at), f"gate {gate.name} names {name}, which is not a stage"

    def _route_faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        routes = self.notifications.routes
        for index in _repeated(route.name for route in routes):
            place = ("notifications", "routes", index, "name")
            yield place, f"the notification route {routes[index].name} is there twice"

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The stages in the order of the file."""
        return tuple(stage.name for stage in self.stages)

    def stage(self, name: str) -> Stage | None:
        """The stage of that name, whatever the case of the letters, or None. Databricks' API takes any case too."""
        return next((stage for stage in self.stages if stage.name.casefold() == name.casefold()), None)


# --- people.yaml ----------------------------------------------------------------------------------------------------


class Person(Value):
    """One person: the address that git knows, the logins that forges know."""

    email: Email
    name: Text = ""
    login: Text = ""
    github: Text = ""
    gitlab: Text = ""
    gitea: Text = ""

    def logins(self) -> frozenset[str]:
        """Every login, without its `@`, in lower case."""
        return frozenset(x.lower() for x in (self.login, self.github, self.gitlab, self.gitea) if x)


class Team(Value):
    """A named group of people; CODEOWNERS writes it `@name`."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s@]+$")]
    members: tuple[Email, ...] = ()


class People(Value):
    """`people.yaml`: who stands behind the owners that CODEOWNERS names."""

    apiVersion: Literal["stagedoor/v1"] = API_VERSION
    kind: Literal["People"] = "People"
    people: tuple[Person, ...] = ()
    teams: tuple[Team, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        faults: list[tuple[tuple[str | int, ...], str]] = [
            (("teams", index, "name"), f"the team {self.teams[index].name} is there twice")
            for index in _repeated(team.name.lower() for team in self.teams)
        ]
        faults += [
            (("people", index, "email"), f"{self.people[index].email} is there twice")
            for index in _repeated(person.email.lower() for person in self.people)
        ]
        if faults:
            raise Unfit(faults)
        return self

    def emails_of(self, owner: str) -> frozenset[str] | None:
        """The addresses behind an owner as CODEOWNERS writes it, in lower case; None when nobody knows the owner."""
        if not owner.startswith("@"):
            return frozenset({owner.lower()})
        return self._behind.get(owner[1:].lower())

    @cached_property
    def _behind(self) -> dict[str, frozenset[str]]:
        """Who stands behind each login and team, in lower case; a team comes before a login of its name."""
        found: dict[str, frozenset[str]] = {}
        for person in self.people:
            for login in person.logins():
                found[login] = found.get(login, frozenset()) | {person.email.lower()}
        return found | {team.name.lower(): frozenset(map(str.lower, team.members)) for team in self.teams}

    def person(self, email: str) -> Person | None:
        """The person with this address, or None."""
        return next((person for person in self.people if person.email.lower() == email.lower()), None)


_ALWAYS = frozenset({"apiVersion", "kind", "stage", "last_version", "versions"})


def dump(value: Value) -> dict[str, Any]:
    """A file's value as plain data in canonical order, without what is at its default."""
    fields = type(value).model_fields.items()
    kept = ((field.alias or name, name, getattr(value, name), field.default) for name, field in fields)
    return {key: _plain(item) for key, name, item, default in kept if name in _ALWAYS or item != default}


def _plain(item: Any) -> Any:
    if isinstance(item, Value):
        return dump(item)
    if isinstance(item, tuple):
        return [_plain(one) for one in item]
    if isinstance(item, dict):
        return dict(sorted(item.items()))
    return format_time(item) if isinstance(item, datetime) else item
