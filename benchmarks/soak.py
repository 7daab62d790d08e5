"""Days of work in an hour: a whole registry under mixed load, with kills and restarts, and every invariant at the end.

    python benchmarks/soak.py [--minutes N] [--seed N] [--folder DIR]

A server with two processes, a reconciler, a server of models, a mail server and a receiver of webhooks run; writers at
four doors, and people who ask, approve and comment, load them; something is killed every few seconds. At the end the
load stops, everything comes up once more, and the log of calls, main, the ledger, the index, the mails and the webhooks
have to agree. Needs the extras `server`, `serve`, `demo` and `mlflow`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

SUPPORT = Path(__file__).resolve().parents[1] / "tests" / "support"
sys.path.insert(0, str(SUPPORT))

from doors import Rest, Workflows, told_model, told_versions  # noqa: E402
from judging import git, is_as_said, is_recorded, is_sound, numbers_are_unique, unreviewed  # noqa: E402
from linear import Logged, linearize, read_log  # noqa: E402
from oracle import Call, State  # noqa: E402
from scorer import save_model  # noqa: E402
from served import PEOPLE  # noqa: E402
from stagedoor.core.delivery import tellings  # noqa: E402
from stagedoor.workflows import comments, reconciling, registering  # noqa: E402
from stagedoor.workflows.calling import delivery_id  # noqa: E402
from stagedoor.workflows.history import landings  # noqa: E402
from stagedoor.workflows.initialise import initialise  # noqa: E402
from stagedoor.workflows.registering import Wish  # noqa: E402
from stagedoor.workflows.tokens import tokens_of  # noqa: E402
from stagedoor.workflows.verifying import digest_to_record  # noqa: E402
from town import ANN, BOB, CAROL, CODEOWNERS, DAVE, Town  # noqa: E402
from writer import Plan, founded, started  # noqa: E402

NOTIFICATIONS = """\
notifications:
  mail: mailto://127.0.0.1:${{SMTP_PORT}}?from=registry@example.com
  attempts: 20
  mails_a_day: 10000
  routes:
  - name: desk
    events: ["*"]
    to: ["json://127.0.0.1:{port}/desk"]
