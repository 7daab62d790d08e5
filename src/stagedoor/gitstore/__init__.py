"""The only room that knows git: repositories, snapshots, commits, merges, history."""

from stagedoor.gitstore.repository import Repository
from stagedoor.gitstore.values import (
    CommitInfo,
    ConflictedFile,
    Entry,
    FileChange,
    MergeConflict,
    Merged,
    Oid,
    Raced,
    RefUpdate,
    Signature,
    TooBig,
    Touched,
)

__all__ = [
    "CommitInfo",
    "ConflictedFile",
    "Entry",
    "FileChange",
    "MergeConflict",
    "Merged",
    "Oid",
    "Raced",
    "RefUpdate",
    "Repository",
    "Signature",
    "TooBig",
    "Touched",
]
