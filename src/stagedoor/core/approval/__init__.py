"""Who may: the needs of a change, and the verdict over them. The tree that prints is the tree that decides."""

from stagedoor.core.approval.asking import WhoCan, who_can
from stagedoor.core.approval.counting import Count, Voice
from stagedoor.core.approval.needs import (
    Ask,
    Need,
    Right,
    WebhookAsked,
    describe,
    needs,
    stage_rights,
    suffix_of,
    with_broken_glass,
)
from stagedoor.core.approval.rights import Held, RightChanged, changed_rights, rights_of, suffixes_of
from stagedoor.core.approval.verdict import Ignored, Rule, Ruling, Verdict, entitled, holders_of, judge, voices

__all__ = [
    "Ask",
    "Count",
    "Held",
    "Ignored",
    "Need",
    "Right",
    "RightChanged",
    "Rule",
    "Ruling",
    "Verdict",
    "Voice",
    "WebhookAsked",
    "WhoCan",
    "changed_rights",
    "describe",
    "entitled",
    "holders_of",
    "judge",
    "needs",
    "rights_of",
    "stage_rights",
    "suffix_of",
    "suffixes_of",
    "voices",
    "who_can",
    "with_broken_glass",
]
