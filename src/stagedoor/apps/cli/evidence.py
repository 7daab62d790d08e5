"""The command about evidence."""

from __future__ import annotations

from pathlib import Path

import click

from stagedoor.apps.cli.complete import complete_ref
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, echo_outcome, lane_of, lane_options, table
from stagedoor.errors import BadInput
from stagedoor.workflows import attaching
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Lane


@click.command()
@click.argument("ref", shell_complete=complete_ref)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--name", default="", metavar="NAME", help="What it is called (default: the file's name, no suffix).")
@click.option("--uri", default="", metavar="URI", help="Where the file is kept, if not in the registry.")
@click.option("--digest", default="", metavar="sha256:HEX", help="The file's digest; FILE has to have it.")
@click.option("-d", "--delete", "removed", default="", metavar="NAME", help="Take this evidence off the version.")
@click.option("--print", "printed", default="", metavar="NAME", help="Write the file of this evidence to stdout.")
@click.option("-m", "--comment", default="", metavar="TEXT", help="Why; kept with the commit or the request.")
@lane_options
@click.pass_obj
def attach(
    door: Door, ref: str, file: Path | None, name: str, uri: str, digest: str, removed: str, printed: str, comment: str,
    propose: bool, into: int | None, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Attach evidence to a version, list it, or print it.

    The file goes into the registry under its digest, in the same commit: an evaluation, a fairness report, a model
    card, at most 1 MiB. What is larger is kept elsewhere: --uri says where, and the digest pins it.

    \b
    stagedoor attach power-forecasting/3 backtest.json
    stagedoor attach power-forecasting/3 report.pdf --uri s3://reports/3.pdf
    stagedoor attach power-forecasting/3                     # what there is, and how old
    stagedoor attach power-forecasting/3 --print backtest
    """
    world = door.world
    proof = attaching.Proof(door.directory / file if file else None, name, uri, digest)
    is_given = bool(file or uri or digest)
    if is_given + bool(removed) + bool(printed) > 1 or (name and not is_given):
        raise BadInput("one thing at a time", fix=f"stagedoor attach {ref} FILE, -d NAME or --print NAME")
    if printed:
        click.echo(attaching.content(world, ref, printed), nl=False)
    elif is_given or removed:
        _change(world, ref, proof, removed, comment, lane_of(propose, into, dry_run), as_json)
    else:
        _list(world, ref, as_json)


def _change(
    world: World, ref: str, proof: attaching.Proof, removed: str, comment: str, lane: Lane, as_json: bool
) -> None:
    if removed:
        outcome = attaching.detach(world, ref, removed, comment=comment, lane=lane)
        done = f"Took {removed} off {ref}"
    else:
        outcome = attaching.attach(world, ref, proof, comment=comment, lane=lane)
        done = f"Attached {attaching.name_of(proof)} to {ref}"
    echo_outcome(outcome, done, as_json=as_json, dry_run=lane.dry_run)


def _list(world: World, ref: str, as_json: bool) -> None:
    found = attaching.attached(world, ref)
    if as_json:
        echo_json(found)
    elif not found:
        click.echo(f"{ref} has no evidence. Attach some: stagedoor attach {ref} FILE")
    else:
        rows = [(one.name, one.age, f"{one.at:%Y-%m-%d %H:%M}", one.by, one.digest, one.uri) for one in found]
        table(("NAME", "AGE", "ATTACHED", "BY", "DIGEST", "AT"), rows)
