"""Which clock the commits of main are believed to have: dates are claims, and their order is not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol


def believed(times: Sequence[datetime], now: datetime) -> tuple[datetime, ...]:
    """The time that each commit is believed to have been merged at; never before the one in front of it.

    `times` are the committer dates of main's first-parent chain, oldest first. A date after `now` is disbelieved. Of
    the rest the most that agree with the order are believed: the longest non-decreasing subsequence. A commit outside
    it takes the time of the believed one before it, or at the very beginning of the first believed one. So a commit
    that says 1999 or 2030 shifts nobody but itself.
    """
    kept = _agreeing([-time.timestamp() if time <= now else None for time in times])
    if not kept:
        return (now,) * len(times)
    found: list[datetime] = []
    last = times[kept[0]]
    are_kept = set(kept)
    for index, time in enumerate(times):
        last = time if index in are_kept else last
        found.append(last)
    return tuple(found)


class Chain(Protocol):
    """A first-parent chain, and when each commit of it is believed to have been merged."""

    @property
    def commits(self) -> tuple[str, ...]:
        """All of them, oldest first: for who needs every one."""
        ...

    @property
    def newest(self) -> tuple[str, datetime]:
        """The last commit, and when it was merged."""
        ...

    def __contains__(self, commit: str) -> bool: ...

    def time_of(self, commit: str) -> datetime:
        """When a commit of the chain was merged."""
        ...

    def commit_at(self, moment: datetime) -> str | None:
        """The last commit that was there at a moment; None before the first one."""
        ...

    def next_after(self, moment: datetime) -> datetime | None:
        """When the first commit behind a moment was merged; None where there is none."""
        ...


@dataclass(frozen=True)
class WholeChain:
    """A chain that is in memory, oldest commit first."""

    commits: tuple[str, ...]
    merged: tuple[datetime, ...]

    @classmethod
    def of(cls, clock: Sequence[tuple[str, datetime]], now: datetime) -> WholeChain:
        """The chain of these commits and the dates that they claim."""
        return cls(tuple(commit for commit, _ in clock), believed([time for _, time in clock], now))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {commit: place for place, commit in enumerate(self.commits)}

    @property
    def newest(self) -> tuple[str, datetime]:
        return self.commits[-1], self.merged[-1]

    def __contains__(self, commit: str) -> bool:
        return commit in self._places

    def time_of(self, commit: str) -> datetime:
        return self.merged[self._places[commit]]

    def commit_at(self, moment: datetime) -> str | None:
        place = last_at(self.merged, moment)
        return None if place is None else self.commits[place]

    def next_after(self, moment: datetime) -> datetime | None:
        place = bisect_right(self.merged, moment)
        return self.merged[place] if place < len(self.merged) else None


def state_at(times: Sequence[datetime], moment: datetime, now: datetime) -> int | None:
    """The place in the chain of the last commit that was there at `moment`; None before the first one."""
    return last_at(believed(times, now), moment)


def last_at(merged: Sequence[datetime], moment: datetime) -> int | None:
    """As `state_at`, of times that are believed already."""
    after = bisect_right(merged, moment)
    return after - 1 if after else None


def _agreeing(negated: Sequence[float | None]) -> list[int]:
    """The places of the longest subsequence whose times never fall, in order: patience sorting.

    It is played from the newest commit backwards, with times negated. Where two neighbours contradict each other and
    nothing else tells which of them lies, that keeps the later time: no date set back takes another's place.
    """
    piles: list[float] = []
    tops: list[int] = []
    below: dict[int, int] = {}
    for index in range(len(negated) - 1, -1, -1):
        time = negated[index]
        if time is None:
            continue
        pile = bisect_right(piles, time)
        if pile:
            below[index] = tops[pile - 1]
        # of a pile only the top counts, so a card replaces it, or begins a new pile at the end
        piles[pile : pile + 1] = [time]
        tops[pile : pile + 1] = [index]
    found = [tops[-1]] if tops else []
    while found and found[-1] in below:
        found.append(below[found[-1]])
    return found
