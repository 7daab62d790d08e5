"""Checkpoints: few commits are kept, and whatever is done to main before them shows."""

from __future__ import annotations

import json

import pytest

from stagedoor.core.checkpoints import checkpoint_of, decode, differences, encode, places
from stagedoor.errors import BadInput


def chain(count: int, start: int = 1) -> list[str]:
    return [f"{number:040x}" for number in range(start, start + count)]


def test_the_last_ones_are_kept_then_ever_fewer_and_the_first() -> None:
    assert places(1) == (1,)
    assert places(64) == tuple(range(1, 65))
    kept = places(1000)
    assert kept[:5] == (1, 488, 744, 872, 937)
    assert kept[-64:] == tuple(range(937, 1001))
    assert len(places(10**6)) < 80


def test_what_is_written_is_read() -> None:
    one = checkpoint_of("main", chain(500))
    assert decode(encode(one).encode(), "x") == one
    assert json.loads(encode(one))["count"] == 500


def test_main_may_grow() -> None:
    one = checkpoint_of("main", chain(500))
    assert differences(one, chain(500)) == ()
    assert differences(one, chain(900)) == ()


def test_a_commit_that_was_taken_away_is_named_as_closely_as_the_file_allows() -> None:
    one, full = checkpoint_of("main", chain(500)), chain(500)
    assert differences(one, full[:479] + full[480:])[:2] == (
        f"main still holds commit 479 ({full[478][:10]}), and not commit 480 ({full[479][:10]})",
        "main has 499 commits, and had 500",
    )
    early = differences(one, full[:299] + full[300:] + chain(3, 9000))
    assert early[:2] == (
        f"main still holds commit 244 ({full[243][:10]}), and not commit 372 ({full[371][:10]})",
        "of the 127 commits between the two the checkpoint kept none: it may begin with one of them",
    )
    assert f"commit 372 ({full[371][:10]}) stands in place 371 now" in early


def test_commits_in_another_order_are_named() -> None:
    one, full = checkpoint_of("main", chain(100)), chain(100)
    full[89], full[90] = full[90], full[89]
    assert differences(one, full) == (
        f"main still holds commit 89 ({full[88][:10]}), and not commit 90 ({full[90][:10]})",
        f"commit 90 ({full[90][:10]}) stands in place 91 now",
        f"commit 91 ({full[89][:10]}) stands in place 90 now",
        "2 of 65 commits that it kept are not in their place",
    )


def test_another_history_is_called_so() -> None:
    found = differences(checkpoint_of("main", chain(3)), chain(3, 50))
    assert (
        found[0] == f"main begins with {chain(1, 50)[0][:10]}, and began with {chain(1)[0][:10]}: it is another history"
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\xff\xfe", b"[]", b"{}", b"[" * 100_000,
        encode(checkpoint_of("main", chain(3))).replace('"version": 1', '"version": 2').encode(),
        encode(checkpoint_of("main", chain(3))).replace('"place": 2', '"place": 3').encode(),
        encode(checkpoint_of("main", chain(3))).replace('"count": 3', '"count": 4').encode(),
        encode(checkpoint_of("main", chain(3))).replace('"root": "0', '"root": "1').encode(),
        encode(checkpoint_of("main", chain(3))).replace('"branch"', '"brunch"').encode(),
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(raw: bytes) -> None:
    with pytest.raises(BadInput, match="this is no checkpoint"):
        decode(raw, "x.json")
