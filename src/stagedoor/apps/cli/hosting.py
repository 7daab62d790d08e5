"""Commands that meet other machines: sync, ci, hooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, json_option, rehearsal_option
from stagedoor.core.views.plain import counted, visible
from stagedoor.errors import BadInput, ChecksFailed, Conflict, Unavailable
from stagedoor.gitstore import RefUpdate, Repository


@click.command()
@click.argument("remote", default="origin")
@rehearsal_option
@json_option
@click.pass_obj
def sync(door: Door, remote: str, dry_run: bool, as_json: bool) -> None:
    """Bring main, requests, comments and the ledger together with another copy.

    REMOTE is a remote of this repository, or an address. What is ahead wins; requests, comments and the ledger that
    grew on both sides are put one after the other. A main that grew on both sides is told and left alone.

    \b
    stagedoor sync
    stagedoor sync git@git.example.com:team/models.git
    """
    from stagedoor.workflows.syncing import sync as run

    made = run(door.rehearsed(dry_run), remote)
    if as_json:
        echo_json(made)
    else:
        for one in made.refs:
            click.echo(f"{one.way:<10} {visible(one.ref)}{f'  {visible(one.what)}' if one.what else ''}")
        click.echo(f"{counted(made.equal, 'ref')} equal already, {counted(len(made.refs), 'ref')} not.")
    if made.refused:
        one = made.refused[0]
        raise Conflict(
            f"{one.ref} is not in step with {made.remote}", where=one.what, fix="see above, then run it again"
        )


@click.group()
def ci() -> None:
    """Validate a pull request, reconcile and look for drift, in CI."""


def _in_ci(door: Door) -> Any:
    """The registry of a fresh checkout, where CI has no branch but a commit: the branch is brought first."""
    with Repository.open(door.directory, registry=door.registry, branch=door.branch or "main") as repository:
        if repository.tip() is None:
            _take_branch(repository)
        door.branch = repository.branch
    return door.world


def _take_branch(repository: Repository) -> None:
    """The branch as the checkout brought it, which needs no token; else from the remote."""
    there = repository.tip(f"refs/remotes/origin/{repository.branch}")
    if there is None:
        repository.remote("origin").fetch({repository.ref: repository.ref})
    else:
        repository.publish((RefUpdate(repository.ref, None, there),), "stagedoor: ci")


def _event(world: Any) -> Any:
    """The event file of GitHub or Gitea, read; None where there is none."""
    path = world.environment.get("GITHUB_EVENT_PATH")
    if not path:
        return None
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput("the event file does not read", where=path, fix="look at GITHUB_EVENT_PATH") from error


@ci.command("validate")
@click.option("--publish", is_flag=True, help="Keep the comment, and set the status stagedoor/approvals.")
@click.option("--code-quality", "report", type=click.Path(path_type=Path), metavar="FILE", help="For GitLab's report.")
@click.option("--all", "every", is_flag=True, help="With --publish: every open request, whatever the run is about.")
@json_option
@click.pass_obj
def ci_validate(door: Door, publish: bool, report: Path | None, every: bool, as_json: bool) -> None:
    """Check the pull request that this run is about, by the policy of its base.

    The checks become annotations, the plan the summary of the job. With --publish, in a run that has a token and runs
    no code of the pull request, the plan is one comment that is edited, and the status is green only when everybody
    who has to has agreed. Exit code 8 when the change itself is wrong; waiting for people is no failure.
    """
    from stagedoor.core.runs import read_run
    from stagedoor.core.views import plans, problems
    from stagedoor.workflows import ci as work

    if every and (not publish or report is not None):
        raise BadInput("--all is for publishing the lights of every open request", fix="--publish --all")
    world = _in_ci(door)
    if every:
        _all_open(world, as_json)
        return
    found = work.validate(world, read_run(world.environment, _event(world)), publish=publish)
    _append(world.environment.get("GITHUB_STEP_SUMMARY"), plans.markdown(found.plan))
    said = "".join(f"{name}={value}\n" for name, value in work.outputs(found).items())
    _append(world.environment.get("GITHUB_OUTPUT"), said)
    if report is not None:
        report.write_text(json.dumps(work.code_quality(found), indent=1) + "\n")
    if as_json:
        echo_json({**work.outputs(found), "text": found.text, "plan": plans.data(found.plan)})
    else:
        style = "github" if world.environment.get("GITHUB_ACTIONS") else "text"
        click.echo(problems.render(found.shown, style), nl=False)
        click.echo(f"stagedoor/approvals: {found.light} ({visible(found.text)})")
    if found.errors:
        first = found.errors[0]
        raise ChecksFailed(f"{first.code} {first.what}", where=first.where or None, fix=first.fix or None)


def _all_open(world: Any, as_json: bool) -> None:
    from stagedoor.core.runs import read_run
    from stagedoor.workflows import ci as work

    found = work.validate_open(world, read_run(world.environment, _event(world)))
    said = [
        {"request": str(one.number), "light": "", "text": one.reason}
        if isinstance(one, work.Skipped)
        else {**work.outputs(one), "text": one.text}
        for one in found
    ]
    if as_json:
        echo_json(said)
    for one in () if as_json else said:
        click.echo(f"request {one['request']}: {one['light'] or 'not judged'} ({visible(one['text'])})")
    if any(isinstance(one, work.Skipped) for one in found):
        raise Unavailable("some requests could not be judged", fix="see above, then run it again")


def _append(path: str | None, text: str) -> None:
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


@ci.command("reconcile")
@click.option("--remote", default="origin", show_default=True)
@json_option
@click.pass_obj
def ci_reconcile(door: Door, remote: str, as_json: bool) -> None:
    """Catch up with the newest main from where the last run stopped, and give the ledger back."""
    from stagedoor.apps.cli.stories import echo_manifests
    from stagedoor.workflows.ci import reconcile_all

    made = reconcile_all(_in_ci(door), remote)
    if as_json:
        said = {"merges": made.report.merges, "events": made.report.events, "delivered": made.report.delivered}
        echo_json(said | {"manifests": made.report.manifests, "undeployed": made.report.undeployed})
        return
    done = f"{counted(made.report.merges, 'merge')}, {counted(len(made.report.events), 'event')}"
    click.echo(f"Reconciled {done}, {made.report.delivered} told; the ledger is at {made.report.cursor[:10]}.")
    echo_manifests(made.report, dry_run=False)


@ci.command("drift")
@click.option("--remote", default="origin", show_default=True)
@json_option
@click.pass_obj
def ci_drift(door: Door, remote: str, as_json: bool) -> None:
    """Look for what is not as main says it should be. Exit code 8 when there is something."""
    from stagedoor.workflows.ci import drift

    found = drift(_in_ci(door), remote)
    if as_json:
        echo_json(found)
    for one in found if not as_json else ():
        click.echo(f"drift: {visible(one.what)}\n  fix: {visible(one.fix)}")
    if found:
        raise ChecksFailed(f"{counted(len(found), 'drift')} found", fix=found[0].fix)
    if not as_json:
        click.echo("Everything is as main says.")


@click.group()
def hooks() -> None:
    """Guard a repository so that nobody pushes around a request."""


@hooks.command("install")
@click.pass_obj
def hooks_install(door: Door) -> None:
    """Write the pre-receive hook of a repository that people push to."""
    import shutil
    import sys

    from stagedoor.workflows.guarding import install

    hook = install(door.world, shutil.which("stagedoor") or str(Path(sys.argv[0]).resolve()))
    click.echo(f"Wrote {visible(str(hook))}: pushes to main are judged from now on.")


@hooks.command("pre-receive", hidden=True)
@click.pass_obj
def hooks_pre_receive(door: Door) -> None:
    """Judge a push; git calls this and says on standard input what is pushed."""
    import sys

    from stagedoor.workflows.guarding import guard, read_pushed

    guard(door.world, read_pushed(sys.stdin))
