"""Calls: what is asked as a pydantic model, answered by a function, and mounted under each prefix that clients use."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import QueryParams

from stagedoor.errors import BadInput
from stagedoor.workflows.searching import Questions
from stagedoor.workflows.world import World


@dataclass(frozen=True, slots=True)
class Visit:
    """One call: the registry as the caller sees it, and what the process knows of its history."""

    world: World
    questions: Questions
    # whether webhooks may call receivers in the own network
    allow_private: bool = False


class Asked(BaseModel):
    """What a call says. Fields that nobody knows are passed over, as both clients and old scripts send some."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Nothing(Asked):
    """A call that says nothing."""


class Done(BaseModel):
    """`{}`: it is done, and there is nothing to say."""


Act = Callable[[Visit, Any], BaseModel]
F = TypeVar("F", bound=Callable[..., BaseModel])


@dataclass(frozen=True, slots=True)
class Call:
    """One route: verb, path, the function behind it, what it takes and gives."""

    verb: str
    path: str
    act: Act
    asked: type[Asked]
    answer: type[BaseModel]

    @property
    def has_query(self) -> bool:
        """Whether clients put the fields into the query rather than into a body."""
        return self.verb in ("GET", "DELETE")


class Calls:
    """The calls of one part of the API, in the order of their writing."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.all: list[Call] = []

    def __call__(self, verb: str, *paths: str) -> Callable[[F], F]:
        """Let a function answer these paths."""

        def remember(act: F) -> F:
            hints = get_type_hints(act)
            asked = next(kind for name, kind in hints.items() if name not in ("visit", "return"))
            self.all.extend(Call(verb, path, act, asked, hints["return"]) for path in paths)
            return act

        return remember


# --- reading what was asked -----------------------------------------------------------------------------------------

_KINDS: Final = {
    "missing": "is missing",
    "string_type": "has to be text",
    "int_parsing": "has to be a whole number",
    "string_unicode": "has to be text in UTF-8",
}


def read(asked: type[Asked], path: Mapping[str, Any], query: QueryParams, body: bytes) -> Asked:
    """What a call says, wherever it says it: in the path, in a JSON body or in the query.

    databricks-sdk puts the fields of DELETE into the query and MLflow into a body; scripts send GET with a body.
    """
    said = {**_of_query(asked, query), **_of_body(body), **path}
    try:
        return asked.model_validate({key: value for key, value in said.items() if value is not None})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the body"
        raise BadInput(f"{where} {_KINDS.get(fault['type'], fault['msg'])}", where=where[:200]) from None


def _of_query(asked: type[Asked], query: QueryParams) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in asked.model_fields.items():
        if name in query:
            is_list = typing.get_origin(field.annotation) is tuple
            found[name] = query.getlist(name) if is_list else query[name]
    return found


def _of_body(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("the body is no JSON", where="body", fix='send an object such as {"name": "fraud"}') from None
    if not isinstance(said, dict):
        raise BadInput("the body is no JSON object", where="body", fix='send an object such as {"name": "fraud"}')
    return said
