"""The page on security keeps its word: what it names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).parents[1]
OWN = sorted((TOP / ".github/workflows").glob("*.yml"))
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_test_that_the_page_on_security_names_exists() -> None:
    named = NAMED.findall((TOP / "docs/security.md").read_text())
    assert len(named) > 60
    for path, name in named:
        assert f"\ndef {name}(" in (TOP / path).read_text(), f"{path}::{name}"


def test_every_threat_of_the_page_names_its_test() -> None:
    rows = re.findall(r"^\| .* \| .* \| (.*) \|$", (TOP / "docs/security.md").read_text().partition("## Text")[2], re.M)
    assert [row for row in rows if row != "test" and not NAMED.search(row)] == []


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_our_own_workflows_pin_what_they_use_and_begin_with_no_rights(path: Path) -> None:
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    for used in re.findall(r"- uses: (.+)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        assert not any("${{" in step.get("run", "") for step in job["steps"])
        assert all(step["with"]["persist-credentials"] is False for step in job["steps"] if "checkout" in str(step))


def test_a_release_says_what_is_in_it_and_where_it_comes_from() -> None:
    steps = str(yaml.safe_load((TOP / ".github/workflows/release.yml").read_text())["jobs"]["build"])
    for part in ("python -m build", "pip_audit", "cyclonedx-py", "actions/attest-build-provenance@"):
        assert part in steps


def test_our_own_workflows_hold_by_the_schema_of_the_host() -> None:
    checks = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, OWN)]
    done = subprocess.run(checks, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
