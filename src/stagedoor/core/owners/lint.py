"""What is wrong with a CODEOWNERS file as the permission file of a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from stagedoor.core.owners.file import Block, OwnersFile, Rule
from stagedoor.core.owners.globs import exemplar, literal
from stagedoor.core.owners.stages import Level, right_for
from stagedoor.core.owners.values import Dialect, Fault, FaultKind, Line, split_stage

_OWN_SUFFIXES: Final = ("Read", "Manage")
# Whoever can change one of these changes who may, or what runs with the registry's rights.
_GUARDED: Final[dict[Dialect, tuple[str, ...]]] = {
    "github": (".github/workflows/registry.yaml",),
    "gitlab": (".gitlab-ci.yml",),
    "gitea": (".gitea/workflows/registry.yaml",),
}
_SPEC: Final = ("registry_spec/registry.yaml", "registry_spec/people.yaml")


def problems(
    owners: OwnersFile, files: Iterable[str], stages: Iterable[str], known: Callable[[str], bool], root: str = ""
) -> tuple[Fault, ...]:
    """Everything worth telling about the file, by line.

    `files` are the model files, `known` asks `people.yaml`, `root` is what comes before `registry_spec/`.
    """
    paths = [path.removeprefix("/") for path in files]
    names = tuple(dict.fromkeys([*stages, *_OWN_SUFFIXES]))
    found = [
        *owners.faults,
        *_shadowed(owners, paths, names),
        *_unknown_owners(owners, known),
        *_unknown_stages(owners, names),
        *_vague(owners, paths),
        *_open_production(owners, paths),
        *_unowned(owners, root),
    ]
    return tuple(sorted(found, key=lambda fault: fault.number))


def _fault(line: Line, kind: FaultKind, reason: str, fix: str) -> Fault:
    return Fault(line.number, line.pattern, reason, fix, kind)


def _rules(owners: OwnersFile) -> Iterator[tuple[Block, Rule]]:
    for block in owners.blocks:
        yield from ((block, rule) for rule in block.newest_first)


def _shadowed(owners: OwnersFile, files: Sequence[str], names: Sequence[str]) -> Iterator[Fault]:
    """A later general line swallows a stage line: the stage is open to whoever owns the general line."""
    if owners.dialect == "gitea":
        return  # lines have no order there
    for block, rule in _rules(owners):
        if not rule.is_stage:
            continue
        cases = _cases(rule, files, names)
        winners = {winner for file, suffix in cases if (winner := block.winner(file, suffix)) is not None}
        for winner in sorted(winners, key=lambda winner: winner.line.number):
            if not winner.is_stage and winner.line.number > rule.line.number:
                later = f"line {winner.line.number} ({winner.line.pattern})"
                reason = f"{later} comes later and swallows this line, which therefore guards nothing there"
                fix = f"move line {rule.line.number} below line {winner.line.number}"
                yield _fault(rule.line, FaultKind.SHADOWED_STAGE, reason, fix)


def _cases(rule: Rule, files: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """The files and suffixes that a stage line speaks of, and one made up for a registry that has no models yet."""
    file_part, written = split_stage(rule.line.pattern) or ("", "")
    said = literal(written)
    suffixes = [said] if said is not None else [*names, exemplar(written)]
    made_up = exemplar(file_part or "*").removeprefix("/")
    return [(file, suffix) for file in [*files, made_up] for suffix in suffixes if rule.speaks_of(file, suffix)]


def _unknown_owners(owners: OwnersFile, known: Callable[[str], bool]) -> Iterator[Fault]:
    for line in owners.lines:
        for owner in line.owners:
            if not owner.startswith("@@") and not known(owner):
                reason = f"nobody knows {owner}, so the line gives it no rights"
                fix = "add the person or the team to registry_spec/people.yaml, or correct the name"
                yield _fault(line, FaultKind.UNKNOWN_OWNER, reason, fix)


def _unknown_stages(owners: OwnersFile, names: Sequence[str]) -> Iterator[Fault]:
    """A suffix that is no stage may be an alias, so only one that looks like a misspelt stage is worth a word."""
    folded = {name.casefold(): name for name in names}
    for _, rule in _rules(owners):
        written = literal((split_stage(rule.line.pattern) or ("", ""))[1]) if rule.is_stage else None
        if not written or written in names:
            continue
        close = get_close_matches(written.casefold(), folded, n=1, cutoff=0.9)
        if close:
            meant = folded[close[0]]
            reason = f"@{written} is no stage, and reads like @{meant}"
            yield _fault(rule.line, FaultKind.UNKNOWN_STAGE, reason, f"write @{meant}, unless an alias is meant")


def _vague(owners: OwnersFile, files: Sequence[str]) -> Iterator[Fault]:
    """A line that matches only below model files was meant for stages, and does not name one."""
    for _, rule in _rules(owners):
        below = [file for file in files if not rule.is_stage and rule.matches(f"{file}/@{Level.PRODUCTION.suffix}")]
        if below and not any(rule.matches(file) for file in files):
            reason = f"the line matches only below {below[0]} and names no stage, so it gives no rights"
            yield _fault(rule.line, FaultKind.VAGUE_STAGE, reason, "end the pattern in /@Production, or in /@* for all")


def _open_production(owners: OwnersFile, files: Sequence[str]) -> Iterator[Fault]:
    """Staging guarded and Production not is hardly ever meant."""
    seen: set[int] = set()
    for file in files:
        staging = right_for(owners, file, Level.STAGING.suffix)
        if not staging.explicit or right_for(owners, file, Level.PRODUCTION.suffix).explicit:
            continue
        for line in staging.lines:
            if line.number not in seen:
                seen.add(line.number)
                reason = f"Staging of {file} is guarded and Production is not: it is open to the owners of the file"
                yield _fault(line, FaultKind.OPEN_PRODUCTION, reason, "add a line that ends in /@Production")


def _unowned(owners: OwnersFile, root: str) -> Iterator[Fault]:
    spec = [root + path for path in _SPEC]
    for path in dict.fromkeys([owners.path, *_GUARDED[owners.dialect], *spec]):
        if not any(line.owners for line in owners.matches(path)):
            reason = f"nobody owns {path}, so anybody who can write may change who may"
            fix = f"add a line for {path} at the end of the file"
            yield Fault(0, path, reason, fix, FaultKind.UNOWNED_PATH)
