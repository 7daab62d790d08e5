"""Guarding a repository that people push to: a pre-receive hook, so that nobody pushes around a request."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stagedoor.core.approval import entitled, needs
from stagedoor.core.diff import Change, StageMoved
from stagedoor.core.layout import REGISTRY_FILE, is_model_path, is_stage_path
from stagedoor.core.requests import Request, decode_step, fold
from stagedoor.core.spec import ARCHIVED
from stagedoor.core.trailers import parse
from stagedoor.errors import AlreadyExists, BadRepository, Denied, NotFound, RegistryError
from stagedoor.gitstore import CommitInfo, Oid
from stagedoor.workflows.merges import changes_between, merged_tree, webhooks_asked
from stagedoor.workflows.planning import file_changes, plan
from stagedoor.workflows.snapshots import root_of
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import asked_of

_MARK = "# written by stagedoor hooks install"
# the check that says whose approval is missing: a refusal names them itself
_AGREEMENT = "SD404"


@dataclass(frozen=True, slots=True)
class Pushed:
    """One ref that somebody pushes; None where it is new, or goes."""

    ref: str
    old: Oid | None
    new: Oid | None


def install(world: World, command: str) -> Path:
    """Write the pre-receive hook. One that somebody else wrote is left alone, and `AlreadyExists` says so."""
    hook = world.repository.common_dir / "hooks" / "pre-receive"
    if hook.exists() and _MARK not in hook.read_text("utf-8", "replace"):
        fix = f"call it from there: {command} hooks pre-receive"
        raise AlreadyExists("there is a pre-receive hook already", where=str(hook), fix=fix)
    hook.parent.mkdir(exist_ok=True)
    # git starts a hook in the repository, and Python must not take that for a place of modules
    hook.write_text(f'#!/bin/sh\n{_MARK}\nexec {shlex.quote(command)} -C "$PWD" hooks pre-receive\n')
    hook.chmod(0o755)
    return hook


def read_pushed(lines: Iterable[str]) -> tuple[Pushed, ...]:
    """What git tells a pre-receive hook: https://git-scm.com/docs/githooks#pre-receive."""
    found = []
    for line in lines:
        old, new, ref = line.rstrip("\n").split(" ", 2)
        found.append(Pushed(ref, _oid(old), _oid(new)))
    return tuple(found)


def _oid(text: str) -> Oid | None:
    return None if set(text) == {"0"} else Oid(text)


def guard(world: World, pushed: Iterable[Pushed]) -> None:
    """Let a push in, or raise `Denied`: main moves forward by what people agreed to, and our own chains only grow."""
    updates = tuple(pushed)
    coming = {one.ref: one.new for one in updates if one.new is not None}
    prefix = world.snapshot().spec.requests.prefix if world.repository.tip() else "refs/pull/"
    for one in updates:
        if one.ref == world.repository.ref and one.old is not None:
            _guard_main(world, one, coming, prefix)
        elif one.ref.startswith((prefix, "refs/pull/", "refs/stagedoor/")):
            _guard_chain(world, one, coming, prefix)


def _guard_chain(world: World, one: Pushed, coming: Mapping[str, Oid], prefix: str) -> None:
    if one.new is None:
        raise Denied(f"{one.ref} is kept for ever", fix="close the request, if it is one")
    found = re.fullmatch(re.escape(prefix) + r"([1-9][0-9]{0,8})/head", one.ref)
    if found:
        request = _request(world, int(found[1]), coming, prefix)
        if request is None or request.head != one.new:
            raise Denied(f"{one.ref} moves with the request only", fix="stagedoor open BRANCH, then stagedoor sync")
    elif one.old is not None and not world.repository.is_ancestor(one.old, one.new):
        raise Denied(f"{one.ref} only grows, and this would take something away", fix="stagedoor sync")


def _guard_main(world: World, one: Pushed, coming: Mapping[str, Oid], prefix: str) -> None:
    main = world.repository.branch
    if one.new is None or one.old is None:
        raise Denied(f"{main} is the registry, and cannot be deleted")
    if not world.repository.is_ancestor(one.old, one.new):
        raise Denied(f"{main} only goes forward", fix="stagedoor rollback asks for what was before")
    for commit in world.repository.first_parents(one.old, one.new):
        for reason in _faults(world, commit, coming, prefix):
            raise Denied(f"{commit.oid[:10]} may not come to {main}: {reason}", fix="ask for it: stagedoor open BRANCH")


def _faults(world: World, commit: CommitInfo, coming: Mapping[str, Oid], prefix: str) -> Iterator[str]:
    base, head = world.snapshot(commit.parents[0]), world.snapshot(commit.oid)
    if REGISTRY_FILE not in base.files:
        return
    number = parse(commit.message).request
    request = _request(world, number, coming, prefix) if number is not None else None
    if number is not None and (request is None or request.merged_as != commit.oid):
        yield f"it says request {number}, which did not land as this commit"
        return
    if request is not None and (odd := _is_no_merge_of(world, commit, request)):
        yield odd
        return
    # a gate may ask who agreed, and broken glass sets gates aside: both are the request's to say
    made = plan(world, base, head, asked_of(request) if request else None)
    yield from (f"{problem.code} {problem.what}" for problem in made.errors if problem.code != _AGREEMENT)
    if not file_changes(base, head):
        return
    if request is None:
        root = root_of(world.repository)
        asked = needs(changes_between(base, head), made.files, base.spec, root, webhooks_asked(base, head))
        reason = entitled(asked, commit.author.email, owners=base.owners, people=base.people, spec=base.spec)
        yield from (reason,) if reason else ()
    elif made.verdict is not None:
        yield from (f"request {request.number}: {one.unblock}" for one in made.verdict.rulings if not one.holds)


def _is_no_merge_of(world: World, commit: CommitInfo, request: Request) -> str | None:
    """Why a commit is not what merging the request gives: people agreed to its head, and to nothing else.

    A merge may archive what the new version takes the place of, which whoever owns the stage says when it lands.
    """
    if len(commit.parents) != 2 or commit.parents[1] != request.head:
        return f"it is no merge of {request.head[:10]}, which is the head of request {request.number}"
    merged = merged_tree(world, commit.parents[0], request.head)
    if merged.tree == commit.tree and not merged.conflicts:
        return None
    before, after = world.snapshot(merged.tree), world.snapshot(commit.oid)
    root = root_of(world.repository)
    others = [one.path for one in file_changes(before, after) if not _may_follow(one.path.removeprefix(root))]
    more = [one for one in changes_between(before, after) if not _is_archived(one)]
    if merged.conflicts or others or more:
        return f"it does something else than request {request.number} asked for"
    return None


def _may_follow(path: str) -> bool:
    return is_model_path(path) or is_stage_path(path)


def _is_archived(change: Change) -> bool:
    return isinstance(change, StageMoved) and change.now == ARCHIVED


def _request(world: World, number: int, coming: Mapping[str, Oid], prefix: str) -> Request | None:
    """A request as it will be when the push is in: its chain comes with the merge, in one push."""
    ref = f"{prefix}{number}/meta"
    tip = coming.get(ref) or world.repository.tip(ref)
    if tip is None:
        return None
    try:
        files = world.repository.files(tip, "events")
        return fold(number, [decode_step(world.repository.blob(files[path].oid), path) for path in sorted(files)])
    except (BadRepository, NotFound, RegistryError):
        return None
