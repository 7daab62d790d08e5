"""The porter: gives each call an id, and writes one line of JSON about it. No query, no body, no header is written."""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Count = Callable[[str, str, int, float], None]
"""Told of each call that is over: method, route, status, seconds."""

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_OWN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def to_stderr(line: str) -> None:
    """One line to where the service's log is."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class Porter:
    """ASGI around the whole application."""

    def __init__(self, app: ASGIApp, count: Count, log: Callable[[str], None] = to_stderr) -> None:
        self._app = app
        self._count = count
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a call through, and remember how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("x-request-id", "")
        state = scope.setdefault("state", {})
        state["id"] = said if _OWN_ID.fullmatch(said) else uuid.uuid4().hex
        began, status = time.monotonic(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = state["id"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            took = time.monotonic() - began
            self._count(_method(scope), _route(scope), status, took)
            self._log(_line(scope, status, took))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    """The template of the route: what a stranger makes up is one and the same."""
    return getattr(scope.get("route"), "path", "other")


def _line(scope: Scope, status: int, took: float) -> str:
    client = scope.get("client")
    said = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "id": scope["state"]["id"],
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "ms": round(took * 1000, 1),
        "who": scope["state"].get("who"),
        "peer": client[0] if client else None,
    }
    return json.dumps({key: value for key, value in said.items() if value is not None})
