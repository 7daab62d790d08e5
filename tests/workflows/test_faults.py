"""What a server could not load is told once, by the reconciler, wherever that runs."""

from __future__ import annotations

from collections.abc import Callable

from stagedoor.core.events import KINDS
from stagedoor.core.serving import Loadable, loadable
from stagedoor.gitstore import RefUpdate
from stagedoor.workflows import faults
from stagedoor.workflows.reconciling import Options, reconcile
from stagedoor.workflows.watching import Watch
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
    assert made is not None
    assert {"serving.failed", "serving.loaded"} <= set(KINDS)
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


def test_a_server_that_starts_again_tells_the_same_no_second_time(town: Town) -> None:
    town.register("fraud")
    one = fraud(town)
    assert faults.record(town.as_(BOB), one, "Production", "torn")
    assert faults.record(town.as_(BOB), one, "Production", "torn") is None
    assert faults.record(town.as_(BOB), one, "Production", "too heavy")
    assert faults.record(town.as_(BOB), one, "Staging", "too heavy")
    assert len(told(town)) == 3


def test_a_version_that_loads_after_all_is_told_once_and_its_next_fault_again(town: Town) -> None:
    town.register("fraud")
    one = fraud(town)
    assert faults.mended(town.as_(BOB), one, "Production") is None
    faults.record(town.as_(BOB), one, "Production", "torn")
    made = faults.mended(town.as_(BOB), one, "Production")
    assert made is not None
    assert faults.mended(town.as_(BOB), one, "Production") is None
    assert faults.record(town.as_(BOB), one, "Production", "torn")
    with_watch = Watch().once(town.as_(CAROL))
    assert with_watch is not None
    assert [one.text for one in with_watch.events if one.kind.startswith("serving.")] == [
        f"fraud/1 could not be loaded on {made.host} for Production: torn",
        f"fraud/1 is served on {made.host} for Production after all",
        f"fraud/1 could not be loaded on {made.host} for Production: torn",
    ]


def test_a_server_that_watches_tells_what_another_could_not_load(town: Town) -> None:
    town.register("fraud")
    watch = Watch()
    watch.once(town.as_(CAROL))
    assert watch.once(town.as_(CAROL)) is None
    faults.record(town.as_(BOB), fraud(town), "Production", "torn")
    found = watch.once(town.as_(CAROL))
    assert found is not None
    assert [one.kind for one in found.events] == ["serving.failed"]
