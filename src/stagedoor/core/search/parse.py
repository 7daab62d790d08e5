"""From the text of a filter to conditions.

The grammar is MLflow's, https://mlflow.org/docs/latest/search-runs/ and its Python documentation of
`search_registered_models` and `search_model_versions`: conditions joined by AND, and neither OR nor parentheses. From
Databricks comes that a `LIKE` without `%` finds a part. `current_stage` is ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, cast

from stagedoor.core.search.values import (
    IS_PROMPT,
    Attribute,
    Condition,
    Filter,
    ListCondition,
    NumberCondition,
    NumberOperator,
    Tag,
    TextCondition,
    TextOperator,
)
from stagedoor.core.search.words import Word, cut, refusal, words
from stagedoor.errors import BadInput

MAX_FILTER: Final = 10_000
MAX_CONDITIONS: Final = 100
MAX_PATTERN: Final = 1_000

_TEXT_OPERATORS: Final = ("=", "!=", "LIKE", "ILIKE")
_NUMBER_OPERATORS: Final = ("=", "!=", "<", "<=", ">", ">=")
_EXAMPLE: Final = "write for instance: name LIKE 'power%' AND tags.team = 'energy'"


@dataclass(frozen=True, slots=True)
class _Fields:
    """What can be asked of one kind of thing."""

    texts: frozenset[str]
    lists: frozenset[str]
    numbers: frozenset[str] = frozenset()


_MODEL = _Fields(frozenset({"name"}), frozenset({"name"}))
_VERSION = _Fields(
    frozenset({"name", "run_id", "source_path", "current_stage"}),
    frozenset({"name", "run_id", "current_stage"}),
    frozenset({"version_number"}),
)


def models_filter(text: str) -> Filter:
    """The filter of a search for registered models; `BadInput` names the part that is wrong."""
    return _parse(text, _MODEL)


def versions_filter(text: str) -> Filter:
    """The filter of a search for model versions; `BadInput` names the part that is wrong."""
    return _parse(text, _VERSION)


def _parse(text: str, fields: _Fields) -> Filter:
    if len(text) > MAX_FILTER:
        raise BadInput(f"the filter has more than {MAX_FILTER:,} characters", where="filter", fix="ask for less")
    conditions = tuple(_Reader(words(text), fields, len(text)).conditions())
    return Filter(conditions, any(map(_asks_for_prompts, conditions)))


def _asks_for_prompts(condition: Condition) -> bool:
    if not isinstance(condition, TextCondition) or condition.field != Tag(IS_PROMPT):
        return False
    return (condition.operator, condition.value.lower()) in (("=", "true"), ("!=", "false"))


class _Reader:
    """Walks along the words once."""

    def __init__(self, found: Sequence[Word], fields: _Fields, end: int) -> None:
        self.words = found
        self.fields = fields
        self.end = end
        self.at = 0

    def conditions(self) -> list[Condition]:
        found: list[Condition] = []
        while self.at < len(self.words):
            if found:
                self.take_and()
            found.append(self.condition())
            if len(found) > MAX_CONDITIONS:
                raise BadInput(f"more than {MAX_CONDITIONS} conditions", where="filter", fix="ask for less")
        return found

    def take_and(self) -> None:
        word = self.next("AND")
        if not word.says("AND"):
            fix = "ask twice: there is no OR" if word.says("OR") else "join conditions with AND"
            self.refuse(f"{cut(word.text)} stands where AND is expected", word, fix)

    def condition(self) -> Condition:
        first = self.next("a field")
        field = self.field(first)
        operator, word = self.operator()
        if isinstance(field, Attribute) and field.name in self.fields.numbers:
            return self.number(field, operator, word)
        if operator in ("IN", "NOT IN"):
            return self.list_of(field, operator, word)
        if operator not in _TEXT_OPERATORS:
            self.refuse(f"{operator} cannot be used with {_named(field)}", word, f"use {', '.join(_TEXT_OPERATORS)}")
        return self.text(field, cast(TextOperator, operator))

    # --- fields

    def field(self, word: Word) -> Attribute | Tag:
        kind, dot, key = word.text.partition(".")
        if word.kind != "name":
            self.refuse(f"{cut(word.text)} stands where a field is expected", word, _EXAMPLE)
        if not dot:
            return self.attribute(kind, word)
        if kind not in ("tag", "tags", "attribute"):
            self.refuse(f"{cut(word.text)} is not a field", word, "write tags.KEY, or a field's name")
        if not key:
            key = self.quoted_key(word)
        return self.attribute(key, word) if kind == "attribute" else Tag(key)

    def quoted_key(self, word: Word) -> str:
        """The key behind a dot: a quoted text that begins right there."""
        following = self.words[self.at] if self.at < len(self.words) else None
        if following is None or following.kind != "quoted" or following.start != word.end:
            self.refuse(f"{word.text} says no key", word, "write tags.KEY, or tags.`KEY` for any characters")
        self.at += 1
        return following.unquoted

    def attribute(self, name: str, word: Word) -> Attribute:
        known = self.fields.texts | self.fields.numbers
        if name not in known:
            self.refuse(f"{cut(name)} is not a field to search by", word, f"use {', '.join(sorted(known))} or tags.KEY")
        return Attribute(name)

    # --- operators and values

    def operator(self) -> tuple[str, Word]:
        word = self.next("an operator")
        if word.says("NOT") and self.at < len(self.words) and self.words[self.at].says("IN"):
            self.at += 1
            return "NOT IN", word
        said = word.text.upper()
        if said not in {*_TEXT_OPERATORS, *_NUMBER_OPERATORS, "IN"}:
            self.refuse(f"{cut(word.text)} is not an operator", word, "use =, !=, LIKE, ILIKE or IN")
        return said, word

    def text(self, field: Attribute | Tag, operator: TextOperator) -> TextCondition:
        value = self.quoted("a quoted text")
        if operator in ("LIKE", "ILIKE"):
            value = _pattern(value, self.words[self.at - 1])
        # what is no prompt has no such tag at all, so here the missing tag stands for 'false'
        without = field == Tag(IS_PROMPT) and (operator, value) in (("=", "false"), ("!=", "true"))
        return TextCondition(field, operator, value, without)

    def number(self, field: Attribute, operator: str, word: Word) -> NumberCondition:
        if operator not in _NUMBER_OPERATORS:
            self.refuse(f"{operator} cannot be used with a number", word, f"use {', '.join(_NUMBER_OPERATORS)}")
        given = self.next("a number")
        said = given.unquoted if given.kind == "quoted" and given.text[0] != "`" else given.text
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", said):
            self.refuse(f"{cut(given.text)} is not a whole number", given, f"write {field.name} > 3")
        return NumberCondition(field, cast(NumberOperator, operator), int(said))

    def list_of(self, field: Attribute | Tag, operator: str, word: Word) -> ListCondition:
        if not isinstance(field, Attribute) or field.name not in self.fields.lists:
            fix = f"it can be used with {', '.join(sorted(self.fields.lists))}"
            self.refuse(f"{operator} cannot be used with {_named(field)}", word, fix)
        self.mark("(")
        values = [self.quoted("a quoted text")]
        while self.mark(",", ")").text == ",":
            if self.at < len(self.words) and self.words[self.at].text == ")":
                continue
            values.append(self.quoted("a quoted text"))
        return ListCondition(field, tuple(dict.fromkeys(values)), operator == "IN")

    def quoted(self, wanted: str) -> str:
        word = self.next(wanted)
        if word.kind != "quoted" or word.text[0] == "`":
            self.refuse(f"{cut(word.text)} stands where {wanted} is expected", word, "put it in single quotes")
        return word.unquoted

    def mark(self, *wanted: str) -> Word:
        word = self.next(" or ".join(wanted))
        if word.kind != "mark" or word.text not in wanted:
            self.refuse(f"{cut(word.text)} stands where {' or '.join(wanted)} is expected", word, "write IN ('a', 'b')")
        return word

    def next(self, wanted: str) -> Word:
        if self.at >= len(self.words):
            raise refusal(f"the filter ends where {wanted} is expected", self.end, _EXAMPLE)
        self.at += 1
        return self.words[self.at - 1]

    def refuse(self, what: str, word: Word, fix: str) -> NoReturn:
        raise refusal(what, word.start, fix)


def _pattern(value: str, word: Word) -> str:
    if len(value) > MAX_PATTERN:
        raise refusal(f"the pattern has more than {MAX_PATTERN:,} characters", word.start, "write a shorter one")
    return value if "%" in value else f"%{value}%"


def _named(field: Attribute | Tag) -> str:
    return field.name if isinstance(field, Attribute) else f"the tag {cut(field.key)}"
