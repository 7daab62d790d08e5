"""A repository that tries everything which git hosts let a stranger push: it is read, and nothing of it is obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.apps.conftest import ANN, CAROL, Home, Sd, isolation, make_home

__all__ = ["isolation"]

# what would leave a mark here, if anything of the tree were run
MARK = "touched-by-a-stranger"


@pytest.fixture
def sd(tmp_path: Path) -> Sd:
    return Sd(tmp_path / "registry")


@pytest.fixture
def home(sd: Sd, tmp_path: Path) -> Home:
    made = make_home(Sd(tmp_path), tmp_path / "registry")
    made.sd = sd
    made.register()
    return made


def hostile(mark: Path) -> dict[str, str | bytes | None]:
    """Files that ask git, or whoever reads them, to run something."""
    run = f"#!/bin/sh\ntouch '{mark}'\n"
    return {
        ".gitattributes": "* filter=evil diff=evil merge=evil\n",
        ".gitconfig": f'[include]\n path = evil.cfg\n[filter "evil"]\n clean = touch {mark}\n smudge = touch {mark}\n',
        "evil.cfg": f"[core]\n fsmonitor = touch {mark}\n hooksPath = hooks\n pager = touch {mark}\n",
        ".gitmodules": f'[submodule "x"]\n path = x\n url = ext::sh -c "touch {mark}"\n update = !touch {mark}\n',
        "hooks/post-checkout": run,
        "hooks/reference-transaction": run,
        ".lfsconfig": f"[lfs]\n url = ext::touch {mark}\n",
        "registry_spec/models/pickle.yaml": f"!!python/object/apply:os.system ['touch {mark}']\n",
    }


def test_nothing_of_a_tree_is_run(home: Home, sd: Sd, tmp_path: Path) -> None:
    mark = tmp_path / MARK
    home.commit(hostile(mark))
    mark.unlink(missing_ok=True)  # the setting up is plain git's
    assert sd("validate").code == 8
    sd("models").ok("fraud")
    sd("show", "fraud").ok()
    sd("register", "fraud", "--source", "s3://y", as_=ANN).ok()
    number = home.number("request", "fraud/2", "Staging")
    sd("approve", number, as_=CAROL).ok()
    sd("merge", number, as_=CAROL).ok()
    sd("activity").ok()
    assert not mark.exists()


def test_refs_of_odd_names_are_passed_over(home: Home, sd: Sd) -> None:
    tip = home.git("rev-parse", "HEAD")
    for ref in ("refs/pull/-1/head", "refs/pull/--upload-pack=x/head", "refs/pull/1e9/head", "refs/pull/٣/head",
                "refs/pull/00/head", "refs/stagedoor/é", "refs/heads/--x", f"refs/pull/{'9' * 40}/head"):  # fmt: skip
        home.git("update-ref", ref, tip)
    sd("requests").ok()
    sd("validate").ok("0 errors")
    assert home.number("request", "fraud/1", "Staging") < 10**9
    sd("activity").ok()


def test_names_that_differ_by_case_are_refused_in_a_tree(home: Home, sd: Sd) -> None:
    text = home.text("registry_spec/models/fraud.yaml")
    home.commit({"registry_spec/models/FRAUD.yaml": text.replace("name: fraud", "name: FRAUD")})
    answer = sd("validate")
    assert answer.code == 8 and "fraud and FRAUD differ only by case" in answer.out


@pytest.mark.parametrize("many", [2_000, pytest.param(100_000, marks=pytest.mark.heavy)])
def test_a_tree_of_very_many_files_is_read(home: Home, sd: Sd, many: int) -> None:
    blob = home.git("hash-object", "-w", ".github/CODEOWNERS")
    lines = "".join(f"100644 {blob}\tregistry_spec/notes/{at // 1000}/{at}.txt\n" for at in range(many))
    from tests.apps.conftest import plain_git

    plain_git(home.path, "update-index", "--add", "--index-info", stdin=lines)
    home.git("commit", "-q", "-m", "very many")
    sd("models").ok("fraud")
    sd("validate")
    sd("register", "fraud", "--source", "s3://y", as_=ANN).ok()
