"""The verbs of CI: validate a pull request and say whether it is agreed to, reconcile what landed, look for drift."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from stagedoor.core.checks import Problem
from stagedoor.core.plan import Plan
from stagedoor.core.runs import Run
from stagedoor.core.views import plans
from stagedoor.core.views.plain import counted, shortened
from stagedoor.errors import BadInput, Conflict, Denied, InvalidState, NotFound, RegistryError, Unavailable
from stagedoor.forges.hosted import HERE, HostedForge
from stagedoor.forges.hosting import CommitStatus, Light
from stagedoor.workflows import reviewing
from stagedoor.workflows.manifests import deploy, deployed_refs
from stagedoor.workflows.planning import plan_between, validate_all
from stagedoor.workflows.reconciling import Options, Report, open_ledger, reconcile
from stagedoor.workflows.syncing import SyncReport, sync
from stagedoor.workflows.validating import conflicts_as_problems
from stagedoor.workflows.world import World

CONTEXT = "stagedoor/approvals"
MARKER = "<!-- stagedoor:plan -->"
# the check that says whose approval is missing: waiting for people is no failure
WAITING = frozenset({"SD404"})
_ONLY_A_HOST_KNOWS = frozenset({"SD402"})


@dataclass(frozen=True, slots=True)
class Checked:
    """What a run found: the plan, everything wrong with it, and the light for `stagedoor/approvals`."""

    plan: Plan
    problems: tuple[Problem, ...]
    light: Light
    text: str
    number: int | None = None
    head: str = ""

    @property
    def shown(self) -> tuple[Problem, ...]:
        """The problems as a job shows them: waiting for people is nothing that is wrong."""
        return tuple(replace(one, severity="warning") if one.code in WAITING else one for one in self.problems)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What is wrong with the change itself, whoever agrees to it."""
        return tuple(one for one in self.problems if one.severity == "error" and one.code not in WAITING)


def validate(world: World, run: Run, *, publish: bool = False) -> Checked:
    """Judge what a run is about, by the policy of the base; never by that of the head.

    With `publish` the plan becomes the one comment on the pull request, and the light a status of its head. Raises
    `BadInput` for a run that is about no pull request.
    """
    match run.kind:
        case "pull":
            found = _pull(world, run, publish=publish)
        case "queue":
            found = _queue(world, run)
        case _:
            raise BadInput("this run is about no pull request", fix="run it for pull_request or merge_group")
    if publish:
        _publish(world, run, found)
    return found


@dataclass(frozen=True, slots=True)
class Skipped:
    """An open request that could not be judged now, and why."""

    number: int
    reason: str


def validate_open(world: World, run: Run) -> tuple[Checked | Skipped, ...]:
    """Judge every open request and publish what comes out, where no event tells of one of them.

    One that cannot be judged keeps nobody else waiting, and keeps the light that it has.
    """
    host = _required_host(world)
    return tuple(_judged_or_not(world, run, one.number) for one in host.requests("open"))


def _judged_or_not(world: World, run: Run, number: int) -> Checked | Skipped:
    try:
        found = _judged(reviewing.standing(world, number))
        _publish(world, run, found)
    except RegistryError as error:
        return Skipped(number, error.what)
    return found


def _pull(world: World, run: Run, *, publish: bool) -> Checked:
    if world.host is None and not publish and run.number:
        return _without_reviews(world, run)
    number = run.number or (world.host.number_of(run.head) if world.host else None)
    if number is None:
        raise BadInput(f"no open request has the head {run.head[:10]}", fix="the run for its newest head counts")
    try:
        here = reviewing.standing(world, number)
    except (Denied, Unavailable):
        if publish:
            raise
        # where a stranger's code is read there is no token, and what people said does not matter yet
        return _without_reviews(world, run)
    return _judged(here)


def _judged(here: reviewing.Standing) -> Checked:
    clashes = tuple(Problem("conflict", "error", text, fix="stagedoor update") for text in here.outdated)
    problems = (*clashes, *here.plan.problems)
    light, text = _light(here.plan, problems)
    return Checked(here.plan, problems, light, text, here.request.number, here.request.head)


