"""Commit objects: encode ours, and parse whatever history holds."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

from stagedoor.errors import BadInput, BadRepository
from stagedoor.gitstore.values import CommitInfo, Oid, Signature

# the name ends at the first `<`: a line of nothing else is read once, and not once for each of them
_PERSON = re.compile(
    rb"(?P<name>[^<]*?) ?<(?P<email>[^>]*)>[^0-9-]*(?P<seconds>-?\d+)?(?: (?P<zone>[+-]\d{4,}))?", re.DOTALL
)
# What git itself takes off both ends of a name: https://git-scm.com/docs/git-commit-tree
_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
_LATEST = int(datetime(9999, 12, 30, tzinfo=UTC).timestamp())


def encode_commit(
    tree: Oid,
    parents: Sequence[Oid],
    author: Signature,
    committer: Signature,
    message: str,
    mergetags: Sequence[str] = (),
) -> bytes:
    if "\0" in message:
        raise BadInput("a commit message cannot hold a NUL", fix="take it out")
    head = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    head += [f"author {person(author)}", f"committer {person(committer)}"]
    # a header of several lines: each but the first begins with a space
    head += ["mergetag " + tag.rstrip("\n").replace("\n", "\n ") for tag in mergetags]
    text = "\n".join(head) + "\n\n" + message.rstrip("\n") + "\n"
    return text.encode("utf-8", "replace")


def person(who: Signature) -> str:
    """Who and when, as git writes them in a commit or a tag."""
    name, email = (re.sub(r"[\0\n<>]", "", part).strip(_CRUD) for part in (who.name, who.email))
    if who.time.tzinfo is None:
        raise BadInput("a commit needs a time with a time zone")
    seconds = int(who.time.timestamp())
    if seconds < 0:
        raise BadInput("a commit cannot be older than 1970", fix="mend the clock")
    return f"{name or email or 'unknown'} <{email}> {seconds} {_zone(who.time)}"


def _zone(time: datetime) -> str:
    minutes = round((time.utcoffset() or timedelta()).total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


def parse_commit(oid: Oid, data: bytes) -> CommitInfo:
    """Never fails on an odd encoding, name or date: history holds them all."""
    head, _, body = data.partition(b"\n\n")
    tree, parents, extra = _read_head(head)
    if not tree:
        raise BadRepository(f"commit {oid} is damaged", fix="run git fsck")
    encoding = extra.get(b"encoding", b"utf-8")
    return CommitInfo(
        oid=oid,
        tree=tree,
        parents=parents,
        author=parse_person(extra.get(b"author", b""), encoding),
        committer=parse_person(extra.get(b"committer", b""), encoding),
        message=_decode(body, encoding),
        mergetags=_merge_tags(head),
    )


def _merge_tags(head: bytes) -> tuple[str, ...]:
    """The tag objects that a merge carries, as they were signed."""
    if b"\nmergetag " not in head:
        return ()
    unfolded = head.replace(b"\n ", b"\0")
    found = (line.removeprefix(b"mergetag ") for line in unfolded.split(b"\n") if line.startswith(b"mergetag "))
    return tuple(tag.replace(b"\0", b"\n").decode("utf-8", "surrogateescape") + "\n" for tag in found)


def _read_head(head: bytes) -> tuple[Oid, tuple[Oid, ...], dict[bytes, bytes]]:
    tree, parents, extra = Oid(""), [], dict[bytes, bytes]()
    for line in head.split(b"\n"):
        # A line that begins with a space goes on with a header (a signature, a merged tag): not ours to read.
        key, _, value = line.partition(b" ")
        if key == b"tree" and not tree:
            tree = Oid(value.decode("ascii", "replace"))
        elif key == b"parent":
            parents.append(Oid(value.decode("ascii", "replace")))
        elif key:
            extra.setdefault(key, value)
    return tree, tuple(parents), extra


def parse_person(raw: bytes, encoding: bytes) -> Signature:
    """Who and when, as far as the bytes say it."""
    found = _PERSON.match(raw)
    if found is None:
        return Signature(_decode(raw, encoding), "", datetime.fromtimestamp(0, UTC))
    time = seconds_as_time(int(found["seconds"] or 0)).astimezone(_parse_zone(found["zone"] or b"+0000"))
    return Signature(_decode(found["name"], encoding), _decode(found["email"], encoding), time)


def seconds_as_time(seconds: int) -> datetime:
    """What git counts from 1970, in UTC; a count that no calendar has becomes the nearest that it has."""
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST), UTC)


def _parse_zone(raw: bytes) -> timezone:
    number = int(raw[1:])
    minutes = (number // 100 * 60 + number % 100) * (-1 if raw[:1] == b"-" else 1)
    return timezone(timedelta(minutes=minutes)) if abs(minutes) < 24 * 60 else UTC


def _decode(raw: bytes, encoding: bytes) -> str:
    for name in (encoding.decode("ascii", "replace"), "utf-8"):
        try:
            if codecs.lookup(name)._is_text_encoding:
                return raw.decode(name)
        except (LookupError, ValueError):
            continue
    return raw.decode("latin-1")
