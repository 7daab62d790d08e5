"""`stagedoor demo`, run as a newcomer does, and the registry that it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import smtplib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from stagedoor.apps.cli.demo.mailbox import Mailbox
from stagedoor.apps.cli.demo.shell import _folded

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "windfarm_data.csv"
NO_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def stagedoor(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    # nobody's identity, and an actor that the demo has to pass over
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "STAGEDOOR_"))}
    line = [sys.executable, "-m", "stagedoor.apps.cli.main", *words]
    environment = clean | NO_CONFIG | {"STAGEDOOR_AS": "zoe@example.com"}
    return subprocess.run(line, cwd=at, env=environment, capture_output=True, encoding="utf-8", check=False)


def git(*words: str, at: Path) -> str:
    line = ["git", "-C", str(at), *words]
    return subprocess.run(line, env=os.environ | NO_CONFIG, capture_output=True, encoding="utf-8", check=True).stdout


@dataclass(frozen=True)
class Played:
    """The folder that the demo left, and what it printed."""

    directory: Path
    text: str

    def after(self, command: str) -> str:
        """What was printed from a command on, up to the next one."""
        return self.text[self.text.index(command) :].partition("\n\n$ ")[0]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    at = tmp_path_factory.mktemp("newcomer")
    start = time.monotonic()
    done = stagedoor("demo", at=at)
    print(f"the demo took {time.monotonic() - start:.1f} s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return Played(at / "stagedoor-demo", done.stdout)


def test_the_validator_refuses_for_a_reason_and_names_the_cure(played: Played) -> None:
    said = played.after("stagedoor -C stagedoor-demo validate 3")
    assert "SD403 gate evidence: wind-power/2 has no description" in said
    assert "fix: stagedoor describe wind-power/2 TEXT" in said
    assert "(exit code 8)" in said


def test_neither_the_author_nor_a_colleague_brings_it_into_production(played: Played) -> None:
    assert "ann@example.com opened request 3 and cannot approve it" in played.text
    assert "approval by 1 of carol@example.com" in played.after(
        "stagedoor -C stagedoor-demo merge 3 --as bob@example.com"
    )


def test_main_reads_as_the_story(played: Played) -> None:
    assert git("log", "--first-parent", "--format=%s", at=played.directory).splitlines() == [
        "Merge request 3: Move wind-power/2 to Production",
        "Move wind-power/2 to Staging",
        "Register wind-power/2",
        "Merge request 2: Move wind-power/1 to Production",
        "Move wind-power/1 to Staging",
        "Register wind-power/1",
        "Merge request 1: Say who may what, and what Production asks for",
        "Make a model registry",
        "Train models of the wind farm",
    ]
    parents = git("log", "--first-parent", "--merges", "--format=%p", at=played.directory).splitlines()
    assert [len(line.split()) for line in parents] == [2, 2, 2]


def test_the_merge_says_who_asked_and_who_agreed(played: Played) -> None:
    said = git("log", "-1", "--format=%(trailers)", at=played.directory)
    assert "Requested-by: ann@example.com" in said
    assert re.search(r"^Approved-by: carol@example.com \([0-9a-f]{40}\)$", said, re.M)


def test_mail_lies_there_in_text_and_in_html(played: Played) -> None:
    mails = Mailbox(played.directory / "mail").mails()
    production = [mail for mail in mails if "wind-power/2 from Staging to Production" in mail.subject]
    # the desk by its route, Ann as the one who registered it, Bob because he commented
    assert sorted(mail.recipients for mail in production) == [
        ("ann@example.com",),
        ("bob@example.com",),
        ("desk@example.com",),
    ]
    for mail in production:
        assert mail.sender == "registry@example.com"
        assert "carol@example.com moved wind-power/2 from Staging to Production" in mail.text
        assert "<html" in mail.html
        assert "carol@example.com moved wind-power/2 from Staging to Production" in mail.html


def test_the_ledger_says_that_every_mail_was_delivered_and_once(played: Played) -> None:
    done = stagedoor("reconcile", "--status", "--json", at=played.directory)
    status = json.loads(done.stdout)
    mails = Mailbox(played.directory / "mail").mails()
    assert status["counts"] == {"delivered": len(mails)}
    assert status["waiting"] == []
    assert status["cursor"]["main"] == git("rev-parse", "main", at=played.directory).strip()


def test_lineage_is_of_files_and_commits_that_are_there(played: Played) -> None:
    found = json.loads(stagedoor("show", "wind-power#Production", "--json", at=played.directory).stdout)
    version = found["version"]
    artifact = Path(version["source"].removeprefix("file://"))
    weather = played.directory / "data" / "weather.csv"
    assert version["digest"] == f"sha256:{hashlib.sha256(artifact.read_bytes()).hexdigest()}"
    assert version["data"][0]["digest"] == f"sha256:{hashlib.sha256(weather.read_bytes()).hexdigest()}"
    assert git("cat-file", "-t", version["code"]["commit"], at=played.directory) == "commit\n"
    assert {"rmse", "mae", "r2"} <= version["metrics"].keys()


def test_the_registry_is_in_order_and_the_checkout_clean(played: Played) -> None:
    assert stagedoor("validate", "--strict", at=played.directory).returncode == 0
    assert git("status", "--short", at=played.directory) == ""


def test_what_is_printed_can_be_typed_again(played: Played) -> None:
    commands = re.findall(r"^\$ (stagedoor (?:.*\\\n)*.*)", played.text, re.M)
    assert len(commands) > 15
    for command in commands:
        words = shlex.split(command.replace("\\\n", ""))
        assert words[1:3] == ["-C", "stagedoor-demo"]
    looks = re.findall(r"^  stagedoor (.*)$", played.text, re.M)
    for look in looks:
        done = stagedoor(*shlex.split(look), at=played.directory.parent)
        assert done.returncode == 0, done.stderr


def test_nothing_foreign_stands_in_it(played: Played) -> None:
    people = set(git("log", "--all", "--format=%ae%n%ce", at=played.directory).split())
    assert people <= {f"{name}@example.com" for name in ("ann", "bob", "carol", "registry")}


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    done = stagedoor("demo", "mine", at=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: mine is there already")
    assert "fix: stagedoor demo DIR" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_bad_data_file_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n")
    done = stagedoor("demo", "here", "--data", "bad.csv", at=tmp_path)
    assert done.returncode == 2
    assert "at: bad.csv:1" in done.stderr
    assert not (tmp_path / "here").exists()


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published data are not here")
def test_it_plays_on_the_published_data_too(tmp_path: Path) -> None:
    done = stagedoor("-C", "below", "demo", "here", "--data", str(PUBLISHED), at=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2555 days of weather" in done.stdout
    assert (tmp_path / "below" / "here" / "data" / "weather.csv").read_bytes() == PUBLISHED.read_bytes()


# --- its parts ------------------------------------------------------------------------------------------------------


def test_the_mailbox_keeps_what_it_gets(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "mail")
    with mailbox.listening() as port, smtplib.SMTP("127.0.0.1", port) as client:
        text = "From: a@example.com\nTo: team@example.com\nSubject: Grüße\n\nhello\n"
        client.sendmail("a@example.com", ["b@example.com", "c@example.com"], text.encode())
    (mail,) = mailbox.mails()
    assert mail.recipients == ("b@example.com", "c@example.com")
    assert (mail.sender, mail.text.strip(), mail.html) == ("a@example.com", "hello", "")
    assert mail.path == tmp_path / "mail" / "001.eml"


@pytest.mark.parametrize("words", [["a", "-b"], ["x" * 200, "-m", "y z", "--flag", "-m", "w" * 100], ["-a", "-b", "c"]])
def test_a_folded_line_has_the_same_words(words: list[str]) -> None:
    line = _folded(map(shlex.quote, ["printf", "%s\\0", "--", *words]))
    said = subprocess.run(["sh", "-c", line], capture_output=True, encoding="utf-8", check=True).stdout
    assert said.removeprefix("--\0").split("\0")[:-1] == words
