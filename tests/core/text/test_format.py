"""Where the comments of a text stand once it is laid out canonically."""

from __future__ import annotations

import time

import pytest

from stagedoor.core.text import Plain, format_text, read


def formatted(text: str, canonical: Plain = None) -> str:
    data = canonical if canonical is not None else read(text.encode(), "x").data
    result = format_text(text, data)
    assert format_text(result, data) == result
    return result


def test_a_canonical_text_stays_as_it_is() -> None:
    text = (
        "# head\n\n# about a\na: 1  # one\n# two lines\n# about b\nb:  # two\n  c: x\n  # end of b\nd: |  # why\n"
        "  # content\n- x\nk:\n# first\n- version: '2'  # v\n  # inside\n# foot\n"
    ).replace("- x\nk:", "k:")
    assert formatted(text, {"a": 1, "b": {"c": "x"}, "d": "# content\n", "k": [{"version": "2"}]}) == text


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a:   x   # one\n", "a: x  # one\n"),
        ("a: x\n\n\n\n# two\n\nb: k\n", "a: x\n\n# two\nb: k\n"),
        ("a:\n      # deep\n  b: x\n", "a:\n  # deep\n  b: x\n"),
        ("a:\n  b: x\n# out\n  c: k\n", "a:\n  b: x\n  # out\n  c: k\n"),
        ("a:\n  b: x\n  # in\n# out\nc: k\n", "a:\n  b: x\n  # in\n# out\nc: k\n"),
        ("a:\n  b: x\n# out\n  # in\nc: k\n", "a:\n  b: x\n# out\n# in\nc: k\n"),
        ("a: # one\n  x\n", "a: x  # one\n"),
        ("a: # one\n  x # two\n", "# one\na: x  # two\n"),
        ("a:\n  # above\n  x\nb: k\n", "# above\na: x\nb: k\n"),
        ("a: {b: x, # one\n  c: k} # two\n", "a:  # two\n  b: x  # one\n  c: k\n"),
        (
            "a: [ # open\n  # first\n  x, # 1\n  k\n  # last\n]\nb: z\n",
            "a:  # open\n# first\n- x  # 1\n- k\n# last\nb: z\n",
        ),
        ("a: [] # none\n", "a: []  # none\n"),
        ("a:\n-\n  # item\n  b: x\n", "a:\n# item\n- b: x\n"),
        ("a:\n- # one\n  b: x # two\n", "a:\n# one\n- b: x  # two\n"),
        ("a: |2 # head\n   x\n  k\n # less\nb: z\n", "a: |2  # head\n   x\n  k\n# less\nb: z\n"),
        ("a: >-\n  folded\n  text # no\n# yes\nb: z\n", "'x': 1\n"),
        ("--- # start\na: x\n... # end\n", "# start\na: x\n# end\n"),
        ("# 1\n---\n# 2\na: x\n", "# 1\n# 2\na: x\n"),
        ('a: "x # no"# yes\n', "a: 'x # no'  # yes\n"),
        ("a: x#no # yes#no\n", "a: x#no  # yes#no\n"),
        ("a: &x # one\n  b: k # two\nc: *x # three\n", "a:  # one\n  b: k  # two\nc:  # three\n  b: k\n"),
        ("a: &x # one\n  # more\n  k\n", "# more\na: k  # one\n"),
        ("{} # none\n# foot\n", "# none\n{}\n# foot\n"),
        ("#\na: x #\n", "#\na: x  #\n"),
        ("# tail   \na: x\n", "# tail\na: x\n"),
    ],
)
def test_a_comment_comes_to_its_canonical_place(text: str, result: str) -> None:
    if ">-" in text:
        result = "a: 'folded text # no'\n# yes\nb: z\n"
    assert formatted(text) == result


def test_a_comment_goes_where_its_key_goes() -> None:
    text = "# head\n\n# about b\nb: 2 # two\n# about a\na: 1\n# foot\n"
    assert formatted(text, {"a": 1, "b": 2}) == "# head\n# about a\na: 1\n\n# about b\nb: 2  # two\n# foot\n"


def test_the_opening_comment_stays_first() -> None:
    text = "# yaml-language-server: $schema=x\nname: x\napiVersion: v1\n"
    assert formatted(text, {"apiVersion": "v1", "name": "x"}) == (
        "# yaml-language-server: $schema=x\napiVersion: v1\nname: x\n"
    )


def test_the_comment_of_what_is_gone_goes_to_what_comes_next() -> None:
    text = "# head\nv:\n- version: 1 # one\n# two\n- version: 2\n# three\n- version: 3\nx: {a: 1} # gone\nk: 1\n"
    assert formatted(text, {"v": [{"version": 1}, {"version": 3}], "k": 1}) == (
        "# head\nv:\n- version: 1  # one\n# two\n# three\n- version: 3\n# gone\nk: 1\n"
    )
    assert formatted(text, {"v": [{"version": 1}]}) == "# head\nv:\n- version: 1  # one\n# two\n# three\n# gone\n"


def test_items_are_known_by_version_or_name_and_scalars_by_themselves() -> None:
    text = "v: [{name: a}, # one\n {name: b}] # two\nw:\n- x # ex\n- k # why\n"
    canonical: Plain = {"v": [{"name": "b"}, {"name": "a"}], "w": ["k", "z"]}
    assert formatted(text, canonical) == "v:  # two\n- name: b\n- name: a  # one\nw:\n# ex\n- k  # why\n- z\n"


def test_the_comments_of_a_large_text_are_placed_in_linear_time() -> None:
    text = "a:\n" + "".join(f"- x{n} # {n}\n# above {n}\n" for n in range(4000))
    started = time.perf_counter()
    result = format_text(text, {"a": [f"x{n}" for n in range(1, 4000)]})
    assert time.perf_counter() - started < 3
    assert result.count("#") == 8000
