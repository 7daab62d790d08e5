"""Stage files on a real repository: written with every change, made again by a merge, held equal, owned by a stage."""

from __future__ import annotations

import pytest

from stagedoor.core.checks import Problem
from stagedoor.core.stagefiles import StageFile
from stagedoor.errors import ChecksFailed, Denied
from stagedoor.workflows import asking, registering, reviewing
from stagedoor.workflows.planning import plan_between, validate_all
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.snapshots import with_files
from stagedoor.workflows.stagefiles import derived, everything
from stagedoor.workflows.writing import Lane, open_revision
from town import ANN, BOB, CAROL, CODEOWNERS, Town

REGISTRY = "registry_spec/registry.yaml"
OWNERS = (
    CODEOWNERS
    + f"""\
/registry_spec/stages/ {BOB} {CAROL}
/registry_spec/stages/Production/ {CAROL}
"""
)
PRODUCTION = "registry_spec/stages/Production/fraud.yaml"
STAGING = "registry_spec/stages/Staging/fraud.yaml"


@pytest.fixture
def staged(town: Town) -> Town:
    """Three versions of fraud in a registry with stage files."""
    town.commit({REGISTRY: town.text(REGISTRY) + "stage_files: true\n", ".github/CODEOWNERS": OWNERS}, "stage files")
    for _ in range(3):
        town.register("fraud")
    return town


def move(town: Town, *wishes: str, by: str = CAROL, propose: bool = False) -> int:
    made = [Wish(*wish.split("=")) for wish in wishes]
    outcome = registering.transition(town.as_(by), made, lane=Lane(propose=propose))
    return outcome.request.number if outcome.request else 0


def stages(town: Town) -> list[str]:
    """The stage files at main."""
    return sorted(path for path in town.as_(CAROL).snapshot().files if path.startswith("registry_spec/stages/"))


def land(town: Town, number: int) -> None:
    reviewing.approve(town.as_(CAROL), number)
    reviewing.merge(town.as_(CAROL), number)


def faults(problems: tuple[Problem, ...]) -> list[str]:
    return [problem.what for problem in problems if problem.code == "SD307"]


def test_a_move_writes_the_file_of_the_stage(staged: Town) -> None:
    assert stages(staged) == []
    move(staged, "fraud/1=Production", "fraud/3=Production")
    assert staged.text(PRODUCTION) == (
        "# yaml-language-server: $schema=../../schemas/StageFile.json\n"
        "apiVersion: stagedoor/v1\nkind: StageFile\nmodel: fraud\nstage: Production\nversions:\n- 1\n- 3\n"
    )
    assert validate_all(staged.as_(CAROL)) == ()


def test_a_stage_file_goes_with_its_last_version(staged: Town) -> None:
    move(staged, "fraud/1=Staging")
    move(staged, "fraud/1=Production")
    assert stages(staged) == [PRODUCTION]


def test_two_requests_that_move_different_versions_both_merge(staged: Town) -> None:
    first, second, third = (move(staged, f"fraud/{n}=Production", by=ANN, propose=True) for n in (1, 2, 3))
    for number in (first, second, third):
        land(staged, number)
    assert staged.text(PRODUCTION).endswith("versions:\n- 1\n- 2\n- 3\n")
    assert faults(validate_all(staged.as_(CAROL))) == []


def test_an_update_makes_them_again(staged: Town) -> None:
    number = move(staged, "fraud/1=Staging", by=ANN, propose=True)
    move(staged, "fraud/2=Staging")
    reviewing.update(staged.as_(ANN), number)
    land(staged, number)
    assert staged.text(STAGING).endswith("versions:\n- 1\n- 2\n")


def test_a_stage_is_owned_by_whoever_owns_its_folder_too(staged: Town) -> None:
    move(staged, "fraud/1=Staging", by=BOB)
    assert stages(staged) == [STAGING]
    staged.commit({".github/CODEOWNERS": OWNERS + f"/registry_spec/stages/Staging/ {CAROL}\n"}, "carol's")
    with pytest.raises(Denied, match=f"{STAGING} is owned by {CAROL}"):
        move(staged, "fraud/2=Staging", by=BOB)
    number = move(staged, "fraud/2=Staging", by=ANN, propose=True)
    reviewing.approve(staged.as_(BOB), number)
    waiting = asking.why(staged.as_(ANN), number)
    assert [ruling.need.title for ruling in waiting.verdict.rulings if not ruling.holds] == [STAGING]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({STAGING: "kind: StageFile\n"}, f"{STAGING} is there, and registry_spec/models/fraud.yaml has no version in"),
        ({PRODUCTION: "x\n"}, f"{PRODUCTION} does not say what registry_spec/models/fraud.yaml says"),
        ({PRODUCTION: None}, f"{PRODUCTION} is missing, and registry_spec/models/fraud.yaml has versions in"),
        (
            {"registry_spec/stages/Production/ghost.yaml": "x\n"},
            "ghost.yaml is there, and registry_spec/models/ghost.yaml",
        ),
    ],
)
def test_sd307_refuses_a_stage_file_that_says_something_else(
    staged: Town, files: dict[str, str | None], said: str
) -> None:
    move(staged, "fraud/1=Production")
    was = staged.as_(CAROL).main()
    now = staged.commit(files)
    (fault,) = faults(plan_between(staged.as_(CAROL), was, now).problems)
    assert said in fault
    assert len(faults(validate_all(staged.as_(CAROL)))) == 1


def test_switching_them_on_demands_them_all_and_a_merge_writes_them(town: Town) -> None:
    town.commit({".github/CODEOWNERS": OWNERS.replace(f"/registry_spec/ {CAROL}", f"/registry_spec/ {CAROL} {BOB}")})
    town.register("fraud")
    move(town, "fraud/1=Production")
    world = town.as_(CAROL)
    repository, main = world.repository, world.main()
    on = {REGISTRY: (town.text(REGISTRY) + "stage_files: true\n").encode()}
    tree = repository.write_tree(repository.commit_info(main).tree, on)
    who = world.signature()
    head = repository.commit(tree, (main,), author=who, committer=who, message="stage files")
    assert faults(plan_between(world, main, head).problems) == [
        f"{PRODUCTION} is missing, and registry_spec/models/fraud.yaml has versions in that stage"
    ]
    request = open_revision(world, head, "stage files", "").request
    assert request is not None
    reviewing.approve(town.as_(BOB), request.number)
    with pytest.raises(ChecksFailed, match=f"{PRODUCTION} changes: "):
        reviewing.merge(world, request.number)
    ready = with_files(world.snapshot(head), {})
    assert list(derived(ready, {p: ready.registry.models[p] for p in everything(ready)})) == [PRODUCTION]


def test_what_stage_files_say_survives_deletion_and_a_new_folder_of_a_stage(staged: Town) -> None:
    move(staged, "fraud/1=Archived")
    registering.delete(staged.as_(CAROL), "fraud")
    assert stages(staged) == []
    assert StageFile(model="x", stage="Two words", versions=(1,)).kind == "StageFile"
