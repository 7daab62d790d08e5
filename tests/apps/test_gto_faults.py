"""The faults of registries that keep their state in tags and clocks, one test each: none of them is here."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import pytest
from tests.apps.conftest import ANN, CAROL, Home, Sd

FRAUD = "registry_spec/models/fraud.yaml"
SAME_SECOND = "2026-11-24T10:15:00Z"


def moved(home: Home, number: int, stage: str, date: str) -> str:
    """Move a version by a commit made by hand, on a machine whose clock says `date`."""
    lines = home.text(FRAUD).splitlines()
    at = lines.index(f"- version: {number}")
    lines[at + 1] = f"  stage: {stage}"
    return home.commit({FRAUD: "\n".join(lines) + "\n"}, f"fraud/{number} to {stage}", f"--date={date}")


@pytest.fixture
def dated(registry: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str, str], str]:
    """fraud with three versions; moves them by hand, with author's and committer's clock set."""
    registry.register("fraud", times=3)

    def move(number: int, stage: str, date: str) -> str:
        monkeypatch.setenv("GIT_COMMITTER_DATE", date)
        try:
            return moved(registry, number, stage, date)
        finally:
            monkeypatch.delenv("GIT_COMMITTER_DATE")

    return move


Move = Callable[[int, str, str], str]


def production(sd: Sd) -> list[int]:
    """The versions in Production now."""
    versions = sd("show", "fraud", "--json").json["model"]["versions"]
    return [version["version"] for version in versions if version["stage"] == "Production"]


def story(sd: Sd) -> list[tuple[int, str]]:
    """Which version went where, newest first."""
    events = sd("activity", "fraud", "--json").json
    return [(e["version"], e["to_stage"]) for e in events if e["kind"] == "model_version.transitioned"]


# 1
def test_two_transitions_in_one_second_are_in_the_order_they_were_made(registry: Home, dated: Move, sd: Sd) -> None:
    dated(1, "Production", SAME_SECOND)
    dated(1, "Archived", SAME_SECOND)
    dated(3, "Production", SAME_SECOND)
    assert production(sd) == [3]
    assert story(sd) == [(3, "Production"), (1, "Archived"), (1, "Production")]
    sd("rollback", "fraud", "Production").ok("version 1: Archived → Production", "version 3: Production → Archived")


def test_two_commands_right_after_each_other_are_in_the_order_they_were_given(registry: Home, sd: Sd) -> None:
    registry.register("fraud", times=3)
    sd("transition", "fraud/1", "Production").ok()
    sd("transition", "fraud/3", "Production", "--archive-existing").ok()
    sd("rollback", "fraud", "Production", "--direct").ok()
    assert production(sd) == [1]


# 2
def test_a_machine_whose_clock_is_slow_loses_no_promotion(registry: Home, dated: Move, sd: Sd) -> None:
    dated(1, "Production", "2026-11-24T10:15:00Z")
    dated(1, "Archived", "2026-11-24T10:14:30Z")
    dated(2, "Production", "2026-11-24T10:14:00Z")
    assert production(sd) == [2] and story(sd)[0] == (2, "Production")
    two = sd("history", "fraud/2", "--json").json[0]["spans"][-1]
    assert two["stage"] == "Production" and two["until"] is None


# 3
def test_a_commit_dated_in_the_future_pins_nothing(registry: Home, dated: Move, sd: Sd) -> None:
    dated(1, "Production", "2038-01-01T00:00:00Z")
    sd("transition", "fraud/2", "Production", "--archive-existing").ok()
    assert production(sd) == [2]
    assert story(sd)[:2] in ([(2, "Production"), (1, "Archived")], [(1, "Archived"), (2, "Production")])
    sd("reconcile").ok()
    sd("transition", "fraud/3", "Production", "--archive-existing").ok()
    assert sd("reconcile", "--json").json["merges"] == 1


def test_a_commit_before_all_others_by_its_date_is_told_by_the_reconciler(registry: Home, dated: Move, sd: Sd) -> None:
    sd("reconcile").ok()
    commit = dated(1, "Production", "1999-01-01T00:00:00Z")
    told = sd("reconcile", "--json").json
    assert told["merges"] == 1 and {event["commit"] for event in told["events"]} == {commit}


# 4
def test_a_push_that_fails_leaves_no_phantom(registry: Home, clone: Callable[..., Home]) -> None:
    registry.register("fraud", times=2)
    registry.git("switch", "-q", "--detach")
    ours, theirs = clone("ours"), clone("theirs")
    ours.sd("transition", "fraud/1", "Production").ok()
    theirs.sd("transition", "fraud/2", "Production").ok()
    ours.git("push", "-q", "origin", "main")
    assert theirs.git("push", "-q", "origin", "main", check=False) == ""
    theirs.git("fetch", "-q")
    assert theirs.git("rev-parse", "origin/main") == ours.git("rev-parse", "main")

    theirs.git("reset", "-q", "--hard", "origin/main")
    assert production(theirs.sd) == [1] and story(theirs.sd) == [(1, "Production")]
    theirs.sd("transition", "fraud/2", "Production", "--archive-existing").ok()
    theirs.git("push", "-q", "origin", "main")
    assert production(registry.sd) == [2]


def test_a_write_that_could_not_be_published_leaves_no_trace(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    (registry.path / ".git/hooks/reference-transaction").write_text("#!/bin/sh\ntest $1 != prepared\n")
    (registry.path / ".git/hooks/reference-transaction").chmod(0o755)
    before = registry.refs()
    answer = sd("transition", "fraud/1", "Production")
    (registry.path / ".git/hooks/reference-transaction").unlink()
    assert answer.code != 0 and "Traceback" not in answer.err, answer
    assert registry.refs() == before and registry.git("status", "--porcelain") == "" and production(sd) == []
    sd("transition", "fraud/1", "Production").ok()


# 5
def test_erased_history_is_noticed(registry: Home, sd: Sd) -> None:
    registry.register("fraud", times=2)
    sd("transition", "fraud/1", "Production").ok()
    sd("reconcile").ok()
    registry.git("reset", "-q", "--hard", "main~1")
    sd("reconcile").refused(10, "which is not on main: history was rewritten", "refs/stagedoor/ledger", "--from main")


def test_history_that_was_rewritten_and_went_on_is_noticed(registry: Home, sd: Sd) -> None:
    registry.register("fraud", times=2)
    sd("transition", "fraud/1", "Production").ok()
    sd("reconcile").ok()
    registry.git("reset", "-q", "--hard", "main~1")
    registry.register("fraud", times=3)
    sd("reconcile").refused(10, "history was rewritten")
    sd("reconcile", "--from", "main").ok()
    sd("reconcile").ok()


def test_doctor_notices_erased_history(registry: Home, sd: Sd) -> None:
    registry.register("fraud", times=2)
    sd("reconcile").ok()
    registry.git("reset", "-q", "--hard", "main~1")
    answer = sd("doctor")
    assert answer.code == 8 and "which is not on main: history was rewritten" in answer.out


def test_doctor_does_not_take_a_reconciler_that_is_late_for_erased_history(registry: Home, sd: Sd) -> None:
    sd("reconcile").ok()
    registry.register("fraud", times=2)
    sd("doctor").ok("the reconciler has not seen the newest main")


def test_a_deleted_version_stays_in_history(registry: Home, sd: Sd) -> None:
    registry.register("fraud", times=2)
    sd("delete", "fraud/1", "--yes").ok()
    assert sd("history", "fraud", "--json").json[0]["deleted_in"] == registry.git("rev-parse", "main")
    assert "model_version.deleted" in [event["kind"] for event in sd("activity", "fraud", "--json").json]


# 6
def test_a_malformed_file_in_an_old_commit_breaks_nothing_once_it_is_mended(registry: Home, sd: Sd) -> None:
    registry.register("fraud", times=2)
    registry.register("churn")
    good = registry.text(FRAUD)
    registry.commit({FRAUD: "versions: [\n"}, "oops")
    registry.commit({FRAUD: good}, "mended")
    sd("transition", "fraud/1", "Production").ok()
    assert production(sd) == [1]
    assert [one["version"] for one in sd("history", "fraud", "--json").json] == [1, 2]
    sd("history", "churn").ok("churn/1")
    sd("activity").ok("registered fraud/1")
    sd("validate").ok("0 errors")
    sd("reconcile").ok()


def test_malformed_policy_in_an_old_commit_breaks_nothing_once_it_is_mended(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    good = registry.text("registry_spec/registry.yaml")
    registry.commit({"registry_spec/registry.yaml": "stages: [\n"}, "oops")
    registry.commit({"registry_spec/registry.yaml": good}, "mended")
    sd("transition", "fraud/1", "Production").ok()
    sd("activity").ok("registered fraud/1")
    sd("reconcile").ok()


# 7
@pytest.mark.parametrize("option", ["--depth=1", "--filter=blob:none", "--filter=tree:0"])
def test_a_clone_that_lacks_a_part_says_so_and_answers_nothing_wrong(
    registry: Home, clone: Callable[..., Home], option: str
) -> None:
    registry.register("fraud", times=2)
    registry.sd("transition", "fraud/1", "Production").ok()
    registry.git("config", "uploadpack.allowFilter", "true")
    part = clone("part", option)
    for words in (("history", "fraud"), ("activity",), ("reconcile",), ("rollback", "fraud", "Production")):
        part.sd(*words).refused(10)
    assert production(part.sd) == [1]


def test_tags_say_nothing_of_the_registry(registry: Home, clone: Callable[..., Home]) -> None:
    registry.register("fraud")
    registry.sd("transition", "fraud/1", "Production").ok()
    registry.git("tag", "fraud@deprecated")
    part = clone("part", "--no-tags")
    assert production(part.sd) == production(registry.sd) == [1]


# 8
@pytest.mark.parametrize(
    ("file", "line", "near"),
    [
        (FRAUD, "descripton: x\n", "description"),
        ("registry_spec/registry.yaml", "stagess: []\n", "stages"),
        ("registry_spec/people.yaml", "team: []\n", "teams"),
    ],
)
def test_an_unknown_key_is_refused_and_the_nearest_known_one_named(
    registry: Home, sd: Sd, file: str, line: str, near: str
) -> None:
    registry.register("fraud")
    (registry.path / file).write_text(registry.text(file) + line)
    answer = sd("validate", file)
    key = line.partition(":")[0]
    assert answer.code == 8 and key in answer.out and near in answer.out and f"{file}:" in answer.out, answer


def test_an_unknown_key_on_main_is_said_by_doctor_and_by_validate(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    registry.commit({FRAUD: registry.text(FRAUD) + "descripton: x\n"}, "a typing error")
    assert sd("validate").code == 8
    assert sd("doctor").code == 8
    assert sd("show", "fraud").code == 3


# --- and from using it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ref", ["nosuch", "nosuch/1", "nosuch#Production", "fraud/7", "fraud#nostage", "fraud@nosuch"])
@pytest.mark.parametrize("verb", ["show", "history", "activity"])
def test_an_unknown_ref_is_an_error_with_an_exit_code(registry: Home, sd: Sd, verb: str, ref: str) -> None:
    registry.register("fraud")
    for options in ((), ("--json",)):
        answer = sd(verb, ref, *options).refused(4)
        assert answer.out == ""


def test_the_stages_there_are_are_named_without_a_python_list(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    answer = sd("request", "fraud/1", "prod", as_=ANN).refused(2, "choose one of: None, Staging, Production, Archived")
    assert "[" not in answer.err and "'" not in answer.err


@pytest.mark.parametrize("name", ["card fraud", "Betrug-Erkennung-ü", "不正検知", "x"])
def test_names_hold_what_people_write(registry: Home, sd: Sd, name: str) -> None:
    sd("register", name, "--source", "s3://x", as_=ANN).ok(f"Registered {name}/1")
    assert sd("show", f"{name}/1", "--json").json["model"]["name"] == name


def test_history_is_printed_oldest_first_as_its_help_says(registry: Home, sd: Sd) -> None:
    registry.register("fraud", times=3)
    assert "oldest version first" in sd("history", "--help").ok().out
    assert [one["version"] for one in sd("history", "fraud", "--json").json] == [1, 2, 3]


def test_times_in_json_are_iso_8601_with_a_zone(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    at = sd("show", "fraud", "--json").json["model"]["created"]["at"]
    assert datetime.fromisoformat(at.replace("Z", "+00:00")).tzinfo is not None
    assert json.loads(sd("activity", "--json", as_=CAROL).out)
