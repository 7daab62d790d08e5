"""The geometry of timelines and charts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from specs import version
from stagedoor.core.views.charts import chart, metric_names
from stagedoor.core.views.timelines import GUTTER, MOST_ROWS, WIDTH, Stayed, timeline

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LANES = ("Production", "Staging")


def stay(number: int, stage: str, since: int, until: int | None) -> Stayed:
    return Stayed(number, stage, START + since * DAY, None if until is None else START + until * DAY)


def test_each_stage_has_a_lane_in_the_order_asked_for() -> None:
    drawn = timeline([stay(1, "Staging", 0, 5), stay(1, "Production", 5, None)], LANES, START + 10 * DAY)
    assert drawn is not None
    assert [lane.stage for lane in drawn.lanes] == ["Production", "Staging"]
    staging = next(bar for bar in drawn.bars if bar.stage == "Staging")
    production = next(bar for bar in drawn.bars if bar.stage == "Production")
    assert staging.x == GUTTER
    assert production.x == pytest.approx(staging.x + staging.width, abs=0.2)
    assert production.x + production.width == pytest.approx(WIDTH - 1, abs=0.2)
    assert (staging.is_open, production.is_open) == (False, True)


def test_stays_at_the_same_time_do_not_cover_each_other() -> None:
    drawn = timeline([stay(n, "Staging", 0, None) for n in (1, 2, 3)], LANES, START + DAY)
    assert drawn is not None
    assert len({bar.y for bar in drawn.bars}) == 3


def test_many_at_once_share_the_last_row() -> None:
    drawn = timeline([stay(n, "Staging", 0, None) for n in range(1, 40)], LANES, START + DAY)
    assert drawn is not None
    assert len({bar.y for bar in drawn.bars}) == MOST_ROWS


def test_stages_that_are_not_drawn_make_no_picture() -> None:
    assert timeline([stay(1, "Archived", 0, None)], LANES, START + DAY) is None


def test_a_single_moment_is_drawn_too() -> None:
    drawn = timeline([stay(1, "Staging", 0, 0)], LANES, START)
    assert drawn is not None
    assert drawn.bars[0].width >= 3


def test_a_chart_has_a_point_for_each_version_that_has_the_metric() -> None:
    versions = [version(1, metrics={"a": 2.0}), version(2), version(3, "Production", metrics={"a": 1.0, "b": 5.0})]
    drawn = chart("a", versions)
    assert drawn is not None
    assert [point.version for point in drawn.points] == [1, 3]
    assert [point.is_production for point in drawn.points] == [False, True]
    assert drawn.points[0].y < drawn.points[1].y
    assert metric_names(versions) == ("a", "b")


def test_one_value_makes_no_line() -> None:
    assert chart("a", [version(1, metrics={"a": 1.0})]) is None


@pytest.mark.parametrize("values", [(1.0, 1.0), (0.0, 0.0), (-1.7e308, 1.7e308), (5e-324, 0.0)])
def test_odd_numbers_stay_on_the_paper(values: tuple[float, float]) -> None:
    drawn = chart("a", [version(n, metrics={"a": value}) for n, value in enumerate(values, 1)])
    assert drawn is not None
    assert all(0 <= point.y <= drawn.height for point in drawn.points)
