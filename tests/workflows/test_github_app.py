"""A GitHub App at work: its signed word, tokens of an hour that may little, and one sticky comment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from calls import faults
from hosted_town import HostedTown, town_on
from stagedoor.core.runs import Run
from stagedoor.errors import BadInput, Denied
from stagedoor.forges.github.app import ID, KEY
from stagedoor.workflows import registering, reviewing
from stagedoor.workflows.ci import validate
from stagedoor.workflows.registering import NewVersion, Wish
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Lane
from town import ANN, CAROL

NEEDED = {"contents": "write", "pull_requests": "write", "statuses": "write", "metadata": "read"}
PERMISSIONS = {**NEEDED, "issues": "write"}


def pem() -> tuple[str, str]:
    """A private key and its public one."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[HostedTown]:
    private, public = pem()
    (tmp_path / "app.pem").write_text(private)
    with town_on("github", tmp_path) as made:
        made.host.settings["app"] = {
            "id": "Iv1.app", "slug": "stagedoor-ml", "public": public, "installed": True, "permissions": PERMISSIONS,
        }  # fmt: skip
        registering.register(made.as_(ANN), NewVersion("fraud", {"source": "s3://models/fraud"}))
        registering.transition(made.as_(ANN), [Wish("fraud/1", "Production")], lane=Lane(propose=True))
        made.host.sent.clear()
        yield made


def robot(town: HostedTown, **more: str) -> World:
    """The world of a run that has an App, and no token besides."""
    world = town.as_("ci@example.com")
    key = str(town.path.parent / "app.pem")
    world.environment = {"GITHUB_SERVER_URL": town.host.url, "HOME": "/nonexistent", ID: "Iv1.app", KEY: key, **more}
    return world


def asked_for_tokens(town: HostedTown) -> int:
    return sum(sent.path.endswith("/access_tokens") for sent in town.host.sent)


def test_an_app_keeps_one_comment_and_the_light_and_every_call_is_documented(town: HostedTown) -> None:
    validate(robot(town), Run("pull", 1), publish=True)
    reviewing.approve(town.as_(CAROL), 1)
    assert validate(robot(town), Run("pull", 1), publish=True).light == "success"
    assert [(one.by, "[x]" in one.body) for one in town.host.pulls[0].said] == [("stagedoor-ml[bot]", True)]
    assert [fault for sent in town.host.sent for fault in faults(sent)] == []


def test_its_token_is_for_one_repository_and_no_more_than_it_needs(town: HostedTown) -> None:
    validate(robot(town), Run("pull", 1), publish=True)
    [asked] = [sent for sent in town.host.sent if sent.path.endswith("/access_tokens")]
    assert asked.body["repositories"] == ["models"]
    assert asked.body["permissions"] == NEEDED


def test_a_token_is_used_until_it_has_five_minutes_left(town: HostedTown) -> None:
    for _ in range(2):
        validate(robot(town), Run("pull", 1))
    assert asked_for_tokens(town) == 1
    kept = robot(town).repository.state_dir() / "github-app.json"
    assert kept.stat().st_mode & 0o077 == 0
    town.clock.now += (town.host.now - town.clock.now) + (timedelta(minutes=56))
    validate(robot(town), Run("pull", 1))
    assert asked_for_tokens(town) == 2


def test_an_app_that_is_not_installed_there_says_so(town: HostedTown) -> None:
    town.host.settings["app"]["installed"] = False
    with pytest.raises(Denied, match="stagedoor-ml is not installed on ml/models"):
        validate(robot(town), Run("pull", 1), publish=True)


def test_the_key_of_another_app_is_refused_and_not_shown(town: HostedTown) -> None:
    other, _ = pem()
    with pytest.raises(Denied, match="does not accept the token") as refused:
        validate(robot(town, **{KEY: other.replace("\n", "\\n")}), Run("pull", 1), publish=True)
    assert other.splitlines()[1] not in str(refused.value)


@pytest.mark.parametrize(
    "key", ["", "/nonexistent", "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----"]
)
def test_a_key_that_is_none_is_said_so(town: HostedTown, key: str) -> None:
    with pytest.raises(BadInput, match=r"GITHUB_APP_KEY|key of the GitHub App"):
        validate(robot(town, **{KEY: key}), Run("pull", 1), publish=True)


def test_a_host_that_only_the_registry_names_gets_no_word_of_the_app(town: HostedTown) -> None:
    world = robot(town, GITHUB_SERVER_URL="https://github.com")
    with pytest.raises(Denied):
        validate(world, Run("pull", 1), publish=True)
    assert all("authorization" not in sent.headers for sent in town.host.sent)
