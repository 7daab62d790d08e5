"""Manifests of what is served, for a cluster: KServe's `InferenceService`, one for each stage of each model.

https://kserve.github.io/website/docs/reference/crd-api, and for models of MLflow
https://kserve.github.io/website/docs/model-serving/predictive-inference/frameworks/mlflow
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from stagedoor.core.policy import Serving
from stagedoor.core.registry import Registry
from stagedoor.core.serving import Share, shares_of
from stagedoor.core.spec import RegisteredModel
from stagedoor.core.text import Plain, read, render
from stagedoor.errors import AlreadyExists, BadSpec

HEADER: Final = "# written by stagedoor manifests: what is changed here by hand is overwritten"
MARK: Final = "stagedoor/written-by"
WRITER: Final = "stagedoor manifests"
# what KServe's storage initializer fetches from a model's own files:
# https://kserve.github.io/website/docs/model-serving/storage/overview
FETCHED: Final = ("s3", "gs", "hdfs", "webhdfs", "https", "http", "pvc", "hf", "oci", "abfs", "abfss")
# Knative makes a host name of this, a suffix and a namespace, and one label of it has 63 characters
LONGEST: Final = 40


@dataclass(frozen=True, slots=True)
class Manifest:
    """One file: its name, its text, and what it stands for."""

    name: str
    text: str
    ref: str

    @property
    def path(self) -> str:
        """The file's name below the folder of manifests."""
        return f"{self.name}.yaml"


@dataclass(frozen=True, slots=True)
class Unrendered:
    """A served stage that has no manifest, and why. A file that is there already stays as it is."""

    name: str
    ref: str
    reason: str

    @property
    def path(self) -> str:
        """The file that would be its."""
        return f"{self.name}.yaml"


@dataclass(frozen=True, slots=True)
class Rendered:
    """All manifests of a registry, by name."""

    manifests: tuple[Manifest, ...]
    unrendered: tuple[Unrendered, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What it takes to make a folder hold the manifests."""

    write: tuple[Manifest, ...]
    remove: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """The folder holds them already."""
        return not (self.write or self.remove)


# --- rendering ------------------------------------------------------------------------------------------------------

_Asked = tuple[RegisteredModel, str, tuple[Share, ...]]


def render_kserve(registry: Registry, serving: Serving, namespace: str = "") -> Rendered:
    """The manifests of all that is served. The same registry gives the same bytes, whenever and wherever."""
    asked = tuple(_asked(registry, serving))
    taken = Counter(object_name(model.name, stage) for model, stage, _ in asked)
    made: list[Manifest] = []
    failed: list[Unrendered] = []
    for model, stage, shares in asked:
        name = object_name(model.name, stage)
        name = object_name(model.name, stage, hashed=True) if taken[name] > 1 else name
        ref = f"{shares[-1].loadable.ref} in {stage}"
        if reason := _fault(shares):
            failed.append(Unrendered(name, ref, reason))
        else:
            data = _service(name, namespace, model, stage, shares)
            made.append(Manifest(name, render(data, header=HEADER), ref))
    return Rendered(tuple(sorted(made, key=lambda one: one.name)), tuple(failed))


def _asked(registry: Registry, serving: Serving) -> Iterator[_Asked]:
    for model in registry:
        for stage in serving.stages if serving.serves(model.name) else ():
            if shares := shares_of(model, stage, serving):
                yield model, stage, shares


def _fault(shares: tuple[Share, ...]) -> str:
    source = shares[-1].loadable.source
    if len(shares) > 2:
        return f"its traffic is split among {len(shares)} versions, and KServe splits between two"
    if re.match(r"[a-z0-9]+", source.partition("://")[0]) is None or source.partition("://")[0] not in FETCHED:
        return f"KServe does not fetch {source[:200]}: it knows {', '.join(f'{one}://' for one in FETCHED)}"
    return ""


def object_name(model: str, stage: str, *, hashed: bool = False) -> str:
    """A name that Kubernetes takes (RFC 1035), stable and of its own for each model and stage."""
    plain = f"{model}-{stage}".lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    name = name if name[:1].isalpha() else f"m-{name}"
    if name == plain and len(name) <= LONGEST and not hashed:
        return name
    mark = hashlib.sha256(f"{model}/{stage}".encode()).hexdigest()[:8]
    return f"{name[: LONGEST - 9].rstrip('-')}-{mark}"


def _service(
    name: str, namespace: str, model: RegisteredModel, stage: str, shares: tuple[Share, ...]
) -> dict[str, Plain]:
    newest = shares[-1].loadable
    said = {"model": model.name, "stage": stage, "version": str(newest.version), "digest": newest.digest}
    if len(shares) == 2:
        said["stable-version"] = str(shares[0].loadable.version)
    annotations: dict[str, Plain] = {f"stagedoor/{key}": value for key, value in sorted(said.items()) if value}
    metadata: dict[str, Plain] = {"name": name, "namespace": namespace} if namespace else {"name": name}
    predictor: dict[str, Plain] = {"canaryTrafficPercent": _percent(shares)} if len(shares) == 2 else {}
    loaded: dict[str, Plain] = {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2", "storageUri": newest.source}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            **metadata,
            "labels": {"app.kubernetes.io/managed-by": "stagedoor"},
            "annotations": {**annotations, MARK: WRITER},
        },
        "spec": {"predictor": {**predictor, "model": loaded}},
    }


def _percent(shares: tuple[Share, ...]) -> int:
    """What the newest gets: KServe leaves the rest to the revision that was rolled out before."""
    return round(100 * shares[-1].percent / sum(share.percent for share in shares))


# --- comparing with a folder ----------------------------------------------------------------------------------------


def rewrite(wanted: Rendered, there: Mapping[str, bytes]) -> Rewrite:
    """What is to be written to a folder that holds these files, and which of ours are to go.

    `AlreadyExists` where a file that is not ours stands in the place of one of ours.
    """
    for one in wanted.manifests:
        if one.path in there and there[one.path] != one.text.encode() and not is_ours(there[one.path]):
            fix = "give it another name, or take it away"
            raise AlreadyExists("a file that somebody else wrote stands in the way", where=one.path, fix=fix)
    kept = {one.path for one in wanted.manifests} | {one.path for one in wanted.unrendered}
    return Rewrite(
        tuple(one for one in wanted.manifests if there.get(one.path) != one.text.encode()),
        tuple(sorted(path for path, raw in there.items() if path not in kept and is_ours(raw))),
    )


def is_ours(raw: bytes) -> bool:
    """Whether a file carries our mark: an annotation, which stays when somebody formats the file."""
    if MARK.encode() not in raw:
        return False
    try:
        data: Any = read(raw, "").data
        return bool(data["metadata"]["annotations"][MARK] == WRITER)
    except (BadSpec, KeyError, TypeError):
        return False
