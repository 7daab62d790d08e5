"""The house that calls come to: the registry, who is let in, and how many are served at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import anyio

from stagedoor.apps.api.callers import LOOPBACK, Doorkeeper, networks
from stagedoor.apps.api.calls import Visit
from stagedoor.apps.api.desks import Desks
from stagedoor.apps.api.metrics import Meter
from stagedoor.apps.api.porter import to_stderr
from stagedoor.apps.api.rounds import Rounds, keep_up, reconciling
from stagedoor.errors import BadInput
from stagedoor.forges.base import Actor
from stagedoor.gitstore import Repository
from stagedoor.workflows.manifests import deployed_refs
from stagedoor.workflows.reconciling import Options
from stagedoor.workflows.searching import Questions
from stagedoor.workflows.tokens import tokens_of
from stagedoor.workflows.watching import Watch
from stagedoor.workflows.world import World

# Python runs one thread at a time; a few more keep it busy while others wait for git
AT_ONCE: Final = 8
# a description of 100,000 characters, each escaped in JSON, and many tags beside it
MAX_BODY: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """What `stagedoor server` was told."""

    directory: Path
    registry: str | None = None
    branch: str | None = None
    host: str = "127.0.0.1"
    port: int = 5151
    trust_header: str = ""
    trusted_proxies: tuple[str, ...] = ()
    # whether the git user of this machine needs no sign-in on the pages
    local_user: bool = True
    allow_private_webhooks: bool = False
    reconciles: bool = True
    # the git remote that is followed; empty for none
    remote: str = ""
    interval: float = 5.0
    workers: int = 1

    @property
    def is_local(self) -> bool:
        """Whether only this machine can call."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True)
class House:
    """One served registry."""

    desks: Desks
    keeper: Doorkeeper
    rounds: Rounds
    meter: Meter
    allow_private: bool = False
    questions: Questions = field(default_factory=Questions)
    places: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(AT_ONCE))

    @contextmanager
    def visit(self, email: str) -> Iterator[Visit]:
        """A call by somebody who has been let in."""
        with self.desks.desk(None) as world:
            world.actor_override = Actor(email, _name(world, email), "token")
            yield Visit(world, self.questions, self.allow_private)


def _name(world: World, email: str) -> str:
    person = world.snapshot().people.person(email)
    return (person.name if person else "") or email.partition("@")[0]


def build(settings: Settings, place: int = 0) -> House:
    """The house, once there is a registry and the settings are safe. Raises `BadInput` and `BadRepository`.

    Of several workers the first, in `place` 0, does what is done between calls.
    """
    proxies = networks(settings.trusted_proxies)
    if settings.trust_header and not proxies:
        if not settings.is_local:
            raise BadInput(
                f"anybody who reaches {settings.host} could send {settings.trust_header} and be whom they like",
                where="--trust-header",
                fix="listen on 127.0.0.1, or name the proxy: --trusted-proxy 10.0.0.5/32",
            )
        proxies = LOOPBACK
    desks = Desks(_opened(settings))
    with desks.desk(None) as world:
        world.main()
        keeper = Doorkeeper(tokens_of(world.repository), settings.trust_header, proxies)
    meter = Meter()
    works = _works(settings, meter) if place == 0 else {}
    rounds = Rounds(desks, meter, works, settings.interval, to_stderr)
    return House(desks, keeper, rounds, meter, settings.allow_private_webhooks)


def _works(settings: Settings, meter: Meter) -> dict[str, Callable[[World], None]]:
    watch = Watch(Options(allow_private_webhooks=settings.allow_private_webhooks))
    following = {"remote": keep_up} if settings.remote else {}
    return following | ({"reconcile": reconciling(watch, meter)} if settings.reconciles else {})


def _opened(settings: Settings) -> Callable[[], Repository]:
    opened = partial(Repository.open, settings.directory, registry=settings.registry, branch=settings.branch)
    if not settings.remote:
        return opened
    with opened() as repository:
        world = World(repository)
        prefixes = (world.snapshot().spec.requests.prefix, "refs/stagedoor/", *deployed_refs(world))

    def followed() -> Repository:
        repository = opened()
        repository.follow(settings.remote, prefixes)
        return repository

    return followed
