"""Objects of one turn go to the disk together, and are never missed by git or by a reader."""

from __future__ import annotations

import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stagedoor.errors import BadRepository
from stagedoor.gitstore import Oid, RefUpdate, Repository, Signature, smallpacks

WHO = Signature("Ann", "ann@example.com", datetime(2026, 11, 24, tzinfo=UTC))


def git(at: Path, *args: str, stdin: Path | str = "") -> str:
    raw = stdin.read_bytes() if isinstance(stdin, Path) else stdin.encode()
    return (
        subprocess.run(["git", "-C", str(at), *args], check=True, capture_output=True, input=raw)
        .stdout.decode()
        .strip()
    )


def loose(at: Path) -> set[str]:
    return {f"{one.parent.name}{one.name}" for one in (at / "objects").glob("??/*")}


def packs(at: Path) -> list[Path]:
    return sorted((at / "objects" / "pack").glob("*.pack"))


def land(repository: Repository, text: str) -> None:
    def write() -> None:
        tip = repository.tip()
        tree = repository.write_tree(None, {"a/b/file": text.encode()})
        made = repository.commit(tree, (tip,) if tip else (), author=WHO, committer=WHO, message=f"{text}\n")
        repository.publish((RefUpdate(repository.ref, tip, made),), text)

    repository.in_turn(write, "main")


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
            assert packs(bare) == []
        assert len(packs(bare)) == 1
        assert len(git(bare, "show-index", stdin=packs(bare)[0].with_suffix(".idx")).splitlines()) == 5


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


def test_a_pack_is_as_git_writes_it(bare: Path) -> None:
    with Repository.open(bare) as repository:
        land(repository, "one")
    [made] = packs(bare)
    assert stat.S_IMODE(made.stat().st_mode) == 0o444
    assert not list((bare / "objects" / "pack").glob("tmp_*"))
    again = made.with_name("again.idx")
    git(bare, "index-pack", "-o", str(again), str(made))
    assert again.read_bytes() == made.with_suffix(".idx").read_bytes()


def test_there_are_never_many_packs_and_nothing_is_lost(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smallpacks, "_GRACE", 0.0)
    with Repository.open(bare) as repository:
        for number in range(200):
            land(repository, f"text {number}")
            assert len(packs(bare)) <= 28
        assert repository.blob(repository.files(repository.tip() or "")["a/b/file"].oid) == b"text 199"
    assert git(bare, "fsck", "--strict") == ""
    assert git(bare, "rev-list", "--count", "main") == "200"
    assert loose(bare) == set()


def test_a_reader_goes_on_while_packs_are_put_together(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smallpacks, "_GRACE", 0.0)
    with Repository.open(bare) as writer, Repository.open(bare) as reader:
        land(writer, "first")
        first = writer.tip()
        for number in range(60):
            land(writer, f"text {number}")
            tip = reader.tip()
            assert tip and first
            assert reader.blob(reader.files(tip)["a/b/file"].oid) == f"text {number}".encode()
            assert reader.blob(reader.files(first)["a/b/file"].oid) == b"first"


def test_packs_that_git_means_to_keep_are_left_alone(bare: Path) -> None:
    with Repository.open(bare) as repository:
        for number in range(7):
            land(repository, f"text {number}")
        kept = packs(bare)
        for one in kept:
            one.with_suffix(".keep").touch()
        for number in range(20):
            land(repository, f"more {number}")
    assert set(kept) <= set(packs(bare))


def test_a_pack_that_is_damaged_is_not_put_into_another(bare: Path) -> None:
    with Repository.open(bare) as repository:
        land(repository, "first")
        [bad] = packs(bare)
        raw = bytearray(bad.read_bytes())
        raw[len(raw) // 2] ^= 255
        bad.chmod(0o644)
        bad.write_bytes(raw)
        for number in range(20):
            repository.write_tree(None, {f"file{number}": b"%d" % number})
    assert bad in packs(bare)
    listed = (bare / "objects" / "info" / "stagedoor-retired").read_text()
    assert bad.stem not in listed
    assert len(listed.splitlines()) >= 8


def test_packs_with_deltas_are_left_to_git(bare: Path) -> None:
    text = "".join(f"line {number}\n" for number in range(2000))
    with Repository.open(bare) as repository:
        for number in range(9):
            blobs = [git(bare, "hash-object", "-w", "--stdin", stdin=f"{text}{number} {end}") for end in ("a", "b")]
            git(bare, "pack-objects", "-q", "--window=10", "objects/pack/pack", stdin="\n".join(blobs))
        before = packs(bare)
        land(repository, "last")
    assert len(before) == 9
    assert set(before) <= set(packs(bare))


def test_very_many_objects_are_one_pack(bare: Path) -> None:
    with Repository.open(bare) as repository:
        repository.write_tree(None, {f"{number}": b"%d" % number for number in range(300)})
    assert len(list((bare / "objects" / "pack").glob("*.pack"))) == 1
    assert loose(bare) == set()


def test_a_disk_that_takes_nothing_is_a_refusal(bare: Path) -> None:
    with Repository.open(bare) as repository:
        (bare / "objects" / "pack").rmdir()
        (bare / "objects" / "pack").write_text("a file where a folder should be")
        with pytest.raises(BadRepository, match="cannot be written"):
            commit(repository, "one")
