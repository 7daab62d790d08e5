"""Evidence: what a file of it is called, and which files of a change are nothing but evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from stagedoor.core.diff import Change, EvidenceChanged, ModelCreated, VersionCreated
from stagedoor.core.layout import evidence_path
from stagedoor.core.spec import Evidence

# a file of evidence is looked at by people and expressions; what is larger belongs elsewhere, and is named by its URI
MAX_EVIDENCE: Final = 1024 * 1024

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def is_evidence_name(name: str) -> bool:
    """Whether evidence may be called so: its name is a key in expressions and a file name in an archive."""
    return bool(_NAME.fullmatch(name))


def name_from(file_name: str) -> str:
    """What evidence from a file is called by itself: the file's name without its suffix, if that is a name at all."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,10}$", "", file_name.rsplit("/", 1)[-1])
    return stem if is_evidence_name(stem) else ""


def pinned_files(changes: Iterable[Change]) -> Iterator[str]:
    """The files of evidence that a change pins, from the registry's root.

    They come with the model's file, whose owners agree to them, and cannot say anything else than their digest.
    """
    for change in changes:
        match change:
            case EvidenceChanged(now=Evidence() as now):
                yield evidence_path(now.digest)
            case VersionCreated(content=content):
                yield from (evidence_path(one.digest) for one in content.evidence)
            case ModelCreated(content=model):
                yield from (evidence_path(one.digest) for version in model.versions for one in version.evidence)
            case _:
                pass
