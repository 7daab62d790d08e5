"""Commands about models and versions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from stagedoor.apps.cli.complete import complete_model, complete_ref
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import (
    as_of,
    at_option,
    echo_json,
    echo_outcome,
    json_option,
    lane_of,
    lane_options,
    pairs,
    table,
)
from stagedoor.core.spec import Column, Run, Version
from stagedoor.core.views.plain import number as shown_number
from stagedoor.core.views.plain import shortened, visible
from stagedoor.core.views.plans import delta_text, said_of
from stagedoor.errors import BadInput
from stagedoor.workflows import lineage, reading, registering, verifying


@click.command()
@click.argument("name", shell_complete=complete_model)
@click.option("--source", required=True, metavar="URI", help="Where the model is: any URI, such as runs:/9f2c/model.")
@click.option("--description", default="", metavar="TEXT", help="What this version is.")
@click.option("--run-id", default="", metavar="ID", help="The run that made it.")
@click.option("--run-name", default="", metavar="NAME", help="The run's name.")
@click.option("--experiment", default="", metavar="NAME", help="The experiment of the run.")
@click.option("--run-link", default="", metavar="URL", help="Where the run can be looked at.")
@click.option("--metric", "metrics", multiple=True, metavar="KEY=NUMBER", help="A metric; may be given again.")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="A parameter; may be given again.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the version; may be given again.")
@click.option("--data", "datasets", multiple=True, metavar="NAME[=DIGEST]", help="A data set; may be given again.")
@click.option("--code", default="", metavar="URL@COMMIT", help="The commit that the run was started from.")
@click.option(
    "--digest",
    default="",
    metavar="DIGEST",
    help="The digest of the artifact, such as sha256:…; auto reads it from a remote source too.",
)
@click.option(
    "--signature",
    "card",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An MLmodel file, or inputs and outputs in YAML or JSON: what the model takes and gives.",
)
@click.option(
    "--tracking-uri",
    default="",
    metavar="URI",
    help="MLflow's tracking server, asked for the lineage of the run (default: MLFLOW_TRACKING_URI).",
)
@click.option("--no-lineage", is_flag=True, help="Do not ask the tracking server.")
@click.option("--no-digest", is_flag=True, help="Record no digest, though the artifact is on this machine.")
@click.option("--folder", default="", metavar="FOLDER", help="For a new model: its folder below models/.")
@click.option("-m", "--comment", default="", metavar="TEXT", help="Why; kept with the commit or the request.")
@lane_options
@click.pass_obj
def register(
    door: Door, name: str, source: str, description: str, run_id: str, run_name: str, experiment: str, run_link: str,
    metrics: tuple[str, ...], params: tuple[str, ...], tags: tuple[str, ...], datasets: tuple[str, ...], code: str,
    digest: str, card: Path | None, tracking_uri: str, no_lineage: bool, no_digest: bool, folder: str, comment: str,
    propose: bool, into: int | None, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Register the next version of a model.

    The model is created when it is not there yet. What is said here about where the version comes from is recorded
    for good; its description, tags and stage can change. The digest of an artifact on this machine is computed. A
    tracking server of MLflow is asked for the experiment, code, data, parameters, metrics and signature of the run.

    \b
    stagedoor register power-forecasting --source runs:/9f2c/model --run-id 9f2c \\
        --metric rmse=412.7 --data windfarm=sha256:ab12 --code https://git.example.com/wind@1f0e3d
    """
    if not source.strip():
        raise BadInput("a version says where its model is", where="--source", fix="write --source s3://bucket/model")
    if digest and no_digest:
        raise BadInput("--digest and --no-digest say the opposite", fix="give one of the two")
    world = door.world
    run = {"id": run_id, "name": run_name, "experiment": experiment, "link": run_link}
    repository, _, commit = code.rpartition("@") if "@" in code else (code, "", "")
    content: dict[str, object] = {
        "source": source,
        "description": description,
        "run": run if any(run.values()) else None,
        "code": {"repository": repository, "commit": commit} if code else None,
        "data": _datasets(datasets),
        "params": pairs(params, "--param"),
        "metrics": _numbers(pairs(metrics, "--metric")),
        "tags": pairs(tags, "--tag"),
        **_signature(card),
    }
    uri = "" if no_lineage else lineage.tracking_uri(world, tracking_uri)
    origin = lineage.Origin(source, run_id)
    if uri and origin.is_tracked:
        auto, computes = digest == verifying.AUTO, not no_digest and digest in ("", verifying.AUTO)
        content = lineage.with_lineage(content, lineage.lineage_of(world, origin, uri, fetch=auto, digest=computes))
    if not no_digest and "digest" not in content:
        content["digest"] = verifying.digest_to_record(world, source, digest, door.directory)
    lane = lane_of(propose, into, dry_run)
    outcome, ref = registering.register(
        world, registering.NewVersion(name, content, folder), comment=comment, lane=lane
    )
    echo_outcome(outcome, f"Registered {ref}", as_json=as_json, dry_run=dry_run)


