"""Problems as text, JSON, workflow commands, SARIF and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from stagedoor.core.checks import Problem
from stagedoor.core.checks.catalogue import ALL_CHECKS, check_called
from stagedoor.core.views.plain import counted, json_text, visible
from stagedoor.core.views.plans import md_checks, problem_lines

# GitHub shows ten errors and ten warnings a step
GITHUB_MOST = 10


def render(problems: Sequence[Problem], style: str) -> str:
    """The problems in one of the styles of `stagedoor validate --format`."""
    match style:
        case "json":
            return json_text({"problems": tuple(problems), "errors": _errors(problems)}) + "\n"
        case "github":
            return "".join(f"{line}\n" for line in _github(problems))
        case "sarif":
            return json_text(sarif(problems)) + "\n"
        case "markdown":
            return "\n".join(md_checks(tuple(problems)))
        case _:
            return _text(problems)


def _errors(problems: Sequence[Problem]) -> int:
    return sum(problem.severity == "error" for problem in problems)


def _text(problems: Sequence[Problem]) -> str:
    lines = [line for problem in problems for line in problem_lines(problem)]
    errors = _errors(problems)
    return "\n".join([*lines, f"{counted(errors, 'error')}, {counted(len(problems) - errors, 'warning')}."]) + "\n"


def _github(problems: Sequence[Problem]) -> Iterator[str]:
    """Workflow commands, https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions."""
    for severity in ("error", "warning"):
        mine = [problem for problem in problems if problem.severity == severity]
        shown = mine if len(mine) <= GITHUB_MOST else mine[: GITHUB_MOST - 1]
        for problem in shown:
            yield _command(severity, problem)
        if len(mine) > len(shown):
            yield f"::{severity}::and {len(mine) - len(shown)} more, see the summary"


def _command(severity: str, problem: Problem) -> str:
    properties = {"file": problem.path, "line": problem.line, "col": problem.column, "title": _title(problem)}
    said = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value)
    cure = f" Fix: {problem.fix}" if problem.fix else ""
    return f"::{severity} {said}::{_data(f'{problem.what}.{cure}')}"


def _title(problem: Problem) -> str:
    check = check_called(problem.code)
    return f"{problem.code} {check.title}" if check else problem.code


def _data(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif(problems: Sequence[Problem]) -> dict[str, object]:
    """The problems as SARIF 2.1.0, https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html."""
    codes = {problem.code for problem in problems}
    rules = [
        {"id": c.code, "shortDescription": {"text": c.title}, "fullDescription": {"text": c.reason}}
        for c in ALL_CHECKS
        if c.code in codes
    ]
    driver = {"name": "stagedoor", "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(problem) for problem in problems]}],
    }


def _result(problem: Problem) -> dict[str, object]:
    found: dict[str, object] = {
        "ruleId": problem.code,
        "level": problem.severity,
        "message": {"text": f"{problem.what}. {problem.fix}".strip()},
    }
    if problem.path:
        place: dict[str, object] = {"artifactLocation": {"uri": quote(problem.path, errors="surrogateescape")}}
        if problem.line:
            place["region"] = {"startLine": problem.line, "startColumn": max(1, problem.column)}
        found["locations"] = [{"physicalLocation": place}]
    return found
