"""What somebody wants: intents, applied to whatever the registry is by then. They make sense there or are refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from stagedoor.core.diff import in_order
from stagedoor.core.evidence import is_evidence_name
from stagedoor.core.layout import checked_folder, checked_name, model_path, twin_key
from stagedoor.core.policy import RegistrySpec, Stage
from stagedoor.core.registry import Registry
from stagedoor.core.spec import (
    ARCHIVED,
    MAX_DESCRIPTION,
    MAX_NUMBER,
    MAX_TAGS,
    Created,
    Evidence,
    RegisteredModel,
    Version,
)
from stagedoor.core.transfer import news
from stagedoor.errors import AlreadyExists, BadInput, InvalidState

# MLflow's rules for an alias, and what would read as a version: https://mlflow.org/docs/latest/ml/model-registry/
_ALIAS = re.compile(r"[\w-]{1,255}")
_ALIAS_RESERVED = re.compile(r"(latest|v[0-9]+)", re.IGNORECASE)
RESERVED_SUFFIXES = ("Read", "Manage")
MAX_TAG_VALUE = 100_000


@dataclass(frozen=True, slots=True)
class CreateModel:
    """A new registered model without a version."""

    model: str
    id: str
    created: Created
    description: str = ""
    tags: Mapping[str, str] | None = None
    folder: str = ""


@dataclass(frozen=True, slots=True)
class RegisterVersion:
    """The next version of a model. `content` says all but its number; the model is created when it is not there."""

    model: str
    content: Version
    new_model: CreateModel | None = None


@dataclass(frozen=True, slots=True)
class Describe:
    """Another description of a model, or of a version."""

    model: str
    version: int | None
    description: str


@dataclass(frozen=True, slots=True)
class SetTag:
    """A tag on a model, or on a version."""

    model: str
    version: int | None
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class DeleteTag:
    """A tag off a model, or off a version. One that is not there is no fault."""

    model: str
    version: int | None
    key: str


@dataclass(frozen=True, slots=True)
class AttachEvidence:
    """Evidence for a version, in place of what it had under that name."""

    model: str
    version: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class DetachEvidence:
    """Evidence off a version. One that is not there is no fault."""

    model: str
    version: int
    name: str


@dataclass(frozen=True, slots=True)
class SetAlias:
    """An alias points at a version from now on."""

    model: str
    alias: str
    version: int


@dataclass(frozen=True, slots=True)
class DeleteAlias:
    """An alias is taken away. One that is not there is no fault."""

    model: str
    alias: str


@dataclass(frozen=True, slots=True)
class RenameModel:
    """The model has another name from now on; its id, versions and history stay."""

    model: str
    new_name: str


@dataclass(frozen=True, slots=True)
class DeleteModel:
    """The model and all its versions go."""

    model: str


@dataclass(frozen=True, slots=True)
class DeleteVersion:
    """One version goes; its number is never used again."""

    model: str
    version: int


@dataclass(frozen=True, slots=True)
class Transition:
    """A version moves to a stage. `archive_existing` moves the others that are there to Archived.

    `expected` is the stage it is in according to whoever wants this; elsewhere by now, it makes no sense any more.
    """

    model: str
    version: int
    stage: str
    archive_existing: bool = False
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A model as another registry has it: new here, or with versions and aliases that are news to the one here."""

    model: RegisteredModel
    folder: str = ""


Intent = (
    CreateModel
    | RegisterVersion
    | Describe
    | SetTag
    | DeleteTag
    | AttachEvidence
    | DetachEvidence
    | SetAlias
    | DeleteAlias
    | RenameModel
    | DeleteModel
    | DeleteVersion
    | Transition
    | TakeOver
)


def perform(intents: Iterable[Intent], registry: Registry, spec: RegistrySpec) -> Registry:
    """The registry as the intents want it, one after the other.

    Raises `NotFound`, `AlreadyExists`, `BadInput` or `InvalidState` when an intent makes no sense in this registry.
    """
    for intent in intents:
        registry = _perform(intent, registry, spec)
    return registry


