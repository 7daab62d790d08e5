"""What the index answers: models, versions, aliases, latest versions, and when each changed."""

from __future__ import annotations

from datetime import datetime

import pytest

from landings import START, Landings
from specs import model, version
from stagedoor.core.search import models_filter, versions_filter
from stagedoor.core.spec import Version
from stagedoor.errors import BadInput, BadRepository, BadSpec, NotFound
from stagedoor.gitstore import Repository
from stagedoor.index import Index, Wanted

MINUTE = 60_000


def ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def names(index: Index, text: str = "") -> list[str]:
    return [one.name for one in index.search_models(models_filter(text)).items]


def refs(index: Index, text: str = "") -> list[str]:
    return [f"{one.name}/{one.number}" for one in index.search_versions(versions_filter(text)).items]


def test_a_model_says_all_that_a_page_shows(main: Landings) -> None:
    made = model(
        "fraud", version(1, "Production"), version(2, "Production", tags={"a": "b"}), version(3),
        description="d", tags={"team": "x"}, aliases={"champion": 2, "old": 1, "best": 2},
    )  # fmt: skip
    commit = main.land(made)
    with main.index() as index:
        found = index.model("fraud")
        assert index.commit == commit
    assert (found.name, found.title, found.id, found.description) == ("fraud", "fraud", made.id, "d")
    assert (found.tags, found.aliases) == ({"team": "x"}, {"champion": 2, "old": 1, "best": 2})
    assert (found.last_version, found.latest_number, found.version_count) == (3, 3, 3)
    assert found.path == "registry_spec/models/fraud.yaml"
    assert found.created_by == "ann@example.com"
    assert found.created_at == 1_795_515_300_123
    assert found.stages == {"Production": 2, "None": 3}
    assert [(one.number, one.stage, one.aliases, one.tags) for one in found.latest] == [
        (2, "Production", ("best", "champion"), {"a": "b"}),
        (3, "None", (), {}),
    ]


def test_a_version_is_whole(main: Landings) -> None:
    made = version(
        1, "Staging", description="d", run={"id": "9f", "link": "https://run"}, digest="sha256:ab", tags={"k": "v"},
        metrics={"rmse": 412.7}, data=({"name": "wind"},),
    )  # fmt: skip
    main.land(model("fraud", made, aliases={"champion": 1}))
    with main.index() as index:
        found = index.version("fraud", 1)
    assert (found.stage, found.source, found.run_id, found.run_link) == (
        "Staging",
        "s3://models/1",
        "9f",
        "https://run",
    )
    assert (found.description, found.digest, found.tags) == ("d", "sha256:ab", {"k": "v"})
    assert found.aliases == ("champion",)
    assert found.content["metrics"] == {"rmse": 412.7}
    assert Version.model_validate_json(found.json) == made


def test_what_is_not_there_is_said_to_be_missing(main: Landings) -> None:
    main.land(model("fraud", version(1)))
    with main.index() as index:
        for ask in (
            lambda: index.model("nope"),
            lambda: index.model(""),
            lambda: index.model("\ud800"),
            lambda: index.version("nope", 1),
            lambda: index.version("fraud", 2),
            lambda: index.version("fraud", 2**70),
            lambda: index.versions("nope"),
            lambda: index.by_alias("nope", "x"),
            lambda: index.latest("nope"),
        ):
            with pytest.raises(NotFound):
                ask()
        with pytest.raises(BadInput, match="has no alias"):
            index.by_alias("fraud", "champion")


def test_aliases_lead_to_versions_and_latest_to_the_newest(main: Landings) -> None:
    main.land(model("fraud", version(1), version(2), aliases={"champion": 1}), model("empty"))
    with main.index() as index:
        assert index.by_alias("fraud", "champion").number == 1
        assert index.by_alias("fraud", "latest").number == 2
        assert [one.number for one in index.versions("fraud")] == [1, 2]
        assert index.versions("empty") == ()
        with pytest.raises(BadInput):
            index.by_alias("empty", "latest")


def test_latest_versions_are_the_newest_of_each_stage(main: Landings) -> None:
    stages = ("Archived", "Production", "Production", "None", "Staging", "None")
    main.land(model("fraud", *(version(number, stage) for number, stage in enumerate(stages, 1))))
    with main.index() as index:
        assert [(one.stage, one.number) for one in index.latest("fraud")] == [
            ("Archived", 1), ("Production", 3), ("Staging", 5), ("None", 6)]  # fmt: skip
        assert [one.number for one in index.latest("fraud", ["staging", "PRODUCTION"])] == [3, 5]