def _light(plan: Plan, problems: tuple[Problem, ...]) -> tuple[Light, str]:
    """Green only when the verdict tree is, and nothing else is wrong."""
    wrong = [one for one in problems if one.severity == "error" and one.code not in WAITING]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return "failure", shortened(f"{wrong[0].code} {wrong[0].what}", 120) + more
    if plan.verdict is None:
        return "pending", "nobody was asked yet"
    if not plan.verdict.holds:
        lacking = next(ruling.unblock for ruling in plan.verdict.rulings if not ruling.holds)
        return "pending", shortened(f"needs {lacking}", 139)
    if any(one.severity == "error" for one in problems):
        return "pending", "it is not agreed to yet"
    return "success", "everybody who has to has agreed"


def _without_reviews(world: World, run: Run) -> Checked:
    """What the change would do, from git alone: the head is read as data, and nothing in it is run."""
    head = _head_of(world, run)
    made = plan_between(world, world.main(), head)
    # nobody without a token is told who is in a team, so a team that is unknown here may well be known
    told = (replace(one, severity="warning") if one.code in _ONLY_A_HOST_KNOWS else one for one in made.problems)
    problems = (*conflicts_as_problems(made), *told)
    light, text = _light(made, problems)
    return Checked(made, problems, light, text, run.number, head)


def _head_of(world: World, run: Run) -> str:
    if run.head and _is_here(world, run.head):
        return run.head
    prefix = "refs/merge-requests/" if world.environment.get("GITLAB_CI") else "refs/pull/"
    there, here = f"{prefix}{run.number}/head", f"{HERE}{run.number}"
    world.repository.remote("origin").fetch({there: here})
    head = world.repository.tip(here)
    if head is None or (run.head and head != run.head):
        raise Conflict(f"request {run.number} has moved since this run began", fix="the run for its newest head counts")
    return head


def _is_here(world: World, oid: str) -> bool:
    try:
        world.repository.commit_info(oid)
    except RegistryError:
        return False
    return True


# --- the merge queue ------------------------------------------------------------------------------------------------


def _queue(world: World, run: Run) -> Checked:
    """A group of the queue: the combined result is checked, and every request in it has to be agreed to.

    That is what catches two requests that are each fine and together illegal.
    """
    if not run.base or not run.head:
        raise BadInput("the event names no base and head of the group", fix="run it for merge_group")
    made = plan_between(world, run.base, run.head)
    problems = (*conflicts_as_problems(made), *made.problems, *_group_faults(world, run))
    light, text = _light(made, problems)
    agreed = light == "pending" and not any(one.severity == "error" for one in problems)
    if agreed:
        light, text = "success", "every request of the group is agreed to"
    return Checked(made, problems, light, text, None, run.head)


def _group_faults(world: World, run: Run) -> Iterator[Problem]:
    """Why a request of the group is not agreed to; for each commit that came by none, that it did."""
    host = world.host
    if host is None:
        return
    for commit in world.repository.first_parents(run.base, run.head):
        number = _number_in_group(host, commit.parents, run)
        if number is None:
            what = f"{commit.oid[:10]} in the group is of no request that is open"
            yield Problem("SD404", "error", what, fix="take it out of the queue")
            continue
        here = reviewing.standing(world, number)
        for ruling in here.plan.verdict.rulings if here.plan.verdict else ():
            if not ruling.holds:
                what = f"request {number}: {ruling.unblock}"
                yield Problem("SD404", "error", what, fix=f"stagedoor approve {number}")


def _number_in_group(host: HostedForge, parents: tuple[str, ...], run: Run) -> int | None:
    """The request that a commit of the group merges. A squash has no second parent, and then the last one is meant."""
    if len(parents) > 1:
        return host.number_of(parents[1])
    return run.number if parents and parents[0] == run.base else None


# --- saying it ------------------------------------------------------------------------------------------------------


def _publish(world: World, run: Run, found: Checked) -> None:
    host = _required_host(world)
    if found.number is not None:
        host.put_sticky(found.number, MARKER, plans.markdown(found.plan))
    # on the commit that was judged: a push in between has a status of its own to wait for
    host.post_status(found.head, CommitStatus(CONTEXT, found.light, found.text, run.url))


def _required_host(world: World) -> HostedForge:
    if world.host is None:
        raise InvalidState("there is no host to tell", fix="say forge: {kind: …} in registry.yaml")
    return world.host


