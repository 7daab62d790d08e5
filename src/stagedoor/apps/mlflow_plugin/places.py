"""What a store URI says: `stagedoor:///path/to/registry`, with `?branch=`, `?registry=` and `?as=`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from stagedoor.errors import BadInput
from stagedoor.workflows.world import checked_email

SCHEME: Final = "stagedoor"
_EXAMPLE: Final = "write stagedoor:///path/to/registry, or stagedoor+http://host:port for a server"
_OPTIONS: Final = ("as", "branch", "registry")


@dataclass(frozen=True, slots=True)
class RegistryPlace:
    """A registry on this machine: a folder, a branch and a folder of a monorepo where named, and who is asking."""

    directory: Path
    branch: str | None = None
    registry: str | None = None
    email: str | None = None


def place_of(uri: str, environment: Mapping[str, str]) -> RegistryPlace:
    """The registry that a URI names. Who is asking is said by `as`, else by STAGEDOOR_AS, else by git."""
    try:
        parts = urlsplit(uri)
        said = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise BadInput("the registry's URI does not read", where=uri[:200], fix=_EXAMPLE) from None
    path = unquote(parts.path)
    if parts.scheme != SCHEME or parts.netloc or not path or "\0" in path:
        raise BadInput("the URI names no registry on this machine", where=uri[:200], fix=_EXAMPLE)
    if unknown := sorted(set(said) - set(_OPTIONS)):
        raise BadInput(f"the registry's URI has no option {unknown[0]}", fix=f"use {', '.join(_OPTIONS)}")
    email = said.get("as") or environment.get("STAGEDOOR_AS") or None
    registry = said.get("registry") or environment.get("STAGEDOOR_REGISTRY") or None
    return RegistryPlace(Path(path), said.get("branch"), registry, checked_email(email) if email else None)
