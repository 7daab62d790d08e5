"""Digests of files and folders on this machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from stagedoor.artifacts.answers import Absent, Digested, Found, Unfit, Unreachable
from stagedoor.artifacts.digest import Reach, digest_of, is_on_disk

SHELL = r"find -L . -type f | sed 's#^\./##' | LC_ALL=C sort | xargs -d '\n' sha256sum -- | sha256sum"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder as MLflow leaves it."""
    folder = tmp_path / "model"
    (folder / "env").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 20_000)  # several chunks
    (folder / "env/conda.yaml").write_text("name: x\n")
    return folder


def of(path: Path) -> Found:
    return digest_of(str(path), Reach())


def digest(path: Path) -> str:
    found = of(path)
    assert isinstance(found, Digested), found
    return str(found.digest)


def in_the_shell(folder: Path) -> str:
    done = subprocess.run(["bash", "-c", SHELL], cwd=folder, capture_output=True, text=True, check=True)
    return f"sha256-tree:{done.stdout.split()[0]}"


def test_a_file_has_the_digest_that_sha256sum_prints(model: Path) -> None:
    done = subprocess.run(["sha256sum", model / "weights.bin"], capture_output=True, text=True, check=True)
    assert digest(model / "weights.bin") == f"sha256:{done.stdout.split()[0]}"


def test_a_folder_has_the_digest_of_the_line_of_shell_in_the_docs(model: Path) -> None:
    for name in ("B", "a", "a.b", "a b", "-x", "\u00e4", "env.yaml", "'quoted'"):
        (model / name).write_text(name)
    (model / "empty").touch()
    (model / "a-folder").mkdir()
    (model / "link").symlink_to("MLmodel")
    assert digest(model) == in_the_shell(model)
    docs = Path(__file__).parents[2] / "docs/artifacts.md"
    assert SHELL in docs.read_text()


def test_names_that_are_not_utf8_count_by_their_bytes(model: Path) -> None:
    Path(os.fsdecode(os.fsencode(model) + b"/\xff\xfe")).write_text("x")
    assert digest(model) == in_the_shell(model)


def test_files_and_bytes_are_counted_and_progress_is_told(model: Path) -> None:
    told: list[tuple[int, int | None]] = []
    found = digest_of(str(model), Reach(), lambda done, total: told.append((done, total)))
    size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    assert isinstance(found, Digested) and (found.files, found.size) == (3, size)
    assert told[-1] == (size, size) and len(told) > 3


def test_one_flipped_byte_gives_another_digest(model: Path) -> None:
    before = digest(model)
    raw = bytearray((model / "weights.bin").read_bytes())
    raw[3_000_000] ^= 1
    (model / "weights.bin").write_bytes(raw)
    assert digest(model) != before


def test_an_added_a_removed_and_a_renamed_file_give_other_digests(model: Path) -> None:
    seen = {digest(model)}
    (model / "extra").touch()
    seen.add(digest(model))
    (model / "extra").rename(model / "other")
    seen.add(digest(model))
    (model / "MLmodel").unlink()
    seen.add(digest(model))
    assert len(seen) == 4


def test_the_folder_s_own_name_and_place_do_not_count(model: Path, tmp_path: Path) -> None:
    before = digest(model)
    model.rename(tmp_path / "elsewhere")
    assert digest(tmp_path / "elsewhere") == before


def test_a_link_to_the_artifact_itself_is_followed(model: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(model)
    assert digest(tmp_path / "latest") == digest(model)


@pytest.mark.parametrize(
    ("target", "said"),
    [("/etc/passwd", "leads out of the folder"), ("../secret", "leads out of the folder"),
     ("nothing", "leads nowhere"), ("link", "leads nowhere"), ("env", "leads to a folder"), (".", "leads to a folder")],
)  # fmt: skip
def test_a_link_that_does_not_lead_to_a_file_of_the_folder_is_refused(model: Path, target: str, said: str) -> None:
    (model.parent / "secret").write_text("x")
    (model / "link").symlink_to(target)
    found = of(model)
    assert isinstance(found, Unfit) and said in found.reason and "link" in found.reason


def test_a_pipe_is_refused_and_not_waited_for(model: Path) -> None:
    os.mkfifo(model / "pipe")
    assert isinstance(of(model), Unfit)
    assert isinstance(of(model / "pipe"), Unfit)
    assert isinstance(of(Path("/dev/null")), Unfit)


@pytest.mark.parametrize("name", ["a\nb", "a\\b"])
def test_a_name_with_a_line_break_or_a_backslash_is_refused(model: Path, name: str) -> None:
    (model / name).touch()
    assert of(model) == Unfit(f"{model / name} has a line break or a backslash in its name")


def test_a_folder_without_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    assert of(tmp_path / "a") == Unfit(f"{tmp_path / 'a'} holds no file")


def test_what_is_not_there_is_absent(tmp_path: Path) -> None:
    assert of(tmp_path / "no") == Absent(f"{tmp_path / 'no'} is not there")
    (tmp_path / "file").touch()
    assert isinstance(of(tmp_path / "file/below"), Absent)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_unreachable(model: Path) -> None:
    (model / "MLmodel").chmod(0)
    assert isinstance(of(model), Unreachable)


def test_a_relative_path_starts_at_the_base(model: Path) -> None:
    assert digest_of("model", Reach(model.parent)) == of(model)
    assert is_on_disk("model", model.parent) and not is_on_disk("model", model)


def test_a_file_uri_names_the_same_file(model: Path) -> None:
    odd = model.rename(model.parent / "a model? \u00e4%")
    assert digest_of(odd.as_uri(), Reach()) == of(odd)
    assert digest_of(f"file:{odd.as_uri().removeprefix('file://')}", Reach()) == of(odd)
    assert digest_of(odd.as_uri().replace("file://", "file://localhost"), Reach()) == of(odd)


def test_an_empty_file_has_a_digest(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert digest(tmp_path / "empty") == f"sha256:{hashlib.sha256().hexdigest()}"
