"""Registries beside ours: taken over, mirrored, compared, and single versions copied from one to another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from stagedoor.core.calls import is_prompt
from stagedoor.core.evidence import MAX_EVIDENCE
from stagedoor.core.intents import (
    CreateModel,
    DeleteAlias,
    DeleteTag,
    Describe,
    Intent,
    RegisterVersion,
    SetAlias,
    SetTag,
    TakeOver,
    Transition,
    checked_alias,
    perform,
)
from stagedoor.core.layout import evidence_path
from stagedoor.core.registry import Ref, Registry, resolve_version
from stagedoor.core.spec import Created, Evidence, RegisteredModel
from stagedoor.core.transfer import (
    FACTS,
    Difference,
    ListedModel,
    as_evidence,
    compare,
    listed,
    news,
    taken,
    with_stages,
)
from stagedoor.errors import AlreadyExists, BadInput, Denied, InvalidState, RegistryError
from stagedoor.tracking import gto_tags, mlflow_registries
from stagedoor.tracking.mlflow_runs import without_secrets
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import Lane, Outcome, asks_for, propose, renew, write

EVIDENCE: Final = "import"
_STAGES: Final = {"prod": "Production", "stage": "Staging", "archive": "Archived"}


@dataclass(frozen=True, slots=True)
class Taking:
    """How to take over: other names, stages that are called otherwise here, how many models go into a commit."""

    names: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    batch: int = 20
    propose: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of one model: how it is called here, which versions come or cannot, and what of it is left out."""

    name: str
    here: str
    what: Literal["new", "news", "same", "refused"]
    versions: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    why: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken over, in commits or in a request; nothing of both for a plan. Prompts are left out."""

    rows: tuple[Row, ...]
    commits: tuple[str, ...] = ()
    request: int | None = None
    prompts: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[Row, ...]:
        """The models that cannot come as they are."""
        return tuple(row for row in self.rows if row.what == "refused")


def from_mlflow(world: World, uri: str, how: Taking) -> Taken:
    """Take over what an MLflow registry has and ours has not. Can run again, also after it was stopped."""
    found = _take(world, mlflow_registries.models(uri), without_secrets(uri), how)
    return replace(found, prompts=mlflow_registries.prompts(uri))


def from_gto(world: World, directory: Path, how: Taking) -> Taken:
    """Take over the artifacts of a repository with GTO's tags."""
    return _take(world, gto_tags.models(directory), f"gto {directory.name}", how)


@dataclass
class _Batch:
    """Models that go into the next commit, and the registry as it is with them."""

    world: World
    origin: str
    how: Taking
    after: Registry
    intents: list[TakeOver] = field(default_factory=list)
    files: dict[str, bytes | None] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    request: int | None = None

    def add(self, intent: TakeOver, files: Mapping[str, bytes | None]) -> None:
        """One more. Raises what `perform` does, and then nothing is different."""
        self.after = perform([intent], self.after, self.world.snapshot().spec)
        self.intents.append(intent)
        self.files.update(files)

    def write(self) -> None:
        """Make them real."""
        if not self.intents or self.how.dry_run:
            return
        files = dict(self.files)
        outcome = write(
            self.world, self.intents, f"Take over {_counted(self.intents)} from {self.origin}",
            files=lambda base: files, lane=Lane(propose=self.how.propose), instead="the same command with --request",
        )  # fmt: skip
        self.commits += [outcome.commit] if outcome.commit else []
        self.request = outcome.request.number if outcome.request else self.request
        self.intents, self.files, self.after = [], {}, self.world.snapshot().registry


def _counted(intents: Sequence[TakeOver]) -> str:
    return intents[0].model.name if len(intents) == 1 else f"{len(intents)} models"


def _take(world: World, found: Iterable[ListedModel], origin: str, how: Taking) -> Taken:
    world.actor  # noqa: B018 - who is asking is known before anything is read
    batch = _Batch(world, origin, how, world.snapshot().registry)
    rows = []
    for count, model in enumerate(found, start=1):
        rows.append(_considered(batch, model))
        if len(batch.intents) >= how.batch and not how.propose:
            batch.write()
        world.progress(f"taking over from {origin}", count, None)
    batch.write()
    return Taken(tuple(rows), tuple(batch.commits), batch.request)


