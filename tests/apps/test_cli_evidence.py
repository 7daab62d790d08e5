"""`stagedoor attach`: evidence on versions."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from tests.apps.conftest import ANN, BOB, CAROL, Home, Sd

REPORT = b'{"rmse": 398.1}\n'
DIGEST = f"sha256:{hashlib.sha256(REPORT).hexdigest()}"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A file of evidence."""
    file = tmp_path / "backtest.json"
    file.write_bytes(REPORT)
    return file


def test_an_owner_of_the_model_attaches_directly_and_the_file_comes_with_the_commit(
    registry: Home, sd: Sd, report: Path
) -> None:
    registry.register()
    sd("attach", "fraud/1", report, as_=ANN).ok("Attached backtest to fraud/1 (")
    path = f"registry_spec/evidence/{DIGEST[7:9]}/{DIGEST[7:]}"
    assert registry.git("show", f"main:{path}") == REPORT.decode().strip()
    assert registry.git("show", "--name-only", "--format=", "main").split() == [path, "registry_spec/models/fraud.yaml"]
    sd("show", "fraud/1").ok("evidence     backtest of ", f"by {ANN}")
    sd("history", "fraud/1").ok("  evidence     backtest of ")


def test_a_file_of_evidence_is_no_change_of_policy_and_needs_nobody_else(registry: Home, sd: Sd, report: Path) -> None:
    registry.register()
    sd("reconcile", as_=CAROL).ok()
    sd("attach", "fraud/1", report, as_=ANN).ok()
    newest = sd("activity", "--json").json[0]
    assert (newest["kind"], newest["text"]) == ("model_version.updated", f"{ANN} attached evidence backtest to fraud/1")
    told = [event["kind"] for event in sd("reconcile", "--json", as_=CAROL).json["events"]]
    assert told == ["model_version.updated"]


def test_a_file_under_evidence_that_nobody_pins_is_a_change_like_any_other(registry: Home, sd: Sd) -> None:
    registry.commit({"registry_spec/evidence/ab/cd": "x"}, "by hand", "--author", f"Ann <{ANN}>")
    assert sd("activity", "--json").json[0]["kind"] == "policy.changed"


def test_evidence_lands_by_a_request_with_its_file(registry: Home, sd: Sd, report: Path) -> None:
    registry.register()
    number = registry.number("attach", "fraud/1", str(report), "--request", as_=ANN)
    assert sd("attach", "fraud/1", "--json").json == []
    sd("approve", number, as_=BOB).ok()
    sd("merge", number, as_=BOB).ok()
    (found,) = sd("attach", "fraud/1", "--json").json
    assert (found["name"], found["digest"], found["by"]) == ("backtest", DIGEST, ANN)
    sd("validate").ok("0 errors")


def test_evidence_and_a_move_go_into_one_request(registry: Home, sd: Sd, report: Path) -> None:
    registry.register()
    number = registry.number("request", "fraud/1", "Staging", as_=ANN)
    sd("attach", "fraud/1", report, "--in", number, as_=ANN).ok(f"in request {number}")
    sd("plan", number).ok("evidence backtest (sha256:", "version 1: None → Staging")


def test_the_file_of_evidence_is_printed_as_it_is(registry: Home, sd: Sd, tmp_path: Path) -> None:
    raw = bytes(range(256))
    (tmp_path / "plot.png").write_bytes(raw)
    registry.register()
    sd("attach", "fraud/1", tmp_path / "plot.png", as_=ANN).ok()
    command = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(registry.path), "attach", "fraud/1"]
    assert subprocess.run([*command, "--print", "plot"], check=True, capture_output=True).stdout == raw
    sd("attach", "fraud/1", "--print", "no").refused(4, "fraud/1 has no evidence no", "choose one of: plot")


def test_attaching_again_takes_the_place_and_taking_off_takes_it_away(
    registry: Home, sd: Sd, report: Path, tmp_path: Path
) -> None:
    registry.register()
    sd("attach", "fraud/1", report, as_=ANN).ok()
    (tmp_path / "newer").write_text("newer")
    sd("attach", "fraud/1", tmp_path / "newer", "--name", "backtest", as_=ANN).ok()
    (found,) = sd("attach", "fraud/1", "--json").json
    assert found["digest"] != DIGEST
    sd("attach", "fraud/1", "-d", "backtest", as_=ANN).ok("Took backtest off fraud/1")
    sd("attach", "fraud/1").ok("fraud/1 has no evidence")


def test_a_large_file_is_kept_elsewhere_and_pinned(registry: Home, sd: Sd, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(b"\0" * (1024 * 1024 + 1))
    registry.register()
    sd("attach", "fraud/1", large, as_=ANN).refused(2, "at most 1,048,576 bytes", "--uri URI")
    sd("attach", "fraud/1", large, "--uri", "s3://reports/large.bin", as_=ANN).ok()
    (found,) = sd("attach", "fraud/1", "--json").json
    assert found["digest"] == f"sha256:{hashlib.sha256(large.read_bytes()).hexdigest()}"
    assert not (registry.git("ls-tree", "-r", "--name-only", "main", "registry_spec/evidence"))
    sd("attach", "fraud/1", "--print", "large").refused(4, "is not in the registry", "s3://reports/large.bin")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("no/such/file",), "the file cannot be read"),
        (("--uri", "s3://x"), "a URI with its digest"),
        (("--uri", "s3://x", "--digest", "md5:ab", "--name", "x"), "the digest cannot be recorded"),
        (("--uri", "s3://x", "--digest", DIGEST), "the evidence has no name"),
        (("backtest.json", "--name", "../../etc"), "is no name for evidence"),
        (("backtest.json", "--digest", "sha256:" + "0" * 64), "the file has sha256:"),
        (("backtest.json", "-d", "x"), "one thing at a time"),
        (("--name", "x"), "one thing at a time"),
    ],
)
def test_what_is_no_evidence_is_refused_with_the_way_out(
    registry: Home, sd: Sd, report: Path, options: tuple[str, ...], said: str
) -> None:
    registry.register()
    given = [str(report) if option == "backtest.json" else option for option in options]
    before = registry.refs()
    sd("attach", "fraud/1", *given, as_=ANN).refused(2, said)
    assert registry.refs() == before
