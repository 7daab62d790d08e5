"""Path patterns of GitHub and GitLab, as matchers that take linear time whatever the pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

# No path is longer where people check out, and a longer pattern would only cost time.
MAX_LENGTH: Final = 8_192

_STAR: Final = "*"
_DEEP: Final = "**"


class Piece(NamedTuple):
    """One step inside a segment: a regular expression for one character (or any number, for a star)."""

    regex: str
    literal: str = ""


class Glob:
    """A compiled pattern. The expression is built when a path first needs it."""

    __slots__ = ("_compiled", "_needle", "_source")

    def __init__(self, source: str, needle: str) -> None:
        self._source = source
        self._needle = needle
        self._compiled: re.Pattern[str] | None = None

    def matches(self, path: str) -> bool:
        # Most lines are about another folder: one substring test is all they cost.
        if self._needle not in path:
            return False
        if self._compiled is None:
            self._compiled = re.compile(self._source, re.DOTALL)
        return self._compiled.match(path) is not None


def github_glob(pattern: str) -> Glob:
    """GitHub's patterns: gitignore's rules, without `!`, `[ ]` and `\\#`, and `dir/*` is one level only.

    https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners#codeowners-syntax
    """
    segments = _segments(pattern, classes=False)
    if not segments[0]:
        segments = segments[1:]  # a leading slash only anchors
    elif len(segments) == 1 or (len(segments) == 2 and not segments[1]):
        segments = [[Piece(_STAR)] * 2, *segments]  # without a slash inside, a pattern matches at any depth
    if len(segments) > 1 and not segments[-1]:
        segments[-1] = [Piece(_STAR)] * 2  # `dir/` is everything below, and not a file called dir
    # `docs/*` are the files of the folder and nothing below; every other last segment may name a folder too
    one_level = _is(segments[-1], _STAR)
    return _glob(segments, end=r"\Z" if one_level else r"(?:/.*)?\Z", deep_end=True)


def gitlab_glob(pattern: str) -> Glob:
    """GitLab's patterns: Ruby's fnmatch with FNM_PATHNAME and FNM_DOTMATCH; no leading slash means any depth.

    https://docs.gitlab.com/user/project/codeowners/advanced/#pattern-matching
    https://docs.gitlab.com/user/project/codeowners/reference/#path-matching
    """
    return _glob(_segments(gitlab_normal(pattern)[1:], classes=True), end=r"\Z", deep_end=False)


def gitlab_normal(pattern: str) -> str:
    """The pattern that GitLab makes of a written one; two lines with the same one are the same entry."""
    if pattern == "*":
        return "/**/*"
    pattern = re.sub(r"\\\s+", " ", re.sub(r"\A\\#", "#", pattern))
    pattern = pattern if pattern.startswith("/") else f"/**/{pattern}"
    return f"{pattern}**/*" if pattern.endswith("/") else pattern


def exemplar(pattern: str, filler: str = "~") -> str:
    """A path that a GitHub pattern matches and that no more special pattern would: `a/*.yaml` gives `a/~.yaml`."""
    pieces = [
        [piece.literal if piece.literal else filler for piece in segment]
        for segment in _segments(pattern.strip("/"), classes=False)
    ]
    path = "/".join("".join(segment) for segment in pieces)
    return f"{path}/{filler}" if pattern.endswith("/") else path


def literal(text: str) -> str | None:
    """The characters that a piece of a pattern stands for, or None where it has a wildcard."""
    pieces = [piece for segment in _segments(text, classes=False) for piece in [*segment, Piece("/", "/")]]
    return "".join(piece.literal for piece in pieces)[:-1] if all(piece.literal for piece in pieces) else None


def _segments(pattern: str, *, classes: bool) -> list[list[Piece]]:
    """The pattern's segments. In a segment, a backslash takes the meaning off the next character."""
    segments: list[list[Piece]] = [[]]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "\\" and at < len(pattern):
            char, at = pattern[at], at + 1
            segments[-1].append(Piece(re.escape(char), char))
        elif char == "/":
            segments.append([])
        elif char == "[" and classes:
            piece, at = _character_class(pattern, at)
            segments[-1].append(piece)
        else:
            segments[-1].append(_piece(char))
    return segments


def _piece(char: str) -> Piece:
    if char == "*":
        return Piece(_STAR)
    return Piece("[^/]") if char == "?" else Piece(re.escape(char), char)


def _character_class(pattern: str, at: int) -> tuple[Piece, int]:
    """A Ruby `[...]` from behind its bracket. One that never closes matches nothing, as in Ruby."""
    negated = pattern[at : at + 1] in {"^", "!"}
    at += negated
    members: list[str] = []
    while at < len(pattern) and pattern[at] != "]":
        low, at = _member(pattern, at)
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in {"", "]"}:
            high, at = _member(pattern, at + 1)
            if low <= high:
                members.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            members.append(re.escape(low))
    if at >= len(pattern):
        return Piece("(?!)"), at
    inside = "".join(members)
    if negated:
        return Piece(f"[^/{inside}]"), at + 1
    return Piece(f"(?!/)[{inside}]" if inside else "(?!)"), at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    at += pattern[at] == "\\" and at + 1 < len(pattern)
    return pattern[at], at + 1


def _is(segment: list[Piece], text: str) -> bool:
    return "".join(piece.regex for piece in segment) == text


def _glob(segments: list[list[Piece]], *, end: str, deep_end: bool) -> Glob:
    if deep_end and _is(segments[-1], _DEEP):
        segments, end, tail = segments[:-1], r"\Z", ".*"
    else:
        tail = ""
    groups: list[list[str]] = [[]]
    for number, segment in enumerate(segments):
        if _is(segment, _DEEP) and (deep_end or number < len(segments) - 1):
            groups.append([])
        else:
            groups[-1].append(_segment(segment))
    return Glob(_source(groups, tail, end), _needle(segments))


def _source(groups: list[list[str]], tail: str, end: str) -> str:
    """`a/**/b/**/c`: the leftmost place for each group is as good as any, so the groups before the last are atomic."""
    source = r"\A"
    for number, group in enumerate(groups):
        is_last = number == len(groups) - 1
        body = "/".join(group) + ("/" if group and (tail or not is_last) else "")
        if number == 0 or not group:
            source += body
        elif is_last and not tail:
            source += f"(?:[^/]+/)*?{body}"
        else:
            source += f"(?>(?:[^/]+/)*?{body})"
    return source + tail + end


def _segment(segment: list[Piece]) -> str:
    """`a*b*c`: the leftmost place for `b` is as good as any, so it is atomic, and nothing ever backtracks twice."""
    if segment and all(piece.regex == _STAR for piece in segment):
        return "[^/]+"
    chunks: list[str] = [""]
    for piece in segment:
        if piece.regex == _STAR:
            chunks.append("")
        else:
            chunks[-1] += piece.regex
    first, *rest = chunks
    if not rest:
        return first
    middle = "".join(f"(?>[^/]*?{chunk})" for chunk in rest[:-1] if chunk)
    return f"{first}{middle}[^/]*{rest[-1]}"


def _needle(segments: Iterable[list[Piece]]) -> str:
    """The longest text that every matching path contains."""
    runs = ["".join(piece.literal or "\0" for piece in segment) for segment in segments]
    return max((run for runs_of in runs for run in runs_of.split("\0")), key=len, default="")
