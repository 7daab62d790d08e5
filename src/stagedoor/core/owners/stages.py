"""Who may do what with a model: the rule that counts for a file, a stage or an alias, and what includes what.

No forge ever sees a path below a model file, so CODEOWNERS can speak of `FILE/@Production` in its own syntax. A *stage
line* is one whose last segment begins with `@`. The rule that counts for `FILE/@X` is the last line that matches
`FILE`, or is a stage line that matches `FILE/@X`: a later general line swallows a stage line, as everywhere in
CODEOWNERS. A line such as `models/*/` is for folders, and hands out no stage of a file that stands beside them.
A right is *explicit* where a stage line counts. On GitLab and Gitea, where several lines add up, the stage lines
count alone as soon as there is one; else a general line in another section would undo them.

| right | held by the owners of | and by the explicit owners of |
|---|---|---|
| READ | `FILE/@Read` where explicit, else everyone | EDIT, Staging, Production, Manage |
| EDIT | `FILE` | Staging, Production, Manage |
| STAGING | `FILE/@Staging`, else `FILE` | Production, Manage |
| PRODUCTION | `FILE/@Production`, else `FILE` | Manage |
| MANAGE | `FILE/@Manage`, else `FILE` | |
| stage None, Archived | its own stage line, else as STAGING | Production, Manage |
| any other stage, alias | its own stage line, else as EDIT | Production, Manage |

Only an explicit right reaches down to the levels below it: without a `@Manage` line the owners of `FILE` manage the
model, and a `@Production` line still keeps them out of Production. A rule without owners, and no rule at all, refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from stagedoor.core.owners.file import OwnersFile
from stagedoor.core.owners.values import Line, without_dupes

# Stands for everybody who can read the repository; only READ is ever open like this.
EVERYONE: Final = "*"


class Level(IntEnum):
    """What somebody may do with a model, from least to most. Each level includes those before it."""

    READ = 1
    EDIT = 2
    STAGING = 3
    PRODUCTION = 4
    MANAGE = 5

    @property
    def databricks(self) -> str:
        """The name of the level in Databricks' permissions API."""
        return _DATABRICKS[self]

    @property
    def suffix(self) -> str | None:
        """What CODEOWNERS writes behind the `@`; None for the file itself."""
        return None if self is Level.EDIT else self.name.capitalize()


# https://docs.databricks.com/aws/en/security/auth/access-control/#mlflow-model-acls
_DATABRICKS: Final = {
    Level.READ: "CAN_READ",
    Level.EDIT: "CAN_EDIT",
    Level.STAGING: "CAN_MANAGE_STAGING_VERSIONS",
    Level.PRODUCTION: "CAN_MANAGE_PRODUCTION_VERSIONS",
    Level.MANAGE: "CAN_MANAGE",
}
_BY_SUFFIX: Final = {level.suffix: level for level in Level}
# Staging owners make all moves among these
_AS_STAGING: Final = frozenset({"None", "Archived"})


@dataclass(frozen=True, slots=True)
class Right:
    """The rule that counts for a file or one of its suffixes, before inheritance."""

    suffix: str | None
    lines: tuple[Line, ...]
    explicit: bool

    @property
    def owners(self) -> tuple[str, ...]:
        """The owners the lines name. Optional sections count only where nothing else speaks."""
        lines = [line for line in self.lines if not line.optional] or self.lines
        return without_dupes([owner for line in lines for owner in line.owners])


def right_for(owners: OwnersFile, file: str, suffix: str | None) -> Right:
    """The rule that counts for `FILE`, or for `FILE/@SUFFIX`. A suffix with a slash names nothing: nobody owns it."""
    if not _may_be_named(suffix):
        return Right(suffix, (), explicit=False)
    file = file.removeprefix("/")
    rules = owners.winners(file, suffix)
    named = tuple(rule.line for rule in rules if not rule.matches(file))
    if named:
        return Right(suffix, named, explicit=True)
    if suffix in _AS_STAGING:
        staging = right_for(owners, file, Level.STAGING.suffix)
        return Right(suffix, staging.lines, staging.explicit)
    return Right(suffix, tuple(rule.line for rule in rules), explicit=suffix is None)


def rule_for(owners: OwnersFile, file: str, suffix: str | None) -> tuple[Line, ...]:
    """The lines that count for a stage, an alias, `Read` or `Manage` of a file; for the file itself if it is None.

    Mind that `Read` falls back to the file's line as every suffix does; `levels` and `owners_of` know it is open then.
    """
    return right_for(owners, file, suffix).lines


def levels(owners: OwnersFile, file: str) -> dict[Level, tuple[Line, ...]]:
    """For each level the lines whose owners hold it directly. No lines: nobody; for READ: everyone."""
    rights = {level: right_for(owners, file, level.suffix) for level in Level}
    return {level: right.lines if right.explicit or level is not Level.READ else () for level, right in rights.items()}


@dataclass(frozen=True, slots=True)
class Holding:
    """Who has a right: the owners of the lines that count for it, and those whom an explicit higher right includes."""

    right: Right
    above: tuple[str, ...]

    @property
    def owners(self) -> tuple[str, ...]:
        """Everybody who has it, by name."""
        return without_dupes([*self.right.owners, *self.above])


def holding_of(owners: OwnersFile, file: str, level_or_suffix: Level | str | None) -> Holding:
    """Who has a right, and by which lines. READ comes as its lines say; where they say nothing it is open to all."""
    suffix = level_or_suffix.suffix if isinstance(level_or_suffix, Level) else level_or_suffix
    own = right_for(owners, file, suffix)
    level = _BY_SUFFIX.get(suffix)
    if level is None and not own.explicit and suffix not in _AS_STAGING:
        # an alias or stage that no line names is part of editing the model
        return holding_of(owners, file, Level.EDIT) if _may_be_named(suffix) else Holding(own, ())
    above = [above for above in Level if above > (level or Level.STAGING)]
    return Holding(own, without_dupes(_explicit_owners(owners, file, above)))


def owners_of(owners: OwnersFile, file: str, level_or_suffix: Level | str | None) -> tuple[str, ...]:
    """Everybody who may, by an own line or by a higher level's. Empty: refused. `(EVERYONE,)`: an open READ.

    On GitLab each section asks for an owner of its own: what all have to agree to is in `holding_of(…).right.lines`.
    """
    found = holding_of(owners, file, level_or_suffix)
    if found.right.suffix == Level.READ.suffix and not found.right.explicit:
        return (EVERYONE,)
    return found.owners


def _may_be_named(suffix: str | None) -> bool:
    return suffix is None or (suffix != "" and "/" not in suffix)


def _explicit_owners(owners: OwnersFile, file: str, above: Iterable[Level]) -> list[str]:
    rights = (right_for(owners, file, level.suffix) for level in above)
    return [owner for right in rights if right.explicit for owner in right.owners]
