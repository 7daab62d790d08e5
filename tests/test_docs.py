"""The pages that are made from the code are fresh."""

from __future__ import annotations

from pathlib import Path

from stagedoor.core.schemas import schema_files
from stagedoor.core.views.checks import page

TOP = Path(__file__).parents[1]


def test_the_page_of_checks_is_fresh() -> None:
    assert (TOP / "docs/checks.md").read_text() == page(), "run: stagedoor explain --markdown > docs/checks.md"


def test_the_schemas_of_the_example_registry_are_fresh() -> None:
    for path, text in schema_files().items():
        assert (TOP / path).read_bytes() == text, f"run: stagedoor schema > {path}"
