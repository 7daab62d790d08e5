"""Requests that are pull requests of a host: GitHub, GitLab or Gitea, each by its own dialect."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal, NoReturn

from stagedoor.core.owners import OwnersFile
from stagedoor.core.requests import (
    BrokeGlass,
    Closed,
    Commented,
    MergedStep,
    Opened,
    Pushed,
    Request,
    Reviewed,
    Step,
    fold,
)
from stagedoor.core.spec import People, Person, Team
from stagedoor.errors import (
    BadInput,
    BadRepository,
    Conflict,
    Denied,
    InvalidState,
    NotFound,
    RegistryError,
    Unavailable,
)
from stagedoor.forges.base import Actor, Landing, NotReady, State
from stagedoor.forges.embedded import MAX_BODY
from stagedoor.forges.hosting import CommitStatus, Dialect, Note, Pull, Pushing, Review, mark, read_mark
from stagedoor.forges.http import Call, Http
from stagedoor.forges.repairs import Repair, repairs
from stagedoor.forges.settings import Setting, settings
from stagedoor.gitstore import Merged, Oid, Raced, RefUpdate, Repository
from stagedoor.gitstore.remotes import Refused, Remote

BRANCHES = "stagedoor/"
# where the host's refs are kept here; a plain clone or push leaves them alone
HERE = "refs/stagedoor-host/"
_MERGE_TRIES = 4
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\[\]-]{0,99}")
# no team of people is larger than what somebody would call a team
_MOST_MEMBERS = 2_000

Keyed = tuple[str, Step]


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that a host says of one request."""

    pull: Pull
    reviews: Sequence[Review] = ()
    notes: Sequence[Note] = ()
    pushers: Sequence[Pushing] = ()
    closed_by: str = ""


def steps_of(told: Told, base: str, landed_on: str, email: Callable[[str], str], is_known: Callable[[str], bool]) -> tuple[Keyed, ...]:  # fmt: skip  # noqa: E501
    """The steps that make the request, each with a name that never changes; in the host's own order of time.

    `base` is the commit of main it is proposed onto, `email` the address behind a login. A comment breaks the glass
    only where its author opened the request, or is somebody that people.yaml knows.
    """
    pull = told.pull
    author = email(pull.author)
    first = Opened(
        at=pull.opened_at, by=author, identity="token", title=pull.title or f"request {pull.number}",
        body=_cut(pull.body), base=base, head=pull.head,
    )  # fmt: skip
    later: list[tuple[datetime, Keyed]] = []
    for who in dict.fromkeys(email(one.by) for one in told.pushers):
        if who != author:
            at = next((one.at for one in told.pushers if email(one.by) == who and one.at), pull.opened_at)
            step = Pushed(at=at, by=who, identity="token", base=base, head=pull.head)
            later.append((at, (_key(pull, f"pushed {who}"), step)))
    for review in told.reviews:
        seen = Reviewed(
            at=review.at, by=email(review.by), identity="token", verdict=review.verdict, head=review.head,
            body=_cut(review.body),
        )  # fmt: skip
        later.append((review.at, (_key(pull, f"review {review.id} {review.verdict}"), seen)))
    later += [(note.at, keyed) for note in told.notes if (keyed := _noted(pull, note, email, is_known))]
    ordered = [keyed for _, keyed in sorted(later, key=lambda pair: pair[0])]
    return ((_key(pull, "opened"), first), *ordered, *_ended(told, landed_on, email))


def _noted(pull: Pull, note: Note, email: Callable[[str], str], is_known: Callable[[str], bool]) -> Keyed | None:
    what, head, body = read_mark(note.body)
    by = email(note.by)
    if what == "break-glass" and body and (note.by == pull.author or is_known(note.by)):
        glass = BrokeGlass(at=note.at, by=by, identity="token", head=head, reason=_cut(body))
        return _key(pull, f"glass {note.id}"), glass
    if what == "changes" or not body.strip():
        # a wish for changes is a review, and told as one
        return None
    return _key(pull, f"note {note.id}"), Commented(at=note.at, by=by, identity="token", body=_cut(body))


