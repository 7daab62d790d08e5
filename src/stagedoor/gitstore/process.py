"""The one place that starts git: a clean environment in, bytes out, honest failures."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stagedoor.errors import BadRepository

NEEDED = (2, 38)

# Whatever else begins with GIT_ is dropped: inside a hook, GIT_DIR and its kin point elsewhere.
_KEPT = re.compile(
    r"GIT_(SSH|CONFIG_|SSL_|HTTP|PROXY|CURL|TRACE|ASKPASS|ALLOW_PROTOCOL|EXEC_PATH|CEILING_DIRECTORIES"
    r"|DISCOVERY_ACROSS_FILESYSTEM|AUTHOR_|COMMITTER_|QUARANTINE_PATH)"
)
_ALWAYS = ("-c", "core.quotePath=off", "-c", "log.showSignature=false")
_DURABLE = ("-c", "core.fsync=objects,derived-metadata,reference")


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "surrogateescape")

    @property
    def complaint(self) -> str:
        """What git said was wrong, in one line."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
        said = (fatal or lines or [f"exit status {self.code}"])[0]
        return said.removeprefix("fatal: ").removeprefix("error: ")


def clean_environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or _KEPT.match(k)}
    # A pre-receive hook may look at the commits that are being pushed: they are in quarantine.
    if quarantine := kept.get("GIT_QUARANTINE_PATH"):
        kept["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = quarantine
    return kept | {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        # History is what was committed, not what refs/replace or info/grafts make of it.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": os.devnull,
    }


@cache
def git_version() -> tuple[int, ...]:
    try:
        said = subprocess.run(["git", "version"], capture_output=True, check=True, env=clean_environment()).stdout
    except FileNotFoundError as error:
        raise BadRepository("git is not installed", fix="install git 2.38 or newer") from error
    found = re.search(rb"(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else (0, 0)


def require_git() -> None:
    version = git_version()
    if version < NEEDED:
        raise BadRepository(
            f"git {'.'.join(map(str, version))} is too old for stagedoor",
            fix="install git 2.38 or newer",
        )


def _nothing() -> None:
    """There is nothing to be done before."""


class Git:
    """Runs git for one folder or one repository. It knows nothing of what the commands mean."""

    def __init__(self, directory: Path, git_dir: Path | None = None) -> None:
        self.directory = directory
        self.git_dir = git_dir
        self.environment = clean_environment()
        self.durably: tuple[str, ...] = _DURABLE
        # done before a process is started: it has to find what we wrote
        self.before: Callable[[], None] = _nothing
        # the turn, which lasts until those are done that write for its holder, should that be killed
        self.holding: tuple[int, ...] = ()
        self._where = () if git_dir is None else (f"--git-dir={git_dir}",)

    def command(self, *args: str) -> list[str]:
        return ["git", *_ALWAYS, *self._where, *args]

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        ok: Collection[int] = (0,),
        env: Mapping[str, str] | None = None,
        holds: bool = False,
    ) -> Answer:
        """Run to the end. A status outside `ok` is a BadRepository that quotes git.

        With `holds` it has a part in the turn: nobody else gets it before this one is done.
        """
        self.before()
        done = subprocess.run(
            self.command(*args),
            cwd=self.directory,
            env=self.environment | dict(env or {}),
            capture_output=True,
            check=False,
            input=stdin,
            pass_fds=self.holding if holds else (),
        )
        answer = Answer(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
        if ok and answer.code not in ok:
            raise self.failure(args, answer)
        return answer

    def write(
        self,
        *args: str,
        stdin: bytes = b"",
        ok: Collection[int] = (0,),
        env: Mapping[str, str] | None = None,
        holds: bool = False,
    ) -> Answer:
        """Run a command that stores something, and have it on the disk before it returns.

        Git by itself leaves loose objects and refs to the operating system; a `core.fsync` somebody set is kept.
        """
        return self.run(*self.durably, *args, stdin=stdin, ok=ok, env=env, holds=holds)

    def start(self, *args: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
        """Start a process to talk with; whoever starts it ends it."""
        self.before()
        return subprocess.Popen(
            self.command(*args),
            cwd=self.directory,
            env=self.environment,
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def failure(self, args: tuple[str, ...], answer: Answer) -> BadRepository:
        verb = next((arg for arg in args if not arg.startswith("-") and "=" not in arg), "git")
        where = self.git_dir or self.directory
        return BadRepository(f"git {verb} failed: {answer.complaint}", where=str(where), fix="run git fsck")
