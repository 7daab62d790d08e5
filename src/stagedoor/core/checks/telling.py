"""SD5: notifications and webhooks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, urlsplit

from stagedoor.core.checks.base import Facts, Finding, Place, check
from stagedoor.core.events import KINDS
from stagedoor.core.layout import REGISTRY_FILE, name_of
from stagedoor.core.webhooks import EVENTS, WEBHOOKS_FILE, Webhook, url_fault

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


def _webhooks(facts: Facts) -> Iterator[tuple[Webhook, tuple[str | int, ...]]]:
    for index, hook in enumerate(facts.proposed_webhooks.webhooks if facts.proposed_webhooks else ()):
        yield hook, ("webhooks", index)


def _target(hook: Webhook, keys: tuple[str | int, ...]) -> Place:
    return Place(WEBHOOKS_FILE, (*keys, *(("http", "url") if hook.http else ("job", "workspace_url"))))


@check("SD511", "a webhook names events that exist")
def webhooks_name_events(facts: Facts) -> Iterator[Finding]:
    """Each style has its own names: `MODEL_VERSION_CREATED` of Databricks, `model_version.created` of MLflow. A
    misspelt one would never come."""
    for hook, keys in _webhooks(facts):
        for index, name in enumerate(hook.events):
            if name not in EVENTS[hook.style]:
                place = Place(WEBHOOKS_FILE, (*keys, "events", index))
                what = f"webhook {hook.title}: no event of the style {hook.style} is called {name}"
                yield Finding(what, place, f"choose among: {', '.join(EVENTS[hook.style])}")


@check("SD512", "a webhook calls a plain https URL")
def webhooks_call_urls(facts: Facts) -> Iterator[Finding]:
    """Nothing but a host by its name or its dotted address, a port and a path: what some program would read in another
    way than another is a way around the guard of private addresses. Plain http is a warning: it is for receivers in the
    same network, and called with `--allow-private-webhooks` only."""
    for hook, keys in _webhooks(facts):
        if fault := url_fault(hook.url):
            yield Finding(f"webhook {hook.title}: {fault}", _target(hook, keys), "write one like https://example.com/x")
        elif hook.job and urlsplit(hook.url)._replace(scheme="", netloc="").geturl() not in ("", "/"):
            what = f"webhook {hook.title}: a workspace's URL ends with its host"
            yield Finding(what, _target(hook, keys), "write one like https://adb-1.2.azuredatabricks.net")
        elif hook.url.startswith("http:"):
            what = f"webhook {hook.title}: the payload and its secrets travel in the clear"
            yield Finding(what, _target(hook, keys), "write https://", severity="warning")


@check("SD513", "no secret stands in webhooks.yaml")
def webhooks_hold_no_secret(facts: Facts) -> Iterator[Finding]:
    """What is committed is known to everybody with a clone, for ever. `stagedoor webhooks update` keeps a secret, an
    authorization or a token beside the repository."""
    for hook, keys in _webhooks(facts):
        if _holds_password(hook.url):
            fix = "use stagedoor webhooks update --authorization, and change the password"
            yield Finding(f"webhook {hook.title}: a password stands in the URL", _target(hook, keys), fix)


@check("SD514", "a webhook's model exists", severity="warning")
def webhook_has_a_model(facts: Facts) -> Iterator[Finding]:
    """A webhook of a model that is gone never fires. One that names the model's id follows a rename."""
    for hook, keys in _webhooks(facts):
        if hook.model and not any(name_of(path) == hook.model for path in facts.paths) and not hook.model_id:
            what = f"webhook {hook.title}: there is no model {hook.model}"
            yield Finding(what, Place(WEBHOOKS_FILE, (*keys, "model")), "stagedoor webhooks delete, or name another")
