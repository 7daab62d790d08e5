"""A repository with a registry, and commits on main made of models: for tests that look at what was merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stagedoor.core.layout import model_path
from stagedoor.core.reading import text_of
from stagedoor.core.spec import RegisteredModel
from stagedoor.gitstore import Entry, RefUpdate, Repository, Signature
from stagedoor.index import Index
from stagedoor.workflows.initialise import initialise

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass
class Landings:
    """Main, and whoever commits to it. Time is what the test says it is."""

    path: Path
    now: datetime = START
    _open: list[Repository] = field(default_factory=list)

    @classmethod
    def at(cls, path: Path) -> Landings:
        """A new bare registry."""
        initialise(path, owner="carol@example.com", name="test", bare=True)
        return cls(path)

    def repository(self) -> Repository:
        """The repository, opened anew."""
        self._open.append(Repository.open(self.path))
        return self._open[-1]

    def close(self) -> None:
        for repository in self._open:
            repository.close()

    def index(self, **more: Callable[..., None]) -> Index:
        """The index, up to date."""
        return Index(self.repository(), lambda: self.now, **more)

    def later(self, **time: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(**time)
        return self.now

    def land(self, *models: RegisteredModel, folder: str = "", **more: str | bytes | None) -> str:
        """One commit with these models; `more` are further files by name, or None to delete one."""
        files: dict[str, str | bytes | Entry | None] = {}
        for one in models:
            path = model_path(one.name, "flat", folder)
            files[path] = text_of(one, path)
        return self.commit({**files, **{f"registry_spec/models/{name}.yaml": text for name, text in more.items()}})

    def commit(
        self, files: Mapping[str, str | bytes | Entry | None], *, onto: str | None = None, merged: str | None = None
    ) -> str:
        """One commit on main, or on a side; with `merged` a merge commit."""
        repository = self.repository()
        tip = repository.tip()
        base = onto or tip
        assert base is not None
        raw = {path: one.encode() if isinstance(one, str) else one for path, one in files.items()}
        tree = repository.write_tree(repository.commit_info(base).tree, raw)
        who = Signature("Carol", "carol@example.com", self.now)
        parents = (base, merged) if merged else (base,)
        commit = repository.commit(tree, parents, author=who, committer=who, message="by hand\n")
        if onto is None:
            repository.publish((RefUpdate(repository.ref, tip, commit),), "test")
        return commit
