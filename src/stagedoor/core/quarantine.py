"""The quarantine list: what stands in it, what goes in and comes out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stagedoor.core.gates import digest_key, shown_digest
from stagedoor.core.policy import Quarantine, Quarantined
from stagedoor.core.spec import RegisteredModel
from stagedoor.errors import AlreadyExists, NotFound


@dataclass(frozen=True, slots=True)
class Holder:
    """A version with an artifact of the list, and the stage it is in."""

    model: str
    version: int
    stage: str

    @property
    def ref(self) -> str:
        """`NAME/3`."""
        return f"{self.model}/{self.version}"


def is_digest(text: str) -> bool:
    """Whether `text` is a digest and no model: those have neither `:` in their names nor are they 64 hex digits."""
    return ":" in text or re.fullmatch(r"[0-9a-fA-F]{64}", text) is not None


def find(quarantine: Quarantine, digest: str) -> Quarantined | None:
    """What the list says of a digest, however it is spelt."""
    key = digest_key(digest)
    return next((one for one in quarantine.artifacts if digest_key(one.digest) == key), None)


def with_artifact(quarantine: Quarantine, artifact: Quarantined) -> Quarantine:
    """The list with one artifact more, at its end. `AlreadyExists` where it is there."""
    if there := find(quarantine, artifact.digest):
        said = f"{shown_digest(there.digest)} is in quarantine since {there.at:%Y-%m-%d}, by {there.by}: {there.reason}"
        raise AlreadyExists(said, fix="stagedoor quarantine list")
    return quarantine.model_copy(update={"artifacts": (*quarantine.artifacts, artifact)})


def without_artifact(quarantine: Quarantine, digest: str) -> Quarantine:
    """The list without an artifact. `NotFound` where it is not there."""
    there = find(quarantine, digest)
    if there is None:
        raise NotFound(f"{shown_digest(digest)} is not in quarantine", fix="stagedoor quarantine list")
    return quarantine.model_copy(update={"artifacts": tuple(one for one in quarantine.artifacts if one != there)})


def holders(models: Iterable[RegisteredModel], digest: str) -> tuple[Holder, ...]:
    """Every version with this artifact, in the order of the models."""
    key = digest_key(digest)
    return tuple(
        Holder(model.name, version.version, version.stage)
        for model in models
        for version in model.versions
        if version.digest and digest_key(version.digest) == key
    )
