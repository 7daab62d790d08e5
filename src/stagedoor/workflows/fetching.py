"""Bringing a version's files to where a server may load them: copied, then compared with what was registered."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from stagedoor.artifacts.places import InStore, OnDisk, OnWeb, place_of
from stagedoor.core.serving import Loadable
from stagedoor.effects.serving.workers import Fetched, NotLoaded
from stagedoor.workflows.proofs import PLACES, out_of_bounds
from stagedoor.workflows.verifying import compare
from stagedoor.workflows.world import World

TRACKING: Final = "MLFLOW_TRACKING_URI"
# what MLflow alone can find: https://mlflow.org/docs/latest/genai/references/uri-schemes
_OF_MLFLOW = re.compile(r"(runs:/[^/].*|models:/[^/].*)", re.DOTALL)


def fetch(world: World, one: Loadable, room: Path) -> Fetched:
    """The version's files in a folder below `room`, and whether they were proven. `NotLoaded` says why there are none.

    They are copied first and the copy is compared: what is loaded is what was verified, whoever changes the source
    meanwhile. A version that records no digest is loaded as it is, and `is_verified` is false. Reads nothing of the
    repository, so it may run beside its reader.
    """
    folder = room / "model"
    if _OF_MLFLOW.fullmatch(one.source):
        folder = _from_mlflow(world, one.source, room / "download")
    else:
        _from_disk(world, one.source, folder)
    is_verified = _verified(one, folder)
    if not (folder / "MLmodel").is_file():
        raise NotLoaded(f"{one.source} is no folder with an MLmodel file in it")
    return Fetched(folder, is_verified)


def _verified(one: Loadable, folder: Path) -> bool:
    found = compare(one.digest, str(folder))
    if found.state in ("differs", "unreachable"):
        raise NotLoaded(found.text)
    return found.is_ok


def _from_disk(world: World, source: str, folder: Path) -> None:
    match place_of(source, world.directory):
        case OnDisk(path):
            if PLACES in world.environment and (reason := out_of_bounds(world, source)):
                raise NotLoaded(reason.replace("a gate may read", "are served"))
            _copied(path, folder)
        case InStore(url) | OnWeb(url):
            raise NotLoaded(f"{url[:200]} is not opened: serve from a path of this machine, runs:/ or models:/")
        case nowhere:
            raise NotLoaded(nowhere.reason)


def _copied(path: Path, folder: Path) -> None:
    try:
        if not path.is_dir():
            raise NotLoaded(f"{path} is no folder that is there")
        # links stay links: one that leads out of the folder is refused when the copy is compared
        shutil.copytree(path, folder, symlinks=True)
    except (OSError, shutil.Error, ValueError) as error:
        raise NotLoaded(f"{path} cannot be copied: {error}"[:500]) from error


def _from_mlflow(world: World, source: str, folder: Path) -> Path:
    uri = world.environment.get(TRACKING)
    if not uri:
        raise NotLoaded(f"{source[:200]} is found by MLflow: set {TRACKING} where the server runs")
    # MLflow takes a second to import, and a server of local models never needs it
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    folder.mkdir()
    try:
        found = mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=uri)
    except (MlflowException, OSError, ValueError) as error:
        raise NotLoaded(f"MLflow does not give {source[:200]}: {error}"[:1_000]) from error
    return Path(found)
