"""What a change asks for: which owners' rights, by which stages and gates, and which verb writes it directly."""

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
from stagedoor.core.gates import gates_for
from stagedoor.core.layout import QUARANTINE_FILE, is_stage_path
from stagedoor.core.owners import Level
from stagedoor.core.policy import RegistrySpec, Verb
from stagedoor.core.spec import ARCHIVED, NO_STAGE, PRODUCTION, STAGING
from stagedoor.core.webhooks import WEBHOOKS_FILE

Right = Level | str
"""A level of Databricks' ladder, or the name of an alias or of a stage that the registry added."""

_LADDER_STAGES = dict.fromkeys((NO_STAGE, STAGING, ARCHIVED), Level.STAGING) | {PRODUCTION: Level.PRODUCTION}
_SUFFIX = {Level.READ: "Read", Level.STAGING: STAGING, Level.PRODUCTION: PRODUCTION, Level.MANAGE: "Manage"}


@dataclass(frozen=True, slots=True)
class Ask:
    """Agreement that a stage or a gate of registry.yaml asks for, besides what CODEOWNERS asks for.

    `count` approvals in all, given to at least `teams` different teams, with one from each owner of `by`.
    """

    source: str
    count: int = 1
    teams: int = 1
    by: tuple[str, ...] = ()
    signed: bool = False

    @property
    def least(self) -> int:
        """How many people it takes: one person speaks for one team, and for one of `by`."""
        return max(self.count, self.teams, len(self.by))

    @property
    def is_plain(self) -> bool:
        """Whether it asks for nothing that CODEOWNERS does not ask for."""
        return self.least == 1 and not self.by and not self.signed


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that owners of one rule have to agree to."""

    path: str
    right: Right
    why: tuple[str, ...]
    verbs: tuple[Verb | None, ...]
    asks: tuple[Ask, ...] = ()
    direct: bool = True
    # owners of these may agree just as well
    also: tuple[tuple[str, Right], ...] = ()

    @property
    def approvals(self) -> int:
        """How many people it takes at least."""
        return max((ask.least for ask in self.asks), default=1)

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


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a right is asked for: the change, the verb of the direct lane, and what registry.yaml says of the move."""

    text: str
    verb: Verb | None = None
    asks: tuple[Ask, ...] = ()
    direct: bool = True


Asked = tuple[str, Right, Verb | None, tuple[str, str] | None]
"""A path, a right, a verb of the direct lane, and the stages that are left and entered, where it is a move."""


@dataclass(frozen=True, slots=True)
class WebhookAsked:
    """One change of a webhook: its line, and the file of the model it is about; empty for the whole registry."""

    text: str
    model_path: str = ""


def needs(
    changes: Iterable[Change],
    other_paths: Iterable[str],
    spec: RegistrySpec,
    root: str = "",
    webhooks: Sequence[WebhookAsked] = (),
) -> tuple[Need, ...]:
    """What has to be agreed to, one need for each right at each path, in a stable order.

    `other_paths` are the files of the change that are no model files, from the repository's top; `root` is the folder
    of the registry in the repository. `webhooks` says what happens to webhooks.yaml, where that is known: who manages
    a model has a say in the model's own, https://docs.databricks.com/aws/en/security/auth/access-control/#mlflow-model-acls
    """
    changes = tuple(changes)
    # whoever renames a model and moves it at once still meets the gates of the old name
    former = {change.model: change.was for change in changes if isinstance(change, ModelRenamed)}
    found: dict[tuple[str, Right], list[Reason]] = {}
    for change in changes:
        names = (change.model, *([former[change.model]] if change.model in former else []))
        for path, right, verb, move in _asked(change):
            found.setdefault((root + path, right), []).append(_reason(change, names, verb, move, spec))
    for path in other_paths:
        if webhooks and path == root + WEBHOOKS_FILE:
            continue
        # a stage file follows its model, so whoever may move the version and owns the file may write both
        follows = spec.stage_files and path.startswith(root) and is_stage_path(path.removeprefix(root))
        directly: Verb | None = "quarantine" if path == root + QUARANTINE_FILE else None
        reason = Reason(f"{path} changes", "transition" if follows else directly)
        found.setdefault((path, Level.EDIT), []).append(reason)
    asked = tuple(_need(path, right, reasons) for (path, right), reasons in sorted(found.items(), key=_stable))
    return asked + tuple(_webhook_needs(webhooks, root))


