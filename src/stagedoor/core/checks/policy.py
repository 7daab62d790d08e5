"""SD4: owners and gates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from stagedoor.core.checks.base import Facts, Finding, Severity, check
from stagedoor.core.checks.versions import version_place
from stagedoor.core.diff import ModelCreated, StageMoved, VersionCreated
from stagedoor.core.gates import gates_for, missing
from stagedoor.core.owners import Fault, FaultKind
from stagedoor.core.owners import problems as lint


@lru_cache(maxsize=1)
def _faults(facts: Facts) -> tuple[tuple[str, Fault], ...]:
    """What is wrong with CODEOWNERS, and where. Six checks ask, and it is read against every model."""
    owners = facts.proposed_owners or facts.owners
    if owners is None:
        return ()
    people = facts.proposed_people or facts.people
    spec = facts.proposed_spec or facts.spec
    files = tuple(facts.root + path for path in facts.paths)

    def is_known(owner: str) -> bool:
        return people.emails_of(owner) is not None

    return tuple((owners.path, fault) for fault in lint(owners, files, spec.stage_names, is_known, facts.root))


def _lines(facts: Facts, *kinds: FaultKind) -> Iterator[Finding]:
    for path, fault in _faults(facts):
        if fault.kind in kinds:
            at = f"{path}:{fault.number}:1" if fault.number else path
            severity: Severity | None = "warning" if fault.is_warning else None
            yield Finding(fault.reason, at=at, fix=fault.fix or "", severity=severity)


@check("SD401", "CODEOWNERS says what it means")
def codeowners_parses(facts: Facts) -> Iterator[Finding]:
    """A forge passes over a line it cannot read without a word, and the files it meant to guard are open."""
    yield from _lines(
        facts,
        FaultKind.TOO_BIG,
        FaultKind.BAD_PATTERN,
        FaultKind.BAD_OWNER,
        FaultKind.NO_OWNER,
        FaultKind.BAD_SECTION,
        FaultKind.INLINE_COMMENT,
        FaultKind.REPEATED_PATTERN,
        FaultKind.OTHER_DIALECT,
    )


@check("SD402", "an owner is somebody")
def owners_exist(facts: Facts) -> Iterator[Finding]:
    """An owner whom nobody knows can never approve, so what they own is stuck. People and teams stand in
    people.yaml."""
    yield from _lines(facts, FaultKind.UNKNOWN_OWNER)


@check("SD403", "a version meets the gates of its stage")
def gates_are_met(facts: Facts) -> Iterator[Finding]:
    """A gate asks for evidence before the change happens: a description, a metric, the run, the data."""
    for path, name, number, now in _entries(facts):
        model = facts.after.models.get(path)
        version = model.version(number) if model else None
        if model is None or version is None:
            continue
        for gate in gates_for(facts.spec.gates, name, now):
            if lacking := missing(gate, model, version):
                what = f"gate {gate.name}: {name}/{number} has no {', '.join(lacking)}"
                place = version_place(facts.after, path, number)
                yield Finding(f"{what}; {gate.reason}" if gate.reason else what, place, _cure(name, number, lacking))


def _entries(facts: Facts) -> Iterator[tuple[str, str, int, str]]:
    """Every version that comes into a stage: path, model, number, stage."""
    for change in facts.changes:
        match change:
            case StageMoved():
                yield change.path, change.model, change.version, change.now
            case VersionCreated(content=content):
                yield change.path, change.model, change.version, content.stage
            case ModelCreated(content=model):
                yield from ((change.path, change.model, v.version, v.stage) for v in model.versions)
            case _:
                pass


def _cure(name: str, number: int, lacking: tuple[str, ...]) -> str:
    first = lacking[0]
    ref = name if first.startswith("model.") else f"{name}/{number}"
    field = first.removeprefix("model.")
    if field == "description":
        return f"stagedoor describe {ref} TEXT"
    if field.startswith("tags."):
        return f"stagedoor tag {ref} {field.removeprefix('tags.')}=VALUE"
    return f"{field} is a fact of the version: register one that has it"


@check("SD404", "the owners have agreed")
def owners_have_agreed(facts: Facts) -> Iterator[Finding]:
    """Nobody brings a version into a stage alone: those whom CODEOWNERS names for it have approved this very head."""
    if facts.verdict is None:
        return
    for ruling in facts.verdict.rulings:
        if not ruling.holds:
            what = f"{ruling.need.why[0]}: {ruling.unblock}"
            fix = "stagedoor approve, by one of them" if ruling.holders else "change CODEOWNERS first: stagedoor open"
            yield Finding(what, at=ruling.need.path, fix=fix)


@check("SD405", "a stage line is not swallowed by a later one")
def stage_lines_count(facts: Facts) -> Iterator[Finding]:
    """The last matching line wins, so a general line below a stage line takes the stage away from its owners."""
    yield from _lines(facts, FaultKind.SHADOWED_STAGE)


@check("SD406", "the policy itself has owners", severity="warning")
def policy_is_owned(facts: Facts) -> Iterator[Finding]:
    """Where nobody owns CODEOWNERS or registry.yaml, nobody can agree to a change of them, and on a forge anybody may
    make one."""
    yield from _lines(facts, FaultKind.UNOWNED_PATH)


@check("SD407", "a stage line names a stage or an alias", severity="warning")
def stage_lines_name_something(facts: Facts) -> Iterator[Finding]:
    """A line for `@production` guards an alias of that name, and not the stage Production."""
    yield from _lines(facts, FaultKind.UNKNOWN_STAGE, FaultKind.VAGUE_STAGE)


@check("SD408", "Production is guarded where Staging is", severity="warning")
def production_is_guarded(facts: Facts) -> Iterator[Finding]:
    """A stage line for Staging alone leaves Production to everybody who owns the file, which is hardly ever meant."""
    yield from _lines(facts, FaultKind.OPEN_PRODUCTION)
