"""A reader's shell: prints each command as it can be typed, runs it, and prints what it said."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import click

from stagedoor.apps.cli.main import main
from stagedoor.apps.cli.output import echo_lines
from stagedoor.errors import RegistryError

_WIDTH = 110
# what the reader has set for a registry of their own is not for this one
_OURS = {"STAGEDOOR_AS", "STAGEDOOR_REGISTRY"}
# nor do their signing keys, hooks and templates belong in it
_GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs the commands of one registry. `environment` is added to what the commands see."""

    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def stagedoor(self, *words: str, who: str = "", expect: int = 0, shown: bool = True) -> Said:
        """One command of ours, through the same door that a terminal uses; `expect` is the exit code it must have.

        It runs in this process: twenty interpreters that start would take longer than all that they do.
        """
        line = ["stagedoor", "-C", str(self.directory), *words, *(["--as", who] if who else [])]
        _prompt(line, self.environment if words[0] == "reconcile" else {})
        with _as_typed(line, self.environment) as printed:
            code = _exit_code()
        return _checked(line, Said(code, printed.getvalue()), expect, shown)

    def git(self, *words: str, who: str = "", shown: bool = True) -> Said:
        """One git command in the registry, as the actor."""
        name = who.partition("@")[0].capitalize()
        identity = ["-c", f"user.name={name}", "-c", f"user.email={who}"] if who else []
        return run(["git", "-C", str(self.directory), *identity, *words], shown=shown)

    def write(self, path: str, text: str) -> None:
        """Write a file of the registry, shown as the shell would do it."""
        (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
        click.secho(f"\n$ cat > {shlex.quote(str(self.directory / path))} <<'END'", bold=True)
        click.echo(text.rstrip("\n"))
        click.secho("END", bold=True)
        (self.directory / path).write_text(text, encoding="utf-8")


def run(line: list[str], *, shown: bool = True) -> Said:
    """One command of the system, printed and run; `python` is the one that runs us."""
    _prompt(line, {})
    real = [sys.executable, *line[1:]] if line[0] == "python" else line
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _GIT
    done = subprocess.run(
        real, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False, env=environment
    )
    return _checked(line, Said(done.returncode, done.stdout + done.stderr), 0, shown)


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


@contextmanager
def _as_typed(line: list[str], environment: Mapping[str, str]) -> Iterator[io.StringIO]:
    """Stand in for the terminal: the words, the environment, and one place for both streams."""
    printed = io.StringIO()
    words, variables = sys.argv, dict(os.environ)
    try:
        sys.argv = line
        os.environ.update(environment)
        for name in _OURS & os.environ.keys():
            del os.environ[name]
        with redirect_stdout(printed), redirect_stderr(printed):
            yield printed
    finally:
        sys.argv = words
        os.environ.clear()
        os.environ.update(variables)


def _checked(line: list[str], said: Said, expect: int, shown: bool) -> Said:
    if shown or said.code != expect:
        echo_lines(said.text.rstrip())
    if said.code != expect:
        what = f"{shlex.join(line[:6])} … ended with exit code {said.code}, and the story needs {expect}"
        raise RegistryError(what, fix="the lines above say why")
    if expect:
        click.secho(f"(exit code {said.code})", dim=True)
    return said


def _prompt(line: list[str], environment: Mapping[str, str]) -> None:
    click.echo("")
    given = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    click.secho(f"$ {_folded([*given, *map(shlex.quote, line)])}", bold=True)


def _folded(words: Iterable[str]) -> str:
    """The line, broken before an option where it gets long. What is printed can be pasted."""
    lines = [""]
    for group in _with_values(words):
        if lines[-1] and len(lines[-1]) + len(group) > _WIDTH and group.startswith("-"):
            lines.append("   ")
        lines[-1] += f" {group}" if lines[-1] else group
    return " \\\n".join(lines)


def _with_values(words: Iterable[str]) -> Iterator[str]:
    """The words, with each option and what follows it as one."""
    held = ""
    for word in words:
        if held and word.startswith("-"):
            yield held
            held = ""
        yield from () if word.startswith("-") else (f"{held} {word}".lstrip(),)
        held = word if word.startswith("-") else ""
    if held:
        yield held
