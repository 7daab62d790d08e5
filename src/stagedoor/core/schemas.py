"""JSON Schemas of the registry's files, for editors and for `check-jsonschema`."""

from __future__ import annotations

import json
from typing import Any, Final

from stagedoor.core.layout import SCHEMAS
from stagedoor.core.policy import Quarantine, RegistrySpec, Waiver
from stagedoor.core.spec import People, RegisteredModel, Value
from stagedoor.core.stagefiles import StageFile
from stagedoor.core.webhooks import Webhooks

KINDS: Final[dict[str, type[Value]]] = {
    "RegisteredModel": RegisteredModel,
    "Registry": RegistrySpec,
    "People": People,
    "Waiver": Waiver,
    "Quarantine": Quarantine,
    "StageFile": StageFile,
    "Webhooks": Webhooks,
}


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one kind of file: a key of `KINDS`."""
    made = KINDS[kind].model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"stagedoor/v1/{kind}.json",
        **_without_titles(made),
        "title": f"Stagedoor {kind}",
    }


def _without_titles(node: Any) -> Any:
    """Pydantic titles every field with its own name, which tells an editor's user nothing."""
    if isinstance(node, dict):
        return {
            key: _without_titles(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }
    return [_without_titles(item) for item in node] if isinstance(node, list) else node


def schema_text(kind: str) -> str:
    """The schema as the file that stands in `registry_spec/schemas/`."""
    return json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n"


def schema_files() -> dict[str, bytes]:
    """Every schema file by its path from the registry's root."""
    return {f"{SCHEMAS}{kind}.json": schema_text(kind).encode() for kind in KINDS}
