"""The page of all calls, made from OpenAPI. It is plain HTML, and loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} {{ version }}: the REST API</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font: 0.9em ui-monospace, monospace; }
summary { cursor: pointer; padding: 0.3rem 0; }
summary b { display: inline-block; min-width: 4.5rem; }
table { border-collapse: collapse; margin: 0.3rem 0 1rem 1rem; }
td, th { text-align: left; vertical-align: top; padding: 0.15rem 1rem 0.15rem 0; }
nav a { margin-right: 1rem; }
@media (prefers-color-scheme: dark) { body { background: #16181b; color: #e4e6e8; } a { color: #8ab4f8; } }
</style>
</head>
<body>
<h1>{{ title }} {{ version }}</h1>
<p>Every call takes a token: <code>Authorization: Bearer TOKEN</code>. The fields go into the query or into a JSON
body. <a href="openapi.json">openapi.json</a> says the same for programs.</p>
<nav>{% for part in parts %}<a href="#{{ part.title | replace(' ', '-') }}">{{ part.title }}</a>{% endfor %}</nav>
{% for part in parts %}
<h2 id="{{ part.title | replace(' ', '-') }}">{{ part.title }}</h2>
{% for call in part.calls %}
<details>
<summary><b>{{ call.verb }}</b> <code>{{ call.path }}</code><br>{{ call.summary }}</summary>
{% for name, fields in (("takes", call.takes), ("answers", call.answers)) if fields %}
<table>
<tr><th colspan="3">{{ name }}</th></tr>
{% for field in fields %}
<tr><td><code>{{ field.name }}</code>{% if field.is_required %} *{% endif %}</td><td>{{ field.kind }}</td>\
<td>{{ field.about }}</td></tr>
{% endfor %}
</table>
{% endfor %}
</details>
{% endfor %}
{% endfor %}
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of what is asked or answered."""

    name: str
    kind: str
    about: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Described:
    """One call."""

    verb: str
    path: str
    summary: str
    takes: tuple[Field, ...]
    answers: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The calls about one thing."""

    title: str
    calls: tuple[Described, ...]


def page(openapi: Mapping[str, Any]) -> str:
    """The page of what OpenAPI describes."""
    from jinja2 import Environment

    info = openapi["info"]
    template = Environment(autoescape=True).from_string(_PAGE)
    return template.render(title=info["title"], version=info["version"], parts=parts(openapi))


def parts(openapi: Mapping[str, Any]) -> tuple[Part, ...]:
    """The calls by what they are about, in the order of the file."""
    found: dict[str, list[Described]] = {}
    for path, verbs in openapi["paths"].items():
        for verb, call in verbs.items():
            found.setdefault(call["tags"][0], []).append(_described(openapi, verb.upper(), path, call))
    return tuple(Part(title, tuple(calls)) for title, calls in found.items())


def _described(openapi: Mapping[str, Any], verb: str, path: str, call: Mapping[str, Any]) -> Described:
    params = [
        Field(one["name"], _kind(openapi, one["schema"]), "", bool(one.get("required")))
        for one in call.get("parameters", ())
    ]
    body = _schema(call.get("requestBody", {}))
    answer = _schema(call.get("responses", {}).get("200", {}))
    takes = (*params, *_fields(openapi, body))
    return Described(verb, path, call.get("summary", ""), takes, tuple(_fields(openapi, answer)))


def _schema(said: Mapping[str, Any]) -> Mapping[str, Any]:
    found = said.get("content", {}).get("application/json", {}).get("schema", {})
    return found if isinstance(found, Mapping) else {}


def _fields(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Field]:
    known = _resolved(openapi, schema)
    required = known.get("required", ())
    for name, field in known.get("properties", {}).items():
        about = _resolved(openapi, field).get("description", "")
        yield Field(name, _kind(openapi, field), about, name in required)


def _resolved(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return openapi.get("components", {}).get("schemas", {}).get(name, {}) if name else schema


def _kind(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A type in words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        kinds = (_kind(openapi, one) for one in schema["anyOf"] if one.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        return f"list of {_kind(openapi, schema.get('items', {}))}"
    return str(schema.get("const", schema.get("type", "anything")))
