"""`python -m stagedoor.apps.ui`: make the static site of a registry."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from stagedoor.apps.ui.site import build
from stagedoor.errors import RegistryError
from stagedoor.workflows.world import world_at


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--directory", type=click.Path(path_type=Path), default=Path())
@click.option("--registry")
@click.option("--branch")
@click.option("--all", "everything", is_flag=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    folder: Path, directory: Path, registry: str | None, branch: str | None, everything: bool, as_json: bool
) -> None:
    """Make the site, or bring it up to date."""
    try:
        with world_at(directory, registry=registry, branch=branch) as world:
            world.progress = _progress
            built = build(world, folder, everything=everything)
    except RegistryError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    if as_json:
        click.echo(json.dumps(asdict(built)))
        return
    gone = f", {built.removed} taken away" if built.removed else ""
    click.echo(f"{folder}: {built.models:,} models, {built.written:,} pages written, {built.kept:,} as before{gone}.")


def _progress(what: str, done: int, total: int | None) -> None:
    """One line that is written over, on a terminal only."""
    if sys.stderr.isatty():
        click.echo(f"\r{what} {done:,}/{total or 0:,} ", nl=done == total, err=True)


if __name__ == "__main__":
    main()
