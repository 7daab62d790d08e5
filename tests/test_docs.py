"""The pages that are made from the code are fresh."""

from __future__ import annotations

import re
from pathlib import Path

from stagedoor.apps.cli.main import COMMANDS
from stagedoor.core.events import KINDS
from stagedoor.core.schemas import schema_files
from stagedoor.core.views.checks import page
from stagedoor.workflows.planning import validate_all
from town import Town

TOP = Path(__file__).parents[1]


def test_the_page_of_checks_is_fresh() -> None:
    assert (TOP / "docs/checks.md").read_text() == page(), "run: stagedoor explain --markdown > docs/checks.md"


def test_the_schemas_of_the_example_registry_are_fresh() -> None:
    for path, text in schema_files().items():
        assert (TOP / path).read_bytes() == text, f"run: stagedoor schema > {path}"


def test_the_example_registry_is_valid_without_a_warning(tmp_path: Path) -> None:
    from stagedoor.workflows.initialise import initialise

    town = Town(tmp_path / "registry.git")
    initialise(town.path, owner="carol@example.com", bare=True)
    files = [path for path in (TOP / "registry_spec").rglob("*") if path.is_file()]
    town.commit({str(path.relative_to(TOP)): path.read_text() for path in [*files, TOP / ".github/CODEOWNERS"]})
    assert validate_all(town.as_("carol@example.com")) == ()
    town.close()


def test_the_readme_names_every_command() -> None:
    readme = (TOP / "README.md").read_text()
    table = readme[readme.index("## The verbs") : readme.index("## Read on")]
    assert set(COMMANDS) - set(re.findall(r"`([a-z-]+)`", table)) == set()


def test_the_page_on_telling_names_every_event() -> None:
    told = (TOP / "docs/reconcile.md").read_text().partition("## Events")[2]
    words = re.findall(r"`([a-z_.]+)`", told)
    full: list[str] = []
    for word in words:
        full.append(full[-1].rpartition(".")[0] + word if word.startswith(".") else word)
    assert tuple(full) == KINDS


def test_ci_runs_the_test_command_of_the_readme() -> None:
    readme, ci = (TOP / "README.md").read_text(), (TOP / ".ci/run").read_text()
    assert ".venv/bin/pip install '.[test]' && .venv/bin/pytest\n" in readme
    assert "'.[test]'" in ci
    assert ci.rstrip().endswith("\npytest")


def test_links_between_the_pages_lead_somewhere() -> None:
    for page_ in [TOP / "README.md", *(TOP / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page_.read_text()):
            assert link.startswith("https://") or (page_.parent / link).exists(), f"{page_.name}: {link}"
