"""The `stagedoor` command: global options, and sub-commands that are loaded when they are called."""

from __future__ import annotations

import importlib
import sys
from keyword import iskeyword
from pathlib import Path
from typing import Any

import click

from stagedoor import __version__
from stagedoor.errors import RegistryError

# name, module, one line of help. The list is here so that `--help` imports no command; a test holds the two equal.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("setup", "Make a model registry."),
    "demo": ("setup", "Play the whole story on a new registry, with real models and real mail."),
    "doctor": ("setup", "Look for what would get in the way, and say how to mend it."),
    "register": ("models", "Register the next version of a model."),
    "models": ("models", "List the registered models."),
    "show": ("models", "Show a model or a version."),
    "verify": ("artifacts", "Compute the digest of an artifact again, and compare."),
    "history": ("models", "Show where versions come from and which stages they were in."),
    "when": ("times", "Show when a version was in a stage."),
    "in": ("times", "Show which versions a stage holds, or held."),
    "diff": ("models", "Compare two versions, or two revisions of the registry."),
    "describe": ("models", "Describe a model or a version."),
    "tag": ("models", "Set or remove tags."),
    "attach": ("evidence", "Attach evidence to a version, list it, or print it."),
    "alias": ("models", "Point an alias at a version, or take it away."),
    "rename": ("models", "Give a model another name."),
    "delete": ("models", "Delete a model or a version."),
    "transition": ("requests", "Move a version to a stage directly, as the stage's owner."),
    "request": ("requests", "Ask for a stage transition, or show a request."),
    "rollback": ("requests", "Ask for the previous holder of a stage back."),
    "open": ("requests", "Open a request for a branch made by hand."),
    "requests": ("requests", "List the requests."),
    "plan": ("requests", "Show what a request, or a revision, would do."),
    "validate": ("requests", "Check a request, a revision, or files."),
    "approve": ("reviews", "Approve a request."),
    "request-changes": ("reviews", "Ask for changes in a request."),
    "reject": ("reviews", "Reject a request, as an owner of what it touches."),
    "cancel": ("reviews", "Cancel a request that you opened."),
    "break-glass": ("reviews", "Ask for a request to pass gates and freezes in an emergency."),
    "gates": ("gates", "Show what guards the stages, try a move, replay history under another policy."),
    "quarantine": ("quarantine", "Keep bad artifacts out of every stage, by their digest."),
    "comment": ("reviews", "Comment on a request or on a version."),
    "update": ("reviews", "Bring a request onto the newest main."),
    "merge": ("reviews", "Merge an approved request."),
    "who-can": ("owners", "Show who could approve a move to a stage, and who may just do it."),
    "why": ("owners", "Show why a request can merge, or cannot."),
    "owners": ("owners", "Show who owns what, and ask for a change of CODEOWNERS."),
    "import": ("transfer", "Take over the models of another registry."),
    "export": ("transfer", "Mirror the registry into another one."),
    "drift": ("transfer", "Compare the registry with another one."),
    "copy": ("transfer", "Ask another registry on this machine for a version of this one."),
    "activity": ("stories", "Show what happened, newest first."),
    "audit": ("audit", "Prove that every change of main was legal and agreed to."),
    "evidence": ("audit", "Write an archive that proves where a version was and who agreed."),
    "reconcile": ("stories", "Record what was merged, and tell whoever wants to know."),
    "follow": ("stories", "Hear of a version, or of everything about a model."),
    "mute": ("stories", "Hear nothing of a model."),
    "webhooks": ("webhooks", "List, change, test and deliver again the registry's webhooks."),
    "server": ("server", "Serve pages for people, and calls for MLflow and Databricks clients."),
    "site": ("site", "Make the pages as a static site."),
    "token": ("server", "Make, list and revoke the tokens that callers of the server show."),
    "serve": ("serving", "Serve the models that are in Staging and Production."),
    "manifests": ("serving", "Write the manifests of what is served, for a cluster."),
    "sync": ("hosting", "Bring main, requests, comments and the ledger together with another copy."),
    "ci": ("hosting", "Validate a pull request, reconcile and look for drift, in CI."),
    "hooks": ("hosting", "Guard a repository so that nobody pushes around a request."),
    "explain": ("stories", "Explain a check."),
    "index": ("index", "Show the read index, or build it anew."),
    "fmt": ("files", "Write registry files in their canonical form."),
    "schema": ("files", "Print the JSON Schema of a registry file."),
    "completion": ("files", "Print the completion script of a shell."),
}


