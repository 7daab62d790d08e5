"""A real `mlflow server` on loopback, with a database of its own, and with any registry."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from plugged import plug_in


@dataclass(frozen=True)
class MlflowServer:
    """Where it listens, and where it keeps artifacts."""

    url: str
    artifacts: Path
    log: Path


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def mlflow_server(
    folder: Path, *, registry: str = "", as_: str = "", local: bool = True, workers: int = 1
) -> Iterator[MlflowServer]:
    """MLflow's server, until the block ends. `local` keeps artifacts in a folder that its clients see too."""
    folder.mkdir(parents=True, exist_ok=True)
    path = plug_in(folder / "plugged")
    port = _free_port()
    artifacts, log = folder / "artifacts", folder / "server.log"
    where = ["--default-artifact-root", str(artifacts)] if local else ["--artifacts-destination", str(artifacts)]
    command = [
        *(
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            str(workers),
        ),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", *where),
        *(("--registry-store-uri", registry) if registry else ()),
    ]
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "STAGEDOOR_", "MLFLOW_"))}
    known = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PYTHONPATH": path, "STAGEDOOR_AS": as_}
    # the server asks its own process for jobs that nobody here runs
    known |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=plain | known, cwd=folder, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield MlflowServer(f"http://127.0.0.1:{port}", artifacts, log)
    finally:
        # the workers are children of the command, and all are in a session of their own
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(120)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.25)
    raise AssertionError(log.read_text())
