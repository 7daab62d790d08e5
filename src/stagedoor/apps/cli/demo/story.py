"""The story of the demo: three people, two models, one registry, told with the commands that anybody has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from stagedoor.apps.cli.demo.mailbox import Mail, Mailbox
from stagedoor.apps.cli.demo.policy import ANN, BOB, CAROL, MODEL, OWNERS, PEOPLE, REGISTRY, ROBOT
from stagedoor.apps.cli.demo.shell import Shell, run
from stagedoor.apps.cli.demo.training import ABOUT, Kind, Run, split, train
from stagedoor.apps.cli.demo.weather import read_csv
from stagedoor.errors import BadInput, RegistryError

TRAIN: Final = '''\
"""Train a model of the wind farm: python train.py linear|ridge|network."""

import sys
from pathlib import Path

from stagedoor.apps.cli.demo.training import train
from stagedoor.apps.cli.demo.weather import read_csv

here = Path(__file__).parent
data = here / "data" / "weather.csv"
print(train(sys.argv[1], data, read_csv(data), here / "runs").text)
'''


def play(directory: Path, data: Path | None = None) -> None:
    """Play the whole story in an empty folder, and leave everything there."""
    _require_empty(directory)
    if data:
        split(read_csv(data))  # what is wrong with the file is said before anything is made
    _say("Three people: Ann trains models, Bob is on her team, and Carol owns what is in Production.")
    shell = Shell(directory)
    _project(shell, data)
    _registry(shell)
    mailbox = Mailbox(directory / "mail")
    with mailbox.listening() as port:
        shell = replace(shell, environment={"SMTP_PORT": str(port)})
        _first_model(shell)
        _second_model(shell)
        _news(shell, mailbox)
    _record(shell)
    _end(shell)


def _require_empty(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadInput(
            f"{directory} is there already, and the demo wants a place of its own",
            fix="stagedoor demo DIR, with a DIR that is new or empty",
        )


def _chapter(title: str) -> None:
    click.secho(f"\n\n# ── {title} {'─' * (100 - len(title))}", fg="cyan", bold=True)


def _say(text: str) -> None:
    click.secho(f"\n# {text}", fg="cyan")


# --- 1: a project, and a registry in it -----------------------------------------------------------------------------


def _project(shell: Shell, data: Path | None) -> None:
    """Ann's repository: what trains, and weather to train on. Data, runs and mail are not committed."""
    _chapter("1. Ann has weather, and a script that trains")
    file = shell.directory / "data" / "weather.csv"
    run(["mkdir", "-p", str(file.parent)])
    run(["cp", str(data), str(file)] if data else ["python", "-m", "stagedoor.apps.cli.demo.weather", str(file)])
    made = "from your file" if data else "made by a seeded generator"
    _say(f"{len(read_csv(file))} days of weather and of a wind farm's output, {made}.")
    shell.write("train.py", TRAIN)
    shell.write(".gitignore", "/data/\n/mail/\n/runs/\n")
    shell.git("init", "-q", "-b", "main")
    shell.git("add", ".")
    shell.git("commit", "-q", "-m", "Train models of the wind farm", who=ANN)


def _registry(shell: Shell) -> None:
    _chapter("2. A registry beside it, and its policy as the first pull request")
    shell.stagedoor("init", "--owner", CAROL, "--name", "wind-farm")
    _say("Who may what, who they are, and what Production asks for: three files on a branch.")
    shell.git("switch", "-q", "-c", "policy")
    shell.write(".github/CODEOWNERS", OWNERS)
    shell.write("registry_spec/people.yaml", PEOPLE)
    shell.write("registry_spec/registry.yaml", REGISTRY)
    shell.git("commit", "-q", "-a", "-m", "Say who may what, and what Production asks for", who=BOB)
    shell.git("switch", "-q", "main")
    shell.stagedoor("open", "policy", who=BOB)
    _land(shell, 1, "as we agreed")


def _land(shell: Shell, number: int, comment: str) -> None:
    shell.stagedoor("approve", str(number), "-m", comment, who=CAROL)
    shell.stagedoor("merge", str(number), who=CAROL)


# --- 2: the models --------------------------------------------------------------------------------------------------


def _trained(shell: Shell, kind: Kind) -> Run:
    """Train with the script that a reader sees; the same again in here tells us what to register."""
    run(["python", str(shell.directory / "train.py"), kind])
    data = shell.directory / "data" / "weather.csv"
    return train(kind, data, read_csv(data), shell.directory / "runs")


