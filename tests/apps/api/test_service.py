"""The server as a service: it tells by itself, counts, says what is wrong, and works in several processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from receiver import receiving
from served import Served, serve
from town import ANN, BOB, CAROL

CREATE = "mlflow/model-versions/create"


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Servers of registries of their own, stopped in the end."""
    made: list[Served] = []

    def of(*options: str, folder: str = "served") -> Served:
        (tmp_path / folder).mkdir()
        made.append(serve(tmp_path / folder, *options))
        return made[-1]

    yield of
    for one in made:
        one.stop()
        one.town.close()


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds: two minutes, which is for ever on any machine."""
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what} never came")


def registered(served: Served, name: str = "fraud") -> None:
    served.ok("POST", "mlflow/registered-models/create", {"name": name})
    served.ok("POST", CREATE, {"name": name, "source": "s3://x"})


def test_a_write_is_told_without_anybody_reconciling(serving: Callable[..., Served]) -> None:
    with receiving() as receiver:
        served = serving("--allow-private-webhooks", "--interval", "0.1")
        said = {"events": ["MODEL_VERSION_CREATED"], "http_url_spec": {"url": receiver.url}}
        served.ok("POST", "mlflow/registry-webhooks/create", said, as_=CAROL)
        registered(served)
        until(lambda: receiver.taken, "the call")
        assert receiver.bodies()[0]["model_name"] == "fraud"
        until(lambda: 'stagedoor_deliveries_total{outcome="delivered"} 1.0' in metrics(served), "the figure")
        ledger = served.town.as_(CAROL).repository
        before = ledger.tip("refs/stagedoor/ledger")
        rounds = count(served)
        until(lambda: count(served) > rounds + 3, "three more rounds")
        assert ledger.tip("refs/stagedoor/ledger") == before, "looking when nothing is new writes nothing"
        assert len(receiver.taken) == 1


def metrics(served: Served) -> str:
    return served.call("GET", "/metrics", as_=None).text


def count(served: Served) -> float:
    found = re.search(r'stagedoor_rounds_total\{outcome="ok",work="reconcile"\} ([0-9.]+)', metrics(served))
    return float(found[1]) if found else 0.0


def test_figures_count_calls_by_route_and_never_by_name(serving: Callable[..., Served]) -> None:
    served = serving("--no-reconcile")
    registered(served, "secret-name")
    served.call("GET", "/api/2.0/mlflow/nothing/here", as_=ANN)
    served.call("PROPFIND", "/api/2.0/tea", as_=ANN)
    page = metrics(served)
    route = "/api/2.0/mlflow/registered-models/create"
    assert f'stagedoor_requests_total{{method="POST",route="{route}",status="200"}} 1.0' in page
    assert "stagedoor_request_seconds_bucket" in page
    assert 'method="other",route="other"' in page
    assert "secret-name" not in page and "tea" not in page


def test_ready_says_what_is_wrong(serving: Callable[..., Served]) -> None:
    served = serving("--no-reconcile")
    index = served.town.path / "stagedoor" / "index"
    shutil.rmtree(index, ignore_errors=True)
    index.write_text("a file where the folder should be")
    registered(served)
    ready = served.ok("GET", "/ready", as_=None)
    assert ready["problems"] == {"index": "it cannot be kept here, and the files answer"}
    found = served.ok("GET", "mlflow/model-versions/search", params={"filter": "name = 'fraud'"})
    assert [one["version"] for one in found["model_versions"]] == ["1"]
    refs = served.town.path / "refs" / "heads" / "main"
    refs.write_text("0" * 40 + "\n")
    assert "cannot be read" in served.refused(503, "TEMPORARILY_UNAVAILABLE", "GET", "/ready", as_=None)


def test_several_workers_serve_one_registry(serving: Callable[..., Served]) -> None:
    served = serving("--workers", "3", "--interval", "0.2")
    served.ok("POST", "mlflow/registered-models/create", {"name": "fraud"})
    served.token(BOB)
    numbers: list[int] = []

    def write(who: str) -> None:
        for _ in range(5):
            made = served.ok("POST", CREATE, {"name": "fraud", "source": "s3://x"}, as_=who)["model_version"]
            # whichever worker is asked next knows what was written
            asked = {"name": "fraud", "version": made["version"]}
            assert served.ok("GET", "mlflow/model-versions/get", params=asked, as_=who)["model_version"] == made
            numbers.append(int(made["version"]))

    threads = [threading.Thread(target=write, args=(who,)) for who in (ANN, BOB, ANN, BOB)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 21))
    found = re.findall(r'requests_total\{method="POST",route="[^"]*model-versions/create",status="200"\} ([0-9.]+)',
                       metrics(served))  # fmt: skip
    assert found == ["20.0"], "any worker answers for all"
    assert served.stop() == 0


def workers_of(served: Served) -> list[int]:
    assert served.process is not None
    path = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children")
    return [int(one) for one in path.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux for the workers")
def test_a_worker_that_dies_is_replaced_and_none_outlives_the_parent(serving: Callable[..., Served]) -> None:
    served = serving("--workers", "2", "--no-reconcile")
    served.ok("GET", "/ready", as_=None)
    first = workers_of(served)
    os.kill(first[0], signal.SIGKILL)
    until(lambda: len(set(workers_of(served)) - set(first)) == 1, "a new worker")
    served.ok("GET", "/ready", as_=None)
    left = workers_of(served)
    assert served.process is not None
    served.process.kill()
    served.process.wait()
    until(lambda: not any(Path(f"/proc/{one}").exists() for one in left), "the end of the workers")
