"""Reconciling: recorded once, told once, in the order of main, whatever fails on the way."""

from __future__ import annotations

import email
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from stagedoor.core.layout import evidence_path
from stagedoor.core.reading import edited
from stagedoor.core.spec import Evidence
from stagedoor.effects.ledger import REF
from stagedoor.errors import BadRepository, Denied, NotFound, Unavailable
from stagedoor.gitstore import RefUpdate
from stagedoor.workflows import comments, following, registering, reviewing
from stagedoor.workflows.reconciling import Options, open_ledger, reconcile, redeliver, status
from stagedoor.workflows.registering import Wish
from stagedoor.workflows.writing import Lane
from town import ANN, BOB, CAROL, DAVE, Town

ASK = Lane(propose=True)


class Postbox:
    """A real SMTP server that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse:
            return "451 the disk is full"
        self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 taken"

    def subjects(self, to: str) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails if to in str(mail["To"])]


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    box = Postbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture
def hook() -> Iterator[tuple[list[bytes], int]]:
    taken: list[bytes] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    Thread(target=server.serve_forever, daemon=True).start()
    yield taken, server.server_port
    server.shutdown()
    server.server_close()


MAIL = """\
notifications:
  mail: mailto://127.0.0.1:${SMTP_PORT}?from=registry@example.com
"""


def with_mail(configured: Callable[[str], Town], port: int, more: str = "") -> Town:
    town = configured(MAIL + more)
    town.environment["SMTP_PORT"] = str(port)
    return town


def to_staging(town: Town, ref: str, who: str = ANN) -> int:
    made = registering.transition(town.as_(who), [Wish(ref, "Staging")], comment="please", lane=ASK)
    assert made.request is not None
    return made.request.number


def landed(town: Town, ref: str) -> int:
    number = to_staging(town, ref)
    reviewing.approve(town.as_(BOB), number, "looks good")
    reviewing.merge(town.as_(BOB), number)
    return number


def test_a_merge_becomes_an_activity_in_the_ledger(town: Town) -> None:
    town.register("fraud")
    landed(town, "fraud/1")
    reconcile(town.as_(CAROL))
    recorded = open_ledger(town.as_(CAROL)).activities(town.as_(CAROL).main())
    assert recorded is not None
    assert [(event["kind"], event["subject"], event["from_stage"], event["to_stage"]) for event in recorded] == [
        ("model_version.transitioned", "fraud/1", "None", "Staging")
    ]
    assert recorded[0]["request"] == 1
    assert recorded[0]["approved_by"] == [BOB]


def test_reconciling_twice_tells_once(configured: Callable[[str], Town], postbox: tuple[Postbox, int]) -> None:
    box, port = postbox
    town = with_mail(configured, port)
    town.register("fraud")
    landed(town, "fraud/1")
    first = reconcile(town.as_(CAROL))
    mails = len(box.mails)
    again = reconcile(town.as_(CAROL))
    assert first.delivered == mails > 0
    assert (again.merges, again.delivered, len(box.mails)) == (0, 0, mails)


def test_the_mail_has_text_and_html_and_the_delivery_key(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    town = with_mail(configured, port)
    town.register("fraud")
    landed(town, "fraud/1")
    reconcile(town.as_(CAROL))
    mail = next(mail for mail in box.mails if "moved fraud/1" in str(mail["Subject"]))
    assert str(mail["To"]) == ANN
    assert mail["Subject"] == f"[test] {BOB} moved fraud/1 from None to Staging (request 1 by {ANN})"
    parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    assert set(parts) == {"text/plain", "text/html"}
    key = f"{town.as_(CAROL).main()}:model_version.transitioned:fraud/1>mail:{ANN}"
    assert all(key in part.replace("&gt;", ">").replace("\n", "") for part in parts.values())
    assert "looks good" in parts["text/plain"]


def test_the_creator_hears_of_all_and_others_of_what_they_follow(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    town = with_mail(configured, port)
    town.register("fraud")
    town.register("fraud", BOB)
    landed(town, "fraud/1")
    reconcile(town.as_(CAROL))
    assert f"[test] {BOB} registered fraud/2" in box.subjects(ANN)
    assert box.subjects(CAROL) == []
    to_staging(town, "fraud/2")
    registering.transition(town.as_(CAROL), [Wish("fraud/1", "Archived")])
    box.mails.clear()
    reconcile(town.as_(CAROL))
    # bob follows version 1 since he moved it, and not version 2
    assert box.subjects(BOB) == [f"[test] {CAROL} moved fraud/1 from Staging to Archived"]


def test_who_muted_a_model_hears_nothing_of_it(configured: Callable[[str], Town], postbox: tuple[Postbox, int]) -> None:
    box, port = postbox
    town = with_mail(configured, port)
    town.register("fraud")
    following.choose(town.as_(ANN), "fraud", "mute")
    following.follow(town.as_(CAROL), "fraud")
    landed(town, "fraud/1")
    reconcile(town.as_(CAROL))
    assert box.subjects(ANN) == []
    assert len(box.subjects(CAROL)) == 4  # registered, asked, approved, moved


def test_a_dead_sink_neither_stops_nor_repeats_the_others(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int], hook: tuple[list[bytes], int]
) -> None:
    box, port = postbox
    taken, hook_port = hook
    town = with_mail(
        configured,
        port,
        f"""\
  routes:
  - name: chat
    events:
    - model_version.*
    to:
    - json://127.0.0.1:{hook_port}/
