"""What people write is shown in a message, and is never a template, a header or a tag."""

from __future__ import annotations

import pytest

from stagedoor.effects.notify import Failed, Note, Templates

HOSTILE = (
    "{{ 7 * 191 }}",
    "{% for a in range(9) %}1337{% endfor %}",
    "<script>1</script>",
    "x\r\nBcc: all@example.com",
)


@pytest.mark.parametrize("said", HOSTILE)
def test_a_text_that_looks_like_a_template_is_text(said: str) -> None:
    event = {"text": said, "comment": said, "system_comment": said, "approved_by": [said]}
    note = Templates({}).note("key", {"event": event, "registry": said, "link": said, "why": said})
    assert isinstance(note, Note)
    assert "1337" not in note.html.replace("range(9) %}1337{%", "")
    assert "<script" not in note.html
    assert "\n" not in note.subject and "\r" not in note.subject


@pytest.mark.parametrize(
    "template",
    ["{{ ''.__class__.__mro__ }}", "{{ cycler.__init__.__globals__ }}", "{{ event.update({'a': 1}) }}",
     "{% include '/etc/passwd' %}", "{{ range(10 ** 9) | list }}", "{{ self._TemplateReference__context }}"],
)  # fmt: skip
def test_a_template_of_the_registry_reaches_nothing(template: str) -> None:
    note = Templates({"subject.txt.j2": template}).note("key", {"event": {"text": "x"}, "why": ""})
    assert isinstance(note, Failed) or note.subject == ""
