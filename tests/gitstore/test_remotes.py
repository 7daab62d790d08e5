"""Remotes: pushes that name what they expect, and addresses that git would take for something else."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bench import WHO
from stagedoor.errors import BadInput, Denied, Unavailable
from stagedoor.gitstore import Raced, RefUpdate, Repository
from stagedoor.gitstore.remotes import Login, Remote, checked_url


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Repository]:
    with Repository.init(tmp_path / "here.git", bare=True) as made:
        yield made


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Repository]:
    with Repository.init(tmp_path / "there.git", bare=True) as made:
        yield made


def commit(repository: Repository, text: bytes, *parents: str) -> str:
    tree = repository.write_tree(None, {"a": text})
    return repository.commit(tree, parents, author=WHO, committer=WHO, message="change\n")


def remote(here: Repository, there: Repository) -> Remote:
    return here.remote(f"file://{there.git_dir}")


def test_refs_go_there_all_or_none(here: Repository, there: Repository) -> None:
    one, two = commit(here, b"1"), commit(here, b"2")
    to = remote(here, there)
    assert to.push((RefUpdate("refs/heads/main", None, one), RefUpdate("refs/x/y", None, two))) == ()
    assert to.refs("refs/*") == {"refs/heads/main": one, "refs/x/y": two}
    with pytest.raises(Raced) as raced:
        to.push((RefUpdate("refs/heads/main", one, two), RefUpdate("refs/x/y", None, one)))
    assert raced.value.refs == ("refs/x/y",)
    assert there.tip() == one


def test_a_ref_that_is_new_there_must_not_be_there_yet(here: Repository, there: Repository) -> None:
    one, two = commit(here, b"1"), commit(here, b"2")
    remote(here, there).push((RefUpdate("refs/heads/main", None, one),))
    with pytest.raises(Raced):
        remote(here, there).push((RefUpdate("refs/heads/main", None, two),))


def test_refs_come_here_under_the_names_that_are_asked_for(here: Repository, there: Repository) -> None:
    one = commit(there, b"1")
    there.publish((RefUpdate("refs/pull/1/meta", None, one),), "test")
    remote(here, there).fetch({"refs/pull/1/meta": "refs/kept/1"})
    assert here.tip("refs/kept/1") == one
    assert here.commit_info(one).parents == ()


def test_a_ref_is_taken_away_there(here: Repository, there: Repository) -> None:
    one = commit(here, b"1")
    remote(here, there).push((RefUpdate("refs/x/y", None, one),))
    assert remote(here, there).push((RefUpdate("refs/x/y", one, None),)) == ()
    assert remote(here, there).refs("refs/*") == {}


def test_what_a_hook_there_refuses_is_told(here: Repository, there: Repository) -> None:
    hook = there.git_dir / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    [refused] = remote(here, there).push((RefUpdate("refs/heads/main", None, commit(here, b"1")),))
    assert (refused.ref, "pre-receive hook declined" in refused.said) == ("refs/heads/main", True)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% pwned",
        "fd::7",
        "--upload-pack=touch pwned",
        "-oProxyCommand=touch pwned:x",
        "ssh://-oProxyCommand=touch/x",
        "git@-oProxyCommand=x:repo",
        "gopher://x/y",
        "https://x/\ny",
        "",
    ],
)
def test_an_address_that_would_start_something_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        checked_url(url)


def test_a_remote_that_is_configured_to_start_something_is_refused_too(tmp_path: Path, here: Repository) -> None:
    config = here.git_dir / "config"
    config.write_text(config.read_text() + '[remote "origin"]\n\turl = ext::sh -c "touch pwned"\n')
    with Repository.open(here.git_dir) as again, pytest.raises(BadInput):
        again.remote("origin")


def test_a_repository_that_is_not_there_is_unavailable(tmp_path: Path, here: Repository) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        here.remote(f"file://{tmp_path}/nowhere.git").refs("refs/*")


@pytest.fixture
def door() -> Iterator[tuple[str, list[str]]]:
    """A server that asks for a login, and the logins that it was given."""
    given: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.append(self.headers.get("Authorization", ""))
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/ml/models.git", given
    server.shutdown()
    server.server_close()


def test_a_token_goes_to_git_by_its_environment_and_no_error_tells_it(
    here: Repository, door: tuple[str, list[str]]
) -> None:
    url, given = door
    with pytest.raises(Denied, match="does not let us in") as refused:
        here.remote(url, Login("oauth2", "sd-secret")).refs("refs/*")
    assert given[0] == "Basic b2F1dGgyOnNkLXNlY3JldA=="
    assert "sd-secret" not in str(refused.value) + repr(Login("oauth2", "sd-secret"))


def test_a_password_in_an_address_is_not_shown(here: Repository, door: tuple[str, list[str]]) -> None:
    url = door[0].replace("://", "://ann:sd-secret@")
    with pytest.raises(Denied) as refused:
        here.remote(url).refs("refs/*")
    assert "sd-secret" not in str(refused.value)
