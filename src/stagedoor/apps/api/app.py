"""The application: every call under each prefix, refusals in one form, and a page of OpenAPI."""

from __future__ import annotations

import json
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import anyio
from fastapi import APIRouter, FastAPI, Request
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from stagedoor import __version__
from stagedoor.apps.api import comments, hooks, models, people, permissions, stages, versions
from stagedoor.apps.api.calls import Call, Calls, read
from stagedoor.apps.api.house import MAX_BODY, House
from stagedoor.apps.api.porter import to_stderr
from stagedoor.apps.api.reference import page
from stagedoor.apps.api.refusals import Refusal, answer, refused
from stagedoor.errors import RegistryError
from stagedoor.workflows import indexing

T = TypeVar("T")

# the first is in the documentation; databricks-registry-webhooks and old clients use the second, MLflow's UI the third
PREFIXES: Final = ("/api/2.0", "/api/2.0/preview", "/ajax-api/2.0")
CALLS: Final[tuple[Calls, ...]] = tuple(
    part.calls for part in (models, versions, stages, comments, hooks, permissions, people)
)


def make_app(house: House, calls: Sequence[Calls] = CALLS, routers: Sequence[APIRouter] = ()) -> FastAPI:
    """The application. `routers` are what else is served at the same address."""
    app = FastAPI(title="Stagedoor", version=__version__, docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    for prefix in PREFIXES:
        for part in calls:
            for call in part.all:
                _mount(app, house, prefix, call, part.title)
    app.include_router(_plain(house))
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(HTTPException, _no_such_route)
    app.openapi = partial(_openapi, app, calls)  # type: ignore[method-assign]
    app.add_api_route("/docs", lambda: HTMLResponse(page(app.openapi())), include_in_schema=False)
    return app


def _mount(app: FastAPI, house: House, prefix: str, call: Call, title: str) -> None:
    name = f"{call.act.__name__}_{call.verb.lower()}_{call.path}"
    app.add_api_route(
        f"{prefix}/{call.path}",
        _endpoint(house, call),
        methods=[call.verb],
        response_model=call.answer,
        summary=(call.act.__doc__ or "").strip().rstrip("."),
        operation_id=name.replace("/", "_").replace("{", "").replace("}", "").replace("-", "_"),
        tags=[title],
        include_in_schema=prefix == PREFIXES[0],
        responses={400: {"model": Refusal}, 401: {"model": Refusal}, 403: {"model": Refusal}, 404: {"model": Refusal}},
        openapi_extra=_said(call),
    )


# --- one call -------------------------------------------------------------------------------------------------------


def _endpoint(house: House, call: Call) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        # who is calling comes first: nobody fills our memory without a token
        email = await anyio.to_thread.run_sync(partial(_safely, request, partial(_let_in, house, request)))
        if isinstance(email, Response):
            return email
        body = await _body(request)
        if body is None:
            return answer("INVALID_PARAMETER_VALUE", f"the body has more than {MAX_BODY:,} bytes", 413)
        work = partial(_safely, request, partial(_act, house, call, request, body, email))
        # a caller who hangs up does not stop what has begun: it lands, or it does not
        return await anyio.to_thread.run_sync(work, limiter=house.places)

    return endpoint


async def _body(request: Request) -> bytes | None:
    """The body, or None when it is larger than any call."""
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said[:18]) > MAX_BODY:
        return None
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_BODY:
            return None
    return bytes(found)


def _let_in(house: House, request: Request) -> str:
    peer = request.client.host if request.client else ""
    email = house.keeper.email(request.headers, peer, only_reads=request.method == "GET")
    request.scope["state"]["who"] = email
    return email


def _act(house: House, call: Call, request: Request, body: bytes, email: str) -> Response:
    """Read what the caller says, act, answer."""
    said = read(call.asked, request.path_params, request.query_params, body)
    with house.visit(email) as visit:
        made = call.act(visit, said)
    return Response(made.model_dump_json(exclude_none=True), media_type="application/json")


