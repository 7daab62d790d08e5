"""The transport: what it repeats, what it waits for, what it never says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from hosts import Host, hosting
from stagedoor.errors import Denied, RegistryError, Unavailable
from stagedoor.forges.choice import Chosen, Token, place_of
from stagedoor.forges.http import Call, Http, Place

GITHUB = pytest.mark.parametrize("bench", ["github"], indirect=True)
USER = Call("GET", "/user")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with hosting("github", tmp_path / "none.git") as made:
        made.tokens["sd-secret-ann"] = "ann"
        yield made


@pytest.fixture
def naps() -> list[float]:
    return []


@pytest.fixture
def http(host: Host, naps: list[float]) -> Iterator[Http]:
    place = place_of(Chosen("github", host.url, host.project), Token("sd-secret-ann", "a test"))
    made = Http(place, sleep=naps.append, jitter=lambda: 0.5, now=lambda: datetime(2026, 11, 24, tzinfo=UTC))
    yield made
    made.close()


def test_a_gateway_that_fails_is_asked_again_after_growing_pauses(http: Http, host: Host, naps: list[float]) -> None:
    host.failures = [(502, {}, None), (503, {}, None)]
    assert http.ask(USER)["login"] == "ann"
    assert naps == [0.5, 1.0]


def test_what_makes_something_is_not_sent_twice_when_the_gateway_fails(http: Http, host: Host) -> None:
    host.failures = [(502, {}, None)]
    call = Call("POST", "/repos/ml/models/statuses/abc", body={"state": "success", "context": "x"})
    assert http.send(call).status == 502
    assert len(host.sent) == 1


@pytest.mark.parametrize("status", [403, 429])
def test_a_host_that_asks_to_wait_is_waited_for(http: Http, host: Host, naps: list[float], status: int) -> None:
    host.failures = [(status, {"Retry-After": "7"}, {"message": "You have exceeded a secondary rate limit"})]
    call = Call("POST", "/repos/ml/models/statuses/abc", body={"state": "success", "context": "x"})
    assert http.send(call).status == 201
    assert naps == [7.0]


def test_a_quota_that_is_used_up_for_long_is_an_error_that_says_how_long(http: Http, host: Host) -> None:
    full = int(datetime(2026, 11, 24, 0, 30, tzinfo=UTC).timestamp())
    host.failures = [(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(full)}, {"message": "limit"})]
    with pytest.raises(Unavailable, match="its limit of calls is reached") as refused:
        http.ask(USER)
    assert refused.value.fix == "wait 1800 seconds, then repeat"


def test_a_secondary_limit_that_names_no_time_is_waited_for_a_minute(http: Http, host: Host, naps: list[float]) -> None:
    # https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    host.failures = [(403, {}, {"message": "You have exceeded a secondary rate limit."})]
    assert http.ask(USER)["login"] == "ann"
    assert naps == [60.0]


def test_a_secondary_limit_that_stays_is_an_answer_of_its_own(http: Http, host: Host) -> None:
    host.failures = [(429, {"Retry-After": "1"}, {"message": "secondary rate limit"})] * 9
    with pytest.raises(Unavailable, match="its limit of calls is reached"):
        http.ask(USER)


def test_a_plain_403_is_no_reason_to_wait(http: Http, host: Host, naps: list[float]) -> None:
    host.failures = [(403, {}, {"message": "Resource not accessible by integration"})]
    with pytest.raises(Denied, match="Resource not accessible"):
        http.ask(USER)
    assert naps == []


def test_the_second_question_is_asked_with_the_etag_of_the_first(http: Http, host: Host) -> None:
    assert http.ask(USER) == http.ask(USER)
    assert "if-none-match" not in host.sent[0].headers
    assert host.sent[1].headers["if-none-match"].startswith('W/"')


@pytest.mark.parametrize("bench", ["github", "gitlab", "gitea"], indirect=True)
def test_a_list_is_read_to_its_end_and_no_address_of_a_body_is_followed(bench: Bench) -> None:
    assert bench.host is not None
    for number in range(5):
        bench.opened(str(number).encode())
    bench.host.page = 2
    assert [request.number for request in bench.hosted("bob").requests()] == [5, 4, 3, 2, 1]


def test_a_redirect_is_not_followed(http: Http, host: Host) -> None:
    host.failures = [(302, {"Location": "https://elsewhere.example/user"}, None)]
    with pytest.raises(Unavailable, match="answered 302"):
        http.ask(USER)


@pytest.mark.parametrize(
    "failure",
    [
        (401, {}, {"message": "Bad credentials"}),
        (404, {}, "gone"),
        (422, {}, [1]),
        (500, {}, None),
        (418, {}, "x" * 9000),
    ],
)
def test_no_error_tells_the_token(http: Http, host: Host, failure: Any) -> None:
    host.failures = [failure]
    with pytest.raises(RegistryError) as refused:
        http.ask(USER)
    assert "sd-secret" not in f"{refused.value} {refused.value!r} {refused.value.__cause__!r} {http.place!r}"


def test_a_host_that_is_not_there_is_said_in_three_lines(naps: list[float]) -> None:
    http = Http(Place("http://ann:sd-secret@127.0.0.1:1"), sleep=naps.append)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer") as refused:
        http.ask(USER)
    assert "sd-secret" not in str(refused.value)
    assert len(naps) == 3


def test_answers_that_are_no_json_do_no_harm(http: Http, host: Host) -> None:
    host.failures = [(200, {}, "text")]
    with pytest.raises(Unavailable, match="did not answer with a list"):
        list(http.pages(USER))
