"""What a file that does not read is told: in plain words, with file, line and column."""

from __future__ import annotations

import pytest

from specs import FRAUD, model, version
from stagedoor.core.policy import RegistrySpec
from stagedoor.core.reading import MOST_FAULTS, edited, formatted, read_as, text_of
from stagedoor.core.spec import People, RegisteredModel, Value
from stagedoor.errors import BadSpec

HEAD = (
    "name: fraud\nid: 0123456789abcdef0123456789abcdef\ncreated: {at: 2026-11-24T10:15:00.123Z, by: ann@example.com}\n"
)
VERSION = "versions:\n- version: 1\n  source: s3://x\n  created: {at: 2026-11-24T10:15:00Z, by: ann@example.com}\n"


def refused(kind: type[Value], text: str) -> list[str]:
    """`line:column what; fix` of every fault."""
    with pytest.raises(BadSpec) as caught:
        read_as(kind, text.encode(), "f.yaml")
    said = []
    for one in (caught.value, *caught.value.also):
        assert one.where is not None and one.where.startswith("f.yaml:")
        said.append(f"{one.where.removeprefix('f.yaml:')} {one.what}" + (f"; {one.fix}" if one.fix else ""))
    return said


def test_the_least_that_reads() -> None:
    assert read_as(RegisteredModel, HEAD.encode(), "f.yaml").versions == ()
    assert read_as(RegistrySpec, b"name: models\n", "f.yaml") == RegistrySpec()
    assert read_as(People, b"people: []\n", "f.yaml") == People()


def test_an_unknown_key_names_the_nearest_one_and_points_at_the_key() -> None:
    assert refused(RegisteredModel, HEAD + "tgas: {}\n") == ["4:1 unknown key tgas; did you mean tags?"]
    assert refused(RegisteredModel, HEAD + VERSION + "  metrisc: {}\n") == [
        "8:3 unknown key metrisc; did you mean metrics?"
    ]
    assert refused(RegistrySpec, "stages: [{name: None, form: []}]\n") == ["1:23 unknown key form; did you mean from?"]


def test_an_unknown_key_without_a_near_one_lists_those_there_are() -> None:
    assert refused(RegisteredModel, HEAD.replace("by:", "xyz: 1, by:")) == [
        "3:41 unknown key xyz; known keys here: at, by"
    ]


def test_a_missing_key_is_named() -> None:
    assert refused(RegisteredModel, "name: fraud\n") == [
        "1:1 id is missing; add id",
        "1:1 created is missing; add created",
    ]
    assert refused(RegisteredModel, HEAD + "versions:\n- version: 1\n  source: x\n") == [
        "5:3 versions[0].created is missing; add created"
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("apiVersion: v2", "4:13 apiVersion is 'v2'; use stagedoor/v1"),
        ("kind: Model", "4:7 kind is 'Model'; use RegisteredModel"),
        ("tags: [a]", "4:7 tags is a list, and a mapping of keys and values is wanted"),
        ("tags: x", "4:7 tags is 'x', and a mapping of keys and values is wanted"),
        ("tags: {a: [b]}", "4:11 tags.a is a list, and text is wanted"),
        ("versions: {a: b}", "4:11 versions is a mapping, and a list is wanted"),
        ("versions: [3]", "4:12 versions[0] is '3', and a mapping of keys and values is wanted"),
        ("description: {a: b}", "4:14 description is a mapping, and text is wanted"),
        ("last_version: -1", "4:15 last_version is '-1', and 0 or more is wanted"),
        ("last_version: 1_0", "4:15 last_version is '1_0', and a whole number in decimal digits is wanted"),
        ("last_version: 0x1", "4:15 last_version is '0x1', and a whole number in decimal digits is wanted"),
        ("last_version: 2147483648", "4:15 last_version is '2147483648', and 2147483647 or less is wanted"),
        ("last_version: []", "4:15 last_version is an empty list, and a whole number is wanted"),
        ("aliases: {a: 0}", "4:14 aliases.a is '0', and 1 or more is wanted"),
        ("aliases: {a: 1.5}", "4:14 aliases.a is '1.5', and a whole number in decimal digits is wanted"),
    ],
)
def test_a_value_of_the_wrong_kind_is_shown_with_what_is_wanted(line: str, said: str) -> None:
    assert refused(RegisteredModel, f"{HEAD}{line}\n") == [said]


