"""The reconciler's memory, on `refs/stagedoor/ledger`: how far it came, what it recorded, what it delivered."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stagedoor.core.requests import Request, Step, fold
from stagedoor.core.spec import Email, Time
from stagedoor.errors import BadRepository, Unavailable
from stagedoor.gitstore import Oid, Raced, RefUpdate, Repository, Signature

R = TypeVar("R", bound=BaseModel)

REF = "refs/stagedoor/ledger"


class _Record(BaseModel):
    # a newer release may add keys, and an old one still has to read the ledger
    model_config = ConfigDict(frozen=True, extra="ignore")


class Cursor(_Record):
    """How far the reconciler came: on main, in each request, in comments and in the news of servers."""

    main: str = ""
    requests: dict[str, str] = {}
    comments: str = ""
    serving: str = ""


class Lease(_Record):
    """Who is reconciling now. Nobody else starts before it is given back or has run out."""

    holder: str
    until: Time
    # the clone where the holder has a lock that ends with its process; nothing where it could not be had
    clone: str = ""


class Delivery(_Record):
    """One thing to be told to one sink, and how that went. `event` is all that telling it again takes."""

    key: str
    sink: str
    state: Literal["delivered", "retrying", "parked", "skipped"]
    attempts: Annotated[int, Field(ge=0)] = 0
    error: str = ""
    at: Time
    next_at: Time | None = None
    event: dict[str, Any] = {}
    # what a webhook's target answered
    status: int | None = None


class Attempt(_Record):
    """One call of a webhook, as its log shows it. `delivery` is the id that the target was given."""

    delivery: str
    key: str
    webhook: str
    event: str
    at: Time
    attempt: int
    state: Literal["delivered", "retrying", "parked", "skipped"]
    status: int | None = None
    error: str = ""


class Health(_Record):
    """How a webhook fares: failures in a row, its last calls, and whether it was given up as it stood then."""

    failures: Annotated[int, Field(ge=0)] = 0
    disabled_at: Time | None = None
    disabled_as: str = ""
    attempts: tuple[Attempt, ...] = ()


# how many calls of each webhook its log keeps
MAX_ATTEMPTS = 100


class Attestation(_Record):
    """A request as its host told of it when it had landed: its steps, so that nobody has to ask the host again."""

    host: str
    number: int
    at: Time
    steps: tuple[Annotated[Step, Field(discriminator="step")], ...]
    # owners that CODEOWNERS names, people.yaml does not know, and the host told of: `@login`, `@org/team`
    owners: dict[str, tuple[Email, ...]] = {}

    def request(self) -> Request:
        """The request that the steps make."""
        return fold(self.number, self.steps)


class MailDay(_Record):
    """How many mails went out on one day in UTC, by address and kind of activity."""

    day: str = ""
    sent: dict[str, dict[str, int]] = {}


@dataclass(frozen=True, slots=True)
class Status:
    """How many deliveries are in which state, and those that need somebody."""

    cursor: Cursor
    counts: Mapping[str, int]
    waiting: tuple[Delivery, ...]


def delivery_path(key: str) -> str:
    """Where the delivery with this key is kept."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"deliveries/{digest[:2]}/{digest[2:40]}.json"


