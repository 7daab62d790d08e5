"""What would get in the way of a registry, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from stagedoor.core.layout import PEOPLE_FILE, REGISTRY_FILE
from stagedoor.core.owners import Level, owners_of
from stagedoor.core.views.plain import counted
from stagedoor.effects.keyring import Keyring, variable
from stagedoor.effects.notify import variables_in
from stagedoor.errors import BadRepository, NotFound, RegistryError
from stagedoor.forges.repairs import Repair
from stagedoor.workflows.hooking import listed
from stagedoor.workflows.planning import validate_all
from stagedoor.workflows.reconciling import status
from stagedoor.workflows.snapshots import root_of
from stagedoor.workflows.world import World

Grade = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at."""

    grade: Grade
    what: str
    fix: str = ""


def examine(world: World) -> tuple[Diagnosis, ...]:
    """Look at the clone, what killed processes left, the files, the owners, the ledger, and who is told or called."""
    found: list[Diagnosis] = []
    looks = (_clone, _aftermath, _identity, _files, _owners, _requests, _ledger, _notifications, _webhooks, _host)
    for look in looks:
        found += _looked(look, world)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Mended:
    """One setting of the host that was changed, or why it was not."""

    what: str
    refused: str = ""


def repairs(world: World) -> tuple[Repair, ...]:
    """What could be mended on the host of this registry, as things are now; nothing where there is none."""
    return world.host.repairs() if world.host else ()


def mend(world: World, wanted: Iterable[Repair]) -> tuple[Mended, ...]:
    """Make the changes, one after the other. One that is refused keeps no other from being made."""
    return tuple(_mended(world, one) for one in wanted)


def _mended(world: World, one: Repair) -> Mended:
    try:
        if world.host is not None:
            world.host.repair(one)
    except RegistryError as error:
        return Mended(one.what, error.what)
    return Mended(one.what)


def _looked(look: Callable[[World], Iterator[Diagnosis]], world: World) -> list[Diagnosis]:
    try:
        return list(look(world))
    except RegistryError as error:
        return [Diagnosis("error", f"{error.what}{f' ({error.where})' if error.where else ''}", error.fix or "")]


def _clone(world: World) -> Iterator[Diagnosis]:
    repository = world.repository
    kind = "bare repository" if repository.is_bare else "repository"
    place = f", registry in {repository.root}/" if repository.root else ""
    yield Diagnosis("ok", f"{kind}, {repository.object_format}, branch {repository.branch}{place}")
    repository.require_history()
    yield Diagnosis("ok", "the whole history is here")


def _aftermath(world: World) -> Iterator[Diagnosis]:
    """What killed processes left. What is surely theirs is mended; a lock of git's may be somebody's who is at work."""
    found = world.repository.mend()
    for what in found.mended:
        yield Diagnosis("warning", f"mended: {what}")
    if found.swept:
        yield Diagnosis("ok", f"removed {counted(len(found.swept), 'file')} that killed processes had left")
    for path in found.locks:
        what = f"{path} is locked, by a git process that is at work or was killed"
        yield Diagnosis("error", what, "if no git is running here, remove that file")
    if not (found.mended or found.locks):
        yield Diagnosis("ok", "no process left anything half done")


def _identity(world: World) -> Iterator[Diagnosis]:
    email = world.actor.email
    known = world.snapshot().people.person(email)
    if known is None:
        yield Diagnosis("warning", f"{email} is not in people.yaml", "add the person, so that @login owners resolve")
    else:
        yield Diagnosis("ok", f"you are {email}; on one machine that is a claim, not a proof")


def _files(world: World) -> Iterator[Diagnosis]:
    problems = validate_all(world)
    errors = sum(problem.severity == "error" for problem in problems)
    if problems:
        grade: Grade = "error" if errors else "warning"
        yield Diagnosis(
            grade,
            f"main has {counted(errors, 'error')} and {counted(len(problems) - errors, 'warning')}",
            "stagedoor validate",
        )
    else:
        yield Diagnosis(
            "ok", f"{counted(len(world.snapshot().registry.names), 'model')}, and no check has anything to say"
        )


