"""Commands that set a registry up: init, demo, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from stagedoor.apps.cli.demo.command import demo  # noqa: F401
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, json_option
from stagedoor.core.views.plain import counted, visible
from stagedoor.errors import BadInput, ChecksFailed, Denied


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
@click.option("--fix", "fixes", is_flag=True, help="Tighten the host's settings, after showing what would change.")
@click.option("--dry-run", is_flag=True, help="With --fix: show what would change, and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="With --fix: do not ask.")
@json_option
@click.pass_obj
def doctor(door: Door, fixes: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Look for what would get in the way, and say how to mend it.

    The clone, your identity, the files, the owners, the requests, the ledger and the notifications. Exit code 8 when
    something is wrong. With --fix what may be mended on the host is: branch rules, the required status, what workflows
    may do. Nothing is ever loosened.
    """
    if (dry_run or yes) and not fixes:
        raise BadInput("--dry-run and --yes are for mending", fix="stagedoor doctor --fix --dry-run")
    if fixes:
        _mend(door, dry_run=dry_run, yes=yes, as_json=as_json)
        if dry_run or as_json:
            return
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


def _mend(door: Door, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Show what would change on the host, ask, and change it."""
    from stagedoor.workflows.doctoring import mend, repairs

    wanted = repairs(door.world)
    for one in () if as_json else wanted:
        click.echo(f"would set  {visible(one.what)}\n           {one.call.method} {visible(one.call.path)}")
    if not dry_run and not yes and wanted:
        click.confirm(f"Change {counted(len(wanted), 'setting')}?", abort=True, err=True)
    made = () if dry_run else mend(door.world, wanted)
    if as_json:
        calls = [{"what": one.what, "method": one.call.method, "path": one.call.path, "body": one.call.body}
                 for one in wanted]  # fmt: skip
        echo_json({"wanted": calls, "done": made})
    elif not wanted:
        click.echo("There is nothing to mend on the host.")
    for done in () if as_json else made:
        click.echo(f"{'refused' if done.refused else 'set':<9}  {visible(done.what)}")
        if done.refused:
            click.echo(f"           {visible(done.refused)}")
    if any(done.refused for done in made):
        raise Denied("the host did not take every change", fix="use a token of an administrator, or see above")
