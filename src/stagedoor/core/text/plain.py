"""Plain data, and the questions that reading, writing and editing ask of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"


class Settled(dict[str, Plain]):
    """A mapping that nobody changes any more; its canonical lines, as an item of a list, are kept with it."""

    __slots__ = ("lines",)
    lines: list[str]


IDENTIFYING_KEYS: Final = ("version", "name", "id", "digest")


def scalar_text(value: bool | int | float) -> str:
    """The canonical text of a scalar that is neither text nor null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    return str(int(value))


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written to a registry file")
    text = repr(float(value))
    # YAML 1.1 readers take 1e-05 for text: they want the point
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def stringified(data: Plain) -> Plain:
    """The data as `read` gives it back: every scalar its text, null stays None."""
    if data is None or isinstance(data, str):
        return data
    if isinstance(data, dict):
        return {key: stringified(value) for key, value in data.items()}
    if isinstance(data, list):
        return [stringified(item) for item in data]
    return scalar_text(data)


def same(one: Plain, other: Plain) -> bool:
    """Equal in value and in type: Python alone takes 1, 1.0 and True for the same."""
    if one is other:
        return True
    if one != other:
        return False
    return isinstance(one, str) or repr(one) == repr(other) or stringified(one) == stringified(other)


def identifying_key(*lists: Sequence[Plain]) -> str | None:
    """The key that tells the items of all these lists apart: `version`, `name`, `id` or `digest`."""
    return next((key for key in IDENTIFYING_KEYS if all(_identifies(key, items) for items in lists)), None)


def _identifies(key: str, items: Sequence[Plain]) -> bool:
    seen = identities(items, key)
    return None not in seen and len(set(seen)) == len(seen)


def identities(items: Sequence[Plain], key: str) -> list[str | None]:
    """The text that identifies each item; None where an item has none."""
    return [_identity(item.get(key)) if isinstance(item, dict) else None for item in items]


def _identity(value: Plain) -> str | None:
    if value is None or isinstance(value, list | dict):
        return None
    return value if isinstance(value, str) else scalar_text(value)