def test_a_number_of_many_digits_is_cut_in_the_refusal() -> None:
    (said,) = refused(RegisteredModel, HEAD + f"last_version: {'9' * 5_000}\n")
    assert said.endswith("9..., and a number of at most 18 digits is wanted") and len(said) < 150


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("metrics: {rmse: .nan}", "versions[0].metrics.rmse is '.nan', and a number such as 412.7 or 1e-3 is wanted"),
        ("metrics: {rmse: .inf}", "versions[0].metrics.rmse is '.inf', and a number such as 412.7 or 1e-3 is wanted"),
        ("metrics: {rmse: 1e999}", "versions[0].metrics.rmse is '1e999', and a number that is finite is wanted"),
        ("metrics: {rmse: }", "versions[0].metrics.rmse is empty, and a number is wanted"),
        ("metrics: [1]", "versions[0].metrics is a list, and a mapping of keys and values is wanted"),
        ("run: x", "versions[0].run is 'x', and a mapping of keys and values is wanted"),
        ("data: [{digest: x}]", "versions[0].data[0].name is missing; add name"),
        ("signature: {inputs: [{type: x, required: yes}]}",
         "versions[0].signature.inputs[0].required is 'yes', and true or false is wanted"),
        ("stage: ", "versions[0].stage is empty, and text is wanted"),
        ("flavors: x", "versions[0].flavors is 'x', and a list is wanted"),
    ],
)  # fmt: skip
def test_a_fault_of_a_version_says_which(line: str, said: str) -> None:
    assert [one.partition(" ")[2] for one in refused(RegisteredModel, f"{HEAD}{VERSION}  {line}\n")] == [said]


@pytest.mark.parametrize("number", ["0", "-3"])
def test_a_version_number_begins_at_one(number: str) -> None:
    said = refused(RegisteredModel, HEAD + VERSION.replace("version: 1", f"version: {number}"))
    assert said == [f"5:12 versions[0].version is '{number}', and 1 or more is wanted"]


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ("yesterday", "a time such as 2026-11-24T10:15:00.123Z is wanted"),
        ("2026-11-24", "a time such as 2026-11-24T10:15:00.123Z is wanted"),
        ("2026-11-24T10:15:00", "a time such as 2026-11-24T10:15:00.123Z is wanted"),
        ("2026-13-45T10:15:00Z", "there is no such time in the calendar"),
        ("0001-01-01T00:00:00+23:59", "there is no such time in the calendar"),
        ("9999-12-31T23:59:59-23:59", "there is no such time in the calendar"),
        ("٢٠٢٦-11-24T10:15:00Z", "a time such as 2026-11-24T10:15:00.123Z is wanted"),
    ],
)
def test_a_time_that_is_none_is_refused(time: str, said: str) -> None:
    assert refused(RegisteredModel, HEAD.replace("2026-11-24T10:15:00.123Z", f"'{time}'")) == [
        f"3:15 created.at is {time!r}, and {said}"
    ]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-11-24T10:15:00Z", "2026-11-24T10:15:00.000Z"),
        ("2026-11-24T10:15:00.123999Z", "2026-11-24T10:15:00.123Z"),
        ("2026-11-24T10:15:00.1+01:00", "2026-11-24T09:15:00.100Z"),
    ],
)
def test_a_time_is_kept_in_utc_to_the_millisecond(written: str, kept: str) -> None:
    value = read_as(RegisteredModel, HEAD.replace("2026-11-24T10:15:00.123Z", written).encode(), "f.yaml")
    assert f"at: '{kept}'" in text_of(value, FRAUD)


@pytest.mark.parametrize("address", ["ann", "ann@", "@example.com", "a b@example.com", "a<b@example.com", "a@b@c"])
def test_an_address_that_git_could_not_write_is_refused(address: str) -> None:
    assert refused(RegisteredModel, HEAD.replace("ann@example.com", f"'{address}'")) == [
        f"3:45 created.by is {address!r}, and an e-mail address such as ann@example.com is wanted"
    ]


def test_an_id_is_hexadecimal() -> None:
    assert refused(RegisteredModel, HEAD.replace("0123456789abcdef0123456789abcdef", "WIND")) == [
        "2:5 id is 'WIND', and a text of 32 hexadecimal digits in lower case is wanted"
    ]


def test_all_faults_of_a_file_are_told() -> None:
    assert refused(RegisteredModel, "nmae: fraud\nid: x\ncreated: {at: now, by: ann}\n") == [
        "1:1 name is missing; add name",
        "2:5 id is 'x', and a text of 32 hexadecimal digits in lower case is wanted",
        "3:15 created.at is 'now', and a time such as 2026-11-24T10:15:00.123Z is wanted",
        "3:24 created.by is 'ann', and an e-mail address such as ann@example.com is wanted",
        "1:1 unknown key nmae; did you mean name?",
    ]


def test_a_file_of_nothing_but_faults_is_refused_in_a_moment() -> None:
    said = refused(RegisteredModel, "".join(f"key{number}: x\n" for number in range(20_000)))
    assert len(said) == MOST_FAULTS


def test_a_key_of_a_megabyte_is_cut() -> None:
    assert max(map(len, refused(RegisteredModel, f"{HEAD}? {'x' * 900_000}\n: 1\n"))) < 400


