"""From bytes to plain data: the parser's events, our own constructor, and a refusal with line and column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml

from stagedoor.core.text.plain import Plain
from stagedoor.errors import BadSpec

try:
    from yaml import CSafeLoader as _Parser
except ImportError:  # a PyYAML without libyaml: slower, and the same events
    from yaml import SafeLoader as _Parser  # type: ignore[assignment]

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_DEPTH: Final = 32
MAX_ALIASES: Final = 64
MAX_EXPANDED: Final = 100_000

_FLOWS: Final = ("{}", "[]")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_NO_KEY: Final[Any] = object()
_COMMON: Final = bytes([9, 10, *range(0x20, 0x7F)])
_FORBIDDEN: Final = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_STYLES: Final = {
    (yaml.MappingStartEvent, False): "map",
    (yaml.MappingStartEvent, True): "{}",
    (yaml.SequenceStartEvent, False): "seq",
    (yaml.SequenceStartEvent, True): "[]",
}
_LINE_ENDS: Final = {"\x85": "next line", "\u2028": "line separator", "\u2029": "paragraph separator"}


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says: text, null, mappings and lists. Types are the schema's business."""

    path: str
    data: Plain
    text: str = field(default="", repr=False, compare=False)
    _marks: list[Marks] = field(default_factory=list, init=False, repr=False, compare=False)

    def at(self, loc: Sequence[str | int]) -> str:
        """`path:line:column` of the value at a location, or of the nearest thing around it."""
        return self._where(loc, of_key=False)

    def key_at(self, loc: Sequence[str | int]) -> str:
        """`path:line:column` of the key at a location, or of the nearest thing around it."""
        return self._where(loc, of_key=True)

    def _where(self, loc: Sequence[str | int], *, of_key: bool) -> str:
        if not self._marks:  # positions are worth their price only once somebody asks
            self._marks.append(marked(self.text, self.path))
        marks = self._marks[0]
        node = key = 0
        for part in loc:
            found = _child(marks, node, part)
            if found is None:
                return where(self.path, self.text, marks.start(node))
            key, node = found
        return where(self.path, self.text, marks.start(key if of_key else node))


@dataclass(slots=True)
class Marks:
    """Every node in the order of the text; a mapping's keys are nodes too.

    A row is where the node starts and ends, its style (`"" ' " | >` for scalars, `map seq {} [] *` for the others) and
    its value. `skips` tells of a mapping or list the first node after its children.
    """

    data: Plain = None
    rows: list[tuple[int, int, str, Plain]] = field(default_factory=list)
    skips: dict[int, int] = field(default_factory=dict)
    anchored: set[int] = field(default_factory=set)
    _closed: tuple[int, int] = (0, 0)  # how many rows there were when the last mapping or list closed, and its end

    def start(self, node: int) -> int:
        return self.rows[node][0]

    def end(self, node: int) -> int:
        return self.rows[node][1]

    def style(self, node: int) -> str:
        return self.rows[node][2]

    def value(self, node: int) -> Plain:
        return self.rows[node][3]

    def skip(self, node: int) -> int:
        return self.skips.get(node, node + 1)

    def open(self, event: Any, style: str, value: Plain) -> int:
        """A mapping or list begins."""
        self.rows.append((event.start_mark.index, 0, style, value))
        return len(self.rows) - 1

    def close(self, node: int, event: Any) -> None:
        """A mapping or list ends.

        In block style the parser tells so only when it sees what follows; the end is that of the last child.
        """
        start, _, style, value = self.rows[node]
        at, end = self._closed
        if style in _FLOWS:
            end = event.end_mark.index
        elif at != len(self.rows):  # the last child is a scalar
            end = self.rows[-1][1]
        self._closed = len(self.rows), end
        self.skips[node] = len(self.rows)
        self.rows[node] = (start, end, style, value)


def read(raw: bytes, path: str) -> Document:
    """The document in these bytes; `BadSpec` says what is wrong with them, and at which line and column."""
    text = _decoded(raw, path)
    return Document(path, _Reader(text, path, None).document(), text)


def marked(text: str, path: str = "the file") -> Marks:
    """The positions of everything in a text; it costs twice what reading costs."""
    marks = Marks()
    marks.data = _Reader(text, path, marks).document()
    return marks