""",
    )
    box.refuse = True
    town.register("fraud")
    landed(town, "fraud/1")
    first = reconcile(town.as_(CAROL))
    assert len(taken) == 2
    assert {failed.sink for failed in first.failed} == {f"mail:{ANN}"}
    box.refuse = False
    second = reconcile(town.as_(CAROL))
    assert second.delivered == 0, "it is not due yet"
    town.clock.now += timedelta(minutes=2)
    third = reconcile(town.as_(CAROL))
    assert third.delivered == len(first.failed) == len(box.mails)
    assert len(taken) == 2


def test_what_always_fails_is_parked_and_shown_and_can_be_redelivered(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    town = with_mail(configured, port, "  attempts: 2\n")
    box.refuse = True
    town.register("fraud")
    following.follow(town.as_(BOB), "fraud")
    town.register("fraud")
    reconcile(town.as_(CAROL))
    town.clock.now += timedelta(hours=1)
    reconcile(town.as_(CAROL))
    waiting = status(town.as_(CAROL)).waiting
    assert {(delivery.state, delivery.attempts) for delivery in waiting} == {("parked", 2)}
    assert all(delivery.error for delivery in waiting)
    box.refuse = False
    report = reconcile(town.as_(CAROL), Options(redeliver=True))
    assert report.delivered == len(waiting) == len(box.mails)
    assert status(town.as_(CAROL)).waiting == ()


def test_one_delivery_that_waits_is_tried_again_by_an_owner_of_the_policy(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    town = with_mail(configured, port, "  attempts: 2\n")
    box.refuse = True
    town.register("fraud")
    following.follow(town.as_(BOB), "fraud")
    town.register("fraud")
    reconcile(town.as_(CAROL))
    waiting = status(town.as_(CAROL)).waiting
    assert len(waiting) > 1
    with pytest.raises(Denied):
        redeliver(town.as_(ANN), waiting[0].key)
    box.refuse = False
    assert redeliver(town.as_(CAROL), waiting[0].key).state == "delivered"
    assert len(box.mails) == 1
    with pytest.raises(NotFound):
        redeliver(town.as_(CAROL), waiting[0].key)


def test_a_secret_in_a_url_comes_from_the_environment_and_is_never_shown(configured: Callable[[str], Town]) -> None:
    town = configured("""\
notifications:
  routes:
  - name: ops
    to:
    - mailto://registry:${SMTP_PASSWORD}@127.0.0.1:9?from=a@example.com&to=b@example.com
