"""One metric over the versions of a model, as points on a line: geometry for an SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from stagedoor.core.spec import PRODUCTION, Version
from stagedoor.core.views.plain import number
from stagedoor.core.views.timelines import Tick

WIDTH: Final = 960
HEIGHT: Final = 200
_LEFT: Final = 72
_RIGHT: Final = 16
_TOP: Final = 14
_BOTTOM: Final = 26
_MOST_LABELS: Final = 24


@dataclass(frozen=True, slots=True)
class Point:
    """One version's value."""

    version: int
    value: float
    x: float
    y: float
    title: str
    is_production: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole picture in its own units; `line` joins the points."""

    metric: str
    width: int
    height: int
    points: tuple[Point, ...]
    line: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    floor: int = HEIGHT - _BOTTOM


def metric_names(versions: Iterable[Version]) -> tuple[str, ...]:
    """Every metric that one of the versions has, sorted."""
    return tuple(sorted({name for version in versions for name in version.metrics}))


def chart(metric: str, versions: Sequence[Version], ever_in_production: Iterable[int] = ()) -> Chart | None:
    """The metric of each version that has it, by number; None where fewer than two do."""
    shown = sorted((v for v in versions if metric in v.metrics), key=lambda version: version.version)
    if len(shown) < 2:
        return None
    values = [version.metrics[metric] for version in shown]
    low, high = min(values), max(values)
    # halved before they are taken apart, as two numbers of a spec may be further apart than a float can say
    span = (high / 2 - low / 2) * 2
    if not 0 < span < float("inf"):
        span = abs(high) or 1.0
    room, step = HEIGHT - _TOP - _BOTTOM, (WIDTH - _LEFT - _RIGHT) / (len(shown) - 1)
    been = frozenset(ever_in_production)

    def y(value: float) -> float:
        return round(_TOP + room - min(1.0, max(0.0, value / span - low / span)) * room, 1)

    points = tuple(
        _point(version, metric, round(_LEFT + index * step, 1), y(version.metrics[metric]), been)
        for index, version in enumerate(shown)
    )
    every = -(-len(points) // _MOST_LABELS)
    across = tuple(Tick(point.x, f"v{point.version}") for point in points[::every])
    middle = low / 2 + high / 2
    up = tuple(Tick(y(value), number(value)) for value in dict.fromkeys((low, middle, high)))
    line = " ".join(f"{point.x},{point.y}" for point in points)
    return Chart(metric, WIDTH, HEIGHT, points, line, across, up)


def _point(version: Version, metric: str, x: float, y: float, been: frozenset[int]) -> Point:
    value = version.metrics[metric]
    is_there = version.stage == PRODUCTION
    more = ", in Production" if is_there else ", was in Production" if version.version in been else ""
    title = f"Version {version.version}: {metric} {number(value)}{more}"
    return Point(version.version, value, x, y, title, is_there)
