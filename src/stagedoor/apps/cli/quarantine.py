"""Commands about the quarantine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from stagedoor.apps.cli.complete import complete_ref
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, echo_outcome, json_option, table
from stagedoor.core.quarantine import Holder
from stagedoor.core.spec import PRODUCTION
from stagedoor.core.views.plain import visible
from stagedoor.errors import BadInput
from stagedoor.workflows import policies
from stagedoor.workflows.writing import Lane

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def quarantine() -> None:
    """Keep bad artifacts out of every stage, by their digest.

    A version with such an artifact comes into no stage, under whatever name or number. Leaving a stage stays possible.
    """


def _lane_options(command: F) -> F:
    """As policy is written: in a request, unless its owner says otherwise."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text."),
        click.option("--dry-run", is_flag=True, help="Show the plan and change nothing."),
        click.option("--in", "into", type=int, metavar="N", help="Put the change into the open request N."),
        click.option("--direct", is_flag=True, help="One commit, at once, as an owner of quarantine.yaml."),
    ):
        command = option(command)
    return command


def _lane(direct: bool, into: int | None, dry_run: bool) -> Lane:
    if direct and into is not None:
        raise BadInput("--direct writes to main, and --in to a request", fix="give one of the two")
    return Lane(propose=not direct and into is None, into=into, dry_run=dry_run)


@quarantine.command()
@click.argument("what", metavar="REF | DIGEST", shell_complete=complete_ref)
@click.option("--reason", required=True, metavar="TEXT", help="What is wrong with it.")
@_lane_options
@click.pass_obj
def add(door: Door, what: str, reason: str, direct: bool, into: int | None, dry_run: bool, as_json: bool) -> None:
    """Put an artifact into quarantine, in a request.

    \b
    stagedoor quarantine add fraud/3 --reason "trained on the customers' test accounts"
    stagedoor quarantine add sha256:20ca4c71… --reason "poisoned upstream" --direct
    """
    outcome, holders = policies.quarantine(door.world, what, reason, _lane(direct, into, dry_run))
    echo_outcome(outcome, f"Put {visible(what)} into quarantine", as_json=as_json, dry_run=dry_run)
    for one in policies.in_use(holders):
        _warn(one)


def _warn(one: Holder) -> None:
    cure = (
        f"stagedoor rollback {one.model} {PRODUCTION}"
        if one.stage == PRODUCTION
        else f"stagedoor request {one.ref} Archived"
    )
    click.secho(visible(f"{one.ref} has this artifact and is in {one.stage} now: {cure}"), fg="yellow", err=True)


@quarantine.command("list")
@json_option
@click.pass_obj
def list_(door: Door, as_json: bool) -> None:
    """List what is in quarantine, and the versions that hold it."""
    found = policies.isolated(door.world)
    if as_json:
        echo_json(found)
    elif not found:
        click.echo("Nothing is in quarantine.")
    else:
        rows = [
            (
                one.digest,
                f"{one.at:%Y-%m-%d}",
                one.by,
                ", ".join(f"{h.ref} ({h.stage})" for h in one.holders),
                one.reason,
            )
            for one in found
        ]
        table(("DIGEST", "SINCE", "BY", "HELD BY", "REASON"), rows)


@quarantine.command()
@click.argument("digest")
@click.option("-m", "--comment", default="", metavar="TEXT", help="Why.")
@_lane_options
@click.pass_obj
def remove(door: Door, digest: str, comment: str, direct: bool, into: int | None, dry_run: bool, as_json: bool) -> None:
    """Take an artifact out of quarantine, in a request."""
    outcome = policies.release(door.world, digest, _lane(direct, into, dry_run), comment)
    echo_outcome(outcome, f"Took {visible(digest)} out of quarantine", as_json=as_json, dry_run=dry_run)
