"""What is served where, and what changes from one table to the next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from specs import model, registry, version
from stagedoor.core.policy import RegistrySpec, Serving
from stagedoor.core.reading import read_as, text_of
from stagedoor.core.registry import Registry
from stagedoor.core.serving import Table, difference, table
from stagedoor.core.spec import RegisteredModel
from stagedoor.errors import BadSpec

PLAIN = Serving()
NOTHING = Table()


def split(**shares: int) -> Serving:
    traffic = {"Production": {number.removeprefix("v"): percent for number, percent in shares.items()}}
    return Serving.model_validate({"models": {"fraud": {"traffic": traffic}}})


def served(there: Registry, serving: Serving = PLAIN, before: Table = NOTHING) -> dict[str, dict[int, int]]:
    """Each route as people write it, and who answers with which share."""
    made = table(there, serving, before=before)
    return {route.path: {share.loadable.version: share.percent for share in route.shares} for route in made.routes}


def test_versions_in_served_stages_are_reached_by_number_stage_and_alias() -> None:
    there = registry(
        model("fraud", version(1, "Archived"), version(2, "Production"), version(3, "Staging"), version(4),
              aliases={"champion": 2, "old": 1})
    )  # fmt: skip
    assert served(there) == {
        "fraud/2": {2: 100},
        "fraud/3": {3: 100},
        "fraud/Staging": {3: 100},
        "fraud/Production": {2: 100},
        "fraud@champion": {2: 100},
    }


def test_the_newest_of_several_gets_the_traffic_of_their_stage() -> None:
    there = registry(model("fraud", version(9, "Production"), version(10, "Production")))
    assert served(there)["fraud/Production"] == {10: 100}


def test_a_split_shares_the_traffic_and_what_left_the_stage_gets_none() -> None:
    there = registry(model("fraud", version(1, "Archived"), version(2, "Production"), version(3, "Production")))
    assert served(there, split(v2=90, v3=10))["fraud/Production"] == {2: 90, 3: 10}
    assert served(there, split(v1=50, v2=50))["fraud/Production"] == {2: 50}
    assert served(there, split(v1=100))["fraud/Production"] == {3: 100}


def test_a_model_is_switched_by_itself() -> None:
    there = registry(model("fraud", version(1, "Production")), model("scam", version(1, "Production")))
    off = Serving.model_validate({"models": {"fraud": {"enabled": False}}})
    assert list(served(there, off)) == ["scam/1", "scam/Production"]
    alone = Serving.model_validate({"enabled": False, "models": {"fraud": {"enabled": True}}})
    assert list(served(there, alone)) == ["fraud/1", "fraud/Production"]


class Broken(dict[str, RegisteredModel]):
    """Model files of which none reads."""

    def __getitem__(self, path: str) -> RegisteredModel:
        raise BadSpec("it does not read", where=path)


def test_a_file_that_does_not_read_keeps_the_routes_it_had() -> None:
    there = registry(model("fraud", version(1, "Production")))
    before = table(there, PLAIN)
    assert table(Registry(Broken(there.models)), PLAIN, before=before) == before


def test_a_rename_moves_routes_and_loads_nothing_anew() -> None:
    was = model("fraud", version(1, "Production"))
    now = was.model_copy(update={"name": "scam"})
    found = difference(table(registry(was), PLAIN), table(registry(now), PLAIN))
    assert (found.load, found.drop) == ((), ())
    assert [route.path for route in found.moved] == ["scam/1", "scam/Production"]
    assert [route.path for route in found.gone] == ["fraud/1", "fraud/Production"]


def test_a_transition_loads_the_new_and_drops_the_old() -> None:
    was = registry(model("fraud", version(1, "Production"), version(2)))
    now = registry(model("fraud", version(1, "Archived"), version(2, "Production")))
    found = difference(table(was, PLAIN), table(now, PLAIN))
    assert [one.ref for one in found.load] == ["fraud/2"]
    assert [one.ref for one in found.drop] == ["fraud/1"]
    assert [route.path for route in found.moved] == ["fraud/2", "fraud/Production"]
    assert [route.path for route in found.gone] == ["fraud/1"]


stages = st.lists(st.sampled_from(["None", "Staging", "Production", "Archived"]), max_size=6)


@given(stages, stages)
def test_no_difference_lies_between_a_table_and_itself_and_every_share_is_in_its_stage(
    first: list[str], second: list[str]
) -> None:
    one, other = (
        table(registry(model("fraud", *(version(at, stage) for at, stage in enumerate(held, 1)))), PLAIN)
        for held in (first, second)
    )
    assert difference(one, one).is_empty
    there = difference(one, other)
    assert set(there.load) == set(other.loadables) - set(one.loadables)
    assert set(there.drop) == set(one.loadables) - set(other.loadables)
    for route in one.routes:
        if route.address in ("Staging", "Production"):
            assert [first[share.loadable.version - 1] for share in route.shares] == [route.address]


def test_the_policy_reads_and_is_written_as_it_was_said() -> None:
    said = """\
apiVersion: stagedoor/v1
kind: Registry
serving:
  stages:
  - Production
  models:
    fraud:
      traffic:
        Production:
          "2": 90
          "3": 10
    scam:
      enabled: false
"""
    spec = read_as(RegistrySpec, said.encode(), "registry.yaml")
    assert spec.serving.models["fraud"].traffic == {"Production": {"2": 90, "3": 10}}
    assert read_as(RegistrySpec, text_of(spec, "registry.yaml").encode(), "registry.yaml") == spec
