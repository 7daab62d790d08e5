"""Digests of files behind http, from a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stagedoor.artifacts.answers import Absent, Digested, Unreachable
from stagedoor.artifacts.digest import Reach, digest_of
from stagedoor.core.digests import Digest

RAW = bytes(range(256)) * 9_000
ANYWHERE = Reach(private=True)


class _Answer(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        match self.path:
            case "/model.bin":
                self._send(200, RAW, len(RAW))
            case "/cut":
                self._send(200, RAW, len(RAW) + 1)
            case "/moved":
                self._redirect("/model.bin")
            case "/to-a-file":
                self._redirect("file:///etc/passwd")
            case "/to-ftp":
                self._redirect("ftp://127.0.0.1/x")
            case "/in-circles":
                self._redirect("/in-circles")
            case "/secret":
                self._send(403, b"", 0)
            case _:
                self._send(404, b"", 0)

    def _send(self, code: int, raw: bytes, length: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(raw)

    def _redirect(self, to: str) -> None:
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and what it was asked for."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    asked: list[str] = []
    made = ThreadingHTTPServer(("127.0.0.1", 0), type("Answer", (_Answer,), {"asked": asked}))
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}", asked
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_file_of_the_web_has_the_digest_of_its_bytes(server: tuple[str, list[str]]) -> None:
    told: list[int] = []
    found = digest_of(f"{server[0]}/model.bin", ANYWHERE, lambda done, _: told.append(done))
    assert found == Digested(Digest("sha256", hashlib.sha256(RAW).hexdigest()), 1, len(RAW))
    assert told[-1] == len(RAW)


def test_a_redirect_is_followed(server: tuple[str, list[str]]) -> None:
    assert digest_of(f"{server[0]}/moved", ANYWHERE) == digest_of(f"{server[0]}/model.bin", ANYWHERE)


@pytest.mark.parametrize("path", ["to-a-file", "to-ftp", "in-circles", "secret", "cut"])
def test_what_does_not_lead_to_a_whole_file_is_unreachable(server: tuple[str, list[str]], path: str) -> None:
    found = digest_of(f"{server[0]}/{path}", ANYWHERE)
    assert isinstance(found, Unreachable), found


def test_a_page_that_is_not_there_is_absent(server: tuple[str, list[str]]) -> None:
    assert digest_of(f"{server[0]}/no", ANYWHERE) == Absent("127.0.0.1 answers 404 Not Found")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "%31%32%37.0.0.1"])
def test_the_own_network_is_asked_nothing_unless_that_is_allowed(server: tuple[str, list[str]], host: str) -> None:
    port = server[0].rpartition(":")[2]
    assert isinstance(digest_of(f"http://{host}:{port}/model.bin", Reach()), Unreachable)
    assert server[1] == []


def test_a_host_that_is_spared_by_the_proxy_is_no_way_into_the_own_network(
    server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = digest_of(f"{server[0]}/model.bin", Reach())
    assert found == Unreachable("127.0.0.1 is at the private address 127.0.0.1")


def test_a_proxy_is_asked_and_decides_itself(server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server[0])
    monkeypatch.setenv("no_proxy", "")
    assert digest_of("http://models.example.com/model.bin", Reach()) == Absent(
        "models.example.com answers 404 Not Found"
    )
    assert server[1] == ["http://models.example.com/model.bin"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "http://", "http://a b/", "https://127.0.0.1:1/", "http://u:p@h/"]
)
def test_a_server_that_does_not_answer_is_unreachable(url: str, server: tuple[str, list[str]]) -> None:
    assert isinstance(digest_of(url, ANYWHERE), Unreachable)
