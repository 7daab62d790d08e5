"""Pages of models and versions from the index, and from the files where there is none: one answer."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from specs import model, version
from stagedoor.core.layout import model_path
from stagedoor.core.reading import text_of
from stagedoor.errors import BadInput, NotFound
from stagedoor.workflows import registering
from stagedoor.workflows.registering import NewVersion
from stagedoor.workflows.searching import Query, Questions
from stagedoor.workflows.world import World
from town import ANN, CAROL, DAVE, Town

MODEL_FILTERS = (
    "", "name = 'apple'", "name LIKE '%an%'", "name ILIKE 'A%'", "name NOT IN ('apple')", "tags.team = 'x'",
    "tags.team != 'x'", "tags.nope != 'x'", "tag.`mlflow.prompt.is_prompt` != 'true'",
    "tag.`mlflow.prompt.is_prompt` = 'true'", "name LIKE 'a%' AND tags.n = '1'", "name LIKE '_pple'",
)  # fmt: skip
VERSION_FILTERS = (
    "", "name = 'apple'", "version_number > 1", "run_id IN ('r1')", "source_path LIKE '%apple%'",
    "current_stage = 'Production'", "tags.k = 'v' AND name ILIKE 'APP%'", "version_number != 2",
)  # fmt: skip


@pytest.fixture
def filled(town: Town) -> Town:
    """Models of several sorts: a prompt too, and a file that does not read."""
    made = [
        model(
            "apple", version(1, "Production", run={"id": "r1"}), version(2, "Production", tags={"k": "v"}), version(3),
            tags={"team": "x", "n": "1"}, aliases={"champion": 2},
        ),
        model("Avocado", version(1, "Archived"), tags={"team": "y"}),
        model("banana", tags={"team": "x", "n": "1"}),
        model("prompt", version(1), tags={"mlflow.prompt.is_prompt": "true"}),
    ]  # fmt: skip
    files: dict[str, str | None] = {model_path(one.name, "flat"): text_of(one, "") for one in made}
    town.commit({**files, "registry_spec/models/broken.yaml": "name: ["})
    return town


def without_index(town: Town) -> World:
    """A world whose index cannot be kept."""
    place = town.path / "stagedoor" / "index"
    if not place.is_file():
        place.parent.mkdir(exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        place.write_text("a file where the folder should be")
    return town.as_(ANN)


def by_pages(world: World, query: Query) -> list[str]:
    found, asked = list[str](), query
    while True:
        page = Questions().versions(world, asked)
        found += [f"{one.name}/{one.number}" for one in page.items]
        if not page.next_token:
            return found
        asked = Query(query.filter, query.order_by, query.limit, page.next_token)


def test_index_and_files_find_the_same(filled: Town) -> None:
    models = [Query(one, order) for one in MODEL_FILTERS for order in ((), ("name DESC",))]
    versions = [Query(one, ("name", "version_number DESC")) for one in VERSION_FILTERS]

    def answers(world: World) -> list[list[str]]:
        asked = Questions()
        found = [[one.name for one in asked.models(world, query).items] for query in models]
        return found + [[f"{v.name}/{v.number}" for v in asked.versions(world, query).items] for query in versions]

    first = answers(filled.as_(ANN))
    assert answers(without_index(filled)) == first
    assert ["Avocado", "apple", "banana"] in first


def test_index_and_files_tell_the_same_of_a_model(filled: Town) -> None:
    found = Questions().model(filled.as_(ANN), "apple")
    plain = Questions().model(without_index(filled), "apple")
    assert plain._replace(updated_at=0, latest=()) == found._replace(updated_at=0, latest=())
    assert [(one.number, one.aliases) for one in plain.latest] == [(one.number, one.aliases) for one in found.latest]


def test_pages_hold_what_one_answer_holds(filled: Town) -> None:
    whole = [f"{one.name}/{one.number}" for one in Questions().versions(filled.as_(ANN), Query()).items]
    assert by_pages(filled.as_(ANN), Query(limit=2)) == whole
    assert sorted(by_pages(without_index(filled), Query(limit=2))) == sorted(whole)


def test_more_than_the_longest_page_of_the_index_can_be_asked_for(filled: Town) -> None:
    assert len(Questions().models(filled.as_(ANN), Query(limit=10**9)).items) == 3


@pytest.mark.parametrize("kept", [True, False])
def test_a_foreign_page_token_is_refused(filled: Town, kept: bool) -> None:
    world = filled.as_(ANN) if kept else without_index(filled)
    for token in ("x", "WyJhIiwgMV0=", "bnVsbA==", "é"):
        with pytest.raises(BadInput, match="page token"):
            Questions().models(world, Query(page_token=token))


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_not_there_is_said(filled: Town, kept: bool) -> None:
    world = filled.as_(ANN) if kept else without_index(filled)
    with pytest.raises(NotFound):
        Questions().model(world, "cherry")
    with pytest.raises(NotFound):
        Questions().version(world, "apple", 9)


def test_whoever_writes_reads_what_they_wrote(filled: Town) -> None:
    questions = Questions()
    questions.models(filled.as_(ANN), Query())
    filled.register("cherry")
    assert questions.model(filled.as_(ANN), "cherry").latest_number == 1


def test_a_closed_model_is_left_out(filled: Town) -> None:
    owners = filled.text(".github/CODEOWNERS")
    filled.commit({".github/CODEOWNERS": f"{owners}/registry_spec/models/apple.yaml/@Read {CAROL}\n"})
    without = replace(without_index(filled), claimed_email=DAVE)
    for world in (filled.as_(DAVE), without):
        assert [one.name for one in Questions().models(world, Query()).items] == ["Avocado", "banana"]
        assert "apple" not in {one.name for one in Questions().versions(world, Query()).items}


def test_within_a_second_changes_count_on(town: Town) -> None:
    at = datetime(2026, 11, 25, 9, 0, 0, 998_000, tzinfo=UTC)
    seen = []
    for step in range(4):
        world = replace(town.as_(CAROL), now=lambda: at, _snapshots={})
        registering.tag(world, "fraud/1", {"step": str(step)}) if step else registering.register(
            world, NewVersion("fraud", {"source": "s3://x"})
        )
        seen.append(Questions().version(world, "fraud", 1).updated_at % 1000)
    assert seen == [998, 999, 999, 999]
    assert Questions().model(town.as_(ANN), "fraud").updated_at % 1000 == 999
