"""`stagedoor manifests`: into a folder, and into a branch."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.apps.conftest import CAROL, Home, Sd

FILE = "fraud-production.yaml"


@pytest.fixture
def served(registry: Home, sd: Sd) -> Home:
    """fraud/1 is in Production, fraud/2 in no stage."""
    registry.register(times=2)
    sd("transition", "fraud/1", "Production", as_=CAROL).ok()
    return registry


def move(sd: Sd) -> None:
    sd("transition", "fraud/2", "Production", as_=CAROL).ok()


def test_a_folder_is_written_once_and_again_only_where_it_differs(served: Home, sd: Sd, tmp_path: Path) -> None:
    folder = tmp_path / "deploy"
    sd("manifests", folder).ok(f"wrote {FILE}")
    first = (folder / FILE).stat().st_mtime_ns
    sd("manifests", folder).ok("Nothing to change")
    assert (folder / FILE).stat().st_mtime_ns == first
    move(sd)
    assert sd("manifests", folder, "--json").json["written"] == [FILE]
    assert "stagedoor/version: '2'" in (folder / FILE).read_text()


def test_check_writes_nothing_and_exits_with_8_where_it_would(served: Home, sd: Sd, tmp_path: Path) -> None:
    folder = tmp_path / "deploy"
    done = sd("manifests", folder, "--check")
    assert (done.code, done.out) == (8, f"would write {FILE}\n")
    assert not folder.exists()
    sd("manifests", folder).ok()
    sd("manifests", folder, "--check").ok()


def test_what_is_not_served_any_more_is_removed_and_others_files_stay(served: Home, sd: Sd, tmp_path: Path) -> None:
    folder = tmp_path / "deploy"
    sd("manifests", folder).ok()
    (folder / "kustomization.yaml").write_text("resources: []\n")
    sd("transition", "fraud/1", "Archived", as_=CAROL).ok()
    sd("manifests", folder).ok(f"removed {FILE}")
    assert [path.name for path in folder.iterdir()] == ["kustomization.yaml"]


def test_a_link_in_the_way_is_refused_and_what_it_leads_to_stays(served: Home, sd: Sd, tmp_path: Path) -> None:
    folder, precious = tmp_path / "deploy", tmp_path / "precious"
    folder.mkdir()
    precious.write_text("mine\n")
    (folder / FILE).symlink_to(precious)
    sd("manifests", folder).refused(5, "somebody else", FILE)
    assert precious.read_text() == "mine\n"


def test_a_branch_gets_one_commit_for_each_change(served: Home, sd: Sd) -> None:
    sd("manifests", "serving", "--commit", "deploy").ok(f"wrote {FILE}", "Committed as")
    sd("manifests", "serving", "--commit", "deploy").ok("Nothing to change")
    move(sd)
    sd("manifests", "serving", "--commit", "deploy").ok()
    subjects = served.git("log", "--format=%s", "deploy").splitlines()
    assert subjects == ["serve fraud/2 in Production", "serve fraud/1 in Production"]
    assert served.git("ls-tree", "-r", "--name-only", "deploy") == f"serving/{FILE}"
    assert f"Rendered-from: {served.git('rev-parse', 'main')}" in served.git("log", "-1", "--format=%b", "deploy")


def test_other_files_of_the_branch_stay(served: Home, sd: Sd) -> None:
    served.git("checkout", "-q", "--orphan", "deploy")
    served.git("rm", "-rfq", ".")
    served.commit({"README.md": "mine\n", "serving/kustomization.yaml": "resources: []\n"}, "by hand")
    served.git("checkout", "-q", "main")
    sd("manifests", "serving", "--commit", "deploy").ok()
    there = served.git("ls-tree", "-r", "--name-only", "deploy").splitlines()
    assert there == ["README.md", f"serving/{FILE}", "serving/kustomization.yaml"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("serving", "--commit", "main"), "the registry itself"),
        (("../up", "--commit", "deploy"), "no folder of a branch"),
        (("/etc", "--commit", "deploy"), "no folder of a branch"),
        ((".git/hooks", "--commit", "deploy"), "no folder of a branch"),
        (("serving", "--commit", "a..b"), "name of a ref"),
        (("serving", "--namespace", "A B"), "no namespace"),
    ],
)
def test_what_cannot_be_meant_is_refused(served: Home, sd: Sd, args: tuple[str, ...], said: str) -> None:
    before = served.refs()
    sd("manifests", *args).refused(2, said)
    assert served.refs() == before


def test_a_source_that_no_cluster_fetches_is_told(served: Home, sd: Sd, tmp_path: Path) -> None:
    sd("register", "scam", "--source", "runs:/9f2c/model", as_=CAROL).ok()
    sd("transition", "scam/1", "Production", as_=CAROL).ok()
    done = sd("manifests", tmp_path / "deploy")
    assert (done.code, done.out) == (8, f"wrote {FILE}\n")
    assert "no manifest for scam/1 in Production: KServe does not fetch runs:/9f2c/model" in done.err


def test_serve_and_manifests_refuse_where_serving_makes_no_sense(served: Home, sd: Sd) -> None:
    sd("serve", "nobody").refused(4, "there is no model nobody")
    served.configure("serving:\n  enabled: false\n")
    sd("serve").refused(7, "switched off")
    sd("manifests", "serving", "--check").ok("Nothing to change")


DEPLOY = "serving:\n  manifests:\n    branch: deploy\n    folder: serving\n    namespace: models\n"


def test_the_reconciler_keeps_the_branch_that_the_registry_names(served: Home, sd: Sd) -> None:
    served.configure(DEPLOY)
    sd("reconcile", "--dry-run", as_=CAROL).ok(f"would write the manifest {FILE}")
    assert served.git("branch", "--list", "deploy") == ""
    sd("reconcile", as_=CAROL).ok(f"wrote the manifest {FILE}")
    move(sd)
    sd("reconcile", as_=CAROL).ok(f"wrote the manifest {FILE}")
    again = sd("reconcile", "--json", as_=CAROL).json
    assert (again["manifests"]["written"], again["undeployed"]) == ([], "")
    assert served.git("log", "--format=%s", "deploy").splitlines() == [
        "serve fraud/2 in Production",
        "serve fraud/1 in Production",
    ]
    assert "namespace: models" in served.git("show", f"deploy:serving/{FILE}")


def test_what_is_in_the_way_of_the_manifests_keeps_no_news_from_anybody(served: Home, sd: Sd) -> None:
    served.git("checkout", "-q", "--orphan", "deploy")
    served.git("rm", "-rfq", ".")
    served.commit({f"serving/{FILE}": "kind: ConfigMap\n"}, "by hand")
    served.git("checkout", "-q", "main")
    served.configure(DEPLOY)
    done = sd("reconcile", as_=CAROL).ok("moved fraud/1 from None to Production")
    assert "the manifests stay as they were: a file that somebody else wrote stands in the way" in done.err
    assert served.git("log", "--format=%s", "deploy") == "by hand"


@pytest.mark.parametrize(
    "said",
    ["branch: ../main", "branch: refs/heads/deploy", "branch: -x", "branch: a..b", "branch: deploy\n    folder: ../up",
     "branch: deploy\n    folder: /etc", "branch: deploy\n    folder: .git/hooks", "branch: deploy\n    namespace: A B",
     "branch: deploy\n    target: nomad", "folder: serving"],
)  # fmt: skip
def test_a_deployment_that_cannot_be_meant_is_refused_by_validate(served: Home, sd: Sd, said: str) -> None:
    served.configure(f"serving:\n  manifests:\n    {said}\n")
    done = sd("validate")
    assert done.code != 0
    assert "registry.yaml" in done.out + done.err
