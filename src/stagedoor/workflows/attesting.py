"""What a merge says about who agreed to it, what a host said of it, and how much of that can be checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from stagedoor.core.approval import Need, Ruling, judge, with_broken_glass
from stagedoor.core.audit import Fault, Proof, Seen
from stagedoor.core.gates import Ask, Broken
from stagedoor.core.policy import Host
from stagedoor.core.requests import Request, Reviewed
from stagedoor.core.spec import People, Team
from stagedoor.core.trailers import Approval, Trailers
from stagedoor.effects.ledger import Attestation
from stagedoor.errors import BadRepository, NotFound
from stagedoor.forges.embedded import EmbeddedForge
from stagedoor.gitstore import CommitInfo
from stagedoor.gitstore.tags import read_tag
from stagedoor.workflows.planning import Asked
from stagedoor.workflows.signing import fault as tag_fault
from stagedoor.workflows.snapshots import Snapshot

# each costs a process, and a commit by a stranger may carry thousands
MOST_TAGS: Final = 100


@dataclass(frozen=True, slots=True)
class Attested:
    """A merge that names a request: what it says, what the request says where it is here, and whose signatures hold."""

    commit: CommitInfo
    trailers: Trailers
    number: int
    request: Request | None
    signed: frozenset[str]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()
    # which host told of the request, where a reconciler asked one
    host: str = ""

    @property
    def head(self) -> str:
        """What was merged; empty where nothing was. A host may have squashed it, and then only the host knows."""
        if len(self.commit.parents) == 2:
            return self.commit.parents[1]
        return self.request.head if self.request and self.host else ""

    @property
    def author(self) -> str:
        """Who asked for it."""
        return self.request.author if self.request else self.trailers.requested_by

    @property
    def broken(self) -> Broken | None:
        """The broken glass, if the merge, or the host, says that it was."""
        if self.host and self.request:
            return Broken(self.request.broken.by, self.request.broken.reason) if self.request.broken else None
        if not self.trailers.break_glass:
            return None
        by = self.request.broken.by if self.request and self.request.broken else "somebody"
        return Broken(by, self.trailers.break_glass)

    @property
    def ask(self) -> Ask:
        """The request as an expression of a gate sees it."""
        subject = self.commit.message.partition("\n")[0]
        title = self.request.title if self.request else subject.removeprefix(f"Merge request {self.number}: ")
        return Ask(self.number, title, self.author)

    @property
    def approvals(self) -> tuple[Seen, ...]:
        """The approvals it rests on, each with what it rests on itself."""
        given = self.trailers.approved_by
        if self.host and self.request:
            said = (one for one in self.request.counted_reviews if one.verdict == "approved" and one.head == self.head)
            given = tuple(Approval(one.by, one.head) for one in said)
        return tuple(Seen(one.by, one.head, self._proof(one)) for one in given)

    def _proof(self, one: Approval) -> Proof:
        if one.by.lower() in self.signed:
            return "signed"
        if self.host:
            return "host"
        return "compared" if self.request else "attested"


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests that are in this repository: a mirror holds all, a plain clone none."""

    forge: EmbeddedForge
    tips: Mapping[int, str]

    @property
    def are_here(self) -> bool:
        """Whether merges can be compared with them."""
        return bool(self.tips)

    def find(self, number: int) -> Request | Fault | None:
        """The request; None where no request is here, and a fault where others are and this one is not."""
        if not self.are_here:
            return None
        try:
            return self.forge.get(number)
        except NotFound:
            return Fault("trailer", f"it says request {number}, and there is no such request")
        except BadRepository as error:
            return Fault("trailer", f"it says request {number}, whose steps do not read: {error.what}")


def attested(
    commit: CommitInfo, trailers: Trailers, base: Snapshot, requests: Requests, at: datetime, signers: bytes | None
) -> Attested:
    """What a commit with the trailer `Request` says, compared with whatever is there to compare it with.

    `signers` are allowed instead of those of `base`; a signature has to be allowed at the time `at`.
    """
    number = trailers.request or 0
    found = requests.find(number)
    request = found if isinstance(found, Request) else None
    signed, notes = _signed(commit, number, base.signers if signers is None else signers, at)
    said = Attested(commit, trailers, number, request, signed, (), notes)
    faults = [found] if isinstance(found, Fault) else []
    faults += [Fault("trailer", what) for what in (*_of_itself(said), *_of_request(said))]
    return Attested(commit, trailers, number, request, signed, tuple(faults), notes)


def attested_by_host(
    commit: CommitInfo, trailers: Trailers, base: Snapshot, word: Attestation, at: datetime, signers: bytes | None
) -> Attested:
    """What a host said of the request that landed as a commit, compared with what the commit says itself.

    The reviews are the host's; trailers need not be there, and are at fault where they say something else.
    """
    signed, notes = _signed(commit, word.number, base.signers if signers is None else signers, at)
    said = Attested(commit, trailers, word.number, word.request(), signed, (), notes, word.host)
    return replace(said, faults=tuple(Fault("trailer", what) for what in (*_of_host(said), *_of_request(said))))


def _of_host(said: Attested) -> Iterator[str]:
    """Where the host's word does not fit the commit."""
    if said.trailers.request not in (None, said.number):
        yield f"it says request {said.trailers.request}, and {said.host} says that it came by {said.number}"
    if said.request is not None and said.request.head != said.head:
        yield f"{said.host} says that {said.request.head[:10]} was merged, and it merges {said.head[:10]}"


