"""GitHub's dialect of pull requests: https://docs.github.com/en/rest?apiVersion=2022-11-28."""

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

API_VERSION = "2022-11-28"
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION, "User-Agent": "stagedoor"}
# https://docs.github.com/en/rest/commits/statuses#create-a-commit-status takes no more
MOST_OF_A_STATUS = 140
_EVENTS: dict[Verdict, str] = {"approved": "APPROVE", "changes_requested": "REQUEST_CHANGES"}
_WRITERS = frozenset({"admin", "write", "maintain"})
_PAGE = ("per_page", 100)


@dataclass(frozen=True, slots=True)
class GitHubDialect:
    """One repository of GitHub, or of a GitHub Enterprise Server."""

    owner: str
    repository: str
    kind: str = "github"

    @property
    def _at(self) -> str:
        return f"/repos/{quote(self.owner, safe='')}/{quote(self.repository, safe='')}"

    def head_ref(self, number: int) -> str:
        """GitHub keeps it, also after the branch is gone."""
        return f"refs/pull/{number}/head"

    def git_user(self) -> str:
        """Who a token is, for git over HTTPS."""
        return "x-access-token"

    # --- who ---

    def whoami(self) -> Call:
        return Call("GET", "/user")

    def read_login(self, data: Any) -> str:
        return text_at(data, "login")

    def find_team(self, name: str) -> Call | None:
        """Its name is all it takes."""
        return None

    def team_calls(self, name: str, found: Any = None) -> Call | None:
        """Members of `org/team`; it takes `members: read`, which a workflow's own token cannot have."""
        org, slash, slug = name.partition("/")
        if not slash:
            return None
        return Call("GET", f"/orgs/{quote(org, safe='')}/teams/{quote(slug, safe='')}/members", (_PAGE,))

    def read_members(self, data: Any) -> Sequence[str]:
        return tuple(login for one in each(data) if (login := text_at(one, "login")))

    def may_write(self, login: str) -> Call | None:
        """https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user."""
        return Call("GET", f"{self._at}/collaborators/{quote(login, safe='')}/permission")

    def read_may_write(self, answer: Answer) -> bool:
        return answer.is_good and text_at(answer.data, "permission") in _WRITERS

    # --- reading ---

    def find_pull(self, *, branch: str, target: str) -> Call:
        head = f"{self.owner}:{branch}"
        return Call("GET", f"{self._at}/pulls", (("state", "open"), ("head", head), ("base", target), _PAGE))

    def get_pull(self, number: int) -> Call:
        return Call("GET", f"{self._at}/pulls/{number}")

    def list_pulls(self, state: State) -> Call:
        asked = state if state in ("open", "all") else "closed"
        return Call("GET", f"{self._at}/pulls", (("state", asked), ("sort", "created"), ("direction", "desc"), _PAGE))

    def pulls_of(self, commit: str) -> Call:
        """https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit."""
        return Call("GET", f"{self._at}/commits/{commit}/pulls", (_PAGE,))

    def read_pull(self, data: Any) -> Pull:
        merged_at = time_at(data, "merged_at")
        state: Literal["open", "merged", "closed"] = (
            "merged" if merged_at else "open" if text_at(data, "state") == "open" else "closed"
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
            merged_as=text_at(data, "merge_commit_sha") if merged_at else "",
            merged_by=text_at(data, "merged_by", "login"),
            ended_at=merged_at or time_at(data, "closed_at"),
            is_draft=isinstance(data, dict) and data.get("draft") is True,
            # a fork that was deleted is null
            is_own=text_at(data, "head", "repo", "full_name") == text_at(data, "base", "repo", "full_name") != "",
        )

    def ask_reviews(self, pull: Pull) -> dict[str, Call]:
        return {"reviews": Call("GET", f"{self._at}/pulls/{pull.number}/reviews", (_PAGE,))}

    def read_reviews(self, pull: Pull, data: dict[str, Any]) -> Sequence[Review]:
        """The reviews that stand: the newest of each person that is no mere comment, and none if that is dismissed."""
        standing: dict[str, Review] = {}
        for one in each(data["reviews"]):
            who, state = text_at(one, "user", "login"), text_at(one, "state")
            if state == "DISMISSED":
                standing.pop(who, None)
            elif state in ("APPROVED", "CHANGES_REQUESTED") and who:
                standing.pop(who, None)
                verdict: Verdict = "approved" if state == "APPROVED" else "changes_requested"
                at = time_at(one, "submitted_at") or pull.updated_at
                # a commit that is gone for good is null; such a review saw something else than the head of now
                if head := text_at(one, "commit_id"):
                    standing[who] = Review(str(number_at(one, "id")), who, verdict, head, text_at(one, "body"), at)
        return tuple(standing.values())

    def list_notes(self, number: int) -> Call:
        return Call("GET", f"{self._at}/issues/{number}/comments", (_PAGE,))

    def read_note(self, data: Any) -> Note | None:
        return Note(
            str(number_at(data, "id")), text_at(data, "user", "login"), text_at(data, "body"),
            known_time(data, "created_at"),
        )  # fmt: skip

    def ask_pushers(self, pull: Pull) -> dict[str, Call]:
        """Who pushed is in the activity of the branch; commits alone say what their author likes.

        https://docs.github.com/en/rest/repos/repos#list-repository-activities.
        """
        calls = {"commits": Call("GET", f"{self._at}/pulls/{pull.number}/commits", (_PAGE,))}
        if pull.is_own:
            ref = ("ref", f"refs/heads/{pull.branch}")
            calls["activity"] = Call("GET", f"{self._at}/activity", (ref, ("direction", "asc"), _PAGE))
        return calls

    def read_pushers(self, pull: Pull, data: dict[str, Any]) -> Sequence[Pushing]:
        pushed = [
            Pushing(text_at(one, "actor", "login"), time_at(one, "timestamp"))
            for one in each(data.get("activity", []))
            if text_at(one, "activity_type") in ("push", "force_push", "branch_creation")
        ]
        # a branch of that name may have been somebody else's before
        known = [one for one in pushed if one.at is None or one.at >= pull.opened_at]
        wrote = [
            Pushing(text_at(one, role, "login")) for one in each(data["commits"]) for role in ("author", "committer")
        ]
        # web-flow commits what a person made in the browser
        return tuple(one for one in (*known, *wrote) if one.by and one.by != "web-flow")

    def ask_closer(self, number: int) -> Call | None:
        return Call("GET", f"{self._at}/issues/{number}")

    def read_closer(self, data: Any) -> str:
        return text_at(data, "closed_by", "login")

    # --- writing ---

    def open_pull(self, title: str, body: str, *, branch: str, target: str) -> Call:
        said = {"title": title, "body": body, "head": branch, "base": target}
        return Call("POST", f"{self._at}/pulls", body=said)

    def review(self, number: int, verdict: Verdict, body: str, *, head: str) -> Sequence[Call]:
        """https://docs.github.com/en/rest/pulls/reviews#create-a-review-for-a-pull-request."""
        said = {"commit_id": head, "event": _EVENTS[verdict], "body": body}
        return (Call("POST", f"{self._at}/pulls/{number}/reviews", body=said),)

    def comment(self, number: int, body: str) -> Call:
        return Call("POST", f"{self._at}/issues/{number}/comments", body={"body": body})

    def edit_comment(self, number: int, note: str, body: str) -> Call:
        return Call("PATCH", f"{self._at}/issues/comments/{_digits(note)}", body={"body": body})

    def close(self, number: int) -> Call:
        return Call("PATCH", f"{self._at}/pulls/{number}", body={"state": "closed"})

    def merge(self, number: int, *, head: str, title: str, message: str) -> Call:
        """https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request."""
        said = {"commit_title": title, "commit_message": message, "sha": head, "merge_method": "merge"}
        return Call("PUT", f"{self._at}/pulls/{number}/merge", body=said)

    def read_merge(self, answer: Answer) -> NotReady | None:
        """405 is "not mergeable" for any reason: checks that run, approvals that lack, a state not computed yet."""
        if answer.status == 405:
            return NotReady(answer.said or "GitHub says that it cannot be merged yet")
        if answer.status == 409:
            return NotReady(answer.said or "the head or the base was modified")
        return None

    def post_status(self, commit: str, status: CommitStatus) -> Call:
        said = {"state": status.light, "context": status.context, "description": status.text[:MOST_OF_A_STATUS]}
        if status.url:
            said["target_url"] = status.url
        return Call("POST", f"{self._at}/statuses/{commit}", body=said)


def _digits(note: str) -> str:
    if not (note.isascii() and note.isdigit()):
        raise BadInput(f"{note!r} is no comment's number")
    return note
