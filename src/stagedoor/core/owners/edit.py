"""Changing one line of a CODEOWNERS file in GitHub's dialect, and nothing that a person wrote beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stagedoor.core.owners.dialects import is_owner, pattern_fault, tokens
from stagedoor.core.owners.globs import exemplar, github_glob
from stagedoor.core.owners.values import split_stage, without_dupes
from stagedoor.errors import BadInput

_UNSAYABLE: Final = re.compile(
    r"[#\[\]]|[^\S ]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060\ufeff\ud800-\udfff]"
)
_MARK: Final = "\ufeff"


def escape_pattern(path: str) -> str:
    """The path as a piece of a pattern that means just this path. It adds no leading slash: put one to anchor it."""
    bad = _UNSAYABLE.search(path)
    if bad or not path or path.startswith("!"):
        what = repr(bad.group()) if bad else "a leading `!`" if path else "an empty path"
        raise BadInput(
            f"{what} cannot be written in CODEOWNERS", where=repr(path), fix="name the folder, or use a wildcard"
        )
    return re.sub(r"([\\*? ])", r"\\\1", path)


def stage_pattern(file: str, suffix: str) -> str:
    """The pattern of the stage line for a file and a stage, an alias, `Read` or `Manage`."""
    return f"/{escape_pattern(file.removeprefix('/'))}/@{escape_pattern(suffix)}"


def set_owners(text: str, pattern: str, owners: Sequence[str]) -> str:
    """The text in which the line with this pattern has these owners; no owners takes ownership away.

    An existing line is changed where it stands, and moved only if a later line swallows it. A new line comes below
    every line that would swallow it, behind its kin (lines with the same file pattern), and a new general line above
    the stage lines that it would swallow; else it comes last.
    """
    _check(pattern, owners)
    rows = _rows(text)
    at = max((number for number, row in enumerate(rows) if row.pattern == pattern), default=None)
    if at is None:
        return _insert(rows, pattern, " ".join([pattern, *without_dupes(list(owners))]), text)
    changed = _with_owners(rows[at], without_dupes(list(owners)))
    if at >= _floor(rows, pattern):
        return "".join(row.text for row in [*rows[:at], changed, *rows[at + 1 :]])
    rest = rows[:at] + rows[at + 1 :]
    return _insert(rest, pattern, changed.body, "".join(row.text for row in rest))


def unset_owners(text: str, pattern: str) -> str:
    """The text without any line that has this pattern. An earlier twin would come back to life, so it goes too."""
    return "".join(row.text for row in _rows(text) if row.pattern != pattern)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the file with its line end; `pattern` is empty where it has no rule."""

    text: str
    pattern: str
    mark: str = ""

    @property
    def body(self) -> str:
        return self.text.removeprefix(self.mark).rstrip("\n").removesuffix("\r")


def _rows(text: str) -> list[_Row]:
    mark = _MARK if text.startswith(_MARK) else ""
    rows = [_row(line) for line in re.findall(r"[^\n]*\n|[^\n]+", text.removeprefix(mark))]
    if mark and rows:
        rows[0] = _Row(mark + rows[0].text, rows[0].pattern, mark)
    return rows


def _row(line: str) -> _Row:
    return _Row(line, tokens(line.rstrip("\n").removesuffix("\r")).pattern)


def _check(pattern: str, owners: Sequence[str]) -> None:
    if tokens(pattern).pattern != pattern or not pattern:
        raise BadInput(
            f"{pattern!r} is not one pattern", where="CODEOWNERS", fix="escape blanks with a backslash, and avoid #"
        )
    if fault := pattern_fault(pattern):
        raise BadInput(f"{pattern}: {fault[0]}", where="CODEOWNERS", fix=fault[1])
    for owner in owners:
        if not is_owner(owner):
            fix = "write @user, @organisation/team or an e-mail address"
            raise BadInput(f"{owner!r} is no owner that CODEOWNERS can name", where="CODEOWNERS", fix=fix)


def _with_owners(row: _Row, owners: tuple[str, ...]) -> _Row:
    parts = tokens(row.body)
    if without_dupes(list(parts.owners)) == owners:
        return row
    behind = row.body[len(parts.lead) + len(parts.pattern) :]
    gap = re.match(r"[ \t]*", behind)
    before = (gap.group() if gap and parts.owners else "") or " "
    tail = parts.tail if not parts.tail.startswith("#") else f" {parts.tail}"
    body = parts.lead + parts.pattern + (before + " ".join(owners) if owners else "") + tail
    return _Row(row.mark + body + row.text[len(row.mark) + len(row.body) :], row.pattern, row.mark)


def _insert(rows: list[_Row], pattern: str, body: str, text: str) -> str:
    at = _place(rows, pattern)
    end = "\r\n" if "\r\n" in text else "\n"
    if at < len(rows):
        # the mark stays the first thing in the file
        mark = rows[at].mark
        return "".join(
            [*(row.text for row in rows[:at]), mark, body, end, rows[at].text.removeprefix(mark)]
            + [row.text for row in rows[at + 1 :]]
        )
    if text and not text.endswith("\n"):
        return f"{text}{end}{body}"  # a file without a last line end stays one
    return f"{text}{body}{end}"


def _place(rows: list[_Row], pattern: str) -> int:
    floor = _floor(rows, pattern)
    stage = split_stage(pattern)
    if stage is None:
        return next((at for at in range(floor, len(rows)) if _swallows(pattern, rows[at].pattern)), len(rows))
    kin = [at for at, row in enumerate(rows) if row.pattern and _file_part(row.pattern) == stage[0]]
    return max(floor, kin[-1] + 1) if kin else len(rows)


def _file_part(pattern: str) -> str:
    stage = split_stage(pattern)
    return stage[0] if stage else pattern


def _floor(rows: list[_Row], pattern: str) -> int:
    """The first place below every line that would swallow a line with this pattern."""
    return max((at + 1 for at, row in enumerate(rows) if _covers(row.pattern, pattern)), default=0)


def _covers(later: str, pattern: str) -> bool:
    """Whether a later line wins over all that the pattern speaks of. More special lines do not: they may stay below."""
    if not later or later == pattern or pattern_fault(later):
        return False
    glob = github_glob(later)
    stage = split_stage(pattern)
    if stage is None:
        return glob.matches(exemplar(pattern))
    if split_stage(later) is None:
        return glob.matches(exemplar(stage[0] or "*"))
    return glob.matches(exemplar(pattern))


def _swallows(general: str, other: str) -> bool:
    """Whether a general line takes something away from a stage line when it stands below it.

    `m/fraud.yaml` under `m/*.yaml/@Production` would open the Production of one model to the owners of its file.
    """
    stage = split_stage(other) if other and not pattern_fault(other) else None
    if stage is None:
        return False
    file_part = stage[0] or "*"
    return github_glob(general).matches(exemplar(file_part)) or github_glob(file_part).matches(exemplar(general))
