"""The verdict on a change: who could agree to each need, who did, what does not count, and what would unblock it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stagedoor.core.approval.counting import Count, Voice, approvals_line
from stagedoor.core.approval.needs import Ask, Need
from stagedoor.core.owners import Holding, Line, OwnersFile, holding_of, owners_of
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.requests import Reviewed
from stagedoor.core.spec import People


@dataclass(frozen=True, slots=True)
class Ignored:
    """A review that does not count, and why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What CODEOWNERS asks for: on GitLab a section, on GitHub and Gitea all the lines that count, together."""

    lines: tuple[int, ...]
    section: str | None
    owners: tuple[str, ...]
    required: int
    holders: tuple[str, ...]
    approved_by: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """How many approvals are still to come."""
        return max(0, self.required - len(self.approved_by))

    @property
    def holds(self) -> bool:
        """Whether enough of its owners have agreed."""
        return not self.missing

    @property
    def left(self) -> tuple[str, ...]:
        """Who may agree and has not."""
        return tuple(who for who in self.holders if who not in self.approved_by)

    @property
    def unblock(self) -> str:
        """What would meet it, in one line; empty when it is met."""
        if self.holds:
            return ""
        if not self.holders:
            return f"none of {', '.join(self.owners)} may approve this: add an owner, or let an author approve"
        said = approvals_line(self.required, self.missing, self.left)
        return f"{said} for section {self.section}" if self.section else said


@dataclass(frozen=True, slots=True)
class Ruling:
    """One need and how it stands: who could agree, who did, what does not count, what is missing."""

    need: Need
    line: int | None
    owners: tuple[str, ...]
    holders: tuple[str, ...]
    rules: tuple[Rule, ...]
    counts: tuple[Count, ...]
    approved_by: tuple[str, ...]
    ignored: tuple[Ignored, ...]
    blocked_by: tuple[str, ...]

    @property
    def parts(self) -> tuple[Rule | Count, ...]:
        """Everything that asks for agreement: the rules of CODEOWNERS, then stages and gates."""
        return (*self.rules, *self.counts)

    @property
    def missing(self) -> int:
        """How many people it takes yet, at least."""
        return max((part.missing for part in self.parts), default=self.need.approvals)

    @property
    def unmet(self) -> tuple[Rule | Count, ...]:
        """The rules and the counts that do not hold."""
        return tuple(part for part in self.parts if not part.holds)

    @property
    def holds(self) -> bool:
        """Whether this need is met."""
        return bool(self.rules) and not self.unmet and not self.blocked_by

    @property
    def unblock(self) -> str:
        """What would meet it, in one line; empty when it is met."""
        if self.holds:
            return ""
        if not self.rules:
            return f"nobody owns {self.need.title}: add a line for it to CODEOWNERS"
        if self.blocked_by:
            return f"{', '.join(self.blocked_by)} asked for changes: push a new head, or let them approve"
        stuck = [part.unblock for part in self.unmet if isinstance(part, Rule) and not part.holders]
        # where a stage or a gate asks the same people for more, their rule adds nothing
        counted = {frozenset(part.left) for part in self.unmet if isinstance(part, Count)}
        said = (p.unblock for p in self.unmet if isinstance(p, Count) or frozenset(p.left) not in counted)
        return "; ".join(dict.fromkeys(stuck or said))

    @property
    def helpful(self) -> tuple[str, ...]:
        """Whose approval brings it nearer, by name."""
        found = set(self.blocked_by)
        for part in self.unmet:
            found.update(part.left if isinstance(part, Rule) else part.helpful)
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether people have agreed to a change, and the ruling on every need behind it."""

    rulings: tuple[Ruling, ...]

    @property
    def holds(self) -> bool:
        """Whether every need is met."""
        return all(ruling.holds for ruling in self.rulings)

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Everybody whose approval could still help, by name."""
        waiting = {(id(one.rules), id(one.counts)): one for one in self.rulings if not one.holds}
        return tuple(sorted({who for ruling in waiting.values() for who in ruling.helpful}))


def holders_of(need: Need, owners: OwnersFile, people: People) -> tuple[str, ...]:
    """The addresses of those who own what a need asks for."""
    return _emails(_held(need, owners).owners, people)


def _held(need: Need, owners: OwnersFile) -> Holding:
    """Who has the right, and those who may agree just as well."""
    held = holding_of(owners, need.path, need.right)
    more = [name for path, right in need.also for name in owners_of(owners, path, right)]
    return Holding(held.right, (*held.above, *more)) if more else held


def _emails(names: Iterable[str], people: People) -> tuple[str, ...]:
    return tuple(sorted({email for owner in names for email in people.emails_of(owner) or ()}))


def voices(people: People) -> Callable[[str], str]:
    """Who speaks by an address: people of people.yaml who share a login are one person with several addresses."""
    heads: dict[str, str] = {}

    def head(name: str) -> str:
        while heads.get(name, name) != name:
            above = heads[name]
            heads[name] = heads.get(above, above)
            name = above
        return name

    for person in people.people:
        for login in person.logins():
            # a login has no @ in front here, so it cannot be taken for an address
            first, second = sorted((head(person.email.lower()), head(f"@{login}")), key=lambda n: n.startswith("@"))
            heads[second] = first
    return lambda email: head(email.lower())


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every need is judged with."""

    reviews: tuple[Reviewed, ...]
    head: str
    involved: frozenset[str]
    owners: OwnersFile
    people: People
    signed: frozenset[str]
    voice: Callable[[str], str]

    def may(self, emails: Iterable[str]) -> tuple[str, ...]:
        """Those who may agree: whoever made the change does not."""
        return tuple(who for who in emails if self.voice(who) not in self.involved)


