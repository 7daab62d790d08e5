"""GitHub's dialect: which line counts for a path, and which lines are skipped."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.core.owners import LOCATIONS, Dialect, FaultKind, parse

Case = tuple[str, str, str, list[str] | None]
CASES: list[Case] = json.loads((Path(__file__).parent / "github_cases.json").read_text(encoding="utf-8"))


def owners_at(text: str, path: str) -> list[str] | None:
    line = parse(text).match(path)
    return None if line is None else list(line.owners)


@pytest.mark.parametrize(("name", "text", "path", "owners"), CASES, ids=[case[0] for case in CASES])
def test_a_case_of_the_shared_corpus(name: str, text: str, path: str, owners: list[str] | None) -> None:
    assert owners_at(text, path) == owners


# A second reading of the documented rules:
# https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
# https://git-scm.com/docs/gitignore#_pattern_format
MATCHES = [
    # pattern, path, whether it matches
    ("*", "a", True),
    ("*", ".github/workflows/x.yaml", True),
    ("**", "a/b/c", True),
    ("**/*", "a/b/c", True),
    ("/**", "a", True),
    ("*.js", "a/b/x.js", True),
    ("*.js", "x.jsx", False),
    ("*.js", "x.js/inside", True),
    ("/*.js", "x.js", True),
    ("/*.js", "a/x.js", False),
    ("/*", "a", True),
    ("/*", "a/b", False),
    ("/*/", "a", False),
    ("/*/", "a/b", True),
    ("/*/", "a/b/c", True),
    ("/f*", "foo/bar", True),
    ("f*/", "foo", False),
    ("f*/", "x/foo/y", True),
    ("/build/logs/", "build/logs", False),
    ("/build/logs", "build/logs", True),
    ("/build/logs", "build/logs/a", True),
    ("/build/logs", "build/logs2/a", False),
    ("build/logs/", "x/build/logs/a", False),
    ("docs/*", "docs/x/y", False),
    ("docs/**", "docs/x/y", True),
    ("docs/**/", "docs/x/y", True),
    ("docs/**/*", "docs/x", True),
    ("docs/*.md", "docs/a.md", True),
    ("docs/*.md", "docs/.md", True),
    ("docs/*.md", "docs/x/a.md", False),
    ("a/*/c", "a/b/c", True),
    ("a/*/c", "a/b/c/d", True),
    ("a/*/c", "a/c", False),
    ("a/*/*", "a/b/c", True),
    ("a/*/*", "a/b/c/d", False),
    ("**/foo/bar", "foo/bar", True),
    ("**/foo/bar", "x/y/foo/bar/z", True),
    ("**/foo/bar", "foo/x/bar", False),
    ("a/**/b/**/c", "a/b/c", True),
    ("a/**/b/**/c", "a/x/b/y/z/c", True),
    ("a/**/b/**/c", "a/x/c/y/b", False),
    ("a/**/b/c", "a/b/x/b/c", True),
    ("a/**b/c", "a/xb/c", True),
    ("a/**b/c", "a/x/b/c", False),
    ("/a*b*c", "axxbxbxc", True),
    ("/a*b*c", "ab/c", False),
    ("/??", "ab", True),
    ("/??", "a", False),
    ("/a\\*b", "a*b", True),
    ("/a\\*b", "axb", False),
    ("/a\\?b", "a?b", True),
    ("/a\\?b", "axb", False),
    ("/a\\\\b", "a\\b", True),
    ("/a\\ b", "a b", True),
    ("/a{b,c}", "ab", False),
    ("/a{b,c}", "a{b,c}", True),
    ("/a|b", "a|b", True),
    ("/a$", "a$", True),
    ("/a^", "a^", True),
    ("/wow!", "wow!", True),
    ("/größe.md", "größe.md", True),
    ("/a//b", "a/b", False),
    ("/@scope/x", "@scope/x", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_a_pattern_matches_as_documented(pattern: str, path: str, expected: bool) -> None:
    assert (parse(f"{pattern} @a").match(path) is not None) is expected


FAULTS = [
    ("!x @a", FaultKind.BAD_PATTERN),
    ("[abc].py @a", FaultKind.BAD_PATTERN),
    ("[Section] @a", FaultKind.BAD_PATTERN),
    ("\\#x @a", FaultKind.BAD_PATTERN),
    ("/a\\#x @a", FaultKind.BAD_PATTERN),
    ("a/*** @a", FaultKind.BAD_PATTERN),
    ("/ @a", FaultKind.BAD_PATTERN),
    ("/a\\", FaultKind.BAD_PATTERN),
    ("/a\u00a0@ann", FaultKind.BAD_PATTERN),
    ("* @", FaultKind.BAD_OWNER),
    ("* ann", FaultKind.BAD_OWNER),
    ("* @a @b/c/d", FaultKind.BAD_OWNER),
    ("* @ann.lee", FaultKind.BAD_OWNER),
    ("* ann@nowhere", FaultKind.BAD_OWNER),
    ("* @a,@b", FaultKind.BAD_OWNER),
    ("* @a\u00a0@b", FaultKind.BAD_OWNER),
]


@pytest.mark.parametrize(("text", "kind"), FAULTS)
def test_a_line_that_github_skips_is_a_fault_and_no_rule(text: str, kind: FaultKind) -> None:
    owners = parse(f"* @before\n{text}")
    assert [(fault.number, fault.text, fault.kind) for fault in owners.faults] == [(2, text, kind)]
    assert [line.number for line in owners.lines] == [1]


def test_a_hash_in_the_middle_of_a_word_begins_a_comment_and_is_told() -> None:
    owners = parse("* @a\n/x#y @b")
    assert owners.lines[1].pattern == "/x"
    assert owners.lines[1].owners == ()
    assert [fault.kind for fault in owners.faults] == [FaultKind.INLINE_COMMENT]


def test_an_owner_named_twice_counts_once_in_its_first_spelling() -> None:
    assert parse("* @Ann @bob @ann @Ann").lines[0].owners == ("@Ann", "@bob")


def test_lines_keep_their_number_over_comments_and_blanks() -> None:
    owners = parse("\ufeff# first\r\n\r\n  # indented\r\n  *.py\t @a \r\n")
    assert [(line.number, line.pattern, line.owners) for line in owners.lines] == [(4, "*.py", ("@a",))]
    assert owners.faults == ()


def test_a_leading_slash_of_the_path_means_nothing() -> None:
    assert parse("/a/b @x").match("/a/b") == parse("/a/b @x").match("a/b") is not None


def test_a_file_above_3_mb_is_not_loaded_at_all() -> None:
    owners = parse("* @a\n" + "#" * (3 * 1024 * 1024))
    assert owners.lines == ()
    assert [fault.kind for fault in owners.faults] == [FaultKind.TOO_BIG]


def test_a_file_of_3_mb_is_loaded() -> None:
    text = "* @a\n"
    assert parse(text + "#" * (3 * 1024 * 1024 - len(text))).match("x") is not None


def test_the_places_of_each_forge_stand_in_its_order() -> None:
    assert LOCATIONS["github"] == (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
    assert LOCATIONS["gitlab"] == ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
    assert LOCATIONS["gitea"][:3] == ("CODEOWNERS", "docs/CODEOWNERS", ".gitea/CODEOWNERS")


# --- laws -----------------------------------------------------------------------------------------------------------


def naive(pattern: str, path: str) -> bool:
    """GitHub's rules once more, written to be read: by recursion over segments and characters, exponential."""
    segments = pattern.split("/")
    if segments[0] == "":
        segments = segments[1:]
    elif len(segments) == 1 or (len(segments) == 2 and segments[1] == ""):
        segments = ["**", *segments]
    if segments[-1] == "":
        segments = [*segments[:-1], "**"]
    one_level = segments[-1] == "*"
    names = path.split("/")

    def word(glob: str, name: str) -> bool:
        if glob == "":
            return name == ""
        if glob[0] == "*":
            return word(glob[1:], name) or (name != "" and word(glob, name[1:]))
        return name != "" and glob[0] in {"?", name[0]} and word(glob[1:], name[1:])

    def row(globs: list[str], rest: list[str]) -> bool:
        if not globs:
            return not rest or not one_level
        if globs[0] == "**":
            if len(globs) == 1:
                return bool(rest)
            return row(globs[1:], rest) or (bool(rest) and row(globs, rest[1:]))
        return bool(rest) and word(globs[0], rest[0]) and row(globs[1:], rest[1:])

    return row(segments, names)


