"""Counting approvals: so many in all, from different teams, with one from each of some owners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from stagedoor.core.approval.needs import Ask


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody whose approval counts: the teams they could speak for, and those of an ask's `by`."""

    who: str
    teams: frozenset[str]
    groups: frozenset[str]


def matched(choices: Sequence[frozenset[str]], wanted: int) -> dict[str, int]:
    """Who speaks for which: at most `wanted` names, each given to another one of `choices`, as many as there can be.

    A maximum matching, found one augmenting path at a time:
    https://en.wikipedia.org/wiki/Hopcroft%E2%80%93Karp_algorithm#Augmenting_paths
    """
    spoken: dict[str, int] = {}
    for index in range(len(choices)):
        if len(spoken) >= wanted:
            break
        _augment(choices, spoken, index)
    return spoken


def _augment(choices: Sequence[frozenset[str]], spoken: dict[str, int], start: int) -> None:
    """Give one more of the choices a name; others may have to take another one of theirs."""
    reached: dict[str, int] = {}
    queue = [start]
    for index in queue:
        for name in sorted(choices[index] - reached.keys()):
            reached[name] = index
            if name not in spoken:
                _give(spoken, reached, name, start)
                return
            queue.append(spoken[name])


def _give(spoken: dict[str, int], reached: dict[str, int], name: str, start: int) -> None:
    held = {index: taken for taken, index in spoken.items()}
    while True:
        index = reached[name]
        before = held.get(index)
        spoken[name] = index
        if index == start or before is None:
            return
        name = before


@dataclass(frozen=True)
class Count:
    """What a stage or a gate asks for, and how it stands: whose approval can count, and whose does.

    Many needs of a request share one, so what takes a while to work out is kept.
    """

    ask: Ask
    voices: tuple[Voice, ...]
    approved_by: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether it is met."""
        return not self.missing and not self.missing_teams and not self.missing_groups

    @property
    def missing(self) -> int:
        """How many people are still to come, whoever they are."""
        return max(0, self.ask.least - len(self.approved_by))

    @cached_property
    def missing_teams(self) -> int:
        """How many more teams have to agree."""
        return max(0, self.ask.teams - len(self._teams(self._given))) if self.ask.teams > 1 else 0

    @cached_property
    def missing_groups(self) -> tuple[str, ...]:
        """Those of `by` for whom nobody has agreed."""
        spoken = self._groups(self._given) if self.ask.by else {}
        return tuple(name for name in self.ask.by if name not in spoken)

    @cached_property
    def left(self) -> tuple[str, ...]:
        """Who may agree and has not, whether that would help or not."""
        return tuple(voice.who for voice in self._left)

    @cached_property
    def helpful(self) -> tuple[str, ...]:
        """Whose approval brings it nearer, by name."""
        anybody = self.missing > max(self.missing_teams, len(self.missing_groups))
        team, group = self._of_other_teams(), self._of_other_groups()
        if group and replace(self, approved_by=(*self.approved_by, *group)).holds:
            return group
        return tuple(v.who for v in self._left if anybody or v.who in team or v.who in group)

    @cached_property
    def unblock(self) -> str:
        """What would meet it, in one line; empty when it is met."""
        if self.holds:
            return ""
        if self.missing_groups:
            said = [self._group_line(name) for name in self.missing_groups]
            more = self.missing - len(self.missing_groups)
            return "; ".join([*said, *([f"{more} more of {', '.join(self.left)}"] if more > 0 else [])])
        if self.missing_teams:
            return self._team_line()
        line = approvals_line(self.ask.least, self.missing, self.left)
        return f"signed {line}" if self.ask.signed and line.startswith("approval") else line

    def _group_line(self, name: str) -> str:
        may = [voice.who for voice in self._left if name in voice.groups]
        return f"one of {name}: {', '.join(may)}" if may else f"nobody of {name} may approve this: add somebody"

    def _team_line(self) -> str:
        may = self._of_other_teams()
        seen = sorted({team for voice in self._given for team in voice.teams})
        if len(self._teams(self.voices)) < self.ask.teams:
            return f"{self.ask.teams} teams have to approve, and fewer may: let CODEOWNERS name another team"
        number = max(self.missing, self.missing_teams)
        if not seen:
            return f"approval by {number} of {', '.join(may)}, for {self.ask.teams} different teams"
        which = "a team" if self.missing_teams == 1 else f"{self.missing_teams} teams"
        return f"{'one' if number == 1 else number} more, from {which} other than {', '.join(seen)}: {', '.join(may)}"

    @property
    def _given(self) -> tuple[Voice, ...]:
        return tuple(voice for voice in self.voices if voice.who in self.approved_by)

    @property
    def _left(self) -> tuple[Voice, ...]:
        return tuple(voice for voice in self.voices if voice.who not in self.approved_by)

    def _teams(self, given: Sequence[Voice]) -> dict[str, int]:
        return matched([voice.teams for voice in given], self.ask.teams)

    def _groups(self, given: Sequence[Voice]) -> dict[str, int]:
        return matched([voice.groups for voice in given], len(self.ask.by))

    def _of_other_teams(self) -> tuple[str, ...]:
        if not self.missing_teams:
            return ()
        now = len(self._teams(self._given))
        adds = {
            teams: len(matched([*(v.teams for v in self._given), teams], self.ask.teams)) > now
            for teams in {voice.teams for voice in self._left}
        }
        return tuple(voice.who for voice in self._left if adds[voice.teams])

    def _of_other_groups(self) -> tuple[str, ...]:
        if not self.missing_groups:
            return ()
        now = len(self._groups(self._given))
        adds = {
            groups: len(matched([*(v.groups for v in self._given), groups], len(self.ask.by))) > now
            for groups in {voice.groups for voice in self._left}
        }
        return tuple(voice.who for voice in self._left if adds[voice.groups])


def approvals_line(wanted: int, missing: int, left: Sequence[str]) -> str:
    """`approval by 1 of bob, carol`, or that there are not enough people."""
    if len(left) < missing:
        others = f"only {', '.join(left)} still may" if left else "nobody else may"
        return f"{wanted} have to approve and {others}: add an owner"
    return f"approval by {missing} of {', '.join(left)}"
