"""The one transport to hosted forges: calls in, answers out, with retries, pages, and nothing secret in an error."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from stagedoor.errors import BadInput, Conflict, Denied, NotFound, RegistryError, Unavailable

if TYPE_CHECKING:
    import httpx

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Value = str | int | bool

TRIES = 4
MAX_PAGES = 200
MAX_ANSWER = 16_000_000
# longer than this nobody waits in front of a terminal
LONGEST_PAUSE = 60.0
_BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an API: `path` is below its root, and is never an address that a body gave us."""

    method: Method
    path: str
    params: tuple[tuple[str, Value], ...] = ()
    body: Mapping[str, Any] | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether it does the same when it is sent twice."""
        return self.method in ("GET", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    data: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether the call was done."""
        return 200 <= self.status < 300

    @property
    def said(self) -> str:
        """What the host says about it, on one line."""
        found = self.data
        if isinstance(found, dict):
            found = found.get("message") or found.get("error") or found.get("error_description") or ""
        text = found if isinstance(found, str) else json.dumps(found)
        return " ".join(text.split())[:300]


@dataclass(frozen=True, slots=True)
class Place:
    """An API's root and how to speak to it: `headers` hold the token, so this value is never printed."""

    root: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    has_token: bool = False

    @property
    def host(self) -> str:
        """The host's name, as it may stand in an error."""
        return urlsplit(self.root).netloc.rpartition("@")[2]


