"""Gates: what must hold before a version may come into a stage."""

from stagedoor.core.gates.asking import digest_key, gates_for, regressions, rulings, shown_digest, waives
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
    "digest_key",
    "entries",
    "gates_for",
    "in_force",
    "kept",
    "missing",
    "regressions",
    "rulings",
    "shown_digest",
    "waives",
]
