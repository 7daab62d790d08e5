"""Where a new version comes from, as the tracking server of its run tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stagedoor.artifacts.answers import Digested
from stagedoor.artifacts.digest import Reach, digest_of, is_on_disk
from stagedoor.core.mlmodel import MAX_BYTES, read
from stagedoor.core.spec import Signature, Value
from stagedoor.errors import BadInput
from stagedoor.tracking.mlflow_runs import Tracked, fetched, is_tracked, look_up
from stagedoor.workflows.world import World

TRACKING: Final = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a version is made of: its source, and a run or a logged model that is known by other ways too."""

    source: str
    run_id: str = ""
    model_id: str = ""

    @property
    def is_tracked(self) -> bool:
        """Whether a tracking server could know more."""
        return bool(self.run_id or self.model_id) or is_tracked(self.source)


def tracking_uri(world: World, said: str = "") -> str:
    """The tracking server: the one that was named, else MLflow's own variable, else none."""
    return said or world.environment.get(TRACKING, "")


def lineage_of(
    world: World, origin: Origin, uri: str, *, fetch: bool = False, digest: bool = True, patient: bool = False
) -> dict[str, object]:
    """The facts of a version that its run knows, by their names in the file.

    The digest is that of the artifacts where they are on this machine; `fetch` gets others from the server to
    compute it. Raises `NotFound` and `Unavailable`, as `look_up` does.
    """
    tracked = look_up(uri, origin.source, origin.run_id, origin.model_id, patient=patient)
    computed = _digest(world, tracked, origin, uri, fetch=fetch) if digest else ""
    return {**facts_of(tracked), **({"digest": computed} if computed else {})}


def facts_of(tracked: Tracked) -> dict[str, object]:
    """The facts, without those that nobody knows."""
    found: Mapping[str, object] = {
        "run": tracked.run,
        "code": tracked.code,
        "data": tracked.data,
        "params": dict(tracked.params or {}),
        "metrics": dict(tracked.metrics or {}),
        "signature": tracked.card.signature,
        "flavors": tracked.card.flavors,
    }
    return {name: value for name, value in found.items() if value}


def _digest(world: World, tracked: Tracked, origin: Origin, uri: str, *, fetch: bool) -> str:
    """The digest of what the run says it logged, and of nothing else."""
    place = tracked.place_of(origin.source)
    if not place:
        return ""
    if is_on_disk(place, Path()):
        return _digest_at(world, place)
    if not fetch:
        return ""
    with fetched(uri, place) as folder:
        return _digest_at(world, str(folder))


def _digest_at(world: World, place: str) -> str:
    found = digest_of(place, Reach(), lambda done, total: world.progress("hashing", done, total))
    return str(found.digest) if isinstance(found, Digested) else ""


def with_lineage(said: Mapping[str, object], facts: Mapping[str, object]) -> dict[str, object]:
    """What somebody says about a version, over what its run knows: of a mapping, key by key."""
    found = dict(facts)
    for name, value in said.items():
        known = _plain(found.get(name))
        mine = _plain(value)
        if isinstance(known, dict) and isinstance(mine, dict):
            found[name] = {**known, **{key: one for key, one in mine.items() if one not in ("", None)}}
        elif value or name not in found:
            found[name] = value
    return found


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Value) else value


def signature_in(path: Path) -> tuple[Signature | None, tuple[str, ...]]:
    """The signature and the flavours in a file: an MLmodel, or inputs and outputs in YAML or JSON."""
    try:
        with path.open("rb") as file:
            card = read(file.read(MAX_BYTES + 1), str(path))
    except OSError as error:
        raise BadInput(f"the signature does not open: {error.strerror}", where=str(path), fix="name a file") from None
    if card.signature is None:
        raise BadInput("the file holds no signature", where=str(path), fix="give an MLmodel file that has one")
    return card.signature, card.flavors
