"""Commands about webhooks: who is called when something happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TextIO, TypeVar

import click

from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, echo_outcome, json_option, lane_of, lane_options, table
from stagedoor.core.views.plain import shortened, visible
from stagedoor.core.views.plans import data as plan_data
from stagedoor.core.webhooks import JobTarget, SecretName
from stagedoor.errors import BadInput
from stagedoor.workflows import hooking

F = TypeVar("F", bound=Callable[..., Any])

_STATUSES = click.Choice(["ACTIVE", "DISABLED", "TEST_MODE"])
_private_option = click.option(
    "--allow-private-webhooks",
    "allow_private",
    is_flag=True,
    envvar="STAGEDOOR_ALLOW_PRIVATE_WEBHOOKS",
    help="Let it call a receiver in the own network.",
)


@click.group()
def webhooks() -> None:
    """List, change, test and deliver again the registry's webhooks.

    `stagedoor reconcile` calls them. Their definitions are registry_spec/webhooks.yaml; what is secret about them is
    kept beside the repository and never committed.
    """


def _target_options(command: F) -> F:
    for option in (
        click.option("--url", help="Where to post to, https://…"),
        click.option("--no-verify", is_flag=True, help="Take any certificate of the target."),
        click.option("--job", "job_id", metavar="ID", help="Run this Databricks job instead."),
        click.option("--workspace", metavar="URL", help="The workspace of the job."),
        click.option("--secret", type=click.File(), metavar="FILE", help="Sign with the secret in FILE; - is stdin."),
        click.option("--authorization", type=click.File(), metavar="FILE", help="The Authorization header, in FILE."),
        click.option("--access-token", type=click.File(), metavar="FILE", help="The token for the job, in FILE."),
    ):
        command = option(command)
    return command


@webhooks.command("list")
@click.option("--model", metavar="NAME", default="", help="Only those of a model.")
@click.option("--event", "events", multiple=True, help="Only those that listen to this event.")
@json_option
@click.pass_obj
def list_(door: Door, model: str, events: tuple[str, ...], as_json: bool) -> None:
    """List the webhooks, and how they fare."""
    found = hooking.listed(door.world, model, events)
    if as_json:
        echo_json(found)
    elif not found:
        click.echo("There is no webhook yet: stagedoor webhooks create --help")
    else:
        rows = [
            (one.webhook.id[:8], one.webhook.name, _shown_model(one), ", ".join(one.webhook.events),
             _shown_target(one.webhook.url, one.webhook.job), _shown_status(one))
            for one in found
        ]  # fmt: skip
        table(("ID", "NAME", "MODEL", "EVENTS", "TARGET", "STATUS"), rows)


def _shown_target(url: str, job: JobTarget | None) -> str:
    return shortened(f"job {job.job_id} of {url}" if job else url, 60)


def _shown_model(one: hooking.Listed) -> str:
    return one.model or (f"{one.webhook.model} (gone)" if one.webhook.scope else "all models")


def _shown_status(one: hooking.Listed) -> str:
    if one.is_given_up:
        return f"given up after {one.failures} failures"
    return one.webhook.status + (f", failed {one.failures}×" if one.failures else "")


@webhooks.command()
@click.argument("events", nargs=-1, required=True)
@click.option("--model", metavar="NAME", default="", help="A model; without one it is the whole registry's.")
@click.option("--name", default="", help="What people call it; MLflow's style needs one.")
@click.option("--style", type=click.Choice(["databricks", "mlflow"]), default="databricks", show_default=True)
@click.option("--description", default="", help="What it is for.")
@click.option("--status", type=_STATUSES, default="ACTIVE", show_default=True)
@_target_options
@lane_options
@click.pass_obj
def create(door: Door, /, events: tuple[str, ...], propose: bool, into: int | None, dry_run: bool, as_json: bool,
           model: str, name: str, style: Any, description: str, status: Any, url: str | None, no_verify: bool,
           job_id: str | None, workspace: str | None, **files: TextIO | None) -> None:  # fmt: skip
    """Create a webhook that listens to EVENTS.

    \b
    stagedoor webhooks create MODEL_VERSION_TRANSITIONED_TO_PRODUCTION \\
        --model power-forecasting --url https://example.com/hook --secret secret.txt
    """
    target = _target(url, no_verify, job_id, workspace)
    if target is None:
        raise BadInput("a webhook needs a target", fix="give --url, or --job and --workspace")
    draft = hooking.Draft(events, target, model, name, style, description, status)
    made = hooking.create(door.world, draft, _secrets(files), lane=lane_of(propose, into, dry_run))
    _echo_made(made, "Created", as_json=as_json, dry_run=dry_run)


@webhooks.command()
@click.argument("webhook")
@click.option("--event", "events", multiple=True, help="Listen to these events instead.")
@click.option("--name", help="What people call it.")
@click.option("--description", help="What it is for.")
@click.option("--status", type=_STATUSES)
@click.option("--without", multiple=True, type=click.Choice(["secret", "authorization"]), help="Take this secret away.")
@_target_options
@lane_options
@click.pass_obj
def update(door: Door, /, webhook: str, events: tuple[str, ...], propose: bool, into: int | None, dry_run: bool,
           as_json: bool, name: str | None, description: str | None, status: Any, without: tuple[SecretName, ...],
           url: str | None, no_verify: bool, job_id: str | None, workspace: str | None,
           **files: TextIO | None) -> None:  # fmt: skip
    """Change a webhook; what is not said stays. One that was given up is called again afterwards."""
    target = _target(url, no_verify, job_id, workspace)
    changed = hooking.Changed(events or None, target, name, description, status)
    secrets: dict[SecretName, str | None] = {**_secrets(files), **dict.fromkeys(without)}
    made = hooking.update(door.world, webhook, changed, secrets, lane=lane_of(propose, into, dry_run))
    _echo_made(made, "Updated", as_json=as_json, dry_run=dry_run)


@webhooks.command()
@click.argument("webhook")
@lane_options
@click.pass_obj
def delete(door: Door, webhook: str, propose: bool, into: int | None, dry_run: bool, as_json: bool) -> None:
    """Delete a webhook, and what it kept secret."""
    made = hooking.delete(door.world, webhook, lane=lane_of(propose, into, dry_run))
    _echo_made(made, "Deleted", as_json=as_json, dry_run=dry_run)


@webhooks.command()
@click.argument("webhook")
@click.option("--event", default="", help="Which event to mock (default: the first one it listens to).")
@_private_option
@json_option
@click.pass_obj
def test(door: Door, webhook: str, event: str, allow_private: bool, as_json: bool) -> None:
    """Send a mock payload, whatever the webhook's status, and show what the target answers."""
    found = hooking.test(door.world, webhook, event, allow_private=allow_private)
    if as_json:
        echo_json(found)
    elif found.status is None:
        click.echo(f"{found.event}: {visible(found.error)}")
    else:
        click.echo(f"{found.event}: {found.status} {shortened(found.body, 2000)}")
    click.get_current_context().exit(0 if found.is_good else 11)


