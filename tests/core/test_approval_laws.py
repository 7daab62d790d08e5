"""A thousand made-up requests: the verdict, what it prints and who can are held against an oracle written apart."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from specs import NOW, model, registry, version
from stagedoor.core.approval import Need, Verdict, entitled, judge, needs, who_can
from stagedoor.core.diff import diff
from stagedoor.core.owners import Dialect, OwnersFile, parse
from stagedoor.core.policy import Approvals, Gate, Owners, RegistrySpec, Stage
from stagedoor.core.requests import Reviewed
from stagedoor.core.spec import People, Person, Team
from stagedoor.core.views.verdicts import verdict_lines

HEAD, OLD = "b" * 40, "a" * 40
CROWD = tuple(f"p{number}@example.com" for number in range(6))
STAGES = ("None", "Staging", "Production", "Canary", "Archived")
GLOBS = {"all": ("/registry_spec/models/*.yaml", "registry_spec/models/[a-z]*.yaml"),
         "fraud": ("/registry_spec/models/fraud.yaml", "registry_spec/models/fraud.yaml"),
         "other": ("/registry_spec/models/wind.yaml", "registry_spec/models/wind.yaml")}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A line of CODEOWNERS as the oracle knows it: no pattern has to be read."""

    glob: str
    stage: str | None
    owners: tuple[str, ...]
    section: str | None = None
    required: int = 1
    optional: bool = False


