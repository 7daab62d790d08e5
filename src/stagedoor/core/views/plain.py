"""Text from strangers made safe to show, and values as plain JSON data."""

from __future__ import annotations

import dataclasses
import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from stagedoor.core.spec import Value, dump, format_time

# half of a pair: Python's word for such a byte, https://peps.python.org/pep-0383/
_SURROGATE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """`text` on one line, with control and reordering characters spelt out: it cannot move a terminal's cursor."""
    if text.isprintable():
        # which none of those is: https://docs.python.org/3/library/stdtypes.html#str.isprintable
        return text
    return "".join(_spelt(char) if _is_hidden(char) else char for char in text.replace("\n", " ").replace("\t", " "))


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _spelt(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def shortened(text: str, limit: int) -> str:
    """`text` on one line of at most `limit` characters."""
    line = visible(text[: limit + 1])  # a file may hold a text of a megabyte
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def counted(count: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """A metric as people read it: to six digits."""
    return f"{value:.6g}" if abs(value) >= 1e-4 or value == 0 else repr(value)


def sized(count: int) -> str:
    """So many bytes as people read them: `312 bytes`, `12.4 MB`. A kilobyte has 1000."""
    if count < 1000:
        return counted(count, "byte")
    power = next((power for power in (1, 2, 3) if round(count / 1000**power, 1) < 1000), 4)
    return f"{count / 1000**power:,.1f} {' kMGT'[power]}B"


def json_text(value: Any) -> str:
    """One JSON document. A byte of a path that is not UTF-8 stands there as JSON's own escape."""
    text = json.dumps(jsonable(value), indent=2, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: _spelt(found[0]), text)


def jsonable(value: Any) -> Any:
    """Plain data for JSON. A change or a step says what it is under `type`."""
    if isinstance(value, Value):
        return dump(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [jsonable(item) for item in value]
    return format_time(value) if isinstance(value, datetime) else value
