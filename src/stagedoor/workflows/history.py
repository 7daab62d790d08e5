"""What happened on main, commit by commit in first-parent order, derived by comparing trees."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from stagedoor.core.diff import Change, ModelMoved, diff
from stagedoor.core.events import Event, Happening, events_of
from stagedoor.core.evidence import pinned_files
from stagedoor.core.layout import SCHEMAS, SPEC_FOLDER, STAGES, is_model_path
from stagedoor.core.owners import LOCATIONS
from stagedoor.core.reading import read_as
from stagedoor.core.registry import Registry
from stagedoor.core.spec import RegisteredModel
from stagedoor.core.trailers import parse as parse_trailers
from stagedoor.errors import BadSpec
from stagedoor.gitstore import CommitInfo, Entry, FileChange, Repository, TooBig
from stagedoor.workflows.snapshots import MAX_FILE, root_of
from stagedoor.workflows.world import World


@dataclass(frozen=True)
class Landed:
    """One commit of main's first-parent chain, and what it did to the registry."""

    commit: CommitInfo
    changes: tuple[Change, ...]
    files: tuple[str, ...]

    @cached_property
    def happening(self) -> Happening:
        """Who, when and by which request, as the commit says."""
        author = self.commit.author
        return Happening(self.commit.oid, author.email, author.time, parse_trailers(self.commit.message))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The events it stands for."""
        return events_of(self.changes, self.files, self.happening)

    @property
    def is_empty(self) -> bool:
        """Whether the registry is the same after it."""
        return not self.changes and not self.files


@dataclass(frozen=True)
class Step:
    """One commit of main's first-parent chain, with the models it touched as they were and as they are after it.

    `unread` are the model files that do not read after it; what they said last stands in for them.
    """

    commit: CommitInfo
    before: Registry
    after: Registry
    files: tuple[str, ...]
    unread: tuple[str, ...] = ()
    root: str = ""

    @cached_property
    def landed(self) -> Landed:
        """What it did. A file of evidence says what the model's file pins, so the change of that file is the news."""
        changes = diff(self.before, self.after)
        pinned = {self.root + path for path in pinned_files(changes)}
        return Landed(self.commit, changes, tuple(path for path in self.files if path not in pinned))


@dataclass
class _Reader:
    """Reads model blobs once each, and stands in the last content that did read for one that does not.

    A malformed file in one old commit must not take the story of everything else away, nor make it look as if the
    model had been deleted and created again.
    """

    repository: Repository
    _models: dict[str, RegisteredModel | None] = field(default_factory=dict)
    _last: dict[str, RegisteredModel | None] = field(default_factory=dict)

    def both(
        self, change: FileChange, path: str, parent: str | None
    ) -> tuple[RegisteredModel | None, RegisteredModel | None]:
        """The model before and after a change of its file."""
        before = self._known(change.before, path, parent)
        after = self._model(change.after, path)
        if after is None and change.after is not None:
            after = before
        self._last[path] = after
        return before, after

    def fails(self, entry: Entry | None, path: str) -> bool:
        """Whether something stands there that is no model."""
        return entry is not None and self._model(entry, path) is None

    def _known(self, entry: Entry | None, path: str, parent: str | None) -> RegisteredModel | None:
        if entry is None:
            return None
        found = self._model(entry, path)
        if found is None:
            found = self._last[path] if path in self._last else self._earlier(path, parent)
        return found

    def _earlier(self, path: str, commit: str | None) -> RegisteredModel | None:
        if commit is None:
            return None
        top = root_of(self.repository) + path
        commits = list(self.repository.first_parents(None, commit, paths=(top,)))
        entries = (self.repository.entry(one.oid, top) for one in reversed(commits))
        return next((model for entry in entries if (model := self._model(entry, path))), None)

    def _model(self, entry: Entry | None, path: str) -> RegisteredModel | None:
        if entry is None or not entry.is_file:
            return None
        if entry.oid not in self._models:
            if len(self._models) > 4096:
                self._models.clear()
            self._models[entry.oid] = self._parse(entry, path)
        return self._models[entry.oid]

    def _parse(self, entry: Entry, path: str) -> RegisteredModel | None:
        try:
            return read_as(RegisteredModel, self.repository.blob(entry.oid, max_bytes=MAX_FILE), path)
        except (BadSpec, TooBig):
            return None


def landings(
    world: World, since: str | None = None, until: str | None = None, paths: Sequence[str] = ()
) -> Iterator[Landed]:
    """Every commit of main after `since`, oldest first; with `paths` those that touch one of these files.

    Raises `BadRepository` on a shallow or partial clone: part of a history is no history.
    """
    return (step.landed for step in steps(world, since, until, paths))


def steps(
    world: World, since: str | None = None, until: str | None = None, paths: Sequence[str] = ()
) -> Iterator[Step]:
    """As `landings`, with the models before and after each commit; none is kept when the next one is read."""
    world.repository.require_history()
    reader = _Reader(world.repository)
    for commit in _commits(world, since, until or world.main(), tuple(paths)):
        yield _step(world.repository, commit, reader, frozenset(paths))


