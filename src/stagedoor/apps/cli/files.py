"""Commands about files: their form, their schema; and the shell's completion."""

from __future__ import annotations

from pathlib import Path

import click

from stagedoor.apps.cli.main import Door
from stagedoor.core.schemas import KINDS, schema_text
from stagedoor.errors import BadInput, ChecksFailed
from stagedoor.workflows import formatting


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; exit 8 if a file is not in canonical form.")
@click.option("--stage-files", is_flag=True, help="Write stages/STAGE/MODEL.yaml from the model files of the checkout.")
@click.pass_obj
def fmt(door: Door, paths: tuple[Path, ...], check: bool, stage_files: bool) -> None:
    """Write registry files in their canonical form.

    Keys in one order, values written in one way, comments kept. Without PATHS every file of the registry in this
    checkout. Running it twice changes nothing more.
    """
    if stage_files:
        if paths:
            raise BadInput("--stage-files writes all of them", fix="stagedoor fmt --stage-files")
        changed, faults = formatting.write_stage_files(door.world, check=check)
    else:
        changed, faults = formatting.format_files(door.world, [door.directory / path for path in paths], check=check)
    for path in changed:
        click.echo(f"{'would write' if check else 'wrote'} {path}")
    if not changed and not faults:
        click.echo("All files are in canonical form.")
    if faults:
        raise faults[0]
    if check and changed:
        click.get_current_context().exit(ChecksFailed.exit_code)


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)), default="RegisteredModel")
def schema(kind: str) -> None:
    """Print the JSON Schema of a registry file.

    For editors and check-jsonschema; `stagedoor init` writes the same into registry_spec/schemas/.
    """
    click.echo(schema_text(kind), nl=False)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    stagedoor completion bash > ~/.local/share/bash-completion/completions/stagedoor
    stagedoor completion zsh > "${fpath[1]}/_stagedoor"
    stagedoor completion fish > ~/.config/fish/completions/stagedoor.fish
    """
    from click.shell_completion import get_completion_class

    from stagedoor.apps.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101
    click.echo(found(cli, {}, "stagedoor", "_STAGEDOOR_COMPLETE").source())
