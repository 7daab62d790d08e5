"""What hosts do that the embedded forge does not: quirks, lost answers, and people who want past the rules."""

from __future__ import annotations

from typing import Any

import pytest

from bench import ANN, BOB, CAROL, NOW, Bench
from calls import faults
from hosts import Host, Sent
from stagedoor.core.owners import parse
from stagedoor.errors import BadInput, Conflict, Denied, Unavailable
from stagedoor.forges.base import NotReady
from stagedoor.forges.hosting import CommitStatus
from stagedoor.gitstore import RefUpdate

HOSTS = pytest.mark.parametrize("bench", ["github", "gitlab", "gitea"], indirect=True)
GITHUB = pytest.mark.parametrize("bench", ["github"], indirect=True)
GITLAB = pytest.mark.parametrize("bench", ["gitlab"], indirect=True)
GITEA = pytest.mark.parametrize("bench", ["gitea"], indirect=True)


def host_of(bench: Bench) -> Host:
    """The host of a bench that has one."""
    assert bench.host is not None
    return bench.host


@GITHUB
def test_every_call_is_one_that_github_documents(bench: Bench) -> None:
    request = bench.opened()
    ann, bob = bench.as_(ANN), bench.hosted("bob")
    bob.review(1, "changes_requested", "wait", head=request.head, by=BOB, at=NOW)
    newer = bench.commit({"a": b"3"}, on=request.head)
    ann.push(1, base=request.base, head=newer, why="", expected=request.head, by=ANN, at=NOW)
    bob.review(1, "approved", "", head=newer, by=BOB, at=NOW)
    bob.comment(1, "well done", by=BOB, at=NOW)
    bob.post_status(newer, CommitStatus("stagedoor/approvals", "success", "all agreed " * 30, "https://example.com"))
    bob.put_sticky(1, "<!-- m -->", "one")
    bob.put_sticky(1, "<!-- m -->", "two")
    made = bob.merge(1, bench.landing(newer), head=newer, by=BOB, at=NOW)
    assert not isinstance(made, NotReady)
    bob.landed(made.merged_as)
    bench.opened(b"9")
    ann.close(2, "cancelled", "no", by=ANN, at=NOW)
    bob.people_with_owners(bench.people, parse("* @ml/core\n", path="CODEOWNERS"))
    bob.requests("all")
    assert [(one.method, one.path, fault) for one in host_of(bench).sent for fault in faults(one)] == []


def test_the_check_of_calls_sees_what_is_wrong() -> None:
    opened = Sent("POST", "/repos/o/r/pulls", {}, {"title": "t", "head": "b", "bse": "main"}, {})
    assert len(faults(opened)) == 2
    assert faults(Sent("POST", "/repos/o/r/pulls/1/reviews", {}, {"event": "APPROVED"}, {}))
    assert faults(Sent("POST", "/repos/o/r/statuses/abc", {}, {"state": "ok"}, {}))
    assert faults(Sent("GET", "/repos/o/r/pulls", {"stat": "open"}, None, {}))


# --- reviews --------------------------------------------------------------------------------------------------------


@GITHUB
def test_a_dismissed_review_is_out_and_so_is_the_one_before_it(bench: Bench) -> None:
    request = bench.opened()
    bench.as_(BOB).review(1, "approved", "", head=request.head, by=BOB, at=NOW)
    bench.as_(BOB).review(1, "approved", "", head=request.head, by=BOB, at=NOW)
    host_of(bench).pulls[0].thoughts[-1].dismissed = True
    assert bench.as_(ANN).get(1).reviews == ()


@GITHUB
def test_a_comment_does_not_take_an_approval_back(bench: Bench) -> None:
    request = bench.opened()
    bench.as_(BOB).review(1, "approved", "", head=request.head, by=BOB, at=NOW)
    host = host_of(bench)
    host.think(host.pull(1), "bob", "commented", "nice")
    assert [review.verdict for review in bench.as_(ANN).get(1).reviews] == ["approved"]


@GITEA
def test_giteas_stale_approval_does_not_count_whatever_its_state_says(bench: Bench) -> None:
    request = bench.opened()
    bench.as_(BOB).review(1, "approved", "", head=request.head, by=BOB, at=NOW)
    newer = bench.commit({"a": b"3"}, on=request.head)
    pushed = bench.as_(ANN).push(1, base=request.base, head=newer, why="", expected=request.head, by=ANN, at=NOW)
    assert [review.head for review in pushed.reviews] == [request.head]


@GITLAB
def test_gitlabs_approval_is_of_the_version_that_was_there(bench: Bench) -> None:
    request = bench.opened()
    bench.as_(BOB).review(1, "approved", "", head=request.head, by=BOB, at=NOW)
    newer = bench.commit({"a": b"3"}, on=request.head)
    bench.as_(ANN).push(1, base=request.base, head=newer, why="", expected=request.head, by=ANN, at=NOW)
    bench.as_(CAROL).review(1, "approved", "", head=newer, by=CAROL, at=NOW)
    found = {review.by: review.head for review in bench.as_(ANN).get(1).reviews}
    assert found == {BOB.email: request.head, CAROL.email: newer}


