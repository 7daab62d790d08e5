"""`stagedoor token` on a real registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.apps.conftest import ANN, BOB, Home, Sd

if TYPE_CHECKING:
    from pathlib import Path


def test_a_token_is_shown_once_and_listed_without_its_secret(sd: Sd, registry: Home) -> None:
    secret = sd("token", "create", ANN).ok().out.strip()
    assert secret.startswith("stagedoor_")
    made = sd("token", "create", BOB, "--expires", "30d", "--json").json
    assert made["email"] == BOB
    assert made["expires_at"] is not None
    listed = sd("token", "list").ok(ANN, BOB).out
    assert secret.rpartition("_")[2] not in listed
    assert made["token"].rpartition("_")[2] not in listed
    assert [one["email"] for one in sd("token", "list", "--json").json] == [ANN, BOB]
    assert registry.git("status", "--porcelain") == ""
    assert secret.rpartition("_")[2] not in json.dumps(sd("token", "list", "--json").json)


def test_a_revoked_token_is_gone(sd: Sd, registry: Home) -> None:
    made = sd("token", "create", ANN, "--json").json
    sd("token", "revoke", made["id"]).ok(f"of {ANN} counts no more")
    sd("token", "revoke", made["id"]).refused(4, "there is no token")
    sd("token", "list").ok("There is no token")


def test_what_cannot_be_a_token_is_refused(sd: Sd, registry: Home) -> None:
    sd("token", "create", "nobody").refused(2, "is no e-mail address")
    for bad in ("soon", "0d", "30", "-1d", "99999999d"):
        sd("token", "create", ANN, f"--expires={bad}").refused(2, "is no length of time")


def test_a_token_for_what_is_no_registry_is_refused(sd: Sd, tmp_path: Path) -> None:
    sd("token", "create", ANN, dir=tmp_path).refused(10)
