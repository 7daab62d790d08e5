"""What every forge can do with a request. The embedded one, GitHub and GitLab pass the same tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from stagedoor.core.requests import Request, Step
from stagedoor.gitstore import RefUpdate

State = Literal["open", "merged", "closed", "all"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is doing something, and what the name rests on: a claim of the local git, a token, or a signature."""

    email: str
    name: str
    identity: Literal["claimed", "token", "signed"] = "claimed"


@dataclass(frozen=True, slots=True)
class Landing:
    """What a merge puts on main: the merged tree, the main it was computed on, the message of the commit."""

    tree: str
    onto: str
    message: str
    # the approvals that are signed, as tag objects of the head
    mergetags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotReady:
    """Not merged, and nothing is wrong with the call: look at the reason, then try again.

    `is_raced` when somebody was faster, so that looking again at once may help; else it takes people or machines.
    """

    reason: str
    is_raced: bool = False


class Forge(Protocol):
    """Requests, wherever they are kept.

    Every method reads the newest state first and refuses what makes no sense in it: `NotFound` for a number nobody
    opened, `InvalidState` for a request that is not open, `Conflict` for a head that has moved.
    """

    def open(self, title: str, body: str, *, base: str, head: str, by: Actor, at: datetime) -> Request:
        """A new request with the next free number."""
        ...

    def get(self, number: int) -> Request:
        """One request as it is now."""
        ...

    def requests(self, state: State = "open") -> Sequence[Request]:
        """The requests in a state, newest first."""
        ...

    def push(
        self,
        number: int,
        *,
        base: str,
        head: str,
        why: str,
        expected: str,
        by: Actor,
        at: datetime,
        update: bool = False,
    ) -> Request:
        """Another head in place of `expected`. Reviews of the old one do not count any more.

        `update` says that it makes the same changes on a newer base, which makes nobody an author.
        """
        ...

    def review(
        self,
        number: int,
        verdict: Literal["approved", "changes_requested"],
        body: str,
        *,
        head: str,
        by: Actor,
        at: datetime,
        tag: str = "",
    ) -> Request:
        """A review of `head`, which has to be the request's head still; `tag` is it as a signed tag object."""
        ...

    def break_glass(self, number: int, reason: str, *, head: str, by: Actor, at: datetime) -> Request:
        """The request is an emergency from here on, as long as `head` is its head."""
        ...

    def comment(self, number: int, body: str, *, by: Actor, at: datetime) -> Request:
        """Something said on the request, open or not."""
        ...

    def close(
        self, number: int, how: Literal["rejected", "cancelled"], body: str, *, by: Actor, at: datetime
    ) -> Request:
        """The request ends without a merge."""
        ...

    def publish(self, update: RefUpdate, reason: str) -> None:
        """Move main, for a write that needs no request. `Raced` when it is not what was expected."""
        ...

    def landed(self, commit: str) -> int | None:
        """The request that the host says has landed as a commit of main; None where only the commit could tell."""
        ...

    def tips(self) -> dict[int, str]:
        """For every request a word that changes whenever something happens to it: what a reconciler remembers."""
        ...

    def steps_after(self, number: int, last: str | None) -> Sequence[tuple[str, Step]]:
        """The steps since `last` was a request's tip, each with a name for ever; all of them without one."""
        ...

    def merge(self, number: int, landing: Landing, *, head: str, by: Actor, at: datetime) -> Request | NotReady:
        """Land `head` on main, where main is `landing.onto` still; `NotReady` when it has moved."""
        ...
