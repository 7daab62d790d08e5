"""A plan as text, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, assert_never

from stagedoor.core.approval import Verdict
from stagedoor.core.checks import Problem
from stagedoor.core.diff import (
    AliasMoved,
    Change,
    DescriptionChanged,
    EvidenceChanged,
    FactChanged,
    ModelCreated,
    ModelDeleted,
    ModelFactChanged,
    ModelMoved,
    ModelRenamed,
    StageMoved,
    TagDeleted,
    TagSet,
    VersionCreated,
    VersionDeleted,
)
from stagedoor.core.gates import GateRuling
from stagedoor.core.plan import MetricDelta, ModelPlan, Move, Plan
from stagedoor.core.spec import ARCHIVED
from stagedoor.core.views.plain import jsonable, number, shortened, visible
from stagedoor.core.views.verdicts import part_texts, ruling_data, verdict_lines

# GitHub cuts a comment at 65,536 characters and says nothing; the rest is for a link and a marker
MARKDOWN_LIMIT = 64_000
MODEL_LINES = 60
# what a forge makes a link of by itself, escaped or not: https://github.github.com/gfm/#autolinks-extension- and
# https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls
_AUTOLINK = re.compile(r"\b(https?:|ftp:|www)(?=//|\.)|([#!]|\bGH-)(?=\d)", re.IGNORECASE)
# what opens a list at the beginning of a line, besides the signs that are escaped everywhere
_OPENS_LIST = re.compile(r"^( *)(-|\d+\.)(?= )")
SYMBOLS = {"create": "+", "delete": "-", "change": "~"}


def count_line(plan: Plan) -> str:
    """`Plan: 1 to register, 1 to move, 1 to archive, 0 to delete.`"""
    counts = dict(plan.counts)
    other = counts.pop("to change otherwise")
    parts = [f"{count} {what}" for what, count in counts.items()]
    return "Plan: " + ", ".join(parts + ([f"{other} to change otherwise"] if other else [])) + "."


# --- text -----------------------------------------------------------------------------------------------------------


def text(plan: Plan) -> str:
    """The plan for a terminal, without colours. Lines begin with `+`, `-` or `~` where something changes."""
    return "\n".join(line.rstrip() for line in _lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    if plan.request is not None:
        yield f"Request {plan.request}: {visible(plan.title)}"
    yield f"base {plan.base[:10] or 'none'}   head {plan.head[:10] or 'not committed'}   plan {plan.hash[:12]}"
    yield ""
    if plan.is_empty:
        yield "Nothing would change."
        yield ""
    for model in plan.models:
        yield from _model_lines(model)
    for path in plan.files:
        yield f"  ~ {visible(path)}"
    if plan.files:
        yield ""
    yield from (f"  ! {visible(conflict)}" for conflict in plan.conflicts)
    yield from gate_lines(plan.gates)
    yield from _check_lines(plan.problems)
    if plan.verdict is not None:
        yield from verdict_lines(plan.verdict)
    yield count_line(plan)


def _model_lines(model: ModelPlan) -> Iterator[str]:
    yield f"  {SYMBOLS[model.action]} {_name(model.model)}"
    for move in model.moves:
        yield from _move_lines(move)
    for change in model.changes:
        symbol, said = said_of(change)
        yield f"      {symbol} {said}"
    yield ""


def _move_lines(move: Move) -> Iterator[str]:
    yield f"      ~ version {move.version}: {_name(move.was)} → {_name(move.now)}"
    for label, numbers in (("archives", move.archived), ("takes the place of", move.displaced), ("beside", move.stays)):
        if numbers:
            yield f"          {label} version{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
    if move.compared_with is not None and move.metrics:
        yield f"          metrics beside version {move.compared_with}:"
        width = max(len(_name(delta.name)) for delta in move.metrics)
        yield from (f"            {delta_text(delta, width)}" for delta in move.metrics)
    if move.digest and move.now != ARCHIVED:
        yield f"          digest {_name(move.digest)}"


def delta_text(delta: MetricDelta, width: int = 0) -> str:
    """`rmse  412.7 → 398.1  (-3.5 %)`."""
    was = "(none)" if delta.was is None else number(delta.was)
    now = "(none)" if delta.now is None else number(delta.now)
    percent = f"  ({delta.percent:+.1f} %)" if delta.percent is not None else ""
    return f"{_name(delta.name):<{width}}  {was} → {now}{percent}"


def _name(text: str) -> str:
    """A name as a spec says it, on one line; no client takes one that is longer."""
    return shortened(text, 250)


def said_of(change: Change) -> tuple[str, str]:
    """The symbol of a change, and the change in a few words, without the model's name."""
    match change:
        case ModelCreated(content=content):
            first = content.versions[:20]
            versions = ", ".join(f"version {v.version} in {_name(v.stage)}" for v in first)
            versions += f" and {len(content.versions) - 20} more" if len(content.versions) > 20 else ""
            return "+", f"created{f', with {versions}' if versions else ''}"
        case ModelDeleted(content=content):
            count = len(content.versions)
            return "-", f"deleted, with {count} version{'s' if count != 1 else ''}"
        case ModelMoved():
            return "~", f"file {visible(change.was)} → {visible(change.path)}"
        case ModelRenamed():
            return "~", f"renamed from {_name(change.was)}"
        case ModelFactChanged():
            return "~", f"{change.field}: {shortened(str(change.was), 40)} → {shortened(str(change.now), 40)}"
        case VersionCreated(content=content):
            return "+", f"version {change.version} from {shortened(content.source, 80)}"
        case VersionDeleted():
            return "-", f"version {change.version}"
        case StageMoved():
            return "~", f"version {change.version}: {_name(change.was)} → {_name(change.now)}"
        case AliasMoved(was=None):
            return "+", f"alias {_name(change.alias)} → version {change.now}"
        case AliasMoved(now=None):
            return "-", f"alias {_name(change.alias)} (was version {change.was})"
        case AliasMoved():
            return "~", f"alias {_name(change.alias)}: version {change.was} → version {change.now}"
        case FactChanged():
            return "~", f"version {change.version}: the fact {change.field} changes"
        case DescriptionChanged():
            return "~", f"{_of(change.version)}description: {shortened(change.now, 60) or '(empty)'}"
        case TagSet():
            symbol = "+" if change.was is None else "~"
            return symbol, f"{_of(change.version)}tag {_name(change.key)}: {shortened(change.now, 60)}"
        case TagDeleted():
            return "-", f"{_of(change.version)}tag {_name(change.key)}"
        case EvidenceChanged(now=None):
            return "-", f"version {change.version}: evidence {_name(change.name)}"
        case EvidenceChanged(now=now):
            digest = now.digest[:19] if now else ""
            symbol = "~" if change.was else "+"
            return symbol, f"version {change.version}: evidence {_name(change.name)} ({digest}…)"
        case _:
            assert_never(change)


