"""The same change on another base: what goes together, and what is a conflict."""

from __future__ import annotations

from specs import model, registry, version
from stagedoor.core.diff import diff
from stagedoor.core.registry import Registry
from stagedoor.core.replay import Renumbered, Replayed, replay
from stagedoor.core.spec import RegisteredModel

BASE = registry(
    model("fraud", version(1, "Staging"), version(2), tags={"team": "risk"}, description="Old.", aliases={"best": 1})
)


def on(main: Registry, wanted: Registry) -> Replayed:
    """What was wanted of the base, made again on a main that has gone on."""
    return replay(diff(BASE, wanted), main)


def fraud(*versions: object, **more: object) -> Registry:
    """The base, with something else."""
    changed = {"versions": versions, **more} if versions else more
    return registry(BASE.model("fraud").model_copy(update=changed))


def staged(first: str, second: str) -> Registry:
    return fraud(version(1, first), version(2, second))


def test_moves_of_two_versions_go_together() -> None:
    result = on(staged("Production", "None"), staged("Staging", "Staging"))
    assert result == Replayed(staged("Production", "Staging"), (), ())


def test_a_description_and_a_tag_go_together() -> None:
    result = on(fraud(description="New."), fraud(tags={"team": "core"}))
    assert result.registry == fraud(description="New.", tags={"team": "core"})


def test_one_stage_changed_differently_is_a_conflict_that_names_both() -> None:
    result = on(staged("Archived", "None"), staged("Production", "None"))
    assert result.conflicts == ("the stage of fraud/1 is 'Archived' by now, not 'Staging'",)


def test_every_field_that_changed_differently_is_named() -> None:
    main = fraud(description="Theirs.", tags={}, aliases={"best": 2})
    wanted = fraud(description="Ours.", tags={"team": "core"}, aliases={})
    assert on(main, wanted).conflicts == (
        "the description of fraud is 'Theirs.' by now, not 'Old.'",
        "the tag team of fraud is nothing by now, not 'risk'",
        "fraud@best is 2 by now, not 1",
    )


def test_an_alias_that_was_taken_away_meanwhile_is_a_conflict() -> None:
    assert on(fraud(aliases={}), fraud(aliases={"best": 2})).conflicts == ("fraud@best is nothing by now, not 1",)


def test_a_long_text_is_cut_in_a_conflict() -> None:
    (said,) = on(fraud(description="x" * 9_999), fraud(description="y")).conflicts
    assert len(said) < 150


def test_what_main_has_already_is_passed_over() -> None:
    wanted = fraud(version(1, "Production"), version(2), version(3), description="New.", last_version=3)
    assert on(wanted, wanted) == Replayed(wanted, (), ())


def test_a_number_that_was_taken_becomes_the_next_and_its_alias_follows() -> None:
    theirs = version(3, source="s3://theirs")
    main = fraud(*BASE.model("fraud").versions, theirs, last_version=3)
    wanted = fraud(*BASE.model("fraud").versions, version(3), version(4), last_version=4, aliases={"best": 3, "x": 1})
    result = on(main, wanted)
    merged = result.registry.model("fraud")
    assert result.renumbered == (Renumbered("fraud", 3, 4), Renumbered("fraud", 4, 5))
    assert [(one.version, one.source) for one in merged.versions[2:]] == [
        (3, "s3://theirs"),
        (4, "s3://models/3"),
        (5, "s3://models/4"),
    ]
    assert (merged.aliases, merged.last_version) == ({"best": 4, "x": 1}, 5)


def test_a_number_that_is_free_stays_though_it_leaves_a_gap() -> None:
    wanted = fraud(*BASE.model("fraud").versions, version(4), last_version=4)
    assert on(BASE, wanted) == Replayed(wanted, (), ())


def test_a_number_that_was_given_and_deleted_is_remembered() -> None:
    wanted = fraud(last_version=3)
    assert on(BASE, wanted).registry.model("fraud").last_version == 3
    assert on(fraud(last_version=5), wanted).registry.model("fraud").last_version == 5


