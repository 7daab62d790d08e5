"""The digest of a file or a folder in an object store, read through fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stagedoor.artifacts.answers import Absent, Digested, Found, Unfit, Unreachable, Watch
from stagedoor.artifacts.streams import MAX_FILES, Counted, sha256_of
from stagedoor.core.digests import FILE, Digest, is_fit, tree

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def digest_in_store(url: str, protocol: str, watch: Watch) -> Found:
    """The digest of what fsspec finds at a URL. The packages of a protocol, such as s3fs, are the reader's to install.

    https://filesystem-spec.readthedocs.io/en/latest/api.html
    """
    from fsspec.core import url_to_fs

    try:
        store, root = url_to_fs(url)
        return _of_file(store, root, watch) if store.isfile(root) else _of_folder(store, root, url, watch)
    except FileNotFoundError:
        return Absent(f"{url} is not there")
    except ImportError as error:
        return Unreachable(f"{protocol}:// needs a package that is not installed: {error}")
    except Exception as error:  # each store brings errors of its own, and none of them is ours
        return Unreachable(f"{url} does not open: {type(error).__name__}: {error}")


def _of_file(store: AbstractFileSystem, path: str, watch: Watch) -> Digested:
    counted = Counted(watch, store.size(path))
    return Digested(Digest(FILE, _hash(store, path, counted)), 1, counted.done)


def _of_folder(store: AbstractFileSystem, root: str, url: str, watch: Watch) -> Found:
    files: dict[str, Any] = {}
    for path, info in _objects(store, root):
        files[path] = info
        if len(files) > MAX_FILES:
            return Unfit(f"{url} holds more than {MAX_FILES:,} files")
    if not files:
        return Unfit(f"{url} holds no file") if store.isdir(root) else Absent(f"{url} is not there")
    named = {path: os.fsencode(path[len(root) :].strip("/")) for path in files}
    unfit = next((path for path, name in named.items() if not is_fit(name)), None)
    if unfit is not None:
        return Unfit(f"{unfit} has a line break or a backslash in its name")
    counted = Counted(watch, sum(info.get("size") or 0 for info in files.values()))
    whole = tree([(named[path], _hash(store, path, counted)) for path in sorted(files)])
    return Digested(whole, len(files), counted.done)


def _objects(store: AbstractFileSystem, root: str) -> Iterator[tuple[str, Any]]:
    """The files below a root, folder by folder. A store may hold an object that stands for a folder; it is none."""
    for _, _, files in store.walk(root, detail=True):
        for name, info in files.items():
            if name and not info["name"].endswith("/"):
                yield info["name"], info


def _hash(store: AbstractFileSystem, path: str, counted: Counted) -> str:
    with store.open(path, "rb") as file:
        return sha256_of(file, counted)
