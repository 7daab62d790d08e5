"""`stagedoor index`: what the index holds, built anew where somebody wishes."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.apps.conftest import Home, Sd


def test_index_says_what_it_holds(sd: Sd, registry: Home) -> None:
    registry.register("fraud", times=2)
    sd("index").ok("1 model and 2 versions at ")
    found = sd("index", "--json").json
    assert (found["models"], found["versions"], found["unreadable"]) == (1, 2, 0)
    assert found["commit"] == registry.git("rev-parse", "HEAD")
    assert Path(found["file"]).is_relative_to(registry.path / ".git" / "stagedoor")


def test_index_is_built_anew_and_keeps_out_of_git(sd: Sd, registry: Home) -> None:
    registry.register("fraud")
    before = sd("index", "--json").json["file"]
    after = sd("index", "--rebuild", "--json").json["file"]
    assert before != after
    assert not Path(before).exists()
    assert registry.git("status", "--short") == ""


def test_index_names_what_does_not_read(sd: Sd, registry: Home) -> None:
    registry.commit({"registry_spec/models/fraud.yaml": "name: ["})
    sd("index").ok("0 models", "they do not read: 1 file")


def test_index_is_refused_where_it_cannot_be_kept(sd: Sd, registry: Home) -> None:
    state = registry.path / ".git" / "stagedoor"
    shutil.rmtree(state, ignore_errors=True)
    state.write_text("")
    sd("index").refused(11, "the index cannot be kept")
    sd("models", "--sort", "created").ok("No model yet")
