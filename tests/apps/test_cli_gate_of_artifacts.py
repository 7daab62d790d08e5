"""The gate that looks at the artifact itself: its digest, and its signature with a key of the registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.apps.conftest import ANN, CAROL, Home, Sd

from signing import Pair, make_pair, sign

DIGEST_GATE = "gates:\n- name: intact\n  stages: [Production]\n  artifact: {}\n"
SIGNED_GATE = (
    "gates:\n- name: signed\n  stages: [Production]\n  artifact:\n    key: registry_spec/keys/release.pem\n"
    "    signature: signature\n"
)


@pytest.fixture
def artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two files, in a place that a gate may read."""
    folder = tmp_path / "store" / "model"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "weights.bin").write_bytes(b"\0" * 12_400)
    monkeypatch.setenv("STAGEDOOR_ARTIFACTS", str(folder.parent))
    return folder


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """The key that releases are signed with."""
    return make_pair(tmp_path, "release")


def flip(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


def with_key(registry: Home, pair: Pair) -> None:
    """The gate, and the key that it names."""
    registry.configure(SIGNED_GATE)
    registry.commit({"registry_spec/keys/release.pem": pair.public.read_bytes()}, "the release key")


def test_an_artifact_as_it_was_registered_comes_in_by_a_request(registry: Home, sd: Sd, artifact: Path) -> None:
    registry.configure(DIGEST_GATE)
    sd("register", "fraud", "--source", artifact, as_=ANN).ok()
    number = registry.number("request", "fraud/1", "Production", as_=ANN)
    sd("plan", number).ok("holds: the artifact is sha256-tree:", "(2 files, 12.4 kB)")
    sd("approve", number, as_=CAROL).ok()
    sd("merge", number, as_=CAROL).ok()


def test_one_flipped_byte_stops_the_request_although_it_was_approved(registry: Home, sd: Sd, artifact: Path) -> None:
    registry.configure(DIGEST_GATE)
    sd("register", "fraud", "--source", artifact, as_=ANN).ok()
    number = registry.number("request", "fraud/1", "Production", as_=ANN)
    sd("approve", number, as_=CAROL).ok()
    flip(artifact / "weights.bin")
    sd("merge", number, as_=CAROL).refused(
        8, "SD403 gate intact: the artifact of fraud/1: sha256-tree:", "was recorded, and sha256-tree:", "put back"
    )
    assert registry.stage_of("fraud/1") == "None"


@pytest.mark.parametrize("digest", ["--no-digest", "--digest=md5:1"])
def test_a_version_without_a_digest_that_can_be_computed_does_not_come_in(
    registry: Home, sd: Sd, artifact: Path, digest: str
) -> None:
    registry.configure(DIGEST_GATE)
    sd("register", "fraud", "--source", artifact, digest, as_=ANN).ok()
    sd("transition", "fraud/1", "Production", as_=CAROL).refused(8, "SD403", "register a version with a digest")


def test_an_artifact_that_is_gone_does_not_come_in(registry: Home, sd: Sd, artifact: Path) -> None:
    registry.configure(DIGEST_GATE)
    sd("register", "fraud", "--source", artifact, as_=ANN).ok()
    artifact.rename(artifact.with_name("elsewhere"))
    sd("transition", "fraud/1", "Production", as_=CAROL).refused(8, "SD403", "bring the artifact to where")


def test_a_signed_artifact_comes_in_and_one_flipped_byte_of_it_does_not(
    registry: Home, sd: Sd, artifact: Path, pair: Pair
) -> None:
    with_key(registry, pair)
    sd("register", "fraud", "--source", artifact, as_=ANN).ok()
    sd("transition", "fraud/1", "Production", as_=CAROL).refused(8, "has no evidence signature", "attach fraud/1")
    signature = sign(artifact, artifact.parent / "model.sig", pair)
    sd("attach", "fraud/1", signature, "--name", "signature", as_=ANN).ok()
    sd("gates", "test", "fraud/1", "Production", as_=ANN).ok(
        "the artifact is signed with registry_spec/keys/release.pem"
    )
    flip(artifact / "weights.bin")
    answer = sd("gates", "test", "fraud/1", "Production", as_=ANN)
    assert answer.code == 8 and "the artifact is not signed: the files are not those that were signed" in answer.out


def test_a_signature_of_another_key_is_refused(
    registry: Home, sd: Sd, artifact: Path, pair: Pair, tmp_path: Path
) -> None:
    with_key(registry, pair)
    sd("register", "fraud", "--source", artifact, as_=ANN).ok()
    signature = sign(artifact, artifact.parent / "model.sig", make_pair(tmp_path, "stranger"))
    sd("attach", "fraud/1", signature, "--name", "signature", as_=ANN).ok()
    answer = sd("transition", "fraud/1", "Production", as_=CAROL)
    answer.refused(8, "the artifact is not signed: the signature", "registry_spec/keys/release.pem")
    assert "/stagedoor-" not in answer.err


def test_the_key_is_that_of_main_and_never_one_that_the_request_brings(
    registry: Home, sd: Sd, artifact: Path, pair: Pair, tmp_path: Path
) -> None:
    with_key(registry, pair)
    sd("register", "fraud", "--source", artifact, as_=ANN).ok()
    stranger = make_pair(tmp_path, "stranger")
    signature = sign(artifact, artifact.parent / "model.sig", stranger)
    sd("attach", "fraud/1", signature, "--name", "signature", as_=ANN).ok()
    registry.git("reset", "-q", "--hard")
    registry.git("switch", "-q", "-c", "side")
    model = "registry_spec/models/fraud.yaml"
    moved = registry.text(model).replace("stage: None", "stage: Production")
    registry.commit({model: moved, "registry_spec/keys/release.pem": stranger.public.read_bytes()})
    sd("plan", "--head", "side").ok("SD403 gate signed: the artifact is not signed")


def test_a_key_that_is_none_and_one_that_is_not_there_refuse(
    registry: Home, sd: Sd, artifact: Path, pair: Pair
) -> None:
    registry.configure(SIGNED_GATE)
    sd("register", "fraud", "--source", artifact, as_=ANN).ok()
    signature = sign(artifact, artifact.parent / "model.sig", pair)
    sd("attach", "fraud/1", signature, "--name", "signature", as_=ANN).ok()
    move = ("transition", "fraud/1", "Production")
    sd(*move, as_=CAROL).refused(8, "the key registry_spec/keys/release.pem is not in the registry")
    registry.git("reset", "-q", "--hard")
    registry.commit({"registry_spec/keys/release.pem": "no key"})
    sd(*move, as_=CAROL).refused(8, "registry_spec/keys/release.pem: the key does not read")


# --- what a gate may read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "../../etc/passwd",
        "s3://models/x",
        "https://models.example.com/x",
        "link",
        ".git/config",
        ".",
    ],
)
def test_a_gate_reads_nothing_outside_of_the_folder_it_works_in(registry: Home, sd: Sd, source: str) -> None:
    registry.configure(DIGEST_GATE)
    (registry.path / "link").symlink_to("/etc/passwd")
    # as a stranger's own tool writes it: ours would have compared the digest first
    registry.register("fraud", "--digest", "sha256:" + "0" * 64)
    registry.git("reset", "-q", "--hard")
    model = "registry_spec/models/fraud.yaml"
    registry.commit({model: registry.text(model).replace("source: s3://models/fraud", f"source: {source}")})
    answer = sd("gates", "test", "fraud/1", "Production", as_=ANN)
    assert answer.code == 8 and "fails: the artifact of fraud/1 is not read: " in answer.out, answer


