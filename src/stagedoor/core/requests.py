"""A request, as the steps recorded for it make it: opened, pushed, reviewed, commented, closed, merged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from stagedoor.core.spec import Email, Text, Time
from stagedoor.errors import BadRepository

Oid = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]


class _Step(BaseModel):
    # a newer release may add keys, and an old clone still has to read the chain
    model_config = ConfigDict(frozen=True, extra="ignore")

    at: Time
    by: Email
    identity: Literal["claimed", "token", "signed"] = "claimed"


class Opened(_Step):
    """The first step of every request."""

    step: Literal["opened"] = "opened"
    title: str
    body: Text = ""
    base: Oid
    head: Oid


class Pushed(_Step):
    """The request proposes something else from here on; reviews of the head before do not count any more."""

    step: Literal["pushed"] = "pushed"
    base: Oid
    head: Oid
    why: Text = ""
    # an update makes the same changes again on a newer main, so whoever does it has added nothing of their own
    update: bool = False


class Reviewed(_Step):
    """Somebody looked at one head and said what they think of it."""

    step: Literal["reviewed"] = "reviewed"
    verdict: Literal["approved", "changes_requested"]
    head: Oid
    body: Text = ""
    # the approval as a signed tag object of git, if it is signed
    tag: Text = ""


class BrokeGlass(_Step):
    """An emergency: gates and freezes shall not hold the request back, if two owners vouch for it from here on."""

    step: Literal["broke_glass"] = "broke_glass"
    head: Oid
    reason: str


class Commented(_Step):
    """Somebody said something."""

    step: Literal["commented"] = "commented"
    body: str


class Closed(_Step):
    """The request ended without a merge: an owner rejected it, or its author cancelled it."""

    step: Literal["closed"] = "closed"
    how: Literal["rejected", "cancelled"]
    body: Text = ""


class MergedStep(_Step):
    """The request landed on `main` as `commit`."""

    step: Literal["merged"] = "merged"
    head: Oid
    base: Oid
    commit: Oid


Step = Opened | Pushed | Reviewed | BrokeGlass | Commented | Closed | MergedStep
_READER: TypeAdapter[Step] = TypeAdapter(Annotated[Step, Field(discriminator="step")])


def encode_step(step: Step) -> bytes:
    """One step as it is kept in git: JSON, keys in the order of the class."""
    return step.model_dump_json(indent=1).encode() + b"\n"


def decode_step(raw: bytes, where: str) -> Step:
    """The step that was kept. `BadRepository` when it is none: somebody wrote the ref by hand."""
    try:
        return _READER.validate_json(raw)
    except ValidationError as error:
        at = ".".join(map(str, error.errors(include_url=False)[0]["loc"])) or "its JSON"
        raise BadRepository(
            f"a step of the request does not read: {at} is wrong", where=where, fix="stagedoor doctor"
        ) from None


@dataclass(frozen=True, slots=True)
class Request:
    """A proposed change. `head` is proposed onto `base`, a commit of main."""

    number: int
    title: str
    body: str
    author: str
    opened_at: datetime
    base: str
    head: str
    state: Literal["open", "merged", "closed"] = "open"
    closed_as: Literal["rejected", "cancelled", ""] = ""
    merged_as: str = ""
    pushed_by: str = ""
    updated_at: datetime | None = None
    steps: tuple[Step, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.state == "open"

    @property
    def authors(self) -> frozenset[str]:
        """Everybody who put something into it: who opened it, and who pushed more than an update of its base."""
        pushed = (step.by for step in self.steps if isinstance(step, Pushed) and not step.update)
        return frozenset(who.lower() for who in (self.author, *pushed))

    @property
    def reviews(self) -> tuple[Reviewed, ...]:
        """The newest review of each person, oldest first."""
        newest: dict[str, Reviewed] = {}
        for step in self.steps:
            if isinstance(step, Reviewed):
                newest.pop(step.by.lower(), None)
                newest[step.by.lower()] = step
        return tuple(newest.values())

    @property
    def broken(self) -> BrokeGlass | None:
        """The newest step that broke the glass, if it was for the head of now: a push puts the glass back."""
        found = [step for step in self.steps if isinstance(step, BrokeGlass)]
        return found[-1] if found and found[-1].head == self.head else None

    @property
    def counted_reviews(self) -> tuple[Reviewed, ...]:
        """The reviews that may count: with broken glass, those of people who knew that it is."""
        broken = self.broken
        if broken is None:
            return self.reviews
        known = self.steps[self.steps.index(broken) :]
        return tuple(review for review in self.reviews if review in known or review.verdict == "changes_requested")

    @property
    def comments(self) -> tuple[Commented, ...]:
        """What was said, oldest first."""
        return tuple(step for step in self.steps if isinstance(step, Commented))


def fold(number: int, steps: Iterable[Step]) -> Request:
    """The request that its steps make, in their order. The first has to be `Opened`."""
    steps = tuple(steps)
    if not steps or not isinstance(steps[0], Opened):
        raise BadRepository(f"request {number} has no first step", fix="stagedoor doctor")
    first = steps[0]
    request = Request(number, first.title, first.body, first.by, first.at, first.base, first.head, pushed_by=first.by)
    for step in steps:
        request = replace(_after(request, step), updated_at=step.at)
    return replace(request, steps=steps)


def _after(request: Request, step: Step) -> Request:
    match step:
        case Opened() | Reviewed() | BrokeGlass() | Commented():
            return request
        case Pushed():
            return replace(request, base=step.base, head=step.head, pushed_by=step.by)
        case Closed():
            return replace(request, state="closed", closed_as=step.how)
        case MergedStep():
            return replace(request, state="merged", merged_as=step.commit)
        case _:
            assert_never(step)
