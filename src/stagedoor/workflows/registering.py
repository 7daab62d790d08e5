"""The verbs that change models: each makes intents, and writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from stagedoor.core.intents import (
    CreateModel,
    DeleteAlias,
    DeleteModel,
    DeleteTag,
    DeleteVersion,
    Describe,
    Intent,
    RegisterVersion,
    RenameModel,
    SetAlias,
    SetTag,
    Transition,
    checked_stage,
)
from stagedoor.core.registry import Ref, Registry, resolve, resolve_version
from stagedoor.core.spec import ARCHIVED, Created, Version
from stagedoor.errors import BadInput, InvalidState
from stagedoor.workflows.history import landings_of
from stagedoor.workflows.world import World
from stagedoor.workflows.writing import DIRECT, Lane, Outcome, write


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What somebody says about a version they register. `content` has everything but its number and its time."""

    model: str
    content: Mapping[str, object]
    folder: str = ""
    # MLflow's API makes a model by a call of its own, and a version only of one that is there
    may_create: bool = True


def _content(said: Mapping[str, object]) -> Version:
    try:
        return Version.model_validate(said)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise BadInput(f"{where or 'the version'} cannot be recorded", where=where or None, fix=fault["msg"]) from None


def register(world: World, new: NewVersion, *, comment: str = "", lane: Lane = DIRECT) -> tuple[Outcome, Ref]:
    """Register the next version of a model, and the model itself if it is not there. The outcome, and the version."""
    created = Created(at=world.now(), by=world.actor.email)
    content = _content({**new.content, "version": 1, "created": created})
    model = CreateModel(new.model, world.new_id(), created, folder=new.folder)
    intents = [RegisterVersion(new.model, content, model if new.may_create else None)]

    def subject(after: Registry) -> str:
        return f"Register {new.model}/{after.model(new.model).last_version}"

    outcome = write(world, intents, subject, comment=comment, lane=lane)
    return outcome, Ref(new.model, _registered(world, outcome, new.model))


def create(world: World, name: str, description: str = "", tags: Mapping[str, str] | None = None) -> Outcome:
    """A model without a version."""
    created = Created(at=world.now(), by=world.actor.email)
    intent = CreateModel(name, world.new_id(), created, description, dict(tags or {}))
    return write(world, [intent], f"Create {name}")


def _registered(world: World, outcome: Outcome, model: str) -> int | None:
    commit = outcome.commit or (outcome.request.head if outcome.request else "")
    return world.snapshot(commit).registry.model(model).last_version if commit else None


def describe(world: World, text: str, description: str, lane: Lane = DIRECT) -> Outcome:
    """Describe a model or a version."""
    ref = find(world, text, lane)
    return write(world, [Describe(ref.model, ref.version, description)], f"Describe {ref}", lane=lane)


def tag(world: World, text: str, tags: Mapping[str, str], removed: Sequence[str] = (), lane: Lane = DIRECT) -> Outcome:
    """Set and remove tags of a model or a version, all in one change."""
    ref = find(world, text, lane)
    intents: list[Intent] = [SetTag(ref.model, ref.version, key, value) for key, value in tags.items()]
    intents += [DeleteTag(ref.model, ref.version, key) for key in removed]
    return write(world, intents, f"Tag {ref}", lane=lane)


def alias(world: World, text: str, name: str, lane: Lane = DIRECT) -> Outcome:
    """Point an alias at a version."""
    ref = find_version(world, text, lane)
    return write(world, [SetAlias(ref.model, name, ref.version or 0)], f"Point {ref.model}@{name} at {ref}", lane=lane)


def unalias(world: World, text: str, name: str, lane: Lane = DIRECT) -> Outcome:
    """Take an alias off a model."""
    ref = find(world, text, lane)
    return write(world, [DeleteAlias(ref.model, name)], f"Take the alias {name} off {ref.model}", lane=lane)


def rename(world: World, text: str, new_name: str, lane: Lane = DIRECT) -> Outcome:
    """Give a model another name."""
    ref = find(world, text, lane)
    if ref.version is not None:
        raise BadInput("a version has no name of its own", fix=f"stagedoor rename {ref.model} {new_name}")
    return write(world, [RenameModel(ref.model, new_name)], f"Rename {ref.model} to {new_name}", lane=lane)


