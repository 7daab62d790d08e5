"""What an artifact itself proves to a gate: that it has its digest, and who signed it.

Sources are written by whoever registers, and the job that runs a gate may see more than they do. So a gate opens what
stands at a place that the job's own environment allows, and nothing else.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stagedoor.artifacts.digest import Reach
from stagedoor.artifacts.places import InStore, Nowhere, OnDisk, OnWeb, place_of
from stagedoor.artifacts.signatures import NotSigned, PublicKey, Signed, verify_signature
from stagedoor.core.gates import Condition, Entry
from stagedoor.core.layout import evidence_path
from stagedoor.core.policy import Artifact
from stagedoor.errors import BadInput, BadSpec
from stagedoor.workflows.snapshots import Snapshot
from stagedoor.workflows.verifying import integrity_of
from stagedoor.workflows.world import World

PLACES: Final = "STAGEDOOR_ARTIFACTS"


def proofs_of(world: World, base: Snapshot, head: Snapshot, entry: Entry, asked: Artifact) -> tuple[Condition, ...]:
    """What the artifact of a version says for itself. The key is that of `base`, the signature that of `head`."""
    source = entry.version.source
    if refused := out_of_bounds(world, source):
        fix = f"set {PLACES} to the folders and URLs that a gate may read, where it runs"
        return (Condition(False, f"the artifact of {entry.ref} is not read: {refused}", fix),)
    return tuple(_proofs(world, base, head, entry, asked))


def _proofs(world: World, base: Snapshot, head: Snapshot, entry: Entry, asked: Artifact) -> Iterator[Condition]:
    if asked.digest:
        yield _digest(world, entry)
    if asked.key:
        yield _signature(world, base, head, entry, asked)


# --- which places a gate may read -----------------------------------------------------------------------------------


def out_of_bounds(world: World, source: str) -> str:
    """Why a gate does not open a source, or nothing."""
    match place_of(source, world.directory):
        case OnDisk(path):
            return _path_out_of_bounds(world, path)
        case OnWeb(url) | InStore(url):
            return _url_out_of_bounds(world, url)
        case Nowhere(reason):
            return reason


def _path_out_of_bounds(world: World, path: Path) -> str:
    """Links are followed first: what counts is where a path leads."""
    folders = [Path(one) for one in _places(world) if "://" not in one]
    try:
        real = path.resolve()
        inside = any(real.is_relative_to((world.directory / folder).resolve()) for folder in folders)
    except (OSError, RuntimeError, ValueError):
        return "its path leads nowhere"
    if not inside:
        return f"{path} is outside of the places that a gate may read"
    # a checkout's own settings may hold what gets others in
    return (
        "it has a .git folder in its path, or is a checkout" if ".git" in real.parts or (real / ".git").exists() else ""
    )


def _url_out_of_bounds(world: World, url: str) -> str:
    prefixes = [one if one.endswith("/") else f"{one}/" for one in _places(world) if "://" in one]
    climbs = re.search(r"(/|%2f)(\.|%2e){1,2}(/|%2f|$)|\\", url, re.IGNORECASE)
    if climbs or not any(url.startswith(prefix) for prefix in prefixes):
        return f"{url[:200]} is outside of the places that a gate may read"
    return ""


def _places(world: World) -> list[str]:
    """Folders and the beginnings of URLs, separated by white space; without any, the folder the command works in."""
    return world.environment.get(PLACES, "").split() or ["."]


# --- the proofs -----------------------------------------------------------------------------------------------------


def _digest(world: World, entry: Entry) -> Condition:
    found = integrity_of(world, entry.version, reach=Reach(world.directory), name=entry.ref)
    if found.is_ok:
        return Condition(True, f"the artifact is {found.text}")
    cures = {
        "differs": "put back what was registered, or register what is there as a new version",
        "unreachable": "bring the artifact to where it was registered, or run this where it can be read",
        "no_digest": "register a version with a digest",
    }
    return Condition(False, f"the artifact of {entry.ref}: {found.text}", cures[found.state])


def _signature(world: World, base: Snapshot, head: Snapshot, entry: Entry, asked: Artifact) -> Condition:
    place = place_of(entry.version.source, world.directory)
    if not isinstance(place, OnDisk):
        return Condition(False, "a signature is checked on files, and the artifact is remote", "download it first")
    raw = _bytes_of(head, _signature_path(entry, asked.signature))
    if raw is None:
        cure = f"stagedoor attach {entry.ref} model.sig --name {asked.signature}"
        return Condition(False, f"{entry.ref} has no evidence {asked.signature} with the signature in it", cure)
    key = _bytes_of(base, asked.key)
    if key is None:
        return Condition(False, f"the key {asked.key} is not in the registry", "add it, in a request of its own")
    return _checked(place.path, raw, key, asked.key)


def _signature_path(entry: Entry, name: str) -> str:
    found = next((one for one in entry.version.evidence if one.name == name and not one.uri), None)
    return evidence_path(found.digest) if found else ""


def _bytes_of(snapshot: Snapshot, path: str) -> bytes | None:
    if path not in snapshot.files or not snapshot.files[path].is_file:
        return None
    try:
        return snapshot.raw(path)
    except BadSpec:
        return None


_OWN_FILE = re.compile(r"(?<!\S)\S*/stagedoor-[^/\s]+/model\.sig")


def _checked(artifact: Path, signature: bytes, key: bytes, name: str) -> Condition:
    with tempfile.TemporaryDirectory(prefix="stagedoor-") as folder:
        file = Path(folder, "key.pem")
        file.write_bytes(key)
        try:
            match verify_signature(artifact, signature, PublicKey(file)):
                case Signed():
                    return Condition(True, f"the artifact is signed with {name}")
                case NotSigned(reason):
                    said = _OWN_FILE.sub("the signature", reason.replace(str(file), name))
                    return Condition(False, f"the artifact is not signed: {said}", "have it signed again")
        except BadInput as error:
            return Condition(False, f"{name}: {error.what}", (error.fix or "").replace(str(file), name))
