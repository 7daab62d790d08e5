"""Many processes at once: no write is lost, no number is given twice, and the repository stays sound."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stagedoor.gitstore import Oid, RefUpdate, Repository

Commit = Callable[..., Oid]
Git = Callable[..., str]

START = f"""
import sys
sys.path[:0] = {[path for path in sys.path if path]!r}
from datetime import UTC, datetime
from pathlib import Path
from stagedoor.gitstore import Raced, RefUpdate, Repository, Signature
who = Signature("Ann", "ann@example.com", datetime(2026, 11, 24, tzinfo=UTC))
repo, me, times = Repository.open(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
"""

PUBLISH = """
for number in range(times):
    while True:
        tip = repo.tip()
        tree = repo.write_tree(tip, {f"{me}/{number}": b"x", "shared": f"{me} {number}".encode()})
        commit = repo.commit(tree, [tip], author=who, committer=who, message=f"{me} {number}")
        try:
            repo.publish([RefUpdate(repo.ref, tip, commit)], "write")
            break
        except Raced:
            pass
"""

TURNS = """
for number in range(times):
    with repo.turn():
        tip = repo.tip()
        tree = repo.write_tree(tip, {f"{me}/{number}": b"x"})
        commit = repo.commit(tree, [tip], author=who, committer=who, message=f"{me} {number}")
        repo.publish([RefUpdate(repo.ref, tip, commit)], "write")
"""

NUMBER = """
tip = repo.tip()
for _ in range(times):
    refs = lambda n: [RefUpdate(f"refs/pull/{n}/{part}", None, tip) for part in ("head", "meta")]
    print(repo.create_numbered(refs, "refs/pull/"))
"""


def at_once(script: str, repo: Repository, processes: int, times: int) -> list[str]:
    """Run the script in so many processes; what they printed."""
    command = [sys.executable, "-c", START + script, str(repo.work_tree or repo.git_dir)]
    running = [
        subprocess.Popen(
            [*command, f"p{number}", str(times)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for number in range(processes)
    ]
    ended = [(process.communicate(timeout=120), process.returncode) for process in running]
    assert [(errors, code) for (_, errors), code in ended if code or errors] == []
    return [line for (out, _), _ in ended for line in out.split()]


@pytest.mark.parametrize(
    ("bare", "object_format", "processes", "times"),
    [(True, "sha1", 8, 25), (True, "sha256", 4, 6), (False, "sha1", 4, 8)],
    ids=["bare", "sha256", "checkout"],
)
def test_no_write_is_lost(
    make: Callable[..., Repository],
    commit: Commit,
    git: Git,
    bare: bool,
    object_format: str,
    processes: int,
    times: int,
) -> None:
    repo = make(bare=bare, object_format=object_format)
    first = commit(repo, {"shared": "first"})
    at_once(PUBLISH, repo, processes, times)
    tip = repo.resolve("main")
    expected = {f"p{process}/{number}" for process in range(processes) for number in range(times)}
    assert repo.files(tip).keys() == expected | {"shared"}
    history = [info.message for info in repo.first_parents(first, tip)]
    assert len(history) == len(set(history)) == processes * times
    assert git("fsck", "--strict", "--full", "--no-dangling", at=repo.git_dir) == ""
    if repo.work_tree:
        assert git("status", "--porcelain", at=repo.work_tree) == ""


def test_numbers_have_no_gaps_and_no_twins(make: Callable[..., Repository], commit: Commit, git: Git) -> None:
    repo = make()
    commit(repo, {"a": "1"})
    numbers = sorted(map(int, at_once(NUMBER, repo, 4, 25)))
    assert numbers == list(range(1, 101))
    assert len(repo.refs("refs/pull/")) == 200
    git("fsck", "--strict", at=repo.git_dir)


def test_without_the_queue_nothing_is_lost_either(make: Callable[..., Repository], commit: Commit, git: Git) -> None:
    repo = make()
    commit(repo, {"shared": "first"})
    without = "import contextlib\nRepository.turn = lambda self: contextlib.nullcontext()\n"
    at_once(without + PUBLISH, repo, 4, 8)
    assert len(repo.files(repo.resolve("main"))) == 4 * 8 + 1
    git("fsck", "--strict", at=repo.git_dir)


def test_whoever_waits_for_a_turn_needs_no_second_try(
    make: Callable[..., Repository], commit: Commit, git: Git
) -> None:
    repo = make()
    commit(repo, {"shared": "first"})
    at_once(TURNS, repo, 4, 10)
    assert len(repo.files(repo.resolve("main"))) == 4 * 10 + 1
    assert git("fsck", "--strict", at=repo.git_dir) == ""  # not even a dangling commit


def test_a_person_committing_in_the_checkout_loses_nothing(
    make: Callable[..., Repository], commit: Commit, git: Git
) -> None:
    repo = make(bare=False)
    commit(repo, {"shared": "first"})
    assert repo.work_tree is not None
    script = START.replace("repo, me", "from stagedoor.errors import BadRepository\nrepo, me") + PUBLISH.replace(
        "except Raced", "except (Raced, BadRepository)"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(repo.work_tree), "p", "10"])
    mine = 0
    for _ in range(200):
        if writer.poll() is not None:
            break
        time.sleep(0.02)
        path = repo.work_tree / f"mine{mine}"
        path.write_text("x")
        git("add", path.name, at=repo.work_tree, check=False)
        git("commit", "-qm", "mine", path.name, at=repo.work_tree, check=False)
        if path.name in git("ls-tree", "--name-only", "HEAD", at=repo.work_tree).split("\n"):
            mine += 1
    assert writer.wait(timeout=30) == 0
    files = repo.files(repo.resolve("main"))
    assert {f"p/{n}" for n in range(10)} | {f"mine{n}" for n in range(mine)} <= files.keys()
    git("fsck", "--strict", at=repo.git_dir)
    changed = git("status", "--porcelain", at=repo.work_tree).split("\n")
    assert [line for line in changed if line and not line.endswith(f"mine{mine}")] == []


def test_two_objects_of_one_process_queue_as_well(
    make: Callable[..., Repository], commit: Commit, tmp_path: Path
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    repo = make()
    tip = commit(repo, {"a": "1"})

    def take(_: int) -> int:
        with Repository.open(tmp_path / "repo") as mine:
            return mine.create_numbered(lambda n: [RefUpdate(f"refs/pull/{n}/head", None, tip)], "refs/pull/")

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(20))) == list(range(1, 21))