def _signature(card: Path | None) -> dict[str, object]:
    if card is None:
        return {}
    signature, flavors = lineage.signature_in(card)
    return {"signature": signature, "flavors": flavors}


def _datasets(given: tuple[str, ...]) -> tuple[dict[str, str], ...]:
    found = tuple((name, digest) for name, _, digest in (item.partition("=") for item in given))
    if not all(name.strip() for name, _ in found):
        raise BadInput("a data set has a name", where="--data", fix="write --data NAME or --data NAME=DIGEST")
    return tuple({"name": name, "digest": digest} for name, digest in found)


def _numbers(given: dict[str, str]) -> dict[str, float]:
    found = {}
    for key, text in given.items():
        try:
            value = float(text)
        except ValueError:
            raise BadInput(f"{key}: {text!r} is no number", where="--metric", fix=f"write --metric {key}=1.5") from None
        if value != value or value in (float("inf"), float("-inf")):
            raise BadInput(f"{key}: {text} is not a finite number", where="--metric", fix="leave the metric out")
        found[key] = value
    return found


@click.command()
@click.argument("name", default="")
@click.option(
    "--tag", "tags", multiple=True, metavar="KEY[=VALUE]", help="Only models with this tag; may be given again."
)
@click.option("--stage", default="", metavar="STAGE", help="Only models with a version in this stage.")
@click.option("--sort", type=click.Choice(reading.SORTS), default="name", show_default=True)
@click.option("--desc", is_flag=True, help="Sort the other way round.")
@click.option("--limit", default=100, show_default=True, help="How many a page.")
@click.option("--page", default=1, show_default=True, help="Which page.")
@at_option
@json_option
@click.pass_obj
def models(
    door: Door,
    name: str,
    tags: tuple[str, ...],
    stage: str,
    sort: str,
    desc: bool,
    limit: int,
    page: int,
    at: str | None,
    as_json: bool,
) -> None:
    """List the registered models.

    NAME is a part of the name, or a pattern with * and ?.

    \b
    stagedoor models
    stagedoor models 'power-*' --stage Production --tag team=energy
    stagedoor models --at 2026-10-01
    """
    wanted = tuple((key, value if equals else None) for key, equals, value in (tag.partition("=") for tag in tags))
    query = reading.ModelsQuery(name, wanted, stage, sort, desc, limit, page)
    world = door.world
    found = reading.models(world, query, commit=as_of(world, at))
    if as_json:
        echo_json(found)
        return
    rows = [
        (
            m.name,
            m.latest,
            m.staging,
            m.production,
            m.created_by,
            " ".join(f"{k}={v}" for k, v in sorted(m.tags.items())),
        )
        for m in found.models
    ]
    if rows:
        table(("NAME", "LATEST", "STAGING", "PRODUCTION", "CREATED BY", "TAGS"), rows)
    else:
        click.echo(
            "No model matches."
            if name or tags or stage or at
            else "No model yet. Register one: stagedoor register NAME --source URI"
        )
    if found.pages > 1:
        click.echo(f"\nPage {found.page} of {found.pages}, {found.total} models.")
    for fault in found.unreadable:
        click.secho(f"left out, it does not read: {visible(fault)}", fg="yellow", err=True)


@click.command()
@click.argument("ref", shell_complete=complete_ref)
@at_option
@json_option
@click.pass_obj
def show(door: Door, ref: str, at: str | None, as_json: bool) -> None:
    """Show a model or a version.

    With --at, as it was: REF is looked up in the registry of that time, under the name that the model had.

    \b
    stagedoor show power-forecasting
    stagedoor show power-forecasting#Production
    stagedoor show power-forecasting#Production --at 2026-10-01T12:00Z
    stagedoor show power-forecasting/4 --at refs/pull/7/head
    """
    world = door.world
    found = reading.show(world, ref, commit=as_of(world, at))
    if as_json:
        echo_json(found)
        return
    _show_version(found) if found.version else _show_model(found)
    for number, title, author in found.open_requests:
        click.echo(f"request {number} is open: {visible(title)} (by {visible(author)})")


def _field(label: str, value: object, indent: str = "") -> None:
    if value not in (None, "", {}, ()):
        click.echo(f"{indent}{label:<12} {visible(str(value))}")