def test_a_deletion_of_what_changed_meanwhile_is_a_conflict() -> None:
    assert on(fraud(description="New."), Registry()).conflicts == (
        "fraud has changed since its deletion was asked for",
    )
    without = fraud(version(1, "Staging"))
    assert on(staged("Staging", "Production"), without).conflicts == (
        "fraud/2 has changed since its deletion was asked for",
    )


def test_a_change_of_what_was_deleted_meanwhile_is_a_conflict() -> None:
    assert on(Registry(), fraud(description="New.")).conflicts == (
        "fraud is not at registry_spec/models/fraud.yaml any more",
    )
    assert on(fraud(version(1, "Staging")), staged("Staging", "Staging")).conflicts == ("fraud/2 is gone by now",)


def test_a_deletion_that_is_done_is_passed_over() -> None:
    assert on(Registry(), Registry()) == Replayed(Registry(), (), ())
    assert on(fraud(version(1, "Staging")), fraud(version(1, "Staging"))).conflicts == ()


def renamed(name: str, **more: object) -> RegisteredModel:
    return BASE.model("fraud").model_copy(update={"name": name, **more})


def test_a_rename_goes_together_with_a_change_of_what_is_in_the_file() -> None:
    wanted = registry(renamed("scam", description="Ours."))
    assert on(fraud(tags={"team": "core"}), wanted).registry == registry(
        renamed("scam", description="Ours.", tags={"team": "core"})
    )


def test_a_rename_that_is_done_is_passed_over() -> None:
    wanted = registry(renamed("scam"))
    assert on(wanted, wanted) == Replayed(wanted, (), ())


def test_two_renames_are_a_conflict() -> None:
    result = on(registry(renamed("swindle")), registry(renamed("scam", description="Ours.")))
    assert result.conflicts == ("scam is not at registry_spec/models/fraud.yaml any more",)


def test_a_rename_to_a_name_that_was_taken_is_a_conflict_and_leaves_the_other_alone() -> None:
    main = Registry({**BASE.models, **registry(model("scam")).models})
    result = on(main, registry(renamed("scam", description="Ours.")))
    assert result.conflicts == ("the file registry_spec/models/scam.yaml is taken by now",)
    assert result.registry.model("scam") == model("scam")


def test_a_new_version_of_a_renamed_model_takes_the_next_number_too() -> None:
    main = fraud(*BASE.model("fraud").versions, version(3, source="s3://theirs"), last_version=3)
    wanted = registry(renamed("scam", versions=(*BASE.model("fraud").versions, version(3)), last_version=3))
    result = on(main, wanted)
    assert result.renumbered == (Renumbered("scam", 3, 4),)
    assert [one.version for one in result.registry.model("scam").versions] == [1, 2, 3, 4]


def test_two_new_models_of_one_name_are_a_conflict() -> None:
    new = registry(*BASE.models.values(), model("wind", id="0" * 32))
    main = registry(*BASE.models.values(), model("wind", id="1" * 32))
    assert on(main, new).conflicts == ("the model wind exists by now",)
    assert on(new, new).conflicts == ()


def test_a_model_deleted_and_made_anew_at_its_path_stays_new() -> None:
    anew = registry(model("fraud", version(1), id="0" * 32))
    assert on(BASE, anew) == Replayed(anew, (), ())


def test_two_models_that_swap_their_files_swap_them_again() -> None:
    a, b = model("a", description="A."), model("b", description="B.")
    before = registry(a, b)
    after = registry(a.model_copy(update={"name": "b"}), b.model_copy(update={"name": "a"}))
    assert replay(diff(before, after), before) == Replayed(after, (), ())


def test_one_clash_keeps_the_other_changes_of_the_model_out_and_the_other_models_in() -> None:
    before = registry(BASE.model("fraud"), model("wind"))
    after = registry(renamed("fraud", description="Ours.", tags={}), model("wind", description="Windy."))
    main = registry(renamed("fraud", description="Theirs."), model("wind"))
    result = replay(diff(before, after), main)
    assert result.registry.model("fraud") == main.model("fraud")
    assert result.registry.model("wind").description == "Windy."
