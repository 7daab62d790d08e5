"""Intents: what each does to a registry, and when it makes no sense there."""

from __future__ import annotations

import pytest

from specs import BY, FRAUD, model, registry, version
from stagedoor.core.intents import (
    CreateModel,
    DeleteAlias,
    DeleteModel,
    DeleteTag,
    DeleteVersion,
    Describe,
    Intent,
    RegisterVersion,
    RenameModel,
    SetAlias,
    SetTag,
    Transition,
    perform,
)
from stagedoor.core.policy import RegistrySpec, Stage
from stagedoor.core.registry import Registry
from stagedoor.core.spec import RegisteredModel
from stagedoor.errors import AlreadyExists, BadInput, InvalidState, NotFound, RegistryError

SPEC = RegistrySpec()
ID = "0" * 32
HERE = registry(
    model("fraud", version(1, "Production"), version(2), tags={"team": "risk"}, aliases={"champion": 1}),
    model("wind farm", version(1, "Archived")),
)


def after(*intents: Intent, spec: RegistrySpec = SPEC) -> Registry:
    return perform(intents, HERE, spec)


def fraud(*intents: Intent) -> RegisteredModel:
    return after(*intents).model("fraud")


def stages(*intents: Intent) -> list[str]:
    return [one.stage for one in fraud(*intents).versions]


def refusal(
    *intents: Intent, kind: type[RegistryError] = BadInput, spec: RegistrySpec = SPEC
) -> tuple[str, str | None]:
    with pytest.raises(kind) as caught:
        after(*intents, spec=spec)
    return caught.value.what, caught.value.fix


# --- models ---------------------------------------------------------------------------------------------------------


def test_a_new_model_stands_where_the_layout_puts_it() -> None:
    letters = RegistrySpec(layout="letter")
    assert after(CreateModel("solar", ID, BY)).path("solar") == "registry_spec/models/solar.yaml"
    assert after(CreateModel("Solar park", ID, BY), spec=letters).path("Solar park") == (
        "registry_spec/models/s/Solar%20park.yaml"
    )
    assert after(CreateModel("solar", ID, BY, folder="team/sun")).path("solar") == (
        "registry_spec/models/team/sun/solar.yaml"
    )


def test_a_new_model_has_its_description_and_tags() -> None:
    made = after(CreateModel("solar", ID, BY, "Sun.", {"team": "sun"})).model("solar")
    assert (made.id, made.created, made.description, made.tags, made.versions) == (ID, BY, "Sun.", {"team": "sun"}, ())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fraud", "the model fraud exists already"),
        ("FRAUD", "the model FRAUD differs from fraud only by case or form"),
        ("ｆｒａｕｄ", "the model ｆｒａｕｄ differs from fraud only by case or form"),
    ],
)
def test_a_twin_is_refused(name: str, said: str) -> None:
    what, fix = refusal(CreateModel(name, ID, BY), kind=AlreadyExists)
    assert (what, fix) == (said, "choose another name, or register a version of that one")


def test_a_twin_within_the_same_change_is_refused_too() -> None:
    what, _ = refusal(CreateModel("solar", ID, BY), CreateModel("Solar", "1" * 32, BY), kind=AlreadyExists)
    assert what == "the model Solar differs from solar only by case or form"


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a.b", " a", "a\n", "a\u202eb", "e\u0301", "x" * 240])
def test_a_name_that_some_client_or_disk_cannot_hold_is_refused(name: str) -> None:
    assert refusal(CreateModel(name, ID, BY))[1] == "choose a name such as power-forecasting-model"


def test_a_folder_out_of_the_models_is_refused() -> None:
    what, _ = refusal(CreateModel("solar", ID, BY, folder="../.github"))
    assert what == "'../.github' is no folder for a model"


def test_a_rename_keeps_id_versions_and_folder() -> None:
    made = perform([RenameModel("wind farm", "wind")], HERE, SPEC)
    assert made.path("wind") == "registry_spec/models/wind.yaml"
    assert made.model("wind").id == HERE.model("wind farm").id
    assert made.find("wind farm") is None


def test_a_rename_may_change_the_case_only() -> None:
    assert after(RenameModel("wind farm", "Wind farm")).names == ("Wind farm", "fraud")


def test_a_rename_to_the_same_name_changes_nothing() -> None:
    assert after(RenameModel("wind farm", "wind farm")).model("wind farm") == HERE.model("wind farm")


@pytest.mark.parametrize(
    ("intent", "verb"),
    [
        (RenameModel("fraud", "scam"), "rename fraud"),
        (DeleteModel("fraud"), "delete fraud"),
        (DeleteVersion("fraud", 1), "delete fraud/1"),
    ],
)
def test_what_is_in_use_is_neither_renamed_nor_deleted(intent: Intent, verb: str) -> None:
    assert refusal(intent, kind=InvalidState) == (
        f"cannot {verb}: version 1 is in Production",
        "move it to Archived first: stagedoor request",
    )


