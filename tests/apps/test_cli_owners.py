"""Asking who may at the command line, and asking for other owners."""

from __future__ import annotations

import pytest
from tests.apps.conftest import ANN, BOB, CAROL, DAVE, Home, Sd

from stagedoor.apps.cli.main import COMMANDS

GATE = "gates:\n- name: four-eyes\n  stages:\n  - Production\n  approvals:\n    count: 2\n    teams: 2\n"
FRAUD = "registry_spec/models/fraud.yaml"


@pytest.fixture
def fraud(registry: Home) -> Home:
    """Version 1 of fraud, and two who own Production."""
    owners = registry.text(".github/CODEOWNERS") + f"/registry_spec/models/*.yaml/@Production {CAROL} {DAVE}\n"
    registry.commit({".github/CODEOWNERS": owners.replace(f"/.github/ {CAROL}", f"/.github/ {CAROL} {DAVE}")})
    registry.register()
    return registry


def test_who_can_shows_the_lines_the_gates_and_the_people(fraud: Home, sd: Sd) -> None:
    fraud.configure(GATE)
    said = sd("who-can", "fraud/1", "production", "--author", DAVE).ok().out
    assert said == (
        "fraud/1: None → Production\n\n"
        f"{FRAUD}/@Production\n"
        f"    line 7: 1 of {CAROL}, {DAVE}\n"
        "    gate four-eyes: 2 approvals from 2 different teams\n"
        f"  may approve: {CAROL}\n"
        "directly: nobody (fraud/1: None → Production: gate four-eyes asks for approvals, so it goes by a request)\n"
    )
    data = sd("who-can", "fraud", "Staging", "--json").json
    assert (data["version"], data["from"], data["to"]) == (None, "None", "Staging")
    assert data["directly"] == [BOB, CAROL, DAVE]
    assert data["needs"][0]["may_approve"] == [BOB, CAROL, DAVE]


def test_who_can_refuses_what_is_not_there(fraud: Home, sd: Sd) -> None:
    sd("who-can", "frud/1", "Staging").refused(4, "there is no model frud", "did you mean fraud")
    sd("who-can", "fraud/1", "Stagin").refused(2, "there is no stage Stagin")


def test_why_shows_the_tree_until_the_request_can_merge(fraud: Home, sd: Sd) -> None:
    number = fraud.number("request", "fraud/1", "Production")
    sd("approve", number, as_=BOB)
    waiting = sd("why", number)
    assert waiting.code == 8
    assert f"not counted: {BOB} is not an owner" in waiting.out
    assert f"needs: approval by 1 of {CAROL}, {DAVE}" in waiting.out
    assert waiting.out.endswith(f"It cannot merge; it waits for {CAROL}, {DAVE}.\n")
    sd("approve", number, as_=DAVE).ok()
    sd("why", number).ok("[x]", f"approved by {DAVE}", f"It can merge: stagedoor merge {number}")
    assert sd("why", number, "--json").json["can_merge"] is True
    sd("merge", number).ok()
    assert sd("why", number).code == 8


def test_why_shows_what_else_is_in_the_way_with_its_cure(fraud: Home, sd: Sd) -> None:
    fraud.configure("gates:\n- name: described\n  stages:\n  - Production\n  require:\n  - description\n")
    number = fraud.number("request", "fraud/1", "Production")
    sd("approve", number, as_=CAROL)
    said = sd("why", number)
    assert said.code == 8
    assert "In the way\n  x SD403 gate described: fraud/1 has no description" in said.out
    assert "fix: stagedoor describe fraud/1 TEXT" in said.out
    assert said.out.endswith("It cannot merge.\n")


def test_why_says_that_main_has_moved(fraud: Home, sd: Sd) -> None:
    first = fraud.number("request", "fraud/1", "Staging")
    second = fraud.number("request", "fraud/1", "Production")
    for number in (first, second):
        sd("approve", number, as_=CAROL)
    sd("merge", first).ok()
    said = sd("why", second)
    assert said.code == 8
    assert f"fix: stagedoor update {second}" in said.out
    assert len(sd("why", second, "--json").out) > 0


