"""SD1: names and layout."""

from __future__ import annotations

from specs import FRAUD, found, model, registry
from stagedoor.core.checks import names
from stagedoor.core.registry import Registry
from stagedoor.errors import BadSpec


def test_sd101_tells_every_fault_of_a_file_that_does_not_read() -> None:
    second = BadSpec("created is missing", where=f"{FRAUD}:1:1")
    first = BadSpec("unknown key nmae", where=f"{FRAUD}:3:1", fix="did you mean name?", also=(second,))
    assert found(names.every_file_reads, Registry(), unreadable=(first,)) == [
        "unknown key nmae | fraud.yaml:3:1",
        "created is missing | fraud.yaml:1:1",
    ]


def test_sd101_is_content_with_files_that_read() -> None:
    assert found(names.every_file_reads, registry(model())) == []


def test_sd102_refuses_a_name_that_databricks_refuses() -> None:
    after = Registry({FRAUD: model("fraud/v2")})
    assert found(names.names_are_legal, after) == [
        "'fraud/v2': a name may not have '/' in it | fraud.yaml name",
    ]


def test_sd102_refuses_a_character_that_turns_text_around() -> None:
    (said,) = found(names.names_are_legal, Registry({FRAUD: model("fraud\u202elmay")}))
    assert said == "'fraud\\u202elmay': a name may not have the character U+202E in it | fraud.yaml name"


def test_sd102_takes_spaces_accents_and_marks() -> None:
    assert found(names.names_are_legal, registry(model("Prévision d'été #2 @home"))) == []


def test_sd103_refuses_names_that_differ_by_case_only() -> None:
    assert found(names.names_are_unique, registry(model("fraud"), model("Fraud"))) == [
        "fraud and Fraud differ only by case or form | fraud.yaml",
    ]


def test_sd103_refuses_one_name_in_two_folders() -> None:
    after = Registry({FRAUD: model(), "registry_spec/models/team/fraud.yaml": model(id="0" * 32)})
    assert found(names.names_are_unique, after) == [
        "the model fraud stands in registry_spec/models/fraud.yaml too | team/fraud.yaml",
    ]


def test_sd103_takes_names_that_differ() -> None:
    assert found(names.names_are_unique, registry(model("fraud"), model("frauds"))) == []


def test_sd104_refuses_a_file_called_otherwise() -> None:
    after = Registry({"registry_spec/models/old.yaml": model("new name")})
    assert found(names.file_matches_name, after) == [
        "the file of new name should be called new%20name.yaml | old.yaml name",
    ]


def test_sd104_takes_any_folder() -> None:
    assert found(names.file_matches_name, registry(model("new name"), folder="team/energy")) == []


def test_sd105_refuses_a_link() -> None:
    assert found(
        names.files_are_plain, Registry(), odd={FRAUD: "a symbolic link stands where a plain file should"}
    ) == [
        "a symbolic link stands where a plain file should | fraud.yaml",
    ]
    assert found(names.files_are_plain, registry(model())) == []


def test_sd106_warns_of_a_file_that_fmt_would_change() -> None:
    assert names.files_are_canonical.severity == "warning"
    assert found(names.files_are_canonical, registry(model()), uncanonical=(FRAUD,)) == [
        "the file is not in canonical form | fraud.yaml",
    ]
    assert found(names.files_are_canonical, registry(model())) == []
