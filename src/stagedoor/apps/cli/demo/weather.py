"""Daily weather and output of a wind farm: a seeded generator, and a reader and a writer of the CSV file."""

from __future__ import annotations

import csv
import hashlib
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stagedoor.errors import BadInput, NotFound

Array = NDArray[np.float64]

HOURS: Final = ("00", "08", "16")
QUANTITIES: Final = ("temperature", "wind_direction", "wind_speed")
COLUMNS: Final = (*(f"{what}_{hour}" for hour in HOURS for what in QUANTITIES), "power")


@dataclass(frozen=True, slots=True)
class Weather:
    """One row a day, in order; temperature (°C), direction (°) and speed (m/s) have a column an hour of `HOURS`."""

    dates: tuple[date, ...]
    temperature: Array
    direction: Array
    speed: Array
    power: Array

    def __len__(self) -> int:
        return len(self.dates)

    def days(self, start: int, stop: int) -> Weather:
        """The rows from `start` up to `stop`."""
        part = slice(start, stop)
        return Weather(
            self.dates[part], self.temperature[part], self.direction[part], self.speed[part], self.power[part]
        )


# --- the generator --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Farm:
    """Turbines of one type. Power in kW, speeds in m/s at the hub."""

    turbines: int = 30
    rated_power: float = 350.0
    cut_in: float = 3.0
    rated: float = 13.0
    cut_out: float = 25.0
    # the anemometer stands lower than the hub
    shear: float = 1.25

    def output(self, speed: Array, density: Array) -> Array:
        """What one turbine gives: nothing, then with the cube of the speed, then its rated power, then nothing."""
        rise = (speed**3 - self.cut_in**3) / (self.rated**3 - self.cut_in**3)
        share = np.clip(rise * density, 0.0, 1.0)
        share[(speed < self.cut_in) | (speed >= self.cut_out)] = 0.0
        return share * self.rated_power


def generate(*, years: int = 4, seed: int = 2014, start: date = date(2014, 1, 1), farm: Farm = Farm()) -> Weather:
    """Years of plausible weather, and what the farm made of it. The same arguments give the same numbers.

    It is simulated hour by hour; as in the published data only three hours of a day are seen, so that nobody can
    forecast the day's mean output without an error.
    """
    random = np.random.default_rng(seed)
    count = (start.replace(year=start.year + years) - start).days
    dates = tuple(start + timedelta(days=day) for day in range(count))
    season = np.repeat([_season(day) for day in dates], 24)
    hour = np.tile(np.arange(24.0), count)
    temperature = _temperature(random, season, hour)
    speed = _speed(random, season, hour)
    direction = _direction(random, len(hour))
    power = _power(random, farm, speed, temperature)
    seen = [int(name) for name in HOURS]
    temperature, direction, speed = (x.reshape(count, 24)[:, seen] for x in (temperature, direction, speed))
    return Weather(dates, temperature, direction, speed, power.reshape(count, 24).mean(axis=1))


def _season(day: date) -> float:
    """1 in the middle of January, -1 in the middle of July."""
    return math.cos(2 * math.pi * (day.timetuple().tm_yday - 15) / 365.25)


def _red_noise(random: np.random.Generator, count: int, memory_hours: float) -> Array:
    """A standard normal series in which an hour resembles the one before."""
    keep = math.exp(-1 / memory_hours)
    fresh = random.standard_normal(count) * math.sqrt(1 - keep * keep)
    series = np.empty(count)
    now = float(random.standard_normal())
    for index, new in enumerate(fresh.tolist()):
        now = keep * now + new
        series[index] = now
    return series


def _temperature(random: np.random.Generator, season: Array, hour: Array) -> Array:
    daily = -2.5 * np.cos(2 * np.pi * (hour - 3) / 24)
    return 12.5 - 7.5 * season + daily + 3.0 * _red_noise(random, len(hour), 60)


def _speed(random: np.random.Generator, season: Array, hour: Array) -> Array:
    """Weibull speeds: stronger in winter and in the afternoon."""
    normal = _red_noise(random, len(hour), 14)
    uniform = np.clip(0.5 * (1 + np.vectorize(math.erf)(normal / math.sqrt(2))), 1e-6, 1 - 1e-6)
    scale = 6.0 * (1 + 0.18 * season) * (1 + 0.08 * np.cos(2 * np.pi * (hour - 15) / 24))
    return np.asarray(scale * (-np.log1p(-uniform)) ** (1 / 1.9))


