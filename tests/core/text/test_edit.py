"""What an edit changes in a text that people wrote, and what it leaves."""

from __future__ import annotations

import copy
import difflib
import time
from collections.abc import Callable
from typing import Any

import pytest

from stagedoor.core.text import edit, format_text, read, render
from stagedoor.errors import BadSpec

TEXT = """\
# yaml-language-server: $schema=../model.json

# Asked for by the trading desk.
apiVersion: stagedoor/v1
name:   "power"   # never rename
description: |  # shown in the page
  Forecasts the power.
  # not a comment
tags: {team: energy}  # who pays
versions:
# the first one
- version: 1
  stage:   Archived   # since spring
  metrics: {rmse: 412.70}
  created: x
  # end of one

- version: 2
  # why it is here
  stage: 'Staging'
  tags:
    a: b  # kept
    c: d
  created: y
# the end
"""
BEFORE: dict[str, Any] = {
    "apiVersion": "stagedoor/v1",
    "name": "power",
    "description": "Forecasts the power.\n# not a comment\n",
    "tags": {"team": "energy"},
    "versions": [
        {"version": 1, "stage": "Archived", "metrics": {"rmse": 412.7}, "created": "x"},
        {"version": 2, "stage": "Staging", "tags": {"a": "b", "c": "d"}, "created": "y"},
    ],
}


