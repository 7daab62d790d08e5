"""What a CODEOWNERS file says, as values: its lines, its faults, and where it may live."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

Dialect = Literal["github", "gitlab", "gitea"]

# Where the file may live; the first one found wins, and the others are not read.
# https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
# https://docs.gitlab.com/user/project/codeowners/
# https://docs.gitea.com/usage/code-owners (Forgejo reads its own folder too)
LOCATIONS: Final[dict[Dialect, tuple[str, ...]]] = {
    "github": (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    "gitlab": ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
    "gitea": ("CODEOWNERS", "docs/CODEOWNERS", ".gitea/CODEOWNERS", ".forgejo/CODEOWNERS"),
}


class FaultKind(StrEnum):
    """A stable name for each thing that can be wrong with a CODEOWNERS file."""

    TOO_BIG = "too-big"
    BAD_PATTERN = "bad-pattern"
    BAD_OWNER = "bad-owner"
    NO_OWNER = "no-owner"
    BAD_SECTION = "bad-section"
    INLINE_COMMENT = "inline-comment"
    REPEATED_PATTERN = "repeated-pattern"
    OTHER_DIALECT = "other-dialect"
    SHADOWED_STAGE = "shadowed-stage"
    UNKNOWN_OWNER = "unknown-owner"
    UNKNOWN_STAGE = "unknown-stage"
    UNOWNED_PATH = "unowned-path"
    VAGUE_STAGE = "vague-stage"
    OPEN_PRODUCTION = "open-production"


_WARNINGS: Final = frozenset(
    {FaultKind.REPEATED_PATTERN, FaultKind.UNKNOWN_STAGE, FaultKind.VAGUE_STAGE, FaultKind.OPEN_PRODUCTION}
)


@dataclass(frozen=True, slots=True)
class Line:
    """One rule that counts. `owners` is empty where the line takes ownership away."""

    number: int
    pattern: str
    owners: tuple[str, ...]
    section: str | None = None
    required: int = 1
    optional: bool = False
    # GitLab: the files it matches leave the section. Gitea: the line speaks of the files it does not match.
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """A line the forge ignores or reads differently than written. `number` 0 is the file as a whole."""

    number: int
    text: str
    reason: str
    fix: str | None = None
    kind: FaultKind = FaultKind.BAD_PATTERN

    @property
    def is_warning(self) -> bool:
        """Worth a look, but the file may be meant like this."""
        return self.kind in _WARNINGS


def split_stage(pattern: str) -> tuple[str, str] | None:
    r"""The file part and the suffix of a stage line (`models/*.yaml/@Production`), as written, or None.

    A stage line is one whose last segment begins with `@`. A line such as `models/*/` or `models/*/*` matches below a
    model file too, but it was written for folders: it must not hand out stages by accident.
    """
    cut = pattern.rfind("/")
    last = pattern[cut + 1 :]
    return (pattern[: max(cut, 0)], last[1:]) if len(last) > 1 and last.startswith("@") else None


def without_dupes(owners: list[str]) -> tuple[str, ...]:
    """Each owner once, in the spelling and at the place it came first; no forge tells the case of a name apart."""
    first: dict[str, str] = {}
    for owner in owners:
        first.setdefault(owner.casefold(), owner)
    return tuple(first.values())
