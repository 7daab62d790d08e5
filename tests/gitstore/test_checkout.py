"""Checkouts follow their branch, and nobody's uncommitted work is ever written over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stagedoor.errors import BadInput, BadRepository
from stagedoor.gitstore import Entry, Oid, Raced, RefUpdate, Repository

Commit = Callable[..., Oid]
Git = Callable[..., str]


@pytest.fixture(params=["sha1", "sha256"])
def shop(request: pytest.FixtureRequest, make: Callable[..., Repository], commit: Commit) -> Repository:
    repo = make("shop", bare=False, object_format=request.param)
    commit(repo, {"a": "1\n", "d/b": "1\n", "other": "1\n"})
    return repo


@pytest.fixture
def here(shop: Repository) -> Path:
    assert shop.work_tree is not None
    return shop.work_tree


def test_a_clean_checkout_follows_and_stays_clean(shop: Repository, here: Path, commit: Commit, git: Git) -> None:
    assert (here / "a").read_text() == "1\n"  # even the first commit, on an unborn branch
    commit(shop, {"a": "2\n", "d/b": None, "new/c": "3\n"})
    assert git("status", "--porcelain", at=here) == ""
    assert (here / "a").read_text() == "2\n" and (here / "new/c").read_text() == "3\n" and not (here / "d").exists()
    assert not list(shop.git_dir.glob("index?*"))


def test_a_file_that_was_only_touched_is_not_in_the_way(shop: Repository, here: Path, commit: Commit, git: Git) -> None:
    os.utime(here / "a", (1, 1))
    commit(shop, {"a": "2\n"})
    assert git("status", "--porcelain", at=here) == ""


@pytest.mark.parametrize("staged", [False, True])
def test_uncommitted_changes_are_refused_and_left_alone(
    shop: Repository, here: Path, commit: Commit, git: Git, staged: bool
) -> None:
    (here / "a").write_text("mine\n")
    if staged:
        git("add", "a", at=here)
    before, tip = git("status", "--porcelain", at=here), shop.tip()
    with pytest.raises(BadRepository, match="has uncommitted changes") as refused:
        commit(shop, {"a": "2\n", "other": "2\n"})
    assert refused.value.fix == "commit or stash them, then run the command again"
    assert str(here) in refused.value.what and "'a'" in refused.value.what
    assert (here / "a").read_text() == "mine\n" and (here / "other").read_text() == "1\n"
    assert git("status", "--porcelain", at=here) == before and shop.tip() == tip
    assert not list(shop.git_dir.glob("index?*"))


def test_an_untracked_file_in_the_way_is_refused_and_left_alone(shop: Repository, here: Path, commit: Commit) -> None:
    (here / "new").write_text("mine\n")
    tip = shop.tip()
    with pytest.raises(BadRepository, match="an untracked file in the way"):
        commit(shop, {"new": "theirs\n"})
    assert (here / "new").read_text() == "mine\n" and shop.tip() == tip


def test_an_untracked_file_in_an_unborn_checkout_is_left_alone(make: Callable[..., Repository], commit: Commit) -> None:
    repo = make(bare=False)
    assert repo.work_tree is not None
    (repo.work_tree / "a").write_text("mine\n")
    with pytest.raises(BadRepository, match="an untracked file in the way"):
        commit(repo, {"a": "theirs\n"})
    commit(repo, {"b": "1\n"})
    assert (repo.work_tree / "a").read_text() == "mine\n"


def test_work_elsewhere_survives(shop: Repository, here: Path, commit: Commit, git: Git) -> None:
    (here / "other").write_text("unstaged\n")
    (here / "d/b").write_text("staged\n")
    (here / "added").write_text("staged\n")
    (here / "untracked").write_text("x\n")
    git("add", "d/b", "added", at=here)
    before = git("status", "--porcelain", at=here)
    commit(shop, {"a": "2\n"})
    assert git("status", "--porcelain", at=here) == before
    assert (here / "other").read_text() == "unstaged\n" and (here / "a").read_text() == "2\n"


def test_a_checkout_of_another_branch_is_not_touched(shop: Repository, here: Path, commit: Commit, git: Git) -> None:
    git("switch", "-q", "-c", "topic", at=here)
    commit(shop, {"a": "2\n"})
    assert (here / "a").read_text() == "1\n" and git("status", "--porcelain", at=here) == ""


def test_a_detached_checkout_is_not_touched(shop: Repository, here: Path, commit: Commit, git: Git) -> None:
    git("switch", "-q", "--detach", at=here)
    commit(shop, {"a": "2\n"})
    assert (here / "a").read_text() == "1\n" and git("status", "--porcelain", at=here) == ""


def test_linked_checkouts_follow_too_even_of_a_bare_repository(
    make: Callable[..., Repository], commit: Commit, git: Git, tmp_path: Path
) -> None:
    repo = make()
    commit(repo, {"a": "1\n"})
    git("worktree", "add", "-q", str(tmp_path / "linked"), "main", at=repo.git_dir)
    git("worktree", "add", "-q", "-b", "topic", str(tmp_path / "topic"), at=repo.git_dir)
    git("worktree", "add", "-q", "-b", "gone", str(tmp_path / "gone"), at=repo.git_dir)
    (tmp_path / "gone").rename(tmp_path / "moved away")
    commit(repo, {"a": "2\n"})
    assert (tmp_path / "linked/a").read_text() == "2\n" and (tmp_path / "topic/a").read_text() == "1\n"
    with Repository.open(tmp_path / "linked") as linked:
        assert (linked.branch, linked.common_dir, linked.is_bare) == ("main", repo.common_dir, False)
        commit(linked, {"a": "3\n"})
    for name in ("linked", "topic"):
        assert git("status", "--porcelain", at=tmp_path / name) == ""
    assert (tmp_path / "linked/a").read_text() == "3\n"


def test_a_linked_checkout_in_the_way_keeps_all_from_moving(
    shop: Repository, here: Path, commit: Commit, git: Git, tmp_path: Path
) -> None:
    git("switch", "-q", "-c", "topic", at=here)
    git("worktree", "add", "-q", str(tmp_path / "linked"), "main", at=here)
    (tmp_path / "linked/a").write_text("mine\n")
    old = shop.tip()
    new = commit(shop, {"a": "2\n"}, publish=False)
    with pytest.raises(BadRepository, match="linked has uncommitted changes"):
        shop.publish([RefUpdate(shop.ref, old, new), RefUpdate("refs/heads/topic", old, new)], "both")
    assert shop.tip() == shop.tip("refs/heads/topic") == old and (here / "a").read_text() == "1\n"
    (tmp_path / "linked/a").write_text("1\n")
    shop.publish([RefUpdate(shop.ref, old, new), RefUpdate("refs/heads/topic", old, new)], "both")
    assert (here / "a").read_text() == (tmp_path / "linked/a").read_text() == "2\n"


def test_an_index_lock_keeps_the_branch_from_moving(shop: Repository, commit: Commit, git: Git, here: Path) -> None:
    lock = shop.git_dir / "index.lock"
    lock.write_text("held")
    tip = shop.tip()
    with pytest.raises(BadRepository, match="another git process is at work") as refused:
        commit(shop, {"a": "2\n"})
    assert refused.value.where == str(lock) and shop.tip() == tip and lock.read_text() == "held"
    lock.unlink()
    commit(shop, {"a": "2\n"})
    assert git("status", "--porcelain", at=here) == ""


def test_a_lost_race_leaves_the_checkout_as_it_was(shop: Repository, here: Path, commit: Commit, git: Git) -> None:
    first = shop.tip()
    second = commit(shop, {"a": "2\n"})
    third = commit(shop, {"a": "3\n"}, onto=first, publish=False)
    with pytest.raises(Raced, match="refs/heads/main"):
        shop.publish([RefUpdate(shop.ref, first, third)], "late")
    assert shop.tip() == second and (here / "a").read_text() == "2\n"
    assert git("status", "--porcelain", at=here) == "" and not list(shop.git_dir.glob("index?*"))


@pytest.mark.parametrize("first", [False, True])
def test_a_refused_ref_leaves_files_and_index_as_they_were(
    make: Callable[..., Repository], commit: Commit, git: Git, first: bool
) -> None:
    repo = make(bare=False)
    if not first:
        commit(repo, {"a": "1\n", "gone": "1\n"})
    assert repo.work_tree is not None
    (repo.work_tree / "mine").write_text("mine\n")
    git("add", "mine", at=repo.work_tree)
    before = git("status", "--porcelain", at=repo.work_tree), git("write-tree", at=repo.work_tree)
    hook = repo.git_dir / "hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(BadRepository, match="update-ref failed"):
        commit(repo, {"a": "2\n", "gone": None, "new/c": "1\n"})
    assert before == (git("status", "--porcelain", at=repo.work_tree), git("write-tree", at=repo.work_tree))
    assert not (repo.work_tree / "new").exists() and (repo.work_tree / "gone").exists() is not first
    assert not list(repo.git_dir.glob("index?*"))


@pytest.mark.parametrize(("after", "text"), [(False, "1\n"), (True, "2\n")])
def test_an_interrupt_leaves_the_checkout_where_the_branch_is(
    shop: Repository, here: Path, commit: Commit, git: Git, monkeypatch: pytest.MonkeyPatch, after: bool, text: str
) -> None:
    move = shop._refs.move

    def interrupted(*args: Any) -> None:
        if after:
            move(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(shop._refs, "move", interrupted)
    with pytest.raises(KeyboardInterrupt):
        commit(shop, {"a": "2\n"})
    assert git("status", "--porcelain", at=here) == "" and (here / "a").read_text() == text


def test_an_unfinished_merge_is_refused(shop: Repository, here: Path, commit: Commit, git: Git) -> None:
    git("switch", "-q", "-c", "topic", at=here)
    (here / "a").write_text("topic\n")
    git("commit", "-qam", "topic", at=here)
    git("switch", "-q", "main", at=here)
    commit(shop, {"a": "main\n"})
    git("merge", "topic", at=here, check=False)
    with pytest.raises(BadRepository, match="uncommitted changes"):
        commit(shop, {"other": "2\n"})
    assert "UU a" in git("status", "--porcelain", at=here)


def test_a_checked_out_branch_is_not_deleted(shop: Repository) -> None:
    with pytest.raises(BadInput, match="checked out"):
        shop.publish([RefUpdate(shop.ref, shop.tip(), None)], "delete")


def test_executables_links_and_awkward_names_arrive(shop: Repository, here: Path, commit: Commit, git: Git) -> None:
    link, run = Entry(0o120000, shop.write_blob(b"a")), Entry(0o100755, shop.write_blob(b"#!/bin/sh\n"))
    commit(shop, {"link": link, "run": run, "tab\t new\nline \udce9": "x"})
    assert (here / "link").is_symlink() and os.access(here / "run", os.X_OK)
    assert git("status", "--porcelain", at=here) == ""
