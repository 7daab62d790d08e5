"""What a source names: a path on this machine, a page of the web, an object of a store, or nothing that opens here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

STORES: Final = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "hdfs", "memory")
_OF_MLFLOW = ("runs", "models", "mlflow-artifacts", "mlflow-artifacts-http")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file or a folder of this machine."""

    path: Path


@dataclass(frozen=True, slots=True)
class OnWeb:
    """One file behind an http or https URL."""

    url: str


@dataclass(frozen=True, slots=True)
class InStore:
    """A file or a folder that fsspec opens."""

    url: str
    protocol: str


@dataclass(frozen=True, slots=True)
class Nowhere:
    """A source that is not opened here, and why."""

    reason: str


Place: TypeAlias = OnDisk | OnWeb | InStore | Nowhere


def place_of(source: str, base: Path) -> Place:
    """Where a source leads. A path without a scheme starts at `base`.

    Sources are written by strangers, so only what is listed here is opened: fsspec knows other protocols that run
    commands, log in elsewhere or are built of several, https://filesystem-spec.readthedocs.io/en/latest/features.html
    """
    if "\0" in source:
        return Nowhere("it holds a NUL, and no path does")
    scheme = _SCHEME.match(source)
    if scheme is None:
        return OnDisk(base / source) if source else Nowhere("it is empty")
    return _of_scheme(source, scheme[1].lower())


def _of_scheme(source: str, scheme: str) -> Place:
    if "::" in source:
        return Nowhere("chained protocols are not opened")
    if scheme in ("file", "local"):
        return _on_disk(source)
    if scheme in ("http", "https"):
        return OnWeb(source)
    if scheme in STORES and source[len(scheme) :].startswith("://"):
        return InStore(source, scheme)
    if scheme in _OF_MLFLOW:
        return Nowhere(f"{scheme}:/ names an artifact by its run or model, and MLflow alone knows where that is")
    return Nowhere(f"{scheme}: is not among the protocols that are opened: file, http, https, {', '.join(STORES)}")


def _on_disk(source: str) -> Place:
    """A file URI, https://www.rfc-editor.org/rfc/rfc8089."""
    try:
        parts = urlsplit(source, allow_fragments=False)
    except ValueError:
        return Nowhere("it does not read as a URI")
    if parts.netloc not in ("", "localhost"):
        return Nowhere(f"it is on the machine {parts.netloc}")
    path = unquote_to_bytes(source.partition(":")[2].removeprefix(f"//{parts.netloc}"))
    if b"\0" in path or not path.startswith(b"/"):
        return Nowhere("a file URI holds a whole path, such as file:///models/power")
    return OnDisk(Path(path.decode("utf-8", "surrogateescape")))
