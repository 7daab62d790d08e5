"""Trials: a command is stopped in its middle, the registry is looked at, and the command is run again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from receiver import Receiver
from stopping import Ended, How, Stopper
from town import ANN, BOB, CAROL, CODEOWNERS

DAY = 24 * 3600.0

ROUTES = """
notifications:
  routes:
  - name: desk
    events: [model_version.created, model_version.transitioned]
    to: ["json://127.0.0.1:{port}/hook"]
"""
WEBHOOKS = """\
apiVersion: stagedoor/v1
kind: Webhooks
webhooks:
- id: 00000000000000000000000000000001
  events: [MODEL_VERSION_CREATED]
  url: http://127.0.0.1:{port}/webhook
"""


def git(at: Path, *args: str, check: bool = True) -> str:
    """Git as a person uses it."""
    done = subprocess.run(["git", *args], cwd=at, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, (args, done.stderr)
    return done.stdout.strip()


@dataclass(frozen=True)
class Scene:
    """A registry with three versions, an approved request and news that nobody was told, checked out and bare."""

    stop: Stopper
    receiver: Receiver
    checkout: Path
    bare: Path

    def base(self, is_bare: bool) -> Path:
        return self.bare if is_bare else self.checkout


def make_scene(stop: Stopper, receiver: Receiver, folder: Path) -> Scene:
    """Make the two."""

    def sd(*args: str) -> None:
        ended = stop.run(at, *args)
        assert ended.code == 0, ended

    at = folder
    sd("init", "--owner", CAROL, "checkout")
    at = folder / "checkout"
    spec = at / "registry_spec"
    (at / ".github/CODEOWNERS").write_text(CODEOWNERS)
    (spec / "registry.yaml").write_text((spec / "registry.yaml").read_text() + ROUTES.format(port=receiver.port))
    for name, value in (("user.name", "Carol"), ("user.email", CAROL)):
        git(at, "config", name, value)
    git(at, "add", "-A")
    git(at, "commit", "-qm", "owners and routes")
    for _ in range(2):
        sd("--as", ANN, "register", "fraud", "--source", "s3://models/fraud")
    sd("--as", ANN, "request", "fraud/1", "Staging", "-m", "good")
    sd("--as", BOB, "approve", "1")
    sd("--as", CAROL, "reconcile")
    sd("--as", ANN, "register", "fraud", "--source", "s3://models/fraud")
    bare = folder / "bare"
    shutil.copytree(at / ".git", bare, symlinks=True)
    (bare / "index").unlink()
    git(bare, "config", "core.bare", "true")
    return Scene(stop, receiver, at, bare)


@dataclass
class Trial:
    """One command that is stopped, and what has to hold afterwards."""

    scene: Scene
    at: Path
    is_bare: bool
    command: tuple[str, ...]
    prepare: Callable[[Path], None] = lambda _: None
    # what a second run may say where the first one had done all of it before it was stopped
    done: str = "never said"

    def fresh(self) -> None:
        """The registry as it was before."""
        shutil.rmtree(self.at, ignore_errors=True)
        shutil.copytree(self.scene.base(self.is_bare), self.at, symlinks=True)
        self.prepare(self.at)

    def sd(self, *args: str) -> Ended:
        return self.scene.stop.run(self.at, *args)

    def stopped(self, stop: int, how: How) -> Ended:
        """The command on a fresh registry, stopped at a call."""
        self.fresh()
        return self.scene.stop.run(self.at, *self.command, stop=stop, how=how)

    def calls(self) -> int:
        """How many calls it takes."""
        ended = self.stopped(0, How.EVERYTHING)
        assert ended.code == 0 and ended.calls, ended
        return ended.calls

    # --- what holds

    def holds(self, ended: Ended) -> None:
        """Nothing is lost, doubled or torn, and what could not be done is said as we say it."""
        assert "Traceback" not in ended.err, ended
        assert ended.is_killed or (ended.code in (0, 10, 11) and (not ended.code or ended.err.startswith("error: "))), (
            ended
        )
        done = subprocess.run(
            ["git", "fsck", "--full", "--no-dangling"], cwd=self.at, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        said = self.sd("validate")
        assert said.code == 0, said

    def finishes(self) -> None:
        """The same command once more comes to its end, and nobody has to mend anything."""
        ended = self.sd(*self.command)
        assert ended.code == 0 or self.done in ended.err, ended
        doctor = self.sd("--as", CAROL, "doctor")
        assert "error  " not in doctor.out, doctor
        assert doctor.code == 0, doctor
        if not self.is_bare:
            assert git(self.at, "status", "--porcelain") == ""
        self.is_clean()

    def is_clean(self) -> None:
        """Of what was left, nothing stays for ever."""
        git_dir = self.at if self.is_bare else self.at / ".git"
        aged(git_dir)
        assert self.sd("--as", CAROL, "doctor").code == 0
        assert [*left(git_dir)] == []

    def versions(self, name: str = "fraud") -> list[int]:
        """The versions of a model on main."""
        ended = self.sd("show", name, "--json")
        assert ended.code == 0, ended
        return [one["version"] for one in json.loads(ended.out)["model"]["versions"]]


def aged(git_dir: Path) -> None:
    """Make every file around the packs a day older, as if nobody had come for a day."""
    then = time.time() - DAY
    for path in (*(git_dir / "objects/pack").iterdir(), *(git_dir / "objects/info").glob("tmp_*")):
        os.utime(path, (then, then))


def left(git_dir: Path) -> Iterator[str]:
    """What should not be there when nobody is at work. The drafts of loose objects are for `git gc` to remove."""
    for path in git_dir.rglob("*"):
        name = path.name
        is_draft = name.startswith(("tmp_", "index.stagedoor")) and not name.startswith("tmp_obj_")
        is_lock = name.endswith(".lock") and path.parent.name not in ("stagedoor",) and name != "lock"
        is_lonely = path.parent.name == "pack" and path.suffix == ".pack" and not path.with_suffix(".idx").exists()
        if is_draft or is_lock or is_lonely:
            yield str(path.relative_to(git_dir))


def sampled(stops: int, most: int, seed: int) -> Iterable[int]:
    """All the calls, or as many as may be, chosen by a seed; the first and the last are always among them."""
    import random

    if stops <= most:
        return range(1, stops + 1)
    return sorted({1, stops, *random.Random(seed).sample(range(1, stops + 1), most - 2)})
