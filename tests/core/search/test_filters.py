"""Filters: what clients of MLflow and Databricks write, and what is refused with the place of the fault."""

from __future__ import annotations

import pytest

from stagedoor.core.search import (
    MAX_CONDITIONS,
    MAX_FILTER,
    MAX_PATTERN,
    Attribute,
    Condition,
    ListCondition,
    NumberCondition,
    Tag,
    TextCondition,
    folded,
    models_filter,
    versions_filter,
)
from stagedoor.errors import BadInput

NAME = Attribute("name")
IS_PROMPT = Tag("mlflow.prompt.is_prompt")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("name = 'fraud'", TextCondition(NAME, "=", "fraud")),
        ("name='fraud'", TextCondition(NAME, "=", "fraud")),
        ('name != "it\'s"', TextCondition(NAME, "!=", "it's")),
        ("name = 'it''s'", TextCondition(NAME, "=", "it's")),
        ("name = 'a\\'", TextCondition(NAME, "=", "a\\")),
        ("attribute.name like 'a%'", TextCondition(NAME, "LIKE", "a%")),
        ("name ILIKE 'A_b%'", TextCondition(NAME, "ILIKE", "A_b%")),
        ("name IN ('a', \"b\", 'a',)", ListCondition(NAME, ("a", "b"), True)),
        ("name not in ('a')", ListCondition(NAME, ("a",), False)),
        ("tags.team = 'energy'", TextCondition(Tag("team"), "=", "energy")),
        ("tag.a.b-c = 'x'", TextCondition(Tag("a.b-c"), "=", "x")),
        ("tags.`a b/c` != 'x'", TextCondition(Tag("a b/c"), "!=", "x")),
        ("tags.\"a.b\" = 'x'", TextCondition(Tag("a.b"), "=", "x")),
        ("tags.`it''s` = 'x'", TextCondition(Tag("it''s"), "=", "x")),
        ("tags.\u00fc = '\U0001f600 AND name = ''x'''", TextCondition(Tag("\u00fc"), "=", "\U0001f600 AND name = 'x'")),
    ],
)
def test_a_filter_of_models_says(text: str, condition: Condition) -> None:
    assert models_filter(text).conditions == (condition,)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("run_id = '9f2c'", TextCondition(Attribute("run_id"), "=", "9f2c")),
        ("run_id IN ('1', '2')", ListCondition(Attribute("run_id"), ("1", "2"), True)),
        ("source_path LIKE 's3://%'", TextCondition(Attribute("source_path"), "LIKE", "s3://%")),
        ("current_stage = 'Production'", TextCondition(Attribute("current_stage"), "=", "Production")),
        ("version_number >= 3", NumberCondition(Attribute("version_number"), ">=", 3)),
        ("version_number<-1", NumberCondition(Attribute("version_number"), "<", -1)),
        ("version_number = '3'", NumberCondition(Attribute("version_number"), "=", 3)),
    ],
)
def test_a_filter_of_versions_says(text: str, condition: Condition) -> None:
    assert versions_filter(text).conditions == (condition,)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_filter_finds_everything(text: str) -> None:
    assert models_filter(text).conditions == ()


def test_conditions_are_joined_by_and_in_any_case() -> None:
    found = models_filter("name = 'a' AND tags.x = 'b' and name LIKE 'c%'\n  And name = 'd'")
    assert [getattr(one, "value", None) for one in found.conditions] == ["a", "b", "c%", "d"]


def test_a_pattern_without_a_percent_sign_finds_a_part() -> None:
    """Databricks reads it so, https://databricks-sdk-py.readthedocs.io, `search_models`."""
    assert models_filter("name LIKE 'x_y'").conditions == (TextCondition(NAME, "LIKE", "%x_y%"),)


