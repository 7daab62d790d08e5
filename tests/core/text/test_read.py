"""What the reader takes, and how it refuses what it does not."""

from __future__ import annotations

import importlib
import time
import tracemalloc

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stagedoor.core.text import MAX_BYTES, read
from stagedoor.errors import BadSpec


def refusal(raw: bytes | str) -> tuple[str, str | None]:
    with pytest.raises(BadSpec) as refused:
        read(raw.encode() if isinstance(raw, str) else raw, "m.yaml")
    return refused.value.what, refused.value.where


def test_every_scalar_stays_text() -> None:
    text = "a: 12e4567890\nb: yes\nc: 2026-11-24\nd: 010\ne: 'null'\nf: !\n".replace("f: !\n", 'f: ""\ng: .inf\n')
    assert read(text.encode(), "m.yaml").data == {
        "a": "12e4567890",
        "b": "yes",
        "c": "2026-11-24",
        "d": "010",
        "e": "null",
        "f": "",
        "g": ".inf",
    }


def test_null_and_nothing_are_none() -> None:
    assert read(b"a: null\nb: ~\nc:\nd: NULL\ne: Null\nf: nULL\n", "m.yaml").data == {
        **dict.fromkeys("abcde"),
        "f": "nULL",
    }


def test_mappings_and_lists_keep_their_order() -> None:
    data = read(b"---\nb: [x, {z: 1, y: 2}]\na:\n- q\n-\n  - r\n", "m.yaml").data
    assert data == {"b": ["x", {"z": "1", "y": "2"}], "a": ["q", ["r"]]}
    assert isinstance(data, dict)
    assert list(data) == ["b", "a"]


def test_a_location_is_given_as_line_and_column() -> None:
    document = read(b"name: x\nversions:\n- version: 1\n  stage:   Prod\n- {version: 2}\ntags: {a: b}\n", "m.yaml")
    assert document.at(("versions", 0, "stage")) == "m.yaml:4:12"
    assert document.key_at(("versions", 0, "stage")) == "m.yaml:4:3"
    assert document.at(("versions", 1, "version")) == "m.yaml:5:13"
    assert document.key_at(("tags", "a")) == "m.yaml:6:8"
    assert document.at(("versions", 1)) == "m.yaml:5:3"


def test_a_missing_location_is_that_of_what_is_around_it() -> None:
    document = read(b"versions:\n- version: 1\nname: x\n", "m.yaml")
    assert document.at(("versions", 0, "source")) == "m.yaml:2:3"
    assert document.at(("versions", 7)) == "m.yaml:2:1"
    assert document.at(("name", "first")) == "m.yaml:3:7"
    assert document.at(("id",)) == "m.yaml:1:1"
    assert document.at(()) == "m.yaml:1:1"


