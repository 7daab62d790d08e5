"""Commands about what happened, and about telling it."""

from __future__ import annotations

import time
from typing import Any

import click

from stagedoor.apps.cli.complete import complete_ref
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import as_of, at_option, echo_json, json_option, rehearsal_option, table
from stagedoor.core.checks.catalogue import ALL_CHECKS, FAMILIES, check_called
from stagedoor.core.registry import resolve
from stagedoor.core.views.checks import page
from stagedoor.core.views.plain import counted, visible
from stagedoor.effects.ledger import Status
from stagedoor.errors import BadInput, NotFound, Unavailable
from stagedoor.workflows import following, reconciling
from stagedoor.workflows import history as past


@click.command()
@click.argument("ref", required=False, shell_complete=complete_ref)
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="How many; 0 for all.")
@at_option
@json_option
@click.pass_obj
def activity(door: Door, ref: str | None, limit: int, at: str | None, as_json: bool) -> None:
    """Show what happened, newest first.

    Of the whole registry, of a model or of a version, in the order of main: clocks order nothing. `git log
    --first-parent` tells the same story. With --at, what had happened by then.
    """
    world = door.world
    commit = as_of(world, at)
    found = resolve(world.snapshot(commit).registry, ref) if ref else None
    events = past.activity(world, found.model if found else None, found.version if found else None, commit=commit)
    shown = events[:limit] if limit else events
    if as_json:
        echo_json(shown)
        return
    for event in shown:
        click.echo(f"{event.commit[:10]} {event.at:%Y-%m-%d %H:%M} {visible(event.text)}")
        for more in (event.comment, event.system_comment):
            if more:
                click.echo(f"           {visible(more)}")
    if len(shown) < len(events):
        click.echo(f"… and {len(events) - len(shown)} more: --limit 0 shows all.")
    if not events:
        click.echo("Nothing happened yet.")


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be told, and tell nobody.")
@click.option("--status", "only_status", is_flag=True, help="Show how far it came and what waits.")
@click.option("--from", "start", metavar="REV", help="Go on from here, without telling of what came before.")
@click.option("--redeliver", is_flag=True, help="Try again now what failed, and what was parked.")
@click.option(
    "--allow-private-webhooks",
    is_flag=True,
    envvar="STAGEDOOR_ALLOW_PRIVATE_WEBHOOKS",
    help="Let webhooks call receivers in the own network.",
)
@click.option(
    "--watch", type=click.FloatRange(min=0.2), metavar="SECONDS", help="Do it again and again, with this pause."
)
@json_option
@click.pass_obj
def reconcile(
    door: Door,
    dry_run: bool,
    only_status: bool,
    start: str | None,
    redeliver: bool,
    allow_private_webhooks: bool,
    watch: float | None,
    as_json: bool,
) -> None:
    """Record what was merged, and tell whoever wants to know.

    From the cursor on refs/stagedoor/ledger to main, merge by merge. Running it twice tells once.
    """
    world = door.world
    if only_status:
        _status(reconciling.status(world), as_json)
        return
    while True:
        options = reconciling.Options(dry_run, start, redeliver, allow_private_webhooks)
        try:
            _report(reconciling.reconcile(world, options), dry_run, as_json)
        except Unavailable as error:
            if watch is None:
                raise
            click.echo(f"waiting: {error.what}", err=True)
        if watch is None:
            return
        start = None
        time.sleep(watch)
        world.forget()


def _report(report: reconciling.Report, dry_run: bool, as_json: bool) -> None:
    if as_json:
        echo_json(report)
        return
    for event in report.events:
        click.echo(f"{event.commit[:10]} {visible(event.text)}")
        if event.system_comment:
            click.echo(f"           {visible(event.system_comment)}")
    for telling in report.planned:
        click.echo(f"would tell {visible(telling.sink)}: {visible(telling.event.text)}")
    for failed in report.failed:
        click.secho(f"{failed.state}: {visible(failed.sink)}: {visible(failed.error)}", fg="yellow", err=True)
    echo_manifests(report, dry_run=dry_run)
    verb = "would be told" if dry_run else "delivered"
    told = len(report.planned) if dry_run else report.delivered
    failed_count = f", {len(report.failed)} failed" if report.failed else ""
    activities = f"{len(report.events)} activit{'y' if len(report.events) == 1 else 'ies'}"
    click.echo(f"{counted(report.merges, 'commit')}, {activities}, {told} {verb}{failed_count}.")


