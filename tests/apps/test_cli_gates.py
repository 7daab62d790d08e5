"""`stagedoor gates`: what guards a stage, a move tried, history under another policy, waivers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.apps.conftest import ANN, BOB, CAROL, Home, Sd

GATES = """\
gates:
- name: measured
  models: [fra*]
  stages: [Production]
  require: [metrics.rmse]
  expressions:
  - incumbent == null || candidate.metrics.rmse < incumbent.metrics.rmse
  reason: the desk trades on it
freezes:
- name: holidays
  since: 2016-12-20T00:00:00Z
  until: 2017-01-02T00:00:00Z
"""
HEAD = "apiVersion: stagedoor/v1\nkind: Registry\n"
STRICT = f"""{HEAD}gates:
- name: traced
  stages: [Staging, Production]
  require: [run]
"""


@pytest.fixture
def guarded(registry: Home) -> Home:
    """A registry with a gate: fraud/1 in Production, fraud/2 worse, fraud/3 better, fraud/4 without a number."""
    registry.configure(GATES)
    for options in (("--metric", "rmse=4"), ("--metric", "rmse=5"), ("--metric", "rmse=3"), ()):
        registry.register("fraud", *options)
    registry.sd("transition", "fraud/1", "Production", as_=CAROL).ok()
    return registry


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    """A policy that asks for the run."""
    file = tmp_path / "strict.yaml"
    file.write_text(STRICT)
    return file


# --- list -----------------------------------------------------------------------------------------------------------


def test_list_says_in_words_what_guards_a_stage(guarded: Home, sd: Sd) -> None:
    assert sd("gates", "list", "fraud", "production").ok().out == (
        "Production\n"
        "  gate measured   (fra*)\n"
        "    has metrics.rmse\n"
        "    incumbent == null || candidate.metrics.rmse < incumbent.metrics.rmse\n"
        "    because the desk trades on it\n"
        "  freeze holidays\n"
        "    nothing moves from 2016-12-20 00:00 until 2017-01-02 00:00\n"
    )
    sd("gates", "list").ok("None\n  its owners alone\n")


def test_list_leaves_out_what_is_for_other_models(guarded: Home, sd: Sd) -> None:
    guarded.register("other")
    (found,) = sd("gates", "list", "other", "Production", "--json").json
    assert found["gates"] == [] and [freeze["name"] for freeze in found["freezes"]] == ["holidays"]
    sd("gates", "list", "nope").refused(4, "there is no model nope")
    sd("gates", "list", "other", "Prod").refused(2, "there is no stage Prod")


# --- test -----------------------------------------------------------------------------------------------------------


def test_a_move_that_the_gates_let_pass_is_tried_and_not_made(guarded: Home, sd: Sd) -> None:
    before = guarded.refs()
    answer = sd("gates", "test", "fraud/3", "Production", as_=ANN)
    answer.ok("[x] gate measured", "candidate.metrics.rmse = 3", "No freeze is in force.", "The gates hold.")
    answer.ok("needs: approval by 1 of carol@example.com")
    assert guarded.refs() == before


def test_a_move_that_a_gate_refuses_is_exit_code_8_with_the_numbers(guarded: Home, sd: Sd) -> None:
    answer = sd("gates", "test", "fraud/2", "Production", as_=ANN)
    assert answer.code == 8 and "fails: incumbent == null || candidate.metrics.rmse <" in answer.out
    assert "candidate.metrics.rmse = 5, incumbent.metrics.rmse = 4" in answer.out
    assert sd("gates", "test", "fraud/4", "Production", "--json", as_=ANN).code == 8


def test_a_move_is_tried_under_another_policy(guarded: Home, sd: Sd, strict: Path) -> None:
    answer = sd("gates", "test", "fraud/3", "Production", "--policy", strict, as_=ANN)
    assert answer.code == 8 and "fails: fraud/3 has no run" in answer.out and "measured" not in answer.out


def test_a_move_is_tried_with_those_that_it_archives(guarded: Home, sd: Sd) -> None:
    text = guarded.text("registry_spec/registry.yaml")
    guarded.commit({"registry_spec/registry.yaml": text + "stages:\n- name: None\n- name: Production\n"
                    "  exclusive: true\n- name: Archived\n"})  # fmt: skip
    answer = sd("gates", "test", "fraud/3", "Production", as_=ANN)
    assert answer.code == 8 and "SD304" in answer.out
    sd("gates", "test", "fraud/3", "Production", "--archive-existing", as_=ANN).ok("The gates hold.")


def test_what_is_there_already_is_no_move(guarded: Home, sd: Sd) -> None:
    sd("gates", "test", "fraud/1", "Production").refused(7, "is in Production already", "gates replay")


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("gates:\n- nam: x\n", ":4:3", "unknown key nam"),
        ("gates:\n- name: x\n  expressions:\n  - candidate.metrics.rmse <\n", ":6:5", "it does not parse"),
        ("gates: [", ":", ""),
    ],
)
@pytest.mark.parametrize("command", [("test", "fraud/3", "Production"), ("replay",)])
def test_a_policy_that_does_not_read_is_refused_with_line_and_column(
    guarded: Home, sd: Sd, tmp_path: Path, text: str, where: str, said: str, command: tuple[str, ...]
) -> None:
    (tmp_path / "bad.yaml").write_text(HEAD + text)
    answer = sd("gates", *command, "--policy", tmp_path / "bad.yaml")
    assert answer.code == 3 and f"bad.yaml{where}" in answer.err and said in answer.err
    sd("gates", *command, "--policy", tmp_path / "no.yaml").refused(2, "the policy cannot be read")


# --- replay ---------------------------------------------------------------------------------------------------------


def test_replay_of_mains_own_policy_is_clean_where_nothing_broke_it(guarded: Home, sd: Sd) -> None:
    sd("gates", "replay").ok("0 of 1 move since the beginning would be refused\n0 of 1 version in a stage would not")


def test_replay_names_each_move_that_a_stricter_policy_would_have_refused(guarded: Home, sd: Sd, strict: Path) -> None:
    guarded.register("fraud", "--run-id", "9f2c")
    number = guarded.number("request", "fraud/2", "Staging", as_=ANN)
    sd("approve", number, as_=BOB).ok()
    sd("merge", number, as_=BOB).ok()
    sd("transition", "fraud/5", "Staging", as_=BOB).ok()
    answer = sd("gates", "replay", "--policy", strict, "--json")
    assert answer.code == 8
    found = json.loads(answer.out)
    assert [(m["model"], m["version"], m["now"], m["by"], m["request"]) for m in found["refused"]] == [
        ("fraud", 1, "Production", CAROL, None),
        ("fraud", 2, "Staging", ANN, number),
    ]
    assert found["refused"][0]["reasons"] == ["gate traced: fraud/1 has no run"]
    assert [(m["version"], m["stage"]) for m in found["misfits"]] == [(1, "Production"), (2, "Staging")]
    assert (found["moves"], found["versions"]) == (3, 3)


def test_replay_asks_about_a_model_a_stage_and_a_time(guarded: Home, sd: Sd, strict: Path) -> None:
    here = guarded.git("rev-parse", "main")
    sd("transition", "fraud/2", "Staging", as_=BOB).ok()
    policy = ("gates", "replay", "--policy", strict)
    sd(*policy, "--model", "oth*").ok("0 of 0 moves", "0 of 0 versions")
    assert "1 of 1 move since the beginning" in sd(*policy, "--stage", "staging").out
    assert f"1 of 1 move since {here[:10]}" in sd(*policy, "--since", here).out
    assert "2 of 2 moves since" in sd(*policy, "--since", "90d").out
    assert "0 of 0 moves since 2999-01-01 00:00" in sd(*policy, "--since", "2999-01-01").out
    sd(*policy, "--since", "no-such-thing").refused(4, "no-such-thing")
    guarded.git("switch", "-q", "-c", "side")
    side = guarded.commit({"README.md": "x"})
    sd(*policy, "--since", side).refused(2, "is not on the first-parent history of main")


def test_replay_judges_a_move_by_the_waivers_and_incumbents_of_its_own_time(guarded: Home, sd: Sd) -> None:
    number = guarded.number("gates", "waive", "fraud/2", "measured", "--until", "14d", "--reason", "x", as_=ANN)
    sd("approve", number, as_=CAROL).ok()
    sd("merge", number, as_=CAROL).ok()
    sd("transition", "fraud/2", "Production", as_=CAROL).ok()
    sd("transition", "fraud/1", "Archived", as_=CAROL).ok()
    sd("gates", "replay").ok("0 of 2 moves")
    end = guarded.number("gates", "unwaive", "fraud-2-measured", as_=ANN)
    sd("approve", end, as_=CAROL).ok()
    sd("merge", end, as_=CAROL).ok()
    answer = sd("gates", "replay")
    # then it was waived; today nobody waives that it was worse than the version whose place it took
    assert answer.code == 8 and "0 of 2 moves" in answer.out and "1 of 1 version in a stage" in answer.out
    assert "incumbent.metrics.rmse = 4" in answer.out


def test_a_stricter_policy_names_the_versions_it_would_not_let_in(guarded: Home, sd: Sd) -> None:
    text = guarded.text("registry_spec/registry.yaml")
    guarded.git("switch", "-q", "-c", "strict")
    guarded.commit({"registry_spec/registry.yaml": text.replace("[metrics.rmse]", "[metrics.rmse, run]")})
    answer = sd("plan", "--head", "strict").ok("SD413 fraud/1 is in Production and would not be let in: gate measured")
    assert "fraud/2" not in answer.out


# --- waivers --------------------------------------------------------------------------------------------------------


def test_a_waiver_is_asked_for_and_lets_the_move_pass(guarded: Home, sd: Sd) -> None:
    answer = sd("gates", "waive", "fraud/2", "measured", "--until", "14d", "--reason", "Monday", as_=ANN)
    answer.ok("registry_spec/waivers/fraud-2-measured.yaml", "needs: approval by 1 of carol@example.com")
    sd("transition", "fraud/2", "Production", as_=CAROL).refused(8, "SD403")
    sd("approve", 1, as_=CAROL).ok()
    sd("merge", 1, as_=CAROL).ok()
    sd("gates", "waivers").ok("fraud-2-measured", "fraud/2", ANN, "Monday")
    sd("validate").ok("0 errors, ")
    sd("gates", "test", "fraud/2", "Production", as_=ANN).ok("[~] gate measured", f"waived by {ANN} until")
    sd("transition", "fraud/2", "Production", as_=CAROL).ok()
    sd("transition", "fraud/4", "Production", as_=CAROL).refused(8, "SD403")


def test_asking_again_makes_the_waiver_longer_and_another_model_has_its_own_file(guarded: Home, sd: Sd) -> None:
    def waived(ref: str, until: str) -> None:
        number = guarded.number("gates", "waive", ref, "measured", "--until", until, "--reason", "x", as_=ANN)
        sd("approve", number, as_=CAROL).ok()
        sd("merge", number, as_=CAROL).ok()

    for name in ("fra ud", "fra-ud"):
        guarded.register(name)
        waived(name, "14d")
    waived("fra ud", "2999-01-01")
    found = {
        one["path"].rpartition("/")[2]: (one["model"], one["expires"][:4])
        for one in sd("gates", "waivers", "--json").json
    }
    assert found["fra-ud-measured.yaml"] == ("fra ud", "2999") and found["fra-ud-measured-2.yaml"][0] == "fra-ud"


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (("fraud/9", "measured", "--until", "14d", "--reason", "x"), 4, "fraud has no version 9"),
        (("fraud/1", "nope", "--until", "14d", "--reason", "x"), 4, "gates there are: measured"),
        (("fraud/1", "measured", "--until", "2016-01-01", "--reason", "x"), 2, "is past"),
        (("fraud/1", "measured", "--until", "soon", "--reason", "x"), 2, "is no time"),
        (("fraud/1", "measured", "--until", "999999w", "--reason", "x"), 2, "is too long"),
        (("fraud/1", "measured", "--until", "14d", "--reason", " "), 2, "a reason has"),
        (("fraud/1", "measured", "--until", "14d", "--reason", "x", "--owner", "me"), 2, "is no e-mail address"),
    ],
)
def test_a_waiver_that_makes_no_sense_is_refused(
    guarded: Home, sd: Sd, given: tuple[str, ...], code: int, said: str
) -> None:
    before = guarded.refs()
    sd("gates", "waive", *given, as_=ANN).refused(code, said)
    sd("gates", "unwaive", "no").refused(4, "there is no waiver no")
    assert guarded.refs() == before
