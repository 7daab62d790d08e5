"""SD3: stages and aliases."""

from __future__ import annotations

from collections.abc import Iterator

from stagedoor.core.checks.base import Facts, Finding, Place, check
from stagedoor.core.checks.versions import version_place
from stagedoor.core.diff import AliasMoved, ModelCreated, StageMoved, VersionCreated
from stagedoor.core.intents import checked_alias
from stagedoor.core.spec import NO_STAGE, Version
from stagedoor.errors import BadInput


@check("SD301", "an alias points at a version that exists")
def alias_has_a_version(facts: Facts) -> Iterator[Finding]:
    """People load models by alias, so a dangling alias breaks them at once."""
    for path, model in facts.after.models.items():
        for alias, number in sorted(model.aliases.items()):
            if model.version(number) is None:
                there = ", ".join(str(version.version) for version in model.versions) or "none"
                what = f"{model.name}@{alias} points at version {number}, which does not exist"
                yield Finding(what, Place(path, ("aliases", alias)), f"versions there are: {there}")


@check("SD302", "a version is in a stage that exists")
def stages_exist(facts: Facts) -> Iterator[Finding]:
    """Stages are a closed list in registry.yaml; a misspelt one would be served by nobody and guarded by nobody."""
    spec = facts.proposed_spec or facts.spec
    for path, model in facts.after.models.items():
        for index, version in enumerate(model.versions):
            if version.stage not in spec.stage_names:
                what = f"{model.name}/{version.version} is in {version.stage}, which is not a stage"
                fix = f"choose one of: {', '.join(spec.stage_names)}"
                yield Finding(what, Place(path, ("versions", index, "stage")), fix)


@check("SD303", "a stage is entered from where the registry allows it")
def moves_are_legal(facts: Facts) -> Iterator[Finding]:
    """A registry may ask that a version has been in Staging before it comes into Production."""
    for change in facts.changes:
        match change:
            case StageMoved(was=was, now=now):
                moves = [(change.version, was, now)]
            case VersionCreated(content=content):
                moves = [(change.version, NO_STAGE, content.stage)]
            case ModelCreated(content=model):
                moves = [(version.version, NO_STAGE, version.stage) for version in model.versions]
            case _:
                moves = []
        for number, was, now in moves:
            yield from _move_is_legal(facts, change.path, change.model, number, was, now)


def _move_is_legal(facts: Facts, path: str, name: str, number: int, was: str, now: str) -> Iterator[Finding]:
    stage = facts.spec.stage(now)
    if stage and stage.sources is not None and was != now and was not in stage.sources:
        allowed = " or ".join(stage.sources) or "nowhere"
        place = version_place(facts.after, path, number, "stage")
        what = f"{name}/{number} goes from {was} to {now}, and {now} is entered from {allowed}"
        yield Finding(what, place, f"request {stage.sources[0]} first" if stage.sources else "choose another stage")


@check("SD304", "an exclusive stage holds one version")
def exclusive_holds_one(facts: Facts) -> Iterator[Finding]:
    """Two requests that each bring a version merge cleanly as text; only the result shows that there are two."""
    for path, model in facts.after.models.items():
        for stage in _exclusive(facts):
            held = model.in_stage(stage)
            if len(held) > 1:
                *first, last = (str(version.version) for version in held)
                numbers = f"{', '.join(first)} and {last}"
                place = version_place(facts.after, path, held[-1].version, "stage")
                each = "both" if len(held) == 2 else "all"
                what = f"{model.name}: versions {numbers} would {each} be in {stage}, which holds one"
                yield Finding(what, place, "archive the other in the same request: --archive-existing")


def _exclusive(facts: Facts) -> Iterator[str]:
    """The stages that hold one version now, or would once the proposed policy counts."""
    specs = (facts.spec, facts.proposed_spec or facts.spec)
    yield from dict.fromkeys(stage.name for spec in specs for stage in spec.stages if stage.exclusive)


@check("SD305", "an alias is one that MLflow takes")
def aliases_are_legal(facts: Facts) -> Iterator[Finding]:
    """`latest` and `v3` are reserved, and an alias that is called like a stage or a right would share its owners."""
    for path, model in facts.after.models.items():
        for alias in model.aliases:
            try:
                checked_alias(alias, facts.spec)
                checked_alias(alias, facts.proposed_spec or facts.spec)
            except BadInput as error:
                yield Finding(f"{model.name}: {error.what}", Place(path, ("aliases", alias)), error.fix or "")


@check("SD306", "an alias does not lead to an archived version", severity="warning")
def alias_is_not_archived(facts: Facts) -> Iterator[Finding]:
    """Whoever loads by this alias gets a model that was retired."""
    moved = {(c.path, c.alias) for c in facts.changes if isinstance(c, AliasMoved)}
    archived = {(c.path, c.version) for c in facts.changes if isinstance(c, StageMoved) and c.now == "Archived"}
    for path, model in facts.after.models.items():
        for alias, number in sorted(model.aliases.items()):
            version: Version | None = model.version(number)
            news = (path, alias) in moved or (path, number) in archived
            if version and version.stage == "Archived" and news:
                what = f"{model.name}@{alias} points at version {number}, which is in Archived"
                yield Finding(what, Place(path, ("aliases", alias)), f"stagedoor alias {model.name}/N {alias}")


@check("SD307", "the stage files say what the models say")
def stage_files_follow(facts: Facts) -> Iterator[Finding]:
    """A forge lets the owners of `stages/Production/` agree to what stands there; it has to be what really happens."""
    for one in facts.stage_files:
        if one.found == one.wanted:
            continue
        what = f"{one.path} does not say what {one.model} says"
        if one.found is None:
            what = f"{one.path} is missing, and {one.model} has versions in that stage"
        elif one.wanted is None:
            what = f"{one.path} is there, and {one.model} has no version in that stage"
        yield Finding(what, Place(one.path), "stagedoor fmt --stage-files")
