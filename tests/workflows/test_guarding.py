"""The pre-receive hook on a real bare repository: pushes around a request do not get in, agreed ones do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stagedoor.core.trailers import Approval, Trailers, message
from stagedoor.errors import AlreadyExists, Denied
from stagedoor.forges.base import Landing
from stagedoor.gitstore import RefUpdate, Signature
from stagedoor.workflows import registering, reviewing
from stagedoor.workflows.guarding import install
from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.reviewing import Signing
from stagedoor.workflows.syncing import sync
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, CODEOWNERS, Town


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path / "host.git")
    initialise(made.path, owner=CAROL, name="test", bare=True)
    made.commit({".github/CODEOWNERS": CODEOWNERS}, "owners: stage lines")
    made.register("fraud")
    command = tmp_path / "stagedoor"
    run = "from stagedoor.apps.cli.main import main; main()"
    said = f"open({str(tmp_path / 'said')!r}, 'a')"
    command.write_text(f"#!{sys.executable}\nimport sys\nsys.path[:0] = {sys.path!r}\nsys.stderr = {said}\n{run}\n")
    command.chmod(0o755)
    install(made.as_(CAROL), str(command))
    yield made
    made.close()


@pytest.fixture
def here(host: Town, tmp_path: Path) -> Iterator[Town]:
    subprocess.run(["git", "clone", "-q", "--bare", f"file://{host.path}", "here"], cwd=tmp_path, check=True)
    made = Town(tmp_path / "here", clock=host.clock)
    yield made
    made.close()


def push(here: Town, new: str, ref: str = "refs/heads/main", old: str | None = None) -> str:
    """What the host says to a push, or nothing."""
    world = here.as_(ANN)
    refused = world.repository.remote("origin").push((RefUpdate(ref, old, new),))
    return refused[0].said if refused else ""


def edited(here: Town, text: tuple[str, str], author: str, message: str = "by hand") -> tuple[str, str]:
    """A commit that somebody makes by hand on top of main: its parent, and itself."""
    world = here.as_(author)
    tip, repository = world.main(), world.repository
    path = "registry_spec/models/fraud.yaml"
    raw = here.text(path).replace(*text).encode()
    tree = repository.write_tree(repository.commit_info(tip).tree, {path: raw})
    who = Signature("x", author, here.clock())
    return tip, repository.commit(tree, (tip,), author=who, committer=who, message=message)


def test_an_approved_request_gets_in_with_its_merge(host: Town, here: Town) -> None:
    made = registering.transition(here.as_(ANN), [Wish("fraud/1", "Production")], lane=Lane(propose=True)).request
    assert made is not None
    reviewing.approve(here.as_(CAROL), made.number)
    merged = reviewing.merge(here.as_(BOB), made.number)
    sync(here.as_(BOB))
    assert host.as_(CAROL).main() == merged.merged_as


def test_what_somebody_may_do_directly_gets_in(host: Town, here: Town) -> None:
    here.register("spam")
    sync(here.as_(ANN))
    assert host.as_(CAROL).main() == here.as_(ANN).main()


@pytest.mark.parametrize(
    "message", ["by hand", "Merge request 1: x\n\nRequest: 1\nApproved-by: carol@example.com (abcdefabcdef)\n"]
)
def test_a_move_that_nobody_agreed_to_does_not_get_in_whatever_its_trailers_say(
    host: Town, here: Town, message: str
) -> None:
    old, new = edited(here, ("stage: None", "stage: Production"), ANN, message)
    before = host.as_(CAROL).main()
    assert "declined" in push(here, new, old=old)
    assert host.as_(CAROL).main() == before


def test_a_file_that_does_not_hold_does_not_get_in(host: Town, here: Town) -> None:
    old, new = edited(here, ("stage: None", "stage: Nowhere"), CAROL)
    assert "declined" in push(here, new, old=old)


def key(tmp_path: Path, name: str) -> tuple[str, str]:
    """A key and its line of the allowed signers, without the name."""
    path = tmp_path / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
    return str(path), " ".join(path.with_name(f"{name}.pub").read_text().split()[:2])


def asked_for(here: Town, stage: str = "Production") -> int:
    made = registering.transition(here.as_(ANN), [Wish("fraud/1", stage)], lane=Lane(propose=True)).request
    assert made is not None
    return made.number


def refused(host: Town, here: Town) -> str:
    """What the hook says to everything that is new here; nothing where it gets in."""
    try:
        sync(here.as_(BOB))
    except Denied:
        assert host.as_(CAROL).main() != here.as_(CAROL).main()
        return (host.path.parent / "said").read_text()
    assert host.as_(CAROL).main() == here.as_(CAROL).main()
    return ""


def forced(here: Town, number: int, files: dict[str, str] | None = None) -> None:
    """A merge that whoever can write here makes without asking our checks."""
    world = here.as_(BOB)
    request = world.forge.get(number)
    tree = world.repository.commit_info(request.head).tree
    raw = {path: text.encode() for path, text in (files or {}).items()}
    approvals = tuple(Approval(one.by, one.head) for one in request.reviews)
    text = message(f"Merge request {number}: x", "", Trailers(number, request.author, approvals))
    landing = Landing(world.repository.write_tree(tree, raw), world.main(), text)
    world.forge.merge(number, landing, head=request.head, by=world.actor, at=world.now())


SIGNED = """\
stages:
- name: None
- name: Staging
- name: Production
  signed: true
