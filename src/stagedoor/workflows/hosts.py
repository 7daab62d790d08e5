"""The host of pull requests that a registry uses: chosen, spoken to with the right token, and closed again."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stagedoor.core.policy import Host
from stagedoor.forges.choice import (
    WELL_KNOWN,
    Chosen,
    Token,
    choose,
    dialect_of,
    find_token,
    from_url,
    is_trusted,
    place_of,
)
from stagedoor.forges.github.app import App, AppToken, app_in, log_in
from stagedoor.forges.hosted import HostedForge
from stagedoor.forges.http import Http
from stagedoor.gitstore import Repository
from stagedoor.gitstore.remotes import Login

if TYPE_CHECKING:
    from stagedoor.workflows.world import World


def embedded_is_used(repository: Repository, prefix: str) -> bool:
    """Whether requests are kept in this repository already."""
    return any(ref.endswith("/meta") for ref in repository.refs(prefix))


def host_of(repository: Repository, said: Host, kind: str) -> Chosen | None:
    """The host that registry.yaml, the command line or a remote's address names; None for the embedded forge."""
    return choose(kind, said.url, said.project, repository.remote_url(said.remote))


def token_for(world: World, chosen: Chosen) -> Token | None:
    """The token that this clone may use there: of a GitHub App that the environment names, else somebody's own."""
    trusted = world.repository.config("stagedoor.tokenHost")
    if chosen.kind == "github" and is_trusted(chosen, world.environment, trusted):
        app = app_in(world.environment)
        if app is not None:
            found = _kept_or_new(world, chosen, app)
            return Token(found.value, f"the GitHub App {app.id}", login=found.login)
    return find_token(chosen, world.environment, trusted)


def _kept_or_new(world: World, chosen: Chosen, app: App) -> AppToken:
    """A token that has some minutes left, from the state folder, which is nobody else's to read; else a new one."""
    place = world.repository.state_dir() / "github-app.json"
    whose = f"{chosen.url} {chosen.project} {app.id}"
    kept = _read_kept(place, whose)
    if kept is None or not kept.is_good(world.now()):
        kept = log_in(place_of(chosen, None), app, chosen.project, world.now())
        said = {"for": whose, "token": kept.value, "ends": kept.ends.isoformat(), "login": kept.login}
        _write_private(place, json.dumps(said))
    return kept


def _write_private(place: Path, text: str) -> None:
    new = place.with_name(f"{place.name}.{os.getpid()}-{threading.get_ident()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(place)


def _read_kept(place: Path, whose: str) -> AppToken | None:
    try:
        said = json.loads(place.read_text("utf-8"))
        if said["for"] != whose:
            return None
        return AppToken(str(said["token"]), datetime.fromisoformat(said["ends"]), str(said["login"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _chosen(world: World) -> Chosen | None:
    spec = world.snapshot().spec.forge
    return host_of(world.repository, spec, world.forge_kind or spec.kind)


def token_login(world: World, remote: str) -> Login | None:
    """Who to be over HTTP for a remote: the token of its host, where that is one that we know; else git's own ways."""
    url = world.repository.remote_url(remote) or remote
    if world.repository.tip() and (said := _chosen(world)) and url.startswith(f"{said.url}/"):
        token = token_for(world, said)
        return Login(_git_user(said, token), token.value) if token else None
    seen = from_url(url)
    kind = WELL_KNOWN.get(urlsplit(seen[0]).netloc) if seen else None
    if seen is None or kind is None or not url.startswith(f"{seen[0]}/"):
        return None
    chosen = Chosen(kind, seen[0], seen[1])
    token = token_for(world, chosen)
    return Login(_git_user(chosen, token), token.value) if token else None


def _git_user(chosen: Chosen, token: Token) -> str:
    # https://docs.gitlab.com/ci/jobs/ci_job_token/#to-git-clone-a-private-projects-repository
    return "gitlab-ci-token" if token.is_job else dialect_of(chosen).git_user()


def hosted(world: World, chosen: Chosen, remote: str) -> HostedForge:
    """A forge on that host, with git over the remote of the repository, or over the host's own address."""
    token, dialect = token_for(world, chosen), dialect_of(chosen)
    repository = world.repository
    url = repository.remote_url(remote) or f"{chosen.url}/{chosen.project}.git"
    # a token is for its own host; a remote on another one is asked with whatever git itself knows
    mine = token is not None and url.startswith(f"{chosen.url}/")
    login = Login(_git_user(chosen, token), token.value) if token and mine else None
    return HostedForge(
        repository,
        repository.remote(url, login),
        Http(place_of(chosen, token), sleep=world.sleep),
        dialect,
        lambda: world.snapshot().written_people,
        project=chosen.project,
        login=token.login if token else "",
        is_rehearsal=world.is_rehearsal,
        sleep=world.sleep,
    )