class Http:
    """Calls one API. GETs are asked with the ETag of the last answer, which costs no quota where nothing changed."""

    def __init__(
        self,
        place: Place,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.place = place
        self._sleep = sleep
        self._now = now
        self._jitter = jitter
        self._kept: dict[Call, Answer] = {}
        self._client: httpx.Client | None = None

    def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def send(self, call: Call) -> Answer:
        """The answer, whatever its status. `Unavailable` when the host does not answer, or asks us to come later."""
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                answer = self._once(call)
            except _NoAnswer as error:
                if last or not call.may_repeat:
                    raise self._silent(error) from error.__cause__
                self._sleep(self._pause(attempt, None))
                continue
            pause = _asked_pause(answer, self._now())
            busy = answer.status in _BUSY or pause is not None
            if not busy or (answer.status != 429 and pause is None and not call.may_repeat):
                return answer
            if last or (pause or 0) > LONGEST_PAUSE:
                raise self._busy(answer, pause)
            self._sleep(self._pause(attempt, pause))
        raise AssertionError  # pragma: no cover - the last try returns or raises

    def ask(self, call: Call) -> Any:
        """The data of a good answer; anything else is refused by its status."""
        answer = self.send(call)
        if not answer.is_good:
            raise self.refusal(answer, call)
        return answer.data

    def pages(self, call: Call) -> Iterator[Any]:
        """The items of a list, page after page, by the `Link` header or by GitLab's `X-Next-Page`."""
        for _ in range(MAX_PAGES):
            answer = self.send(call)
            if not answer.is_good:
                raise self.refusal(answer, call)
            if not isinstance(answer.data, list):
                raise Unavailable(f"{self.place.host} did not answer with a list", where=call.path)
            yield from answer.data
            following = _next_page(answer, call)
            if following is None:
                return
            call = following
        raise Unavailable(f"{self.place.host} has more than {MAX_PAGES} pages of this", where=call.path)

    def refusal(self, answer: Answer, call: Call) -> RegistryError:
        """What a status that is no success means, in our words."""
        host, where = self.place.host, f"{call.method} {call.path}"
        said = f": {answer.said}" if answer.said else ""
        if answer.status == 401:
            fix = "make a new one" if self.place.has_token else "set the token that the docs name for this host"
            return Denied(f"{host} does not accept {'the token' if self.place.has_token else 'a call without a token'}",
                          where=where, fix=fix)  # fmt: skip
        if answer.status == 403:
            return Denied(f"{host} does not allow this{said}", where=where, fix="use a token with the right to do it")
        if answer.status == 404:
            hint = "look at the project's name; a token that may not see it gets the same answer"
            return NotFound(f"{host} has no such thing", where=where, fix=hint)
        if answer.status in (405, 409):
            return Conflict(f"{host} refuses this as things stand{said}", where=where, fix="look again, then repeat")
        if answer.status in (400, 413, 422):
            return BadInput(f"{host} does not take this{said}", where=where)
        return Unavailable(f"{host} answered {answer.status}{said}", where=where, fix="try again later")

    # --- one try ---

    def _once(self, call: Call) -> Answer:
        import httpx

        known = self._kept.get(call) if call.method == "GET" else None
        more = {"If-None-Match": known.headers["etag"]} if known else {}
        try:
            got = self._open().request(
                call.method,
                self.place.root.rstrip("/") + call.path,
                params=list(call.params) or None,
                json=call.body,
                headers={**self.place.headers, **more},
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # its text may hold the whole address, and in there what a person wrote before the @
            raise _NoAnswer(type(error).__name__) from None
        if known is not None and got.status_code == 304:
            return known
        answer = _read(got)
        if call.method == "GET" and answer.status == 200 and "etag" in answer.headers and len(self._kept) < 500:
            self._kept[call] = answer
        return answer

    def _open(self) -> httpx.Client:
        import httpx

        if self._client is None:
            # a redirect would carry the token to wherever it leads
            self._client = httpx.Client(timeout=httpx.Timeout(30, connect=10), follow_redirects=False)
        return self._client

    def _pause(self, attempt: int, asked: float | None) -> float:
        return asked if asked is not None else (0.5 * 2**attempt) * (0.5 + self._jitter())

    def _silent(self, error: _NoAnswer) -> Unavailable:
        return Unavailable(f"{self.place.host} does not answer ({error.kind})", fix="look at the network, then repeat")

    def _busy(self, answer: Answer, pause: float | None) -> Unavailable:
        wait = f"wait {pause:.0f} seconds, then repeat" if pause else "try again later"
        limit = "its limit of calls is reached" if answer.status in (403, 429) else f"it answered {answer.status}"
        return Unavailable(f"{self.place.host} is busy: {limit}", fix=wait)


class _NoAnswer(Exception):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def _read(got: httpx.Response) -> Answer:
    headers = {name.lower(): value for name, value in got.headers.items()}
    if len(got.content) > MAX_ANSWER:
        return Answer(502, "the answer is too large", headers)
    try:
        data = got.json() if got.content else None
    except (ValueError, RecursionError):
        data = "" if got.is_success else got.text[:300]
    return Answer(got.status_code, data, headers)


def _asked_pause(answer: Answer, now: datetime) -> float | None:
    """How long the host asks us to wait, if it does.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api and
    https://docs.gitlab.com/security/rate_limits/#headers: `Retry-After`, else when a used-up quota is full.
    """
    if answer.status not in (403, 429, 503):
        return None
    if (after := answer.headers.get("retry-after")) is not None:
        return _seconds(after, now)
    spent = answer.headers.get("x-ratelimit-remaining", answer.headers.get("ratelimit-remaining"))
    full = answer.headers.get("x-ratelimit-reset", answer.headers.get("ratelimit-reset", ""))
    if answer.status != 503 and spent == "0" and full.isascii() and full.isdigit():
        return max(1.0, int(full[:12]) - now.timestamp())
    # a secondary limit may come without either: https://docs.github.com/en/rest/overview/resources-in-the-rest-api
    return 60.0 if answer.status == 403 and "secondary rate limit" in answer.said.lower() else None


def _seconds(text: str, now: datetime) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _next_page(answer: Answer, call: Call) -> Call | None:
    """The call for the next page. Only its parameters are taken over: the address in the header is not ours."""
    for part in answer.headers.get("link", "").split(","):
        address, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            query = urlsplit(address.strip(" <>")).query
            return replace(call, params=tuple(parse_qsl(query)))
    number = answer.headers.get("x-next-page", "")
    if number.isascii() and number.isdigit():
        kept = tuple(pair for pair in call.params if pair[0] != "page")
        return replace(call, params=(*kept, ("page", int(number[:9]))))
    return None
