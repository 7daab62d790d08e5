"""Who is at the door of the pages: a sign-in with a token, a proxy's word, a token itself, or this machine's user."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import anyio
from starlette.requests import Request

from stagedoor.apps.ui.looks import Memory
from stagedoor.errors import BadInput, Denied, Unauthenticated
from stagedoor.workflows.sessions import LASTS, Sessions
from stagedoor.workflows.world import World

SESSION: Final = "stagedoor_session"
FORM: Final = "stagedoor_form"
MAX_FORM: Final = 2 * 1024 * 1024
MAX_FIELDS: Final = 200
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# what a proxy on this machine adds: then the loopback address says nothing about who calls
_OF_PROXIES: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


@dataclass(frozen=True)
class Host:
    """What the pages need from whoever serves them.

    `named` says whom a proxy or a token names, None where neither is there, and raises `Unauthenticated` for a bad
    one. `local` is the address of this machine's git user, empty where nobody is let in without a sign-in.
    """

    worlds: Callable[[], AbstractContextManager[World]]
    named: Callable[[Request], str | None]
    sessions: Sessions
    places: anyio.CapacityLimiter
    local: str = ""
    allow_private: bool = False
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True)
class Guest:
    """Who is there, empty for nobody, and what the browser keeps to prove its forms."""

    email: str
    form_secret: str
    is_new: bool = False
    has_session: bool = False

    @property
    def form_key(self) -> str:
        """What each form of this guest says: another site can neither read nor make it."""
        return hmac.new(self.form_secret.encode(), self.email.lower().encode(), hashlib.sha256).hexdigest()


def guest_of(host: Host, request: Request) -> Guest:
    """Who is at the door. `Unauthenticated` for a proxy's word or a token that does not count."""
    kept = request.cookies.get(FORM, "")
    is_new = not 20 <= len(kept) <= 100 or not kept.isascii()
    secret = secrets.token_urlsafe(32) if is_new else kept
    named = host.named(request)
    if named:
        return Guest(named, secret, is_new)
    session = request.cookies.get(SESSION, "")
    email = host.sessions.who(session) if session else None
    if email:
        return Guest(email, secret, is_new, has_session=True)
    return Guest(host.local if _is_local(host, request) else "", secret, is_new)


def _is_local(host: Host, request: Request) -> bool:
    """Whether a browser on this machine calls this machine by its own name, with nothing between.

    The name has to be checked, as another site may let its own name point at 127.0.0.1. A token of somebody else says
    that this is no registry of one person any more.
    """
    if not host.local or request.client is None or not _is_loopback(request.client.host):
        return False
    if any(name in request.headers for name in _OF_PROXIES) or request.scope.get("http_version") == "1.0":
        return False
    if (urlsplit(f"//{request.headers.get('host', '')}").hostname or "") not in _LOCAL_NAMES:
        return False
    return all(token.email.lower() == host.local.lower() for token in host.sessions.tokens.list())


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


# --- forms ----------------------------------------------------------------------------------------------------------


def require_own_form(request: Request, guest: Guest, form: dict[str, str]) -> None:
    """`Denied` for a form that this site did not give to this guest.

    https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html: a secret in
    the form, and what the browser says of where it comes from.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site != "same-origin":
        raise Denied("a page of another site sent this form", fix="send it from a page of this one")
    if site is None and origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Denied(f"a page of {origin[:100]} sent this form", fix="send it from a page of this one")
    if guest.is_new or not hmac.compare_digest(
        form.get("form", "").encode("utf-8", "replace"), guest.form_key.encode()
    ):
        raise Denied("this form is too old, or was made for somebody else", fix="load the page again, and send it anew")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, the last of each name. `BadInput` for one that is larger than any of ours."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_FORM:
            raise BadInput(f"the form has more than {MAX_FORM:,} bytes", fix="write less")
    try:
        text = found.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise BadInput("the form does not read", fix="send it from one of our pages") from None
    # browsers send lines that end in CR LF: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


def cookie(name: str, value: str, request: Request, lasts: int | None = None) -> str:
    """A cookie that no script reads and no other site sends. Behind TLS it never travels without."""
    parts = [f"{name}={value}", "Path=/", "HttpOnly", "SameSite=Strict"]
    if lasts is not None:
        parts.append(f"Max-Age={lasts}")
    if request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://"):
        parts.append("Secure")
    return "; ".join(parts)


SESSION_SECONDS: Final = int(LASTS.total_seconds())


def require_somebody(guest: Guest) -> None:
    """`Unauthenticated` where nobody has signed in."""
    if not guest.email:
        raise Unauthenticated("nobody is signed in", fix="sign in with a token: stagedoor token create EMAIL")
