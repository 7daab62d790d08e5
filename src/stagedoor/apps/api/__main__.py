"""`python -m stagedoor.apps.api`: serve one registry until told to stop."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from fastapi import APIRouter

from stagedoor.apps.api.house import House, Settings, build
from stagedoor.apps.api.porter import Porter
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
@click.option("--allow-private-webhooks", "private_webhooks", is_flag=True, envvar="STAGEDOOR_ALLOW_PRIVATE_WEBHOOKS")
@click.pass_obj
def main(
    more: More | None, directory: Path, registry: str | None, branch: str | None, host: str, port: int,
    trust_header: str, trusted_proxies: tuple[str, ...], local_user: bool, private_webhooks: bool,
) -> None:  # fmt: skip
    """Serve the registry; the first line on stdout says where. The object of the context is what else is served."""
    settings = Settings(
        directory, registry, branch, host, port, trust_header, trusted_proxies, local_user, private_webhooks
    )
    try:
        serve(settings, more or _nothing_more)
    except RegistryError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


def _nothing_more(house: House, settings: Settings) -> Sequence[APIRouter]:
    return ()


def serve(settings: Settings, more: More = _nothing_more) -> None:
    """Serve until SIGTERM or SIGINT; what has begun by then is finished."""
    import uvicorn

    from stagedoor.apps.api.app import make_app

    house = build(settings)
    listening = _listen(settings)
    config = uvicorn.Config(
        Porter(make_app(house, routers=more(house, settings))),
        log_config=None,
        access_log=False,
        # else whoever sends X-Forwarded-For chooses the peer that a trusted header is believed from
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=30,
        limit_concurrency=500,
    )
    port = listening.getsockname()[1]
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    click.echo(f"Stagedoor serves {settings.directory.resolve()} on http://{shown}:{port}")
    if not settings.is_local:
        click.echo("warning: tokens travel as they are; put a proxy with TLS in front", err=True)
    sys.stdout.flush()
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn takes these while it runs, finishes what has begun, and raises them again
        signal.signal(number, _leave)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
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