def test_times_are_those_of_the_commits_that_changed_the_lines(main: Landings) -> None:
    first, second = version(1), version(2)
    start = main.later(hours=2)
    main.land(model("fraud", first, second))
    moved = main.later(minutes=1)
    main.land(model("fraud", first, version(2, "Staging")))
    described = main.later(minutes=1)
    main.land(model("fraud", first, version(2, "Staging"), description="new"))
    main.later(minutes=1)
    main.land(model("other"))
    with main.index() as index:
        assert index.model("fraud").updated_at == ms(described)
        assert [one.updated_at for one in index.versions("fraud")] == [ms(start), ms(moved)]
        assert index.version("fraud", 1).created_at == 1_795_515_300_123


def test_a_merge_counts_when_it_lands(main: Landings) -> None:
    base = main.land(model("fraud", version(1)))
    main.later(minutes=1)
    path = "registry_spec/models/fraud.yaml"
    repository = main.repository()
    text = repository.blob(repository.files(base)[path].oid).decode().replace("stage: None", "stage: Staging")
    side = main.commit({path: text}, onto=base)
    main.later(minutes=1)
    main.land(model("other"))
    landed = main.later(minutes=1)
    main.commit({path: text}, merged=side)
    with main.index() as index:
        assert index.version("fraud", 1).stage == "Staging"
        assert index.version("fraud", 1).updated_at == ms(landed)


def test_nothing_changed_before_it_was_created(main: Landings) -> None:
    """Git keeps whole seconds, and a spec says milliseconds."""
    at = START.replace(microsecond=456_000)
    main.land(model("fraud", version(1, created={"at": at, "by": "ann@example.com"})))
    with main.index() as index:
        assert index.version("fraud", 1).updated_at == index.version("fraud", 1).created_at == ms(START) + 456


def test_a_file_that_does_not_read_hides_its_model_alone(main: Landings) -> None:
    main.land(model("fraud", version(1)), model("good", version(1)))
    main.land(fraud="name: [")
    with main.index() as index:
        assert names(index) == ["good"]
        assert refs(index) == ["good/1"]
        with pytest.raises(BadSpec, match=r"(?s).*") as refused:
            index.model("fraud")
        assert "registry_spec/models/fraud.yaml:1" in str(refused.value.where)
        with pytest.raises(BadSpec):
            index.version("fraud", 1)
        assert index.status().unreadable == 1


def test_a_file_too_large_to_be_a_spec_is_named(main: Landings) -> None:
    main.land(model("good"), fraud=b"#" * (8 * 1024 * 1024 + 1))
    with main.index() as index:
        assert names(index) == ["good"]
        [said] = index.listing(Wanted()).unreadable
    assert said == "registry_spec/models/fraud.yaml: the file has 8,388,609 bytes, more than 8,388,608"


def test_of_two_files_of_one_name_the_first_counts(main: Landings) -> None:
    main.land(model("fraud", description="in b"), folder="b")
    main.land(model("fraud", description="in a"), folder="a")
    with main.index() as index:
        assert index.model("fraud").description == "in a"
        main.commit({"registry_spec/models/a/fraud.yaml": None})
        index.catch_up()
        assert index.model("fraud").description == "in b"


@pytest.mark.parametrize(
    "name", ["power forecasting", "模型", "a'b\"c`d", "%_*?[x]", "x' OR '1'='1", "é", "\U0001f600", "--", "ﬀ", "a;b,c"]
)
def test_any_name_is_found_by_itself(main: Landings, name: str) -> None:
    main.land(model(name, version(1)), model("other", version(1)))
    quoted = name.replace("'", "''")
    with main.index() as index:
        assert index.model(name).name == name
        assert names(index, f"name = '{quoted}'") == [name]
        assert refs(index, f"name IN ('{quoted}')") == [f"{name}/1"]
        assert [one.name for one in index.listing(Wanted(name=name.replace("[", "[[]"))).models] == [name]


def test_a_path_that_is_no_utf8_does_not_stop_the_rest(main: Landings) -> None:
    main.land(model("good"))
    main.commit({"registry_spec/models/a\udcff.yaml": "name: ["})
    with main.index() as index:
        assert names(index) == ["good"]
        [said] = index.listing(Wanted()).unreadable
    assert "a\\udcff.yaml" in said


def test_a_model_with_a_thousand_tags_can_be_searched(main: Landings) -> None:
    tags = {f"key-{number}": f"value {number}" for number in range(1_000)}
    main.land(model("fraud", version(1), tags=tags), model("other", version(1)))
    with main.index() as index:
        assert names(index, "tags.`key-999` = 'value 999'") == ["fraud"]
        assert index.model("fraud").tags == tags
        main.land(model("fraud", version(1), version(2), tags={**tags, "key-0": "new"}))
        index.catch_up()
        assert names(index, "tags.`key-0` = 'new' AND tags.`key-1` = 'value 1'") == ["fraud"]


