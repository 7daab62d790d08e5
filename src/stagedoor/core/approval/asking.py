"""Who could agree to a change, and who may do it without asking: the verdict's own answer before anybody reviewed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stagedoor.core.approval.needs import Need
from stagedoor.core.approval.verdict import Ruling, entitled, holders_of, judge
from stagedoor.core.owners import OwnersFile
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.spec import People


@dataclass(frozen=True, slots=True)
class WhoCan:
    """Who can make a change happen: the ruling on each need, and who may write it straight to main.

    `not_directly` says why nobody may, where nobody does.
    """

    rulings: tuple[Ruling, ...]
    directly: tuple[str, ...]
    not_directly: str = ""


def who_can(
    asked: Sequence[Need], *, owners: OwnersFile, people: People, spec: RegistrySpec, author: str | None = None
) -> WhoCan:
    """Who could approve, for every need, if `author` opened the request; and who may do without one."""
    verdict = judge(asked, (), head="", author=author or "", owners=owners, people=people, spec=spec)
    able = sorted({who for need in asked for who in holders_of(need, owners, people)})
    refusals = {who: entitled(asked, who, owners=owners, people=people, spec=spec) for who in able}
    directly = tuple(who for who, reason in refusals.items() if reason is None)
    return WhoCan(verdict.rulings, directly, "" if directly else _why_not(asked, able, refusals))


def _why_not(asked: Sequence[Need], able: Sequence[str], refusals: dict[str, str | None]) -> str:
    if not able:
        return f"nobody owns {asked[0].title}" if asked else ""
    return next(iter(dict.fromkeys(reason for reason in refusals.values() if reason)), "")
