"""Problems as text, JSON, workflow commands, SARIF and Markdown."""

from __future__ import annotations

import json

import pytest

from stagedoor.core.checks import Problem
from stagedoor.core.views import problems

ERROR = Problem("SD301", "error", "fraud@best points at version 2", "registry_spec/models/fraud.yaml", 7, 3, "choose 1")
WARNING = Problem("SD106", "warning", "the file is not in canonical form", "registry_spec/models/wind%20farm.yaml")
BARE = Problem("conflict", "error", "both sides changed it")


def test_text_names_what_where_and_the_cure() -> None:
    assert (
        problems.render([ERROR, WARNING], "text")
        == """\
  x SD301 fraud@best points at version 2
       at: registry_spec/models/fraud.yaml:7:3
      fix: choose 1
  ! SD106 the file is not in canonical form
       at: registry_spec/models/wind%20farm.yaml
1 error, 1 warning.
"""
    )


def test_json_holds_the_fields_and_counts_the_errors() -> None:
    assert json.loads(problems.render([ERROR], "json")) == {
        "problems": [
            {
                "type": "Problem", "code": "SD301", "severity": "error", "what": "fraud@best points at version 2",
                "path": "registry_spec/models/fraud.yaml", "line": 7, "column": 3, "fix": "choose 1",
            }
        ],
        "errors": 1,
    }  # fmt: skip


def test_a_workflow_command_points_at_the_line() -> None:
    assert problems.render([WARNING, ERROR, BARE], "github") == (
        "::error file=registry_spec/models/fraud.yaml,line=7,col=3,title=SD301 an alias points at a version that exists"
        "::fraud@best points at version 2. Fix: choose 1\n"
        "::error title=conflict::both sides changed it.\n"
        "::warning file=registry_spec/models/wind%2520farm.yaml,title=SD106 files are in canonical form"
        "::the file is not in canonical form.\n"
    )


def test_a_stranger_cannot_start_or_end_a_workflow_command() -> None:
    bad = "x\n::add-mask::y\r\n::error::z % a,b: c \x1b[31m"
    assert problems.render([Problem("SD102", "error", bad, bad, 1, 1, bad)], "github") == (
        "::error file=x %3A%3Aadd-mask%3A%3Ay\\u000d %3A%3Aerror%3A%3Az %25 a%2Cb%3A c \\u001b[31m,line=1,col=1,"
        "title=SD102 a name is one that every client can say"
        "::x ::add-mask::y\\u000d ::error::z %25 a,b: c \\u001b[31m. "
        "Fix: x ::add-mask::y\\u000d ::error::z %25 a,b: c \\u001b[31m\n"
    )


@pytest.mark.parametrize(
    ("count", "lines", "last"),
    [(10, 10, "::error title=c"), (11, 10, "::error::and 2 more"), (500, 10, "::error::and 491 more")],
)
def test_github_gets_ten_of_each_kind(count: int, lines: int, last: str) -> None:
    shown = problems.render([Problem("c", "error", str(number)) for number in range(count)], "github").splitlines()
    assert len(shown) == lines and shown[-1].startswith(last)


def test_ten_warnings_stand_beside_ten_errors() -> None:
    many = [Problem("c", severity, str(n)) for n in range(20) for severity in ("error", "warning")]
    shown = problems.render(many, "github").splitlines()
    assert [line.split("::")[1].split(" ")[0] for line in shown] == ["error"] * 10 + ["warning"] * 10


def test_sarif_names_the_rule_the_level_and_the_place() -> None:
    made = json.loads(problems.render([ERROR, WARNING, BARE], "sarif"))
    (run,) = made["runs"]
    assert made["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["SD106", "SD301"]
    assert run["tool"]["driver"]["rules"][1]["fullDescription"]["text"].startswith("People load models by alias")
    assert run["results"] == [
        {
            "ruleId": "SD301",
            "level": "error",
            "message": {"text": "fraud@best points at version 2. choose 1"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "registry_spec/models/fraud.yaml"},
                        "region": {"startLine": 7, "startColumn": 3},
                    }
                }
            ],
        },
        {
            "ruleId": "SD106",
            "level": "warning",
            "message": {"text": "the file is not in canonical form."},
            "locations": [
                {"physicalLocation": {"artifactLocation": {"uri": "registry_spec/models/wind%2520farm.yaml"}}}
            ],
        },
        {"ruleId": "conflict", "level": "error", "message": {"text": "both sides changed it."}},
    ]


def test_markdown_lists_fifty_and_counts_the_rest() -> None:
    shown = problems.render([ERROR] * 60, "markdown").splitlines()
    assert shown[2] == (
        "- ❌ `SD301` fraud@\u200bbest points at version 2 at `registry_spec/models/fraud.yaml:7:3` — choose 1"
    )
    assert len(shown) == 53 and shown[-1] == "- … and 10 more"


def test_nothing_wrong_is_said_too() -> None:
    assert problems.render([], "markdown") == "No check has anything to say.\n"
    assert problems.render([], "text") == "0 errors, 0 warnings.\n"
    assert problems.render([], "github") == ""
