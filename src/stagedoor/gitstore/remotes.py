"""Other copies of a repository: what refs they have, and moving refs there by compare-and-swap."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from stagedoor.errors import BadInput, Denied, Unavailable
from stagedoor.gitstore.process import Answer, Git
from stagedoor.gitstore.refs import can_be_said, check_ref, is_oid
from stagedoor.gitstore.values import Oid, Raced, RefUpdate

# what git may speak when nobody said otherwise; `ext` and `fd` would start programs
PROTOCOLS = "file:git:http:https:ssh"
_SCHEMES = frozenset({"file", "git", "http", "https", "ssh"})
_RACED = re.compile(
    # the last is said of every ref where the other side could not take one of its locks
    r"stale info|fetch first|non-fast-forward|cannot lock ref|reference already exists|failed to update"
    r"|atomic transaction failed"
)
_LOGIN = re.compile(
    r"could not read (Username|Password)|Authentication failed|returned error: 40[13]|Permission denied"
)


@dataclass(frozen=True, slots=True)
class Login:
    """Who to be, over HTTP. It goes to git by its environment, where no list of processes shows it."""

    user: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """A ref that the other side would not move, and what it said."""

    ref: str
    said: str


def checked_url(text: str) -> str:
    """The address of a remote, or `BadInput`: nothing that git would take for an option or for a program to start."""
    is_odd = not text.strip() or text.startswith("-") or not text.isprintable() or not can_be_said(text)
    scheme = urlsplit(text).scheme if "://" in text else ""
    if is_odd or "::" in text.partition("/")[0] or (scheme and scheme.lower() not in _SCHEMES):
        raise BadInput(
            f"{text!r} is no address of a repository",
            fix="use https://…, ssh://…, git@HOST:PATH or a folder",
        )
    host = _host_of(text)
    if host.startswith("-"):
        # ssh would take it for an option: CVE-2017-1000117
        raise BadInput(f"{text!r} has a host that looks like an option")
    return text


def _host_of(text: str) -> str:
    if "://" in text:
        return urlsplit(text).netloc.rpartition("@")[2]
    head, colon, _ = text.partition(":")
    return head.rpartition("@")[2] if colon and "/" not in head else ""


class Remote:
    """One other copy. Every push names what it expects there, and is all or nothing."""

    def __init__(self, git: Git, url: str, login: Login | None = None) -> None:
        self._git = git
        self.url = checked_url(url)
        self._login = login

    @property
    def title(self) -> str:
        """The address as it may be shown: without a password somebody wrote into it."""
        return re.sub(r"(?<=://)[^/@]*@", "", self.url)

    def refs(self, *patterns: str) -> dict[str, Oid]:
        """The refs there that match, such as `refs/heads/main` or `refs/pull/*`."""
        answer = self._run("ls-remote", "--quiet", "--refs", "--end-of-options", self.url, *patterns)
        pairs = (line.split("\t", 1) for line in answer.text.splitlines() if "\t" in line)
        return {ref: Oid(oid) for oid, ref in pairs if is_oid(oid)}

    def fetch(self, wanted: Mapping[str, str]) -> None:
        """Bring refs here: from their names there to names here, or what they hold alone where that name is empty.

        What stands under such a name is overwritten.
        """
        if not wanted:
            return
        specs = [
            f"+{check_ref(there)}:{check_ref(here)}" if here else check_ref(there) for there, here in wanted.items()
        ]
        quietly = (
            "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules",
            # what the clone was told to do with refs is for people's own fetches
            "--refmap=",
        )  # fmt: skip
        self._run("fetch", *quietly, "--stdin", "--end-of-options", self.url, stdin="\n".join(specs).encode())

    def push(self, updates: Sequence[RefUpdate], options: Iterable[str] = ()) -> tuple[Refused, ...]:
        """Move refs there, all or none. `Raced` when one is not what was expected; else what the other side refused."""
        if not updates:
            return ()
        leases = [f"--force-with-lease={check_ref(u.ref)}:{u.old or ''}" for u in updates]
        specs = [f"{u.new or ''}:{u.ref}" for u in updates]
        said = [f"--push-option={option}" for option in options]
        command = (
            "push",
            "--porcelain",
            "--no-verify",
            "--atomic",
            *said,
            *leases,
            "--end-of-options",
            self.url,
            *specs,
        )
        answer = self._run(*command, ok=())
        if answer.code == 0:
            return ()
        refused = tuple(_refused(answer))
        if not refused:
            raise self._failed(answer)
        if raced := tuple(one.ref for one in refused if _RACED.search(one.said)) or self._moved(updates):
            raise Raced(raced)
        # with --atomic the others are refused for the sake of those that were
        own = tuple(one for one in refused if "atomic" not in one.said)
        return own or refused

    def _moved(self, updates: Sequence[RefUpdate]) -> tuple[str, ...]:
        """The refs that are not what was expected: looking again says more than the other side's words."""
        there = self.refs(*(one.ref for one in updates))
        return tuple(one.ref for one in updates if there.get(one.ref) != one.old)

    def _run(self, *args: str, stdin: bytes = b"", ok: tuple[int, ...] = (0,)) -> Answer:
        answer = self._git.run(*args, stdin=stdin, ok=(), env=self._environment())
        if ok and answer.code not in ok:
            raise self._failed(answer)
        return answer

    def _environment(self) -> dict[str, str]:
        env = {"GIT_ALLOW_PROTOCOL": self._git.environment.get("GIT_ALLOW_PROTOCOL", PROTOCOLS)}
        if self._login is None or not self.url.startswith(("https://", "http://")):
            return env
        at = urlsplit(self.url)
        pair = base64.b64encode(f"{self._login.user}:{self._login.token}".encode()).decode()
        count = int(self._git.environment.get("GIT_CONFIG_COUNT", "0") or 0)
        # for this host alone, so that a redirect takes nothing along
        key = f"http.{at.scheme}://{at.netloc.rpartition('@')[2]}/.extraHeader"
        return env | {
            "GIT_CONFIG_COUNT": str(count + 1),
            f"GIT_CONFIG_KEY_{count}": key,
            f"GIT_CONFIG_VALUE_{count}": f"Authorization: Basic {pair}",
        }

    def _failed(self, answer: Answer) -> Exception:
        said = re.sub(r"(?<=://)[^/@\s]*@", "", answer.complaint)
        if _LOGIN.search(answer.err):
            fix = "look at the token, or at the key of ssh"
            return Denied(f"{self.title} does not let us in", where=said, fix=fix)
        return Unavailable(f"{self.title} cannot be reached", where=said, fix="look at the address and the network")


def _refused(answer: Answer) -> Iterable[Refused]:
    """The refs that were not moved, from `git push --porcelain`: https://git-scm.com/docs/git-push#_output."""
    for line in answer.text.splitlines():
        flag, _, rest = line.partition("\t")
        if flag == "!":
            names, _, said = rest.partition("\t")
            yield Refused(names.rpartition(":")[2], said)
