"""Levels as Databricks' permissions API grants them, read from CODEOWNERS and written into it, GitHub's dialect.

A grant on a model is *direct* where lines of the model's own give it, and inherited where the file would say the same
without them. Own lines repeat what they would otherwise take away from those who inherit, so a grant never takes
anything from somebody else, with two exceptions that CODEOWNERS knows no other way to say: the first direct CAN_READ
closes a model that everybody may read, and a first direct CAN_MANAGE ends that of owners who had it only because
nobody was named, where a line keeps them out of Production.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stagedoor.core.owners.edit import escape_pattern, set_owners, stage_pattern, unset_owners
from stagedoor.core.owners.file import OwnersFile, parse
from stagedoor.core.owners.stages import EVERYONE, Level, owners_of, right_for
from stagedoor.core.owners.values import without_dupes
from stagedoor.errors import InvalidState

_GUARDED: Final = (Level.STAGING, Level.PRODUCTION, Level.MANAGE)
# the name of no model: what is said about it is said about every model
_ANY: Final = "%any.yaml"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one owner, as CODEOWNERS writes it, may do. `EVERYONE` stands for all."""

    owner: str
    level: Level
    is_inherited: bool


def grants(text: str, file: str) -> tuple[Grant, ...]:
    """Who has which level on a model file, highest first; for each owner the direct level and the inherited one."""
    now, without = _levels(parse(text), file), _levels(parse(_without(text, file)), file)
    found = [
        *(Grant(owner, level, False) for owner, level in now.items() if level > without.get(owner, 0)),
        *(Grant(owner, min(level, now[owner]), True) for owner, level in without.items() if owner in now),
    ]
    return tuple(sorted(found, key=lambda grant: (-grant.level, grant.is_inherited, grant.owner)))


def _levels(owners: OwnersFile, file: str) -> dict[str, Level]:
    """The highest level of each owner."""
    return {owner: level for level in Level for owner in owners_of(owners, file, level)}


def _own(file: str) -> dict[Level, str]:
    """The patterns of a model's own lines."""
    plain = f"/{escape_pattern(file.removeprefix('/'))}"
    return {level: stage_pattern(file, level.suffix) if level.suffix else plain for level in Level}


def _without(text: str, file: str) -> str:
    for pattern in _own(file).values():
        text = unset_owners(text, pattern)
    return text


def with_grants(text: str, file: str, wanted: Mapping[str, Level]) -> str:
    """The text in which the model has these direct grants and no other.

    `InvalidState` where the lines that people wrote leave no way to say just that.
    """
    base = _without(text, file)
    lines = dict(_lines(parse(base), file, wanted))
    patterns = _own(file)
    made = base
    # the line of the file itself first: the stage lines belong below it
    for level in sorted(lines, key=lambda level: level is not Level.EDIT):
        made = set_owners(made, patterns[level], lines[level])
    _require_said(_levels(parse(made), file), _levels(parse(base), file), wanted)
    return made


def _lines(inherited: OwnersFile, file: str, wanted: Mapping[str, Level]) -> Iterator[tuple[Level, Sequence[str]]]:
    def direct(level: Level) -> list[str]:
        return [owner for owner, had in wanted.items() if had is level]

    if direct(Level.EDIT):
        yield Level.EDIT, _joined(right_for(inherited, file, None).owners, direct(Level.EDIT))
    if direct(Level.READ):
        right = right_for(inherited, file, Level.READ.suffix)
        yield Level.READ, _joined(right.owners if right.explicit else (), direct(Level.READ))
    for level in _GUARDED:
        right = right_for(inherited, file, level.suffix)
        # without a line, a level is everybody's who may edit: new editors must not get it by that
        if direct(level) or (direct(Level.EDIT) and not right.explicit):
            kept = right.owners if right.explicit else _fit(inherited, file, right.owners, level)
            yield level, _joined(kept, direct(level))


def _fit(inherited: OwnersFile, file: str, owners: Iterable[str], level: Level) -> list[str]:
    """Those who have the levels below too. A line of one's own reaches down, and nobody may gain by it."""
    below = [set(owners_of(inherited, file, one)) for one in _GUARDED if one < level]
    return [owner for owner in owners if all(owner in holders for holders in below)]


