"""The world a workflow runs in: repository, forge, actor, clock, environment. Whatever is not pure comes in here."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stagedoor.core.layout import REGISTRY_FILE
from stagedoor.core.owners import OwnersFile
from stagedoor.core.spec import People, RegisteredModel
from stagedoor.core.timeline import Chain, WholeChain
from stagedoor.errors import BadInput, BadRepository
from stagedoor.forges.base import Actor
from stagedoor.forges.embedded import EmbeddedForge
from stagedoor.forges.hosted import HostedForge
from stagedoor.gitstore import Repository, Signature
from stagedoor.workflows.hosts import embedded_is_used, host_of, hosted
from stagedoor.workflows.snapshots import Snapshot, root_of, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagedoor.index import Past


class Progress(Protocol):
    """Told how far a long piece of work has come; `total` may be unknown."""

    def __call__(self, what: str, done: int, total: int | None) -> None: ...


def no_progress(what: str, done: int, total: int | None) -> None:
    """Nobody watches."""


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass
class World:
    """Everything a workflow needs from outside."""

    repository: Repository
    claimed_email: str | None = None
    actor_override: Actor | None = None
    now: Callable[[], datetime] = _now
    new_id: Callable[[], str] = _new_id
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    progress: Progress = no_progress
    sleep: Callable[[float], None] = time.sleep
    # go all the way to what would be published, refusals included, and publish nothing
    is_rehearsal: bool = False
    # where a relative path of a person starts
    directory: Path = Path()
    # which forge, where somebody said so on the command line
    forge_kind: str = ""
    _snapshots: dict[str, Snapshot] = field(default_factory=dict)
    _chains: dict[str, Chain] = field(default_factory=dict)
    # what stays open for the next one who works here; None where nobody comes after
    stays_open: dict[str, Any] | None = None
    _past: Past | None = None

    @cached_property
    def actor(self) -> Actor:
        """Who is doing this: `--as`, else git's `user.email`. On one machine it is a claim, and shown as one."""
        if self.actor_override is not None:
            return self.actor_override
        identity = self.repository.identity()
        email = self.claimed_email or (identity[1] if identity else None)
        if not email:
            raise BadInput("nobody said who is asking", fix="use --as EMAIL, or git config user.email EMAIL")
        checked_email(email)
        return Actor(email, self._name_of(email, identity))

    @property
    def actor_email(self) -> str | None:
        """The address of who is doing this, as far as anybody said."""
        if self.actor_override is not None:
            return self.actor_override.email
        return self.claimed_email or (identity[1] if (identity := self.repository.identity()) else None)

    def _name_of(self, email: str, identity: tuple[str, str] | None) -> str:
        if identity and identity[1].lower() == email.lower():
            return identity[0]
        known = self.snapshot().people.person(email) if self.repository.tip() else None
        return (known.name if known else "") or email.partition("@")[0]

    def signature(self) -> Signature:
        """The actor and the time, as git writes them."""
        return Signature(self.actor.name, self.actor.email, self.now())

    @property
    def forge(self) -> EmbeddedForge | HostedForge:
        """Where requests are kept: in the repository itself, or on a host that was chosen."""
        return self.host or self._embedded

    @cached_property
    def host(self) -> HostedForge | None:
        """The host of pull requests, or None for the embedded forge.

        `--forge` says which, else registry.yaml, else a remote of a host that everybody knows, unless requests are kept
        in the repository already.
        """
        spec = self.snapshot().spec
        kind = self.forge_kind or self.environment.get("STAGEDOOR_FORGE", "") or spec.forge.kind
        if not kind and embedded_is_used(self.repository, spec.requests.prefix):
            return None
        chosen = host_of(self.repository, spec.forge, kind)
        return hosted(self, chosen, spec.forge.remote) if chosen else None

    @cached_property
    def _embedded(self) -> EmbeddedForge:
        return EmbeddedForge(self.repository, self.snapshot().spec.requests.prefix, is_rehearsal=self.is_rehearsal)

    def main(self) -> str:
        """The newest commit of main; `BadRepository` where there is no registry yet."""
        tip = self.repository.tip()
        if tip is None or self.repository.entry(tip, root_of(self.repository) + REGISTRY_FILE) is None:
            raise BadRepository(
                "there is no registry here",
                where=f"{self.repository.git_dir} ({self.repository.branch})",
                fix="stagedoor init, or -C DIR to say where the registry is",
            )
        return tip

    def snapshot(self, commit: str | None = None) -> Snapshot:
        """The registry at a commit, or at main."""
        oid = commit or self.main()
        if oid not in self._snapshots:
            newest = next(reversed(self._snapshots.values()), None)
            if len(self._snapshots) > 16:
                self._snapshots.clear()
            taken = take(self.repository, oid)
            if newest is not None:
                taken.go_on_from(newest)
            taken.with_owners = self._people_of_host
            self._snapshots[oid] = taken
        return self._snapshots[oid]

    def read_before(self, path: str, blob: str) -> RegisteredModel | None:
        """What a model file reads to, if it has been read here, or was written."""
        newest = next(reversed(self._snapshots.values()), None)
        return newest.read_as_blob(path, blob) if newest else None

    def _people_of_host(self, people: People, owners: Callable[[], OwnersFile]) -> People:
        """The people of a commit, and those that CODEOWNERS names and only the host knows."""
        return self.host.people_with_owners(people, owners()) if self.host else people

    def chain(self, until: str | None = None) -> Chain:
        """The first-parent chain of main, or up to a commit, with the times that are believed."""
        oid = until or self.main()
        if oid not in self._chains:
            past = self.past()
            kept = past.chain(oid, self.now()) if past is not None else None
            self._chains[oid] = kept or WholeChain.of(self.repository.clock(oid), self.now())
        return self._chains[oid]

    def past(self) -> Past | None:
        """The history of main as it is kept beside the repository, brought up to main.

        None where there can be none: in a shallow or partial clone, and where the state folder cannot be written. Then
        git answers, which takes as long as the history is.
        """
        from stagedoor.index import CannotKeep, Past

        if self.repository.is_shallow or self.repository.is_partial or self.repository.tip() is None:
            return None
        kept: Past | None = self._past if self.stays_open is None else self.stays_open.pop("past", None)
        try:
            if kept is None:
                kept = Past(self.repository, self.now, self.progress)
            else:
                kept.catch_up()
        except CannotKeep:
            kept = None
        if self.stays_open is None:
            self._past = kept
        elif kept is not None:
            self.stays_open["past"] = kept
        return kept

    def forget(self) -> None:
        """Drop what was read: for a process that stays while main moves on."""
        self._snapshots.clear()
        self._chains.clear()
        if host := self.__dict__.pop("host", None):
            host.disconnect()
        self.__dict__.pop("_embedded", None)


def checked_email(email: str) -> str:
    """The address, or `BadInput`: it becomes a git author."""
    if not re.fullmatch(r"[^\s<>@,;:\"()\\]+@[^\s<>@,;:\"()\\]+", email) or not email.isprintable():
        raise BadInput(f"{email!r} is no e-mail address", fix="use --as EMAIL, such as ann@example.com")
    return email


@contextmanager
def world_at(
    directory: Path, *, registry: str | None = None, branch: str | None = None, email: str | None = None
) -> Iterator[World]:
    """The world of the registry in a directory, closed afterwards."""
    with Repository.open(directory, registry=registry, branch=branch) as repository:
        yield World(repository, claimed_email=email, directory=directory)
