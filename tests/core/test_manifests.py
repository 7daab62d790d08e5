"""Manifests of what is served: KServe takes them, they are byte-stable, and nobody else's file is touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from specs import model, registry, version
from stagedoor.core.manifests import LONGEST, Rendered, is_ours, object_name, render_kserve, rewrite
from stagedoor.core.policy import Serving
from stagedoor.core.registry import Registry
from stagedoor.errors import AlreadyExists

# The fields that are written, as KServe's v1beta1 API names and types them (V1beta1PredictorSpec, V1beta1ModelSpec and
# V1beta1ModelFormat of kserve 0.21), closed so that a misspelt one is found:
# https://kserve.github.io/website/docs/reference/crd-api
_NAME = {"type": "string", "maxLength": 63, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_MODEL = {
    "type": "object",
    "required": ["modelFormat"],
    "additionalProperties": False,
    "properties": {
        "modelFormat": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "version": {"type": "string"}},
        },
        "protocolVersion": {"enum": ["v1", "v2", "grpc-v1", "grpc-v2"]},
        "storageUri": {"type": "string"},
        "runtime": {"type": "string"},
    },
}
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "serving.kserve.io/v1beta1"},
        "kind": {"const": "InferenceService"},
        "metadata": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {"name": _NAME, "namespace": _NAME, "labels": _TEXTS, "annotations": _TEXTS},
        },
        "spec": {
            "type": "object",
            "required": ["predictor"],
            "additionalProperties": False,
            "properties": {
                "predictor": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"canaryTrafficPercent": {"type": "integer", "format": "int64"}, "model": _MODEL},
                }
            },
        },
    },
}

PLAIN = Serving()
TWO = registry(model("fraud", version(1, "Production"), version(2, "Staging"), version(3)))


def said(found: Rendered) -> dict[str, Any]:
    """Each manifest by its name, as Kubernetes' own YAML reads it, and as the schema allows."""
    made = {one.name: yaml.safe_load(one.text) for one in found.manifests}
    for one in made.values():
        jsonschema.validate(one, SCHEMA)
    return made


@pytest.mark.heavy
def test_every_field_is_one_that_kserve_s_own_client_knows() -> None:
    """The client's classes are made from the schema that KServe publishes: `pip install kserve` brings them."""
    models = pytest.importorskip("kserve").models
    there = registry(model("fraud", version(1, "Production"), version(2, "Production"), version(3, "Staging")))
    split = Serving.model_validate({"models": {"fraud": {"traffic": {"Production": {"1": 90, "2": 10}}}}})
    for one in said(render_kserve(there, split, "models")).values():
        assert list(_unknown(models, "V1beta1InferenceService", one)) == []
    assert list(_unknown(models, "V1beta1InferenceService", {"spec": {"predictor": {"canary": 1}}})) == ["canary"]
    wrong = {"spec": {"predictor": {"canaryTrafficPercent": "10"}}}
    assert list(_unknown(models, "V1beta1InferenceService", wrong)) == ["10 is no int"]


def _unknown(models: Any, kind: str, value: object) -> Iterator[str]:
    """The keys that a class has no field for, and the values of another type, however deep."""
    if kind in ("str", "int", "bool", "dict(str, str)"):
        if type(value).__name__ != kind.partition("(")[0]:
            yield f"{value} is no {kind}"
    elif kind != "V1ObjectMeta" and isinstance(value, dict):
        shape = getattr(models, kind)
        names = {key: name for name, key in shape.attribute_map.items()}
        for key, inner in value.items():
            yield from _unknown(models, shape.openapi_types[names[key]], inner) if key in names else (key,)


def test_each_served_stage_is_an_inference_service() -> None:
    found = render_kserve(TWO, PLAIN)
    assert list(said(found)) == ["fraud-production", "fraud-staging"]
    assert (
        found.manifests[0].text
        == """\
# written by stagedoor manifests: what is changed here by hand is overwritten
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: fraud-production
  labels:
    app.kubernetes.io/managed-by: stagedoor
  annotations:
    stagedoor/model: fraud
    stagedoor/stage: Production
    stagedoor/version: '1'
    stagedoor/written-by: stagedoor manifests
spec:
  predictor:
    model:
      modelFormat:
        name: mlflow
      protocolVersion: v2
      storageUri: s3://models/1
"""
    )


