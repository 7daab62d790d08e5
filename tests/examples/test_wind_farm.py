"""The wind farm's example, on the published data where they are, and on generated ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "wind_farm" / "wind_farm.py"
PUBLISHED = ROOT.parent / "shared" / "data" / "windfarm_data.csv"


def run(*line: str, at: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(line, cwd=at, env=environment, capture_output=True, encoding="utf-8", check=False)


def example(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, str(SCRIPT), *words, at=at)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param((), id="generated"),
        pytest.param(
            ("--data", str(PUBLISHED)),
            id="published",
            marks=pytest.mark.skipif(not PUBLISHED.exists(), reason="the published data are not here"),
        ),
    ],
)
def test_three_versions_come_to_production_and_one_comes_back(tmp_path: Path, data: tuple[str, ...]) -> None:
    done = example("farm", *data, at=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = run(
        sys.executable, "-m", "stagedoor.apps.cli.main", "-C", "farm", "show", "wind-power", "--json", at=tmp_path
    )
    model = json.loads(shown.stdout)["model"]
    assert [version["stage"] for version in model["versions"]] == ["Archived", "Production", "Archived"]
    assert model["aliases"] == {"champion": 2}
    merges = run("git", "-C", "farm", "log", "--first-parent", "--merges", "--format=%s", at=tmp_path)
    assert merges.stdout.splitlines() == [
        "Merge request 5: Roll back wind-power Production to version 2",
        "Merge request 4: Move wind-power/3 to Production",
        "Merge request 3: Move wind-power/2 to Production",
        "Merge request 2: Move wind-power/1 to Production",
        "Merge request 1: Say who may what",
    ]
    errors = [version["metrics"]["rmse"] for version in model["versions"]]
    assert errors[1] < errors[0]
    assert "0 errors, 0 warnings." in done.stdout


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published data are not here")
def test_on_the_published_data_each_version_forecasts_better(tmp_path: Path) -> None:
    done = example("farm", "--data", str(PUBLISHED), at=tmp_path)
    scores = [float(found) for found in re.findall(r"^  rmse (\S+)   mae", done.stdout, re.M)]
    assert scores == pytest.approx([494.6, 343.5, 196.6], rel=0.02)


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = example(".", at=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: . is not empty\n  fix: give another folder\n"
