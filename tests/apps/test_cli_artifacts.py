"""Digests at registration, and `stagedoor verify`."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path

import fsspec
import pytest
from tests.apps.conftest import ANN, CAROL, Home, Sd

from signing import make_pair, sign


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A folder with two files."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "weights.bin").write_bytes(b"\0" * 12_400)
    return folder


def register(sd: Sd, source: str | Path, *options: str) -> None:
    sd("register", "power", "--source", source, *options, as_=ANN).ok()


def digest(sd: Sd, ref: str = "power@latest") -> str:
    return str(sd("show", ref, "--json").json["version"].get("digest", ""))


def flip(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


# --- register -------------------------------------------------------------------------------------------------------


def test_register_records_the_digest_of_a_file_and_of_a_folder(registry: Home, sd: Sd, artifact: Path) -> None:
    file = artifact / "weights.bin"
    register(sd, file.as_uri())
    assert digest(sd) == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    register(sd, artifact)
    assert digest(sd).startswith("sha256-tree:")
    assert sd("show", "power/2", "--json").json["version"]["source"] == str(artifact)


def test_register_takes_a_relative_source_as_it_is_written_from_the_directory_of_c(registry: Home, sd: Sd) -> None:
    (registry.path / "model.bin").write_text("x")
    register(sd, "model.bin")
    assert digest(sd) and sd("show", "power/1", "--json").json["version"]["source"] == "model.bin"
    sd("verify", "power/1").ok("ok ")


def test_register_computes_nothing_for_what_is_not_here(registry: Home, sd: Sd, tmp_path: Path) -> None:
    for source in ("s3://models/power", "runs:/9f/model", tmp_path / "no", "memory://power"):
        register(sd, source)
        assert digest(sd) == ""


def test_register_without_a_digest_when_asked_to(registry: Home, sd: Sd, artifact: Path) -> None:
    register(sd, artifact, "--no-digest")
    assert digest(sd) == ""
    sd("register", "power", "--source", artifact, "--no-digest", "--digest", "auto", as_=ANN).refused(2, "opposite")


def test_register_reads_a_remote_source_when_asked_to(registry: Home, sd: Sd) -> None:
    url = f"memory://{uuid.uuid4().hex}/model.bin"
    with fsspec.open(url, "wb") as file:
        file.write(b"x")
    register(sd, url, "--digest", "auto")
    assert digest(sd) == f"sha256:{hashlib.sha256(b'x').hexdigest()}"


@pytest.mark.parametrize("source", ["runs:/9f/model", "memory://no-such-thing", "no/such/path", "ssh://host/x"])
def test_register_says_that_no_digest_can_be_computed(registry: Home, sd: Sd, source: str) -> None:
    answer = sd("register", "power", "--source", source, "--digest", "auto", as_=ANN)
    answer.refused(2, f"no digest can be computed for {source}", "give --digest, or register from the artifact's own")


def test_register_of_a_folder_that_has_no_digest_is_refused_with_the_way_out(
    registry: Home, sd: Sd, artifact: Path
) -> None:
    (artifact / "link").symlink_to("/etc/passwd")
    sd("register", "power", "--source", artifact, as_=ANN).refused(2, "leads out of the folder", "--no-digest")
    register(sd, artifact, "--no-digest")


def test_a_digest_that_is_given_agrees_with_the_file_or_is_refused_with_both(
    registry: Home, sd: Sd, artifact: Path
) -> None:
    file = artifact / "weights.bin"
    right, wrong = hashlib.sha256(file.read_bytes()).hexdigest(), "0" * 64
    register(sd, file, "--digest", f"SHA256:{right.upper()}")
    assert digest(sd) == f"sha256:{right}"
    sd("register", "power", "--source", file, "--digest", f"sha256:{wrong}", as_=ANN).refused(8, right, wrong)
    sd("register", "power", "--source", artifact, "--digest", f"sha256:{right}", as_=ANN).refused(
        8, right, "sha256-tree:"
    )


def test_a_digest_of_another_kind_is_kept_as_it_was_given(registry: Home, sd: Sd, artifact: Path) -> None:
    register(sd, artifact, "--digest", "md5:ABC")
    assert digest(sd) == "md5:ABC"


# --- verify ---------------------------------------------------------------------------------------------------------


def test_verify_says_what_it_read(registry: Home, sd: Sd, artifact: Path) -> None:
    register(sd, artifact)
    sd("verify", "power/1").ok(f"ok          power/1 {digest(sd)} (2 files, 12.4 kB)\n")
    found = sd("verify", "power/1", "--json").json
    assert found["ref"] == "power/1" and found["integrity"]["state"] == "ok" and found["integrity"]["files"] == 2


def test_verify_refuses_one_flipped_byte_and_names_both_digests(registry: Home, sd: Sd, artifact: Path) -> None:
    register(sd, artifact)
    flip(artifact / "weights.bin")
    answer = sd("verify", "power/1")
    answer.refused(8, digest(sd), "was recorded, and sha256-tree:", f"at: {artifact}")
    assert '"state": "differs"' in sd("verify", "power/1", "--json").out


def test_verify_of_what_is_gone_is_unavailable_and_a_copy_elsewhere_does(
    registry: Home, sd: Sd, artifact: Path, tmp_path: Path
) -> None:
    register(sd, artifact)
    artifact.rename(tmp_path / "moved")
    sd("verify", "power/1").refused(11, "is not there", "stagedoor verify power/1 --source URI")
    sd("verify", "power/1", "--source", tmp_path / "moved").ok("ok ")


def test_verify_without_a_recorded_digest_says_the_cure(registry: Home, sd: Sd, artifact: Path) -> None:
    register(sd, artifact, "--no-digest")
    register(sd, artifact, "--digest", "a" * 64)
    sd("verify", "power/1").refused(7, "no digest is recorded", "register the artifact again")
    sd("verify", "power/2").refused(7, "cannot be recomputed")


def test_verify_of_a_model_looks_at_the_versions_in_use(registry: Home, sd: Sd, artifact: Path) -> None:
    for _ in range(3):
        register(sd, artifact)
    register(sd, artifact, "--no-digest")
    sd("verify", "power").ok("No version is in a stage.")
    for move in (("power/2", "Production"), ("power/3", "Staging"), ("power/4", "Staging")):
        sd("transition", *move, as_=CAROL).ok()
    for args in (("power",), ("--all",)):
        shown = sd("verify", *args).ok().out.splitlines()
        assert [line[:19].rstrip() for line in shown] == [
            "ok          power/2", "ok          power/3", "no digest   power/4",
        ]  # fmt: skip
    flip(artifact / "MLmodel")
    answer = sd("verify", "--all")
    answer.refused(8, "power/2")
    assert answer.out.count("differs") == 2
    assert [one["integrity"]["state"] for one in json.loads(sd("verify", "--all", "--json").out)] == [
        "differs", "differs", "no_digest",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("power/1", "--all"),
        ("power", "--source", "x"),
        ("--all", "--key", "k"),
        ("power/1", "--signature", "s"),
        ("power/1", "--key", "k", "--certificate-chain", "c"),
    ],
)
def test_verify_of_what_cannot_be_meant_is_bad_input(registry: Home, sd: Sd, artifact: Path, args: tuple[str]) -> None:
    register(sd, artifact)
    sd("verify", *args).refused(2)


def test_verify_of_an_unknown_version_is_not_found(registry: Home, sd: Sd, artifact: Path) -> None:
    register(sd, artifact)
    sd("verify", "power/7").refused(4, "no version 7")


# --- signatures -----------------------------------------------------------------------------------------------------


def test_verify_checks_the_signature_beside_the_artifact(
    registry: Home, sd: Sd, artifact: Path, tmp_path: Path
) -> None:
    pair = make_pair(tmp_path, "release")
    register(sd, artifact)
    sd("verify", "power/1", "--key", pair.public).refused(8, "power/1 is not signed", "model.sig is not there")
    sign(artifact, tmp_path / "model.sig", pair)
    sd("verify", "power/1", "--key", pair.public).ok("ok ", f"signed      power/1 by {pair.public}")
    flip(artifact / "weights.bin")
    sd("verify", "power/1", "--key", pair.public).refused(8, "was recorded", "hash mismatch for 'weights.bin'\n")
    flip(artifact / "weights.bin")
    other = make_pair(tmp_path, "other")
    sd("verify", "power/1", "--key", other.public).refused(8, "made with another key")
    raw = (tmp_path / "model.sig").read_bytes()
    at = raw.index(b'"sig":') + 20
    (tmp_path / "flipped.sig").write_bytes(raw[:at] + (b"A" if raw[at : at + 1] != b"A" else b"B") + raw[at + 1 :])
    sd("verify", "power/1", "--key", pair.public, "--signature", tmp_path / "flipped.sig").refused(8, "flipped.sig")


def test_a_signature_alone_is_enough_where_no_digest_is_recorded(
    registry: Home, sd: Sd, artifact: Path, tmp_path: Path
) -> None:
    pair = make_pair(tmp_path, "release")
    sign(artifact, artifact / "model.sig", pair)
    register(sd, artifact, "--no-digest")
    sd("verify", "power/1", "--key", pair.public).ok("no digest   power/1", "signed      power/1")
    flip(artifact / "weights.bin")
    sd("verify", "power/1", "--key", pair.public).refused(8, "weights.bin")


def test_a_signature_of_a_remote_artifact_is_bad_input(registry: Home, sd: Sd, tmp_path: Path) -> None:
    register(sd, "s3://models/power")
    key = make_pair(tmp_path, "release").public
    sd("verify", "power/1", "--key", key).refused(2, "on files of this machine", "--source PATH")
