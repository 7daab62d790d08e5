"""Commands about requests, plans and checks."""

from __future__ import annotations

import click

from stagedoor.apps.cli.complete import complete_ref, complete_request, complete_stage
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import (
    as_of,
    at_option,
    echo_json,
    echo_lines,
    echo_outcome,
    json_option,
    rehearsal_option,
    table,
)
from stagedoor.core.approval import Verdict
from stagedoor.core.checks import Problem
from stagedoor.core.plan import Plan
from stagedoor.core.requests import BrokeGlass, Closed, Commented, MergedStep, Opened, Pushed, Request, Reviewed
from stagedoor.core.views import plans, problems
from stagedoor.core.views.plain import visible
from stagedoor.errors import BadInput, ChecksFailed
from stagedoor.workflows import comments, planning, registering, reviewing, signing, validating, writing
from stagedoor.workflows.world import World


def _wishes(words: tuple[str, ...]) -> list[registering.Wish]:
    """`REF STAGE`, or `REF=STAGE` again and again."""
    if len(words) == 2 and "=" not in words[1]:
        return [registering.Wish(words[0], words[1])]
    wishes = [registering.Wish(*reversed(word[::-1].split("=", 1))) for word in words if "=" in word]
    if not words or len(wishes) != len(words):
        raise BadInput("a version and a stage are needed", fix="stagedoor request NAME/3 Staging, or NAME/3=Staging …")
    return [registering.Wish(wish.ref[::-1], wish.stage[::-1]) for wish in wishes]


@click.command()
@click.argument(
    "words", nargs=-1, required=True, metavar="REF STAGE | REF=STAGE... | show N", shell_complete=complete_ref
)
@click.option("-m", "--comment", default="", metavar="TEXT", help="Why.")
@click.option("--archive-existing", is_flag=True, help="Move the others in that stage to Archived.")
@click.option("--in", "into", type=int, metavar="N", help="Put the move into the open request N.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown"]),
    default="text",
    help="With show: how to print the plan.",
)
@json_option
@click.pass_obj
def request(
    door: Door,
    words: tuple[str, ...],
    comment: str,
    archive_existing: bool,
    into: int | None,
    dry_run: bool,
    style: str,
    as_json: bool,
) -> None:
    """Ask for a stage transition, or show a request.

    Several REF=STAGE pairs make one request that lands as a whole or not at all.

    \b
    stagedoor request power-forecasting/3 Production --archive-existing -m "beats version 2"
    stagedoor request power-forecasting/3=Production load-forecasting/7=Production
    stagedoor request show 4
    """
    if words[0] == "show" and len(words) == 2 and words[1].isdigit():
        _show(door, int(words[1]), style, as_json)
        return
    lane = writing.Lane(propose=into is None, into=into, dry_run=dry_run)
    outcome = registering.transition(
        door.world, _wishes(words), comment=comment, archive_existing=archive_existing, lane=lane
    )
    echo_outcome(outcome, "Asked", as_json=as_json, dry_run=dry_run)


def _show(door: Door, number: int, style: str, as_json: bool) -> None:
    here = reviewing.standing(door.world, number)
    if as_json:
        echo_json({"request": here.request, "plan": plans.data(here.plan), "blockers": here.blockers})
        return
    if style == "markdown":
        click.echo(plans.markdown(here.plan), nl=False)
        return
    state = here.request.closed_as or here.request.state
    click.echo(f"{visible(here.request.author)} opened it on {here.request.opened_at:%Y-%m-%d %H:%M}; it is {state}.")
    if here.request.body:
        click.echo(f"  {visible(here.request.body)}")
    click.echo("")
    echo_lines(plans.text(here.plan))
    _conversation(here.request)
    _next(here)


def _conversation(request: Request) -> None:
    said = [line for step in request.steps if (line := _step_line(request, step))]
    if said:
        click.echo("")
        for line in said:
            click.echo(f"  {line}")


