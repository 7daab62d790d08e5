"""Whether a filter holds for something, and in which order things come: for where no index answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from typing import Final, TypeVar, assert_never

from stagedoor.core.search.values import (
    IS_PROMPT,
    Attribute,
    Condition,
    Filter,
    ListCondition,
    NumberCondition,
    OrderBy,
    Tag,
    TextCondition,
    folded,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """What can be asked of one thing: its attributes, its tags, and whether MLflow would take it for a prompt."""

    attributes: Mapping[str, str | int]
    tags: Mapping[str, str]
    is_prompt: bool = False


def holds(wanted: Filter, row: Row) -> bool:
    """Whether every condition holds. A prompt stays hidden unless prompts are asked for."""
    if row.is_prompt and not wanted.wants_prompts:
        return False
    return all(_holds(condition, row) for condition in wanted.conditions)


def ordered(found: Iterable[T], order: Sequence[OrderBy], key: Callable[[T, str], str | int]) -> list[T]:
    """Things in an order; `key` gives what one has under the name of a key."""
    result = list(found)
    for one in reversed(order):
        # a stable sort, so what comes first in the order decides last
        result.sort(key=lambda thing, name=one.key: key(thing, name), reverse=one.descending)  # type: ignore[misc]
    return result


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Whether these are a prompt's tags."""
    return tags.get(IS_PROMPT) == "true"


def _holds(condition: Condition, row: Row) -> bool:
    match condition:
        case TextCondition(field=Tag(key=key)):
            found = row.tags.get(key)
            return condition.holds_without if found is None else _compares(condition, found)
        case TextCondition(field=Attribute(name=name)):
            return _compares(condition, str(row.attributes[name]))
        case NumberCondition():
            return _NUMBERS[condition.operator](int(row.attributes[condition.field.name]), condition.value)
        case ListCondition():
            return (row.attributes[condition.field.name] in condition.values) == condition.is_in
        case _:
            raise AssertionError(condition)


def _compares(condition: TextCondition, found: str) -> bool:
    match condition.operator:
        case "=":
            return found == condition.value
        case "!=":
            return found != condition.value
        case "LIKE":
            return _like(condition.value).fullmatch(found) is not None
        case "ILIKE":
            return _like(folded(condition.value)).fullmatch(folded(found)) is not None
        case _:
            assert_never(condition.operator)


_NUMBERS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "=": lambda found, value: found == value,
    "!=": lambda found, value: found != value,
    "<": lambda found, value: found < value,
    "<=": lambda found, value: found <= value,
    ">": lambda found, value: found > value,
    ">=": lambda found, value: found >= value,
}
_SIGNS: Final = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})


@cache
def _like(pattern: str) -> re.Pattern[str]:
    # a glob's regular expression does not backtrack beyond its stars
    return re.compile(translate(re.sub("%+", "%", pattern).translate(_SIGNS)))