def _perform(intent: Intent, registry: Registry, spec: RegistrySpec) -> Registry:
    match intent:
        case CreateModel():
            return _create(intent, registry, spec)
        case RegisterVersion():
            return _register(intent, registry, spec)
        case Describe(model, number, description):
            return _change(registry, model, number, description=_checked_description(description))
        case SetTag(model, number, key, value):
            tags = _checked_tags({**_tags(registry, model, number), key: value}, {key: value})
            return _change(registry, model, number, tags=tags)
        case DeleteTag(model, number, key):
            tags = {k: v for k, v in _tags(registry, model, number).items() if k != key}
            return _change(registry, model, number, tags=tags)
        case AttachEvidence(model, number, evidence):
            return _evidence(registry, model, number, _named(evidence).name, evidence)
        case DetachEvidence(model, number, name):
            return _evidence(registry, model, number, name, None)
        case SetAlias(model, alias, number):
            registry.version(model, number)
            aliases = {**registry.model(model).aliases, checked_alias(alias, spec): number}
            return _update(registry, model, aliases=aliases)
        case DeleteAlias(model, alias):
            aliases = {k: v for k, v in registry.model(model).aliases.items() if k != alias}
            return _update(registry, model, aliases=aliases)
        case RenameModel(model, new_name):
            return _rename(registry, model, new_name)
        case DeleteModel(model):
            _refuse_in_use(registry.model(model), registry.model(model).versions, f"delete {model}")
            return registry.with_models({registry.path(model): None})
        case DeleteVersion(model, number):
            return _delete_version(registry, model, number)
        case Transition():
            return _transition(intent, registry, spec)
        case TakeOver():
            return _take_over(intent, registry, spec)
        case _:
            assert_never(intent)


# --- models ---------------------------------------------------------------------------------------------------------


def _create(intent: CreateModel, registry: Registry, spec: RegistrySpec) -> Registry:
    checked_name(intent.model)
    _refuse_twin(registry, intent.model)
    tags = _checked_tags(intent.tags or {})
    said = _checked_description(intent.description)
    model = RegisteredModel(name=intent.model, description=said, tags=tags, id=intent.id, created=intent.created)
    path = model_path(intent.model, spec.layout, checked_folder(intent.folder))
    if path in registry.models:
        raise AlreadyExists(f"the file {path} is taken by {registry.models[path].name}")
    return registry.with_models({path: model})


def _refuse_twin(registry: Registry, name: str, but: str | None = None) -> None:
    known = registry.twins.get(twin_key(name))
    if known is not None and known != but:
        how = "exists already" if known == name else f"differs from {known} only by case or form"
        raise AlreadyExists(f"the model {name} {how}", fix="choose another name, or register a version of that one")


def _rename(registry: Registry, name: str, new_name: str) -> Registry:
    model, old = registry.model(name), registry.path(name)
    checked_name(new_name)
    _refuse_twin(registry, new_name, but=name)
    _refuse_in_use(model, model.versions, f"rename {name}")
    folder = old.rsplit("/", 1)[0]
    new = f"{folder}/{model_path(new_name, 'flat').rsplit('/', 1)[-1]}"
    return registry.with_models({old: None, new: model.model_copy(update={"name": new_name})})


def _refuse_in_use(model: RegisteredModel, versions: Iterable[Version], verb: str) -> None:
    """Databricks refuses to rename or delete what serves: every version must be in None or Archived."""
    busy = [f"version {v.version} is in {v.stage}" for v in versions if v.stage not in ("None", ARCHIVED)]
    if busy:
        raise InvalidState(
            f"cannot {verb}: {', '.join(busy)}", where=model.name, fix="move it to Archived first: stagedoor request"
        )


def _update(registry: Registry, name: str, **changed: object) -> Registry:
    return registry.with_models({registry.path(name): registry.model(name).model_copy(update=changed)})


# --- versions -------------------------------------------------------------------------------------------------------


def _register(intent: RegisterVersion, registry: Registry, spec: RegistrySpec) -> Registry:
    if registry.find(intent.model) is None:
        if intent.new_model is None:
            registry.model(intent.model)
        else:
            registry = _create(intent.new_model, registry, spec)
    _checked_tags(intent.content.tags)
    model = registry.model(intent.model)
    number = next_number(model)
    if number > MAX_NUMBER:
        raise InvalidState(f"{intent.model} has no number left after {MAX_NUMBER}", fix="go on under another name")
    version = intent.content.model_copy(update={"version": number})
    return _update(registry, intent.model, versions=(*model.versions, version), last_version=number)


def next_number(model: RegisteredModel) -> int:
    """The number of the model's next version. It never goes back, whatever was deleted."""
    return max((model.last_version, *(version.version for version in model.versions))) + 1


def _delete_version(registry: Registry, name: str, number: int) -> Registry:
    model, version = registry.model(name), registry.version(name, number)
    _refuse_in_use(model, (version,), f"delete {name}/{number}")
    kept = tuple(v for v in model.versions if v.version != number)
    aliases = {alias: target for alias, target in model.aliases.items() if target != number}
    return _update(registry, name, versions=kept, aliases=aliases)


def _take_over(intent: TakeOver, registry: Registry, spec: RegistrySpec) -> Registry:
    model = intent.model
    if registry.find(model.name) is None:
        new = CreateModel(model.name, model.id, model.created, model.description, model.tags, intent.folder)
        registry = _create(new, registry, spec)
    known = registry.model(model.name)
    found = news(known, model)
    for version in found.versions:
        checked_stage(spec, version.stage)
        _checked_tags(version.tags)
    aliases = {checked_alias(alias, spec): number for alias, number in found.aliases.items()}
    versions = (*known.versions, *found.versions)
    last = max((known.last_version, *(version.version for version in versions)))
    return _update(registry, model.name, versions=versions, last_version=last, aliases={**known.aliases, **aliases})