def _safely(request: Request, act: Callable[[], T]) -> T | Response:
    """The only place where a refusal becomes an answer, and a fault of ours one that tells nothing of the inside."""
    try:
        return act()
    except RegistryError as error:
        return refused(error)
    except Exception:
        id_ = request.scope["state"]["id"]
        to_stderr(json.dumps({"id": id_, "fault": traceback.format_exc()}))
        return answer("INTERNAL_ERROR", f"this is a fault of the server; its log says more under {id_}")


async def _no_such_route(request: Request, error: Exception) -> Response:
    return answer("ENDPOINT_NOT_FOUND", f"there is no {request.method} {request.url.path[:200]} here")


# --- without a token ------------------------------------------------------------------------------------------------


def _plain(house: House) -> APIRouter:
    router = APIRouter(tags=["service"])

    @router.get("/.well-known/databricks-config", include_in_schema=False)
    async def databricks_config() -> dict[str, str]:
        """databricks-sdk asks for this first; it has nothing to learn here."""
        return {}

    @router.get("/health")
    async def health() -> Response:
        """Say that the process lives."""
        return Response("OK", media_type="text/plain")

    @router.get("/ready")
    async def ready() -> Response:
        """Say whether the registry can be read."""
        return await anyio.to_thread.run_sync(_ready, house, limiter=house.places)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Say in Prometheus' words how many calls there were, and how long they took."""
        page, kind = await anyio.to_thread.run_sync(house.meter.page)
        return Response(page, headers={"Content-Type": kind})

    @router.get("/version")
    async def version() -> Response:
        """Say which release this is."""
        return Response(__version__, media_type="text/plain")

    return router


def _ready(house: House) -> Response:
    try:
        with house.desks.desk(None) as world:
            commit = world.main()
            world.snapshot().registry.names  # noqa: B018 - that they can be read is what is asked
            with indexing.opened(world) as index:
                has_index = index is not None
    except RegistryError as error:
        # where it stands is for the log and for who may see it: this page is open to all
        to_stderr(json.dumps({"fault": str(error)}))
        return answer("TEMPORARILY_UNAVAILABLE", f"the registry cannot be read: {error.what}")
    no_index = {} if has_index else {"index": "it cannot be kept here, and the files answer"}
    problems = {**no_index, **house.rounds.faults}
    return JSONResponse({"ready": True, "commit": commit} | ({"problems": problems} if problems else {}))


# --- OpenAPI --------------------------------------------------------------------------------------------------------


def _said(call: Call) -> dict[str, Any]:
    """What a call takes, for the page: FastAPI cannot see it, as clients may put it in either place."""
    if not call.has_query:
        schema = {"$ref": f"#/components/schemas/{call.asked.__name__}"}
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        return {"requestBody": body, "parameters": list(_in_path(call))}
    return {"parameters": [*_in_path(call), *_in_query(call)]}


def _in_path(call: Call) -> Iterator[dict[str, Any]]:
    for name in call.asked.model_fields:
        if f"{{{name}}}" in call.path:
            yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(call: Call) -> Iterator[dict[str, Any]]:
    schema = call.asked.model_json_schema(mode="validation")
    for name, part in schema.get("properties", {}).items():
        if f"{{{name}}}" not in call.path:
            yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": part}


def _openapi(app: FastAPI, calls: Sequence[Calls]) -> dict[str, Any]:
    if not app.openapi_schema:
        made = FastAPI.openapi(app)
        asked = dict.fromkeys(call.asked for part in calls for call in part.all if not call.has_query)
        _, more = models_json_schema(
            [(kind, "validation") for kind in asked], ref_template="#/components/schemas/{model}"
        )
        parts = made.setdefault("components", {})
        parts.setdefault("schemas", {}).update(more.get("$defs", {}))
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"token": []}]
        app.openapi_schema = made
    return app.openapi_schema or {}
