"""The command line on real repositories: ann and bob edit, bob moves to Staging, carol to Production and manages."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stagedoor.apps.cli.main import main

ANN, BOB, CAROL, DAVE = (f"{name}@example.com" for name in ("ann", "bob", "carol", "dave"))

CODEOWNERS = f"""\
/registry_spec/ {CAROL}
/.github/ {CAROL}
/registry_spec/models/ {ANN} {BOB} {CAROL}
/registry_spec/models/*.yaml/@Staging {BOB} {CAROL}
/registry_spec/models/*.yaml/@Production {CAROL}
/registry_spec/models/*.yaml/@Manage {CAROL}
"""

EXCLUSIVE = "stages:\n- name: None\n- name: Staging\n- name: Production\n  exclusive: true\n- name: Archived\n"


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document that it printed."""
        return json.loads(self.ok().out)

    def ok(self, *said: str) -> Result:
        """It went well, and said this on stdout."""
        assert self.code == 0, self
        assert "Traceback" not in self.out + self.err
        for text in said:
            assert text in self.out, self
        return self

    def refused(self, code: int, *said: str) -> Result:
        """It was refused with this exit code, by a message of ours that says what is wrong and how to mend it."""
        assert self.code == code, self
        assert "Traceback" not in self.out + self.err
        assert self.err.startswith("error: "), self
        assert "\n  fix: " in self.err, self
        for text in said:
            assert text in self.err, self
        return self


class Sd:
    """`stagedoor`, run in this process: `sd("register", "fraud", "--source", "s3://x", as_=ANN)`."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory

    def __call__(
        self, *args: str | int | Path, as_: str | None = None, dir: Path | None = None, stdin: str = ""
    ) -> Result:
        who = ["--as", as_] if as_ else []
        out, err = io.StringIO(), io.StringIO()
        was = sys.argv, sys.stdin
        sys.argv = ["stagedoor", "-C", str(dir or self.dir), *who, *map(str, args)]
        sys.stdin = io.StringIO(stdin)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        else:
            code = 0
        finally:
            sys.argv, sys.stdin = was
        return Result(code, out.getvalue(), err.getvalue())


def plain_git(at: Path, *args: str, stdin: str = "", check: bool = True) -> str:
    """Git as a person uses it."""
    done = subprocess.run(["git", *args], cwd=at, input=stdin, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


@dataclass
class Home:
    """A checkout of a registry, and what a person does in it by hand."""

    path: Path
    sd: Sd

    def git(self, *args: str, check: bool = True) -> str:
        """Plain git in the checkout."""
        return plain_git(self.path, *args, check=check)

    def refs(self) -> str:
        """Every ref and what it points at."""
        return self.git("for-each-ref")

    def commit(self, files: dict[str, str | bytes | None], message: str = "by hand", *options: str) -> str:
        """Write files (None deletes one), and commit them with plain git."""
        for name, data in files.items():
            file = self.path / name
            if data is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data if isinstance(data, bytes) else data.encode())
        self.git("add", "-A", "--", *files)
        self.git("commit", "-q", "-m", message, *options)
        return self.git("rev-parse", "HEAD")

    def register(self, name: str = "fraud", *options: str, as_: str = ANN, times: int = 1) -> None:
        """New versions of a model."""
        for _ in range(times):
            self.sd("register", name, "--source", f"s3://models/{name}", *options, as_=as_).ok()

    def text(self, name: str) -> str:
        """A file of the checkout."""
        return (self.path / name).read_text()

    def configure(self, more: str) -> None:
        """More lines in registry.yaml, by carol's hand."""
        self.commit({"registry_spec/registry.yaml": self.text("registry_spec/registry.yaml") + more}, "registry: more")

    def number(self, *args: str, as_: str = ANN) -> int:
        """The number of the request that a command opens."""
        found = self.sd(*args, "--json", as_=as_).json["request"]
        assert isinstance(found, int)
        return found

    def stage_of(self, ref: str) -> str:
        """The stage of a version on main."""
        return str(self.sd("show", ref, "--json").json["version"]["stage"])


@pytest.fixture(autouse=True)
def isolation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of whoever runs the tests; tests/conftest.py sees to git's own configuration."""
    monkeypatch.delenv("EMAIL", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def sd(tmp_path: Path) -> Sd:
    """The command line; it works in `registry` where a test asks for that too."""
    return Sd(tmp_path)


def make_home(sd: Sd, path: Path, *options: str) -> Home:
    """A new registry with a CODEOWNERS that knows stages."""
    sd("init", path, "--owner", CAROL, *options).ok()
    home = Home(path, sd)
    home.git("config", "user.name", "Carol")
    home.git("config", "user.email", CAROL)
    home.commit({".github/CODEOWNERS": CODEOWNERS}, "owners: stage lines")
    return home


@pytest.fixture
def registry(sd: Sd, tmp_path: Path) -> Home:
    """A registry without models, checked out; carol is git's user there."""
    home = make_home(sd, tmp_path / "registry")
    sd.dir = home.path
    return home


@pytest.fixture
def clone(registry: Home, tmp_path: Path) -> Callable[..., Home]:
    """A clone of the registry, made by plain git."""

    def make(name: str, *options: str, email: str = CAROL) -> Home:
        plain_git(tmp_path, "clone", "-q", *options, f"file://{registry.path}", name)
        home = Home(tmp_path / name, Sd(tmp_path / name))
        home.git("config", "user.name", email.partition("@")[0])
        home.git("config", "user.email", email)
        return home

    return make
