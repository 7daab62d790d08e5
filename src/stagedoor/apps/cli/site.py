"""Commands of the static site: site."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import json_option


@click.group()
def site() -> None:
    """Make the pages as a static site."""


@site.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--all", "everything", is_flag=True, help="Show models that are not open to everybody too.")
@json_option
@click.pass_obj
def build(door: Door, directory: Path, everything: bool, as_json: bool) -> None:
    """Make the pages in DIR, or bring them up to date.

    Plain files without the actions: for any web server, a folder of one, or a browser that opens index.html. Only the
    pages of what has changed since are made again.

    \b
    stagedoor site build public
    """
    from stagedoor.apps.cli.server import require_extra

    require_extra("markdown_it", "nh3")
    said = {"--directory": str(door.directory), "--registry": door.registry, "--branch": door.branch}
    given = [f"{option}={value}" for option, value in said.items() if value]
    given += [flag for flag, holds in (("--all", everything), ("--json", as_json)) if holds]
    # a process of its own: the doors do not know each other
    command = [sys.executable, "-P", "-m", "stagedoor.apps.ui", *given, "--", str(directory)]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606
