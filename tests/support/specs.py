"""Small registries for the tests of the core: what a test does not say has a plain default."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from stagedoor.core.checks import Check, Facts
from stagedoor.core.diff import diff
from stagedoor.core.gates import Circumstances, entries, kept, regressions, rulings
from stagedoor.core.layout import model_path
from stagedoor.core.owners import OwnersFile, parse
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.registry import Registry
from stagedoor.core.spec import Created, People, Person, RegisteredModel, Team, Version

ANN, BOB, CAROL, DAVE = (f"{name}@example.com" for name in ("ann", "bob", "carol", "dave"))
NOW = datetime(2026, 11, 24, 10, 15, 0, 123000, tzinfo=UTC)
BY = Created(at=NOW, by=ANN)
FRAUD = model_path("fraud", "flat")

OWNERS = f"""\
/registry_spec/ {CAROL}
/.github/ {CAROL}
/registry_spec/models/ {ANN} @ml/energy
/registry_spec/models/*.yaml/@Staging {BOB} {CAROL}
/registry_spec/models/*.yaml/@Production {CAROL}
/registry_spec/models/*.yaml/@champion {CAROL}
/registry_spec/models/*.yaml/@Manage {DAVE}
"""

PEOPLE = People(
    people=(
        Person(email=ANN, login="ann"),
        Person(email=BOB, github="Bob-Hub"),
        Person(email=CAROL),
        Person(email=DAVE),
    ),
    teams=(Team(name="ml/energy", members=(BOB,)),),
)


def version(number: int, stage: str = "None", **more: Any) -> Version:
    """A version that says nothing but its number and its stage."""
    return Version(**{"version": number, "stage": stage, "source": f"s3://models/{number}", "created": BY, **more})


def model(name: str = "fraud", *versions: Version, **more: Any) -> RegisteredModel:
    """A model with these versions; its id is made of its name."""
    counter = max((one.version for one in versions), default=0)
    id_ = hashlib.md5(name.encode()).hexdigest()
    return RegisteredModel(
        **{"name": name, "id": id_, "created": BY, "versions": versions, "last_version": counter, **more}
    )


def registry(*models: RegisteredModel, folder: str = "") -> Registry:
    """The models, each in the file that is called after it."""
    return Registry({model_path(one.name, "flat", folder): one for one in models})


def owners(text: str = OWNERS) -> OwnersFile:
    """CODEOWNERS, read as GitHub does."""
    return parse(text, path=".github/CODEOWNERS")


def facts(before: Registry, after: Registry, here: Circumstances | None = None, **more: Any) -> Facts:
    """What a check may look at when `after` is proposed, in these circumstances."""
    here = here or Circumstances(now=NOW)
    changes, spec = diff(before, after), more.get("spec", RegistrySpec())
    asked = rulings(entries(changes, before, after), spec, here) + regressions(kept(changes, before, after), spec, here)
    more = {"paths": tuple(after.models), "people": PEOPLE, "rulings": asked, "now": here.now, **more}
    return Facts(before, after, changes, **more)


def found(check: Check, after: Registry, before: Registry | None = None, **more: Any) -> list[str]:
    """Each finding as `sentence | file keys that lead to the place`."""
    lines = []
    for one in check.find(facts(Registry() if before is None else before, after, **more)):
        place = one.at or (" ".join([one.place.path, *map(str, one.place.keys)]) if one.place else "")
        lines.append(f"{one.what} | {place.removeprefix('registry_spec/').removeprefix('models/')}")
    return lines
