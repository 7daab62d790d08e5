"""The doors of a registry, asked the same calls in their own words: workflows, command line, REST, MLflow's plugin."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from oracle import MISSING, Answer, Call
from stagedoor import errors
from stagedoor.core.registry import Ref
from stagedoor.core.spec import RegisteredModel
from stagedoor.errors import RegistryError
from stagedoor.workflows import moving, registering
from stagedoor.workflows.registering import NewVersion
from stagedoor.workflows.world import World, world_at


class Door(Protocol):
    """Whatever answers calls."""

    def ask(self, call: Call) -> Answer: ...


def ref(call: Call) -> str:
    """What a call is about, as a person writes it."""
    return call.name if call.version is None else f"{call.name}/{call.version}"


# --- workflows ------------------------------------------------------------------------------------------------------


@dataclass
class Workflows:
    """The workflows in this process, on a repository that is opened for each call."""

    path: Path

    def ask(self, call: Call) -> Answer:
        try:
            with world_at(self.path, email=call.who) as world:
                return Answer(_VERBS[call.op](world, call))
        except RegistryError as error:
            return Answer(refused=error.code, what=str(error))


def _register(world: World, call: Call) -> int | None:
    new = NewVersion(call.name, {"source": call.text}, may_create=call.strict)
    return registering.register(world, new)[1].version


def _move(world: World, call: Call) -> None:
    moving.move(world, Ref(call.name, call.version), call.text, archive_existing=call.archive)


def _versions(world: World, call: Call) -> dict[str, Any]:
    model = world.snapshot().registry.find(call.name)
    return told_versions(model) if model else {}


def told_versions(model: RegisteredModel) -> dict[str, Any]:
    """The versions of a model as the oracle tells them."""
    return {str(v.version): [v.stage, v.source, dict(v.tags), v.description] for v in model.versions}


def told_model(model: RegisteredModel) -> dict[str, Any]:
    """The rest of a model as the oracle tells it."""
    return {"tags": dict(model.tags), "aliases": dict(model.aliases), "description": model.description}


_VERBS: Mapping[str, Callable[[World, Call], Any]] = {
    "create": lambda world, call: _done(registering.create(world, call.name)),
    "register": _register,
    "describe": lambda world, call: _done(registering.describe(world, ref(call), call.value)),
    "tag": lambda world, call: _done(registering.tag(world, ref(call), {call.text: call.value})),
    "untag": lambda world, call: _done(registering.tag(world, ref(call), {}, [call.text])),
    "alias": lambda world, call: _done(registering.alias(world, ref(call), call.text)),
    "unalias": lambda world, call: _done(registering.unalias(world, call.name, call.text)),
    "move": _move,
    "rename": lambda world, call: _done(registering.rename(world, call.name, call.text)),
    "delete": lambda world, call: _done(registering.delete(world, ref(call))),
    "versions": _versions,
    "model": lambda world, call: told_model(world.snapshot().registry.model(call.name)),
}


def _done(outcome: object) -> None:
    """What a write tells besides is not compared."""


# --- the command line -----------------------------------------------------------------------------------------------

Run = Callable[[Path, tuple[str, ...], str], tuple[int, str, str]]


def in_a_process(directory: Path, said: tuple[str, ...], who: str) -> tuple[int, str, str]:
    """Run `stagedoor` as a shell does: exit code, stdout, stderr."""
    command = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(directory), "--as", who, *said]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


_BY_EXIT = {
    kind.exit_code: kind.code
    for kind in (
        errors.BadInput, errors.BadSpec, errors.NotFound, errors.AlreadyExists, errors.Denied, errors.InvalidState,
        errors.ChecksFailed, errors.Conflict, errors.BadRepository, errors.Unavailable,
    )
}  # fmt: skip


@dataclass
class CommandLine:
    """`stagedoor`, in processes of its own or in this one. It has no command that makes a model alone."""

    path: Path
    run: Run = in_a_process

    def ask(self, call: Call) -> Answer:
        code, out, err = self.run(self.path, _command(call), call.who)
        if code == 0:
            return Answer(_read(call, json.loads(out)))
        refused = _BY_EXIT.get(code)
        if refused is None or not err.startswith("error: ") or "Traceback" in err:
            return Answer(refused="INTERNAL_ERROR", what=f"exit code {code}: {err[-2000:]}")
        if call.op == "versions" and refused == MISSING:
            return Answer({})
        return Answer(refused=refused, what=err)


def _command(call: Call) -> tuple[str, ...]:
    said: tuple[str, ...]
    match call.op:
        case "register":
            said = ("register", call.name, "--source", call.text)
        case "describe":
            said = ("describe", ref(call), call.value)
        case "tag":
            said = ("tag", ref(call), f"{call.text}={call.value}")
        case "untag":
            said = ("tag", ref(call), "-d", call.text)
        case "alias":
            said = ("alias", ref(call), call.text)
        case "unalias":
            said = ("alias", ref(call), call.text, "--delete")
        case "move":
            said = ("transition", ref(call), call.text, *(["--archive-existing"] if call.archive else []))
        case "rename":
            said = ("rename", call.name, call.text)
        case "delete":
            said = ("delete", ref(call), "--yes")
        case "versions" | "model":
            said = ("show", call.name)
        case _:
            raise AssertionError(call)
    return (*said, "--json")


def _read(call: Call, said: Any) -> Any:
    if call.op == "register":
        change = said["plan"]["models"][0]["changes"][-1]
        return change["version"] if change["type"] == "VersionCreated" else change["content"]["last_version"]
    if call.op not in ("versions", "model"):
        return None
    model = said["model"]
    if call.op == "model":
        return {"tags": model.get("tags", {}), "aliases": model.get("aliases", {}),
                "description": model.get("description", "")}  # fmt: skip
    return {str(v["version"]): [v["stage"], v["source"], v.get("tags", {}), v.get("description", "")]
            for v in model["versions"]}  # fmt: skip


# --- REST -----------------------------------------------------------------------------------------------------------

_MODELS, _VERSIONS = "mlflow/registered-models/", "mlflow/model-versions/"


@dataclass
class Rest:
    """A server. Without an answer nobody knows whether a call was done."""

    url: str
    tokens: Mapping[str, str]
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=120))

    def ask(self, call: Call) -> Answer:
        verb, path, said = _asked(call)
        body: dict[str, Any] = {"params": said} if verb == "GET" else {"json": said}
        headers = {"Authorization": f"Bearer {self.tokens[call.who]}"}
        try:
            got = self.client.request(verb, f"{self.url}/api/2.0/{path}", headers=headers, **body)
        except httpx.HTTPError as error:
            return Answer(lost=f"{type(error).__name__}: {error}")
        try:
            told = got.json()
        except ValueError:
            return Answer(refused="INTERNAL_ERROR", what=f"{got.status_code}: {got.text[:2000]}")
        if got.status_code != 200:
            return Answer(refused=told["error_code"], what=told["message"])
        return Answer(_rest(call, told))


def _asked(call: Call) -> tuple[str, str, dict[str, Any]]:
    """Verb, path and what is said, https://mlflow.org/docs/latest/rest-api.html."""
    named: dict[str, Any] = {"name": call.name} | ({"version": str(call.version)} if call.version is not None else {})
    family = _MODELS if call.version is None else _VERSIONS
    match call.op:
        case "create":
            return "POST", _MODELS + "create", named
        case "register":
            return "POST", _VERSIONS + "create", {**named, "source": call.text}
        case "describe":
            return "PATCH", family + "update", {**named, "description": call.value}
        case "tag":
            return "POST", family + "set-tag", {**named, "key": call.text, "value": call.value}
        case "untag":
            return "DELETE", family + "delete-tag", {**named, "key": call.text}
        case "alias":
            return "POST", _MODELS + "alias", {**named, "alias": call.text}
        case "unalias":
            return "DELETE", _MODELS + "alias", {"name": call.name, "alias": call.text}
        case "move":
            return "POST", _VERSIONS + "transition-stage", {
                **named, "stage": call.text, "archive_existing_versions": call.archive,
            }  # fmt: skip
        case "rename":
            return "POST", _MODELS + "rename", {**named, "new_name": call.text}
        case "delete":
            return "DELETE", family + "delete", named
        case "versions":
            return "GET", _VERSIONS + "search", {"filter": f"name = '{call.name}'", "max_results": "10000"}
        case "model":
            return "GET", _MODELS + "get", named


