"""GitLab's dialect: sections add up, no leading slash means any depth, and comments behind a rule are owners."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.core.owners import FaultKind, parse

# https://docs.gitlab.com/user/project/codeowners/reference/
# https://docs.gitlab.com/user/project/codeowners/advanced/


def owners_at(text: str, path: str) -> list[tuple[str, ...]]:
    return [line.owners for line in parse(text, dialect="gitlab").matches(path)]


MATCHES = [
    ("*", "a/b", True),
    ("README.md", "README.md", True),
    ("README.md", "app/lib/README.md", True),
    ("internal/README.md", "docs/api/internal/README.md", True),  # GitHub anchors this one
    ("/README.md", "docs/README.md", False),
    ("/docs/", "docs/a/b", True),
    ("/docs/", "docs", False),
    ("docs/", "x/docs/a", True),
    ("/docs", "docs/a", False),  # on GitHub a name stands for the folder too
    ("docs", "docs", True),
    ("/docs/*", "docs/a", True),
    ("/docs/*", "docs/a/b", False),
    ("/docs/*.md", "docs/x/a.md", False),
    ("/docs/index.*", "docs/index.html", True),
    ("/docs/*spec*", "docs/qa_specs.rb", True),
    ("/docs/*/README.md", "docs/api/README.md", True),
    ("/docs/*/README.md", "docs/README.md", False),
    ("/docs/**/index.md", "docs/index.md", True),
    ("/docs/**/index.md", "docs/api/graphql/index.md", True),
    ("/docs/**", "docs/a", True),
    ("/docs/**", "docs/a/b", False),  # `**` at the end is `*`: it takes `**/` to go deeper
    ("/docs/**/*", "docs/a/b", True),
    ("*", ".gitignore", True),
    ("/a[bc].py", "ab.py", True),
    ("/a[bc].py", "ad.py", False),
    ("/a[!bc].py", "ad.py", True),
    ("/a[^b-d].py", "ac.py", False),
    ("/a[/]b", "a/b", False),
    ("/a[b", "a[b", False),
    ("/a[]b", "ab", False),
    ("\\#file.rb", "#file.rb", True),
    ("/a\\ b", "a b", True),
    ("/a?c", "a/c", False),
    ("/a\\*", "a*", True),
    ("/a\\*", "ab", False),
    ("/README.md", "readme.md", False),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_a_pattern_matches_as_documented(pattern: str, path: str, expected: bool) -> None:
    assert (owners_at(f"{pattern} @a", path) != []) is expected


README = """* @admin

[README Owners]
README.md @user1 @user2
internal/README.md @user4

