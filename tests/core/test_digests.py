"""A digest as text."""

from __future__ import annotations

import hashlib

import pytest

from stagedoor.core.digests import Digest, Foreign, is_fit, parse, tree
from stagedoor.core.views.plain import sized

HEX = "ab" * 32


def test_a_digest_is_read_in_either_case_and_written_in_lower_case() -> None:
    assert parse(f" SHA256:{HEX.upper()} ") == Digest("sha256", HEX)
    assert str(parse(f"sha256-tree:{HEX}")) == f"sha256-tree:{HEX}"


@pytest.mark.parametrize("text", [HEX, "sha256:ab", f"md5:{HEX}", f"sha256:{HEX}0", f"sha256:{'g' * 64}", "", "auto"])
def test_what_cannot_be_recomputed_is_kept_as_it_is(text: str) -> None:
    assert parse(text) == Foreign(text)


def test_a_file_and_a_folder_never_have_the_same_digest() -> None:
    assert parse(f"sha256:{HEX}") != parse(f"sha256-tree:{HEX}")


def test_a_tree_is_the_digest_of_the_lines_in_the_order_of_their_bytes() -> None:
    lines = f"{HEX}  Z\n{HEX}  a/b\n{HEX}  \u00e4\n".encode()
    files = [("\u00e4".encode(), HEX), (b"a/b", HEX), (b"Z", HEX)]
    assert tree(files) == Digest("sha256-tree", hashlib.sha256(lines).hexdigest())


@pytest.mark.parametrize("name", [b"a\nb", b"a\\b", b"a\r"])
def test_a_name_that_sha256sum_would_write_differently_does_not_fit(name: bytes) -> None:
    assert not is_fit(name)
    assert is_fit(b"a b")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (12_400_000, "12.4 MB"), (999_999, "1.0 MB"),
     (5 * 10**12, "5.0 TB"), (3 * 10**15, "3,000.0 TB")],
)  # fmt: skip
def test_sizes_read_as_people_write_them(count: int, text: str) -> None:
    assert sized(count) == text
