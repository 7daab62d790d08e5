"""All checks, in the order of their codes. A new one is added by hand."""

from __future__ import annotations

from typing import Final

from stagedoor.core.checks import names, policy, serving, stages, telling, versions
from stagedoor.core.checks.base import Check

ALL_CHECKS: Final[tuple[Check, ...]] = (
    names.every_file_reads,
    names.names_are_legal,
    names.names_are_unique,
    names.file_matches_name,
    names.files_are_plain,
    names.files_are_canonical,
    versions.facts_never_change,
    versions.versions_ascend,
    versions.numbers_go_up,
    versions.in_use_stays,
    versions.ids_are_unique,
    versions.new_models_start_empty,
    versions.evidence_is_there,
    stages.alias_has_a_version,
    stages.stages_exist,
    stages.moves_are_legal,
    stages.exclusive_holds_one,
    stages.aliases_are_legal,
    stages.alias_is_not_archived,
    stages.stage_files_follow,
    policy.codeowners_parses,
    policy.owners_exist,
    policy.gates_are_met,
    policy.owners_have_agreed,
    policy.stage_lines_count,
    policy.policy_is_owned,
    policy.stage_lines_name_something,
    policy.production_is_guarded,
    policy.freezes_hold,
    policy.quarantine_holds,
    policy.waivers_are_right,
    policy.expressions_parse,
    policy.stricter_names_whom,
    policy.signers_are_there,
    telling.routes_name_events,
    telling.routes_hold_no_secret,
    telling.routes_are_urls,
    telling.webhooks_name_events,
    telling.webhooks_call_urls,
    telling.webhooks_hold_no_secret,
    telling.webhook_has_a_model,
    serving.served_stages_exist,
    serving.served_models_exist,
    serving.splits_add_up,
    serving.splits_name_what_is_there,
)

FAMILIES: Final = {
    "SD1": "names and layout",
    "SD2": "versions and lineage",
    "SD3": "stages and aliases",
    "SD4": "owners and gates",
    "SD5": "notifications, webhooks and serving",
}


def check_called(code: str) -> Check | None:
    """The check with this code, in any case of the letters, or None."""
    return next((one for one in ALL_CHECKS if one.code == code.upper()), None)
