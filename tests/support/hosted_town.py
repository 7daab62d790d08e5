"""A town whose requests are pull requests of a host: a clone of the host's repository, and everybody's token."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hosts import Host, hosting
from stagedoor.gitstore import RefUpdate, Repository, Signature
from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.world import World
from town import ANN, BOB, CAROL, CODEOWNERS, Clock

NAMES = {"github": "GITHUB", "gitlab": "GITLAB", "gitea": "GITEA"}


def _git(at: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=at, check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class HostedTown:
    """One registry on a host, and one clone of it that everybody here uses."""

    host: Host
    path: Path
    clock: Clock = field(default_factory=Clock)
    naps: list[float] = field(default_factory=list)
    _open: list[World] = field(default_factory=list)

    def environment(self, login: str) -> dict[str, str]:
        """What somebody's shell has: their token, and the host that it is for."""
        token = f"sd-secret-{login}"
        self.host.tokens[token] = login
        name = NAMES[self.host.kind]
        where = {"github": "GITHUB_SERVER_URL", "gitlab": "CI_SERVER_URL", "gitea": "GITEA_SERVER_URL"}
        return {f"{name}_TOKEN": token, where[self.host.kind]: self.host.url, "HOME": "/nonexistent"}

    def as_(self, email: str, login: str = "", **more: str) -> World:
        """The registry, opened anew by somebody with their own token."""
        repository = Repository.open(self.path)
        environment = {**self.environment(login or email.partition("@")[0]), **more}
        world = World(repository, claimed_email=email, now=self.clock, environment=environment, sleep=self.naps.append)
        self._open.append(world)
        return world

    def commit(self, files: dict[str, str | None], message: str = "by hand", author: str = CAROL) -> str:
        """A commit on the host's main, and here."""
        world = self.as_(author)
        repository = world.repository
        tip = world.main()
        raw = {path: None if text is None else text.encode() for path, text in files.items()}
        tree = repository.write_tree(repository.commit_info(tip).tree, raw)
        who = Signature(author.partition("@")[0], author, self.clock())
        commit = repository.commit(tree, (tip,), author=who, committer=who, message=message)
        repository.remote("origin").push((RefUpdate(repository.ref, tip, commit),))
        repository.publish((RefUpdate(repository.ref, tip, commit),), "test")
        return commit

    def text(self, path: str) -> str:
        """A file at main."""
        world = self.as_(CAROL)
        entry = world.repository.entry(world.main(), path)
        assert entry is not None
        return world.repository.blob(entry.oid).decode()

    def close(self) -> None:
        """End what was opened."""
        for world in self._open:
            world.forget()
            world.repository.close()


@contextmanager
def town_on(kind: str, at: Path) -> Iterator[HostedTown]:
    """A registry on a host of that kind."""
    initialise(at / "host.git", owner=CAROL, name="test", bare=True)
    with hosting(kind, at / "host.git") as host:
        _git(at, "clone", "-q", "--bare", f"file://{at}/host.git", "here.git")
        town = HostedTown(host, at / "here.git")
        people = "".join(f"- email: {email}\n  {kind}: {email.partition('@')[0]}\n" for email in (ANN, BOB, CAROL))
        head = town.text("registry_spec/people.yaml").partition("people:")[0]
        spec = town.text("registry_spec/registry.yaml")
        said = f"forge:\n  kind: {kind}\n  url: {host.url}\n  project: ml/models\n"
        town.commit(
            {
                ".github/CODEOWNERS": CODEOWNERS,
                "registry_spec/people.yaml": f"{head}people:\n{people}",
                "registry_spec/registry.yaml": spec + said,
            },
            "a host",
        )
        yield town
        town.close()
