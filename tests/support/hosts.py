"""A host of pull requests on loopback: GitHub, GitLab or Gitea, small and faithful, over a real bare repository.

It answers what the three document, and refuses what they refuse: a parameter that they do not know, a head that has
moved, an approval of one's own request. What git knows it asks git for.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import RLock, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

ZERO = "0" * 40


@dataclass
class Thought:
    """A review as the host keeps it."""

    id: int
    by: str
    verdict: str
    head: str
    body: str
    at: str
    dismissed: bool = False


@dataclass
class Said:
    """A comment as the host keeps it."""

    id: int
    by: str
    body: str
    at: str
    system: bool = False


@dataclass
class Pr:
    """A pull request as the host keeps it."""

    number: int
    title: str
    body: str
    author: str
    branch: str
    target: str
    at: str
    updated: str
    state: str = "open"
    merged_as: str = ""
    ended_by: str = ""
    ended_at: str | None = None
    fork: bool = False
    pinned: str = ""
    thoughts: list[Thought] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    versions: list[tuple[str, str]] = field(default_factory=list)
    changes_by: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sent:
    """One call that came in."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


class Refuse(Exception):
    """The host says no."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


@dataclass
class Host:
    """The host: who may speak, what is there, and what goes wrong next."""

    kind: str
    git_dir: Path
    port: int = 0
    project: str = "ml/models"
    tokens: dict[str, str] = field(default_factory=dict)
    teams: dict[str, list[str]] = field(default_factory=dict)
    readers: set[str] = field(default_factory=set)
    pulls: list[Pr] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    statuses: dict[str, dict[str, str]] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    # answers that come before the real one, as status, headers and body
    failures: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    # whether the failing call is done all the same
    does_failing: bool = False
    page: int = 100
    now: datetime = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    lock: RLock = field(default_factory=RLock)
    _next: int = 1

    @property
    def url(self) -> str:
        """The address as a person would write it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def root(self) -> str:
        """The API's root."""
        return self.url + {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}[self.kind]

    def git(self, *args: str, stdin: str = "", check: bool = True) -> str:
        """Git in the host's own repository."""
        done = subprocess.run(
            ["git", f"--git-dir={self.git_dir}", *args], input=stdin, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def clock(self) -> str:
        """A time that goes on by ten seconds whenever somebody looks, as hosts write it."""
        self.now += timedelta(seconds=10)
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def number(self) -> int:
        """A number for what is new."""
        self._next += 1
        return self._next

    # --- what people do in the browser ---

    def pull(self, number: int) -> Pr:
        """One pull request, with its branch looked at."""
        if not 1 <= number <= len(self.pulls):
            raise Refuse(404, "Not Found")
        found = self.pulls[number - 1]
        self.look(found)
        return found

    def look(self, pr: Pr) -> None:
        """What a push leads to: the pull request has a new head."""
        if pr.state != "open":
            return
        head = pr.pinned or self.git("rev-parse", "--verify", "-q", f"refs/heads/{pr.branch}", check=False)
        if head and (not pr.versions or pr.versions[-1][0] != head):
            pr.versions.append((head, self.clock()))
            pr.updated = pr.versions[-1][1]
            prefix = "merge-requests" if self.kind == "gitlab" else "pull"
            self.git("update-ref", f"refs/{prefix}/{pr.number}/head", head)

    def head(self, pr: Pr) -> str:
        """Its head of now."""
        return pr.versions[-1][0]

    def open(self, by: str, branch: str, target: str, title: str, body: str = "", *, pinned: str = "") -> Pr:
        """A new pull request; `pinned` is the head of one that comes from a fork."""
        tip = pinned or self.git("rev-parse", "--verify", "-q", f"refs/heads/{branch}", check=False)
        if not tip:
            raise Refuse(422, "the head branch is not there")
        if any((p.branch, p.target, p.state, p.fork) == (branch, target, "open", bool(pinned)) for p in self.pulls):
            raise Refuse(409 if self.kind != "github" else 422, "a pull request already exists for this branch")
        at = self.clock()
        made = Pr(len(self.pulls) + 1, title, body, by, branch, target, at, at, fork=bool(pinned), pinned=pinned)
        self.pulls.append(made)
        self.look(made)
        return made

    def think(self, pr: Pr, by: str, verdict: str, body: str = "", head: str = "") -> Thought:
        """A review."""
        if by == pr.author and verdict != "commented":
            raise Refuse(401 if self.kind == "gitlab" else 422, "an author cannot review their own pull request")
        if head and self.kind == "gitlab" and head != self.head(pr):
            raise Refuse(409, "SHA does not match HEAD of source branch")
        made = Thought(self.number(), by, verdict, head or self.head(pr), body, self.clock())
        pr.thoughts.append(made)
        pr.updated = made.at
        if self.kind == "gitlab" and verdict == "approved":
            pr.said.append(Said(self.number(), by, "approved this merge request", made.at, system=True))
        return made

    def say(self, pr: Pr, by: str, body: str) -> Said:
        """A comment."""
        made = Said(self.number(), by, body, self.clock())
        pr.said.append(made)
        pr.updated = made.at
        return made

    def merge(self, pr: Pr, by: str, message: str, head: str = "") -> None:
        """Merge it, where all that is required is there."""
        if pr.state == "merged" and self.kind == "github":
            return
        if pr.state != "open":
            raise Refuse(405, "it is not open")
        if head and head != self.head(pr):
            raise Refuse(409, "head branch was modified. Review and try the merge again.")
        lights = self.statuses.get(self.head(pr), {})
        if lacking := [name for name in self.required if lights.get(name) != "success"]:
            raise Refuse(405, f"required status check {lacking[0]} is expected")
        ours = self.git("rev-parse", f"refs/heads/{pr.target}")
        tree, *rest = self.git("merge-tree", "--write-tree", ours, self.head(pr), check=False).splitlines()
        if rest:
            raise Refuse(405, "it has conflicts")
        at = self.clock()
        who = ("-c", f"user.name={by}", "-c", f"user.email={by}@users.noreply.example")
        commit = self.git(*who, "commit-tree", tree, "-p", ours, "-p", self.head(pr), "-F", "-", stdin=message)
        self.git("update-ref", f"refs/heads/{pr.target}", commit, ours)
        pr.state, pr.merged_as, pr.ended_by, pr.ended_at, pr.updated = "merged", commit, by, at, at

    def close(self, pr: Pr, by: str) -> None:
        """Close it without a merge."""
        pr.ended_at = pr.updated = self.clock()
        pr.state, pr.ended_by = "closed", by

    # --- answering ---

    def answer(self, sent: Sent) -> tuple[int, Any]:
        """What the host says to a call."""
        who = self.who(sent.headers)
        for method, pattern, act in ROUTES[self.kind]:
            if method == sent.method and (found := re.fullmatch(pattern, sent.path)):
                return act(self, who, sent, *found.groups())
        raise Refuse(404, "Not Found")

    def who(self, headers: dict[str, str]) -> str:
        """Whose token it is."""
        said = headers.get("private-token", "") if self.kind == "gitlab" else headers.get("authorization", "")
        token = said.removeprefix("Bearer ").removeprefix("token ")
        if token.count(".") == 2 and "app" in self.settings:
            return self.app_of(token)
        if token not in self.tokens:
            raise Refuse(401, f"Bad credentials {token}")
        return self.tokens[token]

    def app_of(self, token: str) -> str:
        """The App whose signed word it is: not one of the future, and for ten minutes at most."""
        import jwt

        app = self.settings["app"]
        try:
            said = jwt.decode(token, app["public"], algorithms=["RS256"], options={"require": ["iat", "exp", "iss"]},
                              leeway=1e9)  # fmt: skip
        except jwt.PyJWTError as no:
            raise Refuse(401, f"A JSON web token could not be decoded: {no}") from no
        if said["iss"] != app["id"] or said["exp"] - said["iat"] > 600:
            raise Refuse(401, "'Issuer' claim or 'Expiration time' claim is not acceptable")
        return "an app"


Act = Callable[..., tuple[int, Any]]
ROUTES: dict[str, list[tuple[str, str, Act]]] = {"github": [], "gitlab": [], "gitea": []}


def route(method: str, pattern: str, *kinds: str) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        for kind in kinds:
            ROUTES[kind].append((method, pattern, act))
        return act

    return add


def known(sent: Sent, *names: str) -> dict[str, Any]:
    """The body, which may have no other keys than these."""
    body = sent.body or {}
    if odd := set(body) - set(names):
        raise Refuse(422, f"unknown: {', '.join(sorted(odd))}")
    return dict(body)


def asks(sent: Sent, *names: str) -> None:
    """The query may have no other keys than these, and those of paging."""
    if odd := set(sent.query) - {*names, "page", "per_page", "limit"}:
        raise Refuse(422, f"unknown: {', '.join(sorted(odd))}")


def admin(host: Host, who: str) -> None:
    """Only some may change settings."""
    if who not in host.settings.get("admins", ["carol"]):
        raise Refuse(403, "Must have admin rights to Repository.")


def changed(host: Host, name: str, sent: Sent, *names: str) -> Any:
    """A setting with what the body says of it; what it leaves out stays."""
    host.settings[name] = {**host.settings.get(name, {}), **known(sent, *names)}
    return host.settings[name]


# --- GitHub and Gitea -----------------------------------------------------------------------------------------------

HUB = ("github", "gitea")
REPO = r"/repos/ml/models"


def user(login: str) -> dict[str, Any]:
    return {"login": login, "id": sum(map(ord, login))}


def pull_json(host: Host, pr: Pr) -> dict[str, Any]:
    host.look(pr)
    full = {"full_name": host.project}
    head = {"ref": pr.branch, "sha": host.head(pr), "repo": {"full_name": "eve/models"} if pr.fork else full}
    merged = pr.state == "merged"
    found = {
        "number": pr.number, "title": pr.title, "body": pr.body or None, "user": user(pr.author),
        "state": "open" if pr.state == "open" else "closed", "draft": False,
        "created_at": pr.at, "updated_at": pr.updated, "closed_at": pr.ended_at,
        "merged_at": pr.ended_at if merged else None, "merge_commit_sha": pr.merged_as or ZERO,
        "head": head, "base": {"ref": pr.target, "sha": host.git("rev-parse", f"refs/heads/{pr.target}"), "repo": full},
        # ROOT_URL of the server, and not the address it was called by
        "html_url": f"https://elsewhere.example/{host.project}/pulls/{pr.number}",
    }  # fmt: skip
    if host.kind == "gitea":
        found["merged"] = merged
    found["merged_by"] = user(pr.ended_by) if merged else None
    return found


@route("GET", "/user", *HUB)
def hub_user(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    if who.endswith("[bot]"):
        raise Refuse(403, "Resource not accessible by integration")
    return 200, user(who)


def app_only(host: Host, who: str) -> dict[str, Any]:
    if who != "an app":
        raise Refuse(401, "A JSON web token could not be decoded")
    return dict(host.settings["app"])


@route("GET", r"/app", "github")
def hub_app(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    return 200, {"id": 1, "slug": app_only(host, who)["slug"]}


@route("GET", rf"{REPO}/installation", "github")
def hub_installation(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    app = app_only(host, who)
    if not app["installed"]:
        raise Refuse(404, "Not Found")
    return 200, {"id": 77, "permissions": app["permissions"]}


@route("POST", r"/app/installations/77/access_tokens", "github")
def hub_access_token(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    app = app_only(host, who)
    body = known(sent, "repositories", "permissions")
    if body["repositories"] != ["models"] or set(body["permissions"]) - set(app["permissions"]):
        raise Refuse(422, "The permissions requested are not granted to this installation.")
    token = f"ghs_{host.number()}"
    host.tokens[token] = f"{app['slug']}[bot]"
    ends = (host.settings.get("app_clock") or host.now) + timedelta(hours=1)
    return 201, {"token": token, "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}


@route("GET", r"/orgs/([^/]+)/teams/([^/]+)/members", "github")
def hub_team(host: Host, who: str, sent: Sent, org: str, slug: str) -> tuple[int, Any]:
    if f"{org}/{slug}" not in host.teams:
        raise Refuse(404, "Not Found")
    return 200, [user(login) for login in host.teams[f"{org}/{slug}"]]


@route("GET", r"/orgs/([^/]+)/teams", "gitea")
def tea_teams(host: Host, who: str, sent: Sent, org: str) -> tuple[int, Any]:
    asks(sent)
    named = [name.partition("/")[2] for name in host.teams if name.startswith(f"{org}/")]
    return 200, [{"id": 100 + index, "name": name} for index, name in enumerate(named)]


@route("GET", r"/teams/(\d+)/members", "gitea")
def tea_members(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    listed = list(host.teams.values())
    if not 0 <= int(number) - 100 < len(listed):
        raise Refuse(404, "Not Found")
    return 200, [user(login) for login in listed[int(number) - 100]]


@route("GET", rf"{REPO}/collaborators/([^/]+)/permission", *HUB)
def hub_permission(host: Host, who: str, sent: Sent, login: str) -> tuple[int, Any]:
    return 200, {"permission": "read" if login in host.readers else "write", "user": user(login)}


@route("GET", rf"{REPO}/pulls", *HUB)
def hub_pulls(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    asks(sent, "state", "head", "base", "sort", "direction")
    state, head = sent.query.get("state", "open"), sent.query.get("head")
    if state not in ("open", "closed", "all"):
        raise Refuse(422, f"state {state}")
    for pr in host.pulls:
        host.look(pr)
    found = [
        pr
        for pr in reversed(host.pulls)
        if (state == "all" or (pr.state == "open") == (state == "open"))
        and head in (None, f"{'eve' if pr.fork else 'ml'}:{pr.branch}")
        and sent.query.get("base") in (None, pr.target)
    ]
    return 200, [pull_json(host, pr) for pr in found]


@route("POST", rf"{REPO}/pulls", *HUB)
def hub_open(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    body = known(sent, "title", "body", "head", "base")
    return 201, pull_json(host, host.open(who, body["head"], body["base"], body["title"], body.get("body") or ""))


@route("GET", rf"{REPO}/pulls/(\d+)", *HUB)
def hub_pull(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    return 200, pull_json(host, host.pull(int(number)))


@route("PATCH", rf"{REPO}/pulls/(\d+)", *HUB)
def hub_edit(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    if known(sent, "state").get("state") == "closed":
        host.close(host.pull(int(number)), who)
    return 200 if host.kind == "github" else 201, pull_json(host, host.pull(int(number)))


@route("GET", rf"{REPO}/commits/([0-9a-f]+)/pulls", "github")
def hub_of_commit(host: Host, who: str, sent: Sent, commit: str) -> tuple[int, Any]:
    return 200, [pull_json(host, pr) for pr in host.pulls if commit in (pr.merged_as, host.head(pr))]


@route("GET", rf"{REPO}/commits/([0-9a-f]+)/pull", "gitea")
def tea_of_commit(host: Host, who: str, sent: Sent, commit: str) -> tuple[int, Any]:
    found = [pull_json(host, pr) for pr in host.pulls if commit == pr.merged_as]
    if not found:
        raise Refuse(404, "pull request does not exist")
    return 200, found[0]


@route("GET", rf"{REPO}/pulls/(\d+)/reviews", *HUB)
def hub_reviews(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    pr = host.pull(int(number))
    return 200, [hub_review_json(host, pr, one) for one in pr.thoughts]


def hub_review_json(host: Host, pr: Pr, one: Thought) -> dict[str, Any]:
    words = {"approved": "APPROVED", "changes_requested": "CHANGES_REQUESTED", "commented": "COMMENTED"}
    if host.kind == "gitea":
        words = {"approved": "APPROVED", "changes_requested": "REQUEST_CHANGES", "commented": "COMMENT"}
    found = {
        "id": one.id, "user": user(one.by), "state": words[one.verdict], "body": one.body, "commit_id": one.head,
        "submitted_at": one.at,
    }  # fmt: skip
    if host.kind == "gitea":
        return {**found, "stale": one.head != host.head(pr), "official": True, "dismissed": one.dismissed}
    return {**found, "state": "DISMISSED"} if one.dismissed else found


@route("POST", rf"{REPO}/pulls/(\d+)/reviews", *HUB)
def hub_review(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    body = known(sent, "commit_id", "event", "body")
    hub = {"APPROVE": "approved", "REQUEST_CHANGES": "changes_requested", "COMMENT": "commented"}
    tea = {"APPROVED": "approved", "REQUEST_CHANGES": "changes_requested", "COMMENT": "commented"}
    words = hub if host.kind == "github" else tea
    if body["event"] not in words:
        raise Refuse(422, f"event {body['event']}")
    if body["event"] == "REQUEST_CHANGES" and not body.get("body"):
        raise Refuse(422, "a body is needed")
    pr = host.pull(int(number))
    return 200, hub_review_json(host, pr, host.think(pr, who, words[body["event"]], body["body"], body["commit_id"]))


def note_json(one: Said) -> dict[str, Any]:
    return {"id": one.id, "user": user(one.by), "body": one.body, "created_at": one.at, "updated_at": one.at}


@route("GET", rf"{REPO}/issues/(\d+)/comments", *HUB)
def hub_comments(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    return 200, [note_json(one) for one in host.pull(int(number)).said]


@route("POST", rf"{REPO}/issues/(\d+)/comments", *HUB)
def hub_comment(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    return 201, note_json(host.say(host.pull(int(number)), who, known(sent, "body")["body"]))


@route("PATCH", rf"{REPO}/issues/comments/(\d+)", *HUB)
def hub_edit_comment(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    one = next(said for pr in host.pulls for said in pr.said if said.id == int(number))
    if one.by != who:
        raise Refuse(403, "Must have admin rights")
    one.body = known(sent, "body")["body"]
    return 200, note_json(one)


@route("GET", rf"{REPO}/issues/(\d+)", "github")
def hub_issue(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    pr = host.pull(int(number))
    return 200, {"number": pr.number, "closed_by": user(pr.ended_by) if pr.ended_by else None}


@route("GET", rf"{REPO}/pulls/(\d+)/commits", *HUB)
def hub_commits(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    pr = host.pull(int(number))
    listed = host.git("log", "--format=%H %ae", f"refs/heads/{pr.target}..{host.head(pr)}").splitlines()
    return 200, [
        {"sha": line.split()[0], "author": user(line.split()[1].partition("@")[0]), "committer": user("web-flow")}
        for line in listed
    ]


@route("GET", rf"{REPO}/activity", "github")
def hub_activity(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    asks(sent, "ref", "direction", "time_period", "activity_type", "actor", "before", "after")
    found = host.settings.get("activity", [])
    return 200, [one for one in found if one["ref"] == sent.query.get("ref")]


@route("PUT", rf"{REPO}/pulls/(\d+)/merge", "github")
def hub_merge(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    body = known(sent, "commit_title", "commit_message", "sha", "merge_method")
    if body.get("merge_method", "merge") not in ("merge", "squash", "rebase"):
        raise Refuse(422, "merge_method")
    pr = host.pull(int(number))
    host.merge(pr, who, f"{body['commit_title']}\n\n{body['commit_message']}", body.get("sha", ""))
    return 200, {"sha": pr.merged_as, "merged": True, "message": "Pull Request successfully merged"}


@route("POST", rf"{REPO}/pulls/(\d+)/merge", "gitea")
def tea_merge(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    body = known(sent, "Do", "head_commit_id", "MergeTitleField", "MergeMessageField")
    if body["Do"] not in ("merge", "rebase", "rebase-merge", "squash", "fast-forward-only"):
        raise Refuse(422, "Do")
    message = f"{body['MergeTitleField']}\n\n{body['MergeMessageField']}"
    host.merge(host.pull(int(number)), who, message, body.get("head_commit_id", ""))
    return 200, None


@route("POST", rf"{REPO}/statuses/([0-9a-f]+)", *HUB)
def hub_status(host: Host, who: str, sent: Sent, commit: str) -> tuple[int, Any]:
    body = known(sent, "state", "context", "description", "target_url")
    if body["state"] not in ("pending", "success", "failure", "error"):
        raise Refuse(422, "state")
    if host.kind == "github" and len(body.get("description", "")) > 140:
        raise Refuse(422, "description is too long")
    host.statuses.setdefault(commit, {})[body["context"]] = body["state"]
    return 201, {"state": body["state"], "context": body["context"]}


@route("GET", rf"{REPO}", *HUB)
def hub_repository(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    return 200, {"full_name": host.project, "default_branch": "main", **host.settings.get("repository", {})}


@route("GET", rf"{REPO}/rules/branches/([^/]+)", "github")
def hub_rules(host: Host, who: str, sent: Sent, branch: str) -> tuple[int, Any]:
    sets = [one for one in host.settings.get("rulesets", []) if one["enforcement"] == "active"]
    return 200, [*host.settings.get("rules", []), *(rule for one in sets for rule in one["rules"])]


@route("GET", rf"{REPO}/rulesets", "github")
def hub_rulesets(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    shown = ("id", "name", "enforcement", "target")
    return 200, [{name: one[name] for name in shown} for one in host.settings.get("rulesets", [])]


@route("POST", rf"{REPO}/rulesets", "github")
def hub_new_ruleset(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    admin(host, who)
    body = known(sent, "name", "target", "enforcement", "conditions", "rules", "bypass_actors")
    made = {"id": host.number(), "bypass_actors": [], **body}
    host.settings.setdefault("rulesets", []).append(made)
    return 201, made


@route("GET", rf"{REPO}/rulesets/(\d+)", "github")
def hub_ruleset(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    return 200, next(one for one in host.settings["rulesets"] if one["id"] == int(number))


@route("PUT", rf"{REPO}/rulesets/(\d+)", "github")
def hub_edit_ruleset(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    admin(host, who)
    found = next(one for one in host.settings["rulesets"] if one["id"] == int(number))
    found |= known(sent, "name", "target", "enforcement", "conditions", "rules", "bypass_actors")
    return 200, found


@route("PUT", rf"{REPO}/actions/permissions/workflow", "github")
def hub_set_actions(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    admin(host, who)
    host.settings["actions"] = known(sent, "default_workflow_permissions", "can_approve_pull_request_reviews")
    return 204, None


@route("GET", rf"{REPO}/branches/([^/]+)/protection", "github")
def hub_protection(host: Host, who: str, sent: Sent, branch: str) -> tuple[int, Any]:
    if "protection" not in host.settings:
        raise Refuse(404, "Branch not protected")
    return 200, host.settings["protection"]


@route("PUT", rf"{REPO}/branches/([^/]+)/protection", "github")
def hub_protect(host: Host, who: str, sent: Sent, branch: str) -> tuple[int, Any]:
    host.settings["protected_with"] = sent.body
    return 200, sent.body


@route("GET", rf"{REPO}/codeowners/errors", "github")
def hub_owner_errors(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    return 200, {"errors": host.settings.get("codeowners_errors", [])}


@route("GET", rf"{REPO}/actions/permissions/workflow", "github")
def hub_actions(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    default = {"default_workflow_permissions": "write", "can_approve_pull_request_reviews": True}
    return 200, host.settings.get("actions", default)


@route("GET", rf"{REPO}/branch_protections/([^/]+)", "gitea")
def tea_protection(host: Host, who: str, sent: Sent, branch: str) -> tuple[int, Any]:
    if "protection" not in host.settings:
        raise Refuse(404, "Not Found")
    return 200, host.settings["protection"]


PROTECTION = (
    "rule_name", "branch_name", "enable_push", "enable_status_check", "status_check_contexts",
    "dismiss_stale_approvals", "block_on_rejected_reviews", "block_on_official_review_requests",
)  # fmt: skip


@route("POST", rf"{REPO}/branch_protections", "gitea")
def tea_protect(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    admin(host, who)
    return 201, changed(host, "protection", sent, *PROTECTION)


@route("PATCH", rf"{REPO}/branch_protections/([^/]+)", "gitea")
def tea_edit_protection(host: Host, who: str, sent: Sent, branch: str) -> tuple[int, Any]:
    admin(host, who)
    return 200, changed(host, "protection", sent, *PROTECTION)


# --- GitLab ---------------------------------------------------------------------------------------------------------

LAB = r"/projects/ml%2Fmodels"
MR = rf"{LAB}/merge_requests/(\d+)"


def person(login: str) -> dict[str, Any]:
    return {"username": login, "id": sum(map(ord, login))}


def mr_json(host: Host, pr: Pr) -> dict[str, Any]:
    host.look(pr)
    merged = pr.state == "merged"
    return {
        "iid": pr.number, "id": 1000 + pr.number, "title": pr.title, "description": pr.body,
        "author": person(pr.author), "state": {"open": "opened"}.get(pr.state, pr.state), "draft": False,
        "created_at": pr.at.replace("Z", ".000Z"), "updated_at": pr.updated.replace("Z", ".000Z"),
        "merged_at": pr.ended_at if merged else None, "closed_at": None if merged else pr.ended_at,
        "sha": host.head(pr), "source_branch": pr.branch, "target_branch": pr.target,
        "source_project_id": 9 if pr.fork else 7, "target_project_id": 7, "merge_commit_sha": pr.merged_as or None,
        "merge_user": person(pr.ended_by) if merged else None,
        "closed_by": person(pr.ended_by) if pr.state == "closed" else None, "detailed_merge_status": "mergeable",
    }  # fmt: skip


@route("GET", "/user", "gitlab")
def lab_user(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    return 200, person(who)


@route("GET", r"/groups/([^/]+)/members/all", "gitlab")
def lab_group(host: Host, who: str, sent: Sent, name: str) -> tuple[int, Any]:
    if unquote(name) not in host.teams:
        raise Refuse(404, "404 Group Not Found")
    return 200, [person(login) for login in host.teams[unquote(name)]]


@route("GET", rf"{LAB}/members/all", "gitlab")
def lab_members(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    login = sent.query["query"]
    return 200, [{**person(login), "access_level": 20 if login in host.readers else 40}]


@route("GET", rf"{LAB}/merge_requests", "gitlab")
def lab_pulls(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    asks(sent, "state", "source_branch", "target_branch", "order_by", "sort")
    state = sent.query.get("state", "all")
    if state not in ("opened", "closed", "locked", "merged", "all"):
        raise Refuse(400, "state does not have a valid value")
    found = [
        mr_json(host, pr)
        for pr in reversed(host.pulls)
        if state in ("all", {"open": "opened"}.get(pr.state, pr.state))
        and sent.query.get("source_branch") in (None, pr.branch)
        and sent.query.get("target_branch") in (None, pr.target)
    ]
    return 200, found


@route("POST", rf"{LAB}/merge_requests", "gitlab")
def lab_open(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    body = known(sent, "title", "description", "source_branch", "target_branch", "remove_source_branch")
    made = host.open(who, body["source_branch"], body["target_branch"], body["title"], body.get("description", ""))
    return 201, mr_json(host, made)


@route("GET", MR, "gitlab")
def lab_pull(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    return 200, mr_json(host, host.pull(int(number)))


@route("PUT", MR, "gitlab")
def lab_edit(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    if known(sent, "state_event").get("state_event") == "close":
        host.close(host.pull(int(number)), who)
    return 200, mr_json(host, host.pull(int(number)))


@route("GET", rf"{LAB}/repository/commits/([0-9a-f]+)/merge_requests", "gitlab")
def lab_of_commit(host: Host, who: str, sent: Sent, commit: str) -> tuple[int, Any]:
    return 200, [mr_json(host, pr) for pr in host.pulls if commit in (pr.merged_as, host.head(pr))]


@route("GET", rf"{MR}/approvals", "gitlab")
def lab_approvals(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    pr = host.pull(int(number))
    by = dict.fromkeys(one.by for one in pr.thoughts if one.verdict == "approved" and not one.dismissed)
    return 200, {"approved": bool(by), "approved_by": [{"user": person(login)} for login in by]}


@route("GET", rf"{MR}/versions", "gitlab")
def lab_versions(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    versions = host.pull(int(number)).versions
    return 200, [{"id": index, "head_commit_sha": head, "created_at": at} for index, (head, at) in enumerate(versions)][
        ::-1
    ]


@route("GET", rf"{MR}/reviewers", "gitlab")
def lab_reviewers(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    return 200, [{"user": person(by), "state": "requested_changes"} for by in host.pull(int(number)).changes_by]


def lab_note(one: Said) -> dict[str, Any]:
    return {"id": one.id, "author": person(one.by), "body": one.body, "created_at": one.at, "system": one.system}


@route("GET", rf"{MR}/notes", "gitlab")
def lab_notes(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    asks(sent, "sort", "order_by", "activity_filter")
    return 200, [lab_note(one) for one in host.pull(int(number)).said]


@route("POST", rf"{MR}/notes", "gitlab")
def lab_comment(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    body = known(sent, "body")["body"]
    pr = host.pull(int(number))
    if re.search(r"^/\w", body, re.MULTILINE):
        # what GitLab does with a line like that: https://docs.gitlab.com/user/project/quick_actions/
        host.close(pr, who)
    return 201, lab_note(host.say(pr, who, body))


@route("PUT", rf"{MR}/notes/(\d+)", "gitlab")
def lab_edit_comment(host: Host, who: str, sent: Sent, number: str, note: str) -> tuple[int, Any]:
    one = next(said for said in host.pull(int(number)).said if said.id == int(note))
    if one.by != who:
        raise Refuse(403, "403 Forbidden")
    one.body = known(sent, "body")["body"]
    return 200, lab_note(one)


@route("POST", rf"{MR}/approve", "gitlab")
def lab_approve(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    host.think(host.pull(int(number)), who, "approved", "", known(sent, "sha").get("sha", ""))
    return 201, {"approved": True}


@route("GET", rf"{LAB}/events", "gitlab")
def lab_events(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    asks(sent, "action", "target_type", "before", "after", "sort")
    return 200, host.settings.get("events", [])


@route("PUT", rf"{MR}/merge", "gitlab")
def lab_merge(host: Host, who: str, sent: Sent, number: str) -> tuple[int, Any]:
    body = known(sent, "sha", "merge_commit_message", "squash", "should_remove_source_branch")
    pr = host.pull(int(number))
    host.merge(pr, who, body["merge_commit_message"], body.get("sha", ""))
    return 200, mr_json(host, pr)


@route("POST", rf"{LAB}/statuses/([0-9a-f]+)", "gitlab")
def lab_status(host: Host, who: str, sent: Sent, commit: str) -> tuple[int, Any]:
    body = known(sent, "state", "name", "description", "target_url")
    if body["state"] not in ("pending", "running", "success", "failed", "canceled", "skipped"):
        raise Refuse(400, "state does not have a valid value")
    word = "failure" if body["state"] == "failed" else body["state"]
    if host.statuses.get(commit, {}).get(body["name"]) == word:
        raise Refuse(
            400, f'Cannot transition status via :run from :{word} (Reason(s): Status cannot transition via "run")'
        )
    host.statuses.setdefault(commit, {})[body["name"]] = word
    return 201, {"status": body["state"], "name": body["name"]}


@route("GET", rf"{LAB}", "gitlab")
def lab_project(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    return 200, {"path_with_namespace": host.project, "default_branch": "main", **host.settings.get("project", {})}


@route("GET", rf"{LAB}/protected_branches/([^/]+)", "gitlab")
def lab_protection(host: Host, who: str, sent: Sent, branch: str) -> tuple[int, Any]:
    if "protection" not in host.settings:
        raise Refuse(404, "404 Not found")
    return 200, host.settings["protection"]


@route("POST", rf"{LAB}/protected_branches", "gitlab")
def lab_protect(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    admin(host, who)
    body = known(sent, "name", "push_access_level", "merge_access_level", "allow_force_push")
    host.settings["protection"] = {
        "name": body["name"], "allow_force_push": body["allow_force_push"], "code_owner_approval_required": False,
        "push_access_levels": [{"id": 1, "access_level": body["push_access_level"]}],
    }  # fmt: skip
    return 201, host.settings["protection"]


@route("PATCH", rf"{LAB}/protected_branches/([^/]+)", "gitlab")
def lab_edit_protection(host: Host, who: str, sent: Sent, branch: str) -> tuple[int, Any]:
    admin(host, who)
    body = known(sent, "allow_force_push", "code_owner_approval_required", "allowed_to_push")
    there = host.settings["protection"]
    pushes = body.pop("allowed_to_push", [])
    gone = {one["id"] for one in pushes if one.get("_destroy")}
    kept = [one for one in there.get("push_access_levels", []) if one.get("id") not in gone]
    more = [{"id": host.number(), **one} for one in pushes if "access_level" in one]
    host.settings["protection"] = {**there, **body, "push_access_levels": [*kept, *more]}
    return 200, host.settings["protection"]


@route("PUT", rf"{LAB}", "gitlab")
def lab_edit_project(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    admin(host, who)
    return 200, changed(host, "project", sent, "only_allow_merge_if_pipeline_succeeds")


@route("POST", rf"{LAB}/approvals", "gitlab")
def lab_edit_approvals(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    admin(host, who)
    return 201, changed(host, "approvals", sent, "reset_approvals_on_push")


@route("GET", rf"{LAB}/approvals", "gitlab")
def lab_approval_settings(host: Host, who: str, sent: Sent) -> tuple[int, Any]:
    return 200, host.settings.get("approvals", {})


# --- serving --------------------------------------------------------------------------------------------------------


@contextmanager
def hosting(kind: str, git_dir: Path) -> Iterator[Host]:
    """A host that listens until the block ends."""
    host = Host(kind, git_dir)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            parts = urlsplit(self.path)
            prefix = urlsplit(host.root).path
            sent = Sent(
                self.command,
                parts.path.removeprefix(prefix),
                dict(parse_qsl(parts.query)),
                json.loads(raw) if raw else None,
                {name.lower(): value for name, value in self.headers.items()},
            )
            with host.lock:
                host.sent.append(sent)
                status, more, data = self.outcome(sent)
            self.reply(sent, status, more, data)

        def outcome(self, sent: Sent) -> tuple[int, dict[str, str], Any]:
            if host.failures:
                failing = host.failures.pop(0)
                if host.does_failing:
                    host.answer(sent)
                return failing
            try:
                status, data = host.answer(sent)
            except Refuse as no:
                return no.status, no.headers, {"message": no.message}
            more: dict[str, str] = {}
            if isinstance(data, list):
                data, more = self.paged(sent, data)
            return status, more, data

        def paged(self, sent: Sent, items: list[Any]) -> tuple[list[Any], dict[str, str]]:
            size = min(int(sent.query.get("per_page") or sent.query.get("limit") or 30), host.page)
            page = int(sent.query.get("page") or 1)
            if page * size >= len(items):
                return items[(page - 1) * size :], {}
            query = "&".join(f"{k}={v}" for k, v in {**sent.query, "page": str(page + 1)}.items())
            # the address of somewhere else: whoever follows it sends the token there
            more = {"Link": f'<https://elsewhere.example{sent.path}?{query}>; rel="next"'}
            return items[(page - 1) * size : page * size], more if host.kind != "gitlab" else {"X-Next-Page": str(page + 1)}  # fmt: skip  # noqa: E501

        def reply(self, sent: Sent, status: int, more: dict[str, str], data: Any) -> None:
            body = b"" if data is None else json.dumps(data).encode()
            tag = f'W/"{hash(body)}"'
            if sent.method == "GET" and status == 200 and sent.headers.get("if-none-match") == tag:
                status, body = 304, b""
            self.send_response(status)
            for name, value in {"ETag": tag, **more}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host.port = server.server_port
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
