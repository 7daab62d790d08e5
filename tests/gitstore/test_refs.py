"""Publishing: all refs or none, nothing lost to a race, numbers without gaps or twins."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stagedoor.errors import BadInput, BadRepository
from stagedoor.gitstore import Oid, Raced, RefUpdate, Repository

Commit = Callable[..., Oid]
Git = Callable[..., str]


@pytest.fixture
def two(bare: Repository, commit: Commit) -> tuple[Oid, Oid]:
    first = commit(bare, {"a": "1"})
    return first, commit(bare, {"a": "2"}, publish=False)


def test_a_ref_that_is_not_there_has_no_tip(repo: Repository) -> None:
    assert repo.tip() is None
    assert repo.tip("refs/pull/1/head") is None


def test_the_first_commit_is_published_on_an_unborn_branch(repo: Repository, commit: Commit) -> None:
    first = commit(repo, {"a": "1"})
    assert repo.tip() == repo.resolve("main") == repo.resolve("HEAD") == first


def test_a_stale_writer_loses_the_race_and_nothing_moves(bare: Repository, two: tuple[Oid, Oid]) -> None:
    first, second = two
    stale = [RefUpdate("refs/pull/1/head", None, second), RefUpdate(bare.ref, second, first)]
    with pytest.raises(Raced) as raced:
        bare.publish(stale, "stale")
    assert raced.value.refs == (bare.ref,)
    assert bare.refs("refs/") == {bare.ref: first}


def test_creating_what_exists_and_deleting_what_moved_is_a_race(bare: Repository, two: tuple[Oid, Oid]) -> None:
    first, second = two
    for update in (
        RefUpdate(bare.ref, None, second),
        RefUpdate(bare.ref, second, None),
        RefUpdate(bare.ref, None, None),
    ):
        with pytest.raises(Raced):
            bare.publish([update], "late")
    assert bare.tip() == first


def test_several_refs_move_together(bare: Repository, two: tuple[Oid, Oid]) -> None:
    first, second = two
    bare.publish([RefUpdate("refs/pull/1/head", None, second), RefUpdate("refs/pull/1/meta", None, first)], "open")
    bare.publish([RefUpdate(bare.ref, first, second), RefUpdate("refs/pull/1/meta", first, None)], "merge")
    assert bare.refs("refs/") == {bare.ref: second, "refs/pull/1/head": second}


def test_an_update_to_the_same_value_only_verifies(bare: Repository, two: tuple[Oid, Oid]) -> None:
    first, second = two
    bare.publish([RefUpdate(bare.ref, first, first), RefUpdate("refs/x/y", None, second)], "guarded")
    with pytest.raises(Raced):
        bare.publish([RefUpdate(bare.ref, second, second), RefUpdate("refs/x/y", second, first)], "guarded")
    assert bare.tip("refs/x/y") == second


def test_the_reason_stands_in_the_reflog(make: Callable[..., Repository], commit: Commit, git: Git) -> None:
    repo = make(bare=False)
    commit(repo, {"a": "1"}, message="stagedoor: register\nfraud version 1")
    assert git("reflog", "-1", "--format=%gs %gn", "main", at=repo.git_dir) == "stagedoor: register fraud version 1 Ann"


def test_publishing_needs_nobody_to_be_known(
    bare: Repository, commit: Commit, monkeypatch: pytest.MonkeyPatch, git: Git
) -> None:
    git("config", "user.useConfigOnly", "true", at=bare.git_dir)
    git("config", "core.logAllRefUpdates", "always", at=bare.git_dir)
    for key in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(key)
    with Repository.open(bare.git_dir) as anonymous:
        assert anonymous.identity() is None
        first = commit(anonymous, {"a": "1"})
        assert anonymous.tip() == first


NOT_WHOLE = ("", "-d", "--stdin", "HEAD", "main", "refs/x", "refs//a/b", "refs/heads/a/")
NOT_A_REF = ("/../x", "/a b", "/a\0b", "/a\nb", "/.a", "/a.lock", "/a@{1}", "/\ud800", "/a*", "/a:b", "/a^", "/a.")


@pytest.mark.parametrize("ref", [*NOT_WHOLE, *(f"refs/heads{name}" for name in NOT_A_REF)])
def test_a_dangerous_ref_is_refused(bare: Repository, two: tuple[Oid, Oid], ref: str) -> None:
    with pytest.raises(BadInput):
        bare.publish([RefUpdate(ref, None, two[0])], "x")
    if ref:
        with pytest.raises(BadInput):
            bare.tip(ref)


@pytest.mark.parametrize("oid", ["HEAD", "abc", "", "-x", "0" * 41, "A" * 40])
def test_only_whole_object_ids_are_published(bare: Repository, two: tuple[Oid, Oid], oid: str) -> None:
    with pytest.raises(BadInput, match="not an object id"):
        bare.publish([RefUpdate(bare.ref, two[0], oid)], "x")


def test_a_ref_in_the_way_of_another_is_no_race(bare: Repository, two: tuple[Oid, Oid]) -> None:
    bare.publish([RefUpdate("refs/pull/1", None, two[0])], "x")
    with pytest.raises(BadRepository, match="refs/pull/1"):
        bare.publish([RefUpdate("refs/pull/1/head", None, two[0])], "x")


def test_a_left_over_lock_is_named_with_its_cure(make: Callable[..., Repository], commit: Commit) -> None:
    repo = make()
    first = commit(repo, {"a": "1"})
    second = commit(repo, {"a": "2"}, publish=False)
    lock = repo.common_dir / "refs/heads/main.lock"
    lock.touch()
    with pytest.raises(BadRepository, match="another git process") as refused:
        repo.publish([RefUpdate(repo.ref, first, second)], "x")
    assert refused.value.where is not None and refused.value.where.endswith("refs/heads/main.lock")
    lock.unlink()
    repo.publish([RefUpdate(repo.ref, first, second)], "x")


def test_packed_refs_and_symbolic_refs_are_read(bare: Repository, two: tuple[Oid, Oid], git: Git) -> None:
    first, second = two
    bare.publish([RefUpdate("refs/pull/10/head", None, second), RefUpdate("refs/pull/1/head", None, first)], "x")
    git("pack-refs", "--all", at=bare.git_dir)
    git("symbolic-ref", "refs/heads/alias", "refs/heads/main", at=bare.git_dir)
    assert not (bare.common_dir / "refs/heads/main").exists()
    tips = [bare.tip(ref) for ref in ("refs/heads/main", "refs/pull/10/head", "refs/pull/1/head", "refs/heads/alias")]
    assert tips == [first, second, first, first]
    assert bare.tip("refs/pull/1") is None and bare.tip("refs/heads/mai") is None
    bare.publish([RefUpdate(bare.ref, first, second)], "over a packed ref")
    assert bare.tip() == second


def test_a_damaged_ref_is_said_to_be(bare: Repository, two: tuple[Oid, Oid]) -> None:
    (bare.common_dir / "refs/heads/main").write_text("garbage\n")
    with pytest.raises(BadRepository, match="refs/heads/main is damaged"):
        bare.tip()


def test_refs_are_listed_by_prefix(bare: Repository, two: tuple[Oid, Oid]) -> None:
    first, second = two
    names = ["refs/pull/1/head", "refs/pull/10/head", "refs/pull/2/head", "refs/pulley/1"]
    bare.publish([RefUpdate(name, None, second) for name in names], "x")
    assert bare.refs("refs/pull/").keys() == set(names[:3])
    assert bare.refs("refs/pull/1").keys() == set(names[:2])
    assert bare.refs("refs/pull/1/").keys() == {names[0]}
    assert bare.refs("refs/none/") == {}
    assert bare.refs("refs/heads/") == {bare.ref: first}


def test_numbers_follow_the_highest(bare: Repository, two: tuple[Oid, Oid]) -> None:
    def both(number: int) -> list[RefUpdate]:
        return [RefUpdate(f"refs/pull/{number}/{part}", None, two[0]) for part in ("head", "meta")]

    assert [bare.create_numbered(both, "refs/pull/") for _ in range(3)] == [1, 2, 3]
    bare.publish([RefUpdate("refs/pull/41/head", None, two[0]), RefUpdate("refs/pull/x/head", None, two[0])], "gap")
    assert bare.create_numbered(both, "refs/pull/") == 42


def test_a_ref_of_a_strangers_number_does_not_count(bare: Repository, two: tuple[Oid, Oid]) -> None:
    def one(number: int) -> list[RefUpdate]:
        return [RefUpdate(f"refs/pull/{number}/head", None, two[0])]

    for odd in ("9" * 40, "1000000000", "1\u0663"):
        bare.publish([RefUpdate(f"refs/pull/{odd}/head", None, two[0])], "odd")
    assert bare.create_numbered(one, "refs/pull/") == 1
    bare.publish([RefUpdate("refs/pull/999999999/head", None, two[0])], "the last")
    with pytest.raises(BadInput, match="no number follows refs/pull/999999999"):
        bare.create_numbered(one, "refs/pull/")


def test_a_number_somebody_takes_first_is_left_to_them(bare: Repository, two: tuple[Oid, Oid]) -> None:
    def late(number: int) -> list[RefUpdate]:
        if number == 1:
            bare.publish([RefUpdate("refs/pull/1/head", None, two[1])], "faster")
        return [RefUpdate(f"refs/pull/{number}/head", None, two[0])]

    assert bare.create_numbered(late, "refs/pull/") == 2
    assert bare.refs("refs/pull/") == {"refs/pull/1/head": two[1], "refs/pull/2/head": two[0]}


def test_a_number_is_taken_by_creating_only(bare: Repository, two: tuple[Oid, Oid]) -> None:
    for updates in ([RefUpdate(bare.ref, two[0], two[1])], [RefUpdate("refs/other/1", None, two[0])], []):
        with pytest.raises(BadInput, match="taken by creating"):
            bare.create_numbered(lambda _, updates=updates: updates, "refs/pull/")  # type: ignore[misc]
    with pytest.raises(Raced):  # another ref that exists already will never become free
        bare.create_numbered(
            lambda n: [RefUpdate(f"refs/pull/{n}/head", None, two[0]), RefUpdate(bare.ref, None, two[0])], "refs/pull/"
        )
