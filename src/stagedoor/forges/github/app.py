"""Logging in as a GitHub App: a signed word of who we are, for a token of an hour that may little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from stagedoor.errors import BadInput, Denied
from stagedoor.forges.hosting import known_time, number_at, text_at
from stagedoor.forges.http import Call, Http, Place

ID: Final = "STAGEDOOR_GITHUB_APP_ID"
KEY: Final = "STAGEDOOR_GITHUB_APP_KEY"
# what we ask for, as far as the installation was given it: of members only who is in a team
_WANTED: Final[Mapping[str, str]] = {
    "contents": "write",
    "members": "read",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}
_MARGIN: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class App:
    """An App, by its id or client id, and its private key in PEM."""

    id: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AppToken:
    """A token for one repository, when it ends, and the login that it acts as."""

    value: str = field(repr=False)
    ends: datetime
    login: str

    def is_good(self, now: datetime) -> bool:
        """Whether whatever begins now can be ended with it."""
        return now < self.ends - _MARGIN


def app_in(environment: Mapping[str, str]) -> App | None:
    """The App that the environment names; its key is there as text, or as the path of a file."""
    name, said = environment.get(ID, "").strip(), environment.get(KEY, "").strip()
    if not name and not said:
        return None
    if not name or not said:
        raise BadInput(f"{KEY if name else ID} is not set", fix=f"set both {ID} and {KEY}, or neither")
    return App(name, _key(said))


def _key(said: str) -> str:
    if said.startswith("-----BEGIN"):
        # some stores of secrets write a line's end as two characters
        return said.replace("\\n", "\n")
    try:
        return Path(said).expanduser().read_text("ascii")
    except (OSError, ValueError) as error:
        raise BadInput("the key of the GitHub App does not read", where=KEY, fix="its text, or its path") from error


def log_in(place: Place, app: App, project: str, now: datetime, http: Http | None = None) -> AppToken:
    """A token of an hour for one repository.

    https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
    Raises `Denied` where the App is not known, or not installed there.
    """
    headers = {**place.headers, "Authorization": f"Bearer {_word(app, now)}"}
    speaking = http or Http(replace(place, headers=headers, has_token=True))
    try:
        slug = text_at(speaking.ask(Call("GET", "/app")), "slug")
        there = speaking.send(Call("GET", f"/repos/{project}/installation"))
        if not there.is_good:
            fix = f"install the App {slug} on {project}"
            raise Denied(f"the GitHub App {slug} is not installed on {project}", where=place.host, fix=fix)
        data = speaking.ask(_token_call(there.data, project))
    finally:
        speaking.close()
    return AppToken(text_at(data, "token"), known_time(data, "expires_at"), f"{slug}[bot]")


def _word(app: App, now: datetime) -> str:
    """Who we are, signed. Clocks differ, so it is a minute old already; ten minutes are the most that GitHub takes."""
    try:
        import jwt
    except ImportError as error:
        raise BadInput("a GitHub App needs PyJWT", fix="pip install 'stagedoor[github-app]'") from error
    said = {"iat": int(now.timestamp()) - 60, "exp": int(now.timestamp()) + 480, "iss": app.id}
    try:
        return jwt.encode(said, app.key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        raise BadInput("the key of the GitHub App is no private key in PEM", where=KEY, fix="make a new one") from error


def _token_call(installation: Any, project: str) -> Call:
    """https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app"""
    given = installation.get("permissions") if isinstance(installation, dict) else None
    may = given if isinstance(given, dict) else {}
    narrowed = {name: _less(wanted, may[name]) for name, wanted in _WANTED.items() if name in may}
    body = {"repositories": [project.partition("/")[2]], "permissions": narrowed}
    return Call("POST", f"/app/installations/{number_at(installation, 'id')}/access_tokens", body=body)


def _less(wanted: str, given: Any) -> str:
    return "read" if given == "read" else wanted
