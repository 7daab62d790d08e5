"""What an `MLmodel` file says: the flavours of a model, and what it takes and gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from stagedoor.core.spec import Column, Signature
from stagedoor.errors import BadInput

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_COLUMNS: Final = 10_000


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The flavours, sorted, and the signature where there is one."""

    flavors: tuple[str, ...] = ()
    signature: Signature | None = None


def read(raw: bytes, where: str) -> ModelCard:
    """The card of an MLmodel file, or of a file that holds a signature alone, in YAML or JSON.

    Raises `BadInput` for a file that is neither. https://mlflow.org/docs/latest/ml/model/#mlmodel-file
    """
    if len(raw) > MAX_BYTES:
        raise BadInput(f"the file has {len(raw):,} bytes, more than {MAX_BYTES:,}", where=where, fix=_FIX)
    try:
        said = yaml.load(raw, _LOADER)  # noqa: S506 - a safe loader, in C where there is one
        return _card(said)
    except (yaml.YAMLError, json.JSONDecodeError, RecursionError, ValueError, TypeError, KeyError) as error:
        raise BadInput(
            f"this is no MLmodel file: {str(error).splitlines()[0] if str(error) else error!r}", where=where, fix=_FIX
        ) from None


_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FIX: Final = "give an MLmodel file, or inputs and outputs as lists of {name, type}"


def _card(said: Any) -> ModelCard:
    if not isinstance(said, Mapping):
        raise ValueError("a mapping is wanted")
    if "inputs" in said or "outputs" in said:
        return ModelCard(signature=_signature(said))
    if "flavors" not in said and "signature" not in said:
        raise ValueError("it has neither flavors nor a signature")
    flavors = _mapping(said.get("flavors") or {})
    signature = said.get("signature")
    return ModelCard(_words(flavors)[:100], _signature(_mapping(signature)) if signature else None)


def _mapping(said: Any) -> Mapping[Any, Any]:
    if not isinstance(said, Mapping):
        raise ValueError("a mapping is wanted where there is text or a list")
    return said


def _word(said: Any) -> str:
    """One scalar as text. A list of lists of lists, said again and again by aliases, would be text without end."""
    if not isinstance(said, str | int | float):
        raise ValueError("text or a number is wanted where there is a mapping or a list")
    return str(said)


def _words(said: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple(sorted(map(_word, said)))


def _signature(said: Mapping[str, Any]) -> Signature | None:
    found = Signature(inputs=tuple(_columns(said.get("inputs"))), outputs=tuple(_columns(said.get("outputs"))))
    return found if found.inputs or found.outputs else None


def _columns(said: Any) -> Iterator[Column]:
    columns = json.loads(said) if isinstance(said, str) else said or []
    if not isinstance(columns, list) or len(columns) > MAX_COLUMNS:
        raise ValueError(f"inputs and outputs are lists of at most {MAX_COLUMNS:,} columns")
    for column in map(_mapping, columns):
        required = column.get("required", not column.get("optional", False))
        yield Column(name=_word(column.get("name") or ""), type=_type(column), required=bool(required))


def _type(column: Mapping[str, Any]) -> str:
    """A column's type in one line: `double`, `tensor(float64, -1×28×28)`, `array(string)`, `object(a, b)`."""
    kind = _word(column["type"])
    if kind == "tensor":
        spec = _mapping(column.get("tensor-spec") or {})
        return f"tensor({_word(spec.get('dtype', '?'))}, {'×'.join(map(_word, spec.get('shape', ())))})"
    if kind in ("array", "map"):
        inside = _mapping(column.get("items") or column.get("values") or {})
        return f"{kind}({_type(inside) if 'type' in inside else '?'})"
    if kind == "object":
        return f"object({', '.join(_words(_mapping(column.get('properties') or {})))})"
    return kind
