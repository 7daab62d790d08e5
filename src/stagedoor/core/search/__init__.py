"""The filters and orders that MLflow and Databricks clients write, as frozen values."""

from stagedoor.core.search.holding import Row, holds, is_prompt, ordered
from stagedoor.core.search.parse import MAX_CONDITIONS, MAX_FILTER, MAX_PATTERN, models_filter, versions_filter
from stagedoor.core.search.sorting import models_order, versions_order
from stagedoor.core.search.values import (
    Attribute,
    Condition,
    Filter,
    ListCondition,
    NumberCondition,
    OrderBy,
    Tag,
    TextCondition,
    folded,
)

__all__ = [
    "MAX_CONDITIONS",
    "MAX_FILTER",
    "MAX_PATTERN",
    "Attribute",
    "Condition",
    "Filter",
    "ListCondition",
    "NumberCondition",
    "OrderBy",
    "Row",
    "Tag",
    "TextCondition",
    "folded",
    "holds",
    "is_prompt",
    "models_filter",
    "models_order",
    "ordered",
    "versions_filter",
    "versions_order",
]