@dataclass(frozen=True)
class Case:
    """One made-up request with its policy."""

    dialect: Dialect
    rows: tuple[Row, ...]
    teams: dict[str, tuple[str, ...]]
    was: str
    now: str
    stages: tuple[Stage, ...]
    gate: Gate
    author: str
    pusher: str
    lenient: bool
    reviews: tuple[Reviewed, ...]
    signed: frozenset[str]

    @property
    def text(self) -> str:
        """CODEOWNERS, as the forge of the dialect writes it."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        section: str | None = None
        for row in self.rows:
            if row.section != section:
                section = row.section
                yield f"{'^' if row.optional else ''}[{section}]{f'[{row.required}]' if row.required > 1 else ''}"
            pattern = GLOBS[row.glob][self.dialect == "gitea"] + (f"/@{row.stage}" if row.stage else "")
            yield " ".join([pattern, *row.owners])

    @property
    def owners(self) -> OwnersFile:
        """The file, read."""
        return parse(self.text, dialect=self.dialect)

    @property
    def people(self) -> People:
        """Everybody by a login, and the teams."""
        people = tuple(Person(email=who, login=who.partition("@")[0]) for who in CROWD)
        return People(people=people, teams=tuple(Team(name=name, members=who) for name, who in self.teams.items()))

    @property
    def spec(self) -> RegistrySpec:
        """The policy."""
        return RegistrySpec(stages=self.stages, gates=(self.gate,), owners=Owners(author_may_approve=self.lenient))

    @property
    def asked(self) -> tuple[Need, ...]:
        """What the request needs."""
        before = registry(model("fraud", version(1, self.was)))
        return needs(diff(before, registry(model("fraud", version(1, self.now)))), (), self.spec)

    def judged(self, reviews: Sequence[Reviewed], signed: frozenset[str]) -> Verdict:
        """The verdict under test."""
        return judge(
            self.asked, reviews, head=HEAD, author=self.author, pushers=frozenset({self.pusher}), signed=signed,
            owners=self.owners, people=self.people, spec=self.spec,
        )  # fmt: skip


def made_up(seed: int) -> Case:
    """A request out of a number; the same one each time."""
    dice = random.Random(seed)
    dialect: Dialect = dice.choice(("github", "gitlab", "gitea"))
    teams = {name: tuple(dice.sample(CROWD, dice.randint(0, 3))) for name in ("ml/a", "ml/b", "ml/c")}
    names = [*(f"@{who.partition('@')[0]}" for who in CROWD), *(f"@{team}" for team in teams), "@ghosts"]
    was, now = dice.sample(STAGES, 2)
    asks = {"approvals": dice.choice((1, 1, 2)), "teams": dice.choice((1, 1, 1, 2)), "signed": dice.random() < 0.15}
    approvals = Approvals(
        count=dice.choice((1, 1, 2, 3)), teams=dice.choice((1, 1, 2)), signed=dice.random() < 0.1,
        by=tuple(dice.sample(names, dice.choice((0, 0, 1, 2)))),
    )  # fmt: skip
    return Case(
        dialect,
        tuple(_rows(dice, dialect, names)),
        teams,
        was,
        now,
        tuple(Stage(name=name, **(asks if name == "Production" else {})) for name in STAGES),
        Gate(name="some", stages=tuple(dice.sample(STAGES, 2)), approvals=dice.choice((None, approvals))),
        dice.choice(CROWD),
        dice.choice(CROWD),
        dice.random() < 0.1,
        tuple(_reviews(dice)),
        frozenset(dice.sample(CROWD, 3)),
    )


def _rows(dice: random.Random, dialect: Dialect, names: list[str]) -> Iterator[Row]:
    parts: list[tuple[str | None, int, bool]] = [(None, 1, False)]
    if dialect == "gitlab":
        some = dice.randint(0, 2)
        parts += [(f"S{n}", dice.choice((1, 1, 2)), dice.random() < 0.3) for n in range(some)]
    for section, required, optional in parts:
        kinds = [(glob, stage) for glob in GLOBS for stage in (None, None, "Staging", "Production", "Manage", "Canary")]
        for glob, stage in dict.fromkeys(dice.sample(kinds, dice.randint(1, 5))):
            count = dice.randint(1 if dialect != "github" else 0, 3)
            owners = tuple(dice.sample(names, count))
            yield Row(glob, stage, owners, section, 1 if optional else required, optional)


def _reviews(dice: random.Random) -> Iterator[Reviewed]:
    for _ in range(dice.randint(0, 7)):
        who = dice.choice(CROWD)
        verdict = "approved" if dice.random() < 0.85 else "changes_requested"
        head = HEAD if dice.random() < 0.85 else OLD
        yield Reviewed(at=NOW, by=dice.choice((who, who.title())), verdict=verdict, head=head)


# --- the oracle -----------------------------------------------------------------------------------------------------

LADDER = (None, "Staging", "Production", "Manage")


def behind(case: Case, name: str) -> set[str]:
    """The people whom a name of CODEOWNERS means."""
    if name[1:] in case.teams:
        return set(case.teams[name[1:]])
    return {who for who in CROWD if who.startswith(name[1:] + "@")}


def counting(case: Case, suffix: str | None) -> tuple[list[Row], bool]:
    """The rows that count for a right of fraud, and whether they are stage rows."""
    blocks: dict[object, list[Row]] = {}
    for number, row in enumerate(case.rows):
        key = {"github": 0, "gitlab": row.section, "gitea": number}[case.dialect]
        if row.glob != "other" and row.stage in (None, suffix):
            blocks.setdefault(key, []).append(row)
    last = [rows[-1] for rows in blocks.values()]
    own = [row for row in last if row.stage]
    return (own, True) if own else (last, False)


def named(rows: list[Row]) -> list[str]:
    rows = [row for row in rows if not row.optional] or rows
    return [owner for row in rows for owner in row.owners]


def oracle_rules(case: Case, right: str) -> tuple[list[tuple[set[str], int]], list[str]]:
    """The sets of people that each have to give so many approvals, and everybody who is named."""
    rows, is_own = counting(case, right)
    if right == "Canary" and not is_own:
        rows, _ = counting(case, None)
        higher: tuple[str | None, ...] = LADDER[1:]
    else:
        higher = LADDER[2:] if right == "Canary" else LADDER[LADDER.index(right) + 1 :]
    above = [name for one in higher for found in [counting(case, one)] if found[1] for name in named(found[0])]
    everybody = [*named(rows), *above]
    if not everybody:
        return [], []
    sections = [row for row in rows if row.owners and not row.optional]
    if case.dialect != "gitlab" or not any(row.section for row in sections):
        return [({who for name in everybody for who in behind(case, name)}, 1)], everybody
    return [({w for n in [*row.owners, *above] for w in behind(case, n)}, row.required) for row in sections], everybody


def oracle_rights(case: Case) -> set[str]:
    moved = {case.was, case.now}
    own = {"Canary"} & moved
    if "Production" in moved:
        return own | {"Production"}
    return own if own and moved == {"Canary", "None"} else own | {"Staging"}


def oracle_asks(case: Case) -> list[tuple[int, int, tuple[str, ...], bool]]:
    asks: list[tuple[int, int, tuple[str, ...], bool]] = [
        (s.approvals, s.teams, (), s.signed) for s in case.stages if s.name in (case.was, case.now)
    ]
    gate = case.gate.approvals
    if gate and case.now in case.gate.stages:
        asks.append((gate.count, gate.teams, gate.by, gate.signed))
    return asks


def different(choices: list[set[str]], wanted: int) -> bool:
    """Whether `wanted` of them can be given different names, by trying everything."""
    if wanted == 0:
        return True
    if not choices:
        return False
    first, *rest = choices
    if different(rest, wanted):
        return True
    return any(different([other - {name} for other in rest], wanted - 1) for name in first)


def oracle_need(case: Case, right: str, reviews: Sequence[Reviewed], signed: frozenset[str]) -> bool:
    """Whether people have agreed to one right, thought out again from the rules as the docs tell them."""
    rules, everybody = oracle_rules(case, right)
    asks = oracle_asks(case)
    by = [name for ask in asks for name in ask[2]]
    able = {who for name in [*everybody, *by] for who in behind(case, name)}
    wrote = set() if case.lenient else {case.author, case.pusher}
    last = {review.by.lower(): review for review in reviews}
    counted = [w for w, r in last.items() if w in able and r.head == HEAD and w not in wrote]
    if not rules or any(last[who].verdict != "approved" for who in counted):
        return False
    if any(ask[3] for ask in asks):
        counted = [who for who in counted if who in signed]
    for people, required in rules:
        if len(people & set(counted)) < required:
            return False
    for count, teams, groups, _ in asks:
        owners = {who for name in [*everybody, *groups] for who in behind(case, name)}
        given = [who for who in counted if who in owners]
        spoken: list[set[str]] = []
        for who in given:
            names = {name for name in [*everybody, *groups] if who in behind(case, name)}
            spoken.append({name if name[1:] in case.teams else who for name in names})
        each = [{name for name in groups if who in behind(case, name)} for who in given]
        if len(given) < count or not different(spoken, teams) or not different(each, len(groups)):
            return False
    return True


def oracle_direct(case: Case, who: str) -> bool:
    for right in oracle_rights(case):
        rules, _ = oracle_rules(case, right)
        if not rules or any(who not in people or required > 1 for people, required in rules):
            return False
    return all(ask == (1, 1, (), False) for ask in oracle_asks(case))


# --- the laws -------------------------------------------------------------------------------------------------------

CASES = [pytest.param(range(start, start + 100), id=f"{start}-{start + 99}") for start in range(0, 1_000, 100)]


@pytest.mark.parametrize("seeds", CASES)
def test_the_verdict_is_the_oracles_and_what_prints_is_what_decides(seeds: range) -> None:
    for case in map(made_up, seeds):
        found = case.judged(case.reviews, case.signed)
        assert {ruling.need.title.rpartition("@")[2] for ruling in found.rulings} == oracle_rights(case), case
        for ruling in found.rulings:
            right = ruling.need.title.rpartition("@")[2]
            assert ruling.holds == oracle_need(case, right, case.reviews, case.signed), (right, case.text, case)
            assert ruling.holds == (ruling.unblock == "")
        printed = "\n".join(verdict_lines(found))
        assert found.holds == ("needs: " not in printed) == ("[ ]" not in printed), printed


@pytest.mark.parametrize("seeds", CASES)
def test_whoever_can_approve_is_counted_and_nobody_else(seeds: range) -> None:
    for case in map(made_up, seeds):
        case = replace(case, pusher=case.author)
        can = who_can(case.asked, owners=case.owners, people=case.people, spec=case.spec, author=case.author)
        for who in CROWD:
            fresh = (Reviewed(at=NOW, by=who, verdict="approved", head=HEAD),)
            counted = case.judged(fresh, frozenset({who}))
            for listed, ruling in zip(can.rulings, counted.rulings, strict=True):
                assert (who in listed.holders) == (who in ruling.approved_by), (who, case.text, case)
            given = {"owners": case.owners, "people": case.people, "spec": case.spec}
            direct = entitled(case.asked, who, **given) is None  # type: ignore[arg-type]
            assert direct == (who in can.directly) == oracle_direct(case, who), (who, case.text, case)


@pytest.mark.parametrize("seeds", CASES)
def test_the_people_named_are_enough_or_nobody_would_be(seeds: range) -> None:
    for case in map(made_up, seeds):
        everybody = frozenset(CROWD)
        given = case.reviews
        for _ in range(3):
            waiting = case.judged(given, everybody).waiting_for
            given = (*given, *(Reviewed(at=NOW, by=who, verdict="approved", head=HEAD) for who in waiting))
        all_agree = (*given, *(Reviewed(at=NOW, by=who, verdict="approved", head=HEAD) for who in CROWD))
        assert case.judged(given, everybody).holds == case.judged(all_agree, everybody).holds, (case.text, case)


def test_the_made_up_requests_are_of_every_kind() -> None:
    """The laws would hold of a thousand requests that nobody can ever agree to."""
    cases = [made_up(seed) for seed in range(1_000)]
    held = [case for case in cases if case.judged(case.reviews, case.signed).holds]
    assert 100 < len(held) < 900
    assert {case.dialect for case in held} == {"github", "gitlab", "gitea"}
    rulings = [ruling for case in held for ruling in case.judged(case.reviews, case.signed).rulings]
    assert any(len(ruling.rules) > 1 for ruling in rulings)
    assert any(count.ask.teams > 1 for ruling in rulings for count in ruling.counts)
    assert any(count.ask.by for ruling in rulings for count in ruling.counts)
    assert any(count.ask.signed for ruling in rulings for count in ruling.counts)
