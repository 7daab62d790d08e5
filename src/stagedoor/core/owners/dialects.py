"""How each forge reads a CODEOWNERS file: lines that count, and faults for what it ignores or reads differently."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from stagedoor.core.owners import expressions
from stagedoor.core.owners.globs import MAX_LENGTH, gitlab_normal
from stagedoor.core.owners.values import Fault, FaultKind, Line, without_dupes

# https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners#codeowners-file-size
GITHUB_LIMIT: Final = 3 * 1024 * 1024

_GITHUB_OWNER = re.compile(
    r"@[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)?|[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
)
_ODD_SPACE = re.compile(r"[^\S \t]|[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060\ufeff]")

Read = list[Line | Fault]


def _shown(text: str) -> str:
    """What a fault shows of a text: enough to find it by."""
    text = text.strip()
    return text if len(text) <= 200 else f"{text[:199]}…"


@dataclass(frozen=True, slots=True)
class Tokens:
    """One line taken apart, so that it can be put together again: `lead pattern owners… tail`."""

    lead: str
    pattern: str
    owners: tuple[str, ...]
    tail: str  # white space and comment


def split_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line, without the byte order mark and the carriage returns of Windows."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        yield number, line.removesuffix("\r")


def tokens(line: str) -> Tokens:
    """GitHub's way of taking a line apart: blanks and tabs separate, a backslash keeps one, `#` begins a comment."""
    body = line.lstrip(" \t")
    lead = line[: len(line) - len(body)]
    end = re.match(r"(?:\\.|[^\\#])*", body, re.DOTALL)
    content = body[: end.end()] if end else ""
    if content and body[len(content) :] == "\\":
        content = body
    words = re.findall(r"(?:\\.|[^\\ \t]|\\\Z)+", content, re.DOTALL)
    kept = content.rstrip(" \t") if not re.search(r"\\[ \t]+\Z", content) else content
    pattern, owners = (words[0], tuple(words[1:])) if words else ("", ())
    return Tokens(lead, pattern, owners, body[len(kept) :])


# --- GitHub -----------------------------------------------------------------------------------------------------------


def read_github(text: str) -> Read:
    """Every line by itself; one that is wrong is skipped and the others count.

    https://docs.github.com/en/rest/repos/repos#list-codeowners-errors
    """
    if len(text) > GITHUB_LIMIT or len(text.encode("utf-8", "replace")) > GITHUB_LIMIT:
        return [
            Fault(
                0,
                "",
                "the file is larger than 3 MB, so GitHub does not load it and nobody owns anything",
                "put several lines together with wildcards",
                FaultKind.TOO_BIG,
            )
        ]
    return [found for number, line in split_lines(text) for found in _github_line(number, line)]


def _github_line(number: int, line: str) -> Iterator[Line | Fault]:
    parts = tokens(line)
    if not parts.pattern:
        return
    if reason := pattern_fault(parts.pattern):
        yield Fault(number, _shown(line), *reason)
        return
    bad = [owner for owner in parts.owners if not is_owner(owner)]
    if bad:
        yield Fault(
            number,
            _shown(line),
            f"{_shown(bad[0])} is no owner, so GitHub skips the whole line",
            "write @user, @organisation/team or an e-mail address",
            FaultKind.BAD_OWNER,
        )
        return
    if parts.tail.startswith("#"):
        yield Fault(
            number,
            _shown(line),
            "`#` begins a comment here, in the middle of a word",
            "put a blank before the comment, or `?` where the path has a `#`",
            FaultKind.INLINE_COMMENT,
        )
    yield Line(number, parts.pattern, without_dupes(list(parts.owners)))


def is_owner(owner: str) -> bool:
    """Whether GitHub can read it as an owner: `@user`, `@organisation/team`, an e-mail address."""
    return _GITHUB_OWNER.fullmatch(owner) is not None


def pattern_fault(pattern: str) -> tuple[str, str, FaultKind] | None:
    """Why GitHub skips a line with this pattern and what to write instead, or None.

    https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners#codeowners-syntax
    """
    kind = FaultKind.BAD_PATTERN
    if len(pattern) > MAX_LENGTH:
        return "the pattern is longer than any path", "write a shorter one", kind
    bare = re.sub(r"\\.", "", pattern, flags=re.DOTALL)
    if pattern.startswith("!"):
        return "`!` does not work on GitHub, so the line is skipped", "add a later line without owners instead", kind
    if "[" in bare or "]" in bare:
        fix = "write one line for each; sections in `[ ]` are GitLab's"
        return "`[ ]` does not work on GitHub, so the line is skipped", fix, kind
    if "\\#" in pattern:
        return "`\\#` does not work on GitHub, so the line is skipped", "write `?` where the path has a `#`", kind
    if "***" in bare:
        return "`***` is no pattern, so the line is skipped", "write `*` or `**`", kind
    if bare.endswith("\\"):
        return "the pattern ends in a backslash, so the line is skipped", "take the backslash away", kind
    if _ODD_SPACE.search(pattern):
        return "an invisible character stands in the pattern", "type the line again with plain blanks", kind
    if not bare.strip("/") and bare == pattern:
        return f"`{pattern}` never matches anything", "write `*` for every file", kind
    return None


