"""Who may: the needs of a change, and the verdict over them. The tree that prints is the tree that decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from stagedoor.core.diff import (
    AliasMoved,
    Change,
    DescriptionChanged,
    EvidenceChanged,
    FactChanged,
    ModelCreated,
    ModelDeleted,
    ModelFactChanged,
    ModelMoved,
    ModelRenamed,
    StageMoved,
    TagDeleted,
    TagSet,
    VersionCreated,
    VersionDeleted,
)
from stagedoor.core.owners import Level, OwnersFile, owners_of, rule_for
from stagedoor.core.policy import RegistrySpec, Verb
from stagedoor.core.requests import Reviewed
from stagedoor.core.spec import ARCHIVED, NO_STAGE, PRODUCTION, STAGING, People

Right = Level | str
"""A level of Databricks' ladder, or the name of an alias or of a stage that the registry added."""

_LADDER_STAGES = dict.fromkeys((NO_STAGE, STAGING, ARCHIVED), Level.STAGING) | {PRODUCTION: Level.PRODUCTION}
_SUFFIX = {Level.READ: "Read", Level.STAGING: STAGING, Level.PRODUCTION: PRODUCTION, Level.MANAGE: "Manage"}


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that owners of one rule have to agree to."""

    path: str
    right: Right
    why: tuple[str, ...]
    verbs: tuple[Verb | None, ...]
    approvals: int = 1
    direct: bool = True

    @property
    def title(self) -> str:
        """The path that CODEOWNERS is asked about."""
        suffix = suffix_of(self.right)
        return f"{self.path}/@{suffix}" if suffix else self.path


def suffix_of(right: Right) -> str | None:
    """What stands below the file in CODEOWNERS for this right; None is the file itself."""
    return _SUFFIX.get(right) if isinstance(right, Level) else right


def stage_rights(was: str, now: str) -> tuple[Right, ...]:
    """The rights that a move takes: leaving a stage is guarded like entering it.

    Staging managers move among None, Staging and Archived; a move that touches Production takes Production's right,
    which includes Staging's. A stage that the registry added has its own.
    """
    rights: list[Right] = [_LADDER_STAGES.get(stage, stage) for stage in (was, now)]
    levels = [right for right in rights if isinstance(right, Level)]
    own = [right for right in dict.fromkeys(rights) if isinstance(right, str)]
    if own and all(stage == NO_STAGE or stage in own for stage in (was, now)):
        return tuple(own)
    return (*own, max(levels)) if levels else tuple(own)


def needs(
    changes: Iterable[Change], other_paths: Iterable[str], spec: RegistrySpec, root: str = ""
) -> tuple[Need, ...]:
    """What has to be agreed to, one need for each right at each path, in a stable order.

    `other_paths` are the files of the change that are no model files, from the repository's top; `root` is the folder
    of the registry in the repository.
    """
    found: dict[tuple[str, Right], list[tuple[str, Verb | None, str]]] = {}
    for change in changes:
        for path, right, verb, stage in _asked(change):
            found.setdefault((root + path, right), []).append((describe(change), verb, stage))
    for path in other_paths:
        found.setdefault((path, Level.EDIT), []).append((f"{path} changes", None, ""))
    return tuple(_need(path, right, reasons, spec) for (path, right), reasons in sorted(found.items(), key=_stable))


def _stable(item: tuple[tuple[str, Right], object]) -> tuple[str, bool, str]:
    (path, right), _ = item
    return path, isinstance(right, str), str(int(right)) if isinstance(right, Level) else right


def _need(path: str, right: Right, reasons: Sequence[tuple[str, Verb | None, str]], spec: RegistrySpec) -> Need:
    stages = [stage for _, _, name in reasons if (stage := spec.stage(name))]
    return Need(
        path,
        right,
        tuple(dict.fromkeys(reason for reason, _, _ in reasons)),
        tuple(dict.fromkeys(verb for _, verb, _ in reasons)),
        approvals=max((stage.approvals for stage in stages), default=1),
        direct=all(stage.direct and stage.approvals == 1 for stage in stages),
    )


def _asked(change: Change) -> Iterator[tuple[str, Right, Verb | None, str]]:
    """The path, the right, the verb of the direct lane and the stage that is entered or left."""
    path = change.path
    match change:
        case ModelCreated(content=content):
            yield path, Level.EDIT, "register", ""
            for version in content.versions:
                yield from _stage_asked(path, NO_STAGE, version.stage)
            for alias in content.aliases:
                yield path, alias, "alias", ""
        case VersionCreated(content=content):
            yield path, Level.EDIT, "register", ""
            yield from _stage_asked(path, NO_STAGE, content.stage)
        case StageMoved():
            yield from _stage_asked(path, change.was, change.now)
        case DescriptionChanged():
            yield path, Level.EDIT, "describe", ""
        case TagSet() | TagDeleted():
            yield path, Level.EDIT, "tag", ""
        case EvidenceChanged():
            yield path, Level.EDIT, "attach", ""
        case AliasMoved():
            yield path, change.alias, "alias", ""
        case ModelFactChanged(field="last_version"):
            yield path, Level.EDIT, "register", ""
        case ModelDeleted() | VersionDeleted():
            yield path, Level.MANAGE, "delete", ""
        case ModelMoved():
            yield change.was, Level.MANAGE, "rename", ""
            yield path, Level.MANAGE, "rename", ""
        case ModelRenamed():
            yield path, Level.MANAGE, "rename", ""
        case ModelFactChanged() | FactChanged():
            yield path, Level.MANAGE, None, ""
        case _:
            assert_never(change)


def _stage_asked(path: str, was: str, now: str) -> Iterator[tuple[str, Right, Verb | None, str]]:
    if was != now:
        for right in stage_rights(was, now):
            yield path, right, "transition", now
            yield path, right, "transition", was


def describe(change: Change) -> str:
    """One change in one short line."""
    match change:
        case ModelCreated():
            return f"{change.model} is created"
        case ModelDeleted():
            return f"{change.model} is deleted"
        case ModelMoved():
            return f"{change.model} moves from {change.was} to {change.path}"
        case ModelRenamed():
            return f"{change.was} is renamed to {change.model}"
        case ModelFactChanged():
            return f"{change.model}: {change.field} changes"
        case VersionCreated():
            return f"{change.model}/{change.version} is registered"
        case VersionDeleted():
            return f"{change.model}/{change.version} is deleted"
        case StageMoved():
            return f"{change.model}/{change.version}: {change.was} → {change.now}"
        case AliasMoved():
            return f"{change.model}@{change.alias}: {change.was or '(none)'} → {change.now or '(none)'}"
        case FactChanged():
            return f"{change.model}/{change.version}: the fact {change.field} changes"
        case EvidenceChanged():
            return f"{change.model}/{change.version}: evidence {change.name} changes"
        case DescriptionChanged() | TagSet() | TagDeleted():
            what = "description" if isinstance(change, DescriptionChanged) else f"tag {change.key}"
            where = change.model if change.version is None else f"{change.model}/{change.version}"
            return f"{where}: {what} changes"
        case _:
            assert_never(change)


def with_broken_glass(asked: Iterable[Need]) -> tuple[Need, ...]:
    """What an emergency takes: the same rights, and two who agree wherever a stage is entered or left."""
    return tuple(replace(n, approvals=max(n.approvals, 2)) if "transition" in n.verbs else n for n in asked)


# --- the verdict ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ignored:
    """A review that does not count, and why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """One need and how it stands: who could agree, who did, what does not count, what is missing."""

    need: Need
    line: int | None
    owners: tuple[str, ...]
    holders: tuple[str, ...]
    approved_by: tuple[str, ...]
    ignored: tuple[Ignored, ...]
    blocked_by: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many approvals are still to come."""
        return max(0, self.need.approvals - len(self.approved_by))

    @property
    def holds(self) -> bool:
        """Whether this need is met."""
        return bool(self.owners) and not self.missing and not self.blocked_by

    @property
    def unblock(self) -> str:
        """What would meet it, in one line; empty when it is met."""
        if self.holds:
            return ""
        if not self.owners:
            return f"nobody owns {self.need.title}: add a line for it to CODEOWNERS"
        if self.blocked_by:
            return f"{', '.join(self.blocked_by)} asked for changes: push a new head, or let them approve"
        if not self.holders:
            return f"none of {', '.join(self.owners)} may approve this: add an owner, or let an author approve"
        left = [who for who in self.holders if who not in self.approved_by]
        if len(left) < self.missing:
            others = f"only {', '.join(left)} still may" if left else "nobody else may"
            return f"{self.need.approvals} have to approve and {others}: add an owner"
        return f"approval by {self.missing} of {', '.join(left)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether people have agreed to a change, and the ruling on every need behind it."""

    rulings: tuple[Ruling, ...]

    @property
    def holds(self) -> bool:
        """Whether every need is met."""
        return all(ruling.holds for ruling in self.rulings)

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Everybody whose approval could still help, by name."""
        open_ = (ruling for ruling in self.rulings if not ruling.holds)
        return tuple(sorted({who for ruling in open_ for who in ruling.holders if who not in ruling.approved_by}))


def holders_of(need: Need, owners: OwnersFile, people: People) -> tuple[str, ...]:
    """The addresses of those who may agree to a need."""
    found = {email for owner in owners_of(owners, need.path, need.right) for email in people.emails_of(owner) or ()}
    return tuple(sorted(found))


def judge(
    asked: Sequence[Need],
    reviews: Sequence[Reviewed],
    *,
    head: str,
    author: str,
    owners: OwnersFile,
    people: People,
    spec: RegistrySpec,
    pushers: frozenset[str] = frozenset(),
) -> Verdict:
    """The verdict on a request. `owners`, `people` and `spec` are those of the base, never of the proposed head.

    A review counts when it is about `head`, and by somebody who owns what it is needed for. That of the author, and of
    the `pushers` who put more into the request, counts only where the registry lets an author approve.
    """
    wrote = frozenset(who.lower() for who in (author, *pushers))
    involved = frozenset() if spec.owners.author_may_approve else wrote
    # one person is one voice, and the last word counts
    newest = tuple({review.by.lower(): review for review in reviews}.values())
    return Verdict(tuple(_ruling(need, newest, head, involved, owners, people) for need in asked))


def _ruling(
    need: Need,
    reviews: Sequence[Reviewed],
    head: str,
    involved: frozenset[str],
    owners: OwnersFile,
    people: People,
) -> Ruling:
    holders = holders_of(need, owners, people)
    approved, blocked, ignored = [], [], []
    for review in reviews:
        who = review.by.lower()
        if reason := _does_not_count(review, who, holders, head, involved):
            if review.verdict == "approved":
                ignored.append(Ignored(who, reason))
        elif review.verdict == "approved":
            approved.append(who)
        else:
            blocked.append(who)
    may = tuple(who for who in holders if who not in involved)
    names = owners_of(owners, need.path, need.right)
    return Ruling(need, _line(need, owners), names, may, tuple(approved), tuple(ignored), tuple(blocked))


def _does_not_count(
    review: Reviewed, who: str, holders: tuple[str, ...], head: str, involved: frozenset[str]
) -> str | None:
    if who not in holders:
        return "is not an owner"
    if review.head != head:
        return f"saw {review.head[:10]}, and the head is {head[:10]} by now"
    if who in involved:
        return "is an author of the request"
    return None


def _line(need: Need, owners: OwnersFile) -> int | None:
    lines = rule_for(owners, need.path, suffix_of(need.right))
    return lines[-1].number if lines else None


def entitled(
    asked: Sequence[Need], actor: str, *, owners: OwnersFile, people: People, spec: RegistrySpec
) -> str | None:
    """Why the actor may not write this change straight to main, or None if they may."""
    for need in asked:
        if actor.lower() not in holders_of(need, owners, people):
            names = owners_of(owners, need.path, need.right)
            return f"{need.why[0]}: {need.title} is owned by {', '.join(names) or 'nobody'}"
        if not need.direct:
            return f"{need.why[0]}: this stage is entered and left by a request"
        for verb in need.verbs:
            if verb is None or verb not in spec.direct:
                return f"{need.why[0]}: this registry takes it by a request only"
    return None
