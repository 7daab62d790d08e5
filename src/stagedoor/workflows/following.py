"""Who wants to hear of what: kept on `refs/stagedoor/preferences`, one small file a person and model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stagedoor.core.delivery import Preference
from stagedoor.core.registry import resolve
from stagedoor.effects.ledger import Ledger
from stagedoor.gitstore import Repository
from stagedoor.workflows.appending import append
from stagedoor.workflows.world import World

REF = "refs/stagedoor/preferences"
_NO_MAIL = "no-mail"

# https://databricks-sdk-py.readthedocs.io/en/latest/dbdataclasses/ml.html
Subscription = Literal["ALL_EVENTS", "DEFAULT", "SUBSCRIBED", "UNSUBSCRIBED"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one person wants to hear of one model: a choice, or the default, and the versions they follow by hand."""

    email: str
    choice: Preference | None
    versions: tuple[int, ...]


def follow(world: World, text: str) -> Wishes:
    """Hear of one version, or of everything about a model."""
    ref = resolve(world.snapshot().registry, text)
    if ref.version is None:
        return _set(world, ref.model, choice="all")
    return _set(world, ref.model, version=ref.version)


def choose(world: World, text: str, choice: Preference) -> Wishes:
    """Hear of all, of what is followed, or of nothing about a model."""
    return _set(world, resolve(world.snapshot().registry, text).model, choice=choice)


def _set(world: World, model: str, choice: Preference | None = None, version: int | None = None) -> Wishes:
    id_, email = world.snapshot().registry.model(model).id, world.actor.email.lower()
    path = _path(id_, email)
    wanted = Wishes(email, choice, ())

    def files(tip: str | None) -> Mapping[str, bytes]:
        nonlocal wanted
        now = next((w for w in _all(world.repository, tip, id_) if w.email == email), Wishes(email, None, ()))
        versions = tuple(sorted({*now.versions, *([version] if version is not None else [])}))
        wanted = Wishes(email, choice or now.choice, versions)
        said = {"email": email, "choice": wanted.choice, "versions": versions}
        return {path: json.dumps(said, indent=1).encode() + b"\n"}

    append(world, REF, f"preferences of {email}", files)
    return wanted


def subscription(world: World, text: str) -> Subscription:
    """How the actor stands to a version, in the words of Databricks' API."""
    ref = resolve(world.snapshot().registry, text)
    model = world.snapshot().registry.model(ref.model)
    email = world.actor.email.lower()
    said = wishes(world.repository, model.id).get(email)
    choice = (said.choice if said else None) or ("all" if email == model.created.by.lower() else "following")
    if choice == "mute" or email in silenced(world.repository):
        return "UNSUBSCRIBED"
    if choice == "all":
        return "ALL_EVENTS"
    by_deed = Ledger(world.repository, world.signature(), "").followers(model.id).get(str(ref.version), [])
    by_word = said.versions if said else ()
    return "SUBSCRIBED" if email in by_deed or ref.version in by_word else "DEFAULT"


def silence(world: World, *, mail: bool) -> str:
    """Get no mail of this registry at all, or get it again; the address that this is about."""
    email = world.actor.email.lower()
    raw = json.dumps({"email": email, "mail": mail}).encode() + b"\n"
    append(world, REF, f"preferences of {email}", lambda _: {_path(_NO_MAIL, email): raw})
    return email


def silenced(repository: Repository) -> frozenset[str]:
    """The addresses of those who want no mail at all."""
    tip = repository.tip(REF)
    files = repository.files(tip, _NO_MAIL) if tip else {}
    return frozenset(email for entry in files.values() if (email := _silent(repository.blob(entry.oid))))


def _silent(raw: bytes) -> str:
    try:
        said = json.loads(raw)
        return str(said["email"]) if said["mail"] is False else ""
    except (ValueError, KeyError, TypeError):
        # somebody wrote the ref by hand; the others are still worth reading
        return ""


def _path(model_id: str, email: str) -> str:
    return f"{model_id}/{hashlib.sha256(email.encode()).hexdigest()[:24]}.json"


def wishes(repository: Repository, model_id: str) -> Mapping[str, Wishes]:
    """What people said about one model, by their address."""
    return {one.email: one for one in _all(repository, repository.tip(REF), model_id)}


def _all(repository: Repository, tip: str | None, model_id: str) -> list[Wishes]:
    if tip is None:
        return []
    files = repository.files(tip, model_id)
    found = []
    for entry in files.values():
        try:
            said = json.loads(repository.blob(entry.oid))
            choice = said["choice"] if said["choice"] in ("all", "following", "mute") else None
            found.append(Wishes(str(said["email"]), choice, tuple(int(v) for v in said["versions"])))
        except (ValueError, KeyError, TypeError):
            # somebody wrote the ref by hand; the others are still worth reading
            continue
    return found
