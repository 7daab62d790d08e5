"""Requests kept in the repository itself, on refs/pull/N/head and refs/pull/N/meta."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

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
    decode_step,
    encode_step,
    fold,
)
from stagedoor.errors import BadInput, BadRepository, Conflict, InvalidState, NotFound
from stagedoor.forges.base import Actor, Landing, NotReady, State
from stagedoor.gitstore import Entry, Oid, Raced, RefUpdate, Repository, Signature

MAX_BODY = 65_536
_STEP = re.compile(r"events/[0-9]{8}-[0-9a-f]{10}\.json")


class Ended:
    """Chains that are known to end a request, by their tips: whoever asks for the open ones need not read them again.

    A tip never comes to say something else, so what is remembered in the state folder stays true, and all of it may be
    forgotten.
    """

    def __init__(self, repository: Repository) -> None:
        self._git = repository

    @property
    def _file(self) -> Path:
        return self._git.state_dir() / "ended-requests"

    def tips(self) -> frozenset[str]:
        """The tips; a line that was half written is none of them."""
        try:
            return frozenset(self._file.read_text("ascii").split("\n"))
        except (OSError, ValueError):
            return frozenset()

    def add(self, tip: str) -> None:
        """Remember one. Where that cannot be kept, it is read again the next time."""
        with (
            suppress(OSError),
            os.fdopen(os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w") as out,
        ):
            out.write(f"\n{tip}\n")


class EmbeddedForge:
    """The forge that needs no server.

    A request is an append-only chain of commits: each adds one file to `events/`, so chains that grew apart on two
    machines unite without a conflict. A step that speaks of a head has it as a second parent, which keeps it from
    being collected. Numbers are taken by creating both refs in one transaction.
    """

    def __init__(self, repository: Repository, prefix: str = "refs/pull/", *, is_rehearsal: bool = False) -> None:
        self._git = repository
        self._prefix = prefix
        self._is_rehearsal = is_rehearsal
        self._ended = Ended(repository)

    # --- reading ---

    def get(self, number: int) -> Request:
        """One request as it is now."""
        return self._read(number)[0]

    def requests(self, state: State = "open") -> Sequence[Request]:
        """The requests in a state, newest first. A chain that somebody broke by hand hides no other request."""
        found: list[Request] = []
        over = self._ended.tips() if state == "open" else frozenset()
        for number, tip in sorted(((n, tip) for n, tip in self._metas() if tip not in over), reverse=True):
            with suppress(BadRepository):
                request, read, _ = self._read(number)
                found.append(request)
                if not request.is_open and tip == read and not self._is_rehearsal:
                    self._ended.add(tip)
        return tuple(request for request in found if state in ("all", request.state))

    def steps(self, number: int) -> tuple[tuple[Oid, Step], ...]:
        """Every step with the commit of the chain that added it, oldest first."""
        tip = self._meta(number)
        if tip is None:
            raise _no_such(number)
        chain = list(self._git.first_parents(None, tip))
        known: set[str] = set()
        found: list[tuple[Oid, Step]] = []
        for commit in chain:
            files = self._git.files(commit.oid, "events")
            for path in sorted(files.keys() - known):
                found.append((commit.oid, decode_step(self._git.blob(files[path].oid), f"request {number}: {path}")))
            known |= files.keys()
        return tuple(found)

    def steps_after(self, number: int, last: str | None) -> tuple[tuple[Oid, Step], ...]:
        """The steps that came after a commit of the chain; all of them where it is not on the chain."""
        steps = self.steps(number)
        commits = [commit for commit, _ in steps]
        return steps[len(commits) - commits[::-1].index(Oid(last)) if last in commits else 0 :]

    def landed(self, commit: str) -> int | None:
        """Nobody but the commit's own trailer knows; the request says whether that is true."""
        return None

    def publish(self, update: RefUpdate, reason: str) -> None:
        """Move main here, which is the only place that it is in."""
        self._git.publish((update,), reason)

    def tips(self) -> dict[int, str]:
        """The newest step's commit of every request: what a reconciler remembers having seen."""
        return {number: str(oid) for number, oid in self._metas()}

    def tips_among(self, refs: Mapping[str, Oid]) -> dict[int, str]:
        """As `tips`, of refs that somebody has listed already."""
        return {number: str(oid) for number, oid in self._metas(refs)}

    def _metas(self, refs: Mapping[str, Oid] | None = None) -> Iterator[tuple[int, Oid]]:
        listed = self._git.refs(self._prefix) if refs is None else refs
        for ref, oid in listed.items():
            if not ref.startswith(self._prefix):
                continue
            number, _, what = ref.removeprefix(self._prefix).partition("/")
            if what == "meta" and number.isascii() and number.isdigit():
                yield int(number), oid

    def _meta(self, number: int) -> Oid | None:
        return self._git.tip(f"{self._prefix}{number}/meta")

    def _read(self, number: int) -> tuple[Request, Oid, dict[str, Entry]]:
        tip = self._meta(number)
        if tip is None:
            raise _no_such(number)
        files = self._git.files(tip, "events")
        for path in files:
            if not _STEP.fullmatch(path):
                raise BadRepository(f"{path} is no step", where=f"request {number}", fix="stagedoor doctor")
        blobs = self._git.blobs(entry.oid for entry in files.values())
        steps = [decode_step(blobs[files[path].oid], f"request {number}: {path}") for path in sorted(files)]
        return fold(number, steps), tip, files

    # --- writing ---

    def open(self, title: str, body: str, *, base: str, head: str, by: Actor, at: datetime) -> Request:
        """A new request with the next free number."""
        step = Opened(
            at=at, by=by.email, identity=by.identity, title=_checked(title), body=_checked(body), base=base, head=head
        )
        commit = self._commit_step(step, None, {}, (head,), by, f"opened: {title}")

        def take(number: int) -> Sequence[RefUpdate]:
            return (
                RefUpdate(f"{self._prefix}{number}/meta", None, commit),
                RefUpdate(f"{self._prefix}{number}/head", None, head),
            )

        return self.get(self._git.create_numbered(take, self._prefix))

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
        """Another head in place of `expected`."""
        step = Pushed(at=at, by=by.email, identity=by.identity, base=base, head=head, why=_checked(why), update=update)

        def updates(request: Request) -> tuple[RefUpdate, ...]:
            _require_open(request)
            _require_head(request, expected)
            return (RefUpdate(f"{self._prefix}{number}/head", request.head, head),)

        return self._append(number, step, by, f"pushed {head[:10]}", updates, (head,))

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
        step = Reviewed(
            at=at, by=by.email, identity=by.identity, verdict=verdict, head=head, body=_checked(body), tag=_checked(tag)
        )

        def updates(request: Request) -> tuple[RefUpdate, ...]:
            _require_open(request)
            _require_head(request, head)
            return ()

        return self._append(number, step, by, f"{verdict.replace('_', ' ')} {head[:10]}", updates)

    def break_glass(self, number: int, reason: str, *, head: str, by: Actor, at: datetime) -> Request:
        """The request is an emergency from here on, as long as `head` is its head."""
        if not reason.strip():
            raise BadInput("an emergency has a reason", fix=f"stagedoor break-glass {number} -m REASON")
        step = BrokeGlass(at=at, by=by.email, identity=by.identity, head=head, reason=_checked(reason))

        def updates(request: Request) -> tuple[RefUpdate, ...]:
            _require_open(request)
            _require_head(request, head)
            return ()

        return self._append(number, step, by, "broke the glass", updates)

    def comment(self, number: int, body: str, *, by: Actor, at: datetime) -> Request:
        """Something said on the request, open or not."""
        if not body.strip():
            raise BadInput("a comment says something", fix="stagedoor comment N TEXT")
        step = Commented(at=at, by=by.email, identity=by.identity, body=_checked(body))
        return self._append(number, step, by, "commented", lambda _: ())

    def close(
        self, number: int, how: Literal["rejected", "cancelled"], body: str, *, by: Actor, at: datetime
    ) -> Request:
        """The request ends without a merge."""
        step = Closed(at=at, by=by.email, identity=by.identity, how=how, body=_checked(body))

        def updates(request: Request) -> tuple[RefUpdate, ...]:
            _require_open(request)
            return ()

        return self._append(number, step, by, how, updates)

    def merge(self, number: int, landing: Landing, *, head: str, by: Actor, at: datetime) -> Request | NotReady:
        """Land `head` on main: the merge commit and the step that says so appear in one transaction."""
        request, tip, files = self._read(number)
        if request.state == "merged" and request.head == head:
            return request
        _require_open(request)
        _require_head(request, head)
        who = Signature(by.name, by.email, at)
        commit = self._git.commit(
            landing.tree,
            (landing.onto, head),
            author=who,
            committer=who,
            message=landing.message,
            mergetags=landing.mergetags,
        )
        step = MergedStep(at=at, by=by.email, identity=by.identity, head=head, base=landing.onto, commit=commit)
        meta = self._commit_step(step, tip, files, (commit,), by, f"merged as {commit[:10]}")
        try:
            self._git.publish(
                (
                    RefUpdate(self._git.ref, landing.onto, commit),
                    RefUpdate(f"{self._prefix}{number}/meta", tip, meta),
                ),
                f"stagedoor: merge request {number}",
            )
        except Raced as raced:
            return NotReady(f"{', '.join(raced.refs) or 'main'} has moved", is_raced=True)
        return self.get(number)

    def _append(
        self,
        number: int,
        step: Step,
        by: Actor,
        subject: str,
        updates: Callable[[Request], tuple[RefUpdate, ...]],
        parents: tuple[Oid, ...] = (),
    ) -> Request:
        """Add one step, looking again at the request whenever somebody else added one first."""

        def once() -> Request:
            request, tip, files = self._read(number)
            more = updates(request)
            if not self._is_rehearsal:
                commit = self._commit_step(step, tip, files, parents, by, subject)
                meta = RefUpdate(f"{self._prefix}{number}/meta", tip, commit)
                self._git.publish((meta, *more), f"stagedoor: request {number} {subject}")
            return fold(number, (*request.steps, step))

        return self._git.in_turn(once, f"request {number}")

    def _commit_step(
        self, step: Step, tip: Oid | None, files: dict[str, Entry], parents: tuple[Oid, ...], by: Actor, subject: str
    ) -> Oid:
        raw = encode_step(step)
        # the chain is the order, so a step is called by its place in it and not by a clock
        sequence = 1 + max((int(path.split("/")[-1][:8]) for path in files), default=0)
        path = f"events/{sequence:08d}-{hashlib.sha256(raw).hexdigest()[:10]}.json"
        base = None if tip is None else self._git.commit_info(tip).tree
        tree = self._git.write_tree(base, {path: raw})
        who = Signature(by.name, by.email, step.at)
        above = () if tip is None else (tip,)
        return self._git.commit(tree, (*above, *parents), author=who, committer=who, message=f"{subject}\n")


def _no_such(number: int) -> NotFound:
    return NotFound(f"there is no request {number}", fix="stagedoor requests --state all lists them")


def _require_open(request: Request) -> None:
    if not request.is_open:
        how = f"{request.closed_as or request.state} already"
        raise InvalidState(f"request {request.number} is {how}", fix="open a new request")


def _require_head(request: Request, head: str) -> None:
    if request.head != head:
        raise Conflict(
            f"request {request.number} is at {request.head[:10]} by now, not at {head[:10]}",
            fix=f"look again: stagedoor request show {request.number}",
        )


def _checked(text: str) -> str:
    if len(text) > MAX_BODY:
        raise BadInput(f"a text of {len(text):,} characters is too long", fix=f"at most {MAX_BODY:,} characters")
    return text
