"""History: first parents in their own order, whatever the clocks say, and no answer where some of it is missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from stagedoor.errors import BadRepository
from stagedoor.gitstore import Oid, Repository, Signature

Commit = Callable[..., Oid]
Git = Callable[..., str]


def ids(repo: Repository, since: Oid | None, until: Oid, *paths: str) -> list[Oid]:
    return [info.oid for info in repo.first_parents(since, until, paths=paths)]


def test_order_is_the_chain_and_never_the_clock(bare: Repository, commit: Commit, ann: Signature) -> None:
    days = [0, 400, -400, 3, -9000, 20000, 1]
    chain = [commit(bare, {"a": str(n)}, time=ann.time + timedelta(days=day)) for n, day in enumerate(days)]
    assert ids(bare, None, chain[-1]) == chain
    assert ids(bare, chain[2], chain[5]) == chain[3:6]
    assert ids(bare, chain[5], chain[6]) == chain[6:]
    assert ids(bare, chain[6], chain[6]) == []
    assert [info.message for info in bare.first_parents(chain[5], chain[6])] == ["change\n"]


@pytest.fixture
def merged(bare: Repository, commit: Commit) -> dict[str, Oid]:
    """base - direct - merge(side) - last, where side changed `s` in two commits."""
    base = commit(bare, {"a": "1", "s": "1"})
    side1 = commit(bare, {"s": "2"}, onto=base, publish=False)
    side2 = commit(bare, {"s": "3"}, onto=side1, publish=False)
    direct = commit(bare, {"a": "2"})
    merge = commit(bare, {"s": "3"}, parents=[direct, side2])
    last = commit(bare, {"d/x": "1"})
    return {"base": base, "side1": side1, "side2": side2, "direct": direct, "merge": merge, "last": last}


def test_a_merge_is_one_event_and_its_second_parents_are_none(bare: Repository, merged: dict[str, Oid]) -> None:
    assert ids(bare, None, merged["last"]) == [merged[name] for name in ("base", "direct", "merge", "last")]


def test_paths_choose_the_commits_that_touch_them(bare: Repository, merged: dict[str, Oid]) -> None:
    assert ids(bare, None, merged["last"], "s") == [merged["base"], merged["merge"]]
    assert ids(bare, merged["base"], merged["last"], "s") == [merged["merge"]]
    assert ids(bare, merged["base"], merged["last"], "a", "d") == [merged["direct"], merged["last"]]
    assert ids(bare, None, merged["last"], "none") == []
    assert ids(bare, None, merged["last"], "") == ids(bare, None, merged["last"])


@pytest.mark.parametrize("path", ["*", ":(top)a", "--all", "-x", ":!a", "[as]"])
def test_paths_are_never_patterns(bare: Repository, merged: dict[str, Oid], path: str) -> None:
    assert ids(bare, None, merged["last"], path) == []


@pytest.mark.parametrize(
    ("since", "until"), [("side1", "last"), ("side2", "last"), ("last", "base"), ("direct", "side2")]
)
def test_a_start_off_the_chain_is_refused_at_once(
    bare: Repository, merged: dict[str, Oid], since: str, until: str
) -> None:
    with pytest.raises(BadRepository, match="not on the first-parent history"):
        bare.first_parents(merged[since], merged[until])
    with pytest.raises(BadRepository, match="not on the first-parent history"):
        bare.first_parents(merged[since], merged[until], paths=["s"])


def test_a_reader_may_stop_early(bare: Repository, commit: Commit) -> None:
    chain = [commit(bare, {"a": str(n)}) for n in range(5)]
    walk = bare.first_parents(None, chain[-1])
    assert next(walk).oid == chain[0]
    walk.close()  # type: ignore[attr-defined]


def test_ancestors_and_merge_bases(bare: Repository, merged: dict[str, Oid], commit: Commit) -> None:
    assert bare.merge_base(merged["direct"], merged["side2"]) == merged["base"]
    assert bare.is_ancestor(merged["side2"], merged["last"]) and not bare.is_ancestor(merged["last"], merged["base"])
    stranger = commit(bare, {"x": "1"}, parents=[], publish=False)
    assert bare.merge_base(stranger, merged["last"]) is None
    assert not bare.is_ancestor(stranger, merged["last"])


@pytest.fixture
def origin(make: Callable[..., Repository], commit: Commit) -> Repository:
    repo = make("origin")
    for number in range(4):
        commit(repo, {"a": str(number)})
    return repo


def test_a_shallow_clone_refuses_history(origin: Repository, git: Git, tmp_path: Path, commit: Commit) -> None:
    git("clone", "-q", "--depth=2", f"file://{origin.git_dir}", "clone")
    with Repository.open(tmp_path / "clone") as clone:
        tip = clone.resolve("main")
        parent = clone.commit_info(tip).parents[0]
        stranger = commit(clone, {"a": "x"}, parents=[], publish=False)
        assert clone.is_shallow and not clone.is_partial
        assert ids(clone, parent, tip) == [tip]  # what is here is answered
        for question in (
            clone.require_history,
            lambda: clone.first_parents(None, tip),
            lambda: clone.first_parents(stranger, tip),
            lambda: clone.merge_base(stranger, tip),
            lambda: clone.is_ancestor(stranger, tip),
        ):
            with pytest.raises(BadRepository, match="shallow") as refused:
                question()
            assert refused.value.fix is not None and "git fetch --unshallow" in refused.value.fix
        git("fetch", "-q", "--unshallow", at=tmp_path / "clone")
        clone.require_history()
        assert len(ids(clone, None, tip)) == 4


def test_a_partial_clone_refuses_history_until_cured(origin: Repository, git: Git, tmp_path: Path) -> None:
    git("config", "uploadpack.allowFilter", "true", at=origin.git_dir)
    git("clone", "-q", "--bare", "--filter=blob:none", f"file://{origin.git_dir}", "clone")
    with Repository.open(tmp_path / "clone") as clone:
        assert clone.is_partial and not clone.is_shallow
        with pytest.raises(BadRepository, match="partial") as refused:
            clone.require_history()
        entry = clone.entry(clone.resolve("main"), "a")
        assert entry and clone.blob(entry.oid) == b"3"  # fetched when it is asked for
    assert refused.value.fix is not None
    for command in refused.value.fix.partition("or: ")[2].replace("&&", ";").split(";"):
        git(*command.split()[1:], at=tmp_path / "clone", check=False)
    with Repository.open(tmp_path / "clone") as clone:
        clone.require_history()
        assert len(ids(clone, None, clone.resolve("main"))) == 4
    git("fsck", "--connectivity-only", at=tmp_path / "clone")


def test_replaced_objects_do_not_rewrite_history(bare: Repository, commit: Commit, git: Git) -> None:
    chain = [commit(bare, {"a": str(n)}) for n in range(3)]
    git("replace", chain[1], chain[0], at=bare.git_dir)
    (bare.common_dir / "info").mkdir(exist_ok=True)
    (bare.common_dir / "info/grafts").write_text(f"{chain[2]}\n")
    assert ids(bare, None, chain[2]) == chain
    assert bare.is_ancestor(chain[0], chain[2])


def test_the_clock_lists_the_chain_in_its_order_with_whatever_dates_it_claims(
    bare: Repository, commit: Commit, ann: Signature
) -> None:
    days = [0, 400, -400, 3, -9000, 20000, 1]
    times = [ann.time + timedelta(days=day) for day in days]
    chain = [commit(bare, {"a": str(n)}, time=time) for n, time in enumerate(times)]
    assert bare.clock(chain[-1]) == list(zip(chain, times, strict=True))
    assert bare.clock(chain[1]) == list(zip(chain[:2], times[:2], strict=True))


def test_newest_first_streams_the_commits_that_touch_a_file_or_folder(bare: Repository, merged: dict[str, Oid]) -> None:
    assert list(bare.newest_first(merged["last"], ["s"])) == [merged["merge"], merged["base"]]
    assert next(bare.newest_first(merged["last"], ["a", "d"])) == merged["last"]
    assert list(bare.newest_first(merged["direct"], ["d", "*"])) == []


def test_the_last_touch_of_a_file_is_found_in_any_folder_and_a_name_is_no_pattern(
    bare: Repository, commit: Commit
) -> None:
    tips = [
        commit(bare, {path: "1"}) for path in ("m/x/a[1]*.yaml", "m/a1.yaml", "m/b.yaml", "b.yaml", "m/deep/er/b.yaml")
    ]
    assert bare.last_touch(tips[-1], "m", "a[1]*.yaml") == tips[0]
    assert bare.last_touch(tips[-1], "m", "b.yaml") == tips[4]
    assert bare.last_touch(tips[3], "m", "b.yaml") == tips[2]
    for name in ("*.yaml", "?.yaml", "c.yaml", "\\b.yaml", "-x"):
        assert bare.last_touch(tips[-1], "m", name) is None
