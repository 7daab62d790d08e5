"""The digest of one file behind an http URL, read from the public internet only unless more is allowed."""

from __future__ import annotations

import http.client
import ipaddress
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import urlsplit

from stagedoor.artifacts.answers import Absent, Digested, Found, Unreachable, Watch
from stagedoor.artifacts.streams import Counted, sha256_of
from stagedoor.core.digests import FILE, Digest

TIMEOUT: Final = 30.0
_BY_PROXY = "is_by_proxy"


class _Private(OSError):
    """The name leads to an address that is not public."""


def digest_on_web(url: str, watch: Watch, *, private: bool) -> Found:
    """The digest of what an http or https URL gives. Other machines of the own network only with `private`."""
    try:
        with _opener(private).open(url, timeout=TIMEOUT) as answer:
            return _digest(answer, watch)
    except urllib.error.HTTPError as error:
        error.close()
        said = f"{_host(url)} answers {error.code} {error.reason}"
        return Absent(said) if error.code in (404, 410) else Unreachable(said)
    except urllib.error.URLError as error:
        return Unreachable(_said(url, error.reason))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Unreachable(_said(url, error))


def _digest(answer: http.client.HTTPResponse, watch: Watch) -> Found:
    length = answer.length
    counted = Counted(watch, length)
    found = sha256_of(answer, counted)
    if length is not None and counted.done != length:
        return Unreachable(f"the answer ended after {counted.done:,} of {length:,} bytes")
    return Digested(Digest(FILE, found), 1, counted.done)


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _said(url: str, reason: object) -> str:
    if isinstance(reason, _Private):
        return str(reason)
    return f"{_host(url)} does not answer: {getattr(reason, 'strerror', None) or reason}"


def _opener(private: bool) -> urllib.request.OpenerDirector:
    """Follows redirects to http and https alone: `build_opener` would also open ftp and local files."""
    opener = urllib.request.OpenerDirector()
    for one in (
        _Proxies(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Plain(private),
        _Secure(private),
    ):
        opener.add_handler(one)
    return opener


def _look_at_peer(connection: http.client.HTTPConnection) -> None:
    """Look at the address that the socket has, not at what the name meant a moment ago: a name may change its mind."""
    peer = ipaddress.ip_address(connection.sock.getpeername()[0].partition("%")[0])
    real = getattr(peer, "ipv4_mapped", None) or peer
    if not real.is_global:
        connection.close()
        raise _Private(f"{connection.host} is at the private address {real}")


class _PlainConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _look_at_peer(self)


class _SecureConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _look_at_peer(self)


class _Proxies(urllib.request.ProxyHandler):
    """The proxies of the environment. Where one stands between, it decides who may be reached."""

    def proxy_open(self, req: urllib.request.Request, proxy: str, type: str) -> Any:
        """As Python does, and the request remembers whether it goes to the proxy."""
        setattr(req, _BY_PROXY, not (req.host and urllib.request.proxy_bypass(req.host)))
        return super().proxy_open(req, proxy, type)


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, private: bool) -> None:
        super().__init__()
        self._private = private

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        free = self._private or getattr(req, _BY_PROXY, False)
        return self.do_open(http.client.HTTPConnection if free else _PlainConnection, req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, private: bool) -> None:
        super().__init__()
        self._private = private

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        free = self._private or getattr(req, _BY_PROXY, False)
        return self.do_open(http.client.HTTPSConnection if free else _SecureConnection, req)
