"""Tokens: who they stand for, kept hashed in the state folder beside the repository and never in git."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from stagedoor.errors import BadInput, BadRepository, NotFound, Unauthenticated
from stagedoor.gitstore import Repository
from stagedoor.workflows.world import checked_email

FILE: Final = "tokens.json"
_PREFIX: Final = "stagedoor"
_FORM: Final = re.compile(r"stagedoor_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_LASTS: Final = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_HOURS: Final = {"h": 1, "d": 24, "w": 168}
# when a token was last used is for people who tidy up; writing it down at every call would cost more than the call
_USED_EVERY: Final = timedelta(minutes=1)


class Token(BaseModel):
    """One token without its secret."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    email: str
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None
    used_at: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether it counts no more."""
        return self.expires_at is not None and self.expires_at <= now


_READER: TypeAdapter[tuple[Token, ...]] = TypeAdapter(tuple[Token, ...])


@dataclass(frozen=True, slots=True)
class Made:
    """A new token, and the secret that is shown once."""

    token: Token
    secret: str


def lasts(text: str) -> timedelta:
    """`12h`, `30d` or `8w` as a time."""
    match = _LASTS.fullmatch(text)
    if match is None:
        raise BadInput(f"{text!r} is no length of time", where="--expires", fix="write 12h, 30d or 8w")
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])


class Tokens:
    """The tokens of one registry. The file is read again whenever somebody has written it."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._file = folder / FILE
        self._now = now
        self._seen: tuple[int, int, int] | None = None
        self._known: tuple[Token, ...] = ()

    def create(self, email: str, expires: timedelta | None = None) -> Made:
        """A token for somebody. 256 random bits: there is nothing to guess, so one round of SHA-256 keeps it."""
        now = self._now()
        id_, random = secrets.token_hex(6), secrets.token_urlsafe(32)
        token = Token(
            id=id_,
            email=checked_email(email),
            sha256=_hash(random),
            created_at=now,
            expires_at=now + expires if expires else None,
        )
        with self._writing() as known:
            self._write((*known, token))
        return Made(token, f"{_PREFIX}_{id_}_{random}")

    def list(self) -> Sequence[Token]:
        """Every token there is, oldest first."""
        return self._read()

    def revoke(self, id_: str) -> Token:
        """Take a token away; it counts no more from the next call on."""
        with self._writing() as known:
            found = next((token for token in known if token.id == id_), None)
            if found is None:
                raise NotFound(f"there is no token {id_}", fix="stagedoor token list shows them")
            self._write(tuple(token for token in known if token is not found))
            return found

    def who(self, said: str) -> str:
        """The address that a token stands for; `Unauthenticated` for one that is unknown, altered or over."""
        match = _FORM.fullmatch(said)
        token = next((one for one in self._read() if match and one.id == match[1]), None)
        # compared in any case, so that a wrong id takes as long as a wrong secret
        is_right = hmac.compare_digest(token.sha256 if token else "0" * 64, _hash(match[2] if match else ""))
        if token is None or not is_right:
            raise Unauthenticated("the token is not known here", fix="stagedoor token create EMAIL makes one")
        now = self._now()
        if token.is_over(now):
            raise Unauthenticated(f"the token {token.id} is over", fix="stagedoor token create EMAIL makes another")
        if token.used_at is None or now - token.used_at > _USED_EVERY:
            self._mark(token.id, now)
        return token.email

    def _mark(self, id_: str, now: datetime) -> None:
        # on a disk that cannot be written nobody learns when, and everybody may go on reading
        with suppress(OSError), self._writing() as known:
            marked = (token.model_copy(update={"used_at": now}) if token.id == id_ else token for token in known)
            self._write(tuple(marked))

    def _read(self) -> tuple[Token, ...]:
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return ()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._seen:
            try:
                self._known = _READER.validate_json(self._file.read_bytes())
            except ValidationError:
                raise BadRepository(
                    "the tokens do not read", where=str(self._file), fix="remove the file, and make new tokens"
                ) from None
            self._seen = stamp
        return self._known

    @contextmanager
    def _writing(self) -> Iterator[tuple[Token, ...]]:
        lock = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._read()
        finally:
            os.close(lock)

    def _write(self, tokens: tuple[Token, ...]) -> None:
        new = self._file.with_suffix(".new")
        new.unlink(missing_ok=True)
        out = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(out, "wb") as file:
            file.write(_READER.dump_json(tokens, indent=1) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)


def tokens_of(repository: Repository) -> Tokens:
    """The tokens of a registry."""
    return Tokens(repository.state_dir())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
