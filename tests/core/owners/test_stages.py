"""Who may do what with a model: the decision table of `stages`, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.core.owners import EVERYONE, Dialect, Level, OwnersFile, levels, owners_of, parse, right_for, rule_for

FILE = "registry_spec/models/energy/wind.yaml"
MODELS = "/registry_spec/models/energy/*.yaml"

DESIGN = f"""/registry_spec/ @ml/platform
{MODELS} @ann @bob @carol
{MODELS}/@Staging @bob @carol
{MODELS}/@Production @carol
{MODELS}/@champion @carol
{MODELS}/@Manage @dave
"""


def may(text: str, right: Level | str | None, dialect: Dialect = "github") -> str:
    return " ".join(owners_of(parse(text, dialect=dialect), FILE, right))


def numbers(owners: OwnersFile, suffix: str | None) -> list[int]:
    return [line.number for line in rule_for(owners, FILE, suffix)]


def test_the_levels_of_the_design() -> None:
    assert {level.databricks: may(DESIGN, level) for level in Level} == {
        "CAN_READ": EVERYONE,
        "CAN_EDIT": "@ann @bob @carol @dave",
        "CAN_MANAGE_STAGING_VERSIONS": "@bob @carol @dave",
        "CAN_MANAGE_PRODUCTION_VERSIONS": "@carol @dave",
        "CAN_MANAGE": "@dave",
    }
    assert may(DESIGN, "champion") == "@carol @dave"


def test_a_level_can_be_asked_for_by_its_suffix() -> None:
    for level in Level:
        assert may(DESIGN, level) == may(DESIGN, level.suffix)


def test_the_lines_of_each_level_are_those_that_hold_it_directly() -> None:
    found = levels(parse(DESIGN), FILE)
    assert {level.name: [line.number for line in lines] for level, lines in found.items()} == {
        "READ": [],
        "EDIT": [2],
        "STAGING": [3],
        "PRODUCTION": [4],
        "MANAGE": [6],
    }


# The lines behind `MODELS @a @b` -> holders, by their letters, of
#                                    EDIT    STAGING PRODUCTION MANAGE Shadow Archived
TABLE = [
    ("",                              "ab    ab    ab   ab  ab    ab"),
    ("@Manage @d",                    "abd   abd   abd  d   abd   abd"),
    ("@Production @c",                "abc   abc   c    ab  abc   abc"),
    ("@Staging @c",                   "abc   c     ab   ab  abc   c"),
    ("@Staging @b; @Production @c",   "abc   bc    c    ab  abc   bc"),
    ("@Shadow @c",                    "ab    ab    ab   ab  c     ab"),
    ("@Shadow @e; @Production @c; @Manage @d", "abcd abcd cd d ecd abcd"),
    ("@Shadow @e; @Staging @c",       "abc   c     ab   ab  e     c"),
    ("@Production",                   "ab    ab    -    ab  ab    ab"),
    ("@Production; @Manage @d",       "abd   abd   d    d   abd   abd"),
    ("@* @c",                         "abc   c     c    c   c     c"),
    ("@Archived @e",                  "ab    ab    ab   ab  ab    e"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), TABLE, ids=[lines or "no stage line" for lines, _ in TABLE])
def test_the_decision_table(lines: str, expected: str) -> None:
    text = f"{MODELS} @a @b\n" + "".join(f"{MODELS}/{line}\n" for line in lines.split("; ") if line)
    asked: list[Level | str] = [*list(Level)[1:], "Shadow", "Archived"]
    held = [may(text, right).replace("@", "").replace(" ", "") or "-" for right in asked]
    assert held == expected.split()


def test_everyone_may_read_until_a_line_says_who() -> None:
    assert may(f"{MODELS} @ann", Level.READ) == EVERYONE
    assert may("", Level.READ) == EVERYONE
    read = f"{MODELS} @ann\n{MODELS}/@Read @guest\n{MODELS}/@Production @carol"
    assert may(read, Level.READ) == "@guest @ann @carol"
    assert [line.owners for line in levels(parse(read), FILE)[Level.READ]] == [("@guest",)]


def test_without_a_manage_line_the_owners_of_the_file_manage_it_and_stay_out_of_production() -> None:
    text = f"{MODELS} @ann\n{MODELS}/@Production @carol"
    assert may(text, Level.MANAGE) == "@ann"
    assert may(text, Level.PRODUCTION) == "@carol"


def test_unowned_is_refused() -> None:
    for right in list(Level)[1:]:
        assert may("/elsewhere/ @a", right) == ""
        assert may(f"* @a\n{MODELS}", right) == ""


def test_one_level_wildcards_own_the_stages_of_their_files() -> None:
    owners = parse("/registry_spec/models/energy/* @ann")
    assert owners.match(f"{FILE}/@Production") is None
    assert numbers(owners, "Production") == [1]


def test_a_later_general_line_swallows_a_stage_line() -> None:
    assert may(f"{MODELS}/@Production @carol\n/registry_spec/ @all", Level.PRODUCTION) == "@all"


def test_a_folder_line_hands_out_no_stage_of_a_file_beside_the_folders() -> None:
    # both were written for models/TEAM/…, and as text they match models/wind.yaml/@Production
    for folders in ("/registry_spec/models/energy/*/", "/registry_spec/models/energy/*/*"):
        text = f"{MODELS} @ann\n{MODELS}/@Production @carol\n{folders} @interns"
        assert may(text, Level.PRODUCTION) == "@carol"


def test_archived_and_none_are_moves_of_staging_owners() -> None:
    text = f"{MODELS} @ann\n{MODELS}/@Staging @bob\n{MODELS}/@Production @carol"
    for stage in ("Archived", "None"):
        assert may(text, stage) == "@bob @carol"
        assert numbers(parse(text), stage) == [2]


def test_an_alias_falls_back_to_who_may_edit() -> None:
    text = f"{MODELS} @ann\n{MODELS}/@Manage @dave"
    assert may(text, "champion") == "@ann @dave"


@pytest.mark.parametrize("suffix", ["", "a/b", "/", "Production/x"])
def test_a_suffix_that_names_nothing_is_refused(suffix: str) -> None:
    assert may("* @a", suffix) == ""
    assert rule_for(parse("* @a"), FILE, suffix) == ()


def test_a_stage_may_have_blanks_and_wildcards_in_its_name() -> None:
    text = f"* @a\n{MODELS}/@Ready\\ to\\ go @b\n{MODELS}/@100%\\* @c\n{MODELS}/@état @d"
    assert may(text, "Ready to go") == "@b"
    assert may(text, "100%*") == "@c"
    assert may(text, "100%x") == "@a"
    assert may(text, "état") == "@d"


def test_stages_are_told_apart_by_case() -> None:
    assert numbers(parse(f"* @a\n{MODELS}/@Production @b"), "production") == [1]


def test_a_file_whose_own_name_begins_with_an_at_sign_is_a_file() -> None:
    owners = parse("/models/@wind.yaml @ann")
    assert owners_of(owners, "models/@wind.yaml", Level.PRODUCTION) == ("@ann",)
    assert not right_for(owners, "models/@wind.yaml", "Production").explicit


def test_the_leading_slash_of_a_file_means_nothing() -> None:
    assert owners_of(parse(DESIGN), f"/{FILE}", Level.PRODUCTION) == owners_of(parse(DESIGN), FILE, Level.PRODUCTION)


def test_on_gitlab_stage_lines_count_alone_whatever_other_sections_say() -> None:
    text = f"* @all\n[Models]\n{MODELS} @ann\n[Gate][2]\n{MODELS}/@Production @carol @dave"
    assert may(text, Level.EDIT, "gitlab") == "@all @ann @carol @dave"
    assert may(text, Level.PRODUCTION, "gitlab") == "@carol @dave"
    assert [line.required for line in rule_for(parse(text, dialect="gitlab"), FILE, "Production")] == [2]


def test_on_gitlab_a_later_line_of_the_same_section_swallows_a_stage_line() -> None:
    text = f"[Gate]\n{MODELS}/@Production @carol\n/registry_spec/ @all"
    assert may(text, Level.PRODUCTION, "gitlab") == "@all"


def test_on_gitlab_optional_owners_count_only_where_nobody_else_does() -> None:
    assert may("* @all\n^[Watch]\n* @eve", Level.EDIT, "gitlab") == "@all"
    assert may("^[Watch]\n* @eve", Level.EDIT, "gitlab") == "@eve"


def test_on_gitlab_an_excluded_file_is_unowned_in_the_section() -> None:
    assert may(f"* @all\n!{MODELS}", Level.PRODUCTION, "gitlab") == ""
    assert may(f"* @all\n!{MODELS}/@Production\n[B]\n* @b", Level.PRODUCTION, "gitlab") == "@b"


def test_on_gitea_stage_lines_count_alone() -> None:
    text = r"registry_spec/.* @ann" + "\n" + r"registry_spec/models/[^/]*/[^/]*\\.yaml/@Production @carol"
    assert may(text, Level.EDIT, "gitea") == "@ann @carol"
    assert may(text, Level.PRODUCTION, "gitea") == "@carol"
    assert may(text, Level.STAGING, "gitea") == "@ann @carol"


# --- laws -----------------------------------------------------------------------------------------------------------

pattern = st.sampled_from(["*", "/registry_spec/", MODELS, f"/{FILE}", "*.yaml", "/registry_spec/models/*/*", "/x/"])
stage = st.sampled_from(["", "/@Read", "/@Staging", "/@Production", "/@Manage", "/@*", "/@champion"])
owner = st.lists(st.sampled_from(["@ann", "@bob", "@carol", "@dave"]), max_size=2, unique=True)
texts = st.lists(st.builds(lambda p, s, o: " ".join([p + s, *o]), pattern, stage, owner), max_size=8).map("\n".join)


@given(texts)
def test_the_last_line_that_matches_the_file_or_its_stage_counts(text: str) -> None:
    owners = parse(text)
    for suffix in ("Production", "champion"):
        hits = [line for line in owners.lines if parse(f"{line.pattern} @x").match(FILE)]
        stages = [line for line in owners.lines if "/@" in line.pattern]
        hits += [line for line in stages if parse(f"{line.pattern} @x").match(f"{FILE}/@{suffix}")]
        assert numbers(owners, suffix) == sorted(line.number for line in hits)[-1:]


@given(texts)
def test_who_holds_a_level_by_a_line_of_its_own_holds_all_below(text: str) -> None:
    owners = parse(text)
    for level in Level:
        right = right_for(owners, FILE, level.suffix)
        for lower in [lower for lower in Level if lower < level and right.explicit]:
            held = owners_of(owners, FILE, lower)
            assert held == (EVERYONE,) or set(right.owners) <= set(held)


@given(texts)
def test_a_guarded_production_is_held_by_nobody_but_its_owners_and_those_of_manage(text: str) -> None:
    owners = parse(text)
    rights = [right_for(owners, FILE, suffix) for suffix in ("Production", "Manage")]
    if rights[0].explicit:
        allowed = {name for right in rights if right.explicit for name in right.owners}
        assert set(owners_of(owners, FILE, Level.PRODUCTION)) == allowed
