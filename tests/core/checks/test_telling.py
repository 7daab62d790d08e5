"""SD5: notifications."""

from __future__ import annotations

import pytest

from specs import found
from stagedoor.core.checks import telling
from stagedoor.core.policy import Notifications, RegistrySpec, Route
from stagedoor.core.registry import Registry


def routes(*urls: str, events: tuple[str, ...] = ("*",)) -> RegistrySpec:
    return RegistrySpec(notifications=Notifications(routes=(Route(name="ops", events=events, to=urls),)))


def test_sd501_refuses_an_event_that_never_comes() -> None:
    spec = routes("json://example.com", events=("model_version.*", "model_version.promoted"))
    assert found(telling.routes_name_events, Registry(), spec=spec) == [
        "route ops: no event is called model_version.promoted | registry.yaml notifications routes 0 events 1",
    ]
    assert found(telling.routes_name_events, Registry(), spec=routes("json://x", events=("unreviewed_change",))) == []


def test_sd502_refuses_a_password_in_a_url() -> None:
    spec = routes("json://example.com", "mailtos://ann:hunter2@example.com")
    assert found(telling.routes_hold_no_secret, Registry(), spec=spec) == [
        "a password stands in the URL | registry.yaml notifications routes 0 to 1",
    ]


@pytest.mark.parametrize("query", ["pass=hunter2", "user=ann&PASSWORD=hunter2", "token=x1y2", "secret=s"])
def test_sd502_refuses_a_secret_in_a_query(query: str) -> None:
    assert found(telling.routes_hold_no_secret, Registry(), spec=routes(f"mailtos://example.com?{query}")) == [
        "a password stands in the URL | registry.yaml notifications routes 0 to 0",
    ]


def test_sd502_takes_a_query_that_asks_the_environment() -> None:
    spec = routes("mailtos://example.com?user=ann&pass=${MAIL_PASSWORD}&from=a@example.com")
    assert found(telling.routes_hold_no_secret, Registry(), spec=spec) == []


@pytest.mark.parametrize("url", ["mailtos://${MAIL_USER}:${MAIL_PASSWORD}@example.com", "slack://${T}", "json://[::1"])
def test_sd502_takes_what_the_environment_keeps(url: str) -> None:
    assert found(telling.routes_hold_no_secret, Registry(), spec=routes(url)) == []


def test_sd502_looks_at_the_mail_target_too() -> None:
    spec = RegistrySpec(notifications=Notifications(mail="mailto://ann:hunter2@localhost"))
    assert found(telling.routes_hold_no_secret, Registry(), spec=spec) == [
        "a password stands in the URL | registry.yaml notifications mail",
    ]


def test_sd503_refuses_what_is_no_url() -> None:
    assert found(telling.routes_are_urls, Registry(), spec=routes("ops@example.com")) == [
        "'ops@example.com' is no URL | registry.yaml notifications routes 0 to 0",
    ]
    assert found(telling.routes_are_urls, Registry(), spec=routes("slack://${T}/x", "${WHOLE_URL}")) == []
