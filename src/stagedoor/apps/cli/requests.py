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
    table,
)
from stagedoor.apps.cli.standing import show_request
from stagedoor.core.checks import Problem
from stagedoor.core.plan import Plan
from stagedoor.core.views import plans, problems
from stagedoor.errors import BadInput, ChecksFailed
from stagedoor.workflows import planning, registering, reviewing, validating, writing


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
        show_request(door, int(words[1]), style, as_json)
        return
    lane = writing.Lane(propose=into is None, into=into, dry_run=dry_run)
    outcome = registering.transition(
        door.world, _wishes(words), comment=comment, archive_existing=archive_existing, lane=lane
    )
    echo_outcome(outcome, "Asked", as_json=as_json, dry_run=dry_run)


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
