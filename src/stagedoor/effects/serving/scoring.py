"""MLflow's scoring protocol inside a worker: bytes in, bytes out, and a refusal that names the column.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#local-inference-server-spec
"""

from __future__ import annotations

import csv
import io
import json
import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_LONGEST: Final = 2_000
# what MLflow says about its own past, and what it repeats of the payload
_NOISE = re.compile(r"(IMPORTANT: The MLflow Model scoring protocol|Input: ?\n).*", re.DOTALL)
_PREDICTING = re.compile(r"\AFailed to predict data '.*' ?\. ?\nError: ", re.DOTALL)
_ENFORCING = re.compile(r"\AFailed to enforce schema of data '.*'\. Error: ", re.DOTALL)
_INCIDENT = "Encountered an unexpected error while evaluating the model"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the caller, and, for our own log, what went wrong inside the model."""

    status: int
    body: str
    media: str = "application/json"
    trace: str = ""


def score(model: Any, body: bytes, content_type: str) -> Answer:
    """One call of `/invocations`. Whatever the payload or the model does becomes an answer."""
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc.scoring_server import invocations

    schema = model.metadata.get_input_schema()
    try:
        made = invocations(_text(body), content_type or "application/json", model, schema)
    except MlflowException as error:
        return _refused(error, body, content_type, schema)
    except UnicodeDecodeError:
        return refusal(400, "BAD_REQUEST", "the payload is not UTF-8")
    except Exception as error:
        return _failed(error)
    if made.status != 200:
        return refusal(made.status, "BAD_REQUEST", _trimmed(made.response))
    return Answer(made.status, made.response, made.mimetype)


def _text(body: bytes) -> bytes:
    if body[:4] != b"PAR1":
        body.decode()
    return body


def refusal(status: int, code: str, message: str, trace: str = "") -> Answer:
    """An error as MLflow's clients read it."""
    return Answer(status, json.dumps({"error_code": code, "message": message[:_LONGEST]}), trace=trace)


def _refused(error: Any, body: bytes, content_type: str, schema: Any) -> Answer:
    said = str(error.message)
    if said.startswith(_INCIDENT) and isinstance(error.__context__, Exception):
        return _failed(error.__context__)
    message = _trimmed(said)
    if not _names_a_column(message, schema):
        message += "".join(f"; {fault}" for fault in column_faults(body, content_type, schema))
    return refusal(int(error.get_http_status_code()), str(error.error_code), message)


def _failed(error: Exception) -> Answer:
    trace = "".join(traceback.format_exception(error))
    what = f"the model failed on this payload: {type(error).__name__}: {error}"
    return refusal(400, "BAD_REQUEST", what, trace)


def _trimmed(said: str) -> str:
    for pattern in (_NOISE, _PREDICTING, _ENFORCING):
        said = pattern.sub("", said)
    return said.strip()


# --- which column is wrong ------------------------------------------------------------------------------------------


def _names_a_column(message: str, schema: Any) -> bool:
    names = schema.input_names() if schema is not None and schema.has_input_names() else ()
    return any(re.search(rf"(?<!\w){re.escape(str(name))}(?!\w)", message) for name in names)


def column_faults(body: bytes, content_type: str, schema: Any) -> Iterator[str]:
    """The columns of a payload whose values do not have the type of the signature; the first ten."""
    if schema is None or not schema.has_input_names() or schema.is_tensor_spec():
        return
    columns = _columns(body, content_type)
    types = dict(zip(schema.input_names(), schema.numpy_types(), strict=False))
    wrong = [(name, type_) for name, type_ in types.items() if name in columns and not _fits(columns[name], type_)]
    for name, type_ in wrong[:10]:
        yield f"the column {name} does not hold {type_}"


def _fits(values: list[Any], type_: Any) -> bool:
    import numpy

    try:
        numpy.asarray(values).astype(type_)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _columns(body: bytes, content_type: str) -> Mapping[str, list[Any]]:
    """The payload by column, as far as it can be read so."""
    try:
        if content_type.startswith("text/csv"):
            rows = list(csv.DictReader(io.StringIO(body.decode())))
            return {str(name): [row[name] for row in rows] for name in (rows[0] if rows else ())}
        return _of_json(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, csv.Error, RecursionError):
        return {}


def _of_json(said: Any) -> Mapping[str, list[Any]]:
    if "dataframe_split" in said:
        split = said["dataframe_split"]
        return {name: [row[at] for row in split["data"]] for at, name in enumerate(split["columns"])}
    rows = said.get("dataframe_records") or said.get("instances") or said.get("inputs")
    if isinstance(rows, dict):
        return {name: value if isinstance(value, list) else [value] for name, value in rows.items()}
    return {name: [row.get(name) for row in rows] for name in rows[0]}
