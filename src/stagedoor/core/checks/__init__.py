"""Checks: stable codes, each with a title, a reason and problems that name their cure."""

from stagedoor.core.checks.base import Check, Facts, Place, Problem, check, run

__all__ = ["Check", "Facts", "Place", "Problem", "check", "run"]
