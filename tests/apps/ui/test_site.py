"""The static site: plain files that find each other, made anew only where something is different."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from stagedoor.apps.ui.site import build
from stagedoor.errors import BadInput
from stagedoor.workflows import registering
from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, CODEOWNERS, Town


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """A registry with two models, a version in Staging and an open request."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    made = Town(tmp_path / "registry.git")
    initialise(made.path, owner=CAROL, name="test", bare=True)
    made.commit({".github/CODEOWNERS": CODEOWNERS})
    made.register("fraud", metrics={"auc": 0.9})
    made.register("fraud", metrics={"auc": 0.95})
    made.register("price? of #1 & more")
    registering.transition(made.as_(BOB), [Wish("fraud/1", "Staging")])
    registering.transition(made.as_(ANN), [Wish("fraud/2", "Production")], lane=Lane(propose=True))
    yield made
    made.close()


def pages(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*.html")}


def test_every_link_of_the_site_leads_to_a_file_of_it(town: Town, tmp_path: Path) -> None:
    build(town.as_(CAROL), tmp_path / "site")
    seen = 0
    for path, text in pages(tmp_path / "site").items():
        for link in re.findall(r'(?:href|src)="([^"]*)"', text):
            url = html.unescape(link)
            if url.startswith("#"):
                continue
            assert not url.startswith("/"), (path, url)
            target = (tmp_path / "site" / path).parent / unquote(url.partition("#")[0])
            assert target.is_file(), (path, url)
            seen += 1
    assert seen > 50


def test_the_site_has_no_action_on_it(town: Town, tmp_path: Path) -> None:
    build(town.as_(CAROL), tmp_path / "site")
    for path, text in pages(tmp_path / "site").items():
        assert "<form" not in text, path
        assert "Sign out" not in text


def test_only_what_has_changed_is_made_again(town: Town, tmp_path: Path) -> None:
    site = tmp_path / "site"
    first = build(town.as_(CAROL), site)
    assert (first.kept, first.removed, first.models) == (0, 0, 2)
    again = build(town.as_(CAROL), site)
    assert (again.written, again.kept) == (0, first.written)
    untouched = next(site.glob("models/price*/index.html"))
    os.utime(untouched, (1, 1))
    town.register("fraud")
    third = build(town.as_(CAROL), site)
    assert 0 < third.written < first.written
    assert untouched.stat().st_mtime == 1
    assert "Version 3" in (next(site.glob("models/fraud*")) / "index.html").read_text()


def test_pages_of_what_is_gone_are_taken_away_and_no_other_file(town: Town, tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(town.as_(CAROL), site)
    (site / "CNAME").write_text("models.example.com")
    registering.delete(town.as_(CAROL), "price? of #1 & more")
    built = build(town.as_(CAROL), site)
    assert built.removed == 2
    assert not list(site.glob("models/price*"))
    assert (site / "CNAME").exists()


def test_a_folder_with_other_files_is_left_alone(town: Town, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    with pytest.raises(BadInput):
        build(town.as_(CAROL), tmp_path / "mine")
    assert (tmp_path / "mine" / "index.html").read_text() == "mine"


def test_a_model_that_is_not_open_to_all_is_left_out(town: Town, tmp_path: Path) -> None:
    closed = f"{CODEOWNERS}/registry_spec/models/fraud.yaml/@Read {ANN}\n"
    town.commit({".github/CODEOWNERS": closed})
    assert build(town.as_(CAROL), tmp_path / "site").models == 1
    assert not any("fraud/" in text for text in pages(tmp_path / "site").values())
    assert "fraud" not in (tmp_path / "site/activity.atom").read_text()
    assert build(town.as_(CAROL), tmp_path / "all", everything=True).models == 2


def test_the_offline_search_knows_every_model(town: Town, tmp_path: Path) -> None:
    build(town.as_(CAROL), tmp_path / "site")
    script = (tmp_path / "site/static/search.js").read_text()
    said = json.loads(script.removeprefix("window.stagedoorModels = ").rstrip(";\n"))
    assert [one["name"] for one in said] == ["fraud", "price? of #1 & more"]
    assert all((tmp_path / "site" / one["url"]).is_file() for one in said)


def test_the_command_makes_it_and_says_what_it_did(town: Town, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(town.path), "site", "build", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("out: 2 models, ")
    assert (tmp_path / "out/index.html").is_file()


def test_an_empty_registry_makes_a_site_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    town = Town(tmp_path / "registry.git")
    initialise(town.path, owner=CAROL, bare=True)
    assert build(town.as_(CAROL), tmp_path / "site").models == 0
    assert "No model yet" in (tmp_path / "site/index.html").read_text()
    town.close()