def test_every_version_in_use_is_named() -> None:
    busy = registry(model("fraud", version(1), version(2, "Staging"), version(3, "Production")))
    with pytest.raises(InvalidState, match="version 2 is in Staging, version 3 is in Production"):
        perform([DeleteModel("fraud")], busy, SPEC)


def test_a_rename_onto_another_model_is_refused() -> None:
    assert refusal(RenameModel("wind farm", "Fraud"), kind=AlreadyExists)[0] == (
        "the model Fraud differs from fraud only by case or form"
    )


def test_an_archived_model_is_deleted_with_its_file() -> None:
    made = after(DeleteModel("wind farm"))
    assert made.names == ("fraud",)
    assert made.touched == {"registry_spec/models/wind%20farm.yaml": None}


def test_an_unknown_model_is_named_with_its_nearest() -> None:
    assert refusal(Describe("frued", None, "x"), kind=NotFound) == ("there is no model frued", "did you mean fraud?")


# --- versions -------------------------------------------------------------------------------------------------------


def test_a_version_gets_the_next_number_whatever_it_says_itself() -> None:
    made = fraud(RegisterVersion("fraud", version(1)))
    assert ([one.version for one in made.versions], made.last_version) == ([1, 2, 3], 3)


def test_a_deleted_versions_number_is_not_given_again() -> None:
    made = fraud(DeleteVersion("fraud", 2), RegisterVersion("fraud", version(1)))
    assert ([one.version for one in made.versions], made.last_version) == ([1, 3], 3)


def test_registering_makes_the_model_where_that_is_wanted() -> None:
    made = after(RegisterVersion("solar", version(1), CreateModel("solar", ID, BY, folder="sun")))
    assert (made.path("solar"), made.model("solar").last_version) == ("registry_spec/models/sun/solar.yaml", 1)
    assert refusal(RegisterVersion("solar", version(1)), kind=NotFound)[0] == "there is no model solar"


def test_the_last_number_there_is_can_be_used_up() -> None:
    full = registry(model("fraud", last_version=2**31 - 1))
    with pytest.raises(InvalidState, match="fraud has no number left after 2147483647"):
        perform([RegisterVersion("fraud", version(1))], full, SPEC)


def test_a_deleted_version_takes_its_aliases_along() -> None:
    made = fraud(SetAlias("fraud", "challenger", 2), DeleteVersion("fraud", 2))
    assert (made.aliases, [one.version for one in made.versions]) == ({"champion": 1}, [1])


def test_a_version_that_is_not_there_is_refused_with_those_that_are() -> None:
    assert refusal(DeleteVersion("fraud", 9), kind=NotFound) == (
        "fraud has no version 9",
        "the newest versions are 1, 2",
    )


def test_a_transition_moves_one_version_and_leaves_the_others() -> None:
    assert stages(Transition("fraud", 2, "Production")) == ["Production", "Production"]


def test_archive_existing_archives_the_others_of_the_stage() -> None:
    assert stages(Transition("fraud", 2, "production", archive_existing=True)) == ["Archived", "Production"]
    assert stages(Transition("fraud", 1, "Production", archive_existing=True)) == ["Production", "None"]


def test_archive_existing_means_nothing_for_archived() -> None:
    assert refusal(Transition("fraud", 1, "Archived", archive_existing=True)) == (
        "--archive-existing means nothing for Archived",
        "use it with Staging or Production",
    )


def test_a_transition_from_a_stage_it_is_not_in_any_more_is_refused() -> None:
    assert refusal(Transition("fraud", 1, "Archived", expected="Staging"), kind=InvalidState) == (
        "fraud/1 is in Production by now, not in Staging",
        "look again: stagedoor show fraud",
    )


def test_an_unknown_stage_is_refused_with_those_there_are() -> None:
    assert refusal(Transition("fraud", 1, "Prod")) == (
        "there is no stage Prod",
        "choose one of: None, Staging, Production, Archived",
    )


def test_a_stage_that_the_registry_adds_is_a_stage() -> None:
    spec = RegistrySpec(stages=(*SPEC.stages, Stage(name="Shadow")))
    assert after(Transition("fraud", 2, "shadow"), spec=spec).model("fraud").versions[1].stage == "Shadow"


def test_an_exclusive_stage_is_left_to_the_check_of_the_merged_result() -> None:
    exclusive = RegistrySpec(
        stages=(Stage(name="None"), Stage(name="Production", exclusive=True), Stage(name="Archived"))
    )
    made = after(Transition("fraud", 2, "Production"), spec=exclusive)
    assert [one.stage for one in made.model("fraud").versions] == ["Production", "Production"]


