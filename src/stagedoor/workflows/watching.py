"""Reconciling again and again, in a process that stays: only where there is something to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from stagedoor.effects.ledger import REF, Ledger
from stagedoor.errors import Unavailable
from stagedoor.workflows import comments, faults
from stagedoor.workflows.reconciling import Options, Report, open_ledger, reconcile
from stagedoor.workflows.world import World


@dataclass
class Watch:
    """What one process remembers between two looks. Looking when nothing is new writes nothing."""

    options: Options = field(default_factory=Options)
    _ledger: str | None = None
    _next: datetime | None = None

    def once(self, world: World) -> Report | None:
        """Reconcile; None where nothing is to be done, or where somebody else is at it."""
        if not self._is_due(world):
            return None
        try:
            return reconcile(world, self.options)
        except Unavailable:
            # whoever holds the lease tells it
            return None

    def _is_due(self, world: World) -> bool:
        ledger = open_ledger(world)
        seen = ledger.cursor()
        if seen.main != world.main() or seen.comments != (world.repository.tip(comments.REF) or ""):
            return True
        if seen.serving != (world.repository.tip(faults.REF) or ""):
            return True
        if seen.requests != {str(number): tip for number, tip in world.forge.tips().items()}:
            return True
        again = self._again(world, ledger)
        return again is not None and again <= world.now()

    def _again(self, world: World, ledger: Ledger) -> datetime | None:
        """When the next delivery that failed is due. The ledger is read through when it has changed."""
        tip = world.repository.tip(REF)
        if tip != self._ledger:
            due = [one.next_at for one in ledger.status().waiting if one.next_at is not None]
            self._ledger, self._next = tip, min(due, default=None)
        return self._next