def test_owners_show_says_who_has_which_right_and_by_which_line(fraud: Home, sd: Sd) -> None:
    rows = [line.split("  ") for line in sd("owners", "show", "fraud").ok().out.splitlines()[3:]]
    shown = {row[0]: " ".join(part for part in row[1:] if part) for row in rows}
    assert shown["@Production"] == f"{CAROL}, {DAVE} line 7"
    assert shown["@Manage"] == f"{CAROL} line 6"
    assert shown["@Read"] == "everybody who can read the repository no line"
    sd("owners", "show").ok("/registry_spec/models/*.yaml/@Staging")
    data = sd("owners", "show", FRAUD, "--json").json
    assert [(one["suffix"], one["explicit"]) for one in data][:3] == [(None, True), ("Read", False), ("Staging", True)]


def test_owners_set_shows_what_would_change_and_asks_for_it(fraud: Home, sd: Sd) -> None:
    before = fraud.refs()
    said = sd("owners", "set", "fraud@Production", BOB, "--dry-run").ok().out
    assert f"+/registry_spec/models/fraud.yaml/@Production {BOB}" in said
    assert f"  {FRAUD}/@Production: {BOB} gain it; {DAVE} lose it" in said
    assert fraud.refs() == before
    data = sd("owners", "set", "fraud@Production", BOB, "--json", as_=CAROL).json
    assert data["pattern"] == "/registry_spec/models/fraud.yaml/@Production"
    sd("merge", data["request"]).refused(8, ".github/CODEOWNERS changes")
    sd("approve", data["request"], as_=DAVE).ok()
    sd("merge", data["request"]).ok()
    assert sd("who-can", "fraud/1", "Production", "--json").json["directly"] == [BOB, CAROL]


def test_owners_unset_and_nobody(fraud: Home, sd: Sd) -> None:
    sd("owners", "unset", "/registry_spec/models/*.yaml/@Staging", "--dry-run").ok(f"{ANN} gain it")
    sd("owners", "set", "fraud", "--nobody", "--dry-run").ok("+/registry_spec/models/fraud.yaml")
    assert sd("owners", "set", "fraud").code == 2
    sd("owners", "unset", "fraud").refused(7, "has no line /registry_spec/models/fraud.yaml")


def test_as_may_stand_behind_a_command_of_a_group(fraud: Home, sd: Sd) -> None:
    made = sd("owners", "set", "fraud@Staging", BOB, "--as", DAVE, "--json").json["request"]
    assert sd("why", made, "--json").code == 8
    assert "owners" in COMMANDS


def test_fmt_writes_the_stage_files_of_the_checkout(fraud: Home, sd: Sd) -> None:
    sd("transition", "fraud/1", "Production", as_=CAROL).ok()
    fraud.git("reset", "-q", "--hard", "main")
    assert sd("fmt", "--stage-files", "--check").code == 8
    file = "registry_spec/stages/Production/fraud.yaml"
    sd("fmt", "--stage-files").ok(f"wrote {fraud.path / file}")
    assert fraud.text(file).endswith("stage: Production\nversions:\n- 1\n")
    sd("fmt", "--stage-files").ok("All files are in canonical form")
    sd("fmt", "--check").ok()
    sd("fmt", "--stage-files", file).refused(2, "writes all of them")


def test_fmt_writes_no_stage_file_through_a_link(fraud: Home, sd: Sd) -> None:
    sd("transition", "fraud/1", "Production", as_=CAROL).ok()
    fraud.git("reset", "-q", "--hard", "main")
    outside = fraud.path.parent / "outside"
    outside.mkdir()
    (fraud.path / "registry_spec/stages").symlink_to(outside)
    sd("fmt", "--stage-files").refused(10, "leads out of the registry by a link")
    assert list(outside.iterdir()) == []