def test_a_split_is_a_canary_of_the_newest() -> None:
    there = registry(model("fraud", version(1, "Production"), version(2, "Production")))
    split = Serving.model_validate({"models": {"fraud": {"traffic": {"Production": {"1": 90, "2": 10}}}}})
    found = said(render_kserve(there, split, "models"))["fraud-production"]
    assert found["spec"]["predictor"]["canaryTrafficPercent"] == 10
    assert found["spec"]["predictor"]["model"]["storageUri"] == "s3://models/2"
    assert found["metadata"]["annotations"]["stagedoor/stable-version"] == "1"
    assert found["metadata"]["namespace"] == "models"


@pytest.mark.parametrize("source", ["/models/1", "runs:/9f/model", "file:///x", "javascript:alert", "S3://x", ""])
def test_a_source_that_no_cluster_fetches_has_no_manifest_and_says_so(source: str) -> None:
    found = render_kserve(registry(model("fraud", version(1, "Production", source=source))), PLAIN)
    assert found.manifests == ()
    assert [one.ref for one in found.unrendered] == ["fraud/1 in Production"]
    assert "KServe does not fetch" in found.unrendered[0].reason


def test_a_split_among_three_has_no_manifest() -> None:
    there = registry(model("fraud", *(version(number, "Production") for number in (1, 2, 3))))
    split = Serving.model_validate({"models": {"fraud": {"traffic": {"Production": {"1": 50, "2": 30, "3": 20}}}}})
    assert [one.reason for one in render_kserve(there, split).unrendered] == [
        "its traffic is split among 3 versions, and KServe splits between two"
    ]


def test_only_what_differs_is_written_and_what_is_gone_removed() -> None:
    found = render_kserve(TWO, PLAIN)
    there = {one.path: one.text.encode() for one in found.manifests}
    assert rewrite(found, there).is_empty
    one_less = render_kserve(registry(model("fraud", version(1, "Production"))), PLAIN)
    plan = rewrite(one_less, {**there, "kustomization.yaml": b"resources: []\n", "other.yaml": b"a: [\n"})
    assert (plan.write, plan.remove) == ((), ("fraud-staging.yaml",))
    moved = render_kserve(registry(model("fraud", version(2, "Production"), version(3, "Staging"))), PLAIN)
    assert [one.path for one in rewrite(moved, there).write] == ["fraud-production.yaml", "fraud-staging.yaml"]


def test_a_file_of_somebody_else_in_the_way_is_refused() -> None:
    with pytest.raises(AlreadyExists):
        rewrite(render_kserve(TWO, PLAIN), {"fraud-staging.yaml": b"kind: ConfigMap\n"})


def test_a_stage_that_cannot_be_rendered_any_more_keeps_its_file() -> None:
    was = render_kserve(TWO, PLAIN)
    there = {one.path: one.text.encode() for one in was.manifests}
    now = registry(model("fraud", version(1, "Production", source="/models/1"), version(2, "Staging")))
    assert rewrite(render_kserve(now, PLAIN), there).is_empty


def test_the_mark_is_an_annotation_and_not_a_word_somewhere() -> None:
    raw = render_kserve(TWO, PLAIN).manifests[0].text.encode()
    assert is_ours(raw)
    assert is_ours(raw.partition(b"\n")[2])
    assert not is_ours(b"# stagedoor/written-by: stagedoor manifests\nkind: ConfigMap\n")


def test_two_names_that_look_the_same_to_kubernetes_stay_two() -> None:
    there = registry(model("a b", version(1, "Production")), model("a-b", version(1, "Production")))
    assert len(said(render_kserve(there, PLAIN))) == 2


names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/:."), min_size=1, max_size=80)


@settings(deadline=None)
@given(names, names)
def test_every_name_becomes_one_that_kubernetes_takes_and_different_ones_differ(one: str, other: str) -> None:
    first, second = object_name(one, "Production"), object_name(other, "Production")
    jsonschema.validate(first, _NAME)
    assert len(first) <= LONGEST
    assert (first == second) == (one.lower() == other.lower()) or one == other


@settings(deadline=None)
@example(["Production"], "yes")
@example(["Production"], "1e3")
@example(["Production"], "0x1f")
@example(["Production"], "2026-11-24")
@example(["Production"], "~")
@given(st.lists(st.sampled_from(["None", "Staging", "Production", "Archived"]), max_size=5), names)
def test_rendering_twice_gives_the_same_bytes(held: list[str], name: str) -> None:
    there = Registry({"x": model(name, *(version(at, stage) for at, stage in enumerate(held, 1)))})
    found = render_kserve(there, PLAIN)
    assert all(one["metadata"]["annotations"]["stagedoor/model"] == name for one in said(found).values())
    assert found == render_kserve(there, PLAIN)
    assert rewrite(found, {one.path: one.text.encode() for one in found.manifests}).is_empty