HOSTILE: dict[str, tuple[bytes | str, str, str]] = {
    "empty": ("", "the file is empty", "m.yaml:1:1"),
    "only comments": ("# nothing\n", "the file is empty", "m.yaml:1:1"),
    "only a marker": ("---\n", "the file is empty", "m.yaml:2:1"),
    "a list": ("- a\n", "the top level is a list", "m.yaml:1:1"),
    "a word": ("hello\n", "the top level is text", "m.yaml:1:1"),
    "latin-1": (b"a: 1\nb: caf\xe9\n", "the file is not UTF-8: byte 11 is 0xe9", "m.yaml:2:7"),
    "utf-16": ("a: 1\n".encode("utf-16"), "the file is not UTF-8: byte 0 is 0xff", "m.yaml:1:1"),
    "a byte order mark": (b"\xef\xbb\xbfa: 1\n", "the file has a byte order mark", "m.yaml:1:1"),
    "a byte order mark inside": ("a: \ufeff1\n", "a byte order mark (U+FEFF) stands inside the file", "m.yaml:1:4"),
    "crlf": ("a: 1\r\nb: 2\r\n", "a line ends with a carriage return", "m.yaml:1:5"),
    "cr": ("a: 1\rb: 2\r", "a line ends with a carriage return", "m.yaml:1:5"),
    "nul": ("a: 1\nb: \0\n", "the control character U+0000 stands in the file", "m.yaml:2:4"),
    "escape": ("a: \x1b[31m\n", "the control character U+001B stands in the file", "m.yaml:1:4"),
    "line separator": (
        "a: x\u2028y\n",
        "a line separator (U+2028) is a line end to some YAML readers and not to others",
        "m.yaml:1:5",
    ),
    "tab": ("a:\n\tb: 1\n", "a tab is used as indentation", "m.yaml:2:1"),
    "tab after spaces": ("a:\n  b: 1\n  \tc: 2\n", "a tab is used as indentation", "m.yaml:3:3"),
    "tab in a block": ("a: |\n\tb\n", "a tab is used as indentation", "m.yaml:2:1"),
    "two documents": ("a: 1\n---\nb: 2\n", "the file holds more than one document", "m.yaml:2:1"),
    "a document after the end": ("a: 1\n...\nb: 2\n", "something stands after the end of the document", "m.yaml:3:1"),
    "version directive": ("# c\n%YAML 1.2\n---\na: 1\n", "the file has a YAML directive", "m.yaml:2:1"),
    "tag directive": ("%TAG ! tag:x,2026:\n---\na: 1\n", "the file has a YAML directive", "m.yaml:1:1"),
    "python tag": (
        "a: !!python/object/apply:os.system ['id']\n",
        "the YAML tag !!python/object/apply:os.system is not read",
        "m.yaml:1:4",
    ),
    "own tag": ("a: 1\nb: !foo 1\n", "the YAML tag !foo is not read", "m.yaml:2:4"),
    "tag on a mapping": ("a: !!map {}\n", "the YAML tag !!map is not read", "m.yaml:1:4"),
    "tag on the top": ("!!omap\na: 1\n", "the YAML tag !!omap is not read", "m.yaml:1:1"),
    "bare tag": ("a: ! 1\n", "the YAML tag ! is not read", "m.yaml:1:4"),
    "merge key": ("a: &x {b: 1}\nc:\n  <<: *x\n", "the merge key << is not read", "m.yaml:3:3"),
    "duplicate": ("a: 1\nb: 2\na: 3\n", "the key a stands twice, in line 1 and in line 3", "m.yaml:3:1"),
    "duplicate deep": (
        "a: 1\nv:\n- a: 1\n  b: [c, {a: 1}]\n  d: 0\n  d: 1\n",
        "the key d stands twice, in line 5 and in line 6",
        "m.yaml:6:3",
    ),
    "duplicate in other quotes": (
        "a: {b: 1, 'b': 2}\n",
        "the key b stands twice, in line 1 and in line 1",
        "m.yaml:1:11",
    ),
    "null key": ("~: 1\n", "a key is ~", "m.yaml:1:1"),
    "no key": (": 1\n", "a key is expected here", "m.yaml:1:1"),
    "empty key after a question mark": ("?\n: 1\n", "a key is empty", "m.yaml:1:2"),
    "list key": ("[a]: 1\n", "a key is a list", "m.yaml:1:1"),
    "mapping key": ("? {a: 1}\n: 2\n", "a key is a mapping", "m.yaml:1:3"),
    "alias key": ("a: &x b\n*x : 1\n", "a key is the alias *x", "m.yaml:2:1"),
    "unknown alias": ("a: *x\n", "the alias *x has no anchor &x before it", "m.yaml:1:4"),
    "recursion": ("a: &x\n  b: *x\n", "the alias *x stands inside what it names", "m.yaml:2:6"),
    "recursion of the top": ("&x\na: [*x]\n", "the alias *x stands inside what it names", "m.yaml:2:5"),
    "deep": ("a: " + "[" * 40 + "]" * 40 + "\n", "nested deeper than 32 levels", "m.yaml:1:35"),
    "deeper": ("a: " + "[" * 500_000 + "\n", "nested deeper than 32 levels", "m.yaml:1:1003"),
    "open quote": ('a: "b\nc: 1\n', "a quote is opened and never closed", "m.yaml:3:1"),
    "second colon": ("a: b: c\n", "a key and its colon cannot stand here", "m.yaml:1:5"),
    "at sign": ("a: @b\n", "text cannot begin with this character", "m.yaml:1:4"),
    "wrong indentation": ("a: 1\n b: 2\n", "a key and its colon cannot stand here", "m.yaml:2:3"),
    "no colon": ("a: 1\nb\nc: 2\n", "a key without its colon", "m.yaml:3:1"),
    "open bracket": (
        "a: [b\n",
        "not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence)",
        "m.yaml:2:1",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_is_refused_with_the_reason_the_line_and_the_column(name: str) -> None:
    raw, what, place = HOSTILE[name]
    assert refusal(raw) == (what, place)


def test_a_file_that_is_too_large_is_refused_before_it_is_decoded() -> None:
    raw = b"a: \xff" * 10_000_000
    started = time.perf_counter()
    what, place = refusal(raw)
    assert time.perf_counter() - started < 1
    assert (what, place) == (f"the file has 40000000 bytes, and at most {MAX_BYTES} are read", "m.yaml")


def test_a_billion_laughs_are_refused_early_and_in_little_memory() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    tracemalloc.start()
    started = time.perf_counter()
    what, place = refusal("\n".join(lines) + "\n")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (what, place) == ("the aliases stand for more than 100000 values", "m.yaml:6:10")
    assert time.perf_counter() - started < 1
    assert peak < 1_000_000


def test_more_than_64_aliases_are_refused() -> None:
    assert read(f"a: &x 1\nb: [{', '.join(['*x'] * 64)}]\n".encode(), "m.yaml").data == {"a": "1", "b": ["1"] * 64}
    assert refusal(f"a: &x 1\nb: [{', '.join(['*x'] * 65)}]\n") == ("more than 64 aliases", "m.yaml:2:261")


def test_aliases_do_not_nest_deeper_than_text_may() -> None:
    lines = ["a0: &a0 [[[[[[[[x]]]]]]]]"] + [f"a{n}: &a{n} [[[[[[[[*a{n - 1}]]]]]]]]" for n in range(1, 5)]
    assert refusal("\n".join(lines) + "\n") == ("nested deeper than 32 levels", "m.yaml:4:17")


def test_an_alias_reads_as_what_it_names() -> None:
    document = read(b"a: &x\n  b: 1\nc: *x\nd: &y [*x]\ne: *y\n", "m.yaml")
    assert document.data == {"a": {"b": "1"}, "c": {"b": "1"}, "d": [{"b": "1"}], "e": [{"b": "1"}]}
    assert document.at(("c", "b")) == "m.yaml:3:4"


def test_the_parser_in_python_reads_and_refuses_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("stagedoor.core.text.read"), "_Parser", yaml.SafeLoader)
    document = read(b"a: [x, {y: z}]\n", "m.yaml")
    assert document.data == {"a": ["x", {"y": "z"}]}
    for name in ("tab", "two documents", "python tag", "duplicate deep", "recursion", "deep", "crlf", "a list"):
        raw, what, place = HOSTILE[name]
        assert refusal(raw) == (what, place)


PIECES = [b"a", b"b: ", b": ", b"- ", b"\n", b"\n  ", b"\n    ", b"\t", b"[", b"]", b"{", b"}", b",", b"'", b'"', b"#"]
PIECES += [b" #", b"|", b">", b"|-\n", b"&a ", b"*a ", b"!", b"!!str ", b"%YAML 1.2\n", b"---\n", b"...\n", b"? ", b"~"]
PIECES += [b"<<: ", b"\\", b"\\x", b"\\U00110000", b"\\ud800", b"\xff", b"\r", b"\0", b"\xc3\xa9", b"\xef\xbb\xbf"]


@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join),
        st.text(max_size=60).map(lambda text: text.encode()),
    )
)
@example(b'a: "\\UFFFFFFFF"')
@example(b"a: |3\n b")
@settings(max_examples=400, deadline=None)
def test_whatever_the_bytes_are_they_read_or_are_refused(raw: bytes) -> None:
    try:
        document = read(raw, "m.yaml")
    except BadSpec as refused:
        assert refused.where is not None
        assert refused.where.startswith("m.yaml:")
    else:
        assert isinstance(document.data, dict)
        assert document.at(()).startswith("m.yaml:")
