"""The soak of `benchmarks/soak.py` for two minutes: all runs, is killed, comes back, and agrees at the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks/soak.py"


@pytest.mark.heavy
def test_after_two_minutes_of_load_and_kills_all_records_agree(tmp_path: Path) -> None:
    command = [sys.executable, str(SOAK), "--minutes", "2", "--folder", str(tmp_path / "soak")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "0 of them" in done.stdout or "again after a kill" in done.stdout
