"""Whatever a stranger with a token sends, the answer is an answer: no call falls over, and none loses anything."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from served import Served
from stagedoor.apps.api.app import CALLS
from stagedoor.apps.api.calls import Call
from town import ANN, CAROL, DAVE

ALL = [call for part in CALLS for call in part.all]
TEXT = st.one_of(
    st.sampled_from(
        ["nonsense", "1", "0", "-1", "", " ", "../..", "a/b", "@", "None", "Production", "root", "0" * 32, "name = 'x'",
         "tags.`a` LIKE '%'", "name DESC", "CAN_MANAGE", "é\u202e\0", "x" * 300, ANN, "stagedoor", "latest", "{}"]
    ),
    st.text(max_size=12),
)  # fmt: skip
VALUE = st.recursive(
    st.one_of(TEXT, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def asking(draw: st.DrawFn) -> tuple[Call, dict[str, Any]]:
    """A call, and something for each of its fields: what fits, or anything."""
    call = draw(st.sampled_from(ALL))
    said = {name: draw(st.one_of(TEXT, VALUE)) for name in call.asked.model_fields if draw(st.integers(0, 5))}
    return call, said


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(asking(), st.sampled_from([ANN, CAROL, DAVE]))
def test_no_call_falls_over(served: Served, one: tuple[Call, dict[str, Any]], who: str) -> None:
    call, said = one
    path = call.path.replace("{id}", "root" if said.get("id") == "root" else "0" * 32)
    path = path.replace("{webhook_id}", "0" * 32)
    got = served.call(call.verb, path, said, as_=who)
    assert got.status_code < 500, (call.path, said, got.text)
    assert isinstance(got.json(), dict)
    assert got.status_code == 200 or got.json()["message"]
