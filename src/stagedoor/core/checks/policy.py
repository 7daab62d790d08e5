"""SD4: owners and gates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from stagedoor.core.checks.base import Facts, Finding, Place, Severity, check
from stagedoor.core.checks.versions import version_place
from stagedoor.core.gates import GateRuling
from stagedoor.core.gates.expressions import fault_of
from stagedoor.core.layout import REGISTRY_FILE, SIGNERS_FILE
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
    people = facts.proposed_people or facts.people
    for index, gate in enumerate((facts.proposed_spec or facts.spec).gates):
        for at, name in enumerate(gate.approvals.by if gate.approvals else ()):
            if "@" not in name or people.emails_of(name) is None:
                place = Place(REGISTRY_FILE, ("gates", index, "approvals", "by", at))
                fix = "write @team, @login or an e-mail address that people.yaml knows"
                yield Finding(f"nobody knows {name}, whom gate {gate.name} asks", place, fix)


@check("SD403", "a version meets the gates of its stage")
def gates_are_met(facts: Facts) -> Iterator[Finding]:
    """A gate asks for evidence before the change happens: a description, a metric, the run, the data, time in Staging.
    What it asks of the version itself has to stay so while the version is in the stage."""
    for ruling in facts.rulings:
        if ruling.kind == "gate":
            yield from _unmet(facts, ruling)


def _unmet(facts: Facts, ruling: GateRuling) -> Iterator[Finding]:
    place = version_place(facts.after, ruling.path, ruling.version)
    for condition in ruling.conditions:
        if not condition.holds:
            said = f"{ruling.title}: {condition.said}"
            more = "; ".join(part for part in (ruling.reason, ruling.waived) if part)
            severity: Severity | None = "warning" if ruling.waived else None
            yield Finding(f"{said}; {more}" if more else said, place, condition.cure or _way_out(ruling), severity)


def _way_out(ruling: GateRuling) -> str:
    if ruling.kind != "gate":
        return ""
    ref = f"{ruling.model}/{ruling.version}"
    return f"bring a version for which it holds, or ask for time: stagedoor gates waive {ref} {ruling.name}"


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


@check("SD409", "nothing moves in a freeze")
def freezes_hold(facts: Facts) -> Iterator[Finding]:
    """Over the holidays nobody is there to notice that a new version went wrong."""
    for ruling in facts.rulings:
        if ruling.kind == "freeze":
            yield from _unmet(facts, ruling)


@check("SD410", "what is in quarantine stays out")
def quarantine_holds(facts: Facts) -> Iterator[Finding]:
    """An artifact that was found to be bad is known by its digest, so that another name or number does not bring it
    back."""
    for ruling in facts.rulings:
        if ruling.kind == "quarantine":
            yield from _unmet(facts, ruling)


@check("SD411", "a waiver waives something")
def waivers_are_right(facts: Facts) -> Iterator[Finding]:
    """A waiver for a gate or a model that is not there looks like a decision and is none; one that has ended can go."""
    spec = facts.proposed_spec or facts.spec
    names = {gate.name for gate in spec.gates}
    for path, waiver in facts.waivers.items():
        if waiver.gate not in names:
            said = f"the waiver is for the gate {waiver.gate}, which is not there"
            yield Finding(said, Place(path, ("gate",)), f"gates there are: {', '.join(sorted(names)) or 'none'}")
        if facts.now is not None and facts.now >= waiver.expires:
            said = f"the waiver ended on {waiver.expires:%Y-%m-%d %H:%M}"
            yield Finding(said, Place(path, ("expires",)), "delete the file", severity="warning")


@check("SD412", "an expression can be asked")
def expressions_parse(facts: Facts) -> Iterator[Finding]:
    """A gate whose expression does not parse would refuse everything, and nobody could say why."""
    for index, gate in enumerate((facts.proposed_spec or facts.spec).gates):
        for at, expression in enumerate(gate.expressions):
            if fault := fault_of(expression):
                place = Place(REGISTRY_FILE, ("gates", index, "expressions", at))
                yield Finding(f"gate {gate.name}: {expression[:80]}: {fault}", place, "mend the expression")


MOST_MISFITS = 50
TELLS_MORE = "see them all: stagedoor gates replay --policy FILE"


@check("SD413", "a stricter policy names whom it would refuse", severity="warning")
def stricter_names_whom(facts: Facts) -> Iterator[Finding]:
    """A new gate is for what comes; that versions in a stage today would not pass it is better known before than
    after."""
    for one in facts.misfits[:MOST_MISFITS]:
        what = f"{one.ref} is in {one.stage} and would not be let in: {one.reasons[0]}"
        more = f" (and {len(one.reasons) - 1} more)" if len(one.reasons) > 1 else ""
        yield Finding(what + more, Place(REGISTRY_FILE, ("gates",)), TELLS_MORE)
    if len(facts.misfits) > MOST_MISFITS:
        yield Finding(
            "more versions would not be let in than are named here", Place(REGISTRY_FILE, ("gates",)), TELLS_MORE
        )


@check("SD414", "signed approvals can be given")
def signers_are_there(facts: Facts) -> Iterator[Finding]:
    """A stage or a gate that takes signed approvals alone, while no key is allowed, lets nothing pass."""
    if facts.has_signers is not False:
        return
    spec = facts.proposed_spec or facts.spec
    asking = [(("stages", i, "signed"), f"stage {s.name}") for i, s in enumerate(spec.stages) if s.signed]
    asking += [
        (("gates", i, "approvals"), f"gate {g.name}")
        for i, g in enumerate(spec.gates)
        if g.approvals is not None and g.approvals.signed
    ]
    for keys, who in asking:
        said = f"{who} takes signed approvals, and there is no {SIGNERS_FILE}"
        yield Finding(said, Place(REGISTRY_FILE, keys), "add the file: a line is an address and a public SSH key")