def where(path: str, text: str, index: int) -> str:
    """`path:line:column`, counted from one."""
    start = text.rfind("\n", 0, index) + 1
    return f"{path}:{text.count(chr(10), 0, index) + 1}:{index - start + 1}"


def _child(marks: Marks, node: int, part: str | int) -> tuple[int, int] | None:
    """The nodes of the key and of the value at one step down."""
    style, child, stop = marks.style(node), node + 1, marks.skip(node)
    if style in ("map", "{}"):
        while child < stop:
            if marks.value(child) == part:
                return child, child + 1
            child = marks.skip(child + 1)
    elif style in ("seq", "[]") and isinstance(part, int):
        for _ in range(part):
            child = marks.skip(child) if child < stop else child
        return (child, child) if child < stop else None
    return None


# --- before the parser: size, encoding, characters ------------------------------------------------------------------


def _decoded(raw: bytes, path: str) -> str:
    if len(raw) > MAX_BYTES:
        raise BadSpec(
            f"the file has {len(raw)} bytes, and at most {MAX_BYTES} are read",
            where=path,
            fix="keep what is large beside the model, and link to it",
        )
    if not raw.translate(None, _COMMON):
        return raw.decode("ascii")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        lines = raw[: error.start].split(b"\n")
        raise BadSpec(
            f"the file is not UTF-8: byte {error.start} is 0x{raw[error.start]:02x}",
            where=f"{path}:{len(lines)}:{len(lines[-1].decode('utf-8', 'replace')) + 1}",
            fix="save the file as UTF-8",
        ) from None
    found = _FORBIDDEN.search(text)
    if found:
        _refuse_character(text, found.start(), path)
    return text


def _refuse_character(text: str, index: int, path: str) -> NoReturn:
    char = text[index]
    code = f"U+{ord(char):04X}"
    if char == "\ufeff":
        what, fix = "the file has a byte order mark", "save the file as UTF-8 without a byte order mark"
        if index:
            what, fix = f"a byte order mark ({code}) stands inside the file", "take it out"
    elif char == "\r":
        what, fix = "a line ends with a carriage return", "use plain line feeds as line ends (LF, not CRLF)"
    elif char in _LINE_ENDS:
        what = f"a {_LINE_ENDS[char]} ({code}) is a line end to some YAML readers and not to others"
        fix = f'write it as "\\u{ord(char):04x}" in double quotes'
    else:
        what, fix = f"the control character {code} stands in the file", "take it out, or escape it in double quotes"
    raise BadSpec(what, where=where(path, text, index), fix=fix)


# --- the constructor ------------------------------------------------------------------------------------------------