# --- descriptions, tags, aliases ------------------------------------------------------------------------------------


def test_a_model_and_a_version_are_described() -> None:
    made = fraud(Describe("fraud", None, "Fraud."), Describe("fraud", 2, "Better."))
    assert (made.description, [one.description for one in made.versions]) == ("Fraud.", ["", "Better."])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x" * 100_001, "a description of 100,001 characters is too long"),
        ("\udcff", "a description holds bytes that are not UTF-8"),
    ],
)
def test_a_description_that_no_file_can_hold_is_refused(text: str, said: str) -> None:
    assert refusal(Describe("fraud", None, text))[0] == said
    assert refusal(CreateModel("solar", ID, BY, text))[0] == said


def test_tags_are_set_and_taken_off() -> None:
    made = fraud(SetTag("fraud", None, "team", "a"), SetTag("fraud", 2, "k", "v"), DeleteTag("fraud", None, "nothing"))
    assert (made.tags, made.versions[1].tags) == ({"team": "a"}, {"k": "v"})
    assert fraud(DeleteTag("fraud", None, "team")).tags == {}


@pytest.mark.parametrize("key", ["", "a\nb", "a=b", " a", "x" * 251])
def test_a_tag_key_that_mlflow_refuses_is_refused(key: str) -> None:
    assert refusal(SetTag("fraud", None, key, "v")) == (
        f"{key[:80]!r} is no tag key",
        "use up to 250 letters, digits, spaces and _ - . : /",
    )


def test_a_thousand_tags_are_enough() -> None:
    many = {f"k{number}": "v" for number in range(1000)}
    full = fraud(*(SetTag("fraud", 1, key, value) for key, value in many.items()))
    assert full.versions[0].tags == many
    said = ("1,001 tags are too many", "at most 1,000, and the rest in a file beside it")
    assert refusal(*(SetTag("fraud", 1, key, "v") for key in [*many, "one more"])) == said
    assert refusal(CreateModel("solar", ID, BY, "", {**many, "one more": "v"})) == said


def test_a_tag_may_be_as_long_as_mlflow_lets_it() -> None:
    assert fraud(SetTag("fraud", 1, "x" * 250, "v" * 100_000)).versions[0].tags["x" * 250] == "v" * 100_000
    assert refusal(SetTag("fraud", 1, "k", "v" * 100_001)) == (
        "a tag value of 100,001 characters is too long",
        "at most 100,000",
    )
    assert refusal(SetTag("fraud", 1, "k", "\ud800"))[0] == "a tag value holds bytes that are not UTF-8"


def test_an_alias_moves_and_goes() -> None:
    assert fraud(SetAlias("fraud", "champion", 2)).aliases == {"champion": 2}
    assert fraud(DeleteAlias("fraud", "champion"), DeleteAlias("fraud", "nothing")).aliases == {}


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v1", "V12"])
def test_an_alias_that_means_a_version_is_reserved(alias: str) -> None:
    assert refusal(SetAlias("fraud", alias, 1)) == (
        f"the alias {alias} is reserved",
        "latest and v<number> always mean what they say",
    )


@pytest.mark.parametrize("alias", ["Staging", "production", "none", "Read", "manage"])
def test_an_alias_called_like_a_stage_or_a_right_is_refused(alias: str) -> None:
    assert refusal(SetAlias("fraud", alias, 1))[0] == f"the alias {alias} is called like a stage or a right"


@pytest.mark.parametrize("alias", ["", "a/b", "a b", "a@b", "x" * 256])
def test_an_alias_of_other_characters_is_refused(alias: str) -> None:
    assert refusal(SetAlias("fraud", alias, 1))[0] == f"{alias[:80]!r} is no alias"


def test_an_alias_needs_its_version() -> None:
    assert refusal(SetAlias("fraud", "challenger", 9), kind=NotFound)[0] == "fraud has no version 9"


# --- many at once ---------------------------------------------------------------------------------------------------


def test_only_the_files_that_were_touched_differ() -> None:
    assert list(after(Describe("fraud", None, "x"), Describe("fraud", 2, "y")).touched) == [FRAUD]


def test_thousands_of_changes_on_thousands_of_models_take_no_time_to_speak_of() -> None:
    many = registry(*(model(f"model-{number}") for number in range(3_000)))
    intents: list[Intent] = [SetTag(f"model-{number}", None, "team", "a") for number in range(1_500)]
    intents += [CreateModel(f"new-{number}", f"{number:032x}", BY) for number in range(60)]
    assert len(perform(intents, many, SPEC).touched) == 1_560
