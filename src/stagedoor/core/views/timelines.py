"""Which version was in which stage when, as bars on lanes: geometry for an SVG, without a drawing library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WIDTH: Final = 960
GUTTER: Final = 112
_ROW: Final = 22
_GAP: Final = 8
_AXIS: Final = 22
# a stage that held more versions at once is drawn with the rest on the last row
MOST_ROWS: Final = 6
_LABEL: Final = 7.0

Scale = Callable[[datetime], float]


@dataclass(frozen=True, slots=True)
class Stayed:
    """A stretch of time that a version was in a stage; `until` is None where it is there still."""

    version: int
    stage: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Bar:
    """One stay as a rectangle. `label` is empty where there is no room for it."""

    version: int
    stage: str
    label: str
    title: str
    x: float
    y: float
    width: float
    height: float
    is_open: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """One stage: its name and the band its bars are in."""

    stage: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Tick:
    """One mark of an axis: where it is, and what it says."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The whole picture in its own units."""

    width: int
    height: float
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]

    @property
    def axis(self) -> float:
        """Where the bars end and the axis begins."""
        return self.height - _AXIS


def timeline(stays: Iterable[Stayed], stages: Sequence[str], now: datetime) -> Timeline | None:
    """The stays in these stages, a lane each in this order; None where there was none. What lasts ends at `now`."""
    shown = [stay for stay in stays if stay.stage in stages and stay.since <= now]
    if not shown:
        return None
    start = min(stay.since for stay in shown)
    span = max(now - start, timedelta(seconds=1))
    scale = (WIDTH - GUTTER - 1) / span.total_seconds()

    def x(moment: datetime) -> float:
        return round(GUTTER + (moment - start).total_seconds() * scale, 1)

    lanes: list[Lane] = []
    bars: list[Bar] = []
    top = float(_GAP)
    for stage in stages:
        mine = sorted((stay for stay in shown if stay.stage == stage), key=lambda stay: (stay.since, stay.version))
        if not mine:
            continue
        rows = _rows(mine, now)
        height = (max(rows) + 1) * _ROW
        lanes.append(Lane(stage, top, height))
        bars += [_bar(stay, x, top + row * _ROW, now) for stay, row in zip(mine, rows, strict=True)]
        top += height + _GAP
    return Timeline(WIDTH, top + _AXIS, tuple(lanes), tuple(bars), _ticks(start, span, x))


def _rows(stays: Sequence[Stayed], now: datetime) -> list[int]:
    """A row for each stay, so that none covers another: the first that is free again."""
    free: list[datetime] = []
    rows = []
    for stay in stays:
        row = next((index for index, end in enumerate(free) if end <= stay.since), len(free))
        row = min(row, MOST_ROWS - 1)
        free[row : row + 1] = [stay.until or now]
        rows.append(row)
    return rows


def _bar(stay: Stayed, x: Scale, y: float, now: datetime) -> Bar:
    left = x(stay.since)
    width = max(3.0, round(x(min(stay.until or now, now)) - left, 1))
    label = f"v{stay.version}"
    until = f"{stay.until:%Y-%m-%d %H:%M}" if stay.until else "now"
    title = f"Version {stay.version} in {stay.stage}: {stay.since:%Y-%m-%d %H:%M} to {until} UTC"
    fits = width >= _LABEL * len(label) + 6
    return Bar(stay.version, stay.stage, label if fits else "", title, left, y + 1, width, _ROW - 2, stay.until is None)


def _ticks(start: datetime, span: timedelta, x: Scale, count: int = 5) -> tuple[Tick, ...]:
    form = "%Y-%m-%d" if span >= timedelta(days=count) else "%m-%d %H:%M" if span >= timedelta(hours=1) else "%H:%M:%S"
    moments = [start + span * index / count for index in range(count)]
    return tuple(Tick(x(moment), moment.strftime(form)) for moment in moments)
