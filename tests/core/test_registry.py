"""References: what a person means by NAME, NAME/3, NAME#Stage and NAME@alias."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specs import model, registry, version
from stagedoor.core.layout import name_fault
from stagedoor.core.registry import Layered, Ref, Registry, resolve, resolve_version
from stagedoor.errors import BadInput, NotFound, RegistryError

HERE = registry(
    model("fraud", version(1, "Production"), version(2, "Staging"), version(3, "Staging"), aliases={"champion": 1}),
    model("a", version(1), aliases={"x": 1}),
    model("a@b", version(1, "Production"), version(2), aliases={"x": 2}),
    model("c#d@e", version(4, "Production"), aliases={"x": 4}),
    model("empty"),
)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("fraud", Ref("fraud")),
        ("fraud/3", Ref("fraud", 3)),
        ("fraud#Production", Ref("fraud", 1)),
        ("fraud#production", Ref("fraud", 1)),
        ("fraud@champion", Ref("fraud", 1)),
        ("fraud@latest", Ref("fraud", 3)),
        ("a@x", Ref("a", 1)),
        ("a@b", Ref("a@b")),
        ("a@b@x", Ref("a@b", 2)),
        ("a@b#Production", Ref("a@b", 1)),
        ("a@b/2", Ref("a@b", 2)),
        ("c#d@e", Ref("c#d@e")),
        ("c#d@e@x", Ref("c#d@e", 4)),
        ("c#d@e#Production", Ref("c#d@e", 4)),
    ],
)
def test_a_reference_is_resolved(text: str, ref: Ref) -> None:
    assert resolve(HERE, text) == ref


@pytest.mark.parametrize(
    ("text", "kind", "what", "fix"),
    [
        ("frued", NotFound, "there is no model frued", "did you mean fraud?"),
        ("frued@champion", NotFound, "there is no model frued", "did you mean fraud?"),
        ("frued/1", NotFound, "there is no model frued", "did you mean fraud?"),
        ("fraud/9", NotFound, "fraud has no version 9", "the newest versions are 1, 2, 3"),
        ("empty/1", NotFound, "empty has no version 1", "it has no version yet: stagedoor register"),
        ("fraud/one", BadInput, "'one' is not a version number", "write fraud/3"),
        ("fraud/", BadInput, "'' is not a version number", "write fraud/3"),
        ("fraud/-1", BadInput, "'-1' is not a version number", "write fraud/3"),
        ("fraud/٣", BadInput, "'٣' is not a version number", "write fraud/3"),
        ("fraud@champoin", NotFound, "fraud has no alias champoin", "choose one of: champion, latest"),
        ("empty@latest", NotFound, "empty has no alias latest", "choose one of: latest"),
        ("fraud#Archived", NotFound, "no version of fraud is in Archived", "stages in use: Production, Staging"),
        ("fraud#Staging", BadInput, "2 versions of fraud are in Staging: 2, 3", "write fraud/3"),
        ("a@q@x", NotFound, "there is no model a@q", "did you mean a@b or a?"),
        ("a#q#x", NotFound, "there is no model a#q", None),
        ("", NotFound, "there is no model ", "stagedoor models lists them"),
        ("@x", NotFound, "there is no model @x", None),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, kind: type[RegistryError], what: str, fix: str | None) -> None:
    with pytest.raises(kind) as caught:
        resolve(HERE, text)
    assert caught.value.what == what
    assert fix is None or caught.value.fix == fix


def test_a_number_of_thousands_of_digits_is_no_version() -> None:
    with pytest.raises(NotFound):
        resolve(HERE, "fraud/" + "9" * 5_000)


def test_a_verb_that_needs_a_version_says_how_to_write_one() -> None:
    with pytest.raises(BadInput) as caught:
        resolve_version(HERE, "fraud")
    assert caught.value.fix == "write fraud/3, fraud#Production or fraud@latest"


@given(st.text(max_size=30))
def test_any_text_is_resolved_or_refused(text: str) -> None:
    try:
        assert resolve(HERE, text).model in HERE.names
    except RegistryError as error:
        assert error.what


@given(st.text("ab@# é'\"%", min_size=1, max_size=8).filter(lambda name: name_fault(name) is None))
def test_every_legal_name_can_be_said_in_every_way(name: str) -> None:
    here = registry(model("a", version(2, "Production")), model(name, version(1, "Production"), aliases={"best": 1}))
    assert resolve(here, name) == Ref(name)
    assert {str(resolve(here, name + mark)) for mark in ("/1", "#Production", "@best", "@latest")} == {f"{name}/1"}


def test_changed_files_stand_over_the_others() -> None:
    layered = HERE.with_models({HERE.path("a"): None}).with_models(
        {HERE.path("fraud"): model("fraud", description="x")}
    )
    assert layered.names == ("a@b", "c#d@e", "empty", "fraud")
    assert layered.model("fraud").description == "x"
    assert len(layered.models) == 4 and HERE.path("a") not in layered.models
    assert isinstance(layered.models, Layered)
    with pytest.raises(KeyError):
        layered.models[HERE.path("a")]


def test_the_names_stay_right_while_files_come_and_go() -> None:
    new = model("new")
    step = HERE.with_models({HERE.path("fraud"): model("fraud", description="x")})
    assert step.names == HERE.names and step.twins == HERE.twins
    step = step.with_models(registry(new).models)
    assert step.names == tuple(sorted((*HERE.names, "new")))
    assert step.with_models({"registry_spec/models/new.yaml": None}).twins == HERE.twins


def test_the_first_path_wins_where_a_name_stands_twice() -> None:
    both = Registry({"registry_spec/models/b/x.yaml": model("x"), "registry_spec/models/a/x.yaml": model("x")})
    assert both.path("x") == "registry_spec/models/a/x.yaml"
