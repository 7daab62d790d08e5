"""Every verb about models, once as it should go and once refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from tests.apps.conftest import ANN, BOB, CAROL, DAVE, Home, Sd

from stagedoor.apps.cli.main import COMMANDS, LazyGroup, cli

FRAUD = "registry_spec/models/fraud.yaml"


# --- help -----------------------------------------------------------------------------------------------------------


def test_help_lists_exactly_the_commands_in_order(sd: Sd) -> None:
    printed = sd("--help").ok().out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in printed.splitlines() if line.startswith("  ") and line[2] != " "] == [*COMMANDS]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_list_is_the_first_sentence_of_the_commands_own_help(name: str) -> None:
    assert isinstance(cli, LazyGroup)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None and command.help is not None
    said = " ".join(command.help.split("\n\n")[0].split())
    assert re.split(r"(?<=[.:]) ", said)[0] == COMMANDS[name][1]
    assert command.name == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(sd: Sd, name: str) -> None:
    sd(name, "--help").ok(f"{name} [OPTIONS]", COMMANDS[name][1].split()[0])


def test_help_documents_every_exit_code_there_is(sd: Sd) -> None:
    from stagedoor import errors

    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    table = sd("--help").ok().out.partition("Exit codes:")[2]
    assert all(f"{code} " in table for code in codes)


def test_help_loads_no_command() -> None:
    asked = (
        "import sys; sys.argv = ['stagedoor', '--help']\n"
        "from stagedoor.apps.cli.main import cli\n"
        "cli.main(standalone_mode=False)\n"
        "print(sorted(m for m in sys.modules if m.startswith(('stagedoor.workflows', 'pydantic', 'rich', 'git.'))))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_misspelt_command_names_the_near_ones(sd: Sd) -> None:
    answer = sd("regster")
    assert answer.code == 2
    assert "Did you mean register?" in answer.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(sd: Sd, shell: str) -> None:
    sd("completion", shell).ok("_STAGEDOOR_COMPLETE", "stagedoor")


def test_completion_of_another_shell_is_refused(sd: Sd) -> None:
    assert sd("completion", "tcsh").code == 2


def test_completion_names_the_models_of_the_registry(registry: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.register("fraud")
    monkeypatch.chdir(registry.path)
    monkeypatch.setenv("COMP_WORDS", "stagedoor show fr")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("_STAGEDOOR_COMPLETE", "bash_complete")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv = ['stagedoor']; from stagedoor.apps.cli.main import main; main()",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "plain,fraud" in done.stdout.split()


# --- init, doctor ---------------------------------------------------------------------------------------------------


def test_init_makes_a_valid_registry(sd: Sd, tmp_path: Path) -> None:
    sd("init", tmp_path / "new", "--owner", CAROL).ok(f"{CAROL} owns everything in it")
    sd("validate", dir=tmp_path / "new").ok("0 errors, 0 warnings.")


def test_init_says_as_json_where_it_is(sd: Sd, tmp_path: Path) -> None:
    made = sd("init", tmp_path / "new", "--owner", CAROL, "--json").json
    assert made["owner"] == CAROL and made["directory"] == str(tmp_path / "new")


def test_init_where_a_registry_is_already_is_refused(registry: Home, sd: Sd) -> None:
    sd("init", "--owner", CAROL).refused(5, "there is a registry here already", "at: ")


def test_init_by_nobody_is_refused(sd: Sd, tmp_path: Path) -> None:
    sd("init", tmp_path / "new").refused(2, "nobody said who is asking")


def test_doctor_finds_a_fresh_registry_in_order(registry: Home, sd: Sd) -> None:
    sd("doctor").ok("the whole history is here")
    assert {one["grade"] for one in sd("doctor", "--json").json} <= {"ok", "warning"}


def test_doctor_finds_a_registry_that_nobody_owns(registry: Home, sd: Sd) -> None:
    registry.commit({".github/CODEOWNERS": None}, "owners: gone")
    answer = sd("doctor")
    assert answer.code == 8
    assert "there is no CODEOWNERS" in answer.out


def test_a_folder_without_a_repository_is_refused(sd: Sd, tmp_path: Path) -> None:
    sd("models", dir=tmp_path).refused(10, "is not in a git repository")


def test_a_repository_without_a_registry_is_refused(sd: Sd, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "empty"], cwd=tmp_path, check=True)
    sd("models", dir=tmp_path / "empty").refused(10, "there is no registry here", "at: ", "stagedoor init")


def test_an_address_that_is_none_is_refused(registry: Home, sd: Sd) -> None:
    sd("register", "fraud", "--source", "s3://x", as_="ann").refused(2, "is no e-mail address", "--as EMAIL")


# --- register -------------------------------------------------------------------------------------------------------


def test_register_numbers_the_versions(registry: Home, sd: Sd) -> None:
    sd("register", "fraud", "--source", "s3://x", as_=ANN).ok("Registered fraud/1 (")
    sd("register", "fraud", "--source", "s3://y", as_=ANN).ok("Registered fraud/2 (")


def test_register_records_everything_it_is_told(registry: Home, sd: Sd) -> None:
    sd(
        *(
            "register",
            "fraud",
            "--source",
            "runs:/9f/model",
            "--run-id",
            "9f",
            "--run-name",
            "night",
            "--experiment",
            "e",
        ),
        *(
            "--run-link",
            "https://mlflow.example.com/9f",
            "--metric",
            "auc=0.91",
            "--param",
            "depth=6",
            "--tag",
            "a=b=c",
        ),
        *("--data", "cards=sha256:ab", "--data", "plain", "--code", "https://git.example.com/x@1f0e3d"),
        *("--digest", "sha256:cd", "--description", "The first."),
        as_=ANN,
    ).ok()
    version = sd("show", "fraud/1", "--json").json["version"]
    assert (
        version["metrics"] == {"auc": 0.91} and version["params"] == {"depth": "6"} and version["tags"] == {"a": "b=c"}
    )
    assert version["run"] == {"id": "9f", "name": "night", "experiment": "e", "link": "https://mlflow.example.com/9f"}
    assert [data["name"] for data in version["data"]] == ["cards", "plain"]
    assert version["code"] == {"repository": "https://git.example.com/x", "commit": "1f0e3d"}
    assert version["created"]["by"] == ANN and version["digest"] == "sha256:cd"


def test_register_by_a_stranger_is_refused_with_the_request_that_asks_for_it(registry: Home, sd: Sd) -> None:
    sd("register", "fraud", "--source", "s3://x", as_=DAVE).refused(6, DAVE, "at: .github/CODEOWNERS", "--request")


def test_register_of_what_a_name_cannot_be_is_refused(registry: Home, sd: Sd) -> None:
    sd("register", "a/b", "--source", "s3://x", as_=ANN).refused(2, "a/b")


def test_register_of_a_name_that_differs_by_case_is_refused(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    sd("register", "Fraud", "--source", "s3://x", as_=ANN).refused(5, "differs from fraud only by case")


@pytest.mark.parametrize("metric", ["auc=high", "auc=nan", "auc=inf", "auc", "=1"])
def test_register_with_a_metric_that_is_no_number_is_refused(registry: Home, sd: Sd, metric: str) -> None:
    sd("register", "fraud", "--source", "s3://x", "--metric", metric, as_=ANN).refused(2, "--metric")


@pytest.mark.parametrize("source", ["", " "])
def test_register_without_a_place_where_the_model_is_is_refused(registry: Home, sd: Sd, source: str) -> None:
    sd("register", "fraud", "--source", source, as_=ANN).refused(2, "at: --source")


@pytest.mark.parametrize("source", ["\x00", "a\nb", "x" * 100_000, "\ud800"])
def test_register_with_a_source_that_is_odd_never_ends_in_a_traceback(registry: Home, sd: Sd, source: str) -> None:
    answer = sd("register", "fraud", "--source", source, as_=ANN)
    assert answer.code in (0, 2, 3, 8)
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("data", ["", "=sha256:ab"])
def test_register_with_a_data_set_without_a_name_is_refused(registry: Home, sd: Sd, data: str) -> None:
    sd("register", "fraud", "--source", "s3://x", "--data", data, as_=ANN).refused(2, "at: --data")


def test_two_lanes_at_once_are_refused(registry: Home, sd: Sd) -> None:
    sd("register", "fraud", "--source", "s3://x", "--request", "--in", 1, as_=ANN).refused(2, "--request opens")


# --- models ---------------------------------------------------------------------------------------------------------


def test_models_lists_filters_sorts_and_pages(registry: Home, sd: Sd) -> None:
    for name in ("fraud", "churn", "power"):
        registry.register(name)
    registry.register("churn")
    sd("tag", "churn", "team=crm", as_=ANN).ok()
    sd("transition", "power/1", "Production").ok()

    def names(*options: str | int) -> list[str]:
        return [row["name"] for row in sd("models", *options, "--json").json["models"]]

    assert names() == ["churn", "fraud", "power"]
    assert names("f*") == ["fraud"]
    assert names("--tag", "team=crm") == ["churn"] == names("--tag", "team")
    assert names("--stage", "production") == ["power"]
    assert names("--sort", "versions", "--desc")[0] == "churn"
    assert names("--limit", 2, "--page", 2) == ["power"]
    sd("models", "--limit", 2).ok("Page 1 of 2, 3 models.")


def test_models_of_an_empty_registry_says_what_to_do(registry: Home, sd: Sd) -> None:
    sd("models").ok("stagedoor register NAME")


def test_models_with_a_page_that_is_none_is_refused(registry: Home, sd: Sd) -> None:
    sd("models", "--page", 0).refused(2, "count from 1")


# --- show, and how a version is written -----------------------------------------------------------------------------


@pytest.fixture
def staged(registry: Home) -> Home:
    """fraud/1 in Production with the alias champion, fraud/2 in None."""
    registry.register("fraud", "--metric", "auc=0.9")
    registry.register("fraud", "--metric", "auc=0.95")
    registry.sd("transition", "fraud/1", "Production").ok()
    registry.sd("alias", "fraud/1", "champion").ok()
    return registry


@pytest.mark.parametrize("ref", ["fraud/1", "fraud#Production", "fraud#production", "fraud@champion"])
def test_a_version_is_written_by_number_stage_or_alias(staged: Home, sd: Sd, ref: str) -> None:
    assert sd("show", ref, "--json").json["version"]["version"] == 1


def test_a_model_is_written_by_its_name(staged: Home, sd: Sd) -> None:
    shown = sd("show", "fraud", "--json").json
    assert shown["version"] is None and shown["model"]["aliases"] == {"champion": 1}
    sd("show", "fraud").ok("@champion→1", "Production")


@pytest.mark.parametrize(
    ("ref", "code", "said"),
    [
        ("fraod", 4, "did you mean fraud?"),
        ("fraud/9", 4, "fraud has no version 9"),
        ("fraud/x", 2, "is not a version number"),
        ("fraud@champoin", 4, "choose one of: champion"),
        ("fraud#Staging", 4, "stages in use: None, Production"),
        ("fraud#nostage", 4, "no version of fraud is in nostage"),
        ("nosuch@champion", 4, "there is no model nosuch"),
        ("", 4, "there is no model"),
    ],
)
def test_a_ref_to_nothing_is_refused(staged: Home, sd: Sd, ref: str, code: int, said: str) -> None:
    sd("show", ref).refused(code, said)


def test_a_stage_with_two_versions_names_them(staged: Home, sd: Sd) -> None:
    sd("transition", "fraud/2", "Production").ok()
    sd("show", "fraud#Production").refused(2, "2 versions of fraud are in Production: 1, 2", "fraud/2")


# --- history, diff --------------------------------------------------------------------------------------------------


def test_history_shows_each_stage_from_when_to_when(staged: Home, sd: Sd) -> None:
    sd("transition", "fraud/1", "Archived").ok()
    one, _ = sd("history", "fraud", "--json").json
    assert [span["stage"] for span in one["spans"]] == ["None", "Production", "Archived"]
    assert one["spans"][1]["until_commit"] == one["spans"][2]["since_commit"] and one["spans"][2]["until"] is None
    sd("history", "fraud/1").ok("Production", "now")


def test_history_of_an_unknown_model_is_refused(staged: Home, sd: Sd) -> None:
    sd("history", "nosuch").refused(4, "there is no model nosuch")


def test_history_shows_a_version_that_was_deleted(staged: Home, sd: Sd) -> None:
    sd("delete", "fraud/2", "--yes").ok()
    assert [(one["version"], bool(one["deleted_in"])) for one in sd("history", "fraud", "--json").json] == [
        (1, False),
        (2, True),
    ]


def test_diff_of_two_versions_shows_the_metrics_side_by_side(staged: Home, sd: Sd) -> None:
    found = sd("diff", "fraud@champion", "fraud/2", "--json").json
    assert [(delta["name"], delta["was"], delta["now"]) for delta in found["metrics"]] == [("auc", 0.9, 0.95)]
    assert ["stage", "Production", "None"] in found["fields"]
    sd("diff", "fraud@champion", "fraud/2").ok("auc", "stage")


def test_diff_of_two_revisions_shows_what_changed(staged: Home, sd: Sd) -> None:
    assert len(sd("diff", "main~2", "main", "--json").json["changes"]) == 2
    sd("diff", "main~2", "main").ok("fraud: ", "champion")
    sd("diff", "main", "main").ok("The registry is the same in both.")


def test_diff_of_a_version_and_a_revision_is_refused(staged: Home, sd: Sd) -> None:
    sd("diff", "fraud/1", "main").refused(2, "are not of one kind")


def test_diff_of_revisions_that_are_not_there_is_refused(staged: Home, sd: Sd) -> None:
    sd("diff", "main~99", "main").refused(4, "there is no revision")


# --- writing --------------------------------------------------------------------------------------------------------


def test_describe_writes_what_stands_on_stdin(staged: Home, sd: Sd) -> None:
    sd("describe", "fraud", "-", as_=ANN, stdin="Finds *fraud*.\n\nNightly.\n").ok("Described fraud (")
    assert sd("show", "fraud", "--json").json["model"]["description"] == "Finds *fraud*.\n\nNightly.\n"


def test_describe_of_what_is_not_there_is_refused(staged: Home, sd: Sd) -> None:
    sd("describe", "fraud/9", "x", as_=ANN).refused(4, "fraud has no version 9")


def test_describe_twice_says_that_nothing_is_to_change(staged: Home, sd: Sd) -> None:
    sd("describe", "fraud", "x", as_=ANN).ok()
    before = staged.refs()
    sd("describe", "fraud", "x", as_=ANN).ok("Nothing to change")
    assert staged.refs() == before


def test_tags_are_set_and_removed_in_one_commit(staged: Home, sd: Sd) -> None:
    sd("tag", "fraud/1", "a=1", "b=2", as_=ANN).ok("Tagged fraud/1")
    count = int(staged.git("rev-list", "--count", "main"))
    sd("tag", "fraud/1", "c=3", "-d", "a", as_=ANN).ok()
    assert sd("show", "fraud/1", "--json").json["version"]["tags"] == {"b": "2", "c": "3"}
    assert int(staged.git("rev-list", "--count", "main")) == count + 1


@pytest.mark.parametrize("words", [(), ("novalue",), ("=x",), ("\u0007=x",)])
def test_a_tag_that_is_none_is_refused(staged: Home, sd: Sd, words: tuple[str, ...]) -> None:
    sd("tag", "fraud", *words, as_=ANN).refused(2)


def test_an_alias_moves_and_goes(staged: Home, sd: Sd) -> None:
    sd("alias", "fraud/2", "champion").ok("Pointed champion at fraud/2")
    assert sd("show", "fraud@champion", "--json").json["version"]["version"] == 2
    sd("alias", "fraud", "champion", "--delete").ok("Took the alias champion away")
    sd("show", "fraud@champion").refused(4)


@pytest.mark.parametrize("alias", ["latest", "v3", "Production", "Read", "a b", ""])
def test_an_alias_that_cannot_be_is_refused(staged: Home, sd: Sd, alias: str) -> None:
    sd("alias", "fraud/1", alias).refused(2)


def test_an_alias_on_a_model_needs_a_version(staged: Home, sd: Sd) -> None:
    sd("alias", "fraud", "champion").refused(2, "a version is needed", "fraud/3")


def test_rename_keeps_id_versions_and_history(registry: Home, sd: Sd) -> None:
    registry.register("fraud", times=2)
    id_ = sd("show", "fraud", "--json").json["model"]["id"]
    sd("rename", "fraud", "card fraud").ok("Renamed fraud to card fraud")
    assert sd("show", "card fraud", "--json").json["model"]["id"] == id_
    assert len(sd("history", "card fraud", "--json").json) == 2
    assert "registered fraud/1" in sd("activity", "card fraud").ok().out


def test_rename_of_what_serves_is_refused(staged: Home, sd: Sd) -> None:
    sd("rename", "fraud", "other").refused(7, "version 1 is in Production", "Archived first")


def test_rename_by_an_editor_is_refused(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    sd("rename", "fraud", "other", as_=BOB).refused(6, "@Manage")


def test_rename_of_a_version_is_refused(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    sd("rename", "fraud/1", "other").refused(2, "a version has no name")


def test_a_deleted_versions_number_is_not_used_again(registry: Home, sd: Sd) -> None:
    registry.register("fraud", times=2)
    sd("delete", "fraud/2", "--yes").ok("Deleted fraud/2")
    sd("register", "fraud", "--source", "s3://x", as_=ANN).ok("Registered fraud/3")


def test_delete_of_a_model_takes_its_file_away(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    sd("delete", "fraud", "--yes").ok("Deleted fraud")
    assert not (registry.path / FRAUD).exists()
    sd("show", "fraud").refused(4)


def test_delete_of_what_serves_is_refused(staged: Home, sd: Sd) -> None:
    sd("delete", "fraud", "--yes").refused(7, "version 1 is in Production")
    sd("delete", "fraud/1", "--yes").refused(7, "version 1 is in Production")


def test_delete_asks_and_stops_at_no(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    before = registry.refs()
    answer = sd("delete", "fraud", stdin="n\n")
    assert answer.code == 130 and registry.refs() == before


def test_delete_by_an_editor_is_refused(registry: Home, sd: Sd) -> None:
    registry.register("fraud")
    sd("delete", "fraud", "--yes", as_=ANN).refused(6, "@Manage")


WRITES = [
    ("register", "fraud", "--source", "s3://z"),
    ("describe", "fraud", "new"),
    ("tag", "fraud", "a=b"),
    ("alias", "fraud/2", "challenger"),
    ("rename", "churn", "churned"),
    ("delete", "churn"),
    ("transition", "fraud/2", "Staging"),
    ("request", "fraud/2", "Staging"),
    ("rollback", "fraud", "Production"),
]


@pytest.mark.parametrize("words", WRITES, ids=lambda words: words[0])
def test_a_dry_run_prints_the_plan_and_changes_no_ref(staged: Home, sd: Sd, words: tuple[str, ...]) -> None:
    staged.register("churn")
    if words[0] == "rollback":
        sd("transition", "fraud/2", "Production", "--archive-existing").ok()
    before, files = staged.refs(), staged.git("status", "--porcelain")
    sd(*words, "--dry-run").ok("Plan: ")
    assert isinstance(sd(*words, "--dry-run", "--json").json["plan"], dict)
    assert staged.refs() == before and staged.git("status", "--porcelain") == files == ""


@pytest.mark.parametrize("words", WRITES[:-3], ids=lambda words: words[0])
def test_a_write_can_be_asked_for_in_a_request(staged: Home, sd: Sd, words: tuple[str, ...]) -> None:
    staged.register("churn")
    main = staged.git("rev-parse", "main")
    assert sd(*words, "--request", "--json", as_=DAVE).json["request"] == 1
    assert staged.git("rev-parse", "main") == main
    assert sd("plan", 1, "--json").json["models"]


READS = [
    ("models",),
    ("show", "fraud"),
    ("show", "fraud/1"),
    ("history", "fraud"),
    ("diff", "fraud/1", "fraud/2"),
    ("diff", "main~1", "main"),
    ("requests",),
    ("request", "show", "1"),
    ("plan", "1"),
    ("validate", "--format"),
    ("activity",),
    ("activity", "fraud/1"),
    ("comment", "fraud/1"),
    ("comment", "1"),
    ("reconcile", "--status"),
    ("reconcile", "--dry-run"),
    ("explain", "SD301"),
    ("explain",),
    ("doctor",),
]


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_what_a_reading_verb_says_as_json_parses_and_changes_no_ref(
    staged: Home, sd: Sd, words: tuple[str, ...]
) -> None:
    sd("request", "fraud/2", "Staging", as_=ANN).ok()
    before = staged.refs()
    asked = ("validate", "--format", "json") if words[0] == "validate" else (*words, "--json")
    assert json.loads(sd(*asked).ok().out) is not None
    sd(*(("validate",) if words[0] == "validate" else words)).ok()
    assert staged.refs() == before


ODD = "a\udcffb"  # what Python makes of a byte on the command line that is not UTF-8


@pytest.mark.parametrize(
    "words",
    [
        ("register", ODD, "--source", "s3://x"),
        ("register", "fraud", "--source", ODD),
        ("register", "fraud", "--source", "s3://x", "--tag", f"k={ODD}"),
        ("register", "fraud", "--source", "s3://x", "--metric", f"{ODD}=1"),
        ("register", "fraud", "--source", "s3://x", "-m", ODD),
        ("show", ODD),
        ("models", ODD),
        ("describe", "fraud", ODD),
        ("tag", "fraud", f"k={ODD}"),
        ("comment", "fraud/1", ODD),
        ("request", "fraud/2", "Staging", "-m", ODD),
        ("request", f"fraud/2={ODD}"),
        ("transition", "fraud/2", ODD),
        ("approve", "1", "-m", ODD),
        ("merge", "1", "-m", ODD),
        ("cancel", "1", "-m", ODD),
        ("activity", ODD),
        ("explain", ODD),
    ],
    ids=lambda words: " ".join(words).encode("ascii", "replace").decode(),
)
def test_words_that_are_not_utf_8_are_refused(staged: Home, sd: Sd, words: tuple[str, ...]) -> None:
    sd("request", "fraud/2", "Staging", as_=ANN).ok()
    before = staged.refs()
    answer = sd(*words)
    assert answer.code == 2 and "bytes that are not UTF-8" in answer.err
    assert staged.refs() == before


def test_a_description_on_stdin_that_is_not_utf_8_is_refused(staged: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stagedoor.apps.cli.main", "describe", "fraud", "-"],
        cwd=staged.path,
        input=b"a\xffb",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2 and b"UTF-8" in done.stderr and b"Traceback" not in done.stderr


# --- what happened, and who hears of it -----------------------------------------------------------------------------


def test_activity_tells_what_git_log_tells(staged: Home, sd: Sd) -> None:
    told = [line.split()[0] for line in sd("activity").ok().out.splitlines() if line[0] != " "]
    logged = staged.git("log", "--first-parent", "--abbrev=10", "--format=%h", "main").split()
    assert list(dict.fromkeys(told)) == logged


def test_activity_of_fewer_than_no_lines_is_refused(staged: Home, sd: Sd) -> None:
    assert sd("activity", "--limit", -1).code == 2
    assert len(sd("activity", "--limit", 2, "--json").json) == 2


def test_activity_of_an_unknown_model_is_refused(staged: Home, sd: Sd) -> None:
    sd("activity", "nosuch").refused(4)


def test_reconcile_tells_once(staged: Home, sd: Sd) -> None:
    assert sd("reconcile", "--json").json["merges"] > 3
    assert sd("reconcile", "--json").json["merges"] == 0
    sd("reconcile", "--status").ok("reconciled up to " + staged.git("rev-parse", "main")[:10])


def test_reconcile_from_an_unknown_revision_is_refused(staged: Home, sd: Sd) -> None:
    sd("reconcile", "--from", "nosuch").refused(4, "there is no revision")


def test_follow_and_mute_are_remembered(staged: Home, sd: Sd) -> None:
    sd("follow", "fraud/1", as_=ANN).ok("ann@example.com follows fraud/1.")
    assert sd("mute", "fraud", "--json", as_=ANN).json["versions"] == [1]
    sd("follow", "nosuch", as_=ANN).refused(4)
    sd("mute", "nosuch", as_=ANN).refused(4)


def test_explain_says_why_a_check_is_there(sd: Sd) -> None:
    sd("explain", "SD301").ok("an alias points at a version that exists")
    sd("explain", "SD999").refused(4, "there is no check SD999")


# --- files ----------------------------------------------------------------------------------------------------------


def test_fmt_writes_the_canonical_form_and_keeps_comments(staged: Home, sd: Sd) -> None:
    file = staged.path / FRAUD
    canonical = file.read_text()
    file.write_text("# by hand\n" + canonical.replace("kind: RegisteredModel\n", "kind:   'RegisteredModel'\n"))
    assert sd("fmt", "--check").code == 8
    sd("fmt").ok("wrote ")
    assert file.read_text() == "# by hand\n" + canonical
    sd("fmt").ok("All files are in canonical form.")


def test_fmt_takes_paths_as_seen_from_the_folder_of_the_option(staged: Home, sd: Sd) -> None:
    (staged.path / FRAUD).write_text(staged.text(FRAUD) + "\n\n")
    sd("fmt", FRAUD).ok("wrote ")


def test_fmt_of_a_file_that_does_not_read_is_refused_and_leaves_it(staged: Home, sd: Sd) -> None:
    (staged.path / FRAUD).write_text("name: [\n")
    answer = sd("fmt")
    assert answer.code == 3 and answer.err.startswith("error: not valid YAML") and "fraud.yaml:2:1" in answer.err
    assert staged.text(FRAUD) == "name: [\n"


def test_fmt_of_a_file_that_is_not_there_is_refused(staged: Home, sd: Sd) -> None:
    sd("fmt", "nosuch.yaml").refused(4, "there is no plain file")


@pytest.mark.parametrize("kind", ["RegisteredModel", "Registry", "People"])
def test_schema_prints_json(sd: Sd, kind: str) -> None:
    assert json.loads(sd("schema", kind).ok().out)["type"] == "object"


def test_schema_of_another_kind_is_refused(sd: Sd) -> None:
    assert sd("schema", "Nonsense").code == 2
