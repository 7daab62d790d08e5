"""CODEOWNERS: who may do what, as GitHub, GitLab and Gitea read it, and the stage lines that none of them sees."""

from stagedoor.core.owners.dialects import is_owner
from stagedoor.core.owners.edit import escape_pattern, set_owners, stage_pattern, unset_owners
from stagedoor.core.owners.file import OwnersFile, parse
from stagedoor.core.owners.globs import literal
from stagedoor.core.owners.lint import problems
from stagedoor.core.owners.stages import (
    EVERYONE,
    Holding,
    Level,
    Right,
    holding_of,
    levels,
    owners_of,
    right_for,
    rule_for,
)
from stagedoor.core.owners.values import LOCATIONS, Dialect, Fault, FaultKind, Line, split_stage

__all__ = [
    "EVERYONE",
    "LOCATIONS",
    "Dialect",
    "Fault",
    "FaultKind",
    "Holding",
    "Level",
    "Line",
    "OwnersFile",
    "Right",
    "escape_pattern",
    "holding_of",
    "is_owner",
    "levels",
    "literal",
    "owners_of",
    "parse",
    "problems",
    "right_for",
    "rule_for",
    "set_owners",
    "split_stage",
    "stage_pattern",
    "unset_owners",
]
