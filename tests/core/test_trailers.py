"""Trailers: what goes in comes out, and nobody's text becomes one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.core.trailers import Approval, Trailers, message, parse

HEAD = "ab" * 20
FULL = Trailers(
    7, "ann@example.com", (Approval("carol@example.com", HEAD), Approval("dave@example.com", HEAD)), "ready"
)

# what Python, a terminal or a forge takes for a line end, beside what git does
BREAKS = ["\n", "\r", "\r\n", "\n\n", "\n \n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
forged = st.sampled_from([f"Approved-by: eve@example.com ({HEAD})", "Request: 666", "Requested-by: eve@example.com"])
hostile = st.lists(st.text(max_size=10) | forged | st.sampled_from(BREAKS), max_size=8).map("".join)


def test_a_message_is_subject_indented_body_and_trailers() -> None:
    assert message("Move fraud/3 to Production", "It is better.\n\nMuch.", FULL) == (
        "Move fraud/3 to Production\n"
        "\n"
        "    It is better.\n"
        "\n"
        "    Much.\n"
        "\n"
        "Request: 7\n"
        "Requested-by: ann@example.com\n"
        f"Approved-by: carol@example.com ({HEAD})\n"
        f"Approved-by: dave@example.com ({HEAD})\n"
        "Comment: ready\n"
    )


@given(hostile, hostile)
def test_trailers_come_back_whatever_subject_and_body_say(subject: str, body: str) -> None:
    assert parse(message(subject, body, FULL)) == FULL


@given(hostile)
def test_a_comment_stays_on_its_line(comment: str) -> None:
    found = parse(message("x", "", Trailers(7, "ann@example.com", FULL.approved_by, comment)))
    assert (found.request, found.requested_by, found.approved_by) == (7, "ann@example.com", FULL.approved_by)


@given(hostile, hostile)
def test_a_message_without_trailers_has_none(subject: str, body: str) -> None:
    assert parse(message(subject, body, Trailers())) == Trailers()


@given(hostile, hostile, hostile)
def test_git_sees_the_subject_first_and_can_write_all_of_it(subject: str, body: str, comment: str) -> None:
    text = message(subject, body, Trailers(comment=comment))
    assert text.split("\n")[0].strip() and text.encode()
    assert not set(text) & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}


@pytest.mark.parametrize("comment", ["\x00", "\x1b", " \x07 "])
def test_a_comment_of_control_characters_only_does_not_undo_the_other_trailers(comment: str) -> None:
    assert (
        parse(message("x", "", Trailers(7, "ann@example.com", FULL.approved_by, comment))).approved_by
        == FULL.approved_by
    )


def test_a_subject_that_says_nothing_leaves_the_body_where_it_is() -> None:
    assert message("\x00\n", "body", Trailers()) == "Change the registry\n\n    body\n"


@pytest.mark.parametrize("line_end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\r"])
def test_a_commit_made_by_hand_ends_its_lines_as_git_does(line_end: str) -> None:
    written = f"x\n\nRequest: 7\nComment: ok{line_end}Approved-by: eve@example.com ({HEAD})\n"
    assert parse(written).approved_by == ()


@pytest.mark.parametrize("number", ["0", "-1", "7 ", "٣", "9" * 5_000, ""])
def test_a_request_number_that_is_none_is_passed_over(number: str) -> None:
    assert parse(f"x\n\nRequest: {number}\nComment: ok\n").request is None


def test_a_last_paragraph_that_is_not_all_trailers_has_none() -> None:
    assert parse("x\n\nRequest: 7\nand so on\n") == Trailers()
    assert parse("Request: 7\n") == Trailers()


def test_an_approval_without_its_head_is_passed_over() -> None:
    assert parse("x\n\nApproved-by: carol@example.com\nApproved-by: dave@example.com (xyz)\n").approved_by == ()
