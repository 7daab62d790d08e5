"""Refusals as MLflow and Databricks clients read them: one table from our errors to HTTP."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel
from starlette.responses import Response

from stagedoor.errors import RegistryError

# MLflow's client tries 429 and 5xx again for minutes, so no refusal is one of those
STATUS: Final = {
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "INVALID_STATE": 400,
    "RESOURCE_CONFLICT": 409,
    "TEMPORARILY_UNAVAILABLE": 503,
    "INTERNAL_ERROR": 500,
}
# databricks-sdk tries again for minutes when a message holds one of these, whatever the code
_RETRIED: Final = ("Unexpected error", "Please try again later", "RPC token bucket limit")


class Refusal(BaseModel):
    """The body of every refusal."""

    error_code: str
    message: str


def refused(error: RegistryError) -> Response:
    """A refusal of ours as an answer."""
    where = f" ({error.where})" if error.where else ""
    fix = f"; {error.fix}" if error.fix else ""
    return answer(error.code, f"{error.what}{where}{fix}")


def answer(code: str, message: str, status: int | None = None) -> Response:
    """An answer with a code of the table. A status of its own stands where HTTP has one."""
    for words in _RETRIED:
        message = message.replace(words, words.lower())
    status = status or STATUS[code]
    headers = {"WWW-Authenticate": 'Bearer realm="stagedoor"'} if status == 401 else {}
    if status == 503:
        headers["Retry-After"] = "1"
    body = Refusal(error_code=code, message=message[:4000]).model_dump_json()
    return Response(body, status, headers, media_type="application/json")
