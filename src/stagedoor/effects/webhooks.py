"""Calling webhooks: one post to one target, by an address that was looked at, and never further than that."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stagedoor.core.webhooks import is_public, url_fault

if TYPE_CHECKING:
    import ssl

    import httpcore
    import httpx

CONNECT_SECONDS: Final = 10.0
TOTAL_SECONDS: Final = 30.0
MAX_ANSWER: Final = 64 * 1024
MAX_ADDRESSES: Final = 4

Resolve = Callable[[str, int], list[str]]
"""The IP addresses behind a host."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the target answered; a longer body is cut."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", "replace")

    @property
    def is_good(self) -> bool:
        """Whether the target took it."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The target was not reached, or did not answer in time. `is_refused` when we would not call it."""

    reason: str
    is_refused: bool = False


class Refused(Exception):
    """A target that is not called: its address is not one of the open internet."""


def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Caller:
    """Posts to targets. `allow_private` lets it call receivers in the own network, also by plain http."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        look_up: Resolve = resolve,
        total_seconds: float = TOTAL_SECONDS,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._look_up = look_up
        self._total_seconds = total_seconds
        self._trust = trust

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, verify: bool = True) -> Answer | NoAnswer:
        """One POST; a redirect is an answer like another."""
        return self._call("POST", url, headers, body, verify=verify)

    def get(self, url: str, headers: Mapping[str, str]) -> Answer | NoAnswer:
        """One GET, with the certificate verified."""
        return self._call("GET", url, headers, b"", verify=True)

    def _call(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, verify: bool
    ) -> Answer | NoAnswer:
        if fault := url_fault(url):
            return NoAnswer(fault, is_refused=True)
        if not self._allow_private and not url.startswith("https:"):
            return NoAnswer("plain http is for the own network: --allow-private-webhooks", is_refused=True)
        import httpx

        try:
            with (
                self._client(verify=verify) as client,
                client.stream(method, url, headers=headers, content=body) as got,
            ):
                return Answer(got.status_code, _bounded(got.iter_raw()))
        except Refused as error:
            return NoAnswer(str(error), is_refused=True)
        except httpx.TimeoutException:
            return NoAnswer(f"no answer within {self._total_seconds:g} seconds")
        except (httpx.LocalProtocolError, UnicodeError):
            # the library's own words quote the header, and a header may be the secret
            return NoAnswer("the authorization, or the URL, has a character that cannot be sent")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return NoAnswer(f"{_kind(error)}: {error}"[:300])

    @contextmanager
    def _client(self, *, verify: bool) -> Iterator[httpx.Client]:
        import httpx

        until = time.monotonic() + self._total_seconds
        backend = _guarded(self._look_up, allow_private=self._allow_private, until=until)
        timeout = httpx.Timeout(self._total_seconds, connect=CONNECT_SECONDS)
        transport = _transport(backend, _context(self._trust, verify=verify))
        # the environment's proxies would look the name up again, and where they may go is not for us to say
        with httpx.Client(transport=transport, timeout=timeout, trust_env=False, follow_redirects=False) as client:
            yield client


def _bounded(chunks: Iterator[bytes]) -> bytes:
    read = b""
    for chunk in chunks:
        read += chunk
        if len(read) >= MAX_ANSWER:
            return read[:MAX_ANSWER]
    return read


def _kind(error: Exception) -> str:
    return type(error).__name__.removesuffix("Error") or "error"


def _context(trust: ssl.SSLContext | None, *, verify: bool) -> ssl.SSLContext:
    import ssl

    if verify:
        return trust or ssl.create_default_context()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _transport(backend: httpcore.NetworkBackend, context: ssl.SSLContext) -> httpx.BaseTransport:
    """Httpx over a pool of ours: its own transport takes no network backend.

    https://www.python-httpx.org/advanced/transports/#custom-transports
    """
    import httpcore
    import httpx

    errors = (
        (httpcore.TimeoutException, httpx.ReadTimeout),
        (httpcore.ConnectError, httpx.ConnectError),
        (httpcore.NetworkError, httpx.NetworkError),
        (httpcore.LocalProtocolError, httpx.LocalProtocolError),
        (httpcore.ProtocolError, httpx.RemoteProtocolError),
        (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    )

    @contextmanager
    def translated() -> Iterator[None]:
        try:
            yield
        except tuple(theirs for theirs, _ in errors) as error:
            raise next(ours for theirs, ours in errors if isinstance(error, theirs))(str(error)) from error

    class Stream(httpx.SyncByteStream):
        def __init__(self, answer: httpcore.Response) -> None:
            self._answer = answer

        def __iter__(self) -> Iterator[bytes]:
            with translated():
                yield from self._answer.iter_stream()

        def close(self) -> None:
            self._answer.close()

    class Transport(httpx.BaseTransport):
        def __init__(self) -> None:
            self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=backend, max_connections=1)

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            url = request.url
            asked = httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.read(),
                extensions=request.extensions,
            )
            with translated():
                answer = self._pool.handle_request(asked)
            return httpx.Response(answer.status, headers=answer.headers, stream=Stream(answer))

        def close(self) -> None:
            self._pool.close()

    return Transport()


def _guarded(look_up: Resolve, *, allow_private: bool, until: float) -> httpcore.NetworkBackend:
    """A network that looks a name up once, looks at every address, and connects to just those.

    A name that answers with another address a moment later (DNS rebinding) is not asked again. TLS and the Host header
    still speak of the name. All that is read and written ends at `until`, however slowly it drips.
    """
    import httpcore

    def left(wanted: float | None) -> float:
        rest = until - time.monotonic()
        if rest <= 0:
            raise httpcore.ReadTimeout("the time is up")
        return rest if wanted is None else min(rest, wanted)

    class Timed(httpcore.NetworkStream):
        def __init__(self, inner: httpcore.NetworkStream) -> None:
            self._inner = inner

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return self._inner.read(max_bytes, left(timeout))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            self._inner.write(buffer, left(timeout))

        def close(self) -> None:
            self._inner.close()

        def start_tls(
            self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
        ) -> httpcore.NetworkStream:
            return Timed(self._inner.start_tls(ssl_context, server_hostname, left(timeout)))

        def get_extra_info(self, info: str) -> Any:
            return self._inner.get_extra_info(info)

    class Guarded(httpcore.SyncBackend):
        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Any = None,
        ) -> httpcore.NetworkStream:
            failure: Exception = httpcore.ConnectError(f"{host} has no address")
            for address in checked_addresses(look_up, host, port, allow_private=allow_private):
                try:
                    return Timed(super().connect_tcp(address, port, left(timeout), local_address, socket_options))
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    failure = error
            raise failure

    return Guarded()


def checked_addresses(look_up: Resolve, host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses to try. `Refused` when one of them is not public: a name with both kinds is not to be trusted."""
    import httpcore

    try:
        found = look_up(host.strip("[]"), port)[:MAX_ADDRESSES]
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name {host} is not known") from error
    private = [] if allow_private else [address for address in found if not is_public(address)]
    if private:
        raise Refused(f"{host} leads to {private[0]}, which is not a public address")
    return found