""")
    town.register("fraud")
    assert "SMTP_PASSWORD is not set" in reconcile(town.as_(CAROL)).failed[0].error
    town.environment["SMTP_PASSWORD"] = "hunter2/§"
    report = reconcile(town.as_(CAROL), Options(redeliver=True))
    assert report.failed
    world = town.as_(CAROL)
    tip = world.repository.tip(REF)
    assert tip is not None
    files = world.repository.files(tip)
    assert not any(b"hunter2" in world.repository.blob(entry.oid) for entry in files.values())


def test_a_dry_run_tells_nobody_and_moves_nothing(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    town = with_mail(configured, port)
    town.register("fraud")
    landed(town, "fraud/1")
    report = reconcile(town.as_(CAROL), Options(dry_run=True))
    assert [telling.sink for telling in report.planned] == [f"mail:{ANN}", f"mail:{ANN}"]
    assert box.mails == []
    assert town.as_(CAROL).repository.tip(REF) is None


def test_a_commit_without_an_approved_request_is_an_event_of_its_own(town: Town) -> None:
    town.register("fraud")
    path = "registry_spec/models/fraud.yaml"
    reconcile(town.as_(CAROL))
    sly = town.text(path).replace("stage: None", "stage: Production")
    commit = town.commit({path: sly}, "tidy up", author=ANN)
    kinds = {event.kind: event for event in reconcile(town.as_(CAROL)).events}
    assert kinds["model_version.transitioned"].commit == commit
    assert f"owned by {CAROL}" in kinds["unreviewed_change"].system_comment


def test_a_forged_trailer_does_not_pass_for_a_request(town: Town) -> None:
    town.register("fraud")
    reconcile(town.as_(CAROL))
    path = "registry_spec/models/fraud.yaml"
    sly = town.text(path).replace("stage: None", "stage: Production")
    message = f"Merge request 7: fine\n\nRequest: 7\nRequested-by: {ANN}\nApproved-by: {CAROL} (0123456789)\n"
    town.commit({path: sly}, message, author=ANN)
    reasons = [e.system_comment for e in reconcile(town.as_(CAROL)).events if e.kind == "unreviewed_change"]
    assert reasons == ["it says request 7, and there is no such request"]


def test_what_an_owner_may_write_directly_is_no_unreviewed_change(town: Town) -> None:
    reconcile(town.as_(CAROL))
    town.register("fraud")
    registering.transition(town.as_(BOB), [Wish("fraud/1", "Staging")])
    assert "unreviewed_change" not in [event.kind for event in reconcile(town.as_(CAROL)).events]


def test_only_one_reconciler_works_at_a_time(town: Town) -> None:
    world = town.as_(CAROL)
    other = open_ledger(world)
    other._holder = "elsewhere:1"
    other.take_lease(town.clock.now + timedelta(minutes=2), town.clock.now)
    with pytest.raises(Unavailable, match="elsewhere:1 is reconciling"):
        reconcile(town.as_(BOB))
    town.clock.now += timedelta(minutes=3)
    assert reconcile(town.as_(BOB)).merges == 2


def test_a_killed_run_is_gone_on_with(configured: Callable[[str], Town], postbox: tuple[Postbox, int]) -> None:
    box, port = postbox
    town = with_mail(configured, port)
    town.register("fraud")
    for name in ("a", "b", "c"):
        registering.tag(town.as_(BOB), "fraud", {name: "1"})
        town.register("fraud", BOB)

    class Killed(BaseException):
        pass

    world = town.as_(CAROL)
    sent = 0

    def progress(what: str, done: int, total: int | None) -> None:
        nonlocal sent
        sent += 1
        if sent == 5:
            raise Killed

    world.progress = progress
    with pytest.raises(Killed):
        reconcile(world)
    reconcile(town.as_(CAROL))
    assert sorted(box.subjects(ANN)) == [f"[test] {BOB} registered fraud/{n}" for n in (2, 3, 4)]


def test_rewritten_history_is_noticed_and_nothing_is_told(town: Town) -> None:
    before = town.as_(CAROL).main()
    town.register("fraud")
    reconcile(town.as_(CAROL))
    world = town.as_(CAROL)
    world.repository.publish((RefUpdate(world.repository.ref, world.main(), before),), "rewrite")
    town.register("other")
    with pytest.raises(BadRepository, match="history was rewritten"):
        reconcile(town.as_(CAROL))
    assert reconcile(town.as_(CAROL), Options(start="main")).merges == 0


def test_templates_of_the_registry_are_used_and_sandboxed(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    town = with_mail(configured, port)
    folder = "registry_spec/templates/"
    town.commit({folder + "subject.txt.j2": "{{ event.model }}!", folder + "mail.html.j2": "<b>{{ event.text }}</b>"})
    town.register("fraud")
    town.register("<script>alert(1)<", BOB)
    following.follow(town.as_(ANN), "<script>alert(1)<")
    town.register("fraud", BOB)
    reconcile(town.as_(CAROL))
    assert "fraud!" in box.subjects(ANN)
    assert not any(
        "<script>" in str(part.get_content())
        for m in box.mails
        for part in m.walk()
        if part.get_content_type() == "text/html"
    )
    town.commit({folder + "subject.txt.j2": "{{ event.__class__.__mro__[1].__subclasses__() }}"})
    town.register("fraud", BOB)
    report = reconcile(town.as_(CAROL))
    assert all("<class" not in subject for subject in box.subjects(ANN))
    assert not report.failed or "template does not render" in report.failed[0].error


def test_both_parts_of_a_mail_are_templates_that_the_registry_may_override(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    town = with_mail(configured, port)
    folder = "registry_spec/templates/"
    town.commit({folder + "message.txt.j2": "plain <{{ event.text }}>", folder + "mail.html.j2": "<b>rich</b>"})
    town.register("fraud")
    town.register("fraud", BOB)
    reconcile(town.as_(CAROL))
    [mail] = box.mails
    parts = {part.get_content_type(): part.get_content().strip() for part in mail.walk() if not part.is_multipart()}
    assert parts["text/plain"] == f"plain <{BOB} registered fraud/2>"
    assert "<b>rich</b>" in parts["text/html"]


def test_a_comment_on_a_version_is_told_once_and_makes_its_author_a_follower(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    town = with_mail(configured, port)
    town.register("fraud")
    reconcile(town.as_(CAROL))
    comments.add(town.as_(CAROL), "fraud/1", "in use by the trading desk")
    report = reconcile(town.as_(CAROL))
    assert [(e.kind, e.subject, e.comment) for e in report.events] == [
        ("comment.created", "fraud/1", "in use by the trading desk")
    ]
    assert box.subjects(ANN) == [f"[test] {CAROL} commented on fraud/1"]
    registering.transition(town.as_(BOB), [Wish("fraud/1", "Staging")])
    reconcile(town.as_(CAROL))
    assert box.subjects(CAROL) == [f"[test] {BOB} moved fraud/1 from None to Staging"]
    assert reconcile(town.as_(CAROL)).events == ()


def test_the_lease_lasts_as_long_as_slow_sinks_take(configured: Callable[[str], Town]) -> None:
    refused: list[bool] = []

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            town.clock.now += timedelta(seconds=90)
            other = open_ledger(town.as_(BOB))
            other._holder = "elsewhere:1"
            try:
                other.take_lease(town.clock.now + timedelta(minutes=2), town.clock.now)
                refused.append(False)
            except Unavailable:
                refused.append(True)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    Thread(target=server.serve_forever, daemon=True).start()
    route = f"notifications:\n  routes:\n  - name: chat\n    to:\n    - json://127.0.0.1:{server.server_port}/\n"
    town = configured(route)
    for _ in range(3):
        town.register("fraud")
    reconcile(town.as_(CAROL))
    server.shutdown()
    server.server_close()
    assert len(refused) > 3
    assert all(refused)


# --- how much mail --------------------------------------------------------------------------------------------------


def test_the_last_mail_of_a_day_says_so_and_the_next_day_begins_anew(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    town = with_mail(configured, port, "  mails_a_day: 3\n")
    town.register("fraud")
    for _ in range(5):
        town.register("fraud", BOB)
    registering.transition(town.as_(BOB), [Wish("fraud/1", "Staging")])
    report = reconcile(town.as_(CAROL))
    assert box.subjects(ANN) == [
        *[f"[test] {BOB} registered fraud/{number}" for number in (2, 3, 4)],
        # another kind of activity has a count of its own
        f"[test] {BOB} moved fraud/1 from None to Staging",
    ]
    texts = [str(mail.get_body(("plain",)).get_content()) for mail in box.mails]  # type: ignore[union-attr]
    assert ["the limit of 3 a day is reached" in text.replace("\n", " ") for text in texts] == [
        False, False, True, False,
    ]  # fmt: skip
    assert status(town.as_(CAROL)).counts == {"delivered": 4, "skipped": 2}
    assert report.failed == ()
    town.clock.now += timedelta(days=1)
    town.register("fraud", BOB)
    reconcile(town.as_(CAROL))
    assert box.subjects(ANN)[-1] == f"[test] {BOB} registered fraud/7"


def test_who_wants_no_mail_gets_none_until_they_want_it_again(
    configured: Callable[[str], Town], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    town = with_mail(configured, port)
    town.register("fraud")
    following.follow(town.as_(CAROL), "fraud")
    following.silence(town.as_(ANN), mail=False)
    town.register("fraud", BOB)
    reconcile(town.as_(CAROL))
    assert (len(box.subjects(ANN)), len(box.subjects(CAROL))) == (0, 2)
    following.silence(town.as_(ANN), mail=True)
    town.register("fraud", BOB)
    reconcile(town.as_(CAROL))
    assert box.subjects(ANN) == [f"[test] {BOB} registered fraud/3"]


def test_without_a_mail_url_the_registry_mails_nobody(configured: Callable[[str], Town]) -> None:
    town = configured("")
    town.register("fraud")
    following.follow(town.as_(CAROL), "fraud")
    assert reconcile(town.as_(CAROL)).delivered == 0


def test_asking_moving_and_commenting_make_one_follow_the_version(town: Town) -> None:
    town.register("fraud", CAROL)
    to_staging(town, "fraud/1", ANN)
    comments.add(town.as_(DAVE), "fraud/1", "hm")
    registering.transition(town.as_(BOB), [Wish("fraud/1", "Staging")])
    reconcile(town.as_(CAROL))
    world = town.as_(CAROL)
    followers = open_ledger(world).followers(world.snapshot().registry.model("fraud").id)
    assert set(followers["1"]) == {ANN, BOB, DAVE}


def test_a_subscription_is_said_in_databricks_words(town: Town) -> None:
    town.register("fraud")
    registering.transition(town.as_(BOB), [Wish("fraud/1", "Staging")])
    reconcile(town.as_(CAROL))
    following.follow(town.as_(CAROL), "fraud/1")
    following.choose(town.as_(DAVE), "fraud", "mute")
    said = {who: following.subscription(town.as_(who), "fraud/1") for who in (ANN, BOB, CAROL, DAVE, "eve@example.com")}
    assert list(said.values()) == ["ALL_EVENTS", "SUBSCRIBED", "SUBSCRIBED", "UNSUBSCRIBED", "DEFAULT"]
    following.silence(town.as_(ANN), mail=False)
    assert following.subscription(town.as_(ANN), "fraud/1") == "UNSUBSCRIBED"


def test_evidence_that_comes_with_its_version_is_the_models_owners_to_bring(town: Town) -> None:
    town.register("fraud")
    reconcile(town.as_(CAROL))
    report = b"all is well\n"
    digest = f"sha256:{sha256(report).hexdigest()}"
    model = town.as_(ANN).snapshot().registry.model("fraud")
    pinned = Evidence(name="report", digest=digest, at=town.clock(), by=ANN)
    versions = (model.versions[0].model_copy(update={"evidence": (pinned,)}),)
    path = "registry_spec/models/fraud.yaml"
    text = edited(town.text(path), model, model.model_copy(update={"versions": versions}))
    town.commit({path: text, evidence_path(digest): report.decode()}, "attach", author=ANN)
    kinds = [event.kind for event in reconcile(town.as_(CAROL)).events]
    assert kinds and "unreviewed_change" not in kinds
