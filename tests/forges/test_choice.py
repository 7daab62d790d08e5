"""Which forge, and whose token: nothing that a registry's files say gets a token sent where it does not belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from stagedoor.errors import BadInput
from stagedoor.forges.choice import Chosen, choose, find_token, from_url, place_of

GITHUB = Chosen("github", "https://github.com", "ml/models")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://github.com/ml/models.git", ("https://github.com", "ml/models")),
        ("https://ann:secret@GitHub.com/ml/models", ("https://github.com", "ml/models")),
        ("git@github.com:ml/models.git", ("https://github.com", "ml/models")),
        ("ssh://git@gitlab.example.com:2222/group/sub/models.git", ("https://gitlab.example.com", "group/sub/models")),
        ("https://git.example.com:8443/ml/models", ("https://git.example.com:8443", "ml/models")),
        ("/srv/git/models.git", None),
        ("file:///srv/git/models.git", None),
        ("https://github.com/", None),
        ("ext::sh -c touch% pwned", None),
        ("https://github.com/ml/-models", None),
    ],
)
def test_an_address_tells_host_and_project(url: str, found: tuple[str, str] | None) -> None:
    assert from_url(url) == found


def test_a_host_that_everybody_knows_is_taken_from_the_remote() -> None:
    assert choose("", "", "", "git@github.com:ml/models.git") == GITHUB
    assert choose("", "", "", "git@git.example.com:ml/models.git") is None
    assert choose("embedded", "", "", "git@github.com:ml/models.git") is None
    assert choose("", "", "", None) is None


def test_what_is_not_said_is_taken_from_the_remote() -> None:
    remote = "git@git.example.com:ml/models.git"
    assert choose("gitea", "", "", remote) == Chosen("gitea", "https://git.example.com", "ml/models")
    assert choose("gitea", "https://code.example.com/", "a/b", remote) == Chosen(
        "gitea", "https://code.example.com", "a/b"
    )


@pytest.mark.parametrize(
    ("kind", "url", "project"),
    [
        ("github", "", ""),
        ("bitbucket", "https://x.example.com", "a/b"),
        ("github", "http://git.example.com", "a/b"),
        ("github", "https://ann:secret@git.example.com", "a/b"),
        ("github", "https://git.example.com?x", "a/b"),
        ("github", "file:///etc", "a/b"),
        ("github", "https://git.example.com", "a/../b"),
        ("github", "https://git.example.com", "a/b/c"),
        ("gitlab", "https://git.example.com", "-a/b"),
    ],
)
def test_what_cannot_be_a_forge_is_refused(kind: str, url: str, project: str) -> None:
    with pytest.raises(BadInput):
        choose(kind, url, project, None)


def test_a_token_goes_to_its_own_host_and_no_other() -> None:
    evil = Chosen("github", "https://evil.example.com", "ml/models")
    environment = {"GITHUB_TOKEN": "secret", "HOME": "/nonexistent"}
    token = find_token(GITHUB, environment)
    assert token is not None and (token.value, token.source) == ("secret", "GITHUB_TOKEN")
    assert find_token(evil, environment) is None
    assert find_token(evil, environment, trusted="evil.example.com") is not None
    assert find_token(evil, {**environment, "GITHUB_SERVER_URL": "https://evil.example.com"}) is not None
    lookalike = Chosen("github", "https://github.com.evil.example.com", "ml/models")
    assert find_token(lookalike, environment) is None


def test_a_token_is_not_shown_with_what_holds_it() -> None:
    token = find_token(GITHUB, {"GH_TOKEN": "sd-secret", "HOME": "/nonexistent"})
    assert "sd-secret" not in repr(token) + repr(place_of(GITHUB, token))


def test_a_token_that_would_end_a_header_is_none() -> None:
    assert find_token(GITHUB, {"GITHUB_TOKEN": "a\r\nX-Evil: b", "HOME": "/nonexistent"}) is None


def test_gh_and_glab_are_read_for_their_own_hosts(tmp_path: Path) -> None:
    gh, glab = tmp_path / "gh" / "hosts.yml", tmp_path / "glab-cli" / "config.yml"
    gh.parent.mkdir()
    glab.parent.mkdir()
    gh.write_text("git.example.com:\n    user: ann\n    oauth_token: of-gh\n")
    glab.write_text("hosts:\n    gitlab.com:\n        token: !!null of-glab\n        user: ann\n")
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    server = find_token(Chosen("github", "https://git.example.com", "a/b"), environment)
    assert server is not None and server.value == "of-gh"
    assert find_token(GITHUB, environment) is None
    lab = find_token(Chosen("gitlab", "https://gitlab.com", "a/b"), environment)
    assert lab is not None and lab.value == "of-glab"


@pytest.mark.parametrize("text", ["{", "- a", "!!python/object/apply:os.system [touch pwned]", "github.com: 7"])
def test_a_configuration_that_does_not_read_has_no_token(tmp_path: Path, text: str) -> None:
    (tmp_path / "gh").mkdir()
    (tmp_path / "gh" / "hosts.yml").write_text(text)
    assert find_token(GITHUB, {"XDG_CONFIG_HOME": str(tmp_path)}) is None


def test_a_jobs_own_token_goes_by_its_own_name() -> None:
    lab = Chosen("gitlab", "https://gitlab.com", "a/b")
    token = find_token(lab, {"CI_JOB_TOKEN": "job", "HOME": "/nonexistent"})
    assert place_of(lab, token).headers["JOB-TOKEN"] == "job"