"""
SERVED = "served"
STORIES = tuple(f"story{n}" for n in range(3))
WAIT = 600.0


# --- sinks: processes of their own, so that they can be killed ---------------------------------------------


def mail_sink(folder: Path, port: int) -> None:
    """Keep every mail as a file, on a given port."""
    from aiosmtpd.controller import Controller

    class Keeper:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
            (folder / f"{time.monotonic_ns()}.eml").write_bytes(envelope.content)
            return "250 kept"

    folder.mkdir(parents=True, exist_ok=True)
    Controller(Keeper(), hostname="127.0.0.1", port=port, server_hostname="localhost").start()
    signal.pause()


def receiver(log: Path, port: int) -> None:
    """Write down every request, a line each, then thank for it; now and then refuse one."""
    chance = random.Random(port)

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            refused = chance.random() < 0.02
            line = {"path": self.path, "id": self.headers.get("X-Stagedoor-Delivery", ""), "body": body.decode()}
            if not refused:
                with log.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            self.send_response(503 if refused else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        allow_reuse_address = True

    Server(("127.0.0.1", port), Taker).serve_forever()


def people(url: str, log: Path, seed: int, tokens: Mapping[str, str]) -> None:
    """Ask for stages, approve, reject, cancel, comment. Every text is said once."""
    chance, client = random.Random(seed), httpx.Client(timeout=120)
    asked: list[tuple[str, str, str]] = []
    with log.open("a", buffering=1) as file:
        for number in range(10**9):
            text, name = f"said {seed}.{number}", chance.choice(STORIES)
            stage, version = chance.choice(("Staging", "Production", "Archived", "None")), str(chance.randint(1, 3))
            kind = chance.choice(("create", "create", "approve", "approve", "reject", "delete", "comment", "comment"))
            who = (
                chance.choice((ANN, BOB, CAROL))
                if kind not in ("approve", "reject")
                else chance.choice((BOB, CAROL, CAROL))
            )
            if kind not in ("create", "comment") and asked and chance.random() < 0.8:
                name, version, stage = asked.pop()
            said = {"name": name, "version": version, "stage": stage, "comment": text}
            path = f"mlflow/transition-requests/{kind}"
            if kind == "comment":
                path, said = "mlflow/comments/create", {"name": name, "version": version, "comment": text}
            if kind == "approve":
                said["archive_existing_versions"] = False  # type: ignore[assignment]
            if kind == "delete":
                said["creator"] = who
            file.write(json.dumps({"text": text, "kind": kind, "answer": None}) + "\n")
            verb = "DELETE" if kind == "delete" else "POST"
            got: Any
            try:
                found = client.request(
                    verb, f"{url}/api/2.0/{path}", json=said, headers={"Authorization": f"Bearer {tokens[who]}"}
                )
                got = "ok" if found.status_code == 200 else found.json()["error_code"]
            except (httpx.HTTPError, ValueError) as error:
                got = f"lost: {type(error).__name__}"
            file.write(json.dumps({"text": text, "kind": kind, "answer": got}) + "\n")
            if (kind, got) == ("create", "ok"):
                asked.append((name, version, stage))
            time.sleep(chance.uniform(0, 3.0))


# --- what runs ------------------------------------------------------------------------------------------------


@dataclass
class Piece:
    """A process that can be killed and started again; all that it started goes with it."""

    name: str
    command: list[str]
    log: Path
    env: dict[str, str]
    ready: Callable[[], bool] = lambda: True
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        """Start it, again where its port is still taken, and wait until it is ready."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            self.starts += 1
            with self.log.open("a") as log:
                self.process = subprocess.Popen(
                    self.command, stdout=log, stderr=log, env=self.env, start_new_session=True
                )
            while self.process.poll() is None and time.monotonic() < end:
                with suppress(httpx.HTTPError, OSError):
                    if self.ready():
                        return
                time.sleep(0.1)
            time.sleep(0.5)
        raise SystemExit(f"{self.name} does not start: {self.log.read_text()[-2000:]}")

    def end(self, how: signal.Signals, *, group: bool = True) -> None:
        """Kill it, or ask it to stop."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.process.pid, how)
        try:
            self.process.wait(90)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"{self.name} did not end within 90 s of {how.name}") from None


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Soak:
    """One run: its folder, its pieces and its figures."""

    folder: Path
    seed: int
    minutes: float
    chance: random.Random = field(init=False)
    pieces: dict[str, Piece] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    writers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.town = Town(self.folder / "registry.git")
        self.ports = {name: free_port() for name in ("server", "serve", "mail", "hooks")}
        self.names = tuple((f"m{n}", f"m{n}-b") for n in range(max(6, round(self.minutes * 2))))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['server']}"

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:7.1f} {text}", flush=True)

    # --- making ---

    def make(self) -> None:
        """The registry, with people, routes and three models to serve."""
        initialise(self.town.path, owner=CAROL, name="soak", bare=True)
        spec = self.town.text("registry_spec/registry.yaml") + NOTIFICATIONS.format(port=self.ports["hooks"])
        self.town.commit(
            {
                ".github/CODEOWNERS": CODEOWNERS,
                "registry_spec/people.yaml": PEOPLE,
                "registry_spec/registry.yaml": spec,
            },
            "owners, people, routes",
        )
        # from here on times are real: an audit compares them with those of the tools
        self.town.clock = time_now  # type: ignore[assignment]
        self.tokens = {
            who: tokens_of(self.town.as_(CAROL).repository).create(who).secret for who in (ANN, BOB, CAROL, DAVE)
        }
        for number in (1, 2, 3):
            folder = save_model(self.folder / "models" / str(number), number)
            digest = digest_to_record(self.town.as_(ANN), str(folder), "", Path())
            self.town.register(SERVED, ANN, source=str(folder), digest=digest)
            for name in STORIES:
                self.town.register(name, ANN)
        registering.transition(self.town.as_(CAROL), [Wish(f"{SERVED}/1", "Production")])
        self.production = [1]
        self.first = founded(self.town.path, self.names)

    def build(self) -> None:
        """Every piece, not yet started."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "STAGEDOOR_"))}
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "SMTP_PORT": str(self.ports["mail"])}
        env |= {"STAGEDOOR_ALLOW_PRIVATE_WEBHOOKS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        sd = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(self.town.path)]
        me = [sys.executable, str(Path(__file__).resolve())]
        hooks, mail = str(self.ports["hooks"]), str(self.ports["mail"])

        def answers(url: str) -> Callable[[], bool]:
            return lambda: httpx.get(url, timeout=20).status_code == 200

        self._add(
            "mail", [*me, "--sink", "mail", str(self.folder / "mails"), mail], env, lambda: listens(self.ports["mail"])
        )
        self._add("hooks", [*me, "--sink", "hooks", str(self.folder / "hooks.jsonl"), hooks], env,
                  lambda: listens(self.ports["hooks"]))  # fmt: skip
        self._add("server", [*sd, "server", "--port", str(self.ports["server"]), "--workers", "2", "--interval", "2",
                             "--allow-private-webhooks"], env, answers(self.url + "/health"))  # fmt: skip
        self._add("reconciler", [*sd, "--as", "robot@example.com", "reconcile", "--watch", "3"], env)
        self._add("serve", [*sd, "--as", "robot@example.com", "serve", SERVED, "--port", str(self.ports["serve"]),
                            "--interval", "0.5", "--load-timeout", "200"], env,
                  lambda: listens(self.ports["serve"]))  # fmt: skip

    def _add(
        self, name: str, command: list[str], env: dict[str, str], ready: Callable[[], bool] = lambda: True
    ) -> None:
        self.pieces[name] = Piece(name, command, self.folder / f"{name}.log", env, ready)

    def add_webhooks(self) -> None:
        """One in Databricks' style and one in MLflow's, for the whole registry."""
        to = f"http://127.0.0.1:{self.ports['hooks']}/"
        events = ["MODEL_VERSION_CREATED", "MODEL_VERSION_TRANSITIONED_STAGE", "TRANSITION_REQUEST_CREATED",
                  "COMMENT_CREATED", "MODEL_VERSION_TAG_SET"]  # fmt: skip
        self._ok("mlflow/registry-webhooks/create", {"events": events, "http_url_spec": {"url": to + "databricks"}})
        pairs = [{"entity": "MODEL_VERSION", "action": "CREATED"}, {"entity": "REGISTERED_MODEL", "action": "CREATED"}]
        self._ok("mlflow/webhooks", {"name": "soak", "url": to + "mlflow", "events": pairs})

    def _ok(self, path: str, said: object) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[CAROL]}"}
        got = httpx.post(f"{self.url}/api/2.0/{path}", json=said, headers=headers, timeout=60)
        assert got.status_code == 200, got.text
        return got.json()

    # --- load -----------------------------------------------------------------------------------------------------

    def add_writer(self, door: str, pause: float) -> None:
        number = len(self.plans)
        where = self.url if door == "rest" else str(self.town.path)
        plan = Plan(door, where, self.seed * 1000 + number, self.names, str(self.folder / "calls" / f"{number}.jsonl"),
                    tokens=self.tokens, pause=pause)  # fmt: skip
        self.plans.append(plan)
        self.writers += started([plan])

    def add_people(self) -> None:
        number = len(list(self.folder.glob("people*.jsonl")))
        said = [
            self.url,
            str(self.folder / f"people{number}.jsonl"),
            str(self.seed * 100 + number),
            json.dumps(self.tokens),
        ]
        self.people = subprocess.Popen([sys.executable, __file__, "--people", *said], env=self.pieces["mail"].env)

    def load(self) -> None:
        """Kill, restart, move what is served and ask it, until the time is over."""
        end = time.monotonic() + self.minutes * 60
        next_kill, next_move, next_word = 0.0, 0.0, time.monotonic() + 60
        while time.monotonic() < end:
            now = time.monotonic()
            if now > next_kill:
                self.kill_something()
                next_kill = time.monotonic() + self.chance.uniform(4, 20)
            if now > next_move:
                self.move_served()
                next_move = time.monotonic() + self.chance.uniform(20, 60)
            if now > next_word:
                commits = git(self.town.path, "rev-list", "--count", "--first-parent", "main")
                self.say(f"{commits} commits, {self.kills.total()} kills, predictions {dict(self.answers)}")
                next_word = now + 60
            self.ask_served()
            time.sleep(0.5)

    def kill_something(self) -> None:
        what = self.chance.choice(("server", "server", "reconciler", "reconciler", "serve", "mail", "hooks", "writer",
                                   "people", "gc"))  # fmt: skip
        how = self.chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        self.kills[f"{what} {how.name}" if what != "gc" else what] += 1
        if what == "gc":
            subprocess.run(["git", "-C", str(self.town.path), "gc", "-q"], check=True, capture_output=True)
        elif what == "writer":
            number = self.chance.randrange(len(self.writers))
            self.writers[number].send_signal(how)
            self.writers[number].wait()
            self.add_writer(self.plans[number].door, self.plans[number].pause)
            self.writers[number] = self.writers.pop()
        elif what == "people":
            self.people.send_signal(how)
            self.people.wait()
            self.add_people()
        else:
            piece = self.pieces[what]
            # a parent that is killed alone leaves children that have to find out by themselves
            alone = what == "server" and self.chance.random() < 0.3
            piece.end(how, group=how == signal.SIGKILL and not alone)
            time.sleep(self.chance.uniform(0, 3))
            piece.start()

    def move_served(self) -> None:
        number = self.chance.choice([n for n in (1, 2, 3) if n != self.production[-1]])
        registering.transition(self.town.as_(CAROL), [Wish(f"{SERVED}/{number}", "Production")], archive_existing=True)
        self.town.close()
        self.production.append(number)

    def ask_served(self) -> float | None:
        """One prediction. While the server is down there is none; a wrong one ends the run."""
        url = f"http://127.0.0.1:{self.ports['serve']}/model/{SERVED}/Production/invocations"
        try:
            got = httpx.post(url, json={"dataframe_records": [{"x": 1.0}]}, timeout=30)
        except httpx.HTTPError:
            self.answers["no answer"] += 1
            return None
        self.answers[str(got.status_code)] += 1
        if got.status_code != 200:
            return None
        said = float(got.json()["predictions"][0])
        assert said in (1001.0, 2001.0, 3001.0), said
        return said

    # --- the end --------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """The load ends; what is behind catches up."""
        for writer in (*self.writers, self.people):
            writer.kill()
            writer.wait()
        self.say(f"the load is over: {dict(self.kills)}; waiting for the reconciler")
        wanted = self.production[-1] * 1000 + 1
        self.until(lambda: self.ask_served() == wanted, "the served model that main says")
        self.until(self.is_caught_up, "a ledger that has caught up")

    def until(self, holds: Callable[[], object], what: str) -> None:
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            if holds():
                return
            time.sleep(1)
        raise AssertionError(f"{what} never came")

    def is_caught_up(self) -> bool:
        world = self.town.as_(CAROL)
        ledger, status = reconciling.open_ledger(world), reconciling.status(world)
        seen = ledger.cursor()
        done = (
            seen.main == world.main()
            and seen.comments == (world.repository.tip(comments.REF) or "")
            and seen.requests == {str(number): tip for number, tip in world.forge.tips().items()}
            and not status.waiting
        )
        self.town.close()
        return bool(done)

    def judge(self) -> None:
        """Every invariant. The server still runs, so that the index can be asked."""
        world = self.town.as_(CAROL)
        logged = self.calls_agree()
        state = self.in_one_order(logged)
        is_as_said(world, state)
        self.say("the calls could have been made one after the other, and main is what they made")
        self.index_agrees(state)
        for name in ("serve", "reconciler", "server", "hooks", "mail"):
            self.pieces[name].end(signal.SIGTERM, group=False)
        is_sound(self.town.path)
        versions, events = numbers_are_unique(world), is_recorded(world)
        odd = [line for line in unreviewed(world) if "CODEOWNERS changes" not in line]
        assert odd == [], odd
        self.say(
            f"git is sound; {versions} versions with numbers of their own; {events} events, each in the ledger once"
        )
        self.deliveries_agree()
        self.people_agree()
        self.logs_are_clean()
        commits = git(self.town.path, "rev-list", "--count", "--first-parent", "main")
        refusals = Counter(one.answer.refused for one in logged if one.answer.refused)
        lost = sum(bool(one.answer.lost) for one in logged)
        self.say(f"seed {self.seed}, {self.minutes:g} minutes: {len(logged)} calls, {lost} lost, {dict(refusals)}; "
                 f"{commits} commits; kills {dict(self.kills)}; predictions {dict(self.answers)}")  # fmt: skip

    def calls_agree(self) -> list[Logged]:
        logged = self.first + read_log(sorted((self.folder / "calls").glob("*.jsonl")))
        odd = [f"{one}: {one.answer.what}" for one in logged if one.answer.refused == "INTERNAL_ERROR"]
        assert odd == [], odd[:5]
        return logged

    def in_one_order(self, logged: list[Logged]) -> State:
        state: State = ()
        for pair in self.names:
            mine = [one for one in logged if one.call.name in pair]
            order = linearize(mine)
            stuck = "\n".join(map(str, (*order.calls[-5:], "-- stuck:", *order.stuck[:12])))
            assert not order.stuck, f"{pair} in state {order.state}:\n{stuck}"
            # what was lost may have landed after all, and nobody looked: main says whether
            last = time.monotonic()
            looks = [Logged(Call(op, CAROL, name), last, last + 1, Workflows(self.town.path).ask(Call(op, CAROL, name)))
                     for name in pair for op in ("versions", "model")]  # type: ignore[arg-type]  # fmt: skip
            order = linearize([*mine, *looks])
            assert not order.stuck, "\n".join(map(str, order.stuck))
            state = tuple(sorted((*state, *order.state)))
        return state

    def index_agrees(self, state: State) -> None:
        door, registry = Rest(self.url, self.tokens), self.town.as_(CAROL).snapshot().registry
        for model in registry:
            assert door.ask(Call("versions", CAROL, model.name)).value == told_versions(model), model.name
            assert door.ask(Call("model", CAROL, model.name)).value == told_model(model), model.name
        headers = {"Authorization": f"Bearer {self.tokens[CAROL]}"}
        url = f"{self.url}/api/2.0/mlflow/registered-models/search?max_results=1000"
        listed = httpx.get(url, headers=headers, timeout=60).json()["registered_models"]
        assert sorted(one["name"] for one in listed) == sorted(registry.names)
        self.say(f"the index has the {len(listed)} models of main, and nothing else")

    def deliveries_agree(self) -> None:
        """What git says has happened was told to the desk; what the ledger says was told has come, and nothing else."""
        world = self.town.as_(CAROL)
        made = {one.key: one for one in reconciling.open_ledger(world).deliveries()}
        states = Counter(one.state for one in made.values())
        assert set(states) == {"delivered"}, states
        notifications = world.snapshot().spec.notifications
        lacking = [
            telling.key
            for landed in landings(world)
            for event in landed.events
            for telling in tellings(event, notifications, ())
            if telling.key not in made
        ]
        assert lacking == [], lacking[:5]
        took = [json.loads(line) for line in (self.folder / "hooks.jsonl").read_text().splitlines()]
        called = Counter(one["id"] for one in took if one["path"] != "/desk")
        desk = Counter(_key(json.loads(one["body"])["message"]) for one in took if one["path"] == "/desk")
        mails = Counter(_key(_text(path)) for path in (self.folder / "mails").glob("*.eml"))
        by_sink = {"webhook": {delivery_id(key) for key in made if ">webhook:" in key},
                   "desk": {key for key in made if key.endswith(">desk")},
                   "mail": {key for key in made if ">mail:" in key}}  # fmt: skip
        for name, came in (("webhook", called), ("desk", desk), ("mail", mails)):
            assert set(came) == by_sink[name], (name, [*(set(came) ^ by_sink[name])][:5])
            twice = sum(count - 1 for count in came.values())
            self.say(f"{name}: {len(came)} deliveries came, {twice} of them again after a kill, under the same name")
            # one that was killed between sending and recording sends one again, and no more
            assert twice <= self.kills.total(), (name, twice)

    def people_agree(self) -> None:
        """Each answered comment and request is there once, and each unanswered one at most once."""
        world = self.town.as_(CAROL)
        said: dict[str, tuple[str, str]] = {}
        for path in self.folder.glob("people*.jsonl"):
            for line in path.read_text().splitlines():
                one = json.loads(line)
                said[one["text"]] = (one["kind"], one["answer"] or "lost: killed")
        found = Counter(one.body for _, one in comments.since(world, None))
        requests = world.forge.requests("all")
        asked = Counter(one.body for one in requests)
        for text, (kind, answer) in said.items():
            here = {"comment": found, "create": asked}.get(kind)
            if here is not None and answer == "ok":
                assert here[text] == 1, (kind, text, here[text])
            elif here is not None:
                assert here[text] <= answer.startswith("lost"), (kind, text, answer)
        assert sorted(one.number for one in requests) == list(range(1, len(requests) + 1))
        merges = git(self.town.path, "log", "--merges", "--first-parent", "--format=%s", "main").splitlines()
        numbers = Counter(re.findall(r"^Merge request (\d+):", "\n".join(merges), re.MULTILINE))
        assert numbers == Counter(str(one.number) for one in requests if one.state == "merged")
        self.say(f"{len(requests)} requests, {len(merges)} merged, {found.total()} comments; "
                 f"{dict(Counter(answer for _, answer in said.values()))}")  # fmt: skip

    def logs_are_clean(self) -> None:
        for name in self.pieces:
            text = (self.folder / f"{name}.log").read_text()
            assert "Traceback" not in text, (name, text[text.index("Traceback") - 500 :][:3000])

    def run(self) -> None:
        """All of it."""
        self.make()
        self.build()
        for piece in self.pieces.values():
            piece.start()
        self.say(f"everything runs in {self.folder}")
        try:
            self.add_webhooks()
            for door, pause in (
                ("rest", 0.6),
                ("rest", 0.6),
                ("workflows", 0.8),
                ("plugin", 0.8),
                ("command line", 3.0),
            ):
                self.add_writer(door, pause)
            self.add_people()
            self.load()
            self.settle()
            self.judge()
        finally:
            for process in (*self.writers, *([self.people] if hasattr(self, "people") else [])):
                process.kill()
            for piece in self.pieces.values():
                if piece.process is not None and piece.process.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(piece.process.pid, signal.SIGKILL)


def time_now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _text(path: Path) -> str:
    from email import message_from_bytes
    from email.policy import default

    part = message_from_bytes(path.read_bytes(), policy=default).get_body(("plain",))
    return str(part.get_content()) if part is not None else ""


def _key(text: str) -> str:
    """The name of the delivery, which ends each text."""
    found = re.search(r"^Delivery (.+?)\s*$", text, re.MULTILINE)
    return found[1] if found else text


def main() -> None:
    parser = argparse.ArgumentParser(description="A whole registry under load, with kills and restarts.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--sink", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--people", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sink:
        kind, where, port = asked.sink
        return {"mail": mail_sink, "hooks": receiver}[kind](Path(where), int(port))
    if asked.people:
        url, log, seed, tokens = asked.people
        return people(url, Path(log), int(seed), json.loads(tokens))
    os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    Soak(folder, asked.seed, asked.minutes).run()
    return None


if __name__ == "__main__":
    main()
