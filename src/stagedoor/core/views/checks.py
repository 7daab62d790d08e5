"""The page of all checks, made from the checks themselves."""

from __future__ import annotations

from collections.abc import Iterator

from stagedoor.core.checks.catalogue import ALL_CHECKS, FAMILIES


def page() -> str:
    """`docs/checks.md`: a test fails when the file differs from this."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Checks"
    yield ""
    yield (
        "Made by `stagedoor explain --markdown`; a test fails when it is stale. A code is a promise: it is never reused"
    )
    yield "and never means something else. An error stops a merge, a warning does not."
    for family, title in FAMILIES.items():
        yield f"\n## {family}: {title}"
        for one in ALL_CHECKS:
            if one.code.startswith(family):
                yield f"\n### {one.code}: {one.title}\n"
                yield f"*{one.severity}.* {' '.join(one.reason.split())}"
