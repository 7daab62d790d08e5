"""A registry with a long history, made in a minute with `git fast-import`: real merges with the trailers of ours.

    python benchmarks/long_history.py PLACE [--models N] [--versions N] [--merges N]

Merge K moves one version of model K: main, the head that was approved, and the merge of both are three commits as
`stagedoor merge` leaves them. Nothing is random, so that a run can be made again.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stagedoor.core.layout import model_path
from stagedoor.core.reading import text_of
from stagedoor.core.spec import Created, RegisteredModel, Run, Version
from stagedoor.core.trailers import Approval, Trailers, message
from stagedoor.gitstore import Repository
from stagedoor.workflows.initialise import initialise

from writes import ANN, FOLDERS, NOW  # isort: skip

BOB = "bob@example.com"
MOVES = ("Staging", "Production", "Archived", "None")
_STAGE = re.compile(rb"(?m)^  stage: (\w+)$")


def model(number: int, versions: int) -> RegisteredModel:
    """A model whose versions are all in no stage yet."""
    by = Created(at=NOW, by=BOB)
    made = tuple(
        Version(
            version=n, source=f"s3://models/{number}/{n}", created=by, run=Run(id=f"{number * 1000 + n:032x}"),
            metrics={"rmse": 400.0 - n}, tags={"quarter": f"q{n % 4}"}, stage="None",
        )
        for n in range(1, versions + 1)
    )  # fmt: skip
    return RegisteredModel(
        name=f"model-{number:05d}", id=f"{number:032x}", created=by, last_version=versions, versions=made,
        tags={"team": f"t{number % FOLDERS}"}, aliases={"champion": versions},
    )  # fmt: skip


def path_of(number: int) -> str:
    """Where a model stands: a hundred folders, as a large registry should have them."""
    return model_path(f"model-{number:05d}", "flat", f"team-{number % FOLDERS}")


@dataclass
class Importer:
    """Speaks to `git fast-import`: https://git-scm.com/docs/git-fast-import."""

    write: IO[bytes]
    read: IO[bytes]
    mark: int = 0

    def commit(self, ref: str, who: str, at: int, text: str, parents: list[str], files: dict[str, bytes]) -> str:
        """Add a commit, and say its mark."""
        self.mark += 1
        name, said = who.partition("@")[0], text.encode()
        lines = [f"commit {ref}\nmark :{self.mark}\nauthor {name} <{who}> {at} +0000\n".encode()]
        lines += [f"committer {name} <{who}> {at} +0000\ndata {len(said)}\n".encode(), said, b"\n"]
        lines += [f"{'merge' if place else 'from'} {one}\n".encode() for place, one in enumerate(parents)]
        for path, raw in files.items():
            lines += [f"M 100644 inline {path}\ndata {len(raw)}\n".encode(), raw, b"\n"]
        self.write.write(b"".join(lines))
        return f":{self.mark}"

    def oid(self, mark: str) -> str:
        """The id of a commit that was added."""
        self.write.write(f"get-mark {mark}\n".encode())
        self.write.flush()
        return self.read.readline().decode().strip()


@contextmanager
def importing(place: Path) -> Iterator[Importer]:
    """Everything that is added within is in the repository afterwards."""
    command = ["git", "-C", str(place), "fast-import", "--quiet", "--force"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        yield Importer(process.stdin, process.stdout)
        process.stdin.close()
        assert process.wait() == 0, "git fast-import failed"


def moved(text: bytes, step: int) -> tuple[bytes, str]:
    """The text of a model file with one version moved on, and where to."""
    places = list(_STAGE.finditer(text))
    one = places[step % len(places)]
    was = one[1].decode()
    now = MOVES[(MOVES.index(was) + 1) % len(MOVES)]
    return text[: one.start(1)] + now.encode() + text[one.end(1) :], now


def long_registry(place: Path, models: int, versions: int, merges: int) -> None:
    """A bare registry with that many merges on main, packed, and with the commit graph that `git gc` writes."""
    initialise(place, owner=ANN, name="bench", bare=True)
    with Repository.open(place) as repository:
        tip = repository.tip()
        assert tip is not None
    texts = {path_of(n): text_of(model(n, versions), path_of(n)).encode() for n in range(models)}
    at = int(NOW.timestamp()) - 60 * (merges + 1)
    with importing(place) as into:
        into.write.write(f"reset refs/heads/main\nfrom {tip}\n\n".encode())
        main = into.commit("refs/heads/main", ANN, at, "Import the models\n", [tip], texts)
        for step in range(merges):
            main = _merge(into, main, at + 60 * step, step, models, texts)
        into.write.write(b"reset refs/heads/head\nfrom 0000000000000000000000000000000000000000\n\n")
    for command in (["repack", "-adq"], ["commit-graph", "write", "--reachable"]):
        subprocess.run(["git", "-C", str(place), *command], check=True, capture_output=True)


def _merge(into: Importer, main: str, at: int, step: int, models: int, texts: dict[str, bytes]) -> str:
    path = path_of(step % models)
    texts[path], stage = moved(texts[path], step // models)
    file, title = {path: texts[path]}, f"Move model-{step % models:05d} to {stage}"
    head = into.commit("refs/heads/head", BOB, at, f"{title}\n", [main], file)
    said = Trailers(step + 1, BOB, (Approval(ANN, into.oid(head)),))
    return into.commit("refs/heads/main", ANN, at + 30, message(title, "", said), [main, head], file)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a registry with a long history.")
    parser.add_argument("place", type=Path)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--merges", type=int, default=100_000)
    asked = parser.parse_args()
    long_registry(asked.place, asked.models, asked.versions, asked.merges)


if __name__ == "__main__":
    main()
