"""A backup is `git clone --mirror`; from it, or without the state folder, everything that counts comes back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from crashes import Scene, Trial, git
from receiver import Receiver
from town import ANN, BOB, CAROL

REGISTER = ("--as", ANN, "register", "fraud", "--source", "s3://models/new")


def restored(scene: Scene, here: Path) -> Trial:
    """The registry, from a mirror of it."""
    mirror = here.with_name("mirror")
    git(here.parent, "clone", "-q", "--mirror", str(scene.checkout), str(mirror))
    git(here.parent, "clone", "-q", "--mirror", str(mirror), str(here))
    return Trial(scene, here, True, REGISTER)


def refs(at: Path) -> str:
    return git(at, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/pull", "refs/stagedoor")


def test_a_mirror_has_every_ref_that_the_registry_has(scene: Scene, here: Path) -> None:
    assert refs(restored(scene, here).at) == refs(scene.checkout)


def test_a_restored_registry_goes_on_where_it_was(scene: Scene, receiver: Receiver, here: Path) -> None:
    trial = restored(scene, here)
    receiver.taken.clear()
    assert trial.sd("--as", CAROL, "reconcile").code == 0
    assert len(receiver.taken) == 1, "only what nobody was told before"
    assert trial.sd("--as", BOB, "merge", "1").code == 0
    trial.finishes()
    assert trial.versions() == [1, 2, 3, 4]
    assert json.loads(trial.sd("show", "fraud/1", "--json").out)["version"]["stage"] == "Staging"


def test_the_state_folder_may_be_lost(scene: Scene, receiver: Receiver, here: Path) -> None:
    trial = Trial(scene, here, False, REGISTER)
    trial.fresh()
    for command in (("--as", CAROL, "reconcile"), ("index", "--rebuild")):
        assert trial.sd(*command).code == 0
    shutil.rmtree(here / ".git/stagedoor")
    receiver.taken.clear()
    assert trial.sd("--as", CAROL, "reconcile").code == 0
    assert receiver.taken == []
    found = trial.sd("models", "--json")
    assert found.code == 0 and '"fraud"' in found.out
    trial.finishes()
    assert trial.versions() == [1, 2, 3, 4]


def test_a_file_of_a_later_release_is_refused_by_a_clear_word(scene: Scene, here: Path) -> None:
    trial = Trial(scene, here, False, REGISTER)
    trial.fresh()
    file = here / "registry_spec/models/fraud.yaml"
    file.write_text(file.read_text().replace("stagedoor/v1", "stagedoor/v2") + "shape: round\n")
    git(here, "commit", "-qam", "written by a later release")
    ended = trial.sd(*REGISTER)
    assert ended.code == 3 and "written for stagedoor/v2, and this release of stagedoor reads stagedoor/v1" in ended.err
    assert "install a newer release" in ended.err and "shape" not in ended.err, ended
