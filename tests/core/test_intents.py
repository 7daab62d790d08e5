"""Intents: what each does, and where it makes no sense."""

# ruff: noqa: E501 - a refusal stands on one line with what causes it

from __future__ import annotations

from datetime import UTC, datetime

import pytest

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
from stagedoor.core.registry import Registry
from stagedoor.core.spec import Created, RegisteredModel, RegistrySpec, Stage, Version
from stagedoor.errors import AlreadyExists, BadInput, InvalidState, NotFound

BY = Created(at=datetime(2026, 11, 24, tzinfo=UTC), by="ann@example.com")
NEW = Version(version=1, source="s3://x", created=BY)


def create(name: str, **more: object) -> CreateModel:
    return CreateModel(name, "1" * 32, BY, **more)  # type: ignore[arg-type]


def registry(*stages: str) -> Registry:
    versions = tuple(Version(version=n, stage=stage, source="s3://x", created=BY) for n, stage in enumerate(stages, 1))
    model = RegisteredModel(
        name="fraud", id="0" * 32, created=BY, last_version=len(stages), versions=versions,
        aliases={"best": 1} if stages else {}, tags={"team": "risk"},
    )  # fmt: skip
    return Registry({"registry_spec/models/fraud.yaml": model})


def after(*intents: Intent, start: Registry | None = None, spec: RegistrySpec | None = None) -> RegisteredModel:
    here = start if start is not None else registry("None", "Staging", "Production")
    return perform(intents, here, spec or RegistrySpec()).model("fraud")


def test_registering_gives_the_next_number_and_makes_the_model() -> None:
    made = perform([RegisterVersion("new", NEW, create("new", folder="risk"))], Registry(), RegistrySpec())
    assert made.path("new") == "registry_spec/models/risk/new.yaml"
    assert (made.model("new").last_version, made.model("new").versions[0].version) == (1, 1)


def test_a_deleted_number_is_not_given_again() -> None:
    model = after(DeleteVersion("fraud", 2), RegisterVersion("fraud", NEW), start=registry("None", "Archived"))
    assert [version.version for version in model.versions] == [1, 3]


def test_an_alias_goes_with_its_version() -> None:
    assert after(DeleteVersion("fraud", 1)).aliases == {}


def test_describing_and_tagging_touch_model_or_version() -> None:
    model = after(
        Describe("fraud", None, "finds fraud"), Describe("fraud", 2, "second"), SetTag("fraud", 2, "a", "b"),
        DeleteTag("fraud", None, "team"), DeleteTag("fraud", None, "never there"), DeleteAlias("fraud", "best"),
    )  # fmt: skip
    assert (model.description, model.versions[1].description, model.versions[1].tags) == (
        "finds fraud",
        "second",
        {"a": "b"},
    )
    assert (model.tags, model.aliases) == ({}, {})


def test_archiving_existing_moves_the_others_of_that_stage_only() -> None:
    model = after(Transition("fraud", 1, "production", archive_existing=True))
    assert [version.stage for version in model.versions] == ["Production", "Staging", "Archived"]


def test_a_rename_keeps_id_and_folder() -> None:
    made = perform([RenameModel("fraud", "fraud 2")], registry("None"), RegistrySpec())
    assert made.path("fraud 2") == "registry_spec/models/fraud%202.yaml"
    assert made.model("fraud 2").id == "0" * 32


@pytest.mark.parametrize(
    ("intent", "error", "what"),
    [
        (create("fraud"), AlreadyExists, "the model fraud exists already"),
        (create("Fraud"), AlreadyExists, "the model Fraud differs from fraud only by case or form"),
        (create("a/b"), BadInput, "a name may not have '/' in it"),
        (create("a.b"), BadInput, "a name may not have '.' in it"),
        (create(""), BadInput, "a name may not be empty"),
        (create("a\u202eb"), BadInput, "a name may not have the character U+202E in it"),
        (create("x" * 300), BadInput, "the name is too long: its file name would have more than 240 bytes"),
        (create("x", folder="../up"), BadInput, "'../up' is no folder for a model"),
        (Describe("froud", None, ""), NotFound, "there is no model froud"),
        (Describe("fraud", 9, ""), NotFound, "fraud has no version 9"),
        (SetAlias("fraud", "latest", 1), BadInput, "the alias latest is reserved"),
        (SetAlias("fraud", "V3", 1), BadInput, "the alias V3 is reserved"),
        (SetAlias("fraud", "production", 1), BadInput, "the alias production is called like a stage or a right"),
        (SetAlias("fraud", "Manage", 1), BadInput, "the alias Manage is called like a stage or a right"),
        (SetAlias("fraud", "a b", 1), BadInput, "'a b' is no alias"),
        (SetAlias("fraud", "x", 9), NotFound, "fraud has no version 9"),
        (SetTag("fraud", None, "", "x"), BadInput, "'' is no tag key"),
        (SetTag("fraud", None, "a\nb", "x"), BadInput, "'a\\nb' is no tag key"),
        (SetTag("fraud", None, "k", "x" * 100_001), BadInput, "a tag value of 100,001 characters is too long"),
        (Transition("fraud", 1, "Prod"), BadInput, "there is no stage Prod"),
        (Transition("fraud", 1, "Archived", archive_existing=True), BadInput, "--archive-existing means nothing for Archived"),
        (Transition("fraud", 1, "Production", expected="Staging"), InvalidState, "fraud/1 is in None by now, not in Staging"),
        (DeleteVersion("fraud", 3), InvalidState, "cannot delete fraud/3: version 3 is in Production"),
        (DeleteModel("fraud"), InvalidState, "cannot delete fraud: version 2 is in Staging, version 3 is in Production"),
        (RenameModel("fraud", "x"), InvalidState, "cannot rename fraud: version 2 is in Staging, version 3 is in Production"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_named(intent: Intent, error: type[Exception], what: str) -> None:
    with pytest.raises(error) as refused:
        after(intent)
    assert refused.value.what == what  # type: ignore[attr-defined]


def test_a_stage_that_the_registry_adds_is_a_stage() -> None:
    spec = RegistrySpec(stages=(*RegistrySpec().stages, Stage(name="Shadow")))
    assert after(Transition("fraud", 1, "Shadow"), spec=spec).versions[0].stage == "Shadow"
