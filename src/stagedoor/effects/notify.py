"""Telling people: apprise, with secrets from the environment, and texts from templates the registry may override."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

SUBJECT = "subject.txt.j2"
TEXT = "message.txt.j2"
HTML = "mail.html.j2"

DEFAULTS: Mapping[str, str] = {
    SUBJECT: "[{{ registry }}] {{ event.text }}",
    TEXT: """\
{{ event.text }}
{% if event.comment %}
"{{ event.comment }}"
{% endif %}{% if event.system_comment %}
{{ event.system_comment }}
{% endif %}{% if event.approved_by %}
Approved by {{ event.approved_by | join(", ") }}.
{% endif %}{% if link %}
{{ link }}
{% endif %}
--
{{ why }}
Delivery {{ key }}
""",
    HTML: """\
<html><body style="font-family: sans-serif">
<p>{{ event.text }}</p>
{% if event.comment %}<blockquote>{{ event.comment }}</blockquote>{% endif %}
{% if event.system_comment %}<p>{{ event.system_comment }}</p>{% endif %}
{% if event.approved_by %}<p>Approved by {{ event.approved_by | join(", ") }}.</p>{% endif %}
{% if link %}<p><a href="{{ link }}">{{ link }}</a></p>{% endif %}
<p style="color: #666; font-size: small">{{ why }}<br>Delivery {{ key }}</p>
</body></html>
""",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """The sink took it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The sink did not take it. `is_final` when trying again cannot help before somebody mends the setting."""

    reason: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """One message, rendered: subject, plain text and HTML, and the key of its delivery."""

    subject: str
    text: str
    html: str
    key: str


class Templates:
    """The texts. Templates of the registry are policy, and still they run in a sandbox: they render, nothing else."""

    def __init__(self, own: Mapping[str, str]) -> None:
        from jinja2 import ChainableUndefined, DictLoader
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        self._environment = ImmutableSandboxedEnvironment(
            loader=DictLoader({**DEFAULTS, **own}),
            autoescape=lambda name: bool(name and ".html" in name),
            undefined=ChainableUndefined,
            keep_trailing_newline=True,
        )

    def note(self, key: str, values: Mapping[str, Any]) -> Note | Failed:
        """The message for one event, or why a template does not render."""
        from jinja2 import TemplateError

        try:
            subject, text, html = (
                self._environment.get_template(name).render(**values, key=key) for name in (SUBJECT, TEXT, HTML)
            )
        except (TemplateError, ArithmeticError, TypeError, ValueError, OverflowError, MemoryError) as error:
            return Failed(f"a template does not render: {type(error).__name__}: {error}", is_final=True)
        return Note(" ".join(subject.split())[:300], text, html, key)


class Notifier:
    """Sends notes to apprise URLs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def send(self, url: str, note: Note, to: str = "") -> Sent | Failed:
        """One note to one URL; `to` fills in the recipient of a mail URL. Nothing secret comes back in the reason."""
        used = _VARIABLE.findall(url)
        absent = [name for name in used if name not in self._environment]
        if absent:
            return Failed(f"the environment variable {absent[0]} is not set", is_final=True)
        return self._redacted(self._deliver(self._expanded(url, to), note), used)

    def _expanded(self, url: str, to: str) -> str:
        whole = _VARIABLE.fullmatch(url)
        if whole:
            return self._environment[whole.group(1)]
        filled = _VARIABLE.sub(lambda match: quote(self._environment[match.group(1)], safe=""), url)
        if to:
            filled += f"{'&' if '?' in filled else '?'}to={quote(to, safe='')}"
        return filled

    def _deliver(self, url: str, note: Note) -> Sent | Failed:
        import apprise

        plugin = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if plugin is None:
            return Failed("apprise does not know such a URL, or it lacks something", is_final=True)
        headers = getattr(plugin, "headers", None)
        if isinstance(headers, dict):
            headers["X-Stagedoor-Delivery"] = quote(note.key, safe=":>/ ")
        is_mail = url.lower().startswith(("mailto://", "mailtos://"))
        carrier = apprise.Apprise()
        carrier.add(plugin)
        with _heard() as said, _plain_part(note.text):
            taken = carrier.notify(
                title=note.subject,
                body=note.html if is_mail else note.text,
                body_format=apprise.NotifyFormat.HTML if is_mail else apprise.NotifyFormat.TEXT,
                interpret_escapes=False,
            )
        return Sent() if taken else Failed("; ".join(said)[-300:] or "the sink did not take it")

    def _redacted(self, answer: Sent | Failed, used: list[str]) -> Sent | Failed:
        if isinstance(answer, Sent):
            return answer
        reason = answer.reason
        for value in (self._environment[name] for name in used):
            for spelling in (value, quote(value, safe="")):
                if spelling:
                    reason = reason.replace(spelling, "***")
        return Failed(reason, answer.is_final)


@contextmanager
def _plain_part(text: str) -> Iterator[None]:
    """Let the plain-text part of a mail be our template's text.

    Apprise makes it from the HTML by a function of its mail plugin, and offers no other way to say both. Where that
    function is not found under its name any more, its own conversion stands, which says the same less well.
    """
    from apprise.plugins.email import base

    plugin: Any = base
    own = getattr(plugin, "convert_between", None)
    if own is None:
        yield
        return
    plugin.convert_between = lambda *_: text
    try:
        yield
    finally:
        plugin.convert_between = own


class _heard:
    """Gathers what apprise says in its log while it works: there is no other way to learn why it failed."""

    def __enter__(self) -> list[str]:
        self.said: list[str] = []
        self._handler = _Listener(self.said)
        self._logger = logging.getLogger("apprise")
        self._before = (self._logger.level, self._logger.propagate)
        self._logger.addHandler(self._handler)
        self._logger.setLevel(logging.WARNING)
        self._logger.propagate = False
        return self.said

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self._handler)
        self._logger.level, self._logger.propagate = self._before


class _Listener(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())


def variables_in(url: str) -> Iterator[str]:
    """The environment variables that a URL asks for."""
    yield from _VARIABLE.findall(url)