def echo_manifests(report: reconciling.Report, *, dry_run: bool) -> None:
    """What became of the branch of manifests, where registry.yaml names one."""
    done = report.manifests
    for verb, paths in (("write", done.written), ("remove", done.removed)) if done else ():
        for path in paths:
            said = f"would {verb}" if dry_run else {"write": "wrote", "remove": "removed"}[verb]
            click.echo(f"{said} the manifest {visible(path)}")
    for one in done.unrendered if done else ():
        click.secho(f"no manifest for {visible(one.ref)}: {visible(one.reason)}", fg="yellow", err=True)
    if report.undeployed:
        click.secho(f"the manifests stay as they were: {visible(report.undeployed)}", fg="yellow", err=True)


def _status(found: Status, as_json: bool) -> None:
    if as_json:
        echo_json(found)
        return
    click.echo(f"reconciled up to {found.cursor.main[:10] or 'nothing yet'}")
    for state, count in sorted(found.counts.items()):
        click.echo(f"{count:6} {state}")
    if found.waiting:
        rows = [
            (d.state, d.sink, d.attempts, f"{d.next_at:%Y-%m-%d %H:%M}" if d.next_at else "", d.error)
            for d in found.waiting
        ]
        table(("STATE", "SINK", "ATTEMPTS", "NEXT", "ERROR"), rows)
        click.echo("\nTry again now: stagedoor reconcile --redeliver")


_EVERYTHING = "Of every model, as far as mail goes."


@click.command()
@click.argument("ref", required=False, shell_complete=complete_ref)
@click.option("--only-followed", is_flag=True, help="Of a model: only what happens to versions I follow (the default).")
@click.option("--all", "everything", is_flag=True, help=f"{_EVERYTHING} Ends `mute --all`.")
@rehearsal_option
@json_option
@click.pass_obj
def follow(door: Door, ref: str | None, only_followed: bool, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Hear of a version, or of everything about a model.

    Whoever comments on a version, moves it or asks for that, follows it already.
    """
    world = door.rehearsed(dry_run)
    if _is_everything(ref, everything):
        _silence(world, mail=True, dry_run=dry_run, as_json=as_json)
        return
    made = following.choose(world, ref or "", "following") if only_followed else following.follow(world, ref or "")
    if as_json:
        echo_json(made)
    elif only_followed:
        click.echo(f"{made.email} {'would hear' if dry_run else 'hears'} of the versions of {ref} that they follow.")
    else:
        click.echo(f"{made.email} {'would follow' if dry_run else 'follows'} {ref}.")


@click.command()
@click.argument("ref", metavar="[NAME]", required=False, shell_complete=complete_ref)
@click.option("--all", "everything", is_flag=True, help=f"{_EVERYTHING} `follow --all` ends it.")
@rehearsal_option
@json_option
@click.pass_obj
def mute(door: Door, ref: str | None, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Hear nothing of a model. `stagedoor follow NAME` ends it."""
    world = door.rehearsed(dry_run)
    if _is_everything(ref, everything):
        _silence(world, mail=False, dry_run=dry_run, as_json=as_json)
        return
    made = following.choose(world, ref or "", "mute")
    hears = "would hear" if dry_run else "hears"
    echo_json(made) if as_json else click.echo(f"{made.email} {hears} nothing of {ref}.")


def _is_everything(ref: str | None, everything: bool) -> bool:
    if bool(ref) == everything:
        raise BadInput("either a model or --all is wanted", fix="name one, or write --all")
    return everything


def _silence(world: Any, *, mail: bool, dry_run: bool, as_json: bool) -> None:
    email = following.silence(world, mail=mail)
    gets = "would get" if dry_run else "gets"
    text = f"{email} {gets} {'mail again' if mail else 'no mail of this registry any more'}."
    echo_json({"email": email, "mail": mail}) if as_json else click.echo(text)


@click.command()
@click.argument("code", required=False)
@click.option("--markdown", is_flag=True, help="The page of all checks, as it stands in the docs.")
@json_option
def explain(code: str | None, markdown: bool, as_json: bool) -> None:
    """Explain a check.

    Without CODE, the list of all.

    \b
    stagedoor explain SD301
    """
    if markdown:
        click.echo(page(), nl=False)
        return
    if code is None:
        rows = [(one.code, one.severity, one.title) for one in ALL_CHECKS]
        echo_json(rows) if as_json else table(("CODE", "SEVERITY", "TITLE"), rows)
        return
    found = check_called(code)
    if found is None:
        raise NotFound(f"there is no check {code}", fix="stagedoor explain lists them")
    if as_json:
        echo_json({"code": found.code, "severity": found.severity, "title": found.title, "reason": found.reason})
        return
    click.secho(f"{found.code}: {found.title}", bold=True)
    click.echo(f"{found.severity}, {FAMILIES[found.code[:3]]}\n\n{' '.join(found.reason.split())}")
