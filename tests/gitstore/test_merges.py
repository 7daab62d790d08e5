"""Merges: the same tree as git's, a conflict where git sees one, and never a guess about renames."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagedoor.gitstore import ConflictedFile, Entry, MergeConflict, Merged, Oid, Repository

Commit = Callable[..., Oid]
Git = Callable[..., str]
Changes = dict[str, bytes | Entry | None]

LINES = [f"line {n}" for n in range(10)]
BASE: dict[str, str] = {path: "\n".join(LINES) + "\n" for path in ("a", "b", "d/c", "d/e")}

EDIT = st.tuples(st.just("edit"), st.sampled_from(sorted(BASE)), st.integers(0, 9), st.sampled_from(["X", "Y"]))
APPEND = st.tuples(st.just("append"), st.sampled_from(sorted(BASE)), st.just(0), st.sampled_from(["X", "Y"]))
PUT = st.tuples(
    st.just("put"), st.sampled_from(["new", "d/new", "n/new", "n"]), st.just(0), st.sampled_from(["X", "Y"])
)
OTHER = st.tuples(
    st.sampled_from(["delete", "chmod", "link", "folder"]), st.sampled_from(sorted(BASE)), st.just(0), st.just("")
)
SIDE = st.lists(st.one_of(EDIT, EDIT, APPEND, PUT, OTHER), max_size=4)


def side(repo: Repository, steps: list[tuple[str, str, int, str]]) -> Changes:
    """The last step on a path counts, and no path is at once a file and a folder."""
    changes: Changes = {}
    for verb, path, line, text in steps:
        lines = [*LINES]
        if verb == "edit":
            lines[line] = text
        elif verb == "append":
            lines.append(text)
        body = ("\n".join(lines) + "\n").encode()
        if verb == "folder":
            changes |= {path: None, f"{path}/in": b"deep"}
        else:
            changes.pop(f"{path}/in", None)
            modes = {"chmod": 0o100755, "link": 0o120000}
            as_entry = Entry(modes[verb], repo.write_blob(body)) if verb in modes else None
            changes[path] = None if verb == "delete" else text.encode() if verb == "put" else as_entry or body
    if "n" in changes:
        changes.pop("n/new", None)
    return changes


def git_merge(repo: Repository, ours: Oid, theirs: Oid) -> tuple[str, bool]:
    command = ["git", "merge-tree", "--write-tree", "--no-messages", "--name-only", ours, theirs]
    done = subprocess.run(command, cwd=repo.git_dir, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.split()[0], done.returncode == 0


@pytest.fixture
def one_repo(make: Callable[..., Repository]) -> Repository:
    return make()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=SIDE, right=SIDE)
def test_a_merge_is_what_git_makes_of_it(
    one_repo: Repository,
    commit: Commit,
    left: list[tuple[str, str, int, str]],
    right: list[tuple[str, str, int, str]],
) -> None:
    repo = one_repo
    base = commit(repo, BASE, onto=repo.write_tree(None, {}), parents=[], publish=False)
    ours, theirs = (commit(repo, side(repo, s), onto=base, publish=False) for s in (left, right))
    tree, clean = git_merge(repo, ours, theirs)
    merged = repo.merge(ours, theirs)
    assert isinstance(merged, Merged) == clean
    assert not clean or merged.tree == tree


def test_edits_of_different_files_go_together(bare: Repository, commit: Commit, git: Git) -> None:
    base = commit(bare, BASE)
    ours = commit(bare, {"a": "ours\n"}, onto=base, publish=False)
    theirs = commit(bare, {"d/c": "theirs\n", "b": None}, onto=base, publish=False)
    merged = bare.merge(ours, theirs)
    assert isinstance(merged, Merged)
    files = bare.files(merged.tree)
    assert sorted(files) == ["a", "d/c", "d/e"]
    assert bare.blob(files["d/c"].oid) == b"theirs\n"
    assert merged.tree == git_merge(bare, ours, theirs)[0]


def test_edits_of_different_lines_go_together(bare: Repository, commit: Commit) -> None:
    base = commit(bare, BASE)
    ours = commit(bare, {"a": BASE["a"].replace("line 1", "one")}, onto=base, publish=False)
    theirs = commit(bare, {"a": BASE["a"].replace("line 8", "eight")}, onto=base, publish=False)
    merged = bare.merge(ours, theirs)
    assert isinstance(merged, Merged)
    entry = bare.entry(merged.tree, "a")
    assert entry and bare.blob(entry.oid).decode() == BASE["a"].replace("line 1", "one").replace("line 8", "eight")


def test_a_conflict_names_the_file_and_its_three_sides(bare: Repository, commit: Commit) -> None:
    base = commit(bare, BASE)
    ours = commit(bare, {"a": "ours\n", "b": None}, onto=base, publish=False)
    theirs = commit(bare, {"a": "theirs\n", "b": "edited\n"}, onto=base, publish=False)
    conflict = bare.merge(ours, theirs)
    assert isinstance(conflict, MergeConflict)
    assert conflict.paths == (
        ConflictedFile("a", *(bare.entry(commit_, "a") for commit_ in (base, ours, theirs))),
        ConflictedFile("b", bare.entry(base, "b"), None, bare.entry(theirs, "b")),
    )
    marked = bare.entry(conflict.tree, "a")
    assert marked and b"<<<<<<<" in bare.blob(marked.oid)


@pytest.mark.parametrize("kind", ["chmod", "link"])
def test_a_file_made_a_link_or_executable_against_an_edit(bare: Repository, commit: Commit, kind: str) -> None:
    base = commit(bare, BASE)
    blob = bare.write_blob(BASE["a"].encode())
    ours = commit(bare, {"a": Entry(0o100755 if kind == "chmod" else 0o120000, blob)}, onto=base, publish=False)
    theirs = commit(bare, {"a": "theirs\n"}, onto=base, publish=False)
    merged = bare.merge(ours, theirs)
    tree, clean = git_merge(bare, ours, theirs)
    assert isinstance(merged, Merged) == clean == (kind == "chmod")
    assert not clean or merged.tree == tree


def test_one_sides_file_and_the_others_folder_conflict(bare: Repository, commit: Commit) -> None:
    base = commit(bare, BASE)
    ours = commit(bare, {"x": "file"}, onto=base, publish=False)
    theirs = commit(bare, {"x/in": "folder"}, onto=base, publish=False)
    for one, other in ((ours, theirs), (theirs, ours)):
        assert isinstance(bare.merge(one, other), MergeConflict)


def test_equal_changes_and_fast_forwards_are_clean(bare: Repository, commit: Commit) -> None:
    base = commit(bare, BASE)
    ours = commit(bare, {"a": "same\n"}, onto=base, publish=False)
    twin = commit(bare, {"a": "same\n"}, onto=base, message="twin", publish=False)
    tree = bare.commit_info(ours).tree
    assert bare.merge(ours, twin) == bare.merge(base, ours) == bare.merge(ours, base) == Merged(tree)


def test_an_edit_never_follows_a_guessed_rename(bare: Repository, commit: Commit) -> None:
    base = commit(bare, BASE)
    ours = commit(bare, {"a": None, "z": BASE["a"]}, onto=base, publish=False)
    theirs = commit(bare, {"a": BASE["a"] + "more\n"}, onto=base, publish=False)
    conflict = bare.merge(ours, theirs)
    assert isinstance(conflict, MergeConflict)
    assert [file.path for file in conflict.paths] == ["a"]


def test_a_base_may_be_given_and_may_be_a_tree(bare: Repository, commit: Commit) -> None:
    tree = bare.write_tree(None, {path: body.encode() for path, body in BASE.items()})
    ours = commit(bare, BASE | {"a": BASE["a"] + "ours\n"}, parents=[], publish=False)
    theirs = commit(bare, BASE | {"a": "theirs\n" + BASE["a"]}, onto=tree, parents=[], publish=False)
    assert isinstance(bare.merge(ours, theirs), MergeConflict)  # no common past: both added the file
    merged = bare.merge(ours, theirs, base=tree)
    assert isinstance(merged, Merged)
    entry = bare.entry(merged.tree, "a")
    assert entry and bare.blob(entry.oid).decode() == "theirs\n" + BASE["a"] + "ours\n"


def test_crossed_histories_are_merged_as_git_does(bare: Repository, commit: Commit) -> None:
    base = commit(bare, BASE)
    one = commit(bare, {"a": BASE["a"].replace("line 1", "one")}, onto=base, publish=False)
    two = commit(bare, {"a": BASE["a"].replace("line 8", "eight")}, onto=base, publish=False)
    both = bare.merge(one, two).tree
    left = commit(bare, {"b": "left\n"}, onto=both, parents=[one, two], publish=False)
    right = commit(bare, {"a": "right\n"}, onto=both, parents=[two, one], publish=False)
    assert bare.merge(left, right).tree == git_merge(bare, left, right)[0]


def test_a_checkouts_attributes_do_not_change_the_result(make: Callable[..., Repository], commit: Commit) -> None:
    repo = make(bare=False)
    base = commit(repo, BASE | {".gitattributes": "* merge=union\n"})
    ours = commit(repo, {"a": BASE["a"] + "ours\n"}, onto=base, publish=False)
    theirs = commit(repo, {"a": BASE["a"] + "theirs\n"}, onto=base, publish=False)
    assert isinstance(repo.merge(ours, theirs), MergeConflict)


def test_awkward_file_names_in_conflict(bare: Repository, commit: Commit) -> None:
    name = "tab\t new\nline \udce9"
    base = commit(bare, {name: "1"})
    ours, theirs = (commit(bare, {name: text}, onto=base, publish=False) for text in "23")
    conflict = bare.merge(ours, theirs)
    assert isinstance(conflict, MergeConflict)
    assert [file.path for file in conflict.paths] == [name]
