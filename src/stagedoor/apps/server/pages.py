"""The pages put beside the calls: they share the desks, the tokens and the doorkeeper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request

from stagedoor.apps.api.callers import Doorkeeper
from stagedoor.apps.api.house import House, Settings
from stagedoor.apps.api.porter import to_stderr
from stagedoor.apps.ui.door import Host
from stagedoor.apps.ui.routes import make_router
from stagedoor.workflows.sessions import sessions_of


def pages(house: House, settings: Settings) -> Sequence[APIRouter]:
    """The router of the pages. Who may do without a sign-in is settled here: git's user, on this machine alone."""
    with house.desks.desk(None) as world:
        sessions = sessions_of(world.repository, house.keeper.tokens)
        identity = world.repository.identity()
    lets_in = settings.local_user and settings.is_local and not settings.trust_header
    host = Host(
        worlds=partial(house.desks.desk, None),
        named=partial(_named, house.keeper),
        sessions=sessions,
        places=house.places,
        local=identity[1] if identity and lets_in else "",
    )
    return (make_router(host, _fault),)


def _named(keeper: Doorkeeper, request: Request) -> str | None:
    """Whom a proxy or a token names; None where neither says anything."""
    says = bool(keeper.header) and keeper.header in request.headers
    if not says and "authorization" not in request.headers:
        return None
    peer = request.client.host if request.client else ""
    if says and "authorization" not in request.headers and not keeper.believes(peer):
        return None
    return keeper.email(request.headers, peer, only_reads=True)


def _fault(text: str) -> None:
    to_stderr(json.dumps({"fault": text}))