def _commits(world: World, since: str | None, until: str, paths: tuple[str, ...]) -> Iterator[CommitInfo]:
    """The commits of a stretch of main; those of some files are looked up, where their history is kept."""
    past = world.past() if paths and since is None else None
    found = past.touching(paths, until) if past is not None else None
    if found is None:
        return world.repository.first_parents(since, until, paths=paths)
    return map(world.repository.commit_info, found)


def landed(world: World, commit: str, paths: Collection[str]) -> Landed:
    """What one commit did to some files, which are named from the repository's top, or to all where none is named."""
    repository = world.repository
    return _step(repository, repository.commit_info(commit), _Reader(repository), paths).landed


def _step(repository: Repository, commit: CommitInfo, reader: _Reader, only: Collection[str]) -> Step:
    """One commit, seen from its first parent; with `only`, what it did to these files."""
    parent = commit.parents[0] if commit.parents else None
    root = root_of(repository)
    before: dict[str, RegisteredModel] = {}
    after: dict[str, RegisteredModel] = {}
    files: list[str] = []
    unread: list[str] = []
    for change in _of_interest(repository, parent, commit.oid, only):
        path = change.path.removeprefix(root) if change.path.startswith(root) else ""
        if is_model_path(path):
            old, new = reader.both(change, path, parent)
            before.update({path: old} if old else {})
            after.update({path: new} if new else {})
            unread += [path] if reader.fails(change.after, path) else []
        elif _is_policy(path, change.path):
            files.append(change.path)
    return Step(commit, Registry(before), Registry(after), tuple(files), tuple(unread), root)


def _of_interest(repository: Repository, parent: str | None, commit: str, only: Collection[str]) -> list[FileChange]:
    """The changes of some files, or of all. One file costs no more where a thousand others change with it.

    Where one appears, what disappears counts too: it may be the same model, moved.
    """
    if not only:
        return repository.changes(parent, commit)
    pairs = [
        (path, repository.entry(parent, path) if parent else None, repository.entry(commit, path)) for path in only
    ]
    found = [FileChange(*pair) for pair in pairs if pair[1] != pair[2]]
    if any(change.before is None for change in found):
        known = {change.path for change in found}
        found += [change for change in repository.gone(parent, commit) if change.path not in known]
    return sorted(found, key=lambda change: change.path)


def _leaf(repository: Repository, commit: str | None, path: str) -> Entry | None:
    entry = repository.entry(commit, path) if commit else None
    return None if entry is None or entry.is_folder else entry


def _is_policy(path: str, top: str) -> bool:
    if path.startswith(f"{SPEC_FOLDER}/"):
        return not path.startswith((SCHEMAS, STAGES)) and not path.endswith("/.gitkeep")
    return any(top in places for places in LOCATIONS.values())


def activity(
    world: World, model: str | None = None, version: int | None = None, *, commit: str | None = None
) -> tuple[Event, ...]:
    """The events of the registry, of a model or of a version, newest first: the order of main, whatever clocks say.

    With `commit`, what had happened by then.
    """
    if model is None:
        found: Iterable[Event] = (event for one in landings(world, until=commit) for event in one.events)
    else:
        id_ = world.snapshot(commit).registry.model(model).id
        found = (event for one in landings_of(world, model, commit) for event in _of_model(one, id_))
    kept = [event for event in found if version is None or event.version == version]
    return tuple(reversed(kept))


def _of_model(one: Landed, id_: str) -> Iterator[Event]:
    names = {change.model for change in one.changes}
    if len(names) <= 1:
        return iter(one.events)
    mine = {model.name for model in _models_in(one.changes) if model.id == id_}
    return (event for event in one.events if event.model in mine) if mine else iter(one.events)


def _models_in(changes: Iterable[Change]) -> Iterator[RegisteredModel]:
    for change in changes:
        content = getattr(change, "content", None)
        if isinstance(content, RegisteredModel):
            yield content


def landings_of(world: World, model: str, commit: str | None = None) -> tuple[Landed, ...]:
    """The commits that touched one model's file, under every path it ever had, oldest first; up to `commit`."""
    return landings_from(world, world.snapshot(commit).registry.path(model), commit)


def landings_from(world: World, path: str, until: str | None = None) -> tuple[Landed, ...]:
    """As `landings_of`, for the model whose file stands, or stood last, at `path`."""
    root = root_of(world.repository)
    found: list[Landed] = []
    while True:
        part = [_only(one, path) for one in landings(world, until=until, paths=(root + path,))]
        found = [*part, *found]
        first = part[0] if part else None
        moved = next((c for c in first.changes if isinstance(c, ModelMoved)), None) if first else None
        if first is None or moved is None or not first.commit.parents:
            return tuple(found)
        path, until = moved.was, first.commit.parents[0]


def _only(one: Landed, path: str) -> Landed:
    return Landed(one.commit, tuple(change for change in one.changes if change.path == path), ())
