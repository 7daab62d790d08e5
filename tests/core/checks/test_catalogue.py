"""Checks as a catalogue: codes are promises, reasons become the docs."""

from __future__ import annotations

import pytest

from specs import FRAUD, facts, model, registry, version
from stagedoor.core.checks import Check, Place, Problem, names, run, stages
from stagedoor.core.checks.catalogue import ALL_CHECKS, FAMILIES, check_called
from stagedoor.core.reading import text_of
from stagedoor.core.registry import Registry
from stagedoor.core.text import read
from stagedoor.errors import BadSpec


@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: check.code)
def test_a_check_has_a_family_a_title_and_a_reason(check: Check) -> None:
    assert check.code[:3] in FAMILIES and len(check.code) == 5
    assert check.title and not check.title.endswith(".")
    assert len(check.reason) > 40 and check.reason.endswith(".")


def test_codes_are_unique_and_ascend() -> None:
    codes = [check.code for check in ALL_CHECKS]
    assert codes == sorted(set(codes))


def test_a_check_is_found_in_any_case_of_its_code() -> None:
    found = check_called("sd301")
    assert found is not None and found.title == "an alias points at a version that exists"
    assert check_called("SD999") is None


def test_a_problem_names_the_line_and_column_of_its_place() -> None:
    after = registry(model("fraud", version(1), aliases={"champion": 2}))
    document = read(text_of(after.model("fraud"), FRAUD).encode(), FRAUD)

    def locate(place: Place) -> tuple[int, int]:
        line, column = document.at(place.keys).rsplit(":", 2)[1:]
        return int(line), int(column)

    (problem,) = run([stages.alias_has_a_version], facts(Registry(), after), locate)
    assert problem.where == "registry_spec/models/fraud.yaml:7:13"
    assert problem.fix == "versions there are: 1"


def test_errors_come_first_and_nothing_is_said_twice() -> None:
    fault = BadSpec("the file is empty", where=f"{FRAUD}:1:1")
    seen = facts(Registry(), Registry(), unreadable=(fault, fault), uncanonical=("registry_spec/a.yaml",))
    problems = run([names.files_are_canonical, names.every_file_reads], seen, lambda place: (0, 0))
    assert [(one.code, one.severity, one.where) for one in problems] == [
        ("SD101", "error", f"{FRAUD}:1:1"),
        ("SD106", "warning", "registry_spec/a.yaml"),
    ]


def test_a_path_with_colons_is_told_from_its_line() -> None:
    seen = facts(
        Registry(), Registry(), unreadable=(BadSpec("x", where="a:b.yaml:3:4"), BadSpec("y", where="c:d.yaml"))
    )
    problems = run([names.every_file_reads], seen, lambda place: (0, 0))
    assert problems == (
        Problem("SD101", "error", "x", "a:b.yaml", 3, 4),
        Problem("SD101", "error", "y", "c:d.yaml"),
    )