def _of(version: int | None) -> str:
    return "" if version is None else f"version {version}: "


def gate_lines(gates: Sequence[GateRuling]) -> Iterator[str]:
    """Each gate that was asked, what it asks for, and how that stands."""
    if gates:
        yield "Gates"
        for ruling in gates:
            mark = "x" if ruling.holds else "~" if ruling.waived else " "
            move = f"{_name(ruling.model)}/{ruling.version} → {_name(ruling.stage)}"
            yield f"  [{mark}] {visible(ruling.title)}   ({move})"
            yield from _condition_lines(ruling)
        yield ""


def _condition_lines(ruling: GateRuling) -> Iterator[str]:
    for condition in ruling.conditions:
        yield f"        {'holds' if condition.holds else 'fails'}: {visible(condition.said)}"
    if ruling.waived:
        yield f"        {visible(ruling.waived)}"


def _check_lines(problems: tuple[Problem, ...]) -> Iterator[str]:
    if problems:
        yield "Checks"
        for problem in problems:
            yield from problem_lines(problem)
        yield ""


def problem_lines(problem: Problem) -> Iterator[str]:
    """One problem: what, where, and how to mend it."""
    mark = "x" if problem.severity == "error" else "!"
    yield f"  {mark} {problem.code} {visible(problem.what)}"
    if problem.where:
        yield f"       at: {visible(problem.where)}"
    if problem.fix:
        yield f"      fix: {visible(problem.fix)}"


# --- Markdown -------------------------------------------------------------------------------------------------------


