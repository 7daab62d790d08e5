"""Who is let in, and what a form has to prove."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import httpx
import pytest

from served import Served, serve
from stagedoor.workflows.tokens import tokens_of
from town import ANN, CAROL
from visiting import Visitor

Visit = Callable[[str | None], Visitor]


def test_a_stranger_is_asked_for_a_token_and_sees_nothing(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(None) as stranger:
        for path in ("/", "/activity", "/activity.atom", "/policy", f"/models/{name}", "/requests"):
            page = stranger.get(path, status=401)
            assert "Sign in" in page
            assert name not in page


def test_a_good_token_leads_on_and_the_cookie_is_out_of_reach_of_scripts(served: Served, visit: Visit) -> None:
    with visit(None) as ann:
        got = ann.sign_in(served.token(ANN), onward="/policy")
        assert (got.status_code, got.headers["location"]) == (303, "/policy")
        cookie = got.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert served.token(ANN) not in cookie
        assert "ann@example.com" in ann.get("/policy")


@pytest.mark.parametrize("onward", ["//elsewhere.example", "https://elsewhere.example/", "/\\elsewhere.example", ""])
def test_a_sign_in_never_leads_to_another_host(served: Served, visit: Visit, onward: str) -> None:
    assert visit(None).sign_in(served.token(ANN), onward=onward).headers["location"] == "/"


def test_a_bad_token_is_refused_in_words(visit: Visit) -> None:
    got = visit(None).sign_in("stagedoor_000000000000_" + "A" * 43)
    assert got.status_code == 401
    assert "the token is not known here" in got.text


def test_signing_out_ends_the_session_for_good(served: Served, visit: Visit) -> None:
    with visit(ANN) as ann:
        kept = dict(ann.client.cookies)
        ann.client.post("/sign-out", data={"form": ann.key()})
        assert httpx.get(f"{served.url}/policy", cookies=kept).status_code == 401


def test_a_session_ends_with_its_token(served: Served, visit: Visit) -> None:
    tokens = tokens_of(served.town.as_(CAROL).repository)
    made = tokens.create(ANN)
    with visit(None) as ann:
        ann.sign_in(made.secret)
        ann.get("/policy")
        tokens.revoke(made.token.id)
        ann.get("/policy", status=401)


def test_the_secret_of_a_session_is_not_on_the_disk(served: Served, visit: Visit) -> None:
    secret = visit(ANN).client.cookies["stagedoor_session"]
    kept = (served.town.as_(CAROL).repository.state_dir() / "sessions.json").read_text()
    assert ANN in kept
    assert secret not in kept


def test_a_token_in_a_header_shows_pages_too(served: Served) -> None:
    headers = {"Authorization": f"Bearer {served.token(ANN)}"}
    assert httpx.get(f"{served.url}/activity.atom", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "act", ["create", "describe", "tag", "alias", "follow", "move", "comment", "review", "redeliver"]
)
def test_no_form_counts_without_its_key(visit: Visit, act: str) -> None:
    got = visit(CAROL).do(act, {"name": "stolen", "model": "stolen"}, key="0" * 64, status=403)
    assert "this form is too old, or was made for somebody else" in got.text


def test_the_key_of_one_person_is_nothing_to_another(visit: Visit) -> None:
    visit(CAROL).do("create", {"name": "stolen"}, key=visit(ANN).key("/new"), status=403)


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://elsewhere.example"}],
)
def test_a_form_of_another_site_is_refused(visit: Visit, headers: dict[str, str]) -> None:
    with visit(CAROL) as carol:
        form = {"form": carol.key("/new"), "name": "stolen"}
        assert carol.client.post("/do/create", data=form, headers=headers).status_code == 403
        assert "No model matches" in carol.get("/?q=stolen")


def test_a_stranger_cannot_fill_the_memory(served: Served) -> None:
    got = httpx.post(f"{served.url}/do/create", content=b"name=" + b"x" * 3_000_000)
    assert got.status_code == 401


def test_a_link_from_elsewhere_is_opened_again_from_here(served: Served) -> None:
    got = httpx.get(f"{served.url}/policy?x=1", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert got.status_code == 200
    assert 'http-equiv="refresh" content="0; url=/policy?x=1"' in got.text


# --- this machine's user --------------------------------------------------------------------------------------------


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Served]]:
    """A registry of one person, whom git knows, and a server for it."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    made: list[Served] = []

    def start(*options: str) -> Served:
        served = serve(tmp_path_factory.mktemp("alone"))
        served.stop()
        config = served.town.path / "config"
        config.write_text(config.read_text() + f"[user]\n\tname = Carol\n\temail = {CAROL}\n")
        served.options = options
        served.start()
        made.append(served)
        return served

    yield start
    for one in made:
        one.stop()
        one.town.close()


def test_gits_user_on_this_machine_needs_no_sign_in(alone: Callable[..., Served]) -> None:
    served = alone()
    with Visitor(served) as carol:
        assert CAROL in carol.get("/")
        carol.do("create", {"name": "mine"})
    for headers in ({"Host": "rebound.example"}, {"X-Forwarded-For": "203.0.113.7"}, {"Forwarded": "for=203.0.113.7"}):
        assert httpx.get(served.url, headers=headers).status_code == 401, headers
    served.token(ANN)
    assert httpx.get(served.url).status_code == 401, "there are others now"


def test_the_sign_in_can_be_asked_of_everybody(alone: Callable[..., Served]) -> None:
    assert httpx.get(alone("--no-local-user").url).status_code == 401


def test_a_session_that_somebody_else_chose_is_never_taken_over(served: Served, visit: Visit) -> None:
    chosen = "A" * 43
    with visit(None) as ann:
        ann.client.cookies.set("stagedoor_session", chosen)
        got = ann.sign_in(served.token(ANN))
        assert chosen not in got.headers["set-cookie"]
    assert httpx.get(f"{served.url}/policy", cookies={"stagedoor_session": chosen}).status_code == 401
