"""Gitea's dialect of pull requests, which Forgejo speaks too: https://docs.gitea.com/api/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from stagedoor.errors import BadInput
from stagedoor.forges.base import NotReady, State
from stagedoor.forges.hosting import (
    CommitStatus,
    Note,
    Pull,
    Pushing,
    Review,
    Verdict,
    each,
    known_time,
    number_at,
    text_at,
    time_at,
)
from stagedoor.forges.http import Answer, Call

HEADERS = {"Accept": "application/json", "User-Agent": "stagedoor"}
_EVENTS: dict[Verdict, str] = {"approved": "APPROVED", "changes_requested": "REQUEST_CHANGES"}
_WRITERS = frozenset({"owner", "admin", "write"})
# what a server gives at most is its own setting, and 50 is what it comes with
_PAGE = ("limit", 50)


@dataclass(frozen=True, slots=True)
class GiteaDialect:
    """One repository of a Gitea or Forgejo server."""

    owner: str
    repository: str
    kind: str = "gitea"

    @property
    def _at(self) -> str:
        return f"/repos/{quote(self.owner, safe='')}/{quote(self.repository, safe='')}"

    def head_ref(self, number: int) -> str:
        """It stays after the merge."""
        return f"refs/pull/{number}/head"

    def git_user(self) -> str:
        """Who a token is, for git over HTTPS: any name will do."""
        return "oauth2"

    # --- who ---

    def whoami(self) -> Call:
        return Call("GET", "/user")

    def read_login(self, data: Any) -> str:
        return text_at(data, "login")

    def find_team(self, name: str) -> Call | None:
        """The teams of an organisation, of which one has the name: /orgs/{org}/teams."""
        org = name.partition("/")[0]
        return Call("GET", f"/orgs/{quote(org, safe='')}/teams", (("limit", 50),))

    def team_calls(self, name: str, found: Any = None) -> Call | None:
        """The members by the team's number: /teams/{id}/members. Names tell apart whatever their case."""
        wanted = name.partition("/")[2].lower()
        team = next((one for one in found or () if text_at(one, "name").lower() == wanted), None)
        return Call("GET", f"/teams/{number_at(team, 'id')}/members", (("limit", 50),)) if team else None

    def read_members(self, data: Any) -> Sequence[str]:
        return tuple(login for one in each(data) if (login := text_at(one, "login")))

    def may_write(self, login: str) -> Call | None:
        return Call("GET", f"{self._at}/collaborators/{quote(login, safe='')}/permission")

    def read_may_write(self, answer: Answer) -> bool:
        return answer.is_good and text_at(answer.data, "permission") in _WRITERS

    # --- reading ---

    def find_pull(self, *, branch: str, target: str) -> Call:
        """There is no filter by branch: the open ones are looked through."""
        return self.list_pulls("open")

    def get_pull(self, number: int) -> Call:
        return Call("GET", f"{self._at}/pulls/{number}")

    def list_pulls(self, state: State) -> Call:
        asked = state if state in ("open", "all") else "closed"
        return Call("GET", f"{self._at}/pulls", (("state", asked), ("page", 1), _PAGE))

    def pulls_of(self, commit: str) -> Call:
        """The one pull request that landed as a commit."""
        return Call("GET", f"{self._at}/commits/{commit}/pull")

    def read_pull(self, data: Any) -> Pull:
        merged = isinstance(data, dict) and data.get("merged") is True
        state: Literal["open", "merged", "closed"] = (
            "merged" if merged else "open" if text_at(data, "state") == "open" else "closed"
        )
        return Pull(
            number=number_at(data, "number"),
            title=text_at(data, "title"),
            body=text_at(data, "body"),
            author=text_at(data, "user", "login"),
            opened_at=known_time(data, "created_at"),
            updated_at=known_time(data, "updated_at"),
            head=text_at(data, "head", "sha"),
            branch=text_at(data, "head", "ref"),
            target=text_at(data, "base", "ref"),
            state=state,
            merged_as=text_at(data, "merge_commit_sha") if merged else "",
            merged_by=text_at(data, "merged_by", "login"),
            ended_at=time_at(data, "merged_at") or time_at(data, "closed_at"),
            is_draft=isinstance(data, dict) and data.get("draft") is True,
            is_own=text_at(data, "head", "repo", "full_name") == text_at(data, "base", "repo", "full_name") != "",
        )

    def ask_reviews(self, pull: Pull) -> dict[str, Call]:
        return {"reviews": Call("GET", f"{self._at}/pulls/{pull.number}/reviews", (("page", 1), _PAGE))}

    def read_reviews(self, pull: Pull, data: dict[str, Any]) -> Sequence[Review]:
        """The newest review of each person. After a push only `stale` says that it is dead."""
        standing: dict[str, Review] = {}
        for one in each(data["reviews"]):
            who, state = text_at(one, "user", "login"), text_at(one, "state")
            if state not in ("APPROVED", "REQUEST_CHANGES") or not who:
                continue
            standing.pop(who, None)
            head = text_at(one, "commit_id")
            is_dead = one.get("dismissed") is True or (one.get("stale") is True and head == pull.head)
            if head and not is_dead:
                verdict: Verdict = "approved" if state == "APPROVED" else "changes_requested"
                at = time_at(one, "submitted_at") or pull.updated_at
                standing[who] = Review(str(number_at(one, "id")), who, verdict, head, text_at(one, "body"), at)
        return tuple(standing.values())

    def list_notes(self, number: int) -> Call:
        return Call("GET", f"{self._at}/issues/{number}/comments")

    def read_note(self, data: Any) -> Note | None:
        return Note(
            str(number_at(data, "id")), text_at(data, "user", "login"), text_at(data, "body"),
            known_time(data, "created_at"),
        )  # fmt: skip

    def ask_pushers(self, pull: Pull) -> dict[str, Call]:
        return {"commits": Call("GET", f"{self._at}/pulls/{pull.number}/commits", (("page", 1), _PAGE))}

    def read_pushers(self, pull: Pull, data: dict[str, Any]) -> Sequence[Pushing]:
        wrote = [
            Pushing(text_at(one, role, "login")) for one in each(data["commits"]) for role in ("author", "committer")
        ]
        return tuple(one for one in wrote if one.by)

    def ask_closer(self, number: int) -> Call | None:
        """Gitea does not say who closed it."""
        return None

    def read_closer(self, data: Any) -> str:
        return ""

    # --- writing ---

    def open_pull(self, title: str, body: str, *, branch: str, target: str) -> Call:
        said = {"title": title, "body": body, "head": branch, "base": target}
        return Call("POST", f"{self._at}/pulls", body=said)

    def review(self, number: int, verdict: Verdict, body: str, *, head: str) -> Sequence[Call]:
        said = {"commit_id": head, "event": _EVENTS[verdict], "body": body}
        return (Call("POST", f"{self._at}/pulls/{number}/reviews", body=said),)

    def comment(self, number: int, body: str) -> Call:
        return Call("POST", f"{self._at}/issues/{number}/comments", body={"body": body})

    def edit_comment(self, number: int, note: str, body: str) -> Call:
        if not (note.isascii() and note.isdigit()):
            raise BadInput(f"{note!r} is no comment's number")
        return Call("PATCH", f"{self._at}/issues/comments/{note}", body={"body": body})

    def close(self, number: int) -> Call:
        return Call("PATCH", f"{self._at}/pulls/{number}", body={"state": "closed"})

    def merge(self, number: int, *, head: str, title: str, message: str) -> Call:
        said = {"Do": "merge", "head_commit_id": head, "MergeTitleField": title, "MergeMessageField": message}
        return Call("POST", f"{self._at}/pulls/{number}/merge", body=said)

    def read_merge(self, answer: Answer) -> NotReady | None:
        """405 while checks are missing and while it is computed after a push; 409 where the head is another one."""
        if answer.status == 405:
            return NotReady(answer.said or "Gitea says that it cannot be merged yet")
        if answer.status == 409:
            return NotReady(answer.said or "the head is out of date")
        return None

    def post_status(self, commit: str, status: CommitStatus) -> Call:
        said = {"state": status.light, "context": status.context, "description": status.text[:255]}
        if status.url:
            said["target_url"] = status.url
        return Call("POST", f"{self._at}/statuses/{commit}", body=said)
