"""What a stranger's bytes meet first, as functions of bytes: each may refuse, and nothing else may escape."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from stagedoor.core import mlmodel, trailers
from stagedoor.core.gates import expressions
from stagedoor.core.owners import parse, problems, right_for
from stagedoor.core.owners.values import Dialect
from stagedoor.core.reading import edited, formatted, kind_of, value_of
from stagedoor.core.requests import decode_step, encode_step
from stagedoor.core.search import models_filter, models_order, versions_filter, versions_order
from stagedoor.core.text import format_text, read
from stagedoor.core.text.read import marked
from stagedoor.errors import RegistryError
from stagedoor.forges.gitea.dialect import GiteaDialect
from stagedoor.forges.github.dialect import GitHubDialect
from stagedoor.forges.gitlab.dialect import GitLabDialect
from stagedoor.forges.hosting import Dialect as Host
from stagedoor.forges.http import Answer

Target = Callable[[bytes], None]

AT = datetime(2026, 11, 24, tzinfo=UTC)
FILES = ("registry_spec/models/a.yaml", "registry_spec/models/energy/b c.yaml", "x")
HOSTS: tuple[Host, ...] = (GitHubDialect("o", "r"), GitLabDialect("g/p"), GiteaDialect("o", "r"))
DIALECTS: tuple[Dialect, ...] = ("github", "gitlab", "gitea")
SEEN: dict[str, Any] = {
    "candidate": {"ref": "m/2", "name": "m", "version": 2, "metrics": {"rmse": 1.5}, "tags": {"a": "b"}, "data": []},
    "incumbent": None,
    "incumbents": [],
    "move": {"from": "None", "to": "Staging"},
    "request": {"ref": "the request", "number": 3, "title": "t", "author": "a@example.com"},
    "now": AT,
}


def spec(raw: bytes) -> None:
    """A registry file of any kind: what reads is written again, and says the same."""
    document = read(raw, "f.yaml")
    value = value_of(kind_of(document), document)
    text = formatted(raw, "f.yaml")
    again = read(text.encode(), "f.yaml")
    assert value_of(kind_of(again), again) == value
    assert formatted(text.encode(), "f.yaml") == text
    assert edited(text, value, value) == text


def yaml(raw: bytes) -> None:
    """Any YAML: the quick reader and the one that knows places agree, and its text can be put in order."""
    document = read(raw, "f.yaml")
    marked(document.text)
    if isinstance(document.data, dict):
        text = format_text(document.text, document.data)
        assert read(text.encode(), "f.yaml").data == document.data


def codeowners(raw: bytes) -> None:
    """A CODEOWNERS file in each dialect: who owns what, and what is wrong with it."""
    text = raw.decode("utf-8", "replace")
    for dialect in DIALECTS:
        owners = parse(text, dialect=dialect)
        for file in FILES:
            right_for(owners, file, "Production")
            right_for(owners, file, None)
        for _ in problems(owners, FILES, ("Staging", "Production"), known=lambda one: True, root="registry_spec"):
            pass


def search_filter(raw: bytes) -> None:
    """A filter and an order of a search."""
    text = raw.decode("utf-8", "replace")
    for reads in (
        models_filter,
        versions_filter,
        lambda said: models_order([said]),
        lambda said: versions_order([said]),
    ):
        with suppress(RegistryError):
            reads(text)


def gate(raw: bytes) -> None:
    """A gate in CEL: it holds, or it does not and says why in one line."""
    found = expressions.held(raw.decode("utf-8", "replace"), SEEN)
    assert isinstance(found.holds, bool)


def commit_message(raw: bytes) -> None:
    """A commit message, and a message made of it: its trailers are ours alone."""
    text = raw.decode("utf-8", "replace")
    trailers.parse(text)
    ours = trailers.Trailers(request=7, requested_by="a@example.com")
    found = trailers.parse(trailers.message(text[:60], text, ours))
    assert (found.request, found.requested_by, found.approved_by) == (7, "a@example.com", ())


def step(raw: bytes) -> None:
    """A step of a request, as a file on a ref that anybody may push."""
    found = decode_step(raw, "events/1.json")
    assert decode_step(encode_step(found), "events/1.json") == found


def host_json(raw: bytes) -> None:
    """What a host answers: a pull request, its reviews, notes, pushes and people."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        return
    many = data if isinstance(data, list) else [data]
    for host in HOSTS:
        for read_one in (_pull, _people, _notes):
            with suppress(RegistryError):
                read_one(host, data, many)


def _pull(host: Host, data: Any, many: list[Any]) -> None:
    pull = host.read_pull(data)
    for said in (data, many):
        for read_all in (lambda s: host.read_reviews(pull, dict.fromkeys(host.ask_reviews(pull), s)),
                         lambda s: host.read_pushers(pull, dict.fromkeys(host.ask_pushers(pull), s)),
                         host.read_members):  # fmt: skip
            _tried(read_all, said)
    if "approvals" in host.ask_reviews(pull):
        _tried(lambda s: host.read_reviews(pull, {**dict.fromkeys(host.ask_reviews(pull), many), "approvals": s}), data)


def _tried(reads: Callable[[Any], Any], said: Any) -> None:
    with suppress(RegistryError):
        reads(said)


