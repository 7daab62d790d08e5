"""Requests from their opening to their end, as three people live them on the command line."""

from __future__ import annotations

import json

import pytest
from tests.apps.conftest import ANN, BOB, CAROL, DAVE, EXCLUSIVE, Home, Sd

FRAUD = "registry_spec/models/fraud.yaml"


@pytest.fixture
def fraud(registry: Home) -> Home:
    """fraud with three versions in None."""
    registry.register("fraud", times=3)
    return registry


# --- the story ------------------------------------------------------------------------------------------------------


def test_a_request_is_opened_approved_and_merged(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", "-m", "beats the baseline", as_=ANN).ok("Asked in request 1.", "None → Staging")
    sd("requests").ok("Move fraud/1 to Staging", ANN)
    sd("request", "show", 1).ok("beats the baseline", f"Waiting for {BOB}, {CAROL}")
    assert fraud.stage_of("fraud/1") == "None"
    sd("approve", 1, "-m", "fine", as_=BOB).ok("Approved request 1", "Ready: stagedoor merge 1")
    sd("merge", 1, as_=ANN).ok("Merged request 1 as ")
    assert fraud.stage_of("fraud/1") == "Staging"
    sd("request", "show", 1).ok("it is merged", "bob@example.com approved: fine")


def test_the_merge_commit_has_two_parents_and_says_who_agreed_to_what(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    head = fraud.git("rev-parse", "refs/pull/1/head")
    sd("approve", 1, as_=BOB).ok()
    sd("merge", 1, as_=ANN).ok()
    assert fraud.git("rev-parse", "main^2") == head
    trailers = fraud.git("log", "-1", "--format=%(trailers:only)", "main")
    assert "Request: 1" in trailers and f"Requested-by: {ANN}" in trailers
    assert f"Approved-by: {BOB} ({head})" in trailers


def test_one_request_shows_in_the_words_of_show(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("show", "fraud/1").ok("request 1 is open")
    assert sd("show", "fraud/1", "--json").json["open_requests"] == [[1, "Move fraud/1 to Staging", ANN]]
    assert sd("show", "fraud/2", "--json").json["open_requests"] == []


def test_several_pairs_land_as_one_merge(fraud: Home, sd: Sd) -> None:
    fraud.register("churn")
    fraud.sd("alias", "fraud/2", "champion").ok()
    sd("request", "fraud@champion=Staging", "churn/1=Production", as_=ANN).ok("2 to move")
    before = int(fraud.git("rev-list", "--count", "--first-parent", "main"))
    sd("approve", 1, as_=CAROL).ok()
    sd("merge", 1).ok()
    assert int(fraud.git("rev-list", "--count", "--first-parent", "main")) == before + 1
    assert (fraud.stage_of("fraud/2"), fraud.stage_of("churn/1")) == ("Staging", "Production")


def test_one_bad_pair_keeps_the_good_ones_from_being_asked(fraud: Home, sd: Sd) -> None:
    before = fraud.refs()
    sd("request", "fraud/1=Staging", "fraud/9=Staging", as_=ANN).refused(4, "fraud has no version 9")
    sd("transition", "fraud/1=Staging", "fraud/2=Nowhere").refused(2, "there is no stage Nowhere")
    assert fraud.refs() == before


def test_a_pair_that_one_owner_may_not_move_keeps_the_others_back(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1=Staging", "fraud/2=Production", as_=ANN).ok()
    sd("approve", 1, as_=BOB).ok(f"Waiting for {CAROL}")
    sd("merge", 1).refused(8, "SD404")
    assert fraud.stage_of("fraud/1") == "None"


def test_archive_existing_displaces_what_is_there(fraud: Home, sd: Sd) -> None:
    sd("transition", "fraud/1", "Production").ok()
    sd("request", "fraud/2", "Production", "--archive-existing", as_=ANN).ok("1 to archive")
    sd("approve", 1, as_=CAROL).ok()
    sd("merge", 1).ok()
    assert (fraud.stage_of("fraud/1"), fraud.stage_of("fraud/2")) == ("Archived", "Production")


# --- each verb refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fraud", "Staging"), 2, "a version is needed"),
        (("fraud/1",), 2, "a version and a stage are needed"),
        (("fraud/1", "Nowhere"), 2, "choose one of: None, Staging, Production, Archived"),
        (("fraud/1", "None"), 7, "it is there already"),
        (("fraud/9", "Staging"), 4, "fraud has no version 9"),
        (("nosuch/1", "Staging"), 4, "there is no model nosuch"),
        (("fraud/1", "Staging", "--in", "7"), 4, "there is no request 7"),
        (("show", "7"), 4, "there is no request 7"),
    ],
)
def test_a_request_for_what_cannot_be_is_refused(
    fraud: Home, sd: Sd, words: tuple[str, ...], code: int, said: str
) -> None:
    before = fraud.refs()
    sd("request", *words, as_=ANN).refused(code, said)
    assert fraud.refs() == before


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "7"),
        ("request-changes", "7", "-m", "no"),
        ("reject", "7"),
        ("cancel", "7"),
        ("comment", "7", "hm"),
        ("update", "7"),
        ("merge", "7"),
        ("plan", "7"),
        ("validate", "7"),
    ],
    ids=lambda words: words[0],
)
def test_a_verb_on_a_request_that_is_not_there_is_refused(fraud: Home, sd: Sd, words: tuple[str, ...]) -> None:
    before = fraud.refs()
    sd(*words).refused(4, "there is no request 7", "stagedoor requests")
    assert fraud.refs() == before


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "1"),
        ("request-changes", "1", "-m", "no"),
        ("reject", "1"),
        ("cancel", "1"),
        ("update", "1"),
        ("merge", "1"),
    ],
    ids=lambda words: words[0],
)
def test_nothing_happens_to_a_request_that_is_over(fraud: Home, sd: Sd, words: tuple[str, ...]) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("cancel", 1, as_=ANN).ok("Cancelled request 1.")
    before = fraud.refs()
    answer = sd(*words)
    assert answer.code == 7 and "is cancelled already" in answer.err
    assert fraud.refs() == before


