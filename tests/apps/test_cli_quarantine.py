"""`stagedoor quarantine`: artifacts that come into no stage, under any name."""

from __future__ import annotations

from tests.apps.conftest import ANN, BOB, CAROL, CODEOWNERS, DAVE, EXCLUSIVE, Home, Sd

DIGEST = "sha256:" + "ab" * 32
FILE = "registry_spec/quarantine.yaml"


def bad(registry: Home, name: str = "fraud") -> None:
    """A version with the digest that goes bad."""
    registry.register(name, "--digest", DIGEST)


def test_an_artifact_goes_into_quarantine_by_a_request_of_the_owner_of_the_file(registry: Home, sd: Sd) -> None:
    bad(registry)
    number = registry.number("quarantine", "add", "fraud/1", "--reason", "poisoned", as_=ANN)
    sd("request", "show", number).ok(f"~ {FILE}", "needs: approval by 1 of carol@example.com")
    assert sd("quarantine", "list").ok().out == "Nothing is in quarantine.\n"
    sd("approve", number, as_=CAROL).ok()
    sd("merge", number, as_=CAROL).ok()
    (found,) = sd("quarantine", "list", "--json").json
    assert (found["digest"], found["reason"], found["by"]) == (DIGEST, "poisoned", ANN)
    assert [(held["model"], held["version"], held["stage"]) for held in found["holders"]] == [("fraud", 1, "None")]


def test_the_files_owner_may_do_it_at_once_and_nobody_else(registry: Home, sd: Sd) -> None:
    bad(registry)
    sd("reconcile").ok()
    sd("quarantine", "add", DIGEST, "--reason", "x", "--direct", as_=ANN).refused(
        6, f"{FILE} is owned by {CAROL}", "ask for it: the same command without --direct"
    )
    sd("quarantine", "add", DIGEST, "--reason", "x", "--direct", as_=CAROL).ok(f"Put {DIGEST} into quarantine (")
    assert [event["kind"] for event in sd("reconcile", "--json").json["events"]] == ["policy.changed"]


def test_a_registry_may_take_it_by_a_request_only(registry: Home, sd: Sd) -> None:
    registry.configure("direct:\n- register\n")
    sd("quarantine", "add", DIGEST, "--reason", "x", "--direct", as_=CAROL).refused(6, "by a request only")


def test_a_bad_artifact_comes_into_no_stage_under_another_name_or_number(registry: Home, sd: Sd) -> None:
    bad(registry)
    sd("quarantine", "add", "fraud/1", "--reason", "poisoned", "--direct", as_=CAROL).ok()
    for name in ("fraud", "innocent"):
        answer = sd("register", name, "--source", "s3://x", "--digest", DIGEST.upper().replace("SHA", "sha"), as_=ANN)
        answer.refused(8, "SD410", "is in quarantine since", "poisoned")
    sd("transition", "fraud/1", "Production", as_=CAROL).refused(8, "SD410", "poisoned")
    number = registry.number("request", "fraud/1", "Staging", as_=ANN)
    sd("break-glass", number, "-m", "now", as_=ANN).ok()
    for who in (BOB, CAROL):
        sd("approve", number, as_=who).ok()
    sd("merge", number, as_=CAROL).refused(8, "SD410")


def test_what_is_in_production_is_named_with_the_way_back(registry: Home, sd: Sd) -> None:
    registry.configure(EXCLUSIVE)
    registry.register("fraud", "--digest", "sha256:" + "00" * 32)
    bad(registry)
    sd("transition", "fraud/1", "Production", as_=CAROL).ok()
    sd("transition", "fraud/2", "Production", "--archive-existing", as_=CAROL).ok()
    answer = sd("quarantine", "add", "fraud/2", "--reason", "x", "--direct", as_=CAROL).ok()
    assert "fraud/2 has this artifact and is in Production now: stagedoor rollback fraud Production" in answer.err
    sd("quarantine", "list").ok("fraud/2 (Production)")
    sd("rollback", "fraud", "Production", "--direct", as_=CAROL).ok()
    assert registry.stage_of("fraud/1") == "Production"


def test_what_people_wrote_into_the_file_stays(registry: Home, sd: Sd) -> None:
    for digest in (DIGEST, "md5:1"):
        sd("quarantine", "add", digest, "--reason", "x", "--direct", as_=CAROL).ok()
    registry.git("reset", "-q", "--hard")
    registry.commit({FILE: registry.text(FILE).replace("- digest: md5:1", "# ask dave\n- digest: md5:1")})
    sd("quarantine", "add", "md5:2", "--reason", "x", "--direct", as_=CAROL).ok()
    sd("quarantine", "remove", DIGEST.upper(), "--direct", as_=CAROL).ok("out of quarantine")
    assert "# ask dave\n- digest: md5:1\n" in registry.git("show", f"main:{FILE}")
    sd("validate").ok("0 errors, 0 warnings.")


def test_a_released_artifact_moves_again(registry: Home, sd: Sd) -> None:
    bad(registry)
    sd("quarantine", "add", "fraud/1", "--reason", "x", "--direct", as_=CAROL).ok()
    number = registry.number("quarantine", "remove", DIGEST, "-m", "a false alarm", as_=DAVE)
    sd("approve", number, as_=CAROL).ok()
    sd("merge", number, as_=CAROL).ok()
    sd("transition", "fraud/1", "Staging", as_=BOB).ok()


def test_what_makes_no_sense_is_refused(registry: Home, sd: Sd) -> None:
    registry.register()
    sd("quarantine", "add", "fraud/1", "--reason", "x").refused(7, "fraud/1 records no digest")
    sd("quarantine", "add", "no/1", "--reason", "x").refused(4, "no")
    sd("quarantine", "add", DIGEST, "--reason", " ").refused(2, "a reason has between")
    sd("quarantine", "remove", DIGEST).refused(4, "is not in quarantine")
    sd("quarantine", "add", DIGEST, "--reason", "x", "--direct", "--in", 1).refused(2, "give one of the two")
    sd("quarantine", "add", DIGEST, "--reason", "first", "--direct", as_=CAROL).ok()
    sd("quarantine", "add", DIGEST[7:], "--reason", "x").refused(5, "first")


def test_who_owns_the_file_alone_may_be_somebody_else(registry: Home, sd: Sd) -> None:
    registry.commit({".github/CODEOWNERS": f"{CODEOWNERS}/{FILE} {DAVE}\n"})
    sd("quarantine", "add", DIGEST, "--reason", "x", "--direct", as_=CAROL).refused(6, f"owned by {DAVE}")
    sd("quarantine", "add", DIGEST, "--reason", "x", "--direct", as_=DAVE).ok()
