"""`stagedoor webhooks`, on a real registry and a real receiver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.apps.conftest import ANN, BOB, CAROL, Home, Sd

from receiver import Receiver, receiving

EVENT = "MODEL_VERSION_TRANSITIONED_STAGE"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_a_webhook_from_its_creation_to_its_end(registry: Home, sd: Sd, receiver: Receiver) -> None:
    registry.register("fraud")
    sd("webhooks", "list", as_=ANN).ok("There is no webhook yet")
    (registry.path / "secret.txt").write_text("hunter2\n")
    secret = ("--secret", registry.path / "secret.txt")
    words = ("webhooks", "create", EVENT, "--model", "fraud", "--url", receiver.url)
    id_ = sd(*words, *secret, "--json", as_=CAROL).json["webhook"]["id"]
    assert "secrets:\n  - secret\n" in registry.text("registry_spec/webhooks.yaml")
    assert registry.git("log", "-1", "--format=%an %s") == f"Carol Create webhook {id_[:8]}"
    listed = sd("webhooks", "list", as_=ANN).ok(id_[:8], "fraud", EVENT, receiver.url, "ACTIVE")
    assert "hunter2" not in listed.out
    assert sd("webhooks", "list", "--model", "fraud", "--json", as_=ANN).json[0]["webhook"]["id"] == id_

    untouched = sd("webhooks", "test", id_[:8], as_=CAROL)
    assert untouched.code == 11 and "own network" in untouched.out
    tested = sd("webhooks", "test", id_[:8], "--allow-private-webhooks", as_=CAROL)
    tested.ok(f"{EVENT}: 200 thanks")

    sd("transition", "fraud/1", "Staging", as_=BOB).ok()
    sd("reconcile", "--allow-private-webhooks", as_=CAROL).ok("1 delivered")
    log = sd("webhooks", "deliveries", as_=ANN).ok(EVENT, "200", "delivered")
    assert "hunter2" not in log.out
    [one] = sd("webhooks", "deliveries", id_, "--json", as_=ANN).json
    sd("webhooks", "redeliver", one["delivery"], "--allow-private-webhooks", as_=CAROL).ok("the target answered 200")
    assert len(receiver.taken) == 3

    sd("webhooks", "update", id_[:8], "--status", "DISABLED", as_=CAROL).ok("Updated webhook")
    sd("webhooks", "list", as_=ANN).ok("DISABLED")
    sd("webhooks", "delete", id_[:8], "--as", CAROL).ok("Deleted webhook")
    sd("webhooks", "list", as_=ANN).ok("There is no webhook yet")
    sd("validate", as_=CAROL).ok()


def test_who_does_not_manage_the_model_is_refused_and_may_ask(registry: Home, sd: Sd, receiver: Receiver) -> None:
    registry.register("fraud")
    words = ("webhooks", "create", EVENT, "--model", "fraud", "--url", receiver.url)
    sd(*words, as_=ANN).refused(6, "registry_spec/webhooks.yaml is owned by", "--request")
    sd(*words, "--request", as_=ANN).ok("in request 1")
    sd("approve", "1", as_=CAROL).ok()
    sd("merge", "1", as_=CAROL).ok()
    sd("webhooks", "list", as_=ANN).ok("fraud")


def test_a_dry_run_shows_the_plan(registry: Home, sd: Sd, receiver: Receiver) -> None:
    before = registry.refs()
    sd("webhooks", "create", EVENT, "--url", receiver.url, "--dry-run", as_=CAROL).ok("webhooks.yaml")
    assert registry.refs() == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("create", EVENT), 2, "needs a target"),
        (("create", EVENT, "--url", "https://x", "--job", "1", "--workspace", "https://y"), 2, "one target"),
        (("create", EVENT, "--job", "1"), 2, "stands in a workspace"),
        (("create", EVENT, "--job", "one", "--workspace", "https://y"), 2, "a job has a number"),
        (("create", "NOTHING", "--url", "https://x"), 8, "SD511"),
        (("create", EVENT, "--url", "https://127.1/"), 8, "SD512"),
        (("create", EVENT, "--url", "https://x", "--model", "nosuch"), 4, "no model nosuch"),
        (("update", "nosuch"), 4, "there is no webhook nosuch"),
        (("delete", "nosuch"), 4, "there is no webhook nosuch"),
        (("test", "nosuch"), 4, "there is no webhook nosuch"),
        (("deliveries", "nosuch"), 4, "there is no webhook nosuch"),
        (("redeliver", "nosuch"), 4, "there is no delivery nosuch"),
    ],
)
def test_what_cannot_be_is_refused(registry: Home, sd: Sd, words: tuple[str, ...], code: int, said: str) -> None:
    sd("webhooks", *words, as_=CAROL).refused(code, said)


def test_a_file_by_hand_is_formatted_and_checked(registry: Home, sd: Sd) -> None:
    path = "registry_spec/webhooks.yaml"
    entry = (
        "{id: 0123456789abcdef0123456789abcdef, http: {url: 'https://2130706433/'}, events: [COMMENT_CREATED],"
        " created: {by: carol@example.com, at: '2026-11-24T10:15:00Z'}}"
    )
    (registry.path / path).write_text(f"kind: Webhooks\nwebhooks: [{entry}]\n")
    sd("fmt").ok(f"wrote {registry.path / path}")
    found = sd("validate", path)
    assert found.code == 8
    assert "SD512" in found.out and f"{path}:8:10" in found.out
    sd("schema", "Webhooks").ok('"title": "Stagedoor Webhooks"')


def test_mail_is_switched_off_and_on_for_everything(registry: Home, sd: Sd) -> None:
    sd("mute", "--all", as_=ANN).ok("ann@example.com gets no mail of this registry any more.")
    assert sd("follow", "--all", "--json", as_=ANN).json == {"email": ANN, "mail": True}
    sd("mute", as_=ANN).refused(2, "either a model or --all is wanted")


def test_doctor_names_a_webhook_whose_secret_is_not_here(registry: Home, sd: Sd) -> None:
    (registry.path / "token").write_text("hunter2")
    words = ("--url", "https://example.com/", "--secret", registry.path / "token")
    id_ = sd("webhooks", "create", EVENT, *words, "--json", as_=CAROL).json["webhook"]["id"]
    assert "lacks its" not in sd("doctor").out
    (registry.path / ".git/stagedoor/webhooks" / f"{id_}.json").unlink()
    assert f"lacks its STAGEDOOR_WEBHOOK_SECRET_{id_.upper()}" in sd("doctor").out