def _owners(world: World) -> Iterator[Diagnosis]:
    snapshot = world.snapshot()
    if snapshot.owners_entry is None:
        yield Diagnosis("error", "there is no CODEOWNERS, so nobody may change anything", "add .github/CODEOWNERS")
        return
    root = root_of(world.repository)
    for path in (snapshot.owners_entry[0], root + REGISTRY_FILE, root + PEOPLE_FILE):
        handles = owners_of(snapshot.owners, path, Level.EDIT)
        people = {email for owner in handles for email in snapshot.people.emails_of(owner) or ()}
        if not people:
            yield Diagnosis("error", f"nobody owns {path}", f"add a line for /{path} to CODEOWNERS")
        elif len(people) == 1 and not snapshot.spec.owners.author_may_approve:
            only = next(iter(people))
            fix = "add a second owner, or set owners.author_may_approve in registry.yaml"
            yield Diagnosis("warning", f"{only} alone owns {path}: a request of theirs could never be approved", fix)
        else:
            yield Diagnosis("ok", f"{path} is owned by {', '.join(sorted(people))}")


def _requests(world: World) -> Iterator[Diagnosis]:
    broken = 0
    tips = world.forge.tips()
    for number in sorted(tips):
        try:
            world.forge.get(number)
        except RegistryError as error:
            broken += 1
            yield Diagnosis("error", f"request {number}: {error.what}", f"look at refs/pull/{number}/meta")
    if not broken:
        yield Diagnosis("ok", f"{counted(len(tips), 'request')}, and every one reads")


def _ledger(world: World) -> Iterator[Diagnosis]:
    found = status(world)
    behind = found.cursor.main != world.main()
    if behind and found.cursor.main and not _is_on_main(world, found.cursor.main):
        what = f"the ledger stands at {found.cursor.main[:10]}, which is not on main: history was rewritten"
        yield Diagnosis("error", what, "find out why; then stagedoor reconcile --from main")
    elif behind:
        yield Diagnosis("warning", "the reconciler has not seen the newest main", "stagedoor reconcile")
    else:
        yield Diagnosis("ok", f"reconciled up to main, {found.counts.get('delivered', 0)} deliveries")
    if found.waiting:
        yield Diagnosis("warning", f"{len(found.waiting)} deliveries failed", "stagedoor reconcile --status")


def _host(world: World) -> Iterator[Diagnosis]:
    """What the host's own settings let through; nothing where requests are kept in the repository."""
    host = world.host
    if host is None:
        return
    yield Diagnosis("ok", f"requests are pull requests of {host.host}/{host.project}, as {host.login}")
    for one in host.settings():
        yield Diagnosis(one.grade, one.what, one.fix)


def _is_on_main(world: World, commit: str) -> bool:
    try:
        next(iter(world.repository.first_parents(commit, world.main())), None)
    except (BadRepository, NotFound):
        return False
    return True


def _notifications(world: World) -> Iterator[Diagnosis]:
    notifications = world.snapshot().spec.notifications
    urls = [*([notifications.mail] if notifications.mail else []), *(url for r in notifications.routes for url in r.to)]
    unset = sorted({name for url in urls for name in variables_in(url) if name not in world.environment})
    if unset:
        yield Diagnosis("warning", f"the environment lacks {', '.join(unset)}", "set them where the reconciler runs")
    elif urls:
        yield Diagnosis("ok", f"{len(urls)} notification targets, and every variable they need is set")
    else:
        yield Diagnosis("ok", "nobody is notified: registry.yaml has no notifications")


def _webhooks(world: World) -> Iterator[Diagnosis]:
    keyring = Keyring(world.repository.state_dir(), world.environment)
    found = [one for one in listed(world) if one.webhook.status == "ACTIVE"]
    for one in found:
        hook = one.webhook
        lacking = [variable(name, hook.id) for name in hook.secrets if name not in keyring.secrets(hook.id)]
        if lacking:
            what = f"webhook {hook.title} lacks its {', '.join(lacking)}"
            yield Diagnosis("warning", what, "set it where the reconciler runs, or stagedoor webhooks update")
        if one.is_given_up:
            fix = f"mend the target; then stagedoor webhooks update {hook.id[:8]}"
            yield Diagnosis("warning", f"webhook {hook.title} failed {one.failures} times and is given up", fix)
    if found:
        yield Diagnosis("ok", f"{counted(len(found), 'webhook')} called when something happens")
