"""Replay: the same change on another base."""

from __future__ import annotations

from datetime import UTC, datetime

from stagedoor.core.diff import diff
from stagedoor.core.intents import (
    DeleteVersion,
    Describe,
    Intent,
    RegisterVersion,
    SetAlias,
    SetTag,
    Transition,
    perform,
)
from stagedoor.core.registry import Registry
from stagedoor.core.replay import Renumbered, Replayed, replay
from stagedoor.core.spec import Created, RegisteredModel, RegistrySpec, Version

BY = Created(at=datetime(2026, 11, 24, tzinfo=UTC), by="ann@example.com")
PATH = "registry_spec/models/fraud.yaml"
NEW = RegisterVersion("fraud", Version(version=1, source="s3://new", created=BY))


def version(number: int) -> Version:
    return Version(version=number, source=f"s3://{number}", created=BY)


BASE = Registry(
    {
        PATH: RegisteredModel(
            name="fraud",
            id="0" * 32,
            created=BY,
            last_version=2,
            versions=(version(1), version(2)),
            aliases={"best": 1},
        )
    }
)


def then(*intents: Intent) -> Registry:
    return Registry(dict(perform(intents, BASE, RegistrySpec()).models))


def landed(theirs: Registry, ours: Registry) -> Replayed:
    return replay(diff(BASE, theirs), ours)


def test_moves_of_two_versions_go_together() -> None:
    made = landed(then(Transition("fraud", 1, "Staging")), then(Transition("fraud", 2, "Production")))
    assert made.conflicts == ()
    assert [v.stage for v in made.registry.models[PATH].versions] == ["Staging", "Production"]


def test_two_moves_of_one_version_clash_and_both_stages_are_named() -> None:
    made = landed(then(Transition("fraud", 1, "Staging")), then(Transition("fraud", 1, "Archived")))
    assert made.conflicts == ("the stage of fraud/1 is 'Archived' by now, not 'None'",)


def test_what_is_done_already_is_passed_over() -> None:
    same = then(Transition("fraud", 1, "Staging"), SetTag("fraud", 1, "team", "risk"))
    assert landed(same, same) == Replayed(same, (), ())


def test_a_taken_number_becomes_the_next_and_its_alias_follows() -> None:
    made = landed(then(NEW, SetAlias("fraud", "candidate", 3)), then(RegisterVersion("fraud", version(9))))
    model = made.registry.models[PATH]
    assert made.renumbered == (Renumbered("fraud", 3, 4),)
    assert [(v.version, v.source) for v in model.versions[2:]] == [(3, "s3://9"), (4, "s3://new")]
    assert (model.aliases["candidate"], model.last_version) == (4, 4)


def test_a_deletion_of_what_changed_meanwhile_is_a_conflict() -> None:
    made = landed(then(DeleteVersion("fraud", 2)), then(Describe("fraud", 2, "in use!")))
    assert made.conflicts == ("fraud/2 has changed since its deletion was asked for",)


def test_a_change_of_what_was_deleted_meanwhile_is_a_conflict() -> None:
    made = landed(then(Describe("fraud", 2, "in use!")), then(DeleteVersion("fraud", 2)))
    assert made.conflicts == ("fraud/2 is gone by now",)


def test_a_change_of_a_model_that_is_gone_is_a_conflict() -> None:
    made = landed(then(Describe("fraud", None, "better")), Registry())
    assert made.conflicts == (f"fraud is not at {PATH} any more",)


def test_an_alias_that_moved_meanwhile_is_a_conflict() -> None:
    made = landed(
        then(SetAlias("fraud", "best", 2)), Registry({PATH: BASE.models[PATH].model_copy(update={"aliases": {}})})
    )
    assert made.conflicts == ("fraud@best is nothing by now, not 1",)
