"""Requests: the list of them, and the page of one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from stagedoor.apps.ui.links import with_query
from stagedoor.apps.ui.looks import Look
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
)
from stagedoor.core.spec import PRODUCTION, STAGING
from stagedoor.errors import Denied, RegistryError
from stagedoor.gitstore import Entry, FileChange, TooBig
from stagedoor.workflows.reviewing import Standing
from stagedoor.workflows.writing import owns_one_of

PAGE: Final = 50
MOST_FILES: Final = 50
MOST_LINES: Final = 400
MOST_BYTES: Final = 300_000
MOST_MODELS: Final = 50
# judging a request takes a plan each, and an inbox of hundreds is read from the top
MOST_JUDGED: Final = 60
_STATES: Final = ("open", "waiting", "mine", "merged", "closed", "all")


@dataclass(frozen=True, slots=True)
class Line:
    """One request in the list."""

    request: Request
    url: str
    models: tuple[str, ...]
    waiting_for: tuple[str, ...]
    can_merge: bool


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What a request does to one file, as the lines of a unified diff; `note` where they are not shown."""

    path: str
    lines: tuple[tuple[str, str], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """A part of the files that a request changes, and how many there are."""

    shown: tuple[FileDiff, ...]
    count: int


def inbox(look: Look, said: Mapping[str, str]) -> dict[str, Any]:
    """The requests: open ones, those that wait for the viewer, the viewer's own, or those that ended."""
    state = said.get("state", "open")
    state = state if state in _STATES else "open"
    page = int(said["page"]) if said.get("page", "").isdecimal() and len(said["page"]) < 9 else 1
    found = _in_state(look, state)
    shown = found[(page - 1) * PAGE : page * PAGE] if page > 0 else found[:PAGE]
    more = page * PAGE < len(found)
    here = look.links.requests()
    return {
        "state": state,
        "lines": [_line(look, request, index < MOST_JUDGED) for index, request in enumerate(shown)],
        "total": len(found),
        "before": with_query(here, state=state, page=page - 1) if page > 1 else None,
        "after": with_query(here, state=state, page=page + 1) if more else None,
        "states": [one for one in _STATES if look.viewer or one not in ("waiting", "mine")],
    }


def _in_state(look: Look, state: str) -> list[Request]:
    if state == "open":
        return list(look.open_requests)
    if state == "mine":
        me = look.viewer.lower()
        return [one for one in look.open_requests if me in one.authors]
    if state == "waiting":
        return [one for one in look.open_requests[:MOST_JUDGED] if _waits_for(look, one)]
    return [one for one in look.requests if state in ("all", one.state)]


def _waits_for(look: Look, request: Request) -> bool:
    me = look.viewer.lower()
    here = judged(look, request)
    return here is not None and here.plan.verdict is not None and me in here.plan.verdict.waiting_for


def judged(look: Look, request: Request) -> Standing | None:
    """How an open request stands; None where that cannot be said, as a file of it does not read."""
    try:
        return look.memory.standing(look.world, request)
    except RegistryError:
        return None


def _line(look: Look, request: Request, judges: bool) -> Line:
    paths = sorted(look.memory.touched(look.world, request))
    names = tuple(path.rsplit("/", 1)[-1].removesuffix(".yaml") for path in paths)
    here = judged(look, request) if request.is_open and judges else None
    waiting = here.plan.verdict.waiting_for if here and here.plan.verdict else ()
    return Line(request, look.links.request(request.number), names, waiting, here is not None and not here.blockers)


# --- one request ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spoken:
    """One step of a request in words."""

    step: Step
    said: str
    body: str
    is_stale: bool = False


def request(look: Look, number: int, part: int = 1) -> dict[str, Any]:
    """Everything about one request; of many models a part at a time."""
    found = look.world.forge.get(number)
    if not look.may_read_request(found):
        raise Denied(f"{look.viewer or 'nobody in particular'} may not read request {number}", fix="ask its author")
    here = look.memory.standing(look.world, found)
    plan = here.plan
    acts = look.is_live and bool(look.viewer) and here.request.is_open
    me, is_mine = look.viewer.lower(), look.viewer.lower() in here.request.authors
    owns = acts and owns_one_of(look.world, look.memory.needs(look.world, here.request))
    files = _files(look, here.request, part)
    return {
        "request": here.request,
        "plan": plan,
        "models": plan.models[(part - 1) * MOST_MODELS : part * MOST_MODELS],
        "more_models": max(0, len(plan.models) - part * MOST_MODELS),
        "part": part,
        "blockers": here.blockers,
        "outdated": here.outdated if here.request.is_open else (),
        "problems": [problem for problem in plan.problems if problem.code != "SD404"],
        "steps": [_spoken(step, here.request) for step in here.request.steps],
        "files": files.shown,
        "file_count": files.count,
        "more_files": max(0, files.count - part * MOST_FILES),
        "may_review": acts,
        "may_approve": acts and (not is_mine or look.main.spec.owners.author_may_approve),
        "counts": acts and plan.verdict is not None and me in plan.verdict.waiting_for,
        "may_reject": owns,
        "may_cancel": acts and (is_mine or owns),
        "may_update": acts and bool(here.outdated) and (is_mine or owns),
        "may_merge": acts and not here.blockers,
        "may_break": acts and not here.request.broken and (is_mine or owns) and any(gate.stops for gate in plan.gates),
        "enters": [s for s in (PRODUCTION, STAGING) if any(m.now == s for one in plan.models for m in one.moves)],
    }


def _spoken(step: Step, request_: Request) -> Spoken:
    body = getattr(step, "body", "") or getattr(step, "reason", "") or getattr(step, "why", "")
    stale = isinstance(step, Reviewed) and step.head != request_.head
    return Spoken(step, _words(step), body, stale)


def _words(step: Step) -> str:
    match step:
        case Opened():
            return "opened the request"
        case Pushed(update=True):
            return "brought it onto the newest main"
        case Pushed():
            return "pushed another head"
        case Reviewed(verdict="approved"):
            return "approved"
        case Reviewed():
            return "asked for changes"
        case BrokeGlass():
            return "broke the glass"
        case Commented():
            return "commented"
        case Closed(how=how):
            return f"{how} it"
        case MergedStep():
            return "merged it"
        case _:
            assert_never(step)


def _files(look: Look, found: Request, part: int) -> Files:
    left = found.base
    if found.state == "merged":
        left = look.world.repository.commit_info(found.merged_as).parents[0]
    right = found.merged_as or found.head
    return look.memory.shown(f"files {part}", left, right, lambda: _diffs(look, left, right, part))


def _diffs(look: Look, left: str, right: str, part: int) -> Files:
    changes = look.world.repository.changes(left, right)
    here = changes[(part - 1) * MOST_FILES : part * MOST_FILES]
    return Files(tuple(_diff(look, change) for change in here), len(changes))


def visible_path(path: str) -> str:
    """A path as text: a byte that is no character becomes a question mark."""
    return path.encode("utf-8", "replace").decode()


def _diff(look: Look, change: FileChange) -> FileDiff:
    path = visible_path(change.path)
    try:
        was, now = (_text(look, entry) for entry in (change.before, change.after))
    except TooBig:
        return FileDiff(path, (), "too large to show")
    if was is None or now is None:
        return FileDiff(path, (), "not text")
    lines = tuple(_unified(was.splitlines(), now.splitlines()))
    note = f"the first {MOST_LINES} lines of {len(lines)}" if len(lines) > MOST_LINES else ""
    return FileDiff(path, lines[:MOST_LINES], note)


def _text(look: Look, entry: Entry | None) -> str | None:
    if entry is None or not entry.is_file:
        return "" if entry is None else None
    raw = look.world.repository.blob(entry.oid, max_bytes=MOST_BYTES)
    return None if b"\0" in raw else raw.decode("utf-8", "replace")


def _unified(was: Sequence[str], now: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each line with its kind. What is wholly new or gone needs no comparing, which takes long for many lines."""
    if not was or not now:
        yield from (("add", line) for line in now)
        yield from (("del", line) for line in was)
        return
    kinds = {"+": "add", "-": "del", "@": "at"}
    for index, line in enumerate(difflib.unified_diff(was, now, lineterm="", n=3)):
        if index > 1:
            kind = kinds.get(line[:1], "same")
            yield kind, line if kind == "at" else line[1:]
