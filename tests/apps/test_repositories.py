"""Every sort of repository that a registry may live in, and what may lie around in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.apps.conftest import ANN, BOB, CAROL, CODEOWNERS, Home, Sd, make_home, plain_git

FRAUD = "registry_spec/models/fraud.yaml"


def live(sd: Sd, at: Path | None = None) -> None:
    """The main story, in whatever repository this is."""
    sd("register", "fraud", "--source", "s3://x", as_=ANN, dir=at).ok()
    sd("register", "fraud", "--source", "s3://y", as_=ANN, dir=at).ok()
    sd("request", "fraud/2", "Staging", as_=ANN, dir=at).ok()
    sd("approve", 1, as_=BOB, dir=at).ok()
    sd("merge", 1, as_=BOB, dir=at).ok()
    sd("transition", "fraud/1", "Archived", as_=BOB, dir=at).ok()
    sd("models", dir=at).ok("fraud")
    assert sd("show", "fraud#Staging", "--json", dir=at).json["version"]["version"] == 2
    assert len(sd("history", "fraud", "--json", dir=at).json) == 2
    assert [event["kind"] for event in sd("activity", "fraud", "--json", dir=at).json][:2] == [
        "model_version.transitioned",
        "model_version.transitioned",
    ]
    sd("reconcile", as_=CAROL, dir=at).ok()
    sd("validate", dir=at).ok("0 errors")


# --- kinds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_checkout_follows_each_verb(sd: Sd, tmp_path: Path, object_format: str) -> None:
    home = make_home(sd, tmp_path / "registry", "--object-format", object_format)
    live(sd, home.path)
    assert home.git("status", "--porcelain") == ""
    assert "stage: Archived" in home.text(FRAUD)
    assert home.git("fsck", "--strict", check=True) == ""


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_bare_repository_needs_no_checkout(sd: Sd, tmp_path: Path, object_format: str) -> None:
    bare = tmp_path / "registry.git"
    sd("init", bare, "--owner", CAROL, "--bare", "--object-format", object_format).ok()
    plain_git(tmp_path, "clone", "-q", str(bare), "work")
    work = Home(tmp_path / "work", sd)
    work.git("config", "user.name", "Carol")
    work.git("config", "user.email", CAROL)
    work.commit({".github/CODEOWNERS": CODEOWNERS}, "owners: stage lines")
    work.git("push", "-q")
    live(sd, bare)
    work.git("pull", "-q")
    assert "stage: Archived" in work.text(FRAUD)


def test_files_of_a_bare_repository_cannot_be_checked(sd: Sd, tmp_path: Path) -> None:
    sd("init", tmp_path / "r.git", "--owner", CAROL, "--bare").ok()
    sd("validate", "x.yaml", dir=tmp_path / "r.git").refused(10, "a bare repository has no files", "--head REV")
    sd("fmt", dir=tmp_path / "r.git").refused(10, "a bare repository has no files")


def test_a_linked_worktree_is_a_door_to_the_same_registry(registry: Home, sd: Sd, tmp_path: Path) -> None:
    registry.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    live(sd, tmp_path / "side")
    assert registry.git("status", "--porcelain") == ""
    assert plain_git(tmp_path / "side", "status", "--porcelain") == ""
    assert "stage: Archived" in registry.text(FRAUD)
    assert not (tmp_path / "side" / FRAUD).exists()


def test_main_in_a_linked_worktree_follows_along(registry: Home, sd: Sd, tmp_path: Path) -> None:
    registry.git("switch", "-q", "-c", "side")
    registry.git("worktree", "add", "-q", str(tmp_path / "main"), "main")
    live(sd)
    assert plain_git(tmp_path / "main", "status", "--porcelain") == ""
    assert (tmp_path / "main" / FRAUD).exists() and not (registry.path / FRAUD).exists()


def test_a_branch_called_master_is_found(sd: Sd, tmp_path: Path) -> None:
    plain_git(tmp_path, "init", "-q", "-b", "master", "old")
    home = Home(tmp_path / "old", sd)
    home.git("config", "user.name", "Carol")
    home.git("config", "user.email", CAROL)
    home.commit({"README.md": "# Old\n"}, "first")
    sd("init", dir=home.path).ok()
    home.commit({".github/CODEOWNERS": CODEOWNERS}, "owners")
    live(sd, home.path)
    assert home.git("branch", "--format=%(refname:short)") == "master"
    assert home.git("status", "--porcelain") == ""


def test_a_branch_of_any_name_is_named_by_an_option(registry: Home, sd: Sd) -> None:
    registry.git("branch", "-m", "main", "trunk")
    live(Sd(registry.path))
    sd("--branch", "trunk", "models").ok("fraud")
    sd("--branch", "nosuch", "models").refused(10, "there is no registry here")


def test_a_registry_in_a_folder_of_a_monorepo(sd: Sd, tmp_path: Path) -> None:
    plain_git(tmp_path, "init", "-q", "-b", "main", "mono")
    mono = Home(tmp_path / "mono", sd)
    mono.git("config", "user.name", "Carol")
    mono.git("config", "user.email", CAROL)
    mono.commit({"src/app.py": "print()\n", "CODEOWNERS": f"/src/ {ANN}\n", "teams/a/README.md": "# A\n"}, "first")
    sd("init", dir=mono.path / "teams/a").ok()
    assert mono.text("CODEOWNERS").startswith(f"/src/ {ANN}\n") and "/teams/a/registry_spec/" in mono.text("CODEOWNERS")
    mono.commit({"CODEOWNERS": CODEOWNERS.replace("/registry_spec/", "/teams/a/registry_spec/")}, "owners")
    live(sd, mono.path)
    assert (mono.path / "teams/a" / FRAUD).exists()
    assert mono.git("status", "--porcelain") == ""
    for folder in (mono.path / "teams/a", mono.path / "teams/a/registry_spec/models", mono.path / "src"):
        sd("models", dir=folder).ok("fraud")
    sd("--registry", "teams/a", "models", dir=mono.path).ok("fraud")
    sd("validate", FRAUD, dir=mono.path / "teams/a").ok("0 errors")
    sd("fmt", dir=mono.path).ok("canonical")


def test_two_registries_in_a_monorepo_have_to_be_told_apart(sd: Sd, tmp_path: Path) -> None:
    plain_git(tmp_path, "init", "-q", "-b", "main", "mono")
    mono = Home(tmp_path / "mono", sd)
    for team in ("a", "b"):
        (mono.path / "teams" / team).mkdir(parents=True)
        sd("init", "--owner", CAROL, dir=mono.path / "teams" / team).ok()
    mono.git("config", "--unset", "stagedoor.root", check=False)
    sd("register", "fraud", "--source", "s3://x", as_=CAROL, dir=mono.path / "teams/a").ok()
    sd("models", "--json", dir=mono.path / "teams/a").ok("fraud")
    assert sd("models", "--json", dir=mono.path / "teams/b").json["models"] == []
    sd("models", dir=mono.path).refused(10, "several registries: teams/a, teams/b", "--registry teams/a")


def test_the_second_registry_of_a_monorepo_can_be_used_where_it_stands(sd: Sd, tmp_path: Path) -> None:
    plain_git(tmp_path, "init", "-q", "-b", "main", "mono")
    mono = Home(tmp_path / "mono", sd)
    for team in ("a", "b"):
        (mono.path / "teams" / team).mkdir(parents=True)
        sd("init", "--owner", CAROL, dir=mono.path / "teams" / team).ok()
    sd("register", "fraud", "--source", "s3://x", as_=CAROL, dir=mono.path / "teams/a").ok()
    assert (mono.path / "teams/a" / FRAUD).exists()


# --- what else lies there -------------------------------------------------------------------------------------------


def test_other_files_of_the_repository_are_left_alone(registry: Home, sd: Sd) -> None:
    registry.commit(
        {"src/app.py": "print()\n", "data/x.bin": b"\x00\xff", "Ünïcode name.txt": "x\n"}, "the application"
    )
    before = registry.git("ls-tree", "-r", "main", "--", "src", "data", "Ünïcode name.txt")
    live(sd)
    assert registry.git("ls-tree", "-r", "main", "--", "src", "data", "Ünïcode name.txt") == before
    assert registry.git("status", "--porcelain") == ""


def test_a_change_of_other_files_is_no_activity(registry: Home, sd: Sd) -> None:
    count = len(sd("activity", "--json").json)
    registry.commit({"src/app.py": "print()\n"}, "the application")
    assert len(sd("activity", "--json").json) == count


def test_a_dirty_file_in_the_way_is_refused_and_untouched(registry: Home, sd: Sd) -> None:
    registry.register()
    (registry.path / FRAUD).write_text("mine\n")
    before = registry.refs()
    sd("tag", "fraud", "a=b").refused(10, "uncommitted changes in the way", "at: ", "commit or stash")
    assert registry.text(FRAUD) == "mine\n" and registry.refs() == before


def test_an_untracked_file_in_the_way_is_refused_and_untouched(registry: Home, sd: Sd) -> None:
    (registry.path / FRAUD).parent.mkdir(exist_ok=True)
    (registry.path / FRAUD).write_text("mine\n")
    before = registry.refs()
    sd("register", "fraud", "--source", "s3://x").refused(10, "an untracked file in the way")
    assert registry.text(FRAUD) == "mine\n" and registry.refs() == before


def test_a_merge_meets_a_dirty_file_and_can_be_done_again_after(registry: Home, sd: Sd) -> None:
    registry.register()
    sd("request", "fraud/1", "Staging", as_=ANN).ok()
    sd("approve", 1, as_=BOB).ok()
    (registry.path / FRAUD).write_text("mine\n")
    before = registry.refs()
    sd("merge", 1).refused(10)
    assert registry.refs() == before
    registry.git("checkout", "-q", "--", FRAUD)
    sd("merge", 1).ok()


def test_a_dirty_file_elsewhere_survives(registry: Home, sd: Sd) -> None:
    registry.commit({"notes.txt": "one\n", "staged.txt": "one\n"}, "notes")
    (registry.path / "notes.txt").write_text("two\n")
    (registry.path / "staged.txt").write_text("two\n")
    (registry.path / "untracked.txt").write_text("new\n")
    registry.git("add", "staged.txt")
    live(sd)
    assert sorted(registry.git("status", "--porcelain").split("\n")) == [
        " M notes.txt",
        "?? untracked.txt",
        "M  staged.txt",
    ]


def test_somebody_elses_index_lock_is_waited_for_or_named(registry: Home, sd: Sd) -> None:
    (registry.path / ".git/index.lock").write_text("")
    before = registry.refs()
    sd("register", "fraud", "--source", "s3://x").refused(10, "another git process is at work", "index.lock")
    assert registry.refs() == before


# --- what does not belong there -------------------------------------------------------------------------------------


def test_a_symbolic_link_under_the_registry_is_refused_by_name(registry: Home, sd: Sd) -> None:
    registry.register()
    (registry.path / "registry_spec/models/link.yaml").symlink_to("/etc/passwd")
    registry.git("add", "-A")
    registry.git("commit", "-q", "-m", "a link")
    answer = sd("validate")
    assert answer.code == 8 and "SD105" in answer.out and "registry_spec/models/link.yaml" in answer.out
    assert "symbolic link" in answer.out
    sd("models").ok("fraud")
    assert "root:" not in sd("show", "link").refused(4).err


def test_a_symbolic_link_in_the_checkout_is_refused_before_it_is_committed(registry: Home, sd: Sd) -> None:
    registry.register()
    (registry.path / "registry_spec/models/link.yaml").symlink_to("/etc/passwd")
    sd("validate", "registry_spec/models/link.yaml").refused(2, "a symbolic link stands where a plain file should")


def test_a_submodule_under_the_registry_is_refused_by_name(registry: Home, sd: Sd) -> None:
    registry.register()
    commit = registry.git("rev-parse", "HEAD")
    registry.git("update-index", "--add", "--cacheinfo", f"160000,{commit},registry_spec/models/sub.yaml")
    registry.git("commit", "-q", "-m", "a submodule")
    answer = sd("validate")
    assert answer.code == 8 and "SD105" in answer.out and "registry_spec/models/sub.yaml" in answer.out
    assert "submodule" in answer.out
    sd("models").ok("fraud")


def test_a_registry_file_that_is_a_link_is_refused_by_name(registry: Home, sd: Sd) -> None:
    (registry.path / "registry_spec/registry.yaml").unlink()
    (registry.path / "registry_spec/registry.yaml").symlink_to("/etc/hostname")
    registry.git("add", "-A")
    registry.git("commit", "-q", "-m", "a link")
    sd("register", "fraud", "--source", "s3://x").refused(3, "plain file", "registry_spec/registry.yaml")


def test_a_file_of_50_mb_is_refused_by_name_and_takes_nothing_else_away(registry: Home, sd: Sd) -> None:
    registry.register()
    big = registry.path / "registry_spec/models/big.yaml"
    with big.open("wb") as file:
        file.write(b"name: big\ndescription: |\n")
        file.truncate(50_000_000)
    registry.git("add", "-A")
    registry.git("commit", "-q", "-m", "big")
    assert "big.yaml" in sd("models").ok("fraud").err
    answer = sd("validate")
    assert answer.code == 8 and "50,000,000 bytes" in answer.out and "registry_spec/models/big.yaml" in answer.out
    sd("show", "big").refused(3, "50,000,000 bytes", "keep artifacts elsewhere")
    sd("validate", "registry_spec/models/big.yaml").refused(2, "more than")
    sd("activity").ok("fraud/1")


@pytest.fixture
def damaged(registry: Home) -> Home:
    """fraud and churn, and churn's file does not read since somebody's commit."""
    registry.register("fraud")
    registry.register("churn", times=2)
    registry.commit({"registry_spec/models/churn.yaml": "name: [churn\n"}, "oops")
    return registry


def test_one_malformed_file_takes_no_other_model_away(damaged: Home, sd: Sd) -> None:
    answer = sd("models").ok("fraud")
    assert "left out, it does not read: registry_spec/models/churn.yaml" in answer.err
    assert sd("models", "--json").json["unreadable"]
    sd("show", "fraud").ok("fraud")
    sd("history", "fraud").ok("fraud/1")
    sd("activity").ok("registered churn/2", "registered fraud/1")
    sd("activity", "fraud").ok("registered fraud/1")
    sd("register", "fraud", "--source", "s3://y", as_=ANN).ok("fraud/2")
    sd("request", "fraud/2", "Staging", as_=ANN).ok()
    sd("approve", 1, as_=BOB).ok()
    sd("merge", 1).ok()
    sd("reconcile").ok()


def test_the_malformed_file_itself_is_named_with_line_and_column(damaged: Home, sd: Sd) -> None:
    answer = sd("show", "churn")
    assert answer.code == 3 and "registry_spec/models/churn.yaml:" in answer.err
    checked = sd("validate")
    assert checked.code == 8 and "registry_spec/models/churn.yaml" in checked.out


def test_a_mended_file_has_its_whole_story(damaged: Home, sd: Sd) -> None:
    good = damaged.git("show", "main~1:registry_spec/models/churn.yaml") + "\n"
    damaged.commit({"registry_spec/models/churn.yaml": good}, "mended")
    assert [one["version"] for one in sd("history", "churn", "--json").json] == [1, 2]
    kinds = [event["kind"] for event in sd("activity", "churn", "--json").json]
    assert kinds.count("registered_model.created") == 1 and not any("deleted" in kind for kind in kinds)
    sd("validate").ok("0 errors")


# --- clones that lack something -------------------------------------------------------------------------------------


@pytest.fixture
def storied(registry: Home) -> Home:
    """A registry with two Productions one after the other."""
    registry.register("fraud", times=2)
    registry.sd("transition", "fraud/1", "Production").ok()
    registry.sd("transition", "fraud/2", "Production", "--archive-existing").ok()
    registry.git("config", "uploadpack.allowFilter", "true")
    return registry


HISTORIES = [
    ("history", "fraud"),
    ("activity",),
    ("activity", "fraud"),
    ("rollback", "fraud", "Production"),
    ("reconcile",),
]


@pytest.mark.parametrize("words", HISTORIES, ids=" ".join)
@pytest.mark.parametrize(
    ("option", "said"), [("--depth=1", "this clone is shallow"), ("--filter=blob:none", "this clone is partial")]
)
def test_a_clone_without_its_past_refuses_to_speak_of_it(
    storied: Home, clone: Callable[..., Home], words: tuple[str, ...], option: str, said: str
) -> None:
    part = clone("part", option)
    before = part.refs()
    part.sd(*words).refused(10, said, "git fetch")
    assert part.refs() == before


def test_a_shallow_clone_still_answers_what_is(storied: Home, clone: Callable[..., Home]) -> None:
    part = clone("part", "--depth=1")
    assert part.stage_of("fraud#Production") == "Production"
    part.sd("models").ok("fraud")
    part.sd("validate").ok("0 errors")
    assert "this clone is shallow" in part.sd("doctor").out


def test_the_cure_that_a_shallow_clone_names_works(storied: Home, clone: Callable[..., Home]) -> None:
    part = clone("part", "--depth=1")
    part.git("fetch", "-q", "--unshallow")
    assert part.sd("activity").ok().out == storied.sd("activity").ok().out


def test_the_same_commit_tells_the_same_bytes_on_any_clone(storied: Home, clone: Callable[..., Home]) -> None:
    other = clone("other", "--bare")
    for words in (("plan", "--base", "main~2", "--head", "main"), ("activity",), ("history", "fraud"), ("models",)):
        assert storied.sd(*words).ok().out == other.sd(*words).ok().out


def test_a_registry_in_a_folder_is_told_of_by_its_paths_in_the_repository(sd: Sd, tmp_path: Path) -> None:
    top = tmp_path / "mono"
    plain_git(tmp_path, "init", "-q", "-b", "main", "mono")
    (top / "teams" / "a").mkdir(parents=True)
    sd("init", str(top / "teams" / "a"), "--owner", ANN, dir=tmp_path).ok()
    owners = (top / ".github/CODEOWNERS").read_text()
    assert "/teams/a/registry_spec/models/*.yaml/@Production" in owners
    assert sd("validate", dir=top / "teams" / "a").ok().out == "0 errors, 0 warnings.\n"
    (top / "app.py").write_text("code")
    plain_git(top, "switch", "-q", "-c", "work")
    plain_git(top, "add", "app.py")
    plain_git(top, "-c", f"user.email={ANN}", "-c", "user.name=Ann", "commit", "-qm", "code")
    sd("open", "work", dir=top / "teams" / "a", as_=ANN).ok("at: app.py")
