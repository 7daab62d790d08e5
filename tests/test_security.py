"""The page on security keeps its word: what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_test_that_the_page_on_security_names_exists() -> None:
    named = NAMED.findall((TOP / "docs/security.md").read_text())
    assert len(named) > 60
    for path, name in named:
        assert f"\ndef {name}(" in (TOP / path).read_text(), f"{path}::{name}"


def test_every_threat_of_the_page_names_its_test() -> None:
    rows = re.findall(r"^\| .* \| .* \| (.*) \|$", (TOP / "docs/security.md").read_text().partition("## Text")[2], re.M)
    assert [row for row in rows if row != "test" and not NAMED.search(row)] == []
