"""The fields that a gate asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stagedoor.core.spec import RegisteredModel, Value, Version, dump


def missing(require: Iterable[str], model: RegisteredModel, version: Version) -> tuple[str, ...]:
    """The required fields that are not there, as the gate spells them.

    `description`, `tags.owner`, `metrics.rmse`, `run`, `data`, `signature`, `digest` … speak of the version;
    `model.description` and `model.tags.team` of the model.
    """
    return tuple(field for field in require if not _has(field, model, version))


def _has(field: str, model: RegisteredModel, version: Version) -> bool:
    first, _, rest = field.partition(".")
    place, wanted = (model, rest) if first == "model" else (version, field)
    return _found(_part(place, wanted.partition(".")[0]), wanted)


def _part(place: Value, name: str) -> dict[str, object]:
    """One field as plain data; a model with all its versions would be much to look through for each of them."""
    value = getattr(place, name) if name in type(place).model_fields else None
    return {name: dump(value) if isinstance(value, Value) else value}


def _found(data: Mapping[str, object], field: str) -> bool:
    """Whether the field is there and says something. A key of a map may hold dots itself."""
    head, _, rest = field.partition(".")
    value = data.get(head)
    if value in (None, "", (), [], {}):
        return False
    if not rest:
        return True
    if not isinstance(value, Mapping):
        return False
    return value.get(rest) not in (None, "") or _found(value, rest)


def cure(ref: str, model: str, field: str) -> str:
    """What brings a missing field: the command, where there is one."""
    name, field = (model, field.removeprefix("model.")) if field.startswith("model.") else (ref, field)
    if field == "description":
        return f"stagedoor describe {name} TEXT"
    if field.startswith("tags."):
        return f"stagedoor tag {name} {field.removeprefix('tags.')}=VALUE"
    if field == "evidence":
        return f"stagedoor attach {name} FILE"
    return f"{field} is a fact of the version: register one that has it"
