"""What a long history and many models cost: each question beside plain git over the same commits, in one run.

    python benchmarks/scale.py [--models N] [--versions N] [--merges N] [--place PLACE]

With --place the registry of an earlier run is used again. Each figure is a median, both sides in turns; the ratios are
what to look at. A mark stands where a ratio is above its limit.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from long_history import MOVES, long_registry, path_of

from stagedoor.gitstore import RefUpdate, Repository, Signature
from stagedoor.workflows import history, planning, stays
from stagedoor.workflows.reading import history as lineages
from stagedoor.workflows.reconciling import Options, reconcile
from stagedoor.workflows.world import World

ANN = "ann@example.com"
Act = Callable[[], object]
# prints the kilobytes that a cold build of the read index took, of which the last figure is before it
_BUILD = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from stagedoor.gitstore import Repository
from stagedoor.index import Index
def peak(): return sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
with Repository.open(Path(sys.argv[1])) as repository:
    before = peak()
    with Index(repository, lambda: datetime.now(UTC)) as index:
        index.rebuild()
    print(peak(), before)
"""


def seconds(act: Act) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def beside(title: str, ours: Act, theirs: Act, limit: float, rounds: int = 5) -> bool:
    """Print a line; whether the ratio of the medians is within its limit."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    mine, other = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    return line(title, f"{mine * 1000:9.1f} ms", f"{other * 1000:9.1f} ms", mine / other, limit)


def line(title: str, mine: str, other: str, ratio: float, limit: float) -> bool:
    mark = "" if ratio <= limit else " !"
    print(f"{title:52} {mine:>12} {other:>12} {ratio:8.3f} {limit:7.2f}{mark}", flush=True)
    return ratio <= limit


def git(place: Path, *said: str) -> Act:
    return lambda: subprocess.run(["git", "-C", str(place), *said], check=True, capture_output=True)


@contextmanager
def world_of(place: Path) -> Iterator[World]:
    with Repository.open(place) as repository:
        yield World(repository, claimed_email=ANN)


def head_of(world: World, number: int) -> str:
    """The head of a request that moves one version of one model."""
    repository, path = world.repository, path_of(number)
    main = world.main()
    entry = repository.entry(main, path)
    assert entry is not None
    text = repository.blob(entry.oid)
    for was, now in zip(MOVES, (*MOVES[1:], MOVES[0]), strict=True):
        if f"stage: {was}\n".encode() in text:
            text = text.replace(f"stage: {was}\n".encode(), f"stage: {now}\n".encode(), 1)
            break
    who = Signature("bob", "bob@example.com", datetime.now(UTC).replace(microsecond=0))
    tree = repository.write_tree(repository.commit_info(main).tree, {path: text})
    head = repository.commit(tree, (main,), author=who, committer=who, message="Move it\n")
    repository.publish((RefUpdate("refs/heads/proposed", repository.tip("refs/heads/proposed"), head),), "bench")
    return head


def of_one_model(place: Path, number: int) -> bool:
    """History questions about one model, with the index of history as it is after the first question."""
    name, log = f"model-{number:05d}", git(place, "log", "--first-parent", "--", path_of(number))
    with world_of(place) as world:
        print(f"index of history, built cold: {seconds(world.past):.1f} s")
    questions: dict[str, Callable[[World], object]] = {
        "activity MODEL": lambda world: history.activity(world, name),
        "history MODEL": lambda world: lineages(world, name),
        "when MODEL": lambda world: stays.when(world, name),
    }
    good = True
    for title, ask in questions.items():
        with world_of(place) as world:
            # warm: whoever asks has asked before, and forgets no file
            ask(world)
            good &= beside(f"{title}, warm / git log -- FILE", lambda w=world, a=ask: a(w), log, 0.1)
    return good


def of_a_request(place: Path) -> bool:
    with world_of(place) as world:
        head = head_of(world, 7)
        base = world.main()
    with world_of(place) as world:
        asked = lambda: planning.plan_between(world, base, head)  # noqa: E731
        asked()

        def again() -> object:
            world.forget()
            return asked()

        return beside("validate of one model / git diff --stat", again, git(place, "diff", "--stat", base, head), 5)


def of_the_reconciler(place: Path, merges: int) -> bool:
    log = git(place, "log", "--first-parent", "--raw", f"-{merges}", "main")
    with world_of(place) as world:
        start = world.repository.resolve(f"main~{merges}")

        def ours() -> object:
            world.forget()
            return reconcile(world, Options(start=start, dry_run=True))

        return beside(f"reconcile of {merges} merges, no sinks / git log --raw", ours, log, 10, rounds=3)


def of_memory(place: Path) -> bool:
    with world_of(place) as world:
        files = world.repository.files(world.main(), "registry_spec/models")
        size = sum(world.repository.blob_size(entry.oid) for entry in files.values())
    said = subprocess.run([sys.executable, "-c", _BUILD, str(place)], check=True, capture_output=True, text=True).stdout
    peak, before = (int(one) * 1024 for one in said.split())
    grown = peak - before
    return line("peak memory of a cold index build / the blobs", f"{grown / 1e6:.0f} MB", f"{size / 1e6:.0f} MB",
                grown / size, 4)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Many models and a long history, beside plain git.")
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--merges", type=int, default=100_000)
    parser.add_argument("--place", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = asked.place or Path(folder) / "registry.git"
        if not place.exists():
            long_registry(place, asked.models, asked.versions, asked.merges)
        print(f"{asked.models} models x {asked.versions} versions, {asked.merges} merges")
        print(f"{'':52} {'ours':>12} {'beside':>12} {'ratio':>8} {'at most':>7}")
        good = of_one_model(place, asked.models // 2)
        good &= of_a_request(place)
        good &= of_the_reconciler(place, min(1000, asked.merges - 1))
        good &= of_memory(place)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of this process: {own:.0f} MB")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
