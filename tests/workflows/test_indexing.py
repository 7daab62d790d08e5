"""The list of models from the index, and from the files: one answer."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import product

import pytest

from specs import model, version
from stagedoor.core.layout import model_path
from stagedoor.core.reading import text_of
from stagedoor.errors import Unavailable
from stagedoor.workflows import indexing, reading
from stagedoor.workflows.reading import SORTS, ModelsQuery
from stagedoor.workflows.world import World
from town import ANN, Town

QUERIES = [
    ModelsQuery(name, tags, stage, sort, descending, limit, page)
    for name, tags, stage, sort, descending, (limit, page) in product(
        ("", "a", "A*", "[ab]*", "nope"), ((), (("team", None),), (("team", "x"), ("n", "1"))), ("", "production"),
        SORTS, (False, True), ((100, 1), (2, 2)),
    )
]  # fmt: skip


@pytest.fixture
def filled(town: Town) -> Town:
    """Models of several sorts, two of whose files do not read."""
    made = [
        model("apple", version(1, "Production"), version(2, "Production"), version(3), tags={"team": "x", "n": "1"}),
        model("Avocado", version(1, "Archived"), aliases={"champion": 1}, tags={"team": "y"}, description="green"),
        model("banana", tags={"team": "x", "n": "1"}),
        model("Äpfel", version(1, "Production"), tags={"n": "1"}),
    ]
    files: dict[str, str | None] = {model_path(one.name, "flat"): text_of(one, "") for one in made}
    broken = {"registry_spec/models/aaa.yaml": "name: [", "registry_spec/models/bbb.yaml": "kind: Nothing"}
    town.commit({**files, **broken, "registry_spec/models/README.md": "x"})
    return town


def by_files(world: World, query: ModelsQuery) -> reading.ModelsPage:
    return reading._models_in_files(world.snapshot(), query)


def test_index_and_files_list_the_same(filled: Town) -> None:
    world = filled.as_(ANN)
    with indexing.opened(world) as index:
        assert index is not None
        for query in QUERIES:
            assert reading._models_in_index(index, query) == by_files(world, query), query


def test_a_list_by_name_alone_does_not_build_an_index(filled: Town) -> None:
    world = filled.as_(ANN)
    assert reading.models(world, ModelsQuery()).total == 6
    with indexing.opened(world, build=False) as index:
        assert index is None
    assert reading.models(world, ModelsQuery(sort="created")).total == 4
    with indexing.opened(world, build=False) as index:
        assert index is not None


def test_a_list_is_answered_where_no_index_can_be_kept(filled: Town) -> None:
    shutil.rmtree(filled.path / "stagedoor", ignore_errors=True)
    (filled.path / "stagedoor").write_text("a file where the folder should be")
    world = filled.as_(ANN)
    found = reading.models(world, ModelsQuery(stage="Production"))
    assert [row.name for row in found.models] == ["apple", "Äpfel"]
    with pytest.raises(Unavailable) as refused:
        indexing.status(world)
    assert refused.value.fix


def test_a_list_is_answered_in_a_shallow_clone(filled: Town) -> None:
    world = filled.as_(ANN)
    (filled.path / "shallow").write_text(f"{world.main()}\n")
    assert reading.models(world, ModelsQuery(stage="Production")).total == 2
    with indexing.opened(world) as index:
        assert index is None


def test_the_list_follows_main(filled: Town) -> None:
    query = ModelsQuery(sort="versions", descending=True, limit=1)
    assert reading.models(filled.as_(ANN), query).models[0].name == "apple"
    for _ in range(4):
        filled.register("cherry")
    assert reading.models(filled.as_(ANN), query).models[0].name == "cherry"
    assert reading.models(filled.as_(ANN), replace(query, name="app*")).total == 1


def test_the_state_of_the_index_is_told(filled: Town) -> None:
    world = filled.as_(ANN)
    found = indexing.status(world)
    assert (found.commit, found.models, found.versions, found.unreadable) == (world.main(), 4, 5, 2)
    again = indexing.status(world, rebuild=True)
    assert again.file != found.file
    assert (again.models, again.versions) == (4, 5)
