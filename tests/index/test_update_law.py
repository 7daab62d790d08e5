"""The law of the index: brought up step by step, it is what it would be if it were built from nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landings import Landings
from specs import model, version
from stagedoor.core.layout import model_path
from stagedoor.core.reading import text_of
from stagedoor.index import Index

STAGES = ("None", "Staging", "Production")
NAMES = ("a", "b", "c d")
TABLES = {
    "models": "SELECT m.name, folded, title, path, blob, id, created_at, created_by, updated_at, last_version, latest,"
    " version_count, stages, is_prompt, fault, body FROM models m LEFT JOIN bodies ON model = row WHERE died > {seq}",
    "tags": "SELECT name, key, value FROM model_tags JOIN models ON model = row WHERE died > {seq}",
    "aliases": "SELECT name, version, alias FROM aliases JOIN models ON model = row WHERE died > {seq}",
    "versions": "SELECT name, v.version, stage, source, run_id, created_at, created_by, updated_at, is_prompt, shown,"
    " content FROM versions v JOIN contents c ON c.version = v.row WHERE died > {seq}",
    "version tags": "SELECT name, v.version, key, value FROM version_tags t JOIN versions v ON t.version = v.row"
    " WHERE died > {seq}",
    "files": "SELECT * FROM files",
}


def held(index: Index) -> dict[str, list[object]]:
    """All that the index says of its commit, whatever the numbers of its rows."""
    return {
        name: sorted(index.db.execute(sql.format(seq=index.state.seq)).fetchall(), key=repr)
        for name, sql in TABLES.items()
    }


versions = st.lists(st.tuples(st.sampled_from(STAGES), st.sampled_from(["", "x", "y"])), max_size=3)
tags = st.dictionaries(st.sampled_from(["k", "l", "mlflow.prompt.is_prompt"]), st.sampled_from(["true", "v"]))


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str | None]:
    """One model file, written, broken, written in another style, or deleted."""
    name = draw(st.sampled_from(NAMES))
    path = model_path(name, "flat", draw(st.sampled_from(["", "", "team"])))
    how = draw(st.sampled_from(["write"] * 6 + ["break", "flow", "delete", "delete"]))
    if how == "delete":
        return path, None
    if how == "break":
        return path, draw(st.sampled_from(["name: [", "", "kind: RegisteredModel\n"]))
    made = [version(n, stage, description=said) for n, (stage, said) in enumerate(draw(versions), 1)]
    has_alias = bool(made) and draw(st.booleans())
    aliases = {"champion": len(made)} if has_alias else {}
    text = text_of(model(name, *made, tags=draw(tags), aliases=aliases), path)
    if how == "flow":
        text = text.replace("- version: 1\n  stage: None\n", "- {version: 1, stage: None,\n   description: 'z'}\n")
    return path, text


Commit = tuple[list[tuple[str, str | None]], bool, bool]

commits = st.lists(st.tuples(st.lists(files(), min_size=1, max_size=3), st.booleans(), st.booleans()), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(commits)
def test_an_index_brought_up_to_date_is_one_built_anew(
    history: list[Commit],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        main = Landings.at(Path(folder) / "registry.git")
        with main.index() as index:
            for changed, is_merge, is_looked_at in history:
                main.later(seconds=90)
                tip = main.repository().tip()
                side = main.commit(dict(changed), onto=tip) if is_merge else None
                main.later(seconds=90)
                main.commit(dict(changed), merged=side)
                if is_looked_at:
                    index.catch_up()
            index.catch_up()
            brought_up = held(index)
            index.rebuild()
            assert brought_up == held(index)
        main.close()