def _webhook_needs(webhooks: Sequence[WebhookAsked], root: str) -> Iterator[Need]:
    for path in sorted({one.model_path for one in webhooks}):
        why = tuple(dict.fromkeys(one.text for one in webhooks if one.model_path == path))
        also = ((root + path, Level.MANAGE),) if path else ()
        yield Need(root + WEBHOOKS_FILE, Level.EDIT, why, ("webhook",), also=also)


def with_broken_glass(asked: Iterable[Need]) -> tuple[Need, ...]:
    """What an emergency takes: the same rights, and two who agree wherever a stage is entered or left."""
    two = Ask("the broken glass", count=2)
    return tuple(replace(need, asks=(*need.asks, two)) if "transition" in need.verbs else need for need in asked)


def _stable(item: tuple[tuple[str, Right], object]) -> tuple[str, bool, str]:
    (path, right), _ = item
    return path, isinstance(right, str), str(int(right)) if isinstance(right, Level) else right


def _need(path: str, right: Right, reasons: Sequence[Reason]) -> Need:
    return Need(
        path,
        right,
        tuple(dict.fromkeys(reason.text for reason in reasons)),
        tuple(dict.fromkeys(reason.verb for reason in reasons)),
        asks=tuple(dict.fromkeys(ask for reason in reasons for ask in reason.asks)),
        direct=all(reason.direct for reason in reasons),
    )


def _reason(
    change: Change, names: Sequence[str], verb: Verb | None, move: tuple[str, str] | None, spec: RegistrySpec
) -> Reason:
    if move is None:
        return Reason(describe(change), verb)
    was, now = move
    stages = [stage for name in (now, was) if (stage := spec.stage(name))]
    asks = [
        *(Ask(f"stage {stage.name}", stage.approvals, stage.teams, signed=stage.signed) for stage in stages),
        *(ask for name in names for ask in _gate_asks(name, now, spec)),
    ]
    kept = tuple(ask for ask in asks if not ask.is_plain)
    return Reason(describe(change), verb, kept, direct=not kept and all(stage.direct for stage in stages))


def _gate_asks(model: str, now: str, spec: RegistrySpec) -> Iterator[Ask]:
    for gate in gates_for(spec.gates, model, now):
        if asked := gate.approvals:
            yield Ask(f"gate {gate.name}", asked.count, asked.teams, tuple(dict.fromkeys(asked.by)), asked.signed)


def _asked(change: Change) -> Iterator[Asked]:
    path = change.path
    match change:
        case ModelCreated(content=content):
            yield path, Level.EDIT, "register", None
            for version in content.versions:
                yield from _stage_asked(path, NO_STAGE, version.stage)
            for alias in content.aliases:
                yield path, alias, "alias", None
        case VersionCreated(content=content):
            yield path, Level.EDIT, "register", None
            yield from _stage_asked(path, NO_STAGE, content.stage)
        case StageMoved():
            yield from _stage_asked(path, change.was, change.now)
        case DescriptionChanged():
            yield path, Level.EDIT, "describe", None
        case TagSet() | TagDeleted():
            yield path, Level.EDIT, "tag", None
        case EvidenceChanged():
            yield path, Level.EDIT, "attach", None
        case AliasMoved():
            yield path, change.alias, "alias", None
        case ModelFactChanged(field="last_version"):
            yield path, Level.EDIT, "register", None
        case ModelDeleted() | VersionDeleted():
            yield path, Level.MANAGE, "delete", None
        case ModelMoved():
            yield change.was, Level.MANAGE, "rename", None
            yield path, Level.MANAGE, "rename", None
        case ModelRenamed():
            yield path, Level.MANAGE, "rename", None
        case ModelFactChanged() | FactChanged():
            yield path, Level.MANAGE, None, None
        case _:
            assert_never(change)


def _stage_asked(path: str, was: str, now: str) -> Iterator[Asked]:
    if was != now:
        for right in stage_rights(was, now):
            yield path, right, "transition", (was, now)


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
