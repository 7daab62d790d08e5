"""Commands of serving: serve, manifests."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from stagedoor.apps.cli.complete import complete_ref
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, json_option
from stagedoor.core.spec import format_time
from stagedoor.core.views.plain import visible
from stagedoor.errors import BadInput
from stagedoor.workflows.world import world_at

if TYPE_CHECKING:
    from stagedoor.workflows.manifests import Written

_NEEDED: Final = ("mlflow", "pandas", "prometheus_client", "starlette", "uvicorn")
_SECONDS = click.FloatRange(min=0.05)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_ref)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5001, show_default=True, help="0 takes a free port.")
@click.option("--interval", type=_SECONDS, default=1.0, show_default=True, help="Look at main this often, in seconds.")
@click.option("--timeout", type=_SECONDS, default=60.0, show_default=True, help="Seconds that an answer may take.")
@click.option("--load-timeout", type=_SECONDS, default=300.0, show_default=True, help="Seconds that loading may take.")
@click.option("--drain", type=_SECONDS, default=60.0, show_default=True, help="Seconds to wait for begun calls.")
@click.option(
    "--threads", type=click.IntRange(1, 64), default=4, show_default=True, help="Calls that one version takes at once."
)
@click.option(
    "--max-body", type=click.IntRange(min=1), default=16_777_216, show_default=True, help="Bytes a payload may have."
)
@click.option("--env", "variables", multiple=True, metavar="NAME", help="Let the models see this variable.")
@click.option("--require-token", is_flag=True, help="Answer only callers that show one of `stagedoor token`.")
@click.option("--scratch", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Where copies are kept.")
@click.pass_obj
def serve(
    door: Door, names: tuple[str, ...], host: str, port: int, interval: float, timeout: float, load_timeout: float,
    drain: float, threads: int, max_body: int, variables: tuple[str, ...], require_token: bool, scratch: Path | None,
) -> None:  # fmt: skip
    """Serve the models that are in Staging and Production.

    Each version runs in a process of its own and speaks MLflow's scoring protocol. What main says is followed: when
    Production moves, the new version is loaded first, then takes over, and no call is lost. It stops on SIGTERM and
    SIGINT, looks at main at once on SIGHUP, and logs in lines of JSON on stderr.

    \b
    stagedoor serve fraud --port 5001
    curl -H 'Content-Type: application/json' -d '{"dataframe_records": [{"amount": 12.5}]}' \\
      http://127.0.0.1:5001/model/fraud/Production/invocations
    """
    if any(find_spec(name) is None for name in _NEEDED):
        raise BadInput("the libraries that serve models are not installed", fix="pip install 'stagedoor[serve]'")
    from stagedoor.effects.serving.workers import Limits
    from stagedoor.workflows import serving

    limits = Limits(load=load_timeout, answer=timeout, drain=drain, threads=threads, body=max_body)
    options = serving.Options(names, host, port, interval, limits, variables, require_token, scratch)
    opened = partial(world_at, door.directory, registry=door.registry, branch=door.branch, email=door.email)
    serving.serve(opened, options, _say(door.directory, is_open=not require_token and host not in _LOCAL))


_LOCAL: Final = ("127.0.0.1", "::1", "localhost")


class _say:
    """Lines of JSON on stderr; where it serves is the one line on stdout."""

    def __init__(self, directory: Path, *, is_open: bool) -> None:
        self.directory = directory
        self.is_open = is_open

    def __call__(self, what: str, **facts: object) -> None:
        if what == "serving":
            click.echo(f"Stagedoor serves the models of {self.directory.resolve()} on {facts['address']}")
            sys.stdout.flush()
            if self.is_open:
                click.echo("warning: whoever reaches this address may ask: --require-token asks them back", err=True)
        line = {"at": format_time(datetime.now(UTC)), "what": what, **facts}
        click.echo(json.dumps(line, ensure_ascii=False), err=True)


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("--target", type=click.Choice(["kserve"]), default="kserve", show_default=True, help="For which cluster.")
@click.option("--namespace", default="", metavar="NAME", help="The namespace they name (default: none).")
@click.option("--check", is_flag=True, help="Write nothing; exit with 8 when something would be written.")
@click.option("--commit", "branch", metavar="BRANCH", help="Write to DIR of this branch, in a commit.")
@json_option
@click.pass_obj
def manifests(
    door: Door, folder: str, target: str, namespace: str, check: bool, branch: str | None, as_json: bool
) -> None:
    """Write the manifests of what is served, for a cluster.

    One KServe InferenceService for each served stage of each model, rendered from main. Only files that differ are
    written, and those of models that are no longer served are removed, where this command wrote them.

    \b
    stagedoor manifests deploy/serving --check
    stagedoor manifests serving --commit deploy
    """
    from stagedoor.workflows.manifests import to_branch, to_folder

    if re.fullmatch(r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?", namespace) is None:
        raise BadInput(f"{namespace[:80]!r} is no namespace", where="--namespace", fix="write one such as models")
    world = door.world
    if branch is None:
        done = to_folder(world, door.directory / folder, namespace=namespace, check=check)
    else:
        done = to_branch(world, branch, folder, namespace=namespace, check=check)
    echo_json(done) if as_json else _echo_written(done, check)
    for one in done.unrendered:
        click.echo(f"no manifest for {visible(one.ref)}: {visible(one.reason)}", err=True)
    if done.unrendered or (check and done.changes):
        sys.exit(8)


def _echo_written(done: Written, check: bool) -> None:
    for path in done.written:
        click.echo(f"{'would write' if check else 'wrote'} {path}")
    for path in done.removed:
        click.echo(f"{'would remove' if check else 'removed'} {path}")
    if not done.changes:
        click.echo("Nothing to change: they are so already.")
    elif done.commit:
        click.echo(f"Committed as {done.commit[:10]}.")
