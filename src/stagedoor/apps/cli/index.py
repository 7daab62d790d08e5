"""The command about the read index."""

from __future__ import annotations

import click

from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, json_option
from stagedoor.core.views.plain import counted


@click.command()
@click.option("--rebuild", is_flag=True, help="Throw it away and build it from git.")
@json_option
@click.pass_obj
def index(door: Door, rebuild: bool, as_json: bool) -> None:
    """Show the read index, or build it anew.

    Lists and searches are answered from it. It is made from git, brought up to main by whoever asks first, and can be
    deleted at any time.

    \b
    stagedoor index
    stagedoor index --rebuild
    """
    from stagedoor.workflows.indexing import status

    found = status(door.world, rebuild=rebuild)
    if as_json:
        echo_json(found)
        return
    models, versions = counted(found.models, "model"), counted(found.versions, "version")
    click.echo(f"{models} and {versions} at {found.commit[:10]}.")
    if found.unreadable:
        click.secho(f"Left out, for they do not read: {counted(found.unreadable, 'file')}.", fg="yellow")
    click.echo(f"{found.bytes / 1e6:,.1f} MB in {found.file}")
