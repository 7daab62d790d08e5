"""The registry as it is at a commit, read from git and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

from stagedoor.core.layout import (
    MODELS,
    PEOPLE_FILE,
    QUARANTINE_FILE,
    REGISTRY_FILE,
    SIGNERS_FILE,
    SPEC_FOLDER,
    WAIVERS,
    is_model_path,
    is_waiver_path,
)
from stagedoor.core.owners import LOCATIONS, OwnersFile, owners_of
from stagedoor.core.owners import parse as parse_owners
from stagedoor.core.policy import Quarantine, RegistrySpec, Waiver
from stagedoor.core.reading import oversized, read_again, read_as
from stagedoor.core.registry import Registry
from stagedoor.core.spec import People, RegisteredModel, Team, Value
from stagedoor.core.text import MAX_BYTES
from stagedoor.core.webhooks import WEBHOOKS_FILE, Webhooks
from stagedoor.errors import BadInput, BadSpec
from stagedoor.gitstore import Entry, Repository, TooBig
from stagedoor.gitstore.objects import oid_of
from stagedoor.gitstore.values import FILE

V = TypeVar("V", bound=Value)

MAX_FILE = 8 * 1024 * 1024

# what policy files read to, by their blobs: hundreds of commits share one registry.yaml, and a blob never changes
_MOST_READ = 512
_MOST_MODELS = 50_000
_read: dict[tuple[type[Value], str, str], Value] = {}
_read_owners: dict[tuple[str, str, str], OwnersFile] = {}


class Files(Mapping[str, Entry]):
    """The entries below registry_spec/ at a commit. One is looked up without listing the others."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository = repository
        self._commit = commit
        self._root = root_of(repository)
        self._known: dict[str, Entry | None] = {}
        self._all: dict[str, Entry] | None = None

    def __getitem__(self, path: str) -> Entry:
        found = self._all.get(path) if self._all is not None else self._one(path)
        if found is None:
            raise KeyError(path)
        return found

    def _one(self, path: str) -> Entry | None:
        if path not in self._known:
            self._known[path] = self._look_up(path)
        return self._known[path]

    def _look_up(self, path: str) -> Entry | None:
        if path != SPEC_FOLDER and not path.startswith(f"{SPEC_FOLDER}/"):
            return None
        try:
            found = self._repository.entry(self._commit, self._root + path)
        except BadInput:
            # no file can be called so
            return None
        return None if found is None or found.is_folder else found

    def below(self, folder: str) -> dict[str, Entry]:
        """The entries below one folder."""
        found = self._repository.files(self._commit, (self._root + folder).rstrip("/"))
        return {path.removeprefix(self._root): entry for path, entry in found.items()}

    def _listed(self) -> dict[str, Entry]:
        if self._all is None:
            self._all = self.below(SPEC_FOLDER)
        return self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed())

    def __len__(self) -> int:
        return len(self._listed())


