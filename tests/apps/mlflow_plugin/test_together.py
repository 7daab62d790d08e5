"""Several processes and threads on one registry, and a server of Stagedoor's behind the same client."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow import MlflowClient

from served import serve
from stagedoor.apps.mlflow_plugin.store import RegistryStore
from town import ANN, Town

WRITER = """
import sys
from stagedoor.apps.mlflow_plugin.store import RegistryStore
store = RegistryStore(sys.argv[1])
for number in range(5):
    print(store.create_model_version("fraud", f"s3://models/{sys.argv[2]}/{number}").version)
"""


def test_processes_that_register_at_once_get_numbers_of_their_own(town: Town) -> None:
    town.register("fraud")
    uri = f"stagedoor://{town.path}?as={ANN}"
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, uri, str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    numbers = [int(line) for one in running for line in one.communicate()[0].split()]
    assert sorted(numbers) == list(range(2, 17))


def test_threads_share_a_store(town: Town) -> None:
    town.register("fraud")
    store = RegistryStore(f"stagedoor://{town.path}?as={ANN}")
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda n: store.create_model_version("fraud", f"s3://models/{n}").version, range(12)))
    assert sorted(made) == list(range(2, 14))
    assert len(store.search_model_versions("name = 'fraud'", 100)) == 13


def test_a_server_is_reached_by_its_own_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve(tmp_path)
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", served.token(ANN))
        client = MlflowClient(tracking_uri=served.url, registry_uri=f"stagedoor+{served.url}")
        client.create_registered_model("fraud")
        made = client.create_model_version("fraud", "s3://models/1")
        assert (made.version, made.user_id) == ("1", ANN)
    finally:
        served.stop()
        served.town.close()