- name: Archived
"""
LONG = """\
freezes:
- name: holidays
  since: 2000-01-01T00:00:00.000Z
  until: 2100-01-01T00:00:00.000Z
"""


def policy(host: Town, here: Town, more: str, files: dict[str, str | None] | None = None) -> None:
    """The policy of both, as their owner wrote it on the host."""
    text = host.text("registry_spec/registry.yaml") + more
    host.commit({"registry_spec/registry.yaml": text, **(files or {})}, "policy")
    sync(here.as_(CAROL))


def test_a_stage_that_asks_for_signatures_takes_signed_approvals_only(host: Town, here: Town, tmp_path: Path) -> None:
    path, public = key(tmp_path, "carol")
    policy(host, here, SIGNED, {"registry_spec/allowed_signers": f'{CAROL} namespaces="git" {public}\n'})
    number = asked_for(here)
    reviewing.approve(here.as_(CAROL), number)
    main = here.as_(CAROL).main()
    forced(here, number)
    assert "signed" in refused(host, here)
    here.as_(CAROL).repository.publish((RefUpdate("refs/heads/main", here.as_(CAROL).main(), main),), "back")
    number = asked_for(here)
    reviewing.approve(here.as_(CAROL), number, signing=Signing(path))
    reviewing.merge(here.as_(BOB), number)
    assert refused(host, here) == ""


def test_broken_glass_takes_two_and_sets_a_freeze_aside(host: Town, here: Town) -> None:
    owners = CODEOWNERS + f"/registry_spec/models/*.yaml/@Production {BOB} {CAROL}\n"
    policy(host, here, LONG, {".github/CODEOWNERS": owners})
    number = asked_for(here)
    reviewing.break_glass(here.as_(ANN), number, "the old one lets everything through")
    for who in (BOB, CAROL):
        reviewing.approve(here.as_(who), number)
    reviewing.merge(here.as_(CAROL), number)
    assert refused(host, here) == ""


def test_broken_glass_that_one_alone_vouches_for_does_not_get_in(host: Town, here: Town) -> None:
    owners = CODEOWNERS + f"/registry_spec/models/*.yaml/@Production {BOB} {CAROL}\n"
    policy(host, here, LONG, {".github/CODEOWNERS": owners})
    number = asked_for(here)
    reviewing.break_glass(here.as_(ANN), number, "the old one lets everything through")
    reviewing.approve(here.as_(CAROL), number)
    forced(here, number)
    assert "1 of bob@example.com" in refused(host, here)


def test_a_freeze_holds_what_everybody_agreed_to(host: Town, here: Town) -> None:
    policy(host, here, LONG)
    number = asked_for(here)
    reviewing.approve(here.as_(CAROL), number)
    forced(here, number)
    assert "freeze holidays" in refused(host, here)


def test_a_merge_that_does_more_than_was_agreed_to_does_not_get_in(host: Town, here: Town) -> None:
    host.register("fraud")
    sync(here.as_(ANN))
    number = asked_for(here)
    reviewing.approve(here.as_(CAROL), number)
    path = "registry_spec/models/fraud.yaml"
    forced(here, number, {path: here.text(path).replace("stage: None", "stage: Production")})
    assert "it does something else than request 1 asked for" in refused(host, here)


def test_main_does_not_go_back(host: Town, here: Town) -> None:
    world = here.as_(CAROL)
    tip = world.main()
    assert "declined" in push(here, world.repository.commit_info(tip).parents[0], old=tip)


def test_the_chain_of_a_request_only_grows(host: Town, here: Town) -> None:
    made = registering.transition(here.as_(ANN), [Wish("fraud/1", "Staging")], lane=Lane(propose=True)).request
    assert made is not None
    reviewing.comment(here.as_(BOB), 1, "hello")
    sync(here.as_(ANN))
    repository = here.as_(ANN).repository
    tip = repository.tip("refs/pull/1/meta")
    assert tip is not None
    assert "declined" in push(here, repository.commit_info(tip).parents[0], "refs/pull/1/meta", tip)
    assert "declined" in push(here, here.as_(ANN).main(), "refs/pull/1/head", made.head)


def test_a_hook_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    town = Town(tmp_path / "r.git")
    initialise(town.path, owner=CAROL, bare=True)
    hook = town.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    with pytest.raises(AlreadyExists):
        install(town.as_(CAROL), "stagedoor")
    assert hook.read_text() == "#!/bin/sh\n"
    town.close()
