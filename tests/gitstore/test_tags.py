"""Signed tag objects: made here, verified by git; made by git, read here."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stagedoor.errors import BadInput
from stagedoor.gitstore import Repository, Signature
from stagedoor.gitstore.tags import encode_tag, fault_of, read_tag, sign

NOW = datetime(2026, 11, 24, 10, 15, tzinfo=UTC)
CAROL = Signature("Carol", "carol@example.com", NOW)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "carol", "-f", path], check=True)
    return path


@pytest.fixture
def signers(key: Path) -> bytes:
    return f"carol@example.com {key.with_suffix('.pub').read_text()}".encode()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.init(tmp_path / "r", bare=True)


def commit(repository: Repository, *parents: str, mergetags: tuple[str, ...] = ()) -> str:
    tree = repository.write_tree(None, {"a": b"b"})
    return repository.commit(tree, parents, author=CAROL, committer=CAROL, message="x", mergetags=mergetags)


def git(repository: Repository, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *args], cwd=repository.git_dir, input=stdin, capture_output=True, text=True, check=False
    )


def test_git_verifies_the_tag_that_we_sign_alone_and_inside_a_merge(
    repository: Repository, key: Path, signers: bytes, tmp_path: Path
) -> None:
    (tmp_path / "signers").write_bytes(signers)
    trusted = ("-c", f"gpg.ssh.allowedSignersFile={tmp_path / 'signers'}")
    base = commit(repository)
    head = commit(repository, base)
    text = sign(encode_tag(head, "approve/3", CAROL, "Approve request 3: it\n\n    well done"), str(key))
    oid = git(repository, "hash-object", "-t", "tag", "-w", "--stdin", stdin=text).stdout.strip()
    assert 'Good "git" signature for carol@example.com' in git(repository, *trusted, "verify-tag", oid).stderr
    merge = commit(repository, base, head, mergetags=(text, text))
    shown = git(repository, *trusted, "show", "--no-patch", "--show-signature", merge).stdout
    assert shown.count('Good "git" signature for carol@example.com') == 2
    assert "merged tag 'approve/3'" in shown
    assert git(repository, "fsck", "--strict").returncode == 0
    assert repository.commit_info(merge).mergetags == (text, text)
    assert repository.commit_info(merge).message == "x\n"


def test_a_tag_reads_to_what_it_was_made_of(repository: Repository, key: Path, signers: bytes) -> None:
    head = commit(repository)
    payload = encode_tag(head, "approve/3", CAROL, "Approve")
    tag = read_tag(sign(payload, str(key)))
    assert tag is not None
    assert (tag.target, tag.name, tag.tagger, tag.payload) == (head, "approve/3", CAROL, payload)
    assert fault_of(tag, signers, "carol@example.com", NOW) is None
    plain = read_tag(payload)
    assert plain is not None
    assert fault_of(plain, signers, "carol@example.com", NOW) == "is not signed"
    assert read_tag("no tag") is None


def test_another_word_another_signer_and_another_time_are_refused(
    repository: Repository, key: Path, signers: bytes
) -> None:
    text = sign(encode_tag(commit(repository), "approve/3", CAROL, "Approve"), str(key))
    refused = "no key of {} that is allowed then made its signature"
    forged = read_tag(text.replace("approve/3", "approve/4"))
    assert forged is not None
    assert fault_of(forged, signers, "carol@example.com", NOW) == refused.format("carol@example.com")
    tag = read_tag(text)
    assert tag is not None
    assert fault_of(tag, signers, "bob@example.com", NOW) == refused.format("bob@example.com")
    assert fault_of(tag, b"", "carol@example.com", NOW) == refused.format("carol@example.com")
    until = signers.replace(b" ssh-", b' valid-before="20261201" ssh-')
    assert fault_of(tag, until, "carol@example.com", NOW) is None
    assert fault_of(tag, until, "carol@example.com", NOW + timedelta(days=30)) is not None
    assert fault_of(tag, signers, "*", NOW) == "'*' cannot be the name of a signer"


def test_a_key_in_an_agent_signs_by_its_public_half(
    repository: Repository, key: Path, signers: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = subprocess.run(["ssh-agent", "-s", "-a", tmp_path / "agent"], capture_output=True, text=True, check=True)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    pid = started.stdout.partition("SSH_AGENT_PID=")[2].partition(";")[0]
    try:
        subprocess.run(["ssh-add", "-q", key], check=True)
        public = key.with_suffix(".pub").read_text()
        tag = read_tag(sign(encode_tag(commit(repository), "approve/3", CAROL, "Approve"), f"key::{public}"))
    finally:
        subprocess.run(["kill", pid], check=False)
    assert tag is not None
    assert fault_of(tag, signers, "carol@example.com", NOW) is None


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no key"):
        sign("x\n", str(tmp_path / "missing"))
    (tmp_path / "empty").touch(mode=0o600)
    with pytest.raises(BadInput, match="ssh-keygen does not sign"):
        sign("x\n", str(tmp_path / "empty"))
