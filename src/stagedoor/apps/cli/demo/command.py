"""The command `stagedoor demo`."""

from __future__ import annotations

from pathlib import Path

import click

from stagedoor.apps.cli.main import Door
from stagedoor.errors import Unavailable


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path("stagedoor-demo"), metavar="[DIR]")
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="CSV", help="Train on this file instead of generated weather."
)
@click.pass_obj
def demo(door: Door, directory: Path, data: Path | None) -> None:
    """Play the whole story on a new registry, with real models and real mail.

    Two models of a wind farm are trained and registered. One is requested for Production, refused for a reason,
    mended, approved by the code owner and merged; the reconciler sends mail to a mail server of the demo's own, and
    git log tells the story. Every command is printed as you can type it. Nothing leaves this machine.

    DIR (default: stagedoor-demo) has to be new or empty. It holds the registry afterwards, with the models and the
    mail, to look around in.

    \b
    stagedoor demo
    stagedoor demo /tmp/tour --data windfarm_data.csv
    """
    try:
        from stagedoor.apps.cli.demo.story import play
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"numpy", "aiosmtpd"}:
            raise
        raise Unavailable(f"the demo needs {error.name}", fix="pip install numpy aiosmtpd") from error
    play(door.directory / directory, data)