class Door:
    """What the global options said; opens the registry when a command needs it."""

    def __init__(
        self, directory: Path, email: str | None, registry: str | None, branch: str | None, forge: str = ""
    ) -> None:
        self.directory = directory
        self.email = email
        self.registry = registry
        self.branch = branch
        self.forge = forge

    @property
    def world(self) -> Any:
        """The registry at `-C`, closed when the command ends."""
        from stagedoor.apps.cli.output import show_progress
        from stagedoor.workflows.world import world_at

        opened = world_at(self.directory, registry=self.registry, branch=self.branch, email=self.email)
        world = click.get_current_context().with_resource(opened)
        world.progress = show_progress
        world.forge_kind = self.forge
        click.get_current_context().call_on_close(world.forget)
        return world

    def rehearsed(self, dry_run: bool) -> Any:
        """The registry, to write to or only to try on."""
        world = self.world
        world.is_rehearsal = dry_run
        return world


class _Text(click.types.StringParamType):
    """Words that can be written to a file of the registry. A path may hold any bytes and is not of this type."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does, and bytes that are not UTF-8 are refused: Python has put surrogates for them."""
        said = super().convert(value, param, ctx)
        if any("\ud800" <= char <= "\udfff" for char in said):
            self.fail("it holds bytes that are not UTF-8", param, ctx)
        return said


_TEXT = _Text()


class LazyGroup(click.Group):
    """Imports a command's module when the command is called, and not for `--help`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of a first visit."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """One command, loaded."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"stagedoor.apps.cli.{COMMANDS[name][0]}")
        # a word of Python's own, such as `in`, has a function that is called `in_`
        found = getattr(module, f"{name}_" if iskeyword(name) else name.replace("-", "_"))
        assert isinstance(found, click.Command)  # noqa: S101
        return _prepared(found)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for `--help`, from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest commands named when there is no such one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)


def _prepared(found: click.Command) -> click.Command:
    """A command, or a group with its commands: words are checked, and `--as` may stand behind it."""
    for param in found.params:
        param.type = _TEXT if param.type is click.STRING else param.type
    if isinstance(found, click.Group):
        for command in found.commands.values():
            _prepared(command)
    elif not any(param.name == "email" for param in found.params):
        found.params.append(_as_option())
    return found


def _as_option() -> click.Option:
    """`--as` may stand behind the command too, where a person adds it to a line from the shell's history."""

    def remember(ctx: click.Context, _: click.Parameter, email: str | None) -> None:
        if email:
            ctx.obj.email = email

    return click.Option(
        ["--as", "email"], metavar="EMAIL", expose_value=False, callback=remember, help="Who is asking."
    )


EPILOG = """\b
Models are written NAME, NAME/3, NAME#Production or NAME@champion.

\b
Examples:
  stagedoor init --owner ann@example.com
  stagedoor register power-forecasting --source runs:/9f2c/model --metric rmse=412.7
  stagedoor request power-forecasting/1 Staging -m "beats the baseline"
  stagedoor approve 1 --as carol@example.com && stagedoor merge 1

\b
Exit codes: 0 done · 1 a fault of ours · 2 bad input · 3 a file does not read · 4 not found · 5 exists already ·
  6 not allowed · 7 makes no sense now · 8 checks refuse it · 9 somebody was faster · 10 the repository is in the way ·
  11 something outside does not answer
"""


@click.group(
    cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="stagedoor %(version)s")
@click.option(
    "-C", "directory", type=click.Path(path_type=Path), default=Path(), metavar="DIR", help="Run as if started in DIR."
)
@click.option(
    "--as", "email", metavar="EMAIL", envvar="STAGEDOOR_AS", help="Who is asking (default: git's user.email)."
)
@click.option(
    "--registry",
    metavar="FOLDER",
    envvar="STAGEDOOR_REGISTRY",
    help="The folder of a monorepo that holds registry_spec/.",
)
@click.option("--branch", metavar="NAME", help="The branch that is the registry (default: main).")
@click.option(
    "--forge",
    type=click.Choice(["embedded", "github", "gitlab", "gitea"]),
    help="Where requests are kept (default: what registry.yaml says, or the remote).",
)
@click.pass_context
def cli(
    ctx: click.Context, directory: Path, email: str | None, registry: str | None, branch: str | None, forge: str | None
) -> None:
    """A model registry whose database is a git repository: every stage transition is a pull request."""
    ctx.obj = Door(directory, email, registry, branch, forge or "")


def main() -> None:
    """The console script: a refusal becomes three lines on stderr and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except RegistryError as error:
        _refuse(error)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # the reader of our output has left; nothing is wrong
        sys.stderr.close()
        sys.exit(141)
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _refuse(error: RegistryError) -> None:
    from stagedoor.core.views.plain import visible

    for one in (error, *getattr(error, "also", ())):
        what = "\n".join(visible(line) for line in one.what.splitlines())
        click.secho("error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(what, err=True)
        if one.where:
            click.echo(f"   at: {visible(one.where)}", err=True)
        if one.fix:
            click.echo(f"  fix: {visible(one.fix)}", err=True)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
