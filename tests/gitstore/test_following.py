"""Following a remote: pushed by compare-and-swap before it counts here, fetched without touching what is ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stagedoor.errors import BadInput, Denied, Unavailable
from stagedoor.gitstore import Oid, Raced, RefUpdate, Repository, Signature

WHO = Signature("Ann", "ann@example.com", datetime(2026, 11, 24, tzinfo=UTC))
MAIN = "refs/heads/main"
SIDE = "refs/stagedoor/side"


def git(at: Path, *args: str) -> str:
    return subprocess.run(["git", "-C", str(at), *args], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A bare repository with one commit on main."""
    with Repository.init(tmp_path / "hub.git", bare=True) as repository:
        first = made(repository, None, "first")
        repository.publish((RefUpdate(MAIN, None, first),), "first")
    return tmp_path / "hub.git"


@pytest.fixture
def replicas(hub: Path, tmp_path: Path) -> Iterator[tuple[Repository, Repository]]:
    """Two clones that follow it."""
    with ExitStack() as held:
        found = []
        for name in ("a", "b"):
            git(tmp_path, "clone", "-q", "--bare", str(hub), f"{name}.git")
            one = held.enter_context(Repository.open(tmp_path / f"{name}.git"))
            one.follow("origin", ("refs/stagedoor/",))
            found.append(one)
        yield found[0], found[1]


def made(repository: Repository, parent: Oid | None, text: str) -> Oid:
    tree = repository.write_tree(None, {"file": text.encode()})
    parents = (parent,) if parent else ()
    return repository.commit(tree, parents, author=WHO, committer=WHO, message=f"{text}\n")


def put(repository: Repository, text: str, ref: str = MAIN) -> Oid:
    was = repository.tip(ref)
    now = made(repository, was, text)
    repository.publish((RefUpdate(ref, was, now),), text)
    return now


def test_what_is_published_is_there_before_it_is_here(replicas: tuple[Repository, Repository], hub: Path) -> None:
    a, b = replicas
    new = put(a, "second")
    assert git(hub, "rev-parse", MAIN) == new == a.tip()
    assert b.tip() != new
    assert b.keep_up().moved == (MAIN,)
    assert b.tip() == new


def test_who_was_slower_is_raced_and_knows_the_newest_state(replicas: tuple[Repository, Repository], hub: Path) -> None:
    a, b = replicas
    new = put(a, "second")
    with pytest.raises(Raced):
        put(b, "mine")
    assert b.tip() == new, "what the remote refused was never here"
    again = put(b, "mine")
    assert git(hub, "rev-parse", MAIN) == again


def test_in_turn_lands_both(replicas: tuple[Repository, Repository], hub: Path) -> None:
    for one in (*replicas, *replicas):
        one.in_turn(lambda one=one: put(one, f"by {one.git_dir.name}"), "main")  # type: ignore[misc]
    assert len(git(hub, "log", "--format=%s", MAIN).splitlines()) == 5


def test_refs_move_together_or_not_at_all(replicas: tuple[Repository, Repository], hub: Path) -> None:
    a, b = replicas
    put(a, "second")
    side = made(b, None, "side")
    was, new = b.tip(), made(b, b.tip(), "late")
    with pytest.raises(Raced):
        b.publish((RefUpdate(SIDE, None, side), RefUpdate(MAIN, was, new)), "both")
    assert b.tip(SIDE) is None
    assert "side" not in git(hub, "for-each-ref")


def test_a_ref_that_must_not_be_there_is_created_once(replicas: tuple[Repository, Repository]) -> None:
    a, b = replicas
    put(a, "one", SIDE)
    with pytest.raises(Raced):
        put(b, "other", SIDE)
    assert b.tip(SIDE) == a.tip(SIDE)


def test_what_only_we_have_is_pushed(replicas: tuple[Repository, Repository], hub: Path, tmp_path: Path) -> None:
    a, _ = replicas
    with Repository.open(tmp_path / "a.git") as alone:
        new, side = put(alone, "without the remote"), put(alone, "side", SIDE)
    assert a.keep_up().moved == ()
    assert (git(hub, "rev-parse", MAIN), git(hub, "rev-parse", SIDE)) == (new, side)


def test_what_grew_on_both_sides_is_said_and_left_alone(
    replicas: tuple[Repository, Repository], tmp_path: Path
) -> None:
    a, b = replicas
    with Repository.open(tmp_path / "a.git") as alone:
        mine = put(alone, "here")
    theirs = put(b, "there")
    assert a.keep_up().parted == (MAIN,)
    assert (a.tip(), b.tip()) == (mine, theirs)


def test_a_remote_that_is_gone_keeps_writes_away_and_nothing_is_lost(
    replicas: tuple[Repository, Repository], hub: Path
) -> None:
    a, _ = replicas
    was = a.tip()
    hub.rename(hub.with_name("away"))
    for act in (lambda: put(a, "lost"), a.keep_up):
        with pytest.raises(Unavailable) as refused:
            act()
        assert refused.value.fix
    assert a.tip() == was
    hub.with_name("away").rename(hub)
    assert put(a, "not lost") == a.tip()


def test_a_hook_of_the_remote_may_refuse(replicas: tuple[Repository, Repository], hub: Path) -> None:
    hook = hub / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    a, _ = replicas
    with pytest.raises(Denied, match="refuses the push"):
        put(a, "refused")


@pytest.mark.parametrize("name", ["", "--upload-pack=x", "nosuch"])
def test_a_remote_that_is_none_is_refused(replicas: tuple[Repository, Repository], name: str) -> None:
    with pytest.raises(BadInput, match="there is no remote"):
        replicas[0].follow(name, ())