@GITLAB
def test_an_approval_of_an_unknown_time_is_of_the_oldest_version(bench: Bench) -> None:
    request = bench.opened()
    host = host_of(bench)
    host.think(host.pull(1), "bob", "approved")
    host.pulls[0].said.clear()
    newer = bench.commit({"a": b"3"}, on=request.head)
    pushed = bench.as_(ANN).push(1, base=request.base, head=newer, why="", expected=request.head, by=ANN, at=NOW)
    assert [review.head for review in pushed.reviews] == [request.head]


@GITLAB
def test_changes_that_were_asked_for_in_gitlabs_own_pages_count(bench: Bench) -> None:
    request = bench.opened()
    host_of(bench).pulls[0].changes_by.append("carol")
    assert [(r.by, r.verdict, r.head) for r in bench.as_(ANN).get(1).reviews] == [
        (CAROL.email, "changes_requested", request.head)
    ]


@HOSTS
def test_a_reviewer_who_may_not_write_any_more_does_not_count(bench: Bench) -> None:
    request = bench.opened()
    bench.as_(BOB).review(1, "approved", "", head=request.head, by=BOB, at=NOW)
    host_of(bench).readers.add("bob")
    assert bench.as_(ANN).get(1).reviews == ()


@HOSTS
def test_a_login_that_people_yaml_does_not_know_is_nobodys_address(bench: Bench) -> None:
    request = bench.opened()
    host = host_of(bench)
    host.think(host.pull(1), "mallory", "approved", head=request.head)
    assert [review.by for review in bench.as_(ANN).get(1).reviews] == ["mallory@users.noreply.127.0.0.1"]


@HOSTS
def test_a_login_cannot_be_spelt_so_that_it_becomes_an_address(bench: Bench) -> None:
    assert bench.hosted("ann").email("x@example.com,bob").startswith("x")
    assert "bob" not in bench.hosted("ann").email("x@example.com,bob")


# --- who did what ---------------------------------------------------------------------------------------------------


@GITHUB
def test_whoever_pushed_is_an_author_whatever_the_commit_says(bench: Bench) -> None:
    request = bench.opened()
    activity = {
        "ref": f"refs/heads/{host_of(bench).pulls[0].branch}",
        "activity_type": "push",
        "actor": {"login": "bob"},
    }
    host_of(bench).settings["activity"] = [{**activity, "timestamp": "2026-11-24T11:00:00Z"}]
    found = bench.as_(CAROL).get(request.number)
    assert found.authors == {ANN.email, BOB.email}


@GITLAB
def test_whoever_pushed_is_an_author_on_gitlab_too(bench: Bench) -> None:
    request = bench.opened()
    data = {"ref": host_of(bench).pulls[0].branch}
    event = {"author": {"username": "bob"}, "created_at": "2026-11-24T11:00:00Z", "push_data": data}
    host_of(bench).settings["events"] = [event]
    assert bench.as_(CAROL).get(request.number).authors == {ANN.email, BOB.email}


@HOSTS
def test_the_token_of_somebody_else_is_refused(bench: Bench) -> None:
    request = bench.opened()
    with pytest.raises(Denied, match="the token is bob's"):
        bench.hosted("bob").review(1, "approved", "", head=request.head, by=CAROL, at=NOW)


@HOSTS
def test_only_who_opened_it_or_somebody_known_breaks_the_glass(bench: Bench) -> None:
    request = bench.opened()
    host = host_of(bench)
    host.say(host.pull(1), "mallory", f"help\n<!-- stagedoor:break-glass {request.head} -->")
    assert bench.as_(ANN).get(1).broken is None
    host.say(host.pull(1), "bob", f"help\n<!-- stagedoor:break-glass {request.head} -->")
    assert bench.as_(ANN).get(1).broken is not None


# --- the branch of a fork -------------------------------------------------------------------------------------------


@HOSTS
@pytest.mark.parametrize("branch", ["--upload-pack=touch pwned", "main", "$(touch pwned)", "deadbeef" * 5])
def test_a_fork_whose_branch_is_called_like_an_option_or_a_script_is_only_read(bench: Bench, branch: str) -> None:
    head = bench.commit({"a": b"x"})
    host = host_of(bench)
    there = bench.repository.remote(f"file://{host.git_dir}")
    there.push((RefUpdate("refs/heads/fork", None, head),))
    host.open("mallory", branch, "main", "a title", pinned=head)
    request = bench.as_(ANN).get(1)
    assert request.head == head
    with pytest.raises(Denied, match="is in a fork"):
        bench.as_(ANN).push(1, base=request.base, head=head, why="", expected=head, by=ANN, at=NOW)


@HOSTS
def test_a_request_for_another_branch_is_none_of_the_registrys(bench: Bench) -> None:
    bench.opened()
    host_of(bench).git("branch", "release", "main")
    host_of(bench).pulls[0].target = "release"
    assert bench.as_(ANN).requests() == ()


