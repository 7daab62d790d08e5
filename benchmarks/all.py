"""Every benchmark, one after the other: `python benchmarks/all.py [--quick]`. Needs mlflow, and an hour or more.

Each prints its own table of ratios, with a mark where one is missed; what is printed last says which had one. With
--quick the registries are small, which shows that all of them run, and little else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FULL = {
    "cold_start.py": (),
    "scale.py": (),
    "read_index.py": ("--models", "10000"),
    "writes.py": ("--models", "10000"),
    "rest.py": (),
}
QUICK = {
    "cold_start.py": ("20", "2"),
    "scale.py": ("--models", "20", "--versions", "2", "--merges", "60"),
    "read_index.py": ("--models", "20", "--versions", "5"),
    "writes.py": ("--models", "20", "--versions", "5", "--rounds", "1"),
    "rest.py": ("--models", "20", "--versions", "5", "--rounds", "1"),
}


def run(name: str, options: tuple[str, ...]) -> str:
    """Run one, show what it prints, and say how it went."""
    print(f"\n--- {name} {' '.join(options)}", flush=True)
    command = [sys.executable, str(Path(__file__).parent / name), *options]
    missed, process = False, subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        print(line, end="", flush=True)
        missed |= line.rstrip().endswith("!")
    code = process.wait()
    return "a limit was missed" if missed else "within its limits" if code == 0 else f"it ended with {code}"


def main() -> None:
    found = {name: run(name, options) for name, options in (QUICK if "--quick" in sys.argv else FULL).items()}
    print()
    for name, said in found.items():
        print(f"{name:16} {said}")
    sys.exit(any(said != "within its limits" for said in found.values()))


if __name__ == "__main__":
    main()
