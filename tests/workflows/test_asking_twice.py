"""One request a version, stage and person, also where that person asks twice at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from stagedoor.core.registry import Ref
from stagedoor.errors import AlreadyExists
from stagedoor.workflows import moving, reviewing
from stagedoor.workflows.world import world_at
from town import ANN, Town


def test_of_many_who_ask_for_the_same_in_one_name_at_once_one_opens_a_request(town: Town) -> None:
    town.register("fraud")

    def ask(_: int) -> bool:
        try:
            with world_at(town.path, email=ANN) as world:
                moving.ask(world, Ref("fraud", 1), "Staging")
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        asked = list(pool.map(ask, range(6)))
    assert asked.count(True) == 1
    assert len(reviewing.requests(town.as_(ANN))) == 1