def outputs(found: Checked) -> dict[str, str]:
    """What later steps of a job may ask for: words of ours only."""
    return {
        "light": found.light,
        "errors": str(len(found.errors)),
        "request": str(found.number or ""),
        "plan": found.plan.hash,
    }


def code_quality(found: Checked) -> list[dict[str, object]]:
    """The problems as GitLab shows them beside the lines: https://docs.gitlab.com/ci/testing/code_quality/."""
    return [
        {
            "description": f"{one.code} {one.what}",
            "check_name": one.code,
            "fingerprint": f"{one.code}:{one.path}:{one.line}:{index}",
            "severity": "major" if one.severity == "error" else "minor",
            "location": {"path": one.path or "registry_spec", "lines": {"begin": one.line or 1}},
        }
        for index, one in enumerate(found.problems)
    ]


# --- after the merge ------------------------------------------------------------------------------------------------


_PLAIN = Options()


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a run after a merge did: what came, what was told, what went back."""

    came: SyncReport
    report: Report
    went: SyncReport


def reconcile_all(world: World, remote: str = "origin", options: Options = _PLAIN) -> Reconciled:
    """Catch up with the newest main from where the last run stopped, whichever machine that was on.

    The ledger comes from the remote first and goes back in the end, so that a run that is lost loses nothing: the next
    one goes on from the same place.
    """
    came = sync(world, remote)
    world.forget()
    # main says which branch has the manifests, so that one comes after it, and goes after the ledger: where the host
    # does not take it, what was told stays told
    refused = _manifests_synced(world, remote)
    report = reconcile(world, options)
    went = sync(world, remote)
    refused = _manifests_synced(world, remote) or refused
    return Reconciled(came, replace(report, undeployed=report.undeployed or refused), went)


def _manifests_synced(world: World, remote: str) -> str:
    """Bring the branch of manifests together with the remote's; why not, where that does not go."""
    try:
        if branches := deployed_refs(world):
            sync(world, remote, branches)
    except RegistryError as error:
        return error.what
    return ""


@dataclass(frozen=True, slots=True)
class Drift:
    """One way in which things are not as main says they should be."""

    what: str
    fix: str


def drift(world: World, remote: str = "origin") -> tuple[Drift, ...]:
    """What is not as it should be: a ledger behind main, changes that nobody agreed to, files that do not hold."""
    with suppress(Unavailable):
        sync(world, remote)
        world.forget()
    _manifests_synced(world, remote)
    return (*_drifts(world), *_manifest_drifts(world))


def _manifest_drifts(world: World) -> Iterator[Drift]:
    try:
        done = deploy(world, check=True)
    except RegistryError as error:
        yield Drift(f"the manifests cannot be written: {error.what}", error.fix or "look at serving in registry.yaml")
        return
    if done and done.changes:
        count = counted(len(done.written) + len(done.removed), "manifest")
        yield Drift(f"{count} of the deployment branch are not as main says", "stagedoor ci reconcile")


def _drifts(world: World) -> Iterator[Drift]:
    ledger = open_ledger(world)
    cursor = ledger.cursor().main
    main = world.main()
    if cursor != main:
        try:
            behind = len(list(world.repository.first_parents(cursor or None, main)))
            yield Drift(f"the reconciler is {counted(behind, 'commit')} behind main", "stagedoor ci reconcile")
        except (RegistryError, NotFound):
            what = f"the ledger stands at {cursor[:10]}, which is not on main: history was rewritten"
            yield Drift(what, "find out why; then stagedoor reconcile --from main")
    errors = [one for one in validate_all(world) if one.severity == "error"]
    if errors:
        yield Drift(f"main has {counted(len(errors), 'error')}, the first is {errors[0].code} {errors[0].what}",
                    "stagedoor validate")  # fmt: skip
    for commit in world.repository.first_parents(None, main):
        for event in ledger.activities(commit.oid) or ():
            if isinstance(event, dict) and event.get("kind") == "unreviewed_change":
                said = shortened(str(event.get("text", "")), 200)
                yield Drift(f"{commit.oid[:10]} {said}", "look at it, and revert it")
    waiting = ledger.status().waiting
    if waiting:
        yield Drift(f"{counted(len(waiting), 'message')} could not be delivered", "stagedoor reconcile --redeliver")