def _considered(batch: _Batch, model: ListedModel) -> Row:
    how = batch.how
    here = how.names.get(model.name, model.name)
    renamed = with_stages(replace(model, name=here), lambda stage: _stage_here(batch.world, how, stage))
    fit, left = _fit(batch.world, renamed)
    try:
        return replace(_row(batch, model, fit), left=left)
    except RegistryError as error:
        is_named_so = error.where == repr(here) or isinstance(error, AlreadyExists)
        fix = f"--rename '{model.name}=NEW NAME'" if is_named_so else error.fix or ""
        return Row(model.name, here, "refused", why=f"{error.what}{f': {fix}' if fix else ''}")


def _fit(world: World, model: ListedModel) -> tuple[ListedModel, tuple[str, ...]]:
    """The model without the aliases that cannot be here, and why they cannot."""
    faults = {alias: fault for alias in sorted(model.aliases) if (fault := _alias_fault(world, alias))}
    kept = {alias: number for alias, number in model.aliases.items() if alias not in faults}
    return replace(model, aliases=kept), tuple(faults.values())


def _alias_fault(world: World, alias: str) -> str:
    try:
        checked_alias(alias, world.snapshot().spec)
    except BadInput as error:
        return error.what
    return ""


def _stage_here(world: World, how: Taking, stage: str) -> str:
    wanted = how.stages.get(stage) or stage
    known = world.snapshot().spec.stage(wanted) or world.snapshot().spec.stage(_STAGES.get(wanted.lower(), ""))
    return known.name if known else wanted


def _row(batch: _Batch, model: ListedModel, renamed: ListedModel) -> Row:
    known = batch.after.find(renamed.name)
    content, files = _content(batch, model, renamed)
    if known is None:
        batch.add(TakeOver(content, batch.how.folder), files)
        return Row(model.name, renamed.name, "new", tuple(version.version for version in content.versions))
    found = news(known, content)
    if found.is_empty:
        return Row(model.name, renamed.name, "same", lost=found.lost)
    batch.add(TakeOver(content), files if found.versions else {})
    return Row(model.name, renamed.name, "news", tuple(v.version for v in found.versions), found.lost)


def _content(
    batch: _Batch, model: ListedModel, renamed: ListedModel
) -> tuple[RegisteredModel, Mapping[str, bytes | None]]:
    world = batch.world
    raw = as_evidence(model, batch.origin)
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    evidence = Evidence(name=EVIDENCE, digest=digest, at=world.now(), by=world.actor.email)
    fits = len(raw) <= MAX_EVIDENCE
    content = taken(renamed, world.new_id(), _email_of(world), (evidence,) if fits else ())
    return content, {evidence_path(digest): raw} if fits and content.versions else {}


def _email_of(world: World) -> Callable[[str], str]:
    """A person's address by what another registry calls them; who takes over stands in for those nobody knows."""
    people = world.snapshot().people

    def email_of(user: str) -> str:
        if re.fullmatch(r"[^\s<>@,;:\"()\\]+@[^\s<>@,;:\"()\\]+", user) and len(user) <= 254:
            return user
        behind = people.emails_of(f"@{user}") or frozenset()
        return next(iter(behind)) if len(behind) == 1 else world.actor.email

    return email_of


