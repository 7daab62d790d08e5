"""A registry for tests, with three people: ann and bob edit, bob moves to Staging, carol to Production."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stagedoor.gitstore import RefUpdate, Repository, Signature
from stagedoor.workflows import registering
from stagedoor.workflows.registering import NewVersion
from stagedoor.workflows.world import World

ANN, BOB, CAROL, DAVE = (f"{name}@example.com" for name in ("ann", "bob", "carol", "dave"))

CODEOWNERS = f"""\
/registry_spec/ {CAROL}
/.github/ {CAROL}
/registry_spec/models/ {ANN} {BOB} {CAROL}
/registry_spec/models/*.yaml/@Staging {BOB} {CAROL}
/registry_spec/models/*.yaml/@Production {CAROL}
/registry_spec/models/*.yaml/@Manage {CAROL}
"""


@dataclass
class Clock:
    """Time that goes on by a second whenever somebody looks."""

    now: datetime = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@dataclass
class Town:
    """One registry, and the world as each person sees it."""

    path: Path
    clock: Clock = field(default_factory=Clock)
    environment: dict[str, str] = field(default_factory=dict)
    _open: list[Repository] = field(default_factory=list)

    def as_(self, email: str) -> World:
        """The registry, opened anew by somebody."""
        repository = Repository.open(self.path)
        self._open.append(repository)
        return World(repository, claimed_email=email, now=self.clock, environment=self.environment)

    def close(self) -> None:
        for repository in self._open:
            repository.close()

    def commit(self, files: dict[str, str | None], message: str = "by hand", author: str = CAROL) -> str:
        """A commit on main by somebody's own hand."""
        world = self.as_(author)
        repository = world.repository
        tip = world.main()
        raw = {path: None if text is None else text.encode() for path, text in files.items()}
        tree = repository.write_tree(repository.commit_info(tip).tree, raw)
        who = Signature(author.partition("@")[0], author, self.clock())
        commit = repository.commit(tree, (tip,), author=who, committer=who, message=message)
        repository.publish((RefUpdate(repository.ref, tip, commit),), "test")
        return commit

    def register(self, name: str, email: str = ANN, **content: object) -> int:
        """A new version of a model."""
        new = NewVersion(name, {"source": f"s3://models/{name}", **content})
        _, ref = registering.register(self.as_(email), new)
        assert ref.version is not None
        return ref.version

    def text(self, path: str) -> str:
        """A file at main."""
        world = self.as_(CAROL)
        entry = world.repository.entry(world.main(), path)
        assert entry is not None
        return world.repository.blob(entry.oid).decode()
