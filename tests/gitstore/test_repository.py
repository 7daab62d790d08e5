"""Opening: where the repository is, which branch and folder hold the registry, who is here, what a revision means."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stagedoor.errors import AlreadyExists, BadInput, BadRepository, NotFound
from stagedoor.gitstore import Oid, RefUpdate, Repository, process

Commit = Callable[..., Oid]
Git = Callable[..., str]

SPEC = "registry_spec/registry.yaml"


def test_what_init_makes(make: Callable[..., Repository], tmp_path: Path, git: Git) -> None:
    repo = make("made", bare=False, branch="trunk", object_format="sha256")
    assert (repo.git_dir, repo.common_dir) == (tmp_path / "made/.git", tmp_path / "made/.git")
    assert (repo.work_tree, repo.is_bare, repo.object_format) == (tmp_path / "made", False, "sha256")
    assert (repo.branch, repo.ref, repo.root) == ("trunk", "refs/heads/trunk", "")
    assert git("symbolic-ref", "HEAD", at=tmp_path / "made") == "refs/heads/trunk"
    bare = make("bare.git")
    assert (bare.git_dir, bare.work_tree, bare.is_bare, bare.object_format) == (
        tmp_path / "bare.git",
        None,
        True,
        "sha1",
    )


def test_init_never_touches_an_existing_repository(repo: Repository, tmp_path: Path) -> None:
    with pytest.raises(AlreadyExists):
        Repository.init(tmp_path / "repo", bare=True)
    with pytest.raises(BadInput):
        Repository.init(tmp_path / "other", bare=True, branch="--template=x")


def test_a_repository_is_found_from_any_folder_in_it(make: Callable[..., Repository], commit: Commit) -> None:
    repo = make(bare=False)
    commit(repo, {SPEC: "x", "deep/er/f": "x"})
    assert repo.work_tree is not None
    for folder in ("", "deep/er", "registry_spec", ".git", ".git/objects"):
        with Repository.open(repo.work_tree / folder) as found:
            assert (found.git_dir, found.work_tree, found.root) == (repo.git_dir, repo.work_tree, "")
    with Repository.open(make("bare.git").git_dir / "refs") as found:
        assert found.is_bare and found.work_tree is None


def test_no_repository_says_how_to_get_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadRepository) as refused:
            Repository.open(folder)
        assert refused.value.fix


def test_a_repository_of_another_user_names_the_cure(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr(process, "_KEPT", re.compile(r"GIT_(TEST_|CONFIG_)"))
    with pytest.raises(BadRepository, match="belongs to another user") as refused:
        Repository.open(repo.work_tree or repo.git_dir)
    assert refused.value.fix is not None and "safe.directory" in refused.value.fix


@pytest.mark.parametrize("version", [(2, 37), (1, 99)])
def test_an_old_git_is_refused(repo: Repository, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]) -> None:
    monkeypatch.setattr(process, "git_version", lambda: version)
    with pytest.raises(BadRepository, match="too old"):
        Repository.open(repo.git_dir)


def test_no_git_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BadRepository, match="git is not installed"):
        process.git_version.__wrapped__()


# The branch


def test_the_branch_is_main_then_master_then_head(make: Callable[..., Repository], commit: Commit, git: Git) -> None:
    repo = make(branch="trunk")
    oid = commit(repo, {"a": "1"})

    def chosen(**given: str) -> str:
        with Repository.open(repo.git_dir, **given) as opened:
            return opened.branch

    assert chosen() == "trunk"
    repo.publish([RefUpdate("refs/heads/master", None, oid)], "x")
    assert chosen() == "master"
    repo.publish([RefUpdate("refs/heads/main", None, oid)], "x")
    assert chosen() == "main"
    git("config", "stagedoor.branch", "release/1", at=repo.git_dir)
    assert chosen() == "release/1"
    assert chosen(branch="trunk") == "trunk"


def test_a_detached_head_without_main_means_main(make: Callable[..., Repository], commit: Commit, git: Git) -> None:
    repo = make(branch="x", bare=False)
    git("update-ref", "--no-deref", "HEAD", commit(repo, {"a": "1"}), at=repo.git_dir)
    with Repository.open(repo.git_dir) as opened:
        assert opened.branch == "main" and opened.tip() is None


@pytest.mark.parametrize("branch", ["--output=x", "-", "a..b", "a b", "x.lock", "a\0"])
def test_a_dangerous_branch_is_refused(repo: Repository, branch: str) -> None:
    with pytest.raises(BadInput):
        Repository.open(repo.git_dir, branch=branch)


# The folder of the registry


@pytest.fixture
def mono(make: Callable[..., Repository], commit: Commit) -> Repository:
    repo = make("mono", bare=False)
    commit(repo, {f"ml/energy/{SPEC}": "x", f"ml/trade/{SPEC}": "x", "src/deep/a.py": "x", "registry_spec.txt": "x"})
    return repo


def test_in_a_monorepo_the_nearest_registry_upward_is_meant(mono: Repository) -> None:
    assert mono.work_tree is not None
    for folder, root in {"ml/energy": "ml/energy", "ml/trade/registry_spec": "ml/trade"}.items():
        with Repository.open(mono.work_tree / folder) as opened:
            assert opened.root == root


def test_several_registries_are_listed(mono: Repository, git: Git) -> None:
    assert mono.work_tree is not None
    for folder in (mono.work_tree, mono.work_tree / "src/deep", mono.git_dir):
        with pytest.raises(BadRepository, match="ml/energy, ml/trade") as refused:
            Repository.open(folder)
        assert refused.value.fix is not None and "--registry ml/energy" in refused.value.fix
    with Repository.open(mono.work_tree, registry="./ml/trade/") as chosen:
        assert chosen.root == "ml/trade"
    git("config", "stagedoor.root", "ml/energy", at=mono.work_tree)
    with Repository.open(mono.work_tree / "ml/trade") as configured:
        assert configured.root == "ml/energy"


def test_the_only_registry_of_a_bare_repository_is_found(bare: Repository, commit: Commit) -> None:
    commit(bare, {"a/b/registry_spec/registry.yaml": "x", "a/c/registry_spec": "a file", "z/registry_spec/other": "x"})
    with Repository.open(bare.git_dir) as opened:
        assert opened.root == "a/b"


def test_a_registry_at_the_top_wins_over_deeper_ones(bare: Repository, commit: Commit) -> None:
    commit(bare, {SPEC: "x", f"examples/one/{SPEC}": "x", f"examples/two/{SPEC}": "x"})
    with Repository.open(bare.git_dir) as opened:
        assert opened.root == ""


def test_a_registry_that_is_only_in_the_work_tree_counts(make: Callable[..., Repository]) -> None:
    repo = make(bare=False)
    assert repo.work_tree is not None
    (repo.work_tree / "new/registry_spec").mkdir(parents=True)
    with Repository.open(repo.work_tree / "new") as opened:
        assert opened.root == "new"
    with Repository.open(repo.work_tree) as opened:
        assert opened.root == ""


@pytest.mark.parametrize("root", ["/etc", "../x", "a/../../b", "a\0"])
def test_a_registry_outside_is_refused(repo: Repository, root: str) -> None:
    with pytest.raises(BadInput):
        Repository.open(repo.git_dir, registry=root)


# Settings and identity


def test_settings_are_read_as_git_reads_them(repo: Repository, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    git("config", "stagedoor.mode", "one", at=repo.git_dir)
    git("config", "--add", "stagedoor.mode", "two\nlines", at=repo.git_dir)
    git("config", "remote.My.Fork.url", "x", at=repo.git_dir)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "stagedoor.fromEnv")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "yes")
    with Repository.open(repo.git_dir) as opened:
        assert opened.config("stagedoor.mode") == opened.config("Stagedoor.Mode") == "two\nlines"
        assert opened.config("remote.My.Fork.URL") == "x" and opened.config("remote.my.fork.url") is None
        assert opened.config("stagedoor.fromenv") == "yes" and opened.config("stagedoor.none") is None


def test_who_is_here(repo: Repository, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    assert repo.identity() == ("Ann", "ann@example.com")
    monkeypatch.delenv("GIT_AUTHOR_NAME")
    monkeypatch.delenv("GIT_AUTHOR_EMAIL")
    with Repository.open(repo.git_dir) as opened:
        assert opened.identity() is None  # git would guess one
    git("config", "user.name", "Bob", at=repo.git_dir)
    git("config", "user.email", "bob@example.com", at=repo.git_dir)
    with Repository.open(repo.git_dir) as opened:
        assert opened.identity() == ("Bob", "bob@example.com")


def test_the_state_folder_is_for_this_user_only(repo: Repository) -> None:
    state = repo.state_dir()
    assert state == repo.common_dir / "stagedoor" == repo.state_dir()
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


# Revisions


def test_revisions_people_write(repo: Repository, commit: Commit, git: Git) -> None:
    first, second = commit(repo, {"a": "1"}), commit(repo, {"a": "2"})
    git("tag", "-a", "-m", "v1", "v1", first, at=repo.git_dir)
    for rev in ("v1", "refs/tags/v1", "main~1", "HEAD^", first, first[:9], "v1^{commit}", "main@{0}~1"):
        if "@" not in rev or not repo.is_bare:
            assert repo.resolve(rev) == first
    assert repo.resolve("main") == repo.resolve("HEAD") == second


def test_a_tag_cannot_borrow_the_branchs_name(repo: Repository, commit: Commit, git: Git) -> None:
    first, second = commit(repo, {"a": "1"}), commit(repo, {"a": "2"})
    git("tag", "main", first, at=repo.git_dir)
    assert repo.resolve("main") == second
    assert repo.resolve("main~1") == repo.resolve("main^") == first


NO_REVISION = (
    "",
    "nope",
    "-h",
    "--output=x",
    "--all",
    "main:a",
    "main..main",
    ":/change",
    ":a",
    "a\0b",
    "a\nb",
    "\ud800",
    "main^{tree}",
)


@pytest.mark.parametrize("rev", [*NO_REVISION, "0" * 40, "f" * 40, "f" * 64])
def test_what_is_no_revision_is_not_found(repo: Repository, commit: Commit, tmp_path: Path, rev: str) -> None:
    commit(repo, {"a": "1"})
    with pytest.raises(NotFound) as missing:
        repo.resolve(rev)
    assert repr(rev) in missing.value.what
    assert not list(tmp_path.rglob("x"))


def test_a_blobs_id_is_no_revision(repo: Repository) -> None:
    with pytest.raises(NotFound):
        repo.resolve(repo.write_blob(b"x"))


# Inside a hook


def test_a_hooks_environment_does_not_mislead(
    make: Callable[..., Repository], commit: Commit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = make("elsewhere", bare=False)
    for key in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"):
        monkeypatch.setenv(key, str(elsewhere.git_dir))
    monkeypatch.setenv("GIT_NAMESPACE", "other")
    monkeypatch.setenv("GIT_ICASE_PATHSPECS", "1")
    repo = make("mine", bare=False)
    tip = commit(repo, {"a": "1"})
    assert repo.git_dir == tmp_path / "mine/.git" and repo.tip() == tip
    assert [info.oid for info in repo.first_parents(None, tip, paths=["A"])] == []
    assert elsewhere.tip() is None and (tmp_path / "mine/a").read_text() == "1"


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_pre_receive_hook_can_look_at_what_is_pushed(
    make: Callable[..., Repository], commit: Commit, git: Git, object_format: str
) -> None:
    server, client = (make(name, object_format=object_format) for name in ("server", "client"))
    hook = server.git_dir / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!{sys.executable}\n"
        "import sys, pathlib\n"
        f"sys.path[:0] = {[p for p in sys.path if p]!r}\n"
        "from stagedoor.gitstore import Repository\n"
        "new = sys.stdin.readline().split()[1]\n"
        "with Repository.open(pathlib.Path('.')) as repo:\n"
        "    entry = repo.entry(new, 'verdict')\n"
        "    sys.exit(0 if entry and repo.blob(entry.oid) == b'good' and repo.resolve(new) == new else 1)\n"
    )
    hook.chmod(0o755)
    commit(client, {"verdict": "bad"})
    git("push", "-q", str(server.git_dir), "main", at=client.git_dir, check=False)
    assert server.tip() is None
    tip = commit(client, {"verdict": "good"})
    git("push", "-q", str(server.git_dir), "main", at=client.git_dir)
    assert server.tip() == tip


def test_the_callers_environment_is_not_changed(repo: Repository, commit: Commit) -> None:
    before = dict(os.environ)
    commit(repo, {"a": "1"})
    assert dict(os.environ) == before
