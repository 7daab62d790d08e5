"""What main says is served: versions come and go under load, and what fails takes nothing with it."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_connection
from tempfile import TemporaryDirectory
from threading import Event, Lock
from urllib.parse import urlsplit

import httpx
import pytest

from scorer import CODE, PATIENCE, Scorer
from stagedoor.effects.serving.scratch import scratch_folder
from stagedoor.errors import BadInput
from stagedoor.workflows import faults
from stagedoor.workflows.reconciling import reconcile
from stagedoor.workflows.tokens import tokens_of
from town import CAROL


@dataclass
class Load:
    """Callers who ask without a pause, and what they were answered: each with the versions that were right then."""

    scorer: Scorer
    right: frozenset[int]
    wrong: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)
    over: Event = field(default_factory=Event)

    def ask(self) -> None:
        with httpx.Client(timeout=300) as client:
            while not self.over.is_set():
                before = self.right
                got = client.post(
                    f"{self.scorer.url}/model/fraud/Production/invocations", json={"dataframe_records": [{"x": 1}]}
                )
                with self.lock:
                    self._judge(got, before | self.right)

    def _judge(self, got: httpx.Response, right: frozenset[int]) -> None:
        number = int(got.json()["predictions"][0] // 1000) if got.status_code == 200 else 0
        self.answers[number] += 1
        if number not in right:
            self.wrong.append(f"{got.status_code} {got.text[:200]}, and right were {sorted(right)}")

    def go_on(self, calls: int) -> None:
        """Until so many more are answered."""
        enough = self.answers.total() + calls
        self.scorer.until(lambda: self.answers.total() >= enough)

    def move(self, was: int, now: int) -> None:
        """Production moves; both are right until the new one answers, and only that one from then on."""
        self.right = frozenset({was, now})
        self.scorer.move(Production=now)
        self.scorer.until_answered_by(now)
        self.right = frozenset({now})


@contextmanager
def load(scorer: Scorer, start: int, callers: int) -> Iterator[Load]:
    made = Load(scorer, frozenset({start}))
    with ThreadPoolExecutor(callers) as pool:
        asking = [pool.submit(made.ask) for _ in range(callers)]
        try:
            yield made
        finally:
            made.over.set()
        for one in asking:
            one.result()


def swapped(scorer: Scorer, moves: list[int], callers: int) -> Load:
    with load(scorer, 1, callers) as made:
        was = 1
        for now in moves:
            made.move(was, now)
            made.go_on(60)
            was = now
    return made


def test_production_moves_five_times_under_load_and_no_call_fails(scorer: Scorer) -> None:
    for _ in range(3):
        scorer.register()
    scorer.move(Production=1, Staging=2)
    scorer.start()
    done = swapped(scorer, [2, 3, 2, 1, 3], callers=3)
    assert done.wrong == []
    assert set(done.answers) == {1, 2, 3} and done.answers.total() >= 300
    # the old ones drain, and end
    scorer.until(lambda: [one["version"] for one in scorer.health()["versions"]] == [3])


def test_a_version_that_does_not_load_leaves_the_old_one_in_service_and_is_told(scorer: Scorer) -> None:
    scorer.register()
    scorer.register(is_broken=True)
    scorer.move(Production=1)
    scorer.start()
    scorer.move(Production=2)
    found = scorer.until(lambda: (h := scorer.health())["status"] == "degraded" and h)
    assert found["faults"][0].startswith("fraud/2 cannot be loaded: ")
    assert "the weights are torn" in found["faults"][0]
    assert scorer.ask("fraud/Production") == 1001
    assert scorer.ask("fraud/1") == 1001
    assert "the weights are torn" in scorer.refused(503, "fraud/2", {"inputs": {"x": [1]}})
    scorer.until(lambda: scorer.town.as_(CAROL).repository.tip(faults.REF))
    events = [one for one in reconcile(scorer.town.as_(CAROL)).events if one.kind == "serving.failed"]
    assert [(one.subject, one.to_stage) for one in events] == [("fraud/2", "Production")]
    assert [one for one in reconcile(scorer.town.as_(CAROL)).events if one.kind == "serving.failed"] == []
    # and back again: nothing is loaded anew
    pid = scorer.pid(1)
    scorer.move(Production=1)
    scorer.until(lambda: scorer.health()["status"] == "ok")
    assert scorer.pid(1) == pid


def test_a_version_whose_files_come_back_is_loaded_and_that_is_told(scorer: Scorer) -> None:
    scorer.register()
    folder, away = scorer.models / "fraud" / "1", scorer.models / "away"
    folder.rename(away)
    scorer.move(Production=1)
    scorer.start()
    scorer.until(lambda: scorer.town.as_(CAROL).repository.tip(faults.REF))
    assert scorer.stop() == 0
    scorer.start()
    away.rename(folder)
    scorer.until(lambda: scorer.post("fraud/1", {"inputs": {"x": [1.0]}}).status_code == 200)
    assert scorer.stop() == 0
    events = [one for one in reconcile(scorer.town.as_(CAROL)).events if one.kind.startswith("serving.")]
    assert [one.kind for one in events] == ["serving.failed", "serving.loaded"]


def test_bytes_that_are_not_what_was_registered_are_not_loaded(scorer: Scorer) -> None:
    scorer.register()
    code = scorer.models / "fraud" / "1" / CODE
    code.write_text(code.read_text().replace("1 * 1000", "666"))
    scorer.move(Production=1)
    scorer.start()
    assert "was recorded, and" in scorer.refused(503, "fraud/Production", {"inputs": {"x": [1]}})


def test_a_killed_worker_is_started_again(standing: Scorer) -> None:
    scorer = standing
    first = scorer.pid(1)
    os.kill(first, signal.SIGKILL)
    statuses: list[int] = []

    def answers() -> bool:
        got = scorer.post("fraud/1", {"inputs": {"x": [1.0]}})
        statuses.append(got.status_code)
        assert got.status_code == 200 or got.headers["retry-after"] == "1"
        return got.status_code == 200 and scorer.pid(1) != first

    scorer.until(answers)
    assert set(statuses) <= {200, 503}
    assert scorer.health()["versions"][0]["restarts"] >= 1


def test_a_payload_that_kills_its_worker_is_answered_and_the_next_one_too(standing: Scorer) -> None:
    scorer = standing
    got = scorer.post("fraud/1", {"inputs": {"x": [-1.0]}})
    assert (got.status_code, got.headers["retry-after"]) == (503, "1")
    scorer.until(lambda: scorer.post("fraud/1", {"inputs": {"x": [1.0]}}).status_code == 200)


def test_a_model_that_takes_too_long_is_given_up_and_serves_again(standing: Scorer) -> None:
    scorer = standing
    assert "did not answer within 5 seconds" in scorer.refused(504, "fraud/1", {"inputs": {"x": [-1000.0]}})
    scorer.until(lambda: scorer.post("fraud/1", {"inputs": {"x": [1.0]}}).status_code == 200)


def test_what_has_begun_is_finished_when_it_is_told_to_stop(scorer: Scorer) -> None:
    scorer.register()
    scorer.move(Production=1)
    scorer.start()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(scorer.post, "fraud/1", {"inputs": {"x": [-3.0]}})
        scorer.until(lambda: scorer.health()["versions"][0]["in_flight"] == 1)
        assert scorer.stop() == 0
        assert slow.result().json() == {"predictions": [997.0]}
    assert [line["version"] for line in scorer.lines("stopped")] == ["fraud/1"]


def test_a_switch_a_rename_and_a_broken_policy_are_followed(scorer: Scorer) -> None:
    scorer.register()
    scorer.move(Production=1)
    scorer.start()
    pid, policy = scorer.pid(1), scorer.town.text("registry_spec/registry.yaml")
    text = scorer.town.text("registry_spec/models/fraud.yaml")
    renamed = {
        "registry_spec/models/fraud.yaml": None,
        "registry_spec/models/scam.yaml": text.replace("name: fraud", "name: scam"),
    }
    scorer.town.commit(renamed)
    scorer.until(lambda: scorer.post("scam/1", {"inputs": {"x": [1.0]}}).status_code == 200)
    assert scorer.pid(1) == pid
    scorer.refused(404, "fraud/1", {"inputs": {"x": [1.0]}})
    scorer.town.commit({"registry_spec/registry.yaml": "kind: [\n"})
    scorer.until(lambda: scorer.health()["status"] == "degraded")
    assert scorer.ask("scam/1") == 1001
    off = "serving:\n  models:\n    scam:\n      enabled: false\n"
    scorer.town.commit({"registry_spec/registry.yaml": policy + off})
    scorer.until(lambda: scorer.post("scam/1", {"inputs": {"x": [1.0]}}).status_code == 404)
    scorer.until(lambda: scorer.health()["versions"] == [])


def test_a_hangup_looks_at_main_at_once(scorer: Scorer) -> None:
    scorer.register()
    scorer.start("--interval", "3600")
    assert "none" in scorer.refused(404, "fraud/1", {"inputs": {"x": [1.0]}})
    scorer.move(Production=1)
    assert scorer.process is not None
    scorer.process.send_signal(signal.SIGHUP)
    scorer.until(lambda: scorer.post("fraud/1", {"inputs": {"x": [1.0]}}).status_code == 200)


def test_the_workers_end_with_a_server_that_is_killed(scorer: Scorer) -> None:
    scorer.register()
    scorer.move(Production=1)
    scorer.start()
    worker = scorer.pid(1)
    assert b"stagedoor.effects.serving.worker" in Path(f"/proc/{worker}/cmdline").read_bytes()
    assert scorer.process is not None
    scorer.process.kill()
    scorer.until(lambda: _has_ended(worker))


def test_a_split_shares_the_traffic_of_a_stage(scorer: Scorer) -> None:
    for _ in range(2):
        scorer.register()
    scorer.move(Production=1)
    text = scorer.town.text("registry_spec/models/fraud.yaml")
    scorer.town.commit({"registry_spec/models/fraud.yaml": text.replace("stage: None", "stage: Production")})
    split = (
        "serving:\n  models:\n    fraud:\n      traffic:\n        Production:\n          '1': 50\n          '2': 50\n"
    )
    scorer.town.commit({"registry_spec/registry.yaml": scorer.town.text("registry_spec/registry.yaml") + split})
    scorer.start()
    assert {scorer.ask() for _ in range(100)} == {1001, 2001}


def test_only_callers_with_a_token_are_answered_where_tokens_are_asked_for(scorer: Scorer) -> None:
    scorer.register()
    scorer.move(Production=1)
    scorer.start("--require-token")
    said = {"inputs": {"x": [1.0]}}
    assert "Bearer" in scorer.refused(401, "fraud/1", said)
    scorer.refused(401, "fraud/1", said, headers={"Authorization": "Bearer sd_000000000000_x"})
    secret = tokens_of(scorer.town.as_(CAROL).repository).create("caller@example.com").secret
    got = scorer.post("fraud/1", said, headers={"Authorization": f"Bearer {secret}"})
    assert got.json() == {"predictions": [1001.0]}
    assert scorer.health() == {"status": "ok"}


def test_the_models_do_not_see_the_servers_secrets(standing: Scorer) -> None:
    environment = Path(f"/proc/{standing.pid(1)}/environ").read_text()
    assert "MODEL_REGION=north" in environment
    assert "hunter2" not in environment


def test_the_models_report_to_nobody_whatever_the_environment_says(standing: Scorer) -> None:
    environment = Path(f"/proc/{standing.pid(1)}/environ").read_text().split("\0")
    assert {"MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true"} <= set(environment)


def test_what_was_asked_beside_a_call_that_takes_too_long_is_answered(scorer: Scorer) -> None:
    scorer.register()
    scorer.move(Production=1)
    scorer.start("--timeout", "10")
    first, statuses = scorer.pid(1), []
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(scorer.post, "fraud/1", {"inputs": {"x": [-1000.0]}})
        # one is always under way, also when the slow one is given up and another process takes over
        while not slow.done() or scorer.pid(1) == first:
            statuses.append(scorer.post("fraud/1", {"inputs": {"x": [-3.0]}}).status_code)
    assert slow.result().status_code == 504
    assert set(statuses) == {200}
    # the one with the stuck thread ends when it has finished the others
    scorer.until(lambda: _has_ended(first))
    assert scorer.health()["versions"][0]["restarts"] == 1


def test_calls_that_all_take_too_long_leave_room_for_the_next_one(scorer: Scorer) -> None:
    scorer.register()
    scorer.move(Production=1)
    scorer.start("--timeout", "5", "--threads", "2")
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(scorer.post, "fraud/1", {"inputs": {"x": [-1000.0]}}) for _ in range(2)]
    assert {one.result().status_code for one in slow} == {504}
    scorer.until(lambda: scorer.post("fraud/1", {"inputs": {"x": [1.0]}}).status_code == 200)


def test_a_payload_that_does_not_come_is_given_up(standing: Scorer) -> None:
    where = urlsplit(standing.url)
    head = b"POST /model/fraud/1/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    with create_connection((where.hostname, where.port), timeout=PATIENCE) as connection:
        connection.sendall(head)
        with connection.makefile("rb") as answer:
            said = answer.read()
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"did not come within 5 seconds" in said


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for sockets."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def test_nothing_is_left_behind_when_it_is_told_to_stop(scorer: Scorer, short: Path) -> None:
    scorer.register()
    scorer.move(Production=1)
    scorer.start("--scratch", str(short))
    assert len(list(short.iterdir())) == 1
    assert scorer.stop() == 0
    assert list(short.iterdir()) == []


def test_what_a_killed_server_left_goes_with_the_next_start_and_a_living_ones_stays(
    scorer: Scorer, short: Path
) -> None:
    scorer.register()
    scorer.move(Production=1)
    scorer.start("--scratch", str(short))
    (left,) = short.iterdir()
    with scratch_folder(short) as living:
        assert left.is_dir()
        assert scorer.process is not None
        worker = scorer.pid(1)
        scorer.process.kill()
        scorer.stop()
        scorer.until(lambda: _has_ended(worker))
        (short / "stagedoor-serve-link").symlink_to(short)
        scorer.start("--scratch", str(short))
        assert not left.exists()
        assert living.is_dir()


def test_a_folder_whose_path_leaves_no_room_for_sockets_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60)
    deep.mkdir()
    with pytest.raises(BadInput, match="too long"), scratch_folder(deep):
        pass


def _has_ended(pid: int) -> bool:
    # a process that has ended has no command line, and no entry at all once somebody has taken note of it
    line = Path(f"/proc/{pid}/cmdline")
    with suppress(OSError):
        return not line.read_bytes()
    return True
