"""SD52: what is served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stagedoor.core.checks.base import Facts, Finding, Place, check
from stagedoor.core.layout import REGISTRY_FILE, name_of
from stagedoor.core.policy import DEFAULT_SERVED, RegistrySpec
from stagedoor.core.spec import ARCHIVED, NO_STAGE

_Split = tuple[str, str, Mapping[str, int], Place]


def _spec(facts: Facts) -> RegistrySpec:
    return facts.proposed_spec or facts.spec


def _splits(facts: Facts) -> Iterator[_Split]:
    """Each split of traffic: its model, its stage, the percentages, and where it stands."""
    for name, served in _spec(facts).serving.models.items():
        for stage, shares in served.traffic.items():
            yield name, stage, shares, Place(REGISTRY_FILE, ("serving", "models", name, "traffic", stage))


@check("SD521", "a served stage exists")
def served_stages_exist(facts: Facts) -> Iterator[Finding]:
    """A misspelt stage would be served by nobody. `None` and `Archived` hold what nobody should load, and are not
    served."""
    spec = _spec(facts)
    if spec.serving.stages == DEFAULT_SERVED:
        return
    fit = [name for name in spec.stage_names if name not in (NO_STAGE, ARCHIVED)]
    for index, stage in enumerate(spec.serving.stages):
        if stage not in fit:
            what = f"serving names {stage}, which is no stage that is served"
            yield Finding(what, Place(REGISTRY_FILE, ("serving", "stages", index)), f"choose among: {', '.join(fit)}")


@check("SD522", "a served model exists", severity="warning")
def served_models_exist(facts: Facts) -> Iterator[Finding]:
    """What is said of a model that is gone, or was renamed, holds for nobody: a model that was switched off would be
    served again."""
    known = {name_of(path) for path in facts.paths}
    for name in _spec(facts).serving.models:
        if name not in known:
            place = Place(REGISTRY_FILE, ("serving", "models", name))
            yield Finding(f"serving: there is no model {name}", place, "take it out, or give it the model's new name")


@check("SD523", "a split of traffic adds up")
def splits_add_up(facts: Facts) -> Iterator[Finding]:
    """A split is of a served stage, and its percentages make 100: otherwise nobody could say who is asked how often."""
    for name, stage, shares, place in _splits(facts):
        if stage not in _spec(facts).serving.stages:
            fix = f"choose among: {', '.join(_spec(facts).serving.stages)}"
            yield Finding(f"traffic of {name}: {stage} is not served", place, fix)
        elif sum(shares.values()) != 100:
            what = f"traffic of {name} in {stage} makes {sum(shares.values())} percent"
            yield Finding(what, place, "let the percentages make 100")


@check("SD524", "a split of traffic names versions of its stage", severity="warning")
def splits_name_what_is_there(facts: Facts) -> Iterator[Finding]:
    """A version that has left the stage gets no traffic, and its share falls to the others of the split; where none of
    them is left, the newest version of the stage gets all."""
    for name, stage, shares, place in _splits(facts):
        model = next((one for one in facts.after.models.values() if one.name == name), None)
        for number in shares if model else ():
            version = model.version(int(number)) if model else None
            if version is None or version.stage != stage:
                inner = Place(place.path, (*place.keys, number))
                yield Finding(f"traffic of {name}: version {number} is not in {stage}", inner, "take it out")
