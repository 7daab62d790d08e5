"""Regular expressions that meet a stranger's text take time in proportion to its length, whatever it says."""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2] / "src"
VERBS = ("search", "match", "fullmatch", "sub", "split", "findall", "finditer")
# what makes a careless expression walk back: runs of one thing, and things that begin what they never end
PUMPS = (
    " ", "\t", "\n", " \n", "a", "0", "\\", "/", "'", '"', "@", "#", "-", ".", "=", ":", "[", "]", "{", "(", "*", "`",
    "&", "//", "://", "a@", "@a", ".a", "a.", "- ", "a ", "/a", "a/", "%2f", "\\ ", "[a]", "''", "<!-- ", "é", "0.",
    "name ", "versions:\n", "candidate.", "candidate[", ": a\n", "tags. ", "' with schema '", "\x00",
)  # fmt: skip
SMALL, MUCH = 28, 2_000
# what git says of its own version is no stranger's text
TRUSTED = ("gitstore/process.py", "gitstore/verify.py")


def _uses() -> Iterator[tuple[str, re.Pattern[Any], str]]:
    """Where, the expression, and how it is asked; those that are put together as they are used stand apart."""
    for file in sorted(SOURCE.rglob("*.py")):
        text = file.read_text()
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            first, of = node.args[0], node.func.value
            if not (isinstance(of, ast.Name) and of.id == "re" and isinstance(first, ast.Constant)):
                continue
            if node.func.attr in VERBS:
                flags = re.DOTALL if "DOTALL" in ast.unparse(node) else 0
                yield f"{file.relative_to(SOURCE)}:{node.lineno}", re.compile(first.value, flags), node.func.attr


def _named() -> Iterator[tuple[str, re.Pattern[Any], str]]:
    for file in sorted(SOURCE.rglob("*.py")):
        text = file.read_text()
        if "re.compile(" not in text or file.name == "verify.py":
            continue
        module = importlib.import_module(".".join(file.relative_to(SOURCE).with_suffix("").parts))
        for name, found in vars(module).items():
            if isinstance(found, re.Pattern) and re.search(rf"^{name}\b", text, re.M):
                used = set(re.findall(rf"\b{name}\.(\w+)\b", text)) & set(VERBS) or {"search"}
                for verb in sorted(used):
                    yield f"{file.relative_to(SOURCE)}:{name}", found, verb


ALL = tuple(one for one in (*_uses(), *_named()) if not any(trusted in one[0] for trusted in TRUSTED))


def _texts(pattern: re.Pattern[Any]) -> Iterator[Callable[[int], str]]:
    """Runs of each pump, alone and behind the words that the expression begins with, with an end that fits nothing."""
    raw = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    words = re.findall(r"[A-Za-z' :;<!.-]{2,}", raw)[:6]
    for pump in (*PUMPS, *words):
        for start in {"", *words[:2]}:
            yield lambda length, start=start, pump=pump: f"{start}{pump * (length // len(pump))}\x01"  # type: ignore[misc]


def _asked(pattern: re.Pattern[Any], verb: str) -> Callable[[str], float]:
    def seconds(text: str) -> float:
        said = text if isinstance(pattern.pattern, str) else text.encode()
        begun = time.thread_time()
        if verb == "sub":
            pattern.sub("" if isinstance(said, str) else b"", said)
        elif verb in ("finditer", "findall", "split"):
            list(pattern.finditer(said))
        else:
            getattr(pattern, verb)(said)
        return time.thread_time() - begun

    return seconds


def _fault(pattern: re.Pattern[Any], verb: str) -> str | None:
    """The text that costs more than its length: no clock decides where twice the text costs twice the time."""
    seconds = _asked(pattern, verb)
    for text in _texts(pattern):
        if seconds(text(SMALL)) > 1:
            return f"{text(SMALL)!r} takes seconds already"
        # a walk that is linear needs a tenth of this at most; one that is not needs it many times
        if seconds(text(MUCH)) < 0.003:
            continue
        once, more = (min(seconds(text(times * MUCH)) for _ in range(2)) for times in (2, 8))
        if more > 8 * once:  # four times the text: four times the time, or sixteen
            return f"{text(40)!r}… grows faster than its length"
    return None


@pytest.mark.parametrize(("where", "pattern", "verb"), ALL, ids=[f"{where}.{verb}" for where, _, verb in ALL])
def test_no_text_makes_an_expression_slow(where: str, pattern: re.Pattern[Any], verb: str) -> None:
    assert _fault(pattern, verb) is None


def test_the_test_sees_what_it_looks_for() -> None:
    assert len(ALL) > 100
    for slow in (r"\s*x", r"(\bname\b).*(=|\bIN\b)", r"\S*/model\.sig", r"(.*) <(.*)> (\d+) (\d+)"):
        assert _fault(re.compile(slow), "search") is not None, slow
    assert _fault(re.compile(r"x\s*"), "search") is None
