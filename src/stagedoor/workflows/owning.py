"""CODEOWNERS as a verb: who owns what, and changing it by a request that its own owners agree to."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from stagedoor.core.approval import Held, RightChanged, changed_rights, rights_of, suffixes_of
from stagedoor.core.layout import PEOPLE_FILE, REGISTRY_FILE
from stagedoor.core.owners import (
    OwnersFile,
    escape_pattern,
    literal,
    set_owners,
    split_stage,
    stage_pattern,
    unset_owners,
)
from stagedoor.core.spec import RegisteredModel
from stagedoor.errors import BadInput, InvalidState, NotFound
from stagedoor.workflows.snapshots import Snapshot, root_of, with_files
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Outcome, open_proposed

# who changes a line for ten thousand models sees the first of them, and how many there are
MOST_CHANGES = 10_000


@dataclass(frozen=True, slots=True)
class OwnedLine:
    """One line of CODEOWNERS that counts, the people behind its owners, and the owners nobody knows."""

    number: int
    pattern: str
    section: str | None
    owners: tuple[str, ...]
    people: tuple[str, ...]
    unknown: tuple[str, ...]


def lines(world: World) -> tuple[OwnedLine, ...]:
    """Every line of CODEOWNERS at main, with the people behind it."""
    base = world.snapshot()
    return tuple(
        OwnedLine(
            line.number, line.pattern, line.section, line.owners,
            tuple(sorted({email for name in line.owners for email in base.people.emails_of(name) or ()})),
            tuple(name for name in line.owners if base.people.emails_of(name) is None),
        )
        for line in base.owners.lines
    )  # fmt: skip


def show(world: World, text: str) -> tuple[Held, ...]:
    """Who has which right on a model, or on any other file of the repository."""
    base = world.snapshot()
    model = base.registry.find(text)
    root = root_of(world.repository)
    if model is not None:
        path = root + base.registry.path(text)
        return rights_of(base.owners, base.people, path, _suffixes(base, model))
    path, _, suffix = text.removeprefix("/").partition("/@")
    if not suffix and base.entry(path) is None and "/" not in path:
        base.registry.model(text)  # refuses, with the near names
    known = path.removeprefix(root)
    if base.is_model(known) and not suffix:
        return rights_of(base.owners, base.people, path, _suffixes(base, base.registry.models[known]))
    return rights_of(base.owners, base.people, path, (suffix or None,))


def _suffixes(base: Snapshot, model: RegisteredModel | None = None) -> tuple[str | None, ...]:
    return suffixes_of(base.spec.stage_names, model.aliases if model else ())


@dataclass(frozen=True, slots=True)
class OwnersChange:
    """A change of CODEOWNERS: its text as a diff, who gains and loses what, and the request that asks for it."""

    pattern: str
    diff: str
    effects: tuple[RightChanged, ...]
    outcome: Outcome


def set_line(
    world: World, target: str, owners: Sequence[str], *, comment: str = "", dry_run: bool = False
) -> OwnersChange:
    """Ask for a line of CODEOWNERS: `target` is a model, `MODEL@Stage`, or a pattern. No owners: nobody owns it."""

    def edit(text: str, pattern: str) -> str:
        return set_owners(text, pattern, owners)

    said = f"Own {{}} by {', '.join(owners) or 'nobody'}"
    return _change(world, target, edit, said, comment, dry_run)


def unset_line(world: World, target: str, *, comment: str = "", dry_run: bool = False) -> OwnersChange:
    """Ask for the lines with a pattern to go."""
    return _change(world, target, unset_owners, "Take the line for {} out of CODEOWNERS", comment, dry_run)


def _change(
    world: World, target: str, edit: Callable[[str, str], str], title: str, comment: str, dry_run: bool
) -> OwnersChange:
    base = world.snapshot()
    if base.owners.dialect != "github":
        raise BadInput(
            f"CODEOWNERS is written in {base.owners.dialect}'s dialect, and only GitHub's is edited here",
            where=base.owners.path,
            fix="edit the file on a branch, and stagedoor open it",
        )
    pattern = pattern_of(base, target)
    was = _text(base)
    now = edit(was, pattern)
    if now == was:
        raise InvalidState(
            f"CODEOWNERS says so already, or has no line {pattern}", where=base.owners.path, fix="stagedoor owners show"
        )
    head = with_files(base, {base.owners.path: now.encode()})
    outcome = open_proposed(world, base, head, title.format(pattern), comment=comment, dry_run=dry_run)
    found = tuple(islice(_effects(base, head.owners, pattern), MOST_CHANGES))
    return OwnersChange(pattern, _diff(base.owners.path, was, now), found, outcome)


def pattern_of(base: Snapshot, target: str) -> str:
    """The pattern that speaks of a model (`fraud`), of one of its stages (`fraud@Production`), or is one already."""
    root = root_of(base.repository)
    if base.registry.find(target) is not None:
        return f"/{escape_pattern(root + base.registry.path(target))}"
    name, at, suffix = target.rpartition("@")
    if at and name and base.registry.find(name) is not None:
        return stage_pattern(root + base.registry.path(name), suffix)
    if any(char in target for char in "/*?.") and not target.startswith("@"):
        return target
    raise NotFound(
        f"there is no model {name or target}", where=target, fix="write a model, MODEL@Stage, or a pattern with a /"
    )


def _text(base: Snapshot) -> str:
    if base.owners_entry is None:
        return ""
    raw = base.repository.blob(base.owners_entry[1].oid)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BadInput("CODEOWNERS is not UTF-8", where=base.owners.path, fix="save it as UTF-8 first") from None


def _diff(path: str, was: str, now: str) -> str:
    found = difflib.unified_diff(was.splitlines(), now.splitlines(), f"a/{path}", f"b/{path}", lineterm="", n=1)
    return "\n".join(found)


def _effects(base: Snapshot, after: OwnersFile, pattern: str) -> Iterator[RightChanged]:
    """Who gains and loses what: only the files that the line speaks of can be concerned."""
    root = root_of(base.repository)
    rules = [
        rule
        for file in (base.owners, after)
        for block in file.blocks
        for rule in block.newest_first
        if rule.line.pattern == pattern
    ]
    stage = split_stage(pattern)
    said = literal(stage[1]) if stage else None
    suffixes = tuple(dict.fromkeys([*_suffixes(base), *([said] if said else [])]))
    models = [(root + path, suffixes) for path in base.registry.models]
    policy: list[tuple[str, tuple[str | None, ...]]] = [
        (path, (None,)) for path in (base.owners.path, root + REGISTRY_FILE, root + PEOPLE_FILE)
    ]
    touched = (
        (path, asked)
        for path, asked in [*policy, *models]
        if any(rule.hits(path, suffix) for rule in rules for suffix in asked)
    )
    yield from changed_rights(base.owners, after, base.people, touched)
