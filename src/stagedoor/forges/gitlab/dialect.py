"""GitLab's dialect of merge requests: https://docs.gitlab.com/api/merge_requests/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
    mark,
    number_at,
    read_mark,
    text_at,
    time_at,
)
from stagedoor.forges.http import Answer, Call

HEADERS = {"Accept": "application/json", "User-Agent": "stagedoor"}
_LIGHTS = {"pending": "pending", "success": "success", "failure": "failed"}
_STATES: dict[State, str] = {"open": "opened", "merged": "merged", "closed": "closed", "all": "all"}
_PAGE = ("per_page", 100)
_APPROVED, _TAKEN_BACK = "approved this merge request", "unapproved this merge request"
# Developer, https://docs.gitlab.com/api/access_requests/#valid-access-levels
_DEVELOPER = 30


@dataclass(frozen=True, slots=True)
class GitLabDialect:
    """One project of gitlab.com or of another GitLab."""

    project: str
    kind: str = "gitlab"

    @property
    def _at(self) -> str:
        return f"/projects/{quote(self.project, safe='')}"

    def _mr(self, number: int) -> str:
        return f"{self._at}/merge_requests/{number}"

    def head_ref(self, number: int) -> str:
        """GitLab keeps it for each merge request."""
        return f"refs/merge-requests/{number}/head"

    def git_user(self) -> str:
        """Who a token is, for git over HTTPS."""
        return "oauth2"

    # --- who ---

    def whoami(self) -> Call:
        return Call("GET", "/user")

    def read_login(self, data: Any) -> str:
        return text_at(data, "username")

    def find_team(self, name: str) -> Call | None:
        """Its name is all it takes."""
        return None

    def team_calls(self, name: str, found: Any = None) -> Call | None:
        """The members of a group, those of the groups above it among them."""
        return Call("GET", f"/groups/{quote(name, safe='')}/members/all", (_PAGE,))

    def read_members(self, data: Any) -> Sequence[str]:
        return tuple(login for one in each(data) if (login := text_at(one, "username")))

    def may_write(self, login: str) -> Call | None:
        return Call("GET", f"{self._at}/members/all", (("query", login), _PAGE))

    def read_may_write(self, answer: Answer) -> bool:
        found = each(answer.data) if answer.is_good else ()
        return any(number_at(one, "access_level") >= _DEVELOPER for one in found)

    # --- reading ---

    def find_pull(self, *, branch: str, target: str) -> Call:
        asked = (("state", "opened"), ("source_branch", branch), ("target_branch", target), _PAGE)
        return Call("GET", f"{self._at}/merge_requests", asked)

    def get_pull(self, number: int) -> Call:
        return Call("GET", self._mr(number))

    def list_pulls(self, state: State) -> Call:
        asked = (("state", _STATES[state]), ("order_by", "created_at"), ("sort", "desc"), _PAGE)
        return Call("GET", f"{self._at}/merge_requests", asked)

    def pulls_of(self, commit: str) -> Call:
        """https://docs.gitlab.com/api/commits/#list-merge-requests-associated-with-a-commit."""
        return Call("GET", f"{self._at}/repository/commits/{commit}/merge_requests", (_PAGE,))

    def read_pull(self, data: Any) -> Pull:
        said = text_at(data, "state")
        # `locked` is a merge that is going on
        state: Literal["open", "merged", "closed"] = (
            "merged" if said == "merged" else "closed" if said == "closed" else "open"
        )
        landed = text_at(data, "merge_commit_sha") or text_at(data, "squash_commit_sha") or text_at(data, "sha")
        return Pull(
            number=number_at(data, "iid"),
            title=text_at(data, "title"),
            body=text_at(data, "description"),
            author=text_at(data, "author", "username"),
            opened_at=known_time(data, "created_at"),
            updated_at=known_time(data, "updated_at"),
            head=text_at(data, "sha"),
            branch=text_at(data, "source_branch"),
            target=text_at(data, "target_branch"),
            state=state,
            merged_as=landed if state == "merged" else "",
            merged_by=text_at(data, "merge_user", "username") or text_at(data, "merged_by", "username"),
            ended_at=time_at(data, "merged_at") or time_at(data, "closed_at"),
            ended_by=text_at(data, "closed_by", "username"),
            is_draft=isinstance(data, dict) and data.get("draft") is True,
            is_own=isinstance(data, dict) and data.get("source_project_id") == data.get("target_project_id"),
        )

    def ask_reviews(self, pull: Pull) -> dict[str, Call]:
        """Who approves, what was the head when they did, and who asked for changes, which approvals do not tell."""
        at = self._mr(pull.number)
        return {
            "approvals": Call("GET", f"{at}/approvals"),
            "versions": Call("GET", f"{at}/versions", (_PAGE,)),
            "notes": self.list_notes(pull.number),
            "reviewers": Call("GET", f"{at}/reviewers", (_PAGE,)),
        }

    def read_reviews(self, pull: Pull, data: dict[str, Any]) -> Sequence[Review]:
        """Approvals that stand, with the head of their time, and wishes for changes that nobody has taken back.

        An approval has no head in GitLab's answer: it is the one of the newest version at its time. Where that time is
        not known the oldest version is meant, so that a push makes it stale.
        """
        found: dict[str, Review] = {}
        approved, notes = each([data["approvals"]])[0], each(data["notes"])
        for one in each(approved.get("approved_by") or []):
            who = text_at(one, "user", "username")
            at = time_at(one, "approved_at") or _said_at(notes, who, _APPROVED)
            head = _head_at(each(data["versions"]), at)
            if who and head:
                found[who] = Review(f"approval-{who}-{head[:10]}", who, "approved", head, "", at or pull.opened_at)
        for review in (*_marked(notes), *_requested(pull, each(data["reviewers"]))):
            if review.by not in found or found[review.by].at < review.at:
                found[review.by] = review
        return tuple(sorted(found.values(), key=lambda review: review.at))

    def list_notes(self, number: int) -> Call:
        return Call("GET", f"{self._mr(number)}/notes", (("sort", "asc"), ("order_by", "created_at"), _PAGE))

    def read_note(self, data: Any) -> Note | None:
        """What a person said; GitLab's own notes are none."""
        if isinstance(data, dict) and data.get("system") is True:
            return None
        return Note(
            str(number_at(data, "id")), text_at(data, "author", "username"), text_at(data, "body"),
            known_time(data, "created_at"),
        )  # fmt: skip

    def ask_pushers(self, pull: Pull) -> dict[str, Call]:
        """Who pushed is in the events of the project: https://docs.gitlab.com/api/events/#list-all-visible-events-for-a-project."""
        asked = (("action", "pushed"), _PAGE)
        return {"events": Call("GET", f"{self._at}/events", asked)} if pull.is_own else {}

    def read_pushers(self, pull: Pull, data: dict[str, Any]) -> Sequence[Pushing]:
        mine = [one for one in each(data.get("events", [])) if text_at(one, "push_data", "ref") == pull.branch]
        found = [Pushing(text_at(one, "author", "username"), time_at(one, "created_at")) for one in mine]
        return tuple(one for one in found if one.by and (one.at is None or one.at >= pull.opened_at))

    def ask_closer(self, number: int) -> Call | None:
        """The merge request itself says it."""
        return None

    def read_closer(self, data: Any) -> str:
        return ""

    # --- writing ---

    def open_pull(self, title: str, body: str, *, branch: str, target: str) -> Call:
        said = {
            "title": title, "description": body, "source_branch": branch, "target_branch": target,
            "remove_source_branch": True,
        }  # fmt: skip
        return Call("POST", f"{self._at}/merge_requests", body=said)

    def review(self, number: int, verdict: Verdict, body: str, *, head: str) -> Sequence[Call]:
        """An approval names the head that it is for; a wish for changes takes the approval back, and is a marked note.

        https://docs.gitlab.com/api/merge_request_approvals/#approve-merge-request. There is no call of the REST API for
        the state "requested changes", and on some plans none of the interface, so that the note is what counts.
        """
        at = self._mr(number)
        if verdict == "approved":
            said = (self.comment(number, body),) if body.strip() else ()
            return (Call("POST", f"{at}/approve", body={"sha": head}), *said)
        text = f"{body}\n\n{mark('changes', head)}".lstrip()
        return (self.comment(number, text),)

    def comment(self, number: int, body: str) -> Call:
        return Call("POST", f"{self._mr(number)}/notes", body={"body": _no_quick_action(body)})

    def edit_comment(self, number: int, note: str, body: str) -> Call:
        if not (note.isascii() and note.isdigit()):
            raise BadInput(f"{note!r} is no comment's number")
        return Call("PUT", f"{self._mr(number)}/notes/{note}", body={"body": _no_quick_action(body)})

    def close(self, number: int) -> Call:
        return Call("PUT", self._mr(number), body={"state_event": "close"})

    def merge(self, number: int, *, head: str, title: str, message: str) -> Call:
        """https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request."""
        said = {"sha": head, "merge_commit_message": f"{title}\n\n{message}".strip(), "squash": False}
        return Call("PUT", f"{self._mr(number)}/merge", body=said)

    def read_merge(self, answer: Answer) -> NotReady | None:
        """405 and 422 while it is checked or cannot be merged, 409 where the head is another one."""
        if answer.status in (405, 422):
            return NotReady(answer.said or "GitLab says that it cannot be merged yet")
        if answer.status == 409:
            return NotReady(answer.said or "the head is another one")
        return None

    def post_status(self, commit: str, status: CommitStatus) -> Call:
        """https://docs.gitlab.com/api/commits/#set-commit-pipeline-status."""
        said = {"state": _LIGHTS[status.light], "name": status.context, "description": status.text[:255]}
        if status.url:
            said["target_url"] = status.url
        return Call("POST", f"{self._at}/statuses/{commit}", body=said)


