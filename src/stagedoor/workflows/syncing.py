"""Sync: bring refs here and there, by compare-and-swap, and unite chains that grew on two machines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stagedoor.core.requests import Closed, MergedStep, Pushed, decode_step, fold
from stagedoor.effects.ledger import REF as LEDGER
from stagedoor.errors import BadRepository, Conflict, Denied, NotFound
from stagedoor.gitstore import CommitInfo, Entry, Oid, Raced, RefUpdate, Repository
from stagedoor.gitstore.remotes import Remote
from stagedoor.workflows.hosts import host_of, token_login
from stagedoor.workflows.world import World

# what came from a remote, by remote; a sync overwrites it
KEPT = "refs/stagedoor-remote/"
_TRIES = 8
_STEP = re.compile(r"events/([0-9]{8})-([0-9a-f]{10})\.json")

Way = Literal["equal", "pulled", "pushed", "united", "renumbered", "refused"]


@dataclass(frozen=True, slots=True)
class Synced:
    """One ref: which way it went, and what there is to say about it."""

    ref: str
    way: Way
    what: str = ""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """Every ref that was not equal already, and how many were."""

    remote: str
    refs: tuple[Synced, ...]
    equal: int

    @property
    def refused(self) -> tuple[Synced, ...]:
        """What could not be brought together."""
        return tuple(one for one in self.refs if one.way == "refused")


@dataclass
class _Work:
    """What a sync decided so far: the refs to move here and there."""

    here: list[RefUpdate] = field(default_factory=list)
    there: list[RefUpdate] = field(default_factory=list)
    told: list[Synced] = field(default_factory=list)
    equal: int = 0

    def pull(self, ref: str, ours: Oid | None, theirs: Oid, way: Way = "pulled", what: str = "") -> None:
        self.here.append(RefUpdate(ref, ours, theirs))
        self.told.append(Synced(ref, way, what))

    def push(self, ref: str, ours: Oid, theirs: Oid | None) -> None:
        self.there.append(RefUpdate(ref, theirs, ours))
        self.told.append(Synced(ref, "pushed"))

    def unite(self, ref: str, ours: Oid, theirs: Oid, made: Oid) -> None:
        self.here.append(RefUpdate(ref, ours, made))
        if made != theirs:
            self.there.append(RefUpdate(ref, theirs, made))
        self.told.append(Synced(ref, "united"))


def sync(world: World, remote: str = "origin", branches: tuple[str, ...] = ()) -> SyncReport:
    """Bring main, requests, comments and the ledger together with another copy of the registry.

    What is ahead wins; append-only chains that grew on both sides are put one after the other, what is there already
    first. Nothing is lost, and nothing is overwritten: a `main` that grew on both sides is told and left alone.
    `branches` are refs that are brought together as chains are.
    """
    there = world.repository.remote(remote, token_login(world, remote))
    for _ in range(_TRIES):
        try:
            return _Sync(world, there, remote, branches).run()
        except Raced:
            world.sleep(0.2)
    raise Conflict(f"{there.title} is being written by many at once", fix="run it again")


class _Sync:
    """One look at both sides, and what follows from it."""

    def __init__(self, world: World, remote: Remote, name: str, branches: tuple[str, ...] = ()) -> None:
        self.world = world
        self.branches = branches
        self.git: Repository = world.repository
        self.remote = remote
        self.kept = f"{KEPT}{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-') or 'remote'}/"
        self.prefix = world.snapshot().spec.requests.prefix if world.repository.tip() else "refs/pull/"
        self.is_hosted = bool(world.repository.tip() and _is_hosted(world))
        self.work = _Work()

    def run(self) -> SyncReport:
        theirs = self._fetched()
        ours = self._ours()
        self._main(ours.pop(self.git.ref, None), theirs.pop(self.git.ref, None))
        if not self.is_hosted:
            self._requests(ours, theirs)
        for ref in sorted((ours.keys() | theirs.keys()) - {r for r in ours.keys() | theirs.keys() if self._is_pull(r)}):
            self._chain(ref, ours.get(ref), theirs.get(ref))
        if not self.world.is_rehearsal:
            self._act()
        return SyncReport(self.remote.title, tuple(self.work.told), self.work.equal)

    # --- looking ---

    def _wanted(self, ref: str) -> bool:
        if ref.startswith(("refs/pull/", "refs/stagedoor/pull/")):
            return self._is_pull(ref) and not self.is_hosted
        return ref == self.git.ref or ref.startswith("refs/stagedoor/") or ref in self.branches

    def _is_pull(self, ref: str) -> bool:
        return re.fullmatch(re.escape(self.prefix) + r"[1-9][0-9]{0,8}/(head|meta)", ref) is not None

    def _ours(self) -> dict[str, Oid]:
        places = ("refs/stagedoor/", self.prefix, self.git.ref, *self.branches)
        found = {ref: oid for place in places for ref, oid in self.git.refs(place).items()}
        return {ref: oid for ref, oid in found.items() if self._wanted(ref)}

    def _fetched(self) -> dict[str, Oid]:
        """The refs there, with everything they point at brought here."""
        patterns = (self.git.ref, f"{self.prefix}*", "refs/stagedoor/*", *self.branches)
        listed = {ref: oid for ref, oid in self.remote.refs(*patterns).items() if self._wanted(ref)}
        lacking = {
            ref: self.kept + ref.removeprefix("refs/") for ref, oid in listed.items() if self.git.tip(ref) != oid
        }
        self.remote.fetch(lacking)
        for ref, here in lacking.items():
            if (came := self.git.tip(here)) is not None:
                listed[ref] = came
        return listed

    # --- deciding ---

    def _one_way(self, ref: str, ours: Oid | None, theirs: Oid | None) -> bool:
        """Whether one side has all of the other, and then it wins."""
        if ours == theirs:
            self.work.equal += ours is not None
        elif theirs is None and ours is not None:
            self.work.push(ref, ours, None)
        elif theirs is not None and (ours is None or self.git.is_ancestor(ours, theirs)):
            self.work.pull(ref, ours, theirs)
        elif ours is not None and theirs is not None and self.git.is_ancestor(theirs, ours):
            self.work.push(ref, ours, theirs)
        else:
            return False
        return True

    def _main(self, ours: Oid | None, theirs: Oid | None) -> None:
        if not self._one_way(self.git.ref, ours, theirs):
            what = (
                f"it has grown on both sides ({str(ours)[:10]} here, {str(theirs)[:10]} there): put your commits on a "
                f"branch, bring main back to {str(theirs)[:10]}, and ask for them: stagedoor open BRANCH"
            )
            self.work.told.append(Synced(self.git.ref, "refused", what))

    def _chain(self, ref: str, ours: Oid | None, theirs: Oid | None) -> None:
        if self._one_way(ref, ours, theirs) or ours is None or theirs is None:
            return
        merge = _ledger_file if ref == LEDGER else _ours_last
        self.work.unite(ref, ours, theirs, self._replayed(ours, theirs, merge(self.git)))

    def _replayed(self, ours: Oid, theirs: Oid, merge: Merge) -> Oid:
        """What only we have, commit by commit on top of what is there; each keeps its author and its time."""
        base = self.git.merge_base(ours, theirs)
        tip = theirs
        for commit in self.git.first_parents(base, ours):
            before = commit.parents[0] if commit.parents else None
            tree = self.git.commit_info(tip).tree
            files: dict[str, bytes | Entry | None] = {}
            for change in self.git.changes(before, commit.oid):
                there = self.git.entry(tip, change.path)
                if there != change.after:
                    files |= merge(change.path, change.before, change.after, there)
            made = self.git.write_tree(tree, files)
            if made != tree:
                tip = self._again(commit, made, tip, commit.parents[1:])
        return tip

    def _again(self, commit: CommitInfo, tree: Oid, onto: Oid, more: tuple[Oid, ...]) -> Oid:
        return self.git.commit(
            tree, (onto, *more), author=commit.author, committer=commit.committer, message=commit.message
        )

    # --- requests ---

    def _requests(self, ours: Mapping[str, Oid], theirs: Mapping[str, Oid]) -> None:
        numbers = {int(ref.removeprefix(self.prefix).split("/")[0]) for ref in (*ours, *theirs) if self._is_pull(ref)}
        taken = max(numbers, default=0)
        for number in sorted(numbers):
            meta, head = f"{self.prefix}{number}/meta", f"{self.prefix}{number}/head"
            mine, other = ours.get(meta), theirs.get(meta)
            if mine and other and self._fork(mine, other) is None:
                # two requests took one number, each on its own machine: what is published keeps it
                taken += 1
                self._renumber(number, taken, (mine, ours.get(head)), (other, theirs.get(head)))
            else:
                self._request(meta, head, (mine, ours.get(head)), (other, theirs.get(head)))

    def _fork(self, ours: Oid, theirs: Oid) -> Oid | None:
        """The last step that two chains share; None for two requests, which have only main in common."""
        known = {commit.oid for commit in self.git.first_parents(None, theirs)}
        shared = [commit.oid for commit in self.git.first_parents(None, ours) if commit.oid in known]
        return shared[-1] if shared and self.git.files(shared[-1], "events") else None

    def _renumber(self, was: int, now: int, mine: _Pair, other: _Pair) -> None:
        for kind, ours, theirs in zip(("meta", "head"), mine, other, strict=True):
            old, new = f"{self.prefix}{was}/{kind}", f"{self.prefix}{now}/{kind}"
            if theirs is not None and ours != theirs:
                self.work.here.append(RefUpdate(old, ours, theirs))
            if ours is not None:
                self.work.here.append(RefUpdate(new, None, ours))
                self.work.there.append(RefUpdate(new, None, ours))
        what = f"request {was} was taken there, so this one is request {now} now; signed approvals of it do not count"
        self.work.told.append(Synced(f"{self.prefix}{was}/meta", "renumbered", what))

    def _request(self, meta: str, head: str, mine: _Pair, other: _Pair) -> None:
        (ours, our_head), (theirs, their_head) = mine, other
        if ours is None or theirs is None or ours == theirs or self._is_ahead(ours, theirs):
            # the head goes wherever the chain goes, whatever is an ancestor of what
            forward = ours is None or (theirs is not None and ours != theirs and self.git.is_ancestor(ours, theirs))
            self._one_way(meta, ours, theirs)
            if our_head != their_head:
                chosen = their_head if forward else our_head
                self._head(head, our_head, their_head, chosen)
            return
        made = self._united_request(ours, theirs)
        self.work.unite(meta, ours, theirs, made)
        self._head(head, our_head, their_head, self._head_of(made))

    def _is_ahead(self, ours: Oid, theirs: Oid) -> bool:
        return self.git.is_ancestor(ours, theirs) or self.git.is_ancestor(theirs, ours)

    def _head(self, ref: str, ours: Oid | None, theirs: Oid | None, chosen: Oid | None) -> None:
        if chosen is None:
            return
        if ours != chosen:
            self.work.here.append(RefUpdate(ref, ours, chosen))
        if theirs != chosen:
            self.work.there.append(RefUpdate(ref, theirs, chosen))

    def _united_request(self, ours: Oid, theirs: Oid) -> Oid:
        """Our steps behind theirs, under the next numbers. What ends a request ends it once."""
        base = self._fork(ours, theirs)
        tip, known = theirs, set(self.git.files(base, "events")) if base else set()
        for commit in self.git.first_parents(base, ours):
            files = self.git.files(commit.oid, "events")
            for path in sorted(files.keys() - known):
                raw = self.git.blob(files[path].oid)
                if self._still_makes_sense(tip, raw, path):
                    there = self.git.files(tip, "events")
                    tree = self.git.write_tree(self.git.commit_info(tip).tree, {_next_name(there, path): raw})
                    tip = self._again(commit, tree, tip, commit.parents[1:])
            known |= files.keys()
        return tip

    def _still_makes_sense(self, tip: Oid, raw: bytes, path: str) -> bool:
        step = decode_step(raw, path)
        return self._read(tip).is_open or not isinstance(step, Pushed | Closed | MergedStep)

    def _read(self, tip: Oid) -> Any:
        files = self.git.files(tip, "events")
        return fold(0, [decode_step(self.git.blob(files[path].oid), path) for path in sorted(files)])

    def _head_of(self, tip: Oid) -> Oid:
        return Oid(self._read(tip).head)

    # --- acting ---

    def _act(self) -> None:
        """There first: what is refused there has not happened here."""
        refused = self.remote.push(self.work.there)
        if refused:
            self._explain(refused[0].ref, refused[0].said)
        self.git.publish(self.work.here, f"stagedoor: sync with {self.remote.title}")

    def _explain(self, ref: str, said: str) -> None:
        if ref.startswith("refs/pull/") and ("hidden" in said or "deny" in said):
            # GitHub keeps refs/pull/ for itself
            raise Denied(
                f"{self.remote.title} keeps refs/pull/ for itself", where=said,
                fix="set requests: {prefix: refs/stagedoor/pull/} in registry.yaml, or forge: {kind: github}",
            )  # fmt: skip
        raise Denied(f"{self.remote.title} does not take {ref}", where=said, fix="look at its rules")


_Pair = tuple[Oid | None, Oid | None]
# path, before, after, and what stands there: the files that make both true
Merge = Callable[[str, Entry | None, Entry | None, Entry | None], Mapping[str, Entry | bytes | None]]


def _is_hosted(world: World) -> bool:
    spec = world.snapshot().spec
    if not spec.forge.kind and not world.forge_kind:
        return world.host is not None
    return host_of(world.repository, spec.forge, world.forge_kind or spec.forge.kind) is not None


def _next_name(there: Mapping[str, Entry], path: str) -> str:
    found = _STEP.fullmatch(path)
    if found is None:
        raise BadRepository(f"{path} is no step", fix="stagedoor doctor")
    last = max((int(match[1]) for name in there if (match := _STEP.fullmatch(name))), default=0)
    return f"events/{last + 1:08d}-{found[2]}.json"


def _ours_last(git: Repository) -> Merge:
    """Every change is made again behind what is published: most files are a person's own, or are new."""

    def merge(path: str, before: Entry | None, after: Entry | None, there: Entry | None) -> Mapping[str, Any]:
        return {path: after}

    return merge


