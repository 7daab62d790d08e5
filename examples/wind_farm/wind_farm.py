"""A year in the life of a wind farm's forecast: train, register, compare, promote, archive, roll back."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from stagedoor.apps.cli.demo.policy import ANN, BOB, CAROL, MODEL, OWNERS, PEOPLE, RULES
from stagedoor.apps.cli.demo.shell import Shell
from stagedoor.apps.cli.demo.training import ABOUT, Run, train
from stagedoor.apps.cli.demo.weather import Weather, generate, read_csv, write_csv
from stagedoor.errors import BadInput, RegistryError


def main(words: list[str] | None = None) -> int:
    """Read the options, play, and say what is wrong in three lines if something is."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("directory", nargs="?", type=Path, default=Path("wind-farm-registry"), help="new or empty")
    options.add_argument("--data", type=Path, metavar="CSV", help="weather and power (default: a seeded generator)")
    given = options.parse_args(words)
    try:
        play(given.directory, given.data)
    except RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def play(directory: Path, data: Path | None) -> None:
    """Seven years of weather, three kinds of model, one registry."""
    if directory.exists() and any(directory.iterdir()):
        raise BadInput(f"{directory} is not empty", fix="give another folder")
    weather = read_csv(data) if data else generate(years=7)
    shell = Shell(directory)
    registry(shell)
    runs = trained(directory, weather, data)
    register(shell, runs[0])
    promote(shell, 1, "the first of its kind")
    shell.stagedoor("alias", f"{MODEL}/1", "champion", who=CAROL)
    register(shell, runs[1])
    shell.stagedoor("diff", f"{MODEL}#Production", f"{MODEL}/2")
    promote(shell, 2, "the error is down")
    shell.stagedoor("alias", f"{MODEL}/2", "champion", who=CAROL)
    register(shell, runs[2])
    shell.stagedoor("diff", f"{MODEL}@champion", f"{MODEL}/3")
    promote(shell, 3, "a network, to see how it does")
    roll_back(shell)
    look(shell)


def registry(shell: Shell) -> None:
    """A registry that says who may and what Production asks for. The policy is a request like any other."""
    shell.write(".gitignore", "/data/\n/runs/\n")
    shell.git("init", "-q", "-b", "main")
    shell.git("add", ".")
    shell.git("commit", "-q", "-m", "Start", who=CAROL)
    shell.stagedoor("init", "--owner", CAROL, "--name", "wind-farm")
    shell.git("switch", "-q", "-c", "policy")
    for path, text in ((".github/CODEOWNERS", OWNERS), ("registry_spec/people.yaml", PEOPLE)):
        shell.write(path, text)
    shell.write("registry_spec/registry.yaml", RULES)
    shell.git("commit", "-q", "-a", "-m", "Say who may what", who=BOB)
    shell.git("switch", "-q", "main")
    shell.stagedoor("open", "policy", who=BOB)
    land(shell)


def trained(directory: Path, weather: Weather, data: Path | None) -> list[Run]:
    """The three models, side by side."""
    file = directory / "data" / "windfarm.csv"
    file.parent.mkdir(parents=True)
    shutil.copyfile(data, file) if data else write_csv(weather, file)
    runs = [train(kind, file, weather if data else read_csv(file), directory / "runs") for kind in ABOUT]
    print(f"\n{len(weather)} days of {file}:")
    for run in runs:
        print(f"\n{run.text}")
    return runs


def register(shell: Shell, run: Run) -> None:
    """Ann registers a run with its lineage."""
    words = run.register_words(MODEL, dataset="windfarm")
    shell.stagedoor(*words, "--description", ABOUT[run.kind], who=ANN)


def promote(shell: Shell, version: int, why: str) -> None:
    """Bob moves it to Staging, Ann asks for Production, Carol agrees; who was there before is archived."""
    shell.stagedoor("transition", f"{MODEL}/{version}", "Staging", who=BOB)
    shell.stagedoor("request", f"{MODEL}/{version}", "Production", "--archive-existing", "-m", why, who=ANN)
    land(shell)


def roll_back(shell: Shell) -> None:
    """A rehearsal of the bad day: history knows which version was in Production before."""
    shell.stagedoor("comment", f"{MODEL}/3", "today we try the way back", who=BOB)
    shell.stagedoor("rollback", MODEL, "Production", "-m", "a rehearsal", who=BOB)
    land(shell)


def land(shell: Shell) -> None:
    """Carol approves the newest request and merges it."""
    number = newest(shell)
    shell.stagedoor("approve", number, who=CAROL)
    shell.stagedoor("merge", number, who=CAROL)


def newest(shell: Shell) -> str:
    """The number of the request that is open."""
    listed = shell.stagedoor("requests").text.splitlines()
    return listed[1].split()[0]


def look(shell: Shell) -> None:
    """What is where now, and how it came to be."""
    for words in (("models",), ("show", MODEL), ("history", MODEL), ("activity", MODEL), ("validate",)):
        shell.stagedoor(*words)
    shell.git("log", "--first-parent", "--format=%h %an: %s")


if __name__ == "__main__":
    sys.exit(main())
