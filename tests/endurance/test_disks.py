"""Disks that are full, cannot be written or rot: nothing is lost, and what is wrong is named."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crashes import Scene, Trial, git, left
from stopping import How
from town import ANN, CAROL

REGISTER = ("--as", ANN, "register", "fraud", "--source", "s3://models/new")
both = pytest.mark.parametrize("is_bare", [True, False], ids=["bare", "checkout"])


def mounted(folder: Path, options: str) -> bool:
    """A small disk of its own at a folder, where this machine lets us."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small disk."""
    made: list[Path] = []

    def make(options: str) -> Path:
        folder = tmp_path / "disk"
        if not mounted(folder, options):
            pytest.skip("nothing can be mounted here")
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", folder], check=True)


@both
def test_a_full_disk_refuses_a_write_and_takes_it_when_there_is_room(
    scene: Scene, disk: Callable[[str], Path], is_bare: bool
) -> None:
    folder = disk("size=3m")
    trial = Trial(scene, folder / "here", is_bare, REGISTER)
    trial.fresh()
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    ended = trial.sd(*REGISTER)
    assert ended.code == 10, ended
    assert "Traceback" not in ended.err and "No space left on device" in ended.err, ended
    assert trial.versions() == [1, 2, 3]
    ballast.unlink()
    trial.holds(trial.sd("validate"))
    trial.finishes()
    assert trial.versions() == [1, 2, 3, 4]


@both
def test_a_disk_that_cannot_be_written_can_be_read(scene: Scene, disk: Callable[[str], Path], is_bare: bool) -> None:
    folder = disk("size=8m")
    trial = Trial(scene, folder / "here", is_bare, REGISTER)
    trial.fresh()
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    ended = trial.sd(*REGISTER)
    assert ended.code == 10 and "Traceback" not in ended.err, ended
    assert "Read-only file system" in ended.err, ended
    for command in (("show", "fraud"), ("models",), ("validate",), ("activity",), ("--as", CAROL, "doctor")):
        found = trial.sd(*command)
        assert found.code == 0 and "Traceback" not in found.err, (command, found)
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
    trial.finishes()
    assert trial.versions() == [1, 2, 3, 4]


@pytest.mark.parametrize("damage", ["cut", "zeros", "text"])
def test_a_corrupt_index_is_built_again_by_whoever_asks(scene: Scene, here: Path, damage: str) -> None:
    trial = Trial(scene, here, True, ("index", "--rebuild"))
    trial.fresh()
    assert trial.sd("index", "--rebuild").code == 0
    [file] = (here / "stagedoor/index").rglob("*.sqlite")
    for beside in file.parent.glob(f"{file.name}-*"):
        beside.unlink()
    raw = file.read_bytes()
    broken = {"cut": raw[: len(raw) // 2], "zeros": raw[:100] + bytes(len(raw) - 100), "text": b"no database"}
    file.write_bytes(broken[damage])
    found = trial.sd("models", "--json")
    assert found.code == 0 and '"fraud"' in found.out, found
    [file] = (here / "stagedoor/index").rglob("*.sqlite")
    with sqlite3.connect(file) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


@pytest.mark.parametrize("what", ["main", "main^{tree}", "main:registry_spec/models/fraud.yaml"])
def test_a_corrupt_object_is_named(scene: Scene, here: Path, what: str) -> None:
    trial = Trial(scene, here, True, REGISTER)
    trial.fresh()
    oid = git(here, "rev-parse", what)
    # every object in a file of its own, and one of them rotten
    packs = [path.read_bytes() for path in (here / "objects/pack").glob("*.pack")]
    shutil.rmtree(here / "objects/pack")
    (here / "objects/pack").mkdir()
    for pack in packs:
        subprocess.run(["git", "unpack-objects", "-q"], cwd=here, input=pack, check=True)
    rotten = here / "objects" / oid[:2] / oid[2:]
    rotten.chmod(0o644)
    rotten.write_bytes(rotten.read_bytes()[:-6] + b"rotten")
    for command in (REGISTER, ("show", "fraud"), ("validate",)):
        ended = trial.sd(*command)
        assert ended.code == 10 and "Traceback" not in ended.err, (command, ended)
        assert oid in ended.err and "healthy clone" in ended.err, (command, ended)
    said = trial.sd("--as", CAROL, "doctor")
    assert said.code != 0 and oid in said.out + said.err, said


def test_a_lock_of_ours_is_taken_over_and_one_of_gits_is_named(scene: Scene, here: Path) -> None:
    trial = Trial(scene, here, False, REGISTER)
    trial.fresh()
    main = git(here, "rev-parse", "main")
    lock = here / ".git/index.lock"
    lock.write_text(f"stagedoor {main} {main}\n")
    trial.finishes()
    lock.touch()
    ended = trial.sd(*REGISTER)
    assert ended.code == 10 and str(lock) in ended.err, ended
    os.utime(lock, (1, 1))
    said = trial.sd("--as", CAROL, "doctor")
    assert said.code == 8 and f"{lock} is locked" in said.out, said
    assert lock.exists()


def test_doctor_says_what_a_killed_process_left(scene: Scene, here: Path) -> None:
    trial = Trial(scene, here, False, REGISTER)
    for stop in range(trial.calls(), 0, -1):
        trial.stopped(stop, How.EVERYTHING)
        if (here / ".git/refs/heads/main.lock").exists():
            break
    said = trial.sd("--as", CAROL, "doctor")
    assert said.code == 0 and "mended: refs/heads/main: not moved by a process that was killed" in said.out, said
    assert "its files are as refs/heads/main has them again" in said.out, said
    assert git(here, "status", "--porcelain") == "" and [*left(here / ".git")] == []


def test_what_somebody_wrote_after_a_crash_stays(scene: Scene, here: Path) -> None:
    trial = Trial(scene, here, False, REGISTER)
    file = here / "registry_spec/models/fraud.yaml"
    for stop in range(trial.calls(), 0, -1):
        trial.stopped(stop, How.EVERYTHING)
        if (here / ".git/refs/heads/main.lock").exists():
            break
    text = file.read_text() + "# a word of mine\n"
    file.write_text(text)
    assert trial.sd("--as", CAROL, "doctor").code == 0
    assert file.read_text() == text
