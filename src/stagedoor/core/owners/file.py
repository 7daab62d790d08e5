"""A parsed CODEOWNERS file, and which of its lines count for a path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from stagedoor.core.owners.dialects import READERS, gitea_source, gitlab_key
from stagedoor.core.owners.expressions import Expression
from stagedoor.core.owners.globs import github_glob, gitlab_glob
from stagedoor.core.owners.values import Dialect, Fault, Line, split_stage


@dataclass(frozen=True, slots=True)
class Rule:
    """A line with its matcher. `is_stage` says that its last segment begins with `@`."""

    line: Line
    matches: Callable[[str], bool]
    is_stage: bool

    def hits(self, path: str, suffix: str | None) -> bool:
        """Whether it speaks of the path, or is a stage line that speaks of the path's suffix."""
        return self.matches(path) or self.speaks_of(path, suffix)

    def speaks_of(self, path: str, suffix: str | None) -> bool:
        """Whether it is a stage line for this suffix of the path."""
        return suffix is not None and self.is_stage and self.matches(f"{path}/@{suffix}")


@dataclass(frozen=True, slots=True)
class Block:
    """The rules among which the last one wins: a whole file, a section, or (Gitea) a single line."""

    newest_first: tuple[Rule, ...]
    # GitLab's `!pattern`: what it matches leaves the section, whatever else the section says.
    # https://docs.gitlab.com/user/project/codeowners/reference/#exclusion-patterns
    exclusions: tuple[Rule, ...] = ()

    def winner(self, path: str, suffix: str | None = None) -> Rule | None:
        """The last rule that matches the path, or is a stage line for its suffix."""
        if any(rule.hits(path, suffix) for rule in self.exclusions):
            return None
        return next((rule for rule in self.newest_first if rule.hits(path, suffix)), None)


@dataclass(frozen=True, slots=True)
class OwnersFile:
    """A CODEOWNERS file as its forge reads it."""

    path: str
    dialect: Dialect
    lines: tuple[Line, ...]
    faults: tuple[Fault, ...] = ()
    blocks: tuple[Block, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(_blocks(self.dialect, self.lines)))

    def match(self, path: str) -> Line | None:
        """The line that counts on GitHub: the last that matches. Elsewhere several may count: see `matches`."""
        found = self.matches(path)
        return found[-1] if found else None

    def matches(self, path: str) -> tuple[Line, ...]:
        """Every line that counts: GitHub the last match; GitLab the last of each section; Gitea all that match."""
        return tuple(rule.line for rule in self.winners(path))

    def winners(self, path: str, suffix: str | None = None) -> tuple[Rule, ...]:
        """The rule that counts in each block, in the order of the file."""
        path = path.removeprefix("/")
        found = (block.winner(path, suffix) for block in self.blocks)
        return tuple(sorted((rule for rule in found if rule), key=lambda rule: rule.line.number))


def parse(text: str, *, path: str = "CODEOWNERS", dialect: Dialect = "github") -> OwnersFile:
    """The file as the forge of that dialect reads it. No text makes it fail: what is wrong becomes a fault."""
    found = READERS[dialect](text)
    faults = sorted((item for item in found if isinstance(item, Fault)), key=lambda fault: fault.number)
    return OwnersFile(path, dialect, tuple(item for item in found if isinstance(item, Line)), tuple(faults))


def matcher(line: Line, dialect: Dialect) -> Callable[[str], bool]:
    """What tells whether a path is one the line speaks of."""
    match dialect:
        case "github":
            return github_glob(line.pattern).matches
        case "gitlab":
            return gitlab_glob(gitlab_key(line)[1]).matches
        case "gitea":
            expression = Expression(gitea_source(line.pattern))
            return (lambda path: not expression.matches(path)) if line.negated else expression.matches


def _blocks(dialect: Dialect, lines: Sequence[Line]) -> Iterator[Block]:
    rules = [Rule(line, matcher(line, dialect), _is_stage(line, dialect)) for line in lines]
    match dialect:
        case "github":
            yield Block(tuple(reversed(rules)))
        case "gitea":
            yield from (Block((rule,)) for rule in rules)  # no order: they all add up
        case "gitlab":
            yield from _sections(rules)


def _sections(rules: Sequence[Rule]) -> Iterator[Block]:
    sections: dict[str | None, dict[str, Rule]] = {}
    for rule in rules:
        section, key = gitlab_key(rule.line)
        sections.setdefault(section, {})[key] = rule  # a repeated pattern keeps its first place
    for entries in sections.values():
        kept = tuple(rule for rule in reversed(entries.values()) if not rule.line.negated)
        yield Block(kept, tuple(rule for rule in entries.values() if rule.line.negated))


def _is_stage(line: Line, dialect: Dialect) -> bool:
    if dialect == "gitea" and line.negated:
        return False
    return split_stage(line.pattern.removeprefix("!") if line.negated else line.pattern) is not None
