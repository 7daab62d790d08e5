"""The verdict tree as text and as JSON: what asked for agreement, who gave it, who could, what would unblock it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from stagedoor.core.approval import Ask, Count, Rule, Ruling, Verdict, WhoCan
from stagedoor.core.views.plain import visible


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """The verdict tree: each need, the line of CODEOWNERS that rules it, and how it stands."""
    yield "Approvals"
    if not verdict.rulings:
        yield "  (nobody has to agree)"
    for ruling in verdict.rulings:
        yield from _ruling_lines(ruling)
    yield ""


def _ruling_lines(ruling: Ruling) -> Iterator[str]:
    yield f"  {_box(ruling.holds)} {visible(ruling.need.title)}   ({visible(_owners(ruling))})"
    yield from _why_lines(ruling)
    yield from (f"        {_box(holds)} {visible(said)}" for holds, said in part_texts(ruling))
    for who in ruling.approved_by:
        yield f"        approved by {visible(who)}"
    for ignored in ruling.ignored:
        yield f"        not counted: {visible(ignored.by)} {visible(ignored.reason)}"
    if not ruling.holds:
        yield f"        needs: {visible(ruling.unblock)}"


def _why_lines(ruling: Ruling) -> Iterator[str]:
    for why in ruling.need.why[:5]:
        yield f"        {visible(why)}"
    if len(ruling.need.why) > 5:
        yield f"        and {len(ruling.need.why) - 5} more"


def _box(holds: bool) -> str:
    return "[x]" if holds else "[ ]"


def _owners(ruling: Ruling) -> str:
    return f"line {ruling.line}: {' '.join(ruling.owners)}" if ruling.line else "no line of CODEOWNERS"


def part_texts(ruling: Ruling) -> tuple[tuple[bool, str], ...]:
    """What asks for agreement besides the one line of CODEOWNERS, and whether each holds."""
    rules = ruling.rules if any(rule.section for rule in ruling.rules) else ()
    counts = ((count.holds, ask_text(count.ask)) for count in ruling.counts)
    return (*((rule.holds, rule_text(rule)) for rule in rules), *counts)


def alike(rulings: Iterable[Ruling]) -> tuple[tuple[Ruling, tuple[Ruling, ...]], ...]:
    """The rulings, each with those that say the same of other files: a request of many models asks few people."""
    groups: dict[object, list[Ruling]] = {}
    for one in rulings:
        asks = (one.line, one.owners, one.rules, one.counts, one.approved_by, one.ignored, one.blocked_by)
        groups.setdefault(asks, []).append(one)
    return tuple((first, tuple(others)) for first, *others in groups.values())


def rule_text(rule: Rule) -> str:
    """`section Risk, line 4: 2 of @risk, @legal`."""
    lines = ", ".join(map(str, rule.lines))
    where = f"line{'s' if len(rule.lines) > 1 else ''} {lines}"
    section = f"section {rule.section}, " if rule.section else ""
    return f"{section}{where}: {rule.required} of {', '.join(rule.owners)}"


def ask_text(ask: Ask) -> str:
    """`gate four-eyes: 2 approvals from 2 different teams, one of each of @risk, @legal, signed`."""
    said = f"{ask.source}: {ask.least} approval{'s' if ask.least > 1 else ''}"
    teams = f" from {ask.teams} different teams" if ask.teams > 1 else ""
    each = f", one of {' and one of '.join(ask.by)}" if ask.by else ""
    return said + teams + each + (", signed" if ask.signed else "")


# --- who can --------------------------------------------------------------------------------------------------------


def who_can_lines(found: WhoCan) -> Iterator[str]:
    """Who could agree to each need, by which lines, and who may do without asking."""
    for ruling in found.rulings:
        yield f"{visible(ruling.need.title)}"
        yield from (f"    {visible(rule_text(rule))}" for rule in ruling.rules)
        yield from (f"    {visible(ask_text(count.ask))}" for count in ruling.counts)
        who = ", ".join(ruling.holders)
        yield f"  may approve: {visible(who)}" if ruling.holders else f"  {visible(ruling.unblock)}"
    yield f"directly: {visible(', '.join(found.directly) or f'nobody ({found.not_directly})')}"


# --- JSON -----------------------------------------------------------------------------------------------------------


def ruling_data(ruling: Ruling) -> dict[str, Any]:
    """One need as plain data. Keys and their order are a promise to scripts."""
    return {
        "path": ruling.need.title,
        "why": list(ruling.need.why),
        "line": ruling.line,
        "owners": list(ruling.owners),
        "may_approve": list(ruling.holders),
        "approved_by": list(ruling.approved_by),
        "ignored": [{"by": ignored.by, "reason": ignored.reason} for ignored in ruling.ignored],
        "holds": ruling.holds,
        "needs": ruling.unblock,
        "blocked_by": list(ruling.blocked_by),
        "rules": [_rule_data(rule) for rule in ruling.rules],
        "asks": [_count_data(count) for count in ruling.counts],
    }


def _rule_data(rule: Rule) -> dict[str, Any]:
    return {
        "lines": list(rule.lines),
        "section": rule.section,
        "owners": list(rule.owners),
        "required": rule.required,
        "may_approve": list(rule.holders),
        "approved_by": list(rule.approved_by),
        "holds": rule.holds,
    }


def _count_data(count: Count) -> dict[str, Any]:
    ask = count.ask
    return {
        "source": ask.source,
        "count": ask.least,
        "teams": ask.teams,
        "by": list(ask.by),
        "signed": ask.signed,
        "approved_by": list(count.approved_by),
        "holds": count.holds,
        "needs": count.unblock,
    }


def who_can_data(found: WhoCan) -> dict[str, Any]:
    """Who can make a change happen, as plain data."""
    return {
        "needs": [ruling_data(ruling) for ruling in found.rulings],
        "directly": list(found.directly),
        "not_directly": found.not_directly,
    }
