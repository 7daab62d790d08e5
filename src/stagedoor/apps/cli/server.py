"""Commands of the service: server, token."""

from __future__ import annotations

import os
import sys
from datetime import datetime

import click

from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, json_option, table
from stagedoor.core.spec import format_time
from stagedoor.errors import BadInput
from stagedoor.workflows.tokens import Token, lasts, tokens_of


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5151, show_default=True, help="0 takes a free port.")
@click.option(
    "--trust-header", default="", metavar="NAME", help="Whom an authenticating proxy names, such as X-Forwarded-Email."
)
@click.option("--trusted-proxy", "proxies", multiple=True, metavar="CIDR", help="Where that proxy is.")
@click.option(
    "--local-user/--no-local-user",
    default=True,
    help="Let git's user on this machine see the pages without a sign-in (default: yes, on 127.0.0.1 only).",
)
@click.option(
    "--allow-private-webhooks", "private", is_flag=True, help="Let webhooks call receivers in the own network."
)
@click.option(
    "--reconcile/--no-reconcile", "reconciles", default=True, show_default=True, help="Tell whoever wants to know."
)
@click.option("--remote", default="", metavar="NAME", help="Follow main and the requests of a git remote, and push.")
@click.option(
    "--interval",
    type=click.FloatRange(0.05, 3600),
    default=5.0,
    show_default=True,
    help="How many seconds lie between two looks at what is new.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes serve.")
@click.pass_obj
def server(
    door: Door,
    host: str,
    port: int,
    trust_header: str,
    proxies: tuple[str, ...],
    local_user: bool,
    private: bool,
    reconciles: bool,
    remote: str,
    interval: float,
    workers: int,
) -> None:
    """Serve pages for people, and calls for MLflow and Databricks clients.

    What is written here is a commit or a request like any other, by whom the token names. It stops on SIGTERM and
    SIGINT, and finishes what has begun. What was written is told as `stagedoor reconcile` tells it, every few seconds.

    \b
    stagedoor token create ann@example.com
    stagedoor server --port 5151
    """
    require_extra("fastapi", "uvicorn", "markdown_it", "nh3", "prometheus_client")
    said = {"--directory": str(door.directory), "--registry": door.registry, "--branch": door.branch}
    said |= {"--remote": remote, "--host": host, "--port": str(port), "--trust-header": trust_header}
    given = [f"{option}={value}" for option, value in said.items() if value]
    given += [f"--trusted-proxy={proxy}" for proxy in proxies]
    given += [] if local_user else ["--no-local-user"]
    given += [f"--interval={interval}", f"--workers={workers}"]
    given += ["--allow-private-webhooks"] if private else []
    given += [] if reconciles else ["--no-reconcile"]
    # a process of its own: the doors do not know each other, and signals go straight to it
    os.execv(sys.executable, [sys.executable, "-P", "-m", "stagedoor.apps.server", *given])  # noqa: S606


def require_extra(*names: str) -> None:
    """`BadInput` where a library of the server's extra is missing."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in names):
        raise BadInput("the server's libraries are not installed", fix="pip install 'stagedoor[server]'")


@click.group()
def token() -> None:
    """Make, list and revoke the tokens that callers of the server show."""


@token.command()
@click.argument("email")
@click.option("--expires", metavar="TIME", help="How long it counts, such as 12h, 30d or 8w (default: for ever).")
@json_option
@click.pass_obj
def create(door: Door, email: str, expires: str | None, as_json: bool) -> None:
    """Make a token for somebody, and show it this once."""
    world = door.world
    world.main()
    made = tokens_of(world.repository).create(email, lasts(expires) if expires else None)
    if as_json:
        echo_json({**_plain(made.token), "token": made.secret})
        return
    click.echo(made.secret)
    over = f", until {format_time(made.token.expires_at)}" if made.token.expires_at else ""
    click.echo(f"Token {made.token.id} is {email}'s{over}. It is not shown again.", err=True)


@token.command("list")
@json_option
@click.pass_obj
def list_(door: Door, as_json: bool) -> None:
    """List the tokens, without their secrets."""
    found = tokens_of(door.world.repository).list()
    if as_json:
        echo_json([_plain(one) for one in found])
    elif found:
        rows = [[value or "" for value in _plain(one).values()] for one in found]
        table(("ID", "EMAIL", "CREATED", "EXPIRES", "LAST USED"), rows)
    else:
        click.echo("There is no token. stagedoor token create EMAIL makes one.")


@token.command()
@click.argument("id")
@click.pass_obj
def revoke(door: Door, id: str) -> None:
    """Take a token away."""
    gone = tokens_of(door.world.repository).revoke(id)
    click.echo(f"Token {gone.id} of {gone.email} counts no more.")


def _plain(one: Token) -> dict[str, str | None]:
    def shown(at: datetime | None) -> str | None:
        return format_time(at) if at else None

    return {
        "id": one.id,
        "email": one.email,
        "created_at": shown(one.created_at),
        "expires_at": shown(one.expires_at),
        "used_at": shown(one.used_at),
    }
