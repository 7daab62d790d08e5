"""The command line of the audit, as auditors run it: on bare clones, with checkpoints, told in text and JSON."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.apps.conftest import ANN, CAROL, Home, Sd, plain_git


@pytest.fixture
def story(registry: Home) -> Home:
    """Three requests that landed after the set-up, and where the audit has to begin therefore."""
    registry.register("fraud", times=2)
    registry.git("branch", "start")
    for ref in ("fraud/1", "fraud/2"):
        number = registry.number("request", ref, "Staging")
        registry.sd("approve", number, as_=CAROL).ok()
        registry.sd("merge", number, as_=CAROL).ok()
    return registry


def test_the_first_bad_commit_is_named_with_the_reason(registry: Home, sd: Sd) -> None:
    bad = registry.git("rev-parse", "HEAD")
    registry.register()
    found = sd("audit", "verify")
    assert found.code == 8
    assert f"x the first commit at fault is {bad[:10]} of" in found.out
    assert "owners: stage lines" in found.out
    assert (
        f"    unreviewed {CAROL} wrote it without a request: .github/CODEOWNERS changes: this registry takes"
        in found.out
    )
    assert "3 commits from the beginning to" in found.out
    assert "1 at fault." in found.out
    assert found.err == ""


def test_what_holds_is_summed_up(story: Home, sd: Sd) -> None:
    found = sd("audit", "verify", "--since", "start").ok()
    since, until = story.git("rev-parse", "start"), story.git("rev-parse", "main")
    assert found.out.splitlines() == [
        f"2 commits from {since[:10]} to {until[:10]} (2 requests, 0 direct, 0 that left the registry alone), "
        "2 transitions: every one of them holds.",
        "2 approvals: 0 signed and verified, 2 compared with the request, 0 attested by the merge alone.",
    ]
    data = sd("audit", "verify", "--since", "start", "--json").json
    assert (data["ok"], data["commits"], data["to"], data["bad"]) == (True, 2, until, [])


def test_a_bare_clone_says_that_it_has_no_requests_and_strict_refuses_their_word(story: Home, tmp_path: Path) -> None:
    plain_git(tmp_path, "clone", "-q", "--bare", str(story.path), "bare.git")
    sd = Sd(tmp_path / "bare.git")
    sd("audit", "verify", "--since", "start").ok(
        "2 attested by the merge alone",
        "No request is here to compare with: git fetch origin '+refs/pull/*:refs/pull/*'",
    )
    strict = sd("audit", "verify", "--since", "start", "--strict", "--json")
    assert strict.code == 8
    assert '"code": "attested"' in strict.out


def test_a_merge_that_was_taken_away_shows_against_a_checkpoint(story: Home, sd: Sd, tmp_path: Path) -> None:
    kept = tmp_path / "march.json"
    sd("audit", "verify", "--since", "start", "--write-checkpoint", kept).ok(f"Checkpoint written to {kept}.")
    gone = story.git("rev-parse", "HEAD")
    story.register("churn")
    sd("audit", "verify", "--since", "start", "--checkpoint", kept).ok("Main holds every commit of the checkpoint")
    story.git("reset", "-q", "--hard", "HEAD~2")
    story.register("churn")
    found = sd("audit", "verify", "--since", "start", "--checkpoint", kept, "--write-checkpoint", kept)
    assert found.code == 8
    assert f"x checkpoint: main still holds commit 5 ({story.git('rev-parse', 'HEAD~1')[:10]})" in found.out
    assert f"and not commit 6 ({gone[:10]})" in found.out
    assert "No checkpoint was written." in found.out
    assert gone in kept.read_text()


def test_a_rewritten_history_shows_against_a_checkpoint(story: Home, sd: Sd, tmp_path: Path) -> None:
    kept = tmp_path / "march.json"
    sd("audit", "verify", "--since", "start", "--write-checkpoint", kept).ok()
    stream = story.git("fast-export", "main").replace("Carol <carol@example.com>", "Karol <carol@example.com>")
    plain_git(story.path, "fast-import", "--quiet", "--force", stdin=stream + "\n")
    found = sd("audit", "verify", "--checkpoint", kept)
    assert found.code == 8
    assert "x checkpoint: main still holds commit 1 (" in found.out


@pytest.mark.parametrize(
    ("options", "code", "what"),
    [
        (("--checkpoint", "nothing.json"), 2, "the file cannot be read"),
        (("--checkpoint", "."), 2, "the file cannot be read"),
        (("--checkpoint", "odd.json"), 2, "this is no checkpoint"),
        (("--allowed-signers", "nothing"), 2, "the file cannot be read"),
        (("--since", "nothing"), 4, "there is no revision"),
        (("--since", "refs/pull/1/head"), 10, "is not on the first-parent history"),
        (("--since", "start", "--write-checkpoint", "no/such/folder.json"), 2, "the file cannot be written"),
    ],
)
def test_bad_input_is_refused(
    story: Home, sd: Sd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...], code: int, what: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.json").write_text("{}")
    sd("audit", "verify", *options).refused(code, what)


def test_a_shallow_clone_refuses(story: Home, clone: Callable[..., Home]) -> None:
    shallow = clone("shallow", "--depth", "1")
    shallow.sd("audit", "verify").refused(10, "this clone is shallow")


def test_the_audit_of_a_registry_in_a_folder_of_a_monorepo(sd: Sd, tmp_path: Path) -> None:
    top = tmp_path / "mono"
    plain_git(tmp_path, "init", "-q", "-b", "main", "mono")
    plain_git(top, "config", "user.email", CAROL)
    plain_git(top, "config", "user.name", "Carol")
    plain_git(top, "commit", "-q", "--allow-empty", "-m", "start")
    sd("--registry", "team", "init", top, "--owner", CAROL).ok()
    (top / "app.py").write_text("pass\n")
    plain_git(top, "add", "-A")
    plain_git(top, "commit", "-q", "-m", "an app")
    sd("register", "fraud", "--source", "s3://x", dir=top, as_=CAROL).ok()
    found = sd("audit", "verify", "--json", dir=top).json
    assert found["lanes"] == {"untouched": 2, "founding": 1, "direct": 1}


def test_annotated_names_of_people_and_models_move_no_cursor(story: Home, sd: Sd) -> None:
    registry_file = "registry_spec/registry.yaml"
    story.git("config", "user.email", ANN)
    story.commit({registry_file: story.text(registry_file) + "description: x\n"}, "sneaky \x1b[2J subject")
    found = sd("audit", "verify", "--since", "start")
    assert found.code == 8
    assert "\x1b" not in found.out


def test_evidence_is_written_and_verifies(story: Home, sd: Sd, tmp_path: Path) -> None:
    file = tmp_path / "out.tar.gz"
    told = sd("evidence", "fraud/1", "-o", file).ok("python3 evidence-fraud_2F1/verify.py", "2 steps of fraud/1")
    assert str(file) in told.out
    with tarfile.open(file) as tar:
        tar.extractall(tmp_path, filter="data")
    script = tmp_path / "evidence-fraud_2F1/verify.py"
    done = subprocess.run([sys.executable, "-I", script], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout
    assert f"all of it leads to {story.git('rev-parse', 'main~1')}" in done.stdout
    again = sd("evidence", "fraud/1", "-o", file, "--json").json
    assert (again["ref"], again["steps"], again["last"]) == ("fraud/1", 2, story.git("rev-parse", "main~1"))


@pytest.mark.parametrize(("ref", "code"), [("fraud", 2), ("fraud/x", 2), ("fraud/99", 4), ("../x/1", 4)])
def test_evidence_of_nothing_is_refused(story: Home, sd: Sd, ref: str, code: int) -> None:
    sd("evidence", ref).refused(code)
