"""The words of a filter: names, quoted texts, operators, each with the place where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from stagedoor.errors import BadInput

# a quote inside quotes is written twice, as in SQL; a backslash is a character like any other
_WORD: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<quoted>'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`)
      | (?P<operator>[=!<>]+)
      | (?P<mark>[(),])
      | (?P<name>[^\s'"`=!<>(),;]+)""",
    re.VERBOSE,
)
_CANNOT_BE_SAID: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its kind, the text as it was written, and where it begins and ends."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def unquoted(self) -> str:
        """What stands between the quotes."""
        quote = self.text[0]
        return self.text[1:-1].replace(quote * 2, quote)

    def says(self, keyword: str) -> bool:
        """Whether this is a keyword, in any case of letters."""
        return self.kind == "name" and self.text.upper() == keyword


def words(text: str) -> tuple[Word, ...]:
    """The words of a filter, spaces left out. `BadInput` where a character cannot stand."""
    if found := _CANNOT_BE_SAID.search(text):
        raise refusal(f"the character U+{ord(found[0]):04X} cannot be searched for", found.start(), "take it out")
    result, at = [], 0
    while at < len(text):
        word = _WORD.match(text, at)
        if word is None:
            raise _stray(text, at)
        if word.lastgroup != "space":
            result.append(Word(str(word.lastgroup), word[0], at, word.end()))
        at = word.end()
    return tuple(result)


def _stray(text: str, at: int) -> BadInput:
    if text[at] in "'\"`":
        return refusal(f"a quote is opened and never closed: {cut(text[at:])}", at, "close it")
    return refusal(f"{text[at]!r} cannot stand here", at, "join conditions with AND, and quote texts")


def refusal(what: str, at: int, fix: str) -> BadInput:
    """The refusal of a filter that says where in it the fault stands."""
    return BadInput(what, where=f"filter, character {at + 1}", fix=fix)


def cut(text: str, most: int = 60) -> str:
    """A stranger's text, short enough to repeat."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
