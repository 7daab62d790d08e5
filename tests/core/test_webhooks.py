"""webhooks.yaml, and what its targets may look like."""

from __future__ import annotations

import pytest

from specs import BY
from stagedoor.core.reading import edited, formatted, read_as, text_of
from stagedoor.core.webhooks import (
    WEBHOOKS_FILE,
    HttpTarget,
    Webhook,
    Webhooks,
    is_public,
    url_fault,
    webhook_changes,
)
from stagedoor.errors import BadSpec

ONE = Webhook(id="a1" * 16, events=("COMMENT_CREATED",), http=HttpTarget(url="https://example.com/"), created=BY)
TWO = ONE.model_copy(update={"id": "2" * 32, "model": "fraud", "model_id": "f" * 32})

TEXT = """\
# yaml-language-server: $schema=./schemas/Webhooks.json
apiVersion: stagedoor/v1
kind: Webhooks
webhooks:
- id: a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1
  events:
  - COMMENT_CREATED
  http:
    url: https://example.com/
  created:
    at: '2026-11-24T10:15:00.123Z'
    by: ann@example.com
"""


def test_the_file_is_canonical_and_reads_back() -> None:
    both = Webhooks(webhooks=(ONE, TWO))
    assert text_of(Webhooks(webhooks=(ONE,)), WEBHOOKS_FILE) == TEXT
    assert formatted(TEXT.encode(), WEBHOOKS_FILE) == TEXT
    assert read_as(Webhooks, text_of(both, WEBHOOKS_FILE).encode(), WEBHOOKS_FILE) == both


def test_an_edit_keeps_the_comments_of_other_webhooks() -> None:
    both = Webhooks(webhooks=(ONE, TWO))
    text = text_of(both, WEBHOOKS_FILE).replace("  events:", "  # the desk asked for it\n  events:", 1)
    changed = both.put(TWO.model_copy(update={"status": "DISABLED"}))
    made = edited(text, both, changed)
    assert made.count("# the desk asked for it") == 1
    assert read_as(Webhooks, made.encode(), WEBHOOKS_FILE) == changed
    gone = edited(made, changed, changed.without(TWO.id))
    assert "# the desk asked for it" in gone


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"secret": "hunter2"}, "unknown key secret"),
        ({"http": None}, "needs one target"),
        ({"job": {"job_id": "1", "workspace_url": "https://x"}}, "needs one target"),
        ({"style": "mlflow"}, "1 to 63 letters"),
        ({"style": "mlflow", "name": "x", "status": "TEST_MODE"}, "ACTIVE and DISABLED"),
        ({"model": "fraud", "events": ["REGISTERED_MODEL_CREATED"]}, "cannot hear of REGISTERED_MODEL_CREATED"),
        ({"events": []}, "events is an empty list"),
        ({"id": "X" * 32}, "32 hexadecimal digits"),
    ],
)
def test_what_does_not_go_together_is_refused(more: dict[str, object], said: str) -> None:
    import json

    entry = {
        "id": "1" * 32, "events": ["COMMENT_CREATED"], "http": {"url": "https://x"},
        "created": {"at": "2026-11-24T10:15:00Z", "by": "a@b.c"},
    } | more  # fmt: skip
    text = json.dumps({"apiVersion": "stagedoor/v1", "kind": "Webhooks", "webhooks": [entry]})
    with pytest.raises(BadSpec, match=said):
        read_as(Webhooks, text.encode(), WEBHOOKS_FILE)


def test_one_id_stands_there_once() -> None:
    with pytest.raises(ValueError, match="is there twice"):
        Webhooks(webhooks=(ONE, ONE))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com", "example.com", "https://", "https://ann:pw@example.com", "https://ann@example.com",
        "https://@example.com/", "https://2130706433/", "https://0x7f000001/", "https://127.1/", "https://0x7f.1/",
        "https://1.2.3.4.5/", "https://0177.0.0.1/", "https://999.1.1.1/", "https://[::1/", "https://[::g]/",
        "https://exa mple.com", "https://example.com/\r\nX: 1", "https://example.com\\@127.0.0.1/",
        "https://example.com/#x", "https://example.com:0/", "https://example.com:99999/", "https://a%00.com/",
        "https://[fe80::1%25eth0]/", "https://1.2.3.0x4/", "https://example.1/", "https://2130706433./",
    ],
)  # fmt: skip
def test_a_url_that_programs_read_in_different_ways_is_refused(url: str) -> None:
    assert url_fault(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com", "https://example.com:8443/a/b?c=d", "http://10.0.0.1/x", "https://[2001:db8::1]:1/",
        "https://xn--bcher-kva.example/", "https://1password.example",
    ],
)  # fmt: skip
def test_a_plain_url_passes(url: str) -> None:
    assert url_fault(url) is None


def test_only_the_open_internet_is_public() -> None:
    assert is_public("1.1.1.1") and is_public("2606:4700::1111")
    assert not any(map(is_public, ("127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254", "", "localhost")))


def test_what_changed_says_whose_webhook_it_is_and_was() -> None:
    moved = TWO.model_copy(update={"model": "scam", "model_id": ""})
    found = webhook_changes(Webhooks(webhooks=(ONE, TWO)), Webhooks(webhooks=(moved,)))
    assert [(change.text, change.scopes) for change in found] == [
        ("webhook a1a1a1a1 is deleted", (("", ""),)),
        ("webhook 22222222 is updated", (("f" * 32, "fraud"), ("", "scam"))),
    ]
