"""`--dry-run` of the verbs that change no file: the refusals are real, and nothing is published."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.apps.conftest import ANN, BOB, Home, Sd


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "1"),
        ("request-changes", "1", "-m", "no"),
        ("reject", "1"),
        ("cancel", "1"),
        ("update", "1"),
        ("comment", "1", "hello"),
        ("comment", "fraud/1", "hello"),
        ("follow", "fraud"),
        ("mute", "fraud"),
        ("mute", "--all"),
        ("follow", "--all"),
    ],
)
def test_a_rehearsal_says_what_it_would_do_and_moves_no_ref(registry: Home, sd: Sd, words: tuple[str, ...]) -> None:
    registry.register("fraud")
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    before = registry.git("for-each-ref")
    assert "ould" in sd(*words, "--dry-run", as_=BOB).ok().out
    assert registry.git("for-each-ref") == before


def test_a_rehearsal_is_refused_as_the_real_thing_would_be(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("approve", "1", "--dry-run", as_=ANN).refused(6, "cannot approve it")
    sd("cancel", "1", "--dry-run", as_="eve@example.com").refused(6, "to cancel")


def test_a_rehearsed_init_lists_its_files_and_leaves_nothing(sd: Sd, tmp_path: Path) -> None:
    for place in (tmp_path / "new", tmp_path / "empty"):
        if place.name == "empty":
            place.mkdir()
        answer = sd("init", str(place), "--owner", ANN, "--dry-run", dir=tmp_path).ok("Would make a registry in")
        assert "+ registry_spec/registry.yaml" in answer.out
        assert not list(place.iterdir()) if place.exists() else place.name == "new"


def test_an_init_that_is_refused_leaves_nothing(sd: Sd, tmp_path: Path) -> None:
    sd("init", str(tmp_path / "new"), "--owner", "nobody", dir=tmp_path).refused(2, "is no e-mail address")
    assert not (tmp_path / "new").exists()
