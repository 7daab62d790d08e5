"""Whatever a file says that the schema lets pass: it is planned, checked and shown, and nothing falls over."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from specs import ANN, BY, OWNERS, PEOPLE, facts, owners
from stagedoor.core.approval import judge, needs
from stagedoor.core.checks import run
from stagedoor.core.checks.catalogue import ALL_CHECKS
from stagedoor.core.diff import apply, diff
from stagedoor.core.events import Happening, events_of
from stagedoor.core.plan import Plan, effects, model_plans
from stagedoor.core.policy import Gate, RegistrySpec, Stage
from stagedoor.core.registry import Registry
from stagedoor.core.replay import replay
from stagedoor.core.spec import RegisteredModel, Version
from stagedoor.core.views import plans, problems

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
STAGES = st.sampled_from(["None", "Staging", "Production", "Archived", "production", "Canary", "", "a/b"])
SPEC = RegistrySpec(
    stages=(*RegistrySpec().stages[:2], Stage(name="Production", exclusive=True, sources=()), Stage(name="Archived")),
    gates=(Gate(name="g", require=("model.tags.team", "metrics.rmse", "")),),
)
versions = st.builds(
    Version,
    version=st.integers(1, 4),
    stage=STAGES,
    source=TEXT,
    description=TEXT,
    digest=TEXT,
    metrics=st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=2),
    tags=st.dictionaries(TEXT, TEXT, max_size=2),
    created=st.just(BY),
)
# numbers twice and out of order, aliases of nothing, ids of others, names that are none
models = st.builds(
    RegisteredModel,
    name=TEXT,
    id=st.sampled_from(["0" * 32, "1" * 32]),
    created=st.just(BY),
    aliases=st.dictionaries(TEXT, st.integers(1, 5), max_size=2),
    tags=st.dictionaries(TEXT, TEXT, max_size=1),
    last_version=st.integers(0, 5),
    versions=st.lists(versions, max_size=4).map(tuple),
)
paths = st.sampled_from(["a.yaml", "b.yaml", "x/a.yaml", "%ff.yaml", "A.yaml"]).map("registry_spec/models/{}".format)
registries = st.dictionaries(paths, models, max_size=3).map(Registry)


@given(registries, registries)
@settings(max_examples=150, deadline=None)
def test_no_pair_of_registries_makes_anything_fall_over(before: Registry, after: Registry) -> None:
    changes = diff(before, after)
    seen = facts(before, after, spec=SPEC, owners=owners())
    found = run(ALL_CHECKS, seen, lambda place: (1, 1))
    asked = needs(changes, ("x",), SPEC)
    verdict = judge(asked, (), head="b" * 40, author=ANN, owners=owners(OWNERS), people=PEOPLE, spec=SPEC)
    made = model_plans(changes, before, after)
    plan = Plan("a" * 40, "b" * 40, "c" * 64, 1, "x", made, ("x",), found, verdict)
    assert plans.text(plan).endswith(".\n") and len(plans.markdown(plan)) < 65_000
    assert json.dumps(plans.data(plan)) and effects(made) is not None
    assert all(problems.render(found, style) for style in ("text", "json", "sarif", "markdown"))
    assert len(events_of(changes, (), Happening("c" * 40, ANN, BY.at))) >= 0
    apply(changes, before)
    replay(changes, before)
    replay(changes, after)
    replay(changes, Registry())
