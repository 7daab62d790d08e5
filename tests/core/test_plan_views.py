"""What a forge would make of a stranger's text, and bytes of a path that are not UTF-8, in every view."""

from __future__ import annotations

import json
import re

import pytest
from markdown_it import MarkdownIt

from specs import model, registry, version
from stagedoor.core.checks import Problem
from stagedoor.core.diff import diff
from stagedoor.core.plan import Plan, model_plans
from stagedoor.core.registry import Registry
from stagedoor.core.views import plans, problems
from stagedoor.core.views.plain import json_text

# what Linux allows in a file name, and how Python holds it: https://peps.python.org/pep-0383/
LATIN = "registry_spec/models/caf\udce9.yaml"


def planned(after: Registry, before: Registry, *found: Problem, title: str = "Move it", path: str = "x") -> Plan:
    models = model_plans(diff(before, after), before, after)
    return Plan("a" * 40, "b" * 40, "c" * 64, 7, title, models, (path,), found, None)


def compared(metric: str) -> Plan:
    """Version 2 takes the place of version 1, beside one metric of this name."""
    before = registry(model("fraud", version(1, "Production"), version(2, metrics={metric: 1.0})))
    after = registry(model("fraud", version(1, "Archived"), version(2, "Production", metrics={metric: 1.0})))
    return planned(after, before)


@pytest.mark.parametrize("reference", ["#1", "GH-1", "owner/repo#1", "!1", "gh-23"])
def test_a_strangers_text_refers_to_no_issue_and_no_merge_request(reference: str) -> None:
    problem = Problem("SD101", "error", f"as in {reference}", "", 0, 0, f"see {reference}")
    html = MarkdownIt("gfm-like", {"linkify": False}).render(problems.render([problem], "markdown"))
    # a forge looks for these in the text that is left when backslashes are gone
    assert "as in" in html and not re.search(r"(#|!|\bGH-)\d", html, re.IGNORECASE)


@pytest.mark.parametrize("name", ["- [x] done", "1. first", "12) twelfth", "* star", "+ plus", "> quote", "# title"])
def test_a_metrics_name_opens_no_list_quote_or_heading(name: str) -> None:
    html = MarkdownIt("gfm-like", {"linkify": False}).render(plans.markdown(compared(name)))
    assert re.search(rf"<li>{re.escape(name).replace('>', '&gt;')}\s+\(none\)", html)
    assert not {"ol", "blockquote", "h1"} & set(re.findall(r"<(\w+)", html))


@pytest.mark.parametrize("style", ["text", "json", "github", "sarif", "markdown"])
def test_a_path_that_is_not_utf_8_can_be_shown_in_every_style(style: str) -> None:
    problem = Problem("SD104", "error", "the file should be called otherwise", LATIN, 1, 1, f"git mv {LATIN}")
    shown = problems.render([problem], style).encode().decode()
    assert "caf" in shown


def test_sarif_names_the_bytes_of_such_a_path() -> None:
    (run,) = json.loads(problems.render([Problem("SD104", "error", "x", LATIN)], "sarif"))["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "registry_spec/models/caf%E9.yaml"}


def test_json_gives_such_a_path_back_as_it_was() -> None:
    problem = Problem("SD104", "error", "été → \\ud", LATIN)
    shown = problems.render([problem], "json")
    assert "été → " in shown and "caf\\udce9" in shown
    (read,) = json.loads(shown.encode())["problems"]
    assert (read["what"], read["path"]) == (problem.what, LATIN)


def test_a_plan_with_such_a_path_can_be_shown() -> None:
    plan = planned(registry(), registry(), Problem("SD104", "error", "x", LATIN), path=LATIN)
    assert plans.text(plan).encode() and plans.markdown(plan).encode()
    assert json.loads(json_text(plans.data(plan)).encode())["files"] == [LATIN]