class Alone:
    """A lock on this clone that ends with the process, and the clone's own name. It is let go with the object."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.clone = os.pread(handle, 32, 0).decode("ascii", "replace")
        if len(self.clone) != 32:
            self.clone = token_hex(16)
            os.pwrite(handle, self.clone.encode(), 0)

    def __del__(self) -> None:
        os.close(self._handle)

    @classmethod
    def here(cls, repository: Repository) -> Alone | None:
        """The lock, or None where another process has it, or where the state folder cannot be written."""
        try:
            path = repository.state_dir() / "reconcile.lock"
            return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError:
            return None


class Ledger:
    """One writer's view of the ledger: writes are gathered, then published as one commit by compare-and-swap.

    Every write puts a file under a name of its own, so writing it again on a newer tip means the same.
    """

    def __init__(self, repository: Repository, who: Signature, holder: str) -> None:
        self._git = repository
        self._who = who
        self._holder = holder
        self._tip = repository.tip(REF)
        self._pending: dict[str, bytes | None] = {}
        self._alone: Alone | None = None

    # --- reading ---

    @property
    def exists(self) -> bool:
        """Whether a reconciler has ever been here."""
        return self._tip is not None

    def cursor(self) -> Cursor:
        """How far it came."""
        return self._record("cursor.json", Cursor) or Cursor()

    def lease(self) -> Lease | None:
        """Who is reconciling, if somebody is."""
        return self._record("lease.json", Lease)

    def delivery(self, key: str) -> Delivery | None:
        """What is known of one delivery."""
        return self._record(delivery_path(key), Delivery)

    def followers(self, model_id: str) -> dict[str, list[str]]:
        """Who follows which version of a model, by the version's number."""
        found = self.read(f"followers/{model_id}.json")
        return {str(k): [str(v) for v in vs] for k, vs in (found or {}).items()} if isinstance(found, dict) else {}

    def health(self, webhook: str) -> Health:
        """How a webhook fares."""
        return self._record(f"webhooks/{webhook}.json", Health) or Health()

    def mail_day(self, day: str) -> MailDay:
        """The mails of a day; of another day than the last one, none yet."""
        found = self._record("mail.json", MailDay)
        return found if found is not None and found.day == day else MailDay(day=day)

    def activities(self, commit: str) -> list[dict[str, Any]] | None:
        """What was recorded for a commit of main, or None if it was not reconciled yet."""
        found = self.read(_activity_path(commit))
        return found if isinstance(found, list) else None

    def attestation(self, commit: str) -> Attestation | None:
        """What a host said of the request that landed as a commit, or None if no reconciler asked it."""
        return self._record(_attestation_path(commit), Attestation)

    def deliveries(self) -> Iterator[Delivery]:
        """Every delivery there is a record of."""
        if self._tip is None:
            return
        files = self._git.files(self._tip, "deliveries")
        blobs = self._git.blobs(entry.oid for entry in files.values())
        for path in sorted(files):
            yield _decode(Delivery, blobs[files[path].oid], path)

    def status(self) -> Status:
        """Counts, and what is retried or parked."""
        counts: dict[str, int] = {}
        waiting = []
        for delivery in self.deliveries():
            counts[delivery.state] = counts.get(delivery.state, 0) + 1
            if delivery.state in ("retrying", "parked"):
                waiting.append(delivery)
        return Status(self.cursor(), counts, tuple(sorted(waiting, key=lambda d: (d.state, d.key))))

    def read(self, path: str) -> Any:
        """One file of the ledger as plain data, the gathered writes included; None if it is not there."""
        raw = self._raw(path)
        return None if raw is None else json.loads(raw)

    def _raw(self, path: str) -> bytes | None:
        if path in self._pending:
            return self._pending[path]
        entry = self._git.entry(self._tip, path) if self._tip else None
        return self._git.blob(entry.oid) if entry is not None else None

    def _record(self, path: str, kind: type[R]) -> R | None:
        raw = self._raw(path)
        return None if raw is None else _decode(kind, raw, path)

    # --- writing ---

    def put(self, path: str, value: Any) -> None:
        """Gather one write."""
        text = (
            value.model_dump_json(indent=1)
            if isinstance(value, BaseModel)
            else json.dumps(value, ensure_ascii=False, indent=1)
        )
        self._pending[path] = text.encode() + b"\n"

    def put_delivery(self, delivery: Delivery) -> None:
        """Gather what is known of a delivery now."""
        self.put(delivery_path(delivery.key), delivery)

    def put_health(self, webhook: str, health: Health) -> None:
        """Gather how a webhook fares now; its log keeps the newest calls."""
        kept = health.model_copy(update={"attempts": health.attempts[-MAX_ATTEMPTS:]})
        self.put(f"webhooks/{webhook}.json", kept)

    def put_mail_day(self, mails: MailDay) -> None:
        """Gather the mails of a day; those of another day are forgotten."""
        self.put("mail.json", mails)

    def put_activities(self, commit: str, events: list[Any]) -> None:
        """Gather what happened in a commit of main."""
        self.put(_activity_path(commit), events)

    def put_attestation(self, commit: str, attestation: Attestation) -> None:
        """Gather what a host said of the request that landed as a commit."""
        self.put(_attestation_path(commit), attestation)

    def take_lease(self, until: datetime, now: datetime) -> None:
        """Be the one who reconciles. `Unavailable` while somebody else is.

        Whoever had the lease in this clone and has its lock no more was killed: nobody needs to wait for its end.
        """
        lease = self.lease()
        if self._alone is None:
            self._alone = Alone.here(self._git)
        is_dead = lease is not None and bool(lease.clone) and lease.clone == self._clone
        if lease is not None and lease.holder != self._holder and lease.until > now and not is_dead:
            self._alone = None
            raise Unavailable(
                f"{lease.holder} is reconciling until {lease.until:%H:%M:%S} UTC",
                fix="wait, then run it again if need be",
            )
        self.keep_lease(until)
        self.flush("take the lease")

    @property
    def _clone(self) -> str:
        return self._alone.clone if self._alone else ""

    def keep_lease(self, until: datetime) -> None:
        """Gather that the work goes on."""
        self.put("lease.json", Lease(holder=self._holder, until=until, clone=self._clone))

    def give_lease_back(self) -> None:
        """Gather the end of the lease."""
        self._pending["lease.json"] = None

    def flush(self, subject: str) -> None:
        """Publish what was gathered. `Unavailable` when another reconciler took over."""
        if self._pending:
            self._tip = self._git.in_turn(lambda: self._publish(subject), "the ledger")
            if self._pending.get("lease.json", b"") is None:
                self._alone = None
            self._pending.clear()

    def _publish(self, subject: str) -> Oid:
        base = self._git.commit_info(self._tip).tree if self._tip else None
        tree = self._git.write_tree(base, dict(self._pending))
        parents = (self._tip,) if self._tip else ()
        commit = self._git.commit(tree, parents, author=self._who, committer=self._who, message=f"{subject}\n")
        try:
            self._git.publish((RefUpdate(REF, self._tip, commit),), f"stagedoor: {subject}")
        except Raced:
            self._look_again()
            raise
        return commit

    def _look_again(self) -> None:
        self._tip = self._git.tip(REF)
        entry = self._git.entry(self._tip, "lease.json") if self._tip else None
        lease = _decode(Lease, self._git.blob(entry.oid), "lease.json") if entry else None
        if lease is not None and lease.holder != self._holder:
            raise Unavailable(f"{lease.holder} is reconciling", fix="wait, then run it again if need be")


def _attestation_path(commit: str) -> str:
    return f"attestations/{commit[:2]}/{commit[2:]}.json"


def _activity_path(commit: str) -> str:
    return f"activities/{commit[:2]}/{commit[2:]}.json"


def _decode(kind: type[R], raw: bytes, path: str) -> R:
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise BadRepository(
            f"the ledger does not read: {fault['msg'].lower()}", where=f"{REF}: {path}", fix="stagedoor doctor"
        ) from None
