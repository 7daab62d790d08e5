"""Objects of one turn go to the disk together, and are never missed by git or by a reader."""

from __future__ import annotations

import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stagedoor.errors import BadRepository
from stagedoor.gitstore import Oid, RefUpdate, Repository, Signature

WHO = Signature("Ann", "ann@example.com", datetime(2026, 11, 24, tzinfo=UTC))


def git(at: Path, *args: str) -> str:
    return subprocess.run(["git", "-C", str(at), *args], check=True, capture_output=True, text=True).stdout.strip()


def loose(at: Path) -> set[str]:
    return {f"{one.parent.name}{one.name}" for one in (at / "objects").glob("??/*")}


def commit(repository: Repository, text: str) -> Oid:
    tree = repository.write_tree(None, {"a/b/file": text.encode()})
    return repository.commit(tree, (), author=WHO, committer=WHO, message=f"{text}\n")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    Repository.init(tmp_path / "r.git", bare=True).close()
    return tmp_path / "r.git"


def test_in_a_turn_objects_are_read_before_they_are_on_the_disk(bare: Path) -> None:
    with Repository.open(bare) as repository:
        with repository.turn():
            made = commit(repository, "one")
            assert repository.blob(repository.files(made)["a/b/file"].oid) == b"one"
            assert loose(bare) == set()
        assert len(loose(bare)) == 5


def test_git_finds_in_a_turn_what_was_written_in_it(bare: Path) -> None:
    with Repository.open(bare) as repository, repository.turn():
        made = commit(repository, "one")
        assert repository.resolve(made) == made


def test_what_is_published_is_whole(bare: Path) -> None:
    with Repository.open(bare) as repository:

        def write() -> None:
            repository.publish((RefUpdate(repository.ref, None, commit(repository, "one")),), "one")

        repository.in_turn(write, "main")
        assert git(bare, "fsck", "--strict") == ""
        assert git(bare, "show", "main:a/b/file") == "one"


def test_objects_are_as_git_writes_them(bare: Path) -> None:
    with Repository.open(bare) as repository:
        commit(repository, "one")
    for one in (bare / "objects").glob("??/*"):
        assert stat.S_IMODE(one.stat().st_mode) == 0o444
    assert not list(bare.glob("objects/??/tmp_*"))


def test_very_many_objects_are_one_pack(bare: Path) -> None:
    with Repository.open(bare) as repository:
        repository.write_tree(None, {f"{number}": b"%d" % number for number in range(300)})
    assert len(list((bare / "objects" / "pack").glob("*.pack"))) == 1
    assert loose(bare) == set()


def test_a_disk_that_takes_nothing_is_a_refusal(bare: Path) -> None:
    with Repository.open(bare) as repository:
        for number in range(256):
            (bare / "objects" / f"{number:02x}").write_text("a file where a folder should be")
        with pytest.raises(BadRepository, match="cannot be written"):
            commit(repository, "one")