# --- GitLab -----------------------------------------------------------------------------------------------------------

# https://docs.gitlab.com/user/project/codeowners/reference/#section-headings-and-names
# No `$` at the end: GitLab reads what looks like a header, and ignores the rest of the line.
_HEADER = re.compile(r"(\^)?\[(.*?)\](?:\[(\d*?)\])?(\s+[@\w.\-/\s+]*)?", re.ASCII)
_BROKEN_HEADER = re.compile(r"\^?\[[^\]]+")
_NAME = re.compile(r"(?<![\w@])@[A-Za-z0-9_.][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.][A-Za-z0-9_.-]*)*", re.ASCII)
_EMAIL = re.compile(r"[^@\s]{1,100}@[^@\s]{1,255}(?<!\W)")
_ROLE = re.compile(r"@@(?:developer|maintainer|owner)s?", re.IGNORECASE)
_GITLAB_DEFAULT: Final = "codeowners"


@dataclass(frozen=True, slots=True)
class _Section:
    name: str | None = None
    required: int = 1
    optional: bool = False
    default: tuple[str, ...] = ()


def read_gitlab(text: str) -> Read:
    """Sections of lines; sections of the same name are one, and required beats optional."""
    found: Read = []
    section = _Section()
    names: dict[str, str] = {}
    for number, raw in split_lines(text):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if header := _HEADER.match(line):
            section = _gitlab_section(header, names)
            found += _header_faults(number, line, header)
        else:
            found += _gitlab_line(number, line, section)
    return _repeats(_required_beats_optional(found))


def _gitlab_section(header: re.Match[str], names: dict[str, str]) -> _Section:
    optional, name, approvals, default = header.groups()
    # GitLab's own name for the lines before the first header
    kept = None if name.lower() == _GITLAB_DEFAULT else names.setdefault(name.lower(), name)
    return _Section(kept, max(1, _count(approvals)), bool(optional), gitlab_owners(default or "")[0])


def _count(approvals: str | None) -> int:
    return int((approvals or "0")[:9] or "0")


def _header_faults(number: int, line: str, header: re.Match[str]) -> Iterator[Fault]:
    optional, name, approvals, default = header.groups()
    kind = FaultKind.BAD_SECTION
    if not name.strip():
        yield Fault(number, _shown(line), "the section has no name", "write [Name]", kind)
    if optional and _count(approvals) > 0:
        fix = "take away the ^ or the number"
        yield Fault(number, _shown(line), "an optional section cannot ask for a number of approvals", fix, kind)
    if (default or "").strip() and not gitlab_owners(default)[0]:
        yield Fault(number, _shown(line), "the section's default owners are no owners", "write @user or @group", kind)
    if rest := line[header.end() :].strip():
        fix = "a pattern cannot begin with [ on GitLab; a header ends after its owners"
        yield Fault(number, _shown(line), f"GitLab reads a section header here and ignores {_shown(rest)}", fix, kind)


def gitlab_owners(text: str) -> tuple[tuple[str, ...], list[str]]:
    """The owners that GitLab finds in the text, and the words in which it finds none."""
    owners: list[str] = []
    strange: list[str] = []
    for word in text.split():
        here = [word] if _ROLE.fullmatch(word) else _EMAIL.findall(word) + _NAME.findall(word)
        owners += here
        strange += [] if here else [word]
    return without_dupes(owners), strange


def _gitlab_line(number: int, line: str, section: _Section) -> Iterator[Line | Fault]:
    if _BROKEN_HEADER.fullmatch(line):
        yield Fault(number, _shown(line), "the section's bracket never closes", "write [Name]", FaultKind.BAD_SECTION)
    gap = re.search(r"(?<!\\)\s+", line)
    pattern, rest = (line[: gap.start()], line[gap.end() :]) if gap else (line, "")
    if len(pattern) > MAX_LENGTH:
        yield Fault(number, _shown(line), "the pattern is longer than any path", "write a shorter one")
        return
    if pattern.startswith("!"):
        yield Line(number, pattern, (), section.name, section.required, section.optional, negated=True)
        return
    owners, strange = gitlab_owners(rest)
    owners = owners if rest else section.default
    yield from _gitlab_owner_faults(number, line, rest, strange)
    if not owners:
        reason = "nobody owns the line, and GitLab approves such a line by itself"
        yield Fault(
            number, _shown(line), reason, "add an owner, or take ownership away with !pattern", FaultKind.NO_OWNER
        )
    yield Line(number, pattern, owners, section.name, section.required, section.optional)


