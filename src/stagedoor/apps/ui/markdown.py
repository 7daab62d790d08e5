"""Descriptions in Markdown as HTML that can do nothing: no HTML of the author's, no picture from elsewhere."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

# a text that is longer is shown as it is: nobody reads it, and reading it takes time
MOST: Final = 20_000
MOST_SHOWN: Final = 200_000
_TAGS: Final = {
    "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # https://spec.commonmark.org, with tables; without raw HTML and pictures, which would be asked of other hosts
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")


@lru_cache(maxsize=512)
def rendered(text: str) -> Markup:
    """A text of a stranger as safe HTML. Headings begin at the third level: the page has the first two."""
    if len(text) > MOST:
        return Markup("<pre>%s</pre>") % escape(text[:MOST_SHOWN])
    import nh3

    reader = _reader()
    tokens = reader.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + 2)}"
    said = reader.renderer.render(tokens, reader.options, {})
    clean = nh3.clean(
        said, tags=_TAGS, attributes={"a": {"href"}, "ol": {"start"}}, url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )  # fmt: skip
    return Markup(clean)  # noqa: S704
