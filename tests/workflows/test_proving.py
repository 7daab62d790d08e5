"""The evidence of a version: it verifies with git and Python alone, and one flipped byte anywhere is found."""

from __future__ import annotations

import ast
import io
import json
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from stagedoor.core.layout import SIGNERS_FILE, evidence_path
from stagedoor.core.reading import edited
from stagedoor.core.spec import Evidence
from stagedoor.errors import BadInput, BadRepository, NotFound
from stagedoor.gitstore import Repository
from stagedoor.gitstore.packs import verifier
from stagedoor.gitstore.verify import stage_in
from stagedoor.workflows import registering, reviewing
from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.proving import Proof, archive, prove
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.reviewing import Signing
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, CODEOWNERS, DAVE, Town

FRAUD = "registry_spec/models/fraud.yaml"
REPORT = b"all is well\n"


def ask(town: Town, stage: str) -> int:
    outcome = registering.transition(town.as_(ANN), [Wish("fraud/1", stage)], lane=Lane(propose=True))
    assert outcome.request is not None
    return outcome.request.number


def attach(town: Town) -> None:
    """A file of evidence, pinned by ann."""
    pinned = Evidence(name="../the report", digest=f"sha256:{sha256(REPORT).hexdigest()}", at=town.clock(), by=ANN)
    model = town.as_(ANN).snapshot().registry.model("fraud")
    (version,) = model.versions
    now = model.model_copy(update={"versions": (version.model_copy(update={"evidence": (pinned,)}),)})
    files: dict[str, str | None] = {FRAUD: edited(town.text(FRAUD), model, now)}
    town.commit({**files, evidence_path(pinned.digest): REPORT.decode()}, "attach", author=ANN)


def tell(town: Town, tmp_path: Path) -> Town:
    """fraud/1 with evidence, in Staging by a signed approval, in Production, and archived by its owner's own hand."""
    path = tmp_path / "carol"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "carol", "-f", path], check=True)
    public = " ".join(path.with_name("carol.pub").read_text().split()[:2])
    town.commit({".github/CODEOWNERS": CODEOWNERS, SIGNERS_FILE: f'{CAROL} namespaces="git" {public}\n'}, "policy")
    town.register("churn")
    town.register("fraud", description="scores payments")
    attach(town)
    number = ask(town, "Staging")
    reviewing.approve(town.as_(CAROL), number, "good", signing=Signing(str(path)))
    reviewing.merge(town.as_(BOB), number)
    town.register("churn")
    number = ask(town, "Production")
    reviewing.approve(town.as_(CAROL), number, "on we go")
    reviewing.merge(town.as_(CAROL), number)
    registering.transition(town.as_(CAROL), [Wish("fraud/1", "Archived")])
    town.register("fraud")
    return town


