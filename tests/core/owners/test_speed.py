"""Reading a big CODEOWNERS file for a big registry stays fast, whatever the patterns."""

from __future__ import annotations

import time

import pytest

from stagedoor.core.owners import Dialect, levels, parse

FILES = [f"registry_spec/models/team{n % 200}/model-{n}.yaml" for n in range(1_000)]


@pytest.mark.parametrize(
    ("dialect", "pattern"),
    [
        ("github", "/registry_spec/models/team{}/*.yaml"),
        ("github", "**/team{}/**/*-*.y?ml"),
        ("gitlab", "/registry_spec/models/team{}/*.yaml"),
        ("gitea", r"registry_spec/models/team{}/[^/]*\\.yaml"),
    ],
)
def test_a_thousand_files_against_two_hundred_lines(dialect: Dialect, pattern: str) -> None:
    text = "\n".join(f"{pattern.format(n)} @user{n}" for n in range(200))
    begin = time.perf_counter()
    owners = parse(text, dialect=dialect)
    found = [owners.match(file) for file in FILES]
    assert time.perf_counter() - begin < 2  # some 0.1 s on a quiet machine
    assert [line.owners for line in found if line] == [(f"@user{n % 200}",) for n in range(1_000)]


def test_the_levels_of_a_thousand_files() -> None:
    lines = [
        f"/registry_spec/models/team{n}/*.yaml{end} @u{n}" for n in range(67) for end in ("", "/@Staging", "/@Manage")
    ]
    owners = parse("\n".join(lines))
    begin = time.perf_counter()
    for file in FILES:
        levels(owners, file)
    assert time.perf_counter() - begin < 3


@pytest.mark.parametrize(
    "pattern",
    ["**/*a*a*a*a*a*a*a*a*b", "/*a*a*a*a*a*a*a*a*b/", "a/**/a/**/a/**/a/**/a/**/b", "**/a*/**/*a/**/a*a/**/?*?*?*b"],
)
@pytest.mark.parametrize("dialect", ["github", "gitlab"])
def test_no_pattern_blows_up(dialect: Dialect, pattern: str) -> None:
    owners = parse(f"{pattern} @a", dialect=dialect)
    begin = time.perf_counter()
    for path in ("a" * 4_000, "/".join(["a"] * 2_000), "/".join(["a" * 200] * 20), "a/" * 2_000 + "a" * 100):
        assert owners.match(path) is None
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("dialect", ["github", "gitlab", "gitea"])
@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "\\ " * 500_000, "* " + "@a/" * 300_000, "[" * 1_000_000, "* @a" + " " * 1_000_000 + "x"]
)
def test_no_line_is_too_long_to_read(dialect: Dialect, text: str) -> None:
    begin = time.perf_counter()
    parse(text, dialect=dialect).match("a/b")
    assert time.perf_counter() - begin < 2
