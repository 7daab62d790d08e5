"""MLflow's own parser and its filter over entities in memory say what a search must find."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landings import Landings
from specs import model, version
from stagedoor.core.search import models_filter, models_order, versions_filter, versions_order
from stagedoor.core.spec import RegisteredModel
from stagedoor.errors import BadInput
from stagedoor.index import Index

pytest.importorskip("mlflow", reason="the oracle is MLflow")

IS_PROMPT = "mlflow.prompt.is_prompt"
# letters whose small form is one letter, as both sides have it; no quote, which MLflow does not unescape
WORDS = ("a", "A", "ab", "aB", "a.b", "a*b", "a?b", "[ab]", "é", "É", "模型", "a b", "a\\b", "", "true", "false", "Ab")
KEYS = ("k", "a.b", "k k", IS_PROMPT)
NAMES = ("a", "A", "ab", "aB", "b", "abc", "é", "É", "模型", "a b", "[ab]", "prompt")


def registry() -> list[RegisteredModel]:
    """Models of many sorts, each with a few versions."""
    found = []
    for at, name in enumerate(NAMES):
        tags = {key: WORDS[(at * 7 + n) % len(WORDS)] for n, key in enumerate(KEYS[:3]) if (at + n) % 3}
        if name == "prompt":
            tags[IS_PROMPT] = "true"
        if name == "abc":
            tags[IS_PROMPT] = "false"
        made = [
            version(
                n, ("None", "Staging")[n % 2], source=f"s3://{WORDS[(at + n) % 9]}/{n}",
                run={"id": f"r{(at + n) % 4}"} if n % 3 else None, tags=tags if n % 2 else {"k": WORDS[at]},
            )
            for n in range(1, at % 5 + 1)
        ]  # fmt: skip
        found.append(model(name, *made, tags=tags))
    return found


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with tempfile.TemporaryDirectory() as folder:
        main = Landings.at(Path(folder) / "registry.git")
        for one in registry():
            main.later(minutes=1 if one.name < "c" else 0)
            main.land(one)
        with main.index() as made:
            yield made
        main.close()


def model_entities(index: Index) -> list[Any]:
    from mlflow.entities.model_registry import RegisteredModel, RegisteredModelTag

    everything = [
        one
        for text in ("", f"tag.`{IS_PROMPT}` = 'true'")
        for one in index.search_models(models_filter(text), limit=1000).items
    ]
    return [
        RegisteredModel(
            one.name, one.created_at, one.updated_at, tags=[RegisteredModelTag(*tag) for tag in one.tags.items()]
        )
        for one in everything
    ]


def version_entities(index: Index) -> list[Any]:
    from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

    return [
        ModelVersion(
            one.name, one.number, one.created_at, one.updated_at, source=one.source, run_id=one.run_id,
            current_stage=one.stage, tags=[ModelVersionTag(*tag) for tag in one.tags.items()],
        )
        for name in NAMES
        for one in index.versions(name)
    ]  # fmt: skip


def quoted(text: str) -> str:
    return f"'{text}'"


texts = st.sampled_from((*WORDS, *NAMES, "r1", "s3://a/1"))
# a pattern without % finds a part here, and the whole in MLflow: see core.search
patterns = st.lists(st.sampled_from(("%", "_", *WORDS[:11])), max_size=4).map("".join).map(lambda text: f"{text}%")
keys = st.sampled_from(KEYS).map(lambda key: f"tags.`{key}`")


def text_conditions(fields: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    equal = st.tuples(fields, st.sampled_from(["=", "!="]), texts.map(quoted))
    like = st.tuples(fields, st.sampled_from(["LIKE", "ILIKE", "like"]), patterns.map(quoted))
    return (equal | like).map(" ".join)


def lists(fields: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    # Python reads the list there, so a backslash is left out
    words = st.lists(texts.filter(lambda text: "\\" not in text).map(quoted), min_size=1, max_size=3)
    return st.tuples(fields, st.sampled_from(["IN", "NOT IN"]), words.map(lambda some: f"({', '.join(some)})")).map(
        " ".join
    )


model_filters = st.lists(text_conditions(st.just("name") | keys) | lists(st.just("name")), max_size=4).map(" AND ".join)
numbers = st.tuples(
    st.just("version_number"), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(0, 6).map(str)
).map(" ".join)
version_fields = st.sampled_from(["name", "run_id", "source_path"])
# MLflow's filter in memory does not know NOT IN for versions, though its parser does
version_lists = lists(st.sampled_from(["name", "run_id"])).filter(lambda text: " NOT IN " not in text)
version_filters = st.lists(text_conditions(version_fields | keys) | version_lists | numbers, max_size=4).map(
    " AND ".join
)


def orders(keys: list[str]) -> st.SearchStrategy[list[str]]:
    one = st.tuples(st.sampled_from(keys), st.sampled_from(["", " ASC", " DESC"]))
    return st.lists(one, max_size=3, unique_by=lambda pair: pair[0]).map(lambda some: ["".join(pair) for pair in some])


@settings(max_examples=300, deadline=None)
@given(model_filters, orders(["name", "last_updated_timestamp", "creation_timestamp"]))
def test_a_search_for_models_finds_what_mlflow_finds(index: Index, text: str, order: list[str]) -> None:
    from mlflow.utils.search_utils import SearchModelUtils

    wanted = models_filter(text)
    theirs = SearchModelUtils.sort(SearchModelUtils.filter(model_entities(index), text), order)
    shown = [one.name for one in theirs if wanted.wants_prompts or one._tags.get(IS_PROMPT) != "true"]
    page = index.search_models(wanted, models_order(order), limit=1000)
    assert [one.name for one in page.items] == shown


@settings(max_examples=300, deadline=None)
@given(version_filters, orders(["name", "version_number", "last_updated_timestamp", "creation_timestamp"]))
def test_a_search_for_versions_finds_what_mlflow_finds(index: Index, text: str, order: list[str]) -> None:
    from mlflow.utils.search_utils import SearchModelVersionUtils

    wanted = versions_filter(text)
    said = order or ["last_updated_timestamp DESC"]
    theirs = SearchModelVersionUtils.sort(SearchModelVersionUtils.filter(version_entities(index), text), said)
    shown = [
        (one.name, one.version)
        for one in theirs
        if wanted.wants_prompts or (one.tags.get(IS_PROMPT) != "true" and one.name != "prompt")
    ]
    page = index.search_versions(wanted, versions_order(order))
    assert [(one.name, one.number) for one in page.items] == shown


@pytest.mark.parametrize(
    "text",
    ["name = fraud", "name = 'a' OR name = 'b'", "nmae = 'x'", "name", "name =", "metrics.a = 'b'", "name IN ()",
     "name IN (1, 2)", "tags.a = 5", "name = `a`", "run_id = 'x'", "name = 'a';", "name LIKE 5", "(name = 'a')"],
)  # fmt: skip
def test_what_mlflow_refuses_is_refused(text: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.search_utils import SearchModelUtils

    with pytest.raises(MlflowException):
        SearchModelUtils.parse_search_filter(text)
    with pytest.raises(BadInput):
        models_filter(text)
