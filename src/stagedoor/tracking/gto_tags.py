"""Registries that GTO keeps in git tags: each artifact with its versions and stages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stagedoor.core.spec import NO_STAGE, to_milliseconds
from stagedoor.core.transfer import ListedModel, ListedVersion
from stagedoor.errors import BadInput, Unavailable


def models(directory: Path) -> Iterator[ListedModel]:
    """The artifacts of a repository, by name. Their versions are numbered in the order they were registered.

    A version's tag `gto.version` keeps what GTO calls it; its source is the artifact's path at that commit.
    https://dvc.org/doc/gto
    """
    for name, artifact in sorted(_artifacts(directory).items()):
        yield _model(directory, name, artifact)


def _artifacts(directory: Path) -> Mapping[str, Any]:
    try:
        from gto.exceptions import GTOException
        from gto.registry import GitRegistry
    except ImportError as error:
        raise Unavailable(f"GTO is not installed: {error}", fix="pip install 'stagedoor[gto]'") from error
    if not directory.is_dir():
        raise BadInput(f"{directory} is no folder", fix="name a repository with GTO's tags")
    try:
        with GitRegistry.from_url(str(directory)) as registry:
            return dict(registry.get_artifacts())
    except (GTOException, OSError, ValueError) as error:
        raise BadInput(f"GTO cannot read {directory}: {error}", fix="name a repository with GTO's tags") from error


def _model(directory: Path, name: str, artifact: Any) -> ListedModel:
    # a version that was taken back keeps its number, so that the others have the same ones the next time
    known = sorted((one for one in artifact.versions if one.registrations), key=_age)
    stages = artifact.get_vstages(registered_only=True).items()
    holders = {stage: [held.version for held in held_by] for stage, held_by in stages}
    versions = tuple(
        _version(directory, one, number, sorted(stage for stage, held in holders.items() if one.version in held))
        for number, one in enumerate(known, start=1)
        if one.is_active
    )
    at = min((version.at for version in versions), default=datetime.fromtimestamp(0, UTC))
    return ListedModel(name, at, user=versions[0].user if versions else "", versions=versions)


def _age(version: Any) -> tuple[datetime, tuple[int, ...]]:
    numbers = tuple(int(part) for part in re.findall(r"[0-9]{1,9}", version.version))
    return _aware(version.registrations[0].created_at), numbers


def _version(directory: Path, found: Any, number: int, stages: Sequence[str]) -> ListedVersion:
    event = found.registrations[-1]
    more = {"gto.stages": ",".join(stages)} if len(stages) > 1 else {}
    newest = max(stages, key=lambda stage: _aware(found.stages[stage].activated_at), default=NO_STAGE)
    return ListedVersion(
        number=number,
        source=f"git+{directory.resolve().as_uri()}@{found.commit_hexsha}#{quote(found.artifact)}",
        at=to_milliseconds(_aware(event.created_at)),
        stage=newest,
        description=(event.message or "").strip(),
        tags={"gto.version": found.version, **more},
        user=event.author_email or "",
        commit=found.commit_hexsha,
    )


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.astimezone()
