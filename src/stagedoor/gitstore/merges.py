"""Three-way merges without an index or a work tree.

Folders are merged here; a file that both sides changed is merged by `git merge-tree`, so that its text merges exactly
when it merges under git. Renames are never guessed (before 2.50 git could not be told so): the files of a registry
resemble each other, and an edit of one model must not land in another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from stagedoor.gitstore.commits import encode_commit
from stagedoor.gitstore.objects import ObjectStore, oid_of
from stagedoor.gitstore.process import Git
from stagedoor.gitstore.refs import is_oid
from stagedoor.gitstore.trees import Trees
from stagedoor.gitstore.values import ConflictedFile, Entry, FileChange, MergeConflict, Merged, Oid, Signature

_NOBODY = Signature("stagedoor", "stagedoor@localhost", datetime.fromtimestamp(0, UTC))
_SETTINGS = (
    # A bare repository has no work tree, so that no checkout's .gitattributes can change the answer.
    *("-c", "core.bare=true", "-c", "core.attributesFile=/dev/null"),
    *("-c", "merge.renormalize=false", "-c", "merge.conflictStyle=merge"),
)

Sides = Mapping[str, FileChange]


@dataclass(frozen=True, slots=True)
class Merger:
    """Merges in one repository. `bases` gives the merge bases of two commits."""

    git: Git
    store: ObjectStore
    trees: Trees
    bases: Callable[[Oid, Oid], tuple[Oid, ...]]

    def merge(self, ours: Oid, theirs: Oid, base: Oid | None) -> Merged | MergeConflict:
        """`base` is the commit or tree both sides come from; without it their merge base, or an empty tree."""
        below = self.trees.of(base) if base else self._common(ours, theirs)
        left, right = self.trees.of(ours), self.trees.of(theirs)
        if right in (below, left):
            return Merged(left)
        if left == below:
            return Merged(right)
        mine = {change.path: change for change in self.trees.changes(below, left)}
        other = {c.path: c for c in self.trees.changes(below, right) if mine.get(c.path) != c}
        return self._join(left, mine, other)

    def _common(self, ours: Oid, theirs: Oid) -> Oid:
        """The tree of the merge base. Where histories crossed there are several: their own merge, as git does it."""
        bases = self.bases(ours, theirs)
        if not bases:
            return self.trees.empty
        tree = self.trees.of(bases[0])
        for base in bases[1:]:
            tree = self.merge(tree, base, self._common(bases[0], base)).tree
        return tree

    def _join(self, left: Oid, mine: Sides, other: Sides) -> Merged | MergeConflict:
        touched = mine.keys() & other.keys()
        blocked = _file_against_folder(mine, other) | _file_against_folder(other, mine)
        texts = {path for path in touched - blocked if _is_text(mine[path], other[path])}
        merged, unclean = self._texts(sorted(texts), mine, other)
        refused = (touched - texts) | blocked | unclean
        taken = {path: change.after for path, change in other.items() if path not in touched and path not in blocked}
        free = {path: entry for path, entry in taken.items() if not _folders([path]) & blocked}
        tree = self.trees.rewrite(left, free | merged)
        return MergeConflict(_conflicted(refused, mine, other), tree) if refused else Merged(tree)

    def _texts(self, paths: list[str], mine: Sides, other: Sides) -> tuple[dict[str, Entry | None], set[str]]:
        """What git makes of the files that both sides have and changed: the results, and which have conflicts."""
        if not paths:
            return {}, set()
        sides = (
            {path: mine[path].before for path in paths},
            {path: mine[path].after for path in paths},
            {path: other[path].after for path in paths},
        )
        tree, unclean = self._merge_tree(*self._as_commits(*(self.trees.rewrite(None, side) for side in sides)))
        return {path: self.trees.entry(tree, path) for path in paths}, unclean

    def _as_commits(self, base: Oid, ours: Oid, theirs: Oid) -> tuple[Oid, Oid]:
        """Two commits with exactly this base: before git 2.40 merge-tree could not be told one."""
        root = encode_commit(base, (), _NOBODY, _NOBODY, "base")
        parent = oid_of("commit", root, self.store.object_format)
        left, right = (
            encode_commit(tree, (parent,), _NOBODY, _NOBODY, name)
            for tree, name in ((ours, "ours"), (theirs, "theirs"))
        )
        self.store.write_many([("commit", root), ("commit", left), ("commit", right)])
        return oid_of("commit", left, self.store.object_format), oid_of("commit", right, self.store.object_format)

    def _merge_tree(self, ours: Oid, theirs: Oid) -> tuple[Oid, set[str]]:
        command = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs)
        answer = self.git.write(*_SETTINGS, *command, ok=(0, 1))
        tree, *names = answer.text.split("\0")
        if not is_oid(tree):  # an unknown commit gives status 1 as well
            raise self.git.failure(("merge-tree",), answer)
        return tree, set(filter(None, names))


def _file_against_folder(files: Sides, folders: Sides) -> set[str]:
    """Where one side has put a file and the other put something below that name."""
    here = {path for path, change in files.items() if change.after}
    return here & _folders(path for path, change in folders.items() if change.after)


def _folders(files: Iterable[str]) -> set[str]:
    return {"/".join(parts[:n]) for parts in (path.split("/") for path in files) for n in range(1, len(parts))}


def _is_text(mine: FileChange, other: FileChange) -> bool:
    return all(side is not None and side.is_file for side in (mine.after, other.after))


def _conflicted(paths: set[str], mine: Sides, other: Sides) -> tuple[ConflictedFile, ...]:
    return tuple(
        ConflictedFile(
            path,
            base=(mine.get(path) or other[path]).before,
            ours=mine[path].after if path in mine else other[path].before,
            theirs=other[path].after if path in other else mine[path].before,
        )
        for path in sorted(paths)
    )
