"""Pages: each row once, all of one commit, and tokens that nobody can make up."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from landings import Landings
from specs import model, version
from stagedoor.core.search import models_filter, models_order, versions_filter, versions_order
from stagedoor.errors import BadInput
from stagedoor.index import Index
from stagedoor.index.build import KEPT_FOR, KEPT_STATES

ALL = models_filter("")


def models_by_pages(index: Index, *order: str, limit: int = 2) -> list[str]:
    found: list[str] = []
    token: str | None = None
    while True:
        page = index.search_models(ALL, models_order(order), limit=limit, token=token)
        found += [one.name for one in page.items]
        if page.token is None:
            return found
        assert len(page.items) == limit
        token = page.token


def test_pages_hold_each_model_once_in_order(main: Landings) -> None:
    names = ["b", "A", "c", "é", "a", "Z", "\U0001f600"]
    for name in names:
        main.later(minutes=len(name.encode()) - 1)
        main.land(model(name))
    with main.index() as index:
        assert models_by_pages(index) == sorted(names)
        assert models_by_pages(index, "name DESC") == sorted(names, reverse=True)
        updated = {one.name: one.updated_at for one in index.search_models().items}
        oldest = sorted(names, key=lambda name: (updated[name], name))
        assert models_by_pages(index, "last_updated_timestamp") == oldest
        newest = sorted(names, key=lambda name: (-updated[name], name))
        assert models_by_pages(index, "timestamp DESC", limit=3) == newest
        assert models_by_pages(index, "creation_timestamp DESC", "name DESC", limit=1) == sorted(names, reverse=True)
        assert index.search_models(limit=7).token is None


def test_pages_of_versions_hold_each_once(main: Landings) -> None:
    main.land(*(model(name, *(version(n, ("None", "Staging")[n % 2]) for n in range(1, 6))) for name in "abc"))
    every = [(name, number) for name in "abc" for number in range(1, 6)]
    with main.index() as index:
        for order in ([], ["version_number DESC"], ["stage", "version"], ["name desc", "version_number"]):
            found: list[tuple[str, int]] = []
            token = None
            while not found or token:
                page = index.search_versions(order=versions_order(order), limit=4, token=token)
                found += [(one.name, one.number) for one in page.items]
                token = page.token
            whole = index.search_versions(order=versions_order(order)).items
            assert found == [(one.name, one.number) for one in whole]
            assert sorted(found) == every


def test_the_pages_of_a_search_are_of_one_commit(main: Landings) -> None:
    """Main moves on between two pages, and nobody is shown twice or left out."""
    first = main.land(*(model(name, version(1)) for name in "abcd"))
    with main.index() as index:
        page = index.search_models(limit=2)
        assert page.commit == first
        main.later(minutes=5)
        main.land(model("a0"), model("c", version(1), description="changed"), d=None)
        index.catch_up()
        rest = index.search_models(limit=2, token=page.token)
        assert [one.name for one in (*page.items, *rest.items)] == ["a", "b", "c", "d"]
        assert rest.commit == first
        assert rest.items[0].description == ""
        assert [one.name for one in index.search_models().items] == ["a", "a0", "b", "c"]


def test_a_token_of_long_ago_is_too_old(main: Landings) -> None:
    main.land(*(model(name) for name in "abcd"))
    with main.index() as index:
        main.later(days=3)
        token = index.search_models(limit=2).token
        main.land(model("a", description="1"))
        index.catch_up()
        assert len(index.search_models(limit=2, token=token).items) == 2
        main.later(milliseconds=KEPT_FOR + 1000)
        main.land(model("a", description="2"))
        index.catch_up()
        with pytest.raises(BadInput, match="too old"):
            index.search_models(limit=2, token=token)
        assert index.status().states == 2
        assert index.db.execute("SELECT count(*) FROM models").fetchone() == (5,)
        assert index.db.execute("SELECT count(*) FROM bodies").fetchone() == (5,)


def test_states_are_bounded_in_number_too(main: Landings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KEPT_STATES >= 100
    monkeypatch.setattr("stagedoor.index.build.KEPT_STATES", 3)
    with main.index() as index:
        for number in range(6):
            main.land(model("a", version(1), description=str(number)))
            index.catch_up()
        assert index.status().states == 3
        assert index.db.execute("SELECT count(*) FROM models").fetchone() == (3,)
        assert index.db.execute("SELECT count(*) FROM versions").fetchone() == (1,)


def test_the_pieces_of_sources_follow_the_rows(main: Landings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stagedoor.index.build.KEPT_STATES", 2)
    with main.index() as index:
        for number in range(1, 5):
            main.land(model("a", version(number), version(number + 100)))
            index.catch_up()
        for piece, number in (("/models/4", 4), ("/models/1", 104)):
            found = index.search_versions(versions_filter(f"source_path LIKE '%{piece}%'")).items
            assert [one.number for one in found] == [number]
        index.db.execute("INSERT INTO sources (sources) VALUES ('integrity-check')")
        kept = index.db.execute("SELECT count(*) FROM versions").fetchone()[0]
        assert index.db.execute("SELECT count(*) FROM sources WHERE source GLOB '*models*'").fetchone()[0] == kept
        assert kept < 8


def a_token(index: Index) -> str:
    token = index.search_models(limit=1).token
    assert token is not None
    return token


def test_a_token_goes_on_with_its_own_search_alone(main: Landings) -> None:
    main.land(model("a", version(1)), model("b", version(1)))
    with main.index() as index:
        token = a_token(index)
        assert [one.name for one in index.search_models(limit=1000, token=token).items] == ["b"]
        for ask in (
            lambda: index.search_models(models_filter("name != 'x'"), token=token),
            lambda: index.search_models(order=models_order(["name DESC"]), token=token),
            lambda: index.search_versions(token=token),
        ):
            with pytest.raises(BadInput, match="another search"):
                ask()


def _flip(at: int) -> Callable[[str], str]:
    def flip(token: str) -> str:
        raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        raw[at] ^= 1
        return base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")

    return flip


@pytest.mark.parametrize(
    "change",
    [_flip(0), _flip(31), _flip(32), _flip(-2), lambda token: token[:-4], lambda token: token + "AAAA",
     lambda token: "e30", lambda token: "é", lambda token: "x" * 100_000, lambda token: "'; DROP TABLE models",
     lambda token: base64.b64encode(b'{"offset": 100}').decode()],
)  # fmt: skip
def test_a_token_that_was_touched_is_refused(main: Landings, change: Callable[[str], str]) -> None:
    main.land(model("a"), model("b"))
    with main.index() as index, pytest.raises(BadInput) as refused:
        index.search_models(limit=1, token=change(a_token(index)))
    assert refused.value.where == "page_token"


def test_a_token_of_another_registry_is_refused(main: Landings, tmp_path: Path) -> None:
    other = Landings.at(tmp_path / "other.git")
    for one in (main, other):
        one.land(model("a"), model("b"))
    with main.index() as here, other.index() as there, pytest.raises(BadInput):
        here.search_models(limit=1, token=a_token(there))
    other.close()


def test_the_key_is_for_this_users_eyes_only_and_stays(main: Landings) -> None:
    main.land(model("a"), model("b"))
    with main.index() as index:
        token = a_token(index)
        key = index.shelf.folder / "key"
        assert key.stat().st_mode & 0o777 == 0o600
        assert index.shelf.folder.stat().st_mode & 0o777 == 0o700
        index.rebuild()
        assert [one.name for one in index.search_models(limit=1, token=token).items] == ["b"]


def test_only_what_the_reader_may_read_is_on_a_page(main: Landings) -> None:
    main.land(*(model(name, version(1), version(2)) for name in "abcdef"))
    paths = {f"registry_spec/models/{name}.yaml" for name in "bdf"}
    with main.index() as index:
        page = index.search_models(limit=2, may_read=paths.__contains__)
        rest = index.search_models(limit=2, may_read=paths.__contains__, token=page.token)
        assert ["".join(one.name for one in some.items) for some in (page, rest)] == ["bd", "f"]
        assert rest.token is None
        versions = index.search_versions(may_read=paths.__contains__).items
        assert sorted({one.name for one in versions}) == ["b", "d", "f"]
        assert len(versions) == 6


@pytest.mark.parametrize("limit", [0, -1, 1001, 10**30])
def test_the_size_of_a_page_is_bounded(main: Landings, limit: int) -> None:
    main.land(model("a"))
    with main.index() as index, pytest.raises(BadInput):
        index.search_models(limit=limit)
