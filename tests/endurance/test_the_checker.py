"""The checker of orders finds what is wrong, and lets pass what is right: else its silence says nothing."""

from __future__ import annotations

import math

from linear import Logged, linearize
from oracle import Answer, Call
from town import ANN, BOB, CAROL


def register(begin: float, end: float, number: int | None, text: str = "s3://x") -> Logged:
    lost = "" if number else "no answer"
    return Logged(Call("register", ANN, "m", text=text, strict=True), begin, end, Answer(number, lost=lost))


def move(begin: float, end: float, stage: str, refused: str = "", what: str = "") -> Logged:
    return Logged(Call("move", CAROL, "m", 1, stage), begin, end, Answer(refused=refused, what=what))


def look(begin: float, end: float, *stages: str) -> Logged:
    seen = {str(n): [stage, "s3://x", {}, ""] for n, stage in enumerate(stages, start=1)}
    return Logged(Call("versions", BOB, "m"), begin, end, Answer(seen))


def is_fine(*logged: Logged) -> bool:
    return not linearize(logged).stuck


def test_two_that_write_at_once_may_have_come_in_either_order() -> None:
    assert is_fine(register(0, 3, 2), register(1, 2, 1), look(4, 5, "None", "None"))


def test_a_number_that_is_given_twice_is_found() -> None:
    assert not is_fine(register(0, 1, 1), register(2, 3, 1))


def test_a_write_that_was_answered_and_is_not_there_is_found() -> None:
    assert not is_fine(register(0, 1, 1), register(2, 3, 2), look(4, 5, "None"))


def test_a_look_at_what_was_before_is_found() -> None:
    assert not is_fine(register(0, 1, 1), move(2, 3, "Staging"), look(4, 5, "None"))
    assert is_fine(register(0, 1, 1), move(2, 5, "Staging"), look(3, 4, "None"))


def test_a_write_that_changes_nothing_first_may_have_come_second() -> None:
    there = (register(0, 1, 1), move(2, 3, "Production"))
    assert is_fine(
        *there, move(4, 7, "Staging"), move(5, 8, "Production"), look(6, 7, "Staging"), look(9, 10, "Production")
    )


def test_what_was_lost_may_have_happened_at_any_time_or_never() -> None:
    lost = register(0, math.inf, None)
    assert is_fine(lost, look(1, 2), look(3, 4, "None"))
    assert is_fine(lost, look(1, 2), look(3, 4))
    assert not is_fine(lost, look(1, 2, "None"), look(3, 4))


def test_a_refusal_that_is_not_true_is_found() -> None:
    assert not is_fine(register(0, 1, 1), move(2, 3, "Staging", "RESOURCE_DOES_NOT_EXIST"))
    late = "m/1 is in Staging by now, not in None"
    assert is_fine(register(0, 1, 1), move(2, 5, "Staging"), move(3, 4, "Archived", "INVALID_STATE", late))
    assert not is_fine(register(0, 1, 1), move(2, 5, "Archived", "INVALID_STATE", late))