def may_speak(word: Attestation, said: Host, *, requests_are_here: bool) -> bool:
    """Whether a registry of this policy had a host that could say such a thing.

    Where requests are kept in the repository, the ledger is the word of whoever pushed it, and a request's own chain
    is the better one.
    """
    if said.kind == "embedded" or (not said.kind and requests_are_here):
        return False
    named = urlsplit(said.url).netloc.lower()
    # the API of a host may go by a name of its own: api.github.com
    return not named or word.host.lower().removeprefix("api.") == named.removeprefix("api.")


def with_owners_of(people: People, word: Attestation | None) -> People:
    """The people, and the owners that only the host knew; whom people.yaml knows, it alone speaks of."""
    known = {} if word is None else word.owners
    more = tuple(
        Team.model_construct(name=owner[1:], members=members)
        for owner, members in known.items()
        if owner.startswith("@") and people.emails_of(owner) is None
    )
    return People.model_construct(people=people.people, teams=(*people.teams, *more)) if more else people


def _signed(
    commit: CommitInfo, number: int, signers: bytes | None, at: datetime
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Whose signatures hold, and what is wrong with the others."""
    good: set[str] = set()
    notes: list[str] = []
    head = commit.parents[1] if len(commit.parents) == 2 else ""
    if len(commit.mergetags) > MOST_TAGS:
        notes.append(f"carries {len(commit.mergetags):,} signatures, of which the first {MOST_TAGS} are looked at")
    for text in commit.mergetags[:MOST_TAGS]:
        tag = read_tag(text)
        by = tag.tagger.email if tag else ""
        if signers is None:
            notes.append(f"carries a signature of {by or 'nobody'}, and there is no file of allowed signers")
        elif reason := tag_fault(text, number, by, head, signers, at):
            notes.append(f"carries a signature that is not good: {reason}")
        else:
            good.add(by.lower())
    return frozenset(good), tuple(notes)


def _of_itself(said: Attested) -> Iterator[str]:
    """What does not fit together in the commit alone."""
    if not said.head:
        yield f"it says request {said.number}, and is no merge of it"
        return
    if not said.trailers.requested_by:
        yield f"it says request {said.number}, and not who asked for it"
    for one in said.trailers.approved_by:
        if one.head != said.head:
            yield f"{one.by} approved {one.head[:10]}, and {said.head[:10]} was merged"


def _of_request(said: Attested) -> Iterator[str]:
    """Where the commit says something else than the request."""
    request = said.request
    if request is None:
        return
    if request.merged_as != said.commit.oid:
        yield f"it says request {said.number}, which did not land as this commit"
    if (said.trailers.requested_by or not said.host) and said.trailers.requested_by.lower() != request.author.lower():
        yield f"it says that {said.trailers.requested_by or 'nobody'} asked for it, and {request.author} did"
    if said.trailers.break_glass and request.broken is None:
        yield f"it says that the glass was broken, and request {said.number} does not"
    for one in said.trailers.approved_by:
        if not any(_is(one, review) for review in _pool(said)):
            yield f"it says that {one.by} approved {one.head[:10]}, and request {said.number} holds no such approval"


def _pool(said: Attested) -> Sequence[Reviewed]:
    """The reviews in the request that may count."""
    if said.request is None:
        return ()
    return said.request.counted_reviews if said.broken else said.request.reviews


def _is(one: Approval, review: Reviewed) -> bool:
    return (one.by.lower(), one.head, "approved") == (review.by.lower(), review.head, review.verdict)


def as_asked(commit: CommitInfo, trailers: Trailers) -> Asked | None:
    """A merge's request as its trailers tell of it, for a plan; None for a commit that names none."""
    if trailers.request is None or len(commit.parents) != 2:
        return None
    said = Attested(commit, trailers, trailers.request, None, frozenset(), ())
    tags = {tag.tagger.email.lower(): text for text in commit.mergetags if (tag := read_tag(text))}
    reviews = tuple(r.model_copy(update={"tag": tags.get(r.by.lower(), "")}) for r in _reviews(said))
    return Asked(said.number, said.ask.title, said.author, said.head, reviews, broken=said.broken)


def lacking(said: Attested, asked: Sequence[Need], base: Snapshot, people: People) -> tuple[Fault, ...]:
    """What a request's agreement lacks, by the owners and the policy of `base`, and the people behind them."""
    verdict = judge(
        with_broken_glass(asked) if said.broken else asked,
        _reviews(said),
        head=said.head,
        author=said.author,
        pushers=said.request.authors if said.request else frozenset(),
        owners=base.owners,
        people=people,
        spec=base.spec,
        signed=said.signed,
    )
    return tuple(_unmet(said, ruling) for ruling in verdict.rulings if not ruling.holds)


def _reviews(said: Attested) -> tuple[Reviewed, ...]:
    """The approvals that the merge names, and every wish for changes that stood against it."""
    if said.request is None:
        return tuple(_review(one, said.commit.committer.time) for one in said.trailers.approved_by)
    if said.host:
        return tuple(_pool(said))
    given = said.trailers.approved_by
    return tuple(r for r in _pool(said) if r.verdict != "approved" or any(_is(one, r) for one in given))


def _review(one: Approval, at: datetime) -> Reviewed:
    # a trailer may say anything, and what is no address owns nothing
    return Reviewed.model_construct(at=at, by=one.by, verdict="approved", head=one.head)


def _unmet(said: Attested, ruling: Ruling) -> Fault:
    text = f"request {said.number} lacked agreement: {ruling.need.why[0]}: {ruling.unblock}"
    ignored = "; ".join(f"the approval of {one.by} does not count, it {_verb(one.reason)}" for one in ruling.ignored)
    return Fault("SD404", f"{text} ({ignored})" if ignored else text)


def _verb(reason: str) -> str:
    # `is an author of the request` speaks of the person
    return f"is by one who {reason}" if reason.startswith(("is an", "is not an")) else reason
