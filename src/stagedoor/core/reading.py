"""From the bytes of a registry file to its value and back; a refusal names file, line and column."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from stagedoor.core.layout import schema_line
from stagedoor.core.spec import People, RegisteredModel, RegistrySpec, Value, dump
from stagedoor.core.text import Document, edit, format_text, read, render
from stagedoor.errors import BadSpec

FileValue = RegisteredModel | RegistrySpec | People
V = TypeVar("V", bound=Value)

_KINDS: Final[dict[str, type[Value]]] = {"RegisteredModel": RegisteredModel, "Registry": RegistrySpec, "People": People}


def read_as(kind: type[V], raw: bytes, path: str) -> V:
    """The value of one registry file. `BadSpec` names the first fault, and carries the others in `also`."""
    document = read(raw, path)
    return value_of(kind, document)


def value_of(kind: type[V], document: Document) -> V:
    """The typed value of a document that has been read."""
    try:
        return kind.model_validate(document.data)
    except ValidationError as error:
        faults = [_refusal(kind, document, fault) for fault in error.errors(include_url=False, include_context=True)]
        first = faults[0]
        raise BadSpec(first.what, where=first.where, fix=first.fix, also=tuple(faults[1:])) from None


def text_of(value: FileValue, path: str) -> str:
    """The canonical text of a new file that will stand at `path`."""
    return render(dump(value), header=schema_line(value.kind, path))


def edited(text: str, before: Value, after: Value) -> str:
    """`text`, which reads to `before`, changed as little as it takes to read to `after`; every comment stays."""
    return edit(text, dump(before), dump(after))


def formatted(raw: bytes, path: str) -> str:
    """The canonical text of a file that may be hand-written; every comment stays. `BadSpec` if it does not read."""
    document = read(raw, path)
    return format_text(raw.decode(), dump(value_of(kind_of(document), document)))


def kind_of(document: Document) -> type[Value]:
    """The schema that a document's `kind` asks for."""
    kind = document.data.get("kind") if isinstance(document.data, dict) else None
    found = _KINDS.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise BadSpec(
            f"kind is {kind!r}" if kind else "the file has no kind",
            where=document.at(("kind",)),
            fix=f"use one of: {', '.join(_KINDS)}",
        )
    return found


# --- from pydantic's words to ours ----------------------------------------------------------------------------------


def _refusal(kind: type[Value], document: Document, fault: Any) -> BadSpec:
    loc = tuple(part for part in fault["loc"] if part != "[key]")
    name = ".".join(str(part) for part in loc) or "the file"
    match fault["type"]:
        case "extra_forbidden":
            known = tuple(_keys_at(kind, loc[:-1]))
            near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
            fix = f"did you mean {near[0]}?" if near else f"known keys here: {', '.join(known)}"
            return BadSpec(f"unknown key {loc[-1]}", where=document.key_at(loc), fix=fix)
        case "missing":
            return BadSpec(f"{name} is missing", where=document.at(loc), fix=f"add {loc[-1]}")
        case "literal_error":
            allowed = fault["ctx"]["expected"]
            return BadSpec(f"{name} is {_shown(fault['input'])}", where=document.at(loc), fix=f"use {allowed}")
        case "model_type" | "dict_type" | "tuple_type" | "model_attributes_type":
            wanted = "a list" if fault["type"] == "tuple_type" else "a mapping of keys and values"
            return BadSpec(f"{name} should be {wanted}", where=document.at(loc))
        case "value_error":
            said = str(fault["ctx"]["error"])
            return BadSpec(f"{name} is {_shown(fault['input'])}: {said}" if loc else said, where=document.at(loc))
        case _:
            said = str(fault["msg"]).lower()
            return BadSpec(f"{name} is {_shown(fault['input'])}: {said}", where=document.at(loc))


def _shown(given: object) -> str:
    text = repr(given) if isinstance(given, str | int | float | bool | None) else type(given).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(kind: type[BaseModel], loc: Sequence[str | int]) -> Iterator[str]:
    """The keys that the schema knows at a place in the file."""
    found: type[BaseModel] | None = kind
    for part in loc:
        if isinstance(part, int) or found is None:
            continue
        field = next((f for n, f in found.model_fields.items() if part in (n, f.alias)), None)
        found = _model_in(field.annotation) if field else None
    if found is not None:
        yield from (field.alias or name for name, field in found.model_fields.items())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
