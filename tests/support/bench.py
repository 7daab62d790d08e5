"""A bench for forges: the four of them, each as its people have it, over one bare repository."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hosts import Host, hosting
from stagedoor.core.requests import Request
from stagedoor.core.spec import People, Person
from stagedoor.forges.base import Actor, Forge, Landing
from stagedoor.forges.choice import Chosen, Token, dialect_of, place_of
from stagedoor.forges.embedded import EmbeddedForge
from stagedoor.forges.hosted import HostedForge
from stagedoor.forges.http import Http
from stagedoor.gitstore import RefUpdate, Repository, Signature

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
ANN, BOB, CAROL = (Actor(f"{name}@example.com", name.title()) for name in ("ann", "bob", "carol"))
PEOPLE = People(
    people=tuple(
        Person(email=f"{name}@example.com", github=name, gitlab=name, gitea=name) for name in ("ann", "bob", "carol")
    )
)
WHO = Signature("Ann", ANN.email, NOW)
TOKEN = "sd-secret-{}"


@dataclass
class Bench:
    """A forge to test: its repository, and the forge as each person has it."""

    kind: str
    repository: Repository
    host: Host | None
    people: People = PEOPLE
    stack: ExitStack = field(default_factory=ExitStack)
    naps: list[float] = field(default_factory=list)

    def as_(self, who: Actor) -> Forge:
        """The forge as somebody has it: with their own token."""
        if self.host is None:
            return EmbeddedForge(self.repository)
        return self.hosted(who.email.partition("@")[0])

    def hosted(self, login: str) -> HostedForge:
        """The forge with the token of a login."""
        host = self.host
        assert host is not None
        token = TOKEN.format(login)
        host.tokens[token] = login
        chosen = Chosen(host.kind, host.url, host.project)  # type: ignore[arg-type]
        http = Http(place_of(chosen, Token(token, "a test")), sleep=self.naps.append)
        self.stack.callback(http.close)
        return HostedForge(
            self.repository,
            self.repository.remote(f"file://{host.git_dir}"),
            http,
            dialect_of(chosen),
            lambda: self.people,
            sleep=self.naps.append,
        )

    def commit(self, files: dict[str, bytes], *, on: str | None = None, author: Signature = WHO) -> str:
        """A commit on top of another, or of main; no ref points at it."""
        tip = on or self.tip()
        tree = self.repository.write_tree(self.repository.commit_info(tip).tree, dict(files))
        return self.repository.commit(tree, (tip,), author=author, committer=author, message="change\n")

    def tip(self) -> str:
        """Main, as it is here."""
        tip = self.repository.tip()
        assert tip is not None
        return tip

    def advance(self, files: dict[str, bytes]) -> str:
        """Somebody else's commit on main, where main is kept."""
        made = self.commit(files)
        if self.host is None:
            self.repository.publish((RefUpdate(self.repository.ref, self.tip(), made),), "test")
        else:
            self.repository.remote(f"file://{self.host.git_dir}").push(
                (RefUpdate("refs/heads/main", self.tip(), made),)
            )
        return made

    def opened(self, text: bytes = b"2", title: str = "a title", by: Actor = ANN) -> Request:
        """A request of ann's."""
        head = self.commit({"a": text})
        return self.as_(by).open(title, "why", base=self.tip(), head=head, by=by, at=NOW)

    def landing(self, head: str) -> Landing:
        """What a merge of `head` into main makes."""
        merged = self.repository.merge(self.tip(), head)
        return Landing(merged.tree, self.tip(), "Merge request\n\nRequest: 1\n")


def git(at: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=at, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def bench_of(kind: str, at: Path) -> Iterator[Bench]:
    """A bench with one commit on main."""
    with ExitStack() as stack:
        git(at, "init", "-q", "--bare", "--initial-branch=main", "host.git")
        host = None if kind == "embedded" else stack.enter_context(hosting(kind, at / "host.git"))
        repository = stack.enter_context(Repository.init(at / "here.git", bare=True))
        tree = repository.write_tree(None, {"a": b"1\n", "b": b"1\n"})
        first = repository.commit(tree, (), author=WHO, committer=WHO, message="first\n")
        repository.publish((RefUpdate(repository.ref, None, first),), "test")
        if host is not None:
            repository.remote(f"file://{host.git_dir}").push((RefUpdate("refs/heads/main", None, first),))
        yield Bench(kind, repository, host, stack=stack)
