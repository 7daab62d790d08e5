"""Following another copy: whatever is published goes there first, and what others pushed there comes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stagedoor.errors import Denied
from stagedoor.gitstore.remotes import Remote
from stagedoor.gitstore.values import Oid, RefUpdate


@dataclass(frozen=True, slots=True)
class Followed:
    """What keeping up with a remote did: refs that moved here, and refs that say something else on both sides."""

    moved: tuple[str, ...]
    parted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upstream:
    """The copy that is followed, and the prefixes of the refs that go along with the branch."""

    name: str
    remote: Remote
    ref: str
    prefixes: tuple[str, ...]

    def refs(self) -> dict[str, Oid]:
        """The branch and the refs that go along, as they are there."""
        found = self.remote.refs(self.ref, *(f"{prefix}*" for prefix in self.prefixes))
        return {ref: oid for ref, oid in found.items() if ref == self.ref or ref.startswith(self.prefixes)}

    def fetch(self, refs: Sequence[str]) -> None:
        """What these refs hold. No ref of ours is touched."""
        self.remote.fetch(dict.fromkeys(refs, ""))

    def push(self, updates: Sequence[RefUpdate]) -> None:
        """Move refs there, all or none. `Raced` when one is not what was expected, `Denied` when it may not move."""
        refused = self.remote.push([one for one in updates if one.new != one.old])
        if refused:
            raise Denied(
                f"the remote {self.name} refuses the push: {' '.join(refused[0].said.split())[:300]}",
                where=refused[0].ref,
                fix="let the server's user push there, or ask for the change by a request",
            )


def news(there: Mapping[str, Oid], here: Mapping[str, Oid]) -> list[RefUpdate]:
    """The refs that the remote has and we have not, or have otherwise."""
    return [RefUpdate(ref, here.get(ref), oid) for ref, oid in sorted(there.items()) if here.get(ref) != oid]
