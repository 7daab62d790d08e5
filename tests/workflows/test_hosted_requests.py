"""The product's verbs where requests are pull requests of GitHub, GitLab or Gitea."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hosted_town import HostedTown, town_on
from stagedoor.errors import ChecksFailed, Denied, InvalidState
from stagedoor.gitstore import RefUpdate, Repository
from stagedoor.workflows import registering, reviewing
from stagedoor.workflows.reconciling import Options, reconcile
from stagedoor.workflows.registering import NewVersion, Wish
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, CODEOWNERS


@pytest.fixture(params=["github", "gitlab", "gitea"])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HostedTown]:
    with town_on(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HostedTown]:
    with town_on("github", tmp_path) as made:
        yield made


def asked(town: HostedTown, stage: str = "Production") -> int:
    """A version of ann's, and her request to move it."""
    registering.register(town.as_(ANN), NewVersion("fraud", {"source": "s3://models/fraud"}))
    made = registering.transition(town.as_(ANN), [Wish("fraud/1", stage)], lane=Lane(propose=True)).request
    assert made is not None
    return made.number


def stage_of(town: HostedTown) -> str:
    version = town.as_(ANN).snapshot().registry.version("fraud", 1)
    assert version is not None
    return version.stage


def test_a_request_is_opened_approved_and_merged_on_the_host(town: HostedTown) -> None:
    number = asked(town)
    with pytest.raises(ChecksFailed, match="SD404"):
        reviewing.merge(town.as_(BOB), number)
    reviewing.approve(town.as_(CAROL), number, "beats the baseline")
    made = reviewing.merge(town.as_(BOB), number)
    pr = town.host.pulls[0]
    assert (pr.state, pr.merged_as, pr.author, pr.ended_by) == ("merged", made.merged_as, "ann", "bob")
    assert [(one.by, one.verdict) for one in pr.thoughts] == [("carol", "approved")]
    assert stage_of(town) == "Production"
    assert town.host.git("rev-parse", "main") == made.merged_as


def test_the_merge_on_the_host_says_who_approved_which_head(town: HostedTown) -> None:
    number = asked(town)
    reviewing.approve(town.as_(CAROL), number)
    made = reviewing.merge(town.as_(BOB), number)
    message = town.host.git("log", "-1", "--format=%B", made.merged_as)
    assert f"Request: {number}" in message
    assert f"Approved-by: {CAROL} ({made.head})" in message


def test_a_direct_write_goes_to_the_host_and_one_that_it_refuses_is_not_here_either(town: HostedTown) -> None:
    registering.register(town.as_(ANN), NewVersion("fraud", {"source": "s3://models/fraud"}))
    before = town.as_(ANN).main()
    assert town.host.git("rev-parse", "main") == before
    hook = town.host.git_dir / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho protected >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Denied, match="takes no direct push to main"):
        registering.register(town.as_(ANN), NewVersion("fraud", {"source": "s3://models/fraud"}))
    assert town.as_(ANN).main() == before


def test_a_push_after_the_approval_needs_another_one(town: HostedTown) -> None:
    number = asked(town)
    reviewing.approve(town.as_(CAROL), number)
    registering.transition(town.as_(ANN), [Wish("fraud/1", "Archived")], lane=Lane(into=number))
    with pytest.raises(ChecksFailed, match="SD404"):
        reviewing.merge(town.as_(BOB), number)


def test_an_account_that_owns_nothing_approves_in_vain(town: HostedTown) -> None:
    number = asked(town)
    pr = town.host.pull(number)
    town.host.think(pr, "mallory", "approved", head=town.host.head(pr))
    with pytest.raises(ChecksFailed, match="SD404"):
        reviewing.merge(town.as_(BOB), number)


def test_nobody_approves_themselves_by_editing_codeowners_in_the_request(town: HostedTown) -> None:
    number = asked(town)
    town.clock()
    pr = town.host.pull(number)
    with Repository.open(town.path) as repository:
        head = town.host.head(pr)
        owners = b"* bob@example.com\n/registry_spec/models/*.yaml/@Production bob@example.com\n"
        tree = repository.write_tree(repository.commit_info(head).tree, {".github/CODEOWNERS": owners})
        who = town.as_(ANN).signature()
        made = repository.commit(tree, (head,), author=who, committer=who, message="x\n")
        repository.remote("origin").push((RefUpdate(f"refs/heads/{pr.branch}", head, made),))
    reviewing.approve(town.as_(BOB), number)
    with pytest.raises(ChecksFailed, match="SD404"):
        reviewing.merge(town.as_(BOB), number)


def test_an_owner_who_was_removed_has_approved_in_vain(town: HostedTown) -> None:
    number = asked(town)
    reviewing.approve(town.as_(CAROL), number)
    text = town.text(".github/CODEOWNERS").replace(f"@Production {CAROL}", f"@Production {BOB}")
    text = text.replace(f"@Manage {CAROL}", f"@Manage {BOB}")
    town.commit({".github/CODEOWNERS": text}, "owners: bob now")
    with pytest.raises(ChecksFailed, match="SD404"):
        reviewing.merge(town.as_(BOB), number)


