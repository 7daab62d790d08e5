"""The history of main that is kept beside it: what git would say, however it was brought up to date."""

from __future__ import annotations

import multiprocessing
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landings import Landings
from specs import model
from stagedoor.core.timeline import WholeChain
from stagedoor.gitstore import RefUpdate
from stagedoor.index import CannotKeep, Past

A, B = "registry_spec/models/a.yaml", "registry_spec/models/b.yaml"


def past(main: Landings) -> Past:
    return Past(main.repository(), lambda: main.now)


def by_git(main: Landings, *paths: str) -> list[str]:
    repository = main.repository()
    return [one.oid for one in repository.first_parents(None, repository.tip() or "", paths=paths)]


def tip(main: Landings) -> str:
    return main.repository().tip() or ""


def test_the_commits_of_a_file_are_those_that_git_finds(main: Landings) -> None:
    made = [main.land(model("a")), main.land(model("b")), main.land(model("a", description="x")), main.land(a=None)]
    kept = past(main)
    assert kept.touching([A], tip(main)) == (made[0], made[2], made[3])
    assert kept.touching([A], made[1]) == (made[0],)
    assert kept.touching([A, B], tip(main)) == tuple(made)
    assert kept.last_touch("a.yaml", made[2]) == (made[2],)
    assert kept.last_touch("c.yaml", tip(main)) == ()


def test_a_commit_that_never_was_main_is_left_to_git(main: Landings) -> None:
    side = main.commit({A: "name: a\n"}, onto=main.land(model("a")))
    kept = past(main)
    assert kept.touching([A], side) is None
    assert kept.last_touch("a.yaml", side) is None
    assert kept.chain(side, main.now) is None


def test_main_that_was_rewritten_is_read_again(main: Landings) -> None:
    first = main.land(model("a"))
    gone = main.land(model("b"))
    kept = past(main)
    repository = main.repository()
    repository.publish((RefUpdate(repository.ref, gone, first),), "test")
    kept.catch_up()
    assert kept.touching([B], first) == ()
    assert kept.touching([A], gone) is None


def test_it_may_be_deleted_or_damaged_at_any_time(main: Landings) -> None:
    first = main.land(model("a"))
    kept = past(main)
    shutil.rmtree(kept.shelf.folder)
    again = past(main)
    assert again.touching([A], first) == (first,)
    assert again.path is not None
    again.path.write_bytes(b"this is no database" * 1000)
    assert past(main).touching([A], first) == (first,)


def test_the_read_index_is_not_taken_for_a_history(main: Landings) -> None:
    first = main.land(model("a"))
    kept = past(main)
    with main.index() as index:
        assert index.path is not None and kept.path is not None
        shutil.copy(index.path, kept.path)
        assert past(main).touching([A], first) == (first,)


def test_a_folder_that_cannot_be_written_is_said(main: Landings) -> None:
    (main.path / "stagedoor").mkdir(exist_ok=True)
    (main.path / "stagedoor" / "past").write_text("in the way")
    with pytest.raises(CannotKeep):
        past(main)


def _opens(path: Path, found: multiprocessing.Queue[object]) -> None:
    main = Landings(path)
    found.put(past(main).touching([A], tip(main)))
    main.close()


def test_several_processes_may_begin_at_once(main: Landings) -> None:
    made = tuple(main.land(model("a", description=str(n))) for n in range(1, 4))
    context = multiprocessing.get_context("fork")
    found: multiprocessing.Queue[object] = context.Queue()
    processes = [context.Process(target=_opens, args=(main.path, found)) for _ in range(3)]
    for one in processes:
        one.start()
    assert [found.get(timeout=300) for _ in processes] == [made] * 3
    for one in processes:
        one.join()
    assert len(list((main.path / "stagedoor" / "past").rglob("*.sqlite"))) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=7))
def test_the_times_are_those_that_are_believed_of_the_whole_chain(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    main = Landings.at(tmp_path_factory.mktemp("law") / "registry.git")
    start, kept = main.now, past(main)
    for number, (hours, looks) in enumerate(steps):
        main.now = start + timedelta(hours=hours)
        main.land(model("a", description=str(number)))
        main.now = start + timedelta(hours=hours % 3)
        if looks:
            kept.catch_up()
    for now in (start + timedelta(hours=one) for one in (0, 2, 9)):
        main.now = now
        kept.catch_up()
        chain, whole = kept.chain(tip(main), now), WholeChain.of(main.repository().clock(tip(main)), now)
        assert kept.touching([A], tip(main)) == tuple(by_git(main, A))
        if chain is not None:
            assert chain.commits == whole.commits
            assert [chain.time_of(one) for one in whole.commits] == list(whole.merged)
            for moment in (start + timedelta(hours=one) for one in range(-5, 6)):
                assert chain.commit_at(moment) == whole.commit_at(moment)
                assert chain.next_after(moment) == whole.next_after(moment)
    assert kept.chain(tip(main), start + timedelta(days=9)) is not None
    main.close()
