"""A plan as people see it: in the terminal, on a pull request, as JSON."""

# ruff: noqa: E501 - the expected text stands as it is shown

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from specs import ANN, CAROL, NOW, PEOPLE, model, owners, registry, version
from stagedoor.core.approval import judge, needs
from stagedoor.core.checks import Problem
from stagedoor.core.diff import diff
from stagedoor.core.plan import Plan, model_plans
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.registry import Registry
from stagedoor.core.requests import Reviewed
from stagedoor.core.views import plans
from stagedoor.core.views.plain import shortened, visible

HEAD = "b" * 40
BASE = registry(
    model("fraud", version(1, "Production", metrics={"rmse": 412.7}), version(2, "Staging", metrics={"rmse": 398.1}, digest="sha256:ab")),
    model("sun", version(1, "Archived")),
)  # fmt: skip
WANTED = registry(
    model("fraud", version(1, "Archived", metrics={"rmse": 412.7}), version(2, "Production", metrics={"rmse": 398.1}, digest="sha256:ab"),
          aliases={"champion": 2}, tags={"team": "risk"}),
    model("wind", version(1)),
)  # fmt: skip
PROBLEM = Problem("SD304", "error", "fraud: two versions", "registry_spec/models/fraud.yaml", 9, 3, "archive one")


def made(after: Registry, before: Registry = BASE, reviews: tuple[Reviewed, ...] = (), **more: Any) -> Plan:
    changes, spec = diff(before, after), RegistrySpec()
    asked = needs(changes, (), spec)
    verdict = judge(asked, reviews, head=HEAD, author=ANN, owners=owners(), people=PEOPLE, spec=spec)
    given = {"request": 7, "title": "Move it", "files": (), "problems": (), "verdict": verdict, **more}
    return Plan("a" * 40, HEAD, "c" * 64, models=model_plans(changes, before, after), **given)


APPROVED = (Reviewed(at=NOW, by=CAROL, verdict="approved", head=HEAD),)
REPRESENTATIVE = made(WANTED, reviews=APPROVED, files=("README.md",), problems=(PROBLEM,))


TEXT = """\
Request 7: Move it
base aaaaaaaaaa   head bbbbbbbbbb   plan cccccccccccc

  ~ fraud
      ~ version 1: Production → Archived
      ~ version 2: Staging → Production
          archives version 1
          metrics beside version 1:
            rmse  412.7 → 398.1  (-3.5 %)
          digest sha256:ab
      + tag team: risk
      + alias champion → version 2

  - sun
      - deleted, with 1 version

  + wind
      + created, with version 1 in None

  ~ README.md

Checks
  x SD304 fraud: two versions
       at: registry_spec/models/fraud.yaml:9:3
      fix: archive one

Approvals
  [x] registry_spec/models/fraud.yaml   (line 3: ann@example.com @ml/energy bob@example.com carol@example.com dave@example.com)
        fraud: tag team changes
        approved by carol@example.com
  [x] registry_spec/models/fraud.yaml/@Production   (line 5: carol@example.com dave@example.com)
        fraud/1: Production → Archived
        fraud/2: Staging → Production
        approved by carol@example.com
  [x] registry_spec/models/fraud.yaml/@champion   (line 6: carol@example.com dave@example.com)
        fraud@champion: (none) → 2
        approved by carol@example.com
  [ ] registry_spec/models/sun.yaml/@Manage   (line 7: dave@example.com)
        sun is deleted
        not counted: carol@example.com is not an owner
        needs: approval by 1 of dave@example.com
  [x] registry_spec/models/wind.yaml   (line 3: ann@example.com @ml/energy bob@example.com carol@example.com dave@example.com)
        wind is created
        approved by carol@example.com

Plan: 1 to register, 1 to move, 1 to archive, 1 to delete, 3 to change otherwise.
"""

