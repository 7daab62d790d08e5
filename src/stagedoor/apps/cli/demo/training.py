"""Models that forecast a wind farm's daily output: trained in numpy, saved as JSON that anybody can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal, assert_never

import numpy as np

from stagedoor.apps.cli.demo.weather import Array, Weather, digest_of
from stagedoor.errors import BadInput

Kind = Literal["linear", "ridge", "network"]
Params = Mapping[str, float]

DEFAULTS: Final[Mapping[Kind, Params]] = {
    "linear": {},
    "ridge": {"penalty": 1.0},
    "network": {"hidden": 16, "epochs": 250, "rate": 0.01, "batch": 128, "seed": 7},
}
ABOUT: Final[Mapping[Kind, str]] = {
    "linear": "Linear regression on the mean wind speed of a day.",
    "ridge": "Ridge regression on wind speeds, their squares and cubes, and the temperature.",
    "network": "A small neural network on wind speeds and directions, temperature and season.",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One training run: what went in, how good the model is on days it has not seen, and where it lies."""

    id: str
    kind: Kind
    params: Params
    metrics: Mapping[str, float]
    data: str
    artifact: Path
    digest: str
    trained_on: tuple[date, date]
    tested_on: tuple[date, date]

    @property
    def text(self) -> str:
        """The run in three lines."""
        spans = [f"{first} … {last}" for first, last in (self.trained_on, self.tested_on)]
        scores = "   ".join(f"{name} {value:g}" for name, value in self.metrics.items())
        return f"{self.kind}: trained on {spans[0]}, tested on {spans[1]}\n  {scores}\n  {self.artifact}"

    def register_words(self, name: str, *, dataset: str, code: str = "") -> tuple[str, ...]:
        """The words of `stagedoor register` that record where the model comes from."""
        return (
            *("register", name, "--source", self.artifact.resolve().as_uri(), "--digest", self.digest),
            *("--run-id", self.id, "--experiment", "wind-farm", "--data", f"{dataset}={self.data}"),
            *(("--code", code) if code else ()),
            *(word for key, value in self.metrics.items() for word in ("--metric", f"{key}={value:g}")),
            *(word for key, value in self.params.items() for word in ("--param", f"{key}={value:g}")),
        )


def train(kind: Kind, data: Path, weather: Weather, folder: Path, **changed: float) -> Run:
    """Train on all years but the last, measure on the last, and save the model below `folder`.

    `data` is the file that `weather` was read from. The same data and parameters give the same run.
    """
    params = {**DEFAULTS[kind], **changed}
    before, after = split(weather)
    source = digest_of(data)
    name = _run_id(kind, source, params)
    artifact = folder / name / "model.json"
    save(_fit(kind, before, params), kind, artifact)
    # what is measured is what was saved, with its rounded weights
    metrics = measured(after.power, predict(artifact, after))
    spans = ((part.dates[0], part.dates[-1]) for part in (before, after))
    return Run(name, kind, params, metrics, source, artifact, digest_of(artifact), *spans)


def _run_id(kind: Kind, data: str, params: Params) -> str:
    text = f"{data} {kind} {json.dumps(params, sort_keys=True)}"
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def split(weather: Weather) -> tuple[Weather, Weather]:
    """All years but the last, and the last: a forecast is for days to come, so the days are not mixed."""
    years = {day.year for day in weather.dates}
    if len(years) < 2:
        raise BadInput("one year of weather is not enough", fix="give two years or more: the last one tests the model")
    first = next(index for index, day in enumerate(weather.dates) if day.year == max(years))
    return weather.days(0, first), weather.days(first, len(weather))


def measured(truth: Array, forecast: Array) -> dict[str, float]:
    """The usual three, rounded to what the data can tell."""
    error = forecast - truth
    spread = float(np.sum((truth - truth.mean()) ** 2))
    r2 = 1 - float(np.sum(error**2)) / spread if spread else 0.0
    rmse, mae = float(np.sqrt(np.mean(error**2))), float(np.mean(np.abs(error)))
    return {"rmse": round(rmse, 1), "mae": round(mae, 1), "r2": round(r2, 4)}


# --- what a model sees ----------------------------------------------------------------------------------------------


