"""The routes of the pages: who looks, what is shown, how long it may be kept, and what a refusal looks like."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import anyio
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from stagedoor.apps.ui import models, requests, stories, versions
from stagedoor.apps.ui.actions import ACTS, NOTICES
from stagedoor.apps.ui.door import (
    FORM,
    SESSION,
    SESSION_SECONDS,
    Guest,
    Host,
    cookie,
    guest_of,
    read_form,
    require_own_form,
    require_somebody,
)
from stagedoor.apps.ui.links import ServerLinks
from stagedoor.apps.ui.looks import Look
from stagedoor.apps.ui.rendering import ASSETS, asset, assets, look_and_feel, render
from stagedoor.errors import NotFound, RegistryError, Unauthenticated
from stagedoor.forges.base import Actor
from stagedoor.gitstore import Oid
from stagedoor.workflows.moments import state_of_main
from stagedoor.workflows.world import World

# https://www.w3.org/TR/CSP3/: nothing from elsewhere, and no script or style that stands in a page
POLICY: Final = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
        "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    )
)  # fmt: skip
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_STATUS: Final = {
    "INVALID_PARAMETER_VALUE": 400, "RESOURCE_ALREADY_EXISTS": 409, "RESOURCE_DOES_NOT_EXIST": 404,
    "PERMISSION_DENIED": 403, "UNAUTHENTICATED": 401, "INVALID_STATE": 409, "RESOURCE_CONFLICT": 409,
    "TEMPORARILY_UNAVAILABLE": 503, "INTERNAL_ERROR": 500,
}  # fmt: skip
_KINDS: Final = {"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}

Said = Mapping[str, str]
View = Callable[[Look, Said, Mapping[str, Any], Request], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page: where it is, what it shows, by which template. `ticks` says that it depends on the time of day."""

    path: str
    template: str
    view: View
    ticks: bool = False
    kind: str = "text/html; charset=utf-8"


def _number(found: Mapping[str, Any], name: str = "number") -> int:
    text = str(found[name])
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(f"there is no {name} {text[:40]}", fix="choose one that is on a page")
    return int(text)


