"""Freezes: times in which nothing moves."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from stagedoor.core.policy import DAYS, Freeze


def in_force(freeze: Freeze, now: datetime) -> bool:
    """Whether the freeze holds at a moment. `since` and `after` belong to it, `until` and `before` do not."""
    if (freeze.since and now < freeze.since) or (freeze.until and now >= freeze.until):
        return False
    local = now.astimezone(ZoneInfo(freeze.timezone))
    if freeze.after is None or freeze.before is None:
        return _on_day(freeze, local)
    clock = f"{local:%H:%M}"
    if freeze.after <= freeze.before:
        return freeze.after <= clock < freeze.before and _on_day(freeze, local)
    # through midnight: the small hours belong to the day before
    return (clock >= freeze.after and _on_day(freeze, local)) or (
        clock < freeze.before and _on_day(freeze, local - timedelta(days=1))
    )


def _on_day(freeze: Freeze, local: datetime) -> bool:
    return not freeze.days or DAYS[local.weekday()] in freeze.days


def described(freeze: Freeze) -> str:
    """`from 2026-12-20 00:00 until 2027-01-02 00:00, on Sat, Sun, 18:00 to 08:00 (Europe/Berlin)`."""
    parts = []
    if freeze.since:
        parts.append(f"from {freeze.since:%Y-%m-%d %H:%M}")
    if freeze.until:
        parts.append(f"until {freeze.until:%Y-%m-%d %H:%M}")
    said = " ".join(parts)
    often = [f"on {', '.join(freeze.days)}"] if freeze.days else []
    if freeze.after:
        often.append(f"{freeze.after} to {freeze.before}")
    zone = f" ({freeze.timezone})" if often else ""
    return ", ".join(part for part in (said, " ".join(often) + zone) if part)
