"""Small packs: the objects of one turn as one file, whole on the disk before anybody can find it.

One file and its index cost two waits for the disk, whatever is in them; loose objects cost one each. So that there are
never many, packs of about one size are put together as soon as there are eight: https://git-scm.com/docs/gitformat-pack.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Final, Literal

Kind = Literal["commit", "tree", "blob", "tag"]
KINDS: Final[dict[Kind, int]] = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}

_NUMBERS: Final = frozenset(KINDS.values())

# so many packs of one size become one of the next; none grows beyond what is put together in a blink
_TOGETHER: Final = 8
_LARGEST: Final = 16_000_000
_SMALLEST: Final = 8_192
_SAMPLES: Final = 32

# seconds between the moment when others list the packs, and the moment when they have opened them
_GRACE = 2.0

# seconds after which nobody can be at a draft any more
_HOUR: Final = 3600.0
_RETIRED: Final = re.compile(r"([0-9]{1,12}\.[0-9]{3}) (pack-[0-9a-f]{40})")

_HEAD: Final = 12
_HASH: Final = 20
_MAGIC: Final = b"\xfftOc\x00\x00\x00\x02"
_TABLES: Final = len(_MAGIC) + 256 * 4


@dataclass(frozen=True, slots=True)
class Packed:
    """One object as it stands in a pack: its id, its header and compressed data, and their CRC-32."""

    oid: bytes
    raw: bytes
    crc: int


def packed(oid: str, kind: Kind, data: bytes) -> Packed:
    """An object, made ready for a pack; never a delta."""
    raw = _entry_header(KINDS[kind], len(data)) + zlib.compress(data, 1)
    return Packed(bytes.fromhex(oid), raw, zlib.crc32(raw))


def write_pack(folder: Path, objects: Iterable[Packed], *, durable: bool) -> Path:
    """Write objects of a SHA-1 repository below `objects/pack`, with their index; the path of the pack.

    As git does it: under names of their own, to the disk, then renamed, the index last. Raises `OSError`.
    """
    unique = list({one.oid: one for one in objects}.values())
    body = b"".join((struct.pack(">4sII", b"PACK", 2, len(unique)), *(one.raw for one in unique)))
    checksum = _sha1(body)
    path = folder / f"pack-{checksum.hex()}.pack"
    index = path.with_suffix(".idx")
    # what a process that was killed leaves behind, `sweep` removes
    drafts = [folder / f"tmp_{token_hex(8)}.{suffix}" for suffix in ("pack", "idx")]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for draft, data in zip(drafts, (body + checksum, _index(unique, checksum)), strict=True):
            _write(draft, data, durable=durable)
        drafts[0].replace(path)
        drafts[1].replace(index)
    except BaseException:
        for draft in drafts:
            draft.unlink(missing_ok=True)
        raise
    if durable:
        _sync(folder)
    return path


def gather(folder: Path, *, durable: bool) -> None:
    """Put packs of about one size together where there are many.

    Only packs without deltas and without a word of git's beside them (`.keep`, `.promisor`, `.bitmap`, …). Those whose
    objects stand elsewhere now stay for a moment, for whoever has just looked which packs there are. Raises `OSError`.
    """
    retired = _swept(folder)
    sweep(folder)
    for same in _by_size(folder, retired).values():
        paths = [path for path in same if _may_fit(path)] if len(same) >= _TOGETHER else []
        if len(paths) < _TOGETHER:
            continue
        found = [(path, objects) for path in paths if (objects := _objects_of(path)) is not None]
        if len(found) > 1:
            made = write_pack(folder, (one for _, objects in found for one in objects), durable=durable)
            _retire(folder, [path.stem for path, _ in found if path != made])


def _list_of_retired(folder: Path) -> Path:
    return folder.parent / "info" / "stagedoor-retired"


def _retire(folder: Path, stems: Iterable[str]) -> None:
    path, now = _list_of_retired(folder), time()
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write("".join(f"{now:.3f} {stem}\n" for stem in stems))


def _swept(folder: Path) -> frozenset[str]:
    """The packs that are still there though nobody needs them; those that were it long enough are removed."""
    path, now = _list_of_retired(folder), time()
    try:
        text = path.read_text("ascii", "replace")
    except FileNotFoundError:
        return frozenset()
    # a line may be torn where the disk was full
    lines = [(float(found[1]), found[2]) for line in text.splitlines() if (found := _RETIRED.fullmatch(line))]
    left = {stem: at for at, stem in lines if 0 <= now - at < _GRACE}
    gone = {stem: at for at, stem in lines if stem not in left}
    if gone:
        for stem, at in gone.items():
            _remove(folder, stem, at)
        # a line that is lost with this costs a pack that is put together once more
        draft = path.with_name(f"tmp_{token_hex(8)}")
        draft.write_text("".join(f"{at:.3f} {stem}\n" for stem, at in left.items()))
        draft.replace(path)
    return frozenset(left)


def _remove(folder: Path, stem: str, at: float) -> None:
    """Remove a pack that was retired then, unless it was written again since: that one may be needed."""
    pack, index = (folder / f"{stem}{suffix}" for suffix in (".pack", ".idx"))
    with suppress(FileNotFoundError):
        if pack.stat().st_mtime > at:
            return
    # the index first: who finds no index does not look for the pack
    index.unlink(missing_ok=True)
    pack.unlink(missing_ok=True)


def leftovers(folder: Path, older_than: float) -> Iterator[Path]:
    """What a process that was killed left around the packs: drafts, and packs that never got their index.

    Git removes the drafts of packs after two weeks, and none of the others.
    """
    names: dict[str, set[str]] = defaultdict(set)
    for entry in os.scandir(folder):
        stem, _, suffix = entry.name.partition(".")
        names[stem].add(suffix)
    found = [folder / f"{stem}.pack" for stem, suffixes in names.items() if suffixes == {"pack"}]
    found += [folder / f"{stem}.idx" for stem, suffixes in names.items() if suffixes == {"idx"}]
    found += [folder / f"{stem}.{suffix}" for stem in names if stem.startswith("tmp_") for suffix in names[stem]]
    found += _list_of_retired(folder).parent.glob("tmp_*")
    now = time()
    for path in sorted(set(found)):
        with suppress(OSError):
            if now - path.stat().st_mtime > older_than:
                yield path


def sweep(folder: Path, older_than: float = _HOUR) -> tuple[Path, ...]:
    """Remove them where they are so old that nobody can still be at them; what was removed."""
    found = tuple(leftovers(folder, older_than))
    for path in found:
        path.unlink(missing_ok=True)
    return found


def _by_size(folder: Path, retired: frozenset[str]) -> dict[int, list[Path]]:
    """The packs that stand alone with their index, by about how large they are."""
    names: dict[str, set[str]] = defaultdict(set)
    for entry in os.scandir(folder):
        stem, _, suffix = entry.name.partition(".")
        if stem.startswith("pack-") and stem not in retired:
            names[stem].add(suffix)
    found: dict[int, list[Path]] = defaultdict(list)
    if len(names) < _TOGETHER:
        return found
    for stem, suffixes in names.items():
        path = folder / f"{stem}.pack"
        with suppress(FileNotFoundError):
            if suffixes == {"pack", "idx"} and (size := path.stat().st_size) <= _LARGEST:
                found[max(size // _SMALLEST, 0).bit_length() // 3].append(path)
    return found


@lru_cache(maxsize=1024)
def _may_fit(path: Path) -> bool:
    """Whether some of its objects are no deltas, so that a pack of git's is not read whole at every write."""
    try:
        index = path.with_suffix(".idx").read_bytes()
        places = [offset for _, offset, _ in _places(index)] if index.startswith(_MAGIC) else []
        with path.open("rb") as file:
            return bool(places) and all(
                _is_whole(os.pread(file.fileno(), 1, offset)) for offset in places[:: len(places) // _SAMPLES + 1]
            )
    except FileNotFoundError:
        return False


def _is_whole(raw: bytes) -> bool:
    return bool(raw) and (raw[0] >> 4) & 7 in _NUMBERS


def _objects_of(path: Path) -> list[Packed] | None:
    """Everything in a pack; None where it has deltas, is damaged, or is gone."""
    try:
        data, index = path.read_bytes(), path.with_suffix(".idx").read_bytes()
    except FileNotFoundError:
        return None
    if index[: len(_MAGIC)] != _MAGIC or _sha1(data[:-_HASH]) != data[-_HASH:]:
        return None
    places = sorted(_places(index), key=lambda place: place[1])
    ends = [*(offset for _, offset, _ in places[1:]), len(data) - _HASH]
    found = [Packed(oid, data[offset:end], crc) for (oid, offset, crc), end in zip(places, ends, strict=True)]
    return found if all(_is_whole(one.raw) and zlib.crc32(one.raw) == one.crc for one in found) else None


def _places(index: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each object's id, where it begins in the pack, and its CRC-32. Packs here are far below 2 GB."""
    (count,) = struct.unpack_from(">I", index, _TABLES - 4)
    crcs = _TABLES + count * _HASH
    offsets = crcs + count * 4
    for at in range(count):
        oid = index[_TABLES + at * _HASH : _TABLES + (at + 1) * _HASH]
        yield oid, *struct.unpack_from(">I", index, offsets + at * 4), *struct.unpack_from(">I", index, crcs + at * 4)


def _index(objects: Sequence[Packed], checksum: bytes) -> bytes:
    """The index of a pack, version 2."""
    offsets, at = {}, _HEAD
    for one in objects:
        offsets[one.oid] = at
        at += len(one.raw)
    ordered = sorted(objects, key=lambda one: one.oid)
    firsts = [0] * 256
    for one in ordered:
        firsts[one.oid[0]] += 1
    total = 0
    for byte, some in enumerate(firsts):
        total += some
        firsts[byte] = total
    count = len(ordered)
    body = b"".join(
        (
            _MAGIC,
            struct.pack(">256I", *firsts),
            *(one.oid for one in ordered),
            struct.pack(f">{count}I", *(one.crc for one in ordered)),
            struct.pack(f">{count}I", *(offsets[one.oid] for one in ordered)),
            checksum,
        )
    )
    return body + _sha1(body)


def _entry_header(number: int, size: int) -> bytes:
    byte, size = (number << 4) | (size & 15), size >> 4
    header = bytearray()
    while size:
        header.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    header.append(byte)
    return bytes(header)


def pack_stream(objects: Sequence[tuple[Kind, bytes]], object_format: str) -> bytes:
    """A pack without deltas, as git takes it on its standard input."""
    parts = [struct.pack(">4sII", b"PACK", 2, len(objects))]
    for kind, data in objects:
        parts += (_entry_header(KINDS[kind], len(data)), zlib.compress(data, 1))
    body = b"".join(parts)
    return body + hashlib.new(object_format, body, usedforsecurity=False).digest()


def _write(path: Path, data: bytes, *, durable: bool) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) or 0 :]
        if durable:
            os.fsync(file.fileno())


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()
