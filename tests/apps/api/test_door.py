"""The door itself: tokens, trusted headers, prefixes, bodies, the log, and stopping."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from served import Served, serve
from stagedoor.workflows.tokens import Tokens, tokens_of
from town import ANN, BOB, CAROL, DAVE, Clock

GET = "mlflow/registered-models/get"


@pytest.fixture
def model(served: Served, name: str) -> str:
    """A model with a version."""
    served.ok("POST", "mlflow/registered-models/create", {"name": name})
    served.ok("POST", "mlflow/model-versions/create", {"name": name, "source": "s3://x"})
    return name


# --- tokens ---------------------------------------------------------------------------------------------------------


def test_without_a_token_nothing_of_the_registry_is_told(served: Served, model: str) -> None:
    for verb, path in (
        ("GET", f"{GET}?name={model}"),
        ("POST", "mlflow/registered-models/create"),
        ("GET", "scim/v2/Me"),
    ):
        got = served.call(verb, path, as_=None)
        assert (got.status_code, got.json()["error_code"]) == (401, "UNAUTHENTICATED")
        assert got.headers["www-authenticate"].startswith("Bearer")
        assert model not in got.text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token[:-1],
        lambda token: token + "x",
        lambda token: token.replace("stagedoor_", "Stagedoor_"),
        lambda token: "stagedoor_" + "0" * 12 + token[22:],
        lambda token: "../../etc/passwd",
        lambda token: "x" * 10_000,
    ],
)
def test_a_tampered_token_is_refused(served: Served, spoil: Callable[[str], str]) -> None:
    said = spoil(served.token(ANN))
    got = served.call("GET", "scim/v2/Me", as_=None, headers={"Authorization": f"Bearer {said}"})
    assert got.status_code == 401


@pytest.mark.parametrize("said", ["Basic !!!", "Basic eA==", "Digest x", "Bearer", "bearer", "\xff"])
def test_an_authorization_that_does_not_read_is_refused(served: Served, said: str) -> None:
    got = served.call("GET", "scim/v2/Me", as_=None, headers={"Authorization": said.encode("latin-1")})
    assert got.status_code == 401


def test_a_token_counts_until_it_is_revoked_without_a_restart(served: Served) -> None:
    tokens = tokens_of(served.town.as_(CAROL).repository)
    made = tokens.create("erin@example.com")
    headers = {"Authorization": f"Bearer {made.secret}"}
    assert served.call("GET", "scim/v2/Me", as_=None, headers=headers).json()["userName"] == "erin@example.com"
    assert next(one for one in tokens.list() if one.id == made.token.id).used_at is not None
    tokens.revoke(made.token.id)
    assert served.call("GET", "scim/v2/Me", as_=None, headers=headers).status_code == 401


def test_a_token_ends_when_its_time_is_over(tmp_path: Path) -> None:
    from stagedoor.errors import Unauthenticated

    clock = Clock()
    tokens = Tokens(tmp_path, clock)
    made = tokens.create(ANN, timedelta(days=30))
    assert tokens.who(made.secret) == ANN
    clock.now += timedelta(days=31)
    with pytest.raises(Unauthenticated, match="is over"):
        tokens.who(made.secret)


def test_the_file_of_tokens_is_for_its_owner_alone_and_holds_no_secret(served: Served) -> None:
    secret = served.token(ANN).rpartition("_")[2]
    folder = served.town.path / "stagedoor"
    kept = folder / "tokens.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert secret not in kept.read_text()
    assert secret not in served.log.read_text()


def test_many_makers_of_tokens_lose_none(tmp_path: Path) -> None:
    def make() -> None:
        for _ in range(10):
            Tokens(tmp_path).create(ANN)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({token.id for token in Tokens(tmp_path).list()}) == 40


# --- a header that a proxy sets -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on loopback that believes X-Forwarded-Email from loopback."""
    made = serve(tmp_path_factory.mktemp("trusting"), "--trust-header", "X-Forwarded-Email")
    yield made
    made.stop()
    made.town.close()


