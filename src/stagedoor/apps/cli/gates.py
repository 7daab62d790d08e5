"""Commands about gates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import click

from stagedoor.apps.cli.complete import complete_model, complete_ref, complete_stage
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, echo_lines, echo_outcome, json_option, table
from stagedoor.core.gates.hindsight import Scope
from stagedoor.core.intents import checked_stage
from stagedoor.core.views import plans
from stagedoor.core.views.gates import Guard, Spoken
from stagedoor.core.views.plain import counted, visible
from stagedoor.core.views.verdicts import verdict_lines
from stagedoor.errors import ChecksFailed
from stagedoor.workflows import attaching, gating, policies, replaying
from stagedoor.workflows.writing import Lane

_POLICY = click.option(
    "--policy", "file", type=click.Path(path_type=Path), metavar="FILE", help="Under this registry.yaml, not main's."
)


@click.group()
def gates() -> None:
    """Show what guards the stages, try a move, replay history under another policy."""


@gates.command("list")
@click.argument("name", default="", shell_complete=complete_model)
@click.argument("stage", default="", shell_complete=complete_stage)
@json_option
@click.pass_obj
def list_(door: Door, name: str, stage: str, as_json: bool) -> None:
    """List what guards which stage, in words.

    \b
    stagedoor gates list
    stagedoor gates list power-forecasting Production
    """
    found = gating.guarding(door.world, name, stage)
    if as_json:
        echo_json(found)
        return
    for guard in found:
        _show_guard(guard)


def _show_guard(guard: Guard) -> None:
    rules = f"   {'; '.join(guard.rules)}" if guard.rules else ""
    click.echo(click.style(visible(guard.stage), bold=True) + visible(rules))
    for kind, all_spoken in (("gate", guard.gates), ("freeze", guard.freezes)):
        for one in all_spoken:
            _show_spoken(kind, one)
    if not (guard.rules or guard.gates or guard.freezes):
        click.echo("  its owners alone")


def _show_spoken(kind: str, one: Spoken) -> None:
    models = "" if one.models == ("*",) else f"   ({', '.join(one.models)})"
    click.echo(visible(f"  {kind} {one.name}{models}"))
    for said in one.says:
        click.echo(visible(f"    {said}"))
    if one.reason:
        click.echo(visible(f"    because {one.reason}"))


@gates.command()
@click.argument("ref", shell_complete=complete_ref)
@click.argument("stage", shell_complete=complete_stage)
@click.option("--archive-existing", is_flag=True, help="As if the others in that stage were archived with it.")
@_POLICY
@json_option
@click.pass_obj
def test(door: Door, ref: str, stage: str, archive_existing: bool, file: Path | None, as_json: bool) -> None:
    """Try a move, change nothing, and say what each gate thinks of it.

    Exit code 0 when the gates hold, 8 when they do not. Who would have to agree is shown, and does not count.

    \b
    stagedoor gates test power-forecasting/3 Production --archive-existing
    stagedoor gates test power-forecasting/3 Production --policy stricter.yaml
    """
    policy = replaying.read_policy(door.directory / file) if file else None
    tried = gating.try_move(door.world, ref, stage, archive=archive_existing, policy=policy)
    if as_json:
        echo_json({"ref": tried.ref, "from": tried.was, "to": tried.stage, "holds": tried.holds, **_tried(tried)})
    else:
        _show_tried(tried)
    if not tried.holds:
        click.get_current_context().exit(ChecksFailed.exit_code)


def _tried(tried: gating.Tried) -> dict[str, object]:
    verdict = tried.plan.verdict
    who = verdict.waiting_for if verdict else ()
    return {"gates": tried.plan.gates, "problems": tried.others, "verdict": verdict, "would_agree": who}


def _show_tried(tried: gating.Tried) -> None:
    made = tried.plan
    click.echo(visible(f"{tried.ref}: {tried.was} → {tried.stage}") + "\n")
    echo_lines("\n".join(plans.gate_lines(made.gates)) if made.gates else "No gate guards this.")
    kinds = {ruling.kind for ruling in made.gates}
    if "freeze" not in kinds:
        click.echo("No freeze is in force.")
    if "quarantine" not in kinds:
        click.echo("The artifact is not in quarantine.")
    click.echo("")
    for problem in tried.others:
        echo_lines("\n".join(plans.problem_lines(problem)))
    if made.verdict:
        echo_lines("\n".join(verdict_lines(made.verdict)).rstrip())
    said, colour = ("The gates hold.", "green") if tried.holds else ("The gates do not hold.", "red")
    click.secho(f"\n{said}", fg=colour)


@gates.command()
@click.option("--since", default="", metavar="90d | DATE | REV", help="Judge moves from there on (default: all).")
@_POLICY
@click.option("--model", default="*", metavar="GLOB", help="Only models with such a name.")
@click.option("--stage", default="", metavar="STAGE", help="Only moves into this stage.", shell_complete=complete_stage)
@json_option
@click.pass_obj
def replay(door: Door, since: str, file: Path | None, model: str, stage: str, as_json: bool) -> None:
    """Hold a policy against what happened: which moves would it have refused, and which versions today?

    Each move is judged at its own time, with the registry, waivers and quarantine of then. Without --policy main's own
    policy is held against the past: what breaks today's rules? Artifacts are not read. Exit code 8 when something
    would be refused.

    \b
    stagedoor gates replay --since 90d --policy stricter.yaml
    stagedoor gates replay --model 'power-*' --stage Production
    """
    policy = replaying.read_policy(door.directory / file).spec if file else None
    world = door.world
    wanted = checked_stage(policy or world.snapshot().spec, stage).name if stage else ""
    found = replaying.replay(world, policy, since, Scope(model, wanted))
    echo_json(found) if as_json else _show_replay(found)
    if not found.is_clean:
        click.get_current_context().exit(ChecksFailed.exit_code)


def _show_replay(found: replaying.Replay) -> None:
    click.secho(
        f"{len(found.refused):,} of {counted(found.moves, 'move')} since {found.since} would be refused", bold=True
    )
    for one in found.refused:
        via = f", request {one.request}" if one.request is not None else ""
        click.echo(
            visible(
                f"  {one.at:%Y-%m-%d %H:%M}  {one.commit[:10]}  {one.model}/{one.version}: {one.was} → {one.now}"
                f"   by {one.by}{via}"
            )
        )
        _show_reasons(one.reasons)
    n = len(found.misfits)
    click.secho(f"{n:,} of {counted(found.versions, 'version')} in a stage would not be let in today", bold=True)
    for unfit in found.misfits:
        click.echo(visible(f"  {unfit.ref} in {unfit.stage}"))
        _show_reasons(unfit.reasons)
    if found.unread:
        listed = ", ".join(oid[:10] for oid in found.unread[:5])
        click.secho(
            f"{counted(len(found.unread), 'commit')} left out, with files that do not read: {listed}",
            fg="yellow",
            err=True,
        )


def _show_reasons(reasons: Iterable[str]) -> None:
    for reason in reasons:
        click.echo(visible(f"      {reason}"))


# --- waivers --------------------------------------------------------------------------------------------------------


@gates.command()
@click.argument("ref", shell_complete=complete_ref)
@click.argument("gate")
@click.option("--until", required=True, metavar="DATE | 14d", help="The day on which it ends, in UTC.")
@click.option("--reason", required=True, metavar="TEXT", help="Why this may pass.")
@click.option("--owner", default="", metavar="EMAIL", help="Who answers for it (default: you).")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@json_option
@click.pass_obj
def waive(door: Door, ref: str, gate: str, until: str, reason: str, owner: str, dry_run: bool, as_json: bool) -> None:
    """Ask that a model, or a version, may pass a gate until a day.

    A request that adds a file below registry_spec/waivers/; who owns that file agrees. Freezes and the quarantine
    are not waived.

    \b
    stagedoor gates waive power-forecasting/3 measured --until 2026-12-24 --reason "the test set comes on Monday"
    """
    asked = policies.WaiverAsked(ref, gate, until, reason, owner)
    outcome, path = policies.waive(door.world, asked, Lane(propose=True, dry_run=dry_run))
    echo_outcome(outcome, f"Asked for {visible(path)}", as_json=as_json, dry_run=dry_run)


@gates.command()
@json_option
@click.pass_obj
def waivers(door: Door, as_json: bool) -> None:
    """List the waivers, with what is left of their time."""
    found = policies.waivers(door.world)
    if as_json:
        echo_json(found)
    elif not found:
        click.echo("No gate is waived.")
    else:
        rows = [_waiver_row(one) for one in found]
        table(("WAIVER", "GATE", "FOR", "OWNER", "UNTIL", "LEFT", "REASON"), rows)


def _waiver_row(one: policies.Waiving) -> tuple[str, ...]:
    ref = one.model if one.version is None else f"{one.model}/{one.version}"
    left = "ended" if one.has_ended else attaching.aged(timedelta(seconds=one.left))
    return one.name, one.gate, ref, one.owner, f"{one.expires:%Y-%m-%d %H:%M}", left, one.reason


@gates.command()
@click.argument("name", metavar="FILE | NAME")
@click.option("-m", "--comment", default="", metavar="TEXT", help="Why.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@json_option
@click.pass_obj
def unwaive(door: Door, name: str, comment: str, dry_run: bool, as_json: bool) -> None:
    """Ask that a waiver is taken away."""
    outcome, path = policies.unwaive(door.world, name, Lane(propose=True, dry_run=dry_run), comment)
    echo_outcome(outcome, f"Asked to delete {visible(path)}", as_json=as_json, dry_run=dry_run)