@pytest.mark.parametrize(
    "value",
    ["' OR 1=1 --", "'; DROP TABLE models; --", "x') UNION SELECT * FROM files --", "?", "?1", ":a", "@a", "$a", "\\"],
)
def test_sql_in_a_filter_is_text(main: Landings, value: str) -> None:
    main.land(model("fraud", version(1, tags={"k": value}), tags={"k": value, value: "v"}), model("other", version(1)))
    quoted = value.replace("'", "''")
    with main.index() as index:
        assert names(index, f"tags.k = '{quoted}'") == ["fraud"]
        assert names(index, f"tags.k LIKE '{quoted}%'") == ["fraud"]
        assert names(index, f"name = '{quoted}'") == []
        assert refs(index, f"tags.k ILIKE '{quoted}%'") == ["fraud/1"]
        assert names(index, f"tags.`{value}` = 'v'") == ["fraud"]
        assert names(index) == ["fraud", "other"]


def test_versions_are_searched_by_what_they_are(main: Landings) -> None:
    main.land(
        model("a", version(1, "Production", run={"id": "r1"}), version(2, run={"id": "r2"}), version(3)),
        model("b", version(1, "Production", run={"id": "r1"}), version(12)),
    )
    with main.index() as index:
        assert refs(index, "run_id = 'r1'") == ["a/1", "b/1"]
        assert refs(index, "run_id IN ('r1', 'r2') AND name = 'a'") == ["a/2", "a/1"]
        assert refs(index, "version_number > 2") == ["a/3", "b/12"]
        assert refs(index, "current_stage = 'Production' AND name != 'a'") == ["b/1"]
        assert refs(index, "source_path LIKE 's3://models/1%'") == ["a/1", "b/12", "b/1"]
        assert refs(index, "source_path LIKE '%/models/12%'") == ["b/12"]
        assert refs(index, "source_path LIKE '%MODELS%'") == []
        assert refs(index, "source_path LIKE '%1_'") == ["b/12"]
        assert refs(index, "name LIKE 'A'") == []
        assert refs(index, "name ILIKE 'A' AND version_number <= 1") == ["a/1"]
        assert refs(index, "run_id != 'r1' AND name = 'b'") == ["b/12"]


def test_prompts_are_hidden_with_their_versions(main: Landings) -> None:
    prompt = {"mlflow.prompt.is_prompt": "true"}
    main.land(model("greeting", version(1), tags=prompt), model("fraud", version(1, tags=prompt), version(2)))
    with main.index() as index:
        assert names(index) == ["fraud"]
        assert names(index, "tag.`mlflow.prompt.is_prompt` != 'true'") == ["fraud"]
        assert names(index, "tag.`mlflow.prompt.is_prompt` = 'true'") == ["greeting"]
        assert refs(index) == ["fraud/2"]
        assert refs(index, "tags.`mlflow.prompt.is_prompt` = 'true'") == ["fraud/1"]
        assert index.model("greeting").name == "greeting"


def test_a_search_that_looks_at_too_much_is_given_up(main: Landings, monkeypatch: pytest.MonkeyPatch) -> None:
    main.land(*(model(f"m{number}", *map(version, range(1, 11))) for number in range(100)))
    laborious = versions_filter(" AND ".join(f"source_path != 'no {number}'" for number in range(90)))
    with main.index() as index:
        monkeypatch.setattr("stagedoor.index.index.MOST_STEPS", 0)
        with pytest.raises(BadInput, match="too much"):
            index.search_versions(laborious)
        monkeypatch.undo()
        assert len(index.search_versions(laborious).items) == 1000


def test_a_registry_in_a_folder_of_a_monorepo_has_an_index_of_its_own(main: Landings) -> None:
    main.land(model("top"))
    files = main.repository().files(main.land(model("top", version(1))))
    main.commit({f"team/{path}": entry for path, entry in files.items()})
    main.commit({"team/registry_spec/models/top.yaml": None, "team/registry_spec/models/README.md": "x"})
    with Repository.open(main.path, registry="team") as team, Index(team, lambda: main.now) as index:
        assert names(index) == []
        with main.index() as other:
            assert names(other) == ["top"]
            assert index.status().file != other.status().file


def test_part_of_a_history_is_no_history(main: Landings) -> None:
    main.land(model("fraud"))
    (main.path / "shallow").write_text("0" * 40 + "\n")
    with pytest.raises(BadRepository, match="shallow"):
        main.index()
