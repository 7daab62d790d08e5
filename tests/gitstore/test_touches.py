"""Touches: the same answer from git in one pass and from trees compared in process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from stagedoor.errors import BadRepository
from stagedoor.gitstore import Oid, Repository, Signature, Touched
from stagedoor.gitstore.touches import touches as by_git

Commit = Callable[..., Oid]


@pytest.fixture
def merged(bare: Repository, commit: Commit, ann: Signature) -> dict[str, Oid]:
    """base - direct - merge(side) - odd names - all gone."""
    base = commit(bare, {"m/a": "1", "m/s": "1", "other": "1"})
    side = commit(bare, {"m/s": "2", "m/t": "1"}, onto=base, publish=False)
    direct = commit(bare, {"m/a": "2"}, time=ann.time - timedelta(days=900))
    merge = commit(bare, {"m/s": "2", "m/t": "1"}, parents=[direct, side])
    odd = commit(bare, {"m/ :100644 a\nb": "1", "m/\udcff": "2", "m/\u00e9": "3"})
    gone = commit(bare, {"m/a": None, "other": "2"})
    last = commit(bare, {"other": "3"})
    return {"base": base, "direct": direct, "merge": merge, "odd": odd, "gone": gone, "last": last}


def paths(found: list[Touched]) -> list[tuple[str, list[str]]]:
    return [(one.commit, sorted(change.path for change in one.changes)) for one in found]


def test_each_commit_says_what_it_touched_newest_first(bare: Repository, merged: dict[str, Oid]) -> None:
    assert paths(list(bare.touches(None, merged["last"], "m"))) == [
        (merged["gone"], ["m/a"]),
        (merged["odd"], ["m/ :100644 a\nb", "m/\u00e9", "m/\udcff"]),
        (merged["merge"], ["m/s", "m/t"]),
        (merged["direct"], ["m/a"]),
        (merged["base"], ["m/a", "m/s"]),
    ]


def test_git_and_trees_say_the_same(bare: Repository, merged: dict[str, Oid]) -> None:
    def sorted_(found: list[Touched]) -> list[object]:
        return [(one.commit, sorted(one.changes, key=lambda change: change.path)) for one in found]

    for since in merged.values():
        near = list(bare.touches(since, merged["last"], "m"))
        assert sorted_(near) == sorted_(list(by_git(bare._git, since, merged["last"], "m")))


def test_what_is_not_on_the_chain_is_refused(bare: Repository, merged: dict[str, Oid], commit: Commit) -> None:
    stray = commit(bare, {"m/a": "9"}, onto=merged["base"], publish=False)
    with pytest.raises(BadRepository):
        list(bare.touches(stray, merged["last"], "m"))


def test_a_long_way_back_is_asked_of_git(bare: Repository, commit: Commit) -> None:
    chain = [commit(bare, {"m/a": str(number)}) for number in range(60)]
    assert paths(list(bare.touches(chain[0], chain[-1], "m"))) == [(one, ["m/a"]) for one in reversed(chain[1:])]


def test_blobs_stream_in_the_order_asked_for_and_large_ones_are_left_out(bare: Repository) -> None:
    oids = [bare.write_blob(text) for text in (b"one", b"x" * 100, b"three")]
    asked = [oids[2], oids[1], oids[0], oids[2]]
    found = list(bare.stream(asked, max_bytes=50))
    assert found == [(oids[2], b"three"), (oids[1], None), (oids[0], b"one"), (oids[2], b"three")]
    many = oids[:1] * 200
    assert list(bare.stream(many, max_bytes=50)) == [(oids[0], b"one")] * 200