def judge(
    asked: Sequence[Need],
    reviews: Sequence[Reviewed],
    *,
    head: str,
    author: str,
    owners: OwnersFile,
    people: People,
    spec: RegistrySpec,
    pushers: frozenset[str] = frozenset(),
    signed: frozenset[str] = frozenset(),
) -> Verdict:
    """The verdict on a request. `owners`, `people` and `spec` are those of the base, never of the proposed head.

    A review counts when it is about `head`, and by somebody who owns what it is needed for, or whom a gate names. That
    of the author, and of the `pushers` who put more into the request, counts only where the registry lets an author
    approve. `signed` are those whose approval bears a signature that was verified.
    """
    voice = voices(people)
    wrote = frozenset(voice(who) for who in (author, *pushers))
    involved = frozenset() if spec.owners.author_may_approve else wrote
    # one person is one voice, and the last word counts
    newest = tuple({voice(review.by): review for review in reviews}.values())
    bench = _Bench(newest, head, involved, owners, people, frozenset(map(str.lower, signed)), voice)
    sittings: dict[object, _Sitting] = {}
    return Verdict(tuple(_ruling(need, bench, sittings) for need in asked))


@dataclass(frozen=True, slots=True)
class _Sitting:
    """What people said about everything that the same owners and the same asks decide."""

    holders: tuple[str, ...]
    rules: tuple[Rule, ...]
    counts: tuple[Count, ...]
    approved: tuple[str, ...]
    ignored: tuple[Ignored, ...]
    blocked: tuple[str, ...]


def _ruling(need: Need, bench: _Bench, sittings: dict[object, _Sitting]) -> Ruling:
    held = _held(need, bench.owners)
    lines = held.right.lines
    key = (lines, held.above, need.asks)
    # a request that moves a thousand models is mostly decided by a few lines
    if key not in sittings:
        sittings[key] = _sitting(held, need.asks, bench)
    found = sittings[key]
    return Ruling(
        need, lines[-1].number if lines else None, held.owners, found.holders, rules=found.rules, counts=found.counts,
        approved_by=found.approved, ignored=found.ignored, blocked_by=found.blocked,
    )  # fmt: skip


def _sitting(held: Holding, asks: tuple[Ask, ...], bench: _Bench) -> _Sitting:
    rules = rules_of(held, bench.people)
    named = [name for ask in asks for name in ask.by]
    able = frozenset(_emails([*held.owners, *named], bench.people)) if rules else frozenset()
    signed = any(ask.signed for ask in asks)
    approved, blocked, ignored = [], [], []
    for review in bench.reviews:
        who = review.by.lower()
        if reason := _does_not_count(review, who, able, signed, bench):
            if review.verdict == "approved":
                ignored.append(Ignored(who, reason))
        elif review.verdict == "approved":
            approved.append(who)
        else:
            blocked.append(who)
    return _Sitting(
        bench.may(sorted(able)),
        tuple(_counted(rule, approved, bench) for rule in rules),
        tuple(_count(ask, held, approved, bench) for ask in asks) if rules else (),
        tuple(approved), tuple(ignored), tuple(blocked),
    )  # fmt: skip