def features(kind: Kind, weather: Weather) -> Array:
    """The inputs of a kind of model, a row a day."""
    match kind:
        case "linear":
            return np.asarray(weather.speed.mean(axis=1, keepdims=True))
        case "ridge":
            powers = [weather.speed**exponent for exponent in (1, 2, 3)]
            mean = weather.speed.mean(axis=1, keepdims=True)
            return np.hstack([*powers, mean**2, mean**3, weather.temperature])
        case "network":
            turn = np.radians(weather.direction)
            day = np.array([[2 * np.pi * day.timetuple().tm_yday / 365.25] for day in weather.dates])
            circles = [np.sin(turn), np.cos(turn), np.sin(day), np.cos(day)]
            return np.hstack([weather.speed, weather.temperature, *circles])
        case _:
            assert_never(kind)


# --- fitting --------------------------------------------------------------------------------------------------------

Weights = dict[str, Array]


def _fit(kind: Kind, weather: Weather, params: Params) -> Weights:
    seen = features(kind, weather)
    # a constant column would be divided by nothing
    center, scale = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-9)
    frame = {"center": center, "scale": scale}
    inputs = (seen - center) / scale
    if kind == "network":
        return {**frame, **_network(inputs, weather.power, params)}
    return {**frame, **_least_squares(inputs, weather.power, params.get("penalty", 0.0))}


def _least_squares(inputs: Array, power: Array, penalty: float) -> Weights:
    middle = power.mean(keepdims=True)
    square = inputs.T @ inputs + penalty * np.eye(inputs.shape[1])
    return {"slope": np.linalg.solve(square, inputs.T @ (power - middle)), "intercept": middle}


def _network(inputs: Array, power: Array, params: Params) -> Weights:
    """One hidden layer, trained by Adam on shuffled batches."""
    random = np.random.default_rng(int(params["seed"]))
    middle, spread = power.mean(keepdims=True), power.std(keepdims=True)
    target = (power - middle) / spread
    width, hidden = inputs.shape[1], int(params["hidden"])
    weights: Weights = {
        "in": random.normal(0, width**-0.5, (width, hidden)),
        "bias": np.zeros(hidden),
        "out": random.normal(0, hidden**-0.5, hidden),
    }
    drift = {name: np.zeros_like(value) for name, value in weights.items()}
    swing = {name: np.zeros_like(value) for name, value in weights.items()}
    step, batch = 0, int(params["batch"])
    for epoch in range(int(params["epochs"])):
        rate = params["rate"] * (1 - epoch / params["epochs"])
        order = random.permutation(len(target))
        for start in range(0, len(order), batch):
            chosen, step = order[start : start + batch], step + 1
            for name, slope in _slopes(weights, inputs[chosen], target[chosen]).items():
                drift[name] = 0.9 * drift[name] + 0.1 * slope
                swing[name] = 0.999 * swing[name] + 0.001 * slope**2
                ahead = drift[name] / (1 - 0.9**step)
                weights[name] = weights[name] - rate * ahead / (np.sqrt(swing[name] / (1 - 0.999**step)) + 1e-8)
    return {**weights, "middle": middle, "spread": spread}


def _slopes(weights: Weights, inputs: Array, target: Array) -> Weights:
    """How the mean squared error changes with each weight, and a little decay against wild ones."""
    active = np.tanh(inputs @ weights["in"] + weights["bias"])
    error = (active @ weights["out"] - target) / len(target)
    back = np.outer(error, weights["out"]) * (1 - active**2)
    plain = {"in": inputs.T @ back, "bias": back.sum(axis=0), "out": active.T @ error}
    return {name: slope + 1e-4 * weights[name] for name, slope in plain.items()}


# --- the artifact ---------------------------------------------------------------------------------------------------


def save(weights: Weights, kind: Kind, path: Path) -> None:
    """Write a model: weights with nine digits, which any machine reads alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = {name: _rounded(value.tolist()) for name, value in weights.items()}
    path.write_text(json.dumps({"kind": kind, "weights": listed}, indent=1) + "\n", encoding="utf-8")


def _rounded(value: object) -> object:
    return [_rounded(item) for item in value] if isinstance(value, list) else float(f"{value:.9g}")


def predict(artifact: Path, weather: Weather) -> Array:
    """What a saved model forecasts. A farm never gives less than nothing."""
    model = json.loads(artifact.read_text(encoding="utf-8"))
    weights = {name: np.array(value) for name, value in model["weights"].items()}
    inputs = (features(model["kind"], weather) - weights["center"]) / weights["scale"]
    if model["kind"] == "network":
        hidden = np.tanh(inputs @ weights["in"] + weights["bias"])
        raw = (hidden @ weights["out"]) * weights["spread"] + weights["middle"]
    else:
        raw = inputs @ weights["slope"] + weights["intercept"]
    return np.asarray(np.maximum(raw, 0.0))
