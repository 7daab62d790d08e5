"""The weather of the demo: what the generator makes, what the reader refuses, and the models trained on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from stagedoor.apps.cli.demo.training import Kind, predict, split, train
from stagedoor.apps.cli.demo.weather import COLUMNS, Array, Farm, Weather, digest_of, generate, read_csv, write_csv
from stagedoor.errors import BadInput, NotFound

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "windfarm_data.csv"


@pytest.fixture(scope="module")
def weather() -> Weather:
    return generate(years=3, seed=1)


def near(left: Array, right: Array) -> bool:
    return bool(np.allclose(left, right, atol=0.01))


# --- the generator --------------------------------------------------------------------------------------------------


def test_the_same_seed_makes_the_same_weather(weather: Weather) -> None:
    again, other = generate(years=3, seed=1), generate(years=3, seed=2)
    assert np.array_equal(weather.power, again.power)
    assert not np.array_equal(weather.power, other.power)


def test_it_is_a_row_a_day_leap_years_included() -> None:
    made = generate(years=3, start=date(2015, 1, 1))
    assert made.dates[0] == date(2015, 1, 1)
    assert made.dates[-1] == date(2017, 12, 31)
    assert len(made) == len(set(made.dates)) == 365 + 366 + 365
    assert made.temperature.shape == made.direction.shape == made.speed.shape == (len(made), 3)


def test_winters_are_cold_and_windy(weather: Weather) -> None:
    months = np.array([day.month for day in weather.dates])
    winter, summer = np.isin(months, (12, 1, 2)), np.isin(months, (6, 7, 8))
    assert weather.temperature[winter].mean() + 10 < weather.temperature[summer].mean()
    assert weather.speed[winter].mean() > weather.speed[summer].mean() * 1.2
    assert weather.power[winter].mean() > weather.power[summer].mean() * 1.2


def test_one_wind_resembles_the_next_and_its_speeds_are_skewed(weather: Weather) -> None:
    speeds = weather.speed.ravel()
    assert 0.4 < np.corrcoef(speeds[1:], speeds[:-1])[0, 1] < 0.7
    assert speeds.min() >= 0
    assert np.median(speeds) < speeds.mean()
    assert ((weather.direction >= 0) & (weather.direction < 360)).all()


def test_a_turbine_cuts_in_rises_to_its_rated_power_and_cuts_out() -> None:
    farm = Farm(rated_power=1000.0)
    output = farm.output(np.array([0.0, 2.9, 3.1, 8.0, 13.0, 24.9, 25.0]), np.ones(7))
    assert output[0] == output[1] == output[6] == 0
    assert 0 < output[2] < output[3] < output[4] == output[5] == 1000


def test_the_farm_never_gives_more_than_its_turbines_can(weather: Weather) -> None:
    assert weather.power.min() >= 0
    assert weather.power.max() <= Farm().turbines * Farm().rated_power


# --- the file -------------------------------------------------------------------------------------------------------


def test_what_is_written_reads_back(weather: Weather, tmp_path: Path) -> None:
    write_csv(weather, tmp_path / "w.csv")
    back = read_csv(tmp_path / "w.csv")
    assert back.dates == weather.dates
    assert near(back.temperature, weather.temperature)
    assert near(back.direction, weather.direction)
    assert near(back.speed, weather.speed)
    assert near(back.power, weather.power)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published data are not here")
def test_the_published_file_reads() -> None:
    weather = read_csv(PUBLISHED)
    assert (len(weather), weather.dates[0], weather.dates[-1]) == (2555, date(2014, 1, 1), date(2020, 12, 31))
    assert weather.temperature[0, 0] == pytest.approx(4.702021725972501)
    assert weather.direction[0, 1] == pytest.approx(100.41638)
    assert weather.speed[0, 2] == pytest.approx(5.967206)
    assert weather.power[0] == pytest.approx(1959.3535)


HEADER = ",".join(("date", *COLUMNS))
ROW = ",".join(["2014-01-01", *["1.5"] * len(COLUMNS)])


def test_columns_may_come_in_any_order_and_others_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "w.csv"
    names = ["note", *reversed(COLUMNS), "date"]
    file.write_text(",".join(names) + "\n" + ",".join(["x", *map(str, range(len(COLUMNS))), "2014-01-01"]) + "\n")
    assert read_csv(file).power.tolist() == [0.0]


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("", "the file is empty", ""),
        (HEADER + "\n", "the file has no rows", ""),
        (HEADER.replace(",power", "") + "\n" + ROW, "a column is missing: power", ":1"),
        ("a,b\n1,2\n", "columns are missing: date, temperature_00", ":1"),
        (f"{HEADER}\n{ROW}\n{ROW.replace('2014-01-01', '2014-01-02').replace('1.5', 'calm')}\n", "'calm'", ":3"),
        (f"{HEADER}\n{ROW.replace('1.5', 'nan')}\n", "temperature_00 is 'nan', which is no number", ":2"),
        (f"{HEADER}\n{ROW.replace('2014-01-01', 'yesterday')}\n", "'yesterday' is no date", ":2"),
        (f"{HEADER}\n{ROW}\n2014-01-02,1.5\n", "the line has 2 cells", ":3"),
        (f"{HEADER}\n{ROW}\n{ROW}\n", "2014-01-01 stands after 2014-01-01", ":3"),
    ],
)
def test_a_bad_file_is_refused_with_file_and_line(tmp_path: Path, text: str, what: str, line: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_csv(file)
    assert what in refused.value.what
    assert refused.value.where == f"{file}{line}"


def test_a_file_that_is_no_text_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"\x8e\xff\x00")
    with pytest.raises(BadInput, match="does not read as CSV"):
        read_csv(tmp_path / "bytes.csv")
    with pytest.raises(NotFound, match="there is no file"):
        read_csv(tmp_path / "gone.csv")


# --- the models -----------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(weather: Weather, tmp_path: Path) -> Callable[[Kind, str], Path]:
    write_csv(weather, tmp_path / "w.csv")
    return lambda kind, folder: train(kind, tmp_path / "w.csv", weather, tmp_path / folder).artifact


@pytest.mark.parametrize("kind", ["linear", "ridge", "network"])
def test_the_same_data_give_the_same_model_to_the_byte(trained: Callable[[Kind, str], Path], kind: Kind) -> None:
    first, second = trained(kind, "one"), trained(kind, "two")
    assert first.read_bytes() == second.read_bytes()
    assert first.parent.name == second.parent.name


@pytest.mark.parametrize("kind", ["linear", "ridge", "network"])
def test_metrics_are_those_of_the_saved_model_on_the_year_it_has_not_seen(
    weather: Weather, tmp_path: Path, kind: Kind
) -> None:
    file = tmp_path / "w.csv"
    write_csv(weather, file)
    run = train(kind, file, weather, tmp_path)
    before, after = split(weather)
    assert {day.year for day in after.dates} == {2016}
    assert run.trained_on == (before.dates[0], before.dates[-1])
    error = predict(run.artifact, after) - after.power
    assert run.metrics["rmse"] == pytest.approx(float(np.sqrt((error**2).mean())), abs=0.06)
    assert run.metrics["r2"] > 0.7
    assert run.digest == digest_of(run.artifact)
    assert run.data == digest_of(file)
    assert json.loads(run.artifact.read_text())["kind"] == kind


def test_cubes_of_the_wind_speed_forecast_better_than_its_mean(weather: Weather, tmp_path: Path) -> None:
    write_csv(weather, tmp_path / "w.csv")
    errors = [train(kind, tmp_path / "w.csv", weather, tmp_path).metrics["rmse"] for kind in ("linear", "ridge")]
    assert errors[1] < errors[0] * 0.9


def test_one_year_is_not_enough() -> None:
    with pytest.raises(BadInput, match="one year of weather is not enough"):
        split(generate(years=1))
