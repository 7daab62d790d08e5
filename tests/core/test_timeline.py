"""The clock of main: what is believed of the dates that commits claim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from stagedoor.core.timeline import believed, state_at

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


claims = st.lists(st.integers(-30, 400).map(day), max_size=30)
honest_chains = st.lists(st.integers(0, 300).map(day), min_size=1, max_size=20).map(sorted)


@given(claims)
def test_believed_times_never_fall_nor_lie_in_the_future(times: list[datetime]) -> None:
    found = believed(times, NOW)
    assert len(found) == len(times)
    assert list(found) == sorted(found)
    assert all(time <= NOW for time in found)


@given(honest_chains)
def test_an_honest_chain_is_believed_entirely(times: list[datetime]) -> None:
    assert believed(times, NOW) == tuple(times)


@given(claims)
def test_as_many_are_believed_as_can_be(times: list[datetime]) -> None:
    best = [0] * len(times)
    for index, time in enumerate(times):
        earlier = [best[i] for i in range(index) if times[i] <= time and times[i] <= NOW]
        best[index] = 1 + max(earlier, default=0) if time <= NOW else 0
    kept = sum(a == b for a, b in zip(believed(times, NOW), times, strict=True))
    assert kept >= max(best, default=0)


@given(honest_chains, st.integers(0, 20), st.integers(301, 900))
def test_one_date_in_the_future_shifts_nobody_else(times: list[datetime], place: int, lie: int) -> None:
    at = min(place, len(times))
    now = day(300)
    found = list(believed([*times[:at], day(lie), *times[at:]], now))
    del found[at]
    assert found == times


@given(honest_chains, st.integers(0, 20), st.integers(-9000, 300))
def test_one_date_set_back_shifts_nobody_else(times: list[datetime], place: int, lie: int) -> None:
    at = min(place, len(times))
    told = day(lie) if at == 0 else min(day(lie), times[at - 1])
    if at == 0:
        told = min(told, times[0])
    found = list(believed([*times[:at], told, *times[at:]], NOW))
    del found[at]
    assert found == times


@given(honest_chains, st.integers(0, 20), st.integers(0, 300))
def test_one_date_set_ahead_shifts_nobody_else_once_two_commits_contradict_it(
    times: list[datetime], place: int, lie: int
) -> None:
    at = min(place, len(times))
    if sum(time < day(lie) for time in times[at:]) == 1:
        return
    found = list(believed([*times[:at], day(lie), *times[at:]], NOW))
    del found[at]
    assert found == times


def test_a_liar_takes_the_time_of_the_commit_before_it() -> None:
    assert believed([day(1), day(2), datetime(1999, 1, 1, tzinfo=UTC), day(3)], NOW) == (day(1), day(2), day(2), day(3))
    assert believed([day(1), day(2), datetime(2030, 1, 1, tzinfo=UTC), day(3)], NOW) == (day(1), day(2), day(2), day(3))


def test_a_liar_at_the_very_beginning_takes_the_first_believed_time() -> None:
    assert believed([datetime(2030, 1, 1, tzinfo=UTC), day(2)], NOW) == (day(2), day(2))


def test_where_every_date_lies_in_the_future_all_happened_by_now() -> None:
    assert believed([day(900), day(901)], NOW) == (NOW, NOW)


def test_the_state_at_a_moment_is_the_last_commit_that_was_there() -> None:
    times = [day(1), day(2), day(2), day(3)]
    assert state_at(times, day(2), NOW) == 2
    assert state_at(times, day(9), NOW) == 3
    assert state_at(times, day(0), NOW) is None


@given(claims, st.integers(-40, 400))
def test_a_later_moment_never_gives_an_earlier_state(times: list[datetime], moment: int) -> None:
    places = [-1 if (at := state_at(times, day(d), NOW)) is None else at for d in (moment, moment + 1)]
    assert places == sorted(places)


def test_a_hundred_thousand_commits_with_wild_dates_are_sorted_out() -> None:
    times = [START + timedelta(seconds=i * 60 + (i * 7919) % 600) for i in range(100_000)]
    assert len(believed(times, NOW)) == 100_000
