"""Tiny real MLflow models, and a real `stagedoor serve` on loopback in front of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx

from stagedoor.workflows.initialise import initialise
from stagedoor.workflows.verifying import digest_to_record
from town import ANN, CAROL, CODEOWNERS, Town

T = TypeVar("T")

# a wait ends with what is waited for; this is for a machine that does nothing at all
PATIENCE = 90.0

MODEL = '''\
"""A model that says which version it is, and does odd things when it is asked to."""
import os
import time

import mlflow.pyfunc


class Told(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        column = model_input["x"]
        if (column == -1).any():
            os.kill(os.getpid(), 9)
        if (column == -2).any():
            raise ZeroDivisionError("two is one too many")
        if (column < -2).any():
            time.sleep(-float(column.min()))
        plus = (params or {}).get("plus", 0.0)
        return [NUMBER * 1000 + float(x) + plus for x in column]


mlflow.models.set_model(Told())
'''
CODE = "told.py"


@cache
def _template() -> tempfile.TemporaryDirectory[str]:
    """A model as MLflow saves it, once; those of the tests are copies with another number in their code."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    made = tempfile.TemporaryDirectory()
    code = Path(made.name) / CODE
    code.write_text(MODEL.replace("NUMBER", "0"))
    signature = ModelSignature(
        Schema([ColSpec("double", "x"), ColSpec("string", "who", required=False)]),
        Schema([ColSpec("double")]),
        ParamSchema([ParamSpec("plus", "double", 0.0)]),
    )
    saved = Path(made.name) / "model"
    mlflow.pyfunc.save_model(saved, python_model=str(code), signature=signature, pip_requirements=[])
    return made


def save_model(folder: Path, number: int, *, is_broken: bool = False) -> Path:
    """A model on disk that answers `1000 * number + x`; a broken one does not load."""
    shutil.copytree(Path(_template().name) / "model", folder)
    torn = "raise RuntimeError('the weights are torn')\n"
    (folder / CODE).write_text(torn if is_broken else MODEL.replace("NUMBER", str(number)))
    return folder


@dataclass
class Scorer:
    """A registry, its server of models, and what callers send."""

    town: Town
    models: Path
    log: Path
    url: str = ""
    process: subprocess.Popen[str] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def register(self, name: str = "fraud", *, is_broken: bool = False, **content: object) -> int:
        """A new version, with a model of its own on disk."""
        found = self.town.as_(CAROL).snapshot().registry.find(name)
        number = (found.last_version if found else 0) + 1
        folder = save_model(self.models / name / str(number), number, is_broken=is_broken)
        digest = digest_to_record(self.town.as_(ANN), str(folder), "", Path())
        return self.town.register(name, ANN, **{"source": str(folder), "digest": digest, **content})

    def move(self, name: str = "fraud", **stages: int | None) -> str:
        """Versions into stages in one commit: each stage then holds this one and no other."""
        path = f"registry_spec/models/{name}.yaml"
        text = self.town.text(path)
        for stage, number in stages.items():
            text = text.replace(f"  stage: {stage}\n", "  stage: Archived\n")
            if number is not None:
                text = re.sub(rf"(- version: {number}\n  stage: )\w+", rf"\g<1>{stage}", text)
        return self.town.commit({path: text}, f"move {stages}")

    def start(self, *options: str) -> None:
        """Run `stagedoor serve`, and wait until everything is loaded or has failed."""
        command = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(self.town.path), "serve"]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "STAGEDOOR_"))}
        env = kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"} | self.environment
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--port", "0", "--interval", "0.1", *options],
                stdout=subprocess.PIPE, stderr=log, text=True, env=env,
            )  # fmt: skip
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        found = re.search(r"http://\S+", first)
        assert found, (first, self.log.read_text())
        self.url = found.group()
        self.until(lambda: self.get("/ping").status_code == 200)

    def stop(self) -> int:
        """Ask it to stop, and wait until it has."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def get(self, path: str, **more: Any) -> httpx.Response:
        """One reading call."""
        return httpx.get(self.url + path, timeout=PATIENCE, **more)

    def post(self, path: str, said: object = None, **more: Any) -> httpx.Response:
        """One call of `/model/PATH/invocations`."""
        where = f"{self.url}/model/{path}/invocations"
        more = {"json": said, **more} if said is not None else more
        return httpx.post(where, timeout=PATIENCE, **more)

    def ask(self, path: str = "fraud/Production", x: float = 1.0) -> float:
        """The prediction for one number."""
        got = self.post(path, {"dataframe_records": [{"x": x}]})
        assert got.status_code == 200, got.text
        return float(got.json()["predictions"][0])

    def refused(self, status: int, path: str, said: object = None, **more: Any) -> str:
        """The message of a call that is refused so."""
        got = self.post(path, said, **more)
        assert got.status_code == status, got.text
        assert "Traceback" not in got.text
        return str(got.json()["message"])

    def health(self) -> dict[str, Any]:
        """What the server says of itself."""
        found = self.get("/health").json()
        assert isinstance(found, dict)
        return found

    def pid(self, version: int) -> int:
        """The process of a version."""
        return int(next(one["pid"] for one in self.health()["versions"] if one["version"] == version))

    def lines(self, what: str) -> list[dict[str, Any]]:
        """The lines of the log that speak of something."""
        found = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith('{"at"')]
        return [line for line in found if line["what"] == what]

    def until(self, holds: Callable[[], T]) -> T:
        """Wait for something."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with suppress(httpx.TransportError, StopIteration):
                if found := holds():
                    return found
            time.sleep(0.05)
        raise AssertionError(f"it never came to be\n{self.log.read_text()[-4000:]}")

    def until_answered_by(self, number: int, path: str = "fraud/Production") -> None:
        """Wait until a version answers."""
        self.until(lambda: self.ask(path) == number * 1000 + 1)


def make_scorer(folder: Path, more: str = "") -> Scorer:
    """A new registry, with a folder for models."""
    town = Town(folder / "registry.git")
    initialise(town.path, owner=CAROL, name="test", bare=True)
    spec = town.text("registry_spec/registry.yaml") + more
    town.commit({".github/CODEOWNERS": CODEOWNERS, "registry_spec/registry.yaml": spec}, "owners: stage lines")
    return Scorer(town, folder / "models", folder / "serve.log")
