"""A request is what its steps make of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specs import ANN, BOB, CAROL, NOW
from stagedoor.core.requests import (
    Closed,
    Commented,
    MergedStep,
    Opened,
    Pushed,
    Reviewed,
    Step,
    decode_step,
    encode_step,
    fold,
)
from stagedoor.errors import BadRepository

BASE, HEAD, NEXT = "a" * 40, "b" * 40, "c" * 40
OPENED = Opened(at=NOW, by=ANN, title="Move it", body="Better.", base=BASE, head=HEAD)
PUSHED = Pushed(at=NOW + timedelta(seconds=1), by=BOB, base=NEXT, head=NEXT)
MERGED = MergedStep(at=NOW, by=CAROL, head=HEAD, base=BASE, commit=NEXT)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
given_: dict[str, Any] = {"at": st.just(NOW), "by": st.sampled_from([ANN, BOB])}
oids = st.sampled_from([BASE, HEAD, NEXT, "d" * 64])
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Opened, **given_, title=text, body=text, base=oids, head=oids),
    st.builds(Pushed, **given_, base=oids, head=oids, why=text),
    st.builds(Reviewed, **given_, verdict=st.sampled_from(["approved", "changes_requested"]), head=oids, body=text),
    st.builds(Commented, **given_, body=text),
    st.builds(Closed, **given_, how=st.sampled_from(["rejected", "cancelled"]), body=text),
    st.builds(MergedStep, **given_, head=oids, base=oids, commit=oids),
)


@given(steps)
def test_a_step_reads_back_as_it_was_kept(step: Step) -> None:
    assert decode_step(encode_step(step), "refs/pull/1/meta") == step


@given(st.lists(steps, max_size=8))
def test_any_steps_after_the_first_make_a_request(more: list[Step]) -> None:
    request = fold(3, [OPENED, *more])
    assert (request.number, request.author, request.title) == (3, ANN, "Move it")
    assert request.steps == (OPENED, *more)
    assert len({review.by for review in request.reviews}) == len(request.reviews)


def test_a_request_is_opened_at_its_first_head() -> None:
    request = fold(3, [OPENED])
    assert (request.is_open, request.base, request.head, request.pushed_by, request.body) == (
        True,
        BASE,
        HEAD,
        ANN,
        "Better.",
    )


def test_a_push_moves_base_and_head_and_says_who() -> None:
    request = fold(3, [OPENED, PUSHED])
    assert (request.base, request.head, request.pushed_by, request.author) == (NEXT, NEXT, BOB, ANN)
    assert request.updated_at == NOW + timedelta(seconds=1)


def test_a_request_ends_merged_or_closed() -> None:
    merged, closed = fold(3, [OPENED, MERGED]), fold(3, [OPENED, Closed(at=NOW, by=ANN, how="cancelled")])
    assert (merged.state, merged.merged_as, merged.is_open) == ("merged", NEXT, False)
    assert (closed.state, closed.closed_as, closed.is_open) == ("closed", "cancelled", False)


def test_the_last_review_of_each_person_counts_in_the_order_they_came() -> None:
    first, second, third = (
        Reviewed(at=NOW, by=by, verdict=verdict, head=HEAD)
        for by, verdict in ((CAROL, "approved"), (BOB, "approved"), ("Carol@example.com", "changes_requested"))
    )
    assert fold(3, [OPENED, first, second, third]).reviews == (second, third)


def test_comments_are_in_the_order_they_were_made() -> None:
    said = tuple(Commented(at=NOW, by=ANN, body=body) for body in ("one", "two"))
    assert fold(3, [OPENED, *said]).comments == said


def test_a_request_without_its_first_step_is_refused() -> None:
    for wrong in ([], [PUSHED]):
        with pytest.raises(BadRepository, match="request 3 has no first step"):
            fold(3, wrong)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "its JSON is wrong"),
        (b"\xff", "its JSON is wrong"),
        (b'{"step": "exploded"}', "its JSON is wrong"),
        (encode_step(OPENED).replace(HEAD.encode(), b"HEAD"), "opened.head is wrong"),
        (encode_step(OPENED).replace(b"2026-11-24T10:15:00.123Z", b"0001-01-01T00:00:00+23:59"), "opened.at is wrong"),
        (b"[" * 100_000, "its JSON is wrong"),
    ],
)
def test_a_step_written_by_hand_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(BadRepository) as caught:
        decode_step(raw, "refs/pull/1/meta")
    assert (caught.value.what, caught.value.where) == (
        f"a step of the request does not read: {said}",
        "refs/pull/1/meta",
    )


def test_a_key_of_a_newer_release_is_passed_over() -> None:
    assert decode_step(encode_step(OPENED).replace(b'"step"', b'"mood": "good",\n "step"'), "x") == OPENED