def _show_model(found: reading.Shown) -> None:
    model = found.model
    click.secho(visible(model.name), bold=True)
    _field("description", model.description.strip())
    _field("created", f"{model.created.at:%Y-%m-%d %H:%M} by {model.created.by}")
    _field("tags", " ".join(f"{key}={value}" for key, value in sorted(model.tags.items())))
    _field("aliases", " ".join(f"@{alias}→{target}" for alias, target in sorted(model.aliases.items())))
    _field("file", found.path)
    click.echo("")
    if not model.versions:
        click.echo("No version yet.")
        return
    rows = [
        (
            version.version, version.stage, f"{version.created.at:%Y-%m-%d %H:%M}", version.created.by,
            " ".join(f"{key}={shown_number(value)}" for key, value in sorted(version.metrics.items())),
            shortened(version.description, 40),
        )
        for version in model.versions
    ]  # fmt: skip
    table(("VERSION", "STAGE", "REGISTERED", "BY", "METRICS", "DESCRIPTION"), rows)


def _show_version(found: reading.Shown) -> None:
    version = found.version
    assert version is not None  # noqa: S101
    click.secho(f"{visible(found.model.name)}/{version.version}", bold=True)
    _field("stage", version.stage)
    _field("aliases", " ".join(f"@{alias}" for alias in found.model.aliases_of(version.version)))
    _field("description", version.description.strip())
    _field("registered", f"{version.created.at:%Y-%m-%d %H:%M} by {version.created.by}")
    _field("source", version.source)
    _show_lineage(version)
    _show_evidence(version)
    _field("tags", " ".join(f"{key}={value}" for key, value in sorted(version.tags.items())))
    _field("file", found.path)


def _show_evidence(version: Version, indent: str = "") -> None:
    for one in version.evidence:
        at = f" at {one.uri}" if one.uri else ""
        _field("evidence", f"{one.name} of {one.at:%Y-%m-%d %H:%M} by {one.by} ({one.digest[:19]}…){at}", indent)


def _show_lineage(version: Version, indent: str = "") -> None:
    if version.run:
        _field("run", " ".join(part for part in (version.run.id, version.run.name) if part), indent)
        _field("experiment", version.run.experiment, indent)
        _field("started", _started(version.run), indent)
        _field("link", version.run.link or version.run.experiment_link, indent)
    if version.code:
        code = f"{version.code.repository}@{version.code.commit}".strip("@")
        _field("code", f"{code} {version.code.path}".strip(), indent)
    for dataset in version.data:
        _field("data", f"{dataset.name} {dataset.digest}".strip(), indent)
    for key, value in sorted(version.params.items()):
        _field("param", f"{key} = {value}", indent)
    for key, metric in sorted(version.metrics.items()):
        _field("metric", f"{key} = {shown_number(metric)}", indent)
    _field("flavors", " ".join(version.flavors), indent)
    if version.signature:
        _field("inputs", _columns(version.signature.inputs), indent)
        _field("outputs", _columns(version.signature.outputs), indent)
    _field("digest", version.digest, indent)


def _started(run: Run) -> str:
    by = f"by {run.user}" if run.user else ""
    return f"{run.started:%Y-%m-%d %H:%M} {by}".strip() if run.started else by


def _columns(columns: Sequence[Column]) -> str:
    return ", ".join(f"{one.name}: {one.type}" if one.name else one.type for one in columns)


@click.command()
@click.argument("ref", shell_complete=complete_ref)
@at_option
@json_option
@click.pass_obj
def history(door: Door, ref: str, at: str | None, as_json: bool) -> None:
    """Show where versions come from and which stages they were in.

    Chronological, oldest version first: experiment, run, code, data, who and when, and each stage from when to when,
    in the order of main. With --at, the story up to then.
    """
    world = door.world
    found = reading.history(world, ref, commit=as_of(world, at))
    if as_json:
        echo_json(found)
        return
    for one in found:
        version = one.content
        gone = f"   deleted in {one.deleted_in[:10]}" if one.deleted_in else ""
        click.secho(f"{visible(one.model)}/{one.version}{gone}", bold=True)
        _field("registered", f"{version.created.at:%Y-%m-%d %H:%M} by {version.created.by}", "  ")
        _field("source", version.source, "  ")
        _show_lineage(version, "  ")
        _show_evidence(version, "  ")
        for span in one.spans:
            until = f"{span.until:%Y-%m-%d %H:%M}" if span.until else "then" if at else "now"
            via = f", request {span.request}" if span.request is not None else ""
            when = f"{span.since:%Y-%m-%d %H:%M} – {until}"
            click.echo(f"  {span.stage:<11} {when}   {span.since_commit[:10]} {visible(span.by)}{via}")
        click.echo("")


