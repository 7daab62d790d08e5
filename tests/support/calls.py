"""Whether a call is one that GitHub documents, by its own OpenAPI description.

data/github_calls.json is cut out of `@octokit/openapi` 23.0.2 (generated/api.github.com.deref.json, MIT): for the paths
that we call, the parameters of the query and the schema of the body. A key that is not documented is a fault here.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from hosts import Sent

DESCRIPTION = Path(__file__).parents[1] / "data" / "github_calls.json"


@cache
def _described() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    paths = json.loads(DESCRIPTION.read_text())
    return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), methods) for path, methods in paths.items()]


def faults(sent: Sent) -> list[str]:
    """What GitHub would not take in a call."""
    found = [methods for pattern, methods in _described() if pattern.fullmatch(sent.path)]
    if not found or sent.method not in found[0]:
        return [f"{sent.method} {sent.path} is not documented"]
    return [*_of_query(sent, found[0][sent.method]), *_of_body(sent, found[0][sent.method])]


def _of_query(sent: Sent, operation: dict[str, Any]) -> list[str]:
    known = {one["name"]: one["schema"] for one in operation["query"]}
    said = [f"{name} is no parameter of {sent.path}" for name in sent.query if name not in known]
    for name, text in sent.query.items():
        schema = known.get(name, {})
        value: Any = int(text) if schema.get("type") == "integer" and text.isdigit() else text
        said += [f"{name}: {error.message}" for error in Draft202012Validator(schema).iter_errors(value)]
    return said


def _of_body(sent: Sent, operation: dict[str, Any]) -> list[str]:
    schema = operation["body"]
    if schema is None:
        return ["it has a body"] if sent.body else []
    closed = {**schema, "additionalProperties": False} if "properties" in schema else schema
    return [error.message for error in Draft202012Validator(closed).iter_errors(sent.body)]