def _joined(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return without_dupes([*first, *second])


def _require_said(now: Mapping[str, Level], before: Mapping[str, Level], wanted: Mapping[str, Level]) -> None:
    for owner, level in now.items():
        most = max(wanted.get(owner, 0), before.get(owner, 0))
        if level > most:
            raise InvalidState(f"the lines of CODEOWNERS would give {owner} more than is wanted", fix=_BY_HAND)
    for owner, level in wanted.items():
        if now.get(owner, 0) < level:
            raise InvalidState(f"the lines of CODEOWNERS leave no room for {owner}", fix=_BY_HAND)


_BY_HAND: Final = "change CODEOWNERS by hand, in a request: stagedoor open BRANCH"


def file_granted(before: str, after: str, files: Iterable[str]) -> str | None:
    """The one model file of these whose own lines are all that differs, or None."""
    changed = {line.pattern for line in set(_rules(before)) ^ set(_rules(after))}
    touched = [file for file in files if changed & set(_own(file).values())] if changed else []
    alone = touched[0] if len(touched) == 1 else None
    return alone if alone is not None and _without(before, alone) == _without(after, alone) else None


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: str
    owners: tuple[str, ...]


def _rules(text: str) -> Iterator[_Rule]:
    return (_Rule(line.pattern, line.owners) for line in parse(text).lines)


# --- for all models -------------------------------------------------------------------------------------------------


def registry_grants(text: str, folder: str) -> tuple[Grant, ...]:
    """Who has which level on every model. `folder` is that of the models, with a slash at its end."""
    found = _levels(parse(text), folder + _ANY)
    return tuple(Grant(owner, level, False) for owner, level in sorted(found.items(), key=lambda i: (-i[1], i[0])))


def with_registry_grants(text: str, folder: str, wanted: Mapping[str, Level]) -> str:
    """The text in which these owners have these levels on every model, and nobody else but by a model's own lines.

    Every level gets a line, so that none falls to those below it; where nobody has just this level, it is its
    superiors'. A line that is there for all models is changed where it stands.
    """
    made = text
    for level, owners in _for_all(wanted):
        made = set_owners(made, _pattern_for_all(made, folder, level), owners)
    if Level.READ not in wanted.values():
        made = unset_owners(made, _pattern_for_all(made, folder, Level.READ))
    levels = {owner: level for owner, level in _levels(parse(made), folder + _ANY).items() if owner != EVERYONE}
    if levels != dict(wanted):
        raise InvalidState("the lines of CODEOWNERS leave no room for these permissions", fix=_BY_HAND)
    return made


def _for_all(wanted: Mapping[str, Level]) -> Iterator[tuple[Level, tuple[str, ...]]]:
    above: tuple[str, ...] = ()
    found = []
    for level in (Level.MANAGE, Level.PRODUCTION, Level.STAGING, Level.EDIT):
        above = tuple(owner for owner, had in wanted.items() if had is level) or above
        found.append((level, above))
    yield from reversed(found)
    if readers := tuple(owner for owner, had in wanted.items() if had is Level.READ):
        yield Level.READ, readers


def all_granted(before: str, after: str, folder: str) -> bool:
    """Whether all that differs are lines for all models."""
    for level in Level:
        for pattern in _patterns_for_all(folder, level):
            before, after = unset_owners(before, pattern), unset_owners(after, pattern)
    return before == after


def _patterns_for_all(folder: str, level: Level) -> list[str]:
    top = f"/{folder}"
    files = (f"{top}**/*.yaml", f"{top}*.yaml", f"{top}**")
    return [f"{one}/@{level.suffix}" for one in files] if level.suffix else [top, *files]


def _pattern_for_all(text: str, folder: str, level: Level) -> str:
    """The pattern of the line for all models: that of the one that counts now, where there is one."""
    known = _patterns_for_all(folder, level)
    counts = right_for(parse(text), folder + _ANY, level.suffix).lines
    return next((line.pattern for line in counts if line.pattern in known), known[0])