def _rest(call: Call, told: Any) -> Any:
    if call.op == "register":
        return int(told["model_version"]["version"])
    if call.op == "versions":
        return {
            one["version"]: [one["current_stage"], one["source"], _pairs(one["tags"]), one["description"]]
            for one in told.get("model_versions", [])
        }
    if call.op == "model":
        one = told["registered_model"]
        aliases = {pair["alias"]: int(pair["version"]) for pair in one["aliases"]}
        return {"tags": _pairs(one["tags"]), "aliases": aliases, "description": one["description"]}
    return None


def _pairs(tags: list[dict[str, str]]) -> dict[str, str]:
    return {pair["key"]: pair["value"] for pair in tags}


# --- MLflow's plugin ------------------------------------------------------------------------------------------------


class Plugin:
    """MLflow's registry store of a folder, one for each person."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stores: dict[str, Any] = {}

    def _store(self, who: str) -> Any:
        from stagedoor.apps.mlflow_plugin.store import RegistryStore

        if who not in self._stores:
            self._stores[who] = RegistryStore(f"stagedoor://{self.path}?as={who}")
        return self._stores[who]

    def ask(self, call: Call) -> Answer:
        from mlflow.exceptions import MlflowException

        try:
            return Answer(_plugged(self._store(call.who), call))
        except MlflowException as error:
            return Answer(refused=error.error_code, what=error.message)


def _plugged(store: Any, call: Call) -> Any:
    from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag

    about = (call.name,) if call.version is None else (call.name, call.version)
    kind, tag = ("model_version", ModelVersionTag) if call.version is not None else (
        "registered_model", RegisteredModelTag,
    )  # fmt: skip
    match call.op:
        case "create":
            store.create_registered_model(call.name)
        case "register":
            return int(store.create_model_version(call.name, call.text).version)
        case "describe":
            getattr(store, f"update_{kind}")(*about, description=call.value)
        case "tag":
            getattr(store, f"set_{kind}_tag")(*about, tag(call.text, call.value))
        case "untag":
            getattr(store, f"delete_{kind}_tag")(*about, call.text)
        case "alias":
            store.set_registered_model_alias(call.name, call.text, call.version)
        case "unalias":
            store.delete_registered_model_alias(call.name, call.text)
        case "move":
            store.transition_model_version_stage(call.name, call.version, call.text, call.archive)
        case "rename":
            store.rename_registered_model(call.name, call.text)
        case "delete":
            getattr(store, f"delete_{kind}")(*about)
        case "versions":
            found = store.search_model_versions(f"name = '{call.name}'", 10_000)
            return {str(v.version): [v.current_stage, v.source, dict(v.tags), v.description or ""] for v in found}
        case "model":
            one = store.get_registered_model(call.name)
            aliases = {alias: int(number) for alias, number in one.aliases.items()}
            return {"tags": dict(one.tags), "aliases": aliases, "description": one.description or ""}
    return None
