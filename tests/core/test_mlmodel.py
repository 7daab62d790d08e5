"""What MLmodel files say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.core.mlmodel import MAX_BYTES, read
from stagedoor.errors import BadInput


def columns(inputs: str) -> list[tuple[str, str, bool]]:
    card = read(f"flavors: {{}}\nsignature: {{inputs: '{inputs}'}}\n".encode(), "MLmodel")
    assert card.signature is not None
    return [(one.name, one.type, one.required) for one in card.signature.inputs]


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ('[{"type": "double", "name": "x"}]', ("x", "double", True)),
        ('[{"type": "long", "name": "x", "required": false}]', ("x", "long", False)),
        ('[{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [8]}}]', ("", "tensor(uint8, 8)", True)),
        ('[{"type": "array", "items": {"type": "string"}, "name": "x"}]', ("x", "array(string)", True)),
        ('[{"type": "object", "properties": {"b": {}, "a": {}}, "name": "x"}]', ("x", "object(a, b)", True)),
    ],
)  # fmt: skip
def test_a_column_is_told_in_one_line(inputs: str, found: tuple[str, str, bool]) -> None:
    assert columns(inputs) == [found]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        read(raw, "MLmodel")
    except BadInput as error:
        assert error.fix


def test_a_file_larger_than_any_card_is_not_read() -> None:
    with pytest.raises(BadInput, match="more than"):
        read(b" " * (MAX_BYTES + 1), "MLmodel")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, one in zip("abcdefghijk", "bcdefghijkl", strict=True)
)


@pytest.mark.parametrize(
    "said",
    [
        "flavors: *l\n",
        "flavors: {}\nsignature: {inputs: [{name: *l, type: double}]}\n",
        "flavors: {}\nsignature: {inputs: [{type: *l}]}\n",
        "flavors: {}\nsignature: {inputs: [{type: tensor, tensor-spec: {shape: *l}}]}\n",
        "flavors: {}\nsignature: {inputs: [{type: object, properties: *l}]}\n",
        "flavors: {}\nsignature: words\n",
        "flavors: {}\nsignature: {inputs: [1]}\n",
    ],
)
def test_what_says_itself_again_and_again_is_refused_and_not_written_out(said: str) -> None:
    with pytest.raises(BadInput, match="no MLmodel file"):
        read((BOMB + said).encode(), "MLmodel")