def _update_version(registry: Registry, name: str, number: int, **changed: object) -> Registry:
    registry.version(name, number)
    model = registry.model(name)
    versions = tuple(v.model_copy(update=changed) if v.version == number else v for v in model.versions)
    return _update(registry, name, versions=versions)


def _change(registry: Registry, name: str, number: int | None, **changed: object) -> Registry:
    """A model with other fields, or a version of it."""
    return _update(registry, name, **changed) if number is None else _update_version(registry, name, number, **changed)


def checked_stage(spec: RegistrySpec, name: str) -> Stage:
    """The stage of that name; `BadInput` with those there are."""
    found = spec.stage(name)
    if found is None:
        raise BadInput(f"there is no stage {name}", fix=f"choose one of: {', '.join(spec.stage_names)}")
    return found


def _transition(intent: Transition, registry: Registry, spec: RegistrySpec) -> Registry:
    stage = checked_stage(spec, intent.stage).name
    version = registry.version(intent.model, intent.version)
    if intent.expected is not None and version.stage != intent.expected:
        raise InvalidState(
            f"{intent.model}/{intent.version} is in {version.stage} by now, not in {intent.expected}",
            fix="look again: stagedoor show " + intent.model,
        )
    if intent.archive_existing and stage in ("None", ARCHIVED):
        raise BadInput(f"--archive-existing means nothing for {stage}", fix="use it with Staging or Production")
    if intent.archive_existing:
        for other in registry.model(intent.model).in_stage(stage):
            if other.version != intent.version:
                registry = _update_version(registry, intent.model, other.version, stage=ARCHIVED)
    return _update_version(registry, intent.model, intent.version, stage=stage)


# --- evidence, tags and aliases ---------------------------------------------------------------------------------------


def _evidence(registry: Registry, model: str, number: int, name: str, now: Evidence | None) -> Registry:
    kept = [one for one in registry.version(model, number).evidence if one.name != name]
    return _update_version(registry, model, number, evidence=in_order([*kept, now] if now else kept))


def _named(evidence: Evidence) -> Evidence:
    """The evidence, or `BadInput`: its name is a key in expressions and a file name in an archive."""
    if not is_evidence_name(evidence.name):
        raise BadInput(f"{evidence.name[:80]!r} is no name for evidence", fix="use up to 100 letters, digits and _ . -")
    return evidence


def _tags(registry: Registry, name: str, number: int | None) -> Mapping[str, str]:
    return registry.model(name).tags if number is None else registry.version(name, number).tags


def _tag_key(key: str) -> str:
    """MLflow's limits: 250 characters of letters, digits, `_ - . : /` and space."""
    if not re.fullmatch(r"[\w\-./: ]{1,250}", key) or key != key.strip():
        raise BadInput(f"{key[:80]!r} is no tag key", fix="use up to 250 letters, digits, spaces and _ - . : /")
    return key


def _checked_tags(tags: Mapping[str, str], new: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags, or `BadInput`; of those that stand there already only the number is looked at."""
    if len(tags) > MAX_TAGS:
        raise BadInput(
            f"{len(tags):,} tags are too many", fix=f"at most {MAX_TAGS:,}, and the rest in a file beside it"
        )
    for key, value in (tags if new is None else new).items():
        _checked_text(value, "a tag value", MAX_TAG_VALUE)
        _tag_key(key)
    return dict(tags)


def _checked_description(text: str) -> str:
    return _checked_text(text, "a description", MAX_DESCRIPTION)


def _checked_text(text: str, what: str, most: int) -> str:
    """The text, or `BadInput` where no file could hold it."""
    if len(text) > most:
        raise BadInput(f"{what} of {len(text):,} characters is too long", fix=f"at most {most:,}")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise BadInput(f"{what} holds bytes that are not UTF-8", fix="write it in UTF-8")
    return text


def checked_alias(alias: str, spec: RegistrySpec) -> str:
    """The alias, or `BadInput`: MLflow's rules, and it may not be called like a stage or a right."""
    if not _ALIAS.fullmatch(alias):
        raise BadInput(f"{alias[:80]!r} is no alias", fix="use up to 255 letters, digits, _ and -")
    if _ALIAS_RESERVED.fullmatch(alias):
        raise BadInput(f"the alias {alias} is reserved", fix="latest and v<number> always mean what they say")
    if spec.stage(alias) or alias.casefold() in {suffix.casefold() for suffix in RESERVED_SUFFIXES}:
        raise BadInput(f"the alias {alias} is called like a stage or a right", fix="choose another alias")
    return alias
