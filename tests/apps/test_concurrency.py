"""Many processes at one repository: nothing is lost, nothing is there twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.apps.conftest import ANN, BOB, CAROL, Home, Sd, plain_git

REGISTERS = """
import sys
from pathlib import Path
from stagedoor.workflows import registering
from stagedoor.workflows.world import world_at
where, who, times = sys.argv[1:]
for count in range(int(times)):
    with world_at(Path(where), email="ann@example.com") as world:
        new = registering.NewVersion("fraud", {"source": f"s3://{who}/{count}"})
        print(registering.register(world, new)[1].version, flush=True)
"""

REQUESTS = """
import sys
from pathlib import Path
from stagedoor.workflows import registering
from stagedoor.workflows.world import world_at
from stagedoor.workflows.writing import Lane
where, who, times = sys.argv[1:]
for count in range(int(times)):
    with world_at(Path(where), email="ann@example.com") as world:
        made = registering.tag(world, "fraud", {f"p{who}": str(count)}, lane=Lane(propose=True))
        print(made.request.number, flush=True)
"""

MERGES = """
import sys
from stagedoor.apps.cli.main import main
sys.argv = ["stagedoor", "-C", sys.argv[1], "--as", "bob@example.com", *sys.argv[2:]]
main()
"""


def at_once(script: str, *calls: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Start a process for each call, and give back what each left: exit code, stdout, stderr."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, *call], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for call in calls
    ]
    said = [process.communicate(timeout=240) for process in started]
    return [(process.returncode, *texts) for process, texts in zip(started, said, strict=True)]


def numbers(left: list[tuple[int, str, str]]) -> list[int]:
    assert [code for code, _, _ in left] == [0] * len(left), left
    return [int(word) for _, out, _ in left for word in out.split()]


@pytest.fixture
def bare(registry: Home, tmp_path: Path) -> Path:
    """A bare registry with a fraud/1 in it."""
    registry.register()
    plain_git(tmp_path, "clone", "-q", "--bare", str(registry.path), "bare.git")
    return tmp_path / "bare.git"


@pytest.fixture
def checkout(registry: Home) -> Path:
    """The same, checked out."""
    registry.register()
    return registry.path


@pytest.fixture(params=["bare", "checkout"])
def place(request: pytest.FixtureRequest) -> Path:
    """Either of the two."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Path)
    return found


def in_order(at: Path) -> None:
    """Git has nothing to complain of, and neither has the validator."""
    # --no-dangling: commits of those who were second are nobody's, and harmless
    assert plain_git(at, "fsck", "--strict", "--no-dangling") == ""
    Sd(at)("validate", as_=CAROL).ok("0 errors, 0 warnings.")


def test_eight_processes_register_25_versions_each_and_use_every_number_once(bare: Path) -> None:
    left = at_once(REGISTERS, *((str(bare), str(who), "25") for who in range(8)))
    assert sorted(numbers(left)) == list(range(2, 202))
    model = Sd(bare)("show", "fraud", "--json", as_=CAROL).json["model"]
    assert [version["version"] for version in model["versions"]] == list(range(1, 202))
    assert {version["source"] for version in model["versions"][1:]} == {
        f"s3://{p}/{n}" for p in range(8) for n in range(25)
    }
    assert plain_git(bare, "rev-list", "--count", "--merges", "main") == "0"
    in_order(bare)


def test_a_checkout_follows_many_who_write_at_once(checkout: Path) -> None:
    left = at_once(REGISTERS, *((str(checkout), str(who), "5") for who in range(8)))
    assert sorted(numbers(left)) == list(range(2, 42))
    assert plain_git(checkout, "status", "--porcelain") == ""
    in_order(checkout)


def test_forty_requests_from_four_processes_have_the_numbers_1_to_40(place: Path) -> None:
    left = at_once(REQUESTS, *((str(place), str(who), "10") for who in range(4)))
    assert sorted(numbers(left)) == list(range(1, 41))
    listed = Sd(place)("requests", "--json", as_=CAROL).json
    assert [one["number"] for one in listed] == list(range(40, 0, -1))
    refs = plain_git(place, "for-each-ref", "--format=%(refname)", "refs/pull").split()
    assert len(refs) == 80
    in_order(place)


def test_of_two_who_merge_one_request_at_once_only_one_makes_a_merge(place: Path) -> None:
    sd = Sd(place)
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("approve", 1, as_=BOB).ok()
    left = at_once(MERGES, *([(str(place), "merge", "1")] * 4))
    codes = sorted(code for code, _, _ in left)
    assert codes[0] == 0 and set(codes) <= {0, 7}, left
    assert not any("Traceback" in err for _, _, err in left)
    assert plain_git(place, "rev-list", "--count", "--merges", "main") == "1"
    steps = [step["step"] for step in sd("requests", "--state", "all", "--json", as_=CAROL).json[0]["steps"]]
    assert steps == ["opened", "reviewed", "merged"]
    in_order(place)


def test_requests_that_are_merged_at_once_all_land(place: Path) -> None:
    sd = Sd(place)
    for number in range(1, 5):
        sd("register", f"m{number}", "--source", "s3://x", as_=ANN).ok()
        sd("request", f"m{number}/1", "Staging", as_=ANN).ok()
        sd("approve", number, as_=BOB).ok()
    left = at_once(MERGES, *((str(place), "merge", str(number)) for number in range(1, 5)))
    assert [code for code, _, _ in left] == [0] * 4, left
    assert plain_git(place, "rev-list", "--count", "--merges", "main") == "4"
    in_order(place)


def test_of_two_who_move_one_version_at_once_nobody_moves_it_on_an_old_look(place: Path) -> None:
    left = at_once(MERGES, *((str(place), "transition", "fraud/1", stage) for stage in ("Staging", "Archived")))
    sd = Sd(place)
    spans = [span["stage"] for span in sd("history", "fraud/1", "--json", as_=CAROL).json[0]["spans"]]
    done = [code for code, _, _ in left].count(0)
    assert done >= 1 and len(spans) == 1 + done
    assert all(code in (0, 7) for code, _, _ in left), left


def test_two_reconcilers_at_once_tell_once(place: Path) -> None:
    left = at_once(MERGES, *([(str(place), "reconcile", "--json")] * 2))
    assert {code for code, _, _ in left} <= {0, 11}, left
    told = sum(json.loads(out)["merges"] for code, out, _ in left if code == 0)
    assert told == int(plain_git(place, "rev-list", "--count", "--first-parent", "main"))
