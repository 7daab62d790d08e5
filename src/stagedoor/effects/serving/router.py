"""The one door in front of all versions: MLflow's scoring protocol by model, version, stage and alias."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Path

from stagedoor.effects.serving.company import Company
from stagedoor.effects.serving.meters import MEDIA
from stagedoor.effects.serving.workers import Busy, Post, Reply, TooSlow

VERSION_HEADER = "X-Stagedoor-Version"
_SHOWN = 20

Admits = Callable[[str], bool]


class _TooBig(Exception):
    """A payload is larger than what is taken."""


def make_app(company: Company, admits: Admits | None = None) -> Starlette:
    """The ASGI app. `admits` says whether a bearer token counts; without it everybody may ask."""
    door = _Door(company, admits)
    return Starlette(
        routes=[
            Path("/ping", door.ping),
            Path("/health", door.health),
            Path("/version", door.version),
            Path("/metrics", door.metrics),
            Path("/model/{where:path}", door.model, methods=["GET", "POST"]),
        ]
    )


class _Door:
    def __init__(self, company: Company, admits: Admits | None) -> None:
        self.company = company
        self.admits = admits

    async def ping(self, request: Request) -> Response:
        """200 once the first table is in force: for whoever sends traffic here."""
        return Response("\n", 200 if self.company.is_ready else 503, media_type="application/json")

    async def health(self, request: Request) -> Response:
        """Who is served by whom, and what is wrong. A degraded server still answers, so it is 200.

        Where tokens are asked for, who shows none sees the status alone.
        """
        found = self.company.health()
        is_known = self.admits is None or await self._is_admitted(request)
        return _json(200, found if is_known else {"status": found["status"]})

    async def version(self, request: Request) -> Response:
        """The version of MLflow that loads the models."""
        return PlainTextResponse(mlflow_version())

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text."""
        return Response(self.company.metrics(), media_type=MEDIA)

    async def model(self, request: Request) -> Response:
        """`/model/NAME/3/invocations`, `/model/NAME/Production/invocations`, `/model/NAME@champion/invocations`."""
        if self.admits is not None and not await self._is_admitted(request):
            return _refused(401, "UNAUTHENTICATED", "no token that counts: send Authorization: Bearer TOKEN")
        name, address, verb = taken_apart(request.path_params["where"])
        if verb == "invocations" and request.method == "POST":
            return await self._invocations(request, name, address)
        if verb in ("ping", "health", "version") and request.method == "GET":
            return self._about(name, address, verb)
        if verb in ("invocations", "ping", "health", "version"):
            return _refused(405, "BAD_REQUEST", "invocations are POSTed, and ping, health and version are read")
        return _refused(404, "RESOURCE_DOES_NOT_EXIST", self._what_is_served(request.path_params["where"]))

    async def _is_admitted(self, request: Request) -> bool:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        assert self.admits is not None  # noqa: S101
        return kind.lower() == "bearer" and await to_thread.run_sync(self.admits, token.strip())

    def _about(self, name: str, address: str, verb: str) -> Response:
        found = self.company.find(name, address)
        if found is None:
            return self._not_served(name, address)
        if verb == "version":
            return PlainTextResponse(mlflow_version())
        is_up = any(post.state == "ready" for post, _ in found.posts)
        return Response("\n", 200 if is_up else 503, media_type="application/json")

    async def _invocations(self, request: Request, name: str, address: str) -> Response:
        if self.company.find(name, address) is None:
            return self._not_served(name, address)
        try:
            async with asyncio.timeout(self.company.limits.answer):
                body = await _body(request, self.company.limits.body)
        except _TooBig:
            most = f"a payload has at most {self.company.limits.body:,} bytes"
            return _refused(413, "REQUEST_LIMIT_EXCEEDED", most, close=True)
        except TimeoutError:
            late = f"the payload did not come within {self.company.limits.answer:g} seconds"
            return _refused(408, "DEADLINE_EXCEEDED", late, close=True)
        except ClientDisconnect:
            return Response(status_code=400)
        # the route is looked up when all is here, and nothing comes between that and asking: who drains has no new call
        found = self.company.find(name, address)
        if found is None:
            return self._not_served(name, address)
        try:
            post = found.choose()
        except Busy as error:
            return _busy(str(error))
        return await self._asked(post, body, request.headers.get("content-type", ""))

    async def _asked(self, post: Post, body: bytes, content_type: str) -> Response:
        began = time.monotonic()
        try:
            response = _passed_on(await post.ask(body, content_type))
        except Busy as error:
            response = _busy(str(error))
        except TooSlow as error:
            response = _refused(504, "DEADLINE_EXCEEDED", str(error))
        self.company.meters.answered(post.loadable, response.status_code, time.monotonic() - began)
        response.headers[VERSION_HEADER] = str(post.loadable.version)
        return response

    def _not_served(self, name: str, address: str) -> Response:
        if reason := self.company.pending(name, address):
            return _busy(reason)
        where = f"{name}{address}" if address.startswith("@") else f"{name}/{address}"
        return _refused(404, "RESOURCE_DOES_NOT_EXIST", self._what_is_served(where, name))

    def _what_is_served(self, asked: str, name: str = "") -> str:
        paths = [live.route.path for live in self.company.live.values()]
        near = [live.route.path for live in self.company.live.values() if live.route.model == name] or paths
        shown = ", ".join(near[:_SHOWN]) + (f" and {len(near) - _SHOWN} more" if len(near) > _SHOWN else "")
        return f"{asked[:200]} is not served; served are: {shown or 'none'}"


def taken_apart(where: str) -> tuple[str, str, str]:
    """Model, address and verb of a path below `/model/`; a model's name has no slash, an alias no `@`."""
    parts = where.split("/")
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    name, at, alias = parts[0].rpartition("@")
    if len(parts) == 2 and at:
        return name, f"@{alias}", parts[1]
    return where, "", ""


async def _body(request: Request, most: int) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise _TooBig
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _TooBig
        parts.append(part)
    return b"".join(parts)


def _passed_on(reply: Reply) -> Response:
    return Response(reply.body, reply.status, headers={"content-type": reply.media})


def _busy(message: str) -> Response:
    response = _refused(503, "TEMPORARILY_UNAVAILABLE", message)
    response.headers["Retry-After"] = "1"
    return response


def _refused(status: int, code: str, message: str, *, close: bool = False) -> Response:
    response = _json(status, {"error_code": code, "message": message})
    if close:
        response.headers["Connection"] = "close"
    return response


def _json(status: int, what: dict[str, Any]) -> Response:
    return Response(json.dumps(what, ensure_ascii=False) + "\n", status, media_type="application/json")


def mlflow_version() -> str:
    """The version of MLflow that is installed, without importing it."""
    for name in ("mlflow", "mlflow-skinny"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"