def _ended(told: Told, landed_on: str, email: Callable[[str], str]) -> Iterator[Keyed]:
    pull = told.pull
    at = pull.ended_at or pull.updated_at
    if pull.state == "merged":
        by = email(pull.merged_by or pull.author)
        merged = MergedStep(at=at, by=by, identity="token", head=pull.head, base=landed_on, commit=pull.merged_as)
        yield _key(pull, "merged"), merged
    elif pull.state == "closed":
        who = told.closed_by or pull.ended_by
        how: Literal["rejected", "cancelled"] = "rejected" if who and who != pull.author else "cancelled"
        yield _key(pull, f"closed {at.isoformat()}"), Closed(at=at, by=email(who or pull.author), how=how)


def _key(pull: Pull, what: str) -> str:
    return hashlib.sha256(f"{pull.number} {what}".encode()).hexdigest()[:40]


def _cut(text: str) -> str:
    """What a person said, as far as a step takes it; a NUL or half a character is nothing anybody said."""
    plain = text.encode("utf-8", "replace").decode().replace("\0", "")
    return plain[:MAX_BODY].replace("\r\n", "\n")


class HostedForge:
    """Pull requests of a host, with everything git in this repository.

    Looks first, adopts what is there, and names the head it expects: whatever acts here can run twice. Who acts is
    whoever the token belongs to, so an approval is that person's own review on the host.
    """

    def __init__(
        self,
        repository: Repository,
        remote: Remote,
        http: Http,
        dialect: Dialect,
        people: Callable[[], People],
        *,
        project: str = "",
        login: str = "",
        is_rehearsal: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._git = repository
        self.remote = remote
        self._http = http
        self.dialect = dialect
        self._people = people
        self.project = project
        self._login = login
        self._is_rehearsal = is_rehearsal
        self._sleep = sleep
        self._teams: dict[str, tuple[str, ...] | None] = {}
        self._writers: dict[str, bool] = {}

    def disconnect(self) -> None:
        """End the connections."""
        self._http.close()

    @property
    def host(self) -> str:
        """The host, as people call it."""
        return self._http.place.host

    # --- reading ---

    def get(self, number: int) -> Request:
        """One request as it is now."""
        return fold(number, [step for _, step in self._keyed(self._pull(number))])

    def requests(self, state: State = "open") -> Sequence[Request]:
        """The requests in a state, newest first; reviews are read only of the open ones."""
        pulls = [pull for pull in self._pulls(state) if state in ("all", pull.state)]
        self._bring(pulls)
        found: list[Request] = []
        for pull in sorted(pulls, key=lambda pull: -pull.number):
            # one that has no history in common with main hides no other
            with suppress(InvalidState, BadRepository, Conflict):
                told = self._told(pull) if pull.state == "open" else Told(pull)
                found.append(fold(pull.number, [step for _, step in self._steps(told)]))
        return tuple(found)

    def tips(self) -> dict[int, str]:
        """The time at which each request was touched last."""
        return {pull.number: f"@{pull.updated_at.astimezone(UTC).isoformat()}" for pull in self._pulls("all")}

    def steps_after(self, number: int, last: str | None) -> Sequence[Keyed]:
        """The steps since a tip. Hosts' clocks tell seconds, so the last one is told again under its old name."""
        since = datetime.fromisoformat(last[1:]) if last and last.startswith("@") else None
        found = self._keyed(self._pull(number))
        return tuple(one for one in found if since is None or one[1].at >= since - timedelta(seconds=1))

    def landed(self, commit: str) -> int | None:
        """The request that landed as a commit, on the host's word."""
        try:
            data = self._http.ask(self.dialect.pulls_of(commit))
        except (NotFound, BadInput):
            # no commit of the host's, or none that came by a pull request
            return None
        pulls = map(self.dialect.read_pull, data if isinstance(data, list) else [data])
        return next((pull.number for pull in pulls if pull.state == "merged" and pull.merged_as == commit), None)

    def number_of(self, head: str) -> int | None:
        """The open request whose head is a commit."""
        return next((pull.number for pull in self._pulls("open") if pull.head == head), None)

    def _pulls(self, state: State) -> tuple[Pull, ...]:
        pulls = map(self.dialect.read_pull, self._http.pages(self.dialect.list_pulls(state)))
        return tuple(pull for pull in pulls if pull.target == self._git.branch)

    def _pull(self, number: int) -> Pull:
        try:
            pull = self.dialect.read_pull(self._http.ask(self.dialect.get_pull(number)))
        except NotFound:
            raise NotFound(
                f"there is no request {number}", where=self.host, fix="stagedoor requests --state all lists them"
            ) from None
        if pull.target != self._git.branch:
            raise NotFound(f"pull request {number} is for {pull.target}, and not for {self._git.branch}")
        return pull

    def _keyed(self, pull: Pull) -> tuple[Keyed, ...]:
        self._bring([pull])
        return self._steps(self._told(pull))

    def _steps(self, told: Told) -> tuple[Keyed, ...]:
        base, onto = self._base(told.pull)
        return steps_of(told, base, onto, self.email, self._is_known)

    def _told(self, pull: Pull) -> Told:
        d = self.dialect
        notes = [note for one in self._http.pages(d.list_notes(pull.number)) if (note := d.read_note(one))]
        reviews = [r for r in d.read_reviews(pull, self._asked(d.ask_reviews(pull))) if self._may_write(r.by)]
        pushers = d.read_pushers(pull, self._asked(d.ask_pushers(pull)))
        closer = d.ask_closer(pull.number) if pull.state == "closed" else None
        closed_by = d.read_closer(self._http.ask(closer)) if closer else ""
        return Told(pull, reviews, notes, pushers, closed_by)

    def _asked(self, calls: dict[str, Call]) -> dict[str, Any]:
        """The answers; lists are read to their end. What an older server does not know yet is an empty list."""
        found: dict[str, Any] = {}
        for name, call in calls.items():
            if name == "approvals":
                found[name] = self._http.ask(call)
                continue
            try:
                found[name] = list(self._http.pages(call))
            except (NotFound, Denied):
                if name not in ("reviewers", "activity", "events"):
                    raise
                found[name] = []
        return found

    def _base(self, pull: Pull) -> tuple[str, str]:
        """The commit of main that a request is proposed onto, and the one that it landed on."""
        onto = ""
        main = self._git.tip()
        if pull.state == "merged":
            onto = self._git.commit_info(pull.merged_as).parents[0]
            main = onto
        base = self._git.merge_base(main, pull.head) if main else None
        if base is None:
            raise InvalidState(f"request {pull.number} has no history in common with {self._git.branch}")
        return base, onto

    # --- git ---

    def refresh(self) -> None:
        """Bring main here, and go forward to it."""
        there = HERE + "main"
        self.remote.fetch({self._git.ref: there})
        theirs, ours = self._git.tip(there), self._git.tip()
        if theirs is None or theirs == ours:
            return
        if ours is not None and not self._git.is_ancestor(ours, theirs):
            if self._git.is_ancestor(theirs, ours):
                raise Conflict(
                    f"{self._git.branch} has commits that {self.host} does not have",
                    fix="stagedoor sync pushes them, or bring them back as a request",
                )
            raise Conflict(
                f"{self._git.branch} here and on {self.host} have grown apart", where=f"{ours[:10]} and {theirs[:10]}",
                fix=f"put your commits on a branch, then: git reset --hard {theirs[:10]}",
            )  # fmt: skip
        self._git.publish((RefUpdate(self._git.ref, ours, theirs),), f"stagedoor: main of {self.host}")

    def _bring(self, pulls: Iterable[Pull]) -> None:
        """Have the heads here, and main, as the host has them. `Conflict` where a head has moved meanwhile."""
        listed = [pull for pull in pulls if _is_full_oid(pull.head)]
        self.refresh()
        lacking = [pull for pull in listed if not self._has(pull.head)]
        wanted = {self.dialect.head_ref(p.number): f"{HERE}{p.number}" for p in lacking}
        there = self.remote.refs(*wanted) if wanted else {}
        self.remote.fetch({ref: here for ref, here in wanted.items() if ref in there})
        for pull in listed:
            if not self._has(pull.head):
                fix = "look again in a few seconds"
                raise Conflict(f"request {pull.number} has moved while it was read", where=self.host, fix=fix)

    def _has(self, oid: str) -> bool:
        try:
            self._git.commit_info(Oid(oid))
        except (BadRepository, NotFound):
            return False
        return True

    def publish(self, update: RefUpdate, reason: str) -> None:
        """Move main on the host first, and here when that went well."""
        try:
            refused = self.remote.push((update,))
        except Raced:
            self.refresh()
            raise
        if refused:
            self._not_directly(refused)
        self._git.publish((update,), reason)

    def _not_directly(self, refused: tuple[Refused, ...]) -> NoReturn:
        raise Denied(
            f"{self.host} takes no direct push to {self._git.branch}", where=refused[0].said,
            fix="ask for it: the same command with --request",
        )  # fmt: skip

    # --- people ---

    def email(self, login: str) -> str:
        """The address behind a login: of people.yaml, else one that says it is the host's login and nothing more."""
        person = self._person(login)
        return person.email.lower() if person else self._noreply(login)

    def _noreply(self, login: str) -> str:
        # a login that is spelt strangely cannot become somebody else's address
        name = login if _LOGIN.fullmatch(login) else "x" + hashlib.sha256(login.encode()).hexdigest()[:20]
        return f"{name.lower()}@users.noreply.{self.host.partition(':')[0]}"

    def _person(self, login: str) -> Person | None:
        return next((one for one in self._people().people if _login_of(one, self.dialect.kind) == login.lower()), None)

    def _is_known(self, login: str) -> bool:
        return self._person(login) is not None

    def _may_write(self, login: str) -> bool:
        """Whether a reviewer may still write today. Where the token may not ask, people.yaml and CODEOWNERS decide."""
        if login not in self._writers:
            call = self.dialect.may_write(login)
            answer = self._http.send(call) if call else None
            self._writers[login] = answer is None or answer.status in (401, 403) or self.dialect.read_may_write(answer)
        return self._writers[login]

    def people_with_owners(self, people: People, owners: OwnersFile) -> People:
        """People and teams of the host that CODEOWNERS names and people.yaml does not know."""
        names = dict.fromkeys(owner for line in owners.lines for owner in line.owners)
        unknown = [name[1:] for name in names if name.startswith("@") and people.emails_of(name) is None]
        logins = [name for name in unknown if "/" not in name and not name.startswith("@")]
        taken = {person.email.lower() for person in people.people}
        teams = {name: members for name in unknown if "/" in name and (members := self._members(name)) is not None}
        logins += [login for members in teams.values() for login in members]
        more = {self.email(login): login for login in logins if self.email(login) not in taken}
        persons = tuple(Person(email=email, login=login) for email, login in more.items())
        made = tuple(Team(name=name, members=tuple(map(self.email, logins))) for name, logins in teams.items())
        # what a host says has been looked at above; a copy would keep what the shorter lists had led to
        return People.model_construct(people=(*people.people, *persons), teams=(*people.teams, *made))

    def _members(self, team: str) -> tuple[str, ...] | None:
        """Who is in a team of the host; None where nobody tells us, and then nobody owns what it owns."""
        if team not in self._teams:
            try:
                finding = self.dialect.find_team(team)
                listed = list(self._http.pages(finding)) if finding else None
                call = self.dialect.team_calls(team, listed)
                answer = list(self._http.pages(call))[:_MOST_MEMBERS] if call else None
                self._teams[team] = None if answer is None else tuple(self.dialect.read_members(answer))
            except RegistryError:
                self._teams[team] = None
        return self._teams[team]

    @cached_property
    def login(self) -> str:
        """Whose token it is."""
        if not self._http.place.has_token:
            raise Denied(f"there is no token for {self.host}", fix=_token_fix(self.dialect.kind, self.host))
        return self._login or self.dialect.read_login(self._http.ask(self.dialect.whoami()))

    def _act(self, by: Actor) -> bool:
        """Whether to act at all. `Denied` where the token is somebody else's than whoever is asking."""
        if self._is_known(self.login) and self.email(self.login) != by.email.lower():
            raise Denied(
                f"the token is {self.login}'s ({self.email(self.login)}), and {by.email} is asking",
                fix="use the token of whoever is asking, or leave --as out",
            )
        return not self._is_rehearsal

    # --- writing ---

    def open(self, title: str, body: str, *, base: str, head: str, by: Actor, at: datetime) -> Request:
        """A pull request for `head`, on a branch called after it; one that is there already is adopted."""
        if not self._act(by):
            return fold(0, [Opened(at=at, by=by.email, identity="token", title=title, body=body, base=base, head=head)])
        branch = f"{BRANCHES}request-{head[:12]}"
        self._push_branch(branch, None, head)
        found = self._adopted(branch, head)
        if found is None:
            call = self.dialect.open_pull(" ".join(title.split())[:250], body[:MAX_BODY], branch=branch, target=self._git.branch)  # fmt: skip  # noqa: E501
            found = self._opened(call, branch, head)
        return self.get(found.number)

    def _opened(self, call: Call, branch: str, head: str) -> Pull:
        try:
            return self.dialect.read_pull(self._http.ask(call))
        except (Unavailable, Conflict, BadInput):
            # it may be there all the same: the answer was lost, or somebody else was faster
            if (found := self._adopted(branch, head)) is not None:
                return found
            raise

    def _adopted(self, branch: str, head: str) -> Pull | None:
        asked = self.dialect.find_pull(branch=branch, target=self._git.branch)
        pulls = map(self.dialect.read_pull, self._http.pages(asked))
        # a fork may have a branch of the same name
        return next((pull for pull in pulls if (pull.branch, pull.head, pull.is_own) == (branch, head, True)), None)

    def _push_branch(self, branch: str, expected: str | None, head: str) -> None:
        ref = f"refs/heads/{branch}"
        try:
            refused = self.remote.push((RefUpdate(ref, Oid(expected) if expected else None, Oid(head)),))
        except Raced:
            if self.remote.refs(ref).get(ref) == head:
                return
            raise Conflict(f"{branch} has moved on {self.host}", fix="look again, then repeat") from None
        if refused:
            raise Denied(f"{self.host} does not take {branch}", where=refused[0].said, fix="look at its rules")

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
        """Another head in place of `expected`, on the branch of the request."""
        pull = self._open_pull(number, expected)
        if not pull.is_own or pull.branch == self._git.branch:
            raise Denied(f"the branch of request {number} is in a fork", fix=f"ask {pull.author} to push there")
        if not self._act(by):
            return self.get(number)
        self._push_branch(pull.branch, expected, head)
        return self._until(number, lambda found: found.head == head)

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
        """A review of `head` on the host, by whoever the token belongs to. A signature has no place there."""
        pull = self._open_pull(number, head)
        if tag:
            raise BadInput(f"{self.host} keeps no signed approvals", fix="approve without --sign")
        if not self._act(by):
            return self.get(number)
        if pull.author == self.login and verdict == "approved":
            raise Denied(f"{self.login} opened request {number} and cannot approve it", fix="ask another owner")
        for call in self.dialect.review(number, verdict, body, head=head):
            self._http.ask(call)
        return self.get(number)

    def break_glass(self, number: int, reason: str, *, head: str, by: Actor, at: datetime) -> Request:
        """The request is an emergency from here on, as long as `head` is its head; a comment says so."""
        if not reason.strip():
            raise BadInput("an emergency has a reason", fix=f"stagedoor break-glass {number} -m REASON")
        self._open_pull(number, head)
        if self._act(by):
            self._http.ask(self.dialect.comment(number, f"{reason}\n\n{mark('break-glass', head)}"))
        return self.get(number)

    def comment(self, number: int, body: str, *, by: Actor, at: datetime) -> Request:
        """Something said on the request, open or not."""
        if not body.strip() or len(body) > MAX_BODY:
            raise BadInput(f"a comment has between 1 and {MAX_BODY:,} characters", fix="stagedoor comment N TEXT")
        self._pull(number)
        if self._act(by):
            self._http.ask(self.dialect.comment(number, body))
        return self.get(number)

    def merge(self, number: int, landing: Landing, *, head: str, by: Actor, at: datetime) -> Request | NotReady:
        """Have the host merge `head`, where main is `landing.onto` still and the host's merge is the planned one."""
        pull = self._pull(number)
        if pull.state == "merged" and pull.head == head:
            return self.get(number)
        self._open_pull(number, head)
        self.refresh()
        if self._git.tip() != landing.onto:
            return NotReady("main has moved", is_raced=True)
        self._require_same_tree(number, landing, head)
        if not self._act(by):
            return self.get(number)
        title, _, message = landing.message.partition("\n")
        call = self.dialect.merge(number, head=head, title=title, message=message.strip())
        if (reason := self._merged(number, head, call)) is not None:
            return reason
        made = self._until(number, lambda found: found.state == "merged")
        self._forget_branch(pull)
        return made

    def _require_same_tree(self, number: int, landing: Landing, head: str) -> None:
        """The host merges lines. Where we merge by meaning, what lands would be another thing than what was planned."""
        merged = self._git.merge(Oid(landing.onto), Oid(head))
        if not isinstance(merged, Merged) or merged.tree != landing.tree:
            raise Conflict(
                f"{self.host} would not merge request {number} as it was planned", fix=f"stagedoor update {number}"
            )

    def _merged(self, number: int, head: str, call: Call) -> NotReady | None:
        reason: NotReady | None = None
        for attempt in range(_MERGE_TRIES):
            answer = self._http.send(call)
            if answer.is_good:
                return None
            pull = self._pull(number)
            if pull.state == "merged" and pull.head == head:
                return None
            if pull.head != head:
                raise Conflict(f"request {number} is at {pull.head[:10]} by now, not at {head[:10]}", fix="look again")
            reason = self.dialect.read_merge(answer)
            if reason is None:
                raise self._http.refusal(answer, call)
            # hosts say no for some seconds after a push, while they find out
            self._sleep(0.5 * 2**attempt)
        return reason

    def _forget_branch(self, pull: Pull) -> None:
        """Take our own branch away; whatever else happened, the merge stands."""
        if pull.is_own and pull.branch.startswith(BRANCHES):
            with suppress(RegistryError, Raced):
                self.remote.push((RefUpdate(f"refs/heads/{pull.branch}", Oid(pull.head), None),))

    def close(
        self, number: int, how: Literal["rejected", "cancelled"], body: str, *, by: Actor, at: datetime
    ) -> Request:
        """The request ends without a merge."""
        pull = self._pull(number)
        _require_open(number, pull)
        if self._act(by):
            if body.strip():
                self._http.ask(self.dialect.comment(number, body))
            self._http.ask(self.dialect.close(number))
            self._forget_branch(pull)
        return self.get(number)

    def settings(self) -> Iterator[Setting]:
        """How well the host guards main."""
        yield from settings(self.dialect.kind, self.project, self._git.branch, self._http.send)

    def repairs(self) -> tuple[Repair, ...]:
        """What would make the host guard main as it should."""
        return repairs(self.dialect.kind, self.project, self._git.branch, self._http.send)

    def repair(self, one: Repair) -> None:
        """Change a setting. Raises `Denied` where the token may not."""
        if not self._is_rehearsal:
            self._http.ask(one.call)

    # --- for machines ---

    def post_status(self, commit: str, status: CommitStatus) -> None:
        """The dot beside a commit."""
        if self._is_rehearsal:
            return
        call = self.dialect.post_status(commit, status)
        answer = self._http.send(call)
        # GitLab refuses a light that is there already
        if not answer.is_good and "cannot transition status" not in answer.said.lower():
            raise self._http.refusal(answer, call)

    def put_sticky(self, number: int, marker: str, body: str) -> bool:
        """The one comment that bears a marker: edited where we wrote it before, else new. Whether anything changed.

        A marker alone proves nothing, as anybody can copy it: the comment has to be by whoever we are.
        """
        notes = [n for one in self._http.pages(self.dialect.list_notes(number)) if (n := self.dialect.read_note(one))]
        ours = [note for note in notes if marker in note.body and self._is_us(note.by)]
        whole = f"{marker}\n{body}"[:MAX_BODY]
        if ours and ours[0].body.strip() == whole.strip():
            return False
        if not self._is_rehearsal:
            edit = self.dialect.edit_comment(number, ours[0].id, whole) if ours else None
            self._http.ask(edit or self.dialect.comment(number, whole))
        return True

    def _is_us(self, login: str) -> bool:
        try:
            return login == self.login
        except (Denied, NotFound):
            # a workflow's own token may not ask who it is: https://docs.github.com/en/actions/concepts/security/github_token
            return login in ("github-actions[bot]", "gitea-actions", "forgejo-actions")

    # --- small ---

    def _open_pull(self, number: int, expected: str) -> Pull:
        pull = self._pull(number)
        _require_open(number, pull)
        if pull.head != expected:
            raise Conflict(
                f"request {number} is at {pull.head[:10]} by now, not at {expected[:10]}",
                fix=f"look again: stagedoor request show {number}",
            )
        return pull

    def _until(self, number: int, is_so: Callable[[Pull], bool]) -> Request:
        """The request once the host shows what was done: its answers may lag some seconds behind."""
        for attempt in range(6):
            if is_so(self._pull(number)):
                break
            self._sleep(0.3 * 2**attempt)
        return self.get(number)


def _require_open(number: int, pull: Pull) -> None:
    if pull.state != "open":
        raise InvalidState(f"request {number} is {pull.state} already", fix="open a new request")


def _is_full_oid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) is not None


def _login_of(person: Person, kind: str) -> str:
    return (str(getattr(person, kind)) or person.login).lower()


def _token_fix(kind: str, host: str) -> str:
    names = {"github": "GITHUB_TOKEN or gh auth login", "gitlab": "GITLAB_TOKEN or glab auth login"}
    return f"set {names.get(kind, 'GITEA_TOKEN')}, for {host}"
