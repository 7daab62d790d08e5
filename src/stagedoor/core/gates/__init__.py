"""Gates: what must hold before a version may come into a stage."""

from stagedoor.core.gates.asking import gates_for, regressions, rulings, waives
from stagedoor.core.gates.fields import missing
from stagedoor.core.gates.freezes import in_force
from stagedoor.core.gates.moves import entries, kept
from stagedoor.core.gates.values import Ask, Broken, Circumstances, Condition, Entry, GateRuling

__all__ = [
    "Ask",
    "Broken",
    "Circumstances",
    "Condition",
    "Entry",
    "GateRuling",
    "entries",
    "gates_for",
    "in_force",
    "kept",
    "missing",
    "regressions",
    "rulings",
    "waives",
]
