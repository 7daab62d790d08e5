"""Who has which right on a file, and what another CODEOWNERS would change about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from stagedoor.core.owners import EVERYONE, Level, OwnersFile, holding_of, owners_of
from stagedoor.core.spec import People


@dataclass(frozen=True, slots=True)
class Held:
    """One right on one file: the lines that count, whom they name, and the people behind them.

    `explicit` says that lines of its own speak of it; else it is inherited from the file. `above` are those who have
    it by a higher right. `everyone` is an open `Read`.
    """

    path: str
    suffix: str | None
    lines: tuple[int, ...]
    explicit: bool
    owners: tuple[str, ...]
    above: tuple[str, ...]
    people: tuple[str, ...]
    everyone: bool = False

    @property
    def title(self) -> str:
        """The path that CODEOWNERS is asked about."""
        return f"{self.path}/@{self.suffix}" if self.suffix else self.path


@dataclass(frozen=True, slots=True)
class RightChanged:
    """Who gains and who loses one right on one file."""

    path: str
    suffix: str | None
    gained: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def title(self) -> str:
        """The path that CODEOWNERS is asked about."""
        return f"{self.path}/@{self.suffix}" if self.suffix else self.path


def rights_of(owners: OwnersFile, people: People, path: str, suffixes: Sequence[str | None]) -> tuple[Held, ...]:
    """Who has each of these rights on a file; the suffix None is the file itself."""
    return tuple(_held(owners, people, path, suffix) for suffix in suffixes)


def _held(owners: OwnersFile, people: People, path: str, suffix: str | None) -> Held:
    found = holding_of(owners, path, suffix)
    if owners_of(owners, path, suffix) == (EVERYONE,):
        return Held(path, suffix, (), False, (), (), (), everyone=True)
    numbers = tuple(line.number for line in found.right.lines)
    explicit = found.right.explicit and found.right.suffix == suffix
    own = found.right.owners
    above = tuple(name for name in found.above if name not in own)
    return Held(path, suffix, numbers, explicit, own, above, _people(owners, people, path, suffix))


def _people(owners: OwnersFile, people: People, path: str, suffix: str | None) -> tuple[str, ...]:
    names = owners_of(owners, path, suffix)
    return tuple(sorted({email for name in names for email in people.emails_of(name) or ()}))


def changed_rights(
    before: OwnersFile, after: OwnersFile, people: People, files: Iterable[tuple[str, Sequence[str | None]]]
) -> Iterator[RightChanged]:
    """Everybody who gains or loses a right when `after` takes the place of `before`, by file and suffix."""
    for path, suffixes in files:
        for suffix in suffixes:
            was, now = (_readers(one, people, path, suffix) for one in (before, after))
            if was != now:
                yield RightChanged(path, suffix, tuple(sorted(now - was)), tuple(sorted(was - now)))


def _readers(owners: OwnersFile, people: People, path: str, suffix: str | None) -> frozenset[str]:
    if owners_of(owners, path, suffix) == (EVERYONE,):
        return frozenset({"everyone"})
    return frozenset(_people(owners, people, path, suffix))


def suffixes_of(stages: Iterable[str], aliases: Iterable[str] = ()) -> tuple[str | None, ...]:
    """The rights that are worth asking about for a model: the levels, the registry's own stages, the aliases."""
    ladder = [level.suffix for level in Level]
    own = [stage for stage in stages if stage not in ("None", "Archived")]
    return tuple(dict.fromkeys([None, *ladder[:1], *own, *ladder[2:], *aliases]))
