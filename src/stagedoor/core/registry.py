"""A registry at one commit, as a value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from stagedoor.core.layout import name_of, twin_key
from stagedoor.core.spec import RegisteredModel, Version
from stagedoor.errors import BadInput, BadSpec, NotFound


class Layered(Mapping[str, RegisteredModel]):
    """Some files put over others, without reading the others. None takes a file away."""

    __slots__ = ("base", "over")

    def __init__(self, base: Mapping[str, RegisteredModel], over: Mapping[str, RegisteredModel | None]) -> None:
        self.base = base
        self.over = over

    def __getitem__(self, path: str) -> RegisteredModel:
        if path not in self.over:
            return self.base[path]
        found = self.over[path]
        if found is None:
            raise KeyError(path)
        return found

    def __contains__(self, path: object) -> bool:
        return self.over[path] is not None if path in self.over else path in self.base  # type: ignore[index]

    def __iter__(self) -> Iterator[str]:
        yield from (path for path in self.base if path not in self.over)
        yield from (path for path, model in self.over.items() if model is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class Registry:
    """The model files by their path from the registry's root.

    `models` may be a mapping that reads a file when it is asked for it, so a model is found by its file's name and
    nothing here reads more files than it needs. Asking for a file that does not read raises `BadSpec`.
    """

    models: Mapping[str, RegisteredModel] = field(default_factory=dict)

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return {name_of(path): path for path in sorted(self.models, reverse=True)}

    @cached_property
    def twins(self) -> Mapping[str, str]:
        """The model names by what a disk that folds case would take for the same."""
        return {twin_key(name): name for name in sorted(self._by_name, reverse=True)}

    @property
    def knows_names(self) -> bool:
        """Whether the names of all models have been looked up."""
        return "_by_name" in self.__dict__

    def take_names(self, other: Registry, came: Iterable[str]) -> None:
        """Take over the names of a registry that lacks these files alone: looking all up again would take long."""
        known = dict(other._by_name)
        for path in came:
            # of two files that are called alike the first one has the name
            known[name_of(path)] = min(path, known.get(name_of(path), path))
        self.__dict__["_by_name"] = known

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all models, sorted, without reading a file."""
        return tuple(sorted(self._by_name))

    @property
    def touched(self) -> Mapping[str, RegisteredModel | None]:
        """The files that differ from those the registry was read with; None for one that is gone."""
        return self.models.over if isinstance(self.models, Layered) else {}

    def __iter__(self) -> Iterator[RegisteredModel]:
        """The models by name; files that do not read are left out."""
        for name in self.names:
            with suppress(BadSpec):
                yield self.models[self._by_name[name]]

    def find(self, name: str) -> RegisteredModel | None:
        """The model of that name, or None."""
        path = self._by_name.get(name)
        return None if path is None else self.models[path]

    def model(self, name: str) -> RegisteredModel:
        """The model of that name; `NotFound` with near names."""
        found = self.find(name)
        if found is None:
            raise NotFound(f"there is no model {name}", fix=_nearest(name, tuple(self._by_name)))
        return found

    def path(self, name: str) -> str:
        """Where the model of that name stands."""
        self.model(name)
        return self._by_name[name]

    def file_of(self, name: str) -> str:
        """The file that is called after a name of `names`, without reading it."""
        return self._by_name[name]

    def version(self, name: str, number: int) -> Version:
        """One version of a model; `NotFound` with the versions there are."""
        model = self.model(name)
        found = model.version(number)
        if found is None:
            there = ", ".join(str(version.version) for version in model.versions[-5:])
            fix = f"the newest versions are {there}" if there else "it has no version yet: stagedoor register"
            raise NotFound(f"{name} has no version {number}", fix=fix)
        return found

    def with_models(self, changed: Mapping[str, RegisteredModel | None]) -> Registry:
        """The registry with some files put or, where None, taken away."""
        base, over = (self.models.base, self.models.over) if isinstance(self.models, Layered) else (self.models, {})
        result = Registry(Layered(base, {**over, **changed}))
        came = [path for path, model in changed.items() if model is not None and path not in self.models]
        went = any(model is None and path in self.models for path, model in changed.items())
        if self.knows_names and not went:
            result.take_names(self, came)
        if "twins" in self.__dict__ and not went and not came:
            result.__dict__["twins"] = self.twins
        return result


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else "stagedoor models lists them"


@dataclass(frozen=True, slots=True)
class Ref:
    """What a person means by `NAME`, `NAME/3`, `NAME#Production` or `NAME@champion`."""

    model: str
    version: int | None = None

    def __str__(self) -> str:
        return self.model if self.version is None else f"{self.model}/{self.version}"


def resolve(registry: Registry, text: str) -> Ref:
    """The model, or the version of it, that `text` names in this registry.

    A name may hold `@` and `#` itself, so a model that is called exactly so wins. Raises `NotFound`, or `BadInput`
    where a stage holds several versions.
    """
    name, slash, number = text.rpartition("/")
    if slash:
        if not number.isascii() or not number.isdigit():
            raise BadInput(f"{number!r} is not a version number", where=text, fix=f"write {name or 'NAME'}/3")
        return Ref(name, registry.version(name, int(number[:18])).version)
    if registry.find(text) is not None:
        return Ref(text)
    # the mark that stands last is tried first: it leaves the longer name
    marks = sorted(((text.rfind("@"), _by_alias), (text.rfind("#"), _by_stage)), key=lambda mark: -mark[0])
    for at, find in marks:
        if at >= 0 and registry.find(text[:at]) is not None:
            return Ref(text[:at], find(registry.model(text[:at]), text[at + 1 :]))
    last = marks[0][0]
    return Ref(registry.model(text[:last] if last > 0 else text).name)


def resolve_version(registry: Registry, text: str) -> Ref:
    """As `resolve`, for verbs that need one version."""
    ref = resolve(registry, text)
    if ref.version is None:
        fix = f"write {text}/3, {text}#Production or {text}@latest"
        raise BadInput(f"{text} names a model, and a version is needed", fix=fix)
    return ref


def _by_alias(model: RegisteredModel, alias: str) -> int:
    if alias == "latest" and model.versions:
        return max(version.version for version in model.versions)
    if alias not in model.aliases:
        known = ", ".join((*sorted(model.aliases), "latest"))
        raise NotFound(f"{model.name} has no alias {alias}", fix=f"choose one of: {known}")
    return model.aliases[alias]


def _by_stage(model: RegisteredModel, stage: str) -> int:
    held = [version for version in model.versions if version.stage.casefold() == stage.casefold()]
    if not held:
        used = ", ".join(sorted({version.stage for version in model.versions})) or "none at all"
        raise NotFound(f"no version of {model.name} is in {stage}", fix=f"stages in use: {used}")
    if len(held) > 1:
        numbers = ", ".join(str(version.version) for version in held)
        what = f"{len(held)} versions of {model.name} are in {stage}: {numbers}"
        raise BadInput(what, fix=f"write {model.name}/{held[-1].version}")
    return held[0].version
