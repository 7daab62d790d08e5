"""Trees: the encoder agrees with git, only folders on the way are written, and no dangerous path gets in."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagedoor.errors import BadInput, BadRepository
from stagedoor.gitstore import Entry, FileChange, Oid, Repository
from stagedoor.gitstore.trees import encode_tree, parse_tree

Commit = Callable[..., Oid]
Git = Callable[..., str]

# Names around the place where a folder's hidden slash changes the order: a- a. a/ a0
PART = st.sampled_from(
    ["a", "a-", "a.b", "a0", "ab", "A", "b", "é", "a 100644 b", "tab\t", "new\nline", '"q"', "\udcff"]
)
PATH = st.lists(PART, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(PATH, st.sampled_from([b"1", b"2", b""]), min_size=1, max_size=12)


def without_clashes(files: dict[str, bytes]) -> dict[str, bytes]:
    """No path that is at once a file and a folder."""
    folders = {path.rsplit("/", n)[0] for path in files for n in range(1, path.count("/") + 1)}
    return {path: data for path, data in files.items() if path not in folders}


def git_tree(folder: Path, files: dict[str, bytes], repo: Repository) -> str:
    """The same tree made by git, through an index of its own."""
    lines = [
        b"100644 %s\t%s" % (repo.write_blob(data).encode(), path.encode("utf-8", "surrogateescape"))
        for path, data in files.items()
    ]
    index = folder / "oracle.index"
    index.unlink(missing_ok=True)
    env = {"GIT_INDEX_FILE": str(index), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    feed = b"\0".join(lines) + b"\0"
    subprocess.run(["git", "update-index", "-z", "--index-info"], cwd=folder, env=env, input=feed, check=True)
    done = subprocess.run(["git", "write-tree"], cwd=folder, env=env, capture_output=True, check=True)
    return done.stdout.decode().strip()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=FILES, second=FILES)
def test_a_rewritten_tree_is_the_tree_git_makes(
    bare: Repository, first: dict[str, bytes], second: dict[str, bytes]
) -> None:
    before, after = without_clashes(first), without_clashes(second)
    base = bare.write_tree(None, before)
    gone: dict[str, bytes | Entry | None] = {path: None for path in before if path not in after}
    now = bare.write_tree(base, {**gone, **after})
    assert base == git_tree(bare.git_dir, before, bare)
    assert now == git_tree(bare.git_dir, after, bare)
    assert {path: bare.blob(entry.oid) for path, entry in bare.files(now).items()} == after
    told = {change.path: change.after and bare.blob(change.after.oid) for change in bare.changes(base, now)}
    assert told == {p: after.get(p) for p in before.keys() | after.keys() if before.get(p) != after.get(p)}


@given(st.dictionaries(st.binary(min_size=1, max_size=9).filter(lambda b: not {0, 47} & set(b)), st.booleans()))
def test_parsing_gives_back_what_was_encoded(names: dict[bytes, bool]) -> None:
    folder = {name: Entry(0o040000 if is_folder else 0o100644, Oid("ab" * 20)) for name, is_folder in names.items()}
    assert parse_tree(encode_tree(folder), 20) == folder


def test_a_name_that_looks_like_an_entry_fools_nobody(bare: Repository) -> None:
    tree = bare.write_tree(None, {"a 100644 name": b"decoy", "b": b"real"})
    assert sorted(bare.files(tree)) == ["a 100644 name", "b"]
    assert bare.entry(tree, "name") is None


def test_paths_need_not_be_utf8(bare: Repository, git: Git) -> None:
    tree = bare.write_tree(None, {"caf\udce9": b"latin-1", "new\nline": b"", 'quo"te': b"", "tab\t": b""})
    assert list(bare.files(tree)) == ["caf\udce9", "new\nline", 'quo"te', "tab\t"]
    assert git("ls-tree", "-z", "--name-only", tree, at=bare.git_dir).split("\0")[0] == "caf\udce9"


NOT_A_PATH = ("", "/a", "a/", "a//b", ".", "a/./b", "../a", "a/..", "a\\b", "a\0b", "\ud800")
TOO_LONG = ("x" * 256, "é" * 128, "/".join(["abcdefgh"] * 500), "/".join(["d"] * 101))
GIT_ITSELF = (".git", ".git/config", "x/.GIT/y", ".git.", ".git ", ".git . .", ".git:x", ".git::$INDEX_ALLOCATION")
GIT_ELSEWHERE = ("git~1", "GIT~1/x", ".g\u200cit", "\ufeff.git", ".gi\u200dT")


@pytest.mark.parametrize("path", [*NOT_A_PATH, *TOO_LONG, *GIT_ITSELF, *GIT_ELSEWHERE])
def test_a_dangerous_path_is_refused(bare: Repository, path: str) -> None:
    with pytest.raises(BadInput):
        bare.write_tree(None, {path: b"x"})


@pytest.mark.parametrize(
    "path", [".gitignore", ".github/CODEOWNERS", "git", "a.git", ".gitx", "...", "git~2", "-rf", "a b "]
)
def test_a_harmless_path_is_not(bare: Repository, path: str) -> None:
    assert list(bare.files(bare.write_tree(None, {path: b"x"}))) == [path]


def test_modes_of_existing_files_are_kept(bare: Repository) -> None:
    run = bare.write_blob(b"#!/bin/sh\n")
    base = bare.write_tree(None, {"run": Entry(0o100755, run), "link": Entry(0o120000, run), "plain": b""})
    now = bare.files(bare.write_tree(base, {"run": b"new", "link": b"no longer a link", "plain": b"new"}))
    assert {path: entry.mode for path, entry in now.items()} == {"link": 0o100644, "plain": 0o100644, "run": 0o100755}


def test_folders_left_empty_vanish(bare: Repository) -> None:
    base = bare.write_tree(None, {"a/b/c/d": b"1", "keep": b"2"})
    assert bare.write_tree(base, {"a/b/c/d": None}) == bare.write_tree(None, {"keep": b"2"})
    empty = bare.write_tree(base, {"a/b/c/d": None, "keep": None})
    assert bare.files(empty) == {}
    assert bare.files(bare.write_tree(empty, {"new": b""})).keys() == {"new"}


def test_deleting_what_is_not_there_changes_nothing(bare: Repository) -> None:
    base = bare.write_tree(None, {"a/b": b"1"})
    assert bare.write_tree(base, {"a/x": None, "y/z": None, "a/b/c": None}) == base


def test_a_file_may_become_a_folder_and_back(bare: Repository) -> None:
    as_file = bare.write_tree(None, {"x": b"file", "y": b""})
    as_folder = bare.write_tree(as_file, {"x": None, "x/in": b"folder"})
    assert sorted(bare.files(as_folder)) == ["x/in", "y"]
    assert bare.write_tree(as_folder, {"x/in": None, "x": b"file"}) == as_file
    assert [c.path for c in bare.changes(as_file, as_folder)] == ["x", "x/in"]


@pytest.mark.parametrize(
    "changes", [{"folder": b"x"}, {"folder": None}, {"file/in": b"x"}, {"new": b"x", "new/in": b"y"}, {"link/in": b"x"}]
)
def test_a_path_that_is_file_and_folder_is_refused(bare: Repository, changes: dict[str, bytes | Entry | None]) -> None:
    target = Entry(0o120000, bare.write_blob(b"/etc"))
    base = bare.write_tree(None, {"folder/a": b"1", "file": b"2", "link": target})
    with pytest.raises(BadInput):
        bare.write_tree(base, changes)


def test_only_a_file_a_link_or_a_submodule_can_be_put(bare: Repository) -> None:
    with pytest.raises(BadInput, match="40000 is not a mode"):
        bare.write_tree(None, {"a": Entry(0o040000, bare.write_tree(None, {}))})


def test_links_and_submodules_are_entries(bare: Repository, commit: Commit) -> None:
    link, module = Entry(0o120000, bare.write_blob(b"target")), Entry(0o160000, commit(bare, {"a": "1"}, publish=False))
    tip = commit(bare, {"link": link, "lib/module": module, "file": "x"})
    files = bare.files(tip)
    assert files["link"].is_symlink and files["lib/module"].is_submodule and files["file"].is_file
    assert bare.entry(tip, "lib") is not None and bare.entry(tip, "lib/module/deep") is None


def test_reading_below_a_folder(bare: Repository, commit: Commit) -> None:
    tip = commit(bare, {"a/b": "1", "a/c/d": "2", "ab": "3"})
    assert list(bare.files(tip, "a")) == ["a/b", "a/c/d"]
    assert list(bare.files(tip, "ab")) == ["ab"]
    assert bare.files(tip, "nothing") == bare.files(tip, "ab/c") == {}
    top = bare.entry(tip, "")
    assert top is not None and top.is_folder


def test_changes_say_what_was_and_what_is(bare: Repository, commit: Commit) -> None:
    one = commit(bare, {"a/x": "1", "a/y": "1", "b": "1"})
    two = commit(bare, {"a/x": "2", "a/y": None, "a/z": "1"})
    was, now = bare.files(one), bare.files(two)
    expected = [
        FileChange("a/x", was["a/x"], now["a/x"]),
        FileChange("a/y", was["a/y"], None),
        FileChange("a/z", None, now["a/z"]),
    ]
    assert bare.changes(one, two) == bare.changes(one, two, "a") == expected
    assert bare.changes(one, two, "a/x") == expected[:1]
    assert bare.changes(one, two, "b") == bare.changes(one, one) == bare.changes(one, two, "none") == []
    assert [c.path for c in bare.changes(None, one)] == ["a/x", "a/y", "b"]


def test_very_deep_folders_can_be_read_but_not_written(make: Callable[..., Repository]) -> None:
    repo = make()
    odb = pygit2.Odb(str(repo.git_dir / "objects"))
    tree: object = repo.write_tree(None, {"f": b"x"})
    for _ in range(1500):
        tree = odb.write(pygit2.enums.ObjectType.TREE, encode_tree({b"d": Entry(0o040000, str(tree))}))
    deep = "d/" * 1500 + "f"
    assert list(repo.files(str(tree))) == [deep]
    assert [change.path for change in repo.changes(None, str(tree))] == [deep]
    with pytest.raises(BadInput, match="too long"):
        repo.write_tree(None, {"d/" * 1500 + "f": b"x"})


def test_a_blob_is_not_a_folder(bare: Repository) -> None:
    with pytest.raises(BadRepository, match="not a commit or a folder"):
        bare.files(bare.write_blob(b"x"))
