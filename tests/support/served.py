"""A real server process on loopback for tests, with a registry of its own and a token for each person."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.tokens import tokens_of
from town import ANN, BOB, CAROL, CODEOWNERS, DAVE, Town

PEOPLE = f"""\
apiVersion: stagedoor/v1
kind: People
people:
- email: {ANN}
  name: Ann
- email: {BOB}
- email: {CAROL}
- email: {DAVE}
teams:
- name: wind
  members:
  - {ANN}
  - {BOB}
"""


@dataclass
class Served:
    """A registry, its server, and what people call it with. dave owns nothing."""

    town: Town
    log: Path
    options: tuple[str, ...] = ()
    tokens: dict[str, str] = field(default_factory=dict)
    url: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Run `stagedoor server`, and read where it listens."""
        command = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(self.town.path), "server"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--port", "0", *self.options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_plain_env(),
            )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        found = re.search(r"http://\S+", first)
        assert found, (first, self.log.read_text())
        self.url = found.group()

    def stop(self) -> int:
        """Ask it to stop, and wait until it has."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(120)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def token(self, email: str) -> str:
        """Somebody's token."""
        if email not in self.tokens:
            self.tokens[email] = tokens_of(self.town.as_(CAROL).repository).create(email).secret
        return self.tokens[email]

    def call(self, verb: str, path: str, said: object = None, *, as_: str | None = ANN, **more: Any) -> httpx.Response:
        """One raw call."""
        headers = {"Authorization": f"Bearer {self.token(as_)}"} if as_ else {}
        headers |= more.pop("headers", {})
        where = path if path.startswith("/") else f"/api/2.0/{path}"
        return httpx.request(verb, self.url + where, json=said, headers=headers, timeout=120, **more)

    def refused(self, status: int, code: str, verb: str, path: str, said: object = None, **more: Any) -> str:
        """The message of a call that is refused so."""
        got = self.call(verb, path, said, **more)
        body = got.json()
        assert (got.status_code, body["error_code"]) == (status, code), got.text
        assert "Traceback" not in got.text
        return str(body["message"])

    def ok(self, verb: str, path: str, said: object = None, **more: Any) -> dict[str, Any]:
        """The answer of a call that goes well."""
        got = self.call(verb, path, said, **more)
        assert got.status_code == 200, got.text
        answer = got.json()
        assert isinstance(answer, dict)
        return answer

    def lines(self) -> list[dict[str, Any]]:
        """The server's log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


def _plain_env() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "STAGEDOOR_"))}
    return kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def serve(folder: Path, *options: str, owners: str = CODEOWNERS) -> Served:
    """A new registry, served."""
    town = Town(folder / "registry.git")
    initialise(town.path, owner=CAROL, name="test", bare=True)
    town.commit({".github/CODEOWNERS": owners, "registry_spec/people.yaml": PEOPLE}, "owners: stage lines")
    made = Served(town, folder / "server.log", options)
    made.start()
    return made