# --- registry.yaml and people.yaml ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stages: [{name: None}, {name: Archived}, {name: none}]",
         ["1:49 the stage none is there twice, or differs only by case"]),
        ("stages: [{name: Production}]",
         ["1:9 the stage None is missing, and every registry has it",
          "1:9 the stage Archived is missing, and every registry has it"]),
        ("stages: [{name: None}, {name: Archived, from: [Gone]}]",
         ["1:48 stage Archived may be entered from Gone, which is not a stage"]),
        ("stages: [{name: None}, {name: Archived}, {name: Manage}]",
         ["1:49 the stage Manage is called like a right, and CODEOWNERS could not tell the two apart"]),
        ("stages: [{name: None}, {name: Archived}, {name: 'Live '}]",
         ["1:49 the stage 'Live ' has space at an end, or a character that does not show"]),
        ("stages: [{name: a/b}]", ["1:17 stages[0].name is 'a/b', and a name without / : . @ and # is wanted"]),
        ("stages: [{name: }]", ["1:17 stages[0].name is empty, and text is wanted"]),
        ("stages: [{name: a, approvals: 0}]", ["1:31 stages[0].approvals is '0', and 1 or more is wanted"]),
        ("gates: [{name: g, stages: [Live]}, {name: g}]",
         ["1:43 the gate g is there twice", "1:28 gate g names Live, which is not a stage"]),
        ("notifications: {routes: [{name: a, to: [x]}, {name: a, to: [x]}]}",
         ["1:53 the notification route a is there twice"]),
        ("notifications: {routes: [{name: a, to: []}]}",
         ["1:40 notifications.routes[0].to is an empty list, and one with something in it is wanted"]),
        ("layout: deep", ["1:9 layout is 'deep'; use flat or letter"]),
        ("direct: [fly]",
         ["1:10 direct[0] is 'fly'; use register, describe, tag, alias, attach, transition, delete, rename, webhook "
          "or quarantine"]),
        ("requests: {prefix: refs/heads/}",
         ["1:20 requests.prefix is 'refs/heads/', and refs/pull/ or refs/stagedoor/pull/ is wanted"]),
    ],
)  # fmt: skip
def test_a_policy_that_does_not_hold_together_is_refused(text: str, said: list[str]) -> None:
    assert refused(RegistrySpec, text + "\n") == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("teams: [{name: a}, {name: A}]", "1:27 the team A is there twice"),
        ("people: [{email: a@x.org}, {email: A@x.org}]", "1:36 A@x.org is there twice"),
        ("teams: [{name: 'a b'}]", "1:16 teams[0].name is 'a b', and a name without spaces and @ is wanted"),
        ("teams: [{name: a, members: [bob]}]",
         "1:29 teams[0].members[0] is 'bob', and an e-mail address such as ann@example.com is wanted"),
    ],
)  # fmt: skip
def test_people_who_could_be_mistaken_are_refused(text: str, said: str) -> None:
    assert refused(People, text + "\n") == [said]


@pytest.mark.parametrize("kind", [RegisteredModel, RegistrySpec, People])
def test_no_word_of_the_library_reaches_a_person(kind: type[Value]) -> None:
    keys = [field.alias or name for name, field in kind.model_fields.items()]
    for value in ("[[x]]", "{a: {b: c}}", "", "-1", "x", "[{}]", "[1, {name: [], to: 3, stages: {}, email: 1}]"):
        try:
            read_as(kind, "".join(f"{key}: {value}\n" for key in keys).encode(), "f.yaml")
        except BadSpec as error:
            said = " ".join(one.what for one in (error, *error.also)).lower()
            assert not any(word in said for word in ("input", "should", "value_error", "valid ", "pydantic", "tuple"))


# --- back to text ---------------------------------------------------------------------------------------------------


def test_a_new_file_is_canonical_and_names_its_schema() -> None:
    text = text_of(model("fraud", version(1, tags={"n": "1", "yes": "no"}, metrics={"rmse": 412.7})), FRAUD)
    assert text.startswith(
        "# yaml-language-server: $schema=../schemas/RegisteredModel.json\napiVersion: stagedoor/v1\n"
    )
    assert formatted(text.encode(), FRAUD) == text


def test_an_edit_touches_the_lines_it_has_to() -> None:
    before = model("fraud", version(1, "Staging"), version(2))
    text = text_of(before, FRAUD).replace("- version: 2", "# the good one\n- version: 2")
    after = before.model_copy(update={"versions": (before.versions[0], version(2, "Production"))})
    made = edited(text, before, after)
    assert made == text.replace("version: 2\n  stage: None", "version: 2\n  stage: Production")
    assert read_as(RegisteredModel, made.encode(), FRAUD) == after


@pytest.mark.parametrize(
    ("text", "said"),
    [("name: x\n", "the file has no kind"), ("kind: Odd\n", "kind is 'Odd'"), ("kind: [a]\n", "kind is a list")],
)
def test_a_file_of_no_kind_is_not_formatted(text: str, said: str) -> None:
    with pytest.raises(BadSpec) as caught:
        formatted(text.encode(), "f.yaml")
    assert (caught.value.what, caught.value.fix) == (
        said,
        "use one of: RegisteredModel, Registry, People, Waiver, Quarantine, StageFile, Webhooks",
    )
