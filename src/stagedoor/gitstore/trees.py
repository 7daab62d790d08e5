"""Tree objects: read, walk, compare, and rewrite just the folders on the way to a change."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

from stagedoor.errors import BadInput, BadRepository
from stagedoor.gitstore import paths
from stagedoor.gitstore.objects import ObjectStore, oid_of
from stagedoor.gitstore.smallpacks import Kind
from stagedoor.gitstore.values import EXECUTABLE, FILE, FOLDER, SUBMODULE, SYMLINK, Entry, FileChange, Oid

Folder = Mapping[bytes, Entry]

_KEPT_ENTRIES = 100_000
_KEPT_TOPS = 4_096
_LEAF_MODES = {FILE, EXECUTABLE, SYMLINK, SUBMODULE}


# https://git-scm.com/docs/git-mktree, as the objects hold it: mode, space, name, NUL, the id in bytes
_ENTRIES = {width: re.compile(rb"([0-7]{1,7}) ([^\0]+)\0(.{%d})" % width, re.DOTALL) for width in (20, 32)}


@lru_cache(maxsize=1 << 15)
def _entry(mode: bytes, raw: bytes) -> Entry:
    # one object for one entry: two versions of a folder share nearly all of them, and comparing them is quick
    return Entry(int(mode, 8), Oid(raw.hex()))


def parse_tree(data: bytes, width: int) -> dict[bytes, Entry]:
    """Entry by entry, each beginning where the one before ends: a name may look like the start of another entry."""
    found = _ENTRIES[width].findall(data)
    if sum(map(len, chain.from_iterable(found))) + 2 * len(found) != len(data):
        raise ValueError("a tree ends in the middle of an entry")
    return {name: _entry(mode, raw) for mode, name, raw in found}


def encode_tree(folder: Folder) -> bytes:
    """Git sorts a folder as if its name ended in a slash."""
    ordered = sorted(folder.items(), key=lambda item: item[0] + (b"/" if item[1].mode == FOLDER else b""))
    return b"".join(b"%o %s\0%s" % (entry.mode, name, bytes.fromhex(entry.oid)) for name, entry in ordered)


class Trees:
    """The trees of one repository, the latest few kept parsed: trees never change."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._width = 20 if store.object_format == "sha1" else 32
        self._known: OrderedDict[Oid, Folder] = OrderedDict()
        self._tops: dict[Oid, Oid] = {}
        self._held = 0

    @property
    def empty(self) -> Oid:
        return oid_of("tree", b"", self._store.object_format)

    def of(self, treeish: Oid) -> Oid:
        """The tree of a commit, of a tag, or the tree itself."""
        if treeish in self._known or treeish == self.empty:
            return treeish
        if (top := self._tops.get(treeish)) is not None:
            return top
        kind, data = self._store.read(treeish)
        if kind == "tree":
            return treeish
        if kind == "blob":
            raise BadRepository(f"{treeish} is a file, not a commit or a folder")
        top = self.of(Oid(data.split(b"\n", 1)[0].split(b" ", 1)[1].decode("ascii")))
        if len(self._tops) >= _KEPT_TOPS:
            self._tops.clear()
        self._tops[treeish] = top
        return top

    def folder(self, oid: Oid) -> Folder:
        if (known := self._known.get(oid)) is not None:
            self._known.move_to_end(oid)
            return known
        if oid == self.empty:
            return {}
        kind, data = self._store.read(oid)
        if kind != "tree":
            raise BadRepository(f"{oid} is a {kind}, not a folder", fix="run git fsck")
        return self._keep(oid, data)

    def _keep(self, oid: Oid, data: bytes) -> Folder:
        try:
            folder = parse_tree(data, self._width)
        except ValueError as error:
            raise BadRepository(f"tree {oid} is damaged", fix="run git fsck") from error
        self._remember(oid, folder)
        return folder

    def _remember(self, oid: Oid, folder: Folder) -> None:
        if oid not in self._known:
            self._held += len(folder) + 1
        self._known[oid] = folder
        while self._held > _KEPT_ENTRIES and len(self._known) > 1:
            self._held -= len(self._known.popitem(last=False)[1]) + 1

    def entry(self, treeish: Oid, path: str) -> Entry | None:
        """What is at a path; the empty path is the top folder."""
        found = Entry(FOLDER, self.of(treeish))
        for part in paths.encode(path).split(b"/") if path else ():
            if not found.is_folder or (below := self.folder(found.oid).get(part)) is None:
                return None
            found = below
        return found

    def files(self, treeish: Oid, under: str = "") -> dict[str, Entry]:
        top = self.entry(treeish, under)
        if top is None:
            return {}
        if not top.is_folder:
            return {under: top}
        prefix = paths.encode(under) + b"/" if under else b""
        return {paths.decode(name): entry for name, entry in self._walk(prefix, top.oid)}

    def _walk(self, prefix: bytes, oid: Oid) -> Iterator[tuple[bytes, Entry]]:
        waiting = [(prefix, oid)]
        while waiting:
            prefix, oid = waiting.pop()
            for name, entry in self.folder(oid).items():
                if entry.mode == FOLDER:
                    waiting.append((prefix + name + b"/", entry.oid))
                else:
                    yield prefix + name, entry

    def changes(
        self, old: Oid | None, new: Oid | None, under: str = "", *, only_gone: bool = False
    ) -> list[FileChange]:
        """Every path that differs, in path order. Equal folders are never opened, renames are not guessed.

        With `only_gone` those that are there no more; then what is new is passed by, however much it is.
        """
        before = None if old is None else self.entry(old, under)
        after = None if new is None else self.entry(new, under)
        found = [
            FileChange(paths.decode(name), was, now)
            for name, was, now in self._compare(paths.encode(under), before, after, only_gone)
        ]
        return sorted(found, key=lambda change: change.path)

    def _compare(
        self, name: bytes, before: Entry | None, after: Entry | None, only_gone: bool
    ) -> Iterator[tuple[bytes, Entry | None, Entry | None]]:
        waiting = [(name, before, after)]
        while waiting:
            name, before, after = waiting.pop()
            if before == after or (only_gone and before is None):
                continue
            was, now = (None if side is None or side.is_folder else side for side in (before, after))
            if (was or now) and not (only_gone and now):
                yield name, was, now
            left, right = (self.folder(side.oid) if side and side.is_folder else {} for side in (before, after))
            prefix = name + b"/" if name else b""
            parts = left if only_gone else left.keys() | right.keys()
            differing = (part for part in parts if left.get(part) is not right.get(part))
            waiting += [(prefix + part, left.get(part), right.get(part)) for part in differing]

    def rewrite(self, base: Oid | None, changes: Mapping[str, bytes | Entry | None]) -> Oid:
        """The tree that `changes` make of `base`, stored. Only folders on the way are read and written."""
        plan = _Plan()
        for path, change in changes.items():
            plan.add(paths.split(path), path, change)
        draft = _Draft(self._store.object_format)
        top = self._apply(self.of(base) if base else None, plan, draft)
        if top is None:
            top = draft.add("tree", b"")
        self._store.write_many(draft.objects)
        for oid, folder in draft.folders.items():
            self._remember(oid, folder)
        return top

    def _apply(self, oid: Oid | None, plan: _Plan, draft: _Draft) -> Oid | None:
        folder = dict(self.folder(oid)) if oid else {}
        for name, step in plan.below.items():
            now = self._step(folder.get(name), step, draft)
            if now is None:
                folder.pop(name, None)
            else:
                folder[name] = now
        if not folder:
            return None
        if oid and folder == self.folder(oid):
            return oid
        new = draft.add("tree", encode_tree(folder))
        draft.folders[new] = folder
        return new

    def _step(self, was: Entry | None, step: _Plan, draft: _Draft) -> Entry | None:
        inside: Entry | None = was if was and was.is_folder else None
        if step.below:
            if was and not was.is_folder and not step.deletes and step.puts_below:
                raise BadInput(f"{step.path!r} is a file, not a folder", fix="choose another file name")
            oid = self._apply(inside.oid if inside else None, step, draft)
            inside = Entry(FOLDER, oid) if oid else None
        if step.change is _NOTHING:
            return inside or (None if step.deletes or not was or was.is_folder else was)
        if step.change is None and (not was or not was.is_folder):
            return inside
        if inside:
            raise BadInput(f"{step.path!r} is a folder, not a file", fix="choose another file name")
        return _leaf(was, step.change, draft)