@pytest.fixture(params=["sha1", "sha256"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path / "registry.git")
    subprocess.run(
        ["git", "init", "-q", "--bare", "-b", "main", f"--object-format={request.param}", made.path], check=True
    )
    initialise(made.path, owner=CAROL, name="test", bare=True)
    yield tell(made, tmp_path)
    made.close()


def unpacked(proof: Proof, folder: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(archive(proof))) as tar:
        tar.extractall(folder, filter="data")
    return folder / proof.folder


def verified(folder: Path) -> tuple[int, list[str]]:
    """What verify.py says, run by a Python that knows no package of ours."""
    command = [sys.executable, "-I", "-S", str(folder / "verify.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_the_evidence_verifies_with_git_and_python_alone(story: Town, tmp_path: Path) -> None:
    proof = prove(story.as_(DAVE), "fraud/1")
    code, lines = verified(unpacked(proof, tmp_path / "out"))
    assert code == 0, lines
    told = [line.split(" in ")[0] if " is in " not in line else line.rpartition(" in ")[0] for line in lines]
    assert [line for line in told if "fraud/1 is in" in line] == [
        "ok       01 fraud/1 is in None",
        "ok       02 fraud/1 is in None",
        "ok       03 fraud/1 is in Staging",
        "ok       04 fraud/1 is in Production",
        "ok       05 fraud/1 is in Archived",
    ]
    assert f"ok       03 request 1, approved by {CAROL}" in lines
    assert f"ok       03 signed by {CAROL}" in lines
    assert f"ok       05 written directly by {CAROL}" in lines
    assert "ok       evidence ../the report is what was pinned" in lines
    assert lines[-1] == f"ok       all of it leads to {proof.last}: compare this id with a clone that you trust"


def test_what_people_saw_is_in_it(story: Town) -> None:
    proof = prove(story.as_(DAVE), "fraud/1")
    told = json.loads(proof.files["version.json"])
    assert [stay["stage"] for stay in told["stays"]] == ["None", "Staging", "Production", "Archived"]
    assert proof.files["evidence/01-..%2Fthe%20report"] == REPORT
    assert "fraud" in proof.files["plans/04.txt"].decode()
    assert json.loads(proof.files["plans/04.json"])["problems"] == []
    reviews = json.loads(proof.files["reviews/04-request-2.json"])["steps"]
    assert [step["step"] for step in reviews] == ["opened", "reviewed", "merged"]
    assert "policy/04/CODEOWNERS" in proof.files
    assert not [name for name in proof.files if name.startswith("/") or "/../" in name]


def test_the_same_main_makes_the_same_bytes(story: Town, tmp_path: Path) -> None:
    was = archive(prove(story.as_(DAVE), "fraud/1"))
    mirror = tmp_path / "mirror.git"
    subprocess.run(["git", "clone", "-q", "--mirror", f"file://{story.path}", mirror], check=True)
    subprocess.run(["git", "-C", mirror, "-c", "gc.aggressiveDepth=50", "gc", "-q", "--aggressive"], check=True)
    with Repository.open(mirror) as repository:
        assert archive(prove(World(repository, claimed_email=DAVE, now=story.clock), "fraud/1")) == was


def test_a_bare_clone_without_requests_proves_it_too(story: Town, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", f"file://{story.path}", bare], check=True)
    with Repository.open(bare) as repository:
        proof = prove(World(repository, claimed_email=DAVE, now=story.clock), "fraud/1")
    assert not [name for name in proof.files if name.startswith("reviews/")]
    assert verified(unpacked(proof, tmp_path / "out"))[0] == 0


def test_a_flipped_byte_anywhere_is_found(story: Town, tmp_path: Path) -> None:
    folder = unpacked(prove(story.as_(DAVE), "fraud/1"), tmp_path / "out")
    dice = random.Random(1)
    trusted = (folder / "verify.py").read_bytes()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        good = path.read_bytes()
        place = dice.randrange(len(good))
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << dice.randrange(7)]) + good[place + 1 :])
        script = tmp_path / "trusted.py"
        script.write_bytes(trusted)
        done = subprocess.run([sys.executable, "-I", "-S", script, folder], capture_output=True, text=True, check=False)
        path.write_bytes(good)
        assert done.returncode == 1, (path, place, done.stdout)
        assert done.stdout.splitlines()[-1].startswith("FAILED   "), (path, done.stdout)
        assert done.stderr == ""
    assert verified(folder)[0] == 0


def resealed(folder: Path, name: str, old: str, new: str) -> list[str]:
    """What is said of an archive whose author changed a file and the sums as well."""
    path = folder / name
    good, sums = path.read_bytes(), (folder / "SHA256SUMS").read_text()
    assert old.encode() in good
    bad = good.replace(old.encode(), new.encode())
    path.write_bytes(bad)
    was, now = sha256(good).hexdigest(), sha256(bad).hexdigest()
    (folder / "SHA256SUMS").write_text(sums.replace(f"{was}  {name}\n", f"{now}  {name}\n"))
    code, lines = verified(folder)
    path.write_bytes(good)
    (folder / "SHA256SUMS").write_text(sums)
    assert code == 1, lines
    return lines


def test_whoever_changes_the_sums_as_well_is_found_by_git(story: Town, tmp_path: Path) -> None:
    proof = prove(story.as_(DAVE), "fraud/1")
    folder = unpacked(proof, tmp_path / "out")
    spec = next(name for name in proof.files if name.startswith("specs/04"))
    assert "is not the file of" in resealed(folder, spec, "stage: Production", "stage: Staging")[-1]
    assert (
        "says stage Production, not Archived"
        in resealed(
            folder, "version.json", '"stage": "Production",\n      "spec"', '"stage": "Archived",\n      "spec"'
        )[-1]
    )
    assert (
        "the approvals are not the commit's"
        in resealed(folder, "version.json", f'"by": "{CAROL}",\n', f'"by": "{DAVE}",\n')[-1]
    )
    assert "is not what was pinned" in resealed(folder, "evidence/01-..%2Fthe%20report", "well", "lost")[-1]
    assert "is not what stood before" in resealed(folder, "policy/04/CODEOWNERS", CAROL, DAVE)[-1]
    assert "is not in" in resealed(folder, "signatures/03-1.tag", "Approve request 1", "Approve request 2")[-1]
    signers = resealed(folder, "policy/03/allowed_signers", CAROL, DAVE)[-1]
    assert "is not" in signers
    chain = json.loads(proof.files["version.json"])["chain"]
    assert "does not follow" in resealed(folder, "version.json", f'    "{chain[1]}",\n', "")[-1]
    assert "is not one of the archive" in _with_more(folder)[-1]


def _with_more(folder: Path) -> list[str]:
    (folder / "more.txt").write_text("x")
    code, lines = verified(folder)
    (folder / "more.txt").unlink()
    assert code == 1
    return lines


def test_a_version_that_was_deleted_has_evidence(story: Town, tmp_path: Path) -> None:
    registering.delete(story.as_(CAROL), "fraud/1")
    proof = prove(story.as_(DAVE), "fraud/1")
    code, lines = verified(unpacked(proof, tmp_path / "out"))
    assert code == 0, lines
    assert any("06 fraud/1 is not there any more in" in line for line in lines)
    registering.delete(story.as_(CAROL), "fraud")
    code, lines = verified(unpacked(prove(story.as_(DAVE), "fraud/1"), tmp_path / "again"))
    assert code == 0, lines


def test_a_model_that_was_renamed_and_one_that_was_deleted_whole_have_evidence(story: Town, tmp_path: Path) -> None:
    registering.rename(story.as_(CAROL), "fraud", "payment fraud")
    code, lines = verified(unpacked(prove(story.as_(DAVE), "payment fraud/1"), tmp_path / "out"))
    assert code == 0, lines
    registering.delete(story.as_(CAROL), "churn")
    proof = prove(story.as_(DAVE), "churn/1")
    code, lines = verified(unpacked(proof, tmp_path / "churn"))
    assert code == 0, lines
    assert any("is not there any more" in line for line in lines)


def test_what_names_no_version_is_refused(story: Town, tmp_path: Path) -> None:
    world = story.as_(DAVE)
    with pytest.raises(BadInput, match="names no version"):
        prove(world, "fraud")
    for text in ("fraud/9", "nothing/1"):
        with pytest.raises(NotFound):
            prove(world, text)
    shallow = tmp_path / "shallow.git"
    subprocess.run(["git", "clone", "-q", "--bare", "--depth=2", f"file://{story.path}", shallow], check=True)
    with Repository.open(shallow) as repository, pytest.raises(BadRepository, match="shallow"):
        prove(World(repository, claimed_email=DAVE, now=story.clock), "fraud/1")


def test_verify_py_is_for_older_pythons_too() -> None:
    ast.parse(verifier(), feature_version=(3, 8))


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("name: x\nversions:\n- version: 1\n  stage: Staging\n- version: 2\n  stage: Production\n", "Production"),
        ('versions:\n- version: 2\n  stage: "Canary \\u0032"\nlast_version: 2\n', "Canary 2"),
        ("versions:\n- version: 2\n  stage: 'it''s'\n", "it's"),
        ("versions:\n  - stage: Staging\n    version: 2\nlast_version: 2\n", "Staging"),
        ("description: |\n  versions:\n  - version: 2\n    stage: A\nversions:\n- version: 2\n  stage: B\n", "B"),
        (
            "versions:\n- version: 2\n  description: |\n    stage: A\n  x:\n  - version: 2\n    stage: C\n  stage: B",
            "B",
        ),
        ("versions:\n# old\n\n- version: 1\n  stage: A\n\n- version: 2\n  # now\n  stage: B\nx: 1\n", "B"),
        ("versions: []\n", ""),
        ("name: x\n", ""),
        ("versions:\n- version: 1\n  stage: A\ntags:\n- version: 2\n  stage: A\n", ""),
        ("versions: [{version: 2, stage: A}]\n", None),
    ],
)
def test_a_stage_is_read_line_by_line(text: str, stage: str | None) -> None:
    assert stage_in(text, 2) == stage