def _does_not_count(review: Reviewed, who: str, able: frozenset[str], signed: bool, bench: _Bench) -> str | None:
    if who not in able:
        return "is not an owner"
    if review.head != bench.head:
        return f"saw {review.head[:10]}, and the head is {bench.head[:10]} by now"
    if bench.voice(who) in bench.involved:
        return "is an author of the request"
    if signed and review.verdict == "approved" and who not in bench.signed:
        return "is not signed"
    return None


def rules_of(held: Holding, people: People) -> tuple[Rule, ...]:
    """What CODEOWNERS asks for. Nothing at all where nobody is named: that is refused, and never agreed to by itself.

    GitLab asks an owner of every section: https://docs.gitlab.com/user/project/codeowners/reference/#sections. A
    section is one rule with a count of its own; an optional one counts only where nothing else speaks, and a line
    without owners asks nobody. Whoever has an explicit higher right counts for every rule of the lower one.
    """
    if not held.owners:
        return ()
    asking = tuple(line for line in held.right.lines if line.owners and not line.optional)
    if any(line.section for line in asking):
        return tuple(_section(line, held, people) for line in asking)
    numbers = tuple(line.number for line in asking or held.right.lines)
    return (Rule(numbers, None, held.owners, 1, _emails(held.owners, people)),)


def _section(line: Line, held: Holding, people: People) -> Rule:
    holders = _emails([*line.owners, *held.above], people)
    return Rule((line.number,), line.section, line.owners, line.required, holders)


def _counted(rule: Rule, approved: Sequence[str], bench: _Bench) -> Rule:
    given = tuple(who for who in approved if who in rule.holders)
    return Rule(rule.lines, rule.section, rule.owners, rule.required, bench.may(rule.holders), given)


def _count(ask: Ask, held: Holding, approved: Sequence[str], bench: _Bench) -> Count:
    may = bench.may(_emails([*held.owners, *ask.by], bench.people))
    teams = _teams([*held.owners, *ask.by], bench.people)
    groups = [(name, bench.people.emails_of(name) or frozenset()) for name in ask.by]
    able = tuple(Voice(who, _spoken(who, teams), _spoken(who, groups)) for who in may)
    return Count(ask, able, tuple(who for who in approved if who in may))


def _teams(names: Iterable[str], people: People) -> list[tuple[str, frozenset[str]]]:
    """The teams among owners, each with its people. Whoever is an owner by an own name is a team of their own."""
    teams = {f"@{team.name.lower()}" for team in people.teams}
    found: dict[str, frozenset[str]] = {}
    for name in names:
        behind = people.emails_of(name) or frozenset()
        found |= {name.lower(): behind} if name.lower() in teams else {one: frozenset({one}) for one in behind}
    return list(found.items())


def _spoken(who: str, named: Iterable[tuple[str, frozenset[str]]]) -> frozenset[str]:
    return frozenset(name for name, behind in named if who in behind)


# --- the direct lane ------------------------------------------------------------------------------------------------


def entitled(
    asked: Sequence[Need], actor: str, *, owners: OwnersFile, people: People, spec: RegistrySpec
) -> str | None:
    """Why the actor may not write this change straight to main, or None if they may."""
    for need in asked:
        if reason := _not_owned(need, actor.lower(), owners, people) or _by_request(need, spec):
            return f"{need.why[0]}: {reason}"
    return None


def _not_owned(need: Need, actor: str, owners: OwnersFile, people: People) -> str | None:
    rules = rules_of(_held(need, owners), people)
    if not rules:
        return f"{need.title} is owned by nobody"
    for rule in rules:
        if actor not in rule.holders:
            section = f" for section {rule.section}" if rule.section else ""
            return f"{need.title} is owned by {', '.join(rule.owners)}{section}"
        if rule.required > 1:
            return f"CODEOWNERS asks for {rule.required} approvals, so it goes by a request"
    return None


def _by_request(need: Need, spec: RegistrySpec) -> str | None:
    gates = [ask.source for ask in need.asks if ask.source.startswith("gate ")]
    if gates:
        return f"{gates[0]} asks for approvals, so it goes by a request"
    if not need.direct:
        return "this stage is entered and left by a request"
    if any(verb is None or verb not in spec.direct for verb in need.verbs):
        return "this registry takes it by a request only"
    return None
