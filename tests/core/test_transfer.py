"""Listings of other registries: what is news, and where two differ."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from specs import ANN, NOW, model, version
from stagedoor.core.transfer import ListedModel, ListedVersion, as_evidence, compare, listed, news, taken

TEXT = st.text(max_size=5)
STAGES = st.sampled_from(["None", "Staging", "Production"])


@st.composite
def listings(draw: st.DrawFn) -> ListedModel:
    """A model with some versions, some of them gone."""
    numbers = sorted(draw(st.sets(st.integers(1, 9), max_size=4)))
    tags = st.dictionaries(st.sampled_from("abc"), TEXT, max_size=2)
    versions = tuple(
        ListedVersion(n, draw(TEXT), NOW, draw(STAGES), draw(TEXT), draw(tags), draw(TEXT)) for n in numbers
    )
    aliases = {alias: draw(st.sampled_from(numbers)) for alias in ("x", "y") if numbers}
    return ListedModel("fraud", NOW, draw(TEXT), draw(tags), aliases, ANN, versions)


@given(listings())
def test_a_listing_does_not_differ_from_itself(one: ListedModel) -> None:
    assert list(compare(one, one)) == []


@given(listings(), listings())
def test_a_difference_reads_the_same_from_both_sides(here: ListedModel, there: ListedModel) -> None:
    back = [replace(one, here=one.there, there=one.here) for one in compare(there, here)]
    assert list(compare(here, there)) == back


@given(listings())
def test_what_is_taken_over_does_not_differ(one: ListedModel) -> None:
    assert list(compare(listed(taken(one, "0" * 32, lambda user: user or ANN)), one)) == []


@given(listings())
def test_what_is_taken_over_twice_is_no_news(one: ListedModel) -> None:
    mine = taken(one, "0" * 32, lambda _: ANN)
    assert news(mine, mine).is_empty


def test_a_number_that_was_given_here_is_never_given_again() -> None:
    mine = model("fraud", version(1), version(2)).model_copy(update={"last_version": 3})
    other = model("fraud", version(1), version(2, source="s3://elsewhere"), version(3), version(4), aliases={"a": 3})
    found = news(mine, other)
    assert [one.version for one in found.versions] == [4]
    assert (found.lost, found.aliases) == ((2, 3), {})


def test_a_person_whom_nobody_knows_is_kept_beside_who_took_over() -> None:
    one = ListedModel("fraud", NOW, versions=(ListedVersion(1, "s3://1", NOW, user="hal"),))
    [made] = taken(one, "0" * 32, lambda _: ANN).versions
    assert made.run is not None
    assert (made.created.by, made.run.user) == (ANN, "hal")


@given(listings())
def test_the_same_words_are_the_same_evidence(one: ListedModel) -> None:
    assert as_evidence(one, "x") == as_evidence(replace(one), "x")