def _ledger_file(git: Repository) -> Merge:
    """The ledger's files by their meaning: a cursor that came further, a delivery that was made, followers of both."""

    def read(entry: Entry | None) -> Any:
        return json.loads(git.blob(entry.oid)) if entry is not None else None

    def merge(path: str, before: Entry | None, after: Entry | None, there: Entry | None) -> Mapping[str, Any]:
        if there == before:
            # nobody touched it there
            return {path: after}
        if path == "lease.json" or after is None or there is None:
            return {}
        if path == "cursor.json":
            return {path: _encoded(_further(git, read(after), read(there)))}
        if path.startswith("deliveries/") and read(after).get("state") == "delivered":
            return {path: after}
        if path.startswith("followers/"):
            return {path: _encoded(_followers(read(before) or {}, read(after), read(there)))}
        return {}

    return merge


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def _further(git: Repository, ours: Any, theirs: Any) -> Any:
    """The cursor that is further along main: what lies behind it was recorded by whoever moved it there."""
    try:
        ahead = bool(theirs.get("main")) and git.is_ancestor(theirs["main"], ours["main"])
    except (NotFound, BadRepository, KeyError):
        ahead = False
    first, second = (theirs, ours) if ahead else (ours, theirs)
    requests = {**first.get("requests", {}), **second.get("requests", {})}
    return {**second, "requests": requests}


def _followers(before: Any, ours: Any, theirs: Any) -> Any:
    """Who follows after both sides' changes: theirs, with whom we added and without whom we took away."""
    found = {}
    for version in sorted(ours.keys() | theirs.keys()):
        old, mine, other = (set(side.get(version, ())) for side in (before, ours, theirs))
        found[version] = sorted((other | (mine - old)) - (old - mine))
    return found
