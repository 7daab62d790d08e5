"""Names and texts of strangers stay text, whatever is in them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from served import Served
from town import ANN, CAROL
from visiting import Visitor

Visit = Callable[[str | None], Visitor]
SCRIPT = "<script>alert(1)</script>"
NAMES = (
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }} {% raw %}",
    "a?b#c&d=e%2Fg+h",
    "日本語 и ещё",
    "'; DROP TABLE models --",
)


class _Attributes(HTMLParser):
    """What a browser would see: every tag with its attributes, and every link to somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Attributes()
    parser.feed(page)
    return parser.tags


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_any_name_has_a_page_that_is_found_in_the_list(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name)
    with visit(ANN) as ann:
        listed = ann.get(f"/?q={quote(name.split()[0])}")
        urls = {html.unescape(url) for url in re.findall(r'href="(/models/[^"?]+)"', listed)}
        assert f"/models/{quote(name, safe='')}" in urls
        for path in (f"/models/{quote(name, safe='')}", f"/models/{quote(name, safe='')}/versions/1"):
            page = ann.get(path)
            assert "<img src=x" not in page
            assert html.escape(name, quote=False) in page.replace("&#34;", '"').replace("&#39;", "'")


def test_html_in_texts_is_shown_and_never_obeyed(served: Served, visit: Visit, name: str) -> None:
    evil = f"{SCRIPT} [a](javascript:alert(1)) ![b](https://elsewhere.example/pixel.png) <iframe src=x>"
    served.town.register(name, description=evil, tags={"k": SCRIPT}, params={"p": SCRIPT}, source=SCRIPT)
    with visit(ANN) as ann, visit(CAROL) as carol:
        ann.do("describe", {"model": name, "description": evil, "how": "direct"})
        ann.do("comment", {"model": name, "version": "1", "body": evil})
        asked = ann.do(
            "move", {"model": name, "version": "1", "stage": "Production", "how": "request", "comment": evil}
        )
        where = asked.headers["location"]
        mine = f"/models/{quote(name)}"
        for path in ("/", mine, f"{mine}/versions/1", where, "/requests", "/activity"):
            page = carol.get(path)
            assert SCRIPT not in page
            for tag, attributes in tags_of(page):
                assert tag != "iframe"
                assert not (attributes.get("href") or "").startswith("javascript:")
                assert (attributes.get("src") or "/static/").startswith("/static/")


def test_no_page_has_a_script_or_a_style_of_its_own(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name, metrics={"a": 1.0})
    served.town.register(name, metrics={"a": 2.0})
    where = f"/models/{quote(name)}"
    with visit(ANN) as ann:
        for path in ("/", where, f"{where}/versions/2", "/requests", "/policy", "/new", "/deliveries", "/activity"):
            got = ann.client.get(path)
            assert "default-src 'none'" in got.headers["content-security-policy"]
            for tag, attributes in tags_of(got.text):
                assert tag != "style"
                assert tag != "script" or "src" in attributes
                assert not any(key.startswith("on") or key == "style" for key in attributes), (tag, attributes)
                for key in ("src", "href", "action"):
                    assert not (attributes.get(key) or "").startswith(("http:", "https:", "//")), (tag, attributes)


def test_a_long_text_is_cut_and_a_huge_one_costs_little(served: Served, visit: Visit, name: str) -> None:
    served.town.register(name, description="[" * 100_000, tags={"k": "v" * 5_000})
    page = visit(ANN).get(f"/models/{quote(name)}/versions/1")
    assert len(page) < 400_000


def test_a_request_with_many_models_is_shown(served: Served, visit: Visit, name: str) -> None:
    from stagedoor.workflows import registering
    from stagedoor.workflows.registering import Wish
    from stagedoor.workflows.writing import Lane

    names = [f"{name} {number:03}" for number in range(500)]
    world = served.town.as_(CAROL)
    text = served.town.text
    first = f"{name} 000"
    served.town.register(first)
    like = text(f"registry_spec/models/{first.replace(' ', '%20')}.yaml")
    files: dict[str, str | None] = {}
    for index, one in enumerate(names[1:], 1):
        changed = re.sub(r"(?m)^id: .*$", f"id: {index + 0xABC000:032x}", like).replace(first, one)
        files[f"registry_spec/models/{one.replace(' ', '%20')}.yaml"] = changed
    served.town.commit(files)
    world.forget()
    outcome = registering.transition(world, [Wish(f"{one}/1", "Staging") for one in names], lane=Lane(propose=True))
    assert outcome.request is not None
    with visit(ANN) as ann:
        where = f"/requests/{outcome.request.number}"
        shown = ann.text(where)
        assert "and 450 more models" in shown
        assert "and 450 more files" in shown
        assert "and 499 more files alike" in shown
        assert names[499] in ann.text(f"{where}?part=10")
        assert "No more models" in ann.text(f"{where}?part=11")
