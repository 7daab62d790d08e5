"""Plans: one value, the same bytes everywhere, never an old one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stagedoor.core.views import plans
from stagedoor.errors import ChecksFailed, Conflict, Denied
from stagedoor.workflows import registering, reviewing
from stagedoor.workflows.planning import plan_between
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, Town

ASK = Lane(propose=True)
TOOL = [sys.executable, "-m", "stagedoor.apps.cli.main"]


def ask(town: Town, ref: str, stage: str, who: str = ANN, *, archive_existing: bool = False) -> int:
    wishes = [Wish(ref, stage)]
    made = registering.transition(town.as_(who), wishes, archive_existing=archive_existing, lane=ASK)
    assert made.request is not None
    return made.request.number


def test_a_plan_is_byte_identical_on_any_clone_locale_and_time_zone(town: Town, tmp_path: Path) -> None:
    town.register("fraud", metrics={"auc": 0.91})
    town.register("fraud", metrics={"auc": 0.93}, description="Größer — 更好")
    registering.transition(town.as_(CAROL), [Wish("fraud/1", "Production")])
    ask(town, "fraud/2", "Production", archive_existing=True)
    clone, bare = tmp_path / "clone", tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", str(town.path), str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "fetch", "-q", "origin", "+refs/pull/*:refs/pull/*"], check=True)
    subprocess.run(["git", "clone", "-q", "--mirror", str(town.path), str(bare)], check=True)
    seen: set[tuple[str, bytes]] = set()
    for place, zone, locale in (
        (town.path, "UTC", "C"),
        (clone, "Asia/Kolkata", "C.UTF-8"),
        (bare, "US/Pacific", "POSIX"),
    ):
        env = {**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONUTF8": "1", "COLUMNS": str(40 + len(seen))}
        for style in ("text", "json", "markdown"):
            command = [*TOOL, "-C", str(place), "--as", "x@example.com", "plan", "1", "--format", style]
            seen.add((style, subprocess.run(command, capture_output=True, check=True, env=env).stdout))
    assert len(seen) == 3
    assert "auc  0.91 → 0.93  (+2.2 %)" in next(out for style, out in seen if style == "text").decode()


def test_a_request_is_never_merged_on_an_old_plan(town: Town) -> None:
    for _ in range(3):
        town.register("fraud")
    registering.transition(town.as_(CAROL), [Wish("fraud/1", "Production")])
    number = ask(town, "fraud/2", "Production", archive_existing=True)
    reviewing.approve(town.as_(CAROL), number)
    registering.transition(town.as_(CAROL), [Wish("fraud/3", "Production")])
    with pytest.raises(Conflict) as refused:
        reviewing.merge(town.as_(CAROL), number)
    assert "this request would now do something else" in refused.value.what
    assert refused.value.fix == f"stagedoor update {number}, then have it approved"
    reviewing.update(town.as_(ANN), number)
    with pytest.raises(ChecksFailed, match="approval by 1 of carol"):
        reviewing.merge(town.as_(CAROL), number)


def test_requests_on_different_models_merge_in_any_order_without_a_new_plan(town: Town) -> None:
    town.register("fraud")
    town.register("churn")
    numbers = [ask(town, "fraud/1", "Staging"), ask(town, "churn/1", "Staging")]
    for number in numbers:
        reviewing.approve(town.as_(BOB), number)
    for number in reversed(numbers):
        assert reviewing.merge(town.as_(ANN), number).state == "merged"


def test_policy_is_read_from_the_base_and_never_from_the_proposed_head(town: Town) -> None:
    town.register("fraud")
    number = ask(town, "fraud/1", "Production")
    world = town.as_(ANN)
    request = world.forge.get(number)
    owners = town.text(".github/CODEOWNERS").replace(CAROL, ANN)
    repository = world.repository
    tree = repository.write_tree(repository.commit_info(request.head).tree, {".github/CODEOWNERS": owners.encode()})
    who = world.signature()
    head = repository.commit(tree, (request.head,), author=who, committer=who, message="me too\n")
    world.forge.push(
        number, base=request.base, head=head, why="", expected=request.head, by=world.actor, at=world.now()
    )
    with pytest.raises(Denied, match="opened request 1 and cannot approve it"):
        reviewing.approve(town.as_(ANN), number)
    reviewing.approve(town.as_(BOB), number)
    with pytest.raises(ChecksFailed) as refused:
        reviewing.merge(town.as_(ANN), number)
    assert f".github/CODEOWNERS changes: approval by 1 of {CAROL}" in refused.value.what


def test_a_plan_between_two_revisions_sees_what_a_merge_would_do(town: Town) -> None:
    town.register("fraud")
    number = ask(town, "fraud/1", "Staging")
    head = town.as_(ANN).forge.get(number).head
    registering.tag(town.as_(BOB), "fraud", {"team": "risk"})
    made = plan_between(town.as_(ANN), "main", head)
    assert [move.now for model in made.models for move in model.moves] == ["Staging"]
    assert plans.count_line(made) == "Plan: 0 to register, 1 to move, 0 to archive, 0 to delete."


def test_a_thousand_models_fit_into_one_comment(town: Town) -> None:
    world = town.as_(CAROL)
    good = None
    town.register("model")
    text = town.text("registry_spec/models/model.yaml")
    id_ = text.partition("\nid: ")[2][:32]
    files: dict[str, str | None] = {}
    for number in range(1000):
        own = text.replace("name: model\n", f"name: model-{number:04}\n").replace(id_, f"{number:032x}")
        files[f"registry_spec/models/model-{number:04}.yaml"] = own
    good = town.commit(files, "many")
    moved = {path: (own or "").replace("stage: None", "stage: Staging") for path, own in files.items()}
    after = town.commit(dict(moved), "move all")
    made = plan_between(world, good, after)
    shown = plans.markdown(made)
    assert len(shown) < 65_000
    assert shown.startswith("### Plan: 0 to register, 1000 to move")
    short = plans.markdown(made, limit=9_000)
    assert len(short) < 9_000
    assert "more, left out here for their number" in short


def test_who_put_changes_into_a_request_cannot_approve_it(town: Town) -> None:
    town.register("fraud")
    town.register("fraud")
    number = ask(town, "fraud/1", "Staging")
    registering.transition(town.as_(CAROL), [Wish("fraud/2", "Production")], lane=Lane(into=number))
    with pytest.raises(Denied, match="put changes into request 1 and cannot approve it"):
        reviewing.approve(town.as_(CAROL), number)
    world = town.as_(CAROL)
    head = world.forge.get(number).head
    world.forge.review(number, "approved", "", head=head, by=world.actor, at=world.now())
    with pytest.raises(ChecksFailed, match="fraud/2: None → Production: none of"):
        reviewing.merge(town.as_(CAROL), number)


def test_who_only_updates_a_request_may_still_approve_it(town: Town) -> None:
    town.register("fraud")
    town.register("fraud")
    number = ask(town, "fraud/1", "Staging")
    registering.tag(town.as_(BOB), "fraud", {"team": "risk"})
    reviewing.update(town.as_(BOB), number)
    reviewing.approve(town.as_(BOB), number)
    assert reviewing.merge(town.as_(BOB), number).state == "merged"


def test_a_stranger_cannot_push_into_a_request_and_void_its_approvals(town: Town) -> None:
    town.register("fraud")
    number = ask(town, "fraud/1", "Staging")
    reviewing.approve(town.as_(BOB), number)
    with pytest.raises(Denied, match="neither opened request 1 nor owns anything that it touches"):
        registering.describe(town.as_("eve@example.com"), "fraud", "mine", Lane(into=number))
    with pytest.raises(Denied):
        reviewing.update(town.as_("eve@example.com"), number)
    assert reviewing.merge(town.as_(BOB), number).state == "merged"


def test_a_stage_that_is_in_use_cannot_be_taken_out_of_the_policy(town: Town) -> None:
    path = "registry_spec/registry.yaml"
    stages = "stages:\n" + "".join(f"- name: {name}\n" for name in ("None", "Staging", "Production", "Archived"))
    before = town.commit({path: town.text(path) + stages + "- name: Shadow\n"})
    town.register("fraud")
    registering.transition(town.as_(CAROL), [Wish("fraud/1", "Shadow")])
    now = town.as_(CAROL).main()
    after = town.commit({path: town.text(path).replace("- name: Shadow\n", "")})
    found = [(problem.code, problem.path) for problem in plan_between(town.as_(CAROL), now, after).errors]
    assert before != after
    assert found == [("SD302", "registry_spec/models/fraud.yaml")]
