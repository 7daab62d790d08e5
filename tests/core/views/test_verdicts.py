"""The verdict tree, as it is printed and as it is given to scripts."""

from __future__ import annotations

from specs import ANN, BOB, CAROL, FRAUD, NOW, PEOPLE, model, registry, version
from stagedoor.core.approval import Verdict, judge, needs, who_can
from stagedoor.core.diff import diff
from stagedoor.core.owners import parse
from stagedoor.core.plan import Plan
from stagedoor.core.policy import Approvals, Gate, RegistrySpec
from stagedoor.core.requests import Reviewed
from stagedoor.core.views.plans import markdown
from stagedoor.core.views.verdicts import ruling_data, verdict_lines, who_can_data, who_can_lines

HEAD, OLD = "b" * 40, "a" * 40
OWNERS = parse(
    f"/registry_spec/models/*.yaml @ml/energy\n[Risk]\n/registry_spec/models/*.yaml {ANN} {CAROL}\n", dialect="gitlab"
)
SPEC = RegistrySpec(gates=(Gate(name="four-eyes", approvals=Approvals(count=2, teams=2, by=(CAROL,), signed=True)),))
BEFORE, AFTER = (registry(model("fraud", version(1, stage))) for stage in ("None", "Production"))
ASKED = needs(diff(BEFORE, AFTER), (), SPEC)


def verdict() -> Verdict:
    reviews = (
        Reviewed(at=NOW, by=BOB, verdict="approved", head=HEAD),
        Reviewed(at=NOW, by=CAROL, verdict="approved", head=OLD),
    )
    signed = frozenset({BOB})
    return judge(ASKED, reviews, head=HEAD, author=ANN, owners=OWNERS, people=PEOPLE, spec=SPEC, signed=signed)


def test_the_tree_shows_every_rule_that_asks_and_who_is_missing() -> None:
    assert (
        "\n".join(verdict_lines(verdict()))
        == f"""\
Approvals
  [ ] {FRAUD}/@Production   (line 3: @ml/energy {ANN} {CAROL})
        fraud/1: None → Production
        [x] line 1: 1 of @ml/energy
        [ ] section Risk, line 3: 1 of {ANN}, {CAROL}
        [ ] gate four-eyes: 2 approvals from 2 different teams, one of {CAROL}, signed
        approved by {BOB}
        not counted: {CAROL} saw aaaaaaaaaa, and the head is bbbbbbbbbb by now
        needs: one of {CAROL}: {CAROL}
"""
    )


def test_markdown_shows_the_rules_below_the_need() -> None:
    plan = Plan("a" * 40, HEAD, "c" * 64, 7, "Move it", (), (), (), verdict())
    shown = markdown(plan).replace("\u200b", "")
    assert "  - [x] line 1: 1 of @ml/energy\n  - [ ] section Risk, line 3: 1 of" in shown
    assert "  - [ ] gate four-eyes: 2 approvals from 2 different teams" in shown


def test_scripts_get_the_rules_and_what_gates_ask() -> None:
    (ruling,) = verdict().rulings
    data = ruling_data(ruling)
    assert [(rule["section"], rule["holds"]) for rule in data["rules"]] == [(None, True), ("Risk", False)]
    assert data["asks"] == [
        {
            "source": "gate four-eyes",
            "count": 2,
            "teams": 2,
            "by": [CAROL],
            "signed": True,
            "approved_by": [BOB],
            "holds": False,
            "needs": f"one of {CAROL}: {CAROL}",
        }
    ]


def test_who_can_lists_people_lines_and_gates() -> None:
    found = who_can(ASKED, owners=OWNERS, people=PEOPLE, spec=SPEC, author=ANN)
    assert (
        "\n".join(who_can_lines(found))
        == f"""\
{FRAUD}/@Production
    line 1: 1 of @ml/energy
    section Risk, line 3: 1 of {ANN}, {CAROL}
    gate four-eyes: 2 approvals from 2 different teams, one of {CAROL}, signed
  may approve: {BOB}, {CAROL}
directly: nobody (fraud/1: None → Production: {FRAUD}/@Production is owned by @ml/energy)"""
    )
    assert who_can_data(found)["directly"] == []


def test_what_nobody_owns_is_said() -> None:
    found = who_can(ASKED, owners=parse(""), people=PEOPLE, spec=SPEC)
    assert list(who_can_lines(found))[1:] == [
        f"  nobody owns {FRAUD}/@Production: add a line for it to CODEOWNERS",
        f"directly: nobody (nobody owns {FRAUD}/@Production)",
    ]
