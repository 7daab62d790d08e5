"""Which forge it is, where its API is, and whose token speaks there: all from what the caller hands in."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from stagedoor.errors import BadInput
from stagedoor.forges.gitea import dialect as gitea
from stagedoor.forges.github import dialect as github
from stagedoor.forges.gitlab import dialect as gitlab
from stagedoor.forges.hosting import Dialect
from stagedoor.forges.http import Place

Kind = Literal["embedded", "github", "gitlab", "gitea"]
KINDS: tuple[Kind, ...] = ("embedded", "github", "gitlab", "gitea")

WELL_KNOWN: dict[str, Kind] = {"github.com": "github", "gitlab.com": "gitlab", "codeberg.org": "gitea"}
_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!/)(.+)")
_PART = r"[A-Za-z0-9_.][A-Za-z0-9_.-]*"
_PROJECT = re.compile(rf"{_PART}(/{_PART})+")
# a token's variables, and those that name the host it is for besides the well-known one
_VARIABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "github": (("GITHUB_TOKEN", "GH_TOKEN"), ("GITHUB_SERVER_URL", "GH_HOST")),
    "gitlab": (("GITLAB_TOKEN", "CI_JOB_TOKEN"), ("CI_SERVER_URL", "GITLAB_HOST")),
    "gitea": (("GITEA_TOKEN", "FORGEJO_TOKEN"), ("GITEA_SERVER_URL", "FORGEJO_SERVER_URL", "GITHUB_SERVER_URL")),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A host of pull requests, and the project there: `https://git.example.com` and `team/models`."""

    kind: Kind
    url: str
    project: str

    @property
    def host(self) -> str:
        """The host, with its port if it has one."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and the name of the place that it was found in."""

    value: str = field(repr=False)
    source: str
    is_job: bool = False
    # whom it acts as, where the host does not say so of a token
    login: str = ""


def from_url(text: str) -> tuple[str, str] | None:
    """The host's root and the project of a remote's address; None for a folder, or for what no host would have."""
    if "://" in text:
        parts = urlsplit(text)
        host, path, scheme = parts.netloc.rpartition("@")[2], parts.path, parts.scheme
        if scheme == "ssh":
            # the port of ssh is not that of the API
            host = host.partition(":")[0]
    elif found := _SCP.fullmatch(text):
        host, path, scheme = found[1], found[2], "ssh"
    else:
        return None
    project = path.strip("/").removesuffix(".git")
    if scheme not in ("https", "http", "ssh") or not host or not _PROJECT.fullmatch(project):
        return None
    return f"{'http' if scheme == 'http' else 'https'}://{host.lower()}", project


def choose(kind: str, url: str, project: str, remote: str | None) -> Chosen | None:
    """The host that was named, or the one that a remote's address speaks of; None for the embedded forge.

    What is not said is taken from the remote. Raises `BadInput` where that leaves something open.
    """
    if kind == "embedded":
        return None
    seen = from_url(remote) if remote else None
    if not kind:
        known = WELL_KNOWN.get(urlsplit(seen[0]).netloc) if seen else None
        return Chosen(known, seen[0], seen[1]) if seen and known else None
    if kind not in KINDS:
        raise BadInput(f"{kind} is no forge that we know", fix=f"choose one of: {', '.join(KINDS)}")
    root = (url or (seen[0] if seen else "")).rstrip("/")
    name = (project or (seen[1] if seen else "")).strip("/")
    if not root or not name:
        fix = "say url and project under forge in registry.yaml, or git remote add origin URL"
        raise BadInput(f"nobody said which project of {kind} this is", fix=fix)
    return _checked(Chosen(kind, root, name))


def _checked(chosen: Chosen) -> Chosen:
    parts = urlsplit(chosen.url)
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise BadInput(f"{chosen.url!r} is no address of a forge", fix="write it like https://git.example.com")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise BadInput(f"{chosen.url} would send the token for all to read", fix="use https")
    if not _PROJECT.fullmatch(chosen.project) or ".." in chosen.project.split("/"):
        raise BadInput(f"{chosen.project!r} is no project", fix="write it like team/models")
    if chosen.kind != "gitlab" and chosen.project.count("/") != 1:
        raise BadInput(f"{chosen.project!r} is no project of {chosen.kind}", fix="write it like team/models")
    return chosen


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host == "::1" or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


# --- the API ---------------------------------------------------------------------------------------------------------


