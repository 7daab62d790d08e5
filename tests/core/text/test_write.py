"""The canonical text: what it looks like, and that every reader takes from it what was meant."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stagedoor.core.text import Plain, read, render, stringified

# fmt: off
LINES = ["", " ", "a", "  a", "a  ", "\ta", "a\t", "# a", "- a", "a: b", "'", '"', "---", "...", "|", "é", "\x85"]
WORDS = [
    "null", "~", "None", "yes", "No", "on", "y", "true", "1", "0x1f", "0o7", "017", "1_000", "1e5", "12e4567890",
    "190:20", "1.", ".", ".5", "+.5", ".inf", "-.INF", ".nan", "1.2.3", "2026-11-24", "2026-11-24T10:15:00.123Z",
    "<<", "=", "-", "?", "- a", "? a", "a: b", "a:", ":a", "a #b", "a#b", "#a", "&a", "*a", "!a", "%a", "@a", "`a",
    "[a]", "{a}", "a,b", "a ", " a", "", " ", "a'b", "---", "...", "... a", "9f86d081", "runs:/9f/model", "a\\nb",
    "https://a.b/x?y=1#z", "\ufeffa", "a\u2028b", "\u202eabc", "\x7f", "\u00a0", "a\u00a0", "\ue000", "\uffff",
]
# fmt: on
ENCODABLE = st.characters(exclude_categories=["Cs"])
TEXT = st.one_of(
    st.sampled_from(WORDS), st.lists(st.sampled_from(LINES), max_size=5).map("\n".join), st.text(ENCODABLE, max_size=20)
)
KEYS = st.one_of(TEXT, st.sampled_from(["version", "name", "a", "b", "k" * 1100, "\x01" * 400]))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
DATA: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
MAPPINGS: st.SearchStrategy[dict[str, Plain]] = st.dictionaries(KEYS, DATA, max_size=5)


def test_a_model_file_is_written_in_block_style() -> None:
    data: Plain = {
        "name": "power",
        "description": "Forecasts the power.\n\n  # of a wind farm\n",
        "tags": {},
        "versions": [
            {
                "version": 1,
                "stage": "None",
                "tags": {"team": "energy"},
                "data": [],
                "metrics": {"rmse": 412.7, "p": 1e-05},
            },
            {"version": 2, "stage": "Staging", "inputs": [{"name": "wind", "required": True}], "link": None},
        ],
    }
    assert render(data, header="# yaml-language-server: $schema=x.json") == (
        "# yaml-language-server: $schema=x.json\n"
        "name: power\n"
        "description: |\n"
        "  Forecasts the power.\n"
        "\n"
        "    # of a wind farm\n"
        "tags: {}\n"
        "versions:\n"
        "- version: 1\n"
        "  stage: None\n"
        "  tags:\n"
        "    team: energy\n"
        "  data: []\n"
        "  metrics:\n"
        "    rmse: 412.7\n"
        "    p: 1.0e-05\n"
        "- version: 2\n"
        "  stage: Staging\n"
        "  inputs:\n"
        "  - name: wind\n"
        "    required: true\n"
        "  link: null\n"
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("None", "None"),
        ("power forecast (v2)", "power forecast (v2)"),
        ("runs:/9f/model", "runs:/9f/model"),
        ("https://example.com/#x", "https://example.com/#x"),
        ("Grüße, 世界", "Grüße, 世界"),
        ("null", "'null'"),
        ("No", "'No'"),
        ("12e4567890", "'12e4567890'"),
        ("2026-11-24T10:15:00.123Z", "'2026-11-24T10:15:00.123Z'"),
        ("it's: so", "'it''s: so'"),
        ("", "''"),
        ("a\tb", '"a\\tb"'),
        ("\u202eevil", '"\\u202Eevil"'),
        ("a\x85b", '"a\\x85b"'),
        ("\nb", '"\\nb"'),
        ("a\n\n", '"a\\n\\n"'),
        ("a\nb", "|-\n  a\n  b"),
        ("a\nb\n", "|\n  a\n  b"),
        (" a\nb", "|2-\n   a\n  b"),
        ("a\n\tb\n", "|\n  a\n  \tb"),
    ],
)
def test_text_is_plain_where_that_is_safe_and_quoted_elsewhere(text: str, written: str) -> None:
    assert render({"k": text}) == f"k: {written}\n"


def test_a_long_line_is_never_folded() -> None:
    assert render({"k": "word " * 500 + "end"}) == f"k: {'word ' * 500}end\n"


def test_a_key_that_is_too_long_for_one_line_is_written_with_a_question_mark() -> None:
    data: Plain = {"k" * 2000: {"a": 1}, "l" * 2000: ["b"], "m" * 2000: "c\nd"}
    assert render(data) == f"? {'k' * 2000}\n:\n  a: 1\n? {'l' * 2000}\n:\n- b\n? {'m' * 2000}\n: |-\n  c\n  d\n"
    assert read(render(data).encode(), "x").data == stringified(data)


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_is_none_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        render({"a": number})


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="half a character"):
        render({"a": "\ud800"})


@given(MAPPINGS)
@settings(max_examples=150, deadline=None)
def test_what_is_written_reads_as_what_was_meant(data: dict[str, Plain]) -> None:
    text = render(data)
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert read(text.encode(), "x").data == stringified(data)


@given(st.dictionaries(TEXT, st.one_of(TEXT, st.lists(TEXT, max_size=2)), max_size=4))
@example({"a": "a\n b\n\tc"})
@settings(max_examples=120, deadline=None)
def test_other_readers_take_text_for_text(data: dict[str, Plain]) -> None:
    text = render(data)
    assert yaml.safe_load(text) == data
    for version in ("1.1", "1.2"):
        reader = YAML(typ="safe", pure=True)
        reader.version = version
        assert reader.load(io.StringIO(text)) == data


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_other_readers_take_a_number_for_the_same_number(number: float) -> None:
    text = render({"a": number})
    assert yaml.safe_load(text) == {"a": number}
    assert YAML(typ="safe", pure=True).load(text) == {"a": number}
    assert isinstance(yaml.safe_load(text)["a"], float)
