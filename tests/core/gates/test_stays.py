"""How long versions were in their stages, told commit by commit."""

from __future__ import annotations

from datetime import timedelta

from specs import FRAUD, NOW, model, registry, version
from stagedoor.core.diff import diff
from stagedoor.core.gates.stays import Coming, Stays
from stagedoor.core.registry import Registry
from stagedoor.core.spec import RegisteredModel

DAY = timedelta(days=1)
SCAM = FRAUD.replace("fraud", "scam")


def told(*states: RegisteredModel | None) -> Stays:
    """One state of the only model a day."""
    stays, before = Stays(), Registry()
    for day, state in enumerate(states):
        after = Registry() if state is None else registry(state)
        stays.tell(diff(before, after), NOW + day * DAY, f"c{day}")
        before = after
    return stays


def in_stage(stage: str, **more: object) -> RegisteredModel:
    return model("fraud", version(1, stage), **more)


def test_stays_in_one_stage_add_up_and_the_one_that_lasts_counts_until_now() -> None:
    stays = told(in_stage("Staging"), in_stage("None"), in_stage("Staging"))
    assert stays.time_in(FRAUD, 1, "Staging", NOW + 5 * DAY) == 4 * DAY
    assert stays.time_in(FRAUD, 1, "None", NOW + 5 * DAY) == DAY
    assert stays.time_in(FRAUD, 1, "Production", NOW) is None and stays.time_in(FRAUD, 2, "None", NOW) is None


def test_a_clock_that_went_back_takes_nothing_away() -> None:
    stays = told(in_stage("Staging"))
    assert stays.time_in(FRAUD, 1, "Staging", NOW - DAY) == timedelta()


def test_a_rename_takes_the_stays_along() -> None:
    moved = model("fraud", version(1, "None"))
    stays = told(in_stage("Staging"), moved, moved.model_copy(update={"name": "scam"}))
    assert stays.time_in(SCAM, 1, "Staging", NOW + 9 * DAY) == DAY
    assert stays.time_in(FRAUD, 1, "Staging", NOW + 9 * DAY) is None


def test_a_deletion_ends_them_for_the_next_model_and_the_next_version_of_that_number() -> None:
    stays = told(in_stage("Staging"), None, in_stage("None", id="0" * 32))
    assert stays.time_in(FRAUD, 1, "Staging", NOW + 9 * DAY) is None
    at_once = told(in_stage("Staging"), in_stage("None", id="0" * 32))
    assert at_once.time_in(FRAUD, 1, "Staging", NOW + 9 * DAY) is None


def test_it_is_known_how_a_version_came_to_where_it_is() -> None:
    stays = told(in_stage("Staging"), in_stage("Production"))
    assert stays.coming(FRAUD, 1) == Coming("Staging", "c1", FRAUD)
    assert stays.coming(FRAUD, 2) is None
