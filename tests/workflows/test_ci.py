"""CI over a host: the light, the one comment, the merge queue, and the ledger that goes from run to run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hosted_town import HostedTown, town_on
from stagedoor.core.policy import Host
from stagedoor.core.runs import Run
from stagedoor.core.views import audits
from stagedoor.effects.ledger import Ledger
from stagedoor.errors import BadInput
from stagedoor.gitstore import RefUpdate, Repository
from stagedoor.gitstore.values import SYMLINK, Entry
from stagedoor.workflows import registering, reviewing
from stagedoor.workflows.attesting import may_speak
from stagedoor.workflows.auditing import Terms, audit
from stagedoor.workflows.ci import CONTEXT, Checked, drift, reconcile_all, validate, validate_open
from stagedoor.workflows.registering import NewVersion, Wish
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, CODEOWNERS, DAVE


@pytest.fixture(params=["github", "gitlab", "gitea"])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HostedTown]:
    with town_on(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HostedTown]:
    with town_on("github", tmp_path) as made:
        yield made


def asked(town: HostedTown, name: str = "fraud", stage: str = "Production", **more: object) -> int:
    registering.register(town.as_(ANN), NewVersion(name, {"source": f"s3://models/{name}", **more}))
    newest = town.as_(ANN).snapshot().registry.model(name).last_version
    made = registering.transition(town.as_(ANN), [Wish(f"{name}/{newest}", stage)], lane=Lane(propose=True)).request
    assert made is not None
    return made.number


def robot(town: HostedTown) -> World:
    """The world of a run of CI: its own clone, and a token that may not ask who it is."""
    fresh = town.path.parent / f"run-{town.clock():%H%M%S}"
    subprocess.run(["git", "clone", "-q", "--bare", f"file://{town.host.git_dir}", fresh], check=True)
    was, town.path = town.path, fresh
    login = "github-actions[bot]" if town.host.kind == "github" else "gitea-actions"
    try:
        return town.as_("ci@example.com", login)
    finally:
        town.path = was


def light(town: HostedTown, number: int = 1) -> str:
    pr = town.host.pull(number)
    return town.host.statuses.get(town.host.head(pr), {}).get(CONTEXT, "")


def test_the_light_is_green_only_when_the_verdict_is(town: HostedTown) -> None:
    number = asked(town)
    first = validate(robot(town), Run("pull", number), publish=True)
    assert (first.light, light(town), first.errors) == ("pending", "pending", ())
    assert CAROL in first.text
    reviewing.approve(town.as_(BOB), number)
    assert validate(robot(town), Run("pull", number), publish=True).light == "pending"
    reviewing.approve(town.as_(CAROL), number)
    assert validate(robot(town), Run("pull", number), publish=True).light == "success"
    assert light(town) == "success"


def test_a_push_after_the_approval_has_no_light_yet_and_then_a_yellow_one(town: HostedTown) -> None:
    number = asked(town)
    reviewing.approve(town.as_(CAROL), number)
    validate(robot(town), Run("pull", number), publish=True)
    registering.transition(town.as_(ANN), [Wish("fraud/1", "Staging")], lane=Lane(into=number))
    assert light(town) == ""
    validate(robot(town), Run("pull", number), publish=True)
    assert light(town) == "pending"


def test_every_open_request_gets_its_light_where_no_event_tells_of_one(town: HostedTown) -> None:
    one, two = asked(town, "fraud"), asked(town, "spam")
    reviewing.approve(town.as_(CAROL), one)
    for _ in range(2):
        found = validate_open(robot(town), Run("other"))
        assert {(c.number, c.light) for c in found if isinstance(c, Checked)} == {(one, "success"), (two, "pending")}
        assert (light(town, one), light(town, two)) == ("success", "pending")
    assert [len([n for n in pr.said if "stagedoor:plan" in n.body]) for pr in town.host.pulls] == [1, 1]


def test_the_plan_is_one_comment_that_is_edited(town: HostedTown) -> None:
    number = asked(town)
    validate(robot(town), Run("pull", number), publish=True)
    reviewing.approve(town.as_(CAROL), number)
    validate(robot(town), Run("pull", number), publish=True)
    said = [one.body for one in town.host.pulls[0].said if "stagedoor:plan" in one.body]
    assert len(said) == 1
    assert "[x]" in said[0] and "fraud" in said[0]


def test_a_gate_that_the_request_itself_weakens_still_holds(town: HostedTown) -> None:
    spec = town.text("registry_spec/registry.yaml")
    gated = spec + "gates:\n- name: measured\n  stages: [Production]\n  require: [metrics]\n"
    town.commit({"registry_spec/registry.yaml": gated}, "a gate")
    number = asked(town)
    pr = town.host.pull(number)
    world = town.as_(ANN)
    head = town.host.head(pr)
    world.forge.get(number)
    repository = world.repository
    tree = repository.write_tree(
        repository.commit_info(head).tree,
        {"registry_spec/registry.yaml": spec.encode(), ".github/workflows/validate.yml": b"jobs: {}\n"},
    )
    who = world.signature()
    made = repository.commit(tree, (head,), author=who, committer=who, message="no gate\n")
    repository.remote("origin").push((RefUpdate(f"refs/heads/{pr.branch}", head, made),))
    reviewing.approve(town.as_(CAROL), number)
    found = validate(robot(town), Run("pull", number), publish=True)
    assert found.light == "failure"
    assert any("measured" in one.what for one in found.errors)
    assert {ruling.need.title for ruling in found.plan.verdict.rulings} >= {  # type: ignore[union-attr]
        ".github/workflows/validate.yml",
        "registry_spec/registry.yaml",
    }


def test_a_link_in_place_of_a_model_file_is_an_error(town: HostedTown) -> None:
    number = asked(town)
    pr = town.host.pull(number)
    world = town.as_(ANN)
    world.forge.get(number)
    repository, head = world.repository, town.host.head(pr)
    link = Entry(SYMLINK, repository.write_blob(b"/etc/passwd"))
    tree = repository.write_tree(repository.commit_info(head).tree, {"registry_spec/models/fraud.yaml": link})
    who = world.signature()
    made = repository.commit(tree, (head,), author=who, committer=who, message="x\n")
    repository.remote("origin").push((RefUpdate(f"refs/heads/{pr.branch}", head, made),))
    found = validate(robot(town), Run("pull", number), publish=True)
    assert found.light == "failure"
    assert "root:" not in town.host.pulls[0].said[-1].body


def test_without_a_token_the_change_is_checked_from_git_alone(hub: HostedTown) -> None:
    number = asked(hub)
    world = robot(hub)
    world.environment = {"HOME": "/nonexistent"}
    calls = len(hub.host.sent)
    found = validate(world, Run("pull", number, "", hub.host.head(hub.host.pull(number))))
    assert (found.plan.verdict, found.errors) == (None, ())
    assert [model.model for model in found.plan.models] == ["fraud"]
    assert len(hub.host.sent) == calls + 1  # the one that was refused for want of a token


def test_a_team_that_only_the_host_knows_is_no_error_where_nobody_may_ask_it(hub: HostedTown) -> None:
    hub.host.teams["ml/leads"] = ["zoe"]
    hub.commit({".github/CODEOWNERS": CODEOWNERS + "/registry_spec/models/x.yaml @ml/leads\n"}, "a team")
    number = asked(hub)
    world = robot(hub)
    world.environment = {"HOME": "/nonexistent"}
    found = validate(world, Run("pull", number, "", hub.host.head(hub.host.pull(number))))
    assert [(one.code, one.severity) for one in found.problems] == [("SD402", "warning")]


def test_a_run_about_no_pull_request_says_so(hub: HostedTown) -> None:
    with pytest.raises(BadInput, match="about no pull request"):
        validate(robot(hub), Run("push"))


# --- the merge queue ------------------------------------------------------------------------------------------------


def grouped(town: HostedTown, *numbers: int) -> Run:
    """What the queue makes of several requests: each merged onto the one before."""
    host = town.host
    base = tip = host.git("rev-parse", "main")
    for number in numbers:
        head = host.head(host.pull(number))
        tree = host.git("merge-tree", "--write-tree", tip, head).splitlines()[0]
        who = ("-c", "user.name=q", "-c", "user.email=q@example.com")
        tip = host.git(*who, "commit-tree", tree, "-p", tip, "-p", head, "-m", f"Merge pull request #{number}")
    host.git("update-ref", f"refs/heads/gh-readonly-queue/main/pr-{numbers[-1]}-{base}", tip)
    return Run("queue", numbers[-1], base, tip)


def judged(town: HostedTown, *numbers: int) -> str:
    """The light that a group of requests gets."""
    run = grouped(town, *numbers)
    return validate(robot(town), run, publish=True).light


def test_two_requests_that_are_each_fine_and_together_illegal_do_not_pass_the_queue(hub: HostedTown) -> None:
    spec = hub.text("registry_spec/registry.yaml")
    stages = "stages:\n- name: None\n- name: Staging\n- name: Production\n  exclusive: true\n- name: Archived\n"
    hub.commit({"registry_spec/registry.yaml": spec + stages}, "one at a time")
    one, two = asked(hub), asked(hub)
    for number in (one, two):
        reviewing.approve(hub.as_(CAROL), number)
        assert validate(robot(hub), Run("pull", number), publish=True).light == "success"
    run = grouped(hub, one, two)
    found = validate(robot(hub), run, publish=True)
    assert found.light == "failure"
    assert hub.host.statuses[run.head][CONTEXT] == "failure"
    assert judged(hub, one) == "success"


def test_a_group_with_a_request_that_nobody_approved_waits(hub: HostedTown) -> None:
    one, two = asked(hub, "fraud"), asked(hub, "spam")
    reviewing.approve(hub.as_(CAROL), one)
    assert judged(hub, one, two) == "pending"
    reviewing.approve(hub.as_(CAROL), two)
    assert judged(hub, one, two) == "success"


def test_a_commit_slipped_into_a_group_is_seen(hub: HostedTown) -> None:
    one = asked(hub)
    reviewing.approve(hub.as_(CAROL), one)
    run = grouped(hub, one)
    host = hub.host
    who = ("-c", "user.name=q", "-c", "user.email=q@example.com")
    extra = host.git(*who, "commit-tree", f"{run.head}^{{tree}}", "-p", run.head, "-m", "Request: 1")
    host.git("update-ref", f"refs/heads/gh-readonly-queue/main/pr-{one}-{run.base}", extra)
    assert validate(robot(hub), Run("queue", one, run.base, extra), publish=True).light == "pending"


# --- after the merge ------------------------------------------------------------------------------------------------


def test_a_run_goes_on_where_the_last_one_stopped_on_whatever_machine(town: HostedTown) -> None:
    number = asked(town)
    reviewing.approve(town.as_(CAROL), number)
    first = reconcile_all(robot(town)).report
    assert first.merges > 0
    reviewing.merge(town.as_(BOB), number)
    second = reconcile_all(robot(town)).report
    assert second.merges == 1
    assert "model_version.transitioned" in [event.kind for event in second.events]
    assert reconcile_all(robot(town)).report.events == ()


def test_the_hosts_reviews_are_in_the_ledger_so_that_nobody_has_to_ask_it_again(town: HostedTown) -> None:
    number = asked(town)
    reviewing.approve(town.as_(CAROL), number)
    made = reviewing.merge(town.as_(BOB), number)
    reconcile_all(robot(town))
    calls = len(town.host.sent)
    world = robot(town)
    world.repository.remote("origin").fetch({"refs/stagedoor/ledger": "refs/stagedoor/ledger"})
    found = Ledger(world.repository, world.signature(), "").attestation(made.merged_as)
    assert found is not None
    assert [(r.by, r.verdict, r.head) for r in found.request().reviews] == [(CAROL, "approved", made.head)]
    assert len(town.host.sent) == calls


def test_the_manifests_reach_the_host_from_whatever_machine(hub: HostedTown) -> None:
    number = asked(hub)
    reviewing.approve(hub.as_(CAROL), number)
    reviewing.merge(hub.as_(BOB), number)
    text = hub.text("registry_spec/registry.yaml")
    hub.commit({"registry_spec/registry.yaml": f"{text}serving:\n  manifests:\n    branch: deploy\n"})
    reconcile_all(robot(hub))
    assert hub.host.git("ls-tree", "--name-only", "refs/heads/deploy").split() == ["fraud-production.yaml"]
    assert not any("manifest" in one.what for one in drift(robot(hub)))
    registering.transition(hub.as_(CAROL), [Wish("fraud/1", "Archived")])
    assert any("1 manifest of the deployment branch" in one.what for one in drift(robot(hub)))
    fresh = robot(hub)
    # a checkout of CI has main alone
    tip = fresh.repository.tip("refs/heads/deploy")
    assert tip is not None
    fresh.repository.publish((RefUpdate("refs/heads/deploy", tip, None),), "test")
    reconcile_all(fresh)
    assert hub.host.git("log", "--format=%s", "refs/heads/deploy").splitlines() == [
        "remove fraud-production.yaml",
        "serve fraud/1 in Production",
    ]


def test_a_host_that_does_not_take_the_manifests_keeps_the_ledger_all_the_same(hub: HostedTown) -> None:
    number = asked(hub)
    reviewing.approve(hub.as_(CAROL), number)
    reviewing.merge(hub.as_(BOB), number)
    text = hub.text("registry_spec/registry.yaml")
    hub.commit({"registry_spec/registry.yaml": f"{text}serving:\n  manifests:\n    branch: deploy\n"})
    hook = hub.host.git_dir / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/deploy ] || { echo protected >&2; exit 1; }\n')
    hook.chmod(0o755)
    report = reconcile_all(robot(hub)).report
    assert "does not take refs/heads/deploy" in report.undeployed
    assert report.events != ()
    again = reconcile_all(robot(hub)).report
    assert (again.events, "refs/heads/deploy" in again.undeployed) == ((), True)


def test_drift_tells_of_what_nobody_agreed_to(hub: HostedTown) -> None:
    number = asked(hub)
    reconcile_all(robot(hub))
    before = {one.what for one in drift(robot(hub))}
    hub.host.merge(hub.host.pull(number), "mallory", "Merge pull request #1")
    assert any("behind main" in one.what for one in drift(robot(hub)))
    reconcile_all(robot(hub))
    new = {one.what for one in drift(robot(hub))} - before
    assert len(new) == 1 and "fraud" in new.pop()


# --- what an audit says offline -------------------------------------------------------------------------------------


@contextmanager
def mirror(town: HostedTown) -> Iterator[World]:
    """A bare clone with everything that is under refs/, opened by somebody who cannot ask the host."""
    at = town.path.parent / f"mirror-{town.clock():%H%M%S}.git"
    subprocess.run(["git", "clone", "-q", "--mirror", f"file://{town.host.git_dir}", at], check=True)
    subprocess.run(["git", "remote", "remove", "origin"], cwd=at, check=True)
    with Repository.open(at) as repository:
        yield World(repository, claimed_email=DAVE, now=town.clock, environment={"HOME": "/nonexistent"})


def test_a_merge_in_the_browser_verifies_offline_by_what_the_host_said(town: HostedTown) -> None:
    since = town.as_(CAROL).main()
    number = asked(town)
    reviewing.approve(town.as_(CAROL), number)
    town.host.merge(town.host.pull(number), "bob", "Merge pull request #1")
    reconcile_all(robot(town))
    calls = len(town.host.sent)
    with mirror(town) as world:
        found, strict = audit(world, Terms(since)), audit(world, Terms(since, strict=True))
    assert (found.bad, found.approvals, found.lanes["request"]) == ((), {"host": 1}, 1)
    assert strict.first is not None
    said = f"the approval of {CAROL} rests on the word of 127.0.0.1:{town.host.port}, as the ledger has it"
    assert [fault.what for fault in strict.first.faults] == [said]
    assert "1 attested by the host" in audits.text(found)
    assert len(town.host.sent) == calls


def test_a_merge_that_nobody_approved_is_at_fault_offline_whatever_its_message_says(hub: HostedTown) -> None:
    since = hub.as_(CAROL).main()
    number = asked(hub)
    head = hub.host.head(hub.host.pull(number))
    forged = f"Merge request 1: x\n\nRequest: 1\nRequested-by: {ANN}\nApproved-by: {CAROL} ({head})"
    hub.host.merge(hub.host.pull(number), "mallory", forged)
    reconcile_all(robot(hub))
    with mirror(hub) as world:
        first = audit(world, Terms(since)).first
    assert first is not None and first.commit == hub.host.pulls[0].merged_as
    codes = [fault.code for fault in first.faults]
    assert codes == ["trailer", "SD404"]
    assert f"it says that {CAROL} approved {head[:10]}" in first.faults[0].what


def test_an_audit_offline_knows_the_teams_that_only_the_host_knew(hub: HostedTown) -> None:
    hub.host.teams["ml/leads"] = ["zoe"]
    owners = CODEOWNERS.replace(f"@Production {CAROL}", "@Production @ml/leads")
    hub.commit({".github/CODEOWNERS": owners}, "a team leads")
    since = hub.as_(CAROL).main()
    number = asked(hub)
    hub.host.think(hub.host.pull(number), "zoe", "approved")
    hub.host.merge(hub.host.pull(number), "zoe", "Merge pull request #1")
    reconcile_all(robot(hub))
    with mirror(hub) as world:
        found = audit(world, Terms(since))
    assert (found.bad, found.approvals) == ((), {"host": 1})


def test_a_squash_is_judged_by_what_the_host_said_of_its_head(hub: HostedTown) -> None:
    since = hub.as_(CAROL).main()
    number = asked(hub)
    reviewing.approve(hub.as_(CAROL), number)
    pr, git = hub.host.pull(number), hub.host.git
    tree = git("rev-parse", f"{hub.host.head(pr)}^{{tree}}")
    who = ("-c", "user.name=bob", "-c", f"user.email={BOB}")
    squashed = git(*who, "commit-tree", tree, "-p", git("rev-parse", "main"), "-m", "Move fraud (#1)")
    git("update-ref", "refs/heads/main", squashed)
    pr.state, pr.merged_as, pr.ended_by, pr.ended_at = "merged", squashed, "bob", hub.host.clock()
    reconcile_all(robot(hub))
    with mirror(hub) as world:
        found = audit(world, Terms(since))
    assert (found.bad, found.approvals) == ((), {"host": 1})


def test_where_requests_are_kept_in_the_repository_no_host_is_believed(hub: HostedTown) -> None:
    number = asked(hub)
    reviewing.approve(hub.as_(CAROL), number)
    hub.host.merge(hub.host.pull(number), "bob", "Merge pull request #1")
    reconcile_all(robot(hub))
    with mirror(hub) as world:
        word = Ledger(world.repository, world.signature(), "").attestation(hub.host.pulls[0].merged_as)
        said = world.snapshot().spec.forge
    assert word is not None
    assert may_speak(word, said, requests_are_here=False)
    assert not may_speak(word, said.model_copy(update={"kind": "embedded"}), requests_are_here=False)
    assert not may_speak(word, said.model_copy(update={"url": "https://elsewhere.example"}), requests_are_here=False)
    assert not may_speak(word, Host(), requests_are_here=True)