def _gitlab_owner_faults(number: int, line: str, rest: str, strange: list[str]) -> Iterator[Fault]:
    if any(word.startswith("#") for word in rest.split()):
        reason = "GitLab knows no comments behind a rule: who is mentioned in one is an owner"
        yield Fault(number, _shown(line), reason, "put the comment on a line of its own", FaultKind.INLINE_COMMENT)
    elif strange:
        reason = f"{_shown(strange[0])} is no owner, and GitLab ignores it"
        yield Fault(number, _shown(line), reason, "write @user, @group or an e-mail address", FaultKind.BAD_OWNER)


def _required_beats_optional(found: Read) -> Read:
    required = {line.section for line in found if isinstance(line, Line) and not line.optional}
    return [
        replace(line, optional=False) if isinstance(line, Line) and line.section in required else line for line in found
    ]


def _repeats(found: Read) -> Read:
    """A pattern that stands twice in a section is one entry for GitLab: the later owners at the earlier place."""
    last: dict[tuple[str | None, str], int] = {}
    for line in found:
        if isinstance(line, Line):
            last[gitlab_key(line)] = line.number
    return found + [
        Fault(
            line.number,
            line.pattern,
            f"line {last[gitlab_key(line)]} says the same pattern again, and GitLab puts its owners at this place",
            "keep one of the two lines",
            FaultKind.REPEATED_PATTERN,
        )
        for line in found
        if isinstance(line, Line) and last[gitlab_key(line)] != line.number
    ]


def gitlab_key(line: Line) -> tuple[str | None, str]:
    """What makes two lines the same entry for GitLab."""
    return line.section, gitlab_normal(line.pattern.removeprefix("!") if line.negated else line.pattern)


# --- Gitea ------------------------------------------------------------------------------------------------------------

_GITEA_OWNER = re.compile(r"@?([A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)?)")


def read_gitea(text: str) -> Read:
    """Every line by itself; a line is a regular expression and at least one owner.

    https://docs.gitea.com/usage/code-owners
    """
    return [found for number, line in split_lines(text) for found in _gitea_line(number, line)]


def gitea_source(pattern: str) -> str:
    r"""The expression that Gitea compiles: it takes one backslash off first, so that `\\.` is a dot and `\.` is not."""
    return re.sub(r"\\(.|\Z)", r"\1", pattern.removeprefix("!"), flags=re.DOTALL)


def _gitea_line(number: int, line: str) -> Iterator[Line | Fault]:
    parts = tokens(line)
    if not parts.pattern:
        return
    try:
        expressions.check(gitea_source(parts.pattern))
    except expressions.NotAnExpression as error:
        yield Fault(number, _shown(line), str(error), "write a plain Go regular expression", _gitea_kind(parts.pattern))
        return
    found = [(owner, _GITEA_OWNER.fullmatch(owner)) for owner in parts.owners]
    if bad := [owner for owner, match in found if not match]:
        reason = f"{_shown(bad[0])} is no owner on Gitea, which skips it"
        yield Fault(number, _shown(line), reason, "write @user or @organisation/team", FaultKind.BAD_OWNER)
    owners = without_dupes([f"@{match.group(1)}" for _, match in found if match])
    if not owners:
        yield Fault(number, _shown(line), "the line has no owner, so Gitea skips it", "add one", FaultKind.NO_OWNER)
        return
    if misread := _gitea_misreading(parts.pattern):
        yield Fault(number, _shown(line), *misread, FaultKind.OTHER_DIALECT)
    yield Line(number, parts.pattern, owners, negated=parts.pattern.startswith("!"))


def _gitea_kind(pattern: str) -> FaultKind:
    return FaultKind.OTHER_DIALECT if pattern.startswith("*") else FaultKind.BAD_PATTERN


def _gitea_misreading(pattern: str) -> tuple[str, str] | None:
    """GitHub's patterns compile on Gitea and silently mean something else."""
    source = gitea_source(pattern)
    fix = "write a regular expression for the whole path, such as docs/.*"
    if source.startswith("/"):
        return "paths have no leading slash on Gitea, so the line never matches", fix
    if source.endswith("/"):
        return "no path ends in a slash, so the line never matches on Gitea", fix
    if re.search(r"/\*(?:[^*]|\Z)", source):
        return "`/*` means any number of slashes on Gitea", fix
    if re.search(r"(?<!\\)(?:\\\\)*\\[.+*?()|{}^$\[\]]", pattern):
        return "Gitea takes one backslash off, so the next character keeps its special meaning", "write two backslashes"
    return None


READERS: Final[dict[str, Callable[[str], Read]]] = {
    "github": read_github,
    "gitlab": read_gitlab,
    "gitea": read_gitea,
}