def _step_line(request: Request, step: object) -> str:
    match step:
        case Opened() | None:
            return ""
        case Reviewed():
            dead = "" if step.head == request.head else " (of an older head)"
            verdict = "approved" if step.verdict == "approved" else "asked for changes"
            return f"{step.at:%Y-%m-%d %H:%M} {visible(step.by)} {verdict}{dead}{_said(step.body)}"
        case BrokeGlass():
            return f"{step.at:%Y-%m-%d %H:%M} {visible(step.by)} broke the glass: {visible(step.reason)}"
        case Commented():
            return f"{step.at:%Y-%m-%d %H:%M} {visible(step.by)} said: {visible(step.body)}"
        case Pushed():
            return f"{step.at:%Y-%m-%d %H:%M} {visible(step.by)} pushed {step.head[:10]}{_said(step.why)}"
        case Closed():
            return f"{step.at:%Y-%m-%d %H:%M} {visible(step.by)} {step.how} it{_said(step.body)}"
        case MergedStep():
            return f"{step.at:%Y-%m-%d %H:%M} {visible(step.by)} merged it as {step.commit[:10]}"
        case _:
            return ""


def _said(text: str) -> str:
    return f": {visible(text)}" if text else ""


def _next(here: reviewing.Standing) -> None:
    if not here.request.is_open:
        return
    number = here.request.number
    click.echo("")
    if not here.blockers:
        click.secho(f"Ready: stagedoor merge {number}", fg="green")
    elif here.stale or here.plan.conflicts:
        click.echo(f"{visible(here.stale)}\nNext: stagedoor update {number}".lstrip())
    elif here.plan.verdict and not here.plan.verdict.holds and all(p.code == "SD404" for p in here.plan.errors):
        waiting = ", ".join(here.plan.verdict.waiting_for) or "an owner"
        click.echo(f"Waiting for {visible(waiting)}: stagedoor approve {number}")
    else:
        click.echo("The checks above have to hold first.")


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="REF STAGE | REF=STAGE...", shell_complete=complete_ref)
@click.option("-m", "--comment", default="", metavar="TEXT", help="Why; it stands in the commit.")
@click.option("--archive-existing", is_flag=True, help="Move the others in that stage to Archived.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@json_option
@click.pass_obj
def transition(
    door: Door, words: tuple[str, ...], comment: str, archive_existing: bool, dry_run: bool, as_json: bool
) -> None:
    """Move a version to a stage directly, as the stage's owner.

    One commit on main, for owners of both stages, where the registry allows it and every check holds.
    """
    wishes = _wishes(words)
    lane = writing.Lane(dry_run=dry_run)
    outcome = registering.transition(door.world, wishes, comment=comment, archive_existing=archive_existing, lane=lane)
    echo_outcome(
        outcome, "Moved " + ", ".join(f"{w.ref} to {w.stage}" for w in wishes), as_json=as_json, dry_run=dry_run
    )


@click.command()
@click.argument("name", shell_complete=complete_ref)
@click.argument("stage", shell_complete=complete_stage)
@click.option("-m", "--comment", default="", metavar="TEXT", help="Why.")
@click.option("--direct", is_flag=True, help="Roll back at once, as the stage's owner.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@json_option
@click.pass_obj
def rollback(door: Door, name: str, stage: str, comment: str, direct: bool, dry_run: bool, as_json: bool) -> None:
    """Ask for the previous holder of a stage back.

    History says who it was. The version that is there now is archived in the same request.
    """
    lane = writing.Lane(propose=not direct, dry_run=dry_run)
    outcome = registering.rollback(door.world, name, stage, comment=comment, lane=lane)
    echo_outcome(outcome, f"Rolled back {name} {stage}", as_json=as_json, dry_run=dry_run)


@click.command("open")
@click.argument("rev")
@click.option("-m", "--title", default="", metavar="TEXT", help="The request's title (default: the commit's subject).")
@click.option("--body", default="", metavar="TEXT", help="What it is for.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@json_option
@click.pass_obj
def open(door: Door, rev: str, title: str, body: str, dry_run: bool, as_json: bool) -> None:
    """Open a request for a branch made by hand.

    For changes that have no verb of their own, such as CODEOWNERS, registry.yaml or many files at once.

    \b
    git switch -c more-owners && vi .github/CODEOWNERS && git commit -a
    stagedoor open more-owners
    """
    outcome = writing.open_revision(door.world, rev, title, body, dry_run=dry_run)
    echo_outcome(outcome, f"Proposed {rev}", as_json=as_json, dry_run=dry_run)


@click.command()
@click.option("--state", type=click.Choice(["open", "merged", "closed", "all"]), default="open", show_default=True)
@click.option("--mine", is_flag=True, help="Only those that I opened.")
@json_option
@click.pass_obj
def requests(door: Door, state: str, mine: bool, as_json: bool) -> None:
    """List the requests."""
    world = door.world
    found = [r for r in reviewing.requests(world, state) if not mine or r.author.lower() == world.actor.email.lower()]  # type: ignore[arg-type]
    if as_json:
        echo_json(found)
    elif not found:
        click.echo("No request is open." if state == "open" else "No request.")
    else:
        rows = [(r.number, r.closed_as or r.state, r.title, r.author, f"{r.updated_at:%Y-%m-%d %H:%M}") for r in found]
        table(("N", "STATE", "TITLE", "BY", "UPDATED"), rows)


@click.command()
@click.argument("number", type=int, required=False, metavar="[N]", shell_complete=complete_request)
@click.option("--base", metavar="REV", help="What it would change (default: main).")
@click.option("--head", metavar="REV", help="What it would be changed to.")
@click.option("--format", "style", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@json_option
@click.pass_obj
def plan(door: Door, number: int | None, base: str | None, head: str | None, style: str, as_json: bool) -> None:
    """Show what a request, or a revision, would do.

    The same commits give the same bytes on any clone.

    \b
    stagedoor plan 4
    stagedoor plan --base main --head my-branch --format markdown
    """
    made = _planned(door, number, base, head)
    if as_json or style == "json":
        echo_json(plans.data(made))
    elif style == "markdown":
        click.echo(plans.markdown(made), nl=False)
    else:
        echo_lines(plans.text(made))


def _planned(door: Door, number: int | None, base: str | None, head: str | None) -> Plan:
    if number is not None and (base or head):
        raise BadInput("a request's number and revisions do not go together", fix="stagedoor plan N, or --head REV")
    world = door.world
    if number is not None:
        return reviewing.standing(world, number).plan
    if head is None:
        raise BadInput("nothing to plan", fix="stagedoor plan N, or stagedoor plan --head REV")
    return planning.plan_between(world, base or world.repository.branch, head)


@click.command()
@click.argument("what", nargs=-1, metavar="[N | PATH...]")
@click.option("--base", metavar="REV", help="The base of the change (default: main).")
@click.option("--head", metavar="REV", help="The revision to check.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "github", "sarif", "markdown"]),
    default="text",
    show_default=True,
)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@at_option
@json_option
@click.pass_obj
def validate(
    door: Door,
    what: tuple[str, ...],
    base: str | None,
    head: str | None,
    style: str,
    strict: bool,
    at: str | None,
    as_json: bool,
) -> None:
    """Check a request, a revision, or files.

    Without arguments the whole registry at main, or as it was --at a time. With N a request, merged into today's main,
    approvals included. With paths the files in this checkout. Exit code 8 when an error was found.

    \b
    stagedoor validate 4
    stagedoor validate --base origin/main --head HEAD --format github
    stagedoor validate registry_spec/models/power-forecasting.yaml
    """
    found = _validated(door, what, base, head) if at is None else _validated_then(door, at, what or base or head)
    style = "json" if as_json else style
    rendered = problems.render(found, style)
    echo_lines(rendered) if style == "text" else click.echo(rendered, nl=False)
    if any(problem.severity == "error" or strict for problem in found):
        click.get_current_context().exit(ChecksFailed.exit_code)


def _validated(door: Door, what: tuple[str, ...], base: str | None, head: str | None) -> tuple[Problem, ...]:
    if what and (base or head):
        raise BadInput("a request or files, and revisions, do not go together", fix="give one of them")
    if len(what) == 1 and what[0].isdigit():
        return reviewing.checked(door.world, int(what[0]))
    if what:
        return validating.validate_files(door.world, [door.directory / path for path in what])
    if head or base:
        world = door.world
        made = planning.plan_between(world, base or world.repository.branch, head or "HEAD")
        return (*validating.conflicts_as_problems(made), *made.problems)
    return planning.validate_all(door.world)


def _validated_then(door: Door, at: str, more: object) -> tuple[Problem, ...]:
    if more:
        raise BadInput("--at checks a whole registry of the past", fix="leave requests, files and revisions out")
    world = door.world
    return planning.validate_all(world, as_of(world, at))


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
    _next(here)


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
    _next(reviewing.standing(world, number))


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
        _show(door, number, "text", as_json)
        return
    made = reviewing.merge(world, number, body)
    echo_json(made) if as_json else click.echo(f"Merged request {number} as {made.merged_as[:10]}.")
