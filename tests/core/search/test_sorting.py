"""Orders: what `order_by` may say, and how ties are broken."""

from __future__ import annotations

import pytest

from stagedoor.core.search import OrderBy, models_order, versions_order
from stagedoor.errors import BadInput


def test_models_come_by_name() -> None:
    assert models_order() == (OrderBy("name"),)


def test_the_name_breaks_ties_among_models() -> None:
    assert models_order(["last_updated_timestamp DESC"]) == (OrderBy("last_updated", True), OrderBy("name"))
    assert models_order(["timestamp"]) == (OrderBy("last_updated"), OrderBy("name"))
    assert models_order(["name desc", "creation_timestamp asc"]) == (OrderBy("name", True), OrderBy("created"))


def test_the_latest_versions_come_first() -> None:
    assert versions_order() == (OrderBy("last_updated", True), OrderBy("name"), OrderBy("version", True))


@pytest.mark.parametrize(
    ("clause", "key"),
    [("version_number", "version"), ("version", "version"), ("stage", "stage"), ("attribute.name", "name"),
     ("`name`", "name"), (" creation_timestamp ", "created")],
)  # fmt: skip
def test_versions_can_be_sorted_by(clause: str, key: str) -> None:
    order = versions_order([clause])
    assert order[0] == OrderBy(key)
    assert {one.key for one in order} >= {"name", "version"}


@pytest.mark.parametrize(
    "clause", ["", "nmae", "name up", "name, version", "name ASC DESC", "tags.a", "name;", "x" * 999]
)
def test_another_order_is_refused(clause: str) -> None:
    with pytest.raises(BadInput) as refused:
        models_order([clause])
    assert refused.value.where == "order_by"


def test_a_key_stands_once() -> None:
    with pytest.raises(BadInput):
        models_order(["timestamp", "last_updated_timestamp DESC"])
