"""Which sources are opened at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from stagedoor.artifacts.answers import Unreachable
from stagedoor.artifacts.digest import Reach, digest_of
from stagedoor.artifacts.places import InStore, Nowhere, OnDisk, OnWeb, place_of

HERE = Path("/here")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("model", OnDisk(Path("/here/model"))),
        ("/models/power", OnDisk(Path("/models/power"))),
        ("file:///models/a%20b", OnDisk(Path("/models/a b"))),
        ("FILE:///x", OnDisk(Path("/x"))),
        ("https://example.com/x", OnWeb("https://example.com/x")),
        ("s3://bucket/x", InStore("s3://bucket/x", "s3")),
    ],
)
def test_a_source_names_one_place(source: str, place: object) -> None:
    assert place_of(source, HERE) == place


@pytest.mark.parametrize(
    "source",
    [
        "filecache::s3://bucket/x", "simplecache::file:///etc/passwd", "zip://a::file:///x.zip", "s3://a::file:///x",
        "github://org:repo@main/x", "ssh://host/x", "sftp://host/x", "jupyter://host/x", "ftp://host/x", "data:,x",
        "git://x", "dbfs:/models/x", "reference://x", "python:os", "smb://h/x", "s3:/x", "C:\\models",
        "file://server/share", "file:relative", "file:///a%00b", "file://[", "a\0b", "",
    ],
)  # fmt: skip
def test_nothing_else_is_opened(source: str) -> None:
    assert isinstance(place_of(source, HERE), Nowhere)
    assert isinstance(digest_of(source, Reach()), Unreachable)


@pytest.mark.parametrize("source", ["runs:/9f/model", "models:/power/3", "mlflow-artifacts:/1/2/artifacts"])
def test_what_mlflow_alone_can_find_is_said_to_be_so(source: str) -> None:
    place = place_of(source, HERE)
    assert isinstance(place, Nowhere) and "MLflow alone knows" in place.reason
