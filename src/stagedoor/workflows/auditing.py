"""Audit: was every commit of main legal, and agreed to by those who had to, by the policy that stood before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from stagedoor.core.approval import Need, entitled, needs
from stagedoor.core.audit import Audit, CommitVerdict, Fault, Lane, Tally
from stagedoor.core.checkpoints import Checkpoint, checkpoint_of, differences
from stagedoor.core.diff import Change
from stagedoor.core.evidence import pinned_files
from stagedoor.core.gates import Ask, entries
from stagedoor.core.layout import REGISTRY_FILE
from stagedoor.core.plan import effects, model_plans
from stagedoor.core.registry import Registry
from stagedoor.core.timeline import Chain
from stagedoor.effects.ledger import Attestation, Ledger
from stagedoor.errors import BadRepository, BadSpec, NotFound
from stagedoor.forges.embedded import EmbeddedForge
from stagedoor.gitstore import Signature
from stagedoor.workflows.attesting import (
    Attested,
    Requests,
    attested,
    attested_by_host,
    lacking,
    may_speak,
    with_owners_of,
)
from stagedoor.workflows.history import Step, steps
from stagedoor.workflows.legality import Case, Stories, illegal, moments
from stagedoor.workflows.merges import changes_between, merged_tree
from stagedoor.workflows.snapshots import Snapshot, root_of, take
from stagedoor.workflows.world import World

_FAR = 64


@dataclass(frozen=True, slots=True)
class Terms:
    """How to audit: after which revision to begin, whose signatures are good, what main has to hold still.

    With `strict` the word of a merge is not enough: each approval has to be signed, or in its request, and every
    signature has to be good.
    """

    since: str | None = None
    signers: bytes | None = None
    checkpoint: Checkpoint | None = None
    strict: bool = False


def audit(world: World, terms: Terms = Terms()) -> Audit:
    """Main judged commit by commit. Raises `BadRepository` on a shallow or partial clone, and where `since` is no
    commit of main."""
    world.repository.require_history()
    until = world.main()
    tally = Tally()
    auditor = _Auditor(world, terms, until)
    for one in auditor.verdicts():
        tally.add(one)
        world.progress("audited", tally.commits, auditor.total)
    found = tally.audit(auditor.since or "", until, requests_are_here=auditor.requests.are_here)
    if terms.checkpoint is None:
        return found
    return replace(found, compared=True, checkpoint=differences(terms.checkpoint, auditor.chain.commits))


def verdicts(world: World, terms: Terms = Terms()) -> Iterator[CommitVerdict]:
    """The verdict on each commit of main, oldest first."""
    world.repository.require_history()
    return _Auditor(world, terms, world.main()).verdicts()


def checkpoint(world: World) -> Checkpoint:
    """Main as it is, to be compared with later."""
    return checkpoint_of(world.repository.branch, world.chain().commits)


class _Auditor:
    """One walk along main."""

    def __init__(self, world: World, terms: Terms, until: str) -> None:
        self.world = world
        self.terms = terms
        self.until = until
        self.since = world.repository.resolve(terms.since) if terms.since else None
        self.chain: Chain = world.chain(until)
        self.stories = Stories(world, self.chain, self.since)
        self._founded = self.since is not None and self._has_registry(self.since)
        self._places = {commit: place for place, commit in enumerate(self.chain.commits)}
        self._after: Snapshot | None = None

    @property
    def total(self) -> int:
        """How many commits there are to judge."""
        return len(self.chain.commits) - (self._places.get(self.since, -1) + 1 if self.since else 0)

    @cached_property
    def requests(self) -> Requests:
        """The requests that this clone holds, wherever the newest policy that reads keeps them. No host is asked."""
        try:
            forge = EmbeddedForge(self.world.repository, self.world.snapshot().spec.requests.prefix)
        except BadSpec:
            forge = EmbeddedForge(self.world.repository)
        return Requests(forge, forge.tips())

    @cached_property
    def ledger(self) -> Ledger:
        """What reconcilers wrote down, which is only read here."""
        return Ledger(self.world.repository, Signature("audit", "audit@localhost", self.world.now()), "")

    def _has_registry(self, commit: str) -> bool:
        return self.world.repository.entry(commit, root_of(self.world.repository) + REGISTRY_FILE) is not None

    def verdicts(self) -> Iterator[CommitVerdict]:
        for step in steps(self.world, self.since, self.until):
            verdict = self._verdict(step)
            self.stories.add(step.landed)
            yield verdict

    def _verdict(self, step: Step) -> CommitVerdict:
        commit = step.commit
        at = self.chain.time_of(commit.oid)
        subject = commit.message.partition("\n")[0]
        plain = CommitVerdict(commit.oid, at, commit.author.email, subject, "untouched")
        if step.landed.is_empty and not step.unread:
            return plain
        parent = commit.parents[0] if commit.parents else None
        if parent is None or not self._has_registry(parent):
            return self._founding(step, plain)
        self._founded = True
        base, head = self._between(parent, commit.oid)
        try:
            return self._judged(step, base, head, plain)
        except BadSpec as error:
            said = f"the policy before it does not read, so nobody can tell who had to agree: {error.what}"
            return replace(plain, lane=_lane(step), faults=(Fault("unjudged", said),))

    def _founding(self, step: Step, plain: CommitVerdict) -> CommitVerdict:
        """The commit that founds the registry, where there was nobody to ask yet; or one from before it."""
        if self._founded:
            said = "the registry had been taken away before it, so nobody could be asked"
            return replace(plain, lane=_lane(step), faults=(Fault("unjudged", said),))
        self._founded = self._has_registry(step.commit.oid)
        return replace(plain, lane="founding" if self._founded else "before")

    def _between(self, parent: str, commit: str) -> tuple[Snapshot, Snapshot]:
        """The registry before and after a commit; what is after one is before the next."""
        known = self._after
        base = known if known is not None and known.commit == parent else take(self.world.repository, parent)
        self._after = take(self.world.repository, commit)
        return base, self._after

    def _judged(self, step: Step, base: Snapshot, head: Snapshot, plain: CommitVerdict) -> CommitVerdict:
        asked = needs(step.landed.changes, self._others(step), base.spec, root_of(base.repository))
        word = self._word(step, base)
        said = self._attested(step, base, word)
        if said is None:
            ask, broken = Ask(author=step.commit.author.email), None
            agreed = self._entitled(step, base, asked)
        else:
            ask, broken = said.ask, said.broken
            people = with_owners_of(base.people, word)
            agreed = (*said.faults, *lacking(said, asked, base, people), *self._more(step, said), *self._strict(said))
        when = moments(self.chain, step.commit.oid, step.commit.committer.time, self.world.now())
        case = Case(step, base, head, ask, broken, when)
        moved = entries(step.landed.changes, step.before, step.after)
        return replace(
            plain,
            lane=_lane(step, said),
            request=said.number if said else None,
            moves=sum(entry.was != entry.now for entry in moved),
            approvals=said.approvals if said else (),
            faults=(*illegal(self.world, case, self.stories), *agreed),
            notes=(*(said.notes if said else ()), *self._odd_date(step)),
        )

    def _others(self, step: Step) -> tuple[str, ...]:
        """The files besides models: evidence that a version pins came with the model's file."""
        root = root_of(self.world.repository)
        evidence = {root + path for path in pinned_files(step.landed.changes)}
        return tuple(path for path in step.files if path not in evidence)

    def _word(self, step: Step, base: Snapshot) -> Attestation | None:
        """What a host said of the request that landed as this commit, where one could have."""
        try:
            word = self.ledger.attestation(step.commit.oid)
            fits = word is not None and word.request().number == word.number
        except BadRepository:
            # somebody wrote the ledger by hand, and then nobody said anything
            return None
        here = self.requests.are_here
        return word if word and fits and may_speak(word, base.spec.forge, requests_are_here=here) else None

    def _attested(self, step: Step, base: Snapshot, word: Attestation | None) -> Attested | None:
        trailers = step.landed.happening.trailers
        at = self.chain.time_of(step.commit.oid)
        if word is not None:
            return attested_by_host(step.commit, trailers, base, word, at, self.terms.signers)
        if trailers.request is None:
            return None
        return attested(step.commit, trailers, base, self.requests, at, self.terms.signers)

    def _entitled(self, step: Step, base: Snapshot, asked: tuple[Need, ...]) -> tuple[Fault, ...]:
        author = step.commit.author.email
        reason = entitled(asked, author, owners=base.owners, people=base.people, spec=base.spec)
        return (Fault("unreviewed", f"{author} wrote it without a request: {reason}"),) if reason else ()

    def _strict(self, said: Attested) -> tuple[Fault, ...]:
        if not self.terms.strict:
            return ()
        alone = [seen for seen in said.approvals if seen.proof in ("attested", "host")]
        words = {"attested": "the word of the merge alone", "host": f"the word of {said.host}, as the ledger has it"}
        notes = tuple(Fault("signature", note) for note in said.notes)
        return (
            *(Fault("attested", f"the approval of {seen.by} rests on {words[seen.proof]}") for seen in alone),
            *notes,
        )

    def _odd_date(self, step: Step) -> tuple[str, ...]:
        claimed = step.commit.committer.time
        believed = self.chain.time_of(step.commit.oid)
        if claimed == believed:
            return ()
        return (f"says it is of {claimed:%Y-%m-%d %H:%M:%S}, and is believed to be of {believed:%Y-%m-%d %H:%M:%S}",)

    # --- does the merge do what was asked for ---

    def _more(self, step: Step, said: Attested) -> tuple[Fault, ...]:
        """Whether a merge did something else than its head proposed."""
        if not said.head or (said.host and not self._has(said.head)):
            # a host that squashes keeps the head to itself, and its word is all there is
            return ()
        parent, root = step.commit.parents[0], root_of(self.world.repository)
        repository = self.world.repository
        base = self._base(parent, said.head)
        if base is None:
            return (Fault("merge", f"{said.head[:10]} and {parent[:10]} have no history in common"),)
        if base == parent and repository.commit_info(said.head).tree == step.commit.tree:
            return ()
        did = repository.changes(parent, step.commit.oid, root.rstrip("/"))
        if did == repository.changes(base, said.head, root.rstrip("/")):
            return ()
        other = Fault("merge", f"the merge does something else than request {said.number} asked for")
        return (
            () if self._same_effects(step, base, said.head) and self._same_files(step, parent, said.head) else (other,)
        )

    def _has(self, commit: str) -> bool:
        try:
            self.world.repository.commit_info(commit)
        except (BadRepository, NotFound):
            return False
        return True

    def _base(self, parent: str, head: str) -> str | None:
        """Where the head left main: mostly a few first parents back, and git need not be asked."""
        place, known = self._places.get(parent, -1), head
        for _ in range(_FAR):
            if self._places.get(known, place + 1) <= place:
                return known
            above = self.world.repository.commit_info(known).parents
            if len(above) != 1:
                break
            known = above[0]
        return self.world.repository.merge_base(parent, head)

    def _same_effects(self, step: Step, base: str, head: str) -> bool:
        before, after = take(self.world.repository, base), take(self.world.repository, head)
        try:
            proposed = changes_between(before, after)
        except BadSpec:
            return False
        return _effects(step.landed.changes, step.before, step.after) == _effects(
            proposed, before.registry, after.registry
        )

    def _same_files(self, step: Step, parent: str, head: str) -> bool:
        """Whether the files besides models are what merging the two gives."""
        repository = self.world.repository
        merged = merged_tree(self.world, parent, head)
        if merged.conflicts:
            return not step.files
        return all(
            repository.entry(merged.tree, path) == repository.entry(step.commit.oid, path) for path in step.files
        )


def _effects(changes: tuple[Change, ...], before: Registry, after: Registry) -> frozenset[object]:
    return effects(model_plans(changes, before, after))


def _lane(step: Step, said: Attested | None = None) -> Lane:
    return "direct" if said is None and step.landed.happening.trailers.request is None else "request"
