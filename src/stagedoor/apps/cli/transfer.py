"""Commands between registries: import, export, drift, copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from stagedoor.apps.cli.complete import complete_ref
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, echo_lines, json_option, pairs, table
from stagedoor.core.transfer import Difference
from stagedoor.core.views.plain import visible
from stagedoor.core.views.plans import text as plan_text
from stagedoor.errors import BadInput
from stagedoor.workflows import transferring
from stagedoor.workflows.transferring import Elsewhere, Taken, Taking

F = TypeVar("F", bound=Callable[..., Any])


@click.group("import")
def import_() -> None:
    """Take over the models of another registry."""


def _taking_options(command: F) -> F:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text."),
        click.option("--dry-run", is_flag=True, help="Show what would come, and change nothing."),
        click.option("--request", "propose", is_flag=True, help="Ask for all of it in one request."),
        click.option("--batch", default=20, show_default=True, metavar="N", help="How many models go into a commit."),
        click.option("--folder", default="", metavar="FOLDER", help="Where new models go below models/."),
        click.option("--stage", "stages", multiple=True, metavar="THERE=HERE", help="What a stage is called here."),
        click.option("--rename", "names", multiple=True, metavar="THERE=HERE", help="What a model is called here."),
    ):
        command = option(command)
    return command


def _taking(
    names: tuple[str, ...], stages: tuple[str, ...], folder: str, batch: int, propose: bool, dry_run: bool
) -> Taking:
    if batch < 1:
        raise BadInput("a commit holds at least one model", where="--batch", fix="--batch 20")
    return Taking(pairs(names, "--rename"), pairs(stages, "--stage"), folder, batch, propose, dry_run)


@import_.command("mlflow")
@click.argument("uri")
@_taking_options
@click.pass_obj
def import_mlflow(
    door: Door, uri: str, names: tuple[str, ...], stages: tuple[str, ...], folder: str, batch: int, propose: bool,
    dry_run: bool, as_json: bool,
) -> int:  # fmt: skip
    """Take over an MLflow registry.

    Models and versions come with their numbers, stages, tags, aliases, descriptions, times and people. It can run
    again: what is here already stays as it is, and only news is added. URI is what MLflow takes: http://host:5000,
    sqlite:///mlflow.db, or databricks for the workspace registry of Databricks.

    \b
    stagedoor import mlflow http://localhost:5000 --dry-run
    stagedoor import mlflow databricks --rename 'fraud.v2=fraud-v2'
    """
    how = _taking(names, stages, folder, batch, propose, dry_run)
    return _echo_taken(transferring.from_mlflow(door.world, uri, how), as_json=as_json, dry_run=dry_run)


@import_.command("gto")
@click.argument("directory", type=click.Path(path_type=Path))
@_taking_options
@click.pass_obj
def import_gto(
    door: Door, directory: Path, names: tuple[str, ...], stages: tuple[str, ...], folder: str, batch: int,
    propose: bool, dry_run: bool, as_json: bool,
) -> int:  # fmt: skip
    """Take over a repository with GTO's tags.

    Versions are numbered in the order they were registered; the tag gto.version keeps what GTO calls them.

    \b
    stagedoor import gto ../models --stage dev=None
    """
    how = _taking(names, stages, folder, batch, propose, dry_run)
    found = transferring.from_gto(door.world, door.directory / directory, how)
    return _echo_taken(found, as_json=as_json, dry_run=dry_run)


def _echo_taken(found: Taken, *, as_json: bool, dry_run: bool) -> int:
    if as_json:
        echo_json(found)
        return 8 if found.refused else 0
    shown = [row for row in found.rows if row.what != "same" or row.lost or row.left]
    if shown:
        table(("MODEL", "HERE", "", "VERSIONS", "WHY NOT"), [_cells(row) for row in shown])
        click.echo("")
    same = sum(row.what == "same" for row in found.rows)
    come = sum(row.what in ("new", "news") for row in found.rows)
    verb = "would come" if dry_run else "came"
    click.echo(f"{come} {verb}, {same} {'is' if same == 1 else 'are'} here already, {len(found.refused)} refused.")
    _echo_prompts(found.prompts)
    if found.request is not None:
        click.echo(f"Next: stagedoor request show {found.request}")
    return 8 if found.refused else 0


def _echo_prompts(names: tuple[str, ...]) -> None:
    if names:
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        said = "1 prompt is" if len(names) == 1 else f"{len(names)} prompts are"
        click.echo(f"{said} left out: {visible(', '.join(names[:8]))}{more}")


def _cells(row: transferring.Row) -> tuple[str, ...]:
    lost = f"the numbers {', '.join(map(str, row.lost))} stand for other versions here" if row.lost else ""
    numbers = ", ".join(map(str, row.versions[:8])) + (" …" if len(row.versions) > 8 else "")
    left = "; ".join(f"left out: {said}" for said in row.left)
    why = row.why or "; ".join(filter(None, (lost, left)))
    return row.name, row.here if row.here != row.name else "", row.what, numbers, why


@click.group()
def export() -> None:
    """Mirror the registry into another one."""


def _rename_option(command: F) -> F:
    text = "What a model there is called here; may be given again."
    return click.option("--rename", "renamed", multiple=True, metavar="THERE=HERE", help=text)(command)


@export.command("mlflow")
@click.argument("uri")
@click.argument("names", nargs=-1)
@_rename_option
@click.option("--dry-run", is_flag=True, help="Show which models would go, and change nothing.")
@json_option
@click.pass_obj
def export_mlflow(
    door: Door, uri: str, names: tuple[str, ...], renamed: tuple[str, ...], dry_run: bool, as_json: bool
) -> int:
    """Make an MLflow registry hold what this one holds.

    It can run again, and does what is missing. Nothing there is deleted.

    \b
    stagedoor export mlflow http://localhost:5000
    stagedoor export mlflow http://localhost:5000 power-forecasting fraud
    """
    other = Elsewhere(uri, pairs(renamed, "--rename"))
    found = transferring.to_mlflow(door.world, other, names, dry_run=dry_run)
    return _echo_mirrored(found, "would go there" if dry_run else "are there as they are here", as_json=as_json)


def _echo_mirrored(found: transferring.Mirrored, done: str, *, as_json: bool) -> int:
    if as_json:
        echo_json(found)
    else:
        for said in found.left:
            click.secho(f"! {visible(said)}", fg="yellow")
        click.echo(f"{len(found.models)} models {done}." if len(found.models) != 1 else f"1 model: {done}.")
        _echo_prompts(found.prompts)
    return 8 if found.left else 0


@click.group()
def drift() -> None:
    """Compare the registry with another one."""


@drift.command("mlflow")
@click.argument("uri")
@click.argument("names", nargs=-1)
@_rename_option
@click.option("--adopt", is_flag=True, help="Ask, in a request, to have it here as it is there.")
@click.option("--restore", is_flag=True, help="Put it back there as it is here.")
@click.option("-m", "--comment", default="", metavar="TEXT", help="Why; kept with the request.")
@json_option
@click.pass_obj
def drift_mlflow(
    door: Door, uri: str, names: tuple[str, ...], renamed: tuple[str, ...], adopt: bool, restore: bool, comment: str,
    as_json: bool,
) -> int:  # fmt: skip
    """Say field by field where an MLflow registry differs from this one.

    Exits with 0 where nothing differs, and with 2 where something does.

    \b
    stagedoor drift mlflow http://localhost:5000
    stagedoor drift mlflow http://localhost:5000 --adopt -m "moved by hand during the outage"
    """
    if adopt and restore:
        raise BadInput("--adopt and --restore go opposite ways", fix="give one of the two")
    world, other = door.world, Elsewhere(uri, pairs(renamed, "--rename"))
    found = transferring.drift(world, other, names)
    if not found or not (adopt or restore):
        return _echo_drift(found, as_json=as_json)
    if restore:
        return _echo_mirrored(transferring.restore(world, other, found), "are there as they are here", as_json=as_json)
    _echo_adopted(transferring.adopt(world, other, found, comment), as_json=as_json)
    return 0


_ADOPTED = {"opened": "Asked in request {}.", "renewed": "Request {} has what differs now.",
            "open": "Request {} asks for it already."}  # fmt: skip


def _echo_adopted(adopted: transferring.Adopted, *, as_json: bool) -> None:
    number = adopted.outcome.request.number if adopted.outcome.request else None
    if as_json:
        echo_json({"request": number, "how": adopted.how, "left": adopted.left})
        return
    for said in adopted.left:
        click.secho(f"! {visible(said)}", fg="yellow")
    click.echo(_ADOPTED[adopted.how].format(number) + "\n")
    echo_lines(plan_text(adopted.outcome.plan))
    click.echo(f"\nNext: stagedoor request show {number}")


def _echo_drift(found: tuple[Difference, ...], *, as_json: bool) -> int:
    if as_json:
        echo_json(found)
    elif not found:
        click.echo("Nothing differs.")
    else:
        rows = [(one.subject, _shown(one.here), _shown(one.there)) for one in found]
        table(("WHAT", "HERE", "THERE"), rows)
    return 2 if found else 0


def _shown(value: str | None) -> str:
    if value is None:
        return "not there"
    return repr(value) if value == "" else value if len(value) <= 60 else f"{value[:57]}..."


@click.command()
@click.argument("ref", shell_complete=complete_ref)
@click.argument("target", metavar="REGISTRY[:NAME]")
@click.option("-m", "--comment", default="", metavar="TEXT", help="Why; kept with the request.")
@json_option
@click.pass_obj
def copy(door: Door, ref: str, target: str, comment: str, as_json: bool) -> None:
    """Ask another registry on this machine for a version of this one.

    The version comes with its lineage: source, run, code, data, parameters, metrics, signature and digest. It is a
    request there, which the owners of that registry agree to.

    \b
    stagedoor copy power-forecasting/3 ../production-registry
    stagedoor copy power-forecasting#Production ../other:wind
    """
    from stagedoor.workflows.world import world_at

    place, name = transferring.place_and_name(target)
    world = door.world
    with world_at(door.directory / place, email=world.actor.email) as there:
        outcome, copied = transferring.copy(world, ref, there, name, comment)
    number = outcome.request.number if outcome.request else None
    if as_json:
        echo_json({"copied": str(copied), "request": number})
    else:
        echo_lines(plan_text(outcome.plan))
        click.echo(f"\nNext: stagedoor -C {visible(str(place))} request show {number}")