def _direction(random: np.random.Generator, count: int) -> Array:
    """Two prevailing sectors, south-east and north-west, and a wind that turns slowly."""
    side = np.where(_red_noise(random, count, 30) > -0.1, 265.0, 110.0)
    return np.asarray((side + 35 * _red_noise(random, count, 12)) % 360)


def _power(random: np.random.Generator, farm: Farm, speed: Array, temperature: Array) -> Array:
    """The farm's output: every turbine stands a little differently in the wind, and some are in repair."""
    density = 288.15 / (273.15 + temperature)
    total = np.zeros_like(speed)
    for exposure in random.normal(1.0, 0.07, farm.turbines):
        gust = random.normal(1.0, 0.05, len(speed))
        total += farm.output(speed * farm.shear * exposure * gust, density)
    available = np.clip(0.96 + 0.03 * _red_noise(random, len(speed), 200), 0.8, 1.0)
    return np.asarray(total * available)


# --- the file -------------------------------------------------------------------------------------------------------


def write_csv(weather: Weather, path: Path) -> None:
    """Write the file that `read_csv` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("date", *COLUMNS))
        for index, day in enumerate(weather.dates):
            seen = (weather.temperature[index], weather.direction[index], weather.speed[index])
            values = [f"{what[hour]:.3f}" for hour in range(len(HOURS)) for what in seen]
            rows.writerow((day.isoformat(), *values, f"{weather.power[index]:.2f}"))


def read_csv(path: Path) -> Weather:
    """The weather in a CSV file with the columns of `COLUMNS` and a date; others are passed over."""
    rows = list(_rows(path))
    if not rows:
        raise BadInput("the file has no rows", where=str(path), fix="give a file with a line a day below the header")
    days = tuple(day for day, _ in rows)
    values = np.array([numbers for _, numbers in rows])
    step = len(QUANTITIES)
    temperature, direction, speed = (values[:, offset:-1:step] for offset in range(step))
    return Weather(days, temperature, direction, speed, values[:, -1])


def _rows(path: Path) -> Iterator[tuple[date, list[float]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = _header(path, next(lines, []))
            last = date.min
            for cells in filter(None, lines):
                day, numbers = _row(header, cells, f"{path}:{lines.line_num}")
                if day <= last:
                    raise BadInput(f"{day} stands after {last}", where=f"{path}:{lines.line_num}", fix="order the days")
                last = day
                yield day, numbers
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", fix="leave --data out to generate weather") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"the file does not read as CSV: {error}", where=str(path)) from error


def _header(path: Path, names: list[str]) -> dict[str, int]:
    """Where each column is."""
    if not names:
        raise BadInput("the file is empty", where=str(path), fix=f"its first line is date,{','.join(COLUMNS)}")
    found = {name.strip(): index for index, name in reversed(list(enumerate(names)))}
    if "" in found:
        # the published file leaves the name of its first column empty
        found.setdefault("date", found[""])
    missing = [name for name in ("date", *COLUMNS) if name not in found]
    if missing:
        several = "a column is" if len(missing) == 1 else "columns are"
        what = f"{several} missing: {', '.join(missing)}"
        raise BadInput(what, where=f"{path}:1", fix=f"the columns are date, {', '.join(COLUMNS)}")
    return found


def _row(header: dict[str, int], cells: list[str], where: str) -> tuple[date, list[float]]:
    if len(cells) <= max(header[name] for name in ("date", *COLUMNS)):
        raise BadInput(f"the line has {len(cells)} cells, and the header has more", where=where)
    try:
        day = date.fromisoformat(cells[header["date"]].strip())
    except ValueError:
        raise BadInput(f"{cells[header['date']]!r} is no date", where=where, fix="write it as 2014-01-31") from None
    return day, [_number(cells[header[name]], name, where) for name in COLUMNS]


def _number(cell: str, name: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInput(f"{name} is {cell!r}, which is no number", where=where)
    return value


def digest_of(path: Path) -> str:
    """`sha256:…` of a file's bytes, as `sha256sum` says it."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


if __name__ == "__main__":
    # python -m stagedoor.apps.cli.demo.weather FILE.csv
    write_csv(generate(), Path(sys.argv[1]))