MARKDOWN = """\
### Plan: 1 to register, 1 to move, 1 to archive, 1 to delete, 3 to change otherwise.

Base `aaaaaaaaaa`, head `bbbbbbbbbb`, plan `cccccccccccc`.

- `~` **fraud**
  - version 1: Production → **Archived**
  - version 2: Staging → **Production** (archives version 1)
    - rmse  412.7 → 398.1  \\(-3.5 %\\)
    - digest `sha256:ab`
  - `+` tag team: risk
  - `+` alias champion → version 2

- `-` **sun**
  - `-` deleted, with 1 version

- `+` **wind**
  - `+` created, with version 1 in None

- `~` `README.md`

#### Checks

- ❌ `SD304` fraud: two versions at `registry_spec/models/fraud.yaml:9:3` — archive one

#### Approvals

- [x] `registry_spec/models/fraud.yaml` — approved by `carol@example.com`
- [x] `registry_spec/models/fraud.yaml/@Production` — approved by `carol@example.com`
- [x] `registry_spec/models/fraud.yaml/@champion` — approved by `carol@example.com`
- [ ] `registry_spec/models/sun.yaml/@Manage` — **needs** approval by 1 of dave@\u200bexample.com
- [x] `registry_spec/models/wind.yaml` — approved by `carol@example.com`
"""


def test_the_terminal_shows_symbols_a_tree_and_a_count_line() -> None:
    assert plans.text(REPRESENTATIVE) == TEXT


def test_a_pull_request_shows_the_same_in_markdown() -> None:
    assert plans.markdown(REPRESENTATIVE) == MARKDOWN


def test_scripts_get_the_same_as_json() -> None:
    data = json.loads(json.dumps(plans.data(REPRESENTATIVE)))
    assert list(data) == [
        "request", "title", "base", "head", "hash", "counts", "models", "files", "conflicts", "gates", "problems",
        "approvals", "waiting_for",
    ]  # fmt: skip
    assert data["counts"]["to archive"] == 1
    assert data["models"][0]["moves"][1]["metrics"] == [
        {"type": "MetricDelta", "name": "rmse", "was": 412.7, "now": 398.1}
    ]
    assert data["models"][1]["changes"][0]["type"] == "ModelDeleted"
    assert data["models"][1]["changes"][0]["content"]["created"]["at"] == "2026-11-24T10:15:00.123Z"
    assert data["approvals"][3] == {
        "path": "registry_spec/models/sun.yaml/@Manage",
        "why": ["sun is deleted"],
        "line": 7,
        "owners": ["dave@example.com"],
        "may_approve": ["dave@example.com"],
        "approved_by": [],
        "ignored": [{"by": "carol@example.com", "reason": "is not an owner"}],
        "holds": False,
        "needs": "approval by 1 of dave@example.com",
        "blocked_by": [],
        "rules": [
            {
                "lines": [7],
                "section": None,
                "owners": ["dave@example.com"],
                "required": 1,
                "may_approve": ["dave@example.com"],
                "approved_by": [],
                "holds": False,
            }
        ],
        "asks": [],
    }
    assert data["waiting_for"] == ["dave@example.com"]


def test_a_plan_of_nothing_says_so() -> None:
    nothing = made(BASE, request=None, verdict=None)
    assert plans.text(nothing).splitlines()[2:] == [
        "Nothing would change.",
        "",
        "Plan: 0 to register, 0 to move, 0 to archive, 0 to delete.",
    ]


def test_a_clash_is_shown_before_the_checks() -> None:
    clash = made(WANTED, conflicts=("the stage of fraud/1 is 'Archived' by now, not 'None'",))
    assert "  ! the stage of fraud/1 is 'Archived' by now, not 'None'\n" in plans.text(clash)
    assert "- ⚠ the stage of fraud/1 is 'Archived' by now, not 'None'\n" in plans.markdown(clash)


def test_a_new_model_with_many_versions_is_one_line() -> None:
    many = plans.text(made(registry(model("fraud", *(version(n) for n in range(1, 1_001)))), Registry()))
    assert "version 20 in None and 980 more\n" in many


# --- size -----------------------------------------------------------------------------------------------------------


def test_a_thousand_models_fit_into_a_comment_and_are_counted() -> None:
    many = registry(*(model(f"model-{number}", version(1, "Staging")) for number in range(1_000)))
    moved = registry(*(model(f"model-{number}", version(1, "Production")) for number in range(1_000)))
    shown = plans.markdown(made(moved, many, problems=tuple(PROBLEM for _ in range(500))))
    assert len(shown) < 65_000
    assert "0 to register, 1000 to move, 0 to archive, 0 to delete." in shown
    assert re.search(r"… and \d+ more, left out here for their number: `stagedoor plan` shows them.", shown)
    assert "- … and 450 more\n" in shown and "- … and 970 more\n" in shown


