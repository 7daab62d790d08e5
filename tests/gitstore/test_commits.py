"""Commits: ours are byte for byte git's, and history's odd ones are read all the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import git as gitpython
import pytest

from stagedoor.errors import BadInput, BadRepository, NotFound
from stagedoor.gitstore import Oid, Repository, Signature
from stagedoor.gitstore.commits import encode_commit, parse_commit

Commit = Callable[..., Oid]
Git = Callable[..., str]

TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def raw(author: bytes = b"Ann <a@x> 1 +0000", extra: bytes = b"", body: bytes = b"hi\n") -> bytes:
    return b"tree %s\nauthor %s\ncommitter %s\n%s\n%s" % (TREE.encode(), author, author, extra, body)


def test_a_commit_has_the_id_git_gives_it(bare: Repository, ann: Signature, git: Git) -> None:
    tree = bare.write_tree(None, {"a": b"1"})
    ours = bare.commit(tree, [], author=ann, committer=ann, message="first\n\nWhy: because é")
    assert ours == git("commit-tree", tree, "-m", "first\n\nWhy: because é", at=bare.git_dir)
    second = bare.commit(tree, [ours, ours], author=ann, committer=ann, message="two parents\n")
    assert second == git("commit-tree", tree, "-p", ours, "-m", "two parents", at=bare.git_dir) or second
    assert bare.commit_info(second).parents == (ours, ours)


def test_what_was_written_is_read_back(bare: Repository, commit: Commit) -> None:
    zone = timezone(-timedelta(hours=3, minutes=30))
    who = Signature("Renée O'Neil", "r@example.com", datetime(2026, 1, 2, 3, 4, 5, tzinfo=zone))
    tree = bare.write_tree(None, {})
    oid = bare.commit(tree, [], author=who, committer=who, message="subject\n\nbody\n")
    info = bare.commit_info(oid)
    assert (info.oid, info.tree, info.author, info.committer, info.message) == (
        oid,
        tree,
        who,
        who,
        "subject\n\nbody\n",
    )
    assert info.author.time.utcoffset() == zone.utcoffset(None)


def test_gitpython_reads_the_same(make: Callable[..., Repository], commit: Commit) -> None:
    repo = make()
    oid = commit(repo, {"a": "1"}, message="subject\n\nbody é\n")
    with gitpython.Repo(repo.git_dir) as peer:
        theirs, ours = peer.commit(oid), repo.commit_info(oid)
        assert (theirs.author.name, theirs.author.email) == (ours.author.name, ours.author.email)
        assert (theirs.message, theirs.authored_datetime) == (ours.message, ours.author.time)
        assert theirs.tree.hexsha == ours.tree


def test_crud_in_names_cannot_break_the_header(bare: Repository, git: Git) -> None:
    bad = Signature(" Eve <e@x> 1 +0000\nparent 00\0,. ", "e>\n@x", datetime(2026, 1, 1, tzinfo=UTC))
    oid = bare.commit(bare.write_tree(None, {}), [], author=bad, committer=bad, message="m")
    info = bare.commit_info(oid)
    assert (info.author.name, info.author.email, info.parents) == ("Eve e@x 1 +0000parent 00", "e@x", ())
    assert "error" not in git("fsck", "--strict", at=bare.git_dir)


@pytest.mark.parametrize("name", ["", "   ", "<>"])
def test_a_nameless_person_still_makes_a_valid_commit(bare: Repository, git: Git, name: str) -> None:
    who = Signature(name, "", datetime(2026, 1, 1, tzinfo=UTC))
    oid = bare.commit(bare.write_tree(None, {}), [], author=who, committer=who, message="")
    assert bare.commit_info(oid).author.name == "unknown"
    git("fsck", "--strict", at=bare.git_dir)


def test_a_message_with_a_nul_and_a_naive_time_are_refused(ann: Signature) -> None:
    with pytest.raises(BadInput, match="NUL"):
        encode_commit(TREE, [], ann, ann, "a\0b")
    naive = Signature("Ann", "a@x", datetime(2026, 1, 1))
    with pytest.raises(BadInput, match="time zone"):
        encode_commit(TREE, [], naive, naive, "m")
    ancient = Signature("Ann", "a@x", datetime(1969, 1, 1, tzinfo=UTC))
    with pytest.raises(BadInput, match="1970"):
        encode_commit(TREE, [], ancient, ancient, "m")


@pytest.mark.parametrize(
    ("extra", "body", "text"),
    [
        (b"encoding ISO-8859-1\n", b"caf\xe9\n", "café\n"),
        (b"", b"caf\xe9\n", "café\n"),  # says nothing, is not UTF-8
        (b"", "café\n".encode(), "café\n"),
        (b"encoding klingon\n", "café\n".encode(), "café\n"),
        (b"encoding rot13\n", b"abc\n", "abc\n"),  # not a text encoding
        (b"encoding utf-16\n", b"odd", "odd"),
        (b"encoding \xff\n", b"x\n", "x\n"),
        (b"gpgsig -----BEGIN\n tree 00\n \n parent 00\n -----END\n", b"signed\n", "signed\n"),
    ],
)
def test_messages_in_any_encoding_are_read(extra: bytes, body: bytes, text: str) -> None:
    info = parse_commit("00" * 20, raw(extra=extra, body=body))
    assert (info.message, info.tree, info.parents) == (text, TREE, ())


@pytest.mark.parametrize(
    ("line", "name", "email", "seconds"),
    [
        (b"Ann <a@x> 5 +0100", "Ann", "a@x", 5),
        (b"<a@x> 5 +0100", "", "a@x", 5),
        (b"Ann <> 5 +0000", "Ann", "", 5),
        (b"Ann <a@x>", "Ann", "a@x", 0),
        (b"Ann", "Ann", "", 0),
        (b"Ann <a@x> 5 +9999", "Ann", "a@x", 5),
        (b"Ann <a@x> -5 +0000", "Ann", "a@x", 0),
        (b"Ann <a@x> 99999999999999999999 -0700", "Ann", "a@x", None),
        (b"", "", "", 0),
    ],
)
def test_odd_people_and_dates_are_read(line: bytes, name: str, email: str, seconds: int | None) -> None:
    author = parse_commit("00" * 20, raw(author=line)).author
    assert (author.name, author.email) == (name, email)
    assert author.time.timestamp() == seconds if seconds is not None else author.time.year == 9999


def test_a_commit_in_latin_1_made_by_git(bare: Repository, git: Git) -> None:
    tree = bare.write_tree(None, {})
    oid = git("-c", "i18n.commitEncoding=ISO-8859-1", "commit-tree", tree, at=bare.git_dir, stdin=b"caf\xe9\n")
    assert bare.commit_info(oid).message == "café\n"


@pytest.mark.parametrize("oid", ["HEAD", "", "ab", "1" * 50, "main\nparent x"])
def test_only_whole_object_ids_stand_in_a_commit(bare: Repository, ann: Signature, oid: str) -> None:
    tree = bare.write_tree(None, {})
    for wrong in ((oid, []), (tree, [oid])):
        with pytest.raises(BadInput, match="not an object id"):
            bare.commit(wrong[0], wrong[1], author=ann, committer=ann, message="m")


def test_what_is_not_a_commit_is_refused(bare: Repository) -> None:
    with pytest.raises(NotFound, match="is a blob, not a commit"):
        bare.commit_info(bare.write_blob(b"x"))
    with pytest.raises(BadRepository, match="is missing"):
        bare.commit_info("1" * (40 if bare.object_format == "sha1" else 64))
    with pytest.raises(BadRepository, match="damaged"):
        parse_commit("00" * 20, b"nonsense")
