"""How the CLI prints: text or JSON, tables, colours on a terminal, progress on long work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from stagedoor.core.views.plain import json_text, visible
from stagedoor.core.views.plans import data as plan_data
from stagedoor.core.views.plans import text as plan_text
from stagedoor.errors import BadInput
from stagedoor.workflows.moments import Moment, commit_at
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Lane, Outcome

F = TypeVar("F", bound=Callable[..., Any])

_COLOURS = {"+": "green", "-": "red", "~": "yellow", "x": "red", "!": "yellow"}


def json_option(command: F) -> F:
    """`--json` for a command that reads."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(command)


def at_option(command: F) -> F:
    """`--at` for a command that reads: the registry as it was."""
    text = "As it was then: a time (2026-10-01 means its end; UTC), a branch, a tag or a commit."
    return click.option("--at", metavar="REV|TIME", help=text)(command)


def as_of(world: World, at: str | None) -> str | None:
    """The commit that `--at` means, which is said on stderr; None without it."""
    if at is None:
        return None
    moment = commit_at(world, at)
    echo_as_of(moment)
    return moment.commit


def echo_as_of(moment: Moment) -> None:
    """Which commit an answer is about, on stderr."""
    merged = f", merged {moment.merged:%Y-%m-%d %H:%M:%S} UTC" if moment.merged else ""
    click.secho(f"as of {moment.commit[:10]}{merged}", dim=True, err=True)


def rehearsal_option(command: F) -> F:
    """`--dry-run` for a verb that is no change of files: the refusals are real, and nothing is published."""
    text = "Show what it would do and change nothing."
    return click.option("--dry-run", is_flag=True, help=text)(command)


def lane_options(command: F) -> F:
    """How a write reaches main: `--dry-run`, `--request`, `--in N`, and `--json` of what it did."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text."),
        click.option("--dry-run", is_flag=True, help="Show the plan and change nothing."),
        click.option("--in", "into", type=int, metavar="N", help="Put the change into the open request N."),
        click.option("--request", "propose", is_flag=True, help="Ask for the change in a new request."),
    ):
        command = option(command)
    return command


def lane_of(propose: bool, into: int | None, dry_run: bool) -> Lane:
    """The lane that the options ask for."""
    if propose and into is not None:
        raise BadInput("--request opens a new request, and --in uses an open one", fix="give one of the two")
    return Lane(propose=propose, into=into, dry_run=dry_run)


def echo_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json_text(value))


def echo_lines(text: str) -> None:
    """Text whose lines begin with a symbol, coloured by it on a terminal."""
    for line in text.splitlines():
        symbol = line.strip()[:2].strip()
        click.secho(line, fg=_COLOURS.get(symbol)) if symbol in _COLOURS else click.echo(line)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table as wide as the terminal; plain columns when nobody watches."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    wide = None if sys.stdout.isatty() else 10_000
    console = Console(width=wide, highlight=False, emoji=False, markup=False, soft_wrap=wide is not None)
    made = Table(box=SIMPLE if sys.stdout.isatty() else None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=wide is not None)
    for row in rows:
        made.add_row(*("–" if cell in (None, "") else visible(str(cell)) for cell in row))
    with console.capture() as captured:
        console.print(made)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def echo_outcome(outcome: Outcome, done: str, *, as_json: bool, dry_run: bool) -> None:
    """What a write did, or would do."""
    if as_json:
        request = outcome.request
        answer = {
            "commit": outcome.commit or None,
            "request": request.number if request else None,
            "changed": not outcome.plan.is_empty,
            "plan": plan_data(outcome.plan),
        }
        click.echo(json_text(answer))
    elif dry_run:
        echo_lines(plan_text(outcome.plan))
    elif outcome.request is not None:
        number = outcome.request.number
        click.echo(f"{done} in request {number}.\n")
        echo_lines(plan_text(outcome.plan))
        click.echo(f"\nNext: stagedoor request show {number}")
    elif outcome.commit:
        click.echo(f"{done} ({outcome.commit[:10]}).")
    else:
        click.echo("Nothing to change: it is so already.")


def pairs(items: Iterable[str], option: str) -> dict[str, str]:
    """`key=value` words as a mapping."""
    found: dict[str, str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise BadInput(f"{item!r} is not KEY=VALUE", where=option, fix=f"write {option} key=value")
        found[key] = value
    return found


def show_progress(what: str, done: int, total: int | None) -> None:
    """One line on stderr that counts, on a terminal only."""
    if not sys.stderr.isatty():
        return
    share = f" {done * 100 // total} %" if total else ""
    end = total is not None and done >= total
    click.echo(f"\r\x1b[K{what} {done:,}{f' of {total:,}' if total else ''}{share}", nl=end, err=True)
