"""What the linter says about a CODEOWNERS file, and what it leaves alone."""

from __future__ import annotations

from stagedoor.core.owners import Dialect, Fault, FaultKind, parse, problems

FILES = ["registry_spec/models/energy/wind.yaml", "registry_spec/models/fraud.yaml"]
STAGES = ("None", "Staging", "Production", "Archived")
GUARDS = "/.github/ @ops\n/registry_spec/ @ops\n"
MODELS = "/registry_spec/models/energy/*.yaml"


def lint(
    text: str, *, files: list[str] = FILES, path: str = ".github/CODEOWNERS", dialect: Dialect = "github"
) -> list[Fault]:
    owners = parse(text, path=path, dialect=dialect)
    return list(problems(owners, files, STAGES, lambda owner: owner != "@ghost"))


def kinds(text: str, **more: object) -> list[tuple[int, str]]:
    return [(fault.number, fault.kind.value) for fault in lint(text, **more)]  # type: ignore[arg-type]


def test_the_layout_of_the_design_has_no_problems() -> None:
    text = f"{GUARDS}{MODELS} @ann\n{MODELS}/@Staging @bob\n{MODELS}/@Production @carol\n{MODELS}/@champion @carol\n"
    assert kinds(text) == []


def test_what_the_forge_skips_is_told() -> None:
    assert kinds(f"{GUARDS}!x @a\n* ann") == [(3, "bad-pattern"), (4, "bad-owner")]


def test_a_later_general_line_that_swallows_a_stage_line_names_both_and_the_cure() -> None:
    (fault,) = lint(f"{GUARDS}{MODELS}/@Production @carol\n{MODELS} @ann")
    assert fault.kind is FaultKind.SHADOWED_STAGE
    assert (fault.number, fault.text) == (3, f"{MODELS}/@Production")
    assert f"line 4 ({MODELS})" in fault.reason
    assert fault.fix == "move line 3 below line 4"
    assert not fault.is_warning


def test_a_line_for_one_file_swallows_its_stages_too() -> None:
    assert kinds(f"{GUARDS}{MODELS}/@Production @carol\n/{FILES[0]} @ann") == [(3, "shadowed-stage")]
    assert kinds(f"{GUARDS}{MODELS}/@Production @carol\n/registry_spec/models/energy/other.yaml @ann") == []


def test_a_shadow_is_seen_before_there_is_a_model() -> None:
    assert kinds(f"{GUARDS}{MODELS}/@Production @carol\n/registry_spec/models/ @ann", files=[]) == [
        (3, "shadowed-stage")
    ]
    assert kinds(f"{GUARDS}*.yaml/@* @carol\n* @ann", files=[]) == [(3, "shadowed-stage")]


def test_a_later_stage_line_is_no_shadow() -> None:
    text = f"{GUARDS}{MODELS}/@* @carol\n{MODELS}/@Production @dave\n/{FILES[0]}/@Production @eve\n{MODELS}/@Read @all"
    assert kinds(text) == []


def test_shadows_live_inside_a_section_on_gitlab_and_nowhere_on_gitea() -> None:
    guards = "* @ops\n[Gate]\n"
    apart = f"{guards}{MODELS}/@Production @carol\n[Other]\n{MODELS} @ann"
    together = f"{guards}{MODELS}/@Production @carol\n{MODELS} @ann"
    assert kinds(apart, dialect="gitlab", path="CODEOWNERS") == []
    assert kinds(together, dialect="gitlab", path="CODEOWNERS") == [(3, "shadowed-stage")]
    gitea = r"registry_spec/models/.*\\.yaml/@Production @carol" + "\n.* @ops"
    assert kinds(gitea, dialect="gitea", path="CODEOWNERS") == []


def test_an_owner_nobody_knows_is_told_once_a_line() -> None:
    assert kinds(f"{GUARDS}* @ghost\n{GUARDS}") == [(3, "unknown-owner")]


def test_the_roles_of_gitlab_need_no_entry_in_people() -> None:
    owners = parse("* @@maintainer", dialect="gitlab")
    assert problems(owners, [], STAGES, lambda owner: False) == ()


def test_a_misspelt_stage_is_a_warning_and_an_alias_is_not() -> None:
    text = "".join(
        f"{MODELS}/@{suffix} @a\n" for suffix in ("production", "Prodution", "champion", "production-eu", "read")
    )
    found = lint(GUARDS + text)
    assert [(fault.number, fault.kind) for fault in found] == [
        (3, FaultKind.UNKNOWN_STAGE),
        (4, FaultKind.UNKNOWN_STAGE),
        (7, FaultKind.UNKNOWN_STAGE),
    ]
    assert all(fault.is_warning for fault in found)
    assert found[0].fix == "write @Production, unless an alias is meant"


def test_a_line_that_matches_only_below_a_model_is_vague() -> None:
    assert kinds(f"{GUARDS}/{FILES[0]}/ @carol") == [(3, "vague-stage")]
    assert kinds(f"{GUARDS}/registry_spec/models/*/ @carol") == []


def test_guarding_staging_and_not_production_is_worth_a_word() -> None:
    assert kinds(f"{GUARDS}{MODELS}/@Staging @carol") == [(3, "open-production")]


def test_the_files_that_decide_who_may_must_be_owned() -> None:
    found = lint("/registry_spec/models/ @a", path="docs/CODEOWNERS")
    assert [(fault.number, fault.text) for fault in found] == [
        (0, "docs/CODEOWNERS"),
        (0, ".github/workflows/registry.yaml"),
        (0, "registry_spec/registry.yaml"),
        (0, "registry_spec/people.yaml"),
    ]
    assert kinds("* @a\n/.github/") == [(0, "unowned-path"), (0, "unowned-path")]
    assert kinds("* @a") == []