def _leaf(was: Entry | None, change: object, draft: _Draft) -> Entry | None:
    if isinstance(change, bytes):
        return Entry(was.mode if was and was.is_file else FILE, draft.add("blob", change))
    if isinstance(change, Entry):
        if change.mode not in _LEAF_MODES:
            raise BadInput(f"{change.mode:o} is not a mode for a file")
        return change
    return None


@dataclass(slots=True)
class _Draft:
    """What a rewrite makes, children before parents, until it is stored in one go."""

    object_format: str
    objects: list[tuple[Kind, bytes]] = field(default_factory=list)
    folders: dict[Oid, Folder] = field(default_factory=dict)

    def add(self, kind: Kind, data: bytes) -> Oid:
        self.objects.append((kind, data))
        return oid_of(kind, data, self.object_format)


_NOTHING = object()


@dataclass(slots=True)
class _Plan:
    """The changes as a tree of their own: at each name a change, or more names below it, or both."""

    path: str = ""
    change: object = _NOTHING
    below: dict[bytes, _Plan] = field(default_factory=dict)

    @property
    def deletes(self) -> bool:
        return self.change is None

    @property
    def puts_below(self) -> bool:
        return any(step.change not in (None, _NOTHING) or step.puts_below for step in self.below.values())

    def add(self, parts: tuple[bytes, ...], path: str, change: bytes | Entry | None) -> None:
        at = self
        for number, part in enumerate(parts, 1):
            at = at.below.setdefault(part, _Plan("/".join(path.split("/")[:number])))
        at.change = change
