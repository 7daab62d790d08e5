"""The wind farm's story: as a script on the published data or on generated ones, and as a notebook."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

from plugged import ROOT, plug_in

FOLDER = ROOT / "examples" / "wind_farm"
PUBLISHED = ROOT.parent / "shared" / "data" / "windfarm_data.csv"
DATA = ("--data", str(PUBLISHED)) if PUBLISHED.exists() else ()


def environment(at: Path) -> dict[str, str]:
    """Nothing of whoever runs the tests, and a Python that finds this tree and its plugin."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "STAGEDOOR_", "MLFLOW_"))}
    known = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "MPLBACKEND": "agg"}
    return plain | known | {"PYTHONPATH": plug_in(at / "plugged")}


def run(*line: str, at: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, cwd=at, env=env, capture_output=True, encoding="utf-8", check=False)


@dataclass(frozen=True)
class Played:
    """The folder that the story left, and what it printed."""

    at: Path
    env: dict[str, str]
    text: str

    def stagedoor(self, *words: str) -> str:
        """What a command says of the registry."""
        done = run(sys.executable, "-m", "stagedoor.apps.cli.main", "-C", "farm", *words, at=self.at, env=self.env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def model(self) -> Any:
        """The model as the registry has it in the end."""
        return json.loads(self.stagedoor("show", "wind-power", "--json"))["model"]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    at = tmp_path_factory.mktemp("story")
    env = environment(at)
    done = run(sys.executable, str(FOLDER / "wind_farm.py"), "farm", *DATA, at=at, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return Played(at, env, done.stdout)


def test_a_version_is_refused_the_next_one_archived_and_the_one_before_comes_back(played: Played) -> None:
    model = played.model()
    assert [version["stage"] for version in model["versions"]] == ["None", "Production", "Archived"]
    assert model["aliases"] == {"champion": 2}
    merges = run("git", "log", "--first-parent", "--merges", "--format=%s", at=played.at / "farm", env=played.env)
    assert merges.stdout.splitlines() == [
        "Merge request 7: Roll back wind-power Production to version 2",
        "Merge request 6: Move wind-power/3 to Production",
        "Merge request 5: Move wind-power/3 to Staging",
        "Merge request 4: Move wind-power/2 to Production",
        "Merge request 3: Move wind-power/2 to Staging",
        "Merge request 1: Say who may what",
    ]


def test_the_gate_says_why_it_refused(played: Played) -> None:
    merge = played.text[played.text.index("merge 2 --as bob@example.com") :]
    assert "error: SD403 gate better-than-a-line" in merge.splitlines()[1]
    assert "a straight line costs nothing" in merge.splitlines()[1]


def test_the_versions_know_the_runs_that_made_them(played: Played) -> None:
    first, second, third = played.model()["versions"]
    assert [one["run"]["name"] for one in (first, second, third)] == ["square", "cube", "network"]
    assert [one["params"] for one in (first, second, third)] == [{"degree": "2"}, {"degree": "3"}, {"hidden": "24"}]
    for one in (first, second, third):
        assert one["data"][0]["name"] == "windfarm" and one["digest"].startswith("sha256-tree:")
        assert "sklearn" in one["flavors"] and one["created"]["by"] == "ann@example.com"
    assert second["metrics"]["rmse"] < 0.85 * second["metrics"]["rmse_of_line"] < first["metrics"]["rmse"]


def test_the_server_followed_main_there_and_back(played: Played) -> None:
    assert re.findall(r"^version (\d) answers", played.text, re.M) == ["2", "3", "2"]


def test_the_forecast_is_drawn_beside_the_truth(played: Played) -> None:
    raw = (played.at / "farm" / "forecast.png").read_bytes()
    assert raw.startswith(b"\x89PNG\r\n") and 20_000 < len(raw) < 150_000


def test_the_registry_is_in_order_and_the_checkout_clean(played: Played) -> None:
    assert "0 errors, 0 warnings." in played.text
    assert "every one of them holds" in played.text
    assert run("git", "status", "--short", at=played.at / "farm", env=played.env).stdout == ""


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published data are not here")
def test_on_the_published_data_the_errors_are_those_of_the_readme(played: Played) -> None:
    errors = [version["metrics"]["rmse"] for version in played.model()["versions"]]
    assert errors == pytest.approx([545.3, 286.0, 196], rel=0.03)


@pytest.mark.heavy
def test_it_plays_on_generated_weather_too(tmp_path: Path) -> None:
    done = run(sys.executable, str(FOLDER / "wind_farm.py"), "farm", at=tmp_path, env=environment(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^version (\d) answers", done.stdout, re.M) == ["2", "3", "2"]


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    env = environment(tmp_path)
    done = run(sys.executable, str(FOLDER / "wind_farm.py"), ".", at=tmp_path, env=env)
    assert done.returncode == 1
    assert done.stderr == "error: . is not empty\n  fix: give another folder\n"


# --- the notebook -----------------------------------------------------------------------------------------------------


class Notebook:
    """The committed notebook, and the module that makes it."""

    @cached_property
    def maker(self) -> ModuleType:
        """`notebook.py` of the example."""
        spec = importlib.util.spec_from_file_location("wind_farm_notebook", FOLDER / "notebook.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    @cached_property
    def committed(self) -> Any:
        """The notebook as it is in the repository."""
        return nbformat.read(FOLDER / "wind_farm.ipynb", as_version=4)


@pytest.fixture(scope="module")
def notebook() -> Notebook:
    return Notebook()


def outputs(of: Any) -> list[Any]:
    return [output for cell in of.cells for output in cell.get("outputs", ())]


def test_the_notebook_is_the_script(notebook: Notebook) -> None:
    texts = [
        [(cell.cell_type, cell.source) for cell in one.cells] for one in (notebook.maker.unplayed(), notebook.committed)
    ]
    assert texts[0] == texts[1], "python examples/wind_farm/notebook.py --data FILE.csv makes it anew"


def test_the_notebook_shows_its_output_and_the_plot_and_no_place_of_a_machine(notebook: Notebook) -> None:
    nbformat.validate(notebook.committed)
    found = outputs(notebook.committed)
    assert [one for one in found if one.output_type == "error"] == []
    assert len([one for one in found if "image/png" in one.get("data", {})]) == 1
    said = "".join(one.text for one in found if one.output_type == "stream")
    assert re.findall(r"^version (\d) answers", said, re.M) == ["2", "3", "2"]
    assert re.findall(r"(?<![\w.:/])/(?:home|root|tmp|work|opt|usr|srv)\b", said) == []


@pytest.mark.heavy
def test_the_notebook_plays(tmp_path: Path) -> None:
    env = environment(tmp_path)
    made = tmp_path / "made.ipynb"
    done = run(sys.executable, str(FOLDER / "notebook.py"), *DATA, "--to", str(made), at=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    found = outputs(nbformat.read(made, as_version=4))
    assert len([one for one in found if "image/png" in one.get("data", {})]) == 1