@pytest.mark.parametrize(
    ("text", "wants", "without"),
    [
        ("tag.`mlflow.prompt.is_prompt` = 'true'", True, False),
        ("tags.`mlflow.prompt.is_prompt` != 'false'", True, False),
        ("tag.`mlflow.prompt.is_prompt` != 'true'", False, True),
        ("tags.mlflow.prompt.is_prompt = 'false'", False, True),
        ("tags.mlflow.prompt.is_prompt LIKE 'true%'", False, False),
    ],
)
def test_prompts_are_hidden_unless_they_are_asked_for(text: str, wants: bool, without: bool) -> None:
    found = models_filter(text)
    assert found.wants_prompts is wants
    [condition] = found.conditions
    assert isinstance(condition, TextCondition)
    assert (condition.field, condition.holds_without) == (IS_PROMPT, without)


@pytest.mark.parametrize(
    ("text", "what", "character"),
    [
        ("name", "the filter ends where an operator is expected", 5),
        ("name =", "the filter ends where a quoted text is expected", 7),
        ("name = fraud", "fraud stands where a quoted text is expected", 8),
        ("name = `fraud`", "`fraud` stands where a quoted text is expected", 8),
        ("name = 'fraud", "a quote is opened and never closed", 8),
        ("name == 'x'", "== is not an operator", 6),
        ("name <> 'x'", "<> is not an operator", 6),
        ("name > 'x'", "> cannot be used with name", 6),
        ("tags.a IN ('x')", "IN cannot be used with the tag a", 8),
        ("'name' = 'x'", "'name' stands where a field is expected", 1),
        ("nmae = 'x'", "nmae is not a field to search by", 1),
        ("run_id = 'x'", "run_id is not a field to search by", 1),
        ("metric.rmse = 'x'", "metric.rmse is not a field", 1),
        ("tags. = 'x'", "tags. says no key", 1),
        ("tags. `a` = 'x'", "tags. says no key", 1),
        ("name = 'a' OR name = 'b'", "OR stands where AND is expected", 12),
        ("name = 'a' name = 'b'", "name stands where AND is expected", 12),
        ("name = 'a' AND", "the filter ends where a field is expected", 15),
        ("AND name = 'a'", "AND is not a field to search by", 1),
        ("(name = 'a')", "( stands where a field is expected", 1),
        ("name = 'a';", "';' cannot stand here", 11),
        ("name IN ()", ") stands where a quoted text is expected", 10),
        ("name IN ('a' 'b')", "'b' stands where , or ) is expected", 14),
        ("name IN 'a'", "'a' stands where ( is expected", 9),
        ("name = 'a\x00b'", "U+0000 cannot be searched for", 10),
        ("name = 'a\ud800b'", "U+D800 cannot be searched for", 10),
    ],
)
def test_a_bad_filter_is_refused_with_the_place_of_the_fault(text: str, what: str, character: int) -> None:
    with pytest.raises(BadInput) as refused:
        models_filter(text)
    assert what in refused.value.what
    assert refused.value.where == f"filter, character {character}"
    assert refused.value.fix
    assert refused.value.code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    "text",
    ["version_number = 1.5", "version_number = 'x'", "version_number LIKE '3'", "version_number = 1e3",
     "version_number = `3`", f"version_number = {'9' * 19}", "version_number IN ('1')", "source_path IN ('a')"],
)  # fmt: skip
def test_a_bad_filter_of_versions_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        versions_filter(text)


def test_filters_are_bounded() -> None:
    many = " AND ".join(["name = 'a'"] * MAX_CONDITIONS)
    assert len(models_filter(many).conditions) == MAX_CONDITIONS
    for text in (
        f"{many} AND name = 'a'",
        f"name = '{'a' * MAX_FILTER}'",
        f"name LIKE '{'%a' * MAX_PATTERN}'",
    ):
        with pytest.raises(BadInput):
            models_filter(text)


def test_a_long_fault_is_not_repeated_in_full() -> None:
    with pytest.raises(BadInput) as refused:
        models_filter(f"name = {'x' * 5000}")
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("text", ["Straße", "ẞ", "İstanbul", "ΣΑΣ", "ﬁn", "\U0001f600É"])
def test_folding_keeps_one_character_for_each(text: str) -> None:
    assert len(folded(text)) == len(text)
    assert folded(text) == folded(folded(text))