class Overlaid(Mapping[str, Entry]):
    """Entries with some of them replaced; None takes one away. The others are not listed for it."""

    def __init__(self, under: Mapping[str, Entry], over: Mapping[str, Entry | None]) -> None:
        self._under = under
        self._over = over

    def __getitem__(self, path: str) -> Entry:
        found = self._over[path] if path in self._over else self._under[path]
        if found is None:
            raise KeyError(path)
        return found

    def below(self, folder: str) -> dict[str, Entry]:
        """The entries below one folder."""
        inside = folder.rstrip("/") + "/"
        under = self._under.below(folder) if isinstance(self._under, Files | Overlaid) else self._under
        found: dict[str, Entry | None] = {**under, **self._over}
        return {path: entry for path, entry in found.items() if entry is not None and path.startswith(inside)}

    def __iter__(self) -> Iterator[str]:
        yield from (path for path in self._under if path not in self._over)
        yield from (path for path, entry in self._over.items() if entry is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class ModelFiles(Mapping[str, RegisteredModel]):
    """The model files of one commit, each read when it is asked for. One that does not read raises `BadSpec`."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __getitem__(self, path: str) -> RegisteredModel:
        found = self._snapshot.read_before(path)
        if found is None:
            if not self._snapshot.is_model(path):
                raise KeyError(path)
            found = read_as(RegisteredModel, self._snapshot.raw(path), path)
            self._snapshot.remember(path, found)
        return found

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._snapshot.is_model(path)

    def __iter__(self) -> Iterator[str]:
        return (path for path in self._snapshot.files if self._snapshot.is_model(path))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass
class Snapshot:
    """One commit. `files` are the entries below registry_spec/, by their path from the registry's root."""

    repository: Repository
    commit: str
    files: Mapping[str, Entry]
    proposed: Mapping[str, bytes | None] = field(default_factory=dict)
    _raw: dict[str, bytes] = field(default_factory=dict)
    # what model files read to, by path and blob: the same for every snapshot that it is handed on to
    _models: dict[tuple[str, str], RegisteredModel] = field(default_factory=dict)
    _prior: Snapshot | None = None

    def go_on_from(self, other: Snapshot) -> None:
        """Take over what has been read of another commit, where the files are the same. Before anything is asked."""
        self._models = other._models
        # a chain of them would keep every commit that was ever looked at
        self._prior = other
        other._prior = None

    def read_before(self, path: str) -> RegisteredModel | None:
        """The model in a file, if a file like it has been read; None if not."""
        entry = self.files.get(path)
        return self.read_as_blob(path, entry.oid) if entry is not None and entry.is_file else None

    def read_as_blob(self, path: str, blob: str) -> RegisteredModel | None:
        """The same, whatever stands there now."""
        return self._models.get((path, blob))

    def remember(self, path: str, model: RegisteredModel) -> None:
        """Keep what a file reads to."""
        if len(self._models) >= _MOST_MODELS:
            self._models.clear()
        self._models[path, self.files[path].oid] = model

    def settle(self, path: str, model: RegisteredModel) -> None:
        """A proposed file was made to say this. What it reads to is known then, and it need not be read."""
        prior = self._prior
        before = prior.registry.models[path] if prior is not None and prior.is_model(path) else None
        if len(self.proposed.get(root_of(self.repository) + path) or b"") <= MAX_BYTES:
            found = read_again(model, before)
            if found is not None:
                self.remember(path, found)

    # adds people that only a host of pull requests knows
    with_owners: Callable[[People, Callable[[], OwnersFile]], People] | None = None

    @cached_property
    def registry(self) -> Registry:
        """Every model file, read when it is asked for."""
        registry = Registry(ModelFiles(self))
        prior, self._prior = self._prior, None
        if prior is not None and prior.registry.knows_names:
            came, has_gone = self._since(prior)
            if not has_gone:
                registry.take_names(prior.registry, came)
        return registry

    def _since(self, prior: Snapshot) -> tuple[list[str], bool]:
        """The model files that came since another snapshot, and whether one has gone."""
        root = root_of(self.repository)
        if self.proposed:
            paths = [path.removeprefix(root) for path in self.proposed if path.startswith(root)]
        else:
            changed = self.repository.changes(prior.commit, self.commit, root + MODELS.rstrip("/"))
            paths = [c.path.removeprefix(root) for c in changed if c.before is None or c.after is None]
        models = [path for path in paths if is_model_path(path)]
        came = [path for path in models if self.is_model(path) and not prior.is_model(path)]
        return came, any(prior.is_model(path) and not self.is_model(path) for path in models)

    @cached_property
    def spec(self) -> RegistrySpec:
        """The policy at this commit."""
        return self._file(RegistrySpec, REGISTRY_FILE)

    @cached_property
    def written_people(self) -> People:
        """Who is in people.yaml at this commit."""
        return self._file(People, PEOPLE_FILE)

    @cached_property
    def people(self) -> People:
        """Who stands behind the owners at this commit: people.yaml, what only a host knows, and two teams more.

        The teams `users` and `admins` are there without being declared.
        """
        written = self.written_people
        said = self.with_owners(written, lambda: self.owners) if self.with_owners else written
        known = {team.name.lower() for team in said.teams}
        own = {"users": frozenset(person.email.lower() for person in said.people), "admins": self._admins(said)}
        more = (Team(name=name, members=tuple(sorted(who))) for name, who in own.items() if name not in known)
        return People(people=said.people, teams=(*said.teams, *more))

    def _admins(self, people: People) -> frozenset[str]:
        """The owners of the policy itself: whoever may change registry.yaml may change everything."""
        try:
            named = owners_of(self.owners, root_of(self.repository) + REGISTRY_FILE, None)
        except BadSpec:
            return frozenset()
        return frozenset(email for owner in named for email in people.emails_of(owner) or ())

    @cached_property
    def waivers(self) -> Mapping[str, Waiver]:
        """The waivers by their files. One that does not read waives nothing."""
        found: dict[str, Waiver] = {}
        for path in self.waiver_paths:
            with suppress(BadSpec):
                found[path] = self._file(Waiver, path)
        return found

    @property
    def waiver_paths(self) -> tuple[str, ...]:
        """The files of waivers, sorted."""
        files = self.files.below(WAIVERS) if isinstance(self.files, Files | Overlaid) else self.files
        return tuple(sorted(path for path in files if is_waiver_path(path)))

    @cached_property
    def quarantine(self) -> Quarantine:
        """The artifacts that are bad for good."""
        return self._file(Quarantine, QUARANTINE_FILE) if QUARANTINE_FILE in self.files else Quarantine()

    @cached_property
    def signers(self) -> bytes | None:
        """The keys that approvals may be signed with, as `ssh-keygen` reads them; None where there is no such file."""
        return self.raw(SIGNERS_FILE) if SIGNERS_FILE in self.files and self.files[SIGNERS_FILE].is_file else None

    @cached_property
    def webhooks(self) -> Webhooks:
        """Who is called at this commit."""
        return self._file(Webhooks, WEBHOOKS_FILE)

    @cached_property
    def owners_entry(self) -> tuple[str, Entry] | None:
        """Where CODEOWNERS stands: the first place that the forge looks at, from the repository's top."""
        for path in LOCATIONS[self.spec.owners.dialect]:
            entry = self.entry(path)
            if entry is not None and entry.is_file:
                return path, entry
        return None

    def entry(self, path: str) -> Entry | None:
        """What stands at a path from the repository's top."""
        if path in self.proposed:
            raw = self.proposed[path]
            return None if raw is None else Entry(FILE, _hash(self.repository, raw))
        return self.repository.entry(self.commit, path)

    @cached_property
    def owners(self) -> OwnersFile:
        """CODEOWNERS at this commit; without one nobody owns anything."""
        dialect = self.spec.owners.dialect
        if self.owners_entry is None:
            return parse_owners("", path=LOCATIONS[dialect][0], dialect=dialect)
        path, entry = self.owners_entry
        key = (path, entry.oid, dialect)
        found = _read_owners.get(key)
        if found is None:
            found = parse_owners(self._owners_text(path, entry), path=path, dialect=dialect)
            _remember(_read_owners, key, found)
        return found

    def _owners_text(self, path: str, entry: Entry) -> str:
        try:
            raw = self.proposed.get(path) or self.repository.blob(entry.oid, max_bytes=MAX_FILE)
        except TooBig:
            raise BadSpec(f"the file has more than {MAX_FILE:,} bytes", where=path, fix="write fewer lines") from None
        return raw.decode("utf-8", "replace")

    def is_model(self, path: str) -> bool:
        """Whether a plain model file stands there."""
        return is_model_path(path) and path in self.files and self.files[path].is_file

    def raw(self, path: str) -> bytes:
        """A file's bytes. `BadSpec` when it is larger than any spec."""
        if path not in self._raw:
            try:
                self._raw[path] = self.repository.blob(self.files[path].oid, max_bytes=MAX_FILE)
            except TooBig as error:
                raise oversized(path, error.size, MAX_FILE) from None
        return self._raw[path]

    def text(self, path: str) -> str:
        """A file's text; only for one that has been read as a spec before."""
        return self.raw(path).decode()

    def load(self, paths: Iterable[str]) -> None:
        """Fetch files at once, which is far cheaper than one by one."""
        new = (path for path in paths if path not in self._raw and self.read_before(path) is None)
        wanted = {path: self.files[path].oid for path in new}
        blobs = self.repository.blobs(wanted.values(), max_bytes=MAX_FILE)
        self._raw.update({path: raw for path, oid in wanted.items() if (raw := blobs.get(oid)) is not None})

    def unreadable(self) -> tuple[BadSpec, ...]:
        """The refusals of every file that does not read, by path."""
        found: list[BadSpec] = []
        self.load(self.registry.models)
        for path in sorted(self.registry.models):
            try:
                self.registry.models[path]
            except BadSpec as error:
                found.append(error)
        return tuple(found)

    def blob_of(self, path: str) -> str:
        """The object id of a file, or nothing."""
        return self.files[path].oid if path in self.files else ""

    @property
    def policy_blobs(self) -> tuple[str, ...]:
        """What decides who may and what must hold: registry.yaml, people.yaml, CODEOWNERS, and what is beside them."""
        owners = self.owners_entry[1].oid if self.owners_entry else ""
        more = [path for path in (QUARANTINE_FILE, SIGNERS_FILE, *self.waiver_paths) if path in self.files]
        return self.blob_of(REGISTRY_FILE), self.blob_of(PEOPLE_FILE), owners, *map(self.blob_of, more)

    def _file(self, kind: type[V], path: str) -> V:
        if path not in self.files:
            return kind()
        if not self.files[path].is_file:
            raise BadSpec("this has to be a plain file", where=path, fix="replace the link or submodule by a file")
        key = (kind, path, self.files[path].oid)
        found = _read.get(key)
        if found is None:
            found = read_as(kind, self.raw(path), path)
            _remember(_read, key, found)
        # under this key stands nothing of another kind
        return cast(V, found)


def _remember(known: dict[Any, Any], key: tuple[object, ...], value: object) -> None:
    if len(known) >= _MOST_READ:
        known.clear()
    known[key] = value


def _hash(repository: Repository, data: bytes) -> str:
    return oid_of("blob", data, repository.object_format)


def root_of(repository: Repository) -> str:
    """What comes before `registry_spec/` in the repository: nothing, or `team/registry/`."""
    return f"{repository.root}/" if repository.root else ""


def take(repository: Repository, commit: str) -> Snapshot:
    """The registry at a commit, or in a tree."""
    return Snapshot(repository, commit, Files(repository, commit))


def with_files(base: Snapshot, changed: Mapping[str, bytes | None]) -> Snapshot:
    """The snapshot as it would be with some files written or, where None, deleted. Nothing is stored.

    Paths are from the repository's top, as a commit would have them.
    """
    root = root_of(base.repository)
    over: dict[str, Entry | None] = {}
    raw = dict(base._raw)
    for top, data in changed.items():
        path = top.removeprefix(root)
        if not top.startswith(root + SPEC_FOLDER + "/"):
            continue
        raw.pop(path, None)
        over[path] = None if data is None else Entry(FILE, _hash(base.repository, data))
        if data is not None:
            raw[path] = data
    made = Snapshot(
        base.repository, base.commit, Overlaid(base.files, over), {**base.proposed, **changed}, raw, base._models
    )
    # what base proposed already, it has in its own names
    made._prior = base if not base.proposed else None
    made.with_owners = base.with_owners
    return made


def path_of_id(snapshot: Snapshot, id_: str) -> str | None:
    """Where the model with an id stands, or None. Only files that have the id somewhere in them are read as models."""
    if not re.fullmatch("[0-9a-f]{32}", id_):
        return None
    known = ((path, snapshot.read_before(path)) for path in sorted(snapshot.registry.models))
    read = [(path, model) for path, model in known if model is not None]
    if found := next((path for path, model in read if model.id == id_), None):
        return found
    there = {path for path, _ in read}
    paths = sorted(path for path in snapshot.registry.models if path not in there)
    snapshot.load(paths)
    for path in paths:
        with suppress(BadSpec):
            if id_.encode() in snapshot.raw(path) and snapshot.registry.models[path].id == id_:
                return path
    return None


def odd_entries(snapshot: Snapshot, only: Iterable[str] | None = None) -> dict[str, str]:
    """Entries below registry_spec/, all or some, that are no plain files, and files in models/ that are no models'."""
    found = {}
    for path in snapshot.files if only is None else only:
        entry = snapshot.files.get(path)
        if entry is None:
            continue
        if entry.is_symlink:
            found[path] = "a symbolic link stands where a plain file should"
        elif entry.is_submodule:
            found[path] = "a submodule stands where a plain file should"
        elif path.startswith(MODELS) and not path.endswith(".yaml") and not path.endswith(("/.gitkeep", "/README.md")):
            found[path] = "this is no model file: those end in .yaml"
    return found
