"""Levels read from CODEOWNERS and written into it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.core.owners import EVERYONE, Level, owners_of, parse
from stagedoor.core.owners.grants import Grant, grants, registry_grants, with_grants, with_registry_grants
from stagedoor.errors import InvalidState

FILE = "registry_spec/models/fraud.yaml"
OTHER = "registry_spec/models/churn.yaml"
FOLDER = "registry_spec/models/"
ANN, BOB, CAROL, DAVE = (f"{name}@example.com" for name in ("ann", "bob", "carol", "dave"))
TEXT = f"""\
# who may
/registry_spec/ {CAROL}
/registry_spec/models/ {ANN} {BOB} {CAROL}  # the team
/registry_spec/models/*.yaml/@Staging {BOB} {CAROL}
/registry_spec/models/*.yaml/@Production {CAROL}
/registry_spec/models/*.yaml/@Manage {CAROL}
/registry_spec/models/*.yaml/@champion {CAROL}
"""
OPEN = f"/registry_spec/ {CAROL} {ANN}\n"


def direct(text: str, file: str = FILE) -> dict[str, Level]:
    """The direct grants."""
    return {one.owner: one.level for one in grants(text, file) if not one.is_inherited}


def inherited(text: str, file: str = FILE) -> dict[str, Level]:
    """The inherited ones."""
    return {one.owner: one.level for one in grants(text, file) if one.is_inherited}


def test_what_the_general_lines_say_is_inherited() -> None:
    assert grants(TEXT, FILE) == (
        Grant(CAROL, Level.MANAGE, True),
        Grant(BOB, Level.STAGING, True),
        Grant(ANN, Level.EDIT, True),
        Grant(EVERYONE, Level.READ, True),
    )


@pytest.mark.parametrize("text", [TEXT, OPEN, ""])
@pytest.mark.parametrize("level", [Level.EDIT, Level.STAGING, Level.PRODUCTION, Level.MANAGE])
def test_each_level_is_written_just_so(text: str, level: Level) -> None:
    made = with_grants(text, FILE, {DAVE: level})
    assert direct(made) == {DAVE: level}
    assert inherited(made).items() >= {o: lvl for o, lvl in inherited(text).items() if lvl < Level.MANAGE}.items()
    assert grants(made, OTHER) == grants(text, OTHER)
    assert with_grants(made, FILE, {DAVE: level}) == made
    assert with_grants(made, FILE, {}) == text


def test_a_line_of_its_own_never_opens_a_stage_to_who_was_kept_out() -> None:
    guarded = f"/registry_spec/models/ {ANN} {CAROL}\n/registry_spec/models/*.yaml/@Production {CAROL}\n"
    made = with_grants(guarded, FILE, {DAVE: Level.MANAGE})
    assert ANN not in owners_of(parse(made), FILE, Level.PRODUCTION)
    assert DAVE in owners_of(parse(made), FILE, Level.PRODUCTION)


def test_an_editor_of_one_model_gets_no_stage_by_it() -> None:
    made = with_grants(OPEN, FILE, {DAVE: Level.EDIT})
    assert DAVE not in owners_of(parse(made), FILE, Level.STAGING)
    assert CAROL in owners_of(parse(made), FILE, Level.STAGING)


def test_can_read_closes_the_model_and_editors_still_read() -> None:
    made = with_grants(TEXT, FILE, {DAVE: Level.READ})
    assert set(owners_of(parse(made), FILE, Level.READ)) == {ANN, BOB, CAROL, DAVE}


def test_an_alias_line_of_the_model_stays() -> None:
    text = TEXT + f"/{FILE}/@canary {BOB}\n"
    made = with_grants(text, FILE, {DAVE: Level.EDIT})
    assert f"/{FILE}/@canary {BOB}\n" in made
    assert owners_of(parse(made), FILE, "champion") == owners_of(parse(text), FILE, "champion")


def test_lines_that_leave_no_room_are_a_refusal() -> None:
    with pytest.raises(InvalidState, match="leave"):
        with_registry_grants(TEXT + f"/registry_spec/models/*any.yaml/@Read {DAVE}\n", FOLDER, {CAROL: Level.MANAGE})


LEVELS = st.dictionaries(st.sampled_from([ANN, BOB, DAVE, "@wind"]), st.sampled_from(list(Level)), max_size=4)


@given(LEVELS, st.sampled_from([TEXT, OPEN, ""]))
def test_nobody_gets_more_than_is_granted_and_everybody_at_least_that(wanted: dict[str, Level], text: str) -> None:
    made = with_grants(text, FILE, wanted)
    before, now = inherited(text), {one.owner: one.level for one in reversed(grants(made, FILE))}
    for owner, level in now.items():
        assert level <= max(wanted.get(owner, 0), before.get(owner, 0))
    for owner, level in wanted.items():
        assert now[owner] >= level
    assert grants(made, OTHER) == grants(text, OTHER)
    assert with_grants(made, FILE, {}) == text


@given(LEVELS, st.sampled_from([TEXT, OPEN, ""]))
def test_the_registrys_levels_are_read_back_as_they_were_written(wanted: dict[str, Level], text: str) -> None:
    wanted = {**wanted, CAROL: Level.MANAGE}
    made = with_registry_grants(text, FOLDER, wanted)
    said = {one.owner: one.level for one in registry_grants(made, FOLDER) if one.owner != EVERYONE}
    assert said == wanted
    assert with_registry_grants(made, FOLDER, wanted) == made
