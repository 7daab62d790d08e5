"""Where the pages are: on a server below `/`, in a static site as files that find each other from any folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, urlencode


class Links(Protocol):
    """The address of each page, as it is written on the page that is being made."""

    @property
    def is_static(self) -> bool:
        """Whether nothing can be asked or done: plain files."""
        ...

    def home(self) -> str: ...
    def model(self, name: str) -> str: ...
    def version(self, name: str, number: int) -> str: ...
    def requests(self) -> str: ...
    def request(self, number: int) -> str: ...
    def activity(self) -> str: ...
    def feed(self) -> str: ...
    def deliveries(self) -> str: ...
    def policy(self) -> str: ...
    def asset(self, name: str) -> str: ...


def with_query(url: str, **said: object) -> str:
    """An address with what is said as its query; what is empty is left out."""
    kept = {key: str(value) for key, value in said.items() if value not in ("", None, False)}
    return f"{url}?{urlencode(kept)}" if kept else url


@dataclass(frozen=True)
class ServerLinks:
    """The pages of a server. `assets` are the digests of what is under `/static`, so that it may be kept for ever."""

    assets: Mapping[str, str] = field(default_factory=dict)
    is_static: bool = False

    def home(self) -> str:
        return "/"

    def model(self, name: str) -> str:
        return f"/models/{quote(name, safe='')}"

    def version(self, name: str, number: int) -> str:
        return f"{self.model(name)}/versions/{number}"

    def requests(self) -> str:
        return "/requests"

    def request(self, number: int) -> str:
        return f"/requests/{number}"

    def activity(self) -> str:
        return "/activity"

    def feed(self) -> str:
        return "/activity.atom"

    def deliveries(self) -> str:
        return "/deliveries"

    def policy(self) -> str:
        return "/policy"

    def asset(self, name: str) -> str:
        return with_query(f"/static/{name}", v=self.assets.get(name, ""))


def slug(name: str) -> str:
    """A folder for a model in a static site: plain letters, and a digest that tells apart what looks the same."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "model"
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class SiteLinks:
    """The pages of a static site, seen from a page that is `depth` folders down."""

    depth: int = 0
    # the requests that have a page
    known: frozenset[int] = frozenset()
    is_static: bool = True

    def _up(self, path: str) -> str:
        return "../" * self.depth + path

    def home(self) -> str:
        return self._up("index.html")

    def model(self, name: str) -> str:
        return self._up(model_file(name))

    def version(self, name: str, number: int) -> str:
        return self._up(version_file(name, number))

    def requests(self) -> str:
        return self._up("requests.html")

    def request(self, number: int) -> str:
        return self._up(f"requests/{number}.html") if number in self.known else self.requests()

    def activity(self) -> str:
        return self._up("activity.html")

    def feed(self) -> str:
        return self._up("activity.atom")

    def deliveries(self) -> str:
        return self._up("index.html")

    def policy(self) -> str:
        return self._up("policy.html")

    def asset(self, name: str) -> str:
        return self._up(f"static/{name}")


def model_file(name: str) -> str:
    """The file of a model's page in a static site."""
    return f"models/{slug(name)}/index.html"


def version_file(name: str, number: int) -> str:
    """The file of a version's page in a static site."""
    return f"models/{slug(name)}/{number}.html"