# --- mirroring and comparing ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Elsewhere:
    """An MLflow registry, and what models there are called here."""

    uri: str
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """Its address, as others may see it."""
        return without_secrets(self.uri)

    def there(self, name: str) -> str:
        """What a model of ours is called there."""
        return next((theirs for theirs, ours in self.names.items() if ours == name), name)

    def models(self) -> Iterator[ListedModel]:
        """Its models, called as they are here."""
        return (replace(one, name=self.names.get(one.name, one.name)) for one in mlflow_registries.models(self.uri))

    def model(self, name: str) -> ListedModel | None:
        """The model that is called so here, or None."""
        found = mlflow_registries.model(self.uri, self.there(name))
        return None if found is None else replace(found, name=name)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What was made alike there, and what could not be. Prompts are left out."""

    models: tuple[str, ...]
    left: tuple[str, ...]
    prompts: tuple[str, ...] = ()


def to_mlflow(world: World, other: Elsewhere, names: Sequence[str] = (), *, dry_run: bool = False) -> Mirrored:
    """Make an MLflow registry hold what ours holds. Nothing there is deleted. Can run again."""
    chosen = _models(_chosen(world, names))
    left: list[str] = []
    for count, model in enumerate(chosen, start=1):
        if not dry_run:
            left += mlflow_registries.mirror(other.uri, replace(listed(model), name=other.there(model.name)))
        world.progress(f"mirroring to {other.shown}", count, len(chosen))
    prompts = tuple(model.name for model in _chosen(world, names) if is_prompt(model))
    return Mirrored(tuple(model.name for model in chosen), tuple(left), prompts)


def _models(found: Sequence[RegisteredModel]) -> tuple[RegisteredModel, ...]:
    """Those that are no prompts: MLflow lists the two apart, and makes no prompt of a model."""
    return tuple(model for model in found if not is_prompt(model))


def _chosen(world: World, names: Sequence[str]) -> tuple[RegisteredModel, ...]:
    registry = world.snapshot().registry
    world.snapshot().load(registry.models)
    return tuple(map(registry.model, names)) if names else tuple(registry)


def drift(world: World, other: Elsewhere, names: Sequence[str] = ()) -> tuple[Difference, ...]:
    """Where an MLflow registry differs from ours, field by field, by model."""
    here = {model.name: listed(model) for model in _models(_chosen(world, ())) if not names or model.name in names}
    there = {model.name: model for model in other.models() if not names or model.name in names}
    for name in names:
        if name not in there:
            world.snapshot().registry.model(name)
    return tuple(one for name in sorted({*here, *there}) for one in compare(here.get(name), there.get(name)))


def restore(world: World, other: Elsewhere, found: Sequence[Difference]) -> Mirrored:
    """Put back there what differs, as it is here."""
    names = {one.model for one in found}
    known = world.snapshot().registry
    alone = [f"{name} is there alone, and is not deleted" for name in sorted(names) if known.find(name) is None]
    mine = sorted(name for name in names if known.find(name) is not None)
    done = to_mlflow(world, other, mine) if mine else Mirrored((), ())
    return Mirrored(done.models, (*alone, *done.left), done.prompts)


@dataclass(frozen=True, slots=True)
class Adopted:
    """The request that takes over what differs, whether it was open already, and what it cannot take."""

    outcome: Outcome
    left: tuple[str, ...]
    how: Literal["opened", "renewed", "open"] = "opened"


def adopt(world: World, other: Elsewhere, found: Sequence[Difference], comment: str = "") -> Adopted:
    """A request that makes ours as it is there. What is here alone stays, and facts never change.

    The request of an earlier time that is still open is found, and gets what differs by now.
    """
    left = tuple(f"{one.subject} is here alone" for one in found if one.there is None and one.field in _WHOLE)
    left += tuple(f"{one.subject} was recorded and cannot change" for one in found if one.field in FACTS)
    left += tuple(f"{one.model}: {fault}" for one in found if (fault := _unfit(world, one)))
    wholes = [_fit(world, model) for model in _wholes(other, found)]
    left += tuple(f"{model.name}: {fault}" for model, faults in wholes for fault in faults)
    intents: list[Intent] = [TakeOver(taken(model, world.new_id(), _email_of(world))) for model, _ in wholes]
    intents += [made for one in found if not _unfit(world, one) and (made := _adopting(one))]
    if not intents:
        raise InvalidState("there is nothing to adopt", where="; ".join(left) or None, fix="stagedoor drift mlflow URI")
    title = f"Adopt what differs in {other.shown}"
    return _in_open(world, title, intents, left) or Adopted(propose(world, intents, title, comment=comment), left)


def _in_open(world: World, title: str, intents: Sequence[Intent], left: tuple[str, ...]) -> Adopted | None:
    """In the request that is open for it: as it is, or with these changes, where the actor may push to it."""
    opened = [
        (request, _called_as(intents, world.snapshot(request.head).registry))
        for request in world.forge.requests()
        if request.title == title
    ]
    for request, same in opened:
        if (outcome := asks_for(world, request, same)) is not None:
            return Adopted(outcome, left, "open")
    for request, same in opened:
        with suppress(Denied):
            return Adopted(renew(world, request, same, "what differs by now"), left, "renewed")
    return None


def _called_as(intents: Sequence[Intent], proposed: Registry) -> list[Intent]:
    """The intents, with new models as they were proposed before: their ids, and who stood in for people unknown."""
    return [replace(one, model=_made_as(one.model, proposed)) if isinstance(one, TakeOver) else one for one in intents]


def _made_as(model: RegisteredModel, proposed: Registry) -> RegisteredModel:
    known = proposed.find(model.name)
    if known is None:
        return model
    created = {version.version: version.created for version in known.versions}
    versions = tuple(
        one.model_copy(update={"created": created.get(one.version, one.created)}) for one in model.versions
    )
    return model.model_copy(update={"id": known.id, "created": known.created, "versions": versions})


def _unfit(world: World, one: Difference) -> str:
    return _alias_fault(world, one.key) if one.field == "alias" and one.there is not None else ""


_WHOLE: Final = ("model", "version")


def _wholes(other: Elsewhere, found: Sequence[Difference]) -> Iterator[ListedModel]:
    """Models and versions that are there alone."""
    names = dict.fromkeys(one.model for one in found if one.field in _WHOLE and one.here is None)
    for name in names:
        model = other.model(name)
        if model is not None:
            yield model


def _adopting(one: Difference) -> Intent | None:
    match one.field:
        case "description":
            return Describe(one.model, one.version, one.there or "")
        case "stage" if one.version is not None and one.there is not None:
            return Transition(one.model, one.version, one.there, expected=one.here)
        case "tag":
            key, value = one.key, one.there
            return (
                DeleteTag(one.model, one.version, key) if value is None else SetTag(one.model, one.version, key, value)
            )
        case "alias":
            number = one.there
            return DeleteAlias(one.model, one.key) if number is None else SetAlias(one.model, one.key, int(number))
        case _:
            return None


# --- copying ----------------------------------------------------------------------------------------------------------


def copy(world: World, text: str, target: World, name: str = "", comment: str = "") -> tuple[Outcome, Ref]:
    """Ask another registry for a version of ours, with its lineage; the request there, and what it is here.

    Its stage, its tags of this registry's making and its evidence stay behind; where it comes from is a tag.
    """
    snapshot = world.snapshot()
    ref = resolve_version(snapshot.registry, text)
    version = snapshot.registry.version(ref.model, ref.version or 0)
    created = Created(at=target.now(), by=target.actor.email)
    called = name or ref.model
    origin = {"copied.from": f"{ref}", "copied.commit": snapshot.commit}
    content = version.model_copy(
        update={"stage": "None", "evidence": (), "created": created, "tags": {**version.tags, **origin}}
    )
    model = snapshot.registry.model(ref.model)
    new = CreateModel(called, target.new_id(), created, model.description, model.tags)
    intent = RegisterVersion(called, content, new)
    said = comment or f"Registered there {version.created.at:%Y-%m-%d %H:%M} by {version.created.by}."
    return propose(target, [intent], f"Copy {ref} as {called}", comment=said), ref


def place_and_name(text: str) -> tuple[Path, str]:
    """`../other` or `../other:NAME`, as a person says where a copy goes."""
    place, colon, name = text.rpartition(":")
    if not colon:
        place, name = text, ""
    if not place:
        raise BadInput("the copy goes to a registry", where=text, fix="write ../other-registry or ../other:NAME")
    return Path(place), name
