"""Commands about time: when a version was in a stage, and what a stage held at a moment."""

from __future__ import annotations

from datetime import datetime

import click

from stagedoor.apps.cli.complete import complete_model, complete_ref, complete_stage
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import at_option, echo_as_of, echo_json, json_option, table
from stagedoor.core.views.plain import visible
from stagedoor.workflows import stays
from stagedoor.workflows.moments import Moment


@click.command()
@click.argument("ref", shell_complete=complete_ref)
@click.option("--stage", default="", metavar="STAGE", shell_complete=complete_stage, help="Only this stage.")
@at_option
@json_option
@click.pass_obj
def when(door: Door, ref: str, stage: str, at: str | None, as_json: bool) -> None:
    """Show when a version was in a stage.

    Of a model, each of its versions; without --stage, each stage. What was deleted is part of the answer. The order is
    that of main, and a date is shown where that order bears it out.

    \b
    stagedoor when power-forecasting/3 --stage Production
    stagedoor when power-forecasting --at 2026-10-01
    """
    world = door.world
    found = stays.when(world, ref, stage, at=at)
    if at is not None:
        echo_as_of(Moment(found.commit, world.chain().time_of(found.commit)))
    if as_json:
        echo_json(found)
        return
    rows = [
        (f"{stay.model}/{stay.version}", stay.stage, _time(stay.since), _until(stay, at), stay.since_commit[:10],
         stay.by, stay.request)
        for stay in found.stays
    ]  # fmt: skip
    if rows:
        table(("VERSION", "STAGE", "SINCE", "UNTIL", "COMMIT", "BY", "REQUEST"), rows)
    else:
        click.echo(f"{visible(ref)} was never in {visible(stage)}." if stage else f"{visible(ref)} has no version yet.")


def _time(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else ""


def _until(stay: stays.Stay, at: str | None) -> str:
    if stay.until is None:
        return "now" if at is None else "then"
    return _time(stay.until) + (" (deleted)" if stay.deleted else "")


@click.command("in")
@click.argument("stage", shell_complete=complete_stage)
@click.option("--model", default="", metavar="PATTERN", shell_complete=complete_model, help="Only models called so.")
@at_option
@json_option
@click.pass_obj
def in_(door: Door, stage: str, model: str, at: str | None, as_json: bool) -> None:
    """Show which versions a stage holds, or held.

    Since when, and which commit and request brought each there. PATTERN is a part of the model's name, or a pattern
    with * and ?.

    \b
    stagedoor in Production
    stagedoor in Production --at 2026-10-01 --model 'power-*'
    """
    found = stays.held(door.world, stage, at=at, model=model)
    if at is not None:
        echo_as_of(Moment(found.commit, found.merged))
    if as_json:
        echo_json(found)
        return
    rows = [
        (f"{one.model}/{one.version}", _time(one.since), one.since_commit[:10], one.by, one.request, one.source,
         one.digest)
        for one in found.versions
    ]  # fmt: skip
    if rows:
        table(("VERSION", "SINCE", "COMMIT", "BY", "REQUEST", "SOURCE", "DIGEST"), rows)
    else:
        click.echo(f"No version {'is' if at is None else 'was'} in {visible(found.stage)}.")
    for fault in found.unreadable:
        click.secho(f"left out, it does not read: {visible(fault)}", fg="yellow", err=True)