def test_transition_is_for_the_stages_owner(fraud: Home, sd: Sd) -> None:
    sd("transition", "fraud/1", "Staging", "-m", "by bob", as_=BOB).ok("Moved fraud/1 to Staging (")
    assert "Comment: by bob" in fraud.git("log", "-1", "--format=%B")
    sd("transition", "fraud/1", "Production", as_=BOB).refused(
        6, "@Production is owned by carol@example.com", "stagedoor request fraud/1=Production"
    )


def test_the_cure_that_a_refused_transition_names_works(fraud: Home, sd: Sd) -> None:
    answer = sd("transition", "fraud/1=Staging", "fraud/2=Staging", as_=ANN).refused(
        6, "fix: ask for it: stagedoor request"
    )
    sd(*answer.err.rpartition("stagedoor ")[2].split(), as_=ANN).ok("in request 1", "2 to move")


def test_comments_are_kept_on_requests_and_on_versions(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("comment", 1, "which data?", as_=BOB).ok("Commented on request 1.")
    sd("comment", "fraud/1", "in use", as_=DAVE).ok("Commented on fraud/1.")
    sd("comment", 1).ok("bob@example.com: which data?")
    assert [said["body"] for said in sd("comment", "fraud/1", "--json").json] == ["in use"]
    sd("comment", "fraud/2").ok("No comment.")


def test_a_comment_that_says_nothing_is_refused(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("comment", 1, " ").refused(2, "a comment says something")
    sd("comment", "fraud/1", " ").refused(2)
    sd("comment", "fraud", "x").refused(2, "a version is needed")


def test_a_wish_for_changes_holds_a_request_until_its_owner_approves(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("approve", 1, as_=BOB).ok()
    sd("request-changes", 1, "-m", "describe it", as_=CAROL).ok("Asked for changes in request 1.")
    sd("merge", 1).refused(8, "carol@example.com asked for changes")
    sd("approve", 1, as_=CAROL).ok("Ready")
    sd("merge", 1).ok()


def test_requests_are_listed_by_state_and_by_author(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("request", "fraud/2", "Staging", as_=BOB).ok()
    sd("cancel", 2, as_=BOB).ok()

    def numbers(*options: str, as_: str = ANN) -> list[int]:
        return [one["number"] for one in sd("requests", *options, "--json", as_=as_).json]

    assert numbers() == [1] and numbers("--state", "closed") == [2] and numbers("--state", "all") == [2, 1]
    assert numbers("--mine", "--state", "all", as_=BOB) == [2] and numbers("--state", "merged") == []


@pytest.mark.parametrize(
    "words", [("merge", "1", "--dry-run"), ("plan", "1"), ("validate", "1"), ("request", "show", "1")]
)
def test_looking_at_a_request_changes_no_ref(fraud: Home, sd: Sd, words: tuple[str, ...]) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("approve", 1, as_=BOB).ok()
    before = fraud.refs()
    sd(*words).ok()
    assert fraud.refs() == before


# --- plan and validate ----------------------------------------------------------------------------------------------


def test_plan_speaks_text_json_and_markdown(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("plan", 1).ok("~ version 1: None → Staging", "Plan: 0 to register, 1 to move")
    assert sd("plan", 1, "--json").json == json.loads(sd("plan", 1, "--format", "json").ok().out)
    sd("plan", 1, "--format", "markdown").ok("fraud", "Staging")


def test_plan_of_two_revisions_is_the_plan_of_the_request_between_them(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    one, other = sd("plan", 1, "--json").json, sd("plan", "--head", "refs/pull/1/head", "--json").json
    assert (one["hash"], one["models"]) == (other["hash"], other["models"])


@pytest.mark.parametrize(
    ("words", "code"),
    [((), 2), (("1", "--head", "main"), 2), (("--head", "nosuch"), 4), (("--base", "no", "--head", "main"), 4)],
)
def test_a_plan_of_nothing_is_refused(fraud: Home, sd: Sd, words: tuple[str, ...], code: int) -> None:
    sd("plan", *words).refused(code)


@pytest.mark.parametrize("style", ["text", "json", "github", "sarif", "markdown"])
def test_validate_speaks_five_languages_and_exits_with_8(fraud: Home, sd: Sd, style: str) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    answer = sd("validate", 1, "--format", style)
    assert answer.code == 8 and "SD404" in answer.out and answer.err == ""
    if style in ("json", "sarif"):
        assert json.loads(answer.out)


def test_validate_of_the_whole_registry_of_revisions_and_of_files(fraud: Home, sd: Sd) -> None:
    sd("validate").ok("0 errors, 0 warnings.")
    sd("validate", "--base", "main~1", "--head", "main").ok("0 errors")
    sd("validate", FRAUD).ok("0 errors")
    sd("validate", "registry_spec").ok("0 errors")


def test_validate_of_a_file_names_the_line_of_what_is_wrong(fraud: Home, sd: Sd) -> None:
    (fraud.path / FRAUD).write_text(fraud.text(FRAUD).replace("stage: None", "stage: Stagin", 1))
    answer = sd("validate", FRAUD)
    assert answer.code == 8
    line = 1 + fraud.text(FRAUD).splitlines().index("  stage: Stagin")
    assert "SD302" in answer.out and f"{FRAUD}:{line}" in answer.out


@pytest.mark.parametrize(
    ("words", "code"), [(("nosuch.yaml",), 4), (("1", "--head", "main"), 2), (("--head", "nosuch"), 4)]
)
def test_validate_of_nothing_is_refused(fraud: Home, sd: Sd, words: tuple[str, ...], code: int) -> None:
    sd("validate", *words).refused(code)


# --- open -----------------------------------------------------------------------------------------------------------


def test_open_makes_a_request_of_a_branch_made_by_hand(fraud: Home, sd: Sd) -> None:
    fraud.git("switch", "-q", "-c", "more-owners")
    fraud.commit({".github/CODEOWNERS": fraud.text(".github/CODEOWNERS") + "# more\n"}, "owners: more")
    fraud.git("switch", "-q", "main")
    before = fraud.refs()
    sd("open", "more-owners", "--dry-run").ok("Plan: ")
    assert fraud.refs() == before
    sd("open", "more-owners", as_=ANN).ok("Proposed more-owners in request 1.")
    sd("approve", 1, as_=CAROL).ok("Ready")
    sd("merge", 1).ok()
    assert fraud.text(".github/CODEOWNERS").endswith("# more\n")


@pytest.mark.parametrize(("rev", "code"), [("main", 7), ("nosuch", 4), ("main~1", 7)])
def test_open_of_nothing_new_is_refused(fraud: Home, sd: Sd, rev: str, code: int) -> None:
    sd("open", rev).refused(code)


def test_a_branch_that_changes_a_fact_is_refused(fraud: Home, sd: Sd) -> None:
    fraud.git("switch", "-q", "-c", "forged")
    fraud.commit({FRAUD: fraud.text(FRAUD).replace("s3://models/fraud", "s3://elsewhere", 1)}, "another source")
    fraud.git("switch", "-q", "main")
    sd("open", "forged", as_=ANN).ok()
    sd("approve", 1, as_=CAROL).ok()
    sd("merge", 1).refused(8, "SD2", "source")


def test_a_request_cannot_give_its_author_the_right_to_approve_it(fraud: Home, sd: Sd) -> None:
    """Policy is that of the base."""
    fraud.git("switch", "-q", "-c", "coup")
    fraud.commit({".github/CODEOWNERS": f"* {ANN} {DAVE}\n"}, "owners: us")
    fraud.git("switch", "-q", "main")
    sd("open", "coup", as_=ANN).ok()
    sd("approve", 1, as_=DAVE).ok("It does not count")
    sd("merge", 1, as_=ANN).refused(8, "SD404")


# --- rollback -------------------------------------------------------------------------------------------------------


def test_rollback_asks_for_the_previous_holder_and_archives_the_one_that_is_there(fraud: Home, sd: Sd) -> None:
    sd("transition", "fraud/1", "Production").ok()
    sd("transition", "fraud/3", "Production", "--archive-existing").ok()
    sd("rollback", "fraud", "Production", "-m", "it drifts", as_=ANN).ok("Rolled back fraud Production in request 1.")
    sd("approve", 1, as_=CAROL).ok()
    sd("merge", 1).ok()
    assert (fraud.stage_of("fraud/1"), fraud.stage_of("fraud/3")) == ("Production", "Archived")


def test_rollback_at_once_is_for_the_stages_owner(fraud: Home, sd: Sd) -> None:
    sd("transition", "fraud/1", "Production").ok()
    sd("transition", "fraud/2", "Production", "--archive-existing").ok()
    sd("rollback", "fraud", "Production", "--direct", as_=BOB).refused(6, "@Production", "without --direct")
    sd("rollback", "fraud", "Production", "--direct").ok("Rolled back fraud Production (")
    assert fraud.stage_of("fraud#Production") == "Production" and fraud.stage_of("fraud/2") == "Archived"


def test_rollback_without_a_previous_holder_is_refused(fraud: Home, sd: Sd) -> None:
    sd("transition", "fraud/1", "Production").ok()
    sd("rollback", "fraud", "Production").refused(7, "no other version of fraud was ever in Production")
    sd("rollback", "nosuch", "Production").refused(4)
    sd("rollback", "fraud", "Nowhere").refused(2)


# --- two requests ---------------------------------------------------------------------------------------------------


def test_requests_on_neighbouring_versions_both_merge(fraud: Home, sd: Sd) -> None:
    for number in (1, 2, 3):
        sd("request", f"fraud/{number}", "Staging", as_=ANN).ok()
        sd("approve", number, as_=BOB).ok()
    for number in (2, 1, 3):
        sd("merge", number).ok()
    assert [fraud.stage_of(f"fraud/{n}") for n in (1, 2, 3)] == ["Staging"] * 3


def test_of_two_registrations_the_second_takes_the_next_number_by_update(fraud: Home, sd: Sd) -> None:
    for source in ("s3://first", "s3://second"):
        sd("register", "fraud", "--source", source, "--request", as_=DAVE).ok()
    sd("approve", 1, as_=ANN).ok()
    sd("approve", 2, as_=ANN).ok()
    sd("merge", 1).ok()
    sd("merge", 2).refused(9, "fraud/4 was registered on main meanwhile", "fraud/5", "stagedoor update 2")
    sd("update", 2, as_=DAVE).ok("fraud/4 is fraud/5 now.")
    sd("merge", 2).refused(8, "SD404")
    sd("approve", 2, as_=ANN).ok()
    sd("merge", 2).ok()
    assert sd("show", "fraud/4", "--json").json["version"]["source"] == "s3://first"
    assert sd("show", "fraud/5", "--json").json["version"]["source"] == "s3://second"
    sd("validate").ok("0 errors")


def test_an_alias_follows_its_version_to_the_next_number(fraud: Home, sd: Sd) -> None:
    number = fraud.number("register", "fraud", "--source", "s3://mine", "--request", as_=DAVE)
    sd("alias", "fraud/4", "challenger", "--in", number, as_=DAVE).ok()
    fraud.register("fraud")
    sd("update", number, as_=DAVE).ok("fraud/4 is fraud/5 now.")
    sd("approve", number, as_=CAROL).ok()
    sd("merge", number).ok()
    assert sd("show", "fraud@challenger", "--json").json["version"]["version"] == 5


def test_a_request_is_not_merged_on_an_old_plan(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("approve", 1, as_=CAROL).ok()
    sd("transition", "fraud/1", "Production").ok()
    before = fraud.refs()
    sd("merge", 1).refused(9, "request 1")
    sd("update", 1, as_=ANN).refused(9, "the stage of fraud/1 is 'Production' by now")
    assert fraud.refs() == before and fraud.stage_of("fraud/1") == "Production"


def test_whom_a_request_displaces_is_not_decided_by_an_old_plan(fraud: Home, sd: Sd) -> None:
    """The request archives version 1; by the time it merges version 3 is in Production too."""
    fraud.configure(EXCLUSIVE)
    sd("transition", "fraud/1", "Production").ok()
    sd("request", "fraud/2", "Production", "--archive-existing", as_=ANN).ok()
    sd("approve", 1, as_=CAROL).ok()
    sd("transition", "fraud/3", "Production", "--archive-existing").ok()
    answer = sd("merge", 1)
    assert answer.code in (8, 9), answer
    assert fraud.stage_of("fraud/3") == "Production" and fraud.stage_of("fraud/2") == "None"


def test_a_request_that_main_has_already_is_refused(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("approve", 1, as_=BOB).ok()
    sd("transition", "fraud/1", "Staging").ok()
    answer = sd("merge", 1)
    assert answer.code in (7, 9) and "main has all" in answer.err
    sd("cancel", 1, as_=ANN).ok()


def test_a_request_survives_what_others_do_elsewhere(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("approve", 1, as_=BOB).ok()
    fraud.register("fraud")
    fraud.register("churn")
    sd("describe", "fraud", "elsewhere", as_=ANN).ok()
    sd("merge", 1).ok()
    assert sd("show", "fraud", "--json").json["model"]["description"] == "elsewhere"


def test_two_fine_requests_that_fill_an_exclusive_stage_are_not_both_merged(fraud: Home, sd: Sd) -> None:
    fraud.configure(EXCLUSIVE)
    for number in (1, 3):
        sd("request", f"fraud/{number}", "Production", as_=ANN).ok()
    for number in (1, 2):
        sd("approve", number, as_=CAROL).ok("Ready")
    sd("merge", 1).ok()
    sd("merge", 2).refused(8, "SD304", "versions 1 and 3 would both be in Production", "--archive-existing")
    assert fraud.stage_of("fraud/3") == "None"


# --- approvals ------------------------------------------------------------------------------------------------------


def test_approvals_die_with_a_new_push(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("approve", 1, as_=BOB).ok()
    sd("describe", "fraud/1", "more", "--in", 1, as_=ANN).ok()
    sd("merge", 1).refused(8, "SD404")
    sd("request", "show", 1).ok("approved (of an older head)")
    sd("approve", 1, as_=BOB).ok()
    sd("merge", 1).ok()
    assert sd("show", "fraud/1", "--json").json["version"]["description"] == "more"


def test_an_approval_of_a_head_that_is_not_the_newest_is_refused(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    seen = fraud.git("rev-parse", "refs/pull/1/head")
    sd("tag", "fraud/1", "a=b", "--in", 1, as_=ANN).ok()
    sd("approve", 1, "--head", seen, as_=BOB).refused(9, "request 1 is at", "look again")


def test_an_authors_own_approval_is_refused(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=BOB).ok()
    sd("approve", 1, as_=BOB).refused(6, "bob@example.com opened request 1 and cannot approve it")
    sd("approve", 1, as_="BOB@Example.com").refused(6)


def test_an_author_approves_where_the_registry_lets_them(fraud: Home, sd: Sd) -> None:
    fraud.configure("owners:\n  author_may_approve: true\n")
    sd("request", "fraud/1", "Staging", as_=BOB).ok()
    sd("approve", 1, as_=BOB).ok("Ready")


@pytest.mark.parametrize("who", [ANN, DAVE])
def test_an_approval_by_somebody_who_does_not_own_it_does_not_count(fraud: Home, sd: Sd, who: str) -> None:
    sd("request", "fraud/1", "Staging", as_=CAROL).ok()
    sd("approve", 1, as_=who).ok("It does not count")
    sd("merge", 1).refused(8, "SD404")


def test_cancel_is_for_the_author_and_the_owners(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("cancel", 1, as_=DAVE).refused(6, "is ann@example.com's to cancel")
    sd("cancel", 1, "-m", "not now", as_=ANN).ok()
    sd("request", "show", 1).ok("it is cancelled", "not now")


def test_reject_is_for_the_owners(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Production", as_=DAVE).ok()
    sd("reject", 1, as_=DAVE).refused(6)
    sd("reject", 1, as_=BOB).refused(6, "owns nothing that request 1 touches")
    sd("reject", 1, "-m", "no", as_=CAROL).ok("Rejected request 1.")
    sd("requests", "--state", "closed").ok("rejected")


def test_in_adds_a_move_to_an_open_request(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("request", "fraud/2", "Staging", "--in", 1, as_=ANN).ok()
    assert [one["number"] for one in sd("requests", "--json").json] == [1]
    sd("plan", 1).ok("2 to move")


def test_update_of_a_request_on_the_newest_main_changes_nothing(fraud: Home, sd: Sd) -> None:
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    before = fraud.refs()
    sd("update", 1, as_=ANN).ok("is on the newest main already")
    assert fraud.refs() == before
