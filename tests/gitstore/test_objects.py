"""Objects: the same through libgit2 and through the plumbing, many at once, and never a large one by accident."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygit2
import pytest

from stagedoor.errors import BadRepository
from stagedoor.gitstore import Oid, RefUpdate, Repository, TooBig
from stagedoor.gitstore.objects import InProcess, Plumbing, oid_of
from stagedoor.gitstore.process import Answer
from stagedoor.gitstore.smallpacks import Kind

Commit = Callable[..., Oid]
Git = Callable[..., str]

AWKWARD = (b"", b"x", b"\0\xff" * 40, b"line\n" * 5000, b"blob 3\0abc", b"deadbeef missing\n")


def store_of(repo: Repository) -> InProcess | Plumbing:
    store = repo._store
    assert isinstance(store, InProcess | Plumbing)
    return store


def test_an_ordinary_repository_is_read_in_process(make: Callable[..., Repository]) -> None:
    assert isinstance(store_of(make()), InProcess)


@pytest.mark.parametrize(
    "setting",
    [("core.sharedRepository", "group"), ("remote.origin.promisor", "true"), ("extensions.refStorage", "files")],
)
def test_an_unusual_one_is_left_to_git(
    make: Callable[..., Repository], commit: Commit, git: Git, setting: tuple[str, str]
) -> None:
    repo = make()
    git("config", *setting, at=repo.git_dir)
    with Repository.open(repo.git_dir) as opened:
        assert isinstance(store_of(opened), Plumbing)
        assert opened.tip() is None
        tip = commit(opened, {"a": "1", "d/b": "2"})
        assert opened.tip() == opened.resolve("main") == tip
        assert opened.files(tip) == repo.files(tip)
    git("fsck", "--strict", at=repo.git_dir)


def test_another_object_format_is_left_to_git(make: Callable[..., Repository]) -> None:
    assert isinstance(store_of(make(object_format="sha256")), Plumbing)


def test_both_doors_lead_to_the_same_objects(make: Callable[..., Repository], commit: Commit) -> None:
    repo = make()
    tip = commit(repo, {"a": "1", "d/b": "2"})
    fast = store_of(repo)
    slow = Plumbing(repo._git, "sha1")
    assert fast.read(tip) == slow.read(tip) and fast.info(tip) == slow.info(tip)
    many: list[tuple[Kind, bytes]] = [("blob", data) for data in AWKWARD]
    slow.write_many(many)
    slow.write_many([("blob", b"alone")])
    for kind, data in [*many, ("blob", b"alone")]:
        assert fast.read(oid_of(kind, data, "sha1")) == (kind, data)
    fast.write_many([("blob", b"from here")])
    assert slow.read(oid_of("blob", b"from here", "sha1")) == ("blob", b"from here")
    slow.close()


def test_blobs_come_back_as_they_went_in(bare: Repository) -> None:
    oids = [bare.write_blob(data) for data in AWKWARD]
    assert [bare.blob(oid) for oid in oids] == list(AWKWARD)
    assert [bare.blob_size(oid) for oid in oids] == [len(data) for data in AWKWARD]
    assert bare.blobs([*oids, *oids]) == dict(zip(oids, AWKWARD, strict=True))
    assert bare.blobs([]) == {}


def test_many_blobs_loose_or_packed(bare: Repository, git: Git) -> None:
    tree = bare.write_tree(None, {f"f{n}": b"%d" % n * n for n in range(300)})
    expected = {entry.oid: bare.blob(entry.oid) for entry in bare.files(tree).values()}
    assert bare.blobs(expected) == expected
    who = bare.commit_info(Oid(git("commit-tree", tree, "-m", "x", at=bare.git_dir))).author
    bare.publish([RefUpdate(bare.ref, None, bare.commit(tree, [], author=who, committer=who, message="x"))], "x")
    git("gc", "-q", "--prune=now", at=bare.git_dir)
    assert bare.blobs(expected) == expected
    small = bare.blobs(expected, max_bytes=100)
    assert small == {oid: data if len(data) <= 100 else None for oid, data in expected.items()}


def test_a_large_blob_is_not_loaded_by_accident(bare: Repository) -> None:
    small, large = bare.write_blob(b"12345"), bare.write_blob(b"123456")
    assert bare.blob(small, max_bytes=5) == b"12345"
    with pytest.raises(TooBig) as refused:
        bare.blob(large, max_bytes=5)
    assert (refused.value.oid, refused.value.size, refused.value.limit) == (large, 6, 5)
    assert bare.blobs([small, large], max_bytes=5) == {small: b"12345", large: None}


@pytest.mark.parametrize("count", [1, 200])
def test_a_missing_object_is_an_honest_failure(bare: Repository, count: int) -> None:
    absent = Oid("12" * (20 if bare.object_format == "sha1" else 32))
    wanted = [bare.write_blob(b"%d" % n) for n in range(count)]
    for question in (
        lambda: bare.blob(absent),
        lambda: bare.blob_size(absent),
        lambda: bare.blobs([*wanted, absent]),
        lambda: bare.blobs([*wanted, absent], max_bytes=9),
        lambda: bare.files(absent),
    ):
        with pytest.raises(BadRepository, match=f"object {absent} is missing"):
            question()


def test_objects_are_found_after_another_process_packed_them(bare: Repository, commit: Commit, git: Git) -> None:
    tip = commit(bare, {"a": "1"})
    for number in range(3):
        git("repack", "-adq", at=bare.git_dir)
        assert bare.blob(bare.files(tip)["a"].oid) == b"%d" % (number + 1)
        tip = commit(bare, {"a": str(number + 2)})


@pytest.mark.parametrize("setting", [None, "none"])
def test_writes_reach_the_disk_unless_git_is_told_otherwise(
    make: Callable[..., Repository], commit: Commit, monkeypatch: pytest.MonkeyPatch, setting: str | None
) -> None:
    told: list[object] = []
    if setting is None:
        monkeypatch.delenv("GIT_CONFIG_COUNT")
    monkeypatch.setattr(type(pygit2.settings), "enable_fsync_gitdir", lambda _, on: told.append(on))
    repo = make()
    run = repo._git.run

    def watched(*args: str, **more: Any) -> Answer:
        told.append(args)
        return run(*args, **more)

    monkeypatch.setattr(repo._git, "run", watched)
    commit(repo, {"a": "1"})
    update = next(args for args in told if isinstance(args, tuple) and "update-ref" in args)
    assert (True in told, any("core.fsync=" in arg for arg in update)) == (setting is None, setting is None)


def test_objects_of_an_alternate_are_found(
    make: Callable[..., Repository], commit: Commit, git: Git, tmp_path: Path
) -> None:
    tip = commit(make("origin"), {"a": "1"})
    git("clone", "-q", "--shared", "--bare", "origin", "clone")
    with Repository.open(tmp_path / "clone") as clone:
        assert clone.blob(clone.files(tip)["a"].oid) == b"1"
        commit(clone, {"a": "2"})
    git("fsck", "--strict", at=tmp_path / "clone")


def test_a_closed_repository_leaves_no_process(bare: Repository) -> None:
    store = Plumbing(bare._git, bare.object_format)
    oid = bare.write_blob(b"x")
    assert store.read(oid) == ("blob", b"x")
    process = store._batch
    assert process is not None
    store.close()
    assert process.returncode is not None
    assert store.read(oid) == ("blob", b"x")  # and starts again when it is asked
    store.close()
