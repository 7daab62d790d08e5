"""The read index: SQLite beside the repository, made from git and disposable."""

from stagedoor.index.facts import milliseconds, moment
from stagedoor.index.index import MOST_MODELS, MOST_VERSIONS, Index, Wanted
from stagedoor.index.past import Past
from stagedoor.index.shelf import CannotKeep
from stagedoor.index.values import Listing, ModelEntry, Page, Status, VersionEntry

__all__ = [
    "MOST_MODELS",
    "MOST_VERSIONS",
    "CannotKeep",
    "Index",
    "Listing",
    "ModelEntry",
    "Page",
    "Past",
    "Status",
    "VersionEntry",
    "Wanted",
    "milliseconds",
    "moment",
]
