"""The store under the last MLflow 2, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plugged import ROOT

# MLflow 2.22 reads names that SQLAlchemy 2.1 has taken away
NEEDED = ("mlflow==2.22.*", "sqlalchemy<2.1", "pytest>=8.2", "httpx>=0.27")


@pytest.mark.heavy
def test_the_store_works_under_mlflow_2_22(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *NEEDED, ROOT], check=True)
    test = ROOT / "tests" / "apps" / "mlflow_plugin" / "test_store.py"
    options = ("-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib")
    path = f"{ROOT / 'src'}:{ROOT / 'tests' / 'support'}"
    run: list[str | Path] = [python, "-m", "pytest", *options, test]
    done = subprocess.run(run, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
