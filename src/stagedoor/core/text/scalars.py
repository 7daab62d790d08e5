"""How one scalar is spelled: plain, quoted, or as a literal block."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from stagedoor.core.text.plain import Plain, scalar_text

# The words that YAML 1.1 or 1.2 take for something else than text. `None` is text to both.
_WORDS: Final = frozenset({"", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<"})
# Wider than the two resolvers together: what a person may take for a number or a time is quoted too.
_NUMBERS: Final = re.compile(
    r"[-+]?[0-9._,:]+([eE][-+]?[0-9_]*)?|[-+]?0[xXoObB][0-9a-fA-F_]+|[-+]?\.(inf|nan)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([tT\s].*)?",
    re.IGNORECASE,
)
_EASY: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+=-]*(?: [A-Za-z0-9_./@+=(),;-]+)*")
_INDICATORS: Final = frozenset("-?:,[]{}#&*!|>'\"%@`= \t")
# What must not stand raw in a file: controls, what YAML 1.1 takes for a line end, a byte order mark, non-characters,
# and the marks that turn the direction of text and so hide what a reviewer reads.
_ESCAPED: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_NAMED: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def spelled(value: Plain) -> str:
    """A scalar, `{}` or `[]` on one line."""
    if isinstance(value, str):
        return text_spelled(value)
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    return scalar_text(value)


@lru_cache(maxsize=4096)
def text_spelled(text: str) -> str:
    """Text on one line: plain where every reader takes it for text, else quoted."""
    if _is_plain(text):
        return text
    if "\n" in text or "\t" in text or _ESCAPED.search(text):
        return _double_quoted(text)
    return "'" + text.replace("'", "''") + "'"


def _is_plain(text: str) -> bool:
    if _EASY.fullmatch(text):
        return text.lower() not in _WORDS
    return not (
        text.lower() in _WORDS
        or text[0] in _INDICATORS
        or text[-1] in " :"
        or ": " in text
        or " #" in text
        or "\t" in text
        or "\n" in text
        or text.startswith("...")
        or _NUMBERS.fullmatch(text)
        or _ESCAPED.search(text)
    )


def _double_quoted(text: str) -> str:
    body = "".join(_NAMED.get(char) or (_escape(char) if _ESCAPED.match(char) else char) for char in text)
    return f'"{body}"'


def _escape(char: str) -> str:
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"half a character (U+{code:04X}) cannot be written to a registry file")
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}"


def literal(text: str) -> tuple[str, list[str]] | None:
    """Header and lines of the literal block that holds this text exactly; None where one line of quotes is wanted."""
    if "\n" not in text or not _fits_a_literal(text):
        return None
    indicator = "2" if text[0] == " " else ""
    if text[-1] == "\n":
        return f"|{indicator}", text[:-1].split("\n")
    return f"|{indicator}-", text.split("\n")


def _fits_a_literal(text: str) -> bool:
    first = text[: text.index("\n")]
    last = text[text.rstrip("\n").rfind("\n") + 1 :]
    # blank lines at either end are easily lost by people and their editors
    return (
        bool(first.strip() and last.strip())
        and first[0] != "\t"
        and not text.endswith("\n\n")
        and not _ESCAPED.search(text)
    )
