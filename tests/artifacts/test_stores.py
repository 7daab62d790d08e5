"""Digests of what fsspec opens, with its store in memory."""

from __future__ import annotations

import importlib.util
import uuid
from pathlib import Path
from typing import Any

import fsspec
import pytest

from stagedoor.artifacts.answers import Absent, Digested, Unfit, Unreachable
from stagedoor.artifacts.digest import Reach, digest_of

FILES = {"MLmodel": b"flavors\n", "env/conda.yaml": b"name: x\n", "weights.bin": b"\0" * 3_000_000}


@pytest.fixture
def url() -> str:
    """A folder of its own in memory."""
    root = f"memory://{uuid.uuid4().hex}/model"
    for name, raw in FILES.items():
        put(f"{root}/{name}", raw)
    return root


def put(url: str, raw: bytes) -> None:
    with fsspec.open(url, "wb") as file:
        file.write(raw)


def test_a_folder_has_the_same_digest_in_a_store_as_on_disk(url: str, tmp_path: Path) -> None:
    for name, raw in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(raw)
    found = digest_of(url, Reach())
    assert isinstance(found, Digested) and found.files == 3
    assert found == digest_of(str(tmp_path), Reach())
    assert digest_of(f"{url}/", Reach()) == found


def test_a_file_has_the_same_digest_in_a_store_as_on_disk(url: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(FILES["weights.bin"])
    assert digest_of(f"{url}/weights.bin", Reach()) == digest_of(str(tmp_path / "x"), Reach())


def test_one_flipped_byte_in_a_store_gives_another_digest(url: str) -> None:
    before = digest_of(url, Reach())
    put(f"{url}/weights.bin", b"\0" * 2_999_999 + b"\1")
    assert digest_of(url, Reach()) != before


def test_what_is_not_in_a_store_is_absent(url: str) -> None:
    assert digest_of(f"{url}/no", Reach()) == Absent(f"{url}/no is not there")


def test_an_empty_folder_of_a_store_is_refused() -> None:
    root = f"memory://{uuid.uuid4().hex}"
    fsspec.filesystem("memory").mkdir(root)
    assert digest_of(root, Reach()) == Unfit(f"{root} holds no file")


def test_a_name_with_a_line_break_is_refused_in_a_store_too(url: str) -> None:
    put(f"{url}/a\nb", b"x")
    assert isinstance(digest_of(url, Reach()), Unfit)


def test_a_protocol_whose_package_is_not_installed_is_unreachable() -> None:
    if importlib.util.find_spec("adlfs"):
        pytest.skip("adlfs is installed")
    found = digest_of("abfs://container/x", Reach())
    assert isinstance(found, Unreachable) and "needs a package that is not installed" in found.reason


def test_a_store_that_fails_in_its_own_way_is_unreachable(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class OutOfOrder(Exception):
        pass

    def fail(*_: Any, **__: Any) -> None:
        raise OutOfOrder("come back later")

    monkeypatch.setattr(fsspec.filesystem("memory"), "isfile", fail)
    assert digest_of(url, Reach()) == Unreachable(f"{url} does not open: OutOfOrder: come back later")
