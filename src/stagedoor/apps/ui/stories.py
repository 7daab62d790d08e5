"""What happened, what was delivered, and the policy in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from stagedoor.apps.ui.links import with_query
from stagedoor.apps.ui.looks import Look
from stagedoor.core.events import KINDS, Event
from stagedoor.core.views.gates import guards
from stagedoor.errors import RegistryError
from stagedoor.workflows import hooking, owning, policies, reconciling, rights

PAGE: Final = 50
# a filter that few events pass stops looking here, and says so
MOST_COMMITS: Final = 2_000
_GROUPS: Final = tuple(dict.fromkeys(kind.partition(".")[0] for kind in KINDS))


def activity(look: Look, said: Mapping[str, str]) -> dict[str, Any]:
    """The events of main, newest first, with filters by kind, model and person."""
    kind, model, who = (said.get(name, "").strip() for name in ("kind", "model", "who"))
    start = said.get("from", "")
    events, more = events_of(look, kind=kind, model=model, who=who, start=start)
    onward = with_query(look.links.activity(), kind=kind, model=model, who=who, **{"from": more}) if more else None
    return {
        "events": events, "kind": kind, "model": model, "who": who, "kinds": _GROUPS, "after": onward,
        "before": with_query(look.links.activity(), kind=kind, model=model, who=who) if start else None,
        "updated": events[0].at if events else None,
    }  # fmt: skip


def feed(look: Look, said: Mapping[str, str], origin: str) -> dict[str, Any]:
    """The same as an Atom feed, which names whole addresses: https://www.rfc-editor.org/rfc/rfc4287."""
    return {**activity(look, said), "origin": origin.rstrip("/")}


def events_of(
    look: Look, *, kind: str = "", model: str = "", who: str = "", start: str = "", most: int = PAGE
) -> tuple[list[Event], str | None]:
    """A page of events, and where the next page begins: a commit, and how many of its events came before.

    Commits are looked at one by one, from the newest on, until the page is full.
    """
    look.world.repository.require_history()
    chain = look.world.chain(look.moment.commit if look.moment else None).commits
    place, skipped = _start(chain, start)
    found: list[Event] = []
    for index in islice(range(place, -1, -1), MOST_COMMITS):
        events = look.memory.events(look.world, chain[index])[::-1]
        for number, event in enumerate(events[skipped:], skipped):
            if len(found) >= most:
                return found, f"{chain[index]}.{number}"
            if _is_wanted(look, event, kind, model, who):
                found.append(event)
        skipped = 0
    left = place - MOST_COMMITS
    return found, f"{chain[left]}.0" if left >= 0 else None


def _start(chain: Sequence[str], said: str) -> tuple[int, int]:
    commit, _, number = said.partition(".")
    if commit not in chain:
        return len(chain) - 1, 0
    return chain.index(commit), int(number) if number.isdecimal() and len(number) < 10 else 0


def _is_wanted(look: Look, event: Event, kind: str, model: str, who: str) -> bool:
    if kind and not event.kind.startswith(kind):
        return False
    if model and model.casefold() not in event.model.casefold():
        return False
    if who and who.casefold() not in event.actor.casefold():
        return False
    return _may_see(look, event)


def _may_see(look: Look, event: Event) -> bool:
    names = [name for name in (event.model, *event.models) if name]
    registry = look.main.registry
    return all(name not in look.names or look.may_read(registry.file_of(name)) for name in names)


def deliveries(look: Look) -> dict[str, Any]:
    """What was told to whom, what waits, and the webhooks."""
    status = reconciling.status(look.world)
    may_see = rights.is_admin(look.main, look.viewer)
    hooks = hooking.listed(look.world) if may_see else ()
    return {
        "status": status,
        "may_see": may_see,
        "waiting": status.waiting[:100] if may_see else (),
        "hooks": hooks,
        "calls": hooking.deliveries(look.world, limit=50) if may_see else (),
    }


def policy(look: Look) -> dict[str, Any]:
    """The policy in words: stages and what guards them, freezes, owners, waivers, the quarantine."""
    snapshot = look.snapshot
    return {
        "spec": snapshot.spec,
        "guards": guards(snapshot.spec),
        "stages": {stage.name: stage for stage in snapshot.spec.stages},
        "lines": owning.lines(look.world),
        "owners_path": look.main.owners.path,
        "waivers": _or_none(look, policies.waivers),
        "isolated": _or_none(look, policies.isolated),
        "people": snapshot.people,
    }


def _or_none(look: Look, ask: Any) -> tuple[Any, ...]:
    try:
        return tuple(ask(look.world))
    except RegistryError:
        return ()
