"""What is served where: from a registry and its policy to a table of routes, and from one table to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stagedoor.core.policy import Serving
from stagedoor.core.registry import Registry
from stagedoor.core.spec import RegisteredModel, Version
from stagedoor.errors import BadSpec


@dataclass(frozen=True, slots=True)
class Loadable:
    """One version to be loaded. Its model's name may change and it is the same one still."""

    model_id: str
    version: int
    source: str
    digest: str
    model: str = field(compare=False)

    @property
    def ref(self) -> str:
        """`fraud/3`."""
        return f"{self.model}/{self.version}"


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a route's traffic a version gets, beside the others of the route."""

    loadable: Loadable
    percent: int = 100


@dataclass(frozen=True, slots=True)
class Route:
    """Where a model is asked (`3`, `Production` or `@champion`), and who answers."""

    model: str
    address: str
    shares: tuple[Share, ...]

    @property
    def key(self) -> tuple[str, str]:
        """What names the route."""
        return self.model, self.address

    @property
    def path(self) -> str:
        """The route as people write it: `fraud/3`, `fraud/Production`, `fraud@champion`."""
        return f"{self.model}{'' if self.address.startswith('@') else '/'}{self.address}"


@dataclass(frozen=True, slots=True)
class Table:
    """Every route, by model; within one the versions, then the stages, then the aliases."""

    routes: tuple[Route, ...] = ()

    @property
    def loadables(self) -> tuple[Loadable, ...]:
        """What has to be loaded, each once, in the order of the routes."""
        return tuple(dict.fromkeys(share.loadable for route in self.routes for share in route.shares))


@dataclass(frozen=True, slots=True)
class Difference:
    """From one table to another: what is to be loaded and let go, and the routes that lead elsewhere or are gone."""

    load: tuple[Loadable, ...]
    drop: tuple[Loadable, ...]
    moved: tuple[Route, ...]
    gone: tuple[Route, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing differs."""
        return not (self.load or self.drop or self.moved or self.gone)


def table(registry: Registry, serving: Serving, names: Iterable[str] = (), before: Table = Table()) -> Table:
    """What is to be served of these models, or of all.

    A model whose file does not read keeps the routes it had `before`: a slip of the pen stops nobody's forecasts.
    """
    wanted = sorted(set(names) or registry.names)
    return Table(tuple(route for name in wanted for route in _routes_of(registry, serving, name, before)))


def _routes_of(registry: Registry, serving: Serving, name: str, before: Table) -> Iterator[Route]:
    try:
        model = registry.find(name)
    except BadSpec:
        yield from (route for route in before.routes if route.model == name)
        return
    if model is not None and serving.serves(name):
        yield from _routes(model, serving)


def _routes(model: RegisteredModel, serving: Serving) -> Iterator[Route]:
    served = {one.version: loadable(model, one) for one in model.versions if one.stage in serving.stages}
    numbers = {str(number) for number in served}
    for number, one in served.items():
        yield Route(model.name, str(number), (Share(one),))
    for stage in serving.stages:
        # a stage that is called like a version's number is asked by the numbers of its versions alone
        if stage not in numbers and (shares := shares_of(model, stage, serving)):
            yield Route(model.name, stage, shares)
    for alias, number in sorted(model.aliases.items()):
        if number in served:
            yield Route(model.name, f"@{alias}", (Share(served[number]),))


def loadable(model: RegisteredModel, version: Version) -> Loadable:
    """A version as something to be loaded."""
    return Loadable(model.id, version.version, version.source, version.digest, model.name)


def shares_of(model: RegisteredModel, stage: str, serving: Serving) -> tuple[Share, ...]:
    """Who answers for a stage: by the split that registry.yaml asks for, else the version with the highest number.

    The newest gets all, as https://docs.databricks.com/aws/en/archive/legacy-model-serving/model-serving has it.
    """
    held = {one.version: one for one in model.in_stage(stage)}
    own = serving.models.get(model.name)
    split = own.traffic.get(stage, {}) if own else {}
    shares = [(held[int(text)], percent) for text, percent in split.items() if percent and int(text) in held]
    if not shares and held:
        shares = [(held[max(held)], 100)]
    return tuple(Share(loadable(model, one), percent) for one, percent in sorted(shares, key=lambda x: x[0].version))


def difference(before: Table, after: Table) -> Difference:
    """What it takes to go from one table to another. `difference(a, a)` is always empty."""
    was = {route.key: route for route in before.routes}
    now = {route.key: route for route in after.routes}
    old, new = set(before.loadables), set(after.loadables)
    return Difference(
        load=tuple(one for one in after.loadables if one not in old),
        drop=tuple(one for one in before.loadables if one not in new),
        moved=tuple(route for key, route in now.items() if was.get(key) != route),
        gone=tuple(route for key, route in was.items() if key not in now),
    )
