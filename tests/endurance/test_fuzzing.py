"""A short walk around the seeds of the fuzzing: the long one is guided by coverage, see docs/reliability.md."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import SEEDS, TARGETS, ran

PIECES = (
    b"\n",
    b"  ",
    b"- ",
    b": ",
    b"#",
    b"'",
    b'"',
    b"{",
    b"]",
    b"*",
    b"&",
    b"\\",
    b"\x00",
    b"\xff",
    b"@",
    b"%",
    b"0",
)
edits = st.lists(
    st.tuples(st.integers(0, 4096), st.integers(0, 9), st.sampled_from(PIECES) | st.binary(max_size=4)), max_size=5
)


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_taken_or_refused(name: str) -> None:
    for seed in SEEDS[name]:
        ran(TARGETS[name], seed)
        for cut in range(0, len(seed), max(1, len(seed) // 20)):
            ran(TARGETS[name], seed[:cut])


@pytest.mark.parametrize("name", TARGETS)
def test_the_first_seed_is_one_that_reads(name: str) -> None:
    assert ran(TARGETS[name], SEEDS[name][0])


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bytes_near_a_seed_make_anything_fall_over(name: str, data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(SEEDS[name]))
    for at, gone, new in data.draw(edits):
        at %= len(raw) + 1
        raw = raw[:at] + new + raw[at + gone :]
    ran(TARGETS[name], raw)
