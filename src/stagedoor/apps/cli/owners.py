"""Commands about who may: who could approve, why a request stands where it does, and CODEOWNERS itself."""

from __future__ import annotations

from typing import Any

import click

from stagedoor.apps.cli.complete import complete_ref, complete_request
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, echo_lines, json_option, table
from stagedoor.core.approval import Held, RightChanged
from stagedoor.core.views import verdicts
from stagedoor.core.views.plain import jsonable, visible
from stagedoor.core.views.plans import data as plan_data
from stagedoor.core.views.plans import problem_lines
from stagedoor.errors import ChecksFailed
from stagedoor.workflows import asking, owning

MOST_SHOWN = 40


@click.command("who-can")
@click.argument("ref", metavar="REF", shell_complete=complete_ref)
@click.argument("stage", metavar="STAGE")
@click.option("--author", metavar="EMAIL", help="As if this person opened the request: they cannot approve it.")
@json_option
@click.pass_obj
def who_can(door: Door, ref: str, stage: str, author: str | None, as_json: bool) -> None:
    """Show who could approve a move to a stage, and who may just do it.

    For every right that it takes: the lines of CODEOWNERS, what stages and gates of registry.yaml ask for besides, and
    the people. REF is a version, or a model for a version that is in no stage yet.

    \b
    stagedoor who-can power-forecasting/3 Production
    stagedoor who-can power-forecasting Staging --author ann@example.com
    """
    asked = asking.who_can_move(door.world, ref, stage, author)
    if as_json:
        move = {"model": asked.model, "version": asked.version, "from": asked.was, "to": asked.now}
        echo_json({**move, "author": author, **verdicts.who_can_data(asked.found)})
        return
    name = asked.model if asked.version is None else f"{asked.model}/{asked.version}"
    click.echo(f"{visible(name)}: {visible(asked.was)} → {visible(asked.now)}\n")
    for line in verdicts.who_can_lines(asked.found):
        click.echo(line)


@click.command()
@click.argument("number", type=int, metavar="N", shell_complete=complete_request)
@json_option
@click.pass_obj
def why(door: Door, number: int, as_json: bool) -> None:
    """Show why a request can merge, or cannot.

    Which rules asked for agreement, who gave it, whose approval does not count, who is missing; then what else is in
    the way, each with its cure. It is what `merge` looks at. Exit code 8 when the request cannot merge.
    """
    found = asking.why(door.world, number)
    if as_json:
        echo_json(_why_data(found))
    else:
        _why_text(found)
    if not found.can_merge:
        click.get_current_context().exit(ChecksFailed.exit_code)


def _why_data(found: asking.Why) -> dict[str, Any]:
    request = found.request
    return {
        "request": request.number,
        "state": request.closed_as or request.state,
        "author": request.author,
        "head": request.head,
        "can_merge": found.can_merge,
        "blockers": list(found.blockers),
        "approvals": [verdicts.ruling_data(ruling) for ruling in found.verdict.rulings],
        "waiting_for": list(found.verdict.waiting_for),
        "outdated": list(found.outdated),
        "problems": [jsonable(problem) for problem in found.problems],
    }


def _why_text(found: asking.Why) -> None:
    request = found.request
    number = request.number
    click.echo(f"Request {number}: {visible(request.title)}")
    click.echo(f"by {visible(request.author)}   head {request.head[:10]}\n")
    echo_lines("\n".join(verdicts.verdict_lines(found.verdict)))
    if found.outdated or found.problems:
        click.echo("\nIn the way" if found.blockers else "\nChecks")
    for said in found.outdated:
        echo_lines(f"  x {visible(said)}\n      fix: stagedoor update {number}")
    for problem in found.problems:
        echo_lines("\n".join(problem_lines(problem)))
    click.echo("")
    if found.can_merge:
        click.secho(f"It can merge: stagedoor merge {number}", fg="green")
    elif not request.is_open:
        click.echo(f"It is {request.closed_as or request.state}.")
    else:
        waiting = ", ".join(found.verdict.waiting_for)
        click.echo(f"It cannot merge{f'; it waits for {visible(waiting)}' if waiting else ''}.")


@click.group(invoke_without_command=False)
def owners() -> None:
    """Show who owns what, and ask for a change of CODEOWNERS.

    A change of CODEOWNERS is a request like any other: its owners, as they are on main, agree to it.
    """


