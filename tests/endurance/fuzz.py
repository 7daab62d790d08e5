"""Coverage-guided fuzzing with atheris: `python tests/endurance/fuzz.py TARGET --seconds 180`.

Needs `pip install atheris`, which is no dependency of anything. What it finds stands in the current folder as
`crash-…`; put it among the seeds of `tests/support/fuzzing.py`, and it is tried in every run of the tests.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support")]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("target")
    asked.add_argument("--seconds", type=int, default=60)
    asked.add_argument("--seed", type=int, default=1)
    said = asked.parse_args()

    import atheris

    with atheris.instrument_imports(include=["stagedoor"]):
        import fuzzing

    if said.target not in fuzzing.TARGETS:
        asked.error(f"the targets are: {', '.join(fuzzing.TARGETS)}")
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(fuzzing.SEEDS[said.target]):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={said.seconds}", f"-seed={said.seed}", "-max_len=4096", "-timeout=60"]
        options += ["-print_final_stats=1", "-verbosity=1"]
        atheris.Setup([sys.argv[0], *options, corpus], lambda raw: fuzzing.ran(fuzzing.TARGETS[said.target], raw))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
