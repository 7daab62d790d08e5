"""Editing a CODEOWNERS file changes one line, and leaves what a person wrote."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stagedoor.core.owners import (
    Level,
    escape_pattern,
    owners_of,
    parse,
    rule_for,
    set_owners,
    stage_pattern,
    unset_owners,
)
from stagedoor.errors import BadInput

MODELS = "/registry_spec/models/energy/*.yaml"


def test_the_owners_of_a_line_change_and_nothing_else() -> None:
    text = "# who\n\n  /a   @x  @y\t # because\n/b @z"
    assert set_owners(text, "/a", ["@n", "e@example.com"]) == "# who\n\n  /a   @n e@example.com\t # because\n/b @z"


def test_the_same_owners_change_no_byte() -> None:
    text = "/a   @x\t@y   # because"
    assert set_owners(text, "/a", ["@x", "@y"]) == text


def test_line_ends_and_the_byte_order_mark_stay() -> None:
    text = "\ufeff/a @x\r\n/b @y\r\n"
    assert set_owners(text, "/a", ["@n"]) == "\ufeff/a @n\r\n/b @y\r\n"
    assert set_owners(text, "/c", ["@n"]) == "\ufeff/a @x\r\n/b @y\r\n/c @n\r\n"
    assert set_owners("/a @x", "/c", ["@n"]) == "/a @x\n/c @n"
    assert set_owners("\ufeff/a/@P @x\n", "/a", ["@n"]) == "\ufeff/a @n\n/a/@P @x\n"
    assert set_owners("", "/c", ["@n"]) == "/c @n\n"


def test_no_owners_take_ownership_away() -> None:
    assert set_owners("* @a\n/x @b # gone\n", "/x", []) == "* @a\n/x # gone\n"
    assert set_owners("* @a\n/x # gone\n", "/x", ["@b"]) == "* @a\n/x @b # gone\n"
    assert set_owners("* @a\n", "/x", []) == "* @a\n/x\n"


def test_an_owner_named_twice_is_written_once() -> None:
    assert set_owners("", "/x", ["@b", "@B"]) == "/x @b\n"


def test_a_line_with_a_fault_is_mended() -> None:
    assert set_owners("/x bob\n", "/x", ["@bob"]) == "/x @bob\n"


def test_of_twins_the_last_one_counts_and_changes() -> None:
    assert set_owners("/x @a\n/x @b\n", "/x", ["@c"]) == "/x @a\n/x @c\n"


def test_a_stage_line_comes_behind_its_kin() -> None:
    text = f"{MODELS} @ann\n{MODELS}/@Staging @bob\n\n# others\n/docs/ @eve\n"
    assert set_owners(text, f"{MODELS}/@Production", ["@carol"]) == (
        f"{MODELS} @ann\n{MODELS}/@Staging @bob\n{MODELS}/@Production @carol\n\n# others\n/docs/ @eve\n"
    )


def test_a_stage_line_comes_below_what_would_swallow_it() -> None:
    text = f"{MODELS} @ann\n/registry_spec/ @all\n/docs/ @eve\n"
    assert set_owners(text, f"{MODELS}/@Production", ["@carol"]) == (
        f"{MODELS} @ann\n/registry_spec/ @all\n{MODELS}/@Production @carol\n/docs/ @eve\n"
    )


def test_a_swallowed_line_moves_with_its_comment() -> None:
    text = f"{MODELS}/@Production  @ann # gate\n* @all\n"
    assert set_owners(text, f"{MODELS}/@Production", ["@carol"]) == f"* @all\n{MODELS}/@Production  @carol # gate\n"


def test_a_new_general_line_swallows_no_stage_line() -> None:
    text = f"/registry_spec/ @ops\n{MODELS}/@Production @carol\n"
    for pattern in (MODELS, "/registry_spec/models/energy/wind.yaml", "/registry_spec/models/"):
        after = set_owners(text, pattern, ["@ann"])
        assert after == f"/registry_spec/ @ops\n{pattern} @ann\n{MODELS}/@Production @carol\n"
        assert owners_of(parse(after), "registry_spec/models/energy/wind.yaml", Level.PRODUCTION) == ("@carol",)


def test_unset_takes_every_twin_and_nothing_else() -> None:
    text = "# a\r\n/x @a\r\n/y @b # keep\r\n /x @c # gone\r\n/x/y @d"
    assert unset_owners(text, "/x") == "# a\r\n/y @b # keep\r\n/x/y @d"
    assert unset_owners(text, "/z") == text


@pytest.mark.parametrize(
    ("pattern", "owners"),
    [
        ("", ["@a"]),
        ("a b", ["@a"]),
        ("!a", ["@a"]),
        ("/[a]", ["@a"]),
        ("/a#b", ["@a"]),
        ("/a\nb", ["@a"]),
        ("/a", ["ann"]),
        ("/a", ["@a # b"]),
        ("/a", ["@a\n* @evil"]),
        ("/a\n* @evil", ["@a"]),
    ],
)
def test_what_codeowners_cannot_say_is_refused(pattern: str, owners: list[str]) -> None:
    with pytest.raises(BadInput):
        set_owners("* @a\n", pattern, owners)


@pytest.mark.parametrize("path", ["", "a#b", "a[b", "a]b", "!a", "a\nb", "a\tb", "a\u00a0b", "a\x7fb", "a\u202eb"])
def test_a_path_that_codeowners_cannot_say_is_refused(path: str) -> None:
    with pytest.raises(BadInput):
        escape_pattern(path)


def test_blanks_and_wildcards_in_a_path_are_escaped() -> None:
    assert escape_pattern("models/a b*?\\c.yaml") == "models/a\\ b\\*\\?\\\\c.yaml"
    assert stage_pattern("models/a b.yaml", "Ready to go") == "/models/a\\ b.yaml/@Ready\\ to\\ go"


# --- laws -----------------------------------------------------------------------------------------------------------

words = st.text("ab *?\\.é", min_size=1, max_size=5).filter(lambda word: word.strip() == word)
literals = st.lists(words, min_size=1, max_size=3).map("/".join)
stages = st.sampled_from(["Production", "Staging", "a b", "x*"])
owner_lists = st.lists(st.sampled_from(["@a", "@b", "@c/d", "e@example.com"]), max_size=3, unique=True)
patterns = st.sampled_from(["*", "/a/", "/a/*", "*.b", "a", "/a/*/@Production", "/**/@Staging", "/b", "[x]", "# c", ""])
lines = st.builds(lambda p, o, c: " ".join([p, *o]) + c, patterns, owner_lists, st.sampled_from(["", " # why", "\t#"]))
texts = st.builds(
    lambda rows, end, last: end.join(rows) + (end if last else ""),
    st.lists(lines, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


@given(texts, literals, owner_lists)
def test_after_setting_the_path_has_these_owners(text: str, path: str, owners: list[str]) -> None:
    pattern = "/" + escape_pattern(path)
    line = parse(set_owners(text, pattern, owners)).match(path)
    assert line is not None
    assert (line.pattern, line.owners) == (pattern, tuple(owners))


@given(texts, literals, stages, owner_lists)
def test_after_setting_the_stage_has_these_owners(text: str, path: str, stage: str, owners: list[str]) -> None:
    after = set_owners(text, stage_pattern(path, stage), owners)
    assert [line.owners for line in rule_for(parse(after), path, stage)] == [tuple(owners)]


@given(texts, literals, owner_lists)
def test_setting_twice_is_setting_once(text: str, path: str, owners: list[str]) -> None:
    once = set_owners(text, "/" + escape_pattern(path), owners)
    assert set_owners(once, "/" + escape_pattern(path), owners) == once


@given(texts, literals, owner_lists)
def test_a_new_line_can_be_taken_out_again(text: str, path: str, owners: list[str]) -> None:
    pattern = "/" + escape_pattern(path)
    assume(all(line.pattern != pattern for line in parse(text).lines))
    back = unset_owners(set_owners(text, pattern, owners), pattern)
    assert back in {text, text + "\n", text + "\r\n"}


@given(texts, st.sampled_from(["/a/", "/a/*", "*.b", "/b"]), owner_lists)
def test_every_other_line_stays_as_it_was(text: str, pattern: str, owners: list[str]) -> None:
    def others(whole: str) -> list[str]:
        return [row for row in whole.replace("\r\n", "\n").split("\n") if row and row.split()[:1] != [pattern]]

    assert others(set_owners(text, pattern, owners)) == others(text)
    assert others(unset_owners(text, pattern)) == others(text)


@given(literals)
def test_an_escaped_path_means_that_path_and_no_other(path: str) -> None:
    owners = parse(f"/{escape_pattern(path)} @a")
    assert owners.match(path) is not None
    assert owners.match(path + "x") is None