class _Reader:
    """Reads one document. Strict where YAML is liberal, because a registry file is reviewed by people."""

    def __init__(self, text: str, path: str, marks: Marks | None) -> None:
        self.text = text
        self.path = path
        self.marks = marks
        self.anchors: dict[str, Plain] = {}
        self.measures: dict[int, tuple[int, int]] = {}
        self.aliases = 0
        self.expanded = 0

    def document(self) -> Plain:
        parser = _Parser(self.text)
        try:
            return self._document(parser)
        except yaml.YAMLError as error:
            self._refuse_syntax(error)
        except (ValueError, OverflowError):  # the parser in Python says so to an escape beyond Unicode
            self._refuse("not valid YAML", 0)

    def _document(self, parser: Any) -> Plain:
        get = parser.get_event
        get()
        start = get()
        if type(start) is yaml.StreamEndEvent:
            self._refuse("the file is empty", 0, "write the mapping that it should hold, or delete the file")
        if start.version or start.tags:
            self._refuse("the file has a YAML directive", self._line_of("%"), "take the line that begins with % out")
        data = self._root(get, get())
        get()
        after = get()
        if type(after) is not yaml.StreamEndEvent:
            self._refuse("the file holds more than one document", after.start_mark.index, "keep one document in a file")
        return data

    def _root(self, get: Any, event: Any) -> Plain:
        if type(event) is yaml.MappingStartEvent:
            return self._nodes(get, event)
        index = event.start_mark.index
        if type(event) is yaml.AliasEvent:
            self._alias(event, [], is_key=False)
        if event.tag is not None:
            self._refuse_tag(event)
        if type(event) is yaml.ScalarEvent and not event.style and event.value in _NULLS:
            self._refuse("the file is empty", index, "write the mapping that it should hold, or delete the file")
        kind = "a list" if type(event) is yaml.SequenceStartEvent else "text"
        return self._refuse(f"the top level is {kind}", index, "write a mapping of keys and values")

    def _nodes(self, get: Any, event: Any) -> Plain:
        # one loop without calls on the good path: it is most of what reading a registry costs
        scalar, mapping, sequence = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
        mapping_end, sequence_end = yaml.MappingEndEvent, yaml.SequenceEndEvent
        marks, anchors, no_key = self.marks, self.anchors, _NO_KEY
        rows, anchored = (marks.rows, marks.anchored) if marks is not None else ([], set())
        root: dict[str, Plain] = {}
        box: Any = root
        key: Any = no_key
        stack: list[tuple[Any, Any, int]] = []
        node = 0
        value: Any
        if event.tag is not None:
            self._refuse_tag(event)
        if event.anchor is not None:
            anchors[event.anchor] = root
            anchored.add(0)
        if marks is not None:
            marks.open(event, "{}" if event.flow_style else "map", root)
        while True:
            event = get()
            kind = type(event)
            if kind is scalar:
                value = event.value
                if event.tag is not None:
                    self._refuse_tag(event)
                if not event.style and value in _NULLS:
                    value = None
                if event.anchor is not None:
                    anchors[event.anchor] = value
                    anchored.add(len(rows))
                if marks is not None:
                    rows.append((event.start_mark.index, event.end_mark.index, event.style or "", value))
                if type(box) is list:
                    box.append(value)
                elif key is no_key:
                    if value is None or value in box or (value == "<<" and not event.style):
                        self._refuse_key(event, value, box)
                    key = value
                else:
                    box[key] = value
                    key = no_key
            elif kind is mapping_end or kind is sequence_end:
                if marks is not None:
                    marks.close(node, event)
                if not stack:
                    return root
                box, key, node = stack.pop()
            elif kind is mapping or kind is sequence:
                if event.tag is not None or len(stack) + 2 > MAX_DEPTH or (key is no_key and type(box) is dict):
                    self._refuse_container(event, len(stack) + 2)
                value = {} if kind is mapping else []
                if event.anchor is not None:
                    anchors[event.anchor] = value
                    anchored.add(len(rows))
                if type(box) is list:
                    box.append(value)
                else:
                    box[key] = value
                stack.append((box, no_key, node))
                if marks is not None:
                    node = marks.open(event, _STYLES[kind, bool(event.flow_style)], value)
                box, key = value, no_key
            else:
                value = self._alias(
                    event, [held for held, _, _ in stack] + [box], is_key=key is no_key and type(box) is dict
                )
                rows.append((event.start_mark.index, event.end_mark.index, "*", value))
                if type(box) is list:
                    box.append(value)
                else:
                    box[key] = value
                    key = no_key

    # --- aliases

    def _alias(self, event: Any, open_boxes: list[Any], *, is_key: bool) -> Plain:
        index, name = event.start_mark.index, event.anchor
        if is_key:
            self._refuse(f"a key is the alias *{name}", index, "write the key itself")
        if name not in self.anchors:
            self._refuse(
                f"the alias *{name} has no anchor &{name} before it", index, "quote the value if * is meant as text"
            )
        value = self.anchors[name]
        if any(box is value for box in open_boxes):
            self._refuse(f"the alias *{name} stands inside what it names", index, "write the value out")
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            self._refuse(f"more than {MAX_ALIASES} aliases", index, "write the values out")
        size, height = self._measure(value)
        self.expanded += size
        if self.expanded > MAX_EXPANDED:
            self._refuse(f"the aliases stand for more than {MAX_EXPANDED} values", index, "write the values out")
        if len(open_boxes) + height > MAX_DEPTH:
            self._refuse_depth(index)
        return value

    def _measure(self, value: Plain) -> tuple[int, int]:
        """How many values an alias stands for, and how deep they go."""
        if not isinstance(value, dict | list):
            return 1, 0
        known = self.measures.get(id(value))
        if known is None:
            inner = [self._measure(child) for child in (value.values() if isinstance(value, dict) else value)]
            known = 1 + sum(size for size, _ in inner), 1 + max((height for _, height in inner), default=0)
            self.measures[id(value)] = known
        return known

    # --- refusals

    def _refuse(self, what: str, index: int, fix: str | None = None) -> NoReturn:
        raise BadSpec(what, where=where(self.path, self.text, index), fix=fix)

    def _refuse_tag(self, event: Any) -> NoReturn:
        shown = self.text[event.start_mark.index :].split(None, 1)[0] if event.anchor is None else event.tag
        self._refuse(
            f"the YAML tag {shown[:60]} is not read", event.start_mark.index, "take the tag out, or quote the value"
        )

    def _refuse_depth(self, index: int) -> NoReturn:
        self._refuse(f"nested deeper than {MAX_DEPTH} levels", index, "write it flatter")

    def _refuse_container(self, event: Any, depth: int) -> NoReturn:
        if event.tag is not None:
            self._refuse_tag(event)
        if depth > MAX_DEPTH:
            self._refuse_depth(event.start_mark.index)
        kind = "mapping" if type(event) is yaml.MappingStartEvent else "list"
        self._refuse(
            f"a key is a {kind}", event.start_mark.index, "use text as the key, and quote it if it begins with { or ["
        )

    def _refuse_key(self, event: Any, value: str | None, box: dict[str, Plain]) -> NoReturn:
        index = event.start_mark.index
        if value is None:
            what = f"a key is {event.value}" if event.value else "a key is empty"
            self._refuse(what, index, "use text as the key, in quotes if need be")
        if value in box:
            first = self.text.count("\n", 0, self._first_key(value, index)) + 1
            line = self.text.count("\n", 0, index) + 1
            self._refuse(
                f"the key {value} stands twice, in line {first} and in line {line}", index, "keep one of the two"
            )
        self._refuse("the merge key << is not read", index, "write the keys out")

    def _first_key(self, key: str, second: int) -> int:
        """Where a key that stands twice stands first: the same events again, up to the second."""
        get: Any = _Parser(self.text).get_event
        open_keys: list[dict[str, int]] = []
        expects_key: list[bool | None] = []  # None in a list
        while True:
            event: Any = get()
            is_node = isinstance(event, yaml.NodeEvent)
            if is_node and expects_key and expects_key[-1] is not None:
                if expects_key[-1] and event.start_mark.index == second:
                    return open_keys[-1][key]
                if expects_key[-1]:
                    open_keys[-1][event.value] = event.start_mark.index
                expects_key[-1] = not expects_key[-1]
            if type(event) in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
                open_keys.append({})
                expects_key.append(True if type(event) is yaml.MappingStartEvent else None)
            elif not is_node and open_keys:
                open_keys.pop()
                expects_key.pop()

    def _line_of(self, prefix: str) -> int:
        found = re.search(rf"^{re.escape(prefix)}", self.text, re.MULTILINE)
        return found.start() if found else 0

    def _refuse_syntax(self, error: yaml.YAMLError) -> NoReturn:
        mark = getattr(error, "problem_mark", None)
        index = min(mark.index, len(self.text)) if mark else 0
        start = self.text.rfind("\n", 0, index) + 1
        tab = re.compile(r" *\t").match(self.text, start)
        if tab:
            self._refuse("a tab is used as indentation", tab.end() - 1, "indent with spaces")
        problem = str(getattr(error, "problem", None) or "it does not parse")
        what, fix = _IN_PLAIN_WORDS.get(problem, (f"not valid YAML: {problem}", None))
        context = getattr(error, "context", None)
        self._refuse(f"{what} ({context})" if context and problem not in _IN_PLAIN_WORDS else what, index, fix)


_IN_PLAIN_WORDS: Final = {
    "did not find expected <document start>": (
        "something stands after the end of the document",
        "keep one document in a file, and check what closes above this line",
    ),
    "exceeded maximum nesting depth": (f"nested deeper than {MAX_DEPTH} levels", "write it flatter"),
    "mapping values are not allowed in this context": (
        "a key and its colon cannot stand here",
        "quote the text if it holds a colon, and check the indentation",
    ),
    "did not find expected key": (
        "a key is expected here",
        "check the indentation of this line and of the one above, and quotes that are not closed",
    ),
    "could not find expected ':'": ("a key without its colon", "write `key: value`"),
    "found unexpected end of stream": ("a quote is opened and never closed", "close it"),
    "found character that cannot start any token": (
        "text cannot begin with this character",
        "put the text in quotes",
    ),
    "did not find expected '-' indicator": (
        "a list item is expected here",
        "begin it with - at the column of the other items",
    ),
}
