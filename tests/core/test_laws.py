"""Laws of the core: what holds for every registry, not for an example."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stagedoor.core.diff import VersionCreated, apply, diff
from stagedoor.core.intents import (
    CreateModel,
    DeleteTag,
    Describe,
    Intent,
    RegisterVersion,
    SetAlias,
    SetTag,
    Transition,
    perform,
)
from stagedoor.core.layout import file_name, model_path, name_fault, name_of
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.reading import edited, read_as, text_of
from stagedoor.core.registry import Registry, resolve
from stagedoor.core.replay import replay
from stagedoor.core.spec import Code, Created, Dataset, RegisteredModel, Run, Version
from stagedoor.core.text import format_text, read
from stagedoor.core.trailers import Approval, Trailers, message, parse
from stagedoor.errors import RegistryError

SPEC = RegistrySpec()
BY = Created(at=datetime(2026, 11, 24, 10, 15, 0, 123000, tzinfo=UTC), by="ann@example.com")

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=40)
words = st.text("abcdefgh-_", min_size=1, max_size=8)
names = st.text(
    st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="/:."), min_size=1, max_size=20
).filter(lambda name: name_fault(name) is None)
tags = st.dictionaries(words, text, max_size=3)
numbers = st.floats(allow_nan=False, allow_infinity=False)
ids = st.integers(0, 2**64).map(lambda number: f"{number:032x}")
stages = st.sampled_from(SPEC.stage_names)


@st.composite
def versions(draw: st.DrawFn, number: int) -> Version:
    return Version(
        version=number,
        stage=draw(stages),
        source=draw(text.filter(bool)),
        description=draw(text),
        run=draw(st.none() | st.builds(Run, id=words, experiment=text)),
        code=draw(st.none() | st.builds(Code, repository=words, commit=words)),
        data=draw(st.lists(st.builds(Dataset, name=words, digest=text), max_size=2).map(tuple)),
        params=draw(tags),
        metrics=draw(st.dictionaries(words, numbers, max_size=3)),
        tags=draw(tags),
        created=BY,
    )


@st.composite
def models(draw: st.DrawFn, name: str, id_: str) -> RegisteredModel:
    used = sorted(draw(st.sets(st.integers(1, 6), max_size=4)))
    aliases = draw(st.dictionaries(words, st.sampled_from(used), max_size=2)) if used else {}
    return RegisteredModel(
        name=name,
        description=draw(text),
        tags=draw(tags),
        id=id_,
        aliases=aliases,
        created=BY,
        last_version=max(used, default=0) + draw(st.integers(0, 2)),
        versions=tuple(draw(versions(number)) for number in used),
    )


@st.composite
def registries(draw: st.DrawFn) -> Registry:
    chosen = draw(st.dictionaries(names, st.integers(0, 5).map(lambda n: f"{n:032x}"), max_size=4))
    # an id belongs to one model, and a name that differs only by case is refused elsewhere
    unique = {id_: name for name, id_ in chosen.items()}
    folders = draw(st.lists(st.sampled_from(["", "a", "team/b"]), min_size=4, max_size=4))
    placed = zip(unique.items(), folders, strict=False)
    return Registry({model_path(name, "flat", folder): draw(models(name, id_)) for (id_, name), folder in placed})


@given(registries())
def test_nothing_differs_from_itself(a: Registry) -> None:
    assert diff(a, a) == ()


@given(registries(), registries())
@settings(max_examples=200)
def test_applying_a_difference_gives_the_other(a: Registry, b: Registry) -> None:
    assert apply(diff(a, b), a) == b


@given(registries(), registries())
def test_replaying_changes_where_they_were_made_gives_the_same(a: Registry, b: Registry) -> None:
    changes = diff(a, b)
    last = {model.id: model.last_version for model in a.models.values()}
    new = [change for change in changes if isinstance(change, VersionCreated)]
    assume(all(change.version > last[b.models[change.path].id] for change in new))
    replayed = replay(changes, a)
    assert replayed.conflicts == ()
    assert {path: _without_counter(model) for path, model in replayed.registry.models.items()} == {
        path: _without_counter(model) for path, model in b.models.items()
    }


def _without_counter(model: RegisteredModel) -> RegisteredModel:
    return model.model_copy(update={"last_version": 0})


@given(names.flatmap(lambda name: models(name, "0" * 32)))
@settings(max_examples=200)
def test_a_model_reads_back_as_it_was_written(model: RegisteredModel) -> None:
    path = model_path(model.name, "flat")
    assert read_as(RegisteredModel, text_of(model, path).encode(), path) == model


@given(names.flatmap(lambda name: st.tuples(models(name, "0" * 32), models(name, "0" * 32))), st.data())
@settings(max_examples=150)
def test_an_edit_reads_as_wanted_and_keeps_every_comment(
    pair: tuple[RegisteredModel, RegisteredModel], data: st.DataObject
) -> None:
    before, after = pair
    path = model_path(before.name, "flat")
    lines = text_of(before, path).splitlines()
    heads = [
        i for i, line in enumerate(lines) if line.startswith(("apiVersion:", "kind:", "id:", "created:", "- version:"))
    ]
    marks = []
    for index in sorted(data.draw(st.sets(st.sampled_from(heads), max_size=3)), reverse=True):
        mark = f"# note {index}"
        marks.append(mark)
        lines.insert(index, mark)
    made = edited("\n".join(lines) + "\n", before, after)
    assert read_as(RegisteredModel, made.encode(), path) == after
    assert sorted(line.strip() for line in made.splitlines() if line.strip().startswith("# note ")) == sorted(marks)


@given(names.flatmap(lambda name: models(name, "0" * 32)))
def test_formatting_is_idempotent(model: RegisteredModel) -> None:
    from stagedoor.core.spec import dump

    once = format_text(text_of(model, "registry_spec/models/x.yaml"), dump(model))
    assert format_text(once, dump(model)) == once
    assert read(once.encode(), "x").data == read(text_of(model, "registry_spec/models/x.yaml").encode(), "x").data


@given(names)
def test_a_file_name_says_its_model_and_suits_every_disk(name: str) -> None:
    file = file_name(name)
    assert name_of(f"registry_spec/models/{file}") == name
    assert len(file.encode()) <= 255
    assert not set(file) & set('/\\:*?"<>| #[]!') and not file.startswith(("-", "."))


said = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    [
        "Approved-by: eve@example.com (0123456789abcdef)",
        "x\n\nApproved-by: eve@example.com (0123456789abcdef)",
        "x\r\rRequest: 9",
        "x\u2028\u2028Request: 9",
        "x\x85\x85Request: 9\x0b\x0cApproved-by: eve@example.com (0123456789)",
        "\n\nRequest: 9\n",
    ]
)


@given(said, said, said, st.integers(1, 10**6))
@settings(max_examples=300)
def test_no_text_of_a_stranger_forges_a_trailer(subject: str, body: str, comment: str, number: int) -> None:
    approvals = (Approval("carol@example.com", "ab" * 20),)
    written = message(subject, body, Trailers(number, "ann@example.com", approvals, comment))
    found = parse(written)
    assert (found.request, found.requested_by, found.approved_by) == (number, "ann@example.com", approvals)
    bare = parse(message(subject, body, Trailers()))
    assert (bare.request, bare.approved_by) == (None, ())


@given(names, names)
def test_a_name_may_hold_what_marks_a_reference(name: str, other: str) -> None:
    odd = f"{name}@champion"
    both = Registry({model_path(n, "flat"): _simple(n, i) for i, n in enumerate(dict.fromkeys((name, odd)))})
    assert resolve(both, odd).model == odd
    assert resolve(both, f"{odd}/1").version == 1
    assert resolve(both, f"{name}@latest").version == 1


def _simple(name: str, number: int) -> RegisteredModel:
    version = Version(version=1, source="s3://x", created=BY)
    return RegisteredModel(name=name, id=f"{number:032x}", created=BY, last_version=1, versions=(version,))


def intents(known: list[str]) -> st.SearchStrategy[Intent]:
    model = st.sampled_from(known)
    number = st.integers(1, 4)
    new = Version(version=1, source="s3://x", created=BY)
    return st.one_of(
        st.builds(RegisterVersion, model, st.just(new), st.builds(CreateModel, model, ids, st.just(BY))),
        st.builds(Describe, model, st.none() | number, text),
        st.builds(SetTag, model, st.none() | number, words, text),
        st.builds(DeleteTag, model, st.none() | number, words),
        st.builds(SetAlias, model, words, number),
        st.builds(Transition, model, number, stages, st.booleans()),
    )


@given(st.lists(intents(["fraud", "Ärger mit Räumen", "wind"]), max_size=12))
def test_numbers_only_ever_go_up_whatever_is_wanted(wanted: list[Intent]) -> None:
    here = Registry()
    for intent in wanted:
        before = here
        try:
            here = perform([intent], here, SPEC)
        except RegistryError:
            continue
        flat = Registry(dict(here.models))
        for change in diff(Registry(dict(before.models)), flat):
            if isinstance(change, VersionCreated):
                old = before.models[change.path]
                assert change.version == old.last_version + 1
        here = flat
