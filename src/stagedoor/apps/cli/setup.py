"""Commands that set a registry up: init, demo, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from stagedoor.apps.cli.demo.command import demo  # noqa: F401
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, json_option
from stagedoor.core.views.plain import visible
from stagedoor.errors import ChecksFailed


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@click.option("--owner", metavar="EMAIL", help="Who owns everything at first (default: git's user.email).")
@click.option("--name", default="", metavar="NAME", help="The registry's name (default: the folder's).")
@click.option("--bare", is_flag=True, help="A repository without a checkout, as for a server.")
@click.option(
    "--forge",
    type=click.Choice(["embedded", "github", "gitlab", "gitea"]),
    help="Where requests will be kept; a host's own workflows come along.",
)
@click.option("--object-format", type=click.Choice(["sha1", "sha256"]), default="sha1", show_default=True)
@click.option("--dry-run", is_flag=True, help="Show what it would make and make nothing.")
@json_option
@click.pass_obj
def init(
    door: Door,
    directory: Path | None,
    owner: str | None,
    name: str,
    bare: bool,
    forge: Literal["embedded", "github", "gitlab", "gitea"] | None,
    object_format: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a model registry.

    A new folder becomes a repository of its own. In an existing repository the registry comes beside what is there, and
    in a folder of one it stays in that folder. Nothing that is there is overwritten.

    \b
    stagedoor init models --owner ann@example.com
    stagedoor -C monorepo/team-a init
    """
    from stagedoor.workflows.initialise import initialise

    place = door.directory / directory if directory else door.directory
    made = initialise(
        place, owner=owner or door.email, name=name, bare=bare, object_format=object_format, dry_run=dry_run,
        forge=forge or "",
    )  # fmt: skip
    if as_json:
        echo_json(
            {
                "directory": str(made.directory),
                "root": made.root,
                "commit": made.commit or None,
                "owner": made.owner,
                "files": made.files,
            }
        )
        return
    if dry_run:
        click.echo(f"Would make a registry in {made.directory}, owned by {made.owner}:")
        for path in made.files:
            click.secho(f"  + {path}", fg="green")
        return
    click.echo(f"Made a registry in {made.directory} ({made.commit[:10]}); {made.owner} owns everything in it.")
    click.echo(f"\nNext: stagedoor -C {place} register NAME --source URI")


@click.command()
@json_option
@click.pass_obj
def doctor(door: Door, as_json: bool) -> None:
    """Look for what would get in the way, and say how to mend it.

    The clone, your identity, the files, the owners, the requests, the ledger and the notifications. Exit code 8 when
    something is wrong.
    """
    from stagedoor.workflows.doctoring import examine

    found = examine(door.world)
    if as_json:
        echo_json(found)
    else:
        marks = {"ok": ("green", "ok     "), "warning": ("yellow", "warning"), "error": ("red", "error  ")}
        for one in found:
            colour, mark = marks[one.grade]
            click.secho(mark, fg=colour, nl=False)
            click.echo(f"  {visible(one.what)}")
            if one.fix:
                click.echo(f"     fix:  {visible(one.fix)}")
    if any(one.grade == "error" for one in found):
        click.get_current_context().exit(ChecksFailed.exit_code)
