"""What a filter and an order mean: fields, conditions, keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

# https://mlflow.org/docs/latest/genai/prompt-registry/: a prompt is a registered model that has this tag
IS_PROMPT: Final = "mlflow.prompt.is_prompt"

TextOperator = Literal["=", "!=", "LIKE", "ILIKE"]
NumberOperator = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field of a model or a version, such as `name` or `version_number`."""

    name: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag by its key."""

    key: str


@dataclass(frozen=True, slots=True)
class TextCondition:
    """A text compared with another. `%` and `_` mean something in `LIKE` and `ILIKE` only.

    What has no such tag does not match, whatever the operator, but where `holds_without`.
    """

    field: Attribute | Tag
    operator: TextOperator
    value: str
    holds_without: bool = False


@dataclass(frozen=True, slots=True)
class NumberCondition:
    """A whole number compared with another."""

    field: Attribute
    operator: NumberOperator
    value: int


@dataclass(frozen=True, slots=True)
class ListCondition:
    """A text that is, or is not, one of several."""

    field: Attribute
    values: tuple[str, ...]
    is_in: bool


Condition = TextCondition | NumberCondition | ListCondition


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that all have to hold. Prompts stay hidden unless they are asked for."""

    conditions: tuple[Condition, ...] = ()
    wants_prompts: bool = False


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One key of an order."""

    key: str
    descending: bool = False


def folded(text: str) -> str:
    """The text as `ILIKE` compares it: small letters, one for each character, so that `_` still stands for one."""
    return text.lower() if text.isascii() else "".join(map(_small, text))


def _small(char: str) -> str:
    return next((small for small in (char.casefold(), char.lower()) if len(small) == 1), char)