@pytest.fixture(scope="module")
def wary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that believes the header from elsewhere."""
    options = ("--trust-header", "X-Forwarded-Email", "--trusted-proxy", "10.9.8.0/24")
    made = serve(tmp_path_factory.mktemp("wary"), *options)
    yield made
    made.stop()
    made.town.close()


def test_the_header_of_a_trusted_proxy_names_the_caller(trusting: Served) -> None:
    got = trusting.call("GET", "scim/v2/Me", as_=None, headers={"X-Forwarded-Email": ANN})
    assert got.json()["userName"] == ANN
    assert trusting.call("GET", "scim/v2/Me", as_=BOB).json()["userName"] == BOB


@pytest.mark.parametrize("bad", ["", "nobody", "a@b, c@d", "<x@y>"])
def test_a_header_that_names_nobody_lets_nobody_in(trusting: Served, bad: str) -> None:
    assert trusting.call("GET", "scim/v2/Me", as_=None, headers={"X-Forwarded-Email": bad}).status_code == 401


def test_a_header_that_comes_twice_is_refused(trusting: Served) -> None:
    headers = [("X-Forwarded-Email", CAROL), ("x-forwarded-email", DAVE)]
    assert httpx.get(f"{trusting.url}/api/2.0/scim/v2/Me", headers=headers).status_code == 401


@pytest.mark.parametrize(("site", "status"), [("cross-site", 401), ("same-site", 401), ("same-origin", 403)])
def test_a_page_of_another_site_cannot_write_with_the_proxys_login(trusting: Served, site: str, status: int) -> None:
    headers = {"X-Forwarded-Email": DAVE, "Sec-Fetch-Site": site}
    got = trusting.call("POST", "mlflow/registered-models/create", {"name": "x"}, as_=None, headers=headers)
    assert got.status_code == status
    assert trusting.call("GET", "scim/v2/Me", as_=None, headers=headers).status_code == 200


def test_the_header_of_a_stranger_is_ignored(wary: Served, served: Served) -> None:
    spoofs: dict[str, str] = {
        "X-Forwarded-Email": CAROL, "X-Forwarded-For": "10.9.8.7", "Forwarded": "for=10.9.8.7", "X-Real-IP": "10.9.8.7",
    }  # fmt: skip
    for server in (wary, served):
        assert server.call("GET", "scim/v2/Me", as_=None, headers=spoofs).status_code == 401
        assert server.call("GET", "scim/v2/Me", as_=DAVE, headers=spoofs).json()["userName"] == DAVE


def test_a_trusted_header_on_an_open_address_is_refused_at_the_start(served: Served) -> None:
    command = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(served.town.path), "server"]
    options = ["--host", "0.0.0.0", "--port", "0", "--trust-header", "X-Forwarded-Email"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 2
    assert "could send X-Forwarded-Email and be whom they like" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--port", "0", "--trusted-proxy", "everybody"], 2, "is no network"),
        (["--port", "70000"], 2, "70000"),
        (["--host", "192.0.2.1", "--port", "0"], 2, "cannot listen"),
    ],
)
def test_a_server_that_cannot_be_says_why(served: Served, options: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(served.town.path), "server"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_a_registry_is_not_served(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(tmp_path), "server", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 10, done.stderr
    assert "Traceback" not in done.stderr


# --- ways of saying the same ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/api/2.0", "/api/2.0/preview", "/ajax-api/2.0"])
def test_every_prefix_leads_to_the_same(served: Served, model: str, prefix: str) -> None:
    assert served.ok("GET", f"{prefix}/{GET}", params={"name": model})["registered_model"]["name"] == model


def test_fields_are_read_from_a_query_and_from_a_body(served: Served, model: str) -> None:
    assert served.ok("GET", GET, {"name": model})["registered_model"]["name"] == model
    tag = {"name": model, "key": "k", "value": "v"}
    for where in ({"params": {"name": model, "key": "k"}}, {"said": {"name": model, "key": "k"}}):
        served.ok("POST", "mlflow/registered-models/set-tag", tag)
        served.ok("DELETE", "mlflow/registered-models/delete-tag", **where)
        assert served.ok("GET", GET, {"name": model})["registered_model"]["tags"] == []


def test_a_version_is_a_number_or_text_and_switches_may_be_words(served: Served, model: str) -> None:
    for version in (1, "1"):
        said = {"name": model, "version": version, "stage": "Archived", "archive_existing_versions": "false", "x": 1}
        made = served.ok("POST", "mlflow/databricks/model-versions/transition-stage", said, as_=CAROL)
        assert made["model_version"]["version"] == made["model_version_databricks"]["version"] == "1"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"name": 7}',
        b'{"name": null}',
        b"{}",
        b'{"name": "\\ud800"}',
    ],
)
def test_a_body_that_does_not_read_is_a_bad_parameter(served: Served, body: bytes) -> None:
    got = served.call("POST", "mlflow/registered-models/create", content=body)
    assert (got.status_code, got.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), got.text


def test_a_body_without_end_is_cut_off(served: Served) -> None:
    got = served.call("POST", "mlflow/registered-models/create", content=b"x" * (8 * 1024 * 1024 + 1))
    assert got.status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(9):
            yield b"x" * 1024 * 1024

    assert served.call("POST", "mlflow/registered-models/create", content=chunks()).status_code == 413


def test_a_route_that_is_not_there_is_told_by_its_code(served: Served) -> None:
    for verb, path in (("GET", "mlflow/runs/get"), ("PUT", "mlflow/registered-models/create"), ("GET", "/nowhere")):
        served.refused(404, "ENDPOINT_NOT_FOUND", verb, path)


def test_a_message_never_makes_the_sdk_try_again(served: Served) -> None:
    said = "Unexpected error: Please try again later or try a faster operation"
    message = served.refused(404, "RESOURCE_DOES_NOT_EXIST", "GET", f"{GET}?name={said}")
    assert "Unexpected error" not in message
    assert "Please try again later" not in message


# --- without a token ------------------------------------------------------------------------------------------------


def test_the_service_says_that_it_lives_and_what_it_is(served: Served) -> None:
    from stagedoor import __version__

    assert served.call("GET", "/health", as_=None).text == "OK"
    assert served.call("GET", "/version", as_=None).text == __version__
    ready = served.ok("GET", "/ready", as_=None)
    assert ready == {"ready": True, "commit": served.town.as_(CAROL).main()}
    assert served.ok("GET", "/.well-known/databricks-config", as_=None) == {}


def test_openapi_names_every_call_once_and_what_it_takes(served: Served) -> None:
    page = served.ok("GET", "/openapi.json", as_=None)
    create = page["paths"]["/api/2.0/mlflow/registered-models/create"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/CreateModel"
    }
    assert page["components"]["schemas"]["CreateModel"]["required"] == ["name"]
    get = page["paths"]["/api/2.0/mlflow/model-versions/get"]["get"]
    assert [(one["name"], one["in"], one["required"]) for one in get["parameters"]] == [
        ("name", "query", True),
        ("version", "query", True),
    ]
    assert not [path for path in page["paths"] if path.startswith("/ajax-api")]
    ids = [call["operationId"] for paths in page["paths"].values() for call in paths.values()]
    assert len(ids) == len(set(ids))
    refs = set(_refs(page))
    assert refs <= {f"#/components/schemas/{name}" for name in page["components"]["schemas"]}


def test_the_page_of_calls_loads_nothing_from_elsewhere(served: Served) -> None:
    page = served.call("GET", "/docs", as_=None).text
    for path in served.ok("GET", "/openapi.json", as_=None)["paths"]:
        assert f"<code>{path}</code>" in page
    assert not re.findall(r"<script|<link|<img|url\(|@import|https?://", page)
    assert "MODEL_VERSION_TRANSITIONED_TO_STAGING" in page and "http_url_spec" in page


def _refs(page: Any) -> Iterator[str]:
    if isinstance(page, dict):
        if isinstance(page.get("$ref"), str):
            yield page["$ref"]
        for value in page.values():
            yield from _refs(value)
    elif isinstance(page, list):
        for value in page:
            yield from _refs(value)


# --- the log --------------------------------------------------------------------------------------------------------


def test_each_call_has_an_id_and_one_line_of_json_without_secrets(served: Served, model: str) -> None:
    got = served.call("GET", GET, params={"name": model, "token": "hidden"}, headers={"X-Request-Id": "mine-1"})
    assert got.headers["x-request-id"] == "mine-1"
    line = next(line for line in served.lines() if line.get("id") == "mine-1")
    assert (line["method"], line["path"], line["status"], line["who"]) == ("GET", f"/api/2.0/{GET}", 200, ANN)
    assert "hidden" not in json.dumps(line)
    odd = served.call("GET", "/health", headers={"X-Request-Id": 'x" y'})
    assert len(odd.headers["x-request-id"]) == 32


def test_a_broken_model_file_is_a_refusal_of_that_model_alone(served: Served, model: str) -> None:
    path = "registry_spec/models/broken.yaml"
    served.town.commit({path: "name: [broken\n"}, "by hand")
    served.refused(400, "INVALID_PARAMETER_VALUE", "GET", f"{GET}?name=broken")
    found = served.ok("GET", "mlflow/registered-models/search", params={"filter": f"name = '{model}'"})
    assert [one["name"] for one in found["registered_models"]] == [model]
    assert served.ok("GET", "mlflow/registered-models/list")["registered_models"]
    served.town.commit({path: None}, "mended")


# --- many at once, and the end --------------------------------------------------------------------------------------


def test_versions_created_at_once_take_numbers_of_their_own(served: Served, name: str) -> None:
    served.ok("POST", "mlflow/registered-models/create", {"name": name})
    served.token(ANN), served.token(BOB)
    numbers: list[str] = []

    def create(who: str) -> None:
        said = {"name": name, "source": "s3://x"}
        for _ in range(4):
            numbers.append(served.ok("POST", "mlflow/model-versions/create", said, as_=who)["model_version"]["version"])

    threads = [threading.Thread(target=create, args=(who,)) for who in (ANN, BOB, ANN)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, numbers)) == list(range(1, 13))


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Served]:
    """A server for one test."""
    made = serve(tmp_path)
    yield made
    made.stop()
    made.town.close()


def test_sigterm_finishes_what_has_begun(one: Served) -> None:
    token = one.token(ANN)
    host, port = one.url.removeprefix("http://").split(":")
    body = json.dumps({"name": "begun"}).encode()
    head = (
        f"POST /api/2.0/mlflow/registered-models/create HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as line:
        line.sendall(head.encode() + body[:5])
        # another call on the same server: by its answer, the first has been taken in
        one.ok("GET", "/ready", as_=None)
        assert one.process is not None
        one.process.terminate()
        line.sendall(body[5:])
        assert line.recv(4096).startswith(b"HTTP/1.1 200")
    assert one.stop() == 0
    assert one.town.as_(CAROL).snapshot().registry.names == ("begun",)


def test_a_token_is_base64_of_nothing_that_could_be_guessed(served: Served) -> None:
    found = {served.token(who).rpartition("_")[2] for who in (ANN, BOB, CAROL)}
    assert len(found) == 3
    assert all(len(base64.urlsafe_b64decode(one.rjust(44, "A"))) == 33 for one in found)