def _no_quick_action(body: str) -> str:
    """The text with nothing in it that GitLab would do: a line that begins with `/` is an order to it.

    https://docs.gitlab.com/user/project/quick_actions/: the plan of a stranger's request must not close, label or
    assign anything in the name of whoever posts it.
    """
    return "\n".join(f"\u200b{line}" if line.lstrip().startswith("/") else line for line in body.split("\n"))


def _said_at(notes: Any, who: str, what: str) -> datetime | None:
    times = [
        time_at(one, "created_at")
        for one in notes
        if one.get("system") is True and text_at(one, "author", "username") == who and text_at(one, "body") == what
    ]
    return max((at for at in times if at is not None), default=None)


def _head_at(versions: Any, at: datetime | None) -> str:
    """The head that was the newest at a time; the oldest there is where the time is not known."""
    known = sorted((made, text_at(one, "head_commit_sha")) for one in versions if (made := time_at(one, "created_at")))
    if not known:
        return ""
    return next((head for made, head in reversed(known) if at is not None and made <= at), known[0][1])


def _marked(notes: Any) -> Sequence[Review]:
    """Wishes for changes that our own notes bear; the note's author is GitLab's word, the mark is theirs."""
    found: dict[str, Review] = {}
    for one in notes:
        who, at = text_at(one, "author", "username"), time_at(one, "created_at")
        what, head, body = read_mark(text_at(one, "body"))
        if what == "changes" and who and at and one.get("system") is not True:
            found[who] = Review(str(number_at(one, "id")), who, "changes_requested", head, body, at)
    return tuple(found.values())


def _requested(pull: Pull, reviewers: Any) -> Sequence[Review]:
    """Wishes for changes made in GitLab's own pages. They stand until their author takes them back."""
    return tuple(
        Review(f"changes-{who}", who, "changes_requested", pull.head, "", pull.updated_at)
        for one in reviewers
        if text_at(one, "state") == "requested_changes" and (who := text_at(one, "user", "username"))
    )
