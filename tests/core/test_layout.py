"""Names and the files they stand in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.core.layout import (
    checked_folder,
    file_name,
    is_model_path,
    model_path,
    name_fault,
    name_of,
    schema_line,
    twin_key,
)
from stagedoor.errors import BadInput

legal = st.text(min_size=1, max_size=60).filter(lambda name: name_fault(name) is None)


@given(legal)
def test_a_file_name_gives_the_name_back(name: str) -> None:
    assert name_of(f"registry_spec/models/x/{file_name(name)}") == name


@given(legal)
def test_a_file_name_is_safe_on_every_disk_and_in_every_shell(name: str) -> None:
    stem = file_name(name).removesuffix(".yaml")
    assert re.fullmatch(r"[A-Za-z0-9_%-]*", "".join(char for char in stem if char.isascii()))
    assert all(char.isascii() or char.isalnum() for char in stem)
    assert len(file_name(name).encode()) <= 255
    assert not stem.startswith("-")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("power-forecasting-model", "power-forecasting-model.yaml"),
        ("wind farm", "wind%20farm.yaml"),
        ("Prévision", "Prévision.yaml"),
        ("a@b#c", "a%40b%23c.yaml"),
        ("50%", "50%25.yaml"),
        ('it\'s "x"', "it%27s%20%22x%22.yaml"),
        ("-rf", "%2Drf.yaml"),
        ("CON", "%43ON.yaml"),
        ("lpt9", "%6Cpt9.yaml"),
        ("com¹", "%63om¹.yaml"),
        ("console", "console.yaml"),
        ("風力", "風力.yaml"),
        ("🙂", "%F0%9F%99%82.yaml"),
    ],
)
def test_a_name_has_one_file_name(name: str, file: str) -> None:
    assert file_name(name) == file
    assert name_of(file) == name


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "a name may not be empty"),
        ("a/b", "a name may not have '/' in it"),
        ("..", "a name may not have '.' in it"),
        ("a\nb", "a name may not have the character U+000A in it"),
        ("a\u202eb", "a name may not have the character U+202E in it"),
        ("a\u2028b", "a name may not have the character U+2028 in it"),
        ("\ud800", "a name may not have the character U+D800 in it"),
        ("a ", "a name may not begin or end with a space"),
        ("e\u0301", "a name must be in Unicode's composed form (NFC)"),
        ("x" * 236, "the name is too long: its file name would have more than 240 bytes"),
    ],
)
def test_a_name_that_cannot_be_is_told_why(name: str, fault: str) -> None:
    assert name_fault(name) == fault


@pytest.mark.parametrize(("one", "other"), [("fraud", "FRAUD"), ("straße", "STRASSE"), ("ﬁ", "fi"), ("ｆ", "f")])
def test_names_that_look_alike_to_a_disk_are_twins(one: str, other: str) -> None:
    assert twin_key(one) == twin_key(other)


@given(st.text(max_size=20))
def test_a_twin_key_is_its_own(name: str) -> None:
    assert twin_key(twin_key(name)) == twin_key(name)


@pytest.mark.parametrize(
    ("name", "layout", "folder", "path"),
    [
        ("Fraud", "flat", "", "Fraud.yaml"),
        ("Fraud", "letter", "", "f/Fraud.yaml"),
        ("1st", "letter", "", "1/1st.yaml"),
        ("éclair", "letter", "", "_/éclair.yaml"),
        ("Fraud", "letter", "risk/core", "risk/core/Fraud.yaml"),
    ],
)
def test_a_layout_says_where_a_new_model_stands(name: str, layout: str, folder: str, path: str) -> None:
    assert model_path(name, layout, folder) == f"registry_spec/models/{path}"
    assert is_model_path(model_path(name, layout, folder))


@pytest.mark.parametrize("folder", ["..", "a/../b", ".git", "a//b", "a b", "x.yaml", "-x"])
def test_a_folder_stays_below_models(folder: str) -> None:
    with pytest.raises(BadInput):
        checked_folder(folder)


def test_an_editor_finds_the_schema_from_any_folder() -> None:
    assert schema_line("Registry", "registry_spec/registry.yaml").endswith("$schema=./schemas/Registry.json")
    assert schema_line("RegisteredModel", "registry_spec/models/a/b.yaml").endswith(
        "$schema=../../schemas/RegisteredModel.json"
    )
