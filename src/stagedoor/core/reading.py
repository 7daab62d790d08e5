"""From the bytes of a registry file to its value and back; a refusal names file, line and column."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from stagedoor.core.layout import schema_line
from stagedoor.core.policy import Quarantine, RegistrySpec, Waiver
from stagedoor.core.spec import API_VERSION, People, RegisteredModel, Unfit, Value, dump
from stagedoor.core.stagefiles import StageFile
from stagedoor.core.text import Document, edit, format_text, read, render
from stagedoor.core.webhooks import Webhooks
from stagedoor.errors import BadSpec

FileValue = RegisteredModel | RegistrySpec | People | Waiver | Quarantine | StageFile | Webhooks
V = TypeVar("V", bound=Value)

# who has this many faults in one file mends the first ones first
MOST_FAULTS: Final = 50

_API_VERSION: Final = re.compile(r"stagedoor/v([1-9][0-9]{0,3})")
_OWN_API_VERSION: Final = int(API_VERSION.rpartition("v")[2])

_KINDS: Final[dict[str, type[Value]]] = {
    "RegisteredModel": RegisteredModel,
    "Registry": RegistrySpec,
    "People": People,
    "Waiver": Waiver,
    "Quarantine": Quarantine,
    "StageFile": StageFile,
    "Webhooks": Webhooks,
}


def read_as(kind: type[V], raw: bytes, path: str) -> V:
    """The value of one registry file. `BadSpec` names the first fault, and carries the others in `also`."""
    document = read(raw, path)
    return value_of(kind, document)


def oversized(path: str, size: int, limit: int) -> BadSpec:
    """The refusal of a file that is larger than any spec; it is not read at all."""
    what = f"the file has {size:,} bytes, more than {limit:,}"
    return BadSpec(what, where=path, fix="keep artifacts elsewhere")


def value_of(kind: type[V], document: Document) -> V:
    """The typed value of a document that has been read."""
    try:
        return kind.model_validate(document.data)
    except ValidationError as error:
        if (newer := _newer(document)) is not None:
            raise newer from None
        found = (one for fault in error.errors(include_url=False) for one in _refusals(kind, document, fault))
        first, *others = islice(found, MOST_FAULTS)
        raise BadSpec(first.what, where=first.where, fix=first.fix, also=tuple(others)) from None


def _newer(document: Document) -> BadSpec | None:
    """The refusal of a file that a later release wrote; what else is odd in it is no fault of whoever wrote it."""
    said = document.data.get("apiVersion") if isinstance(document.data, dict) else None
    found = _API_VERSION.fullmatch(said) if isinstance(said, str) else None
    if found is None or int(found[1]) <= _OWN_API_VERSION:
        return None
    return BadSpec(
        f"the file is written for {said}, and this release of stagedoor reads {API_VERSION}",
        where=document.at(("apiVersion",)),
        fix="install a newer release of stagedoor; nothing here is damaged",
    )


def text_of(value: FileValue, path: str) -> str:
    """The canonical text of a new file that will stand at `path`."""
    return render(dump(value), header=schema_line(value.kind, path))


def edited(text: str, before: Value, after: Value) -> str:
    """`text`, which reads to `before`, changed as little as it takes to read to `after`; every comment stays."""
    return edit(text, dump(before), dump(after))


def read_again(after: RegisteredModel, before: RegisteredModel | None) -> RegisteredModel | None:
    """What a file that was edited to say `after` reads to, without reading it; None where the reader would refuse it.

    Versions that `before` has were read once, and are not looked at again.
    """
    known = {id(version) for version in before.versions} if before else set()
    versions = [one if id(one) in known else dump(one) for one in after.versions]
    try:
        return RegisteredModel.model_validate({**dump(after), "versions": versions})
    except ValidationError:
        return None


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
            f"kind is {_shown(kind)}" if kind else "the file has no kind",
            where=document.at(("kind",)),
            fix=f"use one of: {', '.join(_KINDS)}",
        )
    return found


# --- from pydantic's words to ours ----------------------------------------------------------------------------------


# pydantic's error types: https://docs.pydantic.dev/latest/errors/validation_errors/
_WANTED: Final[dict[str, str]] = {
    "model_type": "a mapping of keys and values",
    "model_attributes_type": "a mapping of keys and values",
    "dict_type": "a mapping of keys and values",
    "tuple_type": "a list",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number that is finite",
    "datetime_type": "a time such as 2026-11-24T10:15:00.123Z",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "too_long": "at most {max_length}",
    "too_short": "one with something in it",
    "string_too_short": "text that is not empty",
    "string_too_long": "text of at most {max_length} characters",
}
_PATTERNS: Final[dict[str, str]] = {
    "id": "a text of 32 hexadecimal digits in lower case",
    "requests": "refs/pull/ or refs/stagedoor/pull/",
    "stages": "a name without / : . @ and #",
    "serving": "a version number",
    "teams": "a name without spaces and @",
    "webhooks": "an id of 32 hexadecimal digits in lower case, or a job's number,",
}


def _refusals(kind: type[Value], document: Document, fault: Any) -> Iterator[BadSpec]:
    error = fault.get("ctx", {}).get("error")
    if isinstance(error, Unfit):
        yield from (BadSpec(said, where=document.at((*fault["loc"], *loc))) for loc, said in error.faults)
    else:
        yield _refusal(kind, document, fault)


def _refusal(kind: type[Value], document: Document, fault: Any) -> BadSpec:
    loc = tuple(part for part in fault["loc"] if part != "[key]")
    match fault["type"]:
        case "extra_forbidden":
            known = tuple(_keys_at(kind, loc[:-1]))
            near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
            fix = f"did you mean {near[0]}?" if near else f"known keys here: {', '.join(known)}"
            return BadSpec(f"unknown key {_cut(str(loc[-1]))}", where=document.key_at(loc), fix=fix)
        case "missing":
            return BadSpec(f"{_named(loc)} is missing", where=document.at(loc), fix=f"add {loc[-1]}")
        case "literal_error":
            what = f"{_named(loc)} is {_shown(fault['input'])}"
            return BadSpec(what, where=document.at(loc), fix=f"use {_unquoted(fault['ctx']['expected'])}")
        case _:
            what = f"{_named(loc)} is {_shown(fault['input'])}, and {_wish(loc, fault)}"
            return BadSpec(what, where=document.at(loc))


def _wish(loc: Sequence[str | int], fault: Any) -> str:
    """What should be there, as the second half of a sentence."""
    context = fault.get("ctx", {})
    if fault["type"] == "value_error":
        return str(context["error"])
    if fault["type"] == "string_pattern_mismatch":
        return f"{_PATTERNS.get(str(loc[0]), 'other text')} is wanted"
    return f"{_WANTED.get(fault['type'], 'something else').format_map(context)} is wanted"


def _named(loc: Sequence[str | int]) -> str:
    """`versions[0].stage`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_cut(str(part))}" for part in loc)
    return "".join(parts).removeprefix(".") or "the file"


def _unquoted(expected: str) -> str:
    return re.sub(r"'([^']*)'", r"\1", expected)


def _shown(given: object) -> str:
    match given:
        case None:
            return "empty"
        case list() | tuple():
            return "a list" if given else "an empty list"
        case dict():
            return "a mapping"
        case _:
            return _cut(repr(given))


def _cut(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


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
