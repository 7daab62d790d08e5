"""What a server could not load is told once, by the reconciler, wherever that runs."""

from __future__ import annotations

from collections.abc import Callable

from stagedoor.core.events import KINDS
from stagedoor.core.serving import Loadable, loadable
from stagedoor.gitstore import RefUpdate
from stagedoor.workflows import faults
from stagedoor.workflows.reconciling import Options, reconcile
from town import BOB, CAROL, Town

ROUTE = """\
notifications:
  routes:
  - name: alarm
    events: [serving.failed]
    stages: [Production]
    to: ["json://127.0.0.1:9/"]
"""


def fraud(town: Town) -> Loadable:
    model = town.as_(CAROL).snapshot().registry.model("fraud")
    return loadable(model, model.versions[0])


def told(town: Town, options: Options = Options()) -> list[str]:  # noqa: B008
    return [one.text for one in reconcile(town.as_(CAROL), options).events if one.kind == "serving.failed"]


def test_a_fault_is_an_event_that_names_version_stage_and_reason(town: Town) -> None:
    town.register("fraud")
    reconcile(town.as_(CAROL))
    made = faults.record(town.as_(BOB), fraud(town), "Production", "the weights\nare torn")
    assert "serving.failed" in KINDS
    assert told(town) == [f"fraud/1 could not be loaded on {made.host} for Production: the weights are torn"]
    assert told(town) == []


def test_routes_take_it_by_kind_and_stage(configured: Callable[[str], Town]) -> None:
    town = configured(ROUTE)
    town.register("fraud")
    reconcile(town.as_(CAROL), Options(start="main"))
    faults.record(town.as_(BOB), fraud(town), "Staging", "torn")
    faults.record(town.as_(BOB), fraud(town), "Production", "torn")
    planned = reconcile(town.as_(CAROL), Options(dry_run=True)).planned
    assert [(one.sink, one.event.to_stage) for one in planned] == [("alarm", "Production")]


def test_who_goes_on_from_main_hears_nothing_of_before(town: Town) -> None:
    town.register("fraud")
    faults.record(town.as_(BOB), fraud(town), "", "torn")
    assert told(town, Options(start="main")) == []
    assert told(town) == []


def test_nonsense_on_the_ref_and_a_deleted_model_are_passed_over(town: Town) -> None:
    town.register("fraud")
    gone = fraud(town)
    faults.record(town.as_(BOB), gone, "", "torn")
    repository = town.as_(CAROL).repository
    tip = repository.tip(faults.REF)
    assert tip is not None
    who = town.as_(CAROL).signature()
    tree = repository.write_tree(repository.commit_info(tip).tree, {"x/1/y.json": b"{"})
    commit = repository.commit(tree, (tip,), author=who, committer=who, message="by hand\n")
    repository.publish((RefUpdate(faults.REF, tip, commit),), "test")
    town.commit({"registry_spec/models/fraud.yaml": None})
    assert told(town) == []