[README other owners]
README.md @user3
"""


def test_every_section_counts_with_its_last_match() -> None:
    assert owners_at(README, "README.md") == [("@admin",), ("@user1", "@user2"), ("@user3",)]
    assert owners_at(README, "internal/README.md") == [("@admin",), ("@user4",), ("@user3",)]


def test_a_section_asks_for_a_number_of_approvals_and_may_be_optional() -> None:
    text = "[Docs][2] @docs\ndocs/\n^[Go]\n*.go @gopher\n[One][0]\n*.go @x"
    docs, go, one = parse(text, dialect="gitlab").lines
    assert (docs.section, docs.required, docs.optional, docs.owners) == ("Docs", 2, False, ("@docs",))
    assert (go.section, go.required, go.optional) == ("Go", 1, True)
    assert one.required == 1


def test_owners_on_a_line_replace_the_default_owners_of_the_section() -> None:
    text = "[Database] @database-team @agarcia\nmodel/db/\nconfig/db/setup.md @docs-team"
    assert owners_at(text, "model/db/x") == [("@database-team", "@agarcia")]
    assert owners_at(text, "config/db/setup.md") == [("@docs-team",)]


def test_sections_of_one_name_are_one_whatever_the_case() -> None:
    text = "[Docs]\n*.md @a\n[Other]\n*.md @b\n[DOCS]\nREADME.md @c"
    assert owners_at(text, "README.md") == [("@b",), ("@c",)]
    assert {line.section for line in parse(text, dialect="gitlab").lines} == {"Docs", "Other"}


def test_required_beats_optional_in_sections_of_one_name() -> None:
    text = "^[Docs]\n*.md @a\n[docs]\n*.txt @b"
    assert [line.optional for line in parse(text, dialect="gitlab").lines] == [False, False]


EXCLUSIONS = "* @default\n!*.rb\n/special/*.rb @ruby\n[Ruby]\n*.rb @ruby-team\n!/config/**/*.rb\n/config/routes.rb @ops"


def test_an_exclusion_holds_for_its_section_and_cannot_be_taken_back() -> None:
    assert owners_at(EXCLUSIONS, "special/x.rb") == [("@ruby-team",)]
    assert owners_at(EXCLUSIONS, "config/routes.rb") == []
    assert owners_at(EXCLUSIONS, "x.md") == [("@default",)]


def test_mentions_in_a_comment_behind_a_rule_are_owners() -> None:
    owners = parse("*.py @ann # ask @bob, or carol@example.com.", dialect="gitlab")
    assert owners.lines[0].owners == ("@ann", "@bob", "carol@example.com")
    assert [fault.kind for fault in owners.faults] == [FaultKind.INLINE_COMMENT]


def test_roles_groups_and_addresses_are_owners() -> None:
    line = "* @@developer @@Maintainers @group/with-nested/sub janedoe@gitlab.com @ann.lee"
    expected = ("@@developer", "@@Maintainers", "@group/with-nested/sub", "janedoe@gitlab.com", "@ann.lee")
    assert parse(line, dialect="gitlab").lines[0].owners == expected


def test_a_line_without_owners_stays_a_rule_that_gitlab_approves_itself() -> None:
    owners = parse("* @a\n/x\n/y bob", dialect="gitlab")
    assert [line.owners for line in owners.lines] == [("@a",), (), ()]
    assert [fault.kind for fault in owners.faults] == [FaultKind.NO_OWNER, FaultKind.BAD_OWNER, FaultKind.NO_OWNER]


def test_a_repeated_pattern_puts_the_later_owners_at_the_earlier_place() -> None:
    owners = parse("*.md @a\n/docs/ @b\n*.md @c", dialect="gitlab")
    assert owners_at("*.md @a\n/docs/ @b\n*.md @c", "docs/x.md") == [("@b",)]
    assert owners_at("*.md @a\n/docs/ @b\n*.md @c", "x.md") == [("@c",)]
    assert [(fault.number, fault.kind) for fault in owners.faults] == [(1, FaultKind.REPEATED_PATTERN)]


@pytest.mark.parametrize(
    "text", ["[abc\n* @a", "[]\n* @a", "^[A][2]\n* @a", "[A] (nobody)\n* @a", "[ab].py @a\n* @a", "[A] bob\n* @a"]
)
def test_a_header_that_gitlab_reads_differently_is_a_fault(text: str) -> None:
    assert FaultKind.BAD_SECTION in {fault.kind for fault in parse(text, dialect="gitlab").faults}


def test_a_huge_number_of_approvals_is_read_without_complaint() -> None:
    assert parse(f"[A][{'9' * 9000}]\n* @a", dialect="gitlab").lines[0].required > 1


sections = st.dictionaries(
    st.sampled_from(["A", "B", "C"]),
    st.lists(
        st.tuples(
            st.sampled_from(["*", "*.md", "/docs/", "!*.py", "docs/*", "/a/**/b.md"]), st.sampled_from(["@a", "@b"])
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda entry: entry[0],
    ),
    min_size=1,
)
paths = st.sampled_from(["x", "x.md", "docs/x.md", "docs/y/x.py", "a/b.md", "a/c/b.md"])


@given(sections, paths, st.randoms())
def test_the_order_of_sections_means_nothing(
    parts: dict[str, list[tuple[str, str]]], path: str, chance: random.Random
) -> None:
    def told(names: list[str]) -> set[tuple[str | None, tuple[str, ...]]]:
        text = "".join(f"[{name}]\n" + "".join(f"{p} {o}\n" for p, o in parts[name]) for name in names)
        return {(line.section, line.owners) for line in parse(text, dialect="gitlab").matches(path)}

    shuffled = list(parts)
    chance.shuffle(shuffled)
    assert told(list(parts)) == told(shuffled)