def _part(said: Said) -> int:
    text = said.get("part", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 5 else 1


def _form(look: Look, said: Said, found: Mapping[str, Any], request: Request) -> Mapping[str, Any]:
    return {}


PAGES: Final = (
    Page("/", "models.html", lambda look, said, found, request: models.home(look, said)),
    Page("/new", "new.html", _form),
    Page("/models/{name}", "model.html", lambda look, said, found, request: models.model(look, found["name"], said),
         ticks=True),
    Page("/models/{name}/compare", "compare.html",
         lambda look, said, found, request: models.compare(look, found["name"], request.query_params.getlist("v"))),
    Page("/models/{name}/versions/{number}", "version.html",
         lambda look, said, found, request: versions.version(look, found["name"], _number(found), said), ticks=True),
    Page("/requests", "requests.html", lambda look, said, found, request: requests.inbox(look, said), ticks=True),
    Page("/requests/{number}", "request.html",
         lambda look, said, found, request: requests.request(look, _number(found), _part(said)), ticks=True),
    Page("/activity", "activity.html", lambda look, said, found, request: stories.activity(look, said)),
    Page("/activity.atom", "activity.atom",
         lambda look, said, found, request: stories.feed(look, said, str(request.base_url)),
         kind="application/atom+xml; charset=utf-8"),
    Page("/deliveries", "deliveries.html", lambda look, said, found, request: stories.deliveries(look)),
    Page("/policy", "policy.html", lambda look, said, found, request: stories.policy(look)),
)  # fmt: skip


def make_router(host: Host, to_log: Callable[[str], None]) -> APIRouter:
    """All pages of a registry, at the root of a server."""
    router = APIRouter(include_in_schema=False)
    for page in PAGES:
        router.add_api_route(page.path, _endpoint(host, page, to_log), methods=["GET", "HEAD"])
    for name, act in ACTS.items():
        router.add_api_route(f"/do/{name}", _doing(host, act, to_log), methods=["POST"])
    router.add_api_route("/sign-in", _signing_in_page(host, to_log), methods=["GET"])
    router.add_api_route("/sign-in", _signing_in(host, to_log), methods=["POST"])
    router.add_api_route("/sign-out", _signing_out(host, to_log), methods=["POST"])
    router.add_api_route("/static/{name}", _static, methods=["GET", "HEAD"])
    for path in ("/models/{rest:path}", "/requests/{rest:path}"):
        router.add_api_route(path, _endpoint(host, Page(path, "", _nothing), to_log), methods=["GET"])
    return router


def _nothing(look: Look, said: Said, found: Mapping[str, Any], request: Request) -> Mapping[str, Any]:
    raise NotFound(f"there is no page {request.url.path[:200]}", fix="begin with the list of models")


# --- looking --------------------------------------------------------------------------------------------------------


def _endpoint(host: Host, page: Page, to_log: Callable[[str], None]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return await anyio.to_thread.run_sync(
            partial(_safely, host, request, to_log, partial(_show, host, page, request)), limiter=host.places
        )

    return endpoint


def _show(host: Host, page: Page, request: Request) -> Response:
    guest = guest_of(host, request)
    _remember(request, guest)
    if not guest.email:
        return _at_the_door(request, guest)
    said = {key: value[:10_000] for key, value in request.query_params.items()}
    with host.worlds() as world:
        refs = world.repository.refs("refs/")
        stamp = _stamp(world, refs, guest, page, request)
        if request.headers.get("if-none-match") == stamp:
            return _made(b"", request, guest, status=304, stamp=stamp)
        look = _look(host, world, guest, said, refs)
        shown = page.view(look, said, request.path_params, request)
        body = render(page.template, {**_common(look, request), **shown})
    return _made(body, request, guest, stamp=stamp, kind=page.kind)


def _remember(request: Request, guest: Guest) -> None:
    request.scope.setdefault("state", {})["who"] = guest.email or None


def _look(host: Host, world: World, guest: Guest, said: Said, refs: Mapping[str, Oid] | None = None) -> Look:
    world.actor_override = Actor(guest.email, _name(world, guest.email), "token")
    at = said.get("at", "").strip()
    return Look(
        world, ServerLinks(assets()), host.memory, guest.email, at, state_of_main(world, at) if at else None,
        form_key=guest.form_key, can_sign_out=guest.has_session, notice=NOTICES.get(said.get("done", ""), ""),
        refs=refs,
    )  # fmt: skip


def _name(world: World, email: str) -> str:
    person = world.snapshot().people.person(email)
    return (person.name if person else "") or email.partition("@")[0]


def _common(look: Look, request: Request) -> dict[str, Any]:
    """What every page shows."""
    return {
        "look": look,
        "links": look.links,
        "registry": look.main.spec.name,
        "here": request.url.path,
        "notice": look.notice,
        "fault": None,
    }


def _stamp(world: World, refs: Mapping[str, Oid], guest: Guest, page: Page, request: Request) -> str:
    """The ETag: every ref, who looks, at which page; to the minute where the time of day matters."""
    minute = f"{world.now():%Y-%m-%dT%H:%M}" if page.ticks else ""
    parts = (
        look_and_feel(),
        world.main(),
        repr(sorted(refs.items())),
        guest.email,
        guest.form_key,
        str(request.url),
        minute,
    )
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def _made(
    body: bytes, request: Request, guest: Guest, *, status: int = 200, stamp: str = "",
    kind: str = "text/html; charset=utf-8",
) -> Response:  # fmt: skip
    answer = Response(body, status, {**_HEADERS, "Cache-Control": "private, no-cache"}, media_type=kind)
    if stamp:
        answer.headers["ETag"] = stamp
    if guest.is_new:
        answer.headers.append("Set-Cookie", cookie(FORM, guest.form_secret, request))
    return answer


def _at_the_door(request: Request, guest: Guest) -> Response:
    """The page that asks for a token. A browser that comes from a link elsewhere keeps its cookies to itself at first.

    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#samesitesamesite-value
    """
    if request.headers.get("sec-fetch-site") == "cross-site" and request.method == "GET":
        again = render("again.html", {"links": ServerLinks(assets()), "url": _own_url(request)})
        return Response(again, 200, {**_HEADERS, "Cache-Control": "no-store"}, media_type="text/html; charset=utf-8")
    body = render("sign_in.html", _anonymous(guest, _own_url(request)))
    return _made(body, request, guest, status=401)


def _own_url(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{quote(request.scope['path'])}{query}"


def _anonymous(guest: Guest, onward: str, fault: RegistryError | None = None) -> dict[str, Any]:
    return {
        "links": ServerLinks(assets()), "look": None, "form_key": guest.form_key, "onward": onward, "fault": fault,
        "registry": "", "here": "/sign-in", "notice": "",
    }  # fmt: skip


# --- doing ----------------------------------------------------------------------------------------------------------


def _doing(host: Host, act: Callable[..., str], to_log: Callable[[str], None]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        guest = await anyio.to_thread.run_sync(
            partial(_safely, host, request, to_log, partial(guest_of, host, request))
        )
        if isinstance(guest, Response):
            return guest
        try:
            # who is there comes first: nobody fills our memory from outside
            require_somebody(guest)
            form = await read_form(request)
        except RegistryError as error:
            return _refused(request, guest, error)
        # whoever closes the window does not stop what has begun: it lands, or it does not
        work = partial(_safely, host, request, to_log, partial(_act, host, act, request, guest, form), form)
        return await anyio.to_thread.run_sync(work, limiter=host.places)

    return endpoint


def _act(host: Host, act: Callable[..., str], request: Request, guest: Guest, form: dict[str, str]) -> Response:
    _remember(request, guest)
    require_own_form(request, guest, form)
    with host.worlds() as world:
        look = _look(host, world, guest, {})
        said = {name: value for name, value in form.items() if name != "form"}
        url = act(look, said)
    return _to(url)


def _to(url: str) -> Response:
    return Response(b"", 303, {**_HEADERS, "Location": url, "Cache-Control": "no-store"})


def _signing_in_page(host: Host, to_log: Callable[[str], None]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return await anyio.to_thread.run_sync(partial(_safely, host, request, to_log, partial(_ask, host, request)))

    return endpoint


def _ask(host: Host, request: Request) -> Response:
    guest = guest_of(host, request)
    return _made(render("sign_in.html", _anonymous(guest, "/")), request, guest)


def _signing_in(host: Host, to_log: Callable[[str], None]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            form = await read_form(request)
        except RegistryError as error:
            return _refused(request, Guest("", ""), error)
        work = partial(_safely, host, request, to_log, partial(_sign_in, host, request, form))
        return await anyio.to_thread.run_sync(work, limiter=host.places)

    return endpoint


def _sign_in(host: Host, request: Request, form: dict[str, str]) -> Response:
    guest = guest_of(host, request)
    require_own_form(request, guest, form)
    onward = form.get("onward", "/")
    try:
        secret, email = host.sessions.begin(form.get("token", "").strip())
    except Unauthenticated as error:
        return _made(render("sign_in.html", _anonymous(guest, onward, error)), request, guest, status=401)
    request.scope.setdefault("state", {})["who"] = email
    # one slash and no other: an address of this server
    is_own = (
        onward.startswith("/") and not onward.startswith(("//", "/\\")) and onward.isascii() and onward.isprintable()
    )
    answer = _to(onward if is_own else "/")
    answer.headers.append("Set-Cookie", cookie(SESSION, secret, request, SESSION_SECONDS))
    return answer


def _is_own(url: str) -> bool:
    """Whether it is an address of this server: one slash, and no other."""
    return url.startswith("/") and not url.startswith(("//", "/\\")) and url.isascii() and url.isprintable()


def _signing_out(host: Host, to_log: Callable[[str], None]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            form = await read_form(request)
        except RegistryError as error:
            return _refused(request, Guest("", ""), error)
        work = partial(_safely, host, request, to_log, partial(_sign_out, host, request, form))
        return await anyio.to_thread.run_sync(work, limiter=host.places)

    return endpoint


def _sign_out(host: Host, request: Request, form: dict[str, str]) -> Response:
    guest = guest_of(host, request)
    require_own_form(request, guest, form)
    host.sessions.end(request.cookies.get(SESSION, ""))
    answer = _to("/sign-in")
    answer.headers.append("Set-Cookie", cookie(SESSION, "", request, 0))
    return answer


# --- refusals -------------------------------------------------------------------------------------------------------


def _safely(
    host: Host, request: Request, to_log: Callable[[str], None], act: Callable[[], Any],
    form: Mapping[str, str] | None = None,
) -> Any:  # fmt: skip
    """The only place where a refusal becomes a page, and a fault of ours one that tells nothing of the inside."""
    try:
        return act()
    except RegistryError as error:
        return _refused(request, _guest_or_nobody(host, request), error, form)
    except Exception:
        to_log(traceback.format_exc())
        id_ = request.scope.get("state", {}).get("id", "")
        fault = RegistryError("this is a fault of the server", fix=f"its log says more under {id_}")
        return _refused(request, Guest("", ""), fault, form)


def _guest_or_nobody(host: Host, request: Request) -> Guest:
    try:
        return guest_of(host, request)
    except RegistryError:
        return Guest("", "")


def _refused(request: Request, guest: Guest, error: RegistryError, form: Mapping[str, str] | None = None) -> Response:
    """What is wrong, where, and how to mend it; with what was typed, so that nothing is lost."""
    kept = [(name, value) for name, value in (form or {}).items() if name != "form"]
    said = {**_anonymous(guest, "/", error), "kept": kept, "action": request.url.path, "viewer": guest.email}
    return _made(render("refusal.html", said), request, guest, status=_STATUS.get(error.code, 400))


# --- files ----------------------------------------------------------------------------------------------------------


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        return Response(b"not found", 404, _HEADERS, media_type="text/plain")
    stamp = f'"{assets()[name]}"'
    is_named = request.query_params.get("v") == assets()[name]
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if is_named else "no-cache",
        "ETag": stamp,
        "X-Content-Type-Options": "nosniff",
        # an icon that is opened by itself is a page
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    if request.headers.get("if-none-match") == stamp:
        return Response(b"", 304, headers)
    return Response(asset(name), 200, headers, media_type=_KINDS[name])
