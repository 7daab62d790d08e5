"""Gitea's dialect: anchored regular expressions that all add up, matched in linear time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.core.owners import FaultKind, parse
from stagedoor.core.owners.expressions import MAX_LENGTH, Expression, NotAnExpression, check

# https://docs.gitea.com/usage/code-owners
EXAMPLE = r"""
.*\\.go @user1 @user2 # This is comment
# Comment too
frontend/src/.*\\.js @org1/team1 @org1/team2 @user3
!frontend/src/.* @org1/team3 @user5
docs/(aws|google|azure)/[^/]*\\.(md|txt) @user8 @org1/team4
dir/with\#hashtag @user9
path\ with\ space @user10
path/with\\\\backslash @user11
"""


def owners_at(text: str, path: str) -> list[tuple[str, ...]]:
    return [line.owners for line in parse(text, dialect="gitea").matches(path)]


def test_all_matching_rules_add_up() -> None:
    assert owners_at(EXAMPLE, "cmd/main.go") == [("@user1", "@user2"), ("@org1/team3", "@user5")]
    assert owners_at(EXAMPLE, "frontend/src/a.js") == [("@org1/team1", "@org1/team2", "@user3")]
    assert ("@user8", "@org1/team4") in owners_at(EXAMPLE, "docs/aws/x.md")
    assert ("@user8", "@org1/team4") not in owners_at(EXAMPLE, "docs/aws/y/x.md")
    assert parse(EXAMPLE, dialect="gitea").faults == ()


def test_hash_blank_and_backslash_are_escaped_with_a_backslash() -> None:
    assert ("@user9",) in owners_at(EXAMPLE, "dir/with#hashtag")
    assert ("@user10",) in owners_at(EXAMPLE, "path with space")
    assert ("@user11",) in owners_at(EXAMPLE, "path/with\\backslash")


def test_one_backslash_is_taken_off_before_the_expression_is_read() -> None:
    owners = parse(r"a\.go @a", dialect="gitea")
    assert owners.match("axgo") is not None
    assert [fault.kind for fault in owners.faults] == [FaultKind.OTHER_DIALECT]


def test_the_anchors_stand_around_the_text_and_not_around_its_branches() -> None:
    assert owners_at("a|b @x", "a-and-more") == [("@x",)]
    assert owners_at("a|b @x", "more-and-b") == [("@x",)]
    assert owners_at("(a|b) @x", "a-and-more") == []


@pytest.mark.parametrize(
    ("text", "kind", "counts"),
    [
        ("* @a", FaultKind.OTHER_DIALECT, False),
        ("*.js @a", FaultKind.OTHER_DIALECT, False),
        ("/docs/ @a", FaultKind.OTHER_DIALECT, True),
        ("docs/ @a", FaultKind.OTHER_DIALECT, True),
        ("docs/* @a", FaultKind.OTHER_DIALECT, True),
        ("registry_spec/models/*.yaml @a", FaultKind.OTHER_DIALECT, True),
        ("(a @a", FaultKind.BAD_PATTERN, False),
        ("(?=a)b @a", FaultKind.BAD_PATTERN, False),
        (r"(a)\\1 @a", FaultKind.BAD_PATTERN, False),
        ("a.*", FaultKind.NO_OWNER, False),
        ("a.* ann@example.com", FaultKind.BAD_OWNER, False),
        ("a.* @a @b/c/d", FaultKind.BAD_OWNER, True),
    ],
)
def test_a_line_that_gitea_skips_or_reads_differently_is_a_fault(text: str, kind: FaultKind, counts: bool) -> None:
    owners = parse(text, dialect="gitea")
    assert owners.faults[0].kind is kind
    assert bool(owners.lines) is counts


def test_the_at_sign_of_an_owner_may_be_left_out() -> None:
    assert parse("a.* ann @ann bob/team", dialect="gitea").lines[0].owners == ("@ann", "@bob/team")


def test_the_order_of_lines_means_nothing() -> None:
    lines = [r"a.* @a", r".*\\.py @b", r"!b.* @c", r"a/b @d"]
    for path in ("a/b", "a/x.py", "b/x.py", "c"):
        assert set(owners_at("\n".join(lines), path)) == set(owners_at("\n".join(lines[::-1]), path))


# --- expressions ------------------------------------------------------------------------------------------------------

READ_ALIKE = [
    ("a{2,3}", "aa", True),
    ("a{2,3}", "aaaa", False),
    ("a{2}", "aaa", False),
    ("a{2,}", "aaaaa", True),
    ("a{0}b", "b", True),
    ("a{x}", "a{x}", True),
    ("a+?b", "aab", True),
    ("(?:ab)*", "abab", True),
    ("(ab|cd)+e", "abcde", True),
    ("(a|)b", "b", True),
    ("[a-c]x", "bx", True),
    ("[^a-c]x", "bx", False),
    ("[]a]", "]", True),
    ("[^]a]", "]", False),
    ("[a-]", "-", True),
    (r"[\d_-]+", "1_-", True),
    (r"\w+\.\w+", "a.b", True),
    (r"\S+", "a b", False),
    (r"\D", "1", False),
    (r"a\/b", "a/b", True),
    (r"\Aa\z", "a", True),
    ("a.c", "a\nc", False),
    ("", "", True),
    ("", "a", False),
    ("^a$", "a", True),
    ("a$b", "ab", False),
    ("ü+", "üü", True),
]


@pytest.mark.parametrize(("text", "path", "expected"), READ_ALIKE)
def test_an_expression_matches_the_whole_path(text: str, path: str, expected: bool) -> None:
    assert Expression(text).matches(path) is expected


REFUSED = [
    "a**",
    "a*+",
    "+a",
    "a)",
    "(a",
    "[a",
    "a[\\",
    "[b-a]",
    "(?i)a",
    "(?<n>a)",
    "[[:alpha:]]",
    r"\p{L}",
    r"\bx",
    r"\1",
]
BEYOND = ["a{1001}", "a{3,2}", "(?!a)", "((a{99}){99}){99}", "(" * 60 + ")" * 60, "a" * (MAX_LENGTH + 1), "^*"]


@pytest.mark.parametrize("text", [*REFUSED, *BEYOND])
def test_an_expression_that_not_every_gitea_reads_alike_is_refused(text: str) -> None:
    with pytest.raises(NotAnExpression):
        check(text)


leaves = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "/", r"\w", "(?:)"])
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda body, sign: f"(?:{body}){sign}", inner, st.sampled_from(["*", "+", "?", "{1,2}", "{2}", "*?"])
        ),
        st.builds(lambda left, right: left + right, inner, inner),
        st.builds(lambda left, right: f"(?:{left}|{right})", inner, inner),
        st.builds(lambda left, right: f"{left}|{right}", inner, inner),
    ),
    max_leaves=6,
)


@given(expressions, st.text("ab/\n", max_size=7))
def test_the_automaton_agrees_with_a_backtracking_engine(text: str, path: str) -> None:
    assert Expression(text).matches(path) is (re.search(f"^{text}\\Z", path) is not None)


@pytest.mark.parametrize("text", ["(a+)+b", "(a|a)*b", ".*.*.*.*.*.*x", "(.*a){12}b", "(a?){40}a{40}b"])
def test_no_expression_blows_up(text: str) -> None:
    begin = time.perf_counter()
    assert not Expression(text).matches("a" * 4_000)
    assert time.perf_counter() - begin < 1
