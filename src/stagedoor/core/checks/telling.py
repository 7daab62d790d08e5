"""SD5: notifications."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, urlsplit

from stagedoor.core.checks.base import Facts, Finding, Place, check
from stagedoor.core.events import KINDS
from stagedoor.core.layout import REGISTRY_FILE

# what apprise takes in a query or as a path may be a token too, but a user's password is one for certain
_SECRET_KEYS = frozenset({"pass", "password", "token", "secret", "apikey", "api_key", "access_token"})
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def _urls(facts: Facts) -> Iterator[tuple[str, Place]]:
    notifications = (facts.proposed_spec or facts.spec).notifications
    if notifications.mail:
        yield notifications.mail, Place(REGISTRY_FILE, ("notifications", "mail"))
    for i, route in enumerate(notifications.routes):
        for j, url in enumerate(route.to):
            yield url, Place(REGISTRY_FILE, ("notifications", "routes", i, "to", j))


@check("SD501", "a route names events that exist")
def routes_name_events(facts: Facts) -> Iterator[Finding]:
    """A misspelt event would never come, and nobody would be told."""
    for i, route in enumerate((facts.proposed_spec or facts.spec).notifications.routes):
        for j, glob in enumerate(route.events):
            if not any(fnmatchcase(kind, glob) for kind in KINDS):
                place = Place(REGISTRY_FILE, ("notifications", "routes", i, "events", j))
                what = f"route {route.name}: no event is called {glob}"
                yield Finding(what, place, f"choose among: {', '.join(KINDS)}")


def _holds_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.password) or any(key.lower() in _SECRET_KEYS for key, _ in parse_qsl(parts.query))
    except ValueError:
        return False


@check("SD502", "no secret stands in a route")
def routes_hold_no_secret(facts: Facts) -> Iterator[Finding]:
    """What is committed is known to everybody with a clone, for ever. Write `${NAME}` and set NAME where the reconciler
    runs."""
    for url, place in _urls(facts):
        if _holds_password(_VARIABLE.sub("", url)):
            yield Finding("a password stands in the URL", place, "write ${NAME} for it, and change the password")


@check("SD503", "a route leads somewhere")
def routes_are_urls(facts: Facts) -> Iterator[Finding]:
    """A target is a URL that apprise knows, such as mailto://, slack:// or json://."""
    for url, place in _urls(facts):
        if not re.match(r"(\$\{[A-Za-z_][A-Za-z0-9_]*\}|[a-z][a-z0-9+.-]*://)", url):
            yield Finding(f"{url.partition('?')[0][:40]!r} is no URL", place, "write one such as slack://… or json://…")
