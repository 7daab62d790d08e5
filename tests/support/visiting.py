"""A person with a browser, as far as HTTP goes: signs in with a token, reads pages, sends their forms."""

from __future__ import annotations

import html
import re
from types import TracebackType
from typing import Self

import httpx

from served import Served

_KEY = re.compile(r'name="form" value="([0-9a-f]+)"')


class Visitor:
    """One person's cookies, and what they do."""

    def __init__(self, served: Served, email: str | None = None) -> None:
        self.served = served
        self.client = httpx.Client(base_url=served.url, timeout=120)
        if email is not None:
            self.sign_in(served.token(email))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()

    def sign_in(self, token: str, onward: str = "/") -> httpx.Response:
        """Send the form of the page that asks for a token."""
        key = self.key("/sign-in")
        return self.client.post("/sign-in", data={"form": key, "token": token, "onward": onward})

    def get(self, path: str, status: int = 200) -> str:
        """A page."""
        got = self.client.get(path)
        assert got.status_code == status, (path, got.status_code, got.text[:2000])
        assert "Traceback" not in got.text
        return got.text

    def text(self, path: str, status: int = 200) -> str:
        """The words of a page, without its tags."""
        words = re.sub(r"<(script|style)\b.*?</\1>", " ", self.get(path, status), flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", words)).split())

    def key(self, path: str = "/policy") -> str:
        """What the forms of a page say to prove that they are ours."""
        page = self.client.get(path).text
        found = _KEY.search(page)
        assert found, page[:2000]
        return found[1]

    def do(self, act: str, said: dict[str, str], *, status: int = 303, key: str | None = None) -> httpx.Response:
        """Send a form."""
        form = {"form": self.key("/new") if key is None else key, **said}
        got = self.client.post(f"/do/{act}", data=form)
        assert got.status_code == status, (act, got.status_code, got.text[:3000])
        return got
