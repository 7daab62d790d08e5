"""databricks-sdk as it is installed: models, versions, tags, search."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from databricks.sdk.errors import (
    InvalidParameterValue,
    InvalidState,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.service.ml import ModelRegistryAPI, ModelTag, ModelVersionTag

from served import Served
from town import ANN, BOB, CAROL, DAVE

Sdk = Callable[[str], ModelRegistryAPI]


def test_a_created_model_is_read_back_with_its_id_and_the_callers_level(sdk: Sdk, name: str) -> None:
    made = sdk(ANN).create_model(name, description="forecasts", tags=[ModelTag("team", "wind")]).registered_model
    assert made is not None and (made.name, made.description, made.user_id) == (name, "forecasts", ANN)
    assert made.tags == [ModelTag("team", "wind")]
    assert made.creation_timestamp is not None and made.last_updated_timestamp is not None
    found = sdk(BOB).get_model(name).registered_model_databricks
    assert found is not None and found.id is not None and len(found.id) == 32
    levels = {}
    for who in (ANN, BOB, CAROL, DAVE):
        one = sdk(who).get_model(name).registered_model_databricks
        levels[who] = one.permission_level.value if one and one.permission_level else None
    assert levels == {
        ANN: "CAN_EDIT",
        BOB: "CAN_MANAGE_STAGING_VERSIONS",
        CAROL: "CAN_MANAGE",
        DAVE: "CAN_READ",
    }


def test_a_model_can_be_described_renamed_and_deleted(sdk: Sdk, name: str) -> None:
    carol = sdk(CAROL)
    carol.create_model(name)
    before = carol.get_model(name).registered_model_databricks
    described = carol.update_model(name, description="new words").registered_model
    assert described is not None and described.description == "new words"
    renamed = carol.rename_model(name, new_name=f"{name} again").registered_model
    assert renamed is not None and renamed.name == f"{name} again"
    after = carol.get_model(f"{name} again").registered_model_databricks
    assert before is not None and after is not None and before.id == after.id
    assert (after.last_updated_timestamp or 0) > (before.last_updated_timestamp or 0)
    carol.delete_model(f"{name} again")
    with pytest.raises(ResourceDoesNotExist):
        carol.get_model(f"{name} again")


def test_refusals_are_the_exceptions_that_the_sdk_knows(sdk: Sdk, name: str) -> None:
    ann = sdk(ANN)
    ann.create_model(name)
    with pytest.raises(ResourceAlreadyExists, match="exists already"):
        ann.create_model(name)
    with pytest.raises(ResourceAlreadyExists, match="differs from"):
        ann.create_model(name.upper())
    with pytest.raises(InvalidParameterValue, match="a name may not have '/'"):
        ann.create_model("a/b")
    with pytest.raises(ResourceDoesNotExist, match="there is no model"):
        ann.update_model("nobody made this", description="x")
    with pytest.raises(PermissionDenied, match="owned by"):
        ann.delete_model(name)
    with pytest.raises(PermissionDenied):
        sdk(DAVE).update_model(name, description="x")
    with pytest.raises(PermissionDenied):
        sdk(DAVE).create_model(f"{name} of dave")


@pytest.mark.parametrize("bad", ["", "a.b", "a:b", "a/b", "line\nbreak", "nul\0", " space", "right\u202eleft"])
def test_a_name_that_no_model_may_have_is_refused_and_nothing_is_made(sdk: Sdk, served: Served, bad: str) -> None:
    main = served.town.as_(CAROL).main()
    with pytest.raises(InvalidParameterValue):
        sdk(ANN).create_model(bad)
    assert served.town.as_(CAROL).main() == main


@pytest.mark.parametrize("good", ["with spaces", "a@b", "a#Staging", "ünïcode-模型", "100%"])
def test_a_name_with_odd_characters_goes_round_the_whole_way(sdk: Sdk, good: str) -> None:
    ann, carol = sdk(ANN), sdk(CAROL)
    ann.create_model(good)
    version = ann.create_model_version(good, "s3://models/x").model_version
    assert version is not None and version.version == "1"
    ann.set_model_tag(good, "k", "v")
    assert [model.name for model in ann.search_models(filter=f"name = '{good}'")] == [good]
    carol.delete_model(good)


def test_a_name_that_reads_like_a_reference_touches_no_other_model(sdk: Sdk, name: str) -> None:
    carol = sdk(CAROL)
    carol.create_model(name)
    carol.create_model_version(name, "s3://x")
    for odd in (f"{name}@latest", f"{name}#None", f"{name}/1"):
        with pytest.raises(ResourceDoesNotExist):
            carol.delete_model(odd)
    assert carol.get_model_version(name, "1").model_version is not None


def test_versions_are_numbered_and_a_number_never_comes_back(sdk: Sdk, name: str) -> None:
    carol = sdk(CAROL)
    carol.create_model(name)
    first = carol.create_model_version(
        name, "dbfs:/models/1", run_id="9f", run_link="https://runs.example.com/9f", description="the first",
        tags=[ModelVersionTag("k", "v")],
    ).model_version  # fmt: skip
    assert first is not None
    assert (first.version, first.source, first.run_id, first.run_link) == (
        "1",
        "dbfs:/models/1",
        "9f",
        "https://runs.example.com/9f",
    )
    assert (first.current_stage, first.status.value if first.status else "", first.description) == (
        "None",
        "READY",
        "the first",
    )
    assert first.tags == [ModelVersionTag("k", "v")]
    second = carol.create_model_version(name, "dbfs:/models/2").model_version
    assert second is not None and second.version == "2"
    carol.delete_model_version(name, "2")
    third = carol.create_model_version(name, "dbfs:/models/3").model_version
    assert third is not None and third.version == "3"
    with pytest.raises(ResourceDoesNotExist):
        carol.get_model_version(name, "2")
    assert carol.get_model_version_download_uri(name, "1").artifact_uri == "dbfs:/models/1"
    copied = carol.create_model_version(name, f"models:/{name}/1").model_version
    assert copied is not None and copied.source == "dbfs:/models/1"
    updated = carol.update_model_version(name, "1", description="better words").model_version
    assert updated is not None and updated.description == "better words"


def test_a_version_of_a_model_that_is_not_there_is_refused(sdk: Sdk) -> None:
    with pytest.raises(ResourceDoesNotExist):
        sdk(ANN).create_model_version("nobody made this", "s3://x")


def test_a_version_without_a_source_is_refused(sdk: Sdk, name: str) -> None:
    sdk(ANN).create_model(name)
    with pytest.raises(InvalidParameterValue, match="where its model is"):
        sdk(ANN).create_model_version(name, "")


def test_tags_are_set_overwritten_and_deleted(sdk: Sdk, name: str) -> None:
    ann = sdk(ANN)
    ann.create_model(name)
    ann.create_model_version(name, "s3://x")
    ann.set_model_tag(name, "a", "1")
    ann.set_model_tag(name, "a", "2")
    ann.set_model_version_tag(name, "1", "b", "3")
    model = ann.get_model(name).registered_model_databricks
    version = ann.get_model_version(name, "1").model_version
    assert model is not None and model.tags == [ModelTag("a", "2")]
    assert version is not None and version.tags == [ModelVersionTag("b", "3")]
    ann.delete_model_tag(name, "a")
    ann.delete_model_tag(name, "a")
    ann.delete_model_version_tag(name, "1", "b")
    model = ann.get_model(name).registered_model_databricks
    assert model is not None and not model.tags
    with pytest.raises(InvalidParameterValue):
        ann.set_model_tag(name, "x" * 300, "v")


def test_a_version_in_use_keeps_its_model_from_being_deleted_or_renamed(sdk: Sdk, name: str) -> None:
    carol = sdk(CAROL)
    carol.create_model(name)
    carol.create_model_version(name, "s3://x")
    carol.transition_stage(name, "1", "Production", archive_existing_versions=False)
    for refused in (
        lambda: carol.delete_model(name),
        lambda: carol.delete_model_version(name, "1"),
        lambda: carol.rename_model(name, new_name=f"{name} x"),
    ):
        with pytest.raises(InvalidState, match="is in Production"):
            refused()


def test_lists_and_searches_go_on_page_by_page(sdk: Sdk, name: str) -> None:
    ann = sdk(ANN)
    names = [f"{name} paged {letter}" for letter in "abcde"]
    for one in names:
        ann.create_model(one, tags=[ModelTag("a.b", one[-1])])
    found = [m.name for m in ann.search_models(filter=f"name LIKE '{name} paged%'", max_results=2)]
    assert found == names
    assert set(names) <= {m.name for m in ann.list_models(max_results=3)}
    down = ann.search_models(filter=f"name LIKE '{name} paged%'", order_by=["name DESC"], max_results=2)
    assert [m.name for m in down] == names[::-1]
    assert [m.name for m in ann.search_models(filter=f"tags.`a.b` = 'c' AND name ILIKE '{name.upper()}%'")] == names[
        2:3
    ]
    ann.update_model(names[3], description="touched")
    newest = ann.search_models(filter=f"name LIKE '{name} paged%'", order_by=["last_updated_timestamp DESC"])
    assert next(newest).name == names[3]


def test_versions_are_searched_by_what_they_are(sdk: Sdk, name: str) -> None:
    ann = sdk(ANN)
    ann.create_model(name)
    for number in range(4):
        ann.create_model_version(name, f"s3://x/{number}", run_id=f"{name} run {number}")
    assert [v.version for v in ann.search_model_versions(filter=f"name='{name}'", max_results=3)] == [
        "4",
        "3",
        "2",
        "1",
    ]
    assert [v.version for v in ann.search_model_versions(filter=f"run_id = '{name} run 2'")] == ["3"]
    over = ann.search_model_versions(filter=f"name = '{name}' and version_number > 2", order_by=["version_number ASC"])
    assert [v.version for v in over] == ["3", "4"]
    listed = ann.search_model_versions(filter=f"run_id IN ('{name} run 0', '{name} run 1') and name = '{name}'")
    assert sorted(v.version or "" for v in listed) == ["1", "2"]


@pytest.mark.parametrize(
    "bad", ["name", "name = x", "colour = 'x'", "name > 'x'", "name = 'x' OR name = 'y'", "'", "a" * 20_000]
)
def test_a_filter_that_does_not_read_is_refused(sdk: Sdk, bad: str) -> None:
    with pytest.raises(InvalidParameterValue):
        list(sdk(ANN).search_models(filter=bad))


def test_a_page_token_of_another_make_is_refused(sdk: Sdk) -> None:
    for token in ("x", "eyJvZmZzZXQiOiAxfQ==", "e30="):
        with pytest.raises(InvalidParameterValue, match="page token"):
            list(sdk(ANN).list_models(page_token=token))
    with pytest.raises(InvalidParameterValue):
        list(sdk(ANN).search_models(order_by=["colour"]))
    with pytest.raises(InvalidParameterValue):
        list(sdk(ANN).list_models(max_results=100_000))


def test_the_newest_version_of_each_stage_is_told(sdk: Sdk, name: str) -> None:
    carol = sdk(CAROL)
    carol.create_model(name)
    for _ in range(3):
        carol.create_model_version(name, "s3://x")
    carol.transition_stage(name, "1", "Staging", archive_existing_versions=False)
    found = {v.current_stage: v.version for v in carol.get_latest_versions(name)}
    assert found == {"Staging": "1", "None": "3"}
    assert [v.version for v in carol.get_latest_versions(name, stages=["staging"])] == ["1"]
    with pytest.raises(InvalidParameterValue):
        list(carol.get_latest_versions(name, stages=["Nowhere"]))


def test_what_is_too_much_is_refused_and_changes_nothing(sdk: Sdk, served: Served, name: str) -> None:
    ann = sdk(ANN)
    tags = [ModelTag(key=f"k{number}", value="v") for number in range(10_000)]
    before = served.town.as_(CAROL).repository.tip()
    for refused in (
        lambda: ann.create_model(name, description="x" * 1_000_000),
        lambda: ann.create_model(name, tags=tags),
        lambda: list(ann.search_models(filter="name = 'x'; DROP TABLE models; --'")),
        lambda: list(ann.search_models(filter="name LIKE '%' UNION SELECT body FROM bodies")),
    ):
        with pytest.raises(InvalidParameterValue):
            refused()
    assert served.town.as_(CAROL).repository.tip() == before
    ann.create_model(name, tags=tags[:1_000])
    ann.create_model_version(name, "s3://x")
    with pytest.raises(InvalidParameterValue, match="too many"):
        ann.set_model_tag(name, "one more", "v")
    with pytest.raises(InvalidParameterValue, match="at most 100000"):
        ann.create_model_version(name, "s3://x", description="x" * 100_001)
    quoted = list(ann.search_models(filter="name = 'it''s'' OR 1=1'"))
    assert quoted == []


def test_a_description_of_a_hundred_thousand_characters_is_kept_and_one_more_is_refused(sdk: Sdk, name: str) -> None:
    ann = sdk(ANN)
    long = "é" * 100_000
    ann.create_model(name, description=long)
    model = ann.get_model(name).registered_model_databricks
    assert model is not None and model.description == long
    with pytest.raises(InvalidParameterValue, match="too long"):
        ann.update_model(name, description=long + "x")
