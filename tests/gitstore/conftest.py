"""Real git repositories, small and reproducible: fixed people, fixed dates, no user's configuration."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stagedoor.gitstore import Entry, Oid, RefUpdate, Repository, Signature

WHEN = datetime(2026, 11, 24, 10, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def only_our_git_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in [key for key in os.environ if key.startswith("GIT_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # Hundreds of repositories that nobody needs after a power cut.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsync")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "none")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@example.com")
        monkeypatch.setenv(f"GIT_{role}_DATE", "2026-11-24T10:15:00Z")


@pytest.fixture
def ann() -> Signature:
    return Signature("Ann", "ann@example.com", WHEN)


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    """Plain git, as a person would use it: `git("status", "--short", at=folder)`."""

    def run(*args: str | bytes, at: Path = tmp_path, stdin: bytes = b"", check: bool = True) -> str:
        done = subprocess.run(["git", *args], cwd=at, input=stdin, capture_output=True, check=False)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    return run


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Repository]]:
    """A new repository; closed at the end."""
    made: list[Repository] = []

    def new(name: str = "repo", *, bare: bool = True, object_format: str = "sha1", branch: str = "main") -> Repository:
        made.append(Repository.init(tmp_path / name, bare=bare, branch=branch, object_format=object_format))
        return made[-1]

    yield new
    for repository in made:
        repository.close()


@pytest.fixture(params=[(True, "sha1"), (False, "sha1"), (True, "sha256")], ids=["bare", "checkout", "sha256"])
def repo(request: pytest.FixtureRequest, make: Callable[..., Repository]) -> Repository:
    """An empty repository of each sort."""
    bare, object_format = request.param
    return make(bare=bare, object_format=object_format)


@pytest.fixture(params=["sha1", "sha256"])
def bare(request: pytest.FixtureRequest, make: Callable[..., Repository]) -> Repository:
    """An empty bare repository in either object format: libgit2's door and the plumbing's."""
    return make(object_format=request.param)


@pytest.fixture
def commit() -> Callable[..., Oid]:
    """Commit `changes` on top of `onto` (by default the tip), and publish unless told not to."""

    def write(
        repo: Repository,
        changes: Mapping[str, str | bytes | Entry | None],
        *,
        message: str = "change",
        onto: Oid | None = None,
        parents: Sequence[Oid] | None = None,
        publish: bool = True,
        time: datetime = WHEN,
    ) -> Oid:
        tip = repo.tip()
        base = onto or tip
        by = Signature("Ann", "ann@example.com", time)
        tree = repo.write_tree(base, {k: v.encode() if isinstance(v, str) else v for k, v in changes.items()})
        above = parents if parents is not None else ([base] if base else [])
        oid = repo.commit(tree, above, author=by, committer=by, message=message)
        if publish:
            repo.publish([RefUpdate(repo.ref, tip, oid)], message)
        return oid

    return write
