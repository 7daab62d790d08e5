"""Snapshots: a commit is looked into where somebody asks, and reads the same as when all of it is listed."""

from __future__ import annotations

import pytest

from stagedoor.core.layout import REGISTRY_FILE
from stagedoor.workflows.snapshots import take
from town import CAROL, Town


def test_one_file_is_found_as_the_listing_has_it(town: Town) -> None:
    town.register("fraud")
    world = town.as_(CAROL)
    asked, listed = (take(world.repository, world.main()) for _ in range(2))
    paths = list(listed.files)
    assert REGISTRY_FILE in paths
    assert [asked.files[path] for path in paths] == [listed.files[path] for path in paths]
    assert list(asked.registry.models) == ["registry_spec/models/fraud.yaml"]


@pytest.mark.parametrize(
    "path",
    ["registry_spec", "registry_spec/models", "registry_spec/nothing.yaml", ".github/CODEOWNERS", "registry_spec//x",
     "registry_spec/../.github/CODEOWNERS", "registry_spec/\ud800.yaml", ""],
)  # fmt: skip
def test_what_is_no_file_of_the_registry_is_not_found(town: Town, path: str) -> None:
    world = town.as_(CAROL)
    files = take(world.repository, world.main()).files
    assert path not in files
    assert path not in list(files)


def test_a_policy_that_changes_is_read_again(town: Town) -> None:
    world = town.as_(CAROL)
    before = world.snapshot()
    text = town.text(REGISTRY_FILE)
    town.commit({REGISTRY_FILE: text + "description: another\n"})
    assert (before.spec.description, world.snapshot().spec.description) == ("", "another")
    assert take(world.repository, before.commit).spec is before.spec
