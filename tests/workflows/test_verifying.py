"""Integrity as a gate asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stagedoor.artifacts.digest import Reach
from stagedoor.core.spec import Version
from stagedoor.errors import BadSpec, ChecksFailed, InvalidState, Unavailable
from stagedoor.workflows import verifying
from stagedoor.workflows.verifying import Integrity, Verified, integrity_of
from town import ANN, CAROL, Town


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A folder with two files."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "weights.bin").write_bytes(b"\0" * 12_400)
    return folder


def registered(town: Town, source: str, digest: str | None = None) -> Version:
    world = town.as_(ANN)
    said = verifying.digest_to_record(world, source, "", Path()) if digest is None else digest
    number = town.register("power", source=source, digest=said)
    return town.as_(ANN).snapshot().registry.version("power", number)


def test_an_untouched_artifact_is_ok(town: Town, artifact: Path) -> None:
    version = registered(town, str(artifact))
    found = integrity_of(town.as_(ANN), version)
    assert found.is_ok and found.text == f"{version.digest} (2 files, 12.4 kB)"
    assert (found.recorded, found.found) == (version.digest, version.digest)


def test_one_flipped_byte_differs_and_both_digests_are_named(town: Town, artifact: Path) -> None:
    version = registered(town, str(artifact))
    (artifact / "weights.bin").write_bytes(b"\0" * 12_399 + b"\1")
    found = integrity_of(town.as_(ANN), version)
    assert found.state == "differs" and found.found != version.digest
    assert version.digest in found.text and found.found in found.text


def test_the_note_that_mlflow_leaves_in_a_loaded_model_is_no_difference(town: Town, artifact: Path) -> None:
    version = registered(town, str(artifact))
    (artifact / "registered_model_meta").write_text("model_name: power\nmodel_version: '1'\n")
    assert integrity_of(town.as_(ANN), version).is_ok
    (artifact / "weights.bin").write_bytes(b"\1")
    assert integrity_of(town.as_(ANN), version).state == "differs"


def test_what_was_registered_with_mlflows_note_is_compared_with_it(town: Town, artifact: Path) -> None:
    (artifact / "registered_model_meta").write_text("model_name: power\n")
    version = registered(town, str(artifact))
    assert integrity_of(town.as_(ANN), version).is_ok
    (artifact / "registered_model_meta").write_text("model_name: other\n")
    assert integrity_of(town.as_(ANN), version).state == "differs"


def test_an_artifact_that_was_emptied_or_leads_out_differs(town: Town, artifact: Path) -> None:
    version = registered(town, str(artifact))
    (artifact / "link").symlink_to("/etc")
    assert integrity_of(town.as_(ANN), version).state == "differs"
    for file in artifact.iterdir():
        file.unlink()
    assert integrity_of(town.as_(ANN), version).state == "differs"


def test_an_artifact_that_is_gone_or_cannot_be_opened_is_unreachable(town: Town, artifact: Path) -> None:
    digest = registered(town, str(artifact)).digest
    for source in (str(artifact / "no"), "runs:/9f/model", "simplecache::file:///etc/passwd", "http://127.0.0.1:1/x"):
        found = integrity_of(town.as_(ANN), registered(town, source, digest))
        assert (found.state, found.found) == ("unreachable", ""), found


@pytest.mark.parametrize("digest", ["", "md5:00", "ab" * 32])
def test_a_version_without_a_digest_of_ours_has_none(town: Town, artifact: Path, digest: str) -> None:
    assert integrity_of(town.as_(ANN), registered(town, str(artifact), digest)).state == "no_digest"


def test_the_source_may_be_elsewhere_now(town: Town, artifact: Path, tmp_path: Path) -> None:
    version = registered(town, str(artifact))
    artifact.rename(tmp_path / "moved")
    assert integrity_of(town.as_(ANN), version).state == "unreachable"
    assert integrity_of(town.as_(ANN), version, source=str(tmp_path / "moved")).is_ok
    assert integrity_of(town.as_(ANN), version, source="moved", reach=Reach(tmp_path)).is_ok


@pytest.mark.parametrize(
    ("state", "error"),
    [("ok", None), ("differs", ChecksFailed), ("unreachable", Unavailable), ("no_digest", InvalidState)],
)
def test_each_state_has_its_own_refusal(state: verifying.State, error: type[Exception] | None) -> None:
    refused = verifying.refusal(Verified("power/1", Integrity(state, "text", "s3://x")))
    assert type(refused) is (error or type(None))


def test_a_file_that_does_not_read_is_told_and_the_other_models_are_verified(town: Town, artifact: Path) -> None:
    registered(town, str(artifact))
    path = "registry_spec/models/power.yaml"
    town.commit({path: town.text(path).replace("stage: None", "stage: Production"), path.replace("power", "a"): "{"})
    broken, power = verifying.verify_all(town.as_(CAROL))
    assert isinstance(broken, BadSpec)
    assert isinstance(power, Verified) and power.ref == "power/1" and power.integrity.is_ok
