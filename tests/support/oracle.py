"""What a registry has to answer, as simply as it can be said: the model that endurance tests compare with."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from town import ANN, BOB, CAROL

Op = Literal[
    "create",
    "register",
    "describe",
    "tag",
    "untag",
    "alias",
    "unalias",
    "move",
    "rename",
    "delete",
    "versions",
    "model",
]
READS = ("versions", "model")
EDITORS, STAGERS, MANAGERS = {ANN, BOB, CAROL}, {BOB, CAROL}, {CAROL}

MISSING, TAKEN, DENIED = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "PERMISSION_DENIED"
STATE, BUSY = "INVALID_STATE", "TEMPORARILY_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Call:
    """One thing that somebody asks for. `text` is a key, alias, stage, source or name, `value` what it becomes.

    `strict` is the command line's way: it makes a model that is not there, and says so where a move moves nothing.
    """

    op: Op
    who: str
    name: str
    version: int | None = None
    text: str = ""
    value: str = ""
    archive: bool = False
    strict: bool = False

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a value, or a refusal by its code, or nothing (`lost`), and then it may have happened."""

    value: Any = None
    refused: str = ""
    what: str = ""
    lost: str = ""


Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OneVersion:
    """A version, as far as anybody can change or see it here."""

    stage: str
    source: str
    tags: Pairs = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class OneModel:
    """A model: its versions by their numbers, and the highest number it ever gave."""

    last: int = 0
    versions: tuple[tuple[int, OneVersion], ...] = ()
    tags: Pairs = ()
    aliases: tuple[tuple[str, int], ...] = ()
    description: str = ""


State = tuple[tuple[str, OneModel], ...]
"""The models there are, by name."""


class No(Exception):
    """The registry has to refuse."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def answer(state: State, call: Call) -> tuple[State, Answer]:
    """The state after a call, and what it has to answer."""
    try:
        after, value = _done(dict(state), call)
    except No as refusal:
        return state, Answer(refused=refusal.code)
    return tuple(sorted(after.items())), Answer(value=value)


def _done(models: dict[str, OneModel], call: Call) -> tuple[dict[str, OneModel], Any]:
    if call.op == "create":
        return _create(models, call), None
    if call.op == "register" and call.strict and call.name not in models:
        models = _create(models, call)
    if call.op == "versions":
        return models, seen_versions(models.get(call.name))
    model = models.get(call.name)
    if model is None:
        raise No(MISSING)
    if call.op == "model":
        return models, seen_model(model)
    if call.op == "rename":
        return _rename(models, model, call), None
    if call.op == "delete" and call.version is None:
        _idle(model.versions)
        _may(call, MANAGERS)
        return {name: one for name, one in models.items() if name != call.name}, None
    now, value = _changed(model, call)
    return {**models, call.name: now}, value


def seen_versions(model: OneModel | None) -> dict[str, list[Any]]:
    """The versions as every door can tell them."""
    found = model.versions if model else ()
    return {str(n): [one.stage, one.source, dict(one.tags), one.description] for n, one in found}


def seen_model(model: OneModel) -> dict[str, Any]:
    """The rest of a model as every door can tell it."""
    return {"tags": dict(model.tags), "aliases": dict(model.aliases), "description": model.description}


def _may(call: Call, owners: set[str]) -> None:
    if call.who not in owners:
        raise No(DENIED)


def _create(models: dict[str, OneModel], call: Call) -> dict[str, OneModel]:
    if call.name in models:
        raise No(TAKEN)
    _may(call, EDITORS)
    return {**models, call.name: OneModel()}


def _rename(models: dict[str, OneModel], model: OneModel, call: Call) -> dict[str, OneModel]:
    if call.text in models:
        raise No(TAKEN)
    _idle(model.versions)
    _may(call, MANAGERS)
    return {call.text if name == call.name else name: one for name, one in models.items()}


def _idle(versions: tuple[tuple[int, OneVersion], ...]) -> None:
    if any(one.stage in ("Staging", "Production") for _, one in versions):
        raise No(STATE)


def _changed(model: OneModel, call: Call) -> tuple[OneModel, Any]:
    if call.op == "register":
        _may(call, EDITORS)
        number = model.last + 1
        return replace(model, last=number, versions=(*model.versions, (number, OneVersion("None", call.text)))), number
    if call.version is not None and call.version not in dict(model.versions):
        raise No(MISSING)
    if call.op == "move":
        return _moved(model, call)
    if call.op == "delete":
        return _without(model, call), None
    after = _edited(model, call)
    if after != model:
        _may(call, EDITORS)
    return after, None


def _without(model: OneModel, call: Call) -> OneModel:
    _idle(tuple(pair for pair in model.versions if pair[0] == call.version))
    _may(call, MANAGERS)
    kept = tuple(pair for pair in model.versions if pair[0] != call.version)
    return replace(model, versions=kept, aliases=tuple(pair for pair in model.aliases if pair[1] != call.version))


def _edited(model: OneModel, call: Call) -> OneModel:
    if call.op == "alias":
        return replace(model, aliases=_with(model.aliases, call.text, call.version))
    if call.op == "unalias":
        return replace(model, aliases=_with(model.aliases, call.text, None))
    if call.version is None:
        return replace(model, **_field(model, call))
    versions = ((n, replace(one, **_field(one, call)) if n == call.version else one) for n, one in model.versions)
    return replace(model, versions=tuple(versions))


def _field(one: OneModel | OneVersion, call: Call) -> dict[str, Any]:
    if call.op == "describe":
        return {"description": call.value}
    return {"tags": _with(one.tags, call.text, call.value if call.op == "tag" else None)}


def _with(pairs: tuple[tuple[str, Any], ...], key: str, value: Any) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted({k: v for k, v in {**dict(pairs), key: value}.items() if v is not None}.items()))


def _moved(model: OneModel, call: Call) -> tuple[OneModel, Any]:
    versions = dict(model.versions)
    was, others = versions[call.version or 0].stage, set[int]()
    if call.archive:
        others = {n for n, one in versions.items() if one.stage == call.text and n != call.version}
    if was == call.text and call.strict:
        raise No(STATE)
    if was != call.text or others:
        is_production = "Production" in (was if was != call.text else "", call.text)
        _may(call, MANAGERS if is_production else STAGERS)
    stages = {call.version: call.text} | dict.fromkeys(others, "Archived")
    after = ((n, replace(one, stage=stages.get(n, one.stage))) for n, one in model.versions)
    return replace(model, versions=tuple(after)), None


_LATE = re.compile(r"/(\d+) is in (\w+) by now, not in (\w+)")


def agrees(state: State, call: Call, expected: Answer, got: Answer) -> bool:
    """Whether an answer is one that the registry may give in this state.

    Two refusals say that somebody else was faster, and nothing has happened: many write at once, and a version that
    stands elsewhere since whoever moves it looked.
    """
    if got.refused == BUSY:
        return True
    if got.refused == STATE and (late := _LATE.search(got.what)):
        versions = dict(dict(state).get(call.name, OneModel()).versions)
        return int(late[1]) in versions and versions[int(late[1])].stage == late[2]
    if got.refused or expected.refused:
        return got.refused == expected.refused
    return expected.value is None or got.value is None or expected.value == got.value