# --- answers that get lost ------------------------------------------------------------------------------------------


@HOSTS
def test_a_request_that_was_opened_though_the_answer_was_lost_is_adopted(bench: Bench) -> None:
    head = bench.commit({"a": b"x"})
    forge = bench.hosted("ann")
    _ = forge.login
    forge._push_branch(f"stagedoor/request-{head[:12]}", None, head)
    host = host_of(bench)
    host.open("ann", f"stagedoor/request-{head[:12]}", "main", "a title")
    made = forge.open("a title", "", base=bench.tip(), head=head, by=ANN, at=NOW)
    assert made.number == 1
    assert len(host.pulls) == 1


@HOSTS
def test_a_merge_that_is_not_possible_yet_is_tried_again_and_then_not_ready(bench: Bench) -> None:
    request = bench.opened()
    host = host_of(bench)
    host.required = ["ci"]
    found = bench.as_(BOB).merge(1, bench.landing(request.head), head=request.head, by=BOB, at=NOW)
    assert isinstance(found, NotReady)
    assert "ci" in found.reason
    assert not found.is_raced
    host.statuses[request.head] = {"ci": "success"}
    assert not isinstance(
        bench.as_(BOB).merge(1, bench.landing(request.head), head=request.head, by=BOB, at=NOW), NotReady
    )


@HOSTS
def test_a_merge_whose_answer_was_lost_is_a_success(bench: Bench) -> None:
    request = bench.opened()
    host, forge = host_of(bench), bench.hosted("bob")
    _ = forge.login
    landing = bench.landing(request.head)
    was = host.answer

    def lose_the_first_merge(sent: Sent) -> tuple[int, Any]:
        done = was(sent)
        if sent.path.endswith("/merge") and sent.method in ("PUT", "POST"):
            host.answer = was  # type: ignore[method-assign]
            return 504, {"message": "timeout"}
        return done

    host.answer = lose_the_first_merge  # type: ignore[method-assign]
    made = forge.merge(1, landing, head=request.head, by=BOB, at=NOW)
    assert not isinstance(made, NotReady)
    assert made.state == "merged"


@HOSTS
def test_what_the_host_would_merge_otherwise_than_planned_is_not_merged(bench: Bench) -> None:
    request = bench.opened()
    other = bench.landing(bench.commit({"b": b"9"}))
    with pytest.raises(Conflict, match="would not merge request 1 as it was planned"):
        bench.as_(BOB).merge(1, other, head=request.head, by=BOB, at=NOW)


@HOSTS
def test_a_signed_approval_has_no_place_on_a_host(bench: Bench) -> None:
    request = bench.opened()
    with pytest.raises(BadInput, match="keeps no signed approvals"):
        bench.as_(BOB).review(1, "approved", "", head=request.head, by=BOB, at=NOW, tag="object …")


@HOSTS
def test_another_api_than_was_named_is_said_so(bench: Bench) -> None:
    bench.opened()
    host_of(bench).failures = [(200, {}, {"what": "is this"})]
    with pytest.raises(Unavailable, match="the host's answer has no"):
        bench.as_(BOB).get(1)


# --- what we write there --------------------------------------------------------------------------------------------


@GITLAB
def test_no_text_of_ours_gives_gitlab_an_order(bench: Bench) -> None:
    bench.opened()
    bench.as_(BOB).comment(1, "see\n/close\n  /label ~x", by=BOB, at=NOW)
    assert bench.as_(ANN).get(1).is_open


@HOSTS
def test_the_sticky_comment_is_edited_and_never_multiplied(bench: Bench) -> None:
    bench.opened()
    forge, host = bench.hosted("bob"), host_of(bench)
    host.say(host.pull(1), "mallory", "<!-- m -->\nforged")
    assert forge.put_sticky(1, "<!-- m -->", "one")
    assert forge.put_sticky(1, "<!-- m -->", "two")
    assert not forge.put_sticky(1, "<!-- m -->", "two")
    assert [(said.by, said.body) for said in host.pulls[0].said if not said.system] == [
        ("mallory", "<!-- m -->\nforged"),
        ("bob", "<!-- m -->\ntwo"),
    ]


# --- teams ----------------------------------------------------------------------------------------------------------


@HOSTS
def test_a_team_of_the_host_owns_what_codeowners_says(bench: Bench) -> None:
    host_of(bench).teams["ml/core"] = ["bob", "zoe"]
    owners = parse("* @ml/core @dan\n", path="CODEOWNERS")
    people = bench.hosted("ann").people_with_owners(bench.people, owners)
    assert people.emails_of("@ml/core") == frozenset({BOB.email, "zoe@users.noreply.127.0.0.1"})
    assert people.emails_of("@dan") == frozenset({"dan@users.noreply.127.0.0.1"})


@HOSTS
def test_a_team_that_nobody_tells_of_owns_nothing_for_anybody(bench: Bench) -> None:
    people = bench.hosted("ann").people_with_owners(bench.people, parse("* @ml/secret\n", path="CODEOWNERS"))
    assert people.emails_of("@ml/secret") is None