@webhooks.command()
@click.argument("webhook", required=False, default="")
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="How many; 0 for all.")
@json_option
@click.pass_obj
def deliveries(door: Door, webhook: str, limit: int, as_json: bool) -> None:
    """Show the last calls, newest first."""
    found = hooking.deliveries(door.world, webhook, limit)
    if as_json:
        echo_json(found)
    elif not found:
        click.echo("Nothing was called yet.")
    else:
        rows = [
            (f"{one.at:%Y-%m-%d %H:%M:%S}", one.delivery[:8], one.webhook[:8], one.event, one.status, one.attempt,
             one.state, one.error)
            for one in found
        ]  # fmt: skip
        table(("WHEN", "DELIVERY", "WEBHOOK", "EVENT", "STATUS", "ATTEMPT", "STATE", "ERROR"), rows)


@webhooks.command()
@click.argument("delivery")
@_private_option
@json_option
@click.pass_obj
def redeliver(door: Door, delivery: str, allow_private: bool, as_json: bool) -> None:
    """Send a delivery of the log once more, with the id it had."""
    made = hooking.redeliver(door.world, delivery, allow_private=allow_private)
    if as_json:
        echo_json(made)
    else:
        said = visible(made.error) if made.error else f"the target answered {made.status}"
        click.echo(f"{made.state}: {said}")
    click.get_current_context().exit(0 if made.state == "delivered" else 11)


def _echo_made(made: hooking.Made, verb: str, *, as_json: bool, dry_run: bool) -> None:
    if not as_json:
        echo_outcome(made.outcome, f"{verb} webhook {made.webhook.id}", as_json=False, dry_run=dry_run)
        return
    request = made.outcome.request
    echo_json(
        {
            "webhook": made.webhook,
            "commit": made.outcome.commit or None,
            "request": request.number if request else None,
            "plan": plan_data(made.outcome.plan),
        }
    )


def _target(url: str | None, no_verify: bool, job_id: str | None, workspace: str | None) -> hooking.Target | None:
    if url and (job_id or workspace):
        raise BadInput("a webhook has one target", fix="give --url, or --job and --workspace")
    if bool(job_id) != bool(workspace):
        raise BadInput("a job stands in a workspace", fix="give both --job and --workspace")
    if no_verify and not url:
        raise BadInput("--no-verify is about a URL", fix="give --url too")
    try:
        if job_id and workspace:
            return JobTarget(job_id=job_id, workspace_url=workspace)
        return hooking.http_target(url, verify=not no_verify) if url else None
    except ValueError:
        raise BadInput("a job has a number, and a URL at most 2,048 characters", fix="look at the target") from None


def _secrets(files: dict[str, TextIO | None]) -> dict[SecretName, str]:
    names: tuple[SecretName, ...] = ("secret", "authorization", "access_token")
    return {name: read for name in names if (file := files.get(name)) and (read := file.read(10_000).strip("\r\n"))}
