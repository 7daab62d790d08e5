"""From the words of `order_by` to the keys of an order that leaves no two rows equal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from stagedoor.core.search.values import OrderBy
from stagedoor.core.search.words import cut
from stagedoor.errors import BadInput

_CLAUSE: Final = re.compile(r"""\s*(?:attribute\.)?([`"]?)([a-z_]+)\1(?:\s+(asc|desc))?\s*""", re.IGNORECASE)

# on the left what clients write: MLflow's names, its older `timestamp`, and Databricks' `version` and `stage`
_OF_MODELS: Final = {
    "name": "name",
    "timestamp": "last_updated",
    "last_updated_timestamp": "last_updated",
    "creation_timestamp": "created",
}
_OF_VERSIONS: Final = {
    "name": "name",
    "version": "version",
    "version_number": "version",
    "creation_timestamp": "created",
    "last_updated_timestamp": "last_updated",
    "stage": "stage",
    "current_stage": "stage",
}


def models_order(clauses: Iterable[str] = ()) -> tuple[OrderBy, ...]:
    """The order of registered models. Without clauses, and among equals, by name."""
    return _completed(_order(clauses, _OF_MODELS), OrderBy("name"))


def versions_order(clauses: Iterable[str] = ()) -> tuple[OrderBy, ...]:
    """The order of model versions. Without clauses the latest update comes first; among equals the name decides, and
    then the newer version."""
    given = _order(clauses, _OF_VERSIONS) or (OrderBy("last_updated", descending=True),)
    return _completed(given, OrderBy("name"), OrderBy("version", descending=True))


def _completed(given: tuple[OrderBy, ...], *ties: OrderBy) -> tuple[OrderBy, ...]:
    keys = {one.key for one in given}
    return (*given, *(tie for tie in ties if tie.key not in keys))


def _order(clauses: Iterable[str], known: Mapping[str, str]) -> tuple[OrderBy, ...]:
    found: dict[str, OrderBy] = {}
    for clause in clauses:
        one = _one(clause, known)
        if one.key in found:
            raise BadInput(f"{one.key} is there twice", where="order_by", fix="name each key once")
        found[one.key] = one
    return tuple(found.values())


def _one(clause: str, known: Mapping[str, str]) -> OrderBy:
    said = _CLAUSE.fullmatch(clause) if len(clause) <= 200 else None
    if said is None or said[2] not in known:
        raise BadInput(
            f"{cut(clause)!r} is no order", where="order_by", fix=f"use {', '.join(known)}, each with ASC or DESC"
        )
    return OrderBy(known[said[2]], (said[3] or "asc").lower() == "desc")
