"""Runs, logged models and registries of MLflow: the one module that asks its servers."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from stagedoor.core.mlmodel import ModelCard, read
from stagedoor.core.spec import Code, Dataset, Run, to_milliseconds
from stagedoor.errors import BadInput, NotFound, RegistryError, Unavailable

_RUN_SOURCE: Final = re.compile(r"runs:/+([^/]+)/?(.*)")
_LOGGED_SOURCE: Final = re.compile(r"models:/+(m-[^/]+)/?(.*)")
_LOGIN: Final = re.compile(r"://[^/@\s]+@")
_INSTEAD: Final = ", or go on with --no-lineage"
_MISSING: Final = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND")
# MLflow tries a server that does not answer 7 times, which takes minutes, and draws bars into a command's output
_COMMAND: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@dataclass(frozen=True, slots=True)
class Tracked:
    """What MLflow knows of where a model comes from. `location` is where its artifacts are."""

    run: Run
    location: str = ""
    code: Code | None = None
    data: tuple[Dataset, ...] = ()
    params: Mapping[str, str] | None = None
    metrics: Mapping[str, float] | None = None
    card: ModelCard = field(default_factory=ModelCard)

    def holds(self, place: str) -> bool:
        """Whether a place is among the artifacts. A source is a stranger's to write, and may lead elsewhere."""
        at = self.location.rstrip("/")
        return bool(at) and ".." not in place.split("/") and (place == at or place.startswith(f"{at}/"))

    def place_of(self, source: str) -> str:
        """Where the artifacts of a source are, as far as the run vouches for them; else nothing."""
        place = self.location if is_tracked(source) else source
        return place if self.holds(place) else ""


def is_tracked(source: str) -> bool:
    """Whether a source names a run or a logged model of MLflow."""
    return bool(_RUN_SOURCE.fullmatch(source) or _LOGGED_SOURCE.fullmatch(source))


def look_up(uri: str, source: str, run_id: str = "", model_id: str = "", *, patient: bool = False) -> Tracked:
    """The run or logged model behind a source, asked of the tracking server at `uri`.

    `NotFound` where the server has no such run, `Unavailable` where it does not answer; `patient` tries as long as
    MLflow does. https://mlflow.org/docs/latest/ml/tracking/
    """
    with asking(uri, patient=patient, instead=_INSTEAD) as client:
        of_run, of_logged = _RUN_SOURCE.fullmatch(source), _LOGGED_SOURCE.fullmatch(source)
        model_id = of_logged[1] if of_logged else model_id
        run_id = run_id or (of_run[1] if of_run else "")
        logged: Any = client.get_logged_model(model_id) if model_id and hasattr(client, "get_logged_model") else None
        run_id = run_id or (logged.source_run_id if logged is not None else "") or ""
        run = client.get_run(run_id) if run_id else None
        if logged is None and run is not None and of_run and not of_run[2].startswith(".."):
            logged = _logged_of(client, run, of_run[2])
        if run is None and logged is None:
            raise NotFound(f"{source} names no run", where=without_secrets(uri), fix="give --run-id, or --no-lineage")
        tracked = _tracked(client, uri, run, logged, of_run[2] if of_run else "")
        return _with_card(tracked, uri, source)


@contextmanager
def asking(uri: str, *, patient: bool = False, instead: str = "") -> Iterator[Any]:
    """MLflow's client of a server; what goes wrong with it is an error of ours. `instead` is how to do without."""
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise Unavailable(
            f"MLflow is not installed: {error}", fix=f"pip install 'stagedoor[mlflow]'{instead}"
        ) from error
    try:
        with _as_a_command(not patient):
            yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except MlflowException as error:
        raise _ours(error, without_secrets(uri), instead) from error
    except (OSError, ImportError, ValueError) as error:
        raise _unavailable(str(error), without_secrets(uri), instead) from error


def _ours(error: Any, uri: str, instead: str) -> RegistryError:
    said = _first_line(error.message)
    if error.error_code in _MISSING:
        return NotFound(said, where=uri, fix=f"look at what is there{instead}")
    if error.error_code == "INVALID_PARAMETER_VALUE":
        return BadInput(said, where=uri, fix="look at the address and at what is asked for")
    return _unavailable(said, uri, instead)


def _first_line(said: str) -> str:
    # MLflow's messages name addresses as they were given, passwords and all
    return _LOGIN.sub("://", said.strip().partition("\n")[0])[:500] or "no reason is given"


def _unavailable(said: str, uri: str, instead: str) -> Unavailable:
    return Unavailable(
        f"MLflow does not answer: {_first_line(said)}",
        where=uri,
        fix=f"try again when it does{instead}",
    )