def test_what_stands_beside_the_command_may_be_read(registry: Home, sd: Sd) -> None:
    registry.configure(DIGEST_GATE)
    (registry.path / "model.bin").write_text("x")
    sd("register", "fraud", "--source", "model.bin", as_=ANN).ok()
    sd("gates", "test", "fraud/1", "Production", as_=ANN).ok("(1 file, 1 byte)")


def test_a_url_counts_from_its_beginning_and_does_not_climb(
    registry: Home, sd: Sd, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.configure(DIGEST_GATE)
    monkeypatch.setenv("STAGEDOOR_ARTIFACTS", "memory://models https://models.example.com/a/")
    digest = "sha256:" + "0" * 64
    sources = {
        "memory://models/x": "gone",
        "memory://models-of-others/x": "outside",
        "https://models.example.com/b/x": "outside",
        "https://models.example.com/a/../b/x": "outside",
        "https://models.example.com/a/%2e%2E/b/x": "outside",
        "runs:/9f2c/model": "MLflow alone",
    }
    for number, (source, said) in enumerate(sources.items(), start=1):
        sd("register", "fraud", "--source", source, "--digest", digest, as_=ANN).ok()
        answer = sd("gates", "test", f"fraud/{number}", "Production", as_=ANN)
        is_read = "is not read" not in answer.out
        assert answer.code == 8 and is_read == (said == "gone"), answer
        assert said == "gone" or said in answer.out


def test_a_plan_without_such_a_gate_loads_nothing_that_opens_artifacts(registry: Home, sd: Sd) -> None:
    registry.register()
    program = (
        "import sys; sys.argv = ['stagedoor', '-C', sys.argv[1], 'gates', 'test', 'fraud/1', 'Production']\n"
        "from stagedoor.apps.cli.main import main\n"
        "try: main()\nexcept SystemExit as left: assert not left.code, left.code\n"
        "assert not {'model_signing', 'fsspec', 'stagedoor.workflows.proofs'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(registry.path)], check=True, capture_output=True)