@owners.command("show")
@click.argument("what", required=False, metavar="[MODEL | PATH]", shell_complete=complete_ref)
@json_option
@click.pass_obj
def show(door: Door, what: str | None, as_json: bool) -> None:
    """Show who has which right on a model or a file; without one, the lines of CODEOWNERS and the people behind."""
    if what is None:
        lines = owning.lines(door.world)
        if as_json:
            echo_json(lines)
            return
        rows = ((line.number, line.pattern, " ".join(line.owners), ", ".join(line.people)) for line in lines)
        table(("line", "pattern", "owners", "people"), rows)
        return
    held = owning.show(door.world, what)
    if as_json:
        echo_json(held)
        return
    click.echo(f"{visible(held[0].path)}\n")
    table(("right", "people", "by"), ((_right(one), _people(one), _by(one)) for one in held))


def _right(one: Held) -> str:
    return f"@{one.suffix}" if one.suffix else "the file"


def _people(one: Held) -> str:
    if one.everyone:
        return "everybody who can read the repository"
    return ", ".join(one.people) or "nobody"


def _by(one: Held) -> str:
    if one.everyone or not (one.lines or one.above):
        return "no line"
    numbers = ", ".join(map(str, one.lines))
    own = f"line{'s' if len(one.lines) > 1 else ''} {numbers}" if one.lines else ""
    inherited = "" if one.explicit else ", inherited"
    above = f"; higher rights of {', '.join(one.above)}" if one.above else ""
    return f"{own}{inherited}{above}"


def _change_options(command: Any) -> Any:
    for option in (
        json_option,
        click.option("--dry-run", is_flag=True, help="Show the change and what it means, and ask for nothing."),
        click.option("-m", "--comment", default="", metavar="TEXT", help="Why."),
    ):
        command = option(command)
    return command


@owners.command("set")
@click.argument("target", metavar="MODEL[@STAGE] | PATTERN", shell_complete=complete_ref)
@click.argument("names", nargs=-1, metavar="OWNER...")
@click.option("--nobody", is_flag=True, help="Take ownership away: what nobody owns is refused to everybody.")
@_change_options
@click.pass_obj
def set_(
    door: Door, target: str, names: tuple[str, ...], nobody: bool, comment: str, dry_run: bool, as_json: bool
) -> None:
    """Ask for other owners of a model, of one of its stages or aliases, or of a pattern.

    \b
    stagedoor owners set power-forecasting@Production @wind/operations
    stagedoor owners set '/registry_spec/models/energy/*.yaml/@Staging' bob@example.com @carol
    """
    if nobody == bool(names):
        raise click.UsageError("name the owners, or say --nobody")
    change = owning.set_line(door.world, target, names, comment=comment, dry_run=dry_run)
    _show_change(change, dry_run, as_json)


@owners.command("unset")
@click.argument("target", metavar="MODEL[@STAGE] | PATTERN", shell_complete=complete_ref)
@_change_options
@click.pass_obj
def unset(door: Door, target: str, comment: str, dry_run: bool, as_json: bool) -> None:
    """Ask for the line of a model, a stage or a pattern to go; an earlier line counts then."""
    _show_change(owning.unset_line(door.world, target, comment=comment, dry_run=dry_run), dry_run, as_json)


def _show_change(change: owning.OwnersChange, dry_run: bool, as_json: bool) -> None:
    request = change.outcome.request
    if as_json:
        answer = {"request": request.number if request else None, "pattern": change.pattern, "diff": change.diff}
        echo_json({**answer, "effects": change.effects, "plan": plan_data(change.outcome.plan)})
        return
    for line in change.diff.splitlines():
        click.secho(visible(line), fg={"+": "green", "-": "red"}.get(line[:1]))
    click.echo("")
    for effect in change.effects[:MOST_SHOWN]:
        click.echo(f"  {visible(effect.title)}: {visible(_effect(effect))}")
    if len(change.effects) > MOST_SHOWN:
        click.echo(f"  and {len(change.effects) - MOST_SHOWN} more rights")
    if not change.effects:
        click.echo("  Nobody gains or loses anything on what is in the registry now.")
    if request and not dry_run:
        click.echo(f"\nAsked in request {request.number}.\nNext: stagedoor why {request.number}")


def _effect(effect: RightChanged) -> str:
    said = [(effect.gained, "gain it"), (effect.lost, "lose it")]
    return "; ".join(f"{', '.join(who)} {what}" for who, what in said if who)