def markdown(plan: Plan, limit: int = MARKDOWN_LIMIT) -> str:
    """The plan as a comment on a pull request, never longer than `limit` characters.

    Where it would be, the details of the last models are left out and counted; checks and the count line stay.
    """
    names = f"Base {_code(plan.base[:10])}, head {_code(plan.head[:10])}, plan {_code(plan.hash[:12])}."
    head = [f"### {_md(count_line(plan))}", "", names, ""]
    said = [*_md_conflicts(plan), *_md_gates(plan.gates), *md_checks(plan.problems), *_md_verdict(plan.verdict)]
    # what stops the merge comes before the details, and neither may push the other out
    tail = _fitting(said, limit // 2)
    room = limit - sum(len(line) + 1 for line in (*head, *tail)) - 200
    body = _fitting([*map(_md_model, plan.models), *(f"- `~` {_code(path)}\n" for path in plan.files)], room)
    return "\n".join([*head, *body, *tail]).rstrip() + "\n"


def _fitting(blocks: list[str], room: int) -> list[str]:
    kept: list[str] = []
    for index, block in enumerate(blocks):
        room -= len(block) + 1
        if room < 0:
            left = f"… and {len(blocks) - index} more, left out here for their number: `stagedoor plan` shows them."
            return [*kept, left, ""]
        kept.append(block)
    return kept


def _md_model(model: ModelPlan) -> str:
    lines = [f"- `{SYMBOLS[model.action]}` **{_md(_name(model.model))}**"]
    for move in model.moves:
        stages = f"{_md(_name(move.was))} → **{_md(_name(move.now))}**"
        lines.append(f"  - version {move.version}: {stages}{_md_fate(move)}")
        lines += [f"    - {_md(delta_text(delta))}" for delta in move.metrics if move.compared_with is not None]
        if move.digest and move.now != ARCHIVED:
            lines.append(f"    - digest {_code(_name(move.digest))}")
    lines += [f"  - `{symbol}` {_md(said)}" for symbol, said in map(said_of, model.changes)]
    if len(lines) > MODEL_LINES:
        # one model with a thousand versions must not push the others out
        lines[MODEL_LINES:] = [f"  - … and {len(lines) - MODEL_LINES} more lines of this model"]
    return "\n".join(lines) + "\n"


def _md_fate(move: Move) -> str:
    fates = (("archives", move.archived), ("displaces", move.displaced), ("beside", move.stays))
    said = [f"{label} version {shortened(', '.join(map(str, numbers)), 80)}" for label, numbers in fates if numbers]
    return f" ({'; '.join(said)})" if said else ""


def _md_conflicts(plan: Plan) -> list[str]:
    lines = [f"- ⚠ {_md(shortened(conflict, 300))}" for conflict in plan.conflicts]
    return ["", *lines, ""] if lines else []


def _md_gates(gates: Sequence[GateRuling], most: int = 30) -> list[str]:
    if not gates:
        return []
    lines = ["#### Gates", ""]
    for ruling in gates[:most]:
        move = f"{_md(_name(ruling.model))}/{ruling.version} → {_md(_name(ruling.stage))}"
        failing = "; ".join(shortened(c.said, 200) for c in ruling.conditions if not c.holds)
        state = "holds" if ruling.holds else f"**fails**: {_md(failing)}"
        waived = f" — {_md(shortened(ruling.waived, 200))}" if ruling.waived else ""
        lines.append(f"- [{'x' if ruling.holds else ' '}] {_md(ruling.title)} ({move}) — {state}{waived}")
    if len(gates) > most:
        lines.append(f"- … and {len(gates) - most} more")
    return [*lines, ""]


def md_checks(problems: tuple[Problem, ...], most: int = 50) -> list[str]:
    if not problems:
        return ["No check has anything to say.", ""]
    lines = ["#### Checks", ""]
    for problem in problems[:most]:
        mark = "❌" if problem.severity == "error" else "⚠"
        where = f" at {_code(shortened(problem.where, 300))}" if problem.where else ""
        fix = f" — {_md(shortened(problem.fix, 200))}" if problem.fix else ""
        lines.append(f"- {mark} `{problem.code}` {_md(shortened(problem.what, 300))}{where}{fix}")
    if len(problems) > most:
        lines.append(f"- … and {len(problems) - most} more")
    return [*lines, ""]


def _md_verdict(verdict: Verdict | None, most: int = 30) -> list[str]:
    if verdict is None or not verdict.rulings:
        return []
    lines = ["#### Approvals", ""]
    for ruling in verdict.rulings[:most]:
        approved = f"approved by {', '.join(map(_code, ruling.approved_by[:20]))}"
        state = approved if ruling.holds else f"**needs** {_md(shortened(ruling.unblock, 600))}"
        lines.append(f"- [{'x' if ruling.holds else ' '}] {_code(shortened(ruling.need.title, 300))} — {state}")
        parts = part_texts(ruling)[:20]
        lines += [f"  - [{'x' if holds else ' '}] {_md(shortened(said, 300))}" for holds, said in parts]
    if len(verdict.rulings) > most:
        lines.append(f"- … and {len(verdict.rulings) - most} more")
    return [*lines, ""]


def _md(said: str) -> str:
    """Text from a spec inside Markdown: it formats nothing, links nothing and mentions nobody."""
    escaped = "".join(f"\\{char}" if char in "\\`*_{}[]()#+!|~$" else char for char in visible(said))
    escaped = _OPENS_LIST.sub(lambda found: f"{found[1]}{found[2][:-1]}\\{found[2][-1]}", escaped)
    inert = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")
    return _AUTOLINK.sub(lambda found: f"{found[0]}\u200b", inert)


def _code(said: str) -> str:
    """Text from a spec in a code span; a longer run of backticks than any in it encloses it."""
    shown = visible(said) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


# --- JSON -----------------------------------------------------------------------------------------------------------


def data(plan: Plan) -> dict[str, Any]:
    """The plan as plain data. Keys and their order are a promise to scripts."""
    verdict = plan.verdict
    return {
        "request": plan.request,
        "title": plan.title,
        "base": plan.base,
        "head": plan.head,
        "hash": plan.hash,
        "counts": plan.counts,
        "models": [jsonable(model) for model in plan.models],
        "files": list(plan.files),
        "conflicts": list(plan.conflicts),
        "gates": [_gate_data(ruling) for ruling in plan.gates],
        "problems": [jsonable(problem) for problem in plan.problems],
        "approvals": None if verdict is None else [ruling_data(ruling) for ruling in verdict.rulings],
        "waiting_for": [] if verdict is None else list(verdict.waiting_for),
    }


def _gate_data(ruling: GateRuling) -> dict[str, Any]:
    return {**jsonable(ruling), "holds": ruling.holds, "stops": ruling.stops}