def test_one_big_model_does_not_push_the_others_out() -> None:
    big = model("big", *(version(number) for number in range(1, 1_001)))
    described = model("big", *(version(number, description="x") for number in range(1, 1_001)))
    shown = plans.markdown(made(registry(described, model("wind", version(1))), registry(big)))
    assert "more lines of this model" in shown and "**wind**" in shown


@pytest.mark.parametrize("long", ["x" * 900_000, "`" * 900_000, "@" * 900_000, "\x1b" * 900_000])
def test_a_text_of_a_megabyte_makes_no_long_comment(long: str) -> None:
    after = registry(
        model(
            "fraud",
            version(1, long, description=long[:100_000], digest=long, tags={long: long}),
            description=long[:100_000],
        )
    )
    problem = Problem("SD101", "error", long, long, 1, 1, long)
    shown = plans.markdown(made(after, Registry(), problems=(problem,) * 60, conflicts=(long,) * 100))
    assert len(shown) < 65_000 and shown.startswith("### Plan: 1 to register")


# --- text of strangers ----------------------------------------------------------------------------------------------

HOSTILE = (
    "\x1b[2J\x9b31m\r\n\n::error::pwned\n@everyone <script>alert(1)</script> <!-- [x](https://evil.example) "
    "![i](http://evil.example/p.png) www.evil.example `code` $x$ #1 \u202egnp.exe \u2028 \u2066 | a & b ~~s~~"
)


def hostile() -> Plan:
    """Every text that a stranger can choose is hostile; the checks would refuse most of it, and see it first."""
    before = registry(
        model("fraud", version(1, HOSTILE, metrics={HOSTILE: 1.0}), tags={HOSTILE: "a"}, aliases={HOSTILE: 1, "b": 1})
    )
    one = version(1, "Production", metrics={HOSTILE: 1.0}, description=HOSTILE, digest=HOSTILE)
    two = version(2, HOSTILE, source=HOSTILE, metrics={HOSTILE: 1.0}, digest=HOSTILE)
    after = before.model("fraud").model_copy(
        update={
            "name": HOSTILE,
            "versions": (one, two),
            "description": HOSTILE,
            "tags": {HOSTILE: HOSTILE},
            "aliases": {"b": 2},
        }
    )
    files = {f"registry_spec/models/{HOSTILE}.yaml": after, "registry_spec/models/new.yaml": model(HOSTILE, two)}
    problem = Problem("SD102", "error", HOSTILE, HOSTILE, 1, 1, HOSTILE)
    return made(Registry(files), before, title=HOSTILE, files=(HOSTILE,), problems=(problem,), conflicts=(HOSTILE,))


def test_the_terminal_gets_no_control_character_of_a_stranger() -> None:
    shown = plans.text(hostile())
    assert visible(shown.replace("\n", "")) == shown.replace("\n", "")
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())


def test_markdown_formats_links_and_mentions_nothing_of_a_stranger() -> None:
    shown = plans.markdown(hostile())
    html = MarkdownIt("gfm-like", {"linkify": False}).render(shown)
    assert set(re.findall(r"<(\w+)", html)) <= {"h3", "h4", "p", "ul", "li", "code", "strong"}
    prose = re.sub(r"<code>.*?</code>", "", html)
    # GitHub makes links and mentions of these wherever they stand outside of code
    assert not any(live in prose for live in ("@everyone", "https://", "http://", "www."))
    assert visible(shown.replace("\n", "").replace("\u200b", "")) == shown.replace("\n", "").replace("\u200b", "")
    assert not any(line.startswith("::") for line in shown.splitlines())


def test_hidden_characters_are_spelt_out() -> None:
    assert visible("a\x1b[0m\nb\tc\u202e") == "a\\u001b[0m b c\\u202e"
    assert shortened("x" * 99, 10) == "xxxxxxxxx…"
