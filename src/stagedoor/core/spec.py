"""The files of a registry as frozen values: the model file, `registry.yaml`, `people.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from stagedoor.core.text.plain import Settled

API_VERSION: Final = "stagedoor/v1"
NO_STAGE: Final = "None"
STAGING: Final = "Staging"
PRODUCTION: Final = "Production"
ARCHIVED: Final = "Archived"

# one text of a file, and a version number: what every reader of the file can hold
MAX_TEXT: Final = 1_000_000
MAX_NUMBER: Final = 2**31 - 1

# what people read and what is searched: enough for any, and too little to fill a registry with
MAX_DESCRIPTION: Final = 100_000
MAX_TAGS: Final = 1_000


# --- scalars: the reader hands over text, the schema gives it a type ------------------------------------------------


def _text(value: object) -> object:
    return "" if value is None else value


def whole(value: object) -> object:
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
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def _email(value: object) -> object:
    # an address becomes a git author, so what would end the ident line may not be in it
    if isinstance(value, str) and not re.fullmatch(r"[^\s<>@,;:\"()\\\x00-\x20]+@[^\s<>@,;:\"()\\\x00-\x20]+", value):
        raise ValueError("an e-mail address such as ann@example.com is wanted")
    return value


_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def _span(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[1-9][0-9]{0,5}[smhdw]", value, re.ASCII):
        raise ValueError("a span of time such as 30m, 48h, 7d or 2w is wanted")
    return value


def time_span(text: str) -> timedelta:
    """The time that a `Span` says."""
    return timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])


def repeated(names: Iterable[str]) -> list[int]:
    """The places of those that were there before."""
    seen: set[str] = set()
    return [index for index, name in enumerate(names) if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


Text = Annotated[str, BeforeValidator(_text)]
Description = Annotated[str, Field(max_length=MAX_DESCRIPTION), BeforeValidator(_text)]
Tags = Annotated[dict[str, Text], Field(max_length=MAX_TAGS)]
VersionNumber = Annotated[int, BeforeValidator(whole), Field(ge=1, le=MAX_NUMBER)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Email = Annotated[str, BeforeValidator(_email), Field(max_length=254)]
Time = Annotated[
    datetime,
    BeforeValidator(_time),
    PlainSerializer(format_time, return_type=str),
    Field(json_schema_extra={"examples": ["2026-11-24T10:15:00.123Z"]}),
]
# kept as it was written: who wrote 48h does not want to read 2d
Span = Annotated[str, BeforeValidator(_span), Field(json_schema_extra={"examples": ["48h", "7d"]})]


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
    """The tracked run that made a version. `model` is the id of the logged model, where MLflow 3 has one."""

    id: Text = ""
    name: Text = ""
    experiment: Text = ""
    link: Text = ""
    experiment_link: Text = ""
    user: Text = ""
    started: Time | None = None
    model: Text = ""


class Code(Value):
    """The commit that the run was started from, and the script or notebook that was run."""

    repository: Text = ""
    commit: Text = ""
    path: Text = ""


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


class Evidence(Value):
    """A file that shows something about a version, pinned by its digest.

    It is kept in the registry under its digest, or elsewhere, at `uri`.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    uri: Text = ""
    at: Time
    by: Email


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
    description: Description = ""
    run: Run | None = None
    code: Code | None = None
    data: tuple[Dataset, ...] = ()
    params: dict[str, Text] = {}
    evidence: tuple[Evidence, ...] = ()
    metrics: dict[str, Number] = {}
    signature: Signature | None = None
    flavors: tuple[str, ...] = ()
    digest: Text = ""
    tags: Tags = {}
    created: Created

    @cached_property
    def settled(self) -> Settled:
        """It as plain data: made once, because most of a model's versions are the same before and after a change."""
        return Settled(_dump(self))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, without what was worked out of the original."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("settled", None)
        return copied


class RegisteredModel(Value):
    """One registered model, one file."""

    FACTS: ClassVar[tuple[str, ...]] = ("id", "created")

    apiVersion: Literal["stagedoor/v1"] = API_VERSION
    kind: Literal["RegisteredModel"] = "RegisteredModel"
    name: str
    description: Description = ""
    tags: Tags = {}
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    aliases: dict[str, VersionNumber] = {}
    created: Created
    last_version: Annotated[int, BeforeValidator(whole), Field(ge=0, le=MAX_NUMBER)] = 0
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
            for index in repeated(team.name.lower() for team in self.teams)
        ]
        faults += [
            (("people", index, "email"), f"{self.people[index].email} is there twice")
            for index in repeated(person.email.lower() for person in self.people)
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


_NEVER: Final = object()


@cache
def _fields(kind: type[Value]) -> tuple[tuple[str, str, Any], ...]:
    """Each field's key in a file, its name, and the value that is not written."""
    fields = kind.model_fields.items()
    return tuple((field.alias or name, name, _NEVER if name in _ALWAYS else field.default) for name, field in fields)


def dump(value: Value) -> dict[str, Any]:
    """A file's value as plain data in canonical order, without what is at its default. Nobody may change it."""
    return value.settled if isinstance(value, Version) else _dump(value)


def _dump(value: Value) -> dict[str, Any]:
    found = {}
    for key, name, default in _fields(type(value)):
        item = getattr(value, name)
        if item != default:
            found[key] = item if type(item) is str else _plain(item)
    return found


def _plain(item: Any) -> Any:
    if isinstance(item, Value):
        return dump(item)
    if isinstance(item, tuple):
        return [_plain(one) for one in item]
    if isinstance(item, dict):
        return {key: one if type(one) is str else _plain(one) for key, one in sorted(item.items())}
    return format_time(item) if isinstance(item, datetime) else item
