"""Sign-ins of browsers: each stands for a token, is kept hashed in the state folder, and ends with its token."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from stagedoor.errors import Unauthenticated
from stagedoor.gitstore import Repository
from stagedoor.workflows.tokens import Tokens

FILE: Final = "sessions.json"
LASTS: Final = timedelta(days=7)
# one person has a few browsers; the oldest sign-ins make way
MOST_OF_A_TOKEN: Final = 20


class Session(BaseModel):
    """One browser that somebody signed in with, without its secret."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sha256: str
    token: str
    email: str
    expires_at: datetime


_READER: TypeAdapter[tuple[Session, ...]] = TypeAdapter(tuple[Session, ...])


@dataclass(frozen=True)
class Sessions:
    """The sign-ins of one registry, the same for every process that serves it."""

    folder: Path
    tokens: Tokens
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def begin(self, said: str) -> tuple[str, str]:
        """Sign in with a token: the secret that the browser keeps, and the address. `Unauthenticated` for a bad one."""
        email = self.tokens.who(said)
        token = said.split("_")[1]
        secret = secrets.token_urlsafe(32)
        made = Session(sha256=_hash(secret), token=token, email=email, expires_at=self.now() + LASTS)
        with self._writing() as known:
            mine = [one for one in known if one.token == token][1 - MOST_OF_A_TOKEN :]
            self._write((*(one for one in known if one.token != token), *mine, made))
        return secret, email

    def who(self, secret: str) -> str | None:
        """The address behind a browser's secret; None where it is over, or its token is."""
        wanted, now = _hash(secret), self.now()
        found = next((one for one in self._read() if hmac.compare_digest(one.sha256, wanted)), None)
        if found is None or found.expires_at <= now:
            return None
        token = next((one for one in self.tokens.list() if one.id == found.token), None)
        return found.email if token is not None and not token.is_over(now) else None

    def end(self, secret: str) -> None:
        """Sign out. Whoever is not signed in is so already."""
        wanted = _hash(secret)
        with self._writing() as known:
            self._write(tuple(one for one in known if one.sha256 != wanted))

    @property
    def _file(self) -> Path:
        return self.folder / FILE

    def _read(self) -> Sequence[Session]:
        try:
            return _READER.validate_json(self._file.read_bytes())
        except (FileNotFoundError, ValidationError):
            # nobody loses more than a sign-in
            return ()

    @contextmanager
    def _writing(self) -> Iterator[Sequence[Session]]:
        try:
            lock = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unauthenticated("sign-ins cannot be kept here", fix="make the state folder writable") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            now = self.now()
            yield [one for one in self._read() if one.expires_at > now]
        finally:
            os.close(lock)

    def _write(self, sessions: Sequence[Session]) -> None:
        new = self._file.with_suffix(".new")
        new.unlink(missing_ok=True)
        out = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(out, "wb") as file:
            file.write(_READER.dump_json(tuple(sessions), indent=1) + b"\n")
        new.replace(self._file)


def sessions_of(repository: Repository, tokens: Tokens) -> Sessions:
    """The sign-ins of a registry."""
    return Sessions(repository.state_dir(), tokens)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