names = st.text("ab.", min_size=1, max_size=4)
paths = st.lists(names, min_size=1, max_size=5).map("/".join)
globs = st.lists(
    st.one_of(st.just("**"), st.just("*"), st.text("ab.*?", min_size=1, max_size=5)), min_size=1, max_size=5
)
patterns = st.builds(
    lambda lead, middle, tail: lead + "/".join(middle) + tail,
    st.sampled_from(["", "/"]),
    globs,
    st.sampled_from(["", "/"]),
).filter(lambda pattern: "***" not in pattern)
owner_names = st.sampled_from(["@a", "@b", "@c/d", "e@example.com"])
rule_lines = st.builds(
    lambda pattern, owners: " ".join([pattern, *owners]), patterns, st.lists(owner_names, max_size=3)
)
files = st.lists(rule_lines, max_size=6)


@given(patterns, paths)
def test_the_compiled_pattern_agrees_with_the_naive_one(pattern: str, path: str) -> None:
    assert (parse(f"{pattern} @a").match(path) is not None) is naive(pattern, path)


@given(files, paths)
def test_the_last_matching_line_wins(lines: list[str], path: str) -> None:
    expected = max((n for n, line in enumerate(lines, 1) if naive(line.split()[0], path)), default=None)
    found = parse("\n".join(lines)).match(path)
    assert (found and found.number) == expected


@given(files, paths, st.integers(0, 6))
def test_an_unrelated_line_changes_nothing(lines: list[str], path: str, at: int) -> None:
    more = [*lines[:at], "/elsewhere/ @z", *lines[at:]]
    before, after = parse("\n".join(lines)).match(path), parse("\n".join(more)).match(path)
    assert (before and (before.pattern, before.owners)) == (after and (after.pattern, after.owners))


@given(files, paths)
def test_matches_is_match_on_github(lines: list[str], path: str) -> None:
    owners = parse("\n".join(lines))
    assert owners.matches(path) == tuple(line for line in [owners.match(path)] if line)


@given(st.one_of(st.text(), st.text("@a /*[]^!#\\ \t\n\r.(){}?+|\ufeff1", max_size=60)), st.text(max_size=8))
@pytest.mark.parametrize("dialect", ["github", "gitlab", "gitea"])
def test_no_text_makes_the_parser_fail(dialect: Dialect, text: str, path: str) -> None:
    owners = parse(text, dialect=dialect)
    owners.matches(path)
    assert all(a.number <= b.number for a, b in pairwise(owners.lines))
    assert all(a.number <= b.number for a, b in pairwise(owners.faults))
