"""How a request is shown: its plan, what was said, and what comes next."""

from __future__ import annotations

import click

from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import (
    echo_json,
    echo_lines,
)
from stagedoor.core.requests import BrokeGlass, Closed, Commented, MergedStep, Opened, Pushed, Request, Reviewed
from stagedoor.core.views import plans
from stagedoor.core.views.plain import visible
from stagedoor.workflows import reviewing


def show_request(door: Door, number: int, style: str, as_json: bool) -> None:
    """Print a request: who opened it, its plan on today's main, the conversation, and what comes next."""
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
    say_next(here)


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


def say_next(here: reviewing.Standing) -> None:
    """Print what has to happen before the request can merge."""
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