def delete(world: World, text: str, lane: Lane = DIRECT) -> Outcome:
    """Delete a model, or one version of it."""
    ref = find(world, text, lane)
    intent: Intent = DeleteModel(ref.model) if ref.version is None else DeleteVersion(ref.model, ref.version)
    return write(world, [intent], f"Delete {ref}", lane=lane)


@dataclass(frozen=True, slots=True)
class Wish:
    """A version, as a person writes it, and the stage it should be in."""

    ref: str
    stage: str


def transition(
    world: World, wishes: Sequence[Wish], *, comment: str = "", archive_existing: bool = False, lane: Lane = DIRECT
) -> Outcome:
    """Move versions to stages: all in one commit, or in one request."""
    intents = [_transition(world, wish, archive_existing, lane) for wish in wishes]
    moves = ", ".join(f"{i.model}/{i.version} to {i.stage}" for i in intents[:3])
    more = f" and {len(intents) - 3} more" if len(intents) > 3 else ""
    if not lane.dry_run and all(i.expected == i.stage for i in intents) and lane.into is None:
        raise InvalidState(f"{moves}: it is there already", fix="look at what is there: stagedoor show")
    asked = " ".join(f"{i.model}/{i.version}={i.stage}" for i in intents)
    instead = f"stagedoor request {asked}" + (" --archive-existing" if archive_existing else "")
    return write(world, intents, f"Move {moves}{more}", comment=comment, lane=lane, instead=instead)


def _transition(world: World, wish: Wish, archive_existing: bool, lane: Lane) -> Transition:
    snapshot = world.snapshot(world.forge.get(lane.into).head if lane.into else None)
    ref = resolve_version(snapshot.registry, wish.ref)
    stage = checked_stage(world.snapshot().spec, wish.stage).name
    now = snapshot.registry.version(ref.model, ref.version or 0).stage
    archive = archive_existing and stage not in ("None", ARCHIVED)
    return Transition(ref.model, ref.version or 0, stage, archive, expected=now)


def rollback(world: World, text: str, stage: str, *, comment: str = "", lane: Lane = DIRECT) -> Outcome:
    """Put the previous holder of a stage back, and archive the one that is there now. Asks git who that was."""
    snapshot = world.snapshot()
    name = resolve(snapshot.registry, text).model
    wanted = checked_stage(snapshot.spec, stage).name
    model = snapshot.registry.model(name)
    holders = [version.version for version in model.in_stage(wanted)]
    previous = _previous_holder(world, name, wanted, holders)
    intents = [Transition(name, previous, wanted, archive_existing=wanted not in ("None", ARCHIVED))]
    subject = f"Roll back {name} {wanted} to version {previous}"
    instead = f"stagedoor rollback {name} {wanted}, without --direct"
    return write(world, intents, subject, comment=comment, lane=lane, instead=instead)


def _previous_holder(world: World, name: str, stage: str, holders: list[int]) -> int:
    """The version that was in the stage before the one that is there now, and still exists."""
    model = world.snapshot().registry.model(name)
    entered: list[int] = []
    for one in landings_of(world, name):
        for event in one.events:
            if event.kind == "model_version.transitioned" and event.to_stage == stage and event.version is not None:
                entered.append(event.version)
    for number in reversed(entered):
        if number not in holders and model.version(number) is not None:
            return number
    raise InvalidState(
        f"no other version of {name} was ever in {stage}", fix=f"stagedoor history {name} shows where each has been"
    )


def find(world: World, text: str, lane: Lane) -> Ref:
    """What `text` names: on main, or in the request that is being amended."""
    snapshot = world.snapshot(world.forge.get(lane.into).head if lane.into else None)
    return resolve(snapshot.registry, text)


def find_version(world: World, text: str, lane: Lane) -> Ref:
    """As `find`, for one version."""
    snapshot = world.snapshot(world.forge.get(lane.into).head if lane.into else None)
    return resolve_version(snapshot.registry, text)