def dialect_of(chosen: Chosen) -> Dialect:
    """How to speak to it."""
    if chosen.kind == "gitlab":
        return gitlab.GitLabDialect(chosen.project)
    owner, _, name = chosen.project.partition("/")
    return github.GitHubDialect(owner, name) if chosen.kind == "github" else gitea.GiteaDialect(owner, name)


def place_of(chosen: Chosen, token: Token | None) -> Place:
    """The root of its API, and the headers of every call."""
    if chosen.kind == "github":
        # https://docs.github.com/en/enterprise-server/rest: a server of one's own has the API below its name
        root = "https://api.github.com" if chosen.host == "github.com" else f"{chosen.url}/api/v3"
        login = {"Authorization": f"Bearer {token.value}"} if token else {}
        return Place(root, {**github.HEADERS, **login}, has_token=token is not None)
    if chosen.kind == "gitlab":
        # https://docs.gitlab.com/api/rest/authentication/: a job's own token goes by another name
        name = "JOB-TOKEN" if token and token.is_job else "PRIVATE-TOKEN"
        login = {name: token.value} if token else {}
        return Place(f"{chosen.url}/api/v4", {**gitlab.HEADERS, **login}, has_token=token is not None)
    login = {"Authorization": f"token {token.value}"} if token else {}
    return Place(f"{chosen.url}/api/v1", {**gitea.HEADERS, **login}, has_token=token is not None)


# --- tokens ----------------------------------------------------------------------------------------------------------


def find_token(chosen: Chosen, environment: Mapping[str, str], trusted: str | None = None) -> Token | None:
    """The token for a host, from the environment, `gh`, `glab` or a keyring; never from the repository.

    A registry's own files may name any host. So a variable counts only for the host that it belongs to: the well-known
    one, that of the CI run, or `trusted`, which this clone's own configuration names (`stagedoor.tokenHost`).
    """
    for found in _candidates(chosen, environment, trusted):
        if found.value and found.value.isascii() and found.value.isprintable() and " " not in found.value:
            return found
    return None


def is_trusted(chosen: Chosen, environment: Mapping[str, str], trusted: str | None) -> bool:
    """Whether what the environment says is for this host: a registry's own files may name any."""
    known = {host for host, kind in WELL_KNOWN.items() if kind == chosen.kind}
    known |= {_bare_host(environment[name]) for name in _VARIABLES[chosen.kind][1] if environment.get(name)}
    return chosen.host in known or chosen.host == trusted


def _candidates(chosen: Chosen, environment: Mapping[str, str], trusted: str | None) -> Iterator[Token]:
    if is_trusted(chosen, environment, trusted):
        for name in _VARIABLES[chosen.kind][0]:
            yield Token(environment.get(name, ""), name, is_job=name == "CI_JOB_TOKEN")
        if chosen.kind == "gitea" and environment.get("GITEA_ACTIONS"):
            yield Token(environment.get("GITHUB_TOKEN", ""), "GITHUB_TOKEN")
    config = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/nonexistent"), ".config"))
    if chosen.kind == "github":
        # https://cli.github.com/manual/gh_help_environment
        folder = Path(environment.get("GH_CONFIG_DIR") or config / "gh")
        yield Token(_text(_yaml(folder / "hosts.yml"), chosen.host, "oauth_token"), "gh")
    if chosen.kind == "gitlab":
        folder = Path(environment.get("GLAB_CONFIG_DIR") or config / "glab-cli")
        yield Token(_text(_yaml(folder / "config.yml"), "hosts", chosen.host, "token"), "glab")
    yield Token(_from_keyring(chosen.host), "the keyring")


def _bare_host(text: str) -> str:
    return urlsplit(text).netloc if "://" in text else text


def _yaml(path: Path) -> Any:
    """A configuration file of another program, read and never written; None where there is none that reads."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    # glab writes `token: !!null VALUE`, which no reader of YAML takes for a text
    Loader.add_constructor("tag:yaml.org,2002:null", lambda loader, node: str(node.value))
    try:
        return yaml.load(path.read_text("utf-8")[:1_000_000], Loader)  # noqa: S506 - a SafeLoader all the same
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _text(data: Any, *keys: str) -> str:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, str) else ""


def _from_keyring(host: str) -> str:
    """The password that the `keyring` package keeps for `stagedoor` and the host, where it is installed."""
    if importlib.util.find_spec("keyring") is None:
        return ""
    keyring: Any = importlib.import_module("keyring")
    try:
        found = keyring.get_password("stagedoor", host)
    except Exception:  # whatever a backend of another project raises, it has no token for us
        return ""
    return found if isinstance(found, str) else ""
