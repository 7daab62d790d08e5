"""`python -m stagedoor.apps.api`: serve one registry until told to stop."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from fastapi import APIRouter

from stagedoor.apps.api.crew import Crew
from stagedoor.apps.api.house import House, Settings, build
from stagedoor.apps.api.metrics import FOLDER
from stagedoor.apps.api.porter import Porter, to_stderr
from stagedoor.errors import BadInput, RegistryError

More = Callable[[House, Settings], Sequence[APIRouter]]
"""What else is served at the same address."""


@click.command()
@click.option("--directory", "directory", type=click.Path(path_type=Path), default=Path())
@click.option("--registry")
@click.option("--branch")
@click.option("--host", default="127.0.0.1")
@click.option("--port", type=int, default=5151)
@click.option("--trust-header", default="")
@click.option("--trusted-proxy", "trusted_proxies", multiple=True)
@click.option("--local-user/--no-local-user", "local_user", default=True)
@click.option("--allow-private-webhooks", is_flag=True, envvar="STAGEDOOR_ALLOW_PRIVATE_WEBHOOKS")
@click.option("--reconcile/--no-reconcile", "reconciles", default=True)
@click.option("--remote", default="")
@click.option("--interval", type=click.FloatRange(0.05, 3600), default=5.0)
@click.option("--workers", type=click.IntRange(1, 64), default=1)
@click.pass_obj
def main(more: More | None, /, trusted_proxies: tuple[str, ...], **said: Any) -> None:
    """Serve the registry; the first line on stdout says where. The object of the context is what else is served."""
    try:
        serve(Settings(trusted_proxies=tuple(trusted_proxies), **said), more or _nothing_more)
    except RegistryError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


def _nothing_more(house: House, settings: Settings) -> Sequence[APIRouter]:
    return ()


def serve(settings: Settings, more: More = _nothing_more) -> None:
    """Serve until SIGTERM or SIGINT; what has begun by then is finished."""
    with ExitStack() as shared:
        if settings.workers > 1:
            # before prometheus_client is imported, which looks for it then
            folder = shared.enter_context(tempfile.TemporaryDirectory(prefix="stagedoor-metrics-"))
            os.environ[FOLDER] = folder
        _serve(settings, more)


def _serve(settings: Settings, more: More) -> None:
    # a refusal comes before the first call, and not from the workers
    build(settings, place=1).desks.close()
    listening = _listen(settings)
    port = listening.getsockname()[1]
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    click.echo(f"Stagedoor serves {settings.directory.resolve()} on http://{shown}:{port}")
    if not settings.is_local:
        click.echo("warning: tokens travel as they are; put a proxy with TLS in front", err=True)
    sys.stdout.flush()
    if settings.workers == 1:
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn takes these while it runs, finishes what has begun, and raises them again
            signal.signal(number, _leave)
        _work(settings, listening, 0, more)
        return
    Crew(settings.workers, lambda place: _work(settings, listening, place, more), to_stderr).run()


def _work(settings: Settings, listening: socket.socket, place: int, more: More) -> None:
    """One worker's calls, until it is told to stop."""
    import uvicorn

    from stagedoor.apps.api.app import make_app

    house = build(settings, place)
    config = uvicorn.Config(
        Porter(make_app(house, routers=more(house, settings)), house.meter.call),
        log_config=None,
        access_log=False,
        # else whoever sends X-Forwarded-For chooses the peer that a trusted header is believed from
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=30,
        limit_concurrency=500,
    )
    house.rounds.start()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        house.rounds.stop()
        house.desks.close()


def _leave(number: int, frame: object) -> None:
    raise SystemExit(0)


def _listen(settings: Settings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        # with the protocol named, asyncio sends each answer at once; else every call waits 40 ms for the kernel
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(512)
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"cannot listen on {settings.host}:{settings.port}: {error}", where="--port", fix="choose another port"
        ) from None
    return listening


if __name__ == "__main__":
    main()
