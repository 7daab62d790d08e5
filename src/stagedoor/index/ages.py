"""When a file and each version in it changed last: the commits of main decide, and the lines they changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_ITEM: Final = re.compile(rb"^( {0,8})- version: *['\"]?([0-9]{1,18})['\"]? *\r?$", re.MULTILINE)
_LIST: Final = re.compile(rb"^versions:", re.MULTILINE)
_KEY: Final = re.compile(rb"^[A-Za-z_]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Age:
    """When main last touched a file, and those of its versions that it touched last before that. Milliseconds."""

    touched: int
    versions: dict[int, int] = field(default_factory=dict)

    def of(self, number: int) -> int:
        """When main last touched the lines of a version."""
        return self.versions.get(number, self.touched)


Lines = Mapping[int, bytes]


def touched(age: Age, before: Lines, after: Lines, at: int) -> Age:
    """The age of a file after a commit that changed it; `before` and `after` are its `version_lines`.

    A version changed when its lines did. Where versions are not written one below the other, as `stagedoor fmt` writes
    them, each change of the file counts for all of them.
    """
    kept = {number: age.of(number) for number, lines in after.items() if before.get(number) == lines}
    return Age(at, {number: time for number, time in kept.items() if time != at})


def version_lines(raw: bytes) -> dict[int, bytes]:
    """The lines of each version of a model file, found without reading it as YAML."""
    start = _LIST.search(raw)
    found = list(_ITEM.finditer(raw, start.end())) if start else []
    if not found:
        return {}
    indent = found[0][1]
    items = [(int(item[2]), item.start()) for item in found if item[1] == indent]
    following = _KEY.search(raw, items[-1][1])
    ends = [start for _, start in items[1:]] + [following.start() if following else len(raw)]
    return {number: raw[start:end] for (number, start), end in zip(items, ends, strict=True)}