def _register(shell: Shell, kind: Kind, *more: str) -> None:
    made = _trained(shell, kind)
    commit = shell.git("log", "-1", "--format=%H", "--", "train.py").text.strip()
    code = f"{shell.directory.resolve().as_uri()}@{commit}"
    shell.stagedoor(*made.register_words(MODEL, dataset="weather", code=code), *more, who=ANN)


def _first_model(shell: Shell) -> None:
    _chapter("3. The first version, up to Production")
    _register(shell, "linear", "--description", ABOUT["linear"])
    _say("Bob owns Staging, so he moves it there at once. Production takes a request, and Carol's approval.")
    shell.stagedoor("transition", f"{MODEL}/1", "Staging", "-m", "the pipeline runs with it", who=BOB)
    shell.stagedoor("request", f"{MODEL}/1", "Production", "-m", "something to beat", who=ANN)
    _land(shell, 2, "a start")


def _second_model(shell: Shell) -> None:
    _chapter("4. A better version is refused, mended, approved")
    _register(shell, "ridge")
    shell.stagedoor("diff", f"{MODEL}#Production", f"{MODEL}/2")
    shell.stagedoor("transition", f"{MODEL}/2", "Staging", who=BOB)
    shell.stagedoor("comment", f"{MODEL}/2", "a week in Staging, and no surprises", who=BOB)
    _say("Ann asks for Production. The request is there, and the checks say what it lacks.")
    why = "cubes of the wind speed: the error is down"
    shell.stagedoor("request", f"{MODEL}/2", "Production", "--archive-existing", "-m", why, who=ANN)
    shell.stagedoor("validate", "3", expect=8)
    _say("The gate wants a description. Ann puts one into the request.")
    shell.stagedoor("describe", f"{MODEL}/2", ABOUT["ridge"], "--in", "3", who=ANN)
    _say("She cannot approve it herself. Bob may agree to the description, and not to Production.")
    shell.stagedoor("approve", "3", expect=6, who=ANN)
    shell.stagedoor("approve", "3", who=BOB)
    shell.stagedoor("merge", "3", expect=8, who=BOB)
    _say("Carol owns Production.")
    _land(shell, 3, "the error is down, and I know what it is")


# --- 3: who hears of it, and what remains ---------------------------------------------------------------------------


def _news(shell: Shell, mailbox: Mailbox) -> None:
    _chapter("5. The reconciler records what happened, and tells whoever wants to know")
    _say("registry.yaml says ${SMTP_PORT}; it is the port of a mail server that runs as long as the demo does.")
    shell.stagedoor("reconcile", who=ROBOT)
    mails = mailbox.mails()
    _say(f"{len(mails)} mails arrived in {mailbox.folder}:")
    for mail in mails:
        click.echo(f"  {mail.path.name}  to {', '.join(mail.recipients)}: {mail.subject}")
    _show(_mail_of_the_day(mails))
    _say("All of them are there in text and in HTML. Once more: everything is told already.")
    shell.stagedoor("reconcile", who=ROBOT)


def _mail_of_the_day(mails: tuple[Mail, ...]) -> Mail:
    """The last one about the second version's way into Production."""
    if not mails:
        raise RegistryError("no mail arrived, and the story needs one", fix="the lines above say why")
    chosen = [mail for mail in mails if "Production" in mail.subject + mail.text and f"{MODEL}/2" in mail.text]
    return (chosen or list(mails))[-1]


def _show(mail: Mail) -> None:
    _say(f"One of them, {mail.path}:")
    click.echo(f"  From: {mail.sender}\n  To: {', '.join(mail.recipients)}\n  Subject: {mail.subject}\n")
    for line in mail.text.strip().splitlines()[:14]:
        click.echo(f"  {line}".rstrip())


def _record(shell: Shell) -> None:
    _chapter("6. The record is git's own")
    form = "%h %an: %s%w(0,0,8)%+(trailers:key=Approved-by,key=Comment,separator=%x0a)"
    shell.git("log", "--first-parent", f"--format={form}")
    shell.stagedoor("history", MODEL)
    shell.stagedoor("activity")


def _end(shell: Shell) -> None:
    here = shell.directory
    _chapter("What is left, and where to look")
    click.echo(f"""
{here}/registry_spec/models/{MODEL}.yaml   the model: its versions, stages and lineage
{here}/.github/CODEOWNERS                      who may
{here}/mail/*.eml                              the mail
{here}/runs/*/model.json                       the trained models; sha256sum gives the digests in the registry

  stagedoor -C {here} show {MODEL}#Production
  stagedoor -C {here} request show 3
  stagedoor -C {here} requests --state all
  stagedoor -C {here} rollback {MODEL} Production --dry-run --as {ANN}
  stagedoor explain SD403""")
