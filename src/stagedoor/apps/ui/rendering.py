"""Templates: jinja2 with everything escaped, and the few words that the pages share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stagedoor import __version__
from stagedoor.apps.ui.markdown import rendered
from stagedoor.core.spec import ARCHIVED, NO_STAGE, PRODUCTION, STAGING, Code
from stagedoor.core.views.plain import counted, number, shortened, visible
from stagedoor.core.views.plans import count_line, delta_text, said_of
from stagedoor.core.views.verdicts import alike, part_texts

_KNOWN: Final = {NO_STAGE: "none", STAGING: "staging", PRODUCTION: "production", ARCHIVED: "archived"}
ASSETS: Final = ("style.css", "page.js", "icon.svg")


def stage_class(stage: str) -> str:
    """The class that gives a stage its colour; a stage of the registry's own has one for all of them."""
    return f"stage-{_KNOWN.get(stage, 'own')}"


def moment(at: datetime | None) -> Markup:
    """A time to the minute, in UTC, as a machine reads it too."""
    if at is None:
        return Markup("–")
    at = at.astimezone(UTC)
    return Markup('<time datetime="%s">%s</time>') % (f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at:%Y-%m-%d %H:%M}")


def who(email: str) -> Markup:
    """A person, short, with the whole address in reach."""
    shown = visible(email)
    return Markup('<span class="who" title="%s">%s</span>') % (shown, shown.partition("@")[0] or shown)


def commit_link(code: Code) -> str:
    """Where a host shows a commit, as GitHub, Gitea and GitLab do; empty where none can be told."""
    repository = code.repository.removesuffix("/").removesuffix(".git")
    is_known = repository.startswith("https://") and re.fullmatch("[0-9a-f]{7,64}", code.commit)
    return f"{repository}/commit/{code.commit}" if is_known else ""


@cache
def environment() -> Environment:
    """The templates of this package."""
    made = Environment(
        loader=PackageLoader("stagedoor.apps.ui"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(
        moment=moment, who=who, visible=visible, number=number, short=lambda oid: oid[:10], markdown=rendered,
        stage_class=stage_class, shortened=shortened, counted=counted, said=said_of, delta=delta_text,
        parts=part_texts, alike=alike, commit_link=commit_link, count_line=count_line,
    )  # fmt: skip
    made.globals.update(version=__version__)
    return made


def render(template: str, said: Mapping[str, Any]) -> bytes:
    """One page. A byte that is no character is shown as a question mark."""
    return environment().get_template(template).render(said).encode("utf-8", "replace")


@cache
def asset(name: str) -> bytes:
    """A file of ours that pages load: styles, a little JavaScript, the icon."""
    return files("stagedoor.apps.ui").joinpath("static", name).read_bytes()


@cache
def assets() -> Mapping[str, str]:
    """The digest of each file that pages load."""
    return {name: hashlib.sha256(asset(name)).hexdigest()[:12] for name in ASSETS}


@cache
def look_and_feel() -> str:
    """A digest of everything that makes a page besides the registry."""
    folder = files("stagedoor.apps.ui").joinpath("templates")
    texts = [entry.read_bytes() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name) if entry.is_file()]
    return hashlib.sha256(b"".join((__version__.encode(), *texts, *map(asset, ASSETS)))).hexdigest()[:16]
