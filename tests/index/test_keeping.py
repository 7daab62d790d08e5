"""Keeping up: rebuilt when it is gone, damaged or another's, and one builder at a time."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from landings import START, Landings
from specs import model, version
from stagedoor.gitstore import RefUpdate, Repository
from stagedoor.index import CannotKeep, Index
from stagedoor.index.parsing import MANY


def names(index: Index) -> list[str]:
    return [one.name for one in index.search_models().items]


def file_of(index: Index) -> Path:
    return Path(index.status().file)


def test_a_commit_is_seen_by_whoever_catches_up(main: Landings) -> None:
    main.land(model("a"))
    with main.index() as index, main.index() as other:
        commit = main.land(model("b"), a=None)
        assert names(index) == ["a"]
        index.catch_up()
        assert (names(index), index.commit) == (["b"], commit)
        assert (names(other), other.commit != commit) == (["a"], True)
        other.catch_up()
        assert names(other) == ["b"]
        assert file_of(index) == file_of(other)


def test_a_rebuild_leaves_other_readers_in_peace(main: Landings) -> None:
    main.land(model("a"))
    with main.index() as index, main.index() as other:
        other.rebuild()
        assert names(index) == ["a"]
        main.land(model("b"))
        for one in (index, other):
            one.catch_up()
            assert names(one) == ["a", "b"]
        assert file_of(index) == file_of(other)
        assert [path.name for path in other.shelf.folder.glob("*.sqlite")] == [file_of(other).name]


def test_the_folder_may_be_deleted_at_any_time(main: Landings) -> None:
    main.land(model("a"))
    with main.index() as index:
        shutil.rmtree(index.shelf.folder)
        assert names(index) == ["a"]
        main.land(model("b"))
        index.catch_up()
        assert names(index) == ["a", "b"]
    shutil.rmtree(main.path / "stagedoor")
    with main.index() as index:
        assert names(index) == ["a", "b"]


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _truncated(path: Path) -> None:
    os.truncate(path, 8192)


def _foreign(path: Path) -> None:
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE models (name TEXT)")
    db.close()


def _of_another_release(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()


def _without_a_table(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("DROP TABLE versions")
    db.close()


def _overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        _garbage,
        _empty,
        _truncated,
        _foreign,
        _of_another_release,
        _without_a_table,
        _overwritten,
        _a_folder,
        Path.unlink,
    ],
)
def test_a_damaged_file_is_thrown_away(main: Landings, damage: Callable[[Path], None]) -> None:
    main.land(model("a", version(1)), model("b", version(1)))
    with main.index() as index:
        path = file_of(index)
    for log in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        log.unlink(missing_ok=True)
    damage(path)
    with main.index() as index:
        assert names(index) == ["a", "b"]
        assert index.version("b", 1).number == 1
        assert [one.name for one in index.search_versions().items] == ["a", "b"]
        assert file_of(index) != path


def test_damage_is_mended_in_the_middle_of_a_question(main: Landings) -> None:
    main.land(model("a", version(1)))
    with main.index() as index:
        index.db.execute("DROP TABLE versions")
        assert index.version("a", 1).number == 1
        assert names(index) == ["a"]


@pytest.mark.parametrize("pointer", ["", "nope", "../../../etc/passwd", "0" * 16 + ".sqlite", "\x00", "é"])
def test_a_pointer_that_leads_nowhere_is_not_followed(main: Landings, pointer: str) -> None:
    main.land(model("a"))
    with main.index() as index:
        folder = index.shelf.folder
    (folder / "current").write_text(pointer)
    with main.index() as index:
        assert names(index) == ["a"]


def test_a_main_that_was_rewound_is_indexed_anew(main: Landings) -> None:
    first = main.land(model("a"))
    second = main.land(model("b"))
    with main.index() as index:
        repository = main.repository()
        repository.publish((RefUpdate(repository.ref, second, first),), "rewound")
        main.land(model("c"))
        index.catch_up()
        assert names(index) == ["a", "c"]


def test_a_state_folder_that_cannot_be_made_is_said_to_be_so(main: Landings) -> None:
    main.land(model("a"))
    shutil.rmtree(main.path / "stagedoor", ignore_errors=True)
    (main.path / "stagedoor").write_text("a file where the folder should be")
    with pytest.raises(CannotKeep):
        main.index()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_that_cannot_be_written_is_said_to_be_so(main: Landings) -> None:
    main.land(model("a"))
    folder = main.path / "stagedoor"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o500)
    with pytest.raises(CannotKeep):
        main.index()
    folder.chmod(0o700)


def test_a_failed_build_leaves_nothing_behind(main: Landings, monkeypatch: pytest.MonkeyPatch) -> None:
    main.land(model("a"))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        main.index(progress=interrupted)
    assert list((main.path / "stagedoor" / "index").rglob("*.sqlite*")) == []
    with main.index() as index:
        assert names(index) == ["a"]


def _look(path: Path, gate: multiprocessing.synchronize.Barrier, found: multiprocessing.queues.Queue[object]) -> None:
    gate.wait()
    with Repository.open(path) as repository, Index(repository, lambda: START) as index:
        found.put((names(index), index.status().file))


@pytest.mark.parametrize("is_built", [False, True])
def test_several_processes_at_once_share_one_index(main: Landings, is_built: bool) -> None:
    expected = [f"m{number:02}" for number in range(30)]
    main.land(*(model(name, version(1)) for name in expected[:20]))
    if is_built:
        main.index().close()
    main.land(*(model(name, version(1)) for name in expected[20:]))
    context = multiprocessing.get_context("fork")
    gate, found = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_look, args=(main.path, gate, found)) for _ in range(4)]
    for process in processes:
        process.start()
    answers = [found.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert [answer[0] for answer in answers] == [expected] * 4
    assert len({answer[1] for answer in answers}) == 1


def test_many_files_read_in_several_processes_are_the_same(main: Landings, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [model(f"m{number:04}", version(1), tags={"n": str(number)}) for number in range(MANY + 50)]
    main.land(*made, broken="name: [")
    told: list[tuple[str, int, int | None]] = []
    with main.index(progress=lambda what, done, total: told.append((what, done, total))) as index:
        several = _everything(index)
        assert told[-1][1:] == (MANY + 51, MANY + 51)
        monkeypatch.setattr("stagedoor.index.parsing.MANY", 10**9)
        index.rebuild()
        assert _everything(index) == several


def _everything(index: Index) -> list[object]:
    tables = ("files", "models", "model_tags", "versions", "contents", "bodies", "version_tags", "aliases")
    return [index.db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables]