@contextmanager
def _as_a_command(wanted: bool) -> Iterator[None]:
    mine = {key: value for key, value in _COMMAND.items() if wanted and key not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for key in mine:
            os.environ.pop(key, None)


def _logged_of(client: Any, run: Any, path: str) -> Any:
    """The logged model that a run calls so: since MLflow 3 a model's artifacts are not among the run's."""
    for output in getattr(getattr(run, "outputs", None), "model_outputs", None) or ():
        found = client.get_logged_model(output.model_id)
        if found.name == path:
            return found
    return None


def _tracked(client: Any, uri: str, run: Any, logged: Any, path: str) -> Tracked:
    tags = dict(run.data.tags) if run else dict(logged.tags) if logged else {}
    params = {**(run.data.params if run else {}), **(logged.params or {} if logged else {})}
    logged_metrics = {one.key: one.value for one in (logged.metrics or [])} if logged else {}
    return Tracked(
        run=_run(client, uri, run, logged, tags),
        location=logged.artifact_location if logged else f"{run.info.artifact_uri.rstrip('/')}/{path}".rstrip("/"),
        code=_code(tags),
        data=tuple(_datasets(run)) if run else (),
        params={str(key): str(value) for key, value in params.items()},
        metrics=_finite({**logged_metrics, **(run.data.metrics if run else {})}),
    )


def _run(client: Any, uri: str, run: Any, logged: Any, tags: Mapping[str, str]) -> Run:
    info = run.info if run else None
    experiment_id = info.experiment_id if info else logged.experiment_id
    experiment = ""
    with suppress(Exception):
        # a run may outlive its experiment, and its name alone is no reason to refuse
        experiment = client.get_experiment(experiment_id).name
    top = _page(uri)
    link = f"{top}/#/experiments/{experiment_id}" if top else ""
    started = info.start_time if info else logged.creation_timestamp
    return Run(
        id=info.run_id if info else "",
        name=(info.run_name if info else logged.name) or "",
        experiment=experiment,
        link=f"{link}/runs/{info.run_id}" if link and info else "",
        experiment_link=link,
        user=(info.user_id if info else "") or tags.get("mlflow.user", ""),
        started=moment(started) if started else None,
        model=logged.model_id if logged else "",
    )


def _page(uri: str) -> str:
    """Where a person looks at a server: its address without what opens it."""
    return without_secrets(uri).rstrip("/") if uri.startswith(("http://", "https://")) else ""


def without_secrets(uri: str) -> str:
    """An address without user, password and query."""
    return _LOGIN.sub("://", uri.partition("?")[0])


def _code(tags: Mapping[str, str]) -> Code | None:
    repository = without_secrets(tags.get("mlflow.source.git.repoURL", ""))
    commit = tags.get("mlflow.source.git.commit", "")
    path = tags.get("mlflow.source.name", "") or tags.get("mlflow.databricks.notebookPath", "")
    return Code(repository=repository, commit=commit, path=path) if repository or commit or path else None


def _datasets(run: Any) -> Iterator[Dataset]:
    inputs = getattr(getattr(run, "inputs", None), "dataset_inputs", None) or ()
    for one in inputs:
        yield Dataset(name=one.dataset.name or "?", digest=one.dataset.digest or "")


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    # a spec holds numbers, and MLflow keeps NaN and the infinities too
    return {str(key): float(value) for key, value in metrics.items() if math.isfinite(value)}


def moment(milliseconds: int) -> datetime:
    """A time as MLflow writes it."""
    return to_milliseconds(datetime.fromtimestamp(milliseconds / 1000, UTC))


# --- artifacts --------------------------------------------------------------------------------------------------------


def _with_card(tracked: Tracked, uri: str, source: str) -> Tracked:
    place = tracked.place_of(source)
    if not place:
        return tracked
    with suppress(Exception), TemporaryDirectory() as folder:
        # a model need not have the file, and its artifacts need not be open to us
        raw = Path(_download(uri, f"{place.rstrip('/')}/MLmodel", folder)).read_bytes()
        return replace(tracked, card=read(raw, "MLmodel"))
    return tracked


def _download(uri: str, artifact: str, folder: str) -> str:
    from mlflow.artifacts import download_artifacts

    return str(download_artifacts(artifact_uri=artifact, dst_path=folder, tracking_uri=uri))


@contextmanager
def fetched(uri: str, location: str) -> Iterator[Path]:
    """A copy of the artifacts at a location, gone when the block ends."""
    with TemporaryDirectory() as folder, asking(uri):
        yield Path(_download(uri, location, folder))