def _people(host: Host, data: Any, many: list[Any]) -> None:
    host.read_login(data)
    host.read_closer(data)
    for status in (200, 404, 405, 409):
        answer = Answer(status, data)
        _tried(host.read_may_write, answer)
        assert answer.said is not None
    host.read_merge(Answer(405, data))


def _notes(host: Host, data: Any, many: list[Any]) -> None:
    for one in many:
        _tried(host.read_note, one)


def model_card(raw: bytes) -> None:
    """An `MLmodel` file."""
    mlmodel.read(raw, "MLmodel")


TARGETS: Final[dict[str, Target]] = {
    found.__name__: found
    for found in (spec, yaml, codeowners, search_filter, gate, commit_message, step, host_json, model_card)
}


def ran(target: Target, raw: bytes) -> bool:
    """Whether the target took the bytes; False for a refusal in our own words, and what else escapes is a fault."""
    try:
        target(raw)
    except RegistryError as error:
        said = str(error.what)
        assert said and "Traceback" not in said and len(said) < 2_000
        return False
    return True


_MODEL = b"""\
apiVersion: stagedoor/v1
kind: RegisteredModel
name: power
id: 0123456789abcdef0123456789abcdef
created: {at: 2026-11-24T10:15:00.123Z, by: ann@example.com}
description: |
  Forecasts.
tags: {team: energy}
aliases: {champion: 1}
last_version: 1
versions: # all of them
- version: 1
  created: {at: 2026-11-24T10:15:00.123Z, by: ann@example.com}
  source: runs:/9f/model
  metrics: {rmse: 412.7}
  stage: Production
"""
_PULL = {
    "number": 3, "iid": 3, "id": 9, "title": "t", "body": "b", "description": "b", "state": "open",
    "created_at": "2026-11-24T10:00:00Z", "updated_at": "2026-11-24T10:00:00Z", "merged_at": None, "draft": False,
    "user": {"login": "ann"}, "author": {"username": "ann"}, "sha": "a" * 40, "source_branch": "x",
    "head": {"sha": "a" * 40, "ref": "x", "repo": {"full_name": "o/r"}},
    "base": {"ref": "main", "repo": {"full_name": "o/r"}}, "target_branch": "main", "submitted_at": None,
    "commit_id": "a" * 40, "source_project_id": 1, "target_project_id": 1, "permission": "write", "message": "m",
}  # fmt: skip

SEEDS: Final[dict[str, tuple[bytes, ...]]] = {
    "spec": (
        _MODEL,
        b"kind: Registry\napiVersion: stagedoor/v1\nstages:\n- name: None\n- name: Production\n  exclusive: true\n"
        b"gates:\n- name: g\n  stages: [Production]\n  require: [metrics.rmse]\n",
        b"kind: People\napiVersion: stagedoor/v1\npeople:\n- {email: a@example.com, github: ann}\n",
    ),
    "yaml": (
        _MODEL,
        b"a: &x {b: [1, 2, 'three', \"f\\u00e9\"]}\nc: *x\n",
        b"a: |2-\n    text\n# said\n? b\n: >\n  folded\n- \n",
        b"--- # begins\nkey: [a, {b: c}, ~]\n...\n",
    ),
    "codeowners": (
        b"* @a\n/registry_spec/models/**/x*.yaml/@Production @b @o/t c@example.com # why\n\\#f @x\n",
        b"[Models][2] @a\n^[Docs] @b\n!x\nregistry_spec/ @c\n/a\\ b/[a-z]?/ @@developer\n",
        b"registry_spec/models/.*\\\\.yaml @a @b/c\n!(a|b){2,3}[^x]+ @d\n",
    ),
    "search_filter": (
        b"name LIKE 'po%' AND tags.`a b` != \"c\"", b"version_number >= 3 and run_id IN ('a', 'b')", b"`name` DESC",
    ),
    "gate": (
        b"incumbent == null || candidate.metrics.rmse < incumbent.metrics.rmse * 1.02",
        b"candidate.data.all(d, d.digest != '') && candidate.tags['a'] == \"b\"", b"[1, 2].map(x, x * 2).size() > 1",
        b"now - duration('24h') > timestamp('2026-01-01T00:00:00Z')", b"'a'.matches('(a+)+$')",
    ),
    "commit_message": (
        b"Merge\n\n    said\n\nRequest: 4\nRequested-by: a@example.com\nApproved-by: b@example.com (abcdef1)\n",
        b"x\r\n\r\nRequest: 7\r\nComment: y\r\n",
    ),
    "step": (
        b'{"step":"opened","at":"2026-11-24T10:00:00Z","by":"a@example.com","title":"t","body":"","head":"'
        + b"a" * 40 + b'","base":"' + b"b" * 40 + b'"}',
        b'{"step":"commented","at":"2026-11-24T10:00:00Z","by":"a@example.com","body":"x"}',
    ),
    "host_json": tuple(json.dumps(one).encode() for one in (_PULL, [_PULL, None, 3, {"user": None}], [{"id": 1e400}])),
    "model_card": (
        b"flavors: {sklearn: {}}\nsignature:\n  inputs: '[{\"type\": \"double\", \"name\": \"a\"}]'\n",
    ),
}  # fmt: skip