def changes(change: Callable[[Any], object], text: str = TEXT, before: dict[str, Any] = BEFORE) -> list[str]:
    """The lines that an edit takes away and adds."""
    after: dict[str, Any] = copy.deepcopy(before)
    change(after)
    lines = difflib.ndiff(text.splitlines(), edit(text, before, after).splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_a_new_stage_changes_one_line() -> None:
    assert changes(lambda model: model["versions"][0].update(stage="Production")) == [
        "-   stage:   Archived   # since spring",
        "+   stage:   Production   # since spring",
    ]


def test_quotes_go_when_they_are_not_needed_and_come_when_they_are() -> None:
    assert changes(lambda model: model["versions"][1].update(stage="a: b")) == [
        "-   stage: 'Staging'",
        "+   stage: 'a: b'",
    ]
    assert changes(lambda model: model.update(name="wind")) == [
        '- name:   "power"   # never rename',
        "+ name:   wind   # never rename",
    ]


def test_a_new_key_comes_to_its_canonical_place() -> None:
    def describe(model: Any) -> None:
        version = model["versions"][1]
        version.clear()
        version.update(version=2, stage="Staging", source="s3://x", tags={"a": "b", "b": "new", "c": "d"}, created="y")

    assert changes(describe) == ["+   source: s3://x", "+     b: new"]


def test_a_new_version_stands_after_the_last_and_before_the_closing_comment() -> None:
    assert changes(lambda model: model["versions"].append({"version": 3, "stage": "None", "created": "z"})) == [
        "+ - version: 3",
        "+   stage: None",
        "+   created: z",
    ]


def test_a_new_version_stands_after_the_comments_inside_the_one_before() -> None:
    text = "versions:\n- version: 1\n  # of one\n# of all\n"
    before: dict[str, Any] = {"versions": [{"version": 1}]}
    assert edit(text, before, {"versions": [{"version": 1}, {"version": 2}]}) == (
        "versions:\n- version: 1\n  # of one\n- version: 2\n# of all\n"
    )


def test_a_removed_version_leaves_its_comments() -> None:
    assert changes(lambda model: model["versions"].pop(0)) == [
        "+ # since spring",
        "- - version: 1",
        "-   stage:   Archived   # since spring",
        "-   metrics: {rmse: 412.70}",
        "-   created: x",
    ]


def test_a_removed_key_leaves_its_comment() -> None:
    assert changes(lambda model: model["versions"][1]["tags"].pop("a")) == ["-     a: b  # kept", "+     # kept"]


def test_a_flow_value_that_changes_becomes_a_block() -> None:
    assert changes(lambda model: model["tags"].update(owner="ann")) == [
        "- tags: {team: energy}  # who pays",
        "+ tags:  # who pays",
        "+   team: energy",
        "+   owner: ann",
    ]


def test_what_is_emptied_becomes_braces_and_what_is_filled_a_block() -> None:
    def swap(model: Any) -> None:
        model["versions"][1]["tags"] = {}
        model["tags"] = []

    assert changes(swap) == [
        "- tags: {team: energy}  # who pays",
        "+ tags: []  # who pays",
        "+   # kept",
        "-   tags:",
        "+   tags: {}",
        "-     a: b  # kept",
        "-     c: d",
    ]
    assert edit("a: {}  # none\nb: 1\n", {"a": {}, "b": 1}, {"a": {"c": 1}, "b": 1}) == "a:  # none\n  c: 1\nb: 1\n"
    assert edit("a: []\nb: 1\n", {"a": [], "b": 1}, {"a": ["c"], "b": 1}) == "a:\n- c\nb: 1\n"


def test_a_block_of_text_becomes_a_line_and_back() -> None:
    short = {**BEFORE, "description": "Short."}
    once = edit(TEXT, BEFORE, short)
    assert "\ndescription: Short.  # shown in the page\ntags:" in once
    assert edit(once, short, BEFORE) == TEXT


def test_a_block_of_text_is_replaced_without_its_neighbours() -> None:
    assert changes(lambda model: model.update(description="Other.\n\nNew.")) == [
        "- description: |  # shown in the page",
        "+ description: |-  # shown in the page",
        "-   Forecasts the power.",
        "-   # not a comment",
        "+   Other.",
        "+ ",
        "+   New.",
    ]


def test_a_value_comes_where_there_was_none() -> None:
    assert edit("a:\nb:  # why\n", {"a": None, "b": None}, {"a": 1, "b": "x"}) == "a: 1\nb: x  # why\n"


def test_an_edit_that_changes_nothing_leaves_every_oddity() -> None:
    odd = "---\nb:   1\n\n\na: {x: [1,\n 2]}   # odd"
    assert edit(odd, {"b": 1, "a": {"x": [1, 2]}}, {"b": 1, "a": {"x": [1, 2]}}) == odd


def test_a_change_of_type_alone_is_a_change() -> None:
    assert edit("a: 1\nb: 2  #\n", {"a": 1, "b": 2}, {"a": True, "b": 2.0}) == "a: true\nb: 2.0  #\n"


def test_a_default_that_the_text_leaves_out_is_written_when_it_changes() -> None:
    assert edit("a: 1  # one\n", {"a": 1, "b": {}}, {"a": 1, "b": {"x": 1}}) == "a: 1  # one\nb:\n  x: 1\n"


def test_a_default_that_the_text_spells_out_stays() -> None:
    assert edit("a: 1\nb: ''  # none\n", {"a": 1}, {"a": 2}) == "a: 2\nb: ''  # none\n"


def test_a_list_without_names_is_replaced_whole() -> None:
    text = "require:\n- a  # first\n- b\nname: x\n"
    assert edit(text, {"require": ["a", "b"], "name": "x"}, {"require": ["b", "c"], "name": "x"}) == (
        "require:\n# first\n- b\n- c\nname: x\n"
    )


def test_a_list_of_names_is_edited_item_by_item() -> None:
    text = "gates:\n  - name: one  # 1\n    reason: x\n  - name: two\n    reason:   y\n"
    before: dict[str, Any] = {"gates": [{"name": "one", "reason": "x"}, {"name": "two", "reason": "y"}]}
    after: dict[str, Any] = {"gates": [{"name": "zero"}, {"name": "two", "reason": "z"}]}
    assert edit(text, before, after) == ("gates:\n  - name: zero\n  # 1\n  - name: two\n    reason:   z\n")


def test_a_list_in_another_order_is_laid_out_again() -> None:
    text = "v:\n- version: 1  # one\n- version: 2\nz:   1\n"
    before: dict[str, Any] = {"v": [{"version": 1}, {"version": 2}], "z": 1}
    assert edit(text, before, {"v": before["v"][::-1], "z": 1}) == ("v:\n- version: 2\n- version: 1  # one\nz:   1\n")


def test_a_value_that_an_alias_shares_is_not_changed_for_both() -> None:
    text = "a: &x\n  b: 1  # one\nc: *x\n"
    before: dict[str, Any] = {"a": {"b": 1}, "c": {"b": 1}}
    assert edit(text, before, {"a": {"b": 2}, "c": {"b": 1}}) == "a:\n  b: 2  # one\nc:\n  b: 1\n"
    assert edit(text, before, {"a": {"b": 1}, "c": {"b": 2}}) == "a:\n  b: 1  # one\nc:\n  b: 2\n"
    assert edit(text, before, {"c": {"b": 1}}) == "# one\nc:\n  b: 1\n"


def test_text_that_looks_like_another_version_is_left_alone() -> None:
    text = 'd: "\n- version: 2\n  stage: None\n"\nv:\n- version: 2\n  stage: None\n'
    before: dict[str, Any] = {"d": " - version: 2 stage: None ", "v": [{"version": 2, "stage": "None"}]}
    after: dict[str, Any] = {"d": before["d"], "v": [{"version": 2, "stage": "Staging"}]}
    assert edit(text, before, after) == text[:-5] + "Staging\n"


def test_a_comment_without_a_space_does_not_become_text() -> None:
    assert edit('a: "x"# why\nb: 1\n', {"a": "x", "b": 1}, {"a": "k", "b": 1}) == "a: k  # why\nb: 1\n"


def test_a_text_without_a_last_line_end_gets_one() -> None:
    assert edit("a: 1 # x\nb: 2", {"a": 1, "b": 2}, {"a": 1, "b": 3}) == "a: 1 # x\nb: 3\n"


def test_a_canonical_text_stays_canonical() -> None:
    header = "# yaml-language-server: $schema=x\n"
    after: dict[str, Any] = {**BEFORE, "aliases": {"champion": 2}}
    assert edit(header + render(BEFORE), BEFORE, after) == header + render(after)


def test_one_line_of_a_canonical_text_changes_between_its_comments() -> None:
    text = "# head\na: 1  # one\n\n# about b\nb: |  # why\n  # content\n# about c\nc: 3  # three\n"
    before: dict[str, Any] = {"a": 1, "b": "# content\n", "c": 3}
    assert edit(text, before, {**before, "a": 2}) == text.replace("a: 1", "a: 2")
    assert edit(text, before, {**before, "b": "# other\n"}) == text.replace("content", "other")
    assert edit(text, before, {**before, "c": "# 4"}) == text.replace("c: 3", "c: '# 4'")


def test_lines_that_look_alike_do_not_hide_that_a_mapping_became_text() -> None:
    text = "a:  # one\n  b: k  # two\n"
    assert edit(text, {"a": {"b": "k"}}, {"a": "b: k\n"}) == "# two\na: |  # one\n  b: k\n"


def test_an_edit_of_a_text_that_does_not_read_is_refused() -> None:
    with pytest.raises(BadSpec, match="the key a stands twice"):
        edit("a: 1\na: 2\n", {"a": 1}, {"a": 2})


@pytest.mark.parametrize("comment", ["", "  # a hand-written one"])
def test_one_stage_among_a_thousand_versions_is_changed_quickly(comment: str) -> None:
    versions: list[Any] = [
        {"version": n, "stage": "None", "source": f"runs:/{n}", "tags": {"a": "b"}} for n in range(1, 1001)
    ]
    text = render({"name": "x", "versions": versions}).replace("runs:/7\n", f"runs:/7{comment}\n")
    after: list[Any] = copy.deepcopy(versions)
    after[500]["stage"] = "Production"
    started = time.perf_counter()
    result = edit(text, {"name": "x", "versions": versions}, {"name": "x", "versions": after})
    assert time.perf_counter() - started < 1  # it takes a twentieth of that where nothing else runs
    assert sum(a != b for a, b in zip(text.splitlines(), result.splitlines(), strict=True)) == 1


def test_formatting_what_was_edited_gives_the_same_data() -> None:
    after: dict[str, Any] = {**BEFORE, "tags": {}, "versions": BEFORE["versions"][1:]}
    result = edit(TEXT, BEFORE, after)
    assert read(format_text(result, after).encode(), "x").data == read(render(after).encode(), "x").data
