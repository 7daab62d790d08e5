"""JSON Schemas: an editor and `check-jsonschema` agree with the reader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from specs import BY, FRAUD, PEOPLE, model, version
from stagedoor.core.layout import PEOPLE_FILE, REGISTRY_FILE
from stagedoor.core.policy import Gate, Notifications, RegistrySpec, Route, Stage
from stagedoor.core.reading import FileValue, read_as, text_of
from stagedoor.core.schemas import KINDS, schema, schema_files, schema_text
from stagedoor.core.spec import (
    Code,
    Column,
    Dataset,
    People,
    Run,
    Signature,
)
from stagedoor.core.webhooks import WEBHOOKS_FILE, HttpTarget, JobTarget, Webhook, Webhooks

TRICKY = {
    "number": "1", "float": "1.0", "exponent": "1e5", "yes": "yes", "true": "true", "null": "null", "tilde": "~",
    "date": "2026-11-24", "time": "12:30", "octal": "0o17", "hex": "0xff", "nan": ".nan", "empty": "", "dash": "-",
    "hash": "a # b", "colon": "a: b", "quote": "'", "lines": "a\n\nb\n", "1": "2", "true ": "x", "under": "1_000",
    "1e-05": "x", "wide": "é\u2028\x85\ufeff", "tag": "!x", "anchor": "&x", "brace": "{a}", "none": "None",
}  # fmt: skip
MODEL = model(
    "wind farm",
    version(
        1,
        "Production",
        description="Line one.\nLine two: with # marks\n",
        tags=TRICKY,
        params=TRICKY,
        metrics={"whole": 412, "zero": 0, "tiny": 1e-05, "huge": 1e300, "below": -0.5},
        run=Run(id="1", name="0755", experiment="2026-11-24", link="https://example.com"),
        code=Code(repository="https://example.com/x", commit="1234567"),
        data=(Dataset(name="1", digest="1e10"),),
        signature=Signature(inputs=(Column(name="yes", type="double"), Column(type="long", required=False))),
        flavors=("1.0", "sklearn"),
        digest="sha256:00",
    ),
    version(2),
    tags=TRICKY,
    aliases={"champion": 1},
)
POLICY = RegistrySpec(
    name="2026",
    stages=(Stage(name="None"), Stage(name="1", sources=("None",), approvals=2, direct=False), Stage(name="Archived")),
    gates=(Gate(name="g", stages=("1",), require=("metrics.rmse",)),),
    notifications=Notifications(mail="mailto://x", routes=(Route(name="r", to=("json://x",)),)),
)

HOOKS = Webhooks(
    webhooks=(
        Webhook(id="0" * 32, events=("COMMENT_CREATED",), http=HttpTarget(url="https://x", verify=False), created=BY),
        Webhook(
            id="1" * 32,
            events=("COMMENT_CREATED",),
            job=JobTarget(job_id="7", workspace_url="https://x"),
            secrets=("access_token",),
            created=BY,
            updated=BY.at,
        ),
    )
)

LEAST: dict[str, FileValue] = {
    "RegisteredModel": model(),
    "Registry": RegistrySpec(),
    "People": People(),
    "Webhooks": Webhooks(),
}


def checked(folder: Path, *texts: str, kind: str) -> subprocess.CompletedProcess[str]:
    (folder / "schema.json").write_text(schema_text(kind))
    files = [folder / f"{number}.yaml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(folder / "schema.json"), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        ("RegisteredModel", MODEL, FRAUD),
        ("Registry", POLICY, REGISTRY_FILE),
        ("People", PEOPLE, PEOPLE_FILE),
        ("Webhooks", HOOKS, WEBHOOKS_FILE),
    ],
)
def test_check_jsonschema_takes_what_we_write_and_refuses_an_unknown_key(
    kind: str, value: FileValue, path: str, tmp_path: Path
) -> None:
    text = text_of(value, path)
    assert read_as(KINDS[kind], text.encode(), path) == value
    good = checked(tmp_path, text, text_of(LEAST[kind], path), kind=kind)
    assert good.returncode == 0, good.stdout
    bad = checked(tmp_path, text + "tgas: {}\n", kind=kind)
    assert bad.returncode == 1 and "'tgas' was unexpected" in bad.stdout


def test_a_schema_says_what_is_needed_and_how_it_looks() -> None:
    made = schema("RegisteredModel")
    assert made["title"] == "Stagedoor RegisteredModel"
    assert set(made["required"]) == {"name", "id", "created"}
    assert made["additionalProperties"] is False
    assert made["$defs"]["Created"]["properties"]["at"]["format"] == "date-time"


def test_titles_are_left_out_and_a_property_of_that_name_would_stay() -> None:
    assert schema_text("Registry").count('"title"') == 1


def test_the_schema_calls_the_sources_of_a_stage_from() -> None:
    assert "from" in schema("Registry")["$defs"]["Stage"]["properties"]


def test_each_kind_has_its_file() -> None:
    assert {path: json.loads(raw)["title"] for path, raw in schema_files().items()} == {
        f"registry_spec/schemas/{kind}.json": f"Stagedoor {kind}"
        for kind in ("RegisteredModel", "Registry", "People", "Waiver", "Quarantine", "StageFile", "Webhooks")
    }