def test_what_the_host_waits_for_is_said_and_not_waited_for(town: HostedTown) -> None:
    number = asked(town)
    reviewing.approve(town.as_(CAROL), number)
    town.host.required = ["stagedoor/approvals"]
    with pytest.raises(InvalidState, match="cannot be merged yet"):
        reviewing.merge(town.as_(BOB), number)
    assert town.host.pulls[0].state == "open"


def test_a_cancelled_request_is_closed_there(town: HostedTown) -> None:
    number = asked(town)
    reviewing.cancel(town.as_(ANN), number, "not needed")
    assert town.host.pulls[0].state == "closed"
    assert [request.closed_as for request in reviewing.requests(town.as_(BOB), "closed")] == ["cancelled"]


def test_the_reconciler_tells_once_what_happened_on_the_host(town: HostedTown) -> None:
    number = asked(town)
    reviewing.approve(town.as_(CAROL), number)
    reviewing.merge(town.as_(BOB), number)
    first = reconcile(town.as_(CAROL), Options())
    kinds = [event.kind for event in first.events]
    assert {"transition_request.created", "transition_request.approved", "model_version.transitioned"} <= set(kinds)
    landed = town.host.pulls[0].merged_as
    assert "unreviewed_change" not in [event.kind for event in first.events if event.commit == landed]
    assert reconcile(town.as_(CAROL), Options()).events == ()


def test_a_merge_in_the_browser_without_an_approval_is_unreviewed(town: HostedTown) -> None:
    number = asked(town)
    pr = town.host.pull(number)
    town.host.merge(pr, "mallory", "Merge pull request #1\n\nRequest: 1\nApproved-by: carol@example.com (abcdefg)")
    town.as_(CAROL).forge.get(number)
    told = reconcile(town.as_(CAROL), Options()).events
    assert "unreviewed_change" in [event.kind for event in told if event.commit == pr.merged_as]


def pushed_by_hand(town: HostedTown, number: int, files: dict[str, str | None]) -> str:
    """Another head for a request, made by its author with git alone."""
    pr = town.host.pull(number)
    world = town.as_(ANN)
    world.forge.get(number)
    repository, head = world.repository, town.host.head(pr)
    raw = {path: None if text is None else text.encode() for path, text in files.items()}
    tree = repository.write_tree(repository.commit_info(head).tree, raw)
    who = world.signature()
    made = repository.commit(tree, (head,), author=who, committer=who, message="x\n")
    repository.remote("origin").push((RefUpdate(f"refs/heads/{pr.branch}", head, made),))
    return made


def test_a_request_that_renames_another_teams_model_needs_those_who_own_it_there(hub: HostedTown) -> None:
    theirs, ours = "registry_spec/models/theirs/spam.yaml", "registry_spec/models/ours/spam.yaml"
    owners = CODEOWNERS + f"/registry_spec/models/theirs/ {CAROL}\n/registry_spec/models/ours/ {BOB}\n"
    registering.register(hub.as_(ANN), NewVersion("spam", {"source": "s3://models/spam"}))
    text = hub.text("registry_spec/models/spam.yaml")
    hub.commit({".github/CODEOWNERS": owners, "registry_spec/models/spam.yaml": None, theirs: text}, "two teams")
    number = asked(hub)
    pushed_by_hand(hub, number, {theirs: None, ours: text})
    reviewing.approve(hub.as_(BOB), number)
    with pytest.raises(ChecksFailed, match=CAROL):
        reviewing.merge(hub.as_(BOB), number)
    assert stage_of(hub) == "None"


@pytest.mark.parametrize("kind", ["heads", "tags"])
def test_a_branch_or_a_tag_that_is_called_like_a_head_takes_its_place_nowhere(hub: HostedTown, kind: str) -> None:
    number = asked(hub)
    honest = hub.host.head(hub.host.pull(number))
    text = hub.text("registry_spec/models/fraud.yaml")
    evil = pushed_by_hand(hub, number, {"registry_spec/models/evil.yaml": text.replace("fraud", "evil")})
    pr = hub.host.pull(number)
    hub.host.git("update-ref", f"refs/heads/{pr.branch}", honest, evil)
    pr.versions.clear()
    hub.host.git("update-ref", f"refs/{kind}/{honest}", evil)
    world = hub.as_(CAROL)
    world.repository.remote("origin").fetch({f"refs/{kind}/{honest}": f"refs/{kind}/{honest}"})
    assert reviewing.standing(world, number).request.head == honest
    reviewing.approve(hub.as_(CAROL), number, head=honest)
    assert [(one.by, one.head) for one in pr.thoughts] == [("carol", honest)]
    reviewing.merge(hub.as_(CAROL), number)
    assert hub.host.git("rev-parse", "main^2") == honest
    assert hub.as_(ANN).snapshot().registry.names == ("fraud",)