@click.command()
@click.argument("left", shell_complete=complete_ref)
@click.argument("right", shell_complete=complete_ref)
@json_option
@click.pass_obj
def diff(door: Door, left: str, right: str, as_json: bool) -> None:
    """Compare two versions, or two revisions of the registry.

    \b
    stagedoor diff power-forecasting#Production power-forecasting/7
    stagedoor diff main~20 main
    """
    found = reading.difference(door.world, left, right)
    if as_json:
        echo_json(found)
    elif isinstance(found, reading.VersionDiff):
        if found.metrics:
            width = max(len(delta.name) for delta in found.metrics)
            for delta in found.metrics:
                click.echo(delta_text(delta, width))
            click.echo("")
        if found.fields:
            table(("FIELD", found.left, found.right), found.fields)
        elif not found.metrics:
            click.echo(f"{found.left} and {found.right} are alike.")
    elif not found.changes:
        click.echo("The registry is the same in both.")
    else:
        for change in found.changes:
            symbol, said = said_of(change)
            click.echo(f"{symbol} {visible(change.model)}: {said}")


@click.command()
@click.argument("ref", shell_complete=complete_ref)
@click.argument("text")
@lane_options
@click.pass_obj
def describe(door: Door, ref: str, text: str, propose: bool, into: int | None, dry_run: bool, as_json: bool) -> None:
    """Describe a model or a version.

    TEXT is Markdown; - reads it from standard input.

    \b
    stagedoor describe power-forecasting "Forecasts the daily output of a wind farm."
    stagedoor describe power-forecasting/3 - < notes.md
    """
    said = _standard_input() if text == "-" else text
    outcome = registering.describe(door.world, ref, said, lane_of(propose, into, dry_run))
    echo_outcome(outcome, f"Described {ref}", as_json=as_json, dry_run=dry_run)


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise BadInput("the text is not UTF-8", where="standard input", fix="write it in UTF-8") from None


@click.command()
@click.argument("ref", shell_complete=complete_ref)
@click.argument("tags", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("-d", "--delete", "removed", multiple=True, metavar="KEY", help="Remove this tag; may be given again.")
@lane_options
@click.pass_obj
def tag(
    door: Door,
    ref: str,
    tags: tuple[str, ...],
    removed: tuple[str, ...],
    propose: bool,
    into: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Set or remove tags.

    \b
    stagedoor tag power-forecasting team=energy
    stagedoor tag power-forecasting/3 reviewed=yes -d candidate
    """
    if not tags and not removed:
        raise BadInput("no tag is named", fix=f"stagedoor tag {ref} key=value, or -d key")
    outcome = registering.tag(door.world, ref, pairs(tags, "KEY=VALUE"), removed, lane_of(propose, into, dry_run))
    echo_outcome(outcome, f"Tagged {ref}", as_json=as_json, dry_run=dry_run)


@click.command()
@click.argument("ref", shell_complete=complete_ref)
@click.argument("name")
@click.option("-d", "--delete", "removed", is_flag=True, help="Take the alias away; REF may be the model.")
@lane_options
@click.pass_obj
def alias(
    door: Door, ref: str, name: str, removed: bool, propose: bool, into: int | None, dry_run: bool, as_json: bool
) -> None:
    """Point an alias at a version, or take it away.

    \b
    stagedoor alias power-forecasting/3 champion
    stagedoor alias power-forecasting champion --delete
    """
    lane = lane_of(propose, into, dry_run)
    outcome = (
        registering.unalias(door.world, ref, name, lane) if removed else registering.alias(door.world, ref, name, lane)
    )
    done = f"Took the alias {name} away" if removed else f"Pointed {name} at {ref}"
    echo_outcome(outcome, done, as_json=as_json, dry_run=dry_run)


@click.command()
@click.argument("ref", metavar="NAME", shell_complete=complete_model)
@click.argument("new_name")
@lane_options
@click.pass_obj
def rename(door: Door, ref: str, new_name: str, propose: bool, into: int | None, dry_run: bool, as_json: bool) -> None:
    """Give a model another name.

    Its id, versions and history stay. Refused while a version is in a stage other than None and Archived.
    """
    outcome = registering.rename(door.world, ref, new_name, lane_of(propose, into, dry_run))
    echo_outcome(outcome, f"Renamed {ref} to {new_name}", as_json=as_json, dry_run=dry_run)


@click.command()
@click.argument("ref", shell_complete=complete_ref)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@lane_options
@click.pass_obj
def delete(door: Door, ref: str, yes: bool, propose: bool, into: int | None, dry_run: bool, as_json: bool) -> None:
    """Delete a model or a version.

    Refused while a version is in a stage other than None and Archived. A deleted version's number is never used again;
    what was deleted stays in git's history.
    """
    lane = lane_of(propose, into, dry_run)
    if not (yes or propose or dry_run or into is not None):
        click.confirm(f"Delete {visible(ref)}?", abort=True, err=True)
    outcome = registering.delete(door.world, ref, lane)
    echo_outcome(outcome, f"Deleted {ref}", as_json=as_json, dry_run=dry_run)
