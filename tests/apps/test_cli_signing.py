"""Approvals that are signed: asked for by a stage, made with an SSH key, carried by the merge, verified by git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.apps.conftest import ANN, BOB, CAROL, Home, Sd


def key_of(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return key_of(tmp_path, "carol")


@pytest.fixture
def guarded(registry: Home, key: Path) -> Home:
    """Production asks for signed approvals, and carol's key is allowed."""
    registry.commit(
        {
            "registry_spec/allowed_signers": f"{CAROL} {key.with_suffix('.pub').read_text()}",
            "registry_spec/registry.yaml": registry.text("registry_spec/registry.yaml")
            + "stages:\n- name: None\n- name: Staging\n- name: Production\n  signed: true\n- name: Archived\n",
        },
        "policy: Production takes signed approvals",
    )
    registry.register("fraud")
    return registry


def test_an_approval_that_is_not_signed_does_not_count(guarded: Home, sd: Sd) -> None:
    number = guarded.number("request", "fraud/1", "Production", as_=ANN)
    sd("approve", number, as_=CAROL).ok("It does not count: this stage takes signed approvals")
    sd("merge", number, as_=CAROL).refused(8, "SD404", "signed approval by 1 of carol@example.com")
    assert "carol@example.com is not signed" in sd("request", "show", number).out


def test_a_signed_approval_counts_and_git_verifies_it_in_the_merge(guarded: Home, sd: Sd, key: Path) -> None:
    number = guarded.number("request", "fraud/1", "Production", as_=ANN)
    sd("approve", number, "--sign", "--key", key, "-m", "looked at it", as_=CAROL).ok("Approved request")
    sd("merge", number, as_=CAROL).ok("Merged")
    signers = guarded.path / "registry_spec/allowed_signers"
    shown = guarded.git("-c", f"gpg.ssh.allowedSignersFile={signers}", "log", "-1", "--show-signature", "main")
    assert f'Good "git" signature for {CAROL}' in shown
    assert "merged tag 'approve/1'" in shown


def test_git_config_signs_without_being_told(guarded: Home, sd: Sd, key: Path) -> None:
    guarded.git("config", "user.signingKey", str(key))
    guarded.git("config", "stagedoor.sign", "true")
    number = guarded.number("request", "fraud/1", "Production", as_=ANN)
    sd("approve", number, as_=CAROL).ok("Ready: stagedoor merge")
    sd("approve", number, "--no-sign", as_=CAROL).ok("It does not count")


@pytest.mark.parametrize("who", [CAROL, BOB])
def test_a_key_that_nobody_allowed_does_not_count(guarded: Home, sd: Sd, tmp_path: Path, who: str) -> None:
    number = guarded.number("request", "fraud/1", "Production", as_=ANN)
    sd("approve", number, "--key", key_of(tmp_path, "stranger"), as_=who).ok("It does not count")


def test_a_signature_for_one_request_is_none_for_another(guarded: Home, sd: Sd, key: Path) -> None:
    first = guarded.number("request", "fraud/1", "Production", as_=ANN)
    sd("approve", first, "--key", key, as_=CAROL).ok()
    sd("cancel", first, as_=ANN).ok()
    second = guarded.number("request", "fraud/1", "Production", as_=ANN)
    sd("merge", second, as_=CAROL).refused(8, "approval by 1 of")


def test_a_push_voids_a_signed_approval_too(guarded: Home, sd: Sd, key: Path) -> None:
    number = guarded.number("request", "fraud/1", "Production", as_=ANN)
    sd("approve", number, "--key", key, as_=CAROL).ok()
    sd("describe", "fraud/1", "better", "--in", number, as_=ANN).ok()
    sd("merge", number, as_=CAROL).refused(8, "approval by 1 of")


def test_a_stage_that_takes_signed_approvals_is_not_entered_directly(guarded: Home, sd: Sd) -> None:
    sd("transition", "fraud/1", "Production", as_=CAROL).refused(6, "by a request")


def test_without_a_key_nothing_is_approved(guarded: Home, sd: Sd) -> None:
    number = guarded.number("request", "fraud/1", "Production", as_=ANN)
    before = guarded.refs()
    sd("approve", number, "--sign", as_=CAROL).refused(2, "there is no key to sign with", "git config user.signingKey")
    sd("approve", number, "--key", "/nowhere/key", as_=CAROL).refused(2, "there is no key")
    assert guarded.refs() == before
