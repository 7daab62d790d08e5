"""The laws of editing and formatting, tried on texts that look as if a person had written them."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagedoor.core.text import Plain, edit, format_text, read, render, stringified
from stagedoor.core.text.scalars import literal, text_spelled

TEXTS = (
    "a",
    "two words",
    "x: y",
    "# no comment",
    "a # b",
    "",
    "null",
    "1",
    "- a",
    "line\n# two\n",
    "a\n\n  b",
    " a\nb",
    "é'\"\\",
)
KEYS = ("name", "stage", "description", "tags", "run", "a b", "'q'", "#k", "data")


class Writer:
    """Writes data with random spelling, style, indentation, blank lines and numbered comments."""

    def __init__(self, rnd: Random, comments: float) -> None:
        self.rnd = rnd
        self.often = comments
        self.lines: list[str] = []
        self.count = 0
        self.after_block = False

    def text(self, data: dict[str, Plain]) -> str:
        self.alone(0)
        if data:
            self.mapping(data, 0, "")
        else:
            self.lines.append("{}" + self.comment())
        self.alone(0)
        return "\n".join(self.lines) + self.rnd.choice(["\n", "\n", "\n\n"])

    def chance(self, odds: float) -> bool:
        return self.rnd.random() < odds

    def comment(self) -> str:
        if not self.chance(self.often):
            return ""
        self.count += 1
        return f"{self.rnd.choice([' ', '  '])}# {self.count}{self.rnd.choice(['', ': |', ' [', ' # x', ' - '])}!"

    def alone(self, column: int) -> None:
        while self.chance(self.often):
            if self.chance(0.3):
                self.lines.append("")
            places = [0, column] if self.after_block else [0, 1, column, column + 2, column + 5]
            self.lines.append(
                " " * self.rnd.choice([place for place in places if place <= column or not self.after_block])
            )
            self.lines[-1] += (self.comment() or " # 0").lstrip()
            if self.lines[-1].endswith("# 0"):
                del self.lines[-1]
        if self.chance(0.1) and self.lines:
            self.lines.append("")

    def mapping(self, data: dict[str, Plain], column: int, lead: str) -> None:
        keys = list(data)
        if self.chance(0.3):
            self.rnd.shuffle(keys)
        for key in keys:
            if not lead:
                self.alone(column)
            spelled = text_spelled(key) if self.chance(0.8) else quoted(key)
            self.value(f"{lead or ' ' * column}{spelled}:", data[key], column, self.rnd.choice([0, 0, 2]))
            lead = ""

    def sequence(self, items: list[Plain], column: int, lead: str) -> None:
        for item in items:
            if not lead:
                self.alone(column)
            head = f"{lead or ' ' * column}-"
            lead = ""
            self.after_block = False
            if item and self.chance(0.8) and isinstance(item, dict):
                self.mapping(item, column + 2, f"{head} ")
            elif item and self.chance(0.8) and isinstance(item, list):
                self.sequence(item, column + 2, f"{head} ")
            else:
                self.value(head, item, column, 2)

    def value(self, head: str, value: Plain, column: int, indent: int) -> None:
        self.after_block = False
        if isinstance(value, dict | list) and value and self.chance(0.7):
            self.lines.append(head + self.comment())
            if isinstance(value, dict):
                self.mapping(value, column + self.rnd.choice([2, 2, 4]), "")
            else:
                self.sequence(value, column + indent, "")
        elif isinstance(value, dict | list):
            self.flow(head, value, column)
        else:
            self.scalar(head, value, column)

    def flow(self, head: str, value: Plain, column: int) -> None:
        if self.chance(0.5) or not value:
            self.lines.append(f"{head} {inline(value)}{self.comment()}")
            return
        opened, closed = "{}" if isinstance(value, dict) else "[]"
        self.lines.append(f"{head} {opened}{self.comment()}")
        for part in value.items() if isinstance(value, dict) else value:  # type: ignore[union-attr]
            self.alone(column + 2)
            shown = f"{quoted(part[0])}: {inline(part[1])}" if isinstance(value, dict) else inline(part)  # type: ignore
            self.lines.append(f"{' ' * (column + 3)}{shown},{self.comment()}")
        self.alone(column + 2)
        self.lines.append(" " * (column + 1) + closed + self.comment())

    def scalar(self, head: str, value: Plain, column: int) -> None:
        block = literal(value) if isinstance(value, str) else None
        if block and self.chance(0.8):
            self.lines.append(f"{head} {block[0]}{self.comment()}")
            self.lines += [" " * (column + 2) + line if line else "" for line in block[1]]
            self.after_block = True
        elif value is None and self.chance(0.5):
            self.lines.append(head + self.comment())
        elif self.chance(0.1):
            self.lines.append(head + self.comment())
            self.alone(column + 2)
            self.lines.append(" " * (column + 3) + inline(value) + self.comment())
        else:
            shown = text_spelled(value) if isinstance(value, str) and self.chance(0.6) else inline(value)
            self.lines.append(f"{head} {shown}{self.comment()}")


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def inline(value: Plain) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)}: {inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    return "null" if value is None else str(stringified(value)) + ("0" if isinstance(value, float) else "")


def some_value(rnd: Random, depth: int) -> Plain:
    kind = rnd.randrange(10 if depth else 6)
    if kind < 4:
        return rnd.choice(TEXTS)
    if kind == 4:
        return rnd.choice([None, True, False, 7, -1.5, 412.5])
    if kind == 5:
        return {} if rnd.random() < 0.5 else []
    if kind < 8:
        return some_mapping(rnd, depth - 1)
    return [some_value(rnd, depth - 1) for _ in range(rnd.randrange(4))]


def some_mapping(rnd: Random, depth: int) -> dict[str, Plain]:
    keys = rnd.sample(KEYS, rnd.randrange(4))
    return {key: some_value(rnd, depth) for key in keys}


def some_model(rnd: Random) -> dict[str, Plain]:
    model = some_mapping(rnd, 2)
    if rnd.random() < 0.8:
        model["versions"] = [{"version": n, **some_mapping(rnd, 2)} for n in range(1, rnd.randrange(2, 5))]
    return model


def changed(rnd: Random, data: Plain, often: float) -> Any:
    """The data with a few changes somewhere."""
    if rnd.random() < often:
        return some_value(rnd, 1)
    if isinstance(data, dict):
        items = [(key, changed(rnd, value, often)) for key, value in data.items() if rnd.random() > often]
        items += [(rnd.choice(KEYS), some_value(rnd, 1))] if rnd.random() < 2 * often else []
        return dict(items)
    if isinstance(data, list):
        kept = [changed(rnd, item, often) for item in data if rnd.random() > often]
        if rnd.random() < 2 * often:
            kept.insert(rnd.randrange(len(kept) + 1), {"version": rnd.randrange(9), "stage": "None"})
        return kept
    return data


def said(text: str) -> Plain:
    """What a text says, whatever its spelling of 1.5."""
    return unspelled(read(text.encode(), "x").data)


def unspelled(data: Plain) -> Plain:
    if isinstance(data, dict):
        return {key: unspelled(value) for key, value in data.items()}
    if isinstance(data, list):
        return [unspelled(item) for item in data]
    return data[:-1] if isinstance(data, str) and re.fullmatch(r"-?\d+\.50", data) else data


def comments(text: str) -> list[str]:
    return sorted(re.findall(r"# \d+[^!\n]*!$", text, re.MULTILINE))


def written(rnd: Random, often: float) -> tuple[str, dict[str, Plain]]:
    data = some_model(rnd)
    text = Writer(rnd, often).text(data)
    assert said(text) == stringified(data)
    return text, data


RANDOM = st.integers(0, 2**64).map(Random)
OFTEN = st.sampled_from([0.0, 0.1, 0.4])
several = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@given(RANDOM, OFTEN)
@several
def test_an_edit_that_changes_nothing_gives_the_same_text(rnd: Random, often: float) -> None:
    text, data = written(rnd, often)
    assert edit(text, data, data) == text


@given(RANDOM, OFTEN, st.sampled_from([0.02, 0.1, 0.3]))
@several
def test_an_edited_text_says_what_it_should_and_keeps_every_comment(rnd: Random, often: float, much: float) -> None:
    text, before = written(rnd, often)
    after = changed(rnd, before, much)
    if not isinstance(after, dict):
        after = {"name": after}
    result = edit(text, before, after)
    assert said(result) == stringified(after)
    assert comments(result) == comments(text)


@given(RANDOM, OFTEN)
@several
def test_a_formatted_text_says_the_same_keeps_every_comment_and_stays(rnd: Random, often: float) -> None:
    text, data = written(rnd, often)
    result = format_text(text, data)
    assert read(result.encode(), "x").data == stringified(data)
    assert comments(result) == comments(text)
    assert format_text(result, data) == result
    assert re.sub(r"(^|  )# \d+[^!\n]*!$", "", result, flags=re.MULTILINE).split() == render(data).split()


@given(RANDOM, OFTEN, st.sampled_from([0.02, 0.1]))
@several
def test_an_edited_formatted_text_says_what_it_should_and_keeps_every_comment(
    rnd: Random, often: float, much: float
) -> None:
    text, before = written(rnd, often)
    after = changed(rnd, before, much)
    if isinstance(after, dict):
        result = edit(format_text(text, before), before, after)
        assert read(result.encode(), "x").data == stringified(after)
        assert comments(result) == comments(text)
        assert format_text(format_text(result, after), after) == format_text(result, after)
