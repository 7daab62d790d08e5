"""What every host of pull requests knows about one, and the pure dialect that each of them speaks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from stagedoor.errors import Unavailable
from stagedoor.forges.base import NotReady, State
from stagedoor.forges.http import Answer, Call

Light = Literal["pending", "success", "failure"]
Verdict = Literal["approved", "changes_requested"]

# said by our own comments only where the person wrote them: a comment's author is the host's word
_MARK = re.compile(r"<!-- stagedoor:(break-glass|changes|rejected|cancelled) ([0-9a-f]{40,64}) -->")


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request, or a merge request, as its host tells of it. People are logins."""

    number: int
    title: str
    body: str
    author: str
    opened_at: datetime
    updated_at: datetime
    head: str
    branch: str
    target: str
    state: Literal["open", "merged", "closed"]
    merged_as: str = ""
    merged_by: str = ""
    ended_at: datetime | None = None
    ended_by: str = ""
    is_draft: bool = False
    # whether the branch is in the project itself, and not in a fork
    is_own: bool = True


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody thinks of one head."""

    id: str
    by: str
    verdict: Verdict
    head: str
    body: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Note:
    """Something said on a pull request."""

    id: str
    by: str
    body: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pushing:
    """Somebody put commits into the branch."""

    by: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """How a commit stands, as a coloured dot beside it: one for each context, and the newest counts."""

    context: str
    light: Light
    text: str
    url: str = ""


class Dialect(Protocol):
    """How one host is spoken to: every method makes a call, or reads an answer, and does nothing else."""

    @property
    def kind(self) -> str: ...

    # where a request's head is found in the repository
    def head_ref(self, number: int) -> str: ...

    def whoami(self) -> Call: ...
    def read_login(self, data: Any) -> str: ...

    def open_pull(self, title: str, body: str, *, branch: str, target: str) -> Call: ...
    def find_pull(self, *, branch: str, target: str) -> Call: ...
    def get_pull(self, number: int) -> Call: ...
    def list_pulls(self, state: State) -> Call: ...
    def pulls_of(self, commit: str) -> Call: ...
    def read_pull(self, data: Any) -> Pull: ...

    # reviews need several answers on some hosts: they are asked for by name and read together
    def ask_reviews(self, pull: Pull) -> dict[str, Call]: ...
    def read_reviews(self, pull: Pull, data: dict[str, Any]) -> Sequence[Review]: ...
    def list_notes(self, number: int) -> Call: ...
    def read_note(self, data: Any) -> Note | None: ...
    def ask_pushers(self, pull: Pull) -> dict[str, Call]: ...
    def read_pushers(self, pull: Pull, data: dict[str, Any]) -> Sequence[Pushing]: ...
    def ask_closer(self, number: int) -> Call | None: ...
    def read_closer(self, data: Any) -> str: ...

    def review(self, number: int, verdict: Verdict, body: str, *, head: str) -> Sequence[Call]: ...
    def comment(self, number: int, body: str) -> Call: ...
    def edit_comment(self, number: int, note: str, body: str) -> Call: ...
    def close(self, number: int) -> Call: ...
    def merge(self, number: int, *, head: str, title: str, message: str) -> Call: ...
    def read_merge(self, answer: Answer) -> NotReady | None: ...
    def post_status(self, commit: str, status: CommitStatus) -> Call: ...

    # a team that is asked for by a number is found by its name first
    def find_team(self, name: str) -> Call | None: ...
    def team_calls(self, name: str, found: Any = None) -> Call | None: ...
    def read_members(self, data: Any) -> Sequence[str]: ...
    def may_write(self, login: str) -> Call | None: ...
    def read_may_write(self, answer: Answer) -> bool: ...

    def git_user(self) -> str: ...


def mark(what: str, head: str) -> str:
    """A comment's hidden line: what it stands for besides its text."""
    return f"<!-- stagedoor:{what} {head} -->"


def read_mark(body: str) -> tuple[str, str, str]:
    """What a comment stands for, the head it speaks of, and its text without the mark."""
    found = _MARK.search(body)
    if found is None:
        return "", "", body
    return found[1], found[2], (body[: found.start()] + body[found.end() :]).strip()


# --- reading JSON that a host sent ----------------------------------------------------------------------------------


def each(data: Any) -> Sequence[dict[str, Any]]:
    """The objects of a list; `Unavailable` for anything else. Half of a list of reviews is not what people decided."""
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise Unavailable("the host's answer is no list of objects", fix="is this the forge that you named?")
    return data


def text_at(data: Any, *keys: str) -> str:
    """The text at a place, or nothing where the host leaves it out or says null."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, str) else ""


def number_at(data: Any, *keys: str) -> int:
    """The whole number at a place; `Unavailable` where it is missing: the host speaks another language than we do."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, int) or isinstance(data, bool):
        raise Unavailable(f"the host's answer has no {'.'.join(keys)}", fix="is this the forge that you named?")
    return data


def time_at(data: Any, *keys: str) -> datetime | None:
    """The time at a place, or None."""
    text = text_at(data, *keys)
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def known_time(data: Any, *keys: str) -> datetime:
    """The time at a place; `Unavailable` where it is missing."""
    found = time_at(data, *keys)
    if found is None:
        raise Unavailable(f"the host's answer has no {'.'.join(keys)}", fix="is this the forge that you named?")
    return found
