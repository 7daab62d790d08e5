"""Commands about what people say of a request, and about its end."""

from __future__ import annotations

import click

from stagedoor.apps.cli.complete import complete_request
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import (
    echo_json,
    echo_lines,
    json_option,
    rehearsal_option,
)
from stagedoor.apps.cli.standing import say_next, show_request
from stagedoor.core.approval import Verdict
from stagedoor.core.requests import Request
from stagedoor.core.views import plans
from stagedoor.core.views.plain import visible
from stagedoor.workflows import comments, reviewing, signing
from stagedoor.workflows.world import World


@click.command()
@click.argument("number", type=int, metavar="N", shell_complete=complete_request)
@click.option("-m", "--comment", "body", default="", metavar="TEXT", help="What you think of it.")
@click.option("--head", metavar="COMMIT", help="The head you looked at; refused when there is a newer one.")
@click.option("--sign/--no-sign", default=None, help="Sign it with your SSH key (default: git config stagedoor.sign).")
@click.option("--key", metavar="PATH", help="The key to sign with (default: git config user.signingKey).")
@rehearsal_option
@json_option
@click.pass_obj
def approve(
    door: Door,
    number: int,
    body: str,
    head: str | None,
    sign: bool | None,
    key: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Approve a request.

    The approval is for the head as it is now, and dies with a new push. It counts if you own what it is needed for.
    A stage may ask for signed ones.

    \b
    stagedoor approve 4 -m "looked at the backtest"
    stagedoor approve 4 --sign --key ~/.ssh/id_ed25519
    """
    world = door.rehearsed(dry_run)
    signs = bool(key) or signing.wants_signature(world) if sign is None else sign
    made = reviewing.approve(world, number, body, head=head, signing=reviewing.Signing(key) if signs else None)
    if dry_run:
        _rehearsed(world, made, f"approve request {number} at {made.head[:10]}", as_json)
        return
    here = reviewing.standing(world, number)
    if as_json:
        echo_json({"request": made, "blockers": here.blockers})
        return
    click.echo(f"Approved request {number} at {made.head[:10]}.")
    judged = here.plan.verdict
    who = world.actor.email.lower()
    if judged and not any(who in ruling.approved_by for ruling in judged.rulings):
        click.secho(f"It does not count: {_why_ignored(judged, who)}", fg="yellow")
    say_next(here)


def _why_ignored(judged: Verdict, who: str) -> str:
    reasons = [one.reason for ruling in judged.rulings for one in ruling.ignored if one.by == who]
    # somebody may own one thing and not another: what is nearest to counting helps most
    reason = next((one for one in reasons if one != "is not an owner"), "")
    if reason == "is not signed":
        return "this stage takes signed approvals: stagedoor approve N --sign"
    return f"it {reason}." if reason else "you own nothing that this request needs."


def _rehearsed(world: World, made: Request, would: str, as_json: bool) -> None:
    """What would be done, and the plan that it would be done to."""
    here = reviewing.standing(world, made.number)
    if as_json:
        echo_json({"request": made, "plan": plans.data(here.plan), "blockers": here.blockers})
        return
    click.echo(f"Would {would}.\n")
    echo_lines(plans.text(here.plan))


@click.command("request-changes")
@click.argument("number", type=int, metavar="N", shell_complete=complete_request)
@click.option("-m", "--comment", "body", required=True, metavar="TEXT", help="What should be different.")
@rehearsal_option
@json_option
@click.pass_obj
def request_changes(door: Door, number: int, body: str, dry_run: bool, as_json: bool) -> None:
    """Ask for changes in a request. It cannot merge while an owner's wish stands."""
    world = door.rehearsed(dry_run)
    made = reviewing.request_changes(world, number, body)
    if dry_run:
        _rehearsed(world, made, f"ask for changes in request {number}", as_json)
        return
    echo_json(made) if as_json else click.echo(f"Asked for changes in request {number}.")


@click.command()
@click.argument("number", type=int, metavar="N", shell_complete=complete_request)
@click.option("-m", "--comment", "body", default="", metavar="TEXT", help="Why.")
@rehearsal_option
@json_option
@click.pass_obj
def reject(door: Door, number: int, body: str, dry_run: bool, as_json: bool) -> None:
    """Reject a request, as an owner of what it touches."""
    world = door.rehearsed(dry_run)
    made = reviewing.reject(world, number, body)
    if dry_run:
        _rehearsed(world, made, f"reject request {number}", as_json)
        return
    echo_json(made) if as_json else click.echo(f"Rejected request {number}.")


@click.command()
@click.argument("number", type=int, metavar="N", shell_complete=complete_request)
@click.option("-m", "--comment", "body", default="", metavar="TEXT", help="Why.")
@rehearsal_option
@json_option
@click.pass_obj
def cancel(door: Door, number: int, body: str, dry_run: bool, as_json: bool) -> None:
    """Cancel a request that you opened."""
    world = door.rehearsed(dry_run)
    made = reviewing.cancel(world, number, body)
    if dry_run:
        _rehearsed(world, made, f"cancel request {number}", as_json)
        return
    echo_json(made) if as_json else click.echo(f"Cancelled request {number}.")


@click.command("break-glass")
@click.argument("number", type=int, metavar="N", shell_complete=complete_request)
@click.option("-m", "--comment", "reason", required=True, metavar="TEXT", help="What the emergency is.")
@rehearsal_option
@json_option
@click.pass_obj
def break_glass(door: Door, number: int, reason: str, dry_run: bool, as_json: bool) -> None:
    """Ask for a request to pass gates and freezes in an emergency.

    Two owners have to approve it from here on, knowing that. CODEOWNERS, the quarantine and every other check still
    hold. The reason stands in the merge, and everybody who listens is told.

    \b
    stagedoor break-glass 7 -m "Production answers with NaN; version 3 is what ran last week"
    """
    world = door.rehearsed(dry_run)
    made = reviewing.break_glass(world, number, reason)
    if dry_run:
        _rehearsed(world, made, f"break the glass of request {number}", as_json)
        return
    if as_json:
        echo_json(made)
        return
    click.echo(f"Broke the glass of request {number}. Two owners have to approve it now.")
    say_next(reviewing.standing(world, number))


@click.command()
@click.argument("target", metavar="N | REF", shell_complete=complete_request)
@click.argument("text", required=False)
@rehearsal_option
@json_option
@click.pass_obj
def comment(door: Door, target: str, text: str | None, dry_run: bool, as_json: bool) -> None:
    """Comment on a request or on a version.

    Without TEXT, the comments there are.

    \b
    stagedoor comment 4 "which data was it trained on?"
    stagedoor comment power-forecasting/3 "in use by the trading desk"
    """
    world = door.rehearsed(dry_run)
    if target.isdigit():
        made = reviewing.comment(world, int(target), text) if text is not None else world.forge.get(int(target))
        if as_json or text is None:
            _print_comments([(c.at, c.by, c.body) for c in made.comments], made.comments, as_json)
        else:
            click.echo(f"{'Would comment' if dry_run else 'Commented'} on request {target}.")
        return
    if text is not None:
        comments.add(world, target, text)
    found = comments.of(world, target)
    if as_json or text is None:
        _print_comments([(c.at, c.by, c.body) for c in found], found, as_json)
    else:
        click.echo(f"{'Would comment' if dry_run else 'Commented'} on {target}.")


def _print_comments(lines: list[tuple[object, str, str]], value: object, as_json: bool) -> None:
    if as_json:
        echo_json(value)
    elif not lines:
        click.echo("No comment.")
    for at, by, body in lines if not as_json else ():
        click.echo(f"{at:%Y-%m-%d %H:%M} {visible(by)}: {visible(body)}")


@click.command()
@click.argument("number", type=int, metavar="N", shell_complete=complete_request)
@rehearsal_option
@json_option
@click.pass_obj
def update(door: Door, number: int, dry_run: bool, as_json: bool) -> None:
    """Bring a request onto the newest main.

    What it does is done again there; a version whose number was taken meanwhile gets the next one. The head changes,
    so it has to be approved again.
    """
    world = door.rehearsed(dry_run)
    made = reviewing.update(world, number)
    if dry_run:
        _rehearsed(world, made.request, f"bring request {number} onto the newest main", as_json)
        return
    if as_json:
        echo_json(made)
        return
    for one in made.renumbered:
        click.echo(f"{visible(one.model)}/{one.was} is {visible(one.model)}/{one.now} now.")
    click.echo(
        f"Request {number} is at {made.request.head[:10]}."
        if made.changed
        else f"Request {number} is on the newest main already."
    )


@click.command()
@click.argument("number", type=int, metavar="N", shell_complete=complete_request)
@click.option("-m", "--comment", "body", default="", metavar="TEXT", help="Why; it stands in the merge commit.")
@click.option("--dry-run", is_flag=True, help="Show the plan and what is in the way, and change nothing.")
@json_option
@click.pass_obj
def merge(door: Door, number: int, body: str, dry_run: bool, as_json: bool) -> None:
    """Merge an approved request.

    The result is planned and checked on the newest main, by main's own policy, and the approvals are judged again.
    """
    world = door.world
    if dry_run:
        show_request(door, number, "text", as_json)
        return
    made = reviewing.merge(world, number, body)
    echo_json(made) if as_json else click.echo(f"Merged request {number} as {made.merged_as[:10]}.")
